//! What a writer has kept of real streams, on a disk that fails at any moment.

use std::collections::BTreeSet;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use super::super::recover::{self, RecoveredSession};
use super::super::witness::{NAMES, Witness};
use super::*;
use crate::stream::disk::simulated::{self, Chance, Plan};
use crate::stream::disk::{Record, scan};
use crate::stream::{Log, Reason};

const CASES: u64 = 2_000;

type Numbers = [BTreeSet<u64>; 3];

/// The numbers of what was synced, and how far each stream is.
#[derive(Default)]
struct Promised {
    numbers: Numbers,
    ends: [u64; 3],
}

fn disk(bytes_max: u64) -> Disk {
    Disk { bytes_max, ..Disk::at("there/is/none") }
}

fn recovered(folder: &simulated::Folder) -> RecoveredSession {
    recover::read(folder, "simulated".as_ref(), None).expect("a folder")
}

fn found(witness: &Witness, folder: &simulated::Folder) -> (Numbers, RecoveredSession) {
    let mut session = recovered(folder);
    let numbers = [0, 1, 2].map(|which| witness.found(&mut session, which));
    (numbers, session)
}

fn fill(witness: &mut Witness, chance: &mut Chance, count: usize) {
    for _ in 0..count {
        let which = chance.below(3);
        witness.append(chance, which);
        if chance.once_in(40) {
            witness.stream(chance.below(3)).log.seal();
        }
    }
}

#[test]
fn what_was_synced_comes_back_with_its_places_times_and_numbers_as_the_live_stream_gives_it() {
    let (mut witness, mut chance) = (Witness::new(3_000, 8 << 20), Chance::new(1));
    let folder = simulated::Disk::new(1).folder("f");
    let mut writer = Writer::with_files(folder.clone(), &disk(1 << 30), &witness.streams, 9_000).expect("begun");
    for round in 0..300 {
        fill(&mut witness, &mut chance, 20);
        writer.pass().expect("a simulated disk");
        if round % 75 == 74 {
            let (numbers, session) = found(&witness, &folder);
            assert_eq!(numbers.clone().map(|numbers| numbers.len()), witness.appended.each_ref().map(Vec::len));
            assert_eq!((session.report.damages.len(), session.malformed), (0, 0));
        }
    }
    writer.end().expect("a simulated disk");
    let mut session = recovered(&folder);
    assert!(session.report.is_complete() && session.report.files.len() > 20, "{} files", session.report.files.len());
    assert_eq!(session.session, witness.streams.session());
    for (which, name) in NAMES.into_iter().enumerate() {
        let stream = &session.streams[name];
        assert_eq!((stream.messages, stream.missed, stream.lost), (witness.appended[which].len() as u64, 0, 0));
        assert_eq!(stream.kind, ["metrics", "event", "snapshot"][which]);
        let mut found = Vec::new();
        session.read(name, |message| match message {
            recover::Found::Message { at, time_ns, payload } => {
                found.push(super::super::witness::Appended { at, time_ns, payload: payload.to_vec() });
            }
            gap => panic!("{gap:?}"),
        });
        assert_eq!(found, witness.appended[which]);
        for at in found.iter().step_by(37).map(|message| message.at) {
            let from = found.partition_point(|message| message.at < at);
            assert_eq!(witness.live(which, at), found[from..], "{name} from {at:?}");
        }
        session.read(name, |found| panic!("it was handed over: {found:?}"));
    }
}

#[test]
fn the_bound_takes_the_oldest_files_and_what_is_left_is_whole() {
    let (mut witness, mut chance) = (Witness::new(3_000, 8 << 20), Chance::new(2));
    let folder = simulated::Disk::new(2).folder("f");
    let mut writer = Writer::with_files(folder.clone(), &disk(40_000), &witness.streams, 6_000).expect("begun");
    for _ in 0..200 {
        fill(&mut witness, &mut chance, 30);
        writer.pass().expect("a simulated disk");
        writer.looked = None;
        writer.remove_oldest().expect("a simulated disk");
        assert!(writer.journal.bytes() <= 40_000);
    }
    let (numbers, session) = found(&witness, &folder);
    assert!(session.report.is_shortened && session.report.damages.is_empty());
    for (which, numbers) in numbers.iter().enumerate() {
        let (first, end) = (*numbers.first().expect("some are left"), witness.appended[which].len() as u64);
        assert_eq!(numbers.len() as u64, end - first, "{} has no hole", NAMES[which]);
        assert!(first > 0 && end - first > 50, "{first} to {end} of {}", NAMES[which]);
        let stream = &session.streams[NAMES[which]];
        assert_eq!((stream.lost, stream.missed, stream.appended), (0, 0, end));
    }
}

#[test]
fn what_fell_out_of_memory_before_it_was_written_is_told_with_its_number_and_its_reason() {
    let (mut witness, mut chance) = (Witness::new(1_000, 5_000), Chance::new(3));
    let device = simulated::Disk::new(3);
    let folder = device.folder("f");
    let mut writer = Writer::with_files(folder.clone(), &disk(1 << 30), &witness.streams, 9_000).expect("begun");
    let mut promised = Promised::default();
    for round in 0..40 {
        fill(&mut witness, &mut chance, 40);
        device.plan(Plan { is_vanished: round % 4 != 3, ..Plan::default() });
        if writer.pass().is_ok() {
            promised.renew(&witness);
        }
    }
    let (numbers, session) = found(&witness, &folder);
    for (which, numbers) in numbers.iter().enumerate() {
        let stream = &session.streams[NAMES[which]];
        assert!(promised.numbers[which].is_subset(numbers));
        assert!(stream.missed > 10, "{stream:?}");
        assert_eq!(stream.lost, 0, "{stream:?}");
        assert_eq!(stream.messages + stream.missed, stream.appended);
    }
    let (log, _) = restored(&folder, 1);
    let mut at = Position::default();
    while at < log.end() {
        match log.read(at, false) {
            Piece::Data { next, .. } => at = next,
            Piece::Gap { to, reason, .. } => {
                assert_eq!(reason, Reason::Dropped, "they were never in a file");
                at = to;
            }
            other => panic!("{other:?}"),
        }
    }
}

/// The log of a stream that was found, and how many messages it had.
fn restored(folder: &simulated::Folder, which: usize) -> (Log, u64) {
    let mut session = recovered(folder);
    let Some(stream) = session.streams.get_mut(NAMES[which]) else { return (Log::new(Default::default()), 0) };
    (stream.take_log(), stream.appended)
}

impl Promised {
    /// All that is held is written and synced now.
    fn renew(&mut self, witness: &Witness) {
        for (which, (numbers, before)) in self.numbers.iter_mut().zip(&mut self.ends).enumerate() {
            let end = witness.appended[which].len() as u64;
            numbers.extend((end - witness.stream(which).log.state().kept).max(*before)..end);
            *before = end;
        }
    }
}

struct Case {
    witness: Witness,
    writer: Option<Writer>,
    device: simulated::Disk,
    folder: Arc<simulated::Folder>,
    disk: Disk,
    file_bytes: u64,
    promised: Promised,
    /// The indices of records that no sync covered.
    given_up: Vec<Range<u64>>,
}

impl Case {
    fn step(&mut self, chance: &mut Chance) {
        match chance.below(12) {
            0..6 => {
                let count = 1 + chance.below(12);
                fill(&mut self.witness, chance, count);
            }
            6 => self.witness.stream(chance.below(3)).log.seal(),
            7 => self.witness.streams.tick(Instant::now()),
            8 if chance.once_in(3) => self.remove(),
            _ => self.pass(),
        }
    }

    fn pass(&mut self) {
        let Some(writer) = &mut self.writer else {
            self.writer = Writer::with_files(self.folder.clone(), &self.disk, &self.witness.streams, self.file_bytes).ok();
            return;
        };
        if writer.journal.is_given_up() {
            self.given_up.push(writer.journal.synced_index()..writer.journal.next_index());
        }
        if writer.pass().is_ok() {
            self.promised.renew(&self.witness);
        }
    }

    /// What was promised and goes with a file is not promised any more.
    fn remove(&mut self) {
        let Some(writer) = &mut self.writer else { return };
        if writer.journal.bytes() <= self.disk.bytes_max {
            return;
        }
        writer.looked = None;
        let synced = writer.journal.synced_index();
        let is_sure = |index: u64| index < synced && !self.given_up.iter().any(|given_up| given_up.contains(&index));
        // What goes is known from what is there: a file that may be gone after a crash promises nothing.
        while let Some(oldest) = writer.journal.oldest().filter(|_| writer.journal.bytes() > self.disk.bytes_max) {
            let mut left = Numbers::default();
            let look = |record: Record<'_>| {
                if let Ok(Some(body::Body::Message { stream, number, .. })) = body::Body::read(record.kind, record.body) {
                    let which = (0..3).find(|which| self.witness.stream(*which).id == stream).expect("one of three");
                    if oldest.records.contains(&record.index) {
                        let end = &mut self.promised.ends[which];
                        *end = (number + 1).max(*end); // it may have been synced by a pass that failed later
                    } else if is_sure(record.index) {
                        left[which].insert(number);
                    }
                }
            };
            self.device.calmly(|| scan(&*self.folder, look)).expect("a folder");
            for (promised, left) in self.promised.numbers.iter_mut().zip(&left) {
                promised.retain(|number| left.contains(number));
            }
            // Of metrics the beginning of a segment may go with it.
            let first = self.promised.numbers[0].first().copied().unwrap_or(0);
            let sequence = self.witness.appended[0].get(first as usize).map_or(0, |appended| appended.at.sequence);
            let appended = &self.witness.appended[0];
            self.promised.numbers[0].retain(|number| appended[*number as usize].at.sequence > sequence);
            if !matches!(writer.journal.remove_oldest(self.disk.bytes_max), Ok(Some(_))) {
                return;
            }
        }
    }

    fn check(&self) {
        let (numbers, session) = found(&self.witness, &self.folder);
        assert!(session.report.damages.is_empty(), "a crash is no damage: {:?}", session.report);
        for (which, (numbers, promised)) in numbers.iter().zip(&self.promised.numbers).enumerate() {
            let lost: Vec<_> = promised.difference(numbers).collect();
            assert!(lost.is_empty(), "{lost:?} of {} were synced: {:?}", NAMES[which], session.report);
            self.walk(which, numbers);
        }
    }

    /// A log that was made of it keeps its balance, and a reader gets each message once from whatever place it begins at.
    fn walk(&self, which: usize, numbers: &BTreeSet<u64>) {
        let (log, appended) = restored(&self.folder, which);
        let state = log.state();
        assert_eq!((state.kept + state.dropped, state.appended), (appended, appended));
        let (mut at, mut steps, mut count) = (Position::default(), 0, 0);
        while at < log.end() {
            let next = match log.read(at, false) {
                Piece::Data { next, data, .. } => {
                    for frame in frames(&data) {
                        assert!(count % 8 > 0 || log.is_boundary(at));
                        let place = self.witness.appended[which].binary_search_by_key(&at, |appended| appended.at);
                        let number = place.expect("it was appended") as u64;
                        assert!(which == 0 || numbers.contains(&number));
                        at.offset += (FRAME_HEAD_BYTES + frame.expect("whole").payload.len()) as u64;
                        count += 1;
                    }
                    next
                }
                Piece::Gap { from, to, .. } => {
                    assert_eq!(from, at);
                    to
                }
                other => panic!("{other:?} at {at:?} before {:?}", log.end()),
            };
            (at, steps) = (next, steps + 1);
            assert!(steps < 100_000, "it loops at {at:?}");
        }
        assert_eq!(count, state.kept);
    }
}

fn case(seed: u64) {
    let device = simulated::Disk::new(seed);
    let mut chance = Chance::new(!seed);
    let bytes_max = if chance.once_in(3) { 2_000 + chance.below(20_000) } else { 8 << 20 };
    let disk_bytes_max = if chance.once_in(3) { 3_000 + chance.below(20_000) as u64 } else { 1 << 30 };
    let mut case = Case {
        witness: Witness::new(400 + chance.below(2_000), bytes_max),
        writer: None,
        device: device.clone(),
        folder: device.folder("f"),
        disk: disk(disk_bytes_max),
        file_bytes: 500 + chance.below(8_000) as u64,
        promised: Promised::default(),
        given_up: Vec::new(),
    };
    case.writer = Writer::with_files(case.folder.clone(), &case.disk, &case.witness.streams, case.file_bytes).ok();
    device.plan(Plan {
        power_fails_in: (!chance.once_in(6)).then(|| chance.below(150) as u64),
        fails_once_in: chance.once_in(2).then(|| 3 + chance.below(30)),
        bytes_max: chance.once_in(6).then(|| 2_000 + chance.below(20_000)),
        is_vanished: false,
    });
    for _ in 0..20 + chance.below(100) {
        case.step(&mut chance);
        if device.is_off() {
            break;
        }
    }
    device.crash();
    case.check();
}

#[test]
fn no_synced_message_is_lost_by_a_crash_at_any_moment_and_each_that_is_missing_is_told() {
    for seed in 0..CASES {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| case(seed))) {
            eprintln!("seed {seed}");
            resume_unwind(panic);
        }
    }
}
