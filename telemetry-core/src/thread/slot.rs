//! One series: where its cells are, and the one atomic that it has for itself.
//!
//! A counter, an up-down counter and a distribution have a cell in each slab; `value` takes what threads record that have none. A
//! gauge is `value` alone. The offset is invalid until the series is first recorded and after it was removed, so that the check
//! which the hot path makes anyway leads to the cold path, which knows what to do. (A counter in a `Block` is added to by arithmetic,
//! removed or not.) A series that asks for exemplars is led there by the same check: see `exemplars`.

mod exemplars;

use std::cell::Cell;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64};

use super::fork::EPOCH;
use super::lease::{self, BY_SUM, Cells, INVALID, Sums, hot};
use super::slabs::{Class, Retired, Slabs, Space};
use super::verb::{Verb, change};
use crate::cell;
use crate::clock;
use crate::distribution::Shard;

/// The index of a series that does not show, beyond all rows.
const NONE: u32 = u32::MAX;

/// The index of a series that shows and has no cells, beyond all rows.
const WITHOUT_CELLS: u32 = u32::MAX - 1;

/// The index of a gauge that shows, beyond all rows.
const GAUGE: u32 = u32::MAX - 2;

/// The index of a listed series that shows and asks for exemplars, beyond all rows.
const ASKING: u32 = u32::MAX - 3;

/// Beside its epoch, in a slot whose value is being reset by a thread of this process.
const CHANGING: u32 = 1 << 31;

/// The bounds of a distribution; none for exponential buckets.
pub type Bounds = Option<&'static [f64]>;

/// How often a slot's own atomic was first added to, beside its cells.
static STRAYS: AtomicU64 = AtomicU64::new(0);

/// How many slots became strays so far.
pub fn strays() -> u64 {
    STRAYS.load(Acquire)
}

/// Where a series is in memory, and when its present life began: what tells it from all others while it lives.
pub type Identity = (usize, u64);

/// Where one series is.
pub struct Slot {
    /// Of the cells in their rows, in bytes, while the series of a fixed slot shows and all rows reach so far.
    offset: AtomicU64,
    /// The index of the cells while the series shows, or one of the four above.
    index: AtomicU32,
    /// The index of the cells, also after a removal; `NONE` where there are none yet.
    home: AtomicU32,
    /// The fork after which `value` was last added to: what was added before is the parent's.
    epoch: AtomicU32,
    /// The `Space` of the cells.
    space: AtomicU8,
    class: Class,
    /// Whether it was made with cells beside those of others.
    has_run: bool,
    /// How many more records ask for an exemplar, each in the cold path.
    asks: AtomicU8,
    /// How many indices had been given out, or taken back by a removal, when its present life began.
    taken: AtomicU64,
    /// When its present life began, in Unix nanoseconds; 0 for the start of the process.
    since_ns: AtomicU64,
    value: AtomicU64,
}

const _: () = assert!(size_of::<Slot>() <= 48, "there are many");

impl Slot {
    /// A series that does not show.
    pub const fn new(class: Class) -> Self {
        Self {
            class,
            has_run: false,
            offset: AtomicU64::new(INVALID),
            index: AtomicU32::new(NONE),
            home: AtomicU32::new(NONE),
            epoch: AtomicU32::new(0),
            space: AtomicU8::new(Space::Whole as u8),
            asks: AtomicU8::new(0),
            taken: AtomicU64::new(0),
            since_ns: AtomicU64::new(0),
            value: AtomicU64::new(0),
        }
    }

    /// A listed one, which begins now.
    pub fn listed() -> Self {
        let mut slot = Self::new(Class::Listed);
        slot.since_ns = AtomicU64::new(clock::now_ns());
        slot
    }

    /// A fixed one that does not show and has cells, which it got when so many indices had been given out.
    pub fn with_cells(home: u32, taken: u64) -> Self {
        let mut slot = Self::new(Class::Fixed);
        (slot.home, slot.taken, slot.has_run) = (AtomicU32::new(home), AtomicU64::new(taken), true);
        slot
    }

    /// The index of its cells if it was made with them.
    pub fn run_start(&self) -> Option<u32> {
        let home = self.home.load(Acquire);
        (home != NONE && self.has_run).then_some(home)
    }

    /// Records; false where a number is not finite, or cannot be recorded now. A distribution begins with these bounds.
    ///
    /// `class` is that of the slot, as a constant.
    #[inline(always)]
    pub fn act(&self, class: Class, verb: Verb, bits: u64, bounds: &Bounds) -> bool {
        match verb {
            Verb::Count | Verb::Increment => {
                if self.on_whole(class, cell::increment).is_none() {
                    self.add_slowly(1);
                }
            }
            Verb::Decrement => {
                if self.on_whole(class, cell::decrement).is_none() {
                    self.add_slowly(u64::MAX);
                }
            }
            Verb::CountMany | Verb::Add => {
                if self.on_whole(class, |cell| cell::add(cell, bits)).is_none() {
                    self.add_slowly(bits);
                }
            }
            Verb::AddFloat => {
                if self.on_float(class, |cell| cell::add_float(cell, f64::from_bits(bits))).is_none() {
                    self.add_float_slowly(f64::from_bits(bits));
                }
            }
            Verb::RecordWhole => {
                let record = |shard: &Shard| shard.whole(bits) || shard.any_whole(bits);
                return self.shard(class).is_some_and(record) || self.record_slowly(verb, bits, bounds);
            }
            Verb::RecordFloat => {
                let value = f64::from_bits(bits);
                let record = |shard: &Shard| shard.float(value) || shard.any_float(value);
                return self.shard(class).is_some_and(record) || self.record_slowly(verb, bits, bounds);
            }
            Verb::Set | Verb::Shift | Verb::ShiftFloat => {
                change(&self.value, verb, bits);
                self.show_gauge();
            }
        }
        true
    }

    /// Where this thread records a listed series: its cell, or the value of a gauge. None where it has no cell, or was not recorded.
    pub fn near(&self) -> Option<*const ()> {
        let (rows, index) = (&hot().listed, self.row_index());
        match self.cells() {
            Some((Space::Whole, _)) => rows.wholes.view.place(index),
            Some((Space::Float, _)) => rows.floats.view.place(index),
            Some((Space::Shard, _)) => rows.shards.view.place(index),
            None => (index == GAUGE).then(|| (&raw const self.value).cast()),
        }
    }

    /// Records; false where a number does not fit the distribution.
    ///
    /// # Safety
    /// `near` told this thread where, of a slot that records this verb, and no row was replaced since.
    #[inline(always)]
    pub unsafe fn act_near(at: *const (), verb: Verb, bits: u64) -> bool {
        // SAFETY: of a slot of numbers or a gauge it is a number; the row of its cells is there, or the slot itself.
        let number = || unsafe { &*at.cast::<cell::AtomicU64>() };
        match verb {
            Verb::Count | Verb::Increment => cell::increment(number()),
            Verb::Decrement => cell::decrement(number()),
            Verb::CountMany | Verb::Add => cell::add(number(), bits),
            Verb::AddFloat => cell::add_float(number(), f64::from_bits(bits)),
            Verb::RecordWhole | Verb::RecordFloat => {
                // SAFETY: of a distribution it is the pointer to a shard, for which see `shard`.
                let shard = unsafe { (*at.cast::<cell::AtomicPtr<Shard>>()).load(Relaxed).as_ref() };
                return shard.is_some_and(|shard| match verb {
                    Verb::RecordWhole => shard.whole(bits) || shard.any_whole(bits),
                    _ => shard.float(f64::from_bits(bits)) || shard.any_float(f64::from_bits(bits)),
                });
            }
            // SAFETY: a gauge's value is an atomic of `std` in a model too.
            Verb::Set | Verb::Shift | Verb::ShiftFloat => change(unsafe { &*at.cast::<AtomicU64>() }, verb, bits),
        }
        true
    }

    /// Runs with this thread's cell in a row.
    ///
    /// # Safety
    /// The row is that of the class and of this slot's space. `run` does nothing that may replace the row.
    #[inline(always)]
    unsafe fn in_row<T, R>(&self, class: Class, cells: &Cells<T>, run: impl FnOnce(&T) -> R) -> Option<R> {
        // Acquire: whoever made the index, and published the offset, had cleared the cells.
        match class {
            // SAFETY: an offset that is not `INVALID` was published, which is done for fixed slots alone; the rest is the caller's.
            Class::Fixed => unsafe { cells.at(self.offset.load(Acquire), run) },
            // SAFETY: the caller's promise.
            Class::Listed => unsafe { cells.of(self.index.load(Acquire), run) },
        }
    }

    #[inline(always)]
    fn on_whole(&self, class: Class, add: impl FnOnce(&cell::AtomicU64)) -> Option<()> {
        // SAFETY: a slot that adds whole numbers has cells in this row alone; an add replaces nothing.
        unsafe { self.in_row(class, &hot().rows(class).wholes, add) }
    }

    #[inline(always)]
    fn on_float(&self, class: Class, add: impl FnOnce(&cell::AtomicU64)) -> Option<()> {
        // SAFETY: as above, of floating-point numbers.
        unsafe { self.in_row(class, &hot().rows(class).floats, add) }
    }

    /// This thread's part of a distribution.
    #[inline(always)]
    fn shard(&self, class: Class) -> Option<&Shard> {
        // SAFETY: as above, of distributions.
        let shard = unsafe { self.in_row(class, &hot().rows(class).shards, |cell| cell.load(Relaxed)) }?;
        // SAFETY: a shard is taken out of its cell and freed by its owner, which is this thread and records, or when no handle leads
        // to this slot, and one does.
        unsafe { shard.as_ref() }
    }

    #[cold]
    #[inline(never)]
    fn add_slowly(&self, n: u64) {
        let life = self.life();
        let add = || {
            // SAFETY: as in `in_row`.
            unsafe { hot().rows(self.class).wholes.of(self.row_index(), |cell| cell::add(cell, n)) }.is_some()
        };
        let done = add() || self.reach(Space::Whole) && add();
        self.try_publish(Space::Whole);
        if !done {
            self.own_value();
            self.value.fetch_add(n, Relaxed);
        }
        self.exemplify(life, n);
    }

    #[cold]
    #[inline(never)]
    fn add_float_slowly(&self, x: f64) {
        let life = self.life();
        let add = || {
            // SAFETY: as in `in_row`.
            unsafe { hot().rows(self.class).floats.of(self.row_index(), |cell| cell::add_float(cell, x)) }.is_some()
        };
        let done = add() || self.reach(Space::Float) && add();
        self.try_publish(Space::Float);
        if !done {
            self.own_value();
            self.value.update(Relaxed, Relaxed, |bits| (f64::from_bits(bits) + x).to_bits());
        }
        self.exemplify(life, x.to_bits());
    }

    #[cold]
    #[inline(never)]
    fn record_slowly(&self, verb: Verb, bits: u64, bounds: &Bounds) -> bool {
        let life = self.life();
        let (is_whole, float) = (verb == Verb::RecordWhole, f64::from_bits(bits));
        let value = if is_whole { bits as f64 } else { float };
        let record = |shard: &Shard| if is_whole { shard.any_whole(bits) } else { shard.any_float(float) };
        // SAFETY: as in `in_row` and `shard`.
        let here =
            unsafe { hot().rows(self.class).shards.of(self.row_index(), |cell| cell.load(Relaxed)).and_then(|s| s.as_ref()) };
        let install = |slabs: &mut Slabs, slab: Option<usize>| {
            let Some(index) = self.show(slabs, Space::Shard) else { return (false, None) };
            let row = slab.map(|slab| lease::reach(slabs, self.class, slab, Space::Shard));
            self.publish(slabs, Space::Shard, index);
            if slabs.shard(slab, index).is_some_and(record) {
                return (true, Some((row, Retired::default())));
            }
            let (shard, old) = slabs.install(slab, index, *bounds, value);
            (record(shard), Some((row, old)))
        };
        let is_new = || value.is_finite() && lease::with_slab(self.class, install).unwrap_or(false);
        let done = here.is_some_and(record) || is_new();
        if done {
            self.exemplify(life, value.to_bits());
        }
        done
    }

    /// Makes the cell of this thread reachable; false where it has none.
    fn reach(&self, space: Space) -> bool {
        let reach = |slabs: &mut Slabs, slab: Option<usize>| match (self.show(slabs, space), slab) {
            (Some(index), Some(slab)) => {
                let retired = lease::reach(slabs, self.class, slab, space);
                self.publish(slabs, space, index);
                (true, retired)
            }
            _ => (false, Retired::default()),
        };
        lease::with_slab(self.class, reach).unwrap_or(false)
    }

    /// Gives the slot its index: of new cells, or of its own. None where there are no more.
    fn show(&self, slabs: &mut Slabs, space: Space) -> Option<u32> {
        let mut home = self.home.load(Relaxed);
        if home == NONE {
            let Some(index) = slabs.take(space) else {
                self.index.store(WITHOUT_CELLS, Release);
                return None;
            };
            home = index;
            self.space.store(space as u8, Relaxed);
            self.taken.store(slabs.taken(), Relaxed);
            self.home.store(home, Release);
        }
        self.index.store(self.shown_index(home), Release);
        Some(home)
    }

    /// Lets the hot path of every thread use the cell of a fixed slot without asking for the length of its row, if all reach so far.
    fn publish(&self, slabs: &Slabs, space: Space, index: u32) {
        let is_new = self.class == Class::Fixed && self.offset.load(Relaxed) == INVALID;
        if is_new && self.asks.load(Relaxed) == 0 && slabs.is_everywhere(space, index) {
            let offset = match space {
                Space::Whole | Space::Float => Cells::<cell::AtomicU64>::offset(index),
                Space::Shard => Cells::<cell::AtomicPtr<Shard>>::offset(index),
            };
            self.offset.store(offset, Release);
        }
    }

    /// Now and then, of a fixed slot that was not published yet: the thread whose row was too short may have ended.
    fn try_publish(&self, space: Space) {
        thread_local!(static SLOW: Cell<u16> = const { Cell::new(0) });
        if BY_SUM && self.class == Class::Fixed && SLOW.with(|slow| slow.replace(slow.get().wrapping_add(1))) == u16::MAX {
            self.reach(space);
        }
    }

    /// Ends the series: what was recorded so far does not come back. True where it showed.
    pub fn hide(&self) -> bool {
        let mut slabs = lease::slabs();
        self.offset.store(INVALID, Relaxed);
        let mut showed = self.index.swap(NONE, Relaxed) != NONE;
        if let (Some(slabs), Some((space, home))) = (&mut slabs, self.cells()) {
            let slabs = &mut slabs[self.class as usize];
            showed |= self.has_run && slabs.whole(home) != 0;
            slabs.renew(space, home);
            self.taken.store(slabs.taken(), Relaxed); // sums that were read before are of the life that ends
        }
        self.value.store(0, Relaxed);
        self.since_ns.store(clock::now_ns().max(self.start_ns() + 1), Relaxed); // later than the one before, also where the clock went back
        showed
    }

    /// From when on its sum counts, in Unix nanoseconds.
    #[inline]
    pub fn start_ns(&self) -> u64 {
        match self.since_ns.load(Relaxed) {
            0 => clock::start_ns(),
            since => since,
        }
    }

    /// Whether it was recorded since it was made or removed.
    pub fn shows(&self) -> bool {
        self.index.load(Acquire) != NONE
    }

    /// Whether it shows, at the moment of these sums: also where nobody looked at it, and its sum is more than at its beginning.
    pub fn shows_in(&self, sums: &Sums) -> bool {
        let is_known = || self.has_run && !sums.are_before(self.class, self.taken.load(Relaxed));
        self.shows() || is_known() && sums.whole(self.class, self.home.load(Relaxed)) != 0
    }

    /// Shows a sum before anything is added to it.
    pub fn begin(&self, space: Space) {
        if !self.shows() {
            self.reach(space);
        }
    }

    fn cells(&self) -> Option<(Space, u32)> {
        let home = self.home.load(Relaxed);
        let spaces = [Space::Whole, Space::Float, Space::Shard];
        let space = spaces.into_iter().find(|space| *space as u8 == self.space.load(Relaxed))?;
        (home != NONE).then_some((space, home))
    }

    /// Sees to it that `value` is of this process and not of the one that it was forked from.
    fn own_value(&self) {
        let now = EPOCH.load(Relaxed);
        loop {
            let epoch = self.epoch.load(Acquire);
            if epoch == now {
                return;
            }
            // One of another process was left so by a fork: its thread does not exist here.
            if epoch != now | CHANGING && self.epoch.compare_exchange(epoch, now | CHANGING, Acquire, Relaxed).is_ok() {
                self.value.store(0, Relaxed);
                STRAYS.fetch_add(1, Release); // who sees it sees that the epoch is changing; nobody adds before it has
                return self.epoch.store(now, Release);
            }
            std::hint::spin_loop(); // another thread is between the two stores above
        }
    }

    /// What threads without cells added, as bits.
    fn shared(&self) -> u64 {
        if self.epoch.load(Acquire) == EPOCH.load(Relaxed) { self.value.load(Relaxed) } else { 0 }
    }

    /// The sum of whole numbers, at the moment of these sums or now.
    #[inline]
    pub fn whole(&self, sums: Option<&Sums>) -> u64 {
        let home = self.home.load(Acquire); // and with it `taken`
        let cells = match sums {
            Some(sums) if sums.are_before(self.class, self.taken.load(Relaxed)) => 0,
            Some(sums) => sums.whole(self.class, home),
            None if home == NONE => 0,
            None => lease::slabs().map_or(0, |slabs| slabs[self.class as usize].whole(home)),
        };
        cells.wrapping_add(self.shared())
    }

    /// The sum of floating-point numbers, at the moment of these sums or now.
    #[inline]
    pub fn float(&self, sums: Option<&Sums>) -> f64 {
        let home = self.home.load(Acquire);
        let cells = match sums {
            Some(sums) if sums.are_before(self.class, self.taken.load(Relaxed)) => 0.0,
            Some(sums) => sums.float(self.class, home),
            None if home == NONE => 0.0,
            None => lease::slabs().map_or(0.0, |slabs| slabs[self.class as usize].float(home)),
        };
        cells + f64::from_bits(self.shared())
    }

    /// Of which class it is, and the index of its cells, if it ever had any.
    #[inline]
    pub(super) fn home(&self) -> (Class, Option<u32>) {
        let home = self.home.load(Relaxed);
        (self.class, (home != NONE).then_some(home))
    }

    /// Whether it shows as a gauge, which never has cells.
    pub(super) fn is_gauge(&self) -> bool {
        self.index.load(Acquire) == GAUGE
    }

    /// Whether its own atomic has, or had, a part of its sum.
    pub(super) fn is_stray(&self) -> bool {
        self.epoch.load(Acquire) != 0
    }

    /// As `read_distributions` wants it.
    #[inline]
    pub fn located(&self) -> (Identity, Class, Option<u32>) {
        let (class, home) = self.home();
        (self.identity(), class, home)
    }

    /// What tells it from all others.
    #[inline]
    pub fn identity(&self) -> Identity {
        (std::ptr::from_ref(self).addr(), self.start_ns())
    }

    #[inline(always)]
    fn show_gauge(&self) {
        if self.index.load(Relaxed) == NONE {
            self.index.store(GAUGE, Release);
        }
    }

    /// The bits of a gauge.
    pub fn gauge(&self) -> u64 {
        self.value.load(Relaxed)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if let Some((space, home)) = self.cells()
            && let Some(mut slabs) = lease::slabs()
        {
            let retired = slabs[self.class as usize].free(space, home);
            drop(slabs);
            drop(retired);
        }
    }
}
