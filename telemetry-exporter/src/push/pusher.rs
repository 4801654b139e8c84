//! The pushers: one task for each collector and signal, on the service's runtime.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

use super::answer::Answer;
use super::backoff::Backoff;
use super::events::Events;
use super::grpc::Grpc;
use super::http::Http;
use super::metrics::Metrics;
use super::own::{Failure, Loss, Signal};
use super::settings::{Protocol, Push};
use super::source::{Request, Source};
use super::state::{PushState, Record};
use crate::error::StartError;
use crate::limits::PUSH_STOP_DEADLINE;
use crate::stream::Streams;

/// All pushers of a process.
pub(crate) struct Pushers {
    records: Vec<Record>,
    tasks: Vec<JoinHandle<u64>>,
}

enum Transport {
    Grpc(Box<Grpc>),
    Http(Box<Http>),
}

/// One of all: a source and the way to its collector.
struct Pusher<S> {
    source: S,
    transport: Transport,
    record: Record,
    stopping: watch::Receiver<bool>,
}

impl Pushers {
    /// Starts them; `stopping` tells that what is in the streams then is the last.
    ///
    /// # Errors
    /// A certificate that cannot be read; nothing is started then.
    pub(crate) fn start(
        settings: &[Push],
        streams: &Arc<Streams>,
        runtime: &Handle,
        stopping: &watch::Receiver<bool>,
    ) -> Result<Self, StartError> {
        let _context = runtime.enter();
        let mut ways = Vec::new();
        for push in settings {
            for (signal, wanted) in [(Signal::Metrics, push.metrics), (Signal::Logs, push.events)] {
                if wanted {
                    ways.push((push, signal, Transport::new(push, signal)?));
                }
            }
        }
        let (mut records, mut tasks) = (Vec::new(), Vec::new());
        for (push, signal, transport) in ways {
            let record = Record::new(&push.shown_endpoint(), signal);
            records.push(record.clone());
            let stopping = stopping.clone();
            tasks.push(match signal {
                Signal::Metrics => {
                    let source = Metrics::new(streams, push.temporality);
                    runtime.spawn(Pusher { source, transport, record, stopping }.run())
                }
                Signal::Logs => runtime.spawn(Pusher { source: Events::new(streams), transport, record, stopping }.run()),
            });
        }
        Ok(Self { records, tasks })
    }

    /// How each goes.
    pub(crate) fn states(&self) -> Vec<PushState> {
        self.records.iter().map(Record::state).collect()
    }

    /// For the property that tells how each goes.
    pub(crate) fn watcher(&self) -> impl Fn() -> serde_json::Value + Send + Sync + 'static {
        let records = self.records.clone();
        move || serde_json::to_value(records.iter().map(Record::state).collect::<Vec<_>>()).unwrap_or_default()
    }

    /// The tasks, which end after they were told to stop. Each gives the messages that it could not send.
    pub(crate) fn tasks(&mut self) -> Vec<JoinHandle<u64>> {
        std::mem::take(&mut self.tasks)
    }
}

impl Transport {
    fn new(push: &Push, signal: Signal) -> Result<Self, StartError> {
        Ok(match push.protocol {
            Protocol::Grpc => Self::Grpc(Box::new(Grpc::new(push, signal)?)),
            Protocol::HttpProtobuf => Self::Http(Box::new(Http::new(push, signal)?)),
        })
    }

    async fn send(&mut self, body: Bytes) -> Answer {
        match self {
            Self::Grpc(grpc) => grpc.send(body).await,
            Self::Http(http) => http.send(body).await,
        }
    }
}

impl<S: Source> Pusher<S> {
    /// Pushes until it is told to stop, and then what is left, within a deadline. Gives the messages that are left all the same.
    async fn run(mut self) -> u64 {
        let mut stopping = self.stopping.clone();
        let deadline = async move {
            wait_for_stop(&mut stopping).await;
            tokio::time::sleep(PUSH_STOP_DEADLINE).await;
        };
        tokio::select! {
            () = self.push() => {}
            () = deadline => {}
        }
        let left = self.source.left();
        self.record.dropped(Loss::Stopped, left);
        left
    }

    async fn push(&mut self) {
        let mut backoff = Backoff::default();
        loop {
            let is_last = *self.stopping.borrow(); // before the reading, so that nothing comes in between
            // While a collector does not answer, the oldest message alone is tried: little is sent in vain.
            let Some(Request { body, messages, mark }) = self.source.next(&self.record, backoff.is_failing()) else {
                if is_last {
                    return;
                }
                let mut stopping = self.stopping.clone();
                tokio::select! {
                    () = self.source.news() => {}
                    () = wait_for_stop(&mut stopping) => {}
                }
                continue;
            };
            match self.transport.send(body).await {
                Answer::Taken { items_rejected, text } => {
                    backoff.reset();
                    self.source.settle(mark, true, &self.record);
                    self.record.taken(messages, items_rejected, text);
                }
                Answer::Refused { text } => {
                    backoff.reset();
                    self.source.settle(mark, false, &self.record);
                    self.record.failed(Failure::Refused, text);
                    self.record.dropped(Loss::Refused, messages);
                }
                Answer::Later { after, cause, text } => {
                    self.record.failed(cause, text);
                    let delay = backoff.next(after);
                    self.wait(after.unwrap_or_default(), delay).await;
                }
            }
        }
    }

    /// Waits for the delay. A stop cuts it short, but not below what the collector asks for.
    async fn wait(&self, asked: Duration, delay: Duration) {
        let begin = Instant::now();
        let mut stopping = self.stopping.clone();
        let is_stopping = *stopping.borrow();
        tokio::time::sleep_until(begin + asked).await;
        if is_stopping {
            tokio::time::sleep_until(begin + delay).await;
        } else {
            let _in_time = timeout_at(begin + delay, wait_for_stop(&mut stopping)).await;
        }
    }
}

async fn wait_for_stop(stopping: &mut watch::Receiver<bool>) {
    let _service_gone_is_a_stop_too = stopping.wait_for(|stopping| *stopping).await;
}
