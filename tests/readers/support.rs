//! The messages of a run as a client pulls them, and what this library's own view shows of them.

use std::process::{Command, Stdio};
use std::sync::OnceLock;

use opentelemetry_proto::tonic::metrics::v1::ResourceMetrics;
use prost::Message as _;
use serde_json::{Value, json};
use telemetry_exporter::client::{Client, Message, Place, PullOptions, Pulled, view};
use telemetry_exporter::limits::MESSAGE_BYTES_MAX;

use crate::program::{ROUNDS, run};

/// A limit that cuts each collection into several messages.
const SMALL_BYTES: usize = 2 << 10;

/// The messages of a run with whole collections, and of one with collections in pieces: one pair for all tests, since the metrics are
/// the whole program's.
pub fn messages() -> &'static [Message] {
    static MESSAGES: OnceLock<Vec<Message>> = OnceLock::new();
    MESSAGES.get_or_init(pulled)
}

fn pulled() -> Vec<Message> {
    let pull = |message_bytes_max| {
        run(message_bytes_max, |running| {
            let addr = running.local_addr().expect("it listens").to_string();
            let runtime = tokio::runtime::Runtime::new().expect("threads");
            runtime.block_on(drain(&addr))
        })
    };
    let (whole, pieces) = (pull(MESSAGE_BYTES_MAX), pull(SMALL_BYTES));
    assert!(whole.len() >= ROUNDS as usize && pieces.len() > 3 * ROUNDS as usize, "{} {}", whole.len(), pieces.len());
    [whole, pieces].concat()
}

async fn drain(addr: &str) -> Vec<Message> {
    let client = Client::connect(addr).await.expect("the server answers");
    let place = Place::default();
    let options = PullOptions { head: true, ..PullOptions::default() };
    let mut pull = client.pull("metrics", &place, options).await.expect("the stream exists");
    let mut all = Vec::new();
    while let Some(pulled) = pull.next().await.expect("an answer") {
        let Pulled::Messages { messages, .. } = pulled else { panic!("{pulled:?}") };
        all.extend(messages);
    }
    all
}

/// The message, decoded and encoded again by prost: what the Rust library sees of it, and nothing else.
pub fn anew(message: &Message) -> Vec<u8> {
    ResourceMetrics::decode(&*message.payload).expect("a ResourceMetrics").encode_to_vec()
}

/// One row a series, with floating-point numbers as their bits; in the order of their text.
pub fn rows(message: &Message) -> Vec<String> {
    let mut rows = Vec::new();
    for metric in view::metrics(message).expect("a ResourceMetrics") {
        for point in metric.points {
            let value = match &point.value {
                Value::Object(histogram) => json!({ "count": histogram["count"], "sum": histogram["sum"] }),
                number => number.clone(),
            };
            rows.push(row(&metric.scope.clone().into(), &metric.name.clone().into(), &point.labels.into(), &value));
        }
    }
    rows.sort();
    rows
}

pub fn row(scope: &Value, name: &Value, labels: &Value, value: &Value) -> String {
    format!("{} {scope} {} {}", name.as_str().unwrap_or_default(), exact(labels), exact(value))
}

fn exact(value: &Value) -> Value {
    match value {
        Value::Number(number) if number.is_f64() => format!("f64:{:016x}", number.as_f64().unwrap_or_default().to_bits()).into(),
        Value::Array(values) => values.iter().map(exact).collect(),
        Value::Object(fields) => fields.iter().map(|(key, value)| (key.clone(), exact(value))).collect(),
        other => other.clone(),
    }
}

/// What a program says of this input.
pub fn said(command: &mut Command, input: &[u8]) -> String {
    use std::io::Write;
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    let (mut stdin, input) = (child.stdin.take().expect("piped"), input.to_vec());
    let writing = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().expect("it ends");
    let written = writing.join().expect("no panic");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    written.expect("it reads all of it");
    String::from_utf8(output.stdout).expect("text")
}
