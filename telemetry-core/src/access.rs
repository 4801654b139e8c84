//! Who may ask for what is declared: a word of the declaration, which a service judges its callers by.

use std::fmt;
use std::str::FromStr;

/// Who may ask for something. Of two the later is the stricter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Access {
    /// Whoever reaches the service.
    #[default]
    Public,
    /// Those whom the program lists: peers, holders of tokens or of certificates.
    Restricted,
    /// Nobody: to a client it is as if it were not declared.
    Disabled,
}

impl Access {
    /// The word that declarations and settings say.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Restricted => "restricted",
            Self::Disabled => "disabled",
        }
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A word that is no [`Access`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessError(String);

impl fmt::Display for AccessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "wanted \"public\", \"restricted\" or \"disabled\", found \"{}\"", self.0)
    }
}

impl std::error::Error for AccessError {}

impl FromStr for Access {
    type Err = AccessError;

    fn from_str(word: &str) -> Result<Self, AccessError> {
        let all = [Self::Public, Self::Restricted, Self::Disabled];
        all.into_iter().find(|access| access.as_str() == word).ok_or_else(|| AccessError(word.to_owned()))
    }
}
