//! Which examples of what was recorded stand beside a number, and with what labels.

use std::fmt::Write;

use opentelemetry_proto::tonic::metrics::v1::{Exemplar, exemplar};

use super::labels::push_value;
use super::name::push_label;
use super::negotiate::Escaping;
use crate::limits::EXEMPLAR_LETTERS_MAX;

/// An example, as Prometheus has it.
pub struct Shown {
    /// Who recorded it; never empty.
    pub labels: Vec<(String, String)>,
    /// What was recorded.
    pub value: f64,
    /// When; 0 where that is not known.
    pub time_ns: u64,
}

/// The examples of one series, by value.
pub struct Exemplars(Vec<Shown>);

impl Exemplars {
    /// Those that say who recorded them.
    pub fn of(exemplars: &[Exemplar], escaping: Escaping) -> Self {
        let mut shown: Vec<_> = exemplars.iter().filter_map(|exemplar| Shown::of(exemplar, escaping)).collect();
        shown.sort_by(|one, other| one.value.total_cmp(&other.value));
        Self(shown)
    }

    /// The largest up to the bound: of its bucket, or of one below, as the specification has it.
    pub fn up_to(&self, bound: f64) -> Option<&Shown> {
        self.0.iter().rev().find(|shown| shown.value <= bound)
    }

    /// The newest.
    pub fn newest(&self) -> Option<&Shown> {
        self.0.iter().max_by_key(|shown| shown.time_ns)
    }

    /// All that have a time.
    pub fn timed(&self) -> impl Iterator<Item = &Shown> {
        self.0.iter().filter(|shown| shown.time_ns > 0)
    }
}

impl Shown {
    fn of(exemplar: &Exemplar, escaping: Escaping) -> Option<Self> {
        let value = match exemplar.value? {
            #[allow(clippy::cast_precision_loss)] // Prometheus has floats only
            exemplar::Value::AsInt(value) => value as f64,
            exemplar::Value::AsDouble(value) => value,
        };
        let ids = [("trace_id", &exemplar.trace_id), ("span_id", &exemplar.span_id)];
        let ids = ids.into_iter().filter(|(_, id)| id.iter().any(|byte| *byte != 0));
        let ids: Vec<_> = ids.map(|(name, id)| (name.to_owned(), hex(id))).collect();
        let mut labels = ids.clone();
        for attribute in &exemplar.filtered_attributes {
            let (mut name, mut value) = (String::new(), String::new());
            push_label(&mut name, &attribute.key, escaping);
            push_value(&mut value, attribute.value.as_ref());
            if !value.is_empty() && labels.iter().all(|(other, _)| *other != name) {
                labels.push((name, value));
            }
        }
        let letters: usize = labels.iter().map(|(name, value)| name.chars().count() + value.chars().count()).sum();
        let labels = if letters > EXEMPLAR_LETTERS_MAX { ids } else { labels };
        let told = !labels.is_empty() && !value.is_nan();
        told.then_some(Self { labels, value, time_ns: exemplar.time_unix_nano })
    }
}

fn hex(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() * 2);
    for byte in bytes.iter().take(EXEMPLAR_LETTERS_MAX / 8) {
        let _infallible = write!(out, "{byte:02x}");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};

    fn exemplar(value: f64, text: &str) -> Exemplar {
        let text = any_value::Value::StringValue(text.to_owned());
        Exemplar {
            filtered_attributes: vec![KeyValue {
                key: "http.route".to_owned(),
                value: Some(AnyValue { value: Some(text) }),
                ..Default::default()
            }],
            time_unix_nano: value.abs() as u64,
            span_id: vec![0xab; 8],
            trace_id: vec![0x1c; 16],
            value: Some(exemplar::Value::AsDouble(value)),
        }
    }

    #[test]
    fn a_bucket_has_the_largest_example_of_its_own_or_of_one_below() {
        let all = Exemplars::of(&[exemplar(5.0, "c"), exemplar(1.0, "a"), exemplar(2.0, "b")], Escaping::Underscores);
        let up_to = |bound| all.up_to(bound).map(|shown| shown.value);
        assert_eq!((up_to(0.5), up_to(1.0), up_to(4.0), up_to(f64::INFINITY)), (None, Some(1.0), Some(2.0), Some(5.0)));
        assert_eq!(all.newest().map(|shown| shown.value), Some(5.0));
    }

    #[test]
    fn attributes_give_way_to_the_ids_where_there_is_no_room_for_both() {
        let labels = |text: &str| Shown::of(&exemplar(1.0, text), Escaping::Underscores).expect("it has ids").labels;
        let trace = ("trace_id".to_owned(), "1c".repeat(16));
        let span = ("span_id".to_owned(), "ab".repeat(8));
        assert_eq!(labels("/a"), [trace.clone(), span.clone(), ("http_route".to_owned(), "/a".to_owned())]);
        let room = EXEMPLAR_LETTERS_MAX - "trace_id".len() - 32 - "span_id".len() - 16 - "http_route".len();
        assert_eq!(labels(&"ü".repeat(room)).len(), 3, "letters are counted, not bytes");
        assert_eq!(labels(&"x".repeat(room + 1)), [trace, span]);
        let nobody = Exemplar { value: Some(exemplar::Value::AsInt(1)), ..Default::default() };
        assert!(Shown::of(&nobody, Escaping::Underscores).is_none());
    }
}
