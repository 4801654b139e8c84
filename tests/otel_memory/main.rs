//! What an instrument of the OpenTelemetry API takes: the SDK reserves memory for as many series as it may have.
//!
//! `cargo test -p tests --test otel_memory -- --nocapture` prints the table. One test: the allocator counts for the whole program.

#![allow(missing_docs)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use opentelemetry::metrics::MeterProvider;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use telemetry_core::Telemetry;
use telemetry_core::limits::OTEL_SERIES_MAX;

const INSTRUMENTS: usize = 1_000;

static ALLOCATED_BYTES: AtomicUsize = AtomicUsize::new(0);

struct Counting;

// SAFETY: all is the system's, which keeps the contract; the counter touches no memory but its own.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATED_BYTES.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        ALLOCATED_BYTES.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

struct Silent;

impl PushMetricExporter for Silent {
    fn export(&self, _: &ResourceMetrics) -> impl Future<Output = OTelSdkResult> + Send {
        std::future::ready(Ok(()))
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }

    fn temporality(&self) -> opentelemetry_sdk::metrics::Temporality {
        opentelemetry_sdk::metrics::Temporality::Cumulative
    }
}

/// KiB that this process has in memory, where the system tells it.
fn resident_kib() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

/// Bytes that an instrument takes at this limit of series: reserved, and in memory, on average.
fn instrument_bytes(limit: Option<usize>, observable: bool) -> (usize, usize) {
    let builder = Telemetry::builder().with_exporter(Silent, Duration::from_secs(3600));
    let builder = if let Some(limit) = limit { builder.with_cardinality_limit(limit) } else { builder };
    let telemetry = builder.build().expect("valid");
    let meter = telemetry.meter("memory");
    let (allocated, resident) = (ALLOCATED_BYTES.load(Ordering::Relaxed), resident_kib());
    let mut kept = Vec::with_capacity(INSTRUMENTS);
    for i in 0..INSTRUMENTS {
        if observable {
            let _observable =
                meter.u64_observable_counter(format!("i{i}")).with_callback(|observer| observer.observe(1, &[])).build();
        } else {
            let counter = meter.u64_counter(format!("i{i}")).build();
            counter.add(1, &[]);
            kept.push(counter);
        }
    }
    telemetry.force_flush().expect("collected");
    let resident = resident_kib().saturating_sub(resident) * 1024;
    (ALLOCATED_BYTES.load(Ordering::Relaxed).saturating_sub(allocated) / INSTRUMENTS, resident / INSTRUMENTS)
}

#[test]
fn a_thousand_instruments_cost_little() {
    println!("series at most | bytes reserved an instrument | in memory | of an observable one, after a collection");
    for limit in [1, 27, 111, 223, 447, 895, 2_000] {
        let ((reserved, resident), (observable, _)) = (instrument_bytes(Some(limit), false), instrument_bytes(Some(limit), true));
        println!("{limit} | {reserved} | {resident} | {observable}");
    }
    let (reserved, resident) = instrument_bytes(None, false);
    println!("default, {OTEL_SERIES_MAX} | {reserved} | {resident}");
    assert!(reserved < 20 << 10, "{reserved} bytes an instrument: wanted 20 KiB at most");
    let (observable, _) = instrument_bytes(None, true);
    assert!(observable < 4 << 10, "{observable} bytes an observable instrument: wanted 4 KiB at most");
}
