//! An instrument of every kind: all are recorded at once, and asked whether all of them say so.

use std::collections::BTreeMap;
use std::time::Duration;

use telemetry_core::collect::collect;
use telemetry_core::{Counter, FloatCounter, Histogram, Labels, Registry, UpDownCounter, Value, metric};

#[derive(Clone, Copy, Labels)]
enum Place {
    _Here,
    There,
}

#[derive(Labels)]
struct Name {
    name: &'static str,
}

#[derive(Labels)]
struct Text<'a> {
    text: &'a str,
}

/// .
#[metric(name = "life_counter")]
static COUNTER: Counter;
/// .
#[metric(name = "life_float_counter")]
static FLOAT_COUNTER: FloatCounter;
/// .
#[metric(name = "life_up_down")]
static UP_DOWN: UpDownCounter;
/// .
#[metric(name = "life_histogram")]
static HISTOGRAM: Histogram;
/// .
#[metric(name = "life_bounds", bounds = [1.0])]
static BOUNDS: Histogram;
/// .
#[metric(name = "life_by_place")]
static BY_PLACE: Counter<Place>;
/// .
#[metric(name = "life_by_name")]
static BY_NAME: FloatCounter<Name>;
/// .
#[metric(name = "life_by_text")]
static BY_TEXT: Counter<Text>;
/// .
#[metric(name = "life_histogram_by_place")]
static HISTOGRAM_BY_PLACE: Histogram<Place>;
/// .
#[metric(name = "life_histogram_by_text")]
static HISTOGRAM_BY_TEXT: Histogram<Text>;

/// What each shows for each call of `record`. All numbers are sums of powers of two, so that `f64` holds them exactly.
const EACH: [(&str, f64); 15] = [
    ("life_counter", 1.0),
    ("life_float_counter", 0.25),
    ("life_up_down", 2.0),
    ("life_histogram/count", 2.0),
    ("life_histogram/sum", 1024.5),
    ("life_bounds/count", 1.0),
    ("life_bounds/sum", 8.0),
    ("life_by_place/there", 1.0),
    ("life_by_name/fixed", 0.5),
    ("life_by_text/short", 1.0),
    ("life_by_text/longer than a key that is exact", 4.0),
    ("life_histogram_by_place/there/count", 1.0),
    ("life_histogram_by_place/there/sum", 0.125),
    ("life_histogram_by_text/short/count", 2.0),
    ("life_histogram_by_text/longer than a key that is exact/count", 1.0),
];

/// Records in each.
pub fn record() {
    COUNTER.inc();
    FLOAT_COUNTER.add(0.25);
    UP_DOWN.add(3);
    UP_DOWN.dec();
    HISTOGRAM.record(1024_u64);
    HISTOGRAM.record(0.5);
    BOUNDS.record(8_u64);
    BY_PLACE.with(Place::There).inc();
    BY_NAME.with(Name { name: "fixed" }).add(0.5);
    BY_TEXT.with(Text { text: "short" }).inc();
    BY_TEXT.with(Text { text: "longer than a key that is exact" }).add(4);
    HISTOGRAM_BY_PLACE.with(Place::There).record(0.125);
    HISTOGRAM_BY_TEXT.with(Text { text: "short" }).record(-2.0);
    HISTOGRAM_BY_TEXT.with(Text { text: "short" }).record(2_u64);
    HISTOGRAM_BY_TEXT.with(Text { text: "longer than a key that is exact" }).record(0_u64);
}

/// How often `record` ran: a number, if all instruments agree, and otherwise what each of them says.
pub fn recorded() -> String {
    let sums = sums("life_");
    let times = sums.get("life_counter").copied().unwrap_or(0.0);
    let wanted = EACH.iter().map(|(name, each)| ((*name).to_owned(), times * each)).filter(|(_, sum)| *sum != 0.0);
    let values = values();
    if wanted.collect::<BTreeMap<_, _>>() == sums && values.values().all(|value| *value == times) {
        times.to_string()
    } else {
        format!("{values:?} {sums:?}")
    }
}

/// How often it ran, as those say that can be asked one by one.
pub fn values() -> BTreeMap<String, f64> {
    let values = [
        ("counter", COUNTER.value() as f64),
        ("float counter", FLOAT_COUNTER.value() * 4.0),
        ("life_up_down", UP_DOWN.value() as f64 / 2.0),
        ("by place", BY_PLACE.with(Place::There).value() as f64),
        ("by name", BY_NAME.with(Name { name: "fixed" }).value() * 2.0),
        ("by text", BY_TEXT.with(Text { text: "short" }).value() as f64),
    ];
    values.map(|(name, value)| (name.to_owned(), value)).into()
}

/// What the metrics show whose names begin so, without zeros: the sum of each series, or count and sum.
pub fn sums(names: &str) -> BTreeMap<String, f64> {
    let collection = collect(&Registry::new(), Duration::from_secs(1));
    let mut sums = BTreeMap::new();
    for reading in collection.metrics.iter().filter(|reading| reading.entry.name().starts_with(names)) {
        for point in collection.points(reading) {
            let labels = point.labels.iter().map(|(_, label)| match label {
                telemetry_core::Label::String(text) => format!("/{text}"),
                other => format!("/{other:?}"),
            });
            let name = labels.fold(reading.entry.name().to_owned(), |name, label| name + &label);
            let summary = match &point.value {
                Value::Exponential(value) => Some(value.summary),
                Value::Explicit(value) => Some(value.summary),
                _ => None,
            };
            let number = match point.value {
                Value::U64(sum) => Some(sum as f64),
                Value::I64(sum) => Some(sum as f64),
                Value::F64(sum) => Some(sum),
                _ => None,
            };
            sums.extend(number.map(|sum| (name.clone(), sum)));
            sums.extend(summary.map(|summary| (format!("{name}/count"), summary.count as f64)));
            sums.extend(summary.map(|summary| (format!("{name}/sum"), summary.sum)));
        }
    }
    sums.retain(|_, sum| *sum != 0.0);
    sums
}
