//! What the service tells, in JSON, as programs read it of the command line and over HTTP.

mod message;
pub mod metrics;
mod moment;

pub use message::{Line, gap};
pub use moment::moment;

use serde_json::{Value, json};

use crate::pb::{self, PropertyType, property, stream_type};
use crate::stream::METRICS;

/// A property with its value.
pub fn property(property: &pb::Property) -> Value {
    let value = match (&property.value, property.r#type()) {
        _ if !property.error.is_empty() => Value::Null,
        (Some(property::Value::IntegerValue(number)), _) => json!(number),
        (Some(property::Value::StringValue(text)), PropertyType::Float | PropertyType::Bool | PropertyType::Json) => {
            serde_json::from_str(text).unwrap_or_else(|_| json!(text)) // NaN is no JSON: it stays text
        }
        (Some(property::Value::StringValue(text)), _) => json!(text),
        (None, _) => Value::Null,
    };
    let scope = property.scope.clone().unwrap_or_default();
    json!({
        "name": property.name, "value": value, "type": type_name(property.r#type()), "unit": property.unit,
        "description": property.description, "scope": scope.name, "version": scope.version, "error": property.error,
    })
}

fn type_name(kind: PropertyType) -> &'static str {
    match kind {
        PropertyType::Unspecified => "",
        PropertyType::String => "string",
        PropertyType::Integer => "i64",
        PropertyType::Float => "f64",
        PropertyType::Bool => "bool",
        PropertyType::Json => "json",
        PropertyType::Bytes => "bytes",
    }
}

/// A stream with its state.
pub fn stream(descriptor: pb::StreamDescriptor) -> Value {
    let state = descriptor.state.unwrap_or_default();
    let (kind, name, description, interval_ms) = match descriptor.stream_type.and_then(|kind| kind.r#type) {
        Some(stream_type::Type::Event(event)) => match event.snapshot {
            Some(snapshot) => ("snapshot", event.name, event.description, Some(snapshot.interval_ms)),
            None => ("event", event.name, event.description, None),
        },
        _ => (METRICS, METRICS.to_owned(), "All metrics, collection by collection.".to_owned(), None),
    };
    json!({
        "id": descriptor.stream_id, "kind": kind, "name": name, "description": description, "interval_ms": interval_ms,
        "first_sequence": state.first_sequence, "head_sequence": state.head_sequence,
        "messages_appended": state.messages_appended, "messages_kept": state.messages_kept,
        "messages_dropped": state.messages_dropped, "messages_rejected": state.messages_rejected, "bytes_kept": state.bytes_kept,
    })
}

/// One line of the catalogue.
pub fn declaration(declaration: &pb::Declaration) -> Value {
    let scope = declaration.scope.clone().unwrap_or_default();
    json!({
        "kind": declaration.kind, "name": declaration.name, "unit": declaration.unit, "description": declaration.description,
        "scope": scope.name, "version": scope.version, "module": declaration.module, "file": declaration.file,
        "line": declaration.line, "interval_ms": declaration.interval_ms, "failures": declaration.failures,
        "last_failure": declaration.last_failure,
        "access": (!declaration.access.is_empty()).then_some(&declaration.access), "on_demand": declaration.on_demand,
        "schema": schema(&declaration.schema), "request_schema": schema(&declaration.request_schema),
        "response_schema": schema(&declaration.response_schema),
    })
}

/// A schema; none where the text is empty.
pub fn schema(text: &str) -> Option<Value> {
    serde_json::from_str(text).ok()
}
