//! The names that metrics and labels have in Prometheus' text: one rule for who writes it and for who looks for collisions.
//!
//! The rule is OpenTelemetry's ["Prometheus and OpenMetrics Compatibility"](https://opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics/):
//! letters that Prometheus does not allow become `_`, units are spelt out at the end, counters end in `_total`.
//! Not here: the text itself (`telemetry-exporter`).

use crate::declaration::MetricKind;

/// The name under which a program tells of itself, which is no metric's.
pub const TARGET_INFO: &str = "target_info";

/// The name of the metric, as its `# TYPE` line has it.
///
/// ```
/// use telemetry_core::MetricKind;
/// use telemetry_core::prometheus::metric_name;
///
/// assert_eq!(metric_name("http.server.sent", "By", MetricKind::Counter), "http_server_sent_bytes_total");
/// assert_eq!(metric_name("queue.length", "{message}", MetricKind::Gauge), "queue_length");
/// ```
pub fn metric_name(name: &str, unit: &str, kind: MetricKind) -> String {
    let counter = kind == MetricKind::Counter;
    let mut full = sanitize(name);
    if counter {
        full = full.strip_suffix("_total").unwrap_or(&full).to_owned();
    }
    if let Some(unit) = unit_suffix(unit, kind)
        && !full.ends_with(&format!("_{unit}"))
        && full != unit
    {
        full = format!("{full}_{unit}");
    }
    if counter { full + "_total" } else { full }
}

/// All names that the metric occupies: its own, then for a histogram those of its series. Two metrics that share one of these cannot be
/// told apart by who scrapes them.
///
/// ```
/// use telemetry_core::MetricKind;
/// use telemetry_core::prometheus::series_names;
///
/// assert_eq!(series_names("calls", "{call}", MetricKind::Counter), ["calls_total"]);
/// let histogram = ["wait_seconds", "wait_seconds_bucket", "wait_seconds_sum", "wait_seconds_count"];
/// assert_eq!(series_names("wait", "s", MetricKind::Histogram), histogram);
/// ```
pub fn series_names(name: &str, unit: &str, kind: MetricKind) -> Vec<String> {
    let name = metric_name(name, unit, kind);
    let parts: &[&str] = if kind == MetricKind::Histogram { &["_bucket", "_sum", "_count"] } else { &[] };
    let parts: Vec<_> = parts.iter().map(|part| format!("{name}{part}")).collect();
    [vec![name], parts].concat()
}

/// The name of a label: that of a metric without `:`.
///
/// ```
/// assert_eq!(telemetry_core::prometheus::label_name("http.route"), "http_route");
/// ```
pub fn label_name(key: &str) -> String {
    sanitize(key).replace(':', "_")
}

/// Letters, digits, `_` and `:`; what else there is becomes one `_`.
fn sanitize(name: &str) -> String {
    let mut out = String::new();
    for letter in name.chars() {
        let letter = if letter.is_ascii_alphanumeric() || letter == ':' { letter } else { '_' };
        if letter != '_' || !out.ends_with('_') {
            out.push(letter);
        }
    }
    if out.starts_with(|first: char| first.is_ascii_digit()) { format!("_{out}") } else { out }
}

/// The unit in words; none for an annotation in braces or where there is no unit.
fn unit_suffix(unit: &str, kind: MetricKind) -> Option<String> {
    if unit == "1" {
        return (kind == MetricKind::Gauge).then(|| "ratio".to_owned());
    }
    let mut plain = String::new();
    let mut in_braces = false;
    for letter in unit.chars() {
        match letter {
            '{' => in_braces = true,
            '}' => in_braces = false,
            _ if !in_braces => plain.push(letter),
            _ => {}
        }
    }
    let suffix = match plain.split_once('/') {
        Some(("", per)) if !per.is_empty() => format!("per_{}", singular(per)),
        Some((unit, per)) if !per.is_empty() => format!("{}_per_{}", plural(unit), singular(per)),
        _ => plural(plain.trim_end_matches('/')),
    };
    let suffix = sanitize(&suffix).trim_matches('_').to_owned();
    (!suffix.is_empty()).then_some(suffix)
}

fn plural(unit: &str) -> String {
    let word = match unit {
        "d" => "days",
        "h" => "hours",
        "min" => "minutes",
        "s" => "seconds",
        "ms" => "milliseconds",
        "us" => "microseconds",
        "ns" => "nanoseconds",
        "By" => "bytes",
        "KiBy" => "kibibytes",
        "MiBy" => "mebibytes",
        "GiBy" => "gibibytes",
        "TiBy" => "tibibytes",
        "KBy" | "kBy" => "kilobytes",
        "MBy" => "megabytes",
        "GBy" => "gigabytes",
        "TBy" => "terabytes",
        "m" => "meters",
        "V" => "volts",
        "A" => "amperes",
        "J" => "joules",
        "W" => "watts",
        "g" => "grams",
        "Cel" => "celsius",
        "Hz" => "hertz",
        "%" => "percent",
        other => other,
    };
    word.to_owned()
}

fn singular(unit: &str) -> String {
    let word = match unit {
        "s" => "second",
        "m" | "min" => "minute",
        "h" => "hour",
        "d" => "day",
        "w" => "week",
        "mo" => "month",
        "y" => "year",
        other => return plural(other),
    };
    word.to_owned()
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_compatibility_specification() {
        use MetricKind::{Counter, Gauge, Histogram, UpDownCounter};
        for (name, unit, kind, wanted) in [
            ("libp2p_network_total_in", "By", Counter, "libp2p_network_total_in_bytes_total"),
            ("requests", "{request}", Counter, "requests_total"),
            ("requests_total", "{request}", Counter, "requests_total"),
            ("http.server.duration", "s", Histogram, "http_server_duration_seconds"),
            ("duration_seconds", "s", Histogram, "duration_seconds"),
            ("cpu", "1", Gauge, "cpu_ratio"),
            ("cpu", "1", UpDownCounter, "cpu"),
            ("cpu", "1", Counter, "cpu_total"),
            ("rate", "By/s", Gauge, "rate_bytes_per_second"),
            ("rate", "{message}/s", Gauge, "rate_per_second"),
            ("a..b--c", "", Gauge, "a_b_c"),
            ("load", "%", Gauge, "load_percent"),
        ] {
            assert_eq!(metric_name(name, unit, kind), wanted);
        }
    }

    #[test]
    fn a_histogram_occupies_what_a_gauge_of_its_count_would() {
        let histogram = series_names("wait", "", MetricKind::Histogram);
        for (name, kind) in
            [("wait_count", MetricKind::Gauge), ("wait.sum", MetricKind::UpDownCounter), ("wait", MetricKind::Gauge)]
        {
            assert!(histogram.contains(&metric_name(name, "", kind)), "{name}");
        }
        assert!(!histogram.contains(&metric_name("wait_count", "", MetricKind::Counter)), "that one ends in _total");
    }
}
