//! A journal whose disk fails at any moment, and what is found of it.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

use super::simulated::{Chance, Disk, Folder, Plan};
use super::{Journal, KIND_FIRST, Report, Stamp, scan};

const CASES: u64 = 20_000;

type Records = BTreeMap<u64, (u8, Vec<u8>)>;

/// One session, and what must be and may be found of it.
struct Owner {
    folder: Arc<Folder>,
    journal: Journal,
    /// All that was ever handed to the journal, by its index.
    appended: Records,
    /// What no sync has covered yet, and would have to be appended again.
    pending: Vec<u64>,
    /// What a sync has covered, and no removal.
    promised: BTreeSet<u64>,
}

impl Owner {
    fn new(disk: &Disk, name: &str, chance: &mut Chance) -> Self {
        let folder = disk.folder(name);
        let mut nonces = Chance::new(chance.next());
        let stamp = move || Stamp { nonce: nonces.next(), created_ns: 1 };
        let mut journal = Journal::new(folder.clone(), [name.as_bytes()[0]; 16], 300 + chance.below(4_000) as u64, stamp);
        journal.buffer_bytes = 1 + chance.below(1_500);
        Self { folder, journal, appended: Records::new(), pending: Vec::new(), promised: BTreeSet::new() }
    }

    fn append(&mut self, kind: u8, body: &[u8]) -> io::Result<()> {
        let index = self.journal.next_index();
        self.appended.insert(index, (kind, body.to_vec()));
        let middle = body.len() / 2;
        let appended = self.journal.append(kind, &[&body[..middle], &[], &body[middle..]]);
        if self.journal.next_index() > index {
            self.pending.push(index);
        }
        assert!(appended.as_ref().is_ok_and(|found| *found == index) || appended.is_err());
        appended.map(|_| ())
    }

    fn kept(&mut self) {
        assert_eq!(self.journal.synced_index(), self.journal.next_index());
        self.promised.extend(self.pending.drain(..));
    }

    fn step(&mut self, chance: &mut Chance) -> io::Result<()> {
        match chance.below(20) {
            0..12 => {
                let length = if chance.once_in(12) { chance.below(1_500) } else { chance.below(50) };
                let filler = chance.next().to_be_bytes();
                let body: Vec<u8> = filler.into_iter().cycle().take(length).collect();
                self.append(KIND_FIRST + chance.below(3) as u8, &body)
            }
            12 => self.journal.flush(),
            13..16 => {
                self.journal.sync()?;
                self.kept();
                Ok(())
            }
            16..18 if self.journal.is_full() || chance.once_in(8) => {
                let rotated = self.journal.rotate();
                if rotated.is_ok() || self.journal.synced_index() == self.journal.next_index() {
                    self.kept(); // the file was sealed, although there is no other
                }
                rotated
            }
            18 if chance.once_in(2) => self.remove(chance.below(8_000) as u64),
            19 if chance.once_in(15) => {
                self.journal.seal()?;
                self.kept();
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn remove(&mut self, bytes_max: u64) -> io::Result<()> {
        while let Some(oldest) = self.journal.oldest().filter(|_| self.journal.bytes() > bytes_max) {
            self.promised.retain(|index| !oldest.records.contains(index)); // from now on they may be missing
            assert_eq!(self.journal.remove_oldest(bytes_max)?, Some(oldest));
        }
        assert_eq!(self.journal.remove_oldest(bytes_max)?, None);
        Ok(())
    }

    /// Begins another file and appends what is not durable, most of it.
    fn restart(&mut self, chance: &mut Chance) -> io::Result<()> {
        let again = std::mem::take(&mut self.pending);
        self.journal.restart()?;
        for index in again.into_iter().filter(|_| !chance.once_in(10)) {
            let (kind, body) = self.appended[&index].clone();
            self.append(kind, &body)?;
        }
        Ok(())
    }

    fn run(&mut self, disk: &Disk, chance: &mut Chance) {
        for _ in 0..10 + chance.below(50) {
            if disk.is_off() {
                break;
            }
            if self.journal.is_given_up() {
                let _ = self.restart(chance);
                if chance.once_in(3) {
                    let _ = self.remove(500); // a full disk
                }
            } else {
                let _ = self.step(chance);
            }
        }
    }

    fn found(&self) -> (Records, Report) {
        let mut found = Records::new();
        let report = scan(&*self.folder, |record| {
            assert!(found.last_key_value().is_none_or(|(last, _)| *last < record.index), "record {} in its order", record.index);
            found.insert(record.index, (record.kind, record.body.to_vec()));
        });
        (found, report.expect("a folder"))
    }

    fn check(&self) -> (Records, Report) {
        let (found, report) = self.found();
        for (index, record) in &found {
            assert_eq!(self.appended.get(index), Some(record), "record {index} was appended");
        }
        for index in &self.promised {
            assert!(found.contains_key(index), "record {index} was synced; {report:?}");
        }
        assert_eq!(report.damages, [], "a crash is no damage: {report:#?}");
        assert_eq!(report.records(), found.len() as u64);
        (found, report)
    }

    /// Flips one bit: one record more may be missing, and only if the report says so.
    fn rot(&self, chance: &mut Chance, before: &Records, report: &Report) {
        let Some(file) = report.files.iter().rev().find(|file| file.bytes > 0 && !chance.once_in(3)) else { return };
        let (name, bit) = (super::format::file_name(file.number), chance.below(file.bytes as usize * 8));
        let flip = |data: &mut Vec<u8>| data[bit / 8] ^= 1 << (bit % 8);
        self.folder.rot(&name, flip);
        let (found, rotten) = self.found();
        assert!(found.iter().all(|(index, record)| self.appended.get(index) == Some(record)), "bit {bit} of {name}");
        assert!(found.len() + 1 >= before.len(), "bit {bit} of {name}: {rotten:?}");
        let loose = |report: &Report| report.files.iter().map(|file| (file.loose_bytes, file.loose_records)).collect::<Vec<_>>();
        let told = !rotten.damages.is_empty() || loose(&rotten) != loose(report);
        assert!(told || found.len() == before.len(), "bit {bit} of {name}: {rotten:?}");
        self.folder.rot(&name, flip);
    }
}

fn case(seed: u64) {
    let disk = Disk::new(seed);
    let mut chance = Chance::new(!seed);
    let mut owners: Vec<Owner> = Vec::new();
    for name in ["a", "b"] {
        let mut owner = Owner::new(&disk, name, &mut chance);
        disk.plan(Plan {
            power_fails_in: (!chance.once_in(8)).then(|| chance.below(60) as u64),
            fails_once_in: chance.once_in(2).then(|| 4 + chance.below(30)),
            bytes_max: chance.once_in(6).then(|| 1_000 + chance.below(6_000)),
            is_vanished: false,
        });
        owner.run(&disk, &mut chance);
        disk.crash();
        owners.push(owner);
        for owner in &owners {
            let (found, report) = owner.check();
            owner.rot(&mut chance, &found, &report);
        }
    }
}

#[test]
fn what_was_synced_is_found_after_a_crash_at_any_moment_and_nothing_that_was_not_appended() {
    for seed in 0..CASES {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| case(seed))) {
            eprintln!("seed {seed}");
            resume_unwind(panic);
        }
    }
}
