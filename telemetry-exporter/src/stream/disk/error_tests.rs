//! What the owner of a journal gets when the disk refuses, and what is there then. Also the file system's own folder.

use std::error::Error;
use std::io::ErrorKind;
use std::sync::Arc;

use super::format::BODY_BYTES_MAX;
use super::simulated::{Disk, Plan};
use super::{Device, Directory, End, Journal, KIND_FIRST, Removed, Report, Stamp, scan};

fn journal(device: Arc<dyn Device>) -> Journal {
    Journal::create(device, [7; 16], 4_000, Stamp::now).expect("a disk without a fault")
}

fn append(journal: &mut Journal, count: u8) {
    for number in 0..count {
        journal.append(KIND_FIRST, &[&[number; 40]]).expect("it fits the buffer");
    }
}

fn found(device: &dyn Device) -> (Vec<u64>, Report) {
    let mut indices = Vec::new();
    let report = scan(device, |record| indices.push(record.index)).expect("a folder");
    assert_eq!(report.damages, []);
    (indices, report)
}

/// Ten records that are synced, ten that are not because of the plan, and ten in the file after that.
fn interrupted(plan: Plan, wanted: ErrorKind) -> Report {
    let disk = Disk::new(5);
    let folder = disk.folder("f");
    let mut journal = journal(folder.clone());
    append(&mut journal, 10);
    assert_eq!(journal.sync().expect("no fault yet"), 10);
    append(&mut journal, 10);
    disk.plan(plan);
    assert_eq!(journal.sync().expect_err("a fault").kind(), wanted);
    assert!(journal.is_given_up() && journal.synced_index() == 10);
    let again = journal.append(KIND_FIRST, &[]).expect_err("there is no file").to_string();
    assert_eq!(again, "00000001.telemetry is not written any more, and no other was begun");
    assert!(journal.flush().is_err() && journal.sync().is_err() && journal.rotate().is_err() && journal.seal().is_err());
    assert!(plan.fails_once_in.is_some() || journal.restart().is_err());
    disk.plan(Plan::default());
    journal.restart().expect("no fault any more");
    append(&mut journal, 10);
    assert_eq!(journal.sync().expect("no fault any more"), 30);
    disk.crash();
    let (indices, report) = found(&*folder);
    assert!(indices.starts_with(&(0..10).collect::<Vec<_>>()) && indices.ends_with(&(20..30).collect::<Vec<_>>()), "{indices:?}");
    assert_eq!(report.files[0].loose_records + report.files[0].records, 20);
    report
}

#[test]
fn a_full_disk_is_an_error_and_what_was_synced_stays() {
    interrupted(Plan { bytes_max: Some(900), ..Plan::default() }, ErrorKind::StorageFull);
}

#[test]
fn a_sync_that_failed_is_not_tried_again_on_its_file() {
    let report = interrupted(Plan { fails_once_in: Some(1), ..Plan::default() }, ErrorKind::Other);
    assert_eq!(report.files[0].end, End::Open { synced: 10 });
}

#[test]
fn a_folder_that_vanished_is_an_error() {
    interrupted(Plan { is_vanished: true, ..Plan::default() }, ErrorKind::NotFound);
}

#[test]
fn many_attempts_on_a_full_disk_leave_no_file_behind() {
    let disk = Disk::new(6);
    let folder = disk.folder("f");
    disk.plan(Plan { bytes_max: Some(100), ..Plan::default() });
    let mut journal = Journal::new(folder.clone(), [7; 16], 4_000, Stamp::now);
    for _ in 0..20 {
        assert_eq!(journal.restart().expect_err("it is full").kind(), ErrorKind::StorageFull);
        assert_eq!((journal.bytes(), folder.list().expect("a folder")), (0, Vec::new()));
    }
    disk.plan(Plan::default());
    journal.restart().expect("it is not full any more");
    assert_eq!(journal.sync().expect("nothing is new"), 0);
    append(&mut journal, 3);
    journal.seal().expect("it is not full any more");
    let (indices, report) = found(&*folder);
    assert_eq!(indices, [0, 1, 2]);
    assert!(report.is_complete() && !report.is_shortened && report.files[0].number == 21);
}

#[test]
fn the_oldest_files_are_removed_and_the_one_that_is_written_is_not() {
    let folder = Disk::new(7).folder("f");
    let mut journal = journal(folder.clone());
    for _ in 0..3 {
        append(&mut journal, 10);
        journal.rotate().expect("no fault");
    }
    append(&mut journal, 2);
    journal.flush().expect("no fault");
    let bytes =
        |number| folder.list().expect("a folder").iter().find(|(name, _)| *name == format!("{number:08}.telemetry")).map(|f| f.1);
    let all: u64 = (1..=4).filter_map(bytes).sum();
    assert_eq!(journal.bytes(), all);
    assert_eq!(journal.remove_oldest(all).expect("no fault"), None);
    let first = Removed { number: 1, bytes: bytes(1).expect("it is there"), records: 0..10 };
    assert_eq!(journal.remove_oldest(all - 1).expect("no fault"), Some(first));
    for number in [2, 3] {
        assert_eq!(journal.remove_oldest(0).expect("no fault").map(|removed| removed.number), Some(number));
    }
    assert_eq!(journal.remove_oldest(0).expect("no fault"), None);
    let (indices, report) = found(&*folder);
    assert_eq!((indices, report.is_shortened, report.first_index()), (vec![30, 31], true, Some(30)));
}

#[test]
fn a_sync_without_a_new_record_does_nothing_and_a_record_that_is_too_long_is_refused() {
    let folder = Disk::new(8).folder("f");
    let mut journal = journal(folder.clone());
    let long = vec![0; BODY_BYTES_MAX + 1];
    let refused = journal.append(KIND_FIRST, &[&long]).expect_err("it is too long");
    assert_eq!(refused.to_string(), format!("a record has {} bytes, wanted at most {BODY_BYTES_MAX}", BODY_BYTES_MAX + 1));
    let refused = journal.append(2, &[]).expect_err("it is the journal's");
    assert_eq!(refused.to_string(), "kind 2 of a record is the journal's own, wanted at least 16");
    assert!(!journal.is_given_up());
    assert_eq!(journal.append(KIND_FIRST, &[&long[1..]]).expect("it is as long as may be"), 0);
    assert_eq!(journal.sync().expect("no fault"), 1);
    journal.flush().expect("no fault");
    let bytes = journal.bytes();
    for _ in 0..3 {
        assert_eq!(journal.sync().expect("no fault"), 1);
        journal.flush().expect("no fault");
    }
    assert_eq!(journal.bytes(), bytes);
    assert_eq!(found(&*folder).0, [0]);
}

#[test]
fn a_folder_of_the_file_system_keeps_a_session_and_its_errors_tell_the_path() {
    let root = tempfile::tempdir().expect("a temporary folder");
    let path = root.path().join("a/b/c");
    let folder = Arc::new(Directory::create(&path).expect("its parents are created"));
    Directory::create(&path).expect("it may be there");
    let mut journal = journal(folder.clone());
    append(&mut journal, 100);
    assert!(journal.is_full());
    journal.rotate().expect("a file system");
    append(&mut journal, 5);
    assert_eq!(journal.seal().expect("a file system"), 105);
    let (indices, report) = found(&Directory::open(&path).expect("it is there"));
    assert!(indices.into_iter().eq(0..105) && report.is_complete() && report.session == Some([7; 16]));

    let exists = folder.create("00000001.telemetry").err().expect("it is there");
    assert_eq!(exists.kind(), ErrorKind::AlreadyExists);
    assert!(exists.to_string().contains("a/b/c/00000001.telemetry: ") && exists.source().is_some(), "{exists}");
    folder.remove("00000001.telemetry").expect("it is there");
    for error in [folder.read("00000001.telemetry").map(|_| ()), folder.remove("00000001.telemetry")] {
        let error = error.expect_err("it is removed");
        assert!(error.kind() == ErrorKind::NotFound && error.to_string().contains("00000001.telemetry"), "{error}");
    }
    drop(root);
    assert!(journal.restart().expect_err("the folder is removed").to_string().contains("a/b/c/00000003.telemetry"));
    assert!(folder.list().is_err() && folder.sync_dir().is_err() && Directory::open(&path).is_err());
}
