//! The cells that threads record into, and how a thread reaches its own: a load of a thread-local pointer, an add and a store.
//!
//! Each thread has a slab of cells (`slabs`), leased at its first record and given back at its end (`lease`). A series has a `Slot`:
//! an index into every slab, and one atomic for those who have no slab. Series whose labels are known at compile time are a
//! `Block` of slots. Others are found in a table of the thread (`table`) by a packed key (`key`, of `parts` and `text`, at a `generation`),
//! over one list of all series (`series`). In which span a value was recorded is asked for
//! now and then (`exemplar`). After a fork the child starts clean (`fork`).
//! Invariant: recording waits for nobody who runs user code. It takes a lock when a thread meets a series for the first time, and
//! when a distribution changes its scale. Not here: verbs and label types (`metric`), the moment of reading (`collect`).

mod block;
mod exemplar;
#[cfg(all(test, not(loom)))]
mod exemplar_tests;
mod fork;
mod generation;
mod key;
mod lease;
mod listing;
#[cfg(all(test, loom))]
mod model;
mod parts;
mod reading;
mod series;
mod slabs;
mod slot;
mod table;
#[cfg(all(test, not(loom)))]
mod reader_tests;
#[cfg(all(test, not(loom)))]
mod tests;
mod text;
mod verb;

pub use block::Block;
pub use exemplar::{Exemplar, has_spans};
#[cfg(feature = "otel")]
pub use exemplar::{Ids, set_span};
pub use fork::{forks, watch as watch_forks};
pub use key::Packed;
pub use lease::Sums;
pub use listing::{Listing, Located};
pub use parts::{Compared, Encoded, Key};
pub use reading::{Seen, read_distributions, still};
pub use series::{Held, Series, SeriesList, Told};
pub use slabs::{Class, Space};
pub use slot::{Bounds, Identity, Slot};
pub use verb::Verb;
