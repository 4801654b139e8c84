//! The file with the key that a libp2p peer is known by, so that it can be on a list.
//!
//! It is one line: libp2p's protobuf of the key pair, in base64, as kubo's `Identity.PrivKey`. Invariant: a file is made once, for its
//! owner alone, and never written again.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use libp2p::identity::Keypair;

use crate::limits::IDENTITY_BYTES_MAX;

/// Why there is no key pair.
#[derive(Debug)]
pub struct IdentityError {
    path: PathBuf,
    why: Why,
}

#[derive(Debug)]
enum Why {
    Io(io::Error),
    Open(u32),
    NoKey(String),
}

impl IdentityError {
    /// Whether there is no such file.
    pub fn is_absent(&self) -> bool {
        matches!(&self.why, Why::Io(error) if error.kind() == io::ErrorKind::NotFound)
    }
}

impl fmt::Display for IdentityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.path.display())?;
        match &self.why {
            Why::Io(error) => error.fmt(f),
            Why::Open(mode) => write!(f, "others may use this key: its mode is {mode:04o}, wanted 0600 or less"),
            Why::NoKey(why) => write!(f, "it holds no key: {why}; wanted the protobuf of a libp2p key pair in base64"),
        }
    }
}

impl std::error::Error for IdentityError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.why {
            Why::Io(error) => Some(error),
            _ => None,
        }
    }
}

/// The key pair of this file.
///
/// # Errors
/// A file that is absent, that others than its owner may read or write (on Unix), or that holds no key pair of Ed25519.
pub fn load(path: impl AsRef<Path>) -> Result<Keypair, IdentityError> {
    let path = path.as_ref();
    read(path).map_err(|why| IdentityError { path: path.to_owned(), why })
}

/// The key pair of this file, which is made where it is absent, with a new key and mode 0600.
///
/// # Errors
/// As [`load`], and a file that cannot be written.
pub fn load_or_create(path: impl AsRef<Path>) -> Result<Keypair, IdentityError> {
    let path = path.as_ref();
    match load(path) {
        Err(error) if error.is_absent() => create(path).map_err(|why| IdentityError { path: path.to_owned(), why }),
        loaded => loaded,
    }
}

fn read(path: &Path) -> Result<Keypair, Why> {
    let file = File::open(path).map_err(Why::Io)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = file.metadata().map_err(Why::Io)?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(Why::Open(mode));
        }
    }
    let mut bytes = Vec::new();
    file.take(IDENTITY_BYTES_MAX).read_to_end(&mut bytes).map_err(Why::Io)?;
    let protobuf = STANDARD.decode(bytes.trim_ascii()).map_err(|error| Why::NoKey(error.to_string()))?;
    Keypair::from_protobuf_encoding(&protobuf).map_err(|error| Why::NoKey(error.to_string()))
}

fn create(path: &Path) -> Result<Keypair, Why> {
    let keypair = Keypair::generate_ed25519();
    let protobuf = keypair.to_protobuf_encoding().map_err(|error| Why::NoKey(error.to_string()))?;
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = match options.open(path) {
        // Another has made it since.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return read(path),
        opened => opened.map_err(Why::Io)?,
    };
    let written = writeln!(file, "{}", STANDARD.encode(protobuf)).and_then(|()| file.sync_all());
    if let Err(error) = written {
        let _half = std::fs::remove_file(path); // it is ours, and no key
        return Err(Why::Io(error));
    }
    Ok(keypair)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_made_once_for_its_owner_and_gives_the_same_key_ever_after() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("key");
        assert!(load(&path).expect_err("nothing there").is_absent());
        let made = load_or_create(&path).expect("made");
        let text = std::fs::read_to_string(&path).expect("text");
        assert_eq!(load_or_create(&path).expect("there").public(), made.public());
        assert_eq!(load(&path).expect("there").public(), made.public());
        assert_eq!(std::fs::read_to_string(&path).expect("text"), text);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = |path: &Path| std::fs::metadata(path).expect("there").permissions().mode() & 0o777;
            assert_eq!(mode(&path), 0o600);
            std::fs::set_permissions(&path, PermissionsExt::from_mode(0o640)).expect("set");
            let error = load_or_create(&path).expect_err("the group may read it").to_string();
            assert!(error.contains("key: others may use this key: its mode is 0640, wanted 0600"), "{error}");
        }
    }

    #[test]
    fn what_is_no_key_says_so_and_stays_as_it_is() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("key");
        for text in ["", "nonsense!", "AAAA", &"A".repeat(1 << 20)] {
            let mut options = OpenOptions::new();
            options.write(true).create(true).truncate(true);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            options.open(&path).and_then(|mut file| file.write_all(text.as_bytes())).expect("written");
            let error = load_or_create(&path).expect_err("no key").to_string();
            assert!(error.contains("key: it holds no key: "), "{error}");
            assert_eq!(std::fs::read_to_string(&path).expect("text"), text);
        }
    }
}
