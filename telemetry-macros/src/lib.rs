//! The attribute macros of `telemetry-core`, which re-exports and documents them.
//!
//! A macro here parses, points at mistakes and delegates: its expansion is the user's item plus one registration that calls into
//! `::telemetry_core::__private`. What is a literal is judged and written here, without the compiler's const evaluation, which takes a
//! hundred times as long; what is another const expression there, by the same functions: `shared_modules` hands them over.
//!
//! The path is absolute, so that nothing in the user's crate can stand in its way. A crate that calls the dependency otherwise
//! (`telemetry = { package = "telemetry-core" }`) says both names in its root: `extern crate telemetry as telemetry_core;`.

mod args;
mod caret;
#[cfg(test)]
mod carets;
mod collector;
mod event;
mod expand;
mod item;
mod labels;
mod lint;
mod metric;
#[allow(dead_code)] // some of it is the program's
mod name;
#[cfg(test)]
mod name_tests;
mod property;
mod rpc;
mod snapshot;
mod text;
#[allow(dead_code)] // some of it is the compiler's
mod write;

use proc_macro::TokenStream;

/// Declares a metric on a static, or on a function that is observed at each collection.
///
/// | argument | on | meaning |
/// |---|---|---|
/// | `name` | both | `[A-Za-z][A-Za-z0-9_./-]{0,254}`, a literal or a const expression; unique in the program, without regard to case |
/// | `unit` | both | in UCUM, such as `"By"`, `"s"` or `"{request}"`; none where it is absent |
/// | `bounds = [..]` | a `Histogram` | explicit bounds, finite and ascending; base-2 exponential buckets where it is absent |
/// | `max_series = N` | a static with labels | series before the overflow series, where the label sets are not known at compile time or are more than 4,096; 2,000 where it is absent |
/// | `exemplars` | a `Counter`, `FloatCounter` or `Histogram` | each series has one value that was recorded within a sampled span, with the ids of trace and span: the first after a collection, if it is among the first eight records; not where an allocator or a destructor of a thread-local value records |
/// | `shared = true` | both | other crates may declare the name as well, if they say so too and kind and unit are the same |
/// | `kind` | a function | `"gauge"` (where it is absent), `"counter"` or `"up_down_counter"` |
///
/// A function returns `u64`, `i64` or `f64`, an `Option` of one, or a `Vec` of labels and numbers. The doc comment is the description.
#[proc_macro_attribute]
pub fn metric(args: TokenStream, item: TokenStream) -> TokenStream {
    metric::expand(args.into(), item.into()).into()
}

/// Declares a property on a static (`Property::constant`, or set at run time), or on a function that is called on demand.
///
/// Arguments: `name` as for a metric, `unit`, and `access`: who may read it, as far as the server knows who asks, `"public"`,
/// `"restricted"` or `"disabled"`.
#[proc_macro_attribute]
pub fn property(args: TokenStream, item: TokenStream) -> TokenStream {
    property::expand(args.into(), item.into()).into()
}

/// Declares an event on a static `Event<T>` with `T: Serialize`.
///
/// Arguments: `name` as for a metric (`metrics` is taken), `access` as for a property, and `on_demand`: it is emitted only while somebody
/// wants it.
#[proc_macro_attribute]
pub fn event(args: TokenStream, item: TokenStream) -> TokenStream {
    event::expand(args.into(), item.into()).into()
}

/// Declares a snapshot on a static `Snapshot<T>` whose state is provided at run time, or on a function without parameters.
///
/// Arguments: `name` as for a metric (`metrics` is taken), `every`: `"500ms"`, `"10s"`, `"1m"` (where it is absent) or `"2h"`, and `access`
/// as for a property.
#[proc_macro_attribute]
pub fn snapshot(args: TokenStream, item: TokenStream) -> TokenStream {
    snapshot::expand(args.into(), item.into()).into()
}

/// Declares an rpc on a static `Rpc<Request, Response>` that is served at run time, or on a function, plain or async.
///
/// Arguments: `name` as for a metric, and `access`, who may call it, as for a property. A function takes one parameter, the request, or none, and returns `Result<Response, RpcError>`.
#[proc_macro_attribute]
pub fn rpc(args: TokenStream, item: TokenStream) -> TokenStream {
    rpc::expand(args.into(), item.into()).into()
}

/// Declares a function without parameters that runs right before each collection, to set several metrics from one reading.
///
/// It takes no arguments.
#[proc_macro_attribute]
pub fn collector(args: TokenStream, item: TokenStream) -> TokenStream {
    collector::expand(args.into(), item.into()).into()
}

/// Derives `Labels` for a struct of labels, an enum of label values, or a newtype.
///
/// - A field is a label of its own name; `#[label(name = "http.method")]` gives another, `#[label(flatten)]` takes the labels of a
///   struct in its place.
/// - A variant is a value in snake case; `#[label(name = "GET")]` gives another.
/// - An enum or a newtype alone is one label, named after the type in snake case, or by `#[label(name = "…")]` on the type.
/// - Fields are enums or newtypes that derive it, `bool`, whole numbers, `&str`, `String` or `Cow<str>`. A struct or a newtype may borrow
///   (`struct Route<'a>(&'a str)`), and cannot be generic otherwise. A field that is written `&'static str` is told by its address; an
///   alias of it is told by its letters.
#[proc_macro_derive(Labels, attributes(label))]
pub fn derive_labels(item: TokenStream) -> TokenStream {
    labels::expand(item.into()).into()
}

/// The modules that this crate and `telemetry-core` both compile, as their source: one rule for literals here and const expressions there.
#[doc(hidden)]
#[proc_macro]
pub fn shared_modules(_: TokenStream) -> TokenStream {
    let modules =
        concat!("pub mod name {", include_str!("name.rs"), "}\n#[doc(hidden)] pub mod write {", include_str!("write.rs"), "}");
    modules.parse().unwrap_or_else(|_| syn::Error::new(proc_macro2::Span::call_site(), "no tokens").into_compile_error().into())
}
