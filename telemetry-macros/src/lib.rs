//! The attribute macros of `telemetry-core`, which re-exports and documents them.
//!
//! A macro here parses, points at mistakes and delegates: its expansion is the user's item plus one registration that calls into
//! `::telemetry_core::__private`. Names and units are judged there, by `const fn`, so that literals and const expressions follow
//! one rule.

mod args;
mod collector;
mod event;
mod expand;
mod item;
mod labels;
mod metric;
mod property;
mod rpc;
mod snapshot;

use proc_macro::TokenStream;

/// Declares a metric on a static or on a function that is observed at each collection.
#[proc_macro_attribute]
pub fn metric(args: TokenStream, item: TokenStream) -> TokenStream {
    metric::expand(args.into(), item.into()).into()
}

/// Declares a property on a static or on a function that is called on demand.
#[proc_macro_attribute]
pub fn property(args: TokenStream, item: TokenStream) -> TokenStream {
    property::expand(args.into(), item.into()).into()
}

/// Declares an event on a static.
#[proc_macro_attribute]
pub fn event(args: TokenStream, item: TokenStream) -> TokenStream {
    event::expand(args.into(), item.into()).into()
}

/// Declares a snapshot on a static or on a function that is called at its interval.
#[proc_macro_attribute]
pub fn snapshot(args: TokenStream, item: TokenStream) -> TokenStream {
    snapshot::expand(args.into(), item.into()).into()
}

/// Declares an rpc on a static or on a function, plain or async.
#[proc_macro_attribute]
pub fn rpc(args: TokenStream, item: TokenStream) -> TokenStream {
    rpc::expand(args.into(), item.into()).into()
}

/// Declares a function that runs right before each collection.
#[proc_macro_attribute]
pub fn collector(args: TokenStream, item: TokenStream) -> TokenStream {
    collector::expand(args.into(), item.into()).into()
}

/// Derives `Labels` for a struct of labels, an enum of label values, or a newtype.
#[proc_macro_derive(Labels, attributes(label))]
pub fn derive_labels(item: TokenStream) -> TokenStream {
    labels::expand(item.into()).into()
}
