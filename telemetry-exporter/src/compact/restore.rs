//! Reading: the messages of a segment, one after the other.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::input::{Input, Malformed};
use super::template::Template;
use super::{cells, patch};
use crate::limits::{LANES_MAX, MESSAGE_BYTES_MAX, RESTORED_BYTES_MAX};

/// What the messages of a segment said so far.
#[derive(Default)]
pub struct Restorer {
    lanes: BTreeMap<usize, Lane>,
    /// Of all templates that were met, what a lane has of each.
    fixed_bytes: usize,
}

#[derive(Default)]
struct Lane {
    id: u64,
    template: Arc<Template>,
    time_ns: u64,
    fixed: Vec<u8>,
    tails: Vec<Vec<u8>>,
    extra: Vec<u8>,
}

/// What stands in front of a compact message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The number of its template.
    pub template: u64,
    /// Its place among the messages of a collection.
    pub lane: usize,
    /// Whether it says something that no later message of the same place and template says.
    pub must_stay: bool,
    /// Its own time, less that of its frame, in nanoseconds.
    pub time_behind: i64,
}

impl Head {
    fn read(input: &mut Input<'_>) -> Result<Self, Malformed> {
        let (template, lane) = (input.number()?, input.len(4 * LANES_MAX - 1)?);
        let zigzag = if lane & 2 == 2 { input.number()? } else { 0 };
        let time_behind = (zigzag >> 1).cast_signed() ^ -(zigzag & 1).cast_signed();
        Ok(Self { template, lane: lane >> 2, must_stay: lane & 1 == 1, time_behind })
    }

    /// Of this message.
    ///
    /// # Errors
    /// Bytes that are no compact message.
    pub fn of(message: &[u8]) -> Result<Self, Malformed> {
        Self::read(&mut Input(message))
    }
}

impl Restorer {
    /// Begins a segment.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// Bytes in memory, with the templates, which others may hold too.
    pub fn bytes(&self) -> usize {
        let tails = |lane: &Lane| lane.tails.iter().map(|tail| size_of::<Vec<u8>>() + tail.capacity()).sum::<usize>();
        let lane =
            |lane: &Lane| size_of::<Lane>() + lane.fixed.capacity() + lane.extra.capacity() + tails(lane) + lane.template.bytes();
        self.lanes.values().map(lane).sum()
    }

    /// Takes in the next message of the segment; templates are found by their number.
    ///
    /// # Errors
    /// Bytes that are no compact message, or a template that is not there. What is read of the segment after that is of no use.
    pub fn take(
        &mut self,
        time_ns: u64,
        message: &[u8],
        template: impl FnOnce(u64) -> Option<Arc<Template>>,
    ) -> Result<Restored<'_>, Malformed> {
        let mut input = Input(message);
        let head = Head::read(&mut input)?;
        let lane = self.lanes.entry(head.lane).or_default();
        if lane.id != head.template {
            let template = template(head.template).ok_or(input.wrong("a template that is not there"))?;
            let fixed = self.fixed_bytes + template.fixed.len() + template.tails() * size_of::<Vec<u8>>();
            if fixed > RESTORED_BYTES_MAX {
                return Err(input.wrong("more bytes beside one another than are allowed"));
            }
            self.fixed_bytes = fixed;
            *lane = Lane { id: head.template, fixed: template.fixed.clone(), template, ..Lane::default() };
            lane.tails.resize_with(lane.template.tails(), Vec::new);
        }
        lane.time_ns = time_ns.wrapping_add_signed(head.time_behind);
        lane.read(&mut input)?;
        Ok(Restored { lane })
    }
}

impl Lane {
    fn read(&mut self, input: &mut Input<'_>) -> Result<(), Malformed> {
        let Self { template, fixed, tails, extra, .. } = self;
        cells::read(
            input,
            template.cells.len(),
            |place| template.cells[place].kind,
            |place, change| {
                let at = template.cells[place].at as usize;
                if let Some(bytes) = fixed.get_mut(at..).and_then(<[u8]>::first_chunk_mut) {
                    *bytes = change.of(u64::from_le_bytes(*bytes)).to_le_bytes();
                }
            },
        )?;
        let mut next = 0;
        loop {
            let skip = input.len(tails.len())?;
            let Some(skip) = skip.checked_sub(1) else { break };
            let tail = tails.get_mut(next + skip).ok_or(input.wrong("a point that there is not"))?;
            patch::read(input, tail, MESSAGE_BYTES_MAX)?;
            next += skip + 1;
        }
        patch::read(input, extra, MESSAGE_BYTES_MAX)?;
        if !input.0.is_empty() {
            return Err(input.wrong("something behind the message"));
        }
        Ok(())
    }
}

/// A message as it was.
pub struct Restored<'a> {
    lane: &'a mut Lane,
}

impl Restored<'_> {
    /// Writes it behind what is there.
    pub fn write(self, out: &mut Vec<u8>) {
        let Lane { template, time_ns, fixed, tails, extra, .. } = self.lane;
        let time = time_ns.to_le_bytes();
        for at in &template.times {
            if let Some(place) = fixed.get_mut(*at as usize..).and_then(<[u8]>::first_chunk_mut) {
                *place = time;
            }
        }
        template.assemble(out, fixed, *time_ns, tails);
        out.extend_from_slice(extra);
    }
}

#[cfg(test)]
mod tests {
    use super::super::template::{Metric, Scope};
    use super::*;

    #[test]
    fn lanes_of_a_template_with_many_points_are_refused_where_they_take_more_than_is_allowed() {
        let metric = Metric { prefix: Vec::new(), points: vec![Vec::new(); 20_000] };
        let scopes = vec![Scope { fixed: 0..0, metrics: 0..1 }];
        let template = Arc::new(Template { scopes, metrics: vec![metric], ..Template::default() });
        let mut restorer = Restorer::default();
        let lanes = (0..30_u8).take_while(|lane| {
            let message = [1, lane * 4, 0, 0, 0]; // no change
            restorer.take(1, &message, |_| Some(Arc::clone(&template))).is_ok()
        });
        assert_eq!(lanes.count(), RESTORED_BYTES_MAX / (20_000 * size_of::<Vec<u8>>()));
    }
}
