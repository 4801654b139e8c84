//! The bridge: the registry's counters and gauges as observable instruments of the SDK's provider, for readers that know the SDK alone.
//!
//! Off unless asked for. Each metric is in the scope of the crate that declares it, with an attribute of ours that no meter of a user's
//! can have. By it exporters that read the registry themselves leave these out. One reading of the registry a collection serves
//! all of them. Not here: histograms, which no observable instrument can show.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use opentelemetry::metrics::{Meter, MeterProvider};
use opentelemetry::{InstrumentationScope, KeyValue, Value as AttributeValue};
use opentelemetry_sdk::metrics::SdkMeterProvider;

use super::measured::Number;
use super::observe::{Observed, gather, id, replay};
use super::views::OwnLimit;
use crate::collect::collect;
use crate::declaration::{Kind, MetricKind};
use crate::entry::Entry;
use crate::label::{Label, LabelSet};
use crate::limits::SERIES_MAX;
use crate::registry::Registry;
use crate::value::Value;

/// The attribute of the bridge's scopes.
const BRIDGED: &str = "telemetry.bridged";

/// Whether the instruments of a scope are the bridge's: the registry has their metrics too.
pub fn is_bridged(scope: &InstrumentationScope) -> bool {
    scope.attributes().any(|attribute| attribute.key.as_str() == BRIDGED)
}

/// The scope without what marks the bridge's.
pub(crate) fn unbridged(scope: InstrumentationScope) -> InstrumentationScope {
    if !is_bridged(&scope) {
        return scope;
    }
    let attributes: Vec<KeyValue> = scope.attributes().filter(|attribute| attribute.key.as_str() != BRIDGED).cloned().collect();
    let mut plain = InstrumentationScope::builder(scope.name().to_owned()).with_attributes(attributes);
    if let Some(version) = scope.version() {
        plain = plain.with_version(version.to_owned());
    }
    if let Some(url) = scope.schema_url() {
        plain = plain.with_schema_url(url.to_owned());
    }
    plain.build()
}

/// The instruments of the linked metrics.
pub(crate) struct Bridge {
    registry: Arc<Registry>,
    /// By the address of the entry, which is a static's.
    instruments: HashMap<usize, Ids>,
}

/// The two instruments of a metric, of which one shows something: its numbers are whole, or they are not.
struct Ids {
    whole: u64,
    float: u64,
}

impl Bridge {
    /// Creates an instrument for each metric but histograms.
    pub(crate) fn new(registry: &Arc<Registry>, provider: &SdkMeterProvider, own: &OwnLimit) -> Self {
        let mut instruments = HashMap::new();
        own.set(SERIES_MAX);
        for entry in registry.entries() {
            let scope = entry.declaration().scope();
            let scope = InstrumentationScope::builder(scope.name.clone())
                .with_version(scope.version.clone())
                .with_attributes([KeyValue::new(BRIDGED, true)]);
            if let Kind::Metric(kind) = entry.kind()
                && let Some(ids) = create(&provider.meter_with_scope(scope.build()), &entry, kind)
            {
                instruments.insert(address(&entry), ids);
            }
        }
        Self { registry: Arc::clone(registry), instruments }
    }

    /// Reads the registry for the collection that runs on this thread.
    pub(crate) fn read(&self, deadline: Duration) {
        let collection = collect(&self.registry, deadline);
        for reading in &collection.metrics {
            let Some(ids) = self.instruments.get(&address(&reading.entry)) else { continue };
            let counts = reading.kind == MetricKind::Counter;
            let (mut whole, mut float) = (Observed::new(), Observed::new());
            for point in collection.points(reading) {
                let attributes = || attributes(&point.labels);
                match point.value {
                    Value::F64(value) => float.push((Number::F64(value), attributes())),
                    Value::U64(value) if counts => whole.push((Number::U64(value), attributes())),
                    Value::I64(value) if counts => whole.push((Number::U64(u64::try_from(value).unwrap_or(0)), attributes())),
                    Value::U64(value) => whole.push((Number::I64(i64::try_from(value).unwrap_or(i64::MAX)), attributes())),
                    Value::I64(value) => whole.push((Number::I64(value), attributes())),
                    Value::Exponential(_) | Value::Explicit(_) => {}
                }
            }
            gather(ids.whole, whole);
            gather(ids.float, float);
        }
    }
}

fn address(entry: &Entry) -> usize {
    std::ptr::from_ref(entry).addr()
}

fn create(meter: &Meter, entry: &Entry, kind: MetricKind) -> Option<Ids> {
    let ids = Ids { whole: id(), float: id() };
    let declaration = entry.declaration();
    macro_rules! observable {
        ($method:ident, $id:expr) => {{
            let mut builder = meter.$method(declaration.name.clone());
            builder.description = Some(declaration.description.clone());
            builder.unit = Some(declaration.unit.clone());
            builder.callbacks.push(replay($id, ()));
            let _it_lives_with_the_provider = builder.build();
        }};
    }
    match kind {
        MetricKind::Counter => {
            observable!(u64_observable_counter, ids.whole);
            observable!(f64_observable_counter, ids.float);
        }
        MetricKind::UpDownCounter => {
            observable!(i64_observable_up_down_counter, ids.whole);
            observable!(f64_observable_up_down_counter, ids.float);
        }
        MetricKind::Gauge => {
            observable!(i64_observable_gauge, ids.whole);
            observable!(f64_observable_gauge, ids.float);
        }
        MetricKind::Histogram => return None,
    }
    Some(ids)
}

fn attributes(labels: &LabelSet) -> Vec<KeyValue> {
    let value = |label: &Label| match label {
        Label::String(text) => AttributeValue::from(text.clone()),
        Label::I64(number) => AttributeValue::I64(*number),
        Label::Bool(flag) => AttributeValue::Bool(*flag),
    };
    labels.iter().map(|(key, label)| KeyValue::new(*key, value(label))).collect()
}
