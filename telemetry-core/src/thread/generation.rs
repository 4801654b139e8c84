//! Generations: which series of which metric the entries of a table are, and since when.

use crate::limits::GENERATIONS_MAX;

/// What tells the series of one metric from those of others, and of other times. A number where a head has it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Generation(u64);

impl Generation {
    /// Which no entry of a table has: of a metric that has no series yet, or where there are no more generations.
    pub const UNTABLED: Self = Self((GENERATIONS_MAX as u64 + 1) << 32);

    /// Before all: no key has it, nor an entry. Of a metric that is no more.
    pub const ZERO: Self = Self(0);

    /// The next. There are no more after `UNTABLED`, see [`GENERATIONS_MAX`].
    pub fn next(self) -> Self {
        if self == Self::UNTABLED { self } else { Self(self.0 + (1 << 32)) }
    }

    pub const fn bits(self) -> u64 {
        self.0
    }

    #[inline(always)]
    pub const fn of_bits(bits: u64) -> Self {
        Self(bits)
    }
}
