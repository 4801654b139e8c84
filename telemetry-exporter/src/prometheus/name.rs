//! Names as a reader may have them: Prometheus' "escaping schemes" over the names by OpenTelemetry's specification.
//!
//! A name that is legal everywhere is the same in all schemes, as in Prometheus' own client.

use std::fmt::Write;

use telemetry_core::MetricKind;
use telemetry_core::prometheus::{label_name, metric_name, utf8_metric_name};

use super::negotiate::Escaping;

/// The name of the family, with its suffixes.
pub fn metric(name: &str, unit: &str, kind: MetricKind, escaping: Escaping) -> String {
    if escaping == Escaping::Underscores {
        return metric_name(name, unit, kind);
    }
    let name = utf8_metric_name(name, unit, kind);
    if escaping == Escaping::AllowUtf8 || is_plain(&name, ":") {
        return name;
    }
    let mut escaped = String::new();
    push_escaped(&mut escaped, &name, ":", escaping);
    escaped
}

/// What the name of a user's label begins with that may not have the name that it would have: as Prometheus does it.
pub const EXPORTED: &str = "exported_";

/// Appends the name of a label. Prometheus' own begin with `__`, and no user's.
pub fn push_label(out: &mut String, key: &str, escaping: Escaping) {
    let key = if key.is_empty() { "_" } else { key };
    let began = out.len();
    match escaping {
        Escaping::AllowUtf8 => out.push_str(key),
        Escaping::Underscores if is_plain(key, "") && !key.contains("__") => out.push_str(key),
        Escaping::Underscores => out.push_str(&label_name(key)),
        _ if is_plain(key, "") => out.push_str(key),
        _ => push_escaped(out, key, "", escaping),
    }
    if out[began..].starts_with("__") {
        out.insert_str(began, EXPORTED);
    }
}

/// Whether every reader takes the name as it is: letters, digits, `_` and what is allowed, and no digit first.
pub fn is_plain(name: &str, allowed: &str) -> bool {
    let allowed = allowed.as_bytes();
    let legal = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_' || allowed.contains(byte);
    name.as_bytes().first().is_some_and(|first| !first.is_ascii_digit()) && name.as_bytes().iter().all(legal)
}

fn push_escaped(out: &mut String, name: &str, allowed: &str, escaping: Escaping) {
    let values = escaping == Escaping::Values;
    if values {
        out.push_str("U__");
    }
    for (at, letter) in name.char_indices() {
        let legal = letter.is_ascii_alphabetic() || allowed.contains(letter) || letter.is_ascii_digit() && at > 0;
        match letter {
            '_' => out.push_str("__"),
            _ if legal => out.push(letter),
            _ if values => {
                let _infallible = write!(out, "_{:X}_", u32::from(letter));
            }
            '.' => out.push_str("_dot_"),
            _ => out.push('_'),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Escaping::{AllowUtf8, Dots, Underscores, Values};

    #[test]
    fn names_are_escaped_as_the_reader_wants_them() {
        for (name, escaping, wanted) in [
            ("metric.name/with_slashes", Underscores, "metric_name_with_slashes"),
            ("metric.name/with_slashes", AllowUtf8, "metric.name/with_slashes"),
            ("metric.name.with.dots", Dots, "metric_dot_name_dot_with_dot_dots"),
            ("metric.name/with_slashes", Dots, "metric_dot_name_with__slashes"),
            ("metric.name", Values, "U__metric_2E_name"),
            ("größe_1", Values, "U__gr_F6__DF_e__1"),
            ("1.a", Values, "U___31__2E_a"),
            ("plain_name:x", Dots, "plain_name:x"),
            ("plain_name", Values, "plain_name"),
        ] {
            assert_eq!(metric(name, "", MetricKind::Gauge, escaping), wanted, "{name} {escaping:?}");
        }
        for (key, escaping, wanted) in [
            ("http.route", Underscores, "http_route"),
            ("a:b", Underscores, "a_b"),
            ("http.route", AllowUtf8, "http.route"),
            ("a:b", Values, "U__a_3A_b"),
            ("a_b.c", Dots, "a__b_dot_c"),
            ("a_b", Dots, "a_b"),
            ("", AllowUtf8, "_"),
            ("__name__", AllowUtf8, "exported___name__"),
            ("__name__", Dots, "exported___name__"),
            ("_.a", Dots, "exported____dot_a"),
            ("__name__", Underscores, "_name_"),
        ] {
            let mut out = String::new();
            push_label(&mut out, key, escaping);
            assert_eq!(out, wanted, "{key} {escaping:?}");
        }
    }
}
