//! What can be wrong with the declarations of a program, taken together.
//!
//! The compiler finds a name that one crate declares twice, the Linux linkers one that two crates do; what neither sees is found here, when
//! the program starts: names by const expressions, other platforms, the names that Prometheus shows.

use std::collections::BTreeMap;

use crate::declaration::Kind;
use crate::entry::Entry;
use crate::error::DeclareError;
use crate::prometheus;
use crate::rivals::{self, Claim, Fault};

/// The name of the stream of all metrics, which no event and no snapshot may take.
pub const METRICS_STREAM: &str = "metrics";

/// Checks declarations against each other, by the rule of `rivals`.
///
/// # Errors
/// The first mistake found, with both places.
pub fn all<'a>(entries: impl Iterator<Item = &'a Entry>) -> Result<(), DeclareError> {
    let mut names: BTreeMap<String, Vec<&Entry>> = BTreeMap::new();
    let mut series: BTreeMap<String, Vec<&Entry>> = BTreeMap::new();
    for entry in entries.filter(|entry| entry.kind != Kind::Collector) {
        reserved(entry)?;
        names.entry(entry.name().to_ascii_lowercase()).or_default().push(entry);
        if let Kind::Metric(kind) = entry.kind {
            for name in prometheus::series_names(entry.name(), entry.declaration().unit(), kind) {
                series.entry(name).or_default().push(entry);
            }
        }
    }
    for same in names.values() {
        let claims: Vec<_> = same.iter().map(|entry| claim(entry)).collect();
        if let Some((first, again, fault)) = rivals::of_one_name(&claims) {
            return Err(refused(same[first], same[again], fault));
        }
    }
    let told = |entry: &Entry| format!("\"{}\" at {}", entry.name(), entry.place_text());
    for (name, same) in series {
        let error = |first, again| Err(DeclareError::Prometheus { name: name.clone(), first, again: told(again) });
        if name == prometheus::TARGET_INFO {
            return error("what tells of the program".to_owned(), same[0]);
        }
        let claims: Vec<_> = same.iter().map(|entry| (entry.name(), claim(entry))).collect();
        if let Some((first, again)) = rivals::of_one_series(&claims) {
            return error(told(same[first]), same[again]);
        }
    }
    Ok(())
}

fn claim(entry: &Entry) -> Claim<'_> {
    let declaration = entry.declaration();
    Claim {
        kind: entry.kind.as_str(),
        unit: declaration.unit(),
        package: &declaration.scope().name,
        version: &declaration.scope().version,
        module: declaration.place().map_or("", |place| place.module),
        shared: declaration.is_shared(),
        under_test: declaration.under_test,
    }
}

/// The error of two declarations that may not both have their name.
fn refused(first: &Entry, again: &Entry, fault: Fault) -> DeclareError {
    let told = |entry: &Entry| {
        let (declaration, place) = (entry.declaration(), entry.place_text());
        let unit = if declaration.unit().is_empty() { "no unit" } else { declaration.unit() };
        match fault {
            Fault::Twice => place,
            Fault::OneShares if declaration.is_shared() => format!("{place}, which says `shared = true`"),
            Fault::OneShares => format!("{place}, which does not say `shared = true`"),
            Fault::Unlike => format!("{} in {unit} at {place}", entry.kind.as_str()),
        }
    };
    let (name, first, again) = (again.name().to_owned(), told(first), told(again));
    match fault {
        Fault::Unlike => DeclareError::Unlike { name, first, again },
        Fault::Twice | Fault::OneShares => DeclareError::Duplicate { name, first, again },
    }
}

/// Refuses an event or a snapshot that has the name of the stream of all metrics.
///
/// # Errors
/// It has.
pub fn reserved(entry: &Entry) -> Result<(), DeclareError> {
    let streamed = matches!(entry.kind, Kind::Event | Kind::Snapshot { .. });
    if streamed && entry.name().eq_ignore_ascii_case(METRICS_STREAM) {
        return Err(DeclareError::Reserved { name: entry.name().to_owned(), place: entry.place_text() });
    }
    Ok(())
}

/// The error of a name that is declared again at run time.
pub fn duplicate(first: &Entry, again: &Entry) -> DeclareError {
    refused(first, again, Fault::Twice)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::declaration::{Declaration, MetricKind, Place};
    use crate::entry::Item;

    const COUNTER: Kind = Kind::Metric(MetricKind::Counter);
    const GAUGE: Kind = Kind::Metric(MetricKind::Gauge);

    /// One that stands in line `line` of a crate's root.
    fn entry(name: &'static str, unit: &'static str, kind: Kind, package: &'static str, line: u32, shared: bool) -> Entry {
        let mut declaration = Declaration::new(name).with_unit(unit).with_scope(package, "1.0.0");
        declaration.place = Some(Place { module: package, file: "lib.rs", line });
        declaration.shared = shared;
        Entry::new(declaration, kind, Item::Event(None)) // what is behind it does not matter here
    }

    fn said(entries: &[Entry]) -> String {
        all(entries.iter()).map_or_else(|error| error.to_string(), |()| "nothing".to_owned())
    }

    #[test]
    fn a_name_that_two_crates_declare_is_told_with_both_places() {
        let entries = [entry("calls", "", COUNTER, "a", 3, false), entry("Calls", "", Kind::Event, "b", 7, false)];
        assert_eq!(said(&entries), "the name \"Calls\" is declared twice: at lib.rs:3 and at lib.rs:7");
        let entries = [entry("calls", "", COUNTER, "a", 3, true), entry("calls", "", COUNTER, "b", 7, false)];
        let wanted = "at lib.rs:3, which says `shared = true` and at lib.rs:7, which does not say `shared = true`";
        assert!(said(&entries).ends_with(wanted), "{}", said(&entries));
        let entries = [entry("host", "", Kind::Collector, "a", 3, false), entry("host", "", Kind::Collector, "b", 7, false)];
        assert_eq!(said(&entries), "nothing", "collectors have no public name");
    }

    #[test]
    fn crates_that_share_a_name_mean_the_same_by_it() {
        let entries = [entry("calls", "s", COUNTER, "a", 3, true), entry("calls", "s", COUNTER, "b", 7, true)];
        assert_eq!(said(&entries), "nothing");
        let entries = [entry("calls", "s", COUNTER, "a", 3, true), entry("calls", "", GAUGE, "b", 7, true)];
        let wanted = "counter in s at lib.rs:3, and gauge in no unit at lib.rs:7; wanted one kind and one unit";
        assert!(said(&entries).ends_with(wanted), "{}", said(&entries));
    }

    #[test]
    fn names_that_prometheus_cannot_tell_apart_are_told_with_both_places() {
        let entries = [entry("two.dot", "", GAUGE, "a", 3, false), entry("two_dot", "", GAUGE, "a", 7, false)];
        let wanted = "Prometheus shows two metrics as \"two_dot\": \"two.dot\" at lib.rs:3 and \"two_dot\" at lib.rs:7";
        assert!(said(&entries).starts_with(wanted), "{}", said(&entries));
        let histogram = Kind::Metric(MetricKind::Histogram);
        let entries = [entry("wait", "s", histogram, "a", 3, false), entry("wait_seconds_sum", "", GAUGE, "a", 7, false)];
        assert!(said(&entries).contains("as \"wait_seconds_sum\""), "{}", said(&entries));
        let entries = [entry("two.dot", "", GAUGE, "a", 3, false), entry("two_dot", "", GAUGE, "b", 7, false)];
        assert_eq!(said(&entries), "nothing", "their scopes tell them apart");
        let entries = [entry("target.info", "", GAUGE, "a", 3, false)];
        assert!(said(&entries).contains("as \"target_info\": what tells of the program and"), "{}", said(&entries));
        let entries = [entry("two.dot", "", Kind::Event, "a", 3, false), entry("two_dot", "", GAUGE, "b", 7, false)];
        assert_eq!(said(&entries), "nothing", "events are not in Prometheus");
    }

    #[test]
    fn the_stream_of_all_metrics_is_nobodys_else() {
        assert!(said(&[entry("Metrics", "", Kind::Event, "a", 3, false)]).contains("the name of the stream of all metrics"));
        assert_eq!(said(&[entry("metrics", "", GAUGE, "a", 3, false)]), "nothing");
    }
}
