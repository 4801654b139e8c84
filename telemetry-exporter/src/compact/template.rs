//! What is constant of the messages of one layout, and how a message is put together of it.
//!
//! Most points have a constant length: they are in `fixed`, with places for times and numbers. Points of exponential buckets do not:
//! of these the template has what is before their time, and the rest of each is bytes that change as a whole, its *tail*.

use std::ops::Range;

use super::cells::Kind;
use super::input::{Input, Malformed};
use super::patch;
use crate::limits::TEMPLATE_BYTES_MAX;
use crate::wire::{self, varint};

/// A serialised `ResourceMetrics` without its times and values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Template {
    /// The resource, then each scope without what changes its length: the scope's own head is there only where nothing does.
    pub fixed: Vec<u8>,
    /// How long the resource is.
    pub resource_len: usize,
    /// Where the eight bytes of each time are in what is fixed. They rise.
    pub times: Vec<u32>,
    /// Where the eight bytes of each number are in what is fixed. They rise.
    pub cells: Vec<Cell>,
    /// Where something changes its length: the scopes, one behind the other.
    pub scopes: Vec<Scope>,
    /// Metrics that change their length.
    pub metrics: Vec<Metric>,
}

/// A number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell {
    /// Where its first byte is.
    pub at: u32,
    /// What it is.
    pub kind: Kind,
}

/// A scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    /// What of `fixed` is of it.
    pub fixed: Range<usize>,
    /// Which of the metrics are of it.
    pub metrics: Range<usize>,
}

/// A metric of exponential buckets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metric {
    /// Name, description and unit, as fields.
    pub prefix: Vec<u8>,
    /// Of each point what is before its time, as fields.
    pub points: Vec<Vec<u8>>,
}

/// How long the time of a point is with its tag.
const TIME_LEN: usize = 9;

/// How long the temporality behind the points of a metric is.
const TEMPORALITY_LEN: usize = 2;

impl Template {
    /// Whether anything changes its length.
    pub fn has_tails(&self) -> bool {
        !self.metrics.is_empty()
    }

    /// How many points have a tail.
    pub fn tails(&self) -> usize {
        self.metrics.iter().map(|metric| metric.points.len()).sum()
    }

    /// Bytes in memory.
    pub fn bytes(&self) -> usize {
        let point = |point: &Vec<u8>| point.len() + size_of::<Vec<u8>>();
        let metric = |metric: &Metric| size_of::<Metric>() + metric.prefix.len() + metric.points.iter().map(point).sum::<usize>();
        size_of::<Self>()
            + self.fixed.len()
            + size_of_val(&self.times[..])
            + size_of_val(&self.cells[..])
            + size_of_val(&self.scopes[..])
            + self.metrics.iter().map(metric).sum::<usize>()
    }

    /// Puts a message together: of what is fixed with its times and numbers, and of the tails.
    pub fn assemble(&self, out: &mut Vec<u8>, fixed: &[u8], time_ns: u64, tails: &[Vec<u8>]) {
        if !self.has_tails() {
            return out.extend_from_slice(fixed);
        }
        let lengths = self.lengths(tails);
        out.extend_from_slice(&fixed[..self.resource_len]);
        let mut tails = tails.iter();
        for scope in &self.scopes {
            let metrics = self.metrics[scope.metrics.clone()].iter().zip(&lengths[scope.metrics.clone()]);
            let len = metrics.clone().map(|(metric, points)| wire::delimited_len(metric.len(*points))).sum::<usize>();
            wire::head(out, 2, scope.fixed.len() + len);
            out.extend_from_slice(&fixed[scope.fixed.clone()]);
            for (metric, points) in metrics {
                wire::head(out, 2, metric.len(*points));
                out.extend_from_slice(&metric.prefix);
                wire::head(out, 10, points + TEMPORALITY_LEN);
                for (point, tail) in metric.points.iter().zip(&mut tails) {
                    wire::head(out, 1, point.len() + TIME_LEN + tail.len());
                    out.extend_from_slice(point);
                    wire::fixed64(out, 3, time_ns);
                    out.extend_from_slice(tail);
                }
                wire::number(out, 2, wire::CUMULATIVE);
            }
        }
    }

    /// How long the points of each metric are.
    fn lengths(&self, tails: &[Vec<u8>]) -> Vec<usize> {
        let mut tails = tails.iter();
        let point = |(point, tail): (&Vec<u8>, &Vec<u8>)| wire::delimited_len(point.len() + TIME_LEN + tail.len());
        self.metrics.iter().map(|metric| metric.points.iter().zip(&mut tails).map(point).sum()).collect()
    }

    /// What leads to it from another one: the changes of four runs of bytes (`patch`), the fixed bytes, the times, the cells, and the
    /// rest. A template that differs by some series takes few.
    pub fn write(&self, base: &Self) -> Vec<u8> {
        let mut out = Vec::new();
        patch::write(&mut out, &base.fixed, &self.fixed);
        for (base, own) in base.sections().iter().zip(&self.sections()) {
            patch::write(&mut out, base, own);
        }
        out
    }

    /// Reads what was written against this one.
    ///
    /// # Errors
    /// Bytes that are no template.
    pub fn read(bytes: &[u8], base: &Self) -> Result<Self, Malformed> {
        let mut input = Input(bytes);
        let mut fixed = base.fixed.clone();
        patch::read(&mut input, &mut fixed, TEMPLATE_BYTES_MAX)?;
        let mut sections = base.sections();
        for section in &mut sections {
            patch::read(&mut input, section, TEMPLATE_BYTES_MAX)?;
        }
        if !input.0.is_empty() {
            return Err(input.wrong("something behind a template"));
        }
        let [times, cells, rest] = &sections;
        let times = read_places(times, fixed.len(), 0)?.into_iter().map(|(at, _)| at).collect();
        let cell = |(at, bits)| Cell { at, kind: if bits == 1 { Kind::Bits } else { Kind::Whole } };
        let cells = read_places(cells, fixed.len(), 1)?.into_iter().map(cell).collect();
        Self { fixed, times, cells, ..Self::default() }.with_rest(rest)
    }

    /// Times, cells, and what is left: how long the resource is, the scopes, and their metrics.
    fn sections(&self) -> [Vec<u8>; 3] {
        let mut rest = Vec::new();
        varint(&mut rest, self.resource_len as u64);
        varint(&mut rest, self.scopes.len() as u64);
        for Scope { fixed, metrics } in &self.scopes {
            [fixed.len(), metrics.len()].into_iter().for_each(|len| varint(&mut rest, len as u64));
        }
        for Metric { prefix, points } in &self.metrics {
            delimited(&mut rest, prefix);
            varint(&mut rest, points.len() as u64);
            points.iter().for_each(|point| delimited(&mut rest, point));
        }
        let times = places(self.times.iter().map(|at| (*at, 0)));
        let cells = places(self.cells.iter().map(|cell| (cell.at, u64::from(cell.kind == Kind::Bits))));
        [times, cells, rest]
    }

    fn with_rest(mut self, rest: &[u8]) -> Result<Self, Malformed> {
        let mut input = Input(rest);
        self.resource_len = input.len(self.fixed.len())?;
        let (mut end, mut metrics) = (self.resource_len, 0);
        for _ in 0..input.len(input.0.len())? {
            let fixed_len = input.len(self.fixed.len() - end)?;
            let metrics_len = input.len(input.0.len())?;
            self.scopes.push(Scope { fixed: end..end + fixed_len, metrics: metrics..metrics + metrics_len });
            (end, metrics) = (end + fixed_len, metrics + metrics_len);
        }
        for _ in 0..metrics {
            let prefix = input.delimited()?.to_vec();
            let mut points = Vec::new();
            for _ in 0..input.len(input.0.len())? {
                points.push(input.delimited()?.to_vec());
            }
            self.metrics.push(Metric { prefix, points });
        }
        if input.0.is_empty() { Ok(self) } else { Err(input.wrong("something behind the metrics of a template")) }
    }
}

impl Metric {
    /// How long it is without its head, with points that are so long.
    fn len(&self, points: usize) -> usize {
        self.prefix.len() + wire::delimited_len(points + TEMPORALITY_LEN)
    }
}

fn delimited(out: &mut Vec<u8>, bytes: &[u8]) {
    varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// For each place what is between it and the end of the one before, times two, with one bit more.
fn places(places: impl Iterator<Item = (u32, u64)>) -> Vec<u8> {
    let (mut out, mut end) = (Vec::new(), 0);
    for (at, bit) in places {
        varint(&mut out, u64::from(at - end) << 1 | bit);
        end = at + 8;
    }
    out
}

fn read_places(section: &[u8], len: usize, bit_max: u64) -> Result<Vec<(u32, u64)>, Malformed> {
    let (mut found, mut end, mut input) = (Vec::new(), 0, Input(section));
    while !input.0.is_empty() {
        let number = input.number()?;
        let at = usize::try_from(number >> 1).ok().and_then(|skip| skip.checked_add(end));
        let at = at.filter(|at| at.checked_add(8).is_some_and(|end| end <= len) && number & 1 <= bit_max);
        let at = at.ok_or(input.wrong("a place beyond what is fixed"))?;
        found.push((at as u32, number & 1));
        end = at + 8;
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One of so many series, in three scopes.
    fn template(series: usize) -> Template {
        let point = |n: usize| format!("the labels of the series {n}, which are long").into_bytes();
        let mut template = Template { fixed: b"resource".to_vec(), resource_len: 8, ..Template::default() };
        for scope in 0..3 {
            let begin = template.fixed.len();
            for n in 0..series {
                template.fixed.extend_from_slice(&point(n * 3 + scope));
                let at = template.fixed.len() as u32;
                template.times.push(at);
                template.cells.push(Cell { at: at + 9, kind: if n % 2 == 0 { Kind::Whole } else { Kind::Bits } });
                template.fixed.extend_from_slice(&[0; 17]);
            }
            template.scopes.push(Scope { fixed: begin..template.fixed.len(), metrics: scope..scope + 1 });
            template.metrics.push(Metric { prefix: b"name".to_vec(), points: (0..series).map(point).collect() });
        }
        template
    }

    #[test]
    fn a_template_comes_back_and_against_a_like_one_takes_few_bytes() {
        let (empty, some, more) = (Template::default(), template(20), template(21));
        for (own, base) in [(&empty, &empty), (&some, &empty), (&more, &some), (&some, &more), (&empty, &more)] {
            let written = own.write(base);
            assert_eq!(Template::read(&written, base).as_ref(), Ok(own));
            for cut in 0..written.len() {
                assert!(Template::read(&written[..cut], base).is_err(), "cut at {cut}");
            }
        }
        let with_one_more = {
            let mut one = some.clone();
            one.fixed.extend_from_slice(&[0; 60]);
            one.cells.push(Cell { at: one.fixed.len() as u32 - 8, kind: Kind::Whole });
            one
        };
        assert!(with_one_more.write(&some).len() < 90);
    }

    #[test]
    fn bytes_that_are_no_template_are_an_error_and_no_panic() {
        let base = template(3);
        let written = base.write(&Template::default());
        for at in 0..written.len() {
            for bit in 0..8 {
                let mut flipped = written.clone();
                flipped[at] ^= 1 << bit;
                if let Ok(read) = Template::read(&flipped, &Template::default()) {
                    let tails = vec![Vec::new(); read.tails()];
                    read.assemble(&mut Vec::new(), &read.fixed, 1, &tails);
                }
            }
        }
    }
}
