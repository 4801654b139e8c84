//! The streams of events as requests: each message a log record, with the resource of the metrics.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ScopeLogs, SeverityNumber};
use prost::Message;
use prost::encoding::{decode_key, decode_varint};
use telemetry_core::{EntryRef, Scope, clock};

use super::body::{Body, bytes_field};
use super::cursor::{Cursor, Mark};
use super::own::Loss;
use super::source::{Request, Source};
use super::state::Record;
use super::value;
use crate::limits::{PUSH_EVENTS_EVERY, PUSH_REQUEST_BYTES};
use crate::stream::{Frame, Reader, StreamKind, Streams};

/// What a record takes beside its name and its JSON, about.
const RECORD_BYTES: usize = 64;

/// The fields of `ResourceMetrics` that `ResourceLogs` has too, with the same numbers: the resource and the URL of its schema.
const RESOURCE: u32 = 1;
const SCOPE_LOGS: u32 = 2;
const SCHEMA_URL: u32 = 3;

/// The events of a process.
pub struct Events {
    streams: Arc<Streams>,
    cursors: HashMap<u32, Cursor>,
    /// The stream that was settled last: the next request begins behind it, so that none starves behind one that is never read to its end.
    last: u32,
    /// The encoded resource, once a collection has told it.
    resource: Option<Bytes>,
}

/// How far a request goes in each stream, and what of it could not be read.
pub struct EventsMark {
    marks: Vec<(u32, Mark)>,
    unreadable: u64,
}

impl Events {
    pub fn new(streams: &Arc<Streams>) -> Self {
        Self { streams: Arc::clone(streams), cursors: HashMap::new(), last: 0, resource: None }
    }

    /// Gives a cursor to each stream of events that has none: they appear at run time too.
    fn update(&mut self) {
        for stream in self.streams.all() {
            if matches!(stream.kind, StreamKind::Event(_)) {
                self.cursors.entry(stream.id).or_insert_with(|| Cursor::new(stream));
            }
        }
    }

    /// The resource and its schema as the newest collection has them, encoded.
    fn resource(&mut self) -> Option<Bytes> {
        if self.resource.is_none() {
            let metrics = self.streams.metrics();
            let (from, _) = metrics.log.latest()?;
            let found = &mut self.resource;
            Reader::new(Arc::clone(metrics)).walk(from, |frame| {
                *found = Some(resource(frame.payload));
                false
            });
        }
        self.resource.clone()
    }
}

impl Source for Events {
    type Mark = EventsMark;

    fn next(&mut self, record: &Record, alone: bool) -> Option<Request<EventsMark>> {
        self.update();
        let resource = self.resource()?;
        let (mut scopes, mut marks): (Vec<ScopeLogs>, Vec<(u32, Mark)>) = Default::default();
        let (mut taken, mut taken_bytes, mut unreadable) = (0, 0, 0);
        for id in round(self.cursors.keys().copied().collect(), self.last) {
            let Some(cursor) = self.cursors.get_mut(&id) else { continue };
            let StreamKind::Event(entry) = cursor.stream.kind.clone() else { continue };
            let mut records = Vec::new();
            let mark = cursor.read(record, |frame| {
                let bytes = RECORD_BYTES + entry.name().len() + frame.payload.len();
                if taken > 0 && (alone || taken_bytes + bytes > PUSH_REQUEST_BYTES) {
                    return false;
                }
                (taken, taken_bytes) = (taken + 1, taken_bytes + bytes);
                match log_record(&entry, frame) {
                    Some(made) => records.push(made),
                    None => unreadable += 1,
                }
                true
            });
            if mark.messages > 0 {
                marks.push((id, mark));
                add(&mut scopes, entry.declaration().scope(), records);
            }
        }
        (taken > 0).then(|| {
            let mut logs = resource.to_vec();
            scopes.iter().for_each(|scope| bytes_field(&mut logs, SCOPE_LOGS, &scope.encode_to_vec()));
            let mut body = Body::default();
            body.push(&logs);
            Request { body: body.finish(), messages: taken - unreadable, mark: EventsMark { marks, unreadable } }
        })
    }

    fn settle(&mut self, EventsMark { marks, unreadable }: EventsMark, _: bool, record: &Record) {
        for (id, mark) in marks {
            if let Some(cursor) = self.cursors.get_mut(&id) {
                cursor.advance(mark);
            }
            self.last = id;
        }
        record.dropped(Loss::Unreadable, unreadable);
    }

    async fn news(&self) {
        tokio::time::sleep(PUSH_EVENTS_EVERY).await;
    }

    fn left(&mut self) -> u64 {
        self.update();
        self.cursors.values().map(Cursor::left).sum()
    }
}

/// In order, from the first behind the last one on.
fn round(mut ids: Vec<u32>, last: u32) -> Vec<u32> {
    ids.sort_unstable();
    let behind = ids.partition_point(|id| *id <= last);
    ids.rotate_left(behind);
    ids
}

/// One event. None where its message is no JSON.
fn log_record(entry: &EntryRef, frame: Frame<'_>) -> Option<LogRecord> {
    Some(LogRecord {
        time_unix_nano: frame.time_ns,
        observed_time_unix_nano: clock::now_ns().max(frame.time_ns),
        severity_number: SeverityNumber::Info.into(),
        body: Some(value::of_json(frame.payload)?),
        event_name: entry.name().to_owned(),
        ..Default::default()
    })
}

/// Adds records to those of their scope.
fn add(scopes: &mut Vec<ScopeLogs>, Scope { name, version }: &Scope, records: Vec<LogRecord>) {
    let is_theirs =
        |logs: &&mut ScopeLogs| logs.scope.as_ref().is_some_and(|scope| scope.name == *name && scope.version == *version);
    match scopes.iter_mut().find(is_theirs) {
        Some(logs) => logs.log_records.extend(records),
        None => {
            let scope = InstrumentationScope { name: name.to_string(), version: version.to_string(), ..Default::default() };
            scopes.push(ScopeLogs { scope: Some(scope), log_records: records, schema_url: String::new() });
        }
    }
}

/// The resource and the URL of its schema from an encoded `ResourceMetrics`, as they stand there.
fn resource(mut metrics: &[u8]) -> Bytes {
    let mut out = Vec::new();
    while !metrics.is_empty() {
        // All fields of this message hold bytes; what cannot be read ends the search.
        let (Ok((number, _)), Ok(length)) = (decode_key(&mut metrics), decode_varint(&mut metrics)) else { break };
        let Some((bytes, rest)) = usize::try_from(length).ok().and_then(|length| metrics.split_at_checked(length)) else { break };
        if number == RESOURCE || number == SCHEMA_URL {
            bytes_field(&mut out, number, bytes);
        }
        metrics = rest;
    }
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry_proto::tonic::common::v1::KeyValue;
    use opentelemetry_proto::tonic::logs::v1::ResourceLogs;
    use opentelemetry_proto::tonic::metrics::v1::{ResourceMetrics, ScopeMetrics};
    use opentelemetry_proto::tonic::resource::v1::Resource;

    #[test]
    fn each_stream_comes_first_in_its_turn() {
        assert_eq!(round(vec![9, 2, 5], 0), [2, 5, 9]);
        assert_eq!(round(vec![9, 2, 5], 2), [5, 9, 2]);
        assert_eq!(round(vec![9, 2, 5], 7), [9, 2, 5]);
        assert_eq!(round(vec![9, 2, 5], 9), [2, 5, 9]);
        assert!(round(vec![], 1).is_empty());
    }

    #[test]
    fn the_resource_of_the_metrics_is_that_of_the_logs() {
        let attributes = vec![KeyValue { key: "service.name".to_owned(), ..Default::default() }];
        let metrics = ResourceMetrics {
            resource: Some(Resource { attributes, ..Default::default() }),
            scope_metrics: vec![ScopeMetrics::default(), ScopeMetrics { schema_url: "other".to_owned(), ..Default::default() }],
            schema_url: "https://opentelemetry.io/schemas/1.0.0".to_owned(),
        };
        let bytes = metrics.encode_to_vec();
        let logs = ResourceLogs::decode(resource(&bytes)).expect("a ResourceLogs");
        assert_eq!((logs.resource, logs.schema_url, logs.scope_logs), (metrics.resource, metrics.schema_url, vec![]));
        for cut in 0..bytes.len() {
            assert!(ResourceLogs::decode(resource(&bytes[..cut])).is_ok(), "cut at {cut}");
        }
    }
}
