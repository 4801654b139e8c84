//! The smallest program with telemetry: `cargo run -p examples --bin hello`, then `telemetry metrics` in another shell.

use std::time::Duration;

use telemetry_core::{Counter, Event, event, metric};

/// Greetings said.
#[metric(name = "hello_greetings", unit = "{greeting}")]
static GREETINGS: Counter;

/// Somebody was greeted.
#[event(name = "hello_greeted")]
static GREETED: Event<&'static str>;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Serves on 127.0.0.1:4000, and pushes to the collector that OTEL_EXPORTER_OTLP_ENDPOINT names, if any.
    let _telemetry = telemetry_exporter::start(telemetry_exporter::Config::from_env()?)?;
    for name in ["Ada", "Grace", "Barbara"].into_iter().cycle() {
        GREETINGS.inc();
        GREETED.emit(&name);
        std::thread::sleep(Duration::from_secs(1));
    }
    Ok(())
}
