//! Labels: sets whose values are known at compile time, so that a series is found by arithmetic, and sets of text and numbers.

use std::borrow::Cow;

use crate::label::Label;

/// One label of a set: an enum that derives [`Labels`](derive@crate::Labels), a `bool`, a whole number, or text.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a label value",
    note = "wanted an enum or a newtype with `#[derive(Labels)]`, `bool`, a whole number, `&'static str` or `String`; \
            a set of labels inside another is marked `#[label(flatten)]`"
)]
pub trait LabelValue: Sized + Send + Sync + 'static {
    /// How many values there are; 0 where that is not known at compile time.
    const CARDINALITY: usize;
    /// The place among them; 0 where they are not known.
    fn index(&self) -> usize;
    /// The value in that place.
    fn from_index(index: usize) -> Option<Self>;
    /// The value as it is exported.
    fn value(&self) -> Label;
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
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a set of labels",
    note = "wanted `()` or a type with `#[derive(Labels)]`: a struct of labels, an enum, or a newtype"
)]
pub trait Labels: Sized + Send + Sync + 'static {
    /// How many sets there are; 0 where that is not known at compile time.
    const CARDINALITY: usize;
    /// The place among them; 0 where they are not known.
    fn index(&self) -> usize;
    /// The set in that place.
    fn from_index(index: usize) -> Option<Self>;
    /// Shows each key with its value.
    fn visit(&self, visitor: &mut dyn FnMut(&'static str, Label));
}

impl Labels for () {
    const CARDINALITY: usize = 1;

    fn index(&self) -> usize {
        0
    }

    fn from_index(index: usize) -> Option<Self> {
        (index == 0).then_some(())
    }

    fn visit(&self, _: &mut dyn FnMut(&'static str, Label)) {}
}

impl LabelValue for bool {
    const CARDINALITY: usize = 2;

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
}

macro_rules! unknown_set {
    ($($type:ty => |$value:ident| $label:expr;)*) => {
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
        })*
    };
}

unknown_set! {
    &'static str => |text| Label::String(Cow::Borrowed(text));
    String => |text| Label::String(Cow::Owned(text.clone()));
    Cow<'static, str> => |text| Label::String(text.clone());
    i8 => |number| Label::I64((*number).into());
    i16 => |number| Label::I64((*number).into());
    i32 => |number| Label::I64((*number).into());
    i64 => |number| Label::I64(*number);
    u8 => |number| Label::I64((*number).into());
    u16 => |number| Label::I64((*number).into());
    u32 => |number| Label::I64((*number).into());
    u64 => |number| Label::I64(i64::try_from(*number).unwrap_or(i64::MAX));
    usize => |number| Label::I64(i64::try_from(*number).unwrap_or(i64::MAX));
}

/// The pairs of a set, as they are exported.
pub fn pairs<L: Labels>(labels: &L) -> Vec<(&'static str, Label)> {
    let mut pairs = Vec::new();
    labels.visit(&mut |key, value| pairs.push((key, value)));
    pairs
}
