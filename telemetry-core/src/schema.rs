//! The JSON schema of what an event or a snapshot is of, and of what an rpc takes and answers, where the type derives `schemars::JsonSchema` and the feature `schemars` is on.
//!
//! A declaration says nothing of it: what a type can is found where the type is known. Of two methods of one name the compiler takes the one
//! that needs no further reference, if its trait is implemented: [David Tolnay's autoref specialization](https://github.com/dtolnay/case-studies/blob/master/autoref-specialization/README.md).

use std::marker::PhantomData;

use crate::metric::{Part, Written};
use crate::rpc::RpcError;

/// What tells a schema, if there is one.
pub type Schema = fn() -> Option<serde_json::Value>;

/// What a declaration tells of its types.
#[derive(Clone, Copy)]
pub(crate) enum Schemas {
    Unknown,
    /// Of an event or a snapshot.
    Told(Schema),
    /// Of an rpc.
    Called {
        request: Schema,
        response: Schema,
    },
}

/// A type, for its methods, as this program reads or writes it.
pub struct Probe<T> {
    #[cfg_attr(not(feature = "schemars"), allow(dead_code))]
    is_read: bool,
    of: PhantomData<fn(T) -> T>,
}

impl<T> Probe<T> {
    const READ: Self = Self { is_read: true, of: PhantomData };
    const WRITTEN: Self = Self { is_read: false, of: PhantomData };
}

/// What the declaration of this record is of.
pub fn probe<const FIELDS: usize, P: Part, const MODULE: usize>(_: &Written<FIELDS, P, MODULE>) -> Probe<P::Told> {
    Probe::WRITTEN
}

/// What the rpc of this record takes.
pub fn probe_request<const FIELDS: usize, P, Q, A, const MODULE: usize>(_: &Written<FIELDS, P, MODULE>) -> Probe<Q>
where
    P: Part<Told = (Q, Result<A, RpcError>)>,
{
    Probe::READ
}

/// What the rpc of this record answers.
pub fn probe_response<const FIELDS: usize, P, Q, A, const MODULE: usize>(_: &Written<FIELDS, P, MODULE>) -> Probe<A>
where
    P: Part<Told = (Q, Result<A, RpcError>)>,
{
    Probe::WRITTEN
}

/// Of a type that has a schema.
pub trait Described {
    /// The schema.
    fn schema(&self) -> Option<serde_json::Value>;
}

#[cfg(feature = "schemars")]
impl<T: schemars::JsonSchema> Described for Probe<T> {
    fn schema(&self) -> Option<serde_json::Value> {
        let settings = schemars::generate::SchemaSettings::default();
        let settings = if self.is_read { settings.for_deserialize() } else { settings.for_serialize() };
        Some(settings.into_generator().into_root_schema_for::<T>().to_value())
    }
}

/// Of any other.
pub trait Undescribed {
    /// None.
    fn schema(&self) -> Option<serde_json::Value>;
}

impl<T> Undescribed for &Probe<T> {
    fn schema(&self) -> Option<serde_json::Value> {
        None
    }
}
