//! A server on a free port, and clients of it.

use std::net::SocketAddr;
use std::process::Command;
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::metrics::v1::{Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, metric, number_data_point};
use prost::Message as _;
use telemetry_core::collect::collect;
use telemetry_core::{Point, Registry, Value};
use telemetry_exporter::client::{Client, Message, Place, PullOptions, Pulled};
use telemetry_exporter::{Config, Policy, Running};

/// Set in a process that runs one test.
const ALONE: &str = "TELEMETRY_TEST_ALONE";

/// Goes on in a process of its own, with this test alone: true in that, and after it in the one that started it false.
pub fn is_alone(test: &str, environment: &[(&str, &str)]) -> bool {
    if std::env::var_os(ALONE).is_some() {
        return true;
    }
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args(["--exact", test, "--nocapture"]).env(ALONE, "1");
    command.env_remove("OTEL_SERVICE_NAME").env_remove("OTEL_RESOURCE_ATTRIBUTES").envs(environment.iter().copied());
    let output = command.output().expect("it starts again");
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
    false
}

/// Long enough for any machine; a test that needs it has failed.
pub const DEADLINE: Duration = Duration::from_secs(30);

pub fn config() -> Config {
    let listen = Some(SocketAddr::from(([127, 0, 0, 1], 0)));
    let collect_every = Duration::from_secs(3600); // beside the first one, a second after the start
    // Served over libp2p too, on loopback alone.
    let access = Policy { insecure_public: true, ..Policy::default() };
    Config { listen, collect_every, access, ..Config::default() }
}

pub fn start(config: Config) -> Running {
    telemetry_exporter::start(config).expect("a free port and valid declarations")
}

pub async fn client(running: &Running) -> Client {
    let addr = running.local_addr().expect("it listens");
    Client::connect(&addr.to_string()).await.expect("the server answers")
}

/// Everything that a stream holds, head included.
pub async fn drain(client: &Client, stream: &str, place: &mut Place) -> Vec<Pulled> {
    let options = PullOptions { head: true, ..PullOptions::default() };
    let mut pull = client.pull(stream, place, options).await.expect("the stream exists");
    let mut all = Vec::new();
    while let Some(pulled) = pull.next().await.expect("an answer") {
        pulled.keep(place);
        all.push(pulled);
    }
    all
}

/// The messages among what was pulled.
pub fn messages(pulled: Vec<Pulled>) -> Vec<Message> {
    let messages = |pulled| match pulled {
        Pulled::Messages { messages, .. } => messages,
        _ => Vec::new(),
    };
    pulled.into_iter().flat_map(messages).collect()
}

/// The points of a metric, read now.
pub fn points(name: &str) -> Vec<Point> {
    let collection = collect(&Registry::new(), DEADLINE);
    let found = collection.metrics.iter().find(|reading| reading.entry.name() == name);
    found.map(|reading| collection.points(reading).to_vec()).unwrap_or_default()
}

/// The value of the series whose labels are these, in text.
pub fn value(name: &str, labels: &[(&str, &str)]) -> Option<Value> {
    let text = |label: &telemetry_core::Label| match label {
        telemetry_core::Label::String(text) => text.to_string(),
        telemetry_core::Label::I64(number) => number.to_string(),
        telemetry_core::Label::Bool(flag) => flag.to_string(),
        other => format!("{other:?}"),
    };
    let same = |point: &Point| {
        point.labels.len() == labels.len()
            && point.labels.iter().zip(labels).all(|((key, label), wanted)| (*key, text(label).as_str()) == *wanted)
    };
    points(name).into_iter().find(same).map(|point| point.value)
}

/// Waits for a condition; it is an error when it does not come.
pub async fn until<T>(what: &str, mut condition: impl AsyncFnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = condition().await {
            return found;
        }
        assert!(began.elapsed() < DEADLINE, "{what} did not come within {DEADLINE:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// What was collected last, after one collection more.
pub async fn collected(running: &Running) -> ResourceMetrics {
    let telemetry = running.telemetry().clone();
    tokio::task::spawn_blocking(move || telemetry.force_flush()).await.expect("no panic").expect("collected");
    exported(running).await.pop().expect("one message at least")
}

/// All collections so far.
pub async fn exported(running: &Running) -> Vec<ResourceMetrics> {
    let pulled = messages(drain(&client(running).await, "metrics", &mut Place::default()).await);
    pulled.iter().map(|message| ResourceMetrics::decode(&*message.payload).expect("a ResourceMetrics")).collect()
}

/// The metrics of this name, each with its scope.
pub fn metrics<'a>(collected: &'a ResourceMetrics, name: &str) -> Vec<(&'a ScopeMetrics, &'a Metric)> {
    let all = collected.scope_metrics.iter().flat_map(|scope| scope.metrics.iter().map(move |metric| (scope, metric)));
    all.filter(|(_, metric)| metric.name == name).collect()
}

/// The points of all sums and gauges of this name.
pub fn numbers<'a>(collected: &'a ResourceMetrics, name: &str) -> Vec<&'a NumberDataPoint> {
    let points = |(_, metric): (_, &'a Metric)| match &metric.data {
        Some(metric::Data::Sum(sum)) => sum.data_points.iter().collect(),
        Some(metric::Data::Gauge(gauge)) => gauge.data_points.iter().collect(),
        _ => Vec::new(),
    };
    metrics(collected, name).into_iter().flat_map(points).collect()
}

/// The one number of the metric of this name, if it is there.
pub fn number(collected: &ResourceMetrics, name: &str) -> Option<f64> {
    let points = numbers(collected, name);
    assert!(points.len() <= 1, "{name} is there {} times", points.len());
    points.first().map(|point| match point.value {
        Some(number_data_point::Value::AsInt(number)) => number as f64,
        Some(number_data_point::Value::AsDouble(number)) => number,
        None => panic!("{name} has no value"),
    })
}
