//! The record of one declaration: what it is called, what it measures, where it stands.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use crate::meta::Meta;

/// What was declared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// A number that changes.
    Metric(MetricKind),
    /// A value that is constant or computed on demand.
    Property,
    /// A typed record that is emitted at any time.
    Event,
    /// A dump of state, taken at an interval.
    Snapshot {
        /// The time between two of them.
        every: Duration,
    },
    /// A procedure that a client calls.
    Rpc,
    /// A function that runs right before each collection.
    Collector,
}

impl Kind {
    /// The word that people and the catalogue use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Metric(kind) => kind.as_str(),
            Self::Property => "property",
            Self::Event => "event",
            Self::Snapshot { .. } => "snapshot",
            Self::Rpc => "rpc",
            Self::Collector => "collector",
        }
    }
}

/// The instrument that a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MetricKind {
    /// A sum that only grows.
    Counter,
    /// A sum that grows and shrinks.
    UpDownCounter,
    /// The last of independent values.
    Gauge,
    /// A distribution.
    Histogram,
}

impl MetricKind {
    /// OpenTelemetry's word, in snake case.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::UpDownCounter => "up_down_counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// The crate that declares: OpenTelemetry's instrumentation scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    /// The crate's name.
    pub name: Cow<'static, str>,
    /// The crate's version.
    pub version: Cow<'static, str>,
}

/// Where a declaration stands in the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The path of the module.
    pub module: &'static str,
    /// The file, as the compiler was given it.
    pub file: &'static str,
    /// The line, from 1.
    pub line: u32,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// Name, unit, description and origin of one declaration.
#[derive(Clone, Debug)]
pub struct Declaration {
    pub(crate) name: Cow<'static, str>,
    pub(crate) unit: Cow<'static, str>,
    pub(crate) description: Cow<'static, str>,
    pub(crate) scope: Scope,
    pub(crate) place: Option<Place>,
    /// What the binary says of it; named here so that the linker keeps it.
    _record: &'static [u8],
}

impl Declaration {
    /// What a macro makes: all parts known at compile time.
    #[doc(hidden)]
    pub const fn linked(meta: &Meta, record: &'static [u8]) -> Self {
        Self {
            name: Cow::Borrowed(meta.name),
            unit: Cow::Borrowed(meta.unit),
            description: Cow::Borrowed(meta.description),
            scope: Scope { name: Cow::Borrowed(meta.package), version: Cow::Borrowed(meta.version) },
            place: Some(Place { module: meta.module, file: meta.file, line: meta.line }),
            _record: record,
        }
    }

    /// A declaration at run time, without unit and description, in a scope called `runtime`.
    ///
    /// The name is checked when it is declared, not here.
    pub fn new(name: impl Into<Cow<'static, str>>) -> Self {
        Self {
            name: name.into(),
            unit: Cow::Borrowed(""),
            description: Cow::Borrowed(""),
            scope: Scope { name: Cow::Borrowed("runtime"), version: Cow::Borrowed("") },
            place: None,
            _record: &[],
        }
    }

    /// Sets the unit, in UCUM.
    #[must_use]
    pub fn with_unit(mut self, unit: impl Into<Cow<'static, str>>) -> Self {
        self.unit = unit.into();
        self
    }

    /// Sets the description.
    #[must_use]
    pub fn with_description(mut self, description: impl Into<Cow<'static, str>>) -> Self {
        self.description = description.into();
        self
    }

    /// Sets the instrumentation scope: who declares.
    #[must_use]
    pub fn with_scope(mut self, name: impl Into<Cow<'static, str>>, version: impl Into<Cow<'static, str>>) -> Self {
        self.scope = Scope { name: name.into(), version: version.into() };
        self
    }

    /// The name, as it was written.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The unit in UCUM; empty where there is none.
    pub fn unit(&self) -> &str {
        &self.unit
    }

    /// The text of the doc comment.
    pub fn description(&self) -> &str {
        &self.description
    }

    /// The crate that declares.
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// Where it stands in the source; none for a declaration made at run time.
    pub fn place(&self) -> Option<Place> {
        self.place
    }
}

impl<N: Into<Cow<'static, str>>> From<N> for Declaration {
    fn from(name: N) -> Self {
        Self::new(name)
    }
}
