//! The panel of one metric in a Grafana dashboard: what it asks Prometheus, how its lines are called, and their unit.

use serde_json::{Value, json};
use telemetry_core::MetricKind;
use telemetry_core::prometheus::{label_name, metric_name};

use super::Record;

/// Which of the scraped processes; the variables are the dashboard's.
const SELECTED: &str = r#"job=~"$job",instance=~"$instance""#;

/// The quantiles of a histogram that have a line, with its name.
const QUANTILES: [(&str, &str); 3] = [("0.5", "p50"), ("0.9", "p90"), ("0.99", "p99")];

/// What PromQL does not take as the name of a metric, because it means something else there.
const NO_METRICS: [&str; 9] = ["atan2", "bool", "group_left", "group_right", "ignoring", "inf", "nan", "on", "without"];

/// What PromQL does not take as a label to group by. Such a label is summed over.
const NO_LABELS: [&str; 3] = ["inf", "nan", "without"];

/// UCUM's unit, Grafana's for a value in it, and Grafana's for such a value a second.
const UNITS: [(&str, &str, &str); 24] = [
    ("By", "bytes", "binBps"),
    ("KiBy", "kbytes", "KiBs"),
    ("MiBy", "mbytes", "MiBs"),
    ("GiBy", "gbytes", "GiBs"),
    ("TiBy", "tbytes", "TiBs"),
    ("kBy", "deckbytes", "KBs"),
    ("MBy", "decmbytes", "MBs"),
    ("GBy", "decgbytes", "GBs"),
    ("TBy", "dectbytes", "TBs"),
    ("bit", "bits", "binbps"),
    ("By/s", "binBps", "suffix: By/s²"),
    ("bit/s", "binbps", "suffix: bit/s²"),
    ("s", "s", "percentunit"), // seconds a second: the share of the time that something was busy
    ("ms", "ms", "suffix: ms/s"),
    ("us", "µs", "suffix: µs/s"),
    ("ns", "ns", "suffix: ns/s"),
    ("min", "m", "suffix: min/s"),
    ("h", "h", "suffix: h/s"),
    ("d", "d", "suffix: d/s"),
    ("%", "percent", "suffix: %/s"),
    ("Cel", "celsius", "suffix: °C/s"),
    ("Hz", "hertz", "suffix: Hz/s"),
    ("J", "joule", "watt"),
    ("W", "watt", "suffix: W/s"),
];

/// Grafana's units for so many of something a second.
const COUNTS: [(&str, &str); 7] = [
    ("{event}", "eps"),
    ("{message}", "mps"),
    ("{operation}", "ops"),
    ("{packet}", "pps"),
    ("{read}", "rps"),
    ("{request}", "reqps"),
    ("{write}", "wps"),
];

/// The data source that a variable of the dashboard chooses.
pub fn datasource() -> Value {
    json!({ "type": "prometheus", "uid": "${datasource}" })
}

/// The panel, without its place and number.
pub fn panel(record: &Record, kind: MetricKind) -> Value {
    let target = |(letter, (expression, legend)): (char, (String, String))| {
        json!({
            "refId": letter.to_string(),
            "datasource": datasource(),
            "editorMode": "code",
            "expr": expression,
            "legendFormat": legend,
            "range": true,
        })
    };
    let place = format!("{} {}, {}:{}", record.package, record.version, record.file, record.line);
    let description = if record.description.is_empty() { place } else { format!("{}\n\n{place}", record.description) };
    json!({
        "type": "timeseries",
        "title": record.name,
        "description": description,
        "datasource": datasource(),
        "fieldConfig": { "defaults": { "unit": unit(&record.unit, kind), "custom": { "fillOpacity": 10 } }, "overrides": [] },
        "options": {
            "legend": { "displayMode": "list", "placement": "bottom", "showLegend": true },
            "tooltip": { "mode": "multi", "sort": "desc" },
        },
        "targets": ('A'..).zip(lines(record, kind)).map(target).collect::<Vec<_>>(),
    })
}

/// What is asked, and how its lines are called.
fn lines(record: &Record, kind: MetricKind) -> Vec<(String, String)> {
    let name = metric_name(&record.name, &record.unit, kind);
    let labels = labels(record, kind);
    let values = labels.iter().map(|label| format!("{{{{{label}}}}}")).collect::<Vec<_>>().join(" ");
    let by = if labels.is_empty() { "sum".to_owned() } else { format!("sum by ({}) ", labels.join(", ")) };
    match kind {
        MetricKind::Counter => {
            let expression = format!("{by}(rate({name}{{{SELECTED}}}[$__rate_interval]))");
            vec![(expression, if labels.is_empty() { name } else { values })]
        }
        MetricKind::Histogram => {
            let by = [vec!["le".to_owned()], labels].concat().join(", ");
            let rates = format!("sum by ({by}) (rate({name}_bucket{{{SELECTED}}}[$__rate_interval]))");
            let line = |(quantile, called)| {
                (format!("histogram_quantile({quantile}, {rates})"), format!("{called} {values}").trim_end().to_owned())
            };
            QUANTILES.map(line).to_vec()
        }
        _ => {
            let reserved = NO_METRICS.iter().any(|word| name.eq_ignore_ascii_case(word));
            let expression = if reserved { format!("{{__name__=\"{name}\",{SELECTED}}}") } else { format!("{name}{{{SELECTED}}}") };
            vec![(expression, format!("{{{{instance}}}} {values}").trim_end().to_owned())]
        }
    }
}

/// The labels as Prometheus has them once it has scraped: what it or a bucket calls so itself is renamed.
fn labels(record: &Record, kind: MetricKind) -> Vec<String> {
    let mut labels = Vec::new();
    for (key, _) in &record.labels {
        let mut label = label_name(key);
        if label == "job" || label == "instance" || label == "le" && kind == MetricKind::Histogram {
            label = format!("exported_{label}");
        }
        if !labels.contains(&label) && !NO_LABELS.iter().any(|word| label.eq_ignore_ascii_case(word)) {
            labels.push(label);
        }
    }
    labels
}

/// Grafana's unit of what is shown: of a counter that is its rate.
fn unit(ucum: &str, kind: MetricKind) -> String {
    let of_counts = |unit: &str| COUNTS.iter().find(|(counted, _)| *counted == unit).map_or("cps", |(_, rate)| rate).to_owned();
    let is_count = |unit: &str| unit.is_empty() || unit == "1" || unit.starts_with('{') && unit.find('}') == Some(unit.len() - 1);
    let counter = kind == MetricKind::Counter;
    if let Some((_, value, rate)) = UNITS.iter().find(|(unit, ..)| *unit == ucum) {
        return (*if counter { rate } else { value }).to_owned();
    }
    match ucum.strip_suffix("/s") {
        _ if is_count(ucum) && counter => of_counts(ucum),
        _ if ucum == "1" && kind == MetricKind::Gauge => "percentunit".to_owned(),
        _ if is_count(ucum) => "short".to_owned(),
        Some(counted) if is_count(counted) && !counter => of_counts(counted),
        _ if counter => format!("suffix: {ucum}/s"),
        _ => format!("suffix: {ucum}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(name: &str, unit: &str, labels: &[&str]) -> Record {
        let mut record = Record::default();
        (record.name, record.unit) = (name.to_owned(), unit.to_owned());
        record.labels = labels.iter().map(|key| ((*key).to_owned(), Vec::new())).collect();
        record
    }

    #[test]
    fn each_kind_is_asked_for_as_it_can_be_read() {
        for (record, kind, wanted) in [
            (
                record("http.sent", "By", &[]),
                MetricKind::Counter,
                vec![(
                    r#"sum(rate(http_sent_bytes_total{job=~"$job",instance=~"$instance"}[$__rate_interval]))"#,
                    "http_sent_bytes_total",
                )],
            ),
            (
                record("calls", "{call}", &["method", "http.route", "http_route", "job"]),
                MetricKind::Counter,
                vec![(
                    "sum by (method, http_route, exported_job) \
                     (rate(calls_total{job=~\"$job\",instance=~\"$instance\"}[$__rate_interval]))",
                    "{{method}} {{http_route}} {{exported_job}}",
                )],
            ),
            (
                record("load", "1", &["cpu"]),
                MetricKind::Gauge,
                vec![(r#"load_ratio{job=~"$job",instance=~"$instance"}"#, "{{instance}} {{cpu}}")],
            ),
            (
                record("open", "", &[]),
                MetricKind::UpDownCounter,
                vec![(r#"open{job=~"$job",instance=~"$instance"}"#, "{{instance}}")],
            ),
            (
                record("on", "", &[]),
                MetricKind::Gauge,
                vec![(r#"{__name__="on",job=~"$job",instance=~"$instance"}"#, "{{instance}}")],
            ),
            (
                record("wait", "s", &["queue", "le"]),
                MetricKind::Histogram,
                vec![
                    (
                        "histogram_quantile(0.5, sum by (le, queue, exported_le) \
                         (rate(wait_seconds_bucket{job=~\"$job\",instance=~\"$instance\"}[$__rate_interval])))",
                        "p50 {{queue}} {{exported_le}}",
                    ),
                    (
                        "histogram_quantile(0.9, sum by (le, queue, exported_le) \
                         (rate(wait_seconds_bucket{job=~\"$job\",instance=~\"$instance\"}[$__rate_interval])))",
                        "p90 {{queue}} {{exported_le}}",
                    ),
                    (
                        "histogram_quantile(0.99, sum by (le, queue, exported_le) \
                         (rate(wait_seconds_bucket{job=~\"$job\",instance=~\"$instance\"}[$__rate_interval])))",
                        "p99 {{queue}} {{exported_le}}",
                    ),
                ],
            ),
        ] {
            let found = lines(&record, kind);
            let found: Vec<_> = found.iter().map(|(expression, legend)| (expression.as_str(), legend.as_str())).collect();
            assert_eq!(found, wanted);
        }
    }

    #[test]
    fn a_unit_is_grafanas_and_a_counters_is_that_of_its_rate() {
        use MetricKind::{Counter, Gauge, Histogram, UpDownCounter};
        for (ucum, kind, wanted) in [
            ("By", Gauge, "bytes"),
            ("By", Counter, "binBps"),
            ("By/s", Gauge, "binBps"),
            ("s", Histogram, "s"),
            ("s", Counter, "percentunit"),
            ("us", Histogram, "µs"),
            ("1", Gauge, "percentunit"),
            ("1", UpDownCounter, "short"),
            ("1", Counter, "cps"),
            ("%", Gauge, "percent"),
            ("{request}", Counter, "reqps"),
            ("{request}", Gauge, "short"),
            ("{request}/s", Gauge, "reqps"),
            ("{peer}", Counter, "cps"),
            ("", Counter, "cps"),
            ("", Histogram, "short"),
            ("{a}/{b}", Gauge, "suffix: {a}/{b}"),
            ("kat", Gauge, "suffix: kat"),
            ("kat", Counter, "suffix: kat/s"),
        ] {
            assert_eq!(unit(ucum, kind), wanted, "{ucum} of a {}", kind.as_str());
        }
    }
}
