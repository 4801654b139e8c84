//! The records of a file: an executable, a library, an object file, or an archive of those; ELF, Mach-O or PE, also after `strip`.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use object::read::archive::ArchiveFile;
use object::{Object, ObjectSection};
use telemetry_core::meta::{MetaError, Record, SECTION_ELF, SECTION_MACHO, SECTION_PE};

/// Why the records of a file cannot be read.
#[derive(Debug)]
pub struct BinaryError {
    path: PathBuf,
    /// In an archive.
    member: Option<String>,
    cause: Cause,
}

#[derive(Debug)]
enum Cause {
    Io(io::Error),
    NoBinary(object::Error),
    NoSection,
    Damaged(String, MetaError),
}

impl fmt::Display for BinaryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        if let Some(member) = &self.member {
            write!(f, "({member})")?;
        }
        match &self.cause {
            Cause::Io(error) => write!(f, ": {error}"),
            Cause::NoBinary(error) => {
                write!(f, ": {error}; wanted an executable, a library, an object file or an archive in ELF, Mach-O or PE")
            }
            Cause::NoSection => write!(f, ": no section {SECTION_ELF}: nothing that was linked into it declares telemetry"),
            Cause::Damaged(section, error) => write!(f, ": section {section}: {error}"),
        }
    }
}

impl std::error::Error for BinaryError {}

/// All declarations of a file, by kind and name.
///
/// # Errors
/// The file cannot be read, is no binary, declares nothing, or has a damaged record; the text says which and where.
pub fn read(path: &Path) -> Result<Vec<Record>, BinaryError> {
    let failed = |member: Option<String>, cause| BinaryError { path: path.to_owned(), member, cause };
    let data = fs::read(path).map_err(|error| failed(None, Cause::Io(error)))?;
    let mut records = Vec::new();
    if data.starts_with(&object::archive::MAGIC) {
        let archive = ArchiveFile::parse(&*data).map_err(|error| failed(None, Cause::NoBinary(error)))?;
        for member in archive.members() {
            let member = member.map_err(|error| failed(None, Cause::NoBinary(error)))?;
            let name = String::from_utf8_lossy(member.name()).into_owned();
            let bytes = member.data(&*data).map_err(|error| failed(Some(name.clone()), Cause::NoBinary(error)))?;
            // An archive has members that are no binaries, such as the metadata of an rlib.
            if object::FileKind::parse(bytes).is_ok() {
                records.extend(of_object(bytes).map_err(|cause| failed(Some(name), cause))?);
            }
        }
    } else {
        records = of_object(&data).map_err(|cause| failed(None, cause))?;
    }
    if records.is_empty() {
        return Err(failed(None, Cause::NoSection));
    }
    records.sort_by(|a, b| (&a.kind, &a.name, &a.file, a.line).cmp(&(&b.kind, &b.name, &b.file, b.line)));
    Ok(records)
}

fn of_object(data: &[u8]) -> Result<Vec<Record>, Cause> {
    let file = object::File::parse(data).map_err(Cause::NoBinary)?;
    let mut records = Vec::new();
    for section in file.sections() {
        let name = section.name().unwrap_or_default();
        if [SECTION_ELF, SECTION_MACHO, SECTION_PE].contains(&name) {
            let bytes = section.uncompressed_data().map_err(Cause::NoBinary)?;
            records.extend(Record::read_all(&bytes).map_err(|error| Cause::Damaged(name.to_owned(), error))?);
        }
    }
    Ok(records)
}
