//! A message of a layout as a template and what changes of it, for the metrics stream.

use std::sync::Arc;

use telemetry_core::collect::Frame;

use super::changing::Changing;
use super::template::{ExemplarPatch, ExplicitPatch, NumberPatch, Part};
use crate::compact::{Cell, Kind, Scope, Source, Template};
use crate::wire;

impl Part {
    /// What is constant of it while the series are those of this frame.
    pub(super) fn to_template(&self, frame: &Frame) -> Template {
        let mut cells = Vec::with_capacity(self.numbers.len());
        let mut times: Vec<_> =
            self.numbers.iter().map(|patch| patch.at).chain(self.explicits.iter().map(|patch| patch.at)).collect();
        self.numbers.iter().for_each(|patch| patch.cells(&mut cells));
        self.explicits.iter().for_each(|patch| patch.cells(&mut cells));
        self.exemplars.iter().for_each(|patch| patch.cells(&mut cells));
        times.sort_unstable();
        cells.sort_unstable_by_key(|cell| cell.at);
        let mut fixed = self.fixed[..self.fixed_len].to_vec();
        times.iter().chain(cells.iter().map(|cell| &cell.at)).for_each(|at| wire::overwrite(&mut fixed, *at as usize, 0));
        let scope = |scope: &super::template::ScopePart| Scope { fixed: scope.fixed.clone(), metrics: scope.changing.clone() };
        let scopes = if self.changing.is_empty() { Vec::new() } else { self.scopes.iter().map(scope).collect() };
        let metrics = self.changing.iter().map(|metric| metric.to_template(frame)).collect();
        Template { fixed, resource_len: self.resource_len, times, cells, scopes, metrics }
    }

    /// The template that was made of it, if it is one.
    pub fn template(&self) -> Option<&Arc<Template>> {
        self.template.as_ref()
    }
}

impl Source for Part {
    fn fixed(&self) -> &[u8] {
        &self.fixed[..self.fixed_len]
    }

    fn tails(&self) -> impl Iterator<Item = (Option<u64>, &[u8])> {
        self.changing.iter().flat_map(|metric| metric.tails(&self.whole))
    }

    fn extra(&self) -> &[u8] {
        if self.changing.is_empty() { &self.fixed[self.fixed_len..] } else { &self.whole[self.whole_len..] }
    }

    fn must_stay(&self) -> bool {
        self.tells_ends
    }
}

fn cell(at: u32, kind: Kind) -> Cell {
    Cell { at, kind }
}

impl NumberPatch {
    fn cells(&self, out: &mut Vec<Cell>) {
        out.push(cell(self.at + 9, if self.is_float { Kind::Bits } else { Kind::Whole }));
    }
}

impl ExplicitPatch {
    fn cells(&self, out: &mut Vec<Cell>) {
        let counts = self.counts_at();
        out.extend([cell(self.at + 9, Kind::Whole), cell(self.at + 18, Kind::Bits)]);
        out.extend((0..self.counts).map(|n| cell(counts + n * 8, Kind::Whole)));
        out.extend([cell(self.min_at, Kind::Bits), cell(self.min_at + 9, Kind::Bits)]);
    }
}

impl ExemplarPatch {
    /// Its time, its value, and the ids of span and trace, behind their heads.
    fn cells(&self, out: &mut Vec<Cell>) {
        out.push(cell(self.at + 3, Kind::Whole));
        out.extend([12, 22, 32, 40].map(|behind| cell(self.at + behind, Kind::Bits)));
    }
}

impl Changing {
    fn to_template(&self, frame: &Frame) -> crate::compact::Metric {
        let point = |(number, attributes): (usize, &[u8])| {
            let mut point = attributes.to_vec();
            wire::fixed64(&mut point, 2, frame.series().get(number).map_or(0, |row| row.start_ns));
            point
        };
        crate::compact::Metric { prefix: self.prefix().to_vec(), points: self.series().zip(self.attributes()).map(point).collect() }
    }
}
