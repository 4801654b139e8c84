//! An attack and its measuring: the server before, at the height and after, and the honest client beside it.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use std::{fs, thread};

use crate::honest::{DEADLINE, Honest, Seen};
use crate::messages::read_all;
use crate::server::Server;
use crate::target::Certificate;

/// Bytes of memory that an attack may cost at its height.
pub const EXTRA_BYTES_MAX: u64 = 32 << 20;

/// Bytes that the server may hold more after it.
pub const LEFT_BYTES_MAX: u64 = 4 << 20;

/// Within which 99 of 100 calls of the honest client are answered, where the machine has time to spare.
const P99_MAX: Duration = Duration::from_millis(50);

/// The share of the machine's time that must have been idle for that to be judged: one processor of two could have run what had to wait.
const IDLE_MIN: f64 = 0.5;

/// Between two looks at the memory.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// How long the honest client is alone before and after the attack.
const ALONE: Duration = Duration::from_millis(500);

/// What an attack came to.
pub struct Outcome {
    name: String,
    before: u64,
    height: u64,
    after: u64,
    /// Bytes that the server holds more than before.
    left: u64,
    descriptors: (usize, usize),
    seen: Seen,
    idle: f64,
    counted: HashMap<String, u64>,
}

/// The server before an attack.
pub struct Ground {
    name: String,
    server: Server,
    runtime: tokio::runtime::Runtime,
}

impl Ground {
    pub fn new(name: &str) -> Self {
        Self::on(name, Server::start(&[], None))
    }

    /// With these settings in place of the default ones.
    pub fn with(name: &str, settings: &[String]) -> Self {
        Self::on(name, Server::start(settings, None))
    }

    /// One that speaks TLS, as the honest client does too.
    pub fn tls(name: &str, certificate: &Certificate) -> Self {
        Self::on(name, Server::start(&[], Some(certificate)))
    }

    fn on(name: &str, server: Server) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
        Self { name: name.to_owned(), server, runtime }
    }

    /// Lets the attack go; it has ended when it returns, with all its connections.
    pub fn under<F: Future<Output = ()>>(self, attack: impl FnOnce(SocketAddr) -> F) -> Outcome {
        let Self { name, server, runtime } = self;
        runtime.block_on(read_all(&server.target)); // what is taken once, and stays, is taken now
        let told_before = runtime.block_on(server.told());
        let honest = Honest::begin(&server.target);
        thread::sleep(ALONE);
        let (before, descriptors_before) = (server.memory(), server.descriptors());
        let (over, idle) = (AtomicBool::new(false), Idle::now());
        let height = thread::scope(|scope| {
            let height = scope.spawn(|| {
                let mut height = server.memory();
                while !over.load(Ordering::Relaxed) {
                    thread::sleep(LOOK_EVERY);
                    height = height.max(server.memory());
                }
                height
            });
            let ends = Ends(&over); // also where it panics
            runtime.block_on(attack(server.target.addr));
            drop(ends);
            height.join().expect("no panic")
        });
        let idle = idle.share();
        let began = Instant::now();
        let (told, descriptors) = loop {
            let (told, descriptors) = (runtime.block_on(server.told()), server.descriptors());
            let is_back = told.live <= told_before.live + LEFT_BYTES_MAX && descriptors <= descriptors_before;
            if is_back || began.elapsed() > DEADLINE {
                break (told, descriptors);
            }
            thread::sleep(ALONE);
        };
        let (after, left) = (server.memory(), told.live.saturating_sub(told_before.live));
        thread::sleep(ALONE);
        let seen = honest.end();
        let more = |(cause, count): (String, u64)| {
            let more = count - told_before.counters.get(&cause).copied().unwrap_or(0);
            (more > 0).then_some((cause, more))
        };
        let counted = told.counters.into_iter().filter_map(more).collect();
        Outcome { name, before, height, after, left, descriptors: (descriptors_before, descriptors), seen, idle, counted }
    }
}

/// Tells that the attack is over when it is dropped.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Outcome {
    /// Says what came, and judges it.
    pub fn judge(self) -> Self {
        let Self { name, before, height, after, left, descriptors, idle, .. } = &self;
        let Seen { calls, news, failures, broken } = &self.seen;
        let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
        let (extra, kept) = (height.saturating_sub(*before), after.saturating_sub(*before));
        let mut counted: Vec<_> = self.counted.iter().map(|(cause, count)| format!("{cause} {count}")).collect();
        counted.sort();
        let mut text = format!(
            "{name}: memory {:.1} MiB, {:.1} more, {:.1} after, {:.1} held",
            mib(*before),
            mib(extra),
            mib(kept),
            mib(*left)
        );
        let _infallible = write!(text, "; honest calls {}, new connections {}", figures(calls), figures(news));
        let _infallible = write!(text, "; idle {:.0} %; {}", idle * 100.0, counted.join(", "));
        println!("{text}");
        assert!(failures.is_empty(), "{text}: {} failed: {:?}", failures.len(), failures.first());
        assert_eq!(*broken, 0, "{text}: the honest connection was ended");
        assert!(!calls.is_empty() && !news.is_empty(), "{text}");
        assert!(extra <= EXTRA_BYTES_MAX, "{text}: wanted at most {:.1} MiB more", mib(EXTRA_BYTES_MAX));
        assert!(*left <= LEFT_BYTES_MAX, "{text}: wanted at most {:.1} MiB held", mib(LEFT_BYTES_MAX));
        assert!(descriptors.1 <= descriptors.0, "{text}: {} file descriptors before, {} after", descriptors.0, descriptors.1);
        let p99 = quantile(calls, 0.99);
        assert!(p99 <= P99_MAX || *idle < IDLE_MIN, "{text}: wanted {P99_MAX:?} at most");
        self
    }

    /// # Panics
    /// Less was counted.
    pub fn bit(&self, cause: &str, at_least: u64) {
        self.bit_any(&[cause], at_least);
    }

    /// The same of these together.
    pub fn bit_any(&self, causes: &[&str], at_least: u64) {
        let counted: u64 = causes.iter().filter_map(|cause| self.counted.get(*cause)).sum();
        assert!(
            counted >= at_least,
            "{}: {causes:?} were counted {counted} times, wanted {at_least}: {:?}",
            self.name,
            self.counted
        );
    }
}

fn quantile(times: &[Duration], quantile: f64) -> Duration {
    let mut times = times.to_vec();
    times.sort();
    let at = (times.len() as f64 * quantile) as usize;
    times.get(at.min(times.len().saturating_sub(1))).copied().unwrap_or_default()
}

fn figures(times: &[Duration]) -> String {
    let ms = |of| quantile(times, of).as_secs_f64() * 1e3;
    format!("{} (p50 {:.1} ms, p99 {:.1}, max {:.1})", times.len(), ms(0.5), ms(0.99), ms(1.0))
}

/// How much of the machine's time nobody had, since it was asked first.
struct Idle(u64, u64);

impl Idle {
    fn now() -> Self {
        let stat = fs::read_to_string("/proc/stat").expect("the system tells it");
        let ticks: Vec<u64> =
            stat.lines().next().unwrap_or_default().split_whitespace().skip(1).filter_map(|n| n.parse().ok()).collect();
        Self(ticks.get(3).copied().unwrap_or(0), ticks.iter().take(8).sum())
    }

    fn share(&self) -> f64 {
        let now = Self::now();
        (now.0 - self.0) as f64 / (now.1 - self.1).max(1) as f64
    }
}
