//! JSON as OTLP's `AnyValue`, read without a tree in between.

use std::fmt;

use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue, KeyValueList, any_value::Value};
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::limits::PUSH_EVENT_DEPTH_MAX;

/// The value of a JSON text: objects become lists of pairs in their order, null the empty value, whole numbers beyond `i64` their
/// decimal text. What is nested too deep stays text. None where it is no JSON.
pub fn of_json(json: &[u8]) -> Option<AnyValue> {
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let value = Nested { levels: PUSH_EVENT_DEPTH_MAX }.deserialize(&mut deserializer).ok()?;
    deserializer.end().ok().map(|()| value)
}

/// A value that may be nested so many levels deeper.
#[derive(Clone, Copy)]
struct Nested {
    levels: usize,
}

impl<'de> DeserializeSeed<'de> for Nested {
    type Value = AnyValue;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<AnyValue, D::Error> {
        if self.levels > 0 {
            return deserializer.deserialize_any(self);
        }
        let raw = <&RawValue as serde::Deserialize>::deserialize(deserializer)?;
        match raw.get().as_bytes().first() {
            Some(b'{' | b'[') => Ok(some(Value::StringValue(raw.get().to_owned()))),
            _ => {
                let mut scalar = serde_json::Deserializer::from_str(raw.get());
                Nested { levels: 1 }.deserialize(&mut scalar).map_err(D::Error::custom)
            }
        }
    }
}

impl<'de> Visitor<'de> for Nested {
    type Value = AnyValue;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<AnyValue, E> {
        Ok(AnyValue::default())
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<AnyValue, E> {
        Ok(some(Value::BoolValue(value)))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<AnyValue, E> {
        Ok(some(Value::IntValue(value)))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<AnyValue, E> {
        Ok(some(i64::try_from(value).map_or_else(|_| Value::StringValue(value.to_string()), Value::IntValue)))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<AnyValue, E> {
        Ok(some(Value::DoubleValue(value)))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<AnyValue, E> {
        Ok(some(Value::StringValue(value.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<AnyValue, A::Error> {
        let deeper = Nested { levels: self.levels - 1 };
        let mut values = Vec::new();
        while let Some(value) = items.next_element_seed(deeper)? {
            values.push(value);
        }
        Ok(some(Value::ArrayValue(ArrayValue { values })))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut pairs: A) -> Result<AnyValue, A::Error> {
        let deeper = Nested { levels: self.levels - 1 };
        let mut values = Vec::new();
        while let Some(key) = pairs.next_key()? {
            values.push(KeyValue { key, value: Some(pairs.next_value_seed(deeper)?), ..Default::default() });
        }
        Ok(some(Value::KvlistValue(KeyValueList { values })))
    }
}

fn some(value: Value) -> AnyValue {
    AnyValue { value: Some(value) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
    use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
    use prost::Message;

    fn text(value: &str) -> AnyValue {
        some(Value::StringValue(value.to_owned()))
    }

    #[test]
    fn each_kind_of_json_has_its_value() {
        for (json, wanted) in [
            ("null", AnyValue::default()),
            ("true", some(Value::BoolValue(true))),
            ("-7", some(Value::IntValue(-7))),
            ("9223372036854775807", some(Value::IntValue(i64::MAX))),
            ("18446744073709551615", text("18446744073709551615")),
            ("1.5", some(Value::DoubleValue(1.5))),
            (r#""a\n\u00e9""#, text("a\né")),
            ("[]", some(Value::ArrayValue(ArrayValue::default()))),
        ] {
            assert_eq!(of_json(json.as_bytes()), Some(wanted), "{json}");
        }
        let pair = |key: &str, value| KeyValue { key: key.to_owned(), value: Some(value), ..Default::default() };
        let list = some(Value::ArrayValue(ArrayValue { values: vec![some(Value::IntValue(1)), AnyValue::default()] }));
        let wanted = KeyValueList { values: vec![pair("z", list), pair("a", text("x"))] };
        assert_eq!(of_json(br#"{"z":[1,null],"a":"x"}"#), Some(some(Value::KvlistValue(wanted))));
    }

    #[test]
    fn what_is_no_json_has_no_value() {
        for bad in ["", "{", "[1,]", "1 2", "nul"] {
            assert_eq!(of_json(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn what_is_nested_too_deep_stays_text_that_every_decoder_takes() {
        let depth = 100;
        let json = format!("{}7{}", r#"{"a":["#.repeat(depth / 2), "]}".repeat(depth / 2));
        let body = of_json(json.as_bytes()).expect("JSON");
        let scope_logs = vec![ScopeLogs {
            log_records: vec![LogRecord { body: Some(body.clone()), ..Default::default() }],
            ..Default::default()
        }];
        let request = ExportLogsServiceRequest { resource_logs: vec![ResourceLogs { scope_logs, ..Default::default() }] };
        assert_eq!(ExportLogsServiceRequest::decode(&*request.encode_to_vec()), Ok(request));
        let mut value = body;
        let mut levels = 0;
        let rest = loop {
            value = match value.value {
                Some(Value::KvlistValue(mut list)) => list.values.remove(0).value.expect("a value"),
                Some(Value::ArrayValue(mut list)) => list.values.remove(0),
                Some(Value::StringValue(text)) => break text,
                other => panic!("{other:?}"),
            };
            levels += 1;
        };
        assert_eq!(levels, PUSH_EVENT_DEPTH_MAX);
        let left = depth - levels;
        assert_eq!(rest, format!("{}7{}", r#"{"a":["#.repeat(left / 2), "]}".repeat(left / 2)));
        let flat = format!("{}7{}", "[".repeat(PUSH_EVENT_DEPTH_MAX), "]".repeat(PUSH_EVENT_DEPTH_MAX));
        let mut value = of_json(flat.as_bytes()).expect("JSON");
        while let Some(Value::ArrayValue(list)) = &mut value.value {
            value = list.values.remove(0);
        }
        assert_eq!(value, some(Value::IntValue(7)), "a plain value below the last level is itself");
    }
}
