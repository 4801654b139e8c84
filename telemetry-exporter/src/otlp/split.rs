//! One large message as several smaller ones, each with the same resource.

use opentelemetry_proto::tonic::metrics::v1::{
    ExponentialHistogram, Gauge, Histogram, Metric, ResourceMetrics, ScopeMetrics, Sum, Summary, metric,
};
use prost::Message;

/// The serialised message, or several of at most `bytes_max` bytes where one would be larger: each with the same resource.
///
/// It is split between metrics, and within a metric between series. A single series above the limit stays as it is; the stream
/// rejects and counts it.
pub fn encode(metrics: ResourceMetrics, bytes_max: usize) -> Vec<Vec<u8>> {
    if metrics.encoded_len() <= bytes_max {
        return vec![metrics.encode_to_vec()];
    }
    match halves(metrics) {
        (whole, None) => vec![whole.encode_to_vec()],
        (first, Some(second)) => {
            let mut messages = encode(first, bytes_max);
            messages.extend(encode(second, bytes_max));
            messages
        }
    }
}

/// Two messages of about as many series each; one where there is but one series.
fn halves(mut metrics: ResourceMetrics) -> (ResourceMetrics, Option<ResourceMetrics>) {
    let total: usize = metrics.scope_metrics.iter().flat_map(|scope| &scope.metrics).map(series).sum();
    let mut left = total / 2;
    let (mut first, mut second) = (Vec::new(), Vec::new());
    for mut scope in std::mem::take(&mut metrics.scope_metrics) {
        let (mut before, mut behind) = (Vec::new(), Vec::new());
        for mut metric in std::mem::take(&mut scope.metrics) {
            let count = series(&metric);
            if count <= left {
                before.push(metric);
            } else {
                if left > 0 {
                    behind.push(split_series(&mut metric, left));
                    before.push(metric);
                } else {
                    behind.push(metric);
                }
            }
            left = left.saturating_sub(count);
        }
        if !before.is_empty() {
            first.push(ScopeMetrics { metrics: before, ..scope.clone() });
        }
        if !behind.is_empty() {
            second.push(ScopeMetrics { metrics: behind, ..scope });
        }
    }
    if first.is_empty() {
        metrics.scope_metrics = second;
        return (metrics, None);
    }
    let second =
        ResourceMetrics { scope_metrics: second, resource: metrics.resource.clone(), schema_url: metrics.schema_url.clone() };
    metrics.scope_metrics = first;
    (metrics, Some(second))
}

/// How many series a metric has; one that has none counts as one, so that it goes somewhere.
fn series(metric: &Metric) -> usize {
    let count = match &metric.data {
        Some(metric::Data::Sum(data)) => data.data_points.len(),
        Some(metric::Data::Gauge(data)) => data.data_points.len(),
        Some(metric::Data::Histogram(data)) => data.data_points.len(),
        Some(metric::Data::ExponentialHistogram(data)) => data.data_points.len(),
        _ => 0,
    };
    count.max(1)
}

/// Leaves so many series in the metric, and gives one with the others.
fn split_series(metric: &mut Metric, kept: usize) -> Metric {
    fn split<T>(points: &mut Vec<T>, kept: usize) -> Vec<T> {
        points.split_off(kept.min(points.len()))
    }
    let data = metric.data.as_mut().map(|data| match data {
        metric::Data::Sum(data) => metric::Data::Sum(Sum { data_points: split(&mut data.data_points, kept), ..*data }),
        metric::Data::Gauge(data) => metric::Data::Gauge(Gauge { data_points: split(&mut data.data_points, kept) }),
        metric::Data::Histogram(data) => {
            metric::Data::Histogram(Histogram { data_points: split(&mut data.data_points, kept), ..*data })
        }
        metric::Data::ExponentialHistogram(data) => {
            metric::Data::ExponentialHistogram(ExponentialHistogram { data_points: split(&mut data.data_points, kept), ..*data })
        }
        metric::Data::Summary(data) => metric::Data::Summary(Summary { data_points: split(&mut data.data_points, kept) }),
    });
    Metric {
        name: metric.name.clone(),
        description: metric.description.clone(),
        unit: metric.unit.clone(),
        metadata: metric.metadata.clone(),
        data,
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::metrics::v1::NumberDataPoint;

    use super::*;

    fn sample(metrics: usize) -> ResourceMetrics {
        let metric = |i: usize| Metric { name: format!("metric_{i}"), description: "x".repeat(50), ..Default::default() };
        let scope = |range: std::ops::Range<usize>| ScopeMetrics { metrics: range.map(metric).collect(), ..Default::default() };
        ResourceMetrics { scope_metrics: vec![scope(0..metrics / 3), scope(metrics / 3..metrics)], ..Default::default() }
    }

    #[test]
    fn a_collection_above_the_limit_becomes_several_messages_that_hold_every_metric_once() {
        let messages = encode(sample(100), 500);
        assert!(messages.len() > 10 && messages.iter().all(|message| message.len() <= 500));
        let mut names = Vec::new();
        for message in messages {
            let decoded = ResourceMetrics::decode(&*message).expect("each is whole");
            names.extend(decoded.scope_metrics.into_iter().flat_map(|scope| scope.metrics).map(|metric| metric.name));
        }
        assert_eq!(names, (0..100).map(|i| format!("metric_{i}")).collect::<Vec<_>>());
    }

    #[test]
    fn a_metric_above_the_limit_is_split_between_its_series() {
        let point = |i: u64| NumberDataPoint { time_unix_nano: i + 1, ..Default::default() };
        let gauge = Gauge { data_points: (0..1_000).map(point).collect() };
        let metric = Metric { name: "large".to_owned(), data: Some(metric::Data::Gauge(gauge)), ..Default::default() };
        let scope = ScopeMetrics { metrics: vec![metric], ..Default::default() };
        let messages = encode(ResourceMetrics { scope_metrics: vec![scope], ..Default::default() }, 400);
        assert!(messages.len() > 10 && messages.iter().all(|message| message.len() <= 400));
        let mut times = Vec::new();
        for message in messages {
            let decoded = ResourceMetrics::decode(&*message).expect("each is whole");
            let Some(metric::Data::Gauge(gauge)) = &decoded.scope_metrics[0].metrics[0].data else { panic!("a gauge") };
            assert_eq!(decoded.scope_metrics[0].metrics[0].name, "large");
            times.extend(gauge.data_points.iter().map(|point| point.time_unix_nano));
        }
        assert_eq!(times, (1..=1_000).collect::<Vec<_>>());
    }

    #[test]
    fn a_collection_within_the_limit_is_one_message() {
        assert_eq!(encode(sample(100), 1 << 20), [sample(100).encode_to_vec()]);
    }
}
