//! The value of a label, as it is exported.

use std::borrow::Cow;

/// The value of one label.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Label {
    /// Text.
    String(Cow<'static, str>),
    /// A whole number; an unsigned one beyond `i64::MAX` saturates.
    I64(i64),
    /// True or false.
    Bool(bool),
}

impl From<&'static str> for Label {
    fn from(text: &'static str) -> Self {
        Self::String(Cow::Borrowed(text))
    }
}
