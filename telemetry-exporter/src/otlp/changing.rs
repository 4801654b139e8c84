//! A metric of exponential buckets, whose points change their length with their counts.
//!
//! A point whose distribution did not change is copied from where it was in the message before, or stays where it is.

use std::ops::Range;

use telemetry_core::collect::{Distribution, Frame, SeriesRow};

use super::exponential::PointLength;
use super::wire::{self, CUMULATIVE};

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
        Self { prefix, series: first..first, points: Vec::new(), attributes: Vec::new(), points_len: 0 }
    }

    /// The same metric from the next series on.
    pub fn next(&self) -> Self {
        Self::new(self.prefix.clone(), self.series.end)
    }

    /// Adds the next series, with its attributes.
    pub fn push(&mut self, attributes: &[u8]) {
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
        for (value, point) in frame.values()[self.series.clone()].iter().zip(&mut self.points) {
            let version = frame.version(*value);
            if version == point.version {
                continue;
            }
            if let Some(sum) = frame.distribution(*value) {
                let length = PointLength::of(sum, point.attributes.len());
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
            point.length.write(out, row.start_ns, sum, &self.attributes[point.attributes.clone()]);
        }
        out.extend_from_slice(&before[same]);
        self.points.iter().for_each(|point| wire::overwrite(out, point.time_at(), frame.time_ns()));
        wire::number(out, 2, CUMULATIVE);
    }

    /// Overwrites it where it is, with points of the lengths that they have.
    pub fn overwrite(&mut self, message: &mut [u8], scratch: &mut Vec<u8>, frame: &Frame) {
        for (number, point) in self.series.clone().zip(&mut self.points) {
            if let Some((row, sum)) = late(frame, number, point) {
                scratch.clear();
                point.length.write(scratch, row.start_ns, sum, &self.attributes[point.attributes.clone()]);
                message[point.at..point.at + scratch.len()].copy_from_slice(scratch);
            }
            point.is_late = false;
            wire::overwrite(message, point.time_at(), frame.time_ns());
        }
    }
}

/// What is to be written of a point, if there is something later.
fn late<'a>(frame: &'a Frame, number: usize, point: &Point) -> Option<(&'a SeriesRow, &'a Distribution)> {
    let sum = point.is_late.then(|| frame.distribution(frame.values()[number]))?;
    frame.series().get(number).zip(sum)
}
