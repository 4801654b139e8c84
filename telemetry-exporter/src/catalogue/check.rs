//! What is wrong in a program's declarations.

use std::collections::BTreeMap;

use super::Record;

/// The declarations that share a name, compared without case; collectors have no public name.
pub fn duplicates(records: &[Record]) -> Vec<Vec<&Record>> {
    let mut names: BTreeMap<String, Vec<&Record>> = BTreeMap::new();
    for record in records.iter().filter(|record| record.kind != "collector") {
        names.entry(record.name.to_ascii_lowercase()).or_default().push(record);
    }
    names.into_values().filter(|records| records.len() > 1).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_declarations_alone_whatever_its_case_and_kind() {
        let record = |kind: &str, name: &str| {
            let mut record = Record::default();
            (record.kind, record.name) = (kind.to_owned(), name.to_owned());
            record
        };
        let records = [record("counter", "calls"), record("event", "Calls"), record("gauge", "size"), record("collector", "size")];
        let found = duplicates(&records);
        assert_eq!(found, [[&records[0], &records[1]]]);
    }
}
