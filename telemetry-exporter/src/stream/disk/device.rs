//! Where the files of a session are: a folder, or what a test puts in its place.
//!
//! Invariant: nothing is durable before its sync has returned: bytes by `sync`, the names of files by `sync_dir`.
//! Not here: what is in the files (`format`).

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::{error, fmt};

use super::format::{file_name, file_number};

/// The folder of one session.
pub trait Device: Send + Sync {
    /// A new and empty file. Its name is durable after [`sync_dir`](Self::sync_dir).
    ///
    /// # Errors
    /// There is one of this name, or the system refuses.
    fn create(&self, name: &str) -> io::Result<Box<dyn DeviceFile>>;

    /// Makes durable which files there are.
    ///
    /// # Errors
    /// The system's. Which of the names are durable is then unknown.
    fn sync_dir(&self) -> io::Result<()>;

    /// The names of all files, in any order, and their bytes.
    ///
    /// # Errors
    /// The system's.
    fn list(&self) -> io::Result<Vec<(String, u64)>>;

    /// All bytes of a file.
    ///
    /// # Errors
    /// The system's.
    fn read(&self, name: &str) -> io::Result<Vec<u8>>;

    /// Removes a file. It may be there again after a crash, until [`sync_dir`](Self::sync_dir).
    ///
    /// # Errors
    /// The system's.
    fn remove(&self, name: &str) -> io::Result<()>;
}

/// A file that is being written.
pub trait DeviceFile: Send {
    /// Appends all of the bytes.
    ///
    /// # Errors
    /// The system's; some of the bytes may be there.
    fn append(&mut self, data: &[u8]) -> io::Result<()>;

    /// Makes durable what was appended.
    ///
    /// # Errors
    /// The file has no name any more, so that nobody would find it (`NotFound`). The system's. What is durable since the last success is then unknown, and another sync would not tell.
    fn sync(&mut self) -> io::Result<()>;
}

/// A folder of the file system. Its errors tell the path.
pub struct Directory {
    path: PathBuf,
}

/// An error of the file system, and where.
#[derive(Debug)]
struct PathError {
    path: PathBuf,
    source: io::Error,
}

impl fmt::Display for PathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.source)
    }
}

impl error::Error for PathError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        Some(&self.source)
    }
}

/// The error with its path; its kind stays.
pub(super) fn at(path: &Path) -> impl FnOnce(io::Error) -> io::Error {
    move |source| io::Error::new(source.kind(), PathError { path: path.to_owned(), source })
}

fn sync_folder(path: &Path) -> io::Result<()> {
    if cfg!(unix) {
        // Elsewhere a folder is no file that can be opened, and its entries are the file system's care.
        File::open(path).and_then(|folder| folder.sync_all()).map_err(at(path))?;
    }
    Ok(())
}

impl Directory {
    /// A folder, created and made durable with those of its parents that are missing. One that is there is taken as it is.
    ///
    /// # Errors
    /// A folder cannot be created, or its name not be made durable. Those created before it stay.
    pub fn create(path: impl Into<PathBuf>) -> io::Result<Self> {
        let path = std::path::absolute(path.into())?;
        let missing: Vec<_> = path.ancestors().take_while(|folder| !folder.is_dir()).collect();
        for folder in missing.into_iter().rev() {
            match fs::create_dir(folder) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && folder.is_dir() => continue, // another was faster
                other => other.map_err(at(folder))?,
            }
            let synced = folder.parent().map_or(Ok(()), sync_folder);
            if synced.is_err() {
                let _ = fs::remove_dir(folder); // or the next attempt would take it as durable
                synced?;
            }
        }
        Ok(Self { path })
    }

    /// A folder that is there.
    ///
    /// # Errors
    /// There is none.
    pub fn open(path: impl Into<PathBuf>) -> io::Result<Self> {
        let path = path.into();
        let metadata = fs::metadata(&path).map_err(at(&path))?;
        if !metadata.is_dir() {
            return Err(at(&path)(io::ErrorKind::NotADirectory.into()));
        }
        Ok(Self { path })
    }
}

/// One file of a folder, which is read alone.
pub struct Only {
    directory: Directory,
    name: String,
}

impl Only {
    /// This file; none where it is a folder.
    ///
    /// # Errors
    /// It is not there, or its name is none of a file of a session.
    pub fn open(path: &Path) -> io::Result<Option<Self>> {
        if fs::metadata(path).map_err(at(path))?.is_dir() {
            return Ok(None);
        }
        let name = path.file_name().and_then(|name| name.to_str()).filter(|name| file_number(name).is_some());
        let wanted = || io::Error::new(io::ErrorKind::InvalidInput, format!("wanted a name such as {}", file_name(1)));
        let name = name.ok_or_else(wanted).map_err(at(path))?.to_owned();
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        Ok(Some(Self { directory: Directory::open(folder)?, name }))
    }
}

impl Device for Only {
    fn create(&self, name: &str) -> io::Result<Box<dyn DeviceFile>> {
        Err(at(&self.directory.path.join(name))(io::ErrorKind::ReadOnlyFilesystem.into()))
    }

    fn sync_dir(&self) -> io::Result<()> {
        Ok(())
    }

    fn list(&self) -> io::Result<Vec<(String, u64)>> {
        let files = self.directory.list()?;
        Ok(files.into_iter().filter(|(name, _)| *name == self.name).collect())
    }

    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        self.directory.read(name)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        Err(at(&self.directory.path.join(name))(io::ErrorKind::ReadOnlyFilesystem.into()))
    }
}

impl Device for Directory {
    fn create(&self, name: &str) -> io::Result<Box<dyn DeviceFile>> {
        let path = self.path.join(name);
        let file = OpenOptions::new().append(true).create_new(true).open(&path).map_err(at(&path))?;
        let has_links = file.metadata().is_ok_and(|metadata| links(&metadata) > 0);
        Ok(Box::new(DirectoryFile { path, file, has_links }))
    }

    fn sync_dir(&self) -> io::Result<()> {
        sync_folder(&self.path)
    }

    fn list(&self) -> io::Result<Vec<(String, u64)>> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.path).map_err(at(&self.path))? {
            let entry = entry.map_err(at(&self.path))?;
            let metadata = match entry.metadata() {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue, // removed meanwhile
                other => other.map_err(at(&entry.path()))?,
            };
            if let (true, Ok(name)) = (metadata.is_file(), entry.file_name().into_string()) {
                files.push((name, metadata.len()));
            }
        }
        Ok(files)
    }

    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        let path = self.path.join(name);
        fs::read(&path).map_err(at(&path))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let path = self.path.join(name);
        fs::remove_file(&path).map_err(at(&path))
    }
}

/// Names of a file.
#[cfg(unix)]
fn links(metadata: &fs::Metadata) -> u64 {
    use std::os::unix as system;
    system::fs::MetadataExt::nlink(metadata)
}

/// Elsewhere a file that is open is not removed.
#[cfg(not(unix))]
fn links(_: &fs::Metadata) -> u64 {
    1
}

struct DirectoryFile {
    path: PathBuf,
    file: File,
    /// Some file systems count none.
    has_links: bool,
}

impl DeviceFile for DirectoryFile {
    fn append(&mut self, data: &[u8]) -> io::Result<()> {
        self.file.write_all(data).map_err(at(&self.path))
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data().map_err(at(&self.path))?;
        if self.has_links && links(&self.file.metadata().map_err(at(&self.path))?) == 0 {
            return Err(at(&self.path)(io::Error::new(io::ErrorKind::NotFound, "it was removed")));
        }
        Ok(())
    }
}
