//! The record of one declaration: what it is called, what it measures, where it stands.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use crate::access::Access;
use crate::meta::{Linked, MetaError, code};

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

    /// What stands for it in a record.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Counter => code::COUNTER,
            Self::UpDownCounter => code::UP_DOWN_COUNTER,
            Self::Gauge => code::GAUGE,
            Self::Histogram => code::HISTOGRAM,
        }
    }

    /// What this stands for in the record of a metric.
    pub(crate) const fn of_code(code: u8) -> Self {
        match code {
            code::COUNTER => Self::Counter,
            code::UP_DOWN_COUNTER => Self::UpDownCounter,
            code::HISTOGRAM => Self::Histogram,
            _ => Self::Gauge,
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
    pub(crate) shared: bool,
    pub(crate) access: Option<Access>,
    pub(crate) on_demand: bool,
    /// Whether its crate is compiled for its own tests.
    pub(crate) under_test: bool,
}

impl Declaration {
    /// What a macro wrote.
    pub(crate) fn read(record: &'static [u8], module: &'static [u8]) -> Result<Self, MetaError> {
        let Linked { name, unit, description, package, version, file, line, shared, access, on_demand } = Linked::read(record)?;
        let module = module.split(|byte| *byte == 0).next().and_then(|module| std::str::from_utf8(module).ok()).unwrap_or_default();
        let mut declaration = Self::new(name).with_unit(unit).with_description(description).with_scope(package, version);
        (declaration.place, declaration.shared) = (Some(Place { module, file, line }), shared);
        (declaration.access, declaration.on_demand) = (access, on_demand);
        Ok(declaration)
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
            shared: false,
            access: None,
            on_demand: false,
            under_test: false,
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

    /// Says who may read or call what is declared.
    #[must_use]
    pub fn with_access(mut self, access: Access) -> Self {
        self.access = Some(access);
        self
    }

    /// Has an event emitted only while somebody wants it: see [`Event::is_on`](crate::Event::is_on). Nothing else can be on demand.
    #[must_use]
    pub fn on_demand(mut self) -> Self {
        self.on_demand = true;
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

    /// Whether other crates may declare the name as well: `shared = true`.
    pub fn is_shared(&self) -> bool {
        self.shared
    }

    /// Who may read or call what is declared; none where the declaration does not say, and the program's settings alone hold.
    pub fn access(&self) -> Option<Access> {
        self.access
    }

    /// Whether it is an event that is emitted only while somebody wants it.
    pub fn is_on_demand(&self) -> bool {
        self.on_demand
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
