//! Properties: values that are constant, set once in a while, or computed on demand.

use std::borrow::Cow;

use parking_lot::RwLock;

use crate::meta::code;
use crate::metric::{Of, Part, part};

/// The value of a property, with its true type.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum PropertyValue {
    /// Text.
    String(Cow<'static, str>),
    /// A whole number; an unsigned one beyond `i64::MAX` saturates.
    I64(i64),
    /// A floating-point number.
    F64(f64),
    /// True or false.
    Bool(bool),
    /// Any JSON.
    Json(serde_json::Value),
    /// Bytes.
    Bytes(Vec<u8>),
}

macro_rules! into_value {
    ($($from:ty => |$value:ident| $into:expr;)*) => {
        $(impl From<$from> for PropertyValue {
            fn from($value: $from) -> Self {
                $into
            }
        }

        impl Computed for $from {})*
    };
}

into_value! {
    &'static str => |value| Self::String(Cow::Borrowed(value));
    String => |value| Self::String(Cow::Owned(value));
    Cow<'static, str> => |value| Self::String(value);
    i64 => |value| Self::I64(value);
    i32 => |value| Self::I64(value.into());
    u32 => |value| Self::I64(value.into());
    u16 => |value| Self::I64(value.into());
    u8 => |value| Self::I64(value.into());
    u64 => |value| Self::I64(i64::try_from(value).unwrap_or(i64::MAX));
    usize => |value| Self::I64(i64::try_from(value).unwrap_or(i64::MAX));
    f64 => |value| Self::F64(value);
    f32 => |value| Self::F64(value.into());
    bool => |value| Self::Bool(value);
    serde_json::Value => |value| Self::Json(value);
    Vec<u8> => |value| Self::Bytes(value);
}

/// A value that is constant or set at run time.
///
/// ```
/// use telemetry_core::{Property, property};
///
/// /// The operating system.
/// #[property(name = "doc_host_os")]
/// static OS: Property<&'static str> = Property::constant(std::env::consts::OS);
///
/// /// The role that this node plays.
/// #[property(name = "doc_role")]
/// static ROLE: Property<String>;
///
/// /// The processors that this program may use.
/// #[property(name = "doc_cpus", unit = "{cpu}")]
/// fn cpus() -> i64 { std::thread::available_parallelism().map_or(1, |n| n.get() as i64) }
///
/// ROLE.set("leader".into());
/// ```
pub struct Property<T> {
    value: RwLock<Option<T>>,
}

/// The value of a property now.
pub trait PropertySource: Send + Sync {
    /// None where it was not set yet.
    fn value(&self) -> Option<PropertyValue>;
}

impl<T> Property<T> {
    /// A property that is not set yet.
    #[allow(clippy::new_without_default)] // only a macro makes a useful one
    pub const fn new() -> Self {
        Self { value: RwLock::new(None) }
    }

    /// A property with a value from the start.
    pub const fn constant(value: T) -> Self {
        Self { value: RwLock::new(Some(value)) }
    }

    /// Sets the value.
    pub fn set(&self, value: T) {
        let replaced = self.value.write().replace(value);
        drop(replaced); // outside the lock: it is the user's
    }
}

impl<T: Clone + Into<PropertyValue> + Send + Sync> PropertySource for Property<T> {
    fn value(&self) -> Option<PropertyValue> {
        self.value.read().clone().map(Into::into)
    }
}

/// A type that `#[property]` may stand on.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a property",
    note = "wanted `Property<T>`, or a function that returns `T`; `T` is text, a number, `bool`, `serde_json::Value` or bytes"
)]
pub trait PropertyType {
    /// What the type tells.
    type Part: Part;
}

impl<T: Computed> PropertyType for Property<T> {
    type Part = Of<Self, (), { code::PROPERTY }>;
}

/// What a property may be of.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not the value of a property",
    note = "wanted text, a number, `bool`, `serde_json::Value`, `Vec<u8>`, or a `PropertyValue` that is made of it"
)]
pub trait Computed: Into<PropertyValue> + Clone + Send + Sync + 'static {}

impl Computed for PropertyValue {}

/// What a function that is a property may return.
pub trait ComputedType {
    /// What the type tells.
    type Part: Part;
}

impl<T: Computed> ComputedType for T {
    type Part = Of<PropertyFn<T>, (), { code::PROPERTY }>;
}

part!(<T> static Property<T>, (), code::PROPERTY, Property::new(), ());
part!(<T> fn PropertyFn<T>, code::PROPERTY, ());

/// A property computed by a function on demand.
#[doc(hidden)]
pub struct PropertyFn<T>(fn() -> T);

impl<T> PropertyFn<T> {
    pub const fn new(value: fn() -> T) -> Self {
        Self(value)
    }
}

impl<T: Into<PropertyValue>> PropertySource for PropertyFn<T> {
    fn value(&self) -> Option<PropertyValue> {
        Some((self.0)().into())
    }
}

/// A property that was declared at run time.
pub(crate) struct RuntimeProperty<F>(pub F);

impl<T: Into<PropertyValue>, F: Fn() -> T + Send + Sync> PropertySource for RuntimeProperty<F> {
    fn value(&self) -> Option<PropertyValue> {
        Some((self.0)().into())
    }
}
