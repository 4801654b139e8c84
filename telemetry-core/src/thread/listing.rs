//! The series that a reader found, with where their cells are, one after the other: most are read without a look at the series itself.

use std::sync::Arc;

use super::series::{Series, SeriesList, all_series};
use super::slabs::Class;
use super::slot::{Identity, Slot, strays};

/// All series at one moment, by the place of their metric. While it has them, their cells are not another's.
#[derive(Default)]
pub struct Listing {
    metrics: Vec<Members>,
    /// How often a series had come or gone, and how often one had become a stray, when they were found.
    changes: u64,
    strays: u64,
}

/// The series of one metric.
#[derive(Default)]
pub struct Members {
    series: Vec<Arc<Series>>,
    located: Vec<Located>,
    /// Whether some may get cells yet.
    are_new: bool,
}

/// Where a listed series is.
#[derive(Clone, Copy)]
pub struct Located {
    pub identity: Identity,
    /// The index of its cells, where it has some.
    home: Option<u32>,
    /// Whether its own atomic has a part of its sum.
    is_stray: bool,
}

impl Located {
    fn of(slot: &Slot) -> Self {
        Self { identity: slot.identity(), home: slot.home().1, is_stray: slot.is_stray() }
    }

    /// The index of the cells that all of its sum is in; none where the slot has to be asked.
    #[inline]
    pub fn home(&self) -> Option<u32> {
        self.home.filter(|_| !self.is_stray)
    }

    /// As `read_distributions` wants it.
    pub fn cells(&self) -> (Identity, Class, Option<u32>) {
        (self.identity, Class::Listed, self.home)
    }
}

impl Members {
    /// All of them, and where each is.
    pub fn all(&self) -> (&[Arc<Series>], &[Located]) {
        (&self.series, &self.located)
    }

    fn locate(&mut self) {
        self.located.clear();
        self.located.extend(self.series.iter().map(|series| Located::of(&series.slot)));
        let is_new = |(series, located): (&Arc<Series>, &Located)| located.home.is_none() && !series.slot.is_gauge();
        self.are_new = self.series.iter().zip(&self.located).any(is_new);
    }
}

impl Listing {
    /// Asks for those that there are now. Cost: a lock, and two atomics a series where one came or went since the last time.
    pub fn refresh(&mut self) {
        let strays = strays(); // before the slots are looked at
        let found = all_series(self.changes);
        let is_new = found.is_some();
        if let Some((series, changes)) = found {
            let members = |series| Members { series, ..Members::default() };
            (self.metrics, self.changes) = (series.into_iter().map(members).collect(), changes);
        }
        for members in &mut self.metrics {
            if is_new || members.are_new || strays != self.strays {
                members.locate();
            }
        }
        self.strays = strays;
    }

    /// The series of a metric.
    pub fn of(&self, list: &SeriesList) -> (&[Arc<Series>], &[Located]) {
        self.metrics.get(list.place()).map_or((&[], &[]), Members::all)
    }
}
