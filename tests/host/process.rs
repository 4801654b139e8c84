//! The metrics `process.*`, beside what this test does and what it reads from `/proc` itself.

use std::fs::{self, File};
use std::hint::black_box;
use std::io::Write;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::metrics::v1::ResourceMetrics;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use prost::Message;
use telemetry_core::Registry;
use telemetry_exporter::stream::{Piece, Reader, frames};
use telemetry_exporter::{Config, start};

use crate::support::{alone, number, until};

/// Ticks of a second in `/proc`, on every architecture that Linux has today.
const TICKS_PER_SECOND: f64 = 100.0;
const MIB: f64 = 1_048_576.0;

fn read(name: &str, labels: &[(&str, &str)]) -> f64 {
    number(name, labels).unwrap_or_else(|| panic!("{name} {labels:?} is absent"))
}

fn user_seconds() -> f64 {
    read("process.cpu.time", &[("cpu.mode", "user")])
}

/// The fields of `/proc/self/stat` behind the name.
fn stat() -> Vec<f64> {
    let stat = fs::read_to_string("/proc/self/stat").expect("it is there");
    let (_, fields) = stat.rsplit_once(')').expect("a name");
    fields.split_whitespace().map(|field| field.parse().unwrap_or(f64::NAN)).collect()
}

/// The number behind a name in `/proc/self/status` or `/proc/self/io`.
fn told(file: &str, name: &str) -> f64 {
    let text = fs::read_to_string(file).expect("it is there");
    let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_else(|| panic!("{file} has no {name}"));
    line.split_whitespace().next().and_then(|number| number.parse().ok()).expect("a number")
}

fn burn(until: impl Fn() -> bool) {
    while !until() {
        for i in 0..1_000_000_u64 {
            black_box(i.wrapping_mul(31));
        }
    }
}

#[test]
fn cpu_time_grows_by_what_a_thread_burns_and_stays_when_it_has_ended() {
    alone("process::cpu_time_grows_by_what_a_thread_burns_and_stays_when_it_has_ended", || {
        let before = user_seconds();
        let spent = thread::spawn(move || {
            let own = || {
                let stat = fs::read_to_string("/proc/thread-self/stat").expect("it is there");
                let (_, fields) = stat.rsplit_once(')').expect("a name");
                fields.split_whitespace().nth(11).and_then(|ticks| ticks.parse::<f64>().ok()).expect("its user time")
            };
            burn(|| own() >= 0.3 * TICKS_PER_SECOND);
            own() / TICKS_PER_SECOND
        });
        let spent = spent.join().expect("no panic");
        let after = user_seconds();
        assert!(after - before >= spent - 0.05, "{before} {after}: a thread alone spent {spent}");
    });
}

#[test]
fn cpu_time_is_what_proc_tells() {
    alone("process::cpu_time_is_what_proc_tells", || {
        burn(|| stat()[11] >= 0.1 * TICKS_PER_SECOND);
        for (mode, field) in [("user", 11), ("system", 12)] {
            let least = stat()[field] / TICKS_PER_SECOND;
            let found = read("process.cpu.time", &[("cpu.mode", mode)]);
            let most = (stat()[field] + 1.0) / TICKS_PER_SECOND;
            assert!((least..=most).contains(&found), "{mode}: {least} {found} {most}");
        }
    });
}

#[test]
fn ten_files_are_ten_file_descriptors() {
    alone("process::ten_files_are_ten_file_descriptors", || {
        let count = || read("process.unix.file_descriptor.count", &[]);
        let told = fs::read_dir("/proc/self/fd").expect("it is there").count() - 1; // its own
        let before = count();
        assert_eq!(before, told as f64);
        let files: Vec<_> = (0..10).map(|_| File::open("/dev/null").expect("it is there")).collect();
        assert_eq!(count(), before + 10.0);
        drop(files);
        assert_eq!(count(), before);
    });
}

#[test]
fn ten_threads_are_ten_more() {
    alone("process::ten_threads_are_ten_more", || {
        let told = fs::read_dir("/proc/self/task").expect("it is there").count();
        let (end, threads) = (0..10)
            .map(|_| {
                let (end, ended) = mpsc::channel::<()>();
                (end, thread::spawn(move || ended.recv().is_err()))
            })
            .collect::<(Vec<_>, Vec<_>)>();
        // And one that runs the callbacks; that of the last collection may not have ended yet.
        until(|| read("process.thread.count", &[]), |found| *found == (told + 10 + 1) as f64);
        drop(end);
        assert!(threads.into_iter().all(|thread| thread.join().expect("no panic")));
        until(|| read("process.thread.count", &[]), |found| *found == (told + 1) as f64);
    });
}

#[test]
fn touched_memory_is_in_use_and_its_first_touch_a_fault() {
    alone("process::touched_memory_is_in_use_and_its_first_touch_a_fault", || {
        let sizes = || (read("process.memory.usage", &[]), read("process.memory.virtual", &[]));
        let faults = || read("process.paging.faults", &[("system.paging.fault.type", "minor")]);
        let (before, faults_before) = (sizes(), faults());
        let memory = black_box(vec![1_u8; 64 << 20]);
        let (during, faults_during) = (sizes(), faults());
        assert!(during.0 - before.0 > 60.0 * MIB, "{before:?} {during:?}");
        assert!(during.1 - before.1 >= 64.0 * MIB, "{before:?} {during:?}");
        assert!(faults_during - faults_before >= 16.0, "{faults_before} {faults_during}"); // pages of at most 4 MiB
        let told = told("/proc/self/status", "VmRSS:") * 1024.0;
        assert!((told - during.0).abs() < 4.0 * MIB, "{told} {during:?}");
        drop(memory);
        let after = sizes();
        assert!(during.0 - after.0 > 60.0 * MIB, "{during:?} {after:?}");
        assert!(read("process.paging.faults", &[("system.paging.fault.type", "major")]) >= 0.0);
    });
}

#[test]
fn context_switches_of_a_thread_count_and_stay_when_it_has_ended() {
    alone("process::context_switches_of_a_thread_count_and_stay_when_it_has_ended", || {
        let voluntary = || read("process.context_switches", &[("process.context_switch.type", "voluntary")]);
        let before = voluntary();
        // Each sleep gives up the CPU once.
        thread::spawn(|| (0..50).for_each(|_| thread::sleep(Duration::from_millis(1)))).join().expect("no panic");
        let (after, told) = (voluntary(), told("/proc/self/status", "voluntary_ctxt_switches:"));
        assert!(after - before >= 50.0, "{before} {after}");
        assert!(told < after, "those of the main thread alone are {told} of {after}");
        assert!(read("process.context_switches", &[("process.context_switch.type", "involuntary")]) >= 0.0);
    });
}

#[test]
fn disk_io_is_what_proc_tells() {
    if fs::read_to_string("/proc/self/io").is_err() {
        assert_eq!(number("process.disk.io", &[("disk.io.direction", "write")]), None);
        println!("skipped: this Linux does not account for disk io");
        return;
    }
    alone("process::disk_io_is_what_proc_tells", || {
        let mut file = tempfile::tempfile_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
        file.write_all(&vec![1; 8 << 20]).expect("written");
        file.sync_all().expect("on the disk");
        for (direction, name) in [("read", "read_bytes:"), ("write", "write_bytes:")] {
            let least = told("/proc/self/io", name);
            let found = read("process.disk.io", &[("disk.io.direction", direction)]);
            let most = told("/proc/self/io", name);
            assert!((least..=most).contains(&found), "{direction}: {least} {found} {most}");
        }
    });
}

#[test]
fn uptime_is_from_the_start_of_the_process_on() {
    alone("process::uptime_is_from_the_start_of_the_process_on", || {
        let boot = || {
            let text = fs::read_to_string("/proc/uptime").expect("it is there");
            text.split_whitespace().next().and_then(|number| number.parse::<f64>().ok()).expect("a number")
        };
        let started = stat()[19] / TICKS_PER_SECOND;
        let least = boot() - started - 1.0 / TICKS_PER_SECOND;
        let first = read("process.uptime", &[]);
        let most = boot() - started + 2.0 / TICKS_PER_SECOND;
        assert!((least..=most).contains(&first), "{least} {first} {most}");
        let began = Instant::now();
        burn(|| began.elapsed() > Duration::from_millis(20));
        let between = began.elapsed().as_secs_f64();
        assert!(read("process.uptime", &[]) - first >= between - 1e-6);
    });
}

#[test]
fn all_are_exported_by_the_feature_alone() {
    let config = Config { listen: None, ..Config::default() };
    let running = start(config).expect("valid declarations");
    running.telemetry().force_flush().expect("collected");
    running.streams().seal();
    let mut reader = Reader::new(Arc::clone(running.streams().metrics()));
    let Piece::Data { data, .. } = reader.read(Default::default(), false) else { panic!("it is sealed") };
    let frame = frames(&data).next().expect("a message").expect("whole");
    let message = ResourceMetrics::decode(frame.payload).expect("a ResourceMetrics");
    let scopes = message.scope_metrics.iter();
    let scope = scopes.filter(|scope| scope.scope.as_ref().is_some_and(|scope| scope.name == "telemetry-exporter"));
    let metrics: Vec<_> = scope.flat_map(|scope| &scope.metrics).collect();
    let mut names = vec![
        ("process.context_switches", "{context_switch}", true),
        ("process.cpu.time", "s", true),
        ("process.memory.usage", "By", false),
        ("process.memory.virtual", "By", false),
        ("process.paging.faults", "{fault}", true),
        ("process.thread.count", "{thread}", false),
        ("process.unix.file_descriptor.count", "{file_descriptor}", false),
    ];
    if fs::read_to_string("/proc/self/io").is_ok() {
        names.push(("process.disk.io", "By", true));
    }
    for (name, unit, monotonic) in names {
        let metric = metrics.iter().find(|metric| metric.name == name).unwrap_or_else(|| panic!("{name} is missing"));
        let Some(Data::Sum(sum)) = &metric.data else { panic!("{name} is no sum") };
        assert_eq!((metric.unit.as_str(), sum.is_monotonic), (unit, monotonic), "{name}");
        assert!(!sum.data_points.is_empty() && !metric.description.is_empty(), "{name}");
    }
    let uptime = metrics.iter().find(|metric| metric.name == "process.uptime").expect("it is there");
    assert!(matches!(uptime.data, Some(Data::Gauge(_))) && uptime.unit == "s");
    assert!(Registry::new().find("process.network.io").is_none(), "nobody knows it");
}
