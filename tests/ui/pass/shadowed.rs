//! The names that expansions use are the user's own here, and other things.

#![deny(warnings)]
#![allow(dead_code, non_camel_case_types, unused_imports, unused_macros)]

use telemetry_core::{Counter, Event, Histogram, Property, Rpc, Snapshot, collector, event, metric, property, rpc, snapshot};

/// Types and traits that are called as those of the language and of its library.
mod names {
    pub struct Option;
    pub struct Result;
    pub struct String;
    pub struct Vec;
    pub struct Box;
    pub struct Labels;
    pub struct LabelValue;
    pub struct Label;
    pub struct Key;
    pub struct Metric;
    pub struct Element;
    pub struct u8;
    pub struct u32;
    pub struct u64;
    pub struct usize;
    pub struct f64;
    pub struct bool;
    pub struct str;
    pub trait Send {}
    pub trait Sync {}
    pub trait Sized {}
    pub trait Copy {}
    pub trait Clone {}
    pub trait Fn {}
    pub trait FnMut {}
    pub trait FnOnce {}
    #[allow(non_snake_case)]
    pub fn Some() {}
    #[allow(non_snake_case)]
    pub fn Ok() {}
    #[allow(non_upper_case_globals)]
    pub const None: () = ();
}

macro_rules! shadow {
    ($d:tt $($name:ident)*) => {
        $(#[allow(unused_imports, unused_macros)]
        macro_rules! $name {
            ($d($d tokens:tt)*) => {
                compile_error!("this is the user's");
            };
        })*
    };
}

shadow!($ concat module_path panic env include_str stringify matches assert vec format global_asm);
shadow!($ record declared taken metric property event snapshot rpc collector);

mod declarations {
    use super::names::*;
    use super::*;

    type Number = ::core::primitive::u32;

    /// An enum.
    #[derive(telemetry_core::Labels)]
    pub enum Method {
        Get,
        Put,
    }

    /// A newtype.
    #[derive(telemetry_core::Labels)]
    pub struct Code(Number);

    /// Some of each.
    #[derive(telemetry_core::Labels)]
    pub struct Call<'a> {
        method: Method,
        code: Code,
        ok: ::core::primitive::bool,
        text: &'a ::core::primitive::str,
    }

    /// A set within a set.
    #[derive(telemetry_core::Labels)]
    pub struct Outer {
        #[label(flatten)]
        inner: Inner,
        method: Method,
    }

    /// The set within.
    #[derive(telemetry_core::Labels)]
    pub struct Inner {
        ok: ::core::primitive::bool,
    }

    const NAME: &::core::primitive::str = "shadowed_const";
    const UNIT: &::core::primitive::str = "s";
    const BOUNDS: [::core::primitive::f64; 2] = [1.0, 2.0];
    const EVERY: &::core::primitive::str = "1h";

    /// A counter.
    #[metric(name = "shadowed_counter")]
    pub static COUNTER: Counter;

    /// With labels.
    #[metric(name = "shadowed_labels", max_series = 10)]
    pub static LABELS: Counter<Call<'static>>;

    /// With a set in a set.
    #[metric(name = "shadowed_sets")]
    pub static SETS: Counter<Outer>;

    /// By consts.
    #[metric(name = NAME, unit = UNIT, bounds = BOUNDS)]
    pub static CONSTS: Histogram;

    /// By literals.
    #[metric(name = "shadowed_literals", unit = "s", bounds = [1.0, 2e0, 3f64])]
    pub static LITERALS: Histogram<Method>;

    /// Observed.
    #[metric(name = "shadowed_observed", kind = "counter")]
    fn observed() -> ::core::primitive::u64 {
        1
    }

    /// A property.
    #[property(name = "shadowed_property")]
    pub static PROPERTY: Property<::core::primitive::bool>;

    /// A property of a function.
    #[property(name = "shadowed_computed")]
    fn computed() -> ::core::primitive::bool {
        true
    }

    /// An event.
    #[event(name = "shadowed_event")]
    pub static EVENT: Event<Number>;

    /// A snapshot.
    #[snapshot(name = "shadowed_snapshot", every = EVERY)]
    pub static SNAPSHOT: Snapshot<Number>;

    /// A snapshot of a function.
    #[snapshot(name = "shadowed_state")]
    fn state() -> Number {
        1
    }

    /// An rpc.
    #[rpc(name = "shadowed_rpc")]
    pub static RPC: Rpc<Number, Number>;

    /// An rpc of a function.
    #[rpc(name = "shadowed_call")]
    fn call(number: Number) -> ::core::result::Result<Number, telemetry_core::RpcError> {
        ::core::result::Result::Ok(number)
    }

    /// An rpc of an async function.
    #[rpc(name = "shadowed_async_call")]
    async fn async_call() -> ::core::result::Result<Number, telemetry_core::RpcError> {
        ::core::result::Result::Ok(1)
    }

    /// A collector.
    #[collector]
    fn collect() {}
}

fn main() {
    declarations::COUNTER.inc();
}
