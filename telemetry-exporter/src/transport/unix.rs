//! Connections over a Unix socket: a file whose permissions say who may connect.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener as StdListener, UnixStream as StdStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::net::UnixListener;
use tokio::runtime::Handle;

use super::connection::{Connections, Far};
use super::tcp::ACCEPT_RETRY;
use crate::access::Identity;
use crate::admission::Client;
use crate::error::StartError;

/// Who may connect: the owner of the program.
const MODE: u32 = 0o600;

/// A socket that listens; its file is removed when this is dropped.
pub struct Listener {
    socket: Option<StdListener>,
    file: File,
}

/// The file of a socket, as long as it is ours.
pub struct File {
    path: PathBuf,
    /// Which file it is: one of the same path may be another program's by then.
    inode: (u64, u64),
}

impl Drop for File {
    fn drop(&mut self) {
        let is_ours = fs::symlink_metadata(&self.path).is_ok_and(|found| (found.dev(), found.ino()) == self.inode);
        if is_ours {
            let _gone_already = fs::remove_file(&self.path);
        }
    }
}

/// Listens in this file. One that a program left behind which is no more is replaced.
///
/// # Errors
/// [`StartError::ListenUnix`]: a file that is no socket, a socket that somebody serves, or a folder that cannot be written.
pub fn listen(path: &Path) -> Result<Listener, StartError> {
    let failed = |error| StartError::ListenUnix(path.to_owned(), error);
    match fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => {
            return Err(failed(io::Error::new(io::ErrorKind::AlreadyExists, "there is a file that is no socket")));
        }
        // Where nobody listens it is told so; whatever else is told, somebody may.
        Ok(_) => match StdStream::connect(path) {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
            Err(error) => return Err(failed(error)),
            Ok(_) => return Err(failed(io::ErrorKind::AddrInUse.into())),
        },
        Err(_) => {}
    }
    // In a folder of its own until its permissions are set: nobody else ever reaches it without them.
    let mut aside = path.as_os_str().to_owned();
    aside.push(format!(".{}", std::process::id()));
    let aside = PathBuf::from(aside);
    DirBuilder::new().mode(0o700).create(&aside).map_err(failed)?;
    let bound = bind(&aside, path);
    let _removed = fs::remove_dir_all(&aside);
    let (socket, inode) = bound.map_err(failed)?;
    Ok(Listener { socket: Some(socket), file: File { path: path.to_owned(), inode } })
}

fn bind(aside: &Path, path: &Path) -> io::Result<(StdListener, (u64, u64))> {
    let inside = aside.join("s");
    let socket = StdListener::bind(&inside)?;
    fs::set_permissions(&inside, Permissions::from_mode(MODE))?;
    let found = fs::symlink_metadata(&inside)?;
    fs::rename(&inside, path)?;
    socket.set_nonblocking(true)?;
    Ok((socket, (found.dev(), found.ino())))
}

impl Listener {
    /// Hands the socket to this runtime, and gives its file.
    ///
    /// # Errors
    /// [`StartError::ListenUnix`].
    pub fn into_tokio(mut self, runtime: &Handle) -> Result<(UnixListener, File), StartError> {
        let _context = runtime.enter();
        let socket = self.socket.take().ok_or_else(|| io::Error::from(io::ErrorKind::NotConnected));
        let listener = socket.and_then(UnixListener::from_std);
        Ok((listener.map_err(|error| StartError::ListenUnix(self.file.path.clone(), error))?, self.file))
    }
}

/// Accepts until the task is ended.
pub async fn accept(listener: UnixListener, _file: File, connections: Arc<Connections>) {
    loop {
        match listener.accept().await {
            Ok((socket, _)) => connections.serve(socket, Far { client: Client::Local, identity: Identity::Local, loopback: false }),
            Err(_) => tokio::time::sleep(ACCEPT_RETRY).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_is_its_owners_and_what_is_somebody_elses_stays() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("telemetry.sock");
        let first = listen(&path).expect("nothing is there");
        assert_eq!(fs::metadata(&path).expect("it is there").mode() & 0o777, MODE);
        assert!(listen(&path).err().expect("it is served").to_string().contains("telemetry.sock"));
        drop(first);
        assert!(!path.exists());
        drop(StdListener::bind(&path).expect("bound")); // as a program that was killed
        let second = listen(&path).expect("nobody serves it");
        fs::remove_file(&path).expect("there");
        fs::write(&path, "a file").expect("written");
        drop(second);
        assert_eq!(fs::read_to_string(&path).expect("it is not ours"), "a file");
        let error = listen(&path).err().expect("no socket").to_string();
        assert!(error.contains("no socket"), "{error}");
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1, "nothing is left aside");
    }
}
