//! What is wrong in a program's declarations.

use std::collections::BTreeMap;

use telemetry_core::prometheus::TARGET_INFO;
use telemetry_core::rivals::{self, Claim};

use super::{Record, metric};

/// The declarations that share a name, compared without case, and may not; collectors have no public name.
///
/// The rule is that of a program's start: two versions of one crate and a crate's copy under test are none of these, nor are crates that
/// all say they share it and mean one kind and unit.
pub fn duplicates(records: &[Record]) -> Vec<Vec<&Record>> {
    let mut names: BTreeMap<String, Vec<&Record>> = BTreeMap::new();
    for record in records.iter().filter(|record| record.kind != "collector") {
        names.entry(record.name.to_ascii_lowercase()).or_default().push(record);
    }
    let faulty = |same: &Vec<&Record>| rivals::of_one_name(&same.iter().map(|record| claim(record)).collect::<Vec<_>>()).is_some();
    names.into_values().filter(faulty).collect()
}

fn claim(record: &Record) -> Claim<'_> {
    Claim {
        kind: &record.kind,
        unit: &record.unit,
        package: &record.package,
        version: &record.version,
        module: &record.module,
        shared: record.shared,
        under_test: record.under_test,
    }
}

/// Metrics with different names that Prometheus shows under one, and cannot tell apart; one alone has the name of what tells of the program.
#[derive(Debug, PartialEq)]
pub struct Collision<'a> {
    /// What they share in `/metrics`.
    pub series: Vec<String>,
    /// The metrics.
    pub records: Vec<&'a Record>,
}

/// All collisions, by the first of their series.
pub fn collisions(records: &[Record]) -> Vec<Collision<'_>> {
    let mut owners: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (at, record) in records.iter().enumerate() {
        for series in metric::series_names(record) {
            owners.entry(series).or_default().push(at);
        }
    }
    let mut collisions: BTreeMap<Vec<usize>, Vec<String>> = BTreeMap::new();
    for (series, at) in owners {
        let claims: Vec<_> =
            at.iter().filter_map(|at| records.get(*at)).map(|record| (record.name.as_str(), claim(record))).collect();
        if series == TARGET_INFO || rivals::of_one_series(&claims).is_some() {
            collisions.entry(at).or_default().push(series);
        }
    }
    let told = |(at, series): (Vec<usize>, _)| Collision { series, records: at.iter().filter_map(|at| records.get(*at)).collect() };
    let mut collisions: Vec<_> = collisions.into_iter().map(told).collect();
    collisions.sort_by(|a, b| a.series.cmp(&b.series));
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
    fn versions_of_a_crate_and_its_copy_under_test_declare_a_name_once() {
        let mut records = vec![record("counter", "calls", "a", "1"), record("counter", "calls", "a", "2")];
        assert_eq!(duplicates(&records), Vec::<Vec<&Record>>::new());
        records[1].version = "1".to_owned();
        assert_eq!(duplicates(&records).len(), 1);
        records[1].under_test = true;
        assert_eq!(duplicates(&records), Vec::<Vec<&Record>>::new());
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
            metric("gauge", "target.info", ""),
        ];
        let found = collisions(&records);
        let found: Vec<_> = found.iter().map(|found| (found.series.join(" "), found.records.as_slice())).collect();
        let wanted = [
            ("h_count", vec![&records[4], &records[5]]),
            ("target_info", vec![&records[9]]),
            ("two_dot", vec![&records[0], &records[1]]),
            ("x_seconds x_seconds_bucket x_seconds_count x_seconds_sum", vec![&records[2], &records[3]]),
        ];
        assert_eq!(found, wanted.each_ref().map(|(series, records)| ((*series).to_owned(), records.as_slice())));
    }
}
