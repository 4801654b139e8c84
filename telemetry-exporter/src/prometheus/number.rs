//! Numbers as Prometheus' own clients write them, so that a bound has the same text wherever it is exposed.

use std::fmt::{Display, Write};

/// A number in digits alone.
pub fn push_whole(out: &mut String, value: impl Display) {
    let _infallible = write!(out, "{value}");
}

/// The shortest text that reads back as the number, with an exponent below 0.0001 and from a million on: Go's `%g`.
pub fn push_float(out: &mut String, value: f64) {
    let size = value.abs();
    if value.is_nan() {
        out.push_str("NaN");
    } else if value.is_infinite() {
        out.push_str(if value > 0.0 { "+Inf" } else { "-Inf" });
    } else if value == 0.0 {
        out.push('0');
    } else if (1e-4..1e6).contains(&size) {
        push_whole(out, value);
    } else {
        let began = out.len();
        let _infallible = write!(out, "{value:e}");
        let Some(at) = out[began..].find('e').map(|at| began + at) else { return };
        let exponent: i32 = out[at + 1..].parse().unwrap_or_default();
        out.truncate(at);
        let sign = if exponent < 0 { '-' } else { '+' };
        let _infallible = write!(out, "e{sign}{:02}", exponent.unsigned_abs());
    }
}

/// The same for OpenMetrics, where a float is told from a whole number: `1.0`.
pub fn push_real(out: &mut String, value: f64) {
    let began = out.len();
    push_float(out, value);
    if value.is_finite() && !out[began..].contains(['.', 'e']) {
        out.push_str(".0");
    }
}

/// Nanoseconds since 1970 in seconds, without loss.
pub fn push_seconds(out: &mut String, time_ns: u64) {
    let _infallible = write!(out, "{}.{:09}", time_ns / 1_000_000_000, time_ns % 1_000_000_000);
    let fraction = out.trim_end_matches('0').len();
    out.truncate(if out[..fraction].ends_with('.') { fraction + 1 } else { fraction });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(push: impl Fn(&mut String)) -> String {
        let mut out = String::new();
        push(&mut out);
        out
    }

    #[test]
    fn numbers_are_written_as_by_go() {
        for (value, float, real) in [
            (0.0, "0", "0.0"),
            (-0.0, "0", "0.0"),
            (1.0, "1", "1.0"),
            (-1.5, "-1.5", "-1.5"),
            (100_000.0, "100000", "100000.0"),
            (1_000_000.0, "1e+06", "1e+06"),
            (1_234_567.0, "1.234567e+06", "1.234567e+06"),
            (0.0001, "0.0001", "0.0001"),
            (0.000_012_5, "1.25e-05", "1.25e-05"),
            (1e300, "1e+300", "1e+300"),
            (5e-324, "5e-324", "5e-324"),
            (f64::NAN, "NaN", "NaN"),
            (f64::INFINITY, "+Inf", "+Inf"),
            (f64::NEG_INFINITY, "-Inf", "-Inf"),
        ] {
            assert_eq!(text(|out| push_float(out, value)), float);
            assert_eq!(text(|out| push_real(out, value)), real);
        }
    }

    #[test]
    fn times_are_seconds_to_the_last_nanosecond() {
        for (time_ns, wanted) in
            [(1_700_000_000_000_000_000, "1700000000.0"), (1_700_000_000_120_000_001, "1700000000.120000001"), (0, "0.0")]
        {
            assert_eq!(text(|out| push_seconds(out, time_ns)), wanted);
        }
    }
}
