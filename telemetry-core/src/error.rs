//! What can go wrong outside of recording, which cannot fail.

use std::fmt;

use crate::meta::MetaError;
use crate::name::Fault;

/// Why a declaration was refused.
///
/// `Debug` is the same text as `Display`: that is what `fn main() -> Result<…>` prints.
#[non_exhaustive]
pub enum DeclareError {
    /// The name breaks a rule.
    Name(String, Box<Fault>),
    /// The unit breaks a rule.
    Unit(String, Box<Fault>),
    /// The interval of a snapshot is zero.
    Interval(String),
    /// The name is taken; names are compared without case, across all kinds.
    Duplicate {
        /// The name.
        name: String,
        /// Where it was first declared.
        first: String,
        /// Where it was declared again.
        again: String,
    },
    /// Crates share the name of a metric, and do not mean the same by it.
    Unlike {
        /// The name.
        name: String,
        /// Kind, unit and place of the first.
        first: String,
        /// Kind, unit and place of the other.
        again: String,
    },
    /// Two metrics have names that Prometheus does not tell apart.
    Prometheus {
        /// The name that it would show.
        name: String,
        /// Name and place of the first.
        first: String,
        /// Name and place of the other.
        again: String,
    },
    /// The record of a linked declaration is not what was compiled: somebody changed the program.
    Damaged(MetaError),
    /// The name of an event or a snapshot is that of the stream of all metrics.
    Reserved {
        /// The name.
        name: String,
        /// Where it is declared.
        place: String,
    },
    /// Something other than an event is declared on demand.
    OnDemand {
        /// The name.
        name: String,
        /// What it is.
        kind: &'static str,
    },
    /// The library's own declarations are absent: the linker lost the slice, and the user's are absent too.
    NotLinked,
}

impl fmt::Display for DeclareError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name, fault) => write!(f, "\"{name}\": {fault}"),
            Self::Unit(name, fault) => write!(f, "the unit of \"{name}\": {fault}"),
            Self::Interval(name) => write!(f, "the interval of the snapshot \"{name}\" is zero: wanted a time above zero"),
            Self::Duplicate { name, first, again } => {
                write!(f, "the name \"{name}\" is declared twice: at {first} and at {again}")
            }
            Self::Unlike { name, first, again } => {
                write!(f, "the shared name \"{name}\" is of different metrics: {first}, and {again}; wanted one kind and one unit")
            }
            Self::Prometheus { name, first, again } => {
                write!(f, "Prometheus shows two metrics as \"{name}\": {first} and {again}; wanted another name for one of them")
            }
            Self::Damaged(error) => write!(f, "this program's declarations are not as they were compiled: {error}"),
            Self::Reserved { name, place } => {
                write!(f, "\"{name}\" at {place} is the name of the stream of all metrics: wanted another one")
            }
            Self::OnDemand { name, kind } => write!(f, "the {kind} \"{name}\" is declared on demand: wanted an event"),
            Self::NotLinked => f.write_str(
                "no declarations are linked into this program, not even the library's own: \
                 wanted a linker that keeps the section of linkme's distributed slices (a static library needs whole-archive)",
            ),
        }
    }
}

impl fmt::Debug for DeclareError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for DeclareError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Name(_, fault) | Self::Unit(_, fault) => Some(&**fault),
            Self::Damaged(error) => Some(error),
            _ => None,
        }
    }
}

/// Why an event was not switched on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SwitchError {
    /// Nothing has this name.
    Undeclared(String),
    /// What has this name is no event that is emitted on demand.
    NotOnDemand {
        /// The name.
        name: String,
        /// What it is.
        kind: &'static str,
    },
}

impl fmt::Display for SwitchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Undeclared(name) => write!(f, "nothing is called \"{name}\": wanted an event that is declared `on_demand`"),
            Self::NotOnDemand { name, kind: "event" } => {
                write!(f, "the event \"{name}\" is always on: wanted one that is declared `on_demand`")
            }
            Self::NotOnDemand { name, kind } => {
                write!(f, "\"{name}\" is of kind {kind}: wanted an event that is declared `on_demand`")
            }
        }
    }
}

impl std::error::Error for SwitchError {}
