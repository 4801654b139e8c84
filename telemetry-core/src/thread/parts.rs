//! The parts of a label set: how a label type shows them, and their exact text, by which all series of a metric are found.
//!
//! Not here: the key by which a thread finds the series that it knows (`key`).

/// Takes the parts of a label set, in their order. They live as long as the set.
pub trait Key<'a> {
    /// A number, or the place of a value among those that are known.
    fn word(&mut self, word: u64);
    /// Text.
    fn text(&mut self, text: &'a str);
    /// Text that stays what it is.
    fn fixed(&mut self, text: &'static str);
}

/// A label set as exact text: each part with a mark of its kind and its length.
#[derive(Default)]
pub struct Encoded(pub Vec<u8>);

impl Key<'_> for Encoded {
    fn word(&mut self, word: u64) {
        self.0.push(b'#');
        self.0.extend(word.to_le_bytes());
    }

    fn text(&mut self, text: &str) {
        self.0.push(b'"');
        self.0.extend((text.len() as u64).to_le_bytes());
        self.0.extend(text.as_bytes());
    }

    fn fixed(&mut self, text: &'static str) {
        self.text(text);
    }
}

/// One part of an exact text.
#[derive(PartialEq, Eq)]
pub enum Part<'a> {
    Word(u64),
    Text(&'a [u8]),
}

/// The parts of an exact text; none after what is not one.
pub struct Parts<'a>(pub &'a [u8]);

impl<'a> Iterator for Parts<'a> {
    type Item = Part<'a>;

    fn next(&mut self) -> Option<Part<'a>> {
        let ([mark, number @ ..], rest) = std::mem::take(&mut self.0).split_first_chunk::<9>()?;
        let number = u64::from_le_bytes(*number);
        if *mark == b'#' {
            self.0 = rest;
            return Some(Part::Word(number));
        }
        let (text, rest) = rest.split_at_checked(number as usize)?;
        self.0 = rest;
        Some(Part::Text(text))
    }
}

/// Compares a label set with the exact text of one, part by part.
pub struct Compared<'a> {
    parts: Parts<'a>,
    same: bool,
}

impl<'a> Compared<'a> {
    pub fn with(text: &'a [u8]) -> Self {
        Self { parts: Parts(text), same: true }
    }

    /// Whether all of the text was there, and no more.
    pub fn is_same(&self) -> bool {
        self.same && self.parts.0.is_empty()
    }
}

impl Key<'_> for Compared<'_> {
    fn word(&mut self, word: u64) {
        self.same &= self.parts.next() == Some(Part::Word(word));
    }

    fn text(&mut self, text: &str) {
        self.same &= self.parts.next().is_some_and(|part| matches!(part, Part::Text(own) if own == text.as_bytes()));
    }

    fn fixed(&mut self, text: &'static str) {
        self.text(text);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

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
}
