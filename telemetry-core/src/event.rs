//! Events: typed records, stored as JSON with the time of their emission.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::sync::Arc;

use serde::Serialize;

use crate::callback;
use crate::element::Element;
use crate::entry::{Entry, EntryRef};
use crate::hub::{EVENTS_DROPPED, EventLoss, GLOBAL_HUB, Hub};
use crate::limits::RECORD_BYTES_MAX;
use crate::meta::code;
use crate::metric::{Of, Part, Written, part};

/// A typed record that is emitted at any time.
///
/// Cost of [`emit`](Self::emit): the serialisation into a buffer of this thread and one copy into the stream. Emitting returns
/// nothing, blocks on nothing and never panics: what does not serialise is counted in `telemetry_events_dropped`. What is emitted
/// before an exporter runs is kept, the newest [`BACKLOG_EVENTS_MAX`](crate::limits::BACKLOG_EVENTS_MAX).
///
/// ```
/// use telemetry_core::{Event, event};
///
/// #[derive(serde::Serialize)]
/// struct Ping { peer: String, rtt_us: u64 }
///
/// /// The round-trip time to a peer.
/// #[event(name = "doc_ping")]
/// static PINGS: Event<Ping>;
///
/// PINGS.emit(&Ping { peer: "a".into(), rtt_us: 120 });
/// ```
pub struct Event<T> {
    place: Place,
    record: PhantomData<fn(&T)>,
}

enum Place {
    Undeclared,
    Linked(&'static Element),
    Runtime(Arc<Entry>, Arc<Hub>),
}

thread_local! {
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Bytes that a thread's buffer keeps between two events.
const BUFFER_BYTES_KEPT: usize = 16 << 10;

impl<T> Event<T> {
    /// What `#[event]` completes; alone it is not declared, and emits nowhere.
    #[allow(clippy::new_without_default)] // only a macro makes a useful one
    pub const fn new() -> Self {
        Self { place: Place::Undeclared, record: PhantomData }
    }

    pub(crate) fn runtime(entry: Arc<Entry>, hub: Arc<Hub>) -> Self {
        Self { place: Place::Runtime(entry, hub), record: PhantomData }
    }
}

/// A type that `#[event]` may stand on.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an event",
    note = "wanted `Event<T>`, where `T` derives `serde::Serialize`"
)]
pub trait EventType {
    /// What the type tells.
    type Part: Part;
}

impl<T: Serialize + 'static> EventType for Event<T> {
    type Part = Of<Self, (), { code::EVENT }>;
}

part!(<T> static Event<T>, (), code::EVENT, Event::new(), T);

impl<T, const FIELDS: usize, const MODULE: usize> Written<FIELDS, Of<Event<T>, (), { code::EVENT }>, MODULE> {
    /// The event with its element of the registry.
    pub const fn completed(&self, mut event: Event<T>, element: &'static Element) -> Event<T> {
        let undeclared = std::mem::replace(&mut event.place, Place::Linked(element));
        std::mem::forget(undeclared); // `Undeclared` owns nothing, and a `const fn` cannot drop
        event
    }
}

impl<T: Serialize> Event<T> {
    /// Writes the record, with the current time, to the event's stream.
    pub fn emit(&self, record: &T) {
        let written = BUFFER.try_with(|buffer| match buffer.try_borrow_mut() {
            Ok(mut buffer) => self.emit_through(record, &mut buffer),
            Err(_) => self.emit_through(record, &mut Vec::new()), // emitted by a Serialize within another emit
        });
        if written.is_err() {
            self.emit_through(record, &mut Vec::new()); // this thread is past its destructors
        }
    }

    fn emit_through(&self, record: &T, buffer: &mut Vec<u8>) {
        buffer.clear();
        let serialized = callback::guarded(|| serde_json::to_writer(&mut *buffer, record).map_err(|error| error.to_string()));
        if serialized.is_err() {
            EVENTS_DROPPED.with(EventLoss::Unserializable).inc();
        } else if buffer.len() > RECORD_BYTES_MAX {
            EVENTS_DROPPED.with(EventLoss::TooLarge).inc();
        } else {
            match &self.place {
                Place::Undeclared => EVENTS_DROPPED.with(EventLoss::Undeclared).inc(),
                Place::Linked(element) => GLOBAL_HUB.emit(&EntryRef::Linked(element.entry()), buffer),
                Place::Runtime(entry, hub) => hub.emit(&EntryRef::Runtime(Arc::clone(entry)), buffer),
            }
        }
        buffer.clear();
        buffer.shrink_to(BUFFER_BYTES_KEPT);
    }
}
