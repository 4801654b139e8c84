//! One point and the one before it: what lies between.

use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::metrics::v1::{
    Exemplar, ExponentialHistogramDataPoint, HistogramDataPoint, NumberDataPoint, number_data_point::Value,
};

use super::exponential;

/// A cumulative point, without what identifies its series.
pub enum Last {
    Number(NumberDataPoint),
    Histogram(Box<HistogramDataPoint>),
    Exponential(Box<ExponentialHistogramDataPoint>),
}

impl Last {
    pub fn time_ns(&self) -> u64 {
        match self {
            Self::Number(point) => point.time_unix_nano,
            Self::Histogram(point) => point.time_unix_nano,
            Self::Exponential(point) => point.time_unix_nano,
        }
    }
}

/// A point of a counter or a histogram.
pub trait Point: Clone {
    fn attributes(&self) -> &[KeyValue];
    fn flags(&self) -> u32;
    /// From when on it counts, and when it was taken.
    fn times(&mut self) -> (&mut u64, u64);
    fn exemplars(&mut self) -> &mut Vec<Exemplar>;
    /// Takes off what was counted before; false, and nothing is changed, where that cannot be a part of this.
    fn subtract(&mut self, before: &Self) -> bool;
    /// Leaves out what is not known of an interval.
    fn forget_extremes(&mut self);
    /// This point as the next will need it.
    fn last(&self) -> Last;
    /// The same kind of point, where it was one.
    fn of_last(last: &Last) -> Option<&Self>;
    /// From when on it counts.
    fn start_ns(&self) -> u64;
    /// When it was taken.
    fn time_ns(&self) -> u64;

    /// Makes the first of a series a delta, since its start.
    fn whole(&mut self) {
        self.forget_extremes();
    }

    /// Makes it what came since the point before.
    fn since(&mut self, before: &Self) {
        self.forget_extremes();
        let began_anew = before.start_ns() < self.start_ns();
        if began_anew || !self.subtract(before) {
            // The whole of what was counted since the new start, which is not before the point before was taken.
            let start_ns = if began_anew { self.start_ns().max(before.time_ns()) } else { before.time_ns() };
            self.set_start(start_ns);
        } else {
            self.set_start(before.time_ns());
            let start_ns = before.time_ns();
            self.exemplars().retain(|exemplar| exemplar.time_unix_nano > start_ns); // the others went with the point before
        }
    }

    /// Sets from when on it counts; a clock that went back makes an interval of no length.
    fn set_start(&mut self, start_ns: u64) {
        let (start, time_ns) = self.times();
        *start = start_ns.min(time_ns);
    }
}

macro_rules! fields {
    ($variant:ident) => {
        fn attributes(&self) -> &[KeyValue] {
            &self.attributes
        }

        fn flags(&self) -> u32 {
            self.flags
        }

        fn times(&mut self) -> (&mut u64, u64) {
            (&mut self.start_time_unix_nano, self.time_unix_nano)
        }

        fn exemplars(&mut self) -> &mut Vec<Exemplar> {
            &mut self.exemplars
        }

        fn start_ns(&self) -> u64 {
            self.start_time_unix_nano
        }

        fn time_ns(&self) -> u64 {
            self.time_unix_nano
        }

        fn of_last(last: &Last) -> Option<&Self> {
            match last {
                Last::$variant(point) => Some(point),
                _ => None,
            }
        }
    };
}

impl Point for NumberDataPoint {
    fields!(Number);

    fn subtract(&mut self, before: &Self) -> bool {
        let value = match (self.value, before.value) {
            (Some(Value::AsInt(value)), Some(Value::AsInt(before))) if value >= before => Value::AsInt(value.wrapping_sub(before)),
            (Some(Value::AsDouble(value)), Some(Value::AsDouble(before))) if value >= before => Value::AsDouble(value - before),
            _ => return false,
        };
        self.value = Some(value);
        true
    }

    fn forget_extremes(&mut self) {}

    fn last(&self) -> Last {
        Last::Number(Self { attributes: Vec::new(), exemplars: Vec::new(), ..*self })
    }
}

impl Point for HistogramDataPoint {
    fields!(Histogram);

    fn subtract(&mut self, before: &Self) -> bool {
        if self.explicit_bounds != before.explicit_bounds || self.bucket_counts.len() != before.bucket_counts.len() {
            return false;
        }
        let pairs = self.bucket_counts.iter().zip(&before.bucket_counts);
        let counts: Option<Vec<u64>> = pairs.map(|(count, before)| count.checked_sub(*before)).collect();
        let (Some(counts), Some(count)) = (counts, self.count.checked_sub(before.count)) else { return false };
        (self.bucket_counts, self.count, self.sum) = (counts, count, difference(self.sum, before.sum));
        true
    }

    fn forget_extremes(&mut self) {
        (self.min, self.max) = (None, None);
    }

    fn last(&self) -> Last {
        let Self { bucket_counts, explicit_bounds, .. } = self;
        Last::Histogram(Box::new(Self {
            attributes: Vec::new(),
            exemplars: Vec::new(),
            bucket_counts: bucket_counts.clone(),
            explicit_bounds: explicit_bounds.clone(),
            ..*self
        }))
    }
}

impl Point for ExponentialHistogramDataPoint {
    fields!(Exponential);

    fn subtract(&mut self, before: &Self) -> bool {
        let Some(coarser_by) = before.scale.checked_sub(self.scale).and_then(|by| u32::try_from(by).ok()) else {
            return false; // a scale only falls while a series lives
        };
        let positive = exponential::subtract(&self.positive, &before.positive, coarser_by);
        let negative = exponential::subtract(&self.negative, &before.negative, coarser_by);
        let (Some(positive), Some(negative)) = (positive, negative) else { return false };
        let (count, zero_count) = (self.count.checked_sub(before.count), self.zero_count.checked_sub(before.zero_count));
        let (Some(count), Some(zero_count)) = (count, zero_count) else { return false };
        (self.positive, self.negative) = (positive, negative);
        (self.count, self.zero_count, self.sum) = (count, zero_count, difference(self.sum, before.sum));
        true
    }

    fn forget_extremes(&mut self) {
        (self.min, self.max) = (None, None);
    }

    fn last(&self) -> Last {
        let Self { positive, negative, .. } = self;
        Last::Exponential(Box::new(Self {
            attributes: Vec::new(),
            exemplars: Vec::new(),
            positive: positive.clone(),
            negative: negative.clone(),
            ..*self
        }))
    }
}

fn difference(sum: Option<f64>, before: Option<f64>) -> Option<f64> {
    Some(sum? - before?)
}
