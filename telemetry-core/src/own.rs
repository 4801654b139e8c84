//! What the library measures of itself. The counters stand where they count; here they are declared, as a macro would.

use crate::callback::{CALLBACK_FAILURES, Callback};
use crate::element::{self, Element};
use crate::hub::{EVENTS_DROPPED, EventLoss};
use crate::metric::{Counter, MEASUREMENTS_REJECTED, Metric, Written};
use crate::registry::{SELF_CHECK, TELEMETRY_DECLARATIONS_V1};
use crate::write::Meta;

macro_rules! declare {
    ($element:ident: $metric:ident, $ty:ty, $name:expr, $unit:literal, $description:literal) => {
        const _: () = {
            const META: Meta<'static> = own($name, $unit, $description, stringify!($ty), line!());
            const MODULE: &str = concat!(module_path!(), "\0", module_path!(), "\0");
            #[used]
            #[cfg_attr(not(any(target_vendor = "apple", windows)), unsafe(link_section = ".telemetry.meta"))]
            #[cfg_attr(target_vendor = "apple", unsafe(link_section = "__DATA,__telemetry_meta"))]
            #[cfg_attr(windows, unsafe(link_section = ".tlmmeta"))]
            static RECORD: Written<{ META.size() }, <$ty as Metric>::Part, { MODULE.len() }> =
                Written::new(META.encode(), cfg!(test), MODULE);
            #[linkme::distributed_slice(TELEMETRY_DECLARATIONS_V1)]
            static $element: Element = element::metric(&RECORD, &$metric);
        };
    };
}

const fn own(name: &'static str, unit: &'static str, description: &'static str, ty: &'static str, line: u32) -> Meta<'static> {
    Meta {
        name,
        unit,
        description,
        package: env!("CARGO_PKG_NAME"),
        version: env!("CARGO_PKG_VERSION"),
        file: file!(),
        line,
        ty,
        bounds: None,
        every_ms: None,
        shared: false,
        access: "",
        on_demand: false,
    }
}

declare!(
    CALLBACK_FAILURES_ENTRY: CALLBACK_FAILURES, Counter<Callback<'static>>, SELF_CHECK, "{failure}",
    "Callbacks that panicked, were late, answered with an error, or created an instrument, by the kind and name of their declaration."
);
declare!(
    MEASUREMENTS_REJECTED_ENTRY: MEASUREMENTS_REJECTED, Counter, "telemetry_measurements_rejected", "{measurement}",
    "Measurements that were dropped: not a number, infinite, below zero where only growth is allowed, observed beyond a limit, recorded beyond what OpenTelemetry's global instruments keep, or made by an allocator within this library."
);
declare!(
    EVENTS_DROPPED_ENTRY: EVENTS_DROPPED, Counter<EventLoss>, "telemetry_events_dropped", "{event}",
    "Events that did not reach a stream."
);
