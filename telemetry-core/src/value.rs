//! The values that a metric shows: numbers and distributions, with their labels.

use crate::label::LabelSet;

/// The value of one series.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// Keys and values, in the order of the label type's fields.
    pub labels: LabelSet,
    /// The value.
    pub value: Value,
}

/// A number or a distribution.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// An unsigned sum.
    U64(u64),
    /// A signed number.
    I64(i64),
    /// A floating-point number.
    F64(f64),
    /// A distribution over base-2 exponential buckets.
    Exponential(Box<ExponentialValue>),
    /// A distribution over explicit bounds.
    Explicit(Box<ExplicitValue>),
}

/// Count, sum, least and greatest of the values of a histogram.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Summary {
    /// How many values were recorded.
    pub count: u64,
    /// Their sum.
    pub sum: f64,
    /// The least; none where nothing was recorded.
    pub min: Option<f64>,
    /// The greatest; none where nothing was recorded.
    pub max: Option<f64>,
}

/// Counts over buckets `(base^index, base^(index + 1)]` with `base = 2^(2^-scale)`, as OpenTelemetry defines them.
#[derive(Clone, Debug, PartialEq)]
pub struct ExponentialValue {
    /// Count, sum, least and greatest.
    pub summary: Summary,
    /// The resolution.
    pub scale: i32,
    /// How many values were zero.
    pub zero_count: u64,
    /// Buckets of values above zero: the index of the first, and the counts.
    pub positive: (i32, Vec<u64>),
    /// Buckets of values below zero, by their absolute value.
    pub negative: (i32, Vec<u64>),
}

/// Counts over explicit bounds: `k` bounds give `k + 1` counts, each bound belongs to the bucket below it, the last is open.
#[derive(Clone, Debug, PartialEq)]
pub struct ExplicitValue {
    /// Count, sum, least and greatest.
    pub summary: Summary,
    /// The bounds.
    pub bounds: &'static [f64],
    /// The counts.
    pub counts: Vec<u64>,
}
