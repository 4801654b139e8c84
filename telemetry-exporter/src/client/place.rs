//! Where a client stands: of each stream the session and the next position. It is saved as JSON, by a rename, so it is never half.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::stream::Position;

/// Where a client stands in the streams of one program.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Saved")]
pub struct Place {
    /// What comes next, by the name of the stream.
    pub streams: BTreeMap<String, Mark>,
    /// The file that is written beside it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<PathBuf>,
    /// Bytes of the output that belong to this place, where one is written beside it: a reader cuts what is beyond.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_bytes: Option<u64>,
}

/// A place in a file. One of before has one session for all streams.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Saved {
    #[serde(default)]
    session: String,
    streams: BTreeMap<String, Mark>,
    output: Option<PathBuf>,
    output_bytes: Option<u64>,
}

impl From<Saved> for Place {
    fn from(Saved { session, mut streams, output, output_bytes }: Saved) -> Self {
        streams.values_mut().filter(|mark| mark.session.is_empty()).for_each(|mark| mark.session.clone_from(&session));
        Self { streams, output, output_bytes }
    }
}

/// Where a client stands in one stream.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// The life of the process that the position is of.
    #[serde(default)]
    pub session: String,
    /// What comes next.
    #[serde(flatten)]
    pub at: Position,
}

/// Why a place was not loaded or saved.
#[derive(Debug)]
pub struct PlaceError {
    path: PathBuf,
    source: io::Error,
}

impl std::fmt::Display for PlaceError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.source)
    }
}

impl std::error::Error for PlaceError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

impl Place {
    /// The place of this file; the beginning where there is no such file.
    ///
    /// # Errors
    /// A file that cannot be read, or is no place: which, and where in it.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, PlaceError> {
        let path = path.as_ref();
        let failed = |source| PlaceError { path: path.to_owned(), source };
        match fs::read(path) {
            Ok(json) => serde_json::from_slice(&json).map_err(|error| failed(error.into())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(failed(error)),
        }
    }

    /// Writes the file anew beside the old one and puts it in its place; it is synced before.
    ///
    /// # Errors
    /// A file that cannot be written; the old one is as it was.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), PlaceError> {
        let path = path.as_ref();
        let write = || {
            let mut beside = path.as_os_str().to_owned();
            beside.push(".new");
            let mut file = fs::File::create(&beside)?;
            file.write_all(&serde_json::to_vec(self)?)?;
            file.sync_data()?;
            fs::rename(&beside, path)
        };
        write().map_err(|source| PlaceError { path: path.to_owned(), source })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_comes_back_as_it_was_saved_and_a_missing_one_is_the_beginning() {
        let dir = std::env::temp_dir().join(format!("telemetry-place-{}", std::process::id()));
        fs::create_dir_all(&dir).expect("a temporary directory");
        let path = dir.join("place.json");
        assert_eq!(Place::load(&path).expect("no file"), Place::default());
        let mut place = Place { output: Some("out".into()), output_bytes: Some(7), ..Place::default() };
        place.streams.insert("metrics".to_owned(), Mark { session: "s".to_owned(), at: Position { sequence: 3, offset: 12 } });
        place.save(&path).expect("saved");
        assert_eq!(Place::load(&path).expect("loaded"), place);
        let before = r#"{"session":"s","streams":{"metrics":{"sequence":3,"offset":12}},"output":"out","output_bytes":7}"#;
        fs::write(&path, before).expect("written");
        assert_eq!(Place::load(&path).expect("one with a session for all"), place);
        fs::write(&path, "{\"streams\": 5}").expect("written");
        let error = Place::load(&path).expect_err("5 is no streams").to_string();
        assert!(error.contains("place.json") && error.contains("line 1"), "{error}");
        fs::remove_dir_all(&dir).expect("removed");
    }
}
