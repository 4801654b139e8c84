//! What expansions call. Not public: it changes with the macros, which are pinned to this version.

use std::time::Duration;

pub use core;
pub use linkme;

pub use crate::declaration::{Declaration, MetricKind as ObservedKind};
pub use crate::entry::Entry;
pub use crate::meta::{LabelMeta, Meta, Shape};
pub use crate::metric::{Metric, MetricSource, ObservedFn, Options, Reader};
pub use crate::property::PropertyFn;
pub use crate::registry::TELEMETRY_DECLARATIONS_V1;
pub use crate::rpc::{RpcFn, call_async, call_plain};
pub use crate::snapshot::{SnapshotFn, capture};

use crate::label::Label;
use crate::name::{self, Fault};

const fn demand(checked: Result<(), Fault>) {
    if let Err(fault) = checked {
        panic!("{}", fault.as_str());
    }
}

pub const fn check_name(name: &str) {
    demand(name::name(name));
}

pub const fn check_label(key: &str) {
    demand(name::label(key));
}

pub const fn check_unit(unit: &str) {
    demand(name::unit(unit));
}

pub const fn check_bounds(bounds: &[f64]) {
    demand(name::bounds(bounds));
}

pub const fn check_interval(text: &str) {
    match name::interval(text) {
        Ok(_) => {}
        Err(fault) => demand(Err(fault)),
    }
}

/// The interval of a checked text.
pub const fn interval(text: &str) -> Duration {
    match name::interval(text) {
        Ok(interval) => interval,
        Err(_) => Duration::MAX, // `check_interval` has stopped the compilation
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
