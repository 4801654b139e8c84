//! A keeper whose disk fails, or does not answer.

use std::sync::mpsc;

use super::super::recover;
use super::super::witness::Witness;
use super::*;
use crate::stream::disk::simulated::{self, Chance, Plan};
use crate::stream::disk::{Device, DeviceFile};

/// Long enough for any machine; a test that needs it has failed.
const DEADLINE: Duration = Duration::from_secs(60);

fn disk(durability: Durability, interval: Duration) -> Disk {
    Disk { durability, interval, ..Disk::at("there/is/none") }
}

fn keep(disk: &Disk, witness: &Witness, device: Arc<dyn Device>) -> Keeper {
    let (to, of) = (disk.clone(), Arc::clone(&witness.streams));
    Keeper::start_by(disk, &witness.streams, move || Writer::on(Arc::clone(&device), &to, &of)).expect("a thread")
}

fn found(folder: &simulated::Folder, witness: &Witness) -> usize {
    let mut session = recover::read(folder, "simulated".as_ref(), None).expect("a folder");
    witness.found(&mut session, 1).len()
}

impl Keeper {
    /// Waits for a state.
    fn until(&self, is_so: impl Fn(&Inner) -> bool) {
        let mut inner = self.shared.inner.lock();
        let deadline = Instant::now() + DEADLINE;
        while !is_so(&inner) {
            assert!(!self.shared.settled.wait_until(&mut inner, deadline).timed_out(), "it does not come: {:?}", inner.error);
        }
    }
}

#[test]
fn who_waits_returns_when_all_before_is_synced() {
    let (mut witness, mut chance) = (Witness::new(10_000, 1 << 20), Chance::new(1));
    let device = simulated::Disk::new(1);
    let folder = device.folder("f");
    let keeper = keep(&disk(Durability::Each, DEADLINE), &witness, folder.clone());
    for count in 1..50 {
        witness.append(&mut chance, 1);
        assert!(keeper.shared.is_synced());
        assert_eq!(device.calmly(|| found(&folder, &witness)), count);
    }
    drop(keeper);
    device.crash();
    assert_eq!(found(&folder, &witness), 49);
}

#[test]
fn where_the_disk_fails_nobody_waits_and_when_it_is_back_all_that_is_held_is_written() {
    let (mut witness, mut chance) = (Witness::new(10_000, 1 << 20), Chance::new(2));
    let device = simulated::Disk::new(2);
    let folder = device.folder("f");
    let keeper = keep(&disk(Durability::Each, Duration::from_millis(1)), &witness, folder.clone());
    let watcher = keeper.watcher();
    for (round, plan) in [Plan { bytes_max: Some(100), ..Plan::default() }, Plan { fails_once_in: Some(1), ..Plan::default() }]
        .into_iter()
        .enumerate()
    {
        witness.append(&mut chance, 1);
        assert!(keeper.shared.is_synced(), "{:?}", watcher());
        let before = watcher().failures;
        device.plan(plan);
        witness.append(&mut chance, 1);
        assert!(!keeper.shared.is_synced());
        let began = Instant::now();
        for _ in 0..1_000 {
            witness.append(&mut chance, 1);
            assert!(!keeper.shared.is_synced());
        }
        assert!(began.elapsed() < DEADLINE / 2, "a thousand waits took {:?}", began.elapsed());
        keeper.until(|inner| inner.failures > before + 2); // it is tried again
        let state = watcher();
        assert_eq!(state.to_json()["is_writing"], false);
        assert!(state.error.is_some_and(|error| !error.is_empty()));
        device.plan(Plan::default());
        keeper.until(|inner| inner.error.is_none());
        assert_eq!(device.calmly(|| found(&folder, &witness)), (round + 1) * 1_002);
        assert_eq!(watcher().to_json()["is_writing"], true);
    }
}

/// A folder whose syncs wait for the test.
struct Slow {
    folder: Arc<simulated::Folder>,
    gate: Arc<Mutex<()>>,
}

struct SlowFile(Box<dyn DeviceFile>, Arc<Mutex<()>>);

impl Device for Slow {
    fn create(&self, name: &str) -> io::Result<Box<dyn DeviceFile>> {
        Ok(Box::new(SlowFile(self.folder.create(name)?, Arc::clone(&self.gate))))
    }
    fn sync_dir(&self) -> io::Result<()> {
        self.folder.sync_dir()
    }
    fn list(&self) -> io::Result<Vec<(String, u64)>> {
        self.folder.list()
    }
    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        self.folder.read(name)
    }
    fn remove(&self, name: &str) -> io::Result<()> {
        self.folder.remove(name)
    }
}

impl DeviceFile for SlowFile {
    fn append(&mut self, data: &[u8]) -> io::Result<()> {
        self.0.append(data)
    }
    fn sync(&mut self) -> io::Result<()> {
        let _passed = self.1.lock();
        self.0.sync()
    }
}

#[test]
fn a_disk_that_does_not_answer_is_waited_for_once_and_left_behind_by_a_stop() {
    let (mut witness, mut chance) = (Witness::new(10_000, 1 << 20), Chance::new(3));
    let folder = simulated::Disk::new(3).folder("f");
    let gate = Arc::new(Mutex::new(()));
    let slow = Arc::new(Slow { folder: folder.clone(), gate: Arc::clone(&gate) });
    let keeper = keep(&disk(Durability::Each, Duration::from_millis(1)), &witness, slow);
    witness.append(&mut chance, 1);
    assert!(keeper.shared.is_synced());
    let closed = gate.lock();
    let began = Instant::now();
    for _ in 0..1_000 {
        witness.append(&mut chance, 1);
        assert!(!keeper.shared.is_synced());
    }
    assert!(began.elapsed() >= DISK_WAIT_MAX && began.elapsed() < DISK_WAIT_MAX * 20, "{:?}", began.elapsed());
    let state = keeper.watcher()();
    assert_eq!(state.error.as_deref(), Some("the disk has not answered for 1s"));
    drop(closed);
    keeper.until(|inner| inner.error.is_none());
    witness.append(&mut chance, 1);
    assert!(keeper.shared.is_synced());
    assert_eq!(found(&folder, &witness), 1_002);
    // And a stop.
    let closed = gate.lock();
    witness.append(&mut chance, 1);
    let shared = Arc::clone(&keeper.shared);
    let (told, stopped) = mpsc::channel();
    let stopping = thread::spawn(move || {
        drop(keeper);
        let _waiting = told.send(());
    });
    stopped.recv_timeout(DISK_STOP_DEADLINE + DEADLINE).expect("a stop ends");
    assert!(!shared.inner.lock().is_over);
    stopping.join().expect("no panic");
    drop(closed);
}

#[test]
fn a_stop_writes_what_is_left_and_a_session_of_nothing_leaves_nothing() {
    let (mut witness, mut chance) = (Witness::new(10_000, 1 << 20), Chance::new(4));
    let device = simulated::Disk::new(4);
    let folder = device.folder("f");
    drop(keep(&disk(Durability::Interval, DEADLINE), &witness, folder.clone()));
    assert_eq!(folder.list().expect("a folder"), []);
    for _ in 0..100 {
        witness.append(&mut chance, 1);
    }
    drop(keep(&disk(Durability::Interval, DEADLINE), &witness, folder.clone()));
    device.crash();
    assert_eq!(found(&folder, &witness), 100);
    let session = recover::read(&*folder, "simulated".as_ref(), None).expect("a folder");
    assert!(session.report.is_complete());
}

#[test]
fn a_panic_of_the_thread_is_told_and_nobody_waits_for_it() {
    let mut witness = Witness::new(10_000, 1 << 20);
    let of = Arc::clone(&witness.streams);
    let keeper =
        Keeper::start_by(&disk(Durability::Each, Duration::from_millis(1)), &of, || panic!("on purpose")).expect("a thread");
    keeper.until(|inner| inner.is_over);
    witness.append(&mut Chance::new(1), 1);
    assert!(!keeper.shared.is_synced());
    assert_eq!(keeper.watcher()().error.as_deref(), Some("the thread that writes has panicked"));
}
