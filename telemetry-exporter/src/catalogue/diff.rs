//! What changed between the declarations of two builds, and what of it breaks who reads them.

use std::collections::BTreeMap;

use telemetry_core::Access;

use super::Record;

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The name of the declaration.
    pub name: String,
    /// What it was before and is now.
    pub what: String,
    /// Whether a reader that knew the old one misses or misreads something.
    pub breaks: bool,
}

/// All changes, by name. Where a declaration stands, what crate has it and what it says of itself are none.
pub fn changes(old: &[Record], new: &[Record]) -> Vec<Change> {
    let by_name = |records| -> BTreeMap<String, &Record> {
        let named = |record: &&Record| record.kind != "collector";
        <[Record]>::iter(records).filter(named).map(|record| (record.name.to_ascii_lowercase(), record)).collect()
    };
    let (old, new) = (by_name(old), by_name(new));
    let mut changes = Vec::new();
    for (key, before) in &old {
        let mut change = |what, breaks| changes.push(Change { name: before.name.clone(), what, breaks });
        let Some(after) = new.get(key) else {
            change(format!("removed: {}", before.kind), true);
            continue;
        };
        let said = [
            ("kind", &before.kind, &after.kind),
            ("unit", &before.unit, &after.unit),
            ("type", &before.value_type, &after.value_type),
        ];
        // Of a metric the type says no more than the kind. Of others it is what a reader parses, as far as it is written.
        let is_read = ["event", "snapshot", "property", "rpc"].contains(&before.kind.as_str());
        for (what, before, after) in said.into_iter().filter(|(_, before, after)| before != after) {
            change(format!("{what}: {} to {}", shown(before), shown(after)), what != "type" || is_read);
        }
        if before.every_ms != after.every_ms {
            let shown = |every: Option<u64>| every.map_or_else(|| "none".to_owned(), |every| format!("{every} ms"));
            change(format!("interval: {} to {}", shown(before.every_ms), shown(after.every_ms)), false);
        }
        if before.access != after.access {
            // Where nothing is said of it everybody is let in whom the server lets in.
            let (was, now) = (before.access.unwrap_or_default(), after.access.unwrap_or_default());
            let shown = |access: Option<Access>| access.map_or("none", Access::as_str);
            change(format!("access: {} to {}", shown(before.access), shown(after.access)), now > was);
        }
        if before.on_demand != after.on_demand {
            let shown = |on_demand| if on_demand { "on demand" } else { "always" };
            // Who reads what was kept finds nothing of the time when nobody wanted it.
            change(format!("emitted: {} to {}", shown(before.on_demand), shown(after.on_demand)), after.on_demand);
        }
        for (label, _) in before.labels.iter().filter(|(key, _)| after.labels.iter().all(|(other, _)| other != key)) {
            change(format!("label {label}: removed"), true);
        }
        for (label, _) in after.labels.iter().filter(|(key, _)| before.labels.iter().all(|(other, _)| other != key)) {
            change(format!("label {label}: added"), false);
        }
        for (label, values) in &before.labels {
            let now = after.labels.iter().find(|(key, values)| key == label && !values.is_empty()).map(|(_, values)| values);
            for value in values.iter().filter(|value| now.is_some_and(|now| !now.contains(value))) {
                change(format!("label {label}: value {value} removed"), true);
            }
        }
        if before.bounds != after.bounds {
            change(format!("bounds: {:?} to {:?}", before.bounds, after.bounds), true);
        }
    }
    for after in new.iter().filter(|(key, _)| !old.contains_key(*key)).map(|(_, after)| after) {
        changes.push(Change { name: after.name.clone(), what: format!("added: {}", after.kind), breaks: false });
    }
    changes.sort_by(|a, b| a.name.cmp(&b.name));
    changes
}

fn shown(text: &str) -> &str {
    if text.is_empty() { "none" } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(name: &str, kind: &str, unit: &str, labels: &[&str]) -> Record {
        let mut record = Record::default();
        (record.name, record.kind, record.unit) = (name.to_owned(), kind.to_owned(), unit.to_owned());
        record.labels = labels.iter().map(|key| ((*key).to_owned(), Vec::new())).collect();
        record
    }

    #[test]
    fn what_a_reader_would_miss_or_misread_breaks_it() {
        let old = [record("a", "counter", "s", &["x", "y"]), record("gone", "gauge", "", &[]), record("same", "event", "", &[])];
        let new = [record("a", "gauge", "ms", &["y", "z"]), record("new", "gauge", "", &[]), record("Same", "event", "", &[])];
        let found: Vec<_> = changes(&old, &new).into_iter().map(|change| (change.name, change.what, change.breaks)).collect();
        let wanted = [
            ("a", "kind: counter to gauge", true),
            ("a", "unit: s to ms", true),
            ("a", "label x: removed", true),
            ("a", "label z: added", false),
            ("gone", "removed: gauge", true),
            ("new", "added: gauge", false),
        ];
        assert_eq!(found, wanted.map(|(name, what, breaks)| (name.to_owned(), what.to_owned(), breaks)));
        assert_eq!(changes(&old, &old), []);
    }

    #[test]
    fn an_access_that_becomes_stricter_and_an_event_that_is_not_always_emitted_break_a_reader() {
        let event = |access, on_demand| {
            let mut event = record("peers", "event", "", &[]);
            (event.access, event.on_demand) = (access, on_demand);
            [event]
        };
        let (public, restricted, disabled) = (Some(Access::Public), Some(Access::Restricted), Some(Access::Disabled));
        for (before, after, what, breaks) in [
            ((None, false), (public, false), "access: none to public", false),
            ((None, false), (restricted, false), "access: none to restricted", true),
            ((restricted, false), (disabled, false), "access: restricted to disabled", true),
            ((disabled, false), (restricted, false), "access: disabled to restricted", false),
            ((restricted, false), (None, false), "access: restricted to none", false),
            ((None, false), (None, true), "emitted: always to on demand", true),
            ((None, true), (None, false), "emitted: on demand to always", false),
        ] {
            let found = changes(&event(before.0, before.1), &event(after.0, after.1));
            assert_eq!(found, [Change { name: "peers".to_owned(), what: what.to_owned(), breaks }]);
        }
    }

    #[test]
    fn values_of_labels_types_and_intervals_are_compared() {
        let build = |values: &[&str], ty: &str, every| {
            let (mut metric, mut snapshot) = (record("calls", "counter", "", &["method"]), record("peers", "snapshot", "", &[]));
            metric.labels[0].1 = values.iter().map(|value| (*value).to_owned()).collect();
            metric.value_type = ty.to_owned();
            (snapshot.value_type, snapshot.every_ms) = (ty.to_owned(), Some(every));
            [metric, snapshot]
        };
        let (old, new) = (build(&["get", "post"], "A", 1_000), build(&["get", "put"], "B", 2_000));
        let found: Vec<_> = changes(&old, &new).into_iter().map(|change| (change.what, change.breaks)).collect();
        let wanted = [
            ("type: A to B", false),
            ("label method: value post removed", true),
            ("type: A to B", true),
            ("interval: 1000 ms to 2000 ms", false),
        ];
        assert_eq!(found, wanted.map(|(what, breaks)| (what.to_owned(), breaks)));
        assert_eq!(changes(&old, &build(&[], "A", 1_000)), [], "values that are not known any more are not gone");
    }
}
