//! What expansions call. Not public: it changes with the macros, which are pinned to this version.

pub use core;
pub use core::primitive::{f64, str, u8, u64, usize};
pub use linkme;

pub use crate::element::{self, CollectorPart, Element};
pub use crate::event::EventType;
pub use crate::expand::{declared, metric, record, schema, schemas, taken};
pub use crate::meta::code;
pub use crate::metric::{Metric, MetricSource, ObservedFn, ObservedType, Options, Part, Reader, Written, initial, read};
pub use crate::property::{ComputedType, PropertyFn, PropertyType};
pub use crate::registry::TELEMETRY_DECLARATIONS_V1;
pub use crate::rpc::{Answered, Asked, RpcFn, RpcType, boxed};
pub use crate::schema::{Described, Undescribed, probe, probe_request, probe_response};
pub use crate::snapshot::{Captured, SnapshotFn, SnapshotType};
pub use crate::switch::Wanted;
pub use crate::write::{LabelMeta, Meta, encode_labels, labels_size};

use crate::label::Label;
use crate::name::{self, Fault};

/// Each check and this one have a caller to track: the compiler then points at what was checked, and at nothing in here.
#[track_caller]
const fn demand(checked: Result<(), Fault>) {
    if let Err(fault) = checked {
        panic!("{}", fault.as_str());
    }
}

#[track_caller]
pub const fn check_name(name: &str) {
    demand(name::name(name));
}

#[track_caller]
pub const fn check_unit(unit: &str) {
    demand(name::unit(unit));
}

#[track_caller]
pub const fn check_bounds(bounds: &[f64]) {
    demand(name::bounds(bounds));
}

#[track_caller]
pub const fn check_interval(text: &str) {
    if let Err(fault) = name::interval(text) {
        demand(Err(fault));
    }
}

/// The milliseconds of an interval; 0 where it is none, which its check tells.
pub const fn interval_ms(text: &str) -> u64 {
    match name::interval(text) {
        Ok(interval) => interval.as_millis() as u64, // a year's at most
        Err(_) => 0,
    }
}

/// A label of fixed text.
pub fn label_text(text: &'static str) -> Label {
    Label::from(text)
}

/// The number of label sets: the product, or 0 where a factor is not known or the product is beyond what a block may hold.
pub const fn cardinality(factors: &[usize]) -> usize {
    let (mut product, mut i) = (1_usize, 0);
    while i < factors.len() {
        product = product.saturating_mul(factors[i]);
        i += 1;
    }
    if product > crate::limits::DENSE_SERIES_MAX { 0 } else { product }
}

/// Takes the lowest digit off a number of mixed radix.
pub const fn digit(rest: &mut usize, radix: usize) -> usize {
    if radix == 0 {
        return 0;
    }
    let digit = *rest % radix;
    *rest /= radix;
    digit
}
