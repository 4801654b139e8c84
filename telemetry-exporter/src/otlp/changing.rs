//! A metric of exponential buckets, whose points change their length with their counts.
//!
//! A point whose distribution did not change is copied from where it was in the message before, or stays where it is.

use std::ops::Range;

use telemetry_core::collect::{Distribution, Frame, SeriesRow};

use super::exemplar;
use super::exponential::PointLength;
use crate::wire::{self, CUMULATIVE};

/// A metric of changing length.
pub struct Changing {
    /// Name, description and unit.
    prefix: Vec<u8>,
    series: Range<usize>,
    /// One a series.
    points: Vec<Point>,
    /// Of all points, one after the other.
    attributes: Vec<u8>,
    /// How long all points are with their heads.
    points_len: usize,
    /// Whether any series has an exemplar. Which of them have one changes with the layout.
    has_exemplars: bool,
}

/// The point of one series.
struct Point {
    /// That of the distribution that is written.
    version: u64,
    /// Whether there is a later one to be written.
    is_late: bool,
    /// Where it is in the message, without its head.
    at: usize,
    length: PointLength,
    attributes: Range<usize>,
}

impl Point {
    /// Where its time is, behind its attributes, its start and a tag.
    fn time_at(&self) -> usize {
        self.at + self.attributes.len() + 10
    }
}

impl Changing {
    /// One without series, of which the first will be this.
    pub fn new(prefix: Vec<u8>, first: usize) -> Self {
        Self { prefix, series: first..first, points: Vec::new(), attributes: Vec::new(), points_len: 0, has_exemplars: false }
    }

    /// The same metric from the next series on.
    pub fn next(&self) -> Self {
        Self::new(self.prefix.clone(), self.series.end)
    }

    /// Name, description and unit.
    pub fn prefix(&self) -> &[u8] {
        &self.prefix
    }

    /// Those of each series, as fields.
    pub fn attributes(&self) -> impl Iterator<Item = &[u8]> {
        self.points.iter().map(|point| &self.attributes[point.attributes.clone()])
    }

    /// Of each point in this message what is behind its time; with the version, where it changes with that alone.
    pub fn tails<'a>(&'a self, message: &'a [u8]) -> impl Iterator<Item = (Option<u64>, &'a [u8])> {
        self.points.iter().map(|point| {
            let version = (!self.has_exemplars).then_some(point.version);
            (version, &message[point.time_at() + 8..point.at + point.length.point])
        })
    }

    /// Adds the next series, with its attributes.
    pub fn push(&mut self, attributes: &[u8], has_exemplar: bool) {
        self.has_exemplars |= has_exemplar;
        let begin = self.attributes.len();
        self.attributes.extend_from_slice(attributes);
        let attributes = begin..self.attributes.len();
        self.points.push(Point { version: 0, is_late: false, at: 0, length: PointLength::default(), attributes });
        self.points_len += wire::delimited_len(0);
        self.series.end += 1;
    }

    /// Its series, by their number in the frame.
    pub fn series(&self) -> Range<usize> {
        self.series.clone()
    }

    /// How long name, description and unit are.
    pub fn prefix_len(&self) -> usize {
        self.prefix.len()
    }

    /// How long the points are that changed since they were written. Whether that of any is another.
    pub fn measure(&mut self, frame: &Frame) -> bool {
        let mut resized = false;
        for (number, point) in self.series.clone().zip(&mut self.points) {
            let value = frame.values()[number];
            let version = frame.version(value);
            if version == point.version {
                continue;
            }
            if let Some(sum) = frame.distribution(value) {
                let exemplar = frame.exemplar(number).map_or(0, |_| exemplar::LEN);
                let length = PointLength::of(sum, point.attributes.len() + exemplar);
                if length.point != point.length.point {
                    resized = true;
                    self.points_len += wire::delimited_len(length.point);
                    self.points_len -= wire::delimited_len(point.length.point);
                }
                (point.version, point.is_late, point.length) = (version, true, length);
            }
        }
        resized
    }

    fn data_len(&self) -> usize {
        self.points_len + 2 // and the temporality
    }

    /// How long it is without its head, when it was measured.
    pub fn len(&self) -> usize {
        self.prefix.len() + wire::delimited_len(self.data_len())
    }

    /// Writes it behind a message; `before` is the one that it was last written in.
    pub fn write(&mut self, out: &mut Vec<u8>, before: &[u8], frame: &Frame) {
        wire::head(out, 2, self.len());
        out.extend_from_slice(&self.prefix);
        wire::head(out, 10, self.data_len());
        let mut same = 0..0; // in the message before
        for (number, point) in self.series.clone().zip(&mut self.points) {
            let Some((row, sum)) = late(frame, number, point) else {
                if same.is_empty() {
                    let begin = point.at + point.length.point - wire::delimited_len(point.length.point);
                    same = begin..begin;
                }
                let moved = out.len() + point.at - same.start;
                same.end = std::mem::replace(&mut point.at, moved) + point.length.point;
                continue;
            };
            out.extend_from_slice(&before[std::mem::take(&mut same)]);
            wire::head(out, 1, point.length.point);
            (point.at, point.is_late) = (out.len(), false);
            let exemplar = exemplar::field(EXEMPLARS, frame, number);
            point.length.write(out, row.start_ns, sum, &self.attributes[point.attributes.clone()], exemplar::bytes(&exemplar));
        }
        out.extend_from_slice(&before[same]);
        self.overwrite_times(out, frame);
        wire::number(out, 2, CUMULATIVE);
    }

    /// Overwrites it where it is, with points of the lengths that they have.
    pub fn overwrite(&mut self, message: &mut [u8], scratch: &mut Vec<u8>, frame: &Frame) {
        for (number, point) in self.series.clone().zip(&mut self.points) {
            if let Some((row, sum)) = late(frame, number, point) {
                scratch.clear();
                let exemplar = exemplar::field(EXEMPLARS, frame, number);
                point.length.write(
                    scratch,
                    row.start_ns,
                    sum,
                    &self.attributes[point.attributes.clone()],
                    exemplar::bytes(&exemplar),
                );
                message[point.at..point.at + scratch.len()].copy_from_slice(scratch);
            }
            point.is_late = false;
        }
        self.overwrite_times(message, frame);
    }

    /// Overwrites what is of the frame and not of the distribution: the times, and the exemplars, which may be later.
    fn overwrite_times(&self, message: &mut [u8], frame: &Frame) {
        self.points.iter().for_each(|point| wire::overwrite(message, point.time_at(), frame.time_ns()));
        if !self.has_exemplars {
            return;
        }
        for (number, point) in self.series.clone().zip(&self.points) {
            let at = point.at + point.length.point - MIN_AND_MAX_LEN - exemplar::LEN;
            let place = message.get_mut(at..).and_then(<[u8]>::first_chunk_mut);
            if let (Some(exemplar), Some(place)) = (exemplar::field(EXEMPLARS, frame, number), place) {
                *place = exemplar;
            }
        }
    }
}

/// The number of the field.
const EXEMPLARS: u8 = 11;

/// How long the fields behind the exemplar are, which every point has.
const MIN_AND_MAX_LEN: usize = 2 * 9;

/// What is to be written of a point, if there is something later.
fn late<'a>(frame: &'a Frame, number: usize, point: &Point) -> Option<(&'a SeriesRow, &'a Distribution)> {
    let sum = point.is_late.then(|| frame.distribution(frame.values()[number]))?;
    frame.series().get(number).zip(sum)
}
