//! FORMAT.md, held to the code: the bodies of its example are those that are written.

use std::sync::Arc;

use super::body::{self, Kind};
use crate::compact::{Cell, Kind as CellKind, Lane, Source, Template};
use crate::stream::{Position, Reason};

/// A counter of this value, as a message is.
struct One(Vec<u8>);

impl Source for One {
    fn fixed(&self) -> &[u8] {
        &self.0
    }
    fn tails(&self) -> impl Iterator<Item = (Option<u64>, &[u8])> {
        std::iter::empty()
    }
    fn extra(&self) -> &[u8] {
        &[]
    }
    fn must_stay(&self) -> bool {
        false
    }
}

/// The fields of a `ResourceMetrics` with one counter, and where its time and value are.
fn fixed(value: u64) -> (Vec<u8>, u32, u32) {
    let mut fixed = vec![0x0a, 0x00]; // the resource: empty
    let head = [0x12, 0x27, 0x12, 0x25, 0x0a, 0x01, b'n', 0x3a, 0x20, 0x0a, 0x1b, 0x11, 1, 0, 0, 0, 0, 0, 0, 0, 0x19];
    fixed.extend_from_slice(&head);
    let time = fixed.len() as u32;
    fixed.extend_from_slice(&[0; 8]);
    fixed.push(0x31);
    let cell = fixed.len() as u32;
    fixed.extend_from_slice(&value.to_le_bytes());
    fixed.extend_from_slice(&[0x10, 0x02, 0x18, 0x01]);
    (fixed, time, cell)
}

/// Each record of the example: its kind and its body.
fn example() -> Vec<(u8, Vec<u8>, &'static str)> {
    let (bytes, time, cell) = fixed(0);
    let cells = vec![Cell { at: cell, kind: CellKind::Whole }];
    let template = Arc::new(Template { fixed: bytes, resource_len: 2, times: vec![time], cells, ..Template::default() });
    let mut records = Vec::new();
    let mut record = |kind, what, write: &dyn Fn(&mut Vec<u8>)| {
        let mut body = Vec::new();
        write(&mut body);
        records.push((kind, body, what));
    };
    record(body::STREAM, "kind 16: id 0, metrics, its name", &|out| body::stream(out, 0, Kind::Metrics, "metrics"));
    record(body::TEMPLATE, "kind 17: id 1, base 0, its change", &|out| {
        body::template(out, 1, 0);
        out.extend_from_slice(&template.write(&Template::default()));
    });
    let mut lane = Lane::default();
    lane.set_template(1, Arc::clone(&template));
    let mut messages = Vec::new();
    for value in [3, 5] {
        let mut message = Vec::new();
        lane.write(&mut message, 0, 0, &One(fixed(value).0));
        messages.push(message);
    }
    let begins = [0, 12 + messages[0].len() as u64];
    for (number, (message, what)) in messages
        .iter()
        .zip(["kind 18: number 0, at 0+0, its time, the cell is 3", "kind 18: number 1, a second later, 2 more"])
        .enumerate()
    {
        record(body::MESSAGE, what, &|out| {
            let at = Position { sequence: 0, offset: begins[number] };
            body::message(out, 0, number as u64, at, 1_700_000_000_000_000_000 + number as u64 * 1_000_000_000);
            out.extend_from_slice(message);
        });
    }
    record(body::STREAM, "kind 16: id 7, an event, its name", &|out| body::stream(out, 7, Kind::Event, "ping"));
    record(body::MISSED, "kind 19: id 7, up to number 1, at 3+0, beyond the bytes", &|out| {
        body::missed(out, 7, 1, 1, Position { sequence: 3, offset: 0 }, Reason::Dropped);
    });
    record(body::MESSAGE, "kind 18: id 7, number 1, at 3+0, its time, {}", &|out| {
        body::message(out, 7, 1, Position { sequence: 3, offset: 0 }, 1_700_000_000_000_000_000);
        out.extend_from_slice(b"{}");
    });
    records
}

fn shown() -> String {
    let mut text = String::new();
    for (_, body, what) in example() {
        for (number, line) in body.chunks(16).enumerate() {
            let bytes: Vec<_> = line.iter().map(|byte| format!("{byte:02x}")).collect();
            let what = if number == 0 { format!(" {what}") } else { String::new() };
            text += &format!("{:<47} │{what}\n", bytes.join(" "));
        }
    }
    text
}

#[test]
fn the_example_of_records_in_the_document_is_what_is_written() {
    let document = include_str!("../../../FORMAT.md");
    let (_, behind) = document.split_once("## An example of records").expect("the heading");
    let (_, behind) = behind.split_once("```hex\n").expect("a block");
    let (block, _) = behind.split_once("```").expect("its end");
    assert_eq!(block, shown(), "FORMAT.md should have\n{}", shown());
}
