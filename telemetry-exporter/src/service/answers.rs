//! Declarations, properties and streams in the messages of the wire.

use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use telemetry_core::callback::{self, Failure};
use telemetry_core::{Access, Entry, EntryRef, Kind, PropertyValue};

use crate::limits::ANSWER_BYTES_MAX;
use crate::otlp;
use crate::pb::{self, property, stream_type};
use crate::stream::{NamedLog, StreamKind};

/// A property with its value, or with why it has none.
pub fn property(entry: &EntryRef, value: Result<PropertyValue, Failure>) -> pb::Property {
    use property::Value;
    let text = |text: String| Value::StringValue(text);
    let (value, kind, error) = match value {
        Ok(PropertyValue::I64(number)) => (Value::IntegerValue(number), pb::PropertyType::Integer, String::new()),
        Ok(PropertyValue::F64(number)) => (text(number.to_string()), pb::PropertyType::Float, String::new()),
        Ok(PropertyValue::Bool(flag)) => (text(flag.to_string()), pb::PropertyType::Bool, String::new()),
        Ok(PropertyValue::String(string)) => (text(string.into_owned()), pb::PropertyType::String, String::new()),
        Ok(PropertyValue::Json(json)) => (text(json.to_string()), pb::PropertyType::Json, String::new()),
        Ok(PropertyValue::Bytes(bytes)) => (text(BASE64_STANDARD.encode(bytes)), pb::PropertyType::Bytes, String::new()),
        Ok(_) => (text(String::new()), pb::PropertyType::Unspecified, "a type that this version cannot send".to_owned()),
        Err(failure) => (text(String::new()), pb::PropertyType::Unspecified, failure.to_string()),
    };
    let declaration = entry.declaration();
    pb::Property {
        scope: Some(otlp::scope(declaration.scope())),
        name: declaration.name().to_owned(),
        description: declaration.description().to_owned(),
        value: Some(value),
        r#type: kind.into(),
        unit: declaration.unit().to_owned(),
        error,
    }
}

/// The value, unless it is larger than may be sent.
pub fn sendable(value: PropertyValue) -> Result<PropertyValue, Failure> {
    match bytes(&value) {
        bytes if bytes > ANSWER_BYTES_MAX => {
            Err(Failure::Failed(format!("it has {bytes} bytes: at most {ANSWER_BYTES_MAX} are allowed")))
        }
        _ => Ok(value),
    }
}

/// Bytes of a value as it is sent.
pub fn bytes(value: &PropertyValue) -> usize {
    match value {
        PropertyValue::String(text) => text.len(),
        PropertyValue::Json(json) => json.to_string().len(),
        PropertyValue::Bytes(bytes) => bytes.len().div_ceil(3) * 4,
        _ => 0,
    }
}

/// Streams with their state.
pub fn descriptors(streams: &[Arc<NamedLog>]) -> Vec<pb::StreamDescriptor> {
    let event = |entry: &EntryRef, interval_ms: Option<u64>| {
        let declaration = entry.declaration();
        stream_type::Type::Event(pb::EventDescriptor {
            scope: Some(otlp::scope(declaration.scope())),
            name: declaration.name().to_owned(),
            description: declaration.description().to_owned(),
            snapshot: interval_ms.map(|interval_ms| pb::SnapshotDescriptor { interval_ms }),
        })
    };
    let descriptor = |stream: &Arc<NamedLog>| {
        let kind = match &stream.kind {
            StreamKind::Metrics => stream_type::Type::Metric(pb::MetricDescriptor {}),
            StreamKind::Event(entry) => event(entry, None),
            StreamKind::Snapshot(entry, every) => event(entry, Some(every.as_millis() as u64)),
        };
        let state = stream.log.state();
        pb::StreamDescriptor {
            stream_id: stream.id,
            stream_type: Some(pb::StreamType { r#type: Some(kind) }),
            state: Some(pb::StreamState {
                first_sequence: state.first_sequence,
                head_sequence: state.head_sequence,
                messages_appended: state.appended,
                messages_kept: state.kept,
                messages_dropped: state.dropped,
                messages_rejected: state.rejected,
                bytes_kept: state.bytes as u64,
            }),
        }
    };
    streams.iter().map(descriptor).collect()
}

/// A schema in JSON. It is the user's code that tells it.
fn schema(entry: &EntryRef, told: impl Fn(&Entry) -> Option<serde_json::Value>) -> String {
    match callback::guarded(|| Ok(told(entry))) {
        Ok(schema) => schema.map(|schema| schema.to_string()).unwrap_or_default(),
        Err(failure) => {
            callback::report(entry, &failure);
            String::new()
        }
    }
}

/// One line of the catalogue.
pub fn declaration(entry: &EntryRef) -> pb::Declaration {
    let declaration = entry.declaration();
    let place = declaration.place();
    pb::Declaration {
        scope: Some(otlp::scope(declaration.scope())),
        kind: entry.kind().as_str().to_owned(),
        name: declaration.name().to_owned(),
        unit: declaration.unit().to_owned(),
        description: declaration.description().to_owned(),
        module: place.map(|place| place.module.to_owned()).unwrap_or_default(),
        file: place.map(|place| place.file.to_owned()).unwrap_or_default(),
        line: place.map(|place| place.line).unwrap_or_default(),
        interval_ms: if let Kind::Snapshot { every } = entry.kind() { every.as_millis() as u64 } else { 0 },
        failures: entry.failures(),
        last_failure: entry.last_failure().unwrap_or_default(),
        schema: schema(entry, Entry::schema),
        access: declaration.access().map_or("", Access::as_str).to_owned(),
        on_demand: declaration.is_on_demand(),
        request_schema: schema(entry, Entry::request_schema),
        response_schema: schema(entry, Entry::response_schema),
    }
}
