//! Prometheus' text, versions 0.0.4 and 1.0.0, which differ in the names that they allow. It has no exemplars and no times.

use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
use telemetry_core::prometheus::TARGET_INFO;

use super::classic::Classic;
use super::families::{self, Families, Family, Kind, Point, Series};
use super::labels::Labels;
use super::lines::Lines;
use super::number::{push_float, push_whole};

/// The text of all families.
pub fn write(families: &Families) -> String {
    let mut lines = Lines::default();
    if let Some(target) = families.target {
        lines.help(TARGET_INFO, "Who is measured.", false);
        lines.comment("TYPE", TARGET_INFO, "gauge");
        lines.sample((TARGET_INFO, ""), &families.labels, target, None);
        lines.out.push_str("1\n");
    }
    for family in &families.all {
        lines.help(&family.name, family.help(), false);
        let kind = match family.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
            Kind::Summary => "summary",
        };
        lines.comment("TYPE", &family.name, kind);
        for series in &family.series {
            sample(&mut lines, &families.labels, family, series);
        }
    }
    lines.out
}

fn sample(lines: &mut Lines, labels: &Labels, family: &Family, series: &Series) {
    let mut bound = String::new();
    let mut begin = |lines: &mut Lines, part, extra: Option<(&str, f64)>| {
        bound.clear();
        let extra = extra.map(|(name, number)| {
            push_float(&mut bound, number);
            (name, bound.as_str())
        });
        lines.sample((&family.name, part), labels, series.labels, extra);
    };
    let float = |lines: &mut Lines, value| {
        push_float(&mut lines.out, value);
        lines.out.push('\n');
    };
    let count = |lines: &mut Lines, count: u64| {
        push_whole(&mut lines.out, count);
        lines.out.push('\n');
    };
    match series.point {
        Point::Number(point) => {
            begin(lines, "", None);
            match point.value {
                Some(Value::AsInt(value)) => {
                    push_whole(&mut lines.out, value);
                    lines.out.push('\n');
                }
                Some(Value::AsDouble(value)) => float(lines, value),
                None => float(lines, f64::NAN),
            }
        }
        Point::Summary(point) => {
            for (quantile, value) in families::quantiles(point) {
                begin(lines, "", Some(("quantile", quantile)));
                float(lines, value);
            }
            begin(lines, "_sum", None);
            float(lines, point.sum);
            begin(lines, "_count", None);
            count(lines, point.count);
        }
        Point::Explicit(_) | Point::Exponential(_) => {
            let Some(classic) = Classic::of(series.point) else { return };
            for (le, up_to) in classic.buckets.iter().copied().chain([(f64::INFINITY, classic.count)]) {
                begin(lines, "_bucket", Some(("le", le)));
                count(lines, up_to);
            }
            if let Some(sum) = classic.sum {
                begin(lines, "_sum", None);
                float(lines, sum);
            }
            begin(lines, "_count", None);
            count(lines, classic.count);
        }
    }
}
