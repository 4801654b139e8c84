//! The value of a label, as it is exported.

use std::borrow::Cow;
use std::ops::Deref;
use std::sync::Arc;

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

/// The labels of one series, keys with values; a clone shares them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LabelSet(Option<Arc<[(&'static str, Label)]>>);

impl Deref for LabelSet {
    type Target = [(&'static str, Label)];

    fn deref(&self) -> &Self::Target {
        self.0.as_deref().unwrap_or_default()
    }
}

impl FromIterator<(&'static str, Label)> for LabelSet {
    fn from_iter<I: IntoIterator<Item = (&'static str, Label)>>(pairs: I) -> Self {
        let pairs: Arc<[_]> = pairs.into_iter().collect();
        Self((!pairs.is_empty()).then_some(pairs))
    }
}
