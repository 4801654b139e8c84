//! The labels of all series in one text: names as the reader wants them, values as they are.
//!
//! A label set is sorted, has each name once, and no empty value, which to Prometheus is none. Not here: quoting (`lines`).

use std::cmp::Ordering;
use std::ops::Range;

use base64::Engine;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value};
use serde_json::Value;

use super::name::{EXPORTED, push_label};
use super::negotiate::Escaping;
use super::number::push_float;

/// What the labels of a series' scope begin with. Keys of a user's own are not.
const SCOPE: &str = "otel_scope_";

/// The texts, and the pairs of all sets.
pub struct Labels {
    /// How names are written.
    pub escaping: Escaping,
    text: String,
    pairs: Vec<Pair>,
    scratch: Vec<(Span, usize)>,
}

/// A set of labels, sorted by name.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Set {
    from: usize,
    to: usize,
}

#[derive(Clone, Copy)]
struct Pair {
    name: Span,
    value: Span,
}

#[derive(Clone, Copy)]
struct Span {
    from: usize,
    to: usize,
}

impl Span {
    fn range(self) -> Range<usize> {
        self.from..self.to
    }
}

impl Labels {
    /// None yet.
    pub fn new(escaping: Escaping) -> Self {
        Self { escaping, text: String::new(), pairs: Vec::new(), scratch: Vec::new() }
    }

    /// The labels that tell of the program.
    pub fn target(&mut self, attributes: &[KeyValue]) -> Set {
        let from = self.pairs.len();
        self.push(attributes, |_| "");
        self.set(from)
    }

    /// The labels that all series of the scope have.
    pub fn scope(&mut self, scope: Option<&InstrumentationScope>, schema_url: &str) -> Set {
        let from = self.pairs.len();
        if let Some(scope) = scope {
            let own = [("name", scope.name.as_str()), ("version", &scope.version), ("schema_url", schema_url)];
            for (key, value) in own.into_iter().filter(|(_, value)| !value.is_empty()) {
                let began = self.text.len();
                self.text.push_str(SCOPE);
                self.text.push_str(key);
                let name = self.since(began);
                self.text.push_str(value);
                self.pairs.push(Pair { name, value: self.since(name.to) });
            }
            // An attribute that is called as one of those would be a second label of that name.
            let told = |key: &str| own.iter().any(|(own, _)| *own == key);
            let others: Vec<_> = scope.attributes.iter().filter(|attribute| !told(&attribute.key)).cloned().collect();
            self.push(&others, |_| SCOPE);
        }
        self.set(from)
    }

    /// The labels of one series. A key of the user's that is called like `taken`, which this kind of metric has for itself, or like
    /// one of a scope's keeps its value under Prometheus' name for such.
    pub fn series(&mut self, attributes: &[KeyValue], taken: &str, scope: Set) -> Set {
        let from = self.pairs.len();
        self.push(attributes, |name| {
            let reserved = name == taken || name.starts_with(SCOPE);
            if reserved { EXPORTED } else { "" }
        });
        self.pairs.extend_from_within(scope.from..scope.to);
        self.set(from)
    }

    /// Names and values of a set, sorted by name.
    pub fn of(&self, set: Set) -> impl ExactSizeIterator<Item = (&str, &str)> {
        let pair = |pair: &Pair| (&self.text[pair.name.range()], &self.text[pair.value.range()]);
        self.pairs[set.from..set.to].iter().map(pair)
    }

    /// The order of two sets, which is equal where Prometheus cannot tell them apart.
    pub fn compare(&self, one: Set, other: Set) -> Ordering {
        self.of(one).cmp(self.of(other))
    }

    /// Appends pairs. Those whose keys become one name are one, their values joined in the order of the keys.
    fn push(&mut self, attributes: &[KeyValue], prefix: impl Fn(&str) -> &'static str) {
        let mut named = std::mem::take(&mut self.scratch);
        named.clear();
        for (at, attribute) in attributes.iter().enumerate() {
            let began = self.text.len();
            push_label(&mut self.text, &attribute.key, self.escaping);
            let before = prefix(&self.text[began..]);
            if !before.is_empty() {
                self.text.truncate(began);
                push_label(&mut self.text, &format!("{before}{}", attribute.key), self.escaping);
            }
            named.push((self.since(began), at));
        }
        let text = &self.text;
        named.sort_by(|(one, a), (other, b)| {
            let names = text[one.range()].cmp(&text[other.range()]);
            names.then_with(|| attributes[*a].key.cmp(&attributes[*b].key))
        });
        let mut rest = named.as_slice();
        while let Some((name, _)) = rest.first().copied() {
            let same = rest.iter().take_while(|(other, _)| self.text[other.range()] == self.text[name.range()]).count();
            let (group, others) = rest.split_at(same);
            rest = others;
            let began = self.text.len();
            for (place, (_, at)) in group.iter().enumerate() {
                if place > 0 {
                    self.text.push(';');
                }
                push_value(&mut self.text, attributes[*at].value.as_ref());
            }
            self.pairs.push(Pair { name, value: self.since(began) });
        }
        self.scratch = named;
    }

    fn since(&self, from: usize) -> Span {
        Span { from, to: self.text.len() }
    }

    fn set(&mut self, from: usize) -> Set {
        let text = &self.text;
        self.pairs[from..].sort_by(|one, other| text[one.name.range()].cmp(&text[other.name.range()]));
        let mut kept = from;
        for at in from..self.pairs.len() {
            // A scope's attribute whose name becomes one of the scope's own gives way.
            let again = kept > from && self.text[self.pairs[kept - 1].name.range()] == self.text[self.pairs[at].name.range()];
            if !again && !self.pairs[at].value.range().is_empty() {
                self.pairs[kept] = self.pairs[at];
                kept += 1;
            }
        }
        self.pairs.truncate(kept);
        Set { from, to: kept }
    }
}

/// Text as it is, other values as JSON has them, by the specification's "Attribute".
pub fn push_value(out: &mut String, value: Option<&AnyValue>) {
    match value.and_then(|value| value.value.as_ref()) {
        Some(any_value::Value::StringValue(text)) => out.push_str(text),
        Some(any_value::Value::DoubleValue(number)) => push_float(out, *number),
        Some(any_value::Value::BytesValue(bytes)) => base64::prelude::BASE64_STANDARD.encode_string(bytes, out),
        Some(_) => out.push_str(&json(value).to_string()),
        None => {}
    }
}

fn json(value: Option<&AnyValue>) -> Value {
    match value.and_then(|value| value.value.as_ref()) {
        Some(any_value::Value::StringValue(text)) => Value::from(text.as_str()),
        Some(any_value::Value::BoolValue(flag)) => Value::from(*flag),
        Some(any_value::Value::IntValue(number)) => Value::from(*number),
        Some(any_value::Value::DoubleValue(number)) if number.is_finite() => Value::from(*number),
        Some(any_value::Value::DoubleValue(_) | any_value::Value::BytesValue(_)) => {
            let mut text = String::new();
            push_value(&mut text, value);
            Value::from(text)
        }
        Some(any_value::Value::ArrayValue(array)) => array.values.iter().map(|value| json(Some(value))).collect(),
        Some(any_value::Value::KvlistValue(list)) => {
            list.values.iter().map(|pair| (pair.key.clone(), json(pair.value.as_ref()))).collect()
        }
        _ => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry_proto::tonic::common::v1::{ArrayValue, KeyValueList};

    fn any(value: any_value::Value) -> AnyValue {
        AnyValue { value: Some(value) }
    }

    fn attribute(key: &str, text: &str) -> KeyValue {
        let value = Some(any(any_value::Value::StringValue(text.to_owned())));
        KeyValue { key: key.to_owned(), value, ..Default::default() }
    }

    fn text(labels: &Labels, set: Set) -> String {
        labels.of(set).map(|(name, value)| format!("{name}={value} ")).collect()
    }

    #[test]
    fn keys_that_become_one_name_are_joined_in_their_order() {
        let mut labels = Labels::new(Escaping::Underscores);
        let scope = labels.scope(None, "");
        let set = labels.series(&[attribute("b_c", "two"), attribute("b.c", "one"), attribute("a", "1")], "", scope);
        assert_eq!(text(&labels, set), "a=1 b_c=one;two ");
        let mut labels = Labels::new(Escaping::AllowUtf8);
        let set = labels.series(&[attribute("b_c", "two"), attribute("b.c", "one")], "", scope);
        assert_eq!(text(&labels, set), "b.c=one b_c=two ");
    }

    #[test]
    fn names_that_are_not_the_users_keep_his_value_under_another() {
        let scope = InstrumentationScope {
            name: "s".to_owned(),
            attributes: vec![attribute("name", "no"), attribute("a.b", "x"), attribute("empty", "")],
            ..Default::default()
        };
        for (escaping, wanted) in [
            (
                Escaping::Underscores,
                "_name_=n exported_le=2 exported_otel_scope_name=mine otel_scope_a_b=x otel_scope_name=s otel_scope_schema_url=u ",
            ),
            (
                Escaping::AllowUtf8,
                "exported___name__=n exported_le=2 exported_otel_scope_name=mine otel_scope_a.b=x otel_scope_name=s \
                 otel_scope_schema_url=u ",
            ),
        ] {
            let mut labels = Labels::new(escaping);
            let scope = labels.scope(Some(&scope), "u");
            let own = [attribute("otel_scope_name", "mine"), attribute("le", "2"), attribute("e", ""), attribute("__name__", "n")];
            let set = labels.series(&own, "le", scope);
            assert_eq!(text(&labels, set), wanted);
        }
    }

    #[test]
    fn values_that_are_no_text_are_json() {
        let array =
            ArrayValue { values: vec![any(any_value::Value::IntValue(1)), any(any_value::Value::StringValue("a\"".into()))] };
        let list = KeyValueList { values: vec![attribute("k", "v")] };
        for (value, wanted) in [
            (any_value::Value::BoolValue(true), "true"),
            (any_value::Value::IntValue(-3), "-3"),
            (any_value::Value::DoubleValue(0.5), "0.5"),
            (any_value::Value::ArrayValue(array), r#"[1,"a\""]"#),
            (any_value::Value::KvlistValue(list), r#"{"k":"v"}"#),
            (any_value::Value::BytesValue(vec![1, 2, 3]), "AQID"),
        ] {
            let mut out = String::new();
            push_value(&mut out, Some(&any(value)));
            assert_eq!(out, wanted);
        }
    }
}
