//! Prometheus itself scrapes this program, and is asked for what it was told.
//!
//! A test whose program is not installed says "skipped" and why; with `TELEMETRY_REQUIRE_SERVERS=1` that is a failure.

#![allow(missing_docs)]

#[allow(dead_code)] // it is that of whole programs too
#[path = "../process/outside.rs"]
mod outside;

use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use telemetry_core::{Counter, Gauge, Histogram, Labels, metric};
use telemetry_exporter::{Config, Running};

use outside::{DEADLINE, get, installed, python, until};

/// What a query language, an exposition and a shell each find strange.
const STRANGE: &str = "a\"b\\c\nd, {e} 'f' # größe \0 \r";

#[derive(Labels)]
struct Place {
    #[label(name = "place.name")]
    name: &'static str,
    le: u32,
}

/// Things that were done.
#[metric(name = "scrape.done", unit = "{thing}")]
static DONE: Counter;

/// Heat at a place, with "quotes" and a \ backslash.
#[metric(name = "scrape.heat", unit = "Cel")]
static HEAT: Gauge<Place>;

/// With bounds.
#[metric(name = "scrape.explicit", unit = "s", bounds = [100.0, 250.0, 500.0, 1_000.0])]
static EXPLICIT: Histogram;

/// Without.
#[metric(name = "scrape.exponential", unit = "s")]
static EXPONENTIAL: Histogram;

/// A program whose numbers are known: whoever comes first records them.
fn program() -> Running {
    static RECORDED: std::sync::Once = std::sync::Once::new();
    RECORDED.call_once(|| {
        DONE.add(42);
        HEAT.with(Place { name: STRANGE, le: 7 }).set(-3);
        HEAT.with(Place { name: "here", le: 7 }).set(21);
        for seconds in 1..=1_000 {
            EXPLICIT.record(f64::from(seconds));
            EXPONENTIAL.record(f64::from(seconds));
        }
    });
    let listen = Some(SocketAddr::from(([127, 0, 0, 1], 0)));
    let resource = vec![("service.name".to_owned(), "scraped".to_owned()), ("who.is/it".to_owned(), STRANGE.to_owned())];
    telemetry_exporter::start(Config { listen, resource, ..Config::default() }).expect("a free port")
}

fn host(running: &Running) -> String {
    running.local_addr().expect("it listens").to_string()
}

/// Prometheus with a folder of its own; ended when this is dropped.
struct Prometheus {
    child: Child,
    host: String,
    _folder: tempfile::TempDir,
}

impl Prometheus {
    /// None where it is not installed.
    fn scrape(target: &str, more: &[&str]) -> Option<Self> {
        if !installed("prometheus", &["--version"], "apt-get install prometheus") {
            return None;
        }
        let folder = tempfile::tempdir().expect("a temporary folder");
        let config = folder.path().join("prometheus.yml");
        let text = "global: {scrape_interval: 1s, scrape_timeout: 1s}\nscrape_configs:\n\
                    - {job_name: ours, static_configs: [{targets: ['TARGET']}]}\n";
        std::fs::write(&config, text.replace("TARGET", target)).expect("written");
        let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let host = free.local_addr().expect("it has one").to_string();
        drop(free);
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
            .arg(format!("--web.listen-address={host}"))
            .args(more)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        Some(Self { child: child.expect("it starts"), host, _folder: folder })
    }

    /// The API's answer; none where there is none yet.
    fn api(&self, path: &str) -> Result<Value, String> {
        let (head, body) = get(&self.host, path, "").map_err(|error| error.to_string())?;
        let answer: Value = serde_json::from_slice(&body).map_err(|error| format!("{error}: {head}"))?;
        if answer["status"] == "success" { Ok(answer["data"].clone()) } else { Err(answer.to_string()) }
    }

    /// The series that a query finds: their labels, and their values.
    fn query(&self, query: &str) -> Result<Vec<(Value, f64)>, String> {
        let escaped: String = query.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let data = self.api(&format!("/api/v1/query?query={escaped}"))?;
        let series = data["result"].as_array().ok_or("no series")?.iter();
        series
            .map(|one| Ok((one["metric"].clone(), one["value"][1].as_str().and_then(|text| text.parse().ok()).ok_or("no value")?)))
            .collect()
    }

    /// The value of the one series that a query finds, as soon as it does.
    fn value(&self, query: &str) -> f64 {
        until(DEADLINE, || match self.query(query)?.as_slice() {
            [(_, value)] => Ok(*value),
            found => Err(format!("one series of {query}, found {found:?}; targets: {:?}", self.api("/api/v1/targets"))),
        })
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ended_already = self.child.kill();
        let _ended_already = self.child.wait();
    }
}

fn assert_near(found: f64, wanted: f64, factor: f64) {
    assert!(found / wanted < factor && wanted / found < factor, "{found} is not within {factor} of {wanted}");
}

/// What is the same in all formats.
fn assert_told(prometheus: &Prometheus) {
    let package = env!("CARGO_PKG_NAME");
    assert_eq!(prometheus.value(&format!("scrape_done_total{{otel_scope_name=\"{package}\"}}")), 42.0);
    assert_eq!(prometheus.value("scrape_heat_celsius{place_name='here',le='7'}"), 21.0);
    let strange = serde_json::to_string(STRANGE).expect("text"); // Prometheus' strings are escaped as JSON's
    assert_eq!(prometheus.value(&format!("scrape_heat_celsius{{place_name={strange}}}")), -3.0);
    assert_eq!(prometheus.value(&format!("target_info{{service_name='scraped',who_is_it={strange}}}")), 1.0);
    assert_eq!(prometheus.value("scrape_explicit_seconds_sum"), 500_500.0);
    assert_eq!(prometheus.value("scrape_explicit_seconds_bucket{le='+Inf'}"), 1_000.0);
    assert_eq!(prometheus.value("histogram_quantile(0.5, scrape_explicit_seconds_bucket)"), 500.0);
    assert_eq!(prometheus.value("count(count by (le) (scrape_explicit_seconds_bucket))"), 5.0);
    assert_eq!(prometheus.value("up"), 1.0);
    let metadata = prometheus.api("/api/v1/metadata?metric=scrape_heat_celsius").expect("an answer");
    let metadata = &metadata["scrape_heat_celsius"][0];
    assert_eq!(
        (&metadata["type"], &metadata["help"]),
        (&"gauge".into(), &"Heat at a place, with \"quotes\" and a \\ backslash.".into())
    );
}

#[test]
fn prometheus_scrapes_openmetrics_with_units_and_classic_buckets() {
    let running = program();
    let Some(prometheus) = Prometheus::scrape(&host(&running), &[]) else { return };
    assert_told(&prometheus);
    // Forty buckets or fewer over ten powers of two: each a factor of 2^(1/4) at most.
    assert_near(prometheus.value("histogram_quantile(0.5, scrape_exponential_seconds_bucket)"), 500.0, 1.19);
    assert_near(prometheus.value("histogram_quantile(0.99, scrape_exponential_seconds_bucket)"), 990.0, 1.19);
    assert_eq!(prometheus.value("scrape_exponential_seconds_count"), 1_000.0);
    // Only OpenMetrics has these two.
    let created = prometheus.value("scrape_done_created");
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("it is past 1970").as_secs_f64();
    assert!(created > 1.7e9 && created <= now, "{created}");
    let metadata = prometheus.api("/api/v1/metadata?metric=scrape_explicit_seconds").expect("an answer");
    assert_eq!(metadata["scrape_explicit_seconds"][0]["unit"], "seconds");
}

#[test]
fn prometheus_scrapes_native_histograms_in_protobuf() {
    let running = program();
    let more = ["--enable-feature=native-histograms"];
    let Some(prometheus) = Prometheus::scrape(&host(&running), &more) else { return };
    assert_told(&prometheus);
    // 160 buckets over ten powers of two: each a factor of 2^(1/16).
    assert_near(prometheus.value("histogram_quantile(0.5, scrape_exponential_seconds)"), 500.0, 1.045);
    assert_near(prometheus.value("histogram_quantile(0.99, scrape_exponential_seconds)"), 990.0, 1.045);
    assert_near(prometheus.value("histogram_fraction(0, 100, scrape_exponential_seconds)"), 0.1, 1.05);
    assert_eq!(prometheus.value("histogram_count(scrape_exponential_seconds)"), 1_000.0);
    assert_eq!(prometheus.value("histogram_sum(scrape_exponential_seconds)"), 500_500.0);
    assert_eq!(prometheus.query("scrape_exponential_seconds_bucket"), Ok(Vec::new()), "it is native alone");
}

#[test]
fn a_strict_parser_of_openmetrics_reads_the_metrics() {
    let python = python();
    if !installed(
        &python,
        &["-c", "import prometheus_client.openmetrics.parser"],
        "pip install prometheus_client, or set TELEMETRY_PYTHON",
    ) {
        return;
    }
    let running = program();
    let (head, text) = until(DEADLINE, || {
        let accept = "accept: application/openmetrics-text;version=1.0.0\r\n";
        let (head, text) = get(&host(&running), "/metrics", accept).map_err(|error| error.to_string())?;
        let collected = text.windows(12).any(|window| window == b"target_info{");
        if collected { Ok((head, text)) } else { Err("a first collection".to_owned()) }
    });
    let wanted = "content-type: application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=underscores";
    assert!(head.contains(wanted), "{head}");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("metrics");
    std::fs::write(&file, text).expect("written");
    let program = "import sys\nfrom prometheus_client.openmetrics.parser import text_string_to_metric_families as parse\n\
                   for family in parse(open(sys.argv[1], newline='').read()):\n  print(family.type, family.name, family.unit)";
    let output =
        Command::new(&python).args(["-c", program]).arg(&file).env("PYTHONIOENCODING", "utf-8").output().expect("python runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let families = String::from_utf8_lossy(&output.stdout);
    for family in [
        "counter scrape_done \n",
        "gauge scrape_heat_celsius celsius\n",
        "histogram scrape_explicit_seconds seconds\n",
        "histogram scrape_exponential_seconds seconds\n",
        "info target \n",
    ] {
        assert!(families.contains(family), "{family} is not in {families}");
    }
}

#[test]
fn an_answer_is_compressed_for_who_takes_it() {
    let running = program();
    let ask = |headers| get(&host(&running), "/metrics", headers).expect("an answer");
    let (head, plain) = ask("");
    assert!(
        head.contains("content-type: text/plain; version=0.0.4; charset=utf-8\r\n") && !head.contains("content-encoding"),
        "{head}"
    );
    let (head, packed) = ask("accept-encoding: gzip\r\n");
    assert!(head.contains("content-encoding: gzip"), "{head}");
    assert!(packed.starts_with(&[0x1f, 0x8b]) && packed.len() * 3 < plain.len(), "{} of {}", packed.len(), plain.len());
    let (head, _) = ask("accept: ;q=,x/y;version=\"\r\naccept-encoding: größe\r\n");
    assert!(head.starts_with("HTTP/1.0 200") || head.starts_with("HTTP/1.1 200"), "{head}");
}
