//! A process for one test, and the numbers of a collection.

use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use telemetry_core::collect::collect;
use telemetry_core::{Label, Registry, Value};

/// Long enough for any machine; a test that needs it has failed.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// Runs the body in a process in which no other test runs: this program again, with this test alone.
pub fn alone(name: &str, body: impl FnOnce()) {
    const ALONE: &str = "TELEMETRY_TEST_ALONE";
    if std::env::var_os(ALONE).is_some() {
        return body();
    }
    let program = std::env::current_exe().expect("it has a path");
    let output = Command::new(program).args(["--exact", name, "--test-threads", "1"]).env(ALONE, "1").output();
    let output = output.expect("it starts");
    let (said, complained) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && said.contains("1 passed"), "{name}: {said}\n{complained}");
}

/// The number of the series whose labels are these, in text, read now; none where it is absent.
pub fn number(name: &str, labels: &[(&str, &str)]) -> Option<f64> {
    let collection = collect(&Registry::new(), DEADLINE);
    let reading = collection.metrics.iter().find(|reading| reading.entry.name() == name)?;
    let text = |label: &Label| match label {
        Label::String(text) => text.to_string(),
        Label::I64(number) => number.to_string(),
        other => panic!("{name} has a label {other:?}"),
    };
    let point = collection.points(reading).iter().find(|point| {
        let found = point.labels.iter().map(|(key, label)| (*key, text(label)));
        found.eq(labels.iter().map(|(key, value)| (*key, (*value).to_owned())))
    });
    Some(match point?.value {
        Value::U64(number) => number as f64,
        Value::I64(number) => number as f64,
        Value::F64(number) => number,
        ref other => panic!("{name} is {other:?}"),
    })
}

/// Waits for a condition; it is an error when it does not come, with what was found last.
pub fn until<T: std::fmt::Debug>(mut read: impl FnMut() -> T, wanted: impl Fn(&T) -> bool) -> T {
    let began = Instant::now();
    loop {
        let found = read();
        if wanted(&found) {
            return found;
        }
        assert!(began.elapsed() < DEADLINE, "not within {DEADLINE:?}: {found:?}");
        thread::sleep(Duration::from_millis(5));
    }
}
