//! Labels: sets whose values are known at compile time, so that a series is found by arithmetic, and sets of text and numbers.

use std::borrow::Cow;

use crate::label::{Label, LabelSet};
use crate::thread::Key;
use crate::write::{LabelMeta, encode_labels, labels_size};

/// One label of a set: an enum that derives [`Labels`](derive@crate::Labels), a `bool`, a whole number, or text.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a label value",
    note = "wanted an enum or a newtype with `#[derive(Labels)]`, `bool`, a whole number, `&str` or `String`; \
            a set of labels inside another is marked `#[label(flatten)]`"
)]
pub trait LabelValue: Sized + Send + Sync {
    /// How many values there are; 0 where that is not known at compile time.
    const CARDINALITY: usize;
    /// The values as text, where they are known at compile time.
    #[doc(hidden)]
    const VALUES: &'static [&'static str] = &[];
    /// The place among them; 0 where they are not known.
    fn index(&self) -> usize;
    /// The value in that place.
    fn from_index(index: usize) -> Option<Self>;
    /// The value as it is exported.
    fn value(&self) -> Label;
    /// Shows what tells it from other values. Two values that are exported alike show the same.
    fn key<'a>(&'a self, key: &mut impl Key<'a>);
    /// The same value again, where that costs nothing.
    #[doc(hidden)]
    #[inline(always)]
    fn copied(&self) -> Option<Self> {
        None
    }
}

/// A set of labels: `()`, or a type that derives it.
///
/// ```
/// use telemetry_core::{Counter, Labels, metric};
///
/// #[derive(Labels)]
/// enum Method { Get, Put }
///
/// #[derive(Labels)]
/// struct Call { method: Method, ok: bool }        // four series, found by arithmetic
///
/// /// Calls answered.
/// #[metric(name = "doc_calls", unit = "{call}")]
/// static CALLS: Counter<Call>;
///
/// CALLS.with(Call { method: Method::Get, ok: true }).inc();
/// ```
///
/// Text may be borrowed. A field of type `&'static str` is told by its address, which is faster than by its letters.
///
/// ```
/// use telemetry_core::{Counter, Labels, metric};
///
/// #[derive(Labels)]
/// struct Request<'a> { method: &'static str, route: &'a str }
///
/// /// Requests answered.
/// #[metric(name = "doc_route_requests", unit = "{request}", max_series = 100)]
/// static REQUESTS: Counter<Request>;
///
/// let route = String::from("/users");
/// REQUESTS.with(Request { method: "GET", route: &route }).inc();
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a set of labels",
    note = "wanted `()` or a type with `#[derive(Labels)]`: a struct of labels, an enum, or a newtype"
)]
pub trait Labels: Sized + Send + Sync {
    /// The same set with text that lives as long as `'a`.
    type With<'a>: Labels;
    /// Whether it is `()`.
    #[doc(hidden)]
    const NONE: bool = false;
    /// What is known of the keys and values.
    #[doc(hidden)]
    const META: &'static [LabelMeta<'static>];
    /// The same in the form of a record: an array.
    #[doc(hidden)]
    type Bytes: Copy + Sync + 'static;
    #[doc(hidden)]
    const BYTES: Self::Bytes;
    /// How many sets there are; 0 where that is not known at compile time.
    const CARDINALITY: usize;
    /// The place among them; 0 where they are not known.
    fn index(&self) -> usize;
    /// The set in that place.
    fn from_index(index: usize) -> Option<Self>;
    /// Shows each key with its value.
    fn visit(&self, visitor: &mut dyn FnMut(&'static str, Label));
    /// Shows what tells it from other sets. Two sets that are exported alike show the same.
    fn key<'a>(&'a self, key: &mut impl Key<'a>);
    /// The same set again, where that costs nothing.
    #[doc(hidden)]
    #[inline(always)]
    fn copied(&self) -> Option<Self> {
        None
    }
}

impl Labels for () {
    type With<'a> = ();
    const NONE: bool = true;
    const META: &'static [LabelMeta<'static>] = &[];
    type Bytes = [u8; labels_size(&[])];
    const BYTES: Self::Bytes = encode_labels(&[]);
    const CARDINALITY: usize = 1;

    fn index(&self) -> usize {
        0
    }

    fn from_index(index: usize) -> Option<Self> {
        (index == 0).then_some(())
    }

    fn visit(&self, _: &mut dyn FnMut(&'static str, Label)) {}

    fn key<'a>(&'a self, _: &mut impl Key<'a>) {}
}

impl LabelValue for bool {
    const CARDINALITY: usize = 2;
    const VALUES: &'static [&'static str] = &["false", "true"];

    #[inline]
    fn index(&self) -> usize {
        usize::from(*self)
    }

    fn from_index(index: usize) -> Option<Self> {
        match index {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    fn value(&self) -> Label {
        Label::Bool(*self)
    }

    #[inline(always)]
    fn key<'a>(&'a self, key: &mut impl Key<'a>) {
        key.word((*self).into());
    }

    #[inline(always)]
    fn copied(&self) -> Option<Self> {
        Some(*self)
    }
}

macro_rules! unknown_set {
    ($($type:ty => |$value:ident, $key:ident| $label:expr, $show:expr $(, copied: $copied:ident)?;)*) => {
        $(impl LabelValue for $type {
            const CARDINALITY: usize = 0;

            fn index(&self) -> usize {
                0
            }

            fn from_index(_: usize) -> Option<Self> {
                None
            }

            fn value(&self) -> Label {
                let $value = self;
                $label
            }

            #[inline(always)]
            fn key<'a>(&'a self, $key: &mut impl Key<'a>) {
                let $value = self;
                $show
            }

            $(#[inline(always)]
            fn copied(&self) -> Option<Self> {
                let $copied = *self;
                Some($copied)
            })?
        })*
    };
}

unknown_set! {
    &str => |text, key| Label::String(Cow::Owned((*text).to_owned())), key.text(text), copied: value;
    String => |text, key| Label::String(Cow::Owned(text.clone())), key.text(text);
    Cow<'_, str> => |text, key| Label::String(Cow::Owned(text.clone().into_owned())), key.text(text);
    i8 => |number, key| Label::I64((*number).into()), key.word(i64::from(*number).cast_unsigned()), copied: value;
    i16 => |number, key| Label::I64((*number).into()), key.word(i64::from(*number).cast_unsigned()), copied: value;
    i32 => |number, key| Label::I64((*number).into()), key.word(i64::from(*number).cast_unsigned()), copied: value;
    i64 => |number, key| Label::I64(*number), key.word(number.cast_unsigned()), copied: value;
    u8 => |number, key| Label::I64((*number).into()), key.word((*number).into()), copied: value;
    u16 => |number, key| Label::I64((*number).into()), key.word((*number).into()), copied: value;
    u32 => |number, key| Label::I64((*number).into()), key.word((*number).into()), copied: value;
    u64 => |number, key| Label::I64(saturated(*number)), key.word(saturated(*number).cast_unsigned()), copied: value;
    usize => |number, key| Label::I64(saturated(*number as u64)), key.word(saturated(*number as u64).cast_unsigned()), copied: value;
}

/// OpenTelemetry's whole numbers are signed.
fn saturated(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The pairs of a set, as they are exported.
pub fn pairs<L: Labels>(labels: &L) -> LabelSet {
    let mut pairs = Vec::new();
    labels.visit(&mut |key, value| pairs.push((key, value)));
    pairs.into_iter().collect()
}
