//! OpenMetrics text 1.0, by [its specification](https://github.com/prometheus/OpenMetrics/blob/v1.0.0/specification/OpenMetrics.md):
//! exemplars, units, and the times since when is counted. Samples have no times of their own, as OpenTelemetry's specification wants it.
//!
//! A counter whose name without `_total`, or that with `_created`, is another family's is of type `unknown`, under its whole name. A counter that is negative or no
//! number cannot be said, and is counted, nor can a negative quantile; a histogram without a sum has no count but its last bucket.

use opentelemetry_proto::tonic::metrics::v1::SummaryDataPoint;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
use telemetry_core::prometheus::TARGET_INFO;

use super::classic::Classic;
use super::exemplar::{Exemplars, Shown};
use super::families::{self, Families, Family, Kind, Point, SERIES_OMITTED, Series};
use super::labels::Labels;
use super::lines::Lines;
use super::number::{push_real, push_seconds, push_whole};

/// The text of all families.
pub fn write(families: &Families) -> String {
    let mut lines = Lines::default();
    if let Some(target) = families.target {
        let info = !families.has("target");
        let (name, kind) = if info { ("target", "info") } else { (TARGET_INFO, "gauge") };
        lines.comment("TYPE", name, kind);
        lines.help(name, "Who is measured.", true);
        lines.sample((TARGET_INFO, ""), &families.labels, target, None);
        lines.out.push_str("1\n");
    }
    let any_created = families.all.iter().any(|family| family.name.ends_with("_created"));
    for family in &families.all {
        let counted = family.name.strip_suffix("_total").filter(|_| family.kind == Kind::Counter);
        let told = |name: &str| families.target.is_some() && matches!(name, "target" | TARGET_INFO);
        let created = |name: &str| !any_created || !families.has(&format!("{name}_created"));
        let counted = counted.filter(|name| !name.is_empty() && !told(name) && !families.has(name) && created(name));
        let name = counted.unwrap_or(&family.name);
        let kind = match family.kind {
            Kind::Counter if counted.is_some() => "counter",
            Kind::Counter => "unknown",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
            Kind::Summary => "summary",
        };
        lines.comment("TYPE", name, kind);
        if let Some(unit) = family.unit().filter(|_| family.kind != Kind::Counter || counted.is_some()) {
            lines.comment("UNIT", name, &unit);
        }
        lines.help(name, family.help(), true);
        let created = counted.is_some() || matches!(kind, "histogram" | "summary") && created(name);
        for series in &family.series {
            let writer = Writer { labels: &families.labels, family, series, counted: counted.is_some() };
            writer.write(&mut lines);
            let start_ns = series.point.start_ns();
            if created && start_ns > 0 && writer.can_be_said() {
                lines.sample((name, "_created"), &families.labels, series.labels, None);
                push_seconds(&mut lines.out, start_ns);
                lines.out.push('\n');
            }
        }
    }
    lines.out.push_str("# EOF\n");
    lines.out
}

struct Writer<'a> {
    labels: &'a Labels,
    family: &'a Family<'a>,
    series: &'a Series<'a>,
    /// Whether it is a counter by its type: others have no exemplars.
    counted: bool,
}

impl Writer<'_> {
    fn can_be_said(&self) -> bool {
        match self.series.point {
            Point::Number(point) => self.family.kind != Kind::Counter || families::value(point) >= 0.0,
            _ => true,
        }
    }

    fn write(&self, lines: &mut Lines) {
        if !self.can_be_said() {
            return SERIES_OMITTED.inc();
        }
        match self.series.point {
            Point::Number(point) => {
                self.begin(lines, "", None);
                match point.value {
                    Some(Value::AsInt(value)) => push_whole(&mut lines.out, value),
                    Some(Value::AsDouble(value)) => push_real(&mut lines.out, value),
                    None => push_real(&mut lines.out, f64::NAN),
                }
                let exemplars =
                    (self.counted && !point.exemplars.is_empty()).then(|| Exemplars::of(&point.exemplars, self.labels.escaping));
                end(lines, exemplars.as_ref().and_then(Exemplars::newest));
            }
            Point::Summary(point) => self.summary(lines, point),
            Point::Explicit(_) | Point::Exponential(_) => self.histogram(lines),
        }
    }

    fn summary(&self, lines: &mut Lines, point: &SummaryDataPoint) {
        let negative = |value: f64| value < 0.0; // and what is no number is not
        for (quantile, value) in families::quantiles(point).into_iter().filter(|(_, value)| !negative(*value)) {
            self.begin(lines, "", Some(("quantile", quantile)));
            push_real(&mut lines.out, value);
            end(lines, None);
        }
        if point.sum >= 0.0 {
            self.begin(lines, "_sum", None);
            push_real(&mut lines.out, point.sum);
            end(lines, None);
        }
        self.begin(lines, "_count", None);
        push_whole(&mut lines.out, point.count);
        end(lines, None);
    }

    fn histogram(&self, lines: &mut Lines) {
        let Some(classic) = Classic::of(self.series.point) else { return };
        let exemplars = self.series.point.exemplars();
        let exemplars = (!exemplars.is_empty()).then(|| Exemplars::of(exemplars, self.labels.escaping));
        for (le, up_to) in classic.buckets.iter().copied().chain([(f64::INFINITY, classic.count)]) {
            self.begin(lines, "_bucket", Some(("le", le)));
            push_whole(&mut lines.out, up_to);
            end(lines, exemplars.as_ref().and_then(|exemplars| exemplars.up_to(le)));
        }
        // By its specification a count is there if and only if a sum is, which may not fall.
        if let Some(sum) = classic.sum.filter(|sum| *sum >= 0.0) {
            self.begin(lines, "_sum", None);
            push_real(&mut lines.out, sum);
            end(lines, None);
            self.begin(lines, "_count", None);
            push_whole(&mut lines.out, classic.count);
            end(lines, None);
        }
    }

    fn begin(&self, lines: &mut Lines, part: &str, extra: Option<(&str, f64)>) {
        let mut bound = String::new();
        let extra = extra.map(|(name, number)| {
            push_real(&mut bound, number);
            (name, bound.as_str())
        });
        lines.sample((&self.family.name, part), self.labels, self.series.labels, extra);
    }
}

/// The exemplar, and the end of the line.
fn end(lines: &mut Lines, exemplar: Option<&Shown>) {
    if let Some(exemplar) = exemplar {
        lines.out.push_str(" # {");
        for (at, (name, value)) in exemplar.labels.iter().enumerate() {
            if at > 0 {
                lines.out.push(',');
            }
            lines.label(name, value);
        }
        lines.out.push_str("} ");
        push_real(&mut lines.out, exemplar.value);
        if exemplar.time_ns > 0 {
            lines.out.push(' ');
            push_seconds(&mut lines.out, exemplar.time_ns);
        }
    }
    lines.out.push('\n');
}
