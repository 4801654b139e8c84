//! Reading a session: all its files by their numbers, every record in its order, and what is missing.
//!
//! Invariant: nothing is written, and nothing repaired. One file is in memory at a time, as it is. Each hole in the indices is counted
//! once: as damage where the records in it are known to have been durable, and as loose ones otherwise.
//! Not here: what the records mean.

use std::io;

use super::damage::{Damage, End, Fault, FileReport, Report, hex};
use super::device::Device;
use super::format::{Before, HEADER_BYTES, Header, Note, RECORDS_AT, file_name, file_number};
use super::walk::{Break, Record, Step, Walk, header};
use crate::limits::DISK_FILE_READ_BYTES_MAX;

/// Reads all files of a session, and shows each record that is found, in order.
///
/// A record that is not where it should be costs no other: the next is searched for. A hole shows in the indices at once, and in the
/// report at the end. Of a session that is being written it finds what is there; a file that is removed meanwhile cannot be read.
///
/// # Errors
/// The folder cannot be listed. A file that cannot be read is a damage in the report.
pub fn scan(device: &dyn Device, mut visit: impl FnMut(Record<'_>)) -> io::Result<Report> {
    let mut scan = Scan::default();
    let mut numbers = Vec::new();
    for (name, bytes) in device.list()? {
        match file_number(&name) {
            Some(number) => numbers.push((number, bytes)),
            None => scan.report.others.push(name),
        }
    }
    numbers.sort_unstable();
    scan.report.others.sort_unstable();
    scan.tail.expected = numbers.first().filter(|(number, _)| *number == 1).map(|_| 0);
    for (number, bytes) in numbers {
        let data = if bytes > DISK_FILE_READ_BYTES_MAX {
            Err(io::Error::other(format!("it has {bytes} bytes, wanted at most {DISK_FILE_READ_BYTES_MAX}")))
        } else {
            device.read(&file_name(number))
        };
        scan.file(number, data.as_deref(), &mut visit);
    }
    scan.settle(None);
    Ok(scan.report)
}

#[derive(Default)]
struct Scan {
    report: Report,
    tail: Tail,
}

/// What the newest file with a header, and those without one behind it, leave open until the next header is known.
#[derive(Default)]
struct Tail {
    breaks: Vec<Open>,
    /// The place in the report of the file with the header.
    file: Option<usize>,
    /// All records in it below were durable.
    promised: u64,
    is_sealed: bool,
    /// The index of the next record; none where the beginning is missing.
    expected: Option<u64>,
}

/// A break that may be damage.
struct Open {
    /// The place in the report of its file.
    file: usize,
    part: Break,
    /// It is one by whatever follows.
    is_damage: bool,
}

/// Indices of which no record was found.
#[derive(Clone, Copy)]
struct Hole {
    from: u64,
    to: u64,
    /// Those below were durable.
    durable_to: u64,
}

impl Hole {
    fn durable(&self) -> u64 {
        self.to.min(self.durable_to).saturating_sub(self.from)
    }

    fn loose(&self) -> u64 {
        self.to - self.from - self.durable()
    }
}

impl Scan {
    fn file(&mut self, number: u64, data: Result<&[u8], &io::Error>, visit: &mut impl FnMut(Record<'_>)) {
        let place = self.report.files.len();
        let bytes = data.map_or(0, |data| data.len() as u64);
        let end = End::Headless;
        self.report.files.push(FileReport { number, bytes, first: None, records: 0, end, loose_bytes: 0, loose_records: 0 });
        let data = match data {
            Ok(data) => data,
            Err(error) => return self.leave(place, true, Fault::Unreadable { error: error.to_string() }),
        };
        let (header, copy) = match header(data) {
            Ok(found) => found,
            Err(error) => return self.leave(place, data.len() > RECORDS_AT, Fault::of_header(error, 0)),
        };
        if let Err(fault) = self.admit(number, &header) {
            return self.leave(place, true, fault);
        }
        self.settle(Some(&header));
        match copy {
            Some((at, error)) if data.len() > RECORDS_AT => self.damage(place, at, Fault::of_header(error, at), Some(0)),
            Some(_) => self.loosen(place, data.len() - HEADER_BYTES, 0), // cut short by a crash
            None => {}
        }
        self.walk(place, data, &header, visit);
    }

    /// Whether a file is the next one of its session.
    fn admit(&mut self, number: u64, header: &Header) -> Result<(), Fault> {
        let session = *self.report.session.get_or_insert(header.session);
        let foreign = |found, wanted| Err(Fault::Foreign { found, wanted });
        if header.session != session {
            return foreign(format!("of session {}", hex(&header.session)), hex(&session));
        }
        if header.number != number {
            return foreign(format!("file {}", header.number), format!("{number} as its name says"));
        }
        match self.tail.expected {
            Some(expected) if header.first < expected => {
                foreign(format!("of records from {}", header.first), format!("none below {expected}"))
            }
            _ => Ok(()),
        }
    }

    /// Nothing can be read of a file.
    fn leave(&mut self, file: usize, is_damage: bool, fault: Fault) {
        let bytes = self.report.files[file].bytes as usize;
        let part = Break { offset: 0, bytes, from: self.tail.expected.unwrap_or(0), to: None, fault };
        self.tail.breaks.push(Open { file, part, is_damage });
    }

    fn walk(&mut self, place: usize, data: &[u8], header: &Header, visit: &mut impl FnMut(Record<'_>)) {
        let mut tail = Tail { file: Some(place), promised: header.first, ..Tail::default() };
        let file = &mut self.report.files[place];
        file.first = Some(header.first);
        let mut walk = Walk::new(data, header);
        let mut last = false;
        for step in &mut walk {
            match step {
                Step::Record(record) => {
                    file.records += 1;
                    visit(record);
                }
                Step::Note(Note::Watermark(synced)) => tail.promised = tail.promised.max(synced),
                Step::Note(Note::Footer { header, records, last: is_last }) => {
                    (tail.is_sealed, last) = (true, is_last);
                    tail.promised = header.first.saturating_add(records);
                }
                Step::Break(part) => {
                    let is_damage = matches!(part.fault, Fault::Trailing { .. });
                    tail.breaks.push(Open { file: place, part, is_damage });
                }
            }
        }
        tail.expected = Some(walk.expected());
        file.end = if tail.is_sealed { End::Sealed { last } } else { End::Open { synced: tail.promised } };
        self.tail = tail;
    }

    /// Says of all that is open whether it is damage, as the next header tells, or the end of the files.
    fn settle(&mut self, next: Option<&Header>) {
        let mut tail = std::mem::take(&mut self.tail);
        let promised = tail.promised.max(next.map_or(0, |next| next.settled));
        if let Some(End::Open { synced }) = tail.file.map(|file| &mut self.report.files[file].end) {
            *synced = promised;
        }
        let mut hole = tail.expected.zip(next).map(|(from, next)| Hole { from, to: next.first, durable_to: next.settled });
        if let Some(next) = next.filter(|_| tail.file.is_none()) {
            // The first of them may never have had a record, and those behind it be removed.
            let is_begun = next.number == self.report.files.len() as u64 || tail.breaks.iter().any(|open| open.is_damage);
            hole = hole.filter(|_| is_begun);
            self.report.is_shortened = hole.is_none() && next.first > 0;
        }
        let sealed = next.filter(|next| next.before == Before::Sealed).map(|next| next.number - 1);
        for Open { file, part, is_damage } in tail.breaks.drain(..) {
            let is_last = part.to.is_none();
            let lost = match part.to {
                Some(to) => Some(Hole { from: part.from, to, durable_to: promised }),
                None => hole.take(),
            };
            // A note is of no index: it was durable if a record behind it was.
            let durable = lost.is_some_and(|hole| hole.durable() > 0 || (!is_last && hole.from < promised));
            let is_damage = is_damage || durable || (is_last && sealed == Some(self.report.files[file].number));
            if is_damage {
                self.damage(file, part.offset, part.fault, lost.map(|hole| hole.durable()));
            }
            self.loosen(file, if is_damage { 0 } else { part.bytes }, lost.map_or(0, |hole| hole.loose()));
        }
        let Some(hole) = hole else { return };
        if let Some(file) = tail.file {
            self.loosen(file, 0, hole.loose());
            if sealed == Some(self.report.files[file].number) && !tail.is_sealed {
                let at = self.report.files[file].bytes as usize;
                return self.damage(file, at, Fault::Footer, Some(hole.durable()));
            }
        }
        if hole.durable() > 0 {
            let (file, missing) = (self.report.files.len() - 1, Fault::Missing { from: hole.from, to: hole.to });
            let at = RECORDS_AT.min(self.report.files[file].bytes as usize); // it may have been cut
            self.damage(file, at, missing, Some(hole.durable()));
        }
    }

    fn damage(&mut self, file: usize, offset: usize, fault: Fault, lost: Option<u64>) {
        let file = file_name(self.report.files[file].number);
        self.report.damages.push(Damage { file, offset: offset as u64, fault, lost });
    }

    fn loosen(&mut self, file: usize, bytes: usize, records: u64) {
        self.report.files[file].loose_bytes += bytes as u64;
        self.report.files[file].loose_records = self.report.files[file].loose_records.saturating_add(records);
    }
}
