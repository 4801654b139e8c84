//! The three types of number that instruments of the OpenTelemetry API take, and one that holds each.

/// A number of any of the three types.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    U64(u64),
    I64(i64),
    F64(f64),
}

/// A number that an instrument takes.
pub trait Measured: Copy + Send + Sync + 'static {
    fn number(self) -> Number;
    /// None for a number of another type.
    fn of(number: Number) -> Option<Self>;
    /// The sum; whole numbers saturate.
    fn plus(self, other: Self) -> Self;
    fn is_finite(self) -> bool;
}

macro_rules! measured {
    ($($ty:ty, $variant:ident, |$a:ident, $b:ident| $plus:expr, $finite:expr;)*) => {
        $(impl Measured for $ty {
            fn number(self) -> Number {
                Number::$variant(self)
            }

            fn of(number: Number) -> Option<Self> {
                match number {
                    Number::$variant(value) => Some(value),
                    _ => None,
                }
            }

            fn plus(self, other: Self) -> Self {
                let ($a, $b) = (self, other);
                $plus
            }

            fn is_finite(self) -> bool {
                let finite: fn($ty) -> bool = $finite;
                finite(self)
            }
        })*
    };
}

measured! {
    u64, U64, |a, b| a.saturating_add(b), |_| true;
    i64, I64, |a, b| a.saturating_add(b), |_| true;
    f64, F64, |a, b| a + b, f64::is_finite;
}
