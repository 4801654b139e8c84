//! All declarations of the program: those that the linker collected, and those made at run time beside them.
//!
//! Invariant: nothing runs before `main`. `linkme` is named here, in `own` and in `__private` only.
//! Not here: what a declaration does (`entry`), values (`collect`), the running of user code (`callback`).

use std::sync::Arc;

use parking_lot::RwLock;

use crate::declaration::Kind;
use crate::element::Element;
use crate::entry::{Entry, EntryRef};
use crate::error::DeclareError;
use crate::hub::{Attachment, Hub, Sink, global_hub};
use crate::{name, validate};

/// The name of a declaration that is linked wherever this crate is.
pub(crate) const SELF_CHECK: &str = "telemetry_callback_failures";

/// What every macro of the first version of the layout adds to.
#[linkme::distributed_slice]
pub static TELEMETRY_DECLARATIONS_V1: [Element];

/// The declarations that one [`Telemetry`](crate::Telemetry) serves: all that are linked, and its own from run time.
#[derive(Default)]
pub struct Registry {
    runtime: RwLock<Vec<Arc<Entry>>>,
    hub: Arc<Hub>,
}

impl Registry {
    /// A registry with the linked declarations and none of its own.
    pub fn new() -> Arc<Self> {
        crate::clock::start_ns();
        Arc::default()
    }

    /// Every declaration: the linked ones first, in the linker's order, then those of run time in theirs.
    pub fn entries(&self) -> Vec<EntryRef> {
        let linked = linked().map(EntryRef::Linked);
        let runtime = self.runtime.read();
        linked.chain(runtime.iter().cloned().map(EntryRef::Runtime)).collect()
    }

    /// The declaration of this name, compared without case; collectors have no public name.
    pub fn find(&self, name: &str) -> Option<EntryRef> {
        let named = |entry: &Entry| entry.kind != Kind::Collector && entry.name().eq_ignore_ascii_case(name);
        let linked = linked().find(|entry| named(entry)).map(EntryRef::Linked);
        linked.or_else(|| self.runtime.read().iter().find(|entry| named(entry)).cloned().map(EntryRef::Runtime))
    }

    /// Adds a declaration at run time.
    ///
    /// # Errors
    /// A name or unit that breaks a rule, or a name that is taken; the registry is as it was.
    pub(crate) fn declare(&self, entry: Entry) -> Result<Arc<Entry>, DeclareError> {
        let declaration = entry.declaration();
        name::name(declaration.name()).map_err(|fault| DeclareError::Name(declaration.name().to_owned(), fault.into()))?;
        name::unit(declaration.unit()).map_err(|fault| DeclareError::Unit(declaration.name().to_owned(), fault.into()))?;
        if matches!(entry.kind, Kind::Snapshot { every } if every.is_zero()) {
            return Err(DeclareError::Interval(declaration.name().to_owned()));
        }
        if declaration.is_on_demand() && entry.kind != Kind::Event {
            return Err(DeclareError::OnDemand { name: declaration.name().to_owned(), kind: entry.kind.as_str() });
        }
        validate::reserved(&entry)?;
        let mut runtime = self.runtime.write();
        let same = |other: &&Entry| other.kind != Kind::Collector && other.name().eq_ignore_ascii_case(declaration.name());
        let taken = linked().find(same).or_else(|| runtime.iter().map(|entry| &**entry).find(same));
        if let Some(taken) = taken {
            return Err(validate::duplicate(taken, &entry));
        }
        let entry = Arc::new(entry);
        runtime.push(Arc::clone(&entry));
        Ok(entry)
    }

    /// Checks the linked declarations: the library's own are there, each record is whole, no name is declared twice, and none that
    /// Prometheus shows.
    ///
    /// A name may be in several crates that share it (`shared = true`), if kind and unit are the same, and in two versions of one crate.
    ///
    /// # Errors
    /// The first mistake found, with both places where there are two.
    pub fn validate(&self) -> Result<(), DeclareError> {
        TELEMETRY_DECLARATIONS_V1
            .static_slice()
            .iter()
            .try_for_each(|element| element.read().map(drop))
            .map_err(DeclareError::Damaged)?;
        validate::all(linked())?;
        if linked().any(|entry| entry.name() == SELF_CHECK) { Ok(()) } else { Err(DeclareError::NotLinked) }
    }

    /// Sends the events of all declarations to this sink until the attachment is dropped; a backlog comes first.
    pub fn attach(&self, sink: &Arc<dyn Sink>) -> Attachment {
        Attachment::new(sink, &Vec::from_iter(global_hub().into_iter().chain([&self.hub])))
    }

    pub(crate) fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }
}

/// What the linker collected, in its order.
fn linked() -> impl Iterator<Item = &'static Entry> {
    TELEMETRY_DECLARATIONS_V1.static_slice().iter().map(Element::entry)
}
