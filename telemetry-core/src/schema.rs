//! The JSON schema of what an event or a snapshot is of, where its type derives `schemars::JsonSchema` and the feature `schemars` is on.
//!
//! A declaration says nothing of it: what a type can is found where the type is known. Of two methods of one name the compiler takes the one
//! that needs no further reference, if its trait is implemented: [David Tolnay's autoref specialization](https://github.com/dtolnay/case-studies/blob/master/autoref-specialization/README.md).

use std::marker::PhantomData;

use crate::metric::{Part, Written};

/// What tells a schema, if there is one.
pub type Schema = fn() -> Option<serde_json::Value>;

/// A type, for its methods.
pub struct Probe<T>(PhantomData<fn(T) -> T>);

/// What the declaration of this record is of.
pub fn probe<const FIELDS: usize, P: Part, const MODULE: usize>(_: &Written<FIELDS, P, MODULE>) -> Probe<P::Told> {
    Probe(PhantomData)
}

/// Of a type that has a schema.
pub trait Described {
    /// The schema.
    fn schema(&self) -> Option<serde_json::Value>;
}

#[cfg(feature = "schemars")]
impl<T: schemars::JsonSchema> Described for Probe<T> {
    fn schema(&self) -> Option<serde_json::Value> {
        let written = schemars::generate::SchemaSettings::default().for_serialize(); // as a reader meets it
        Some(written.into_generator().into_root_schema_for::<T>().to_value())
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
