//! Histograms, against an exact reference: what is recorded from several threads is what a ledger of all values says.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::thread;

use num_bigint::BigUint;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use telemetry_core::limits::HISTOGRAM_BUCKETS_MAX;
use telemetry_core::{ExponentialValue, Histogram, Labels, Summary, Value, metric};

use crate::support::value;

const SCALE_MAX: i32 = 20;
const BOUNDS: [f64; 7] = [-10.0, -0.5, 0.0, 1e-3, 1.0, 1.5, 1e6];

#[derive(Clone, Copy, Labels)]
struct Case {
    case: u64,
}

/// .
#[metric(name = "dist_exponential")]
static EXPONENTIAL: Histogram<Case>;
/// .
#[metric(name = "dist_explicit", bounds = [-10.0, -0.5, 0.0, 1e-3, 1.0, 1.5, 1e6])]
static EXPLICIT: Histogram<Case>;
/// .
#[metric(name = "dist_rejected", bounds = [1.0])]
static REJECTED: Histogram;

/// A number as a program has it.
#[derive(Clone, Copy, Debug)]
enum Number {
    Float(f64),
    Unsigned(u64),
    Signed(i64),
}

impl Number {
    fn record(self, case: Case) {
        match self {
            Self::Float(x) => (EXPONENTIAL.with(case).record(x), EXPLICIT.with(case).record(x)),
            Self::Unsigned(n) => (EXPONENTIAL.with(case).record(n), EXPLICIT.with(case).record(n)),
            Self::Signed(n) => (EXPONENTIAL.with(case).record(n), EXPLICIT.with(case).record(n)),
        };
    }

    fn float(self) -> f64 {
        match self {
            Self::Float(x) => x,
            Self::Unsigned(n) => n as f64,
            Self::Signed(n) => n as f64,
        }
    }
}

fn numbers() -> impl Strategy<Value = Vec<Number>> {
    let power = |range: std::ops::Range<i32>| range.prop_map(|power| 2_f64.powi(power));
    let float = prop_oneof![
        2 => any::<u64>().prop_map(f64::from_bits),
        4 => (-8.0..4.0).prop_map(|power| 10_f64.powf(power)),
        2 => (power(-1022..1023), -2..3_i64).prop_map(|(power, ulps)| f64::from_bits(power.to_bits().wrapping_add_signed(ulps))),
        2 => (0..5_000_u64).prop_map(|ulps| f64::from_bits(1.5_f64.to_bits() + (ulps << 20))),
        1 => prop::sample::select(vec![0.0, -0.0, f64::MIN_POSITIVE, 5e-324, f64::MAX, f64::MIN, f64::NAN, f64::INFINITY, -1.0, -2.5]),
        1 => prop::sample::select(BOUNDS.to_vec()),
    ];
    let number = prop_oneof![
        4 => float.prop_map(Number::Float),
        2 => (0..64_u32, any::<u64>()).prop_map(|(shift, n)| Number::Unsigned(n >> shift)),
        1 => (0..64_u32, any::<i64>()).prop_map(|(shift, n)| Number::Signed(n >> shift)),
    ];
    // Mostly of one kind and magnitude, as programs record, and sometimes of all.
    let narrow = (0..3_000_u64).prop_map(|n| Number::Unsigned(1_000 + n));
    prop_oneof![prop::collection::vec(number, 1..120), prop::collection::vec(narrow, 1..120)]
}

/// The bucket of a finite number above zero at the finest scale, decided in whole numbers: squaring a number doubles its logarithm, so
/// that its bits come out one by one. The error of 2^-250 grows to 2^-230, and no `f64` is so near to a bound.
fn finest(value: f64) -> i32 {
    const POINT: u32 = 250;
    let bits = value.max(f64::MIN_POSITIVE).to_bits();
    let (exponent, mantissa) = ((bits >> 52) as i32 - 1023, bits & ((1 << 52) - 1));
    let (mut number, mut index) = (BigUint::from(mantissa | 1 << 52) << (POINT - 52), exponent);
    for _ in 0..SCALE_MAX {
        number = (&number * &number) >> POINT;
        index *= 2;
        if number >= BigUint::from(2_u8) << POINT {
            number >>= 1;
            index += 1;
        }
    }
    if mantissa == 0 { index - 1 } else { index } // a bound is of the bucket below it
}

/// The finest scale at which these buckets have room.
fn scale(finest: &[i32]) -> i32 {
    let span = |scale: i32| {
        let at = |index: Option<&i32>| index.map_or(0, |index| i64::from(index >> (SCALE_MAX - scale)));
        at(finest.iter().max()) - at(finest.iter().min())
    };
    (-11..=SCALE_MAX).rev().find(|scale| span(*scale) < HISTOGRAM_BUCKETS_MAX as i64).expect("one bucket holds all")
}

fn counts(finest: &[i32], scale: i32) -> BTreeMap<i32, u64> {
    let mut counts = BTreeMap::new();
    finest.iter().for_each(|index| *counts.entry(index >> (SCALE_MAX - scale)).or_default() += 1);
    counts
}

fn shown((start, counts): &(i32, Vec<u64>)) -> BTreeMap<i32, u64> {
    (*start..).zip(counts.iter().copied()).filter(|(_, count)| *count > 0).collect()
}

fn check_summary(summary: &Summary, values: &[f64]) {
    assert_eq!(summary.count, values.len() as u64);
    assert_eq!(summary.min, values.iter().copied().reduce(f64::min));
    assert_eq!(summary.max, values.iter().copied().reduce(f64::max));
    let (sum, magnitude) = (values.iter().sum::<f64>(), values.iter().map(|x| x.abs()).sum::<f64>());
    let exact = !magnitude.is_finite() || (summary.sum - sum).abs() <= magnitude * 1e-13;
    assert!(exact, "{} and not {sum}", summary.sum);
}

fn check(case: Case, numbers: &[Number], threads: usize) {
    thread::scope(|scope| {
        for thread in 0..threads {
            scope.spawn(move || numbers.iter().skip(thread).step_by(threads).for_each(|number| number.record(case)));
        }
    });
    let values: Vec<f64> = numbers.iter().map(|number| number.float()).filter(|value| value.is_finite()).collect();
    let label = case.case.to_string();
    let (exponential, explicit) = (value("dist_exponential", &[("case", &label)]), value("dist_explicit", &[("case", &label)]));
    assert!(EXPONENTIAL.remove(&case) && EXPLICIT.remove(&case));
    if values.is_empty() {
        return assert_eq!((exponential, explicit), (None, None));
    }
    let Some(Value::Exponential(found)) = exponential else { panic!("{exponential:?}") };
    let ExponentialValue { summary, scale: found_scale, zero_count, positive, negative } = *found;
    let side = |sign: f64| values.iter().filter(|x| **x * sign > 0.0).map(|x| finest(x.abs())).collect::<Vec<_>>();
    let (above, below) = (side(1.0), side(-1.0));
    let scale = scale(&above).min(scale(&below));
    assert_eq!((found_scale, zero_count), (scale, values.iter().filter(|x| **x == 0.0).count() as u64));
    assert_eq!((shown(&positive), shown(&negative)), (counts(&above, scale), counts(&below, scale)), "at scale {scale}");
    assert!(positive.1.len() <= HISTOGRAM_BUCKETS_MAX && negative.1.len() <= HISTOGRAM_BUCKETS_MAX);
    check_summary(&summary, &values);
    let whole = |number: &Number| match number {
        Number::Float(_) => None,
        Number::Unsigned(n) => Some(u128::from(*n)),
        Number::Signed(n) => u128::try_from(*n).ok(),
    };
    if let Some(sum) = numbers.iter().map(whole).sum::<Option<u128>>().filter(|sum| *sum < 1 << 53) {
        assert_eq!(summary.sum, sum as f64, "whole numbers are summed exactly");
    }

    let Some(Value::Explicit(found)) = explicit else { panic!("{explicit:?}") };
    let mut wanted = [0; BOUNDS.len() + 1];
    values.iter().for_each(|x| wanted[BOUNDS.iter().filter(|bound| *bound < x).count()] += 1);
    assert_eq!(found.counts, wanted);
    check_summary(&found.summary, &values);
}

#[test]
fn every_histogram_is_what_an_exact_ledger_says() {
    let cases = Mutex::new(0);
    let config = ProptestConfig { cases: 192, rng_seed: RngSeed::Fixed(7), failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |(numbers in numbers(), threads in 1..4_usize)| {
        let case = {
            let mut cases = cases.lock().expect("no test panicked with it");
            *cases += 1;
            Case { case: *cases }
        };
        check(case, &numbers, threads);
    });
}

#[test]
fn what_is_no_number_is_dropped_from_a_histogram_and_counted() {
    let rejected = || match value("telemetry_measurements_rejected", &[]) {
        Some(Value::U64(count)) => count,
        other => panic!("{other:?}"),
    };
    let before = rejected();
    [f64::NAN, f64::INFINITY, f64::NEG_INFINITY].into_iter().for_each(|value| REJECTED.record(value));
    assert!(rejected() >= before + 3); // other tests drop some too
    assert_eq!(value("dist_rejected", &[]), None);
}
