//! Events: typed records, stored as JSON with the time of their emission.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::sync::Arc;

use serde::Serialize;

use crate::callback;
use crate::element::Element;
use crate::entry::{Entry, EntryRef};
use crate::hub::{EVENTS_DROPPED, EventLoss, Hub, global_hub};
use crate::json;
use crate::limits::RECORD_BYTES_MAX;
use crate::meta::code;
use crate::metric::{Of, Part, Written, part};
use crate::switch::Wanted;

/// A typed record that is emitted at any time.
///
/// Cost of [`emit`](Self::emit): the serialisation into a buffer of this thread, which keeps its room, the clock, and one copy into
/// the stream; before there is an exporter, memory for the record. The bytes are those of `serde_json`.
///
/// Emitting returns nothing, blocks on nothing and never panics: what does not serialise is counted in `telemetry_events_dropped`. What
/// is emitted before an exporter runs is kept, the newest [`BACKLOG_EVENTS_MAX`](crate::limits::BACKLOG_EVENTS_MAX).
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
///
/// An event that is too much to be emitted always is declared `on_demand`. It is off until somebody wants it: the program by
/// `Telemetry::switch_on`, or an exporter by [`Entry::switch_on`] for whom it serves. `emit` returns then after one load.
///
/// ```
/// use telemetry_core::{Event, event};
///
/// /// Each message, with all that is in it.
/// #[event(name = "doc_messages", on_demand)]
/// static MESSAGES: Event<String>;
///
/// if MESSAGES.is_on() {
///     MESSAGES.emit(&"what takes long to write".repeat(1_000));
/// }
/// # assert!(!MESSAGES.is_on());
/// ```
pub struct Event<T> {
    place: Place,
    record: PhantomData<fn(&T)>,
}

enum Place {
    Undeclared,
    /// With its switch, where it is emitted on demand.
    Linked(&'static Element, Option<&'static Wanted>),
    Runtime(EntryRef, Arc<Hub>),
}

thread_local! {
    static BUFFER: RefCell<Buffer> = const { RefCell::new(Buffer::new()) };
}

/// Where a record is written before it is given to the sinks.
///
/// It keeps room for the records of its thread, so that emitting takes no memory: always [`ROOM_BYTES_KEPT`](Self::ROOM_BYTES_KEPT), and
/// more as long as records above that follow each other within [`PATIENCE`](Self::PATIENCE).
struct Buffer {
    bytes: Vec<u8>,
    /// Records since the last large one.
    since_large: u8,
}

impl Buffer {
    const ROOM_BYTES_KEPT: usize = 16 << 10;
    /// Records.
    const PATIENCE: u8 = 64;

    const fn new() -> Self {
        Self { bytes: Vec::new(), since_large: Self::PATIENCE }
    }

    /// Empties it, and gives back what a record took that is alone in its size.
    #[inline]
    fn rest(&mut self) {
        let since_large = self.since_large.saturating_add(1);
        let is_large = self.bytes.len() > Self::ROOM_BYTES_KEPT;
        let is_endless = self.bytes.len() > RECORD_BYTES_MAX;
        self.bytes.clear();
        if since_large > Self::PATIENCE || is_endless {
            self.bytes.shrink_to(Self::ROOM_BYTES_KEPT);
        }
        self.since_large = if is_large { 0 } else { since_large };
    }
}

impl<T> Event<T> {
    /// What `#[event]` completes; alone it is not declared, and emits nowhere.
    #[allow(clippy::new_without_default)] // only a macro makes a useful one
    pub const fn new() -> Self {
        Self { place: Place::Undeclared, record: PhantomData }
    }

    pub(crate) fn runtime(entry: Arc<Entry>, hub: Arc<Hub>) -> Self {
        Self { place: Place::Runtime(EntryRef::Runtime(entry), hub), record: PhantomData }
    }

    /// Whether a record that is emitted now goes anywhere: always, but for an event that is emitted on demand and wanted by nobody.
    ///
    /// It is for who finds a record costly to make. Cost: one load of an event on demand, none of a static that is none.
    #[inline]
    pub fn is_on(&self) -> bool {
        match &self.place {
            Place::Undeclared => true, // and counted
            Place::Linked(_, wanted) => wanted.is_none_or(Wanted::is_on),
            Place::Runtime(entry, _) => entry.switch().is_none_or(|switch| switch.is_on()),
        }
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
    /// The event with its element of the registry, and its switch where it is emitted on demand.
    pub const fn completed(&self, mut event: Event<T>, element: &'static Element, wanted: Option<&'static Wanted>) -> Event<T> {
        let undeclared = std::mem::replace(&mut event.place, Place::Linked(element, wanted));
        std::mem::forget(undeclared); // `Undeclared` owns nothing, and a `const fn` cannot drop
        event
    }
}

impl<T: Serialize> Event<T> {
    /// Writes the record, with the current time, to the event's stream.
    #[inline]
    pub fn emit(&self, record: &T) {
        if self.is_on() {
            self.emit_wanted(record);
        }
    }

    fn emit_wanted(&self, record: &T) {
        let written = BUFFER.try_with(|buffer| match buffer.try_borrow_mut() {
            Ok(mut buffer) => {
                self.emit_through(record, &mut buffer.bytes);
                buffer.rest();
            }
            Err(_) => self.emit_through(record, &mut Vec::new()), // emitted by a Serialize within another emit
        });
        if written.is_err() {
            self.emit_through(record, &mut Vec::new()); // this thread is past its destructors
        }
    }

    /// The buffer is empty before, and has the record then.
    fn emit_through(&self, record: &T, buffer: &mut Vec<u8>) {
        let serialized = callback::guarded(|| json::write(buffer, record).map_err(|error| error.to_string()));
        if serialized.is_err() {
            EVENTS_DROPPED.with(EventLoss::Unserializable).inc();
        } else if buffer.len() > RECORD_BYTES_MAX {
            EVENTS_DROPPED.with(EventLoss::TooLarge).inc();
        } else {
            match &self.place {
                Place::Undeclared => EVENTS_DROPPED.with(EventLoss::Undeclared).inc(),
                Place::Linked(element, _) => match global_hub() {
                    Some(hub) => hub.emit(&EntryRef::Linked(element.entry()), buffer),
                    None => EVENTS_DROPPED.with(EventLoss::Forked).inc(),
                },
                Place::Runtime(entry, hub) => hub.emit(entry, buffer),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::declaration::{Declaration, Kind};
    use crate::entry::Item;
    use crate::hub::{Attachment, Sink};
    use crate::switch::Switch;
    use parking_lot::Mutex;

    #[derive(Default)]
    struct Kept(Mutex<Vec<String>>);

    impl Sink for Kept {
        fn event(&self, entry: &EntryRef, _: u64, json: &[u8]) {
            self.0.lock().push(format!("{} {}", entry.name(), String::from_utf8_lossy(json)));
        }
    }

    fn declared<T>(name: &'static str, hub: &Arc<Hub>) -> Event<T> {
        Event::runtime(Arc::new(Entry::new(Declaration::new(name), Kind::Event, Item::Event(None))), Arc::clone(hub))
    }

    fn attached(hub: &Arc<Hub>) -> (Arc<Kept>, Attachment) {
        let kept = Arc::new(Kept::default());
        let sink: Arc<dyn Sink> = kept.clone();
        (kept, Attachment::new(&sink, &[hub]))
    }

    /// Emits while it is serialised.
    struct Outer(Event<u8>, bool);

    impl Serialize for Outer {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            self.0.emit(&1);
            assert!(!self.1, "serialised enough");
            serializer.serialize_str("outer")
        }
    }

    /// Tells when it is serialised.
    struct Told<'a>(&'a Mutex<u32>);

    impl Serialize for Told<'_> {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            *self.0.lock() += 1;
            serializer.serialize_u32(*self.0.lock())
        }
    }

    #[test]
    fn an_event_on_demand_is_neither_serialised_nor_kept_while_nobody_wants_it() {
        let hub = Arc::<Hub>::default();
        let (kept, _attached) = attached(&hub);
        let (declaration, item) = (Declaration::new("costly").on_demand(), Item::Event(Some(Switch::runtime())));
        let entry = Arc::new(Entry::new(declaration, Kind::Event, item));
        let (event, serialised) = (Event::runtime(Arc::clone(&entry), Arc::clone(&hub)), Mutex::new(0));
        event.emit(&Told(&serialised));
        assert!(!event.is_on());
        let (first, second) = (entry.switch_on(), entry.switch_on());
        drop(first.expect("it is on demand"));
        assert!(event.is_on());
        event.emit(&Told(&serialised));
        drop(second);
        event.emit(&Told(&serialised));
        assert_eq!((event.is_on(), *serialised.lock()), (false, 1));
        assert_eq!(*kept.0.lock(), ["costly 1"]);
    }

    #[test]
    fn an_event_within_the_serialisation_of_another_comes_before_it_even_if_that_panics() {
        let hub = Arc::<Hub>::default();
        let (kept, _attached) = attached(&hub);
        let outer = declared("outer", &hub);
        for panics in [false, true, false] {
            outer.emit(&Outer(declared("inner", &hub), panics));
        }
        assert_eq!(*kept.0.lock(), ["inner 1", "outer \"outer\"", "inner 1", "inner 1", "outer \"outer\""]);
    }

    #[test]
    fn an_event_of_a_destructor_at_the_end_of_a_thread_arrives() {
        struct AtEnd(Event<&'static str>);
        impl Drop for AtEnd {
            fn drop(&mut self) {
                self.0.emit(&"late");
            }
        }
        thread_local!(static AT_END: RefCell<Vec<AtEnd>> = const { RefCell::new(Vec::new()) });
        let hub = Arc::<Hub>::default();
        let (kept, _attached) = attached(&hub);
        let event = || declared::<&str>("ending", &hub);
        let (first, second) = (event(), event());
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                AT_END.with_borrow_mut(|at_end| at_end.push(AtEnd(first))); // its destructor is registered before the buffer's
                second.emit(&"early");
            });
            thread.join().expect("no panic"); // the end of the scope alone would not wait for destructors
        });
        assert_eq!(*kept.0.lock(), ["ending \"early\"", "ending \"late\""]);
    }

    #[test]
    fn a_buffer_keeps_the_room_that_records_take_again_and_again_and_not_that_of_a_single_one() {
        let mut buffer = Buffer::new();
        let capacity = |buffer: &mut Buffer, bytes: usize| {
            buffer.bytes.extend(std::iter::repeat_n(b'x', bytes));
            buffer.rest();
            buffer.bytes.capacity()
        };
        let large = 2 * Buffer::ROOM_BYTES_KEPT;
        assert!(capacity(&mut buffer, 200) >= 200);
        assert!(capacity(&mut buffer, large) < large, "the first");
        assert!(capacity(&mut buffer, large) >= large, "the second");
        (1..Buffer::PATIENCE).for_each(|_| assert!(capacity(&mut buffer, 200) >= large));
        assert!(capacity(&mut buffer, large) >= large, "in time");
        (0..Buffer::PATIENCE).for_each(|_| assert!(capacity(&mut buffer, 200) >= large));
        assert!(capacity(&mut buffer, 200) < large, "no more");
        assert!(capacity(&mut buffer, RECORD_BYTES_MAX + 1) < large);
        assert!(capacity(&mut buffer, RECORD_BYTES_MAX + 1) < large, "it is dropped");
    }
}
