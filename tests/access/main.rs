//! Who may have what: every rpc and path, by every class of access, with every credential, over every transport; and what people look at over HTTP.

#![allow(missing_docs)]

mod api;
mod credentials;
mod leases;
mod limits;
mod matrix;
mod reach;
mod reload;
#[path = "../suite/support.rs"]
#[allow(dead_code)]
mod support;
mod ways;
