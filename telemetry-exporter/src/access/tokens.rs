//! Bearer tokens: where they stand, and which one a request shows.
//!
//! Invariant: which letters of a token are wrong takes no time to tell, and no text of ours tells one; how long one is, is no secret. Not here: a way to say a
//! token on a command line, where every user of the machine would see it.

use std::collections::HashSet;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use subtle::ConstantTimeEq;

use super::identity::Credential;
use super::secret_file;
use crate::limits::{
    TOKEN_DIFFERENT_MIN, TOKEN_HEX_LETTERS_MIN, TOKEN_LETTERS_MAX, TOKEN_LETTERS_MIN, TOKENS_FILE_BYTES_MAX, TOKENS_MAX,
};

/// Where the tokens stand that a service takes: in files, and in environment variables.
///
/// A file has one token a line, and behind it what else is known of it: `name=WORD`, who has it, and `until=TIME`, from when on it is refused, such as
/// `until=2027-01-31T00:00:00Z`. Empty lines, and those that begin with `#`, are passed over. A file that changes is read again within
/// [`RELOAD_EVERY`](crate::limits::RELOAD_EVERY). On Unix one that others than its owner may write, or than its group may read, is refused. A variable has one token.
///
/// A token has at least 128 bits: [`TOKEN_LETTERS_MIN`] letters, digits and `-._~+/=`, or [`TOKEN_HEX_LETTERS_MIN`] where all are hexadecimal.
/// `telemetry token` makes one.
///
/// ```
/// use telemetry_exporter::Tokens;
///
/// let tokens = Tokens::in_file("/etc/node/tokens").and_env("NODE_TOKEN");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tokens {
    files: Vec<PathBuf>,
    variables: Vec<String>,
}

impl Tokens {
    /// Those in this file.
    pub fn in_file(path: impl Into<PathBuf>) -> Self {
        Self::default().and_file(path)
    }

    /// That in this environment variable. Where it is not set there is none.
    pub fn in_env(variable: impl Into<String>) -> Self {
        Self::default().and_env(variable)
    }

    /// Also those in this file.
    #[must_use]
    pub fn and_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.files.push(path.into());
        self
    }

    /// Also that in this environment variable.
    #[must_use]
    pub fn and_env(mut self, variable: impl Into<String>) -> Self {
        self.variables.push(variable.into());
        self
    }

    /// The files among them.
    pub(crate) fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// Reads all.
    ///
    /// # Errors
    /// The first that is wrong, and where it stands; never the token.
    pub(super) fn read(&self) -> Result<Secrets, String> {
        let mut all = Vec::new();
        for path in &self.files {
            let text = secret_file::read(path, TOKENS_FILE_BYTES_MAX).map_err(|why| {
                let helps = if path.exists() { "" } else { "; `telemetry token FILE` makes one" };
                format!("the tokens of {}: {why}{helps}", path.display())
            })?;
            let text = String::from_utf8(text).map_err(|_| format!("the tokens of {}: it is no text", path.display()))?;
            for (index, line) in text.lines().enumerate() {
                let secret =
                    Secret::parse(line).map_err(|why| format!("the tokens of {}: line {}: {why}", path.display(), index + 1))?;
                all.extend(secret);
            }
        }
        for variable in &self.variables {
            let Some(value) = std::env::var_os(variable) else { continue };
            let Some(token) = value.to_str() else { return Err(format!("the token of {variable}: it is no text")) };
            judge(token.as_bytes()).map_err(|why| format!("the token of {variable}: {why}"))?;
            all.push(Secret { token: token.as_bytes().into(), name: variable.clone(), until: None });
        }
        if all.len() > TOKENS_MAX {
            return Err(format!("there are {} tokens: at most {TOKENS_MAX} are allowed", all.len()));
        }
        Ok(Secrets(all.into_iter().map(Arc::new).collect()))
    }
}

/// Whether this may be a token.
fn judge(token: &[u8]) -> Result<(), String> {
    let is_letter = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(byte); // RFC 6750, section 2.1
    if !token.iter().all(is_letter) {
        return Err("the token has what is none of A-Z, a-z, 0-9 and -._~+/=".to_owned());
    }
    let is_hex = token.iter().all(u8::is_ascii_hexdigit);
    let least = if is_hex { TOKEN_HEX_LETTERS_MIN } else { TOKEN_LETTERS_MIN };
    let different = token.iter().collect::<HashSet<_>>().len();
    if token.len() < least || token.len() > TOKEN_LETTERS_MAX {
        let kind = if is_hex { "hexadecimal digits" } else { "letters" };
        return Err(format!(
            "the token has {} {kind}: wanted {least} to {TOKEN_LETTERS_MAX}, which is 128 bits or more",
            token.len()
        ));
    }
    if different < TOKEN_DIFFERENT_MIN {
        return Err(format!("the token has {different} different letters: wanted one that is random"));
    }
    Ok(())
}

/// One token.
pub struct Secret {
    token: Box<[u8]>,
    name: String,
    until: Option<SystemTime>,
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secret").field("name", &self.name).field("until", &self.until).finish_non_exhaustive()
    }
}

impl Secret {
    /// That of a line; none where the line has none.
    fn parse(line: &str) -> Result<Option<Self>, String> {
        let mut words = line.split_whitespace();
        let Some(token) = words.next().filter(|word| !word.starts_with('#')) else { return Ok(None) };
        judge(token.as_bytes())?;
        let mut secret = Self { token: token.as_bytes().into(), name: String::new(), until: None };
        for word in words {
            match word.split_once('=') {
                Some(("name", name)) => name.clone_into(&mut secret.name),
                Some(("until", time)) => {
                    let until = humantime::parse_rfc3339(time);
                    secret.until =
                        Some(until.map_err(|_| "until is no time: wanted such as until=2027-01-31T00:00:00Z".to_owned())?);
                }
                _ => return Err("behind the token: wanted name=WORD or until=TIME".to_owned()),
            }
        }
        Ok(Some(secret))
    }
}

/// The tokens that are taken.
#[derive(Default)]
pub struct Secrets(Vec<Arc<Secret>>);

impl Secrets {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What the token of a request is. It takes as long for one that is wrong as for one that is right of the same length.
    pub fn judge(&self, token: &[u8], now: SystemTime) -> Credential {
        let mut found = None;
        for secret in &self.0 {
            let is_same = bool::from(secret.token.ct_eq(token));
            found = if is_same { Some(secret) } else { found };
        }
        match found {
            None => Credential::Wrong,
            Some(secret) => match secret.until {
                Some(until) if until <= now => Credential::Expired(until),
                _ => Credential::Token(Arc::clone(secret)),
            },
        }
    }

    /// What a token that was taken is by now.
    pub fn judge_again(&self, secret: &Secret, now: SystemTime) -> Credential {
        self.judge(&secret.token, now)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::Duration;

    use super::*;

    const RIGHT: &str = "q83vEjRWeJq83vEjRWeJqw";

    fn written(text: &str, mode: u32) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("tokens");
        fs::write(&path, text).expect("written");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("it is ours");
        }
        (folder, path)
    }

    #[test]
    fn a_token_is_taken_until_its_time_and_no_other_is() {
        let text =
            format!("# of the operators\n\n{RIGHT} name=grafana until=2027-01-31T00:00:00Z\n0123456789abcdef0123456789abcdef\n");
        let (_folder, path) = written(&text, 0o600);
        let secrets = Tokens::in_file(path).read().expect("they are as wanted");
        let until = humantime::parse_rfc3339("2027-01-31T00:00:00Z").expect("a time");
        let before = until - Duration::from_nanos(1);
        assert!(matches!(secrets.judge(RIGHT.as_bytes(), before), Credential::Token(secret) if secret.name == "grafana"));
        assert!(matches!(secrets.judge(RIGHT.as_bytes(), until), Credential::Expired(at) if at == until));
        assert!(matches!(secrets.judge(b"0123456789abcdef0123456789abcdef", until), Credential::Token(_)));
        for wrong in ["", "x", &RIGHT[1..], &format!("{RIGHT}q"), "q83vEjRWeJq83vEjRWeJqW"] {
            assert!(matches!(secrets.judge(wrong.as_bytes(), before), Credential::Wrong), "{wrong}");
        }
        assert!(Tokens::default().read().expect("none").is_empty());
    }

    #[test]
    fn what_is_no_good_token_is_refused_with_its_place_and_is_not_told() {
        let cases = [
            ("short", "line 2: the token has 5 letters: wanted 22 to 512, which is 128 bits or more"),
            ("0123456789abcdef0123456789abcde", "line 2: the token has 31 hexadecimal digits: wanted 32 to 512"),
            ("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "line 2: the token has 1 different letters: wanted one that is random"),
            ("q83vEjRWeJq83vEjRWeJqw\u{e4}", "line 2: the token has what is none of A-Z"),
            ("q83vEjRWeJq83vEjRWeJqw until=tomorrow", "line 2: until is no time: wanted such as until=2027"),
            ("q83vEjRWeJq83vEjRWeJqw grafana", "line 2: behind the token: wanted name=WORD or until=TIME"),
        ];
        for (line, wanted) in cases {
            let (_folder, path) = written(&format!("# one\n{line}\n"), 0o640);
            let error = Tokens::in_file(&path).read().err().expect(line);
            assert!(error.starts_with(&format!("the tokens of {}: ", path.display())) && error.contains(wanted), "{error}");
            assert!(!error.contains(line.split(' ').next().expect("a word")), "{error}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_all_may_read_is_refused() {
        let (_folder, path) = written(RIGHT, 0o604);
        let error = Tokens::in_file(&path).read().err().expect("it is no secret");
        assert!(error.contains("its mode is 604: wanted 600 or 640"), "{error}");
        assert!(!format!("{:?}", Tokens::in_file(written(RIGHT, 0o600).1)).contains(RIGHT));
    }
}
