//! Writing: records into a buffer, the buffer into a file, and then its sync.
//!
//! Invariant: what [`sync`](Journal::sync) returned is durable. A file is never written or synced again after an error of either.
//! Indices are never used twice: those of records that were given up stay a hole, whose place the next file's header tells.
//! Not here: a thread, a clock, and what is written again after an error; that is the owner's.

use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use super::device::{Device, DeviceFile};
use super::format::{BODY_BYTES_MAX, Before, Header, KIND_FIRST, Note, RECORD_BYTES_MIN, RECORDS_AT, Salt, Stamp, file_name};

/// Bytes that wait in memory before they are written without being asked. One record may make it more.
pub const BUFFER_BYTES: usize = 64 << 10;

/// The files of one session, being written.
///
/// After an error of a write or of a sync the file is given up, and each call returns an error until [`restart`](Self::restart) has
/// begun another. What no sync has covered is then to be appended again. A journal that is dropped writes nothing more: what is in its
/// buffer is lost, and its last file has no footer, as after a crash.
pub struct Journal {
    device: Arc<dyn Device>,
    session: [u8; 16],
    file_bytes: u64,
    stamp: Box<dyn FnMut() -> Stamp + Send>,
    /// Of the file that is written.
    buffer: Vec<u8>,
    pub(super) buffer_bytes: usize,
    current: Option<Current>,
    /// Where the newest file was given up before any record of it was durable, which of earlier files were.
    vain: Option<u64>,
    /// All that are there, oldest first; the last one is the current, if there is one.
    files: VecDeque<Kept>,
    kept_bytes: u64,
    /// The number of the newest file, or of the newest that could not be created.
    number: u64,
    before: Before,
    next: u64,
    synced: u64,
}

struct Current {
    file: Box<dyn DeviceFile>,
    header: Header,
    salt: Salt,
}

struct Kept {
    number: u64,
    bytes: u64,
    first: u64,
}

/// A file that was removed to stay within a bound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removed {
    /// Its number.
    pub number: u64,
    /// Its bytes.
    pub bytes: u64,
    /// The indices of its records.
    pub records: Range<u64>,
}

impl Journal {
    /// A journal with its first file, number 1, in a folder that has none.
    ///
    /// # Errors
    /// The file cannot be created and synced. It may be there all the same; another attempt is [`new`](Self::new) and
    /// [`restart`](Self::restart) as often as it takes, or a new session in another folder.
    pub fn create(
        device: Arc<dyn Device>,
        session: [u8; 16],
        file_bytes: u64,
        stamp: impl FnMut() -> Stamp + Send + 'static,
    ) -> io::Result<Self> {
        let mut journal = Self::new(device, session, file_bytes, stamp);
        journal.restart()?;
        Ok(journal)
    }

    /// A journal that has no file yet: [`restart`](Self::restart) begins the first.
    ///
    /// A file [is full](Self::is_full) at `file_bytes`. `stamp` tells the nonce and the time of each, such as [`Stamp::now`].
    pub fn new(device: Arc<dyn Device>, session: [u8; 16], file_bytes: u64, stamp: impl FnMut() -> Stamp + Send + 'static) -> Self {
        Self {
            device,
            session,
            file_bytes,
            stamp: Box::new(stamp),
            buffer: Vec::new(),
            buffer_bytes: BUFFER_BYTES,
            current: None,
            vain: None,
            files: VecDeque::new(),
            kept_bytes: 0,
            number: 0,
            before: Before::Nothing,
            next: 0,
            synced: 0,
        }
    }

    /// Appends one record, whose body is the parts one after the other, and returns its index. It is in memory until
    /// [`BUFFER_BYTES`] have gathered, or [`flush`](Self::flush).
    ///
    /// # Errors
    /// A kind that is the journal's own, or a body above [`BODY_BYTES_MAX`] (`InvalidInput`; nothing has changed). There is no file.
    /// A write failed: the file is given up.
    pub fn append(&mut self, kind: u8, parts: &[&[u8]]) -> io::Result<u64> {
        let body_bytes = parts.iter().map(|part| part.len()).sum::<usize>();
        if kind < KIND_FIRST {
            return Err(refused(format!("kind {kind} of a record is the journal's own, wanted at least {KIND_FIRST}")));
        }
        if body_bytes > BODY_BYTES_MAX {
            return Err(refused(format!("a record has {body_bytes} bytes, wanted at most {BODY_BYTES_MAX}")));
        }
        if self.buffer.len() + RECORD_BYTES_MIN + body_bytes > self.buffer_bytes {
            self.flush()?;
        }
        let index = self.next;
        self.current()?.salt.encode(&mut self.buffer, kind, index, parts);
        self.next += 1;
        if self.buffer.len() >= self.buffer_bytes {
            self.flush()?;
        }
        Ok(index)
    }

    /// Writes the buffer to the file: from then on a crash of the process costs nothing, one of the system does.
    ///
    /// # Errors
    /// There is no file. The write failed: the file is given up.
    pub fn flush(&mut self) -> io::Result<()> {
        self.current()?;
        if self.buffer.is_empty() {
            return Ok(());
        }
        let buffer = std::mem::take(&mut self.buffer);
        self.grown(buffer.len());
        let written = self.attempt(|file| file.append(&buffer));
        self.buffer = buffer;
        self.buffer.clear();
        self.buffer.shrink_to(self.buffer_bytes); // after a large record
        written
    }

    /// Makes durable all records so far, and returns the index of the next: those below are durable, but for what was given up with
    /// an earlier file. A watermark that says so is in the buffer then. Does nothing where no record is new.
    ///
    /// # Errors
    /// There is no file. The write or the sync failed: the file is given up, and what was durable before still is.
    pub fn sync(&mut self) -> io::Result<u64> {
        self.current()?;
        if self.synced < self.next {
            self.flush()?;
            self.attempt(|file| file.sync())?;
            self.synced = self.next;
            let salt = self.current()?.salt;
            Note::Watermark(self.synced).encode(salt, &mut self.buffer, self.next);
        }
        Ok(self.synced)
    }

    /// Whether the file has come to its size, and [`rotate`](Self::rotate) is due.
    pub fn is_full(&self) -> bool {
        let written = self.current.as_ref().and(self.files.back()).map_or(0, |file| file.bytes);
        self.current.is_some() && written + self.buffer.len() as u64 >= self.file_bytes
    }

    /// Seals the file, which makes all records so far durable, and begins the next.
    ///
    /// # Errors
    /// There is no file. Its footer cannot be written and synced: it is given up. The next cannot be created and synced: there is none.
    pub fn rotate(&mut self) -> io::Result<()> {
        self.finish(false)?;
        self.begin()
    }

    /// Seals the file as the last of its session, which makes all records durable, and returns what [`sync`](Self::sync) would.
    ///
    /// # Errors
    /// There is no file. The footer cannot be written and synced: the file is given up.
    pub fn seal(&mut self) -> io::Result<u64> {
        self.finish(true)?;
        Ok(self.synced)
    }

    /// Gives up the file, if there is one, and begins the next. What no sync has covered is given up with it: the records from
    /// [`synced_index`](Self::synced_index), as it is before this call. The owner appends them again, and they get new indices. Those that
    /// are in the old file all the same are found there too; where none of that was durable it is removed.
    ///
    /// # Errors
    /// The file cannot be created and synced. Another attempt takes the next number.
    pub fn restart(&mut self) -> io::Result<()> {
        self.give_up();
        self.forget_vain();
        self.begin()
    }

    /// Whether there is no file to write to, and [`restart`](Self::restart) is due.
    pub fn is_given_up(&self) -> bool {
        self.current.is_none()
    }

    /// Bytes of all files that are there; what is in the buffer is not counted.
    pub fn bytes(&self) -> u64 {
        self.kept_bytes
    }

    /// The index that the next record gets.
    pub fn next_index(&self) -> u64 {
        self.next
    }

    /// All records below this index are durable, but for what was given up with an earlier file.
    pub fn synced_index(&self) -> u64 {
        self.synced
    }

    /// The oldest file that [`remove_oldest`](Self::remove_oldest) may remove: not the one that is being written.
    pub fn oldest(&self) -> Option<Removed> {
        let file = self.files.front().filter(|_| self.files.len() > usize::from(self.current.is_some()))?;
        let end = self.files.get(1).map_or(self.next, |after| after.first);
        Some(Removed { number: file.number, bytes: file.bytes, records: file.first..end })
    }

    /// Removes the oldest file if all files together have more than so many bytes, and tells which; to be called until it is none.
    ///
    /// The removal is durable before the next: no crash makes a hole of it.
    ///
    /// # Errors
    /// The system's. The file counts as there, and the next call tries again.
    pub fn remove_oldest(&mut self, bytes_max: u64) -> io::Result<Option<Removed>> {
        let Some(oldest) = self.oldest().filter(|_| self.kept_bytes > bytes_max) else { return Ok(None) };
        match self.device.remove(&file_name(oldest.number)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {} // by an attempt before, or by another
            other => other?,
        }
        self.device.sync_dir()?;
        self.files.pop_front();
        self.kept_bytes -= oldest.bytes;
        Ok(Some(oldest))
    }

    fn current(&mut self) -> io::Result<&mut Current> {
        let number = self.number;
        self.current.as_mut().ok_or_else(|| match number {
            0 => io::Error::other("the journal has no file yet"),
            _ => io::Error::other(format!("{} is not written any more, and no other was begun", file_name(number))),
        })
    }

    fn attempt(&mut self, work: impl FnOnce(&mut dyn DeviceFile) -> io::Result<()>) -> io::Result<()> {
        let done = work(self.current()?.file.as_mut());
        if done.is_err() {
            self.give_up();
        }
        done
    }

    fn give_up(&mut self) {
        self.buffer.clear();
        if let Some(current) = self.current.take() {
            self.vain = (current.header.first == self.synced).then_some(current.header.settled);
        }
    }

    /// Removes a file that was given up before any record of it was durable, or attempts that fail would fill the disk. What its header said
    /// of those before it the next one says: it may be gone also where the removal fails.
    fn forget_vain(&mut self) {
        let Some(settled) = self.vain.take() else { return };
        self.synced = settled;
        if let Some(file) = self.files.back()
            && self.device.remove(&file_name(file.number)).is_ok()
        {
            self.kept_bytes -= file.bytes;
            self.files.pop_back();
        }
    }

    fn grown(&mut self, bytes: usize) {
        self.kept_bytes += bytes as u64;
        if let Some(file) = self.files.back_mut() {
            file.bytes += bytes as u64;
        }
    }

    /// The records are durable before the footer is written, because a crash may leave it and not them.
    fn finish(&mut self, last: bool) -> io::Result<()> {
        self.sync()?;
        self.buffer.clear(); // a watermark, which the footer says too
        let (index, Current { header, salt, .. }) = (self.next, self.current()?);
        let (header, salt) = (*header, *salt);
        let footer = Note::Footer { header, records: index - header.first, last };
        footer.encode(salt, &mut self.buffer, index);
        self.flush()?;
        self.attempt(|file| file.sync())?;
        self.before = Before::Sealed;
        self.current = None;
        Ok(())
    }

    /// The header is durable before the name is, and both before a record is written: a file whose header cannot be read and that
    /// has more bytes than it was damaged, not cut short by a crash.
    fn begin(&mut self) -> io::Result<()> {
        self.number += 1;
        let header = Header {
            before: self.before,
            session: self.session,
            number: self.number,
            first: self.next,
            settled: self.synced,
            stamp: (self.stamp)(),
        };
        let name = file_name(self.number);
        self.before = Before::GivenUp; // until it is sealed
        let mut file = self.device.create(&name)?;
        self.files.push_back(Kept { number: self.number, bytes: 0, first: self.next });
        self.grown(RECORDS_AT);
        let begun = file.append(&header.encode().repeat(2)).and_then(|()| file.sync()).and_then(|()| self.device.sync_dir());
        if begun.is_err() && self.device.remove(&name).is_ok() {
            self.files.pop_back(); // or many attempts would leave many files without a record
            self.kept_bytes -= RECORDS_AT as u64;
        }
        begun?;
        self.synced = self.next; // what lies between is given up, and the header says so
        self.current = Some(Current { file, header, salt: header.salt() });
        Ok(())
    }
}

fn refused(text: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, text)
}
