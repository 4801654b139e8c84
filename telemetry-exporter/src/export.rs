//! The exporter that the SDK's reader drives: each collection becomes one `ResourceMetrics` on the metrics stream.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use opentelemetry_proto::tonic::metrics::v1::ResourceMetrics;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::metrics::Temporality;
use opentelemetry_sdk::metrics::data;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use parking_lot::Mutex;
use telemetry_core::Registry;
use telemetry_core::collect::Collector;
use telemetry_core::limits::CALLBACK_DEADLINE;
use tokio::sync::watch;

use crate::compact::Template;
use crate::otlp::{self, Encoder, Part};
use crate::sdk;
use crate::stream::{Lanes, Message, Rejected, Streams};

/// Joins what the SDK collected with the registry's own readings, and appends it to the metrics stream.
///
/// Clones share one state. Cost of an export: one pass over the callbacks and cells of the registry, and one encoding.
#[derive(Clone)]
pub struct StreamExporter {
    inner: Arc<Inner>,
}

struct Inner {
    registry: Arc<Registry>,
    encoding: Mutex<Encoding>,
    streams: Arc<Streams>,
    deadline: Duration,
    /// What the SDK collected last, for readers between two exports; none before the first.
    sdk: watch::Sender<Option<ResourceMetrics>>,
    ended: AtomicBool,
}

/// What one export after the other uses.
struct Encoding {
    collector: Collector,
    encoder: Encoder,
    lanes: Lanes,
}

impl Message for Part {
    fn template(&self) -> Option<&Arc<Template>> {
        self.template()
    }
}

impl StreamExporter {
    /// An exporter onto these streams, for a reader with this interval.
    pub fn new(registry: Arc<Registry>, streams: Arc<Streams>, message_bytes_max: usize, every: Duration) -> Self {
        // Callbacks may take half of an interval, so that a stuck one delays no collection.
        let deadline = CALLBACK_DEADLINE.min(every / 2);
        let encoding =
            Encoding { collector: Collector::new(&registry), encoder: Encoder::new(message_bytes_max), lanes: Lanes::default() };
        let (encoding, sdk, ended) = (Mutex::new(encoding), watch::Sender::default(), AtomicBool::new(false));
        Self { inner: Arc::new(Inner { registry, encoding, streams, deadline, sdk, ended }) }
    }

    /// Everything as it is now: the registry is read anew, beside what the SDK collected last. Before its first collection there is
    /// no resource, and nothing that was recorded through OpenTelemetry's API.
    pub fn current(&self) -> ResourceMetrics {
        let mut collector = Collector::new(&self.inner.registry);
        let own = otlp::metrics(collector.collect(self.inner.deadline));
        let mut metrics = self.inner.sdk.borrow().clone().unwrap_or_default();
        metrics.scope_metrics.extend(own);
        metrics
    }

    /// Waits until the SDK has collected a first time.
    pub(crate) async fn collected(&self) {
        let mut sdk = self.inner.sdk.subscribe();
        let _its_sender_is_here = sdk.wait_for(Option::is_some).await;
    }

    /// Whether the SDK has collected a first time.
    pub(crate) fn has_collected(&self) -> bool {
        self.inner.sdk.borrow().is_some()
    }

    fn export_now(&self, metrics: &data::ResourceMetrics) -> OTelSdkResult {
        if self.inner.ended.load(Ordering::Acquire) {
            return Err(OTelSdkError::AlreadyShutdown);
        }
        let sdk = sdk::from_sdk(metrics);
        self.inner.sdk.send_replace(Some(sdk.clone()));
        let Encoding { collector, encoder, lanes } = &mut *self.inner.encoding.lock();
        let frame = collector.collect(self.inner.deadline);
        let messages = encoder.encode(frame, sdk);
        self.inner.streams.append_metrics(lanes, frame.time_ns(), messages).map_err(|Rejected { bytes, bytes_max }| {
            OTelSdkError::InternalFailure(format!(
                "a message has {bytes} bytes, most likely of one series: at most {bytes_max} are allowed"
            ))
        })
    }
}

impl PushMetricExporter for StreamExporter {
    fn export(&self, metrics: &data::ResourceMetrics) -> impl Future<Output = OTelSdkResult> + Send {
        std::future::ready(self.export_now(metrics))
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(()) // every export is complete when it returns
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        self.inner.ended.store(true, Ordering::Release);
        Ok(())
    }

    fn temporality(&self) -> Temporality {
        Temporality::Cumulative
    }
}

#[cfg(test)]
#[path = "export_tests.rs"]
mod tests;
