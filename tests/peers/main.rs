//! What the same operations cost in other metrics libraries, and in this one. `--table` also prints the README's table.

mod fastmetrics;
mod foundations;
#[path = "../../telemetry-core/benches/harness.rs"]
mod harness;
mod inputs;
mod measured;
mod metrics;
mod metriken;
mod opentelemetry;
mod ours;
mod prometheus;
mod prometheus_client;
mod vise;

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use harness::{Case, FLOOR, Line};

static ATOMIC: AtomicU64 = AtomicU64::new(0);

/// The rows of the table: a package, or words, and the subjects of which a cell has the best.
const ROWS: [(&str, &[&str]); 12] = [
    ("a plain add", &[FLOOR]),
    ("telemetry-core", &["telemetry"]),
    ("a shared atomic", &["atomic"]),
    ("metriken", &["metriken", "metriken-sharded"]),
    ("prometheus", &["prometheus", "prometheus-local"]),
    ("prometheus-client", &["prometheus-client", "prometheus-client-native"]),
    ("metrics", &["metrics", "metrics-handle"]),
    ("measured", &["measured"]),
    ("vise", &["vise"]),
    ("fastmetrics", &["fastmetrics"]),
    ("foundations", &["foundations", "foundations-low-cardinality", "foundations-thread-local"]),
    ("opentelemetry_sdk", &["opentelemetry"]),
];

/// The columns of the table: a case, what it is called there, and the numbers of threads.
const COLUMNS: [(&str, &str, &[usize]); 7] = [
    ("counter", "counter", &[1, 2, 8]),
    ("enum-labels", "enum labels", &[1, 2]),
    ("static-labels", "`&'static str` labels", &[1]),
    ("string-labels", "string labels", &[1, 2]),
    ("histogram-f64", "histogram of `f64`", &[1, 2]),
    ("histogram-u64", "histogram of `u64`", &[1, 2]),
    ("gauge", "gauge", &[1, 2]),
];

fn main() {
    let cases = [
        floors(),
        ours::cases(),
        atomic(),
        metriken::cases(),
        prometheus::cases(),
        prometheus_client::cases(),
        metrics::cases(),
        measured::cases(),
        vise::cases(),
        fastmetrics::cases(),
        foundations::cases(),
        opentelemetry::cases(),
    ];
    let lines = harness::main(cases.into_iter().flatten().collect(), &[1, 2, 8]);
    if std::env::args().any(|argument| argument == "--table") {
        print_table(&lines);
    }
}

fn floors() -> Vec<Case> {
    let lengths = |(method, route): (&str, &str)| (method.len() + route.len()) as u64;
    vec![
        Case::floor("counter"),
        Case::fed_floor("enum-labels", &inputs::enum_labels(), |(method, cached)| method as u64 * 2 + u64::from(cached)),
        Case::fed_floor("static-labels", &inputs::static_labels(), lengths),
        Case::fed_floor("string-labels", &inputs::string_labels(), lengths),
        Case::fed_floor("histogram-f64", &inputs::seconds(), f64::to_bits),
        Case::fed_floor("histogram-u64", &inputs::nanoseconds(), |nanoseconds| nanoseconds),
        Case::floor("gauge"),
    ]
}

/// What most libraries come down to: one number that all threads add to.
fn atomic() -> Vec<Case> {
    let add = || {
        ATOMIC.fetch_add(1, Relaxed);
    };
    vec![Case::new("atomic", "counter", add)]
}

fn print_table(lines: &[Line]) {
    let threads = |threads: &[usize]| threads.iter().map(usize::to_string).collect::<Vec<_>>().join(" / ");
    let heads: Vec<_> = COLUMNS.iter().map(|(_, head, counts)| format!("{head}, {}", threads(counts))).collect();
    println!("\n| ns, 10th percentile, by threads | {} |\n|---|{}", heads.join(" | "), "---:|".repeat(COLUMNS.len()));
    for (name, subjects) in ROWS {
        let best = |case: &str, threads| {
            let lines = lines.iter().filter(|line| line.case == case && line.threads == threads);
            lines.filter(|line| subjects.contains(&line.subject)).map(|line| line.p10).min_by(f64::total_cmp)
        };
        let cell = |(case, _, counts): &(&str, &str, &[usize])| {
            let times: Option<Vec<_>> = counts.iter().map(|&threads| best(case, threads).map(two_digits)).collect();
            times.map_or("–".to_owned(), |times| times.join(" / "))
        };
        let cells: Vec<_> = COLUMNS.iter().map(cell).collect();
        println!("| {name}{} | {} |", version(name).map(|version| format!(" {version}")).unwrap_or_default(), cells.join(" | "));
    }
}

/// A number with two significant digits.
fn two_digits(n: f64) -> String {
    let rounded: f64 = format!("{n:.1e}").parse().unwrap_or(n);
    let decimals = (1.0 - rounded.log10().floor()).max(0.0) as usize;
    format!("{rounded:.decimals$}")
}

/// The version of a package that this one depends on.
fn version(package: &str) -> Option<&'static str> {
    let lock = include_str!("../../Cargo.lock");
    let of = |head: String| lock.split("[[package]]\n").find(|entry| entry.starts_with(&head));
    let wanted = of("name = \"peers\"\n".to_owned())?.lines().filter_map(|line| line.trim().strip_prefix('"')?.strip_suffix("\","));
    // A dependency has its version beside its name where there are several.
    let (name, version) = wanted.map(|wanted| wanted.split_once(' ').unwrap_or((wanted, ""))).find(|(name, _)| *name == package)?;
    let entry = of(format!("name = \"{name}\"\nversion = \"{version}"))?;
    entry.split('"').nth(3)
}
