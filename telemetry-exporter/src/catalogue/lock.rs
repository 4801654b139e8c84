//! Which crates of a program's `Cargo.lock` depend on `telemetry-core` and have no declaration in its binary.
//!
//! A lock has the packages of a whole workspace, so the search begins at the program's package. It does not tell the dependencies of tests
//! and build scripts from others, nor those of other targets: a crate that is there for these alone is found as well.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::Record;

/// What a crate depends on that declares.
const CORE: &str = "telemetry-core";

/// What depends on it and need not declare.
const OWN: [&str; 2] = [CORE, "telemetry-macros"];

/// The versions of the format that are read.
const VERSIONS: [i64; 2] = [3, 4];

/// A `Cargo.lock`.
#[derive(Debug)]
pub struct Lock {
    path: PathBuf,
    packages: Vec<Package>,
}

/// One package of a lock.
#[derive(Debug, PartialEq, Eq, Deserialize)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    source: Option<String>,
    /// `NAME`, `NAME VERSION` or `NAME VERSION (SOURCE)`: as much as it takes to be unambiguous.
    #[serde(default)]
    dependencies: Vec<String>,
}

#[derive(Deserialize)]
struct File {
    version: Option<i64>,
    #[serde(default)]
    package: Vec<Package>,
}

/// Why a lock cannot be read, or the program's package cannot be told.
#[derive(Debug)]
pub struct LockError {
    path: PathBuf,
    cause: Cause,
}

#[derive(Debug)]
enum Cause {
    Io(io::Error),
    Toml(Option<usize>, String),
    Version(Option<i64>),
    NoPackage(String),
    NoProgram(Vec<String>),
}

impl fmt::Display for LockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let wanted = "wanted a Cargo.lock of version 3 or 4";
        write!(f, "{}:", self.path.display())?;
        match &self.cause {
            Cause::Io(error) => write!(f, " {error}"),
            Cause::Toml(Some(line), message) => write!(f, "{line}: {message}; {wanted}"),
            Cause::Toml(None, message) => write!(f, " {message}; {wanted}"),
            Cause::Version(Some(version)) => write!(f, " its version is {version}, {wanted}"),
            Cause::Version(None) => write!(f, " it has no version, {wanted}"),
            Cause::NoPackage(name) => write!(f, " no package is called {name}"),
            Cause::NoProgram(names) if names.is_empty() => {
                f.write_str(" no package is the root of the others: name the program's with --package")
            }
            Cause::NoProgram(names) => {
                write!(f, " the program may be {}, and none of these declares anything: name one with --package", names.join(", "))
            }
        }
    }
}

impl std::error::Error for LockError {}

impl Lock {
    /// Reads a lock of version 3 or 4.
    ///
    /// # Errors
    /// The file cannot be read or is no such lock; the text says what was found, and the line where there is one.
    pub fn read(path: &Path) -> Result<Self, LockError> {
        let failed = |cause| LockError { path: path.to_owned(), cause };
        let text = fs::read_to_string(path).map_err(|error| failed(Cause::Io(error)))?;
        let packages = packages(&text).map_err(failed)?;
        Ok(Self { path: path.to_owned(), packages })
    }

    /// The packages that the program is built of, that depend directly on `telemetry-core`, and of which the binary has no record; that
    /// of the program itself is none of them, because it is linked and need not declare anything.
    ///
    /// The program is the package called `program`. Where that is none it is the one that no other package depends on; of several such,
    /// those that declare something.
    ///
    /// # Errors
    /// No package has that name, or it cannot be told which one is the program.
    pub fn silent(&self, records: &[Record], program: Option<&str>) -> Result<Vec<&Package>, LockError> {
        let failed = |cause| LockError { path: self.path.clone(), cause };
        let mut by_name: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (i, package) in self.packages.iter().enumerate() {
            by_name.entry(&package.name).or_default().push(i);
        }
        let needs: Vec<Vec<usize>> = self.packages.iter().map(|package| self.dependencies(package, &by_name)).collect();
        let declares = |i: &usize| {
            let Package { name, version, .. } = &self.packages[*i];
            records.iter().any(|record| record.package == *name && record.version == *version)
        };
        let programs = match program {
            Some(name) => by_name.get(name).cloned().ok_or_else(|| failed(Cause::NoPackage(name.to_owned())))?,
            None => {
                let needed: BTreeSet<_> = needs.iter().flatten().copied().collect();
                let is_root = |i: &usize| self.packages[*i].source.is_none() && !needed.contains(i);
                let roots: Vec<_> = (0..self.packages.len()).filter(is_root).collect();
                let declaring: Vec<_> = roots.iter().copied().filter(|i| roots.len() == 1 || declares(i)).collect();
                if declaring.is_empty() {
                    let names = roots.iter().map(|i| self.packages[*i].name.clone()).collect();
                    return Err(failed(Cause::NoProgram(names)));
                }
                declaring
            }
        };
        let (mut reached, mut next): (BTreeSet<_>, _) = (programs.iter().copied().collect(), programs.clone());
        while let Some(i) = next.pop() {
            next.extend(needs[i].iter().filter(|needed| reached.insert(**needed)));
        }
        let depends = |i: &usize| needs[*i].iter().any(|needed| self.packages[*needed].name == CORE);
        let is_silent = |i: &usize| {
            let own = OWN.contains(&self.packages[*i].name.as_str());
            !own && !programs.contains(i) && depends(i) && !declares(i)
        };
        Ok(reached.into_iter().filter(is_silent).map(|i| &self.packages[i]).collect())
    }

    /// Those that are in the lock; one from two sources counts as both.
    fn dependencies(&self, package: &Package, by_name: &BTreeMap<&str, Vec<usize>>) -> Vec<usize> {
        let of = |dependency: &String| {
            let mut words = dependency.split(' ');
            let (name, version) = (words.next().unwrap_or_default(), words.next());
            let named = by_name.get(name).into_iter().flatten().copied();
            named.filter(|i| version.is_none_or(|version| self.packages[*i].version == version)).collect::<Vec<_>>()
        };
        package.dependencies.iter().flat_map(of).collect()
    }
}

fn packages(text: &str) -> Result<Vec<Package>, Cause> {
    let file: File = toml::from_str(text).map_err(|error| {
        let line = error.span().map(|span| text.bytes().take(span.start).filter(|byte| *byte == b'\n').count() + 1);
        Cause::Toml(line, error.message().to_owned())
    })?;
    match file.version {
        Some(version) if VERSIONS.contains(&version) => Ok(file.package),
        other => Err(Cause::Version(other)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A program of two crates that declare, one of them twice and through another, beside a second program.
    const LOCK: &str = r#"
version = 4

[[package]]
name = "app"
version = "0.1.0"
dependencies = ["linked", "quiet 1.0.0", "telemetry-core", "through"]

[[package]]
name = "linked"
version = "2.0.0"
source = "registry+https://example.org"
checksum = "00"
dependencies = ["telemetry-core"]

[[package]]
name = "other"
version = "0.1.0"
dependencies = ["telemetry-core", "unrelated"]

[[package]]
name = "quiet"
version = "1.0.0"
source = "registry+https://example.org"
dependencies = ["telemetry-core"]

[[package]]
name = "quiet"
version = "2.0.0"
source = "git+https://example.org"
dependencies = ["telemetry-core"]

[[package]]
name = "telemetry-core"
version = "0.1.0"
dependencies = ["telemetry-macros"]

[[package]]
name = "telemetry-macros"
version = "0.1.0"
dependencies = ["telemetry-core"]

[[package]]
name = "through"
version = "0.1.0"
dependencies = ["quiet 2.0.0 (git+https://example.org)"]

[[package]]
name = "unrelated"
version = "1.0.0"
source = "registry+https://example.org"
dependencies = ["telemetry-core"]
"#;

    fn lock(text: &str) -> Result<Lock, LockError> {
        let path = PathBuf::from("Cargo.lock");
        packages(text).map(|packages| Lock { path: path.clone(), packages }).map_err(|cause| LockError { path, cause })
    }

    fn record(package: &str, version: &str) -> Record {
        let mut record = Record::default();
        (record.package, record.version) = (package.to_owned(), version.to_owned());
        record
    }

    fn silent(records: &[Record], program: Option<&str>) -> Result<Vec<String>, String> {
        let lock = lock(LOCK).expect("it is one");
        let found = lock.silent(records, program).map_err(|error| error.to_string())?;
        Ok(found.iter().map(|package| format!("{} {}", package.name, package.version)).collect())
    }

    #[test]
    fn crates_of_the_program_that_could_declare_and_have_no_record_are_found_by_name_and_version() {
        let linked = record("linked", "2.0.0");
        let found = silent(&[record("app", "0.1.0"), linked.clone(), record("quiet", "2.0.0")], None);
        assert_eq!(found.expect("one program declares"), ["quiet 1.0.0"]);
        let found = silent(&[linked, record("quiet", "3.0.0")], Some("app"));
        assert_eq!(found.expect("it is named"), ["quiet 1.0.0", "quiet 2.0.0"]);
        assert_eq!(silent(&[record("other", "0.1.0")], None).expect("one program declares"), ["unrelated 1.0.0"]);
    }

    #[test]
    fn a_program_that_cannot_be_told_is_asked_for() {
        let error = silent(&[record("linked", "2.0.0")], None).expect_err("both may be it");
        assert_eq!(
            error,
            "Cargo.lock: the program may be app, other, and none of these declares anything: name one with --package"
        );
        assert_eq!(silent(&[], Some("ap")).expect_err("there is none"), "Cargo.lock: no package is called ap");
    }

    #[test]
    fn the_only_root_is_the_program_and_may_declare_nothing() {
        let text = "version = 3\n[[package]]\nname = \"app\"\nversion = \"1.0.0\"\ndependencies = [\"telemetry-core\"]\n\
                    [[package]]\nname = \"telemetry-core\"\nversion = \"0.1.0\"\n";
        let lock = lock(text).expect("it is one");
        assert_eq!(lock.silent(&[], None).expect("there is one root"), Vec::<&Package>::new());
    }

    #[test]
    fn what_is_no_lock_is_refused_with_the_line() {
        for (text, wanted) in [
            ("", "Cargo.lock: it has no version, wanted a Cargo.lock of version 3 or 4"),
            ("version = 5", "Cargo.lock: its version is 5, wanted a Cargo.lock of version 3 or 4"),
            ("# a manifest\n[package]\nname = \"app\"\n", "Cargo.lock:2: invalid type: map, expected a sequence; wanted"),
            ("version = 4\n[[package]]\nname = \"a\"\n", "Cargo.lock:2: missing field `version`; wanted"),
            ("version = 4\n\nname = \n", "Cargo.lock:3: "),
        ] {
            let error = lock(text).expect_err("it is none").to_string();
            assert!(error.starts_with(wanted), "{error}");
        }
    }
}
