//! The key of a label set: what tells it from others of its metric, without memory of its own.
//!
//! A label type shows its parts to a `Key`, one after the other. `Packed` makes six words of them: two of a text and one of a number. A
//! text of up to 16 bytes is in its words; of a longer one they are where it is, and it is compared there. What has no room is only
//! hashed, and the whole set is compared with its exact text (`parts`). A `&'static str` is told by its address: what is there cannot
//! change.

use super::generation::Generation;
use super::parts::{Key, Part, Parts};
use super::text::{MIX, are_same, are_same_to_32, fold, halves, longer, mix, short};

/// Words of a packed key.
pub const WORDS: usize = 6;

/// Where the kinds of a head begin, above the lengths.
const KINDS_BIT: usize = 15;

/// The greatest length of a text that is in its words.
const SHORT: usize = 16;

/// The length that stands for those of all longer texts.
const LONG: u64 = 31;

/// A label set in six words, and what they are. `NEAR` gives up at what takes long to compare: it is what the fast path wants, and where
/// it does not give up it is the same.
pub struct Packed<'a, const NEAR: bool> {
    words: [u64; WORDS],
    /// The texts, where their words begin.
    texts: [&'a [u8]; WORDS],
    len: usize,
    /// Of the texts, five bits each. At the bottom, so that the last is there without a shift.
    lengths: u64,
    /// A bit for each word that begins a text, and further up one for each that is the address of a text.
    kinds: u64,
    /// Of the texts that are told by their address, 12 bits each. It is kept as the last word.
    fixed_lengths: u64,
    generation: Generation,
    seed: u64,
    /// Whether the seed is in the hash.
    is_seeded: bool,
    hash: u64,
    /// A number and an address that wait for another, to be hashed with it.
    number: Option<u64>,
    address: Option<u64>,
    /// Not zero where a part had no room, or was too long for a near key.
    doubt: u64,
}

impl<const NEAR: bool> Packed<'_, NEAR> {
    /// A key without parts, of the metric of this address at this time.
    #[inline(always)]
    pub fn new(seed: u64, metric: usize, generation: Generation) -> Self {
        Self {
            words: [0; WORDS],
            texts: [&[]; WORDS],
            len: 0,
            lengths: 0,
            kinds: 0,
            fixed_lengths: 0,
            generation,
            seed,
            is_seeded: false,
            hash: metric as u64,
            number: None,
            address: None,
            doubt: 0,
        }
    }

    /// Whether what is the same by `is` is equal labels.
    #[inline(always)]
    pub fn is_exact(&self) -> bool {
        self.doubt == 0
    }

    #[inline(always)]
    pub fn hash(&self) -> u64 {
        let hash = self.address.map_or(self.hash, |address| fold(self.hash ^ address, MIX));
        let seeded = if self.is_seeded { hash } else { hash.wrapping_add(self.seed) };
        self.number.map_or(hash, |number| fold(seeded ^ number, self.seed))
    }

    /// From the top: the generation (32 bits), whether there is more to compare (1), and what the words are: how many (3 bits), which of
    /// them are an address (6), and which begin a text (6; a text is two words), and the lengths of the texts (15). Not zero.
    #[inline(always)]
    fn head(&self) -> u64 {
        let kinds = (self.len as u64) << (KINDS_BIT + 2 * WORDS) | self.kinds << KINDS_BIT;
        let inexact = if NEAR || self.is_exact() { 0 } else { 1 << 31 }; // a near one is exact wherever it is asked
        self.generation.bits() | inexact | kinds | self.lengths
    }

    /// Whether it is this one.
    ///
    /// # Safety
    /// The text that `kept` was told is there.
    #[inline(always)]
    pub unsafe fn is(&self, kept: &Kept) -> bool {
        // SAFETY: the caller's promise, and the heads are the same.
        self.head() == kept.head && unsafe { self.has(kept) }
    }

    /// Whether it would be this one at another time.
    ///
    /// # Safety
    /// As for `is`.
    pub unsafe fn was(&self, kept: &Kept) -> bool {
        // SAFETY: as above, but for the generation.
        self.head() as u32 == kept.head as u32 && unsafe { self.has(kept) }
    }

    /// # Safety
    /// As for `is`, and the heads are the same, but for the generation.
    #[inline(always)]
    unsafe fn has(&self, kept: &Kept) -> bool {
        // Not a loop: the compiler knows the length, and keeps the words in registers only if it sees each by itself.
        // SAFETY: the caller's promise.
        let same = |i: usize| unsafe { i >= self.len || self.same(kept, i) };
        let same_words = same(0) && same(1) && same(2) && same(3) && same(4) && same(5);
        // SAFETY: the last word is a number, of both.
        same_words && (!self.has_fixed() || self.fixed_lengths == unsafe { kept.words[WORDS - 1].number })
    }

    /// # Safety
    /// As for `has`.
    #[inline(always)]
    unsafe fn same(&self, kept: &Kept, i: usize) -> bool {
        // SAFETY: as the heads are the same, this word is of the same kind in both: a number, or of a text of the same length, or of a
        // longer text, of which the kept words are what `Kept::long` made.
        unsafe {
            if !self.begins_text(i) {
                return i > 0 && self.begins_text(i - 1) || self.words[i] == kept.words[i].number;
            }
            let text = self.texts[i];
            if text.len() <= SHORT {
                return self.words[i] == kept.words[i].number && self.words[i + 1] == kept.words[i + 1].number;
            }
            if text.len() as u64 != kept.words[i + 1].number {
                return false;
            }
            let kept = std::slice::from_raw_parts(kept.words[i].text, text.len());
            if NEAR { are_same_to_32(kept, text) } else { are_same(kept, text) }
        }
    }

    #[inline(always)]
    fn begins_text(&self, i: usize) -> bool {
        self.kinds >> i & 1 == 1
    }

    /// As it is kept beside this text, which is that of the same labels.
    pub fn kept(&self, text: &[u8]) -> Kept {
        let mut words = self.words.map(|number| Word { number });
        if self.has_fixed() {
            words[WORDS - 1] = Word { number: self.fixed_lengths };
        }
        let (mut i, mut parts) = (0, Parts(text));
        while i < self.len {
            let part = parts.next();
            if !self.begins_text(i) {
                i += 1;
                continue;
            }
            if let Some(Part::Text(text)) = part.filter(|_| self.texts[i].len() > SHORT) {
                (words[i], words[i + 1]) = Word::long(text);
            }
            i += 2;
        }
        Kept { head: self.head(), words }
    }

    /// Whether it is compared with a text beside it.
    pub fn points_to_text(&self) -> bool {
        !self.is_exact() || self.texts.iter().any(|text| text.len() > SHORT)
    }

    #[inline(always)]
    fn has_fixed(&self) -> bool {
        self.kinds >> WORDS != 0
    }

    pub fn generation(&self) -> Generation {
        self.generation
    }

    /// Whether there is room for so many words more; if not, what comes is only in the hash.
    #[inline(always)]
    fn has_room(&mut self, words: usize) -> bool {
        let has_room = self.len + words <= WORDS - usize::from(self.has_fixed());
        self.doubt |= u64::from(!has_room);
        has_room
    }

    #[inline(always)]
    fn push(&mut self, word: u64) {
        self.words[self.len] = word;
        self.len += 1;
    }

    #[inline(always)]
    fn mix(&mut self, a: u64, b: u64) {
        self.seed_hash();
        self.hash = mix(self.hash, self.seed, a, b);
    }

    #[inline(always)]
    fn seed_hash(&mut self) {
        if !self.is_seeded {
            (self.hash, self.is_seeded) = (self.hash.wrapping_add(self.seed), true);
        }
    }

    /// Hashes a text of more than 16 bytes.
    #[inline(always)]
    fn mix_long(&mut self, bytes: &[u8]) {
        match (bytes.first_chunk(), bytes.last_chunk()) {
            (Some(first), Some(last)) if NEAR || bytes.len() <= 32 => {
                let ((a, b), (c, d)) = (halves(first), halves(last));
                self.mix(a, b);
                self.mix(c, d);
            }
            _ => {
                self.seed_hash();
                self.hash = longer(self.hash, self.seed, bytes);
            }
        }
    }
}

/// One word of a key that is kept.
#[derive(Clone, Copy)]
union Word {
    number: u64,
    text: *const u8,
}

impl Word {
    /// The two of a text of more than 16 bytes.
    fn long(text: &[u8]) -> (Self, Self) {
        (Self { text: text.as_ptr() }, Self { number: text.len() as u64 })
    }
}

/// A packed key that is kept, with pointers to its long texts.
pub struct Kept {
    head: u64,
    words: [Word; WORDS],
}

impl Kept {
    /// What no key is.
    pub const NONE: Self = Self { head: 0, words: [Word { number: 0 }; WORDS] };

    #[inline(always)]
    pub fn is_none(&self) -> bool {
        self.head == 0
    }

    pub fn generation(&self) -> Generation {
        Generation::of_bits(self.head >> 32 << 32)
    }

    /// The same key at another time.
    pub fn renew(&mut self, generation: Generation) {
        self.head = u64::from(self.head as u32) | generation.bits();
    }
}

impl<'a, const NEAR: bool> Key<'a> for Packed<'a, NEAR> {
    #[inline(always)]
    fn word(&mut self, word: u64) {
        if self.has_room(1) {
            self.push(word);
        }
        match self.number.take() {
            Some(number) => self.mix(number, word),
            None => self.number = Some(word),
        }
    }

    #[inline(always)]
    fn text(&mut self, text: &'a str) {
        let bytes = text.as_bytes();
        let (a, b, length) = if bytes.len() <= SHORT {
            let (a, b) = short(bytes);
            self.mix(a, b);
            (a, b, bytes.len() as u64)
        } else {
            // A near key goes on all the same: so the compiler knows how many words there are.
            self.doubt |= u64::from(NEAR && bytes.len() > 32);
            self.mix_long(bytes);
            (0, 0, LONG)
        };
        if self.has_room(2) {
            self.kinds |= 1 << self.len;
            self.lengths = self.lengths << 5 | length;
            self.texts[self.len] = bytes;
            self.push(a);
            self.push(b);
        }
    }

    #[inline(always)]
    fn fixed(&mut self, text: &'static str) {
        const LENGTH_BITS: u32 = 12;
        let (address, length) = (text.as_ptr().addr() as u64, text.len() as u64);
        let doubt = length >> LENGTH_BITS;
        if !NEAR && doubt != 0 {
            return self.text(text);
        }
        self.doubt |= doubt;
        // The last word is for the lengths from now on.
        if self.len < WORDS - 1 && self.has_room(1) {
            self.fixed_lengths = self.fixed_lengths << LENGTH_BITS | length;
            self.kinds |= 1 << (WORDS + self.len);
            self.push(address);
        } else {
            self.doubt = 1;
        }
        // Nobody chooses addresses: the seed is spared.
        match self.address.take() {
            Some(before) => self.hash = fold(self.hash ^ before, address),
            None => self.address = Some(address),
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::thread::parts::Encoded;

    const SEED: u64 = 0x1234_5678_9abc_def1;

    const FIRST: Generation = Generation::of_bits(1 << 32);

    fn new() -> Packed<'static, false> {
        Packed::new(SEED, 64, FIRST)
    }

    fn packed<'a>(parts: &[&'a str]) -> Packed<'a, false> {
        let mut key: Packed<'a, false> = Packed::new(SEED, 64, FIRST);
        parts.iter().for_each(|part| key.text(part));
        key
    }

    /// The exact text of a packed key, where its parts are texts.
    fn encoded(parts: &[&str]) -> Vec<u8> {
        let mut text = Encoded::default();
        parts.iter().for_each(|part| text.text(part));
        text.0
    }

    fn same(one: &Packed<'_, false>, other: &Packed<'_, false>, text: &[u8]) -> bool {
        // SAFETY: the text is there.
        unsafe { one.is(&other.kept(text)) }
    }

    /// Of keys without long texts.
    fn are_same(one: &Packed<'_, false>, other: &Packed<'_, false>) -> bool {
        same(one, other, &[])
    }

    #[test]
    fn short_texts_are_told_apart_by_their_words() {
        let texts: Vec<String> = (0..=16).flat_map(|len| ["a", "b", "\0"].map(|text| text.repeat(len))).collect();
        for (i, a) in texts.iter().enumerate() {
            for (j, b) in texts.iter().enumerate() {
                let (one, other) = (packed(&[a, "x"]), packed(&[b, "x"]));
                assert!(one.is_exact() && other.is_exact());
                assert_eq!(are_same(&one, &other), a == b, "{i} {j}");
            }
        }
        assert!(!are_same(&packed(&["ab", "c"]), &packed(&["a", "bc"])));
        for at in 0..16 {
            let mut text = *b"0123456789abcdef";
            text[at] = b'x';
            let changed = std::str::from_utf8(&text).expect("ascii");
            assert!(!are_same(&packed(&["0123456789abcdef"]), &packed(&[changed])), "byte {at}");
        }
    }

    #[test]
    fn what_the_words_cannot_hold_is_not_called_exact() {
        assert!(packed(&["a", "b", "c"]).is_exact() && !packed(&["a", "b", "c", "d"]).is_exact());
        let mut numbers = new();
        (0..7).for_each(|n| numbers.word(n));
        assert!(!numbers.is_exact());
        let mut fixed = new();
        ["a", "b", "c", "d", "e"].into_iter().for_each(|text| fixed.fixed(text));
        assert!(fixed.is_exact());
        fixed.fixed("f");
        assert!(!fixed.is_exact());
    }

    #[test]
    fn parts_of_another_kind_are_another_key() {
        let text = u64::from_le_bytes(*b"aaa\0\0\0\0\0");
        let key = |parts: &[Option<u64>]| {
            let mut key = new();
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
                assert_eq!(are_same(one, other), i == j, "{i} {j}");
            }
        }
        let (mut six, mut seven) = (new(), new());
        (0..6).for_each(|n| six.word(n));
        (0..7).for_each(|n| seven.word(n));
        assert!(!are_same(&six, &seven), "what is not exact is not what is");
    }

    #[test]
    fn a_byte_anywhere_in_a_long_text_is_found_by_comparing() {
        for len in [17, 31, 32, 33, 48, 100] {
            let text = "x".repeat(len);
            for parts in [&[text.as_str()][..], &["get", &text], &[&text, "get", &text], &["a-text-of-17-bytes", &text]] {
                let (key, encoded) = (packed(parts), encoded(parts));
                assert!(key.is_exact() && same(&packed(parts), &key, &encoded));
                for at in 0..len {
                    let mut changed = text.clone().into_bytes();
                    changed[at] = b'y';
                    let changed = std::str::from_utf8(&changed).expect("ascii");
                    let parts: Vec<_> = parts.iter().map(|part| if *part == text { changed } else { part }).collect();
                    assert!(!same(&packed(&parts), &key, &encoded), "byte {at} of {len}");
                    assert_ne!(packed(&parts).hash(), key.hash(), "byte {at} of {len}");
                }
                let longer = text.clone() + "x";
                let parts: Vec<_> = parts.iter().map(|part| if *part == text { &longer } else { *part }).collect();
                assert!(!same(&packed(&parts), &key, &encoded), "{len}");
            }
        }
    }

    #[test]
    fn a_near_key_is_the_same_as_one_that_is_not_or_gives_up() {
        let texts = ["", "get", "0123456789abcdef", "0123456789abcdefg", "0123456789abcdef0123456789abcdef"];
        let beyond = "0123456789abcdef0123456789abcdefg";
        for one in texts {
            for other in texts {
                let mut near = Packed::<true>::new(SEED, 64, FIRST);
                [one, other].iter().for_each(|part| near.text(part));
                let (key, encoded) = (packed(&[one, other]), encoded(&[one, other]));
                // SAFETY: the text is there.
                assert!(near.is_exact() && near.hash() == key.hash() && unsafe { near.is(&key.kept(&encoded)) });
            }
            let mut near = Packed::<true>::new(SEED, 64, FIRST);
            [one, beyond].iter().for_each(|part| near.text(part));
            assert!(!near.is_exact());
        }
    }

    #[test]
    fn a_key_of_another_metric_or_time_is_another() {
        let of = |seed, metric, generation| {
            let mut key: Packed<'_, false> = Packed::new(seed, metric, generation);
            key.text("get");
            key
        };
        let (key, next) = (of(SEED, 64, FIRST), FIRST.next());
        assert!(are_same(&key, &of(SEED, 64, FIRST)) && !are_same(&key, &of(SEED, 64, next)));
        // SAFETY: there are no long texts.
        unsafe { assert!(key.was(&of(SEED, 64, next).kept(&[])) && !key.was(&packed(&["put"]).kept(&[]))) };
        assert!(of(SEED, 64, next).kept(&[]).generation() == next && next != FIRST);
        assert_eq!(key.hash(), of(SEED, 64, next).hash(), "it is found to be of another time");
        assert_ne!(key.hash(), of(SEED, 128, FIRST).hash());
        assert_ne!(key.hash(), of(!SEED, 64, FIRST).hash());
    }

    #[test]
    fn hashes_of_short_texts_and_numbers_fill_a_table_evenly() {
        let mut places = vec![0_u32; 1 << 12];
        let mut count = |key: Packed<'_, false>| places[(key.hash() & 0xFFF) as usize] += 1;
        for n in 0..1_u64 << 12 {
            let mut key = new();
            key.word(n);
            count(key);
            count(packed(&["get", &format!("/items/{n}")]));
        }
        // Two a place on average: by chance one place of a million has more than fourteen.
        assert!(places.iter().all(|count| *count < 16), "{:?}", places.iter().max());
    }
}
