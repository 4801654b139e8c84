//! What can be wrong with the declarations of a program, taken together.
//!
//! The compiler finds a name that one crate declares twice, the Linux linkers one that two crates do; what neither sees is found here, when
//! the program starts: names by const expressions, other platforms, the names that Prometheus shows.

use std::collections::HashMap;

use crate::declaration::{Declaration, Kind};
use crate::entry::Entry;
use crate::error::DeclareError;
use crate::prometheus;

/// The name of the stream of all metrics, which no event and no snapshot may take.
pub const METRICS_STREAM: &str = "metrics";

/// Checks declarations against each other.
///
/// A name may be in several crates that share it, and in two versions of one crate, or in a crate and its copy under test.
///
/// # Errors
/// The first mistake found, with both places.
pub fn all<'a>(entries: impl Iterator<Item = &'a Entry>) -> Result<(), DeclareError> {
    let mut names: HashMap<String, Vec<&Entry>> = HashMap::new();
    let mut series: HashMap<String, &Entry> = HashMap::new();
    for entry in entries.filter(|entry| entry.kind != Kind::Collector) {
        reserved(entry)?;
        let same = names.entry(entry.name().to_ascii_lowercase()).or_default();
        same.iter().try_for_each(|first| compatible(first, entry))?;
        same.push(entry);
        let Kind::Metric(kind) = entry.kind else { continue };
        for name in prometheus::series_names(entry.name(), entry.declaration().unit(), kind) {
            let first = *series.entry(name.clone()).or_insert(entry);
            if !first.name().eq_ignore_ascii_case(entry.name()) {
                let told = |entry: &Entry| format!("\"{}\" at {}", entry.name(), entry.place_text());
                return Err(DeclareError::Prometheus { name, first: told(first), again: told(entry) });
            }
        }
    }
    Ok(())
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

/// Whether two linked declarations may have one name.
fn compatible(first: &Entry, again: &Entry) -> Result<(), DeclareError> {
    let (a, b) = (first.declaration(), again.declaration());
    let module = |declaration: &Declaration| declaration.place().map(|place| place.module);
    if a.scope().name == b.scope().name && module(a) == module(b) {
        return Ok(()); // two versions of a crate, or the crate and its copy under test
    }
    if !a.is_shared() || !b.is_shared() || a.scope().name == b.scope().name {
        return Err(duplicate(first, again));
    }
    if first.kind == again.kind && a.unit() == b.unit() {
        return Ok(());
    }
    let told = |entry: &Entry| {
        let unit = entry.declaration().unit();
        format!("{} in {} at {}", entry.kind.as_str(), if unit.is_empty() { "no unit" } else { unit }, entry.place_text())
    };
    Err(DeclareError::Unlike { name: again.name().to_owned(), first: told(first), again: told(again) })
}

/// The error of a name that is declared twice.
pub fn duplicate(first: &Entry, again: &Entry) -> DeclareError {
    DeclareError::Duplicate { name: again.name().to_owned(), first: first.place_text(), again: again.place_text() }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::declaration::{MetricKind, Place};
    use crate::entry::Item;

    const COUNTER: Kind = Kind::Metric(MetricKind::Counter);
    const GAUGE: Kind = Kind::Metric(MetricKind::Gauge);

    /// One that stands in line `line` of a crate's root.
    fn entry(name: &'static str, unit: &'static str, kind: Kind, package: &'static str, line: u32, shared: bool) -> Entry {
        let mut declaration = Declaration::new(name).with_unit(unit).with_scope(package, "1.0.0");
        declaration.place = Some(Place { module: package, file: "lib.rs", line });
        declaration.shared = shared;
        Entry::new(declaration, kind, Item::Event) // what is behind it does not matter here
    }

    fn said(entries: &[Entry]) -> String {
        all(entries.iter()).map_or_else(|error| error.to_string(), |()| "nothing".to_owned())
    }

    #[test]
    fn a_name_that_two_crates_declare_is_told_with_both_places() {
        let entries = [entry("calls", "", COUNTER, "a", 3, false), entry("Calls", "", Kind::Event, "b", 7, false)];
        assert_eq!(said(&entries), "the name \"Calls\" is declared twice: at lib.rs:3 and at lib.rs:7");
        let entries = [entry("calls", "", COUNTER, "a", 3, true), entry("calls", "", COUNTER, "b", 7, false)];
        assert!(said(&entries).contains("declared twice"), "one of them does not share it");
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
    fn two_versions_of_a_crate_do_not_disturb_each_other() {
        let entries = [entry("calls", "", COUNTER, "a", 3, false), entry("calls", "", COUNTER, "a", 4, false)];
        assert_eq!(said(&entries), "nothing");
    }

    #[test]
    fn names_that_prometheus_cannot_tell_apart_are_told_with_both_places() {
        let entries = [entry("two.dot", "", GAUGE, "a", 3, false), entry("two_dot", "", GAUGE, "b", 7, false)];
        let wanted = "Prometheus shows two metrics as \"two_dot\": \"two.dot\" at lib.rs:3 and \"two_dot\" at lib.rs:7";
        assert!(said(&entries).starts_with(wanted), "{}", said(&entries));
        let histogram = Kind::Metric(MetricKind::Histogram);
        let entries = [entry("wait", "s", histogram, "a", 3, false), entry("wait_seconds_sum", "", GAUGE, "a", 7, false)];
        assert!(said(&entries).contains("as \"wait_seconds_sum\""), "{}", said(&entries));
        let entries = [entry("two.dot", "", Kind::Event, "a", 3, false), entry("two_dot", "", GAUGE, "b", 7, false)];
        assert_eq!(said(&entries), "nothing", "events are not in Prometheus");
    }

    #[test]
    fn the_stream_of_all_metrics_is_nobodys_else() {
        assert!(said(&[entry("Metrics", "", Kind::Event, "a", 3, false)]).contains("the name of the stream of all metrics"));
        assert_eq!(said(&[entry("metrics", "", GAUGE, "a", 3, false)]), "nothing");
    }
}
