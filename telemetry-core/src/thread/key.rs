//! The key of a label set: what tells it from others of its metric, without memory of its own where the labels are short.
//!
//! A label type shows its parts to a `Key`, one after the other. `Packed` makes seven words of them. They say all that there is to
//! say of up to three texts of 16 bytes, or six numbers, in any mixture of two words a text and one a number; of more they are a
//! hash, and the texts themselves are compared. `Encoded` is the exact text of the same parts, which the list of all series is
//! ordered by. A `&'static str` is told by its address: what is there cannot change.

/// Takes the parts of a label set, in their order.
pub trait Key {
    /// A number, or the place of a value among those that are known.
    fn word(&mut self, word: u64);
    /// Text that may be gone after the call.
    fn text(&mut self, text: &str);
    /// Text that stays what it is.
    fn fixed(&mut self, text: &'static str);
}

/// Words of a packed key, beside that of the lengths.
const WORDS: usize = 6;

/// The part of a hash that finds the entry of a table; no table has that many.
pub const HASH: u64 = (1 << 31) - 1;

/// The multipliers of wyhash, whose folded product this is.
const MIX: [u64; 2] = [0xa076_1d64_78bd_642f, 0xe703_7ed1_a0b4_28db];

#[inline(always)]
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    product as u64 ^ (product >> 64) as u64
}

/// A label set in seven words. Without `LONG` it gives up at a text that the words cannot hold, which is all that the fast path wants.
pub struct Packed<const LONG: bool> {
    words: [u64; WORDS],
    len: usize,
    /// Of the texts, a byte each; one that is fixed has 255.
    lengths: u64,
    /// A bit for each word that begins a text.
    texts: u64,
    hash: u64,
    /// A word that waits for another, to be hashed with it.
    half: Option<u64>,
    exact: bool,
}

impl<const LONG: bool> Packed<LONG> {
    #[inline(always)]
    pub fn new() -> Self {
        Self { words: [0; WORDS], len: 0, lengths: 0, texts: 0, hash: MIX[0], half: None, exact: true }
    }

    /// Whether equal words mean equal labels.
    #[inline(always)]
    pub fn is_exact(&self) -> bool {
        self.exact
    }

    #[inline(always)]
    pub fn hash(&self) -> u64 {
        self.half.map_or(self.hash, |half| fold(self.hash ^ half, MIX[1]))
    }

    /// Whether these are the words of that key.
    #[inline(always)]
    pub fn is(&self, words: &Words) -> bool {
        // Not a loop: the compiler knows the length, and keeps the words in registers only if it sees each by itself.
        let same = |i: usize| i >= self.len || self.words[i] == words.words[i];
        self.shape() == words.shape && same(0) && same(1) && same(2) && same(3) && same(4) && same(5)
    }

    pub fn words(&self) -> Words {
        Words { words: self.words, shape: self.shape() }
    }

    /// From the top: how many words (3 bits), which of them begin a text (5; a text is two words), the lengths of the texts (24), whether
    /// this is all (1), and of the hash what there is room for (31).
    #[inline(always)]
    fn shape(&self) -> u64 {
        let kinds = (self.len as u64) << 61 | self.texts << 56;
        kinds | self.lengths << 32 | u64::from(!self.exact) << 31 | self.hash() & HASH
    }

    #[inline(always)]
    fn begin_text(&mut self, length: usize) {
        if self.len < WORDS {
            self.texts |= 1 << self.len & 0x1F;
        }
        self.lengths = (self.lengths << 8 | length as u64 & 0xFF) & 0xFF_FFFF; // three texts fill the words
    }

    /// One more word that tells, and one more that finds.
    #[inline(always)]
    fn push(&mut self, word: u64) {
        self.push_unhashed(word);
        self.half = match self.half {
            Some(half) => {
                self.hash = fold(self.hash ^ half, MIX[1] ^ word);
                None
            }
            None => Some(word),
        };
    }

    #[inline(always)]
    fn push_unhashed(&mut self, word: u64) {
        if self.len < WORDS {
            self.words[self.len] = word;
            self.len += 1;
        } else {
            self.exact = false; // it is in the hash, and the whole text is compared
        }
    }
}

/// The words of a packed key that is kept.
#[derive(Clone, Copy)]
pub struct Words {
    words: [u64; WORDS],
    shape: u64,
}

impl Words {
    /// As much of the hash as is kept.
    pub fn hash(&self) -> u64 {
        self.shape & HASH
    }
}

impl<const LONG: bool> Key for Packed<LONG> {
    #[inline(always)]
    fn word(&mut self, word: u64) {
        self.push(word);
    }

    #[inline(always)]
    fn text(&mut self, text: &str) {
        let (a, b) = if text.len() <= 16 {
            short(text.as_bytes())
        } else {
            self.exact = false;
            if LONG { digest(text.as_bytes()) } else { (0, 0) }
        };
        self.begin_text(text.len().min(254));
        self.push(a);
        self.push(b);
    }

    #[inline(always)]
    fn fixed(&mut self, text: &'static str) {
        self.begin_text(255);
        self.push(text.as_ptr().addr() as u64);
        self.push_unhashed(text.len() as u64);
    }
}

/// Two words that say, with the length, what a text of at most 16 bytes is.
///
/// As wyhash reads them: from four bytes on, four words of four that overlap where there are less than 16; up to three, each byte.
#[inline(always)]
fn short(bytes: &[u8]) -> (u64, u64) {
    let len = bytes.len();
    if len >= 4 {
        let (last, step) = (len - 4, (len >> 3) << 2);
        // SAFETY: there are at least four bytes, and with eight or more a step is at most a half of them, rounded down to a multiple of
        // four: four bytes from it, and from as much before the last four, are within.
        let four = |at: usize| u64::from(u32::from_le(unsafe { bytes.as_ptr().add(at).cast::<u32>().read_unaligned() }));
        return (four(0) << 32 | four(step), four(last) << 32 | four(last - step));
    }
    match (bytes.first(), bytes.get(len / 2), bytes.last()) {
        (Some(first), Some(middle), Some(last)) => (u64::from(*first) | u64::from(*middle) << 8 | u64::from(*last) << 16, 0),
        _ => (0, 0),
    }
}

/// Two words of a longer text.
fn digest(bytes: &[u8]) -> (u64, u64) {
    let (mut a, mut b) = (MIX[0] ^ bytes.len() as u64, MIX[1]);
    let mut mix = |chunk: &[u8; 16]| {
        let (low, high) = (u128::from_le_bytes(*chunk) as u64, (u128::from_le_bytes(*chunk) >> 64) as u64);
        (a, b) = (fold(a ^ low, MIX[1] ^ high), fold(b ^ high, MIX[0] ^ low));
    };
    let (chunks, _) = bytes.as_chunks::<16>();
    chunks.iter().for_each(&mut mix);
    if let Some(last) = bytes.last_chunk() {
        mix(last); // overlaps the one before
    }
    (a, b)
}

/// A label set as exact text: each part with a mark of its kind and its length.
#[derive(Default)]
pub struct Encoded(pub Vec<u8>);

impl Key for Encoded {
    fn word(&mut self, word: u64) {
        self.0.push(b'#');
        self.0.extend(word.to_le_bytes());
    }

    fn text(&mut self, text: &str) {
        self.0.push(b'"');
        self.0.extend(text.len().to_le_bytes());
        self.0.extend(text.as_bytes());
    }

    fn fixed(&mut self, text: &'static str) {
        self.text(text);
    }
}

/// Compares a label set with the exact text of one, part by part.
pub struct Compared<'a> {
    /// What was not compared yet; none where there was a difference.
    rest: Option<&'a [u8]>,
}

impl<'a> Compared<'a> {
    pub fn with(text: &'a [u8]) -> Self {
        Self { rest: Some(text) }
    }

    /// Whether all of the text was there, and no more.
    pub fn is_same(&self) -> bool {
        self.rest.is_some_and(<[u8]>::is_empty)
    }

    fn take(&mut self, part: &[u8]) {
        self.rest = self.rest.and_then(|rest| rest.strip_prefix(part));
    }
}

impl Key for Compared<'_> {
    fn word(&mut self, word: u64) {
        self.take(b"#");
        self.take(&word.to_le_bytes());
    }

    fn text(&mut self, text: &str) {
        self.take(b"\"");
        self.take(&text.len().to_le_bytes());
        self.take(text.as_bytes());
    }

    fn fixed(&mut self, text: &'static str) {
        self.text(text);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn packed(parts: &[&str]) -> Packed<true> {
        let mut key = Packed::new();
        parts.iter().for_each(|part| key.text(part));
        key
    }

    #[test]
    fn short_texts_are_told_apart_by_their_words() {
        let texts: Vec<String> = (0..=16).flat_map(|len| ["a", "b", "\0"].map(|text| text.repeat(len))).collect();
        for (i, a) in texts.iter().enumerate() {
            for (j, b) in texts.iter().enumerate() {
                let (one, other) = (packed(&[a, "x"]), packed(&[b, "x"]));
                assert!(one.is_exact() && other.is_exact());
                assert_eq!(one.is(&other.words()), a == b, "{i} {j}");
            }
        }
        assert!(!packed(&["ab", "c"]).is(&packed(&["a", "bc"]).words()));
        for at in 0..16 {
            let mut text = *b"0123456789abcdef";
            text[at] = b'x';
            let changed = std::str::from_utf8(&text).expect("ascii");
            assert!(!packed(&["0123456789abcdef"]).is(&packed(&[changed]).words()), "byte {at}");
        }
    }

    #[test]
    fn what_the_words_cannot_hold_is_not_called_exact() {
        assert!(!packed(&["0123456789abcdefg"]).is_exact());
        assert!(packed(&["a", "b", "c"]).is_exact() && !packed(&["a", "b", "c", "d"]).is_exact());
        let mut numbers = Packed::<true>::new();
        (0..7).for_each(|n| numbers.word(n));
        assert!(!numbers.is_exact());
        let mut fixed = Packed::<true>::new();
        ["a", "b", "c"].into_iter().for_each(|text| fixed.fixed(text));
        assert!(fixed.is_exact());
        fixed.fixed("d");
        assert!(!fixed.is_exact());
    }

    #[test]
    fn parts_of_another_kind_are_another_key() {
        let text = u64::from_le_bytes(*b"aaa\0\0\0\0\0");
        let key = |parts: &[Option<u64>]| {
            let mut key = Packed::<true>::new();
            for part in parts {
                match part {
                    Some(word) => key.word(*word),
                    None => key.text("aaa"),
                }
            }
            key
        };
        let keys =
            [key(&[None, Some(0)]), key(&[Some(text), Some(0), Some(0)]), key(&[Some(text), None]), key(&[Some(text), Some(0)])];
        for (i, one) in keys.iter().enumerate() {
            for (j, other) in keys.iter().enumerate() {
                assert_eq!(one.is(&other.words()), i == j, "{i} {j}");
            }
        }
        let (mut six, mut seven) = (Packed::<true>::new(), Packed::<true>::new());
        (0..6).for_each(|n| six.word(n));
        (0..7).for_each(|n| seven.word(n));
        assert!(!six.is(&seven.words()), "what is not exact is not what is");
    }

    #[test]
    fn a_set_is_compared_with_its_whole_text() {
        let show = |key: &mut dyn FnMut(&str), parts: &[&str]| parts.iter().for_each(|part| key(part));
        let encoded = |parts: &[&str]| {
            let mut text = Encoded::default();
            show(&mut |part| text.text(part), parts);
            text.word(7);
            text.0
        };
        let sets: [&[&str]; 6] = [&["a", "b"], &["ab", ""], &["a", "b", ""], &["a"], &["", "ab"], &["a", "c"]];
        for one in sets {
            for other in sets {
                let text = encoded(other);
                let mut compared = Compared::with(&text);
                show(&mut |part| compared.text(part), one);
                compared.word(7);
                assert_eq!(compared.is_same(), one == other, "{one:?} {other:?}");
            }
        }
    }

    #[test]
    fn a_byte_anywhere_in_a_long_text_changes_its_words() {
        let text = "x".repeat(100);
        for at in 0..100 {
            let mut changed = text.clone().into_bytes();
            changed[at] = b'y';
            assert_ne!(digest(text.as_bytes()), digest(&changed), "byte {at}");
        }
    }
}
