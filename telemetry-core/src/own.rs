//! What the library measures of itself. The counters stand where they count; here they are declared, as a macro would.

use crate::callback::CALLBACK_FAILURES;
use crate::declaration::{Declaration, MetricKind};
use crate::entry::Entry;
use crate::hub::EVENTS_DROPPED;
use crate::meta::{Meta, Shape};
use crate::metric::MEASUREMENTS_REJECTED;
use crate::registry::{SELF_CHECK, TELEMETRY_DECLARATIONS_V1};

macro_rules! declare {
    ($element:ident: $metric:ident, $name:expr, $unit:literal, $description:literal) => {
        const _: () = {
            const META: Meta = own($name, $unit, $description, line!());
            #[used]
            #[cfg_attr(not(any(target_vendor = "apple", windows)), unsafe(link_section = ".telemetry.meta"))]
            #[cfg_attr(target_vendor = "apple", unsafe(link_section = "__DATA,__telemetry_meta"))]
            #[cfg_attr(windows, unsafe(link_section = ".tlmmeta"))]
            static RECORD: [u8; META.size()] = META.encode();
            #[linkme::distributed_slice(TELEMETRY_DECLARATIONS_V1)]
            static $element: Entry = Entry::metric(&$metric, Declaration::linked(&META, &RECORD));
        };
    };
}

const fn own(name: &'static str, unit: &'static str, description: &'static str, line: u32) -> Meta {
    Meta {
        kind: MetricKind::Counter.as_str(),
        name,
        unit,
        description,
        package: env!("CARGO_PKG_NAME"),
        version: env!("CARGO_PKG_VERSION"),
        module: module_path!(),
        file: file!(),
        line,
        shape: Shape::of("Counter"),
    }
}

declare!(
    CALLBACK_FAILURES_ENTRY: CALLBACK_FAILURES, SELF_CHECK, "{failure}",
    "Callbacks that panicked, were late, or answered with an error, by the kind and name of their declaration."
);
declare!(
    MEASUREMENTS_REJECTED_ENTRY: MEASUREMENTS_REJECTED, "telemetry_measurements_rejected", "{measurement}",
    "Measurements that were dropped: not a number, infinite, below zero where only growth is allowed, observed beyond the limit of series, or made by an allocator within this library."
);
declare!(
    EVENTS_DROPPED_ENTRY: EVENTS_DROPPED, "telemetry_events_dropped", "{event}",
    "Events that did not reach a stream."
);
