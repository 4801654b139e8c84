//! What is wrong in a program's declarations.

use std::collections::{BTreeMap, BTreeSet};

use super::{Record, metric};

/// The declarations that share a name, compared without case; collectors have no public name.
///
/// Two versions of one crate may both be linked: what a module declares in each is one declaration here. Neither is it a fault where
/// several crates declare a name as shared, with one kind and unit.
pub fn duplicates(records: &[Record]) -> Vec<Vec<&Record>> {
    let mut names: BTreeMap<String, Vec<&Record>> = BTreeMap::new();
    for record in records.iter().filter(|record| record.kind != "collector") {
        names.entry(record.name.to_ascii_lowercase()).or_default().push(record);
    }
    names.into_values().filter(|same| !is_one(same) && !is_shared(same)).collect()
}

/// Whether all are what one module declares, in different versions of its crate.
fn is_one(same: &[&Record]) -> bool {
    let versions: BTreeSet<_> = same.iter().map(|record| &record.version).collect();
    let modules: BTreeSet<_> = same.iter().map(|record| (&record.package, &record.module)).collect();
    modules.len() == 1 && versions.len() == same.len()
}

/// Whether all agree that others may declare the name, and on what it is. Of one crate it is still one declaration.
fn is_shared(same: &[&Record]) -> bool {
    let whats: BTreeSet<_> = same.iter().map(|record| (&record.kind, &record.unit)).collect();
    let crates: BTreeSet<_> = same.iter().map(|record| (&record.package, &record.version)).collect();
    let modules: BTreeSet<_> = same.iter().map(|record| (&record.package, &record.module)).collect();
    let packages: BTreeSet<_> = same.iter().map(|record| &record.package).collect();
    let once = crates.len() == same.len() && modules.len() == packages.len();
    whats.len() == 1 && once && same.iter().all(|record| record.shared)
}

/// Metrics with different names that Prometheus shows under one.
#[derive(Debug, PartialEq)]
pub struct Collision<'a> {
    /// What they share in `/metrics`.
    pub series: Vec<String>,
    /// The metrics.
    pub records: Vec<&'a Record>,
}

/// All collisions, by the first of their series.
pub fn collisions(records: &[Record]) -> Vec<Collision<'_>> {
    let mut owners: BTreeMap<String, Vec<&Record>> = BTreeMap::new();
    for record in records {
        for series in metric::series_names(record) {
            owners.entry(series).or_default().push(record);
        }
    }
    let mut collisions: Vec<Collision<'_>> = Vec::new();
    for (series, records) in owners {
        let names: BTreeSet<_> = records.iter().map(|record| record.name.to_ascii_lowercase()).collect();
        if names.len() < 2 {
            continue;
        }
        match collisions.iter_mut().find(|known| known.records == records) {
            Some(known) => known.series.push(series),
            None => collisions.push(Collision { series: vec![series], records }),
        }
    }
    collisions
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(kind: &str, name: &str, package: &str, version: &str) -> Record {
        let mut record = Record::default();
        (record.kind, record.name) = (kind.to_owned(), name.to_owned());
        (record.package, record.version, record.module) = (package.to_owned(), version.to_owned(), package.to_owned());
        record
    }

    fn with_unit(mut record: Record, unit: &str) -> Record {
        record.unit = unit.to_owned();
        record
    }

    #[test]
    fn a_name_is_one_declarations_alone_whatever_its_case_and_kind() {
        let records = [
            record("counter", "calls", "a", "1"),
            record("event", "Calls", "a", "1"),
            record("gauge", "size", "a", "1"),
            record("collector", "size", "a", "1"),
        ];
        let found = duplicates(&records);
        assert_eq!(found, [[&records[0], &records[1]]]);
    }

    #[test]
    fn two_versions_of_one_crate_declare_a_name_once() {
        let mut records = vec![record("counter", "calls", "a", "1"), record("counter", "calls", "a", "2")];
        assert_eq!(duplicates(&records), Vec::<Vec<&Record>>::new());
        records[1].module = "a::elsewhere".to_owned();
        assert_eq!(duplicates(&records).len(), 1, "another module of it is another declaration");
        records[1] = records[0].clone();
        assert_eq!(duplicates(&records).len(), 1, "so is the same version's");
        records[1] = record("counter", "calls", "b", "2");
        assert_eq!(duplicates(&records).len(), 1, "so is another crate's");
    }

    #[test]
    fn a_name_is_shared_by_crates_that_all_say_so_and_agree_on_what_it_is() {
        let shared = |kind, package, version| {
            let mut record = record(kind, "calls", package, version);
            record.shared = true;
            record
        };
        let records = |last: Record| [shared("counter", "a", "1"), shared("counter", "a", "2"), last];
        let many = |last| duplicates(&records(last)).len();
        assert_eq!(many(shared("counter", "b", "1")), 0);
        assert_eq!(many(record("counter", "calls", "b", "1")), 1, "one does not say so");
        assert_eq!(many(shared("gauge", "b", "1")), 1, "the kinds differ");
        assert_eq!(many(with_unit(shared("counter", "b", "1"), "s")), 1, "the units differ");
        assert_eq!(many(shared("counter", "a", "2")), 1, "one crate declares it twice");
    }

    #[test]
    fn metrics_that_prometheus_shows_under_one_name_collide() {
        let metric = |kind, name, unit| with_unit(record(kind, name, "a", "1"), unit);
        let records = [
            metric("gauge", "two.dot", ""),
            metric("up_down_counter", "two_dot", ""),
            metric("histogram", "x", "s"),
            metric("histogram", "x_seconds", ""),
            metric("gauge", "h_count", ""),
            metric("histogram", "h", ""),
            metric("counter", "calls", ""),
            metric("gauge", "calls", ""), // a duplicate, and another series
            metric("event", "two-dot", ""),
        ];
        let found = collisions(&records);
        let found: Vec<_> = found.iter().map(|found| (found.series.join(" "), found.records.as_slice())).collect();
        let wanted = [
            ("h_count", [&records[4], &records[5]]),
            ("two_dot", [&records[0], &records[1]]),
            ("x_seconds x_seconds_bucket x_seconds_count x_seconds_sum", [&records[2], &records[3]]),
        ];
        assert_eq!(found, wanted.each_ref().map(|(series, records)| ((*series).to_owned(), records.as_slice())));
    }
}
