//! The messages of one collection: the registry's metrics from a template, what the OpenTelemetry SDK collected, and series that ended.

use std::sync::Arc;

use opentelemetry_proto::tonic::metrics::v1::ResourceMetrics;
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message;
use telemetry_core::collect::Frame;

use super::template::Part;
use super::{build, plain, split};
use crate::wire;

/// Encodes collection after collection of one source, in memory that it keeps.
///
/// Each message is a serialised `ResourceMetrics` of at most `bytes_max` bytes, all of one collection with the same resource. Cost
/// while the series stay the same: about 2 ns a number, one pass over its counts for each histogram, and no memory taken; when
/// a series comes or goes the template is built anew. What comes from the SDK is encoded each time.
pub struct Encoder {
    bytes_max: usize,
    resource: Option<Resource>,
    /// Field 1 of each message.
    resource_field: Vec<u8>,
    schema_url: String,
    /// Of which the template is; none before the first.
    layout: Option<u64>,
    parts: Vec<Part>,
    /// How many of them are of the template.
    own: usize,
}

impl Encoder {
    /// One for messages of at most so many bytes.
    pub fn new(bytes_max: usize) -> Self {
        Self {
            bytes_max,
            resource: None,
            resource_field: Vec::new(),
            schema_url: String::new(),
            layout: None,
            parts: Vec::new(),
            own: 0,
        }
    }

    /// The messages of this frame and of what was collected beside it, whose resource is that of all.
    ///
    /// The frame is always that of one [`Collector`](telemetry_core::collect::Collector).
    pub fn encode(&mut self, frame: &Frame, mut beside: ResourceMetrics) -> &[Part] {
        self.identify(&beside);
        self.parts.truncate(self.own);
        self.parts.iter_mut().for_each(Part::cut);
        if self.layout != Some(frame.layout()) {
            self.build(frame);
        }
        self.parts.iter_mut().for_each(|part| part.patch(frame));
        let bytes_max = self.bytes_max.saturating_sub(self.suffix_len());
        if self.parts.iter().any(|part| part.as_ref().len() > bytes_max && part.series() > 1) {
            self.build(frame); // what changes its length has grown beyond what was reserved for it
            self.parts.iter_mut().for_each(|part| part.patch(frame));
        }
        beside.scope_metrics.extend(plain::ended(frame));
        self.join(beside);
        self.parts.iter_mut().for_each(|part| part.tells_ends = !frame.ended().is_empty());
        &self.parts
    }

    /// Takes over who is measured.
    fn identify(&mut self, beside: &ResourceMetrics) {
        if self.layout.is_some() && self.resource == beside.resource && self.schema_url == beside.schema_url {
            return;
        }
        self.resource.clone_from(&beside.resource);
        self.schema_url.clone_from(&beside.schema_url);
        self.resource_field.clear();
        if let Some(resource) = &self.resource {
            wire::bytes(&mut self.resource_field, 1, &resource.encode_to_vec());
        }
        self.layout = None;
    }

    /// How long what is behind all scopes is.
    fn suffix_len(&self) -> usize {
        if self.schema_url.is_empty() { 0 } else { wire::delimited_len(self.schema_url.len()) }
    }

    fn build(&mut self, frame: &Frame) {
        self.parts = build::build(frame, &self.resource_field, self.bytes_max.saturating_sub(self.suffix_len()));
        self.parts.iter_mut().for_each(|part| part.template = Some(Arc::new(part.to_template(frame))));
        self.own = self.parts.len();
        self.layout = Some(frame.layout());
    }

    /// Puts what came beside the template into its last message, or where it does not fit into others.
    fn join(&mut self, mut beside: ResourceMetrics) {
        let mut suffix = Vec::new(); // takes no memory while it is empty
        wire::text(&mut suffix, 3, &self.schema_url);
        let scopes: usize = beside.scope_metrics.iter().map(|scope| wire::delimited_len(scope.encoded_len())).sum();
        if let Some(last) = self.parts.last_mut()
            && last.as_ref().len() + scopes + suffix.len() <= self.bytes_max
            && scopes > 0
        {
            let scopes = ResourceMetrics { scope_metrics: std::mem::take(&mut beside.scope_metrics), ..Default::default() };
            last.extend(&scopes.encode_to_vec());
        }
        self.parts.iter_mut().for_each(|part| part.extend(&suffix));
        if !beside.scope_metrics.is_empty() {
            self.parts.extend(split::encode(beside, self.bytes_max).into_iter().map(Part::once));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use telemetry_core::collect::Collector;
    use telemetry_core::{Histogram, Labels, Registry, metric};

    use super::*;

    #[derive(Clone, Copy, Labels)]
    struct Number {
        n: i64,
    }

    /// Its messages grow.
    #[metric(name = "encoder_growing")]
    static GROWING: Histogram<Number>;

    #[test]
    fn messages_that_grow_stay_within_their_bytes_with_what_comes_behind() {
        const BYTES_MAX: usize = 1_500;
        let schema_url = "https://opentelemetry.io/schemas/1.40.0".to_owned();
        let mut collector = Collector::of(&Registry::new(), |entry| entry.name() == "encoder_growing");
        let mut encoder = Encoder::new(BYTES_MAX);
        for round in 0..400_i32 {
            (0..6).for_each(|n| GROWING.with(Number { n }).record(1.0 + f64::from(round) * 0.01));
            let beside = ResourceMetrics { schema_url: schema_url.clone(), ..ResourceMetrics::default() };
            for message in encoder.encode(collector.collect(Duration::from_secs(1)), beside) {
                assert!(message.as_ref().len() <= BYTES_MAX, "{} bytes in round {round}", message.as_ref().len());
            }
        }
    }
}
