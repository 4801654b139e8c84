//! All declarations of the program: those that the linker collected, and those made at run time beside them.
//!
//! Invariant: nothing runs before `main`. `linkme` is named here, in `own` and in `__private` only.
//! Not here: what a declaration does (`entry`), values (`collect`), the running of user code (`callback`).

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::RwLock;

use crate::declaration::{Declaration, Kind};
use crate::element::Element;
use crate::entry::{Entry, EntryRef};
use crate::error::DeclareError;
use crate::hub::{Attachment, GLOBAL_HUB, Hub, Sink};
use crate::name;

/// The name of a declaration that is linked wherever this crate is.
pub(crate) const SELF_CHECK: &str = "telemetry_callback_failures";

/// What every macro of the first version of the layout adds to.
#[linkme::distributed_slice]
pub static TELEMETRY_DECLARATIONS_V1: [Element];

/// The name of the stream of all metrics, which no event and no snapshot may take.
pub const METRICS_STREAM: &str = "metrics";

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
        if reserved(&entry) {
            return Err(DeclareError::Reserved { name: declaration.name().to_owned(), place: entry.place_text() });
        }
        let mut runtime = self.runtime.write();
        let same = |other: &&Entry| other.kind != Kind::Collector && other.name().eq_ignore_ascii_case(declaration.name());
        let taken = linked().find(same).or_else(|| runtime.iter().map(|entry| &**entry).find(same));
        if let Some(taken) = taken {
            return Err(duplicate(taken, &entry));
        }
        let entry = Arc::new(entry);
        runtime.push(Arc::clone(&entry));
        Ok(entry)
    }

    /// Checks the linked declarations: the library's own are there, each record is whole, and no name is declared twice.
    ///
    /// A name may be in several crates that share it, and in two versions of one crate, or in a crate and its copy under test.
    ///
    /// # Errors
    /// The first mistake found, with both places of a duplicate.
    pub fn validate(&self) -> Result<(), DeclareError> {
        let mut seen: HashMap<String, Vec<&Entry>> = HashMap::new();
        for element in TELEMETRY_DECLARATIONS_V1.static_slice() {
            element.read().map_err(DeclareError::Damaged)?;
            let entry = element.entry();
            if reserved(entry) {
                return Err(DeclareError::Reserved { name: entry.name().to_owned(), place: entry.place_text() });
            }
            if entry.kind == Kind::Collector {
                continue;
            }
            let same = seen.entry(entry.name().to_ascii_lowercase()).or_default();
            same.iter().try_for_each(|first| compatible(first, entry))?;
            same.push(entry);
        }
        if seen.contains_key(SELF_CHECK) { Ok(()) } else { Err(DeclareError::NotLinked) }
    }

    /// Sends the events of all declarations to this sink until the attachment is dropped; a backlog comes first.
    pub fn attach(&self, sink: &Arc<dyn Sink>) -> Attachment {
        Attachment::new(sink, &[&GLOBAL_HUB, &self.hub])
    }

    pub(crate) fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }
}

fn reserved(entry: &Entry) -> bool {
    matches!(entry.kind, Kind::Event | Kind::Snapshot { .. }) && entry.name().eq_ignore_ascii_case(METRICS_STREAM)
}

/// What the linker collected, in its order.
fn linked() -> impl Iterator<Item = &'static Entry> {
    TELEMETRY_DECLARATIONS_V1.static_slice().iter().map(Element::entry)
}

/// Whether two linked declarations may have one name.
fn compatible(first: &Entry, again: &Entry) -> Result<(), DeclareError> {
    let (a, b) = (first.declaration(), again.declaration());
    let module = |declaration: &Declaration| declaration.place().map(|place| place.module);
    if a.scope().name == b.scope().name && module(a) == module(b) {
        return Ok(()); // two versions of a crate, or the crate and its copy under test
    }
    if !a.is_shared() || !b.is_shared() || a.scope().name == b.scope().name {
        return Err(duplicate(first, again));
    }
    if first.kind == again.kind && a.unit() == b.unit() {
        return Ok(());
    }
    let told = |entry: &Entry| {
        let unit = entry.declaration().unit();
        format!("{} in {} at {}", entry.kind.as_str(), if unit.is_empty() { "no unit" } else { unit }, entry.place_text())
    };
    Err(DeclareError::Unlike { name: again.name().to_owned(), first: told(first), again: told(again) })
}

fn duplicate(first: &Entry, again: &Entry) -> DeclareError {
    DeclareError::Duplicate { name: again.name().to_owned(), first: first.place_text(), again: again.place_text() }
}
