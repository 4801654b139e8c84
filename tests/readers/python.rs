//! OpenTelemetry's own Python package.

use std::fmt::Write;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::outside::{installed, python};
use crate::program::ODD;
use crate::support::{anew, messages, row, rows, said};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _no_error = write!(text, "{byte:02x}");
        text
    })
}

#[test]
fn python_reads_every_message_of_all_instruments_as_we_do_with_no_unknown_field() {
    let python = python();
    let module = "import opentelemetry.proto.metrics.v1.metrics_pb2";
    if !installed(&python, &["-c", module], "pip install opentelemetry-proto, or set TELEMETRY_PYTHON") {
        return;
    }
    let messages = messages();
    let lines: String = messages.iter().map(|message| format!("{} {}\n", hex(&message.payload), hex(&anew(message)))).collect();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("python/messages.py");
    let said = said(Command::new(python).arg(script), lines.as_bytes());
    let found: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(found.len(), messages.len());
    let mut all = Vec::new();
    for (message, found) in messages.iter().zip(found) {
        assert_eq!(found["unknown"], json!([]));
        assert_eq!((&found["same"], &found["stable"]), (&json!(true), &json!(true)), "{:?}", rows(message));
        let theirs = found["rows"].as_array().expect("rows").iter();
        let mut theirs: Vec<_> =
            theirs.map(|found| row(&found["scope"], &found["name"], &found["labels"], &found["value"])).collect();
        theirs.sort();
        assert_eq!(theirs, rows(message));
        all.extend(theirs);
    }
    // And what is read is what was recorded, of each kind; the first round's, where it changes.
    let call = json!({ "method": "PÜT \"x\"", "ok": true, "port": 65535, "offset": i64::MIN, "path": ODD });
    let labels = json!({ "text": ODD, "flag": true, "whole": i64::MIN, "float": 0.1, "texts": [ODD, ""] });
    for (scope, name, labels, value) in [
        ("tests", "read_counter", json!({}), json!(1)),
        ("tests", "read_float_counter", json!({}), json!(0.1)),
        ("tests", "read_up_down", json!({}), json!(-3)),
        ("tests", "read_gauge", json!({}), json!(i64::MIN)),
        ("tests", "read_float_gauge", json!({}), json!(-0.0)),
        ("tests", "read_float_gauge", json!({}), json!(-2e-310)),
        ("tests", "read_exponential", json!({}), json!({ "count": 9, "sum": 1.25 })),
        ("tests", "read_counter_known", json!({ "rpc.method": "get", "ok": false }), json!(1)),
        ("tests", "read_float_gauge_known", json!({ "rpc.method": "PÜT \"x\"", "ok": true }), json!(f64::MAX)),
        ("tests", "read_counter_call", call.clone(), json!(1)),
        ("tests", "read_float_counter_call", call.clone(), json!(2.5)),
        ("tests", "read_float_gauge_call", call.clone(), json!(f64::MIN_POSITIVE)),
        ("tests", "read_exponential_call", call.clone(), json!({ "count": 1, "sum": -1.0 })),
        ("tests", "read_explicit_call", call, json!({ "count": 1, "sum": -1.0 })),
        ("tests", "read_removed", json!({ "name": "gone" }), json!(1)),
        ("tests", "read_removed_known", json!({ "rpc.method": "get", "ok": true }), json!(1)),
        ("tests", "read_overflow", json!({ "otel.metric.overflow": true }), json!(2)),
        ("tests", "read_observed_u64", json!({}), json!(i64::MAX)),
        ("tests", "read_observed_i64", json!({}), json!(i64::MIN)),
        ("tests", "read_observed_f64", json!({}), json!(-0.1)),
        ("tests", "read_observed_series", json!({ "name": ODD }), json!(1e300)),
        ("other ü", "read_o01", labels.clone(), json!(1)),
        ("other ü", "read_o04", labels.clone(), json!(-4.5)),
        ("other ü", "read_o06", labels.clone(), json!(-6)),
        ("other ü", "read_o09", labels, json!({ "count": 1, "sum": 9.5 })),
        ("other ü", "read_o11", json!({}), json!(11.5)),
        ("other ü", "read_o12", json!({}), json!(-12)),
        ("other ü", "read_o16", json!({}), json!(16.5)),
    ] {
        let wanted = row(&scope.into(), &name.into(), &labels, &value);
        assert!(
            all.contains(&wanted),
            "{wanted} is not among {:?}",
            all.iter().filter(|row| row.contains(name)).collect::<Vec<_>>()
        );
    }
    for name in (1..=16).map(|i| format!("read_o{i:02} ")) {
        assert!(all.iter().any(|row| row.starts_with(&name)), "{name}");
    }
    let removed: Vec<_> = all.iter().filter(|row| row.starts_with("read_removed ")).collect();
    let ended = removed.iter().filter(|row| row.ends_with("null")).count();
    assert_eq!(
        (removed.len(), ended),
        (4, 2),
        "in each run it is in the first collection, and then once without a value: {removed:?}"
    );
    assert!(!all.iter().any(|row| row.starts_with("read_observed_absent")));
}
