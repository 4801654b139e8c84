//! What is done to a series.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

/// What is done to a series. It is a constant where the verb is inlined, and with its number it is passed in two registers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// Adds one to a sum of whole numbers that only grows, modulo 2^64.
    Count,
    /// Adds to a sum of whole numbers that only grows, modulo 2^64.
    CountMany,
    /// Adds one to a sum of whole numbers, modulo 2^64.
    Increment,
    /// Takes one from a sum of whole numbers, modulo 2^64.
    Decrement,
    /// Adds to a sum of whole numbers, modulo 2^64.
    Add,
    /// Adds the float of these bits to a sum.
    AddFloat,
    /// Records a whole number in a distribution. Their sum is exact.
    RecordWhole,
    /// Records the float of these bits in a distribution.
    RecordFloat,
    /// Sets the bits of a gauge.
    Set,
    /// Adds to a gauge of whole numbers, modulo 2^64.
    Shift,
    /// Adds the float of these bits to a gauge.
    ShiftFloat,
}

/// Does to a gauge what the verb says.
#[inline(always)]
pub fn change(value: &AtomicU64, verb: Verb, bits: u64) {
    match verb {
        Verb::Shift => drop(value.fetch_add(bits, Relaxed)),
        Verb::ShiftFloat => drop(value.update(Relaxed, Relaxed, |value| (f64::from_bits(value) + f64::from_bits(bits)).to_bits())),
        _ => value.store(bits, Relaxed),
    }
}
