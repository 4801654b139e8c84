//! An exemplar as a field of a point. Its length is always the same.

use telemetry_core::collect::{Exemplar, Frame, Shape};

use crate::wire::{DELIMITED, FIXED64, tag};

/// Of a field: the head, time and value, and the ids with their heads.
pub const LEN: usize = 2 + 9 + 9 + 10 + 18;

/// The exemplar of a series as a field of this number, if the series has one.
pub fn field(field: u8, frame: &Frame, number: usize) -> Option<[u8; LEN]> {
    let Exemplar { bits, time_ns, trace_id, span_id } = *frame.exemplar(number)?;
    // Whole numbers are signed here, and what is beyond them saturates.
    let (of, bits) = match frame.series().get(number)?.shape {
        Shape::U64 => (6, bits.min(i64::MAX.cast_unsigned())),
        Shape::I64 => (6, bits),
        _ => (3, bits),
    };
    let mut out = [0; LEN];
    let mut at = 0;
    let mut put = |bytes: &[u8]| {
        out[at..at + bytes.len()].copy_from_slice(bytes);
        at += bytes.len();
    };
    put(&[tag(field, DELIMITED), LEN as u8 - 2]);
    put(&[tag(2, FIXED64)]);
    put(&time_ns.to_le_bytes());
    put(&[tag(of, FIXED64)]);
    put(&bits.to_le_bytes());
    put(&[tag(4, DELIMITED), 8]);
    put(&span_id);
    put(&[tag(5, DELIMITED), 16]);
    put(&trace_id);
    Some(out)
}

/// The bytes of a field that may be absent.
pub fn bytes(field: &Option<[u8; LEN]>) -> &[u8] {
    field.as_ref().map_or(&[], |field| field.as_slice())
}
