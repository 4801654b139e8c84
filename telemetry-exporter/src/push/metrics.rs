//! The metrics stream as requests: its messages as they are, or as deltas.

use std::sync::Arc;

use opentelemetry_proto::tonic::metrics::v1::ResourceMetrics;
use prost::Message;

use super::body::Body;
use super::cursor::{Cursor, Mark};
use super::delta::{Deltas, Draft};
use super::own::{self, Loss};
use super::settings::Temporality;
use super::source::{Request, Source};
use super::state::Record;
use crate::limits::{FOLLOW_EVERY, PUSH_REQUEST_BYTES};
use crate::stream::Streams;

/// The metrics stream of a process.
pub struct Metrics {
    cursor: Cursor,
    deltas: Option<Deltas>,
}

impl Metrics {
    pub fn new(streams: &Arc<Streams>, temporality: Temporality) -> Self {
        let deltas = (temporality == Temporality::Delta).then(Deltas::default);
        Self { cursor: Cursor::new(Arc::clone(streams.metrics())), deltas }
    }
}

/// How far a request goes, and what the series are then.
pub struct MetricsMark {
    mark: Mark,
    draft: Draft,
    unreadable: u64,
}

impl Source for Metrics {
    type Mark = MetricsMark;

    fn next(&mut self, record: &Record, alone: bool) -> Option<Request<MetricsMark>> {
        let Self { cursor, deltas } = self;
        let (mut body, mut draft, mut unreadable) = (Body::default(), Draft::default(), 0);
        let (mut taken, mut taken_bytes) = (0, 0);
        let mark = cursor.read(record, |frame| {
            if taken > 0 && (alone || taken_bytes + frame.payload.len() > PUSH_REQUEST_BYTES) {
                return false;
            }
            taken += 1;
            taken_bytes += frame.payload.len();
            match deltas {
                None => body.push(frame.payload),
                Some(deltas) => match ResourceMetrics::decode(frame.payload) {
                    Ok(metrics) => body.push(&deltas.make(metrics, &mut draft).encode_to_vec()),
                    Err(_) => unreadable += 1,
                },
            }
            true
        });
        (mark.messages > 0).then(|| {
            let messages = mark.messages - unreadable;
            Request { body: body.finish(), messages, mark: MetricsMark { mark, draft, unreadable } }
        })
    }

    fn settle(&mut self, MetricsMark { mark, draft, unreadable }: MetricsMark, taken: bool, record: &Record) {
        self.cursor.advance(mark);
        record.dropped(Loss::Unreadable, unreadable);
        // What was refused is in the next delta: the series stay as they were.
        if let (Some(deltas), true) = (&mut self.deltas, taken) {
            own::points_dropped(draft.points_dropped());
            deltas.commit(draft);
        }
    }

    async fn news(&self) {
        let mut changed = std::pin::pin!(self.cursor.stream.log.changed());
        changed.as_mut().enable(); // before the looking, so that no change falls in between
        if self.cursor.left() == 0 {
            changed.await;
            tokio::time::sleep(FOLLOW_EVERY).await; // the parts of one collection come together
        }
    }

    fn left(&mut self) -> u64 {
        self.cursor.left()
    }
}
