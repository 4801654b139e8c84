//! A crate that calls telemetry-core by another name: one line in its root says both names.

#![deny(warnings, unused, rust_2018_idioms)]

extern crate telemetry as telemetry_core;

use telemetry::{Counter, Histogram, Labels, RpcError, metric, rpc};

/// A label.
#[derive(Debug, Labels)]
pub enum Method {
    /// One.
    Get,
}

/// A counter.
#[metric(name = "renamed_counter", unit = concat!("{", "call}"))]
pub static COUNTER: Counter<Method>;

pub mod inner {
    //! The line in the root holds here too.

    use super::*;

    /// A histogram.
    #[metric(name = "renamed_histogram", bounds = [1.0])]
    pub static HISTOGRAM: Histogram;

    /// An rpc.
    #[rpc(name = "renamed_rpc")]
    pub async fn call() -> Result<u32, RpcError> {
        Ok(1)
    }
}

#[test]
fn what_is_declared_under_another_name_of_the_crate_is_declared() {
    COUNTER.with(Method::Get).inc();
    inner::HISTOGRAM.record(1.0);
    for name in ["renamed_counter", "renamed_histogram", "renamed_rpc"] {
        assert!(telemetry::Registry::new().find(name).is_some(), "{name}");
    }
}
