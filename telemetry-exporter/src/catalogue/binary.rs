//! The records of a file: an executable, a library, an object file, or an archive of those; ELF, Mach-O or PE, also after `strip`.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use object::read::archive::ArchiveFile;
use object::{CompressionFormat, FileKind, Object, ObjectSection};
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
    Compressed(String),
    Overlapping(String),
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
            Cause::Compressed(section) => write!(f, ": section {section}: it is compressed, wanted it as the linker wrote it"),
            Cause::Overlapping(section) => {
                write!(f, ": section {section}: with those before it that have records it is longer than the file: they overlap")
            }
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
    let data = fs::read(path).map_err(|error| BinaryError { path: path.to_owned(), member: None, cause: Cause::Io(error) })?;
    read_bytes(path, &data)
}

/// The same for a file that has been read; an error names it by `path`. What is allocated is bounded by the size of `data`.
///
/// # Errors
/// Those of [`read`], without that the file cannot be read.
pub fn read_bytes(path: &Path, data: &[u8]) -> Result<Vec<Record>, BinaryError> {
    let failed = |member: Option<&[u8]>, cause| {
        let member = member.map(|name| String::from_utf8_lossy(name).into_owned());
        BinaryError { path: path.to_owned(), member, cause }
    };
    let mut records = Vec::new();
    if data.starts_with(&object::archive::MAGIC) {
        let archive = ArchiveFile::parse(data).map_err(|error| failed(None, Cause::NoBinary(error)))?;
        for member in archive.members() {
            let member = member.map_err(|error| failed(None, Cause::NoBinary(error)))?;
            let bytes = member.data(data).map_err(|error| failed(Some(member.name()), Cause::NoBinary(error)))?;
            if may_declare(bytes) {
                records.extend(of_object(bytes).map_err(|cause| failed(Some(member.name()), cause))?);
            }
        }
    } else {
        records = of_object(data).map_err(|cause| failed(None, cause))?;
    }
    if records.is_empty() {
        return Err(failed(None, Cause::NoSection));
    }
    records.sort_by(|a, b| (&a.kind, &a.name, &a.file, a.line).cmp(&(&b.kind, &b.name, &b.file, b.line)));
    Ok(records)
}

/// Whether a member of an archive is an object file. Others are the metadata of an rlib, a library that it brings along, or what
/// says which DLL to import from.
fn may_declare(member: &[u8]) -> bool {
    let others = [FileKind::Archive, FileKind::CoffImport, FileKind::DyldCache, FileKind::MachOFat32, FileKind::MachOFat64];
    FileKind::parse(member).is_ok_and(|kind| !others.contains(&kind))
}

fn of_object(data: &[u8]) -> Result<Vec<Record>, Cause> {
    let file = object::File::parse(data).map_err(Cause::NoBinary)?;
    let (mut records, mut unread) = (Vec::new(), data.len());
    for section in file.sections() {
        let Some(name) = section.name().ok().filter(|name| [SECTION_ELF, SECTION_MACHO, SECTION_PE].contains(name)) else {
            continue;
        };
        // No linker compresses what a program loads; its size would be what the file says, and not what it has.
        let bytes = section.compressed_data().map_err(Cause::NoBinary)?;
        if bytes.format != CompressionFormat::None {
            return Err(Cause::Compressed(name.to_owned()));
        }
        // A header of 64 bytes would otherwise be good for as many records as the whole file has.
        unread = unread.checked_sub(bytes.data.len()).ok_or_else(|| Cause::Overlapping(name.to_owned()))?;
        records.extend(Record::read_all(bytes.data).map_err(|error| Cause::Damaged(name.to_owned(), error))?);
    }
    Ok(records)
}

#[cfg(test)]
mod tests {
    use telemetry_core::meta::code;
    use telemetry_core::write::{self, LabelMeta, Meta};

    use super::*;

    const META: Meta = Meta {
        name: "calls",
        unit: "",
        description: "",
        package: "",
        version: "",
        file: "",
        line: 1,
        ty: "Counter",
        bounds: None,
        every_ms: None,
        shared: false,
        access: "",
        on_demand: false,
    };

    fn record() -> Vec<u8> {
        write::record(&META, code::COUNTER, &[LabelMeta::Label("ok", &["false", "true"])], "")
    }

    /// An ELF file with so many sections of records, which all have the same bytes.
    fn elf(many: u16, flags: u64, bytes: &[u8]) -> Vec<u8> {
        let names = format!("\0{SECTION_ELF}\0");
        let section = |name: u32, kind: u32, flags: u64, at: usize, size: usize| {
            let words = [flags, 0, at as u64, size as u64, 0, 1, 0];
            [[name, kind].map(u32::to_le_bytes).concat(), words.map(u64::to_le_bytes).concat()].concat()
        };
        let headers = (64 + bytes.len() + names.len()) as u64;
        let sizes = [64, 0, 0, 64, many + 2, many + 1].map(u16::to_le_bytes);
        [
            b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x01\0\x3e\0\x01\0\0\0".as_slice(),
            &[0, 0, headers].map(u64::to_le_bytes).concat(),
            &[0; 4],
            &sizes.concat(),
            bytes,
            names.as_bytes(),
            &section(0, 0, 0, 0, 0),
            &section(1, 1, flags, 64, bytes.len()).repeat(many.into()),
            &section(0, 3, 0, 64 + bytes.len(), names.len()),
        ]
        .concat()
    }

    fn archive(members: &[&[u8]]) -> Vec<u8> {
        let mut archive = object::archive::MAGIC.to_vec();
        for member in members {
            archive.extend(format!("{:16}{:32}{:<10}`\n", "member/", 0, member.len()).into_bytes());
            archive.extend(*member);
            archive.resize(archive.len().next_multiple_of(2), b'\n');
        }
        archive
    }

    fn failure(file: &[u8]) -> String {
        read_bytes(Path::new("file"), file).expect_err("it is no sound binary").to_string()
    }

    #[test]
    fn the_same_bytes_are_not_read_for_each_section_that_names_them() {
        assert_eq!(read_bytes(Path::new("file"), &elf(1, 2, &record())).expect("it is sound").len(), 1);
        let wanted =
            "file: section .telemetry.meta: with those before it that have records it is longer than the file: they overlap";
        assert_eq!(failure(&elf(1_000, 2, &record().repeat(1_000))), wanted);
        assert_eq!(failure(&elf(1_000, 2, &[0; 100_000])), wanted);
    }

    #[test]
    fn a_size_that_a_compressed_section_claims_is_not_believed() {
        let header = [[1, 0].map(u32::to_le_bytes).concat(), [1_u64 << 40, 1].map(u64::to_le_bytes).concat()].concat();
        let wanted = "file: section .telemetry.meta: it is compressed, wanted it as the linker wrote it";
        assert_eq!(failure(&elf(1, 2 | 1 << 11, &[header, record()].concat())), wanted);
    }

    #[test]
    fn what_an_archive_has_beside_objects_is_passed_over() {
        let object = elf(1, 2, &record());
        let library = archive(&[b"what a library of C declares is nothing"]);
        let import = [&[0, 0, 0xff, 0xff, 0, 0], [0; 30].as_slice()].concat();
        let file = archive(&[b"metadata", &library, &import, &object, &object]);
        assert_eq!(read_bytes(Path::new("file"), &file).expect("it is sound").len(), 2);
        let wanted = "file(member): section .telemetry.meta: the record at byte 0: its version is 255";
        let damaged = object.iter().enumerate().map(|(at, byte)| if at == 68 { 255 } else { *byte }).collect::<Vec<_>>();
        assert!(failure(&archive(&[&object, &damaged])).starts_with(wanted));
    }
}
