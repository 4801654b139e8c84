//! Who may read or call what is declared, as far as its declaration says.
//!
//! Not here: who somebody is, and what a server makes of what is said.

use std::fmt;
use std::str::FromStr;

use crate::write::ACCESS;

/// Who may read or call what is declared. The later is the stricter.
///
/// ```
/// use telemetry_core::{Access, Property, property};
///
/// /// Where the keys of this node are.
/// #[property(name = "doc_key_path", access = "restricted")]
/// static KEY_PATH: Property<String>;
///
/// assert_eq!("restricted".parse(), Ok(Access::Restricted));
/// assert!(Access::Disabled > Access::Restricted && Access::Restricted > Access::Public);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Access {
    /// Everybody who reaches the server.
    #[default]
    Public,
    /// Those whom the program knows.
    Restricted,
    /// Nobody.
    Disabled,
}

impl Access {
    const ALL: [Self; 3] = [Self::Public, Self::Restricted, Self::Disabled];

    /// The word that declarations and the catalogue use.
    pub const fn as_str(self) -> &'static str {
        ACCESS[self as usize]
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that is no [`Access`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessError(String);

impl FromStr for Access {
    type Err = AccessError;

    fn from_str(text: &str) -> Result<Self, AccessError> {
        Self::ALL.into_iter().find(|access| access.as_str() == text).ok_or_else(|| AccessError(text.to_owned()))
    }
}

impl fmt::Display for AccessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (text, [public, restricted, disabled]) = (&self.0, ACCESS);
        write!(f, "unknown access \"{text}\": wanted \"{public}\", \"{restricted}\" or \"{disabled}\"")
    }
}

impl std::error::Error for AccessError {}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn each_word_is_read_as_it_is_written_and_no_other_is() {
        for access in Access::ALL {
            assert_eq!(access.as_str().parse(), Ok(access));
        }
        let error = "Public".parse::<Access>().expect_err("words are in lower case");
        assert_eq!(error.to_string(), "unknown access \"Public\": wanted \"public\", \"restricted\" or \"disabled\"");
    }
}
