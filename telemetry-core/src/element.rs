//! The element of the linkme slice: the record that a macro wrote, and what stands behind it.
//!
//! It is small and plain, since the compiler evaluates one for each declaration. The [`Entry`] that the program uses is made of it when
//! it is first asked for, and kept in the element. So an element is changed at run time, and no linker takes it for a constant to drop.

use std::sync::OnceLock;
use std::time::Duration;

use crate::declaration::{Declaration, Kind, MetricKind};
use crate::entry::{Entry, Item, Source};
use crate::meta::{MetaError, code};
use crate::metric::{MetricSource, Of, Part, Written, part};
use crate::property::PropertySource;
use crate::rpc::RpcSource;
use crate::schema::{Schema, Schemas};
use crate::snapshot::SnapshotSource;
use crate::switch::{Switch, Wanted};
use crate::write::UNDER_TEST;

/// One declaration of the program.
pub struct Element {
    record: &'static [u8],
    /// Up to a zero.
    module: &'static [u8],
    flags: u8,
    behind: Behind,
    entry: OnceLock<Entry>,
}

/// A constant, which the compiler evaluates once and copies into each element.
#[allow(clippy::declare_interior_mutable_const)]
const UNREAD: OnceLock<Entry> = OnceLock::new();

/// What stands behind a declaration.
enum Behind {
    /// With the code of its kind.
    Metric(u8, &'static dyn MetricSource),
    Property(&'static dyn PropertySource),
    /// With its switch, where it is emitted on demand.
    Event(Schema, Option<&'static Wanted>),
    /// With its interval in milliseconds.
    Snapshot(Schema, u64, &'static dyn SnapshotSource),
    /// With the schemas of request and response.
    Rpc(Schema, Schema, &'static dyn RpcSource),
    Collector(fn()),
}

impl Element {
    /// The declaration. Cost: the first time the reading of the record, later a load.
    pub fn entry(&'static self) -> &'static Entry {
        self.entry.get_or_init(|| {
            let (kind, item, schemas) = match self.behind {
                Behind::Metric(code, metric) => {
                    (Kind::Metric(MetricKind::of_code(code)), Item::Metric(Source::Linked(metric)), Schemas::Unknown)
                }
                Behind::Property(property) => (Kind::Property, Item::Property(Source::Linked(property)), Schemas::Unknown),
                Behind::Event(schema, wanted) => (Kind::Event, Item::Event(wanted.map(Switch::Linked)), Schemas::Told(schema)),
                Behind::Snapshot(schema, ms, snapshot) => {
                    let every = Duration::from_millis(ms);
                    (Kind::Snapshot { every }, Item::Snapshot(Source::Linked(snapshot)), Schemas::Told(schema))
                }
                Behind::Rpc(request, response, rpc) => {
                    (Kind::Rpc, Item::Rpc(Source::Linked(rpc)), Schemas::Called { request, response })
                }
                Behind::Collector(run) => (Kind::Collector, Item::Collector(run), Schemas::Unknown),
            };
            let declaration = self.read().unwrap_or_else(|_| Declaration::new("")); // `validate` tells
            Entry::new(declaration, kind, item).with_schemas(schemas)
        })
    }

    /// Reads the record.
    ///
    /// # Errors
    /// Somebody changed the program.
    pub fn read(&'static self) -> Result<Declaration, MetaError> {
        let mut declaration = Declaration::read(self.record, self.module)?;
        declaration.under_test = self.flags & UNDER_TEST != 0;
        Ok(declaration)
    }
}

/// What the type of a collector tells.
pub type CollectorPart = Of<fn(), (), { code::COLLECTOR }>;

part!(fn fn(), code::COLLECTOR, ());

/// A function that makes the element of a record, by what it is of.
macro_rules! element {
    ($name:ident($($source:ident: $ty:ty),*) $(where $bound:path)?, $behind:expr) => {
        pub const fn $name<P: Part, const FIELDS: usize, const MODULE: usize>(
            written: &'static Written<FIELDS, P, MODULE>,
            $($source: $ty),*
        ) -> Element
        $(where P::Source: $bound)?
        {
            Element { record: &written.fields, module: &written.module, flags: written.flags[0], behind: $behind, entry: UNREAD }
        }
    };
}

element!(metric(source: &'static P::Source) where MetricSource, Behind::Metric(P::KIND, source));
element!(property(source: &'static P::Source) where PropertySource, Behind::Property(source));
element!(event(schema: Schema, wanted: Option<&'static Wanted>), Behind::Event(schema, wanted));
element!(snapshot(source: &'static P::Source, every_ms: u64, schema: Schema) where SnapshotSource, Behind::Snapshot(schema, every_ms, source));
element!(rpc(source: &'static P::Source, schemas: (Schema, Schema)) where RpcSource, Behind::Rpc(schemas.0, schemas.1, source));
element!(collector(run: fn()), Behind::Collector(run));
