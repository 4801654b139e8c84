//! One declaration with what stands behind it, linked or made at run time.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use parking_lot::Mutex;

use crate::declaration::{Declaration, Kind};
use crate::metric::MetricSource;
use crate::property::PropertySource;
use crate::rpc::RpcSource;
use crate::schema::Schemas;
use crate::snapshot::SnapshotSource;
use crate::switch::{Switch, SwitchedOn};
use crate::turn::Turn;

/// A reference for the length of the program, or one that is owned.
pub(crate) enum Source<T: ?Sized + 'static> {
    Linked(&'static T),
    Owned(Box<T>),
}

impl<T: ?Sized> Deref for Source<T> {
    type Target = T;

    fn deref(&self) -> &T {
        match self {
            Self::Linked(source) => source,
            Self::Owned(source) => source,
        }
    }
}

/// What a declaration does, by its kind.
pub(crate) enum Item {
    Metric(Source<dyn MetricSource>),
    Property(Source<dyn PropertySource>),
    /// With its switch, where it is emitted on demand.
    Event(Option<Switch>),
    Snapshot(Source<dyn SnapshotSource>),
    Rpc(Source<dyn RpcSource>),
    Collector(fn()),
}

/// One declaration with what stands behind it.
pub struct Entry {
    pub(crate) declaration: Declaration,
    pub(crate) kind: Kind,
    pub(crate) item: Item,
    schemas: Schemas,
    /// Of its callback.
    pub(crate) turn: Turn,
    failures: AtomicU64,
    last_failure: Mutex<Option<String>>,
    /// Of an event: where its hub has the outlets for it; 0 before it is first emitted into a sink. A hub gives it, under its lock.
    pub(crate) slot: AtomicUsize,
}

impl Entry {
    pub(crate) fn new(declaration: Declaration, kind: Kind, item: Item) -> Self {
        let (failures, last_failure, slot) = (AtomicU64::new(0), Mutex::new(None), AtomicUsize::new(0));
        Self { declaration, kind, item, schemas: Schemas::Unknown, turn: Turn::default(), failures, last_failure, slot }
    }

    pub(crate) fn with_schemas(mut self, schemas: Schemas) -> Self {
        self.schemas = schemas;
        self
    }

    /// Name, unit, description and place.
    pub fn declaration(&self) -> &Declaration {
        &self.declaration
    }

    /// The name.
    pub fn name(&self) -> &str {
        self.declaration().name()
    }

    /// What was declared.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The JSON schema of what an event or a snapshot is of; none where its type does not derive `schemars::JsonSchema`, where the
    /// feature `schemars` is off, and for what was declared at run time.
    pub fn schema(&self) -> Option<serde_json::Value> {
        match self.schemas {
            Schemas::Told(schema) => schema(),
            _ => None,
        }
    }

    /// The JSON schema of what an rpc takes, under the same terms as [`schema`](Self::schema).
    pub fn request_schema(&self) -> Option<serde_json::Value> {
        match self.schemas {
            Schemas::Called { request, .. } => request(),
            _ => None,
        }
    }

    /// The JSON schema of what an rpc answers, under the same terms as [`schema`](Self::schema).
    pub fn response_schema(&self) -> Option<serde_json::Value> {
        match self.schemas {
            Schemas::Called { response, .. } => response(),
            _ => None,
        }
    }

    /// Switches an event on that is emitted on demand, until what is returned is dropped; none where it is no such event.
    pub fn switch_on(&self) -> Option<SwitchedOn> {
        self.switch().map(Switch::on)
    }

    pub(crate) fn switch(&self) -> Option<&Switch> {
        match &self.item {
            Item::Event(switch) => switch.as_ref(),
            _ => None,
        }
    }

    /// The source of a property.
    pub fn as_property(&self) -> Option<&dyn PropertySource> {
        match &self.item {
            Item::Property(source) => Some(&**source),
            _ => None,
        }
    }

    /// The source of a snapshot.
    pub fn as_snapshot(&self) -> Option<&dyn SnapshotSource> {
        match &self.item {
            Item::Snapshot(source) => Some(&**source),
            _ => None,
        }
    }

    /// The source of an rpc.
    pub fn as_rpc(&self) -> Option<&dyn RpcSource> {
        match &self.item {
            Item::Rpc(source) => Some(&**source),
            _ => None,
        }
    }

    pub(crate) fn as_metric(&self) -> Option<&dyn MetricSource> {
        match &self.item {
            Item::Metric(source) => Some(&**source),
            _ => None,
        }
    }

    /// How often its callback failed: panicked, was late, or answered with an error.
    pub fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    /// The text of the last failure of its callback.
    pub fn last_failure(&self) -> Option<String> {
        self.last_failure.lock().clone()
    }

    pub(crate) fn note_failure(&self, text: String) {
        self.failures.fetch_add(1, Ordering::Relaxed);
        *self.last_failure.lock() = Some(text);
    }

    /// `file:line`, or a word for a declaration made at run time.
    pub(crate) fn place_text(&self) -> String {
        self.declaration().place.map_or_else(|| "run time".to_owned(), |place| place.to_string())
    }
}

/// A declaration, wherever it lives.
#[derive(Clone)]
pub enum EntryRef {
    /// Made by a macro.
    Linked(&'static Entry),
    /// Made at run time.
    Runtime(Arc<Entry>),
}

impl Deref for EntryRef {
    type Target = Entry;

    fn deref(&self) -> &Entry {
        match self {
            Self::Linked(entry) => entry,
            Self::Runtime(entry) => entry,
        }
    }
}
