//! Reading a file that others than its owner must not change, nor all read.

use std::fs::{File, Metadata};
use std::io::Read;
use std::path::Path;

/// What a file has, of at most so many bytes.
///
/// # Errors
/// A file that cannot be read, that is none, or larger; and one that is not kept from others.
pub fn read(path: &Path, bytes_max: u64) -> Result<Vec<u8>, String> {
    read_if(path, bytes_max, 0o027, "600 or 640")
}

/// The same of a file that all may read.
///
/// # Errors
/// As [`read`].
#[cfg_attr(not(feature = "tls"), allow(dead_code))]
pub fn read_kept(path: &Path, bytes_max: u64) -> Result<Vec<u8>, String> {
    read_if(path, bytes_max, 0o022, "644")
}

fn read_if(path: &Path, bytes_max: u64, refused: u32, wanted: &str) -> Result<Vec<u8>, String> {
    let told = |error: std::io::Error| error.to_string();
    // What is no file may block when it is opened.
    if !std::fs::metadata(path).map_err(told)?.is_file() {
        return Err("it is no file".to_owned());
    }
    let file = File::open(path).map_err(told)?;
    let metadata = file.metadata().map_err(told)?;
    judge(&metadata, refused, wanted)?;
    let mut bytes = Vec::new();
    file.take(bytes_max + 1).read_to_end(&mut bytes).map_err(told)?;
    if bytes.len() as u64 > bytes_max {
        return Err(format!("it has more than {bytes_max} bytes"));
    }
    Ok(bytes)
}

/// Whether a file is kept from those who have nothing to do with it.
///
/// # Errors
/// What its permissions are, and which are wanted.
#[cfg(unix)]
fn judge(metadata: &Metadata, refused: u32, wanted: &str) -> Result<(), String> {
    use std::os::unix::fs::PermissionsExt;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & refused == 0 {
        return Ok(());
    }
    Err(format!("others than its owner may use it, its mode is {mode:o}: wanted {wanted}"))
}

/// Other systems say it in other ways, which are not judged here.
#[cfg(not(unix))]
fn judge(_: &Metadata, _: u32, _: &str) -> Result<(), String> {
    Ok(())
}
