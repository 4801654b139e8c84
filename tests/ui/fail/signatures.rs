//! A function that cannot be called as the attribute wants.

use telemetry_core::{RpcError, collector, metric, property, rpc, snapshot};

/// .
#[metric(name = "signatures.parameter")]
fn parameter(_: u32) -> i64 {
    1
}

/// .
#[metric(name = "signatures.generic")]
fn generic<T: Default + Into<i64>>() -> i64 {
    T::default().into()
}

/// .
#[property(name = "signatures.async")]
async fn asynchronous() -> i64 {
    1
}

/// .
#[snapshot(name = "signatures.unsafe")]
unsafe fn unsafely() -> i64 {
    1
}

/// .
#[metric(name = "signatures.impl")]
fn unnamed() -> impl Into<i64> {
    1
}

/// .
#[rpc(name = "signatures.impl_within")]
async fn unnamed_within(_: impl Into<i64>) -> Result<impl Into<i64>, RpcError> {
    Ok(1)
}

/// .
#[snapshot(name = "signatures.abi")]
extern "C" fn foreign() -> i64 {
    1
}

/// .
#[rpc(name = "signatures.borrows")]
fn borrows(name: &str) -> Result<usize, RpcError> {
    Ok(name.len())
}

/// .
#[rpc(name = "signatures.two")]
async fn two(_: u32, _: Option<u32>) -> Result<u32, RpcError> {
    Ok(1)
}

/// .
#[collector]
fn generic_collector<'a, const N: usize>() {}

struct Node;

impl Node {
    /// .
    #[metric(name = "signatures.method")]
    fn method(&self) -> i64 {
        1
    }
}

/// .
#[collector]
fn returning() -> Result<(), std::io::Error> {
    Ok(())
}

/// .
#[collector]
async fn several(_: u32) {}

fn main() {
    let _ = (parameter(1), generic::<i32>(), unnamed().into(), foreign(), borrows(""), Node.method(), returning());
}
