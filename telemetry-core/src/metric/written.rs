//! What a macro leaves in the binary: a record of bytes, whose type has what the type of the declared item tells.
//!
//! The type of a record is made from the item's type, and everything else of a declaration from the type of its record. So an item of a
//! wrong type is one mistake to the compiler, and not one in each part of the declaration.

use std::marker::PhantomData;

use super::labels::Labels;
use crate::write::UNDER_TEST;

/// The record of one declaration: a static in the section of [`meta`](crate::meta). All of it are bytes, so nothing lies between its parts.
#[repr(C)]
pub struct Written<const FIELDS: usize, P, const MODULE: usize> {
    pub(crate) fields: [u8; FIELDS],
    part: P,
    pub(crate) flags: [u8; 2],
    /// Twice, each with a zero behind it.
    pub(crate) module: [u8; MODULE],
}

impl<const FIELDS: usize, P: Part, const MODULE: usize> Written<FIELDS, P, MODULE> {
    /// `module` is the path twice, each with a zero behind it.
    pub const fn new(fields: [u8; FIELDS], under_test: bool, module: &'static str) -> Self {
        let Some(module) = module.as_bytes().first_chunk() else { panic!("the size is that of the text") };
        let flags = if under_test { UNDER_TEST } else { 0 };
        Self { fields, part: P::PART, flags: [flags, !flags], module: *module }
    }
}

/// What the type of an item tells: the kind, the labels where it is a metric, and how it begins.
pub trait Part: Copy {
    /// The bytes.
    const PART: Self;
    /// The code of the kind.
    const KIND: u8;
    /// What is read or called.
    type Source: 'static;
    /// What an event or a snapshot is of, or what an rpc takes and answers; `()` where there is no such thing.
    type Told;
    /// The declared static; `()` where a function is declared.
    type Item;
    /// What it begins with, where the declaration does not say.
    #[allow(clippy::declare_interior_mutable_const)] // it is for one static
    const INITIAL: Self::Item;
}

/// The part of an item of type `T` with labels `L`; `KIND` is a [`code`](crate::meta::code).
#[repr(C)]
pub struct Of<T, L: Labels, const KIND: u8> {
    kind: [u8; 2],
    labels: L::Bytes,
    item: PhantomData<fn(T) -> T>,
}

impl<T, L: Labels, const KIND: u8> Clone for Of<T, L, KIND> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T, L: Labels, const KIND: u8> Copy for Of<T, L, KIND> {}

impl<T, L: Labels, const KIND: u8> Of<T, L, KIND> {
    pub(crate) const BYTES: Self = Self { kind: [KIND, !KIND], labels: L::BYTES, item: PhantomData };
}

/// What the static of this record begins with.
pub const fn initial<const FIELDS: usize, P: Part, const MODULE: usize>(_: &Written<FIELDS, P, MODULE>) -> P::Item {
    P::INITIAL
}

/// Implements `Part` for what a declared item is: `static` with what it begins with, or `fn`.
macro_rules! part {
    ($(<$($parameter:ident $(: $bound:path)?),*>)? static $item:ty, $labels:ty, $kind:expr, $initial:expr, $told:ty) => {
        impl$(<$($parameter: 'static $(+ $bound)?),*>)? $crate::metric::Part for $crate::metric::Of<$item, $labels, { $kind }> {
            const PART: Self = Self::BYTES;
            const KIND: u8 = $kind;
            type Source = $item;
            type Told = $told;
            type Item = $item;
            #[allow(clippy::declare_interior_mutable_const)]
            const INITIAL: Self::Item = $initial;
        }
    };
    ($(<$($parameter:ident $(: $bound:path)?),*>)? fn $item:ty, $kind:expr, $told:ty) => {
        impl$(<$($parameter: 'static $(+ $bound)?),*>)? $crate::metric::Part for $crate::metric::Of<$item, (), { $kind }> {
            const PART: Self = Self::BYTES;
            const KIND: u8 = $kind;
            type Source = $item;
            type Told = $told;
            type Item = ();
            const INITIAL: Self::Item = ();
        }
    };
}

pub(crate) use part;
