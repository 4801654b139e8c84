//! Files in memory: what a journal writes to and a scan reads.

use std::collections::BTreeMap;
use std::io::{Error, ErrorKind, Result};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use telemetry_exporter::stream::disk::{Device, DeviceFile, Journal, KIND_FIRST, Stamp, scan};

pub type Files = BTreeMap<String, Vec<u8>>;

/// A folder. It never fails.
#[derive(Clone, Default)]
pub struct Memory(pub Arc<Mutex<Files>>);

struct File(Memory, String);

impl Memory {
    fn with<T>(&self, work: impl FnOnce(&mut Files) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Device for Memory {
    fn create(&self, name: &str) -> Result<Box<dyn DeviceFile>> {
        self.with(|files| files.insert(name.to_owned(), Vec::new()));
        Ok(Box::new(File(self.clone(), name.to_owned())))
    }

    fn sync_dir(&self) -> Result<()> {
        Ok(())
    }

    fn list(&self) -> Result<Vec<(String, u64)>> {
        Ok(self.with(|files| files.iter().map(|(name, data)| (name.clone(), data.len() as u64)).collect()))
    }

    fn read(&self, name: &str) -> Result<Vec<u8>> {
        self.with(|files| files.get(name).cloned()).ok_or(Error::from(ErrorKind::NotFound))
    }

    fn remove(&self, name: &str) -> Result<()> {
        self.with(|files| files.remove(name)).map(|_| ()).ok_or(Error::from(ErrorKind::NotFound))
    }
}

impl DeviceFile for File {
    fn append(&mut self, data: &[u8]) -> Result<()> {
        self.0.with(|files| files.entry(self.1.clone()).or_default().extend_from_slice(data));
        Ok(())
    }

    fn sync(&mut self) -> Result<()> {
        Ok(())
    }
}

/// A session as a journal writes it, and its records by their indices.
pub struct Session {
    pub files: Files,
    pub records: BTreeMap<u64, (u8, Vec<u8>)>,
}

/// Four files: two sealed, one given up with a record that was never synced, one that ends the session.
pub static SESSION: LazyLock<Session> = LazyLock::new(|| {
    let memory = Memory::default();
    let mut nonce = 0_u64;
    let stamp = move || {
        nonce += 0x1234_5678_9abc_def1; // as good as random
        Stamp { nonce, created_ns: 1 }
    };
    let mut journal = Journal::create(Arc::new(memory.clone()), [7; 16], 1 << 20, stamp).expect("it never fails");
    for number in 0..40_u8 {
        let kind = KIND_FIRST + number % 3;
        journal.append(kind, &[&[number].repeat(usize::from(number % 7) * 5)]).expect("it never fails");
        match number {
            9 | 19 => journal.rotate().expect("it never fails"),
            5 | 15 | 28 | 35 => drop(journal.sync().expect("it never fails")),
            29 => {
                journal.flush().expect("it never fails");
                journal.restart().expect("it never fails");
            }
            _ => {}
        }
    }
    journal.seal().expect("it never fails");
    let mut records = BTreeMap::new();
    let report = scan(&memory, |record| drop(records.insert(record.index, (record.kind, record.body.to_vec())))).expect("a folder");
    assert!(report.damages.is_empty() && records.len() == 40, "{report:?}");
    Session { files: memory.with(|files| files.clone()), records }
});
