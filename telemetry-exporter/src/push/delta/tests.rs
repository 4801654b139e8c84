//! The sum of all deltas is the last cumulative value, whatever is recorded, refused, and begun anew.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;
use opentelemetry_proto::tonic::metrics::v1::{
    Exemplar, ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Histogram, HistogramDataPoint, NumberDataPoint, Sum,
    number_data_point::Value,
};
use proptest::prelude::*;

use super::*;

const CUMULATIVE: i32 = AggregationTemporality::Cumulative as i32;

fn message(data: Vec<metric::Data>) -> ResourceMetrics {
    let metric = |(i, data)| Metric { name: format!("m{i}"), data: Some(data), ..Default::default() };
    let metrics = data.into_iter().enumerate().map(metric).collect();
    ResourceMetrics { scope_metrics: vec![ScopeMetrics { metrics, ..Default::default() }], ..Default::default() }
}

fn attributes(pairs: &[(&str, i64)]) -> Vec<KeyValue> {
    let attribute = |(key, value): &(&str, i64)| KeyValue {
        key: (*key).to_owned(),
        value: Some(AnyValue { value: Some(any_value::Value::IntValue(*value)) }),
        ..Default::default()
    };
    pairs.iter().map(attribute).collect()
}

fn number(series: i64, start: u64, time: u64, value: i64) -> NumberDataPoint {
    NumberDataPoint {
        attributes: attributes(&[("series", series)]),
        start_time_unix_nano: start,
        time_unix_nano: time,
        value: Some(Value::AsInt(value)),
        ..Default::default()
    }
}

fn sum(data_points: Vec<NumberDataPoint>, is_monotonic: bool) -> metric::Data {
    metric::Data::Sum(Sum { data_points, aggregation_temporality: CUMULATIVE, is_monotonic })
}

fn data(metrics: &ResourceMetrics) -> Vec<&metric::Data> {
    metrics.scope_metrics.iter().flat_map(|scope| &scope.metrics).filter_map(|metric| metric.data.as_ref()).collect()
}

fn numbers(metrics: &ResourceMetrics) -> Vec<(u64, u64, i64)> {
    let mut found = Vec::new();
    for data in data(metrics) {
        let metric::Data::Sum(sum) = data else { continue };
        for point in &sum.data_points {
            let Some(Value::AsInt(value)) = point.value else { panic!("{point:?}") };
            found.push((point.start_time_unix_nano, point.time_unix_nano, value));
        }
    }
    found
}

fn taken(deltas: &mut Deltas, metrics: ResourceMetrics) -> ResourceMetrics {
    let mut draft = Draft::default();
    let made = deltas.make(metrics, &mut draft);
    deltas.commit(draft);
    made
}

#[test]
fn the_first_point_counts_from_its_start_and_each_next_from_the_point_before() {
    let mut deltas = Deltas::default();
    let mut at = |time, value| numbers(&taken(&mut deltas, message(vec![sum(vec![number(1, 5, time, value)], true)])));
    assert_eq!(at(10, 7), [(5, 10, 7)]);
    assert_eq!(at(20, 9), [(10, 20, 2)]);
    assert_eq!(at(30, 9), [(20, 30, 0)]);
    assert_eq!(at(25, 10), [(25, 25, 1)], "a clock that went back makes no interval that ends before it starts");
}

#[test]
fn a_series_that_begins_anew_gives_the_whole_of_its_new_value() {
    let mut deltas = Deltas::default();
    let mut at = |start, time, value| numbers(&taken(&mut deltas, message(vec![sum(vec![number(1, start, time, value)], true)])));
    assert_eq!(at(5, 10, 7), [(5, 10, 7)]);
    assert_eq!(at(15, 20, 9), [(15, 20, 9)], "by its start time, although the value rose");
    assert_eq!(at(15, 30, 4), [(20, 30, 4)], "by its value, although the start time is the same");
}

#[test]
fn up_down_counters_and_gauges_stay_as_they_are() {
    let mut deltas = Deltas::default();
    let gauge = metric::Data::Gauge(Gauge { data_points: vec![number(1, 0, 10, 3)] });
    let metrics = message(vec![sum(vec![number(1, 5, 10, -7)], false), gauge]);
    for _ in 0..2 {
        assert_eq!(taken(&mut deltas, metrics.clone()), metrics);
    }
    let counter = taken(&mut deltas, message(vec![sum(vec![number(1, 5, 10, 7)], true)]));
    let metric::Data::Sum(counter) = data(&counter)[0] else { panic!("a sum") };
    assert_eq!(counter.aggregation_temporality, AggregationTemporality::Delta as i32);
}

#[test]
fn several_messages_of_one_request_build_on_each_other_before_any_is_taken() {
    let mut deltas = Deltas::default();
    let at = |time, value| message(vec![sum(vec![number(1, 5, time, value)], true)]);
    for _ in 0..2 {
        let mut draft = Draft::default(); // the request is made again where the first answer was lost
        let made: Vec<_> =
            [(10, 7), (20, 9)].iter().map(|(time, value)| numbers(&deltas.make(at(*time, *value), &mut draft))).collect();
        assert_eq!(made, [[(5, 10, 7)], [(10, 20, 2)]]);
    }
    assert_eq!(numbers(&taken(&mut deltas, at(30, 10))), [(5, 30, 10)], "what was not taken is in the next");
}

#[test]
fn attributes_in_another_order_are_the_same_series_and_other_metrics_are_not() {
    let mut deltas = Deltas::default();
    let mut point = number(1, 5, 10, 7);
    point.attributes = attributes(&[("a", 1), ("b", 2)]);
    taken(&mut deltas, message(vec![sum(vec![point.clone()], true), sum(vec![point.clone()], true)]));
    (point.attributes, point.time_unix_nano, point.value) = (attributes(&[("b", 2), ("a", 1)]), 20, Some(Value::AsInt(8)));
    assert_eq!(numbers(&taken(&mut deltas, message(vec![sum(vec![point], true)]))), [(10, 20, 1)]);
    assert_eq!(deltas.series.len(), 2);
}

#[test]
fn a_point_without_a_value_ends_its_series() {
    let mut deltas = Deltas::default();
    let ended = NumberDataPoint { flags: DataPointFlags::NoRecordedValueMask as u32, value: None, ..number(1, 5, 20, 0) };
    taken(&mut deltas, message(vec![sum(vec![number(1, 5, 10, 7)], true)]));
    let made = taken(&mut deltas, message(vec![sum(vec![ended.clone()], true)]));
    let metric::Data::Sum(made) = data(&made)[0] else { panic!("a sum") };
    assert_eq!((&made.data_points, deltas.series.len()), (&vec![ended], 0));
    assert_eq!(numbers(&taken(&mut deltas, message(vec![sum(vec![number(1, 5, 30, 8)], true)]))), [(5, 30, 8)]);
}

#[test]
fn exemplars_of_the_interval_are_kept() {
    let mut deltas = Deltas::default();
    let exemplar = |time_unix_nano| Exemplar { time_unix_nano, ..Default::default() };
    let mut at = |time, times: &[u64]| {
        let point = NumberDataPoint { exemplars: times.iter().map(|time| exemplar(*time)).collect(), ..number(1, 5, time, 7) };
        let made = taken(&mut deltas, message(vec![sum(vec![point], true)]));
        let metric::Data::Sum(made) = data(&made)[0] else { panic!("a sum") };
        made.data_points[0].exemplars.iter().map(|exemplar| exemplar.time_unix_nano).collect::<Vec<_>>()
    };
    assert_eq!(at(10, &[8, 9]), [8, 9]);
    assert_eq!(at(20, &[9, 11, 12]), [11, 12]);
}

#[test]
fn beyond_the_limit_points_are_left_out_and_counted_until_old_series_make_room() {
    let mut deltas = Deltas { series_max: 2, ..Deltas::default() };
    let mut draft = Draft::default();
    let later = 20 + Duration::as_nanos(&WINDOW) as u64;
    let points = (0..3).map(|series| number(series, 5, 10, 7)).collect();
    assert_eq!(numbers(&deltas.make(message(vec![sum(points, true)]), &mut draft)).len(), 2);
    assert_eq!(draft.points_dropped(), 1);
    deltas.commit(draft);
    let mut draft = Draft::default();
    let made = deltas.make(message(vec![sum(vec![number(0, 5, later, 8), number(2, 5, later, 9)], true)]), &mut draft);
    assert_eq!((numbers(&made), draft.points_dropped()), (vec![(10, later, 1)], 1));
    deltas.commit(draft); // series 1 is older than the window now
    let made = taken(&mut deltas, message(vec![sum(vec![number(2, 5, later + 1, 9)], true)]));
    assert_eq!(numbers(&made), [(5, later + 1, 9)]);
}

/// One collection: what was recorded in each of three series since the last, whether the process began anew, and whether the
/// collector takes it.
fn steps() -> impl Strategy<Value = Vec<(Vec<u32>, bool, bool)>> {
    prop::collection::vec((prop::collection::vec(0..1_000_u32, 3), prop::bool::weighted(0.2), prop::bool::weighted(0.6)), 1..40)
}

proptest! {
    #[test]
    fn the_sum_of_the_deltas_that_were_taken_is_the_last_value_that_was(steps in steps()) {
        let (mut deltas, mut values, mut sums, mut last) = (Deltas::default(), [0_i64; 3], [0_i64; 3], [0_i64; 3]);
        for (time, (recorded, _, is_taken)) in (1..).zip(&steps) {
            let points = (0..3).map(|series| {
                values[series] += i64::from(recorded[series]);
                number(series as i64, 1, time * 10, values[series])
            }).collect();
            let mut draft = Draft::default();
            let made = deltas.make(message(vec![sum(points, true)]), &mut draft);
            if *is_taken {
                deltas.commit(draft);
                numbers(&made).iter().zip(&mut sums).for_each(|((_, _, delta), sum)| *sum += delta);
                last = values;
            }
        }
        prop_assert_eq!(sums, last);
    }

    #[test]
    fn intervals_touch_and_what_begins_anew_is_neither_lost_nor_counted_twice(steps in steps()) {
        let (mut deltas, mut value, mut start, mut end) = (Deltas::default(), 0_i64, 1, 1);
        let (mut recorded_in_all, mut sum_of_deltas) = (0, 0);
        for (time, (recorded, anew, _)) in (1..).zip(&steps) {
            if *anew {
                (value, start) = (0, time * 10 - 5);
            }
            value += i64::from(recorded[0]);
            recorded_in_all += i64::from(recorded[0]);
            let made = numbers(&taken(&mut deltas, message(vec![sum(vec![number(0, start, time * 10, value)], true)])));
            sum_of_deltas += made[0].2;
            prop_assert_eq!((made[0].0, made[0].1), (if *anew { start } else { end }, time * 10));
            end = time * 10;
        }
        prop_assert_eq!(sum_of_deltas, recorded_in_all);
    }

    #[test]
    fn explicit_histograms_sum_up_bucket_by_bucket(steps in steps()) {
        let (mut deltas, mut counts, mut sums, mut last) = (Deltas::default(), vec![0_u64; 3], vec![0_u64; 3], vec![0_u64; 3]);
        for (time, (recorded, _, is_taken)) in (1..).zip(&steps) {
            counts.iter_mut().zip(recorded).for_each(|(count, recorded)| *count += u64::from(*recorded));
            let point = HistogramDataPoint {
                start_time_unix_nano: 1,
                time_unix_nano: time * 10,
                count: counts.iter().sum(),
                sum: Some(counts.iter().sum::<u64>() as f64),
                bucket_counts: counts.clone(),
                explicit_bounds: vec![1.0, 2.0],
                min: Some(0.5),
                max: Some(9.0),
                ..Default::default()
            };
            let histogram = Histogram { data_points: vec![point], aggregation_temporality: CUMULATIVE };
            let mut draft = Draft::default();
            let made = deltas.make(message(vec![metric::Data::Histogram(histogram)]), &mut draft);
            let metric::Data::Histogram(made) = data(&made)[0] else { panic!("a histogram") };
            let point = &made.data_points[0];
            prop_assert_eq!((point.count, point.min, point.max), (point.bucket_counts.iter().sum(), None, None));
            prop_assert_eq!(point.sum, Some(point.count as f64));
            if *is_taken {
                deltas.commit(draft);
                sums.iter_mut().zip(&point.bucket_counts).for_each(|(sum, count)| *sum += count);
                last.clone_from(&counts);
            }
        }
        prop_assert_eq!(sums, last);
    }

    #[test]
    fn exponential_histograms_sum_up_across_falling_scales(
        steps in prop::collection::vec((prop::collection::vec(-2_000..2_000_i32, 0..9), 0..3_u32, prop::bool::weighted(0.6)), 1..20),
    ) {
        // Indices at the scale 20; a point is made of them at the scale of its time.
        let (mut deltas, mut scale, mut all) = (Deltas::default(), 20, Vec::new());
        let (mut sums, mut last): (Vec<(i32, Buckets)>, Vec<i32>) = (Vec::new(), Vec::new());
        for (time, (recorded, coarser_by, is_taken)) in (1..).zip(&steps) {
            all.extend_from_slice(recorded);
            scale -= *coarser_by as i32;
            let point = ExponentialHistogramDataPoint {
                start_time_unix_nano: 1,
                time_unix_nano: time * 10,
                count: all.len() as u64,
                sum: Some(all.len() as f64),
                scale,
                positive: Some(buckets(&coarse(&all, scale))),
                ..Default::default()
            };
            let histogram = ExponentialHistogram { data_points: vec![point], aggregation_temporality: CUMULATIVE };
            let mut draft = Draft::default();
            let made = deltas.make(message(vec![metric::Data::ExponentialHistogram(histogram)]), &mut draft);
            let metric::Data::ExponentialHistogram(made) = data(&made)[0] else { panic!("a histogram") };
            let point = &made.data_points[0];
            let counts = point.positive.clone().unwrap_or_default();
            prop_assert_eq!((point.count, point.scale), (counts.bucket_counts.iter().sum(), scale));
            if *is_taken {
                deltas.commit(draft);
                sums.push((scale, counts));
                last.clone_from(&all);
            }
        }
        let mut summed: BTreeMap<i32, u64> = BTreeMap::new();
        for (finer, Buckets { offset, bucket_counts }) in &sums {
            for (index, count) in (*offset..).zip(bucket_counts).filter(|(_, count)| **count > 0) {
                *summed.entry(index >> (finer - scale)).or_default() += count;
            }
        }
        prop_assert_eq!(summed, coarse(&last, scale));
    }
}

/// How many of the indices at the scale 20 are in each bucket of another.
fn coarse(indices: &[i32], scale: i32) -> BTreeMap<i32, u64> {
    let mut counts = BTreeMap::new();
    indices.iter().for_each(|index| *counts.entry(index >> (20 - scale)).or_default() += 1);
    counts
}

fn buckets(counts: &BTreeMap<i32, u64>) -> Buckets {
    let (Some((first, _)), Some((last, _))) = (counts.first_key_value(), counts.last_key_value()) else {
        return Buckets::default();
    };
    Buckets { offset: *first, bucket_counts: (*first..=*last).map(|index| counts.get(&index).copied().unwrap_or(0)).collect() }
}
