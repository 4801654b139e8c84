//! Models of threads that record, end and read, which `loom` runs in every order that up to four preemptions can make.
//!
//! What is modelled is `Slabs` itself, over atomics that notice when one is freed while a thread may be at it. The owner here takes
//! its row under the lock and adds without it, as `lease` and `slot` do, whose statics a model cannot have.

use std::ptr;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use loom::model::Builder;
use loom::sync::atomic::AtomicU32;
use loom::sync::{Arc, Mutex, MutexGuard};
use loom::thread;

use super::slabs::{Retired, Slabs, Space};
use crate::cell::{self, AtomicPtr, AtomicU64};
use crate::distribution::{Merged, Shard};

/// The index of a series that is not there yet.
const NONE: u32 = u32::MAX;

/// Runs a model in all orders.
fn model(run: impl Fn() + Send + Sync + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(4);
    builder.check(run);
}

/// All cells, behind their lock.
#[derive(Clone)]
struct All(Arc<Mutex<Slabs>>);

impl All {
    fn new() -> Self {
        Self(Arc::new(Mutex::new(Slabs::new())))
    }

    fn lock(&self) -> MutexGuard<'_, Slabs> {
        self.0.lock().expect("nothing panics under it")
    }

    fn take(&self, space: Space) -> u32 {
        self.lock().take(space).expect("there are more")
    }

    fn whole(&self, index: u32) -> u64 {
        self.lock().whole(index)
    }

    /// How many values a distribution has.
    fn count(&self, index: u32) -> u64 {
        Read::default().count(self, index)
    }
}

/// A distribution that is read again and again.
#[derive(Default)]
struct Read {
    reading: u64,
    sum: Merged,
}

impl Read {
    /// How many values it has, as `read_distributions` tells.
    fn count(&mut self, all: &All, index: u32) -> u64 {
        let mut slabs = all.lock();
        let reading = slabs.begin_reading();
        if slabs.has_changed(index, reading, self.reading) {
            slabs.distribution(index, &mut self.sum);
            self.reading = reading;
        }
        self.sum.summary().count
    }
}

/// What a thread holds: its rows, as its hot path sees them.
struct Owner {
    all: All,
    slab: usize,
    wholes: *const [AtomicU64],
    shards: *const [AtomicPtr<Shard>],
}

impl Owner {
    /// A thread with a slab and no row.
    fn new(all: &All) -> Self {
        let slab = all.lock().claim();
        let (wholes, shards) = (ptr::slice_from_raw_parts(ptr::null(), 0), ptr::slice_from_raw_parts(ptr::null(), 0));
        Self { all: all.clone(), slab, wholes, shards }
    }

    /// One whose rows have all cells that there are.
    fn with_rows(all: &All) -> Self {
        let mut owner = Self::new(all);
        owner.reach(Space::Whole);
        owner.reach(Space::Shard);
        owner
    }

    /// Takes the row of all cells that there are. The one before is freed when nothing leads to it.
    fn reach(&mut self, space: Space) {
        let all = self.all.clone();
        let mut slabs = all.lock();
        let retired = self.reach_within(&mut slabs, space);
        drop(slabs);
        drop(retired);
    }

    fn reach_within(&mut self, slabs: &mut Slabs, space: Space) -> Retired {
        let (slab, retired) = slabs.reach(self.slab, space);
        match space {
            Space::Shard => self.shards = &raw const *slab.shards,
            _ => self.wholes = &raw const *slab.wholes,
        }
        retired
    }

    /// This thread's cell, where its row reaches so far.
    fn cell(&self, index: u32) -> Option<&AtomicU64> {
        // SAFETY: the row is of a slab that this owner has, whose rows it alone replaces, here as well.
        (!self.wholes.is_empty()).then(|| unsafe { &*self.wholes })?.get(index as usize)
    }

    fn add(&self, index: u32, n: u64) {
        cell::add(self.cell(index).expect("it was reached"), n);
    }

    fn shard(&self, index: u32) -> Option<&Shard> {
        // SAFETY: as in `cell`; a shard is freed by its owner, or when no handle leads to it.
        unsafe { (!self.shards.is_empty()).then(|| &*self.shards)?.get(index as usize)?.load(Relaxed).as_ref() }
    }

    fn record(&mut self, index: u32, value: f64) {
        let record = |shard: &Shard| shard.float(value) || shard.any_float(value);
        if self.shard(index).is_some_and(record) {
            return;
        }
        let all = self.all.clone();
        let mut slabs = all.lock();
        let row = self.reach_within(&mut slabs, Space::Shard);
        let (shard, old) = slabs.install(Some(self.slab), index, None, value);
        assert!(record(shard), "it has room");
        drop(slabs);
        drop((row, old));
    }

    /// As a thread that ends.
    fn end(self) {
        self.all.lock().give_back(self.slab);
    }
}

/// A series that threads share; the last that drops it gives back its index.
struct Series {
    all: All,
    space: Space,
    index: u32,
}

impl Drop for Series {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let retired = self.all.lock().free(self.space, self.index);
            drop(retired);
        }
    }
}

#[test]
fn a_sum_never_falls_while_threads_come_and_go() {
    model(|| {
        let all = All::new();
        let index = all.take(Space::Whole);
        let threads = [1, 2].map(|lives| {
            let all = all.clone();
            thread::spawn(move || {
                for _ in 0..lives {
                    let mut owner = Owner::new(&all);
                    owner.reach(Space::Whole);
                    owner.add(index, 10);
                    cell::increment(owner.cell(index).expect("it was reached"));
                    owner.end();
                }
            })
        });
        let (first, second) = (all.whole(index), all.whole(index));
        assert!(first <= second && second <= 33, "{first}, then {second}");
        threads.into_iter().for_each(|thread| thread.join().expect("it ends"));
        assert_eq!(all.whole(index), 33);
    });
}

#[test]
fn a_sum_never_falls_while_its_row_grows() {
    model(|| {
        let all = All::new();
        let index = all.take(Space::Whole);
        let mut owner = Owner::with_rows(&all);
        let thread = {
            let all = all.clone();
            thread::spawn(move || {
                owner.add(index, 1);
                (0..2).for_each(|_| _ = all.take(Space::Whole));
                assert!(owner.cell(2).is_none(), "it does not reach so far");
                owner.reach(Space::Whole);
                owner.add(2, 5);
                owner.add(index, 1);
                owner.end();
            })
        };
        let (first, second) = (all.whole(index), all.whole(index));
        assert!(first <= second && second <= 2, "{first}, then {second}");
        thread.join().expect("it ends");
        assert_eq!((all.whole(index), all.whole(2)), (2, 5));
    });
}

#[test]
fn an_index_that_is_published_is_within_the_row_of_every_thread() {
    model(|| {
        let all = All::new();
        (0..2).for_each(|_| _ = all.take(Space::Whole));
        let published = Arc::new(AtomicU32::new(NONE));
        let thread = {
            let (all, published) = (all.clone(), Arc::clone(&published));
            thread::spawn(move || {
                let mut owner = Owner::new(&all);
                owner.reach(Space::Whole);
                let index = published.load(Acquire);
                if index != NONE {
                    owner.add(index, 1);
                }
                owner.end();
                index != NONE
            })
        };
        let mut owner = Owner::with_rows(&all);
        let mut slabs = all.lock();
        let index = slabs.take(Space::Whole).expect("there are more");
        let retired = owner.reach_within(&mut slabs, Space::Whole);
        if slabs.is_everywhere(Space::Whole, index) {
            published.store(index, Release);
        }
        drop(slabs);
        drop(retired);
        owner.add(index, 1);
        let added = thread.join().expect("it ends");
        assert_eq!(all.whole(index), 1 + u64::from(added));
    });
}

#[test]
fn an_index_that_was_freed_begins_at_nothing_for_its_next_series() {
    model(|| {
        let all = All::new();
        let old = Arc::new(Series { all: all.clone(), space: Space::Whole, index: all.take(Space::Whole) });
        let (_spare, next) = (all.take(Space::Whole), Arc::new(AtomicU32::new(NONE)));
        let thread = {
            let (all, old, next) = (all.clone(), Arc::clone(&old), Arc::clone(&next));
            thread::spawn(move || {
                let owner = Owner::with_rows(&all);
                owner.add(old.index, 5);
                drop(old);
                let index = next.load(Acquire);
                let added = owner.cell(index).map(|cell| {
                    assert_eq!(cell.load(Relaxed), 0, "what is there is of the new series");
                    cell::increment(cell);
                });
                owner.end();
                u64::from(added.is_some())
            })
        };
        drop(old);
        let index = all.take(Space::Whole);
        next.store(index, Release);
        assert!(all.whole(index) <= 1);
        let added = thread.join().expect("it ends");
        assert_eq!(all.whole(index), added);
    });
}

#[test]
fn a_count_never_falls_while_a_distribution_is_replaced() {
    model(|| {
        let all = All::new();
        let index = all.take(Space::Shard);
        let mut owner = Owner::with_rows(&all);
        owner.record(index, 1.0);
        let thread = thread::spawn(move || {
            owner.record(index, 1.0);
            owner.record(index, 1e6); // beyond the room
            owner.end();
        });
        let (first, second) = (all.count(index), all.count(index));
        assert!(1 <= first && first <= second && second <= 3, "{first}, then {second}");
        thread.join().expect("it ends");
        assert_eq!(all.count(index), 3);
    });
}

#[test]
fn a_count_never_falls_while_threads_come_and_go() {
    model(|| {
        let all = All::new();
        let index = all.take(Space::Shard);
        let threads = [1.0, 1e6].map(|value| {
            let all = all.clone();
            thread::spawn(move || {
                let mut owner = Owner::with_rows(&all);
                owner.record(index, value);
                owner.end();
            })
        });
        let (first, second) = (all.count(index), all.count(index));
        assert!(first <= second && second <= 2, "{first}, then {second}");
        threads.into_iter().for_each(|thread| thread.join().expect("it ends"));
        assert_eq!(all.count(index), 2);
    });
}

#[test]
fn a_distribution_is_freed_when_no_thread_is_at_it() {
    model(|| {
        let all = All::new();
        let old = Arc::new(Series { all: all.clone(), space: Space::Shard, index: all.take(Space::Shard) });
        let thread = {
            let (all, old) = (all.clone(), Arc::clone(&old));
            thread::spawn(move || {
                let mut owner = Owner::with_rows(&all);
                owner.record(old.index, 1.0);
                drop(old);
                owner.end();
            })
        };
        assert!(all.count(old.index) <= 1);
        drop(old);
        thread.join().expect("it ends");
        let index = all.take(Space::Shard);
        assert_eq!((index, all.count(index)), (0, 0));
    });
}

#[test]
fn what_was_before_a_removal_does_not_come_back() {
    model(|| {
        let all = All::new();
        let index = all.take(Space::Whole);
        let owner = Owner::with_rows(&all);
        owner.add(index, 10);
        let thread = thread::spawn(move || {
            (0..2).for_each(|_| owner.add(index, 1));
            owner.end();
        });
        all.lock().renew(Space::Whole, index);
        let (first, second) = (all.whole(index), all.whole(index));
        assert!(first <= second && second <= 2, "{first}, then {second}");
        thread.join().expect("it ends");
        assert!((second..=2).contains(&all.whole(index)));
    });
}

#[test]
fn a_distribution_does_not_come_back_after_a_removal() {
    model(|| {
        let all = All::new();
        let index = all.take(Space::Shard);
        let mut owner = Owner::with_rows(&all);
        owner.record(index, 1.0);
        let thread = thread::spawn(move || {
            (0..2).for_each(|_| owner.record(index, 1.0));
            owner.end();
        });
        all.lock().renew(Space::Shard, index);
        let (first, second) = (all.count(index), all.count(index));
        assert!(first <= second && second <= 2, "{first}, then {second}");
        thread.join().expect("it ends");
        assert!((second..=2).contains(&all.count(index)));
    });
}

#[test]
fn what_is_recorded_beside_a_reading_is_in_it_or_in_the_next() {
    model(|| {
        let all = All::new();
        let index = all.take(Space::Shard);
        let mut owner = Owner::with_rows(&all);
        owner.record(index, 1.0);
        let thread = thread::spawn(move || {
            (0..2).for_each(|_| owner.record(index, 1.0));
            owner.end();
        });
        let (mut one, mut other) = (Read::default(), Read::default());
        let (first, second, of_other) = (one.count(&all, index), one.count(&all, index), other.count(&all, index));
        assert!(1 <= first && first <= second && second <= of_other && of_other <= 3, "{first}, {second}, {of_other}");
        thread.join().expect("it ends");
        assert_eq!((one.count(&all, index), other.count(&all, index)), (3, 3));
        let reading = one.reading;
        assert_eq!((one.count(&all, index), one.reading), (3, reading), "nothing was recorded since");
    });
}
