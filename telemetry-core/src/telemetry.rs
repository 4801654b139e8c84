//! `Telemetry`: an OpenTelemetry MeterProvider, with events, snapshots, properties and rpcs beside it.

use std::future::Future;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use opentelemetry::metrics::{Meter, MeterProvider};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use opentelemetry_sdk::metrics::{Instrument, MeterProviderBuilder, PeriodicReader, SdkMeterProvider, Stream};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::declaration::{Declaration, Kind};
use crate::entry::{Entry, Item, Source};
use crate::error::DeclareError;
use crate::event::Event;
use crate::otel::guarded_meter;
use crate::property::{PropertyValue, RuntimeProperty};
use crate::registry::Registry;
use crate::rpc::{RpcError, RuntimeRpc};
use crate::snapshot::RuntimeSnapshot;

/// The telemetry of a program: the linked declarations, those of run time, and OpenTelemetry's meters.
///
/// Two limits of the SDK remain: an observable callback that creates an instrument deadlocks, and a `u64` beyond `i64::MAX` that was
/// recorded through OpenTelemetry's API is exported as 0.
///
/// Clones share one state. When the last one is dropped, what the readers have not exported yet is exported, and they stop.
///
/// ```
/// use opentelemetry::metrics::MeterProvider;
/// use telemetry_core::{Declaration, Telemetry};
///
/// let telemetry = Telemetry::builder().build()?;
/// let requests = telemetry.meter("doc").u64_counter("doc_otel_requests").build();
/// requests.add(1, &[]);
///
/// let joined = telemetry.event::<String>(Declaration::new("doc_joined").with_description("A peer joined."))?;
/// joined.emit(&"a".to_owned());
/// telemetry.property("doc_answer", || 42_i64)?;
/// # Ok::<(), telemetry_core::DeclareError>(())
/// ```
#[derive(Clone)]
pub struct Telemetry {
    inner: Arc<Inner>,
}

struct Inner {
    registry: Arc<Registry>,
    provider: SdkMeterProvider,
    ended: AtomicBool,
}

/// Settings of a [`Telemetry`] to be.
pub struct TelemetryBuilder {
    registry: Arc<Registry>,
    provider: MeterProviderBuilder,
    resource: Option<Resource>,
}

impl Telemetry {
    /// Starts with the linked declarations, the resource that OpenTelemetry's environment variables tell, and no reader.
    pub fn builder() -> TelemetryBuilder {
        TelemetryBuilder { registry: Registry::new(), provider: SdkMeterProvider::builder(), resource: None }
    }

    /// The declarations.
    pub fn registry(&self) -> &Arc<Registry> {
        &self.inner.registry
    }

    /// Declares an event.
    ///
    /// # Errors
    /// A name that breaks a rule or is taken; nothing is declared then.
    pub fn event<T: Serialize>(&self, declaration: impl Into<Declaration>) -> Result<Event<T>, DeclareError> {
        let entry = self.inner.registry.declare(Entry::new(declaration.into(), Kind::Event, Item::Event))?;
        Ok(Event::runtime(entry, Arc::clone(self.inner.registry.hub())))
    }

    /// Declares a snapshot that is taken at an interval.
    ///
    /// # Errors
    /// A name that breaks a rule or is taken, or an interval of zero; nothing is declared then.
    pub fn snapshot<T: Serialize + 'static>(
        &self,
        declaration: impl Into<Declaration>,
        every: Duration,
        state: impl Fn() -> T + Send + Sync + 'static,
    ) -> Result<(), DeclareError> {
        let item = Item::Snapshot(Source::Owned(Box::new(RuntimeSnapshot(state))));
        self.declare(declaration.into(), Kind::Snapshot { every }, item)
    }

    /// Declares a property that is computed on demand.
    ///
    /// # Errors
    /// A name that breaks a rule or is taken; nothing is declared then.
    pub fn property<T: Into<PropertyValue> + 'static>(
        &self,
        declaration: impl Into<Declaration>,
        value: impl Fn() -> T + Send + Sync + 'static,
    ) -> Result<(), DeclareError> {
        let item = Item::Property(Source::Owned(Box::new(RuntimeProperty(value))));
        self.declare(declaration.into(), Kind::Property, item)
    }

    /// Declares an rpc.
    ///
    /// # Errors
    /// A name that breaks a rule or is taken; nothing is declared then.
    pub fn rpc<Request, Response, A>(
        &self,
        declaration: impl Into<Declaration>,
        handler: impl Fn(Request) -> A + Send + Sync + 'static,
    ) -> Result<(), DeclareError>
    where
        Request: DeserializeOwned + 'static,
        Response: Serialize + 'static,
        A: Future<Output = Result<Response, RpcError>> + Send + 'static,
    {
        let source = RuntimeRpc { handler, request: PhantomData::<fn(Request)> };
        self.declare(declaration.into(), Kind::Rpc, Item::Rpc(Source::Owned(Box::new(source))))
    }

    fn declare(&self, declaration: Declaration, kind: Kind, item: Item) -> Result<(), DeclareError> {
        self.inner.registry.declare(Entry::new(declaration, kind, item)).map(drop)
    }

    /// Collects and exports now, on all readers.
    ///
    /// # Errors
    /// What a reader or an exporter answered.
    pub fn force_flush(&self) -> OTelSdkResult {
        self.inner.provider.force_flush()
    }

    /// Exports a last time and stops the readers, for all clones. A second call does nothing.
    ///
    /// # Errors
    /// What a reader or an exporter answered.
    pub fn shutdown(&self) -> OTelSdkResult {
        self.inner.end()
    }
}

impl Inner {
    fn end(&self) -> OTelSdkResult {
        if self.ended.swap(true, Ordering::AcqRel) { Ok(()) } else { self.provider.shutdown() }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let _ = self.end(); // the SDK has logged what failed; a drop has nobody to tell
    }
}

impl MeterProvider for Telemetry {
    fn meter_with_scope(&self, scope: InstrumentationScope) -> Meter {
        guarded_meter(self.inner.provider.meter_with_scope(scope))
    }
}

impl TelemetryBuilder {
    /// The declarations that this telemetry will serve, for an exporter that joins them to what it is given.
    pub fn registry(&self) -> &Arc<Registry> {
        &self.registry
    }

    /// Sets who is measured: the attributes of OpenTelemetry's resource.
    #[must_use]
    pub fn with_resource(mut self, resource: Resource) -> Self {
        self.resource = Some(resource);
        self
    }

    /// Adds attributes to the resource that the environment tells, or that was set before.
    #[must_use]
    pub fn with_attributes(mut self, attributes: impl IntoIterator<Item = KeyValue>) -> Self {
        let before = self.resource.take().unwrap_or_else(|| Resource::builder().build());
        let before = before.iter().map(|(key, value)| KeyValue::new(key.clone(), value.clone())).collect::<Vec<_>>();
        self.resource = Some(Resource::builder_empty().with_attributes(before).with_attributes(attributes).build());
        self
    }

    /// Adds an exporter that a thread of the SDK's `PeriodicReader` drives at an interval.
    ///
    /// The SDK gives it what was recorded through OpenTelemetry's API. What the program declares is read by exporters that know the
    /// [`registry`](Self::registry), such as the stream exporter.
    #[must_use]
    pub fn with_exporter(mut self, exporter: impl PushMetricExporter, every: Duration) -> Self {
        self.provider = self.provider.with_reader(PeriodicReader::builder(exporter).with_interval(every).build());
        self
    }

    /// Adds a view of what is recorded through OpenTelemetry's API.
    #[must_use]
    pub fn with_view(mut self, view: impl Fn(&Instrument) -> Option<Stream> + Send + Sync + 'static) -> Self {
        self.provider = self.provider.with_view(view);
        self
    }

    /// Checks the declarations and starts the readers.
    ///
    /// # Errors
    /// The first mistake among the linked declarations, such as a name that two crates use.
    pub fn build(self) -> Result<Telemetry, DeclareError> {
        self.registry.validate()?;
        let resource = self.resource.unwrap_or_else(|| Resource::builder().build());
        let provider = self.provider.with_resource(resource).build();
        heartbeat(&provider);
        Ok(Telemetry { inner: Arc::new(Inner { registry: self.registry, provider, ended: AtomicBool::new(false) }) })
    }
}

/// A reader of the SDK does not export when it holds no data, and the registry would be left out with it. This is always there.
fn heartbeat(provider: &SdkMeterProvider) {
    let collections = AtomicU64::new(0);
    let scope = InstrumentationScope::builder(env!("CARGO_PKG_NAME")).with_version(env!("CARGO_PKG_VERSION")).build();
    let _heartbeat = provider
        .meter_with_scope(scope)
        .u64_observable_counter("telemetry_collections")
        .with_description("Collections of all metrics.")
        .with_unit("{collection}")
        .with_callback(move |observer| observer.observe(collections.fetch_add(1, Ordering::Relaxed) + 1, &[]))
        .build();
}
