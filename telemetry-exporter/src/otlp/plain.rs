//! A frame as OpenTelemetry's own messages: for who wants to look at it, and for what is sent once.

use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, DataPointFlags, Exemplar, ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Histogram,
    HistogramDataPoint, Metric, NumberDataPoint, ScopeMetrics, Sum, exemplar, metric, number_data_point,
};
use telemetry_core::collect::{self, Distribution, Frame, MetricRow, SeriesRow, Shape};
use telemetry_core::{Declaration, Label, MetricKind, Scope};

const CUMULATIVE: i32 = AggregationTemporality::Cumulative as i32;
const NO_RECORDED_VALUE: u32 = DataPointFlags::NoRecordedValueMask as u32;

/// Metrics by their scope, in the order in which the scopes appear; those of changing length come last in each.
pub fn by_scope<'a, M>(metrics: impl Iterator<Item = M>, of: impl Fn(&M) -> (&'a Declaration, Shape)) -> Vec<(&'a Scope, Vec<M>)> {
    let mut scopes: Vec<(&Scope, Vec<M>, Vec<M>)> = Vec::new();
    for metric in metrics {
        let (declaration, shape) = of(&metric);
        let scope = declaration.scope();
        let at = match scopes.iter().rposition(|(other, ..)| *other == scope) {
            Some(at) => at,
            None => {
                scopes.push((scope, Vec::new(), Vec::new()));
                scopes.len() - 1
            }
        };
        let (_, fixed, changing) = &mut scopes[at];
        if shape == Shape::Exponential { changing } else { fixed }.push(metric);
    }
    scopes.into_iter().map(|(scope, fixed, changing)| (scope, [fixed, changing].into_iter().flatten().collect())).collect()
}

/// All metrics of a frame.
pub fn metrics(frame: &Frame) -> Vec<ScopeMetrics> {
    let shape = |row: &MetricRow| frame.series().get(row.series.start).map_or(Shape::U64, |series| series.shape);
    let scopes = by_scope(frame.metrics().iter(), |row| (row.declaration, shape(row)));
    let metric = |row: &MetricRow| {
        let series = row.series.clone().map(|number| (&frame.series()[number], Some(number)));
        whole(row.declaration, row.kind, shape(row), series, frame)
    };
    let of_scope = |(of, rows): (&Scope, Vec<&MetricRow>)| ScopeMetrics {
        scope: Some(scope(of)),
        metrics: rows.into_iter().map(metric).collect(),
        ..Default::default()
    };
    scopes.into_iter().map(of_scope).collect()
}

/// The series that ended, each with a last point that says so.
pub fn ended(frame: &Frame) -> Vec<ScopeMetrics> {
    let scopes = by_scope(frame.ended().iter(), |ended| (ended.declaration, ended.series.shape));
    let of_scope = |(of, ended): (&Scope, Vec<_>)| ScopeMetrics {
        scope: Some(scope(of)),
        metrics: ended
            .chunk_by(|a: &&telemetry_core::collect::Ended, b| std::ptr::eq(a.declaration, b.declaration))
            .map(|ended| {
                let series = ended.iter().map(|ended| (&ended.series, None));
                whole(ended[0].declaration, ended[0].kind, ended[0].series.shape, series, frame)
            })
            .collect(),
        ..Default::default()
    };
    scopes.into_iter().map(of_scope).collect()
}

/// The scope as OTLP has it.
pub fn scope(scope: &Scope) -> InstrumentationScope {
    InstrumentationScope { name: scope.name.to_string(), version: scope.version.to_string(), ..Default::default() }
}

/// A metric with these series; one without a number in the frame has ended.
fn whole<'a>(
    declaration: &Declaration,
    kind: MetricKind,
    shape: Shape,
    series: impl Iterator<Item = (&'a SeriesRow, Option<usize>)>,
    frame: &Frame,
) -> Metric {
    let data = match (shape, kind) {
        (Shape::Exponential, _) => metric::Data::ExponentialHistogram(ExponentialHistogram {
            data_points: series.filter_map(|(row, of)| exponential(row, of, frame)).collect(),
            aggregation_temporality: CUMULATIVE,
        }),
        (Shape::Explicit(_), _) => metric::Data::Histogram(Histogram {
            data_points: series.filter_map(|(row, of)| explicit(row, of, frame)).collect(),
            aggregation_temporality: CUMULATIVE,
        }),
        (_, MetricKind::Gauge) => {
            metric::Data::Gauge(Gauge { data_points: series.map(|(row, of)| number(row, 0, of, frame)).collect() })
        }
        (_, kind) => metric::Data::Sum(Sum {
            data_points: series.map(|(row, of)| number(row, row.start_ns, of, frame)).collect(),
            aggregation_temporality: CUMULATIVE,
            is_monotonic: kind == MetricKind::Counter,
        }),
    };
    Metric {
        name: declaration.name().to_owned(),
        description: declaration.description().to_owned(),
        unit: declaration.unit().to_owned(),
        data: Some(data),
        ..Default::default()
    }
}

fn flags(of: Option<usize>) -> u32 {
    if of.is_some() { 0 } else { NO_RECORDED_VALUE }
}

/// The exemplars of a point, which has one at most.
fn exemplars(row: &SeriesRow, of: Option<usize>, frame: &Frame) -> Vec<Exemplar> {
    let exemplar = |kept: &telemetry_core::collect::Exemplar| Exemplar {
        time_unix_nano: kept.time_ns,
        span_id: kept.span_id.to_vec(),
        trace_id: kept.trace_id.to_vec(),
        value: Some(match row.shape {
            Shape::U64 => exemplar::Value::AsInt(i64::try_from(kept.bits).unwrap_or(i64::MAX)), // saturates
            Shape::I64 => exemplar::Value::AsInt(kept.bits.cast_signed()),
            _ => exemplar::Value::AsDouble(f64::from_bits(kept.bits)),
        }),
        ..Default::default()
    };
    of.and_then(|of| frame.exemplar(of)).map(exemplar).into_iter().collect()
}

fn number(row: &SeriesRow, start_ns: u64, of: Option<usize>, frame: &Frame) -> NumberDataPoint {
    let of_bits = |bits: u64| match row.shape {
        Shape::U64 => number_data_point::Value::AsInt(i64::try_from(bits).unwrap_or(i64::MAX)), // saturates
        Shape::F64 => number_data_point::Value::AsDouble(f64::from_bits(bits)),
        _ => number_data_point::Value::AsInt(bits.cast_signed()),
    };
    NumberDataPoint {
        attributes: attributes(row),
        start_time_unix_nano: start_ns,
        time_unix_nano: frame.time_ns(),
        value: of.map(|of| of_bits(frame.values()[of])),
        exemplars: exemplars(row, of, frame),
        flags: flags(of),
    }
}

fn exponential(row: &SeriesRow, of: Option<usize>, frame: &Frame) -> Option<ExponentialHistogramDataPoint> {
    let ended = ExponentialHistogramDataPoint {
        attributes: attributes(row),
        start_time_unix_nano: row.start_ns,
        time_unix_nano: frame.time_ns(),
        exemplars: exemplars(row, of, frame),
        flags: flags(of),
        ..Default::default()
    };
    let Some(of) = of else { return Some(ended) };
    let sum: &Distribution = frame.distribution(frame.values()[of])?;
    let buckets =
        |side: collect::Buckets<'_>| (side.len > 0).then(|| Buckets { offset: side.start, bucket_counts: side.counts().collect() });
    Some(ExponentialHistogramDataPoint {
        count: sum.summary().count,
        sum: Some(sum.summary().sum),
        scale: sum.scale(),
        zero_count: sum.zero_count(),
        positive: buckets(sum.positive()),
        negative: buckets(sum.negative()),
        min: sum.summary().min,
        max: sum.summary().max,
        ..ended
    })
}

fn explicit(row: &SeriesRow, of: Option<usize>, frame: &Frame) -> Option<HistogramDataPoint> {
    let ended = HistogramDataPoint {
        attributes: attributes(row),
        start_time_unix_nano: row.start_ns,
        time_unix_nano: frame.time_ns(),
        exemplars: exemplars(row, of, frame),
        flags: flags(of),
        ..Default::default()
    };
    let Some(of) = of else { return Some(ended) };
    let sum: &Distribution = frame.distribution(frame.values()[of])?;
    Some(HistogramDataPoint {
        count: sum.summary().count,
        sum: Some(sum.summary().sum),
        bucket_counts: sum.positive().counts().collect(),
        explicit_bounds: sum.bounds().unwrap_or_default().to_vec(),
        min: sum.summary().min,
        max: sum.summary().max,
        ..ended
    })
}

pub fn attributes(row: &SeriesRow) -> Vec<KeyValue> {
    let attribute = |(key, label): &(&'static str, Label)| {
        let value = match label {
            Label::String(text) => any_value::Value::StringValue(text.to_string()),
            Label::I64(number) => any_value::Value::IntValue(*number),
            Label::Bool(flag) => any_value::Value::BoolValue(*flag),
            _ => any_value::Value::StringValue(String::new()),
        };
        KeyValue { key: (*key).to_owned(), value: Some(AnyValue { value: Some(value) }), ..Default::default() }
    };
    row.labels.iter().map(attribute).collect()
}
