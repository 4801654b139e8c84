//! `Telemetry`: an OpenTelemetry MeterProvider, with events, snapshots, properties and rpcs beside it.

use std::future::Future;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};
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
use crate::error::{DeclareError, SwitchError};
use crate::event::Event;
use crate::limits::CALLBACK_DEADLINE;
use crate::otel::{self, Bridge, Observables, OwnLimit, Views, guarded_meter};
use crate::property::{PropertyValue, RuntimeProperty};
use crate::registry::Registry;
use crate::rpc::{RpcError, RuntimeRpc};
use crate::snapshot::RuntimeSnapshot;
use crate::switch::{Switch, SwitchedOn};

/// The telemetry of a program: the linked declarations, those of run time, and OpenTelemetry's meters.
///
/// Callbacks of observable instruments run beside the thread that collects, with a deadline: [`CALLBACK_DEADLINE`], or half of the
/// shortest interval. One that panics or is late costs its own values in that collection, and is counted in
/// `telemetry_callback_failures`; one that hangs is not started again. One that creates an instrument gets one that does nothing,
/// which is counted there too, and goes on; [`otel::Global`] takes new instruments from callbacks as well.
///
/// Creating an instrument waits for a collection that runs, and so for its callbacks. With several readers a reader may show once more
/// what an observable instrument no longer observes, if another one collected in between: they share the SDK's aggregations.
///
/// Clones share one state. When the last one is dropped, what the readers have not exported yet is exported, and they stop; the
/// callbacks and what they hold are dropped then, whoever still has a meter.
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
    observables: Arc<Observables>,
    ended: AtomicBool,
}

/// Settings of a [`Telemetry`] to be.
pub struct TelemetryBuilder {
    registry: Arc<Registry>,
    provider: MeterProviderBuilder,
    unbuilt: Unbuilt,
    resource: Option<Resource>,
    views: Views,
    deadline: Duration,
    bridge: bool,
    global: bool,
}

/// Ends the threads of the exporters' readers where no telemetry comes to be: each holds itself, and ends with a provider alone.
#[derive(Default)]
struct Unbuilt(Vec<Box<dyn Fn() + Send + Sync>>);

impl Drop for Unbuilt {
    fn drop(&mut self) {
        self.0.iter().for_each(|end| end());
    }
}

impl Telemetry {
    /// Starts with the linked declarations, the resource that OpenTelemetry's environment variables tell, and no reader.
    ///
    /// `OTEL_SERVICE_NAME` is the service's name, before one in `OTEL_RESOURCE_ATTRIBUTES`; without both it is
    /// `unknown_service:` and the name of the executable.
    pub fn builder() -> TelemetryBuilder {
        TelemetryBuilder {
            registry: Registry::new(),
            provider: SdkMeterProvider::builder(),
            unbuilt: Unbuilt::default(),
            resource: None,
            views: Views::default(),
            deadline: CALLBACK_DEADLINE,
            bridge: false,
            global: false,
        }
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
        let declaration = declaration.into();
        let switch = declaration.is_on_demand().then(Switch::runtime);
        let entry = self.inner.registry.declare(Entry::new(declaration, Kind::Event, Item::Event(switch)))?;
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

    /// Switches an event on that is emitted on demand, until what is returned is dropped: for the program itself.
    ///
    /// ```
    /// use telemetry_core::{Declaration, Telemetry};
    ///
    /// let telemetry = Telemetry::builder().build()?;
    /// let messages = telemetry.event::<String>(Declaration::new("doc_switched").on_demand())?;
    /// let wanted = telemetry.switch_on("doc_switched")?;
    /// assert!(messages.is_on());
    /// drop(wanted);
    /// assert!(!messages.is_on());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Nothing has the name, or what has it is no event that is emitted on demand.
    pub fn switch_on(&self, name: &str) -> Result<SwitchedOn, SwitchError> {
        let entry = self.inner.registry.find(name).ok_or_else(|| SwitchError::Undeclared(name.to_owned()))?;
        let not = || SwitchError::NotOnDemand { name: entry.name().to_owned(), kind: entry.kind().as_str() };
        entry.switch_on().ok_or_else(not)
    }

    /// Makes this the provider behind `opentelemetry::global`, in place of the one before. See [`otel::Global`].
    ///
    /// The global provider does not keep it alive. When it is stopped nothing is behind the global one.
    pub fn set_global(&self) {
        if self.inner.ended.load(Ordering::Acquire) {
            return;
        }
        let provider: Weak<Inner> = Arc::downgrade(&self.inner);
        otel::set(provider);
        if self.inner.ended.load(Ordering::Acquire) {
            otel::unset(Arc::as_ptr(&self.inner).cast()); // it was stopped meanwhile, and did not find itself there
        }
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
        if self.ended.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        let ended = self.provider.shutdown();
        otel::unset(std::ptr::from_ref(self).cast());
        self.observables.end();
        ended
    }
}

impl MeterProvider for Inner {
    fn meter_with_scope(&self, scope: InstrumentationScope) -> Meter {
        guarded_meter(self.provider.meter_with_scope(otel::unbridged(scope)), &self.observables)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let _ = self.end(); // the SDK has logged what failed; a drop has nobody to tell
    }
}

impl MeterProvider for Telemetry {
    fn meter_with_scope(&self, scope: InstrumentationScope) -> Meter {
        self.inner.meter_with_scope(scope)
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

    /// Adds attributes to the resource that the environment tells, or that was set before; they win.
    #[must_use]
    pub fn with_attributes(mut self, attributes: impl IntoIterator<Item = KeyValue>) -> Self {
        let before = self.resource.take().unwrap_or_else(otel::from_environment);
        self.resource = Some(otel::extended(&before, attributes));
        self
    }

    /// Adds an exporter that a thread of the SDK's `PeriodicReader` drives at an interval.
    ///
    /// The SDK gives it what was recorded through OpenTelemetry's API. What the program declares is read by exporters that know the
    /// [`registry`](Self::registry), such as the stream exporter.
    #[must_use]
    pub fn with_exporter(mut self, exporter: impl PushMetricExporter, every: Duration) -> Self {
        if !every.is_zero() {
            self.deadline = self.deadline.min(every / 2); // so that a stuck callback delays no collection
        }
        let reader = PeriodicReader::builder(exporter).with_interval(every).build(); // which starts its thread
        self.provider = self.provider.with_reader(reader.clone());
        self.unbuilt.0.push(Box::new(move || drop(SdkMeterProvider::builder().with_reader(reader.clone()).build())));
        self
    }

    /// Adds readers of the SDK: `|sdk| sdk.with_reader(reader)`. Views are for [`with_view`](Self::with_view).
    ///
    /// They see what was recorded through OpenTelemetry's API, and with [`with_bridge`](Self::with_bridge) what the program declares.
    #[must_use]
    pub fn with_readers(mut self, add: impl FnOnce(MeterProviderBuilder) -> MeterProviderBuilder) -> Self {
        self.provider = add(self.provider);
        self
    }

    /// Shows the declared counters, up-down counters and gauges to all readers, as observable instruments; histograms it cannot.
    ///
    /// They are in the scope of the crate that declares them, with the attribute `telemetry.bridged`, by which exporters that read the
    /// registry themselves leave them out ([`otel::is_bridged`]), so that all is exported once. Series beyond
    /// [`SERIES_MAX`](crate::limits::SERIES_MAX) go to the one with `otel.metric.overflow`. Cost: one more reading of the registry, with
    /// its collectors and observed functions, in each collection of each reader. It is made while the SDK collects, so that one of them
    /// that creates an instrument is late.
    #[must_use]
    pub fn with_bridge(mut self) -> Self {
        self.bridge = true;
        self
    }

    /// Makes the telemetry the provider behind `opentelemetry::global`: [`Telemetry::set_global`].
    #[must_use]
    pub fn global(mut self) -> Self {
        self.global = true;
        self
    }

    /// Sets how many series an instrument of OpenTelemetry's API has at most, where no view says so; without this
    /// [`OTEL_SERIES_MAX`](crate::limits::OTEL_SERIES_MAX). Beyond it measurements go to one series with `otel.metric.overflow`.
    ///
    /// Cost: the SDK reserves 38 to 75 bytes for each when an instrument is created; those of an observable one are free again after
    /// the first collection.
    #[must_use]
    pub fn with_cardinality_limit(mut self, limit: usize) -> Self {
        self.views.limit(limit);
        self
    }

    /// Adds a view of what is recorded through OpenTelemetry's API. One that sets no limit of series has the SDK's, 2,000.
    #[must_use]
    pub fn with_view(mut self, view: impl Fn(&Instrument) -> Option<Stream> + Send + Sync + 'static) -> Self {
        self.views.push(view);
        self
    }

    /// Checks the declarations and starts the readers.
    ///
    /// # Errors
    /// The first mistake among the linked declarations, such as a name that two crates use. The readers have ended then.
    pub fn build(mut self) -> Result<Telemetry, DeclareError> {
        self.unbuilt.0.clear();
        if let Err(error) = self.registry.validate() {
            drop(self.provider.build()); // which ends the readers
            return Err(error);
        }
        otel::follow_spans();
        let resource = self.resource.unwrap_or_else(otel::from_environment);
        let (provider, own) = self.views.apply(self.provider.with_resource(resource));
        let provider = provider.build();
        let (observables, bridge): (Arc<Observables>, Arc<OnceLock<Bridge>>) = Default::default();
        heartbeat(&provider, &own, self.deadline, &observables, &bridge);
        if self.bridge {
            bridge.get_or_init(|| Bridge::new(&self.registry, &provider, &own));
        }
        own.set(0);
        let inner = Inner { registry: self.registry, provider, observables, ended: AtomicBool::new(false) };
        let telemetry = Telemetry { inner: Arc::new(inner) };
        if self.global {
            telemetry.set_global();
        }
        Ok(telemetry)
    }
}

/// The first instrument, whose callback the SDK runs first in each collection: it observes for all others.
///
/// A reader of the SDK does not export when it holds no data, and the registry would be left out with it. This is always there.
fn heartbeat(
    provider: &SdkMeterProvider,
    own: &OwnLimit,
    deadline: Duration,
    observables: &Arc<Observables>,
    bridge: &Arc<OnceLock<Bridge>>,
) {
    let (collections, observables, bridge) = (AtomicU64::new(0), Arc::clone(observables), Arc::clone(bridge));
    let scope = InstrumentationScope::builder(env!("CARGO_PKG_NAME")).with_version(env!("CARGO_PKG_VERSION")).build();
    own.set(1);
    let _it_lives_with_the_provider = provider
        .meter_with_scope(scope)
        .u64_observable_counter("telemetry_collections")
        .with_description("Collections of all metrics, those of each reader: two readers make two at an interval.")
        .with_unit("{collection}")
        .with_callback(move |observer| {
            observables.pass(deadline);
            if let Some(bridge) = bridge.get() {
                bridge.read(deadline);
            }
            observer.observe(collections.fetch_add(1, Ordering::Relaxed) + 1, &[]);
        })
        .build();
}
