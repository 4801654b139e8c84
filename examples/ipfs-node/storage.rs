//! The block store: one file a block under one directory, bounded, with an index in memory.
//!
//! Invariant: `used` is the sum of the indexed blocks' sizes and never above the capacity.
//! Invariant: a block that is returned hashes to its CID; one that does not is removed.
//! Deliberately absent: durability beyond the page cache, as a lost block can be fetched again. A half-written block is
//! never indexed (temporary file, then rename); one that a power cut emptied fails its hash when it is read.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use cid::Cid;
use parking_lot::Mutex;
use telemetry_core::{Gauge, metric};

use crate::bitswap::message::{BLOCK_BYTES_MAX, matches_cid};

/// Bytes that the block store holds.
#[metric(name = "libp2p_storage_used", unit = "By")]
static USED: Gauge;

/// Bytes that the block store may hold.
#[metric(name = "libp2p_storage_total", unit = "By")]
static TOTAL: Gauge;

/// Blocks that the block store holds.
#[metric(name = "libp2p_storage_objects", unit = "{block}")]
static OBJECTS: Gauge;

const BLOCK_SUFFIX: &str = "block";
const UNFINISHED_SUFFIX: &str = "tmp";
const LOCK_FILE: &str = "lock";

/// Why a block was not stored or read.
#[derive(Debug)]
#[non_exhaustive]
pub enum StoreError {
    /// The block does not fit beside those that are there.
    Full { wanted: u64, free: u64 },
    /// The file system refused; the store is unchanged.
    Io { path: PathBuf, source: io::Error },
    /// Another process has this directory.
    Locked { path: PathBuf },
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full { wanted, free } => {
                write!(f, "block store full: wanted {wanted} bytes, {free} are free")
            }
            Self::Io { path, .. } => write!(f, "cannot read or write {}", path.display()),
            Self::Locked { path } => {
                write!(f, "{}: another process uses this repository", path.display())
            }
        }
    }
}

impl std::error::Error for StoreError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}

/// The store. Cheap to clone; its methods touch the file system, so async code calls them on a blocking thread.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    directory: PathBuf,
    capacity_bytes: u64,
    index: Mutex<Index>,
    /// Held open, and locked, as long as the store lives.
    _lock: File,
}

#[derive(Default)]
struct Index {
    blocks: HashMap<Cid, Entry>,
    /// By age: the oldest has the smallest number.
    by_age: BTreeMap<u64, Cid>,
    next_age: u64,
    used: u64,
}

#[derive(Clone, Copy)]
struct Entry {
    age: u64,
    bytes: u64,
}

impl Index {
    fn insert(&mut self, cid: Cid, bytes: u64) {
        let age = self.next_age;
        self.next_age += 1;
        self.by_age.insert(age, cid);
        if let Some(old) = self.blocks.insert(cid, Entry { age, bytes }) {
            self.by_age.remove(&old.age);
            self.used -= old.bytes;
        }
        self.used += bytes;
    }

    fn remove(&mut self, cid: &Cid) -> bool {
        let Some(entry) = self.blocks.remove(cid) else {
            return false;
        };
        self.by_age.remove(&entry.age);
        self.used -= entry.bytes;
        true
    }

    fn publish(&self) {
        USED.set(i64::try_from(self.used).unwrap_or(i64::MAX));
        OBJECTS.set(self.blocks.len() as i64);
    }
}

impl Store {
    /// Opens the store in `directory`, creates it if need be, and indexes the blocks that are there, oldest first.
    /// Unfinished files are removed, and so are the oldest blocks beyond the capacity.
    ///
    /// # Errors
    /// When the directory cannot be created, read or locked.
    pub fn open(directory: &Path, capacity_bytes: u64) -> Result<Self, StoreError> {
        let at = |path: &Path| {
            let path = path.to_owned();
            move |source| StoreError::Io { path, source }
        };
        fs::create_dir_all(directory).map_err(at(directory))?;
        let lock_path = directory.join(LOCK_FILE);
        let lock = File::create(&lock_path).map_err(at(&lock_path))?;
        if lock.try_lock().is_err() {
            let path = directory.to_owned();
            return Err(StoreError::Locked { path });
        }
        let mut found: Vec<(SystemTime, Cid, u64)> = Vec::new();
        for file in fs::read_dir(directory).map_err(at(directory))? {
            let file = file.map_err(at(directory))?;
            let path = file.path();
            match path.extension().and_then(|e| e.to_str()) {
                Some(UNFINISHED_SUFFIX) => fs::remove_file(&path).map_err(at(&path))?,
                Some(BLOCK_SUFFIX) => {
                    let name = path.file_stem().and_then(|s| s.to_str());
                    let Some(cid) = name.and_then(|s| s.parse::<Cid>().ok()) else {
                        continue;
                    };
                    let meta = file.metadata().map_err(at(&path))?;
                    let modified = meta.modified().unwrap_or(SystemTime::UNIX_EPOCH);
                    found.push((modified, cid, meta.len()));
                }
                _ => {}
            }
        }
        found.sort_by_key(|(modified, _, _)| *modified);
        let mut index = Index::default();
        for (_, cid, bytes) in found {
            index.insert(cid, bytes);
        }
        TOTAL.set(i64::try_from(capacity_bytes).unwrap_or(i64::MAX));
        index.publish();
        let store =
            Self(Arc::new(Inner { directory: directory.to_owned(), capacity_bytes, index: Mutex::new(index), _lock: lock }));
        store.make_room(0);
        Ok(store)
    }

    /// Stores a block under its CID; one that is there already stays.
    ///
    /// # Errors
    /// [`StoreError::Full`] if it does not fit, [`StoreError::Io`] if it cannot be written; nothing has changed then.
    pub fn put(&self, cid: &Cid, data: &[u8]) -> Result<(), StoreError> {
        let bytes = data.len() as u64;
        {
            // The room is taken before the file is written, so that two writers cannot take the same.
            let mut index = self.0.index.lock();
            if index.blocks.contains_key(cid) {
                return Ok(());
            }
            let free = self.0.capacity_bytes - index.used.min(self.0.capacity_bytes);
            if bytes > free {
                return Err(StoreError::Full { wanted: bytes, free });
            }
            index.insert(*cid, bytes);
        }
        let path = self.path(cid);
        let unfinished = path.with_extension(UNFINISHED_SUFFIX);
        let written =
            File::create(&unfinished).and_then(|mut file| file.write_all(data)).and_then(|()| fs::rename(&unfinished, &path));
        let mut index = self.0.index.lock();
        if let Err(source) = written {
            index.remove(cid);
            let _ = fs::remove_file(&unfinished);
            return Err(StoreError::Io { path, source });
        }
        if !index.blocks.contains_key(cid) {
            // Removed while it was being written.
            let _ = fs::remove_file(&path);
        }
        index.publish();
        Ok(())
    }

    /// The block, if it is there and whole.
    pub fn get(&self, cid: &Cid) -> Option<Vec<u8>> {
        let bytes = self.0.index.lock().blocks.get(cid)?.bytes;
        if bytes > BLOCK_BYTES_MAX as u64 {
            return None;
        }
        match fs::read(self.path(cid)) {
            Ok(data) if matches_cid(cid, &data) => Some(data),
            // It is being written at this moment.
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            _ => {
                self.remove(cid);
                None
            }
        }
    }

    /// Whether the block is indexed.
    pub fn has(&self, cid: &Cid) -> bool {
        self.0.index.lock().blocks.contains_key(cid)
    }

    /// Removes a block; `false` if it was not there.
    pub fn remove(&self, cid: &Cid) -> bool {
        let mut index = self.0.index.lock();
        let was_there = index.remove(cid);
        if was_there {
            let _ = fs::remove_file(self.path(cid));
            index.publish();
        }
        was_there
    }

    /// Removes the oldest blocks until that many bytes are free, or none is left; returns what was removed.
    pub fn make_room(&self, bytes: u64) -> Vec<Cid> {
        let mut removed = Vec::new();
        loop {
            let oldest = {
                let index = self.0.index.lock();
                if index.used.saturating_add(bytes) <= self.0.capacity_bytes {
                    return removed;
                }
                index.by_age.first_key_value().map(|(_, cid)| *cid)
            };
            let Some(cid) = oldest else { return removed };
            self.remove(&cid);
            removed.push(cid);
        }
    }

    /// The bytes that it may hold.
    pub fn capacity_bytes(&self) -> u64 {
        self.0.capacity_bytes
    }

    #[cfg(test)]
    fn used_bytes(&self) -> u64 {
        self.0.index.lock().used
    }

    fn path(&self, cid: &Cid) -> PathBuf {
        self.0.directory.join(format!("{cid}.{BLOCK_SUFFIX}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bitswap::message::cid_of;

    fn block(text: &str) -> (Cid, Vec<u8>) {
        (cid_of(text.as_bytes()), text.as_bytes().to_vec())
    }

    fn put(store: &Store, text: &str) -> Cid {
        let (cid, data) = block(text);
        store.put(&cid, &data).unwrap();
        cid
    }

    #[test]
    fn a_block_beyond_the_capacity_is_refused_until_the_oldest_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), 10).unwrap();
        let first = put(&store, "aaaa");
        put(&store, "bbbb");
        let (cid, data) = block("cccc");
        let refused = store.put(&cid, &data).unwrap_err();
        assert_eq!(refused.to_string(), "block store full: wanted 4 bytes, 2 are free");
        assert_eq!(store.make_room(4), [first]);
        store.put(&cid, &data).unwrap();
        assert_eq!((store.used_bytes(), store.has(&first)), (8, false));
        assert_eq!(store.get(&cid), Some(data));
    }

    #[test]
    fn reopening_finds_the_blocks_and_drops_what_was_unfinished() {
        let dir = tempfile::tempdir().unwrap();
        let kept = {
            let store = Store::open(dir.path(), 100).unwrap();
            put(&store, "gone");
            assert_eq!(store.make_room(100).len(), 1);
            put(&store, "kept")
        };
        let unfinished = dir.path().join("half.tmp");
        fs::write(&unfinished, b"ha").unwrap();
        fs::write(dir.path().join("notes.txt"), b"not ours").unwrap();
        let store = Store::open(dir.path(), 100).unwrap();
        assert_eq!(store.get(&kept), Some(b"kept".to_vec()));
        assert_eq!(store.used_bytes(), 4);
        assert!(!unfinished.exists());
    }

    #[test]
    fn a_smaller_capacity_at_reopening_drops_blocks() {
        let dir = tempfile::tempdir().unwrap();
        for text in ["aaaa", "bbbb", "cccc"] {
            put(&Store::open(dir.path(), 100).unwrap(), text);
        }
        let store = Store::open(dir.path(), 8).unwrap();
        assert_eq!(store.used_bytes(), 8);
    }

    #[test]
    fn a_damaged_block_is_not_returned_and_leaves_the_store() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), 100).unwrap();
        let cid = put(&store, "whole");
        fs::write(dir.path().join(format!("{cid}.block")), b"whola").unwrap();
        assert_eq!(store.get(&cid), None);
        assert!(!store.has(&cid));
        assert_eq!(store.used_bytes(), 0);
    }

    #[test]
    fn two_stores_do_not_share_a_directory() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), 100).unwrap();
        assert!(matches!(Store::open(dir.path(), 100), Err(StoreError::Locked { .. })));
        drop(store);
        assert!(Store::open(dir.path(), 100).is_ok());
    }
}
