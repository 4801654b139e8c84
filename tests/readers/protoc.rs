//! The compiler of protocol buffers, which decodes by the .proto files of OpenTelemetry.

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::outside::installed;
use crate::support::{anew, messages, said};

/// The folder of OpenTelemetry's .proto files, which the crate opentelemetry-proto brings.
fn definitions() -> PathBuf {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["metadata", "--format-version", "1", "--locked"]).current_dir(env!("CARGO_MANIFEST_DIR"));
    let metadata: Value = serde_json::from_str(&said(&mut cargo, b"")).expect("JSON");
    let packages = metadata["packages"].as_array().expect("an array");
    let package = packages.iter().find(|package| package["name"] == "opentelemetry-proto").expect("it is a dependency");
    let manifest = PathBuf::from(package["manifest_path"].as_str().expect("text"));
    manifest.with_file_name("src").join("proto/opentelemetry-proto")
}

/// A line that names a field by its number: one that the definitions do not have.
fn is_unknown(line: &str) -> bool {
    line.trim_start().starts_with(|first: char| first.is_ascii_digit())
}

#[test]
fn protoc_decodes_every_message_of_all_instruments_as_prost_does_with_no_unknown_field() {
    if !installed("protoc", &["--version"], "Debian's protobuf-compiler brings it") {
        return;
    }
    let definitions = definitions();
    let decode = |bytes: &[u8]| {
        let mut protoc = Command::new("protoc");
        protoc.arg("-I").arg(&definitions).arg("--decode=opentelemetry.proto.metrics.v1.ResourceMetrics");
        said(protoc.arg("opentelemetry/proto/metrics/v1/metrics.proto"), bytes)
    };
    let mut all = String::new();
    for message in messages() {
        let text = decode(&message.payload);
        let unknown: Vec<_> = text.lines().filter(|line| is_unknown(line)).collect();
        assert!(unknown.is_empty(), "{unknown:?} in\n{text}");
        assert_eq!(text, decode(&anew(message)));
        all += &text;
    }
    // What is written otherwise than in Rust: text with its bytes in octal, and the kinds of metric.
    for wanted in [
        r#"string_value: "\"quoted\" back\\slash\nline\ttab\000zero \303\274 \346\274\242\345\255\227 \360\237\246\200 \'\303\251\'""#,
        "aggregation_temporality: AGGREGATION_TEMPORALITY_CUMULATIVE",
        "is_monotonic: true",
        "exponential_histogram {",
        "as_int: -9223372036854775808",
        "as_double: 1.7976931348623157e+308",
        "explicit_bounds: -1.5",
        "schema_url: \"https://example.org/1\"",
    ] {
        assert!(all.contains(wanted), "{wanted}");
    }
}

#[test]
fn a_field_that_the_definitions_do_not_have_would_be_found() {
    assert!(is_unknown("      12: 5") && is_unknown("5 {") && !is_unknown("  name: \"5\"") && !is_unknown("}"));
}
