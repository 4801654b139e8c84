//! Building the messages of a layout: which metrics are in which, within the bytes of one message.
//!
//! They are split between metrics, and within a metric between series. A single series above the limit stays as it is; the stream
//! rejects and counts it.

use prost::Message;
use telemetry_core::collect::{Frame, MetricRow, SeriesRow, Shape};
use telemetry_core::{MetricKind, Scope};

use super::changing::Changing;
use super::exponential::PointLength;
use super::template::{ExemplarPatch, ExplicitPatch, NumberPatch, Part, ScopePart};
use super::{exemplar, plain};
use crate::wire;
use crate::wire::CUMULATIVE;

/// All messages of one layout.
pub fn build(frame: &Frame, resource: &[u8], bytes_max: usize) -> Vec<Part> {
    let mut builder = Builder::new(resource, bytes_max);
    let shape = |row: &MetricRow| frame.series().get(row.series.start).map_or(Shape::U64, |series| series.shape);
    for (scope, rows) in plain::by_scope(frame.metrics().iter(), |row| (row.declaration, shape(row))) {
        builder.scope = scope_message(scope);
        for row in rows {
            builder.metric(row, shape(row), frame);
        }
        builder.end_scope();
    }
    builder.end_part();
    builder.parts
}

fn scope_message(scope: &Scope) -> Vec<u8> {
    let mut out = Vec::new();
    wire::bytes(&mut out, 1, &plain::scope(scope).encode_to_vec());
    out
}

/// Fills parts.
struct Builder<'a> {
    resource: &'a [u8],
    bytes_max: usize,
    parts: Vec<Part>,
    part: Part,
    /// The field of the scope's message that says who it is.
    scope: Vec<u8>,
    /// What is fixed of the scope so far, and the metrics of it that change their length.
    body: Draft,
    changing: Vec<Changing>,
    /// How long the part may become by what changes.
    reserved: usize,
}

/// Bytes with the places in them that are patched.
#[derive(Default)]
struct Draft {
    bytes: Vec<u8>,
    numbers: Vec<NumberPatch>,
    explicits: Vec<ExplicitPatch>,
    exemplars: Vec<ExemplarPatch>,
}

impl Draft {
    /// Puts these bytes behind its own.
    fn append(&mut self, other: &mut Self) {
        let base = self.bytes.len() as u32;
        self.bytes.append(&mut other.bytes);
        self.numbers.extend(other.numbers.drain(..).map(|patch| NumberPatch { at: patch.at + base, ..patch }));
        self.exemplars.extend(other.exemplars.drain(..).map(|patch| ExemplarPatch { at: patch.at + base, ..patch }));
        let moved = |patch: ExplicitPatch| ExplicitPatch { at: patch.at + base, min_at: patch.min_at + base, ..patch };
        self.explicits.extend(other.explicits.drain(..).map(moved));
    }
}

impl<'a> Builder<'a> {
    /// Room for the heads around a point, beside the bytes that are counted.
    const HEADS: usize = 64;

    /// How long the head of a scope is at most: a tag, and a length of five bytes.
    const SCOPE_HEAD_LEN: usize = 6;

    fn new(resource: &'a [u8], bytes_max: usize) -> Self {
        let (body, part) = (Draft::default(), Self::begin(resource));
        Self { resource, bytes_max, parts: Vec::new(), part, scope: Vec::new(), body, changing: Vec::new(), reserved: 0 }
    }

    fn begin(resource: &[u8]) -> Part {
        Part { fixed: resource.to_vec(), resource_len: resource.len(), ..Part::default() }
    }

    /// Whether so many bytes more still fit.
    fn fits(&self, len: usize) -> bool {
        let heads = (self.part.scopes.len() + 1) * Self::SCOPE_HEAD_LEN;
        let so_far = self.part.fixed.len() + heads + self.scope.len() + self.body.bytes.len() + self.reserved;
        so_far + len + Self::HEADS <= self.bytes_max
    }

    /// Whether the part has anything, so that another one is of use.
    fn has_any(&self) -> bool {
        self.part.fixed.len() > self.resource.len() || !self.body.bytes.is_empty() || !self.changing.is_empty()
    }

    fn metric(&mut self, row: &MetricRow, shape: Shape, frame: &Frame) {
        let mut prefix = Vec::new();
        wire::text(&mut prefix, 1, row.declaration.name());
        wire::text(&mut prefix, 2, row.declaration.description());
        wire::text(&mut prefix, 3, row.declaration.unit());
        if shape == Shape::Exponential {
            return self.changing_metric(row, prefix, frame);
        }
        let mut points = Draft::default();
        for number in row.series.clone() {
            let mut point = Draft::default();
            let series = &frame.series()[number];
            match series.shape {
                Shape::Explicit(bounds) => write_explicit(&mut point, number, series, bounds, frame),
                _ => {
                    write_number(&mut point, number, series, if row.kind == MetricKind::Gauge { 0 } else { series.start_ns }, frame)
                }
            }
            if !self.fits(prefix.len() + points.bytes.len() + point.bytes.len()) && (self.has_any() || !points.bytes.is_empty()) {
                self.end_metric(&prefix, &mut points, row.kind);
                self.end_scope();
                self.end_part();
            }
            wire::head(&mut points.bytes, 1, point.bytes.len());
            points.append(&mut point);
        }
        self.end_metric(&prefix, &mut points, row.kind);
    }

    fn end_metric(&mut self, prefix: &[u8], points: &mut Draft, kind: MetricKind) {
        if points.bytes.is_empty() {
            return;
        }
        let mut tail = Vec::new();
        let field = match kind {
            MetricKind::Histogram => 9,
            MetricKind::Gauge => 5,
            _ => 7,
        };
        if kind != MetricKind::Gauge {
            wire::number(&mut tail, 2, CUMULATIVE);
        }
        if kind == MetricKind::Counter {
            wire::number(&mut tail, 3, 1); // is_monotonic
        }
        let data = points.bytes.len() + tail.len();
        wire::head(&mut self.body.bytes, 2, prefix.len() + wire::delimited_len(data));
        self.body.bytes.extend_from_slice(prefix);
        wire::head(&mut self.body.bytes, field, data);
        self.body.append(points);
        self.body.bytes.append(&mut tail);
    }

    fn changing_metric(&mut self, row: &MetricRow, prefix: Vec<u8>, frame: &Frame) {
        let mut metric = Changing::new(prefix, row.series.start);
        for number in row.series.clone() {
            let attributes = attributes(&frame.series()[number], 1);
            let len = frame.distribution(frame.values()[number]).map_or(0, |sum| PointLength::of(sum, attributes.len()).point);
            let len = len + len / 4 + exemplar::LEN + Self::HEADS; // it may grow
            if !self.fits(metric.prefix_len() + len) && (self.has_any() || !metric.series().is_empty()) {
                let next = metric.next();
                self.changing.extend((!metric.series().is_empty()).then_some(metric));
                self.end_scope();
                self.end_part();
                metric = next;
            }
            self.reserved += len + if metric.series().is_empty() { metric.prefix_len() } else { 0 };
            metric.push(&attributes, frame.exemplar(number).is_some());
        }
        self.changing.extend((!metric.series().is_empty()).then_some(metric));
    }

    /// Puts the scope into the part.
    fn end_scope(&mut self) {
        if self.body.bytes.is_empty() && self.changing.is_empty() {
            return;
        }
        let first = self.part.changing.len();
        self.part.changing.append(&mut self.changing);
        // Of a part in which nothing changes its length the heads are written when it ends.
        let begin = self.part.fixed.len();
        let mut whole = Draft { bytes: self.scope.clone(), ..Draft::default() };
        whole.append(&mut self.body);
        let mut part = Draft {
            bytes: std::mem::take(&mut self.part.fixed),
            numbers: std::mem::take(&mut self.part.numbers),
            explicits: std::mem::take(&mut self.part.explicits),
            exemplars: std::mem::take(&mut self.part.exemplars),
        };
        part.append(&mut whole);
        (self.part.fixed, self.part.numbers, self.part.explicits) = (part.bytes, part.numbers, part.explicits);
        self.part.exemplars = part.exemplars;
        let (fixed, changing) = (begin..self.part.fixed.len(), first..self.part.changing.len());
        self.part.scopes.push(ScopePart { fixed, changing, at: 0 });
    }

    /// Keeps the part and begins another.
    fn end_part(&mut self) {
        let mut part = std::mem::replace(&mut self.part, Self::begin(self.resource));
        self.reserved = 0;
        if part.scopes.is_empty() && !self.parts.is_empty() {
            return;
        }
        if part.changing.is_empty() {
            part.write_heads();
        }
        part.fixed_len = part.fixed.len();
        self.parts.push(part);
    }
}

/// The attributes of a series as fields of this number.
fn attributes(row: &SeriesRow, field: u8) -> Vec<u8> {
    let mut out = Vec::new();
    plain::attributes(row).iter().for_each(|attribute| wire::bytes(&mut out, field, &attribute.encode_to_vec()));
    out
}

/// A point without its time and value, which are patched in.
fn write_number(out: &mut Draft, number: usize, row: &SeriesRow, start_ns: u64, frame: &Frame) {
    if start_ns != 0 {
        wire::fixed64(&mut out.bytes, 2, start_ns);
    }
    let is_float = row.shape == Shape::F64;
    let max = if row.shape == Shape::U64 { i64::MAX.cast_unsigned() } else { u64::MAX };
    out.numbers.push(NumberPatch { series: number as u32, at: out.bytes.len() as u32 + 1, max, is_float });
    wire::fixed64(&mut out.bytes, 3, 0);
    wire::fixed64(&mut out.bytes, if is_float { 4 } else { 6 }, 0);
    write_exemplar(out, number, 5, frame);
    out.bytes.append(&mut attributes(row, 7));
}

/// The exemplar of a point, where it has one, which is patched too.
fn write_exemplar(out: &mut Draft, number: usize, field: u8, frame: &Frame) {
    if let Some(exemplar) = exemplar::field(field, frame, number) {
        out.exemplars.push(ExemplarPatch { series: number as u32, at: out.bytes.len() as u32, field });
        out.bytes.extend_from_slice(&exemplar);
    }
}

fn write_explicit(out: &mut Draft, number: usize, row: &SeriesRow, bounds: &[f64], frame: &Frame) {
    wire::fixed64(&mut out.bytes, 2, row.start_ns);
    let at = out.bytes.len() as u32 + 1;
    wire::fixed64(&mut out.bytes, 3, 0);
    wire::fixed64(&mut out.bytes, 4, 0); // count
    wire::fixed64(&mut out.bytes, 5, 0); // sum
    wire::head(&mut out.bytes, 6, (bounds.len() + 1) * 8);
    out.bytes.resize(out.bytes.len() + (bounds.len() + 1) * 8, 0);
    if !bounds.is_empty() {
        wire::head(&mut out.bytes, 7, bounds.len() * 8);
        bounds.iter().for_each(|bound| out.bytes.extend_from_slice(&bound.to_le_bytes()));
    }
    write_exemplar(out, number, 8, frame);
    out.bytes.append(&mut attributes(row, 9));
    let counts = bounds.len() as u32 + 1;
    out.explicits.push(ExplicitPatch { series: number as u32, at, min_at: out.bytes.len() as u32 + 1, counts, version: 0 });
    wire::fixed64(&mut out.bytes, 11, 0); // min
    wire::fixed64(&mut out.bytes, 12, 0); // max
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use telemetry_core::collect::Collector;
    use telemetry_core::{Counter, Declaration, Registry, metric};

    use super::*;

    /// Of many scopes.
    #[metric(name = "build_scopes")]
    static SCOPES: Counter;

    #[test]
    fn a_message_of_many_scopes_is_within_its_bytes() {
        SCOPES.inc();
        let mut collector = Collector::of(&Registry::new(), |entry| entry.name() == "build_scopes");
        let frame = collector.collect(Duration::from_secs(1));
        let mut builder = Builder::new(&[], 8_000);
        for n in 0..200 {
            let declaration = Declaration::new("build_scopes").with_description("d".repeat(100));
            let declaration: &'static Declaration = Box::leak(Box::new(declaration.with_scope(format!("crate_{n:03}"), "0.1.0")));
            builder.scope = scope_message(declaration.scope());
            let mut row = frame.metrics()[0].clone();
            row.declaration = declaration;
            builder.metric(&row, Shape::U64, frame);
            builder.end_scope();
        }
        builder.end_part();
        let lengths: Vec<_> = builder.parts.iter().map(|part| part.as_ref().len()).collect();
        assert!(lengths.len() > 1 && lengths.iter().all(|len| *len <= 8_000), "{lengths:?}");
    }
}
