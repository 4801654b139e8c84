//! Who is measured: the resource that OpenTelemetry's environment variables tell.
//!
//! The SDK's detectors leave percent-encoded values as they are, and let `service.name` in `OTEL_RESOURCE_ATTRIBUTES` win over
//! `OTEL_SERVICE_NAME`; the specification has both the other way.

use std::env;

use opentelemetry::KeyValue;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::resource::{SdkProvidedResourceDetector, TelemetryResourceDetector};

/// `service.name`, `telemetry.sdk.*`, and the attributes of `OTEL_RESOURCE_ATTRIBUTES`, percent-decoded; `OTEL_SERVICE_NAME` wins over
/// those, and the name of the executable stands where neither tells one.
pub(crate) fn from_environment() -> Resource {
    let named = env::var("OTEL_SERVICE_NAME").ok().filter(|name| !name.is_empty());
    let attributes = attributes(&env::var("OTEL_RESOURCE_ATTRIBUTES").unwrap_or_default());
    Resource::builder_empty()
        .with_detector(Box::new(SdkProvidedResourceDetector)) // the name of the executable
        .with_detector(Box::new(TelemetryResourceDetector))
        .with_attributes(attributes)
        .with_attributes(named.map(|name| KeyValue::new("service.name", name)))
        .build()
}

/// The resource with these attributes beside its own; they win.
pub(crate) fn extended(resource: &Resource, attributes: impl IntoIterator<Item = KeyValue>) -> Resource {
    let own: Vec<KeyValue> = resource.iter().map(|(key, value)| KeyValue::new(key.clone(), value.clone())).collect();
    let url = resource.schema_url().unwrap_or_default().to_owned(); // an empty one is none
    Resource::builder_empty().with_schema_url(own, url).with_attributes(attributes).build()
}

/// `key=value,…`; what is not that is left out.
fn attributes(text: &str) -> Vec<KeyValue> {
    let pairs = text.split(',').filter_map(|pair| pair.split_once('='));
    let pairs = pairs.map(|(key, value)| (decoded(key.trim()), decoded(value.trim())));
    pairs.filter(|(key, _)| !key.is_empty()).map(|(key, value)| KeyValue::new(key, value)).collect()
}

/// The text with each `%41` as the byte that it stands for; a text in which one is broken stays as it is.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, behind)) = rest.split_first() {
        rest = behind;
        if *byte != b'%' {
            bytes.push(*byte);
            continue;
        }
        let digits = rest.split_at_checked(2).filter(|(digits, _)| digits.iter().all(u8::is_ascii_hexdigit));
        let Some((digits, behind)) = digits else { return text.to_owned() };
        let digits = std::str::from_utf8(digits).unwrap_or_default();
        bytes.push(u8::from_str_radix(digits, 16).unwrap_or_default());
        rest = behind;
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_percent_decoded_and_what_is_broken_stays_as_it_is() {
        let pairs =
            |text| attributes(text).into_iter().map(|pair| (pair.key.to_string(), pair.value.to_string())).collect::<Vec<_>>();
        let wanted =
            |wanted: &[(&str, &str)]| wanted.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect::<Vec<_>>();
        assert_eq!(
            pairs(" a = 1 ,b=x%2Cy%3Dz,c=%C3%A9,d=a=b,e="),
            wanted(&[("a", "1"), ("b", "x,y=z"), ("c", "é"), ("d", "a=b"), ("e", "")])
        );
        assert_eq!(pairs("a=100%,b=%zz,c=%+1,d=%ff"), wanted(&[("a", "100%"), ("b", "%zz"), ("c", "%+1"), ("d", "%ff")]));
        assert_eq!(pairs(",,=x,nothing,"), []);
    }
}
