//! The folder of all sessions of a program: a folder for each, and a lock that says which is still written.
//!
//! ```text
//! DIR/0001764247200000-6f1c….session/00000001.telemetry …   named after when the session began, in milliseconds, and its id
//! DIR/0001764247200000-6f1c….lock                           locked for as long as its process lives
//! ```

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use super::device::{Directory, at};

const SESSION: &str = "session";
const LOCK: &str = "lock";

impl Session {
    /// Its folder.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// The folder of all sessions.
#[derive(Clone, Debug)]
pub struct Folder {
    path: PathBuf,
}

/// One session in it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Session {
    /// The name of its folder, without its ending; they sort by their time.
    pub name: String,
    path: PathBuf,
}

/// A session that is written: others leave its files alone until this is dropped or the process ends.
#[derive(Debug)]
pub struct Locked {
    _file: File,
}

impl Folder {
    /// This folder, which may not be there yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Begins a session: the folder with its device, locked.
    ///
    /// # Errors
    /// The folders cannot be created and made durable, or the lock not be taken.
    pub fn begin(&self, began_ms: u64, session: [u8; 16]) -> io::Result<(Session, Directory, Locked)> {
        let id: String = session.iter().map(|byte| format!("{byte:02x}")).collect();
        let session = self.session(format!("{began_ms:016}-{id}"));
        Directory::create(&self.path)?;
        let path = self.lock_path(&session);
        let locked = self.lock(&session)?.ok_or_else(|| at(&path)(io::ErrorKind::ResourceBusy.into()))?;
        match Directory::create(&session.path) {
            Ok(directory) => Ok((session, directory, locked)),
            Err(error) => {
                let _ = fs::remove_file(path); // or each attempt would leave a lock
                Err(error)
            }
        }
    }

    /// All sessions that are there, the oldest first; none where the folder is not there.
    ///
    /// # Errors
    /// The folder cannot be listed.
    pub fn sessions(&self) -> io::Result<Vec<Session>> {
        let entries = match fs::read_dir(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(at(&self.path))?,
        };
        let mut sessions = Vec::new();
        for entry in entries {
            let path = entry.map_err(at(&self.path))?.path();
            let name =
                path.file_stem().and_then(|name| name.to_str()).filter(|_| path.extension().is_some_and(|end| end == SESSION));
            if let Some(name) = name.filter(|_| path.is_dir()) {
                sessions.push(self.session(name.to_owned()));
            }
        }
        sessions.sort();
        Ok(sessions)
    }

    /// The files of a session.
    ///
    /// # Errors
    /// It is not there any more.
    pub fn open(&self, session: &Session) -> io::Result<Directory> {
        Directory::open(&session.path)
    }

    /// Locks a session, unless its process lives or somebody reads it.
    ///
    /// # Errors
    /// The system's.
    pub fn lock(&self, session: &Session) -> io::Result<Option<Locked>> {
        self.locked(session, File::try_lock)
    }

    /// Locks a session for reading, unless its process lives. Others may read it too, and nobody removes it.
    ///
    /// # Errors
    /// The system's.
    pub fn share(&self, session: &Session) -> io::Result<Option<Locked>> {
        let locked = self.locked(session, File::try_lock_shared)?;
        if locked.is_some() && !session.path.is_dir() {
            let _ = fs::remove_file(self.lock_path(session)); // it was removed meanwhile, and the lock is there again
            return Ok(None);
        }
        Ok(locked)
    }

    fn locked(&self, session: &Session, lock: impl FnOnce(&File) -> Result<(), TryLockError>) -> io::Result<Option<Locked>> {
        let path = self.lock_path(session);
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path).map_err(at(&path))?;
        match lock(&file) {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(at(&path)(error)),
        }
        Ok(Some(Locked { _file: file }))
    }

    /// Removes the folder of a session that has no file any more, and its lock.
    ///
    /// # Errors
    /// There is something in it, or the system does not let it. A folder that is not there any more is none.
    pub fn remove(&self, session: &Session, locked: Locked) -> io::Result<()> {
        match fs::remove_dir(&session.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            removed => removed.map_err(at(&session.path))?,
        }
        let path = self.lock_path(session);
        drop(locked);
        fs::remove_file(&path).map_err(at(&path))
    }

    fn session(&self, name: String) -> Session {
        Session { path: self.path.join(format!("{name}.{SESSION}")), name }
    }

    fn lock_path(&self, session: &Session) -> PathBuf {
        self.path.join(format!("{}.{LOCK}", session.name))
    }
}

#[cfg(test)]
mod tests {
    use super::super::device::Device;
    use super::*;

    #[test]
    fn a_session_is_locked_while_it_is_written_and_goes_when_it_is_empty() {
        let dir = tempfile::tempdir().expect("a folder");
        let folder = Folder::new(dir.path().join("below").join("this"));
        assert_eq!(folder.sessions().expect("nothing is there"), []);
        let (first, directory, locked) = folder.begin(1_000, [1; 16]).expect("begun");
        let (second, _, _locked) = folder.begin(20_000, [0; 16]).expect("begun");
        assert_eq!(folder.sessions().expect("listed"), [first.clone(), second]);
        assert!(folder.lock(&first).expect("asked").is_none());
        drop(locked);
        let locked = folder.lock(&first).expect("asked").expect("nobody has it");
        directory.create("00000001.telemetry").expect("a file");
        assert!(folder.remove(&first, locked).is_err(), "it has a file");
        directory.remove("00000001.telemetry").expect("removed");
        let locked = folder.lock(&first).expect("asked").expect("nobody has it");
        folder.remove(&first, locked).expect("removed");
        assert_eq!(folder.sessions().expect("listed").len(), 1);
        assert_eq!(fs::read_dir(folder.path()).expect("listed").count(), 2, "a folder and its lock");
    }
}
