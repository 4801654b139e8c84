//! The rules for names, units, labels, bounds and intervals.
//!
//! One source for all: the macros judge literals by them, the compiler const expressions, and the program what it declares at run time.
//! Names and units follow OpenTelemetry's instrument syntax, intervals are a number and a unit: `500ms`, `10s`, `1m`, `2h`.

#![allow(clippy::result_large_err)] // a `const fn` cannot box, and nothing here is hot

use std::fmt;
use std::time::Duration;

/// Bytes of a name. OpenTelemetry's limit; a longer one does not compile.
pub const NAME_BYTES_MAX: usize = 255;

/// Bytes of a unit. OpenTelemetry's limit; a longer one does not compile.
pub const UNIT_BYTES_MAX: usize = 63;

/// Buckets of a histogram: of an exponential one on each side of zero, OpenTelemetry's default, to which the scale adapts; of one
/// with explicit bounds in all, beyond which it does not compile.
pub const HISTOGRAM_BUCKETS_MAX: usize = if cfg!(loom) { 2 } else { 160 };

/// Bytes of the longest message below; longer text is cut.
const MESSAGE_BYTES_MAX: usize = 224;

/// What is wrong with a name, unit or interval: the text says what was found, where, and what was wanted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    bytes: [u8; MESSAGE_BYTES_MAX],
    len: usize,
}

impl Fault {
    const fn new(text: &str) -> Self {
        Self { bytes: [0; MESSAGE_BYTES_MAX], len: 0 }.text(text)
    }

    const fn text(mut self, text: &str) -> Self {
        let text = text.as_bytes();
        let mut i = 0;
        while i < text.len() && self.len < MESSAGE_BYTES_MAX {
            // Only ASCII is kept, so that a cut never splits a character.
            self.bytes[self.len] = if text[i].is_ascii() { text[i] } else { b'?' };
            self.len += 1;
            i += 1;
        }
        self
    }

    const fn number(self, number: usize) -> Self {
        let mut digits = [0; 20];
        let (mut at, mut rest) = (digits.len(), number);
        loop {
            at -= 1;
            digits[at] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        let (_, digits) = digits.split_at(at);
        self.text(ascii(digits))
    }

    const fn byte(self, byte: u8) -> Self {
        if byte.is_ascii_graphic() {
            let one = [byte];
            self.text("'").text(ascii(&one)).text("'")
        } else if byte == b' ' {
            self.text("a space")
        } else if byte.is_ascii() {
            self.text("a control character")
        } else {
            self.text("a character that is not ASCII")
        }
    }

    /// The message.
    pub const fn as_str(&self) -> &str {
        ascii(self.bytes.split_at(self.len).0)
    }
}

/// Only ever given ASCII; the empty text in the other case keeps this free of panics.
const fn ascii(bytes: &[u8]) -> &str {
    match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(_) => "",
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl std::error::Error for Fault {}

/// Checks a name: `[A-Za-z][A-Za-z0-9_./-]{0,254}`.
///
/// # Errors
/// The text names the character and its position.
pub const fn name(name: &str) -> Result<(), Fault> {
    token("name", name, NAME_BYTES_MAX)
}

/// Checks the key of a label, by the same rule as a name.
///
/// # Errors
/// The text names the character and its position.
pub const fn label(key: &str) -> Result<(), Fault> {
    token("label", key, NAME_BYTES_MAX)
}

const fn token(what: &str, text: &str, bytes_max: usize) -> Result<(), Fault> {
    let bytes = text.as_bytes();
    if bytes.is_empty() {
        return Err(Fault::new(what).text(" is empty: wanted a letter, then letters, digits, '_', '.', '/' or '-'"));
    }
    if bytes.len() > bytes_max {
        let fault = Fault::new(what).text(" has ").number(bytes.len()).text(" bytes: at most ");
        return Err(fault.number(bytes_max).text(" are allowed"));
    }
    if !bytes[0].is_ascii_alphabetic() {
        return Err(Fault::new(what).text(" starts with ").byte(bytes[0]).text(": wanted a letter"));
    }
    let mut i = 1;
    while i < bytes.len() {
        if !bytes[i].is_ascii_alphanumeric() && !matches!(bytes[i], b'_' | b'.' | b'/' | b'-') {
            let fault = Fault::new(what).text(" contains ").byte(bytes[i]).text(" at position ").number(i);
            return Err(fault.text(": wanted letters, digits, '_', '.', '/' or '-'"));
        }
        i += 1;
    }
    Ok(())
}

/// Checks a unit: ASCII without control characters, at most [`UNIT_BYTES_MAX`] bytes, braces balanced and not nested (UCUM).
///
/// # Errors
/// The text names the character and its position.
pub const fn unit(unit: &str) -> Result<(), Fault> {
    let bytes = unit.as_bytes();
    if bytes.len() > UNIT_BYTES_MAX {
        let fault = Fault::new("unit has ").number(bytes.len()).text(" bytes: at most ");
        return Err(fault.number(UNIT_BYTES_MAX).text(" are allowed"));
    }
    let (mut i, mut open) = (0, false);
    while i < bytes.len() {
        if !bytes[i].is_ascii_graphic() {
            let fault = Fault::new("unit contains ").byte(bytes[i]).text(" at position ").number(i);
            return Err(fault.text(": wanted a UCUM unit such as \"By\", \"s\" or \"{request}\""));
        }
        if bytes[i] == b'{' || bytes[i] == b'}' {
            if open == (bytes[i] == b'{') {
                return Err(Fault::new("unit has an unbalanced ").byte(bytes[i]).text(" at position ").number(i));
            }
            open = !open;
        }
        i += 1;
    }
    if open { Err(Fault::new("unit has a '{' that is not closed")) } else { Ok(()) }
}

/// Checks histogram bounds: finite and strictly increasing.
///
/// # Errors
/// The text names the position.
pub const fn bounds(bounds: &[f64]) -> Result<(), Fault> {
    if bounds.len() >= HISTOGRAM_BUCKETS_MAX {
        return Err(Fault::new("there are ")
            .number(bounds.len())
            .text(" bounds, and one less than ")
            .number(HISTOGRAM_BUCKETS_MAX)
            .text(" at most is wanted"));
    }
    let mut i = 0;
    while i < bounds.len() {
        if !bounds[i].is_finite() {
            return Err(Fault::new("the bound at position ").number(i).text(" is not finite"));
        }
        if i > 0 && bounds[i - 1] >= bounds[i] {
            return Err(Fault::new("the bound at position ").number(i).text(" is not above the one before it"));
        }
        i += 1;
    }
    Ok(())
}

/// Reads an interval: a whole number and `ms`, `s`, `m` or `h`, above zero and at most 366 days.
///
/// ```
/// use std::time::Duration;
/// assert_eq!(telemetry_core::name::interval("500ms"), Ok(Duration::from_millis(500)));
/// assert!(telemetry_core::name::interval("5 parsecs").is_err());
/// ```
///
/// # Errors
/// The text says what was found and what is wanted.
pub const fn interval(text: &str) -> Result<Duration, Fault> {
    const MS_MAX: u64 = 366 * 24 * 3_600_000;
    let wanted = "': wanted a whole number above zero and a unit, such as \"500ms\", \"10s\", \"1m\" or \"2h\", at most 366 days";
    let fault = Fault::new("interval is '").text(text).text(wanted);
    let bytes = text.as_bytes();
    let (mut i, mut number) = (0, 0_u64);
    while i < bytes.len() && bytes[i].is_ascii_digit() {
        number = number.saturating_mul(10).saturating_add((bytes[i] - b'0') as u64);
        i += 1;
    }
    let (_, unit) = bytes.split_at(i);
    let unit_ms = match unit {
        b"ms" => 1,
        b"s" => 1_000,
        b"m" => 60_000,
        b"h" => 3_600_000,
        _ => return Err(fault),
    };
    let ms = number.saturating_mul(unit_ms);
    if i == 0 || ms == 0 || ms > MS_MAX { Err(fault) } else { Ok(Duration::from_millis(ms)) }
}
