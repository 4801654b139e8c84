//! Where a declaration may stand, and what may stand beside it.

#![deny(warnings, missing_docs, unreachable_pub)]

use telemetry_core as t;
use telemetry_core::{Counter, Event, Gauge, Histogram, Labels, Property, metric as measured};

/// Declares by a macro of the user: names as literals and as expressions, types as types.
macro_rules! declare {
    ($(#[$attr:meta])* $vis:vis $ident:ident: $ty:ty, $name:literal) => {
        $(#[$attr])*
        #[t::metric(name = $name, unit = "{call}")]
        $vis static $ident: $ty;
    };
    ($(#[$attr:meta])* $vis:vis $ident:ident: $ty:ty, expr $name:expr, $unit:expr) => {
        $(#[$attr])*
        #[t::metric(name = $name, unit = $unit)]
        $vis static $ident: $ty;
    };
    (bounds $ident:ident, $name:literal, [$($bound:expr),*], $doc:expr) => {
        #[doc = $doc]
        #[t::metric(name = $name, bounds = [$($bound),*])]
        static $ident: Histogram;
    };
    (fn $ident:ident -> $ty:ty, $name:literal, $value:expr) => {
        /// Observed, by a macro of the user.
        #[t::metric(name = $name)]
        fn $ident() -> $ty {
            $value
        }
    };
    (event $ident:ident: $ty:ty, $name:expr) => {
        /// Emitted, by a macro of the user.
        #[t::event(name = $name)]
        static $ident: Event<$ty>;
    };
    (event $ident:ident: $ty:ty, $name:expr, $access:literal) => {
        /// Emitted on demand, by a macro of the user.
        #[t::event(name = $name, access = $access, on_demand)]
        static $ident: Event<$ty>;
    };
}

declare! {
    /// By a literal.
    pub(crate) BY_LITERAL: Counter, "places_by_literal"
}
declare! {
    /// By an expression that is a literal.
    BY_EXPR: Gauge<Method>, expr "places_by_expr", "By"
}
declare! {
    /// By an expression that is none.
    BY_CONST: telemetry_core::Counter<Method>, expr concat!("places_", "by_concat"), UNIT
}
declare!(bounds BY_BOUNDS, "places_by_bounds", [0.5, 1.0, -BOUND], concat!("Docs ", "of parts."));
declare!(fn by_function -> Option<f64>, "places_by_function", None);
declare!(event BY_EVENT: Vec<String>, "places_by_event");
declare!(event BY_EVENT_ON_DEMAND: Vec<String>, "places_by_event_on_demand", "restricted");

const UNIT: &str = "s";
const BOUND: f64 = -2.0;

#[derive(Labels)]
enum Method {
    Get,
    #[label(name = "löschen")]
    r#Delete,
}

#[derive(Labels)]
struct Raw {
    r#type: bool,
    r#struct: Method,
}

/// A raw identifier.
#[measured(name = "places_raw")]
#[allow(non_upper_case_globals)]
static r#type: Counter<Raw>;

/// A raw identifier of a function.
#[measured(name = "places_raw_function")]
fn r#fn() -> i64 {
    1
}

/// Not there.
#[cfg(any())]
#[measured(name = "places_absent")]
static ABSENT: Absent;

/// Not there either, as an attribute that follows says.
#[measured(name = "places_absent")]
#[cfg(any())]
static ABSENT_TOO: Absent;

/// Not there, and a function.
#[measured(name = "places_absent")]
#[cfg(any())]
fn absent() -> Absent {}

/// There, and nobody uses it.
#[measured(name = "places_absent")]
#[cfg(all())]
#[allow(dead_code)]
static PRESENT: Counter;

/// With an initialiser, and in Unicode: größer, “ß”, 数.
#[measured(name = "places_initialised")]
static INITIALISED: Counter = Counter::new();

/// With an initialiser and options.
#[measured(name = "places_initialised_bounds", bounds = [1.0])]
static INITIALISED_BOUNDS: Histogram<Method> = const { Histogram::new() };

/// Deprecated.
#[deprecated]
#[t::property(name = "places_deprecated")]
static DEPRECATED: Property<String>;

/// Deprecated, and a function.
#[t::property(name = "places_deprecated_function")]
#[deprecated(note = "it is old")]
#[must_use]
fn deprecated() -> bool {
    true
}

#[doc = include_str!("in_function.rs")]
#[t::event(name = "places_included")]
static INCLUDED: Event<()>;

mod outer {
    pub(crate) mod inner {
        use super::super::t::*;

        /// Visible in the module above.
        #[metric(name = "places_nested")]
        pub(in crate::outer) static NESTED: Counter;

        /// Of a type that has a path.
        #[metric(name = "places_path")]
        pub(crate) static PATH: super::super::Counter<super::super::Method>;
    }

    pub(crate) fn count() {
        inner::NESTED.inc();
    }
}

struct Host;

impl Host {
    fn count(&self) {
        /// In a method.
        #[measured(name = "places_method")]
        static IN_METHOD: Counter;
        IN_METHOD.inc();
        let closure = || {
            /// In a closure.
            #[measured(name = "places_closure")]
            static IN_CLOSURE: Counter;
            IN_CLOSURE.inc();

            /// A function in a closure.
            #[measured(name = "places_function_in_closure")]
            fn observed() -> u64 {
                1
            }
        };
        closure();
    }
}

fn generic<T: Default>() -> T {
    /// In a generic function, of which there is one all the same.
    #[measured(name = "places_generic")]
    static IN_GENERIC: Counter;
    IN_GENERIC.inc();
    T::default()
}

/// Collectors have no public name: two may be called alike.
mod one {
    /// .
    #[telemetry_core::collector]
    fn collect() {}
}

mod other {
    /// .
    #[telemetry_core::collector]
    fn collect() {}
}

fn main() {
    BY_LITERAL.inc();
    BY_EXPR.with(Method::Get).set(1);
    BY_CONST.with(Method::Delete).inc();
    BY_BOUNDS.record(1.0);
    BY_EVENT.emit(&Vec::new());
    r#type.with(Raw { r#type: true, r#struct: Method::Get }).inc();
    INITIALISED.inc();
    INITIALISED_BOUNDS.with(Method::Get).record(1);
    INCLUDED.emit(&());
    outer::count();
    outer::inner::PATH.with(Method::Get).inc();
    Host.count();
    let _: u32 = generic();
    let _: u64 = generic();
    assert_eq!(BY_LITERAL.value(), 1);
}
