//! A metric with labels that is used without them, and with others.

use telemetry_core::{Counter, Gauge, Histogram, Labels, metric};

#[derive(Labels)]
enum Method {
    Get,
}

#[derive(Labels)]
struct Call {
    method: Method,
    ok: bool,
}

/// .
#[metric(name = "series.calls")]
static CALLS: Counter<Call>;

/// .
#[metric(name = "series.open")]
static OPEN: Gauge<Method>;

/// .
#[metric(name = "series.duration")]
static DURATION: Histogram<Method>;

/// .
#[metric(name = "series.plain")]
static PLAIN: Counter;

fn main() {
    CALLS.inc();
    CALLS.add(2);
    OPEN.set(1);
    DURATION.record(0.5);
    let _timer = DURATION.start_timer();
    let _sum = CALLS.value();
    CALLS.with(Method::Get).inc();
    PLAIN.with(Method::Get).inc();
    PLAIN.add(-1);
}
