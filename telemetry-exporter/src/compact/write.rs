//! Writing: what one place among the messages of a collection held last, and what is said of the next.
//!
//! ```text
//! template   a number; 0 is one without anything fixed
//! lane       a number: the place among the messages of a collection, times four; one more where it says what no later message says,
//!            and two where its time is not that of its frame: then the zigzag code of the difference follows
//! cells      what changed of the numbers (`cells`)
//! tails      skip + 1, a change of bytes (`patch`)  …  0
//! extra      a change of bytes: what is behind all scopes of the template
//! ```
//!
//! A message is read against the one before it of the same lane and template in the same segment. The first is read against nothing:
//! numbers that are zero, and bytes that are none.

use std::sync::Arc;

use super::template::Template;
use super::{cells, patch};
use crate::wire::varint;

/// A message, as who made it has it.
pub trait Source {
    /// What is fixed of it, with times and numbers in it.
    fn fixed(&self) -> &[u8];

    /// Of each point that has a tail the tail; with a version, where it changes with that alone.
    fn tails(&self) -> impl Iterator<Item = (Option<u64>, &[u8])>;

    /// What is behind all scopes of the template.
    fn extra(&self) -> &[u8];

    /// Whether it says something that no later message says, such as that a series has ended.
    fn must_stay(&self) -> bool;
}

/// The messages in one place of a collection, one after the other.
#[derive(Default)]
pub struct Lane {
    template: Arc<Template>,
    id: u64,
    sequence: Option<u64>,
    cells: Vec<u64>,
    tails: Vec<(Option<u64>, Vec<u8>)>,
    extra: Vec<u8>,
}

impl Lane {
    /// The number of the template; 0 before there is one.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The template.
    pub fn template(&self) -> &Arc<Template> {
        &self.template
    }

    /// Messages are of this template from here on.
    pub fn set_template(&mut self, id: u64, template: Arc<Template>) {
        let is_same = id == self.id && self.template == template;
        self.template = template;
        if !is_same {
            (self.id, self.sequence) = (id, None);
        }
    }

    /// Whether the next message in this segment is read against nothing.
    pub fn is_first(&self, sequence: u64) -> bool {
        self.sequence != Some(sequence)
    }

    /// Writes a message that comes to be in this segment, in a frame of a time that is by so many nanoseconds another than its own. Cost: a
    /// comparison a number, and the bytes of what changed.
    pub fn write(&mut self, out: &mut Vec<u8>, place: usize, sequence: u64, time_behind: i64, source: &impl Source) {
        if self.sequence.replace(sequence) != Some(sequence) {
            self.forget();
        }
        varint(out, self.id);
        varint(out, (place as u64) << 2 | u64::from(time_behind != 0) << 1 | u64::from(source.must_stay()));
        if time_behind != 0 {
            varint(out, ((time_behind << 1) ^ (time_behind >> 63)).cast_unsigned());
        }
        self.write_cells(out, source.fixed());
        let mut skipped = 0;
        for ((before, tail), (version, bytes)) in self.tails.iter_mut().zip(source.tails()) {
            let is_same = version.is_some() && version == *before || tail == bytes;
            *before = version;
            if is_same {
                skipped += 1;
                continue;
            }
            varint(out, skipped + 1);
            patch::write(out, tail, bytes);
            tail.clear();
            tail.extend_from_slice(bytes);
            skipped = 0;
        }
        varint(out, 0);
        let extra = source.extra();
        patch::write(out, &self.extra, extra);
        self.extra.clear();
        self.extra.extend_from_slice(extra);
    }

    fn forget(&mut self) {
        self.cells.clear();
        self.cells.resize(self.template.cells.len(), 0);
        self.tails.resize_with(self.template.tails(), Default::default);
        self.tails.iter_mut().for_each(|(version, tail)| {
            *version = None;
            tail.clear();
        });
        self.extra.clear();
    }

    fn write_cells(&mut self, out: &mut Vec<u8>, fixed: &[u8]) {
        let mut skipped = 0;
        for (cell, before) in self.template.cells.iter().zip(&mut self.cells) {
            let Some(bytes) = fixed[cell.at as usize..].first_chunk() else { continue };
            let now = u64::from_le_bytes(*bytes);
            if now == *before {
                skipped += 1;
            } else {
                cells::write(out, std::mem::take(&mut skipped), cell.kind, std::mem::replace(before, now), now);
            }
        }
        cells::end(out);
    }
}
