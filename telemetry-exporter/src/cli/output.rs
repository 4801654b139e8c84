//! Tables for people.

use std::borrow::Cow;
use std::io::{self, Write};
use std::time::{Duration, UNIX_EPOCH};

use serde_json::Value;

use super::CliError;

/// Writes left-aligned columns, each as wide as its widest cell; the last one is not padded.
pub fn table<const N: usize>(out: &mut impl Write, head: [&str; N], rows: &[[String; N]]) -> io::Result<()> {
    let mut widths = head.map(|cell| cell.chars().count());
    let rows: Vec<_> = rows.iter().map(|row| row.each_ref().map(|cell| printable(cell))).collect();
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut line = |cells: [&str; N]| {
        let padded: Vec<_> = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        writeln!(out, "{}", padded.join("  ").trim_end())
    };
    line(head)?;
    for row in &rows {
        line(std::array::from_fn(|i| &*row[i]))?;
    }
    Ok(())
}

/// Prints one value as JSON, or what the closure writes.
pub fn print(json: bool, value: &Value, text: impl FnOnce(&mut io::StdoutLock<'_>) -> io::Result<()>) -> Result<(), CliError> {
    let mut out = io::stdout().lock();
    if json {
        writeln!(out, "{value}")?
    } else {
        text(&mut out)?
    }
    Ok(out.flush()?)
}

/// Says something beside the output, if anybody hears it.
pub fn note(text: &str) {
    let _closed = writeln!(io::stderr(), "{text}");
}

/// With the escapes of its control characters in their place: what others wrote does not command the terminal, nor break a row.
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.contains(char::is_control) {
        return Cow::Borrowed(text);
    }
    let shown = |letter: char| if letter.is_control() { letter.escape_default().to_string() } else { letter.to_string() };
    Cow::Owned(text.chars().map(shown).collect())
}

/// UTC, to the millisecond.
pub fn time(time_ns: u64) -> String {
    humantime::format_rfc3339_millis(UNIX_EPOCH + Duration::from_nanos(time_ns)).to_string()
}

/// `{key="value"}` or nothing.
pub fn labels(labels: &serde_json::Map<String, Value>) -> String {
    let pairs: Vec<_> = labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    if pairs.is_empty() { String::new() } else { format!("{{{}}}", pairs.join(",")) }
}

/// A number as it is, a histogram by its count, mean, least and greatest.
pub fn value(value: &Value) -> String {
    let Value::Object(histogram) = value else { return value.to_string() };
    let number = |key: &str| histogram.get(key).and_then(Value::as_f64);
    let count = number("count").unwrap_or(0.0);
    let mean = if count > 0.0 { number("sum").unwrap_or(0.0) / count } else { 0.0 };
    let short = |number: f64| {
        if number == 0.0 || number.abs() >= 0.001 { format!("{number:.6}") } else { format!("{number:.3e}") }
    };
    let shown = |number: Option<f64>| number.map_or_else(|| "-".to_owned(), short);
    let mean = short(mean);
    format!("count {count}, mean {mean}, min {}, max {}", shown(number("min")), shown(number("max")))
}

/// One line, so that a cell never breaks its row.
pub fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_the_last_is_not_padded() {
        let mut out = Vec::new();
        let rows = [["a".to_owned(), "1".to_owned()], ["long".to_owned(), "22".to_owned()]];
        table(&mut out, ["name", "v"], &rows).expect("written");
        assert_eq!(String::from_utf8(out).expect("text"), "name  v\na     1\nlong  22\n");
    }

    #[test]
    fn what_others_wrote_does_not_command_the_terminal() {
        let mut out = Vec::new();
        table(&mut out, ["name"], &[["a\x1b[31mRED\nrow".to_owned()]]).expect("written");
        assert_eq!(String::from_utf8(out).expect("text"), "name\na\\u{1b}[31mRED\\nrow\n");
    }

    #[test]
    fn times_are_utc() {
        assert_eq!(time(1_700_000_000_123_456_789), "2023-11-14T22:13:20.123Z");
    }
}
