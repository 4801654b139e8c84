//! The commands that look at binaries, and at no running program.

use std::io::{self, Write};
use std::path::Path;

use serde_json::{Value, json};

use super::CliError;
use super::output::{one_line, table};
use crate::catalogue::{Record, changes, duplicates, read};

/// Prints what a binary declares.
pub fn list(binary: &Path, json: bool, markdown: bool) -> Result<(), CliError> {
    let records = read_records(binary)?;
    let mut out = io::stdout().lock();
    if json {
        let all: Vec<_> = records.iter().map(as_json).collect();
        writeln!(out, "{}", Value::Array(all))?;
    } else if markdown {
        writeln!(out, "| kind | name | unit | labels | description |\n|---|---|---|---|---|")?;
        for record in &records {
            let cells =
                [&record.kind, &format!("`{}`", record.name), &record.unit, &labels(record), &one_line(&record.description)];
            writeln!(out, "| {} |", cells.map(|cell| cell.replace('|', "\\|")).join(" | "))?;
        }
    } else {
        let row = |record: &Record| {
            let place = format!("{}:{}", record.file, record.line);
            [record.kind.clone(), record.name.clone(), record.unit.clone(), labels(record), place, one_line(&record.description)]
        };
        let rows: Vec<_> = records.iter().map(row).collect();
        table(&mut out, ["kind", "name", "unit", "labels", "place", "description"], &rows)?;
    }
    Ok(())
}

/// Prints what changed between two binaries; fails where that breaks a reader.
pub fn diff(old: &Path, new: &Path, json: bool) -> Result<(), CliError> {
    let changes = changes(&read_records(old)?, &read_records(new)?);
    let mut out = io::stdout().lock();
    if json {
        let all = changes.iter().map(|change| json!({ "name": change.name, "what": change.what, "breaks": change.breaks }));
        writeln!(out, "{}", Value::Array(all.collect()))?;
    } else if changes.is_empty() {
        writeln!(out, "no changes")?;
    } else {
        let word = |breaks| if breaks { "breaks" } else { "" };
        let row = |change: &crate::catalogue::Change| [word(change.breaks).to_owned(), change.name.clone(), change.what.clone()];
        table(&mut out, ["", "name", "change"], &changes.iter().map(row).collect::<Vec<_>>())?;
    }
    match changes.iter().filter(|change| change.breaks).count() {
        0 => Ok(()),
        breaking => Err(CliError::Other(format!("{breaking} of {} changes break who reads {}", changes.len(), old.display()))),
    }
}

/// Says which names a binary declares more than once; fails where there is one.
pub fn check(binary: &Path, json: bool) -> Result<(), CliError> {
    let records = read_records(binary)?;
    let duplicates = duplicates(&records);
    let mut out = io::stdout().lock();
    let place = |record: &&Record| format!("{} {}:{}", record.package, record.file, record.line);
    if json {
        let all =
            duplicates.iter().map(|same| json!({ "name": same[0].name, "places": same.iter().map(place).collect::<Vec<_>>() }));
        writeln!(out, "{}", json!({ "declarations": records.len(), "duplicates": all.collect::<Vec<_>>() }))?;
    } else {
        for same in &duplicates {
            writeln!(out, "{}: declared at {}", same[0].name, same.iter().map(place).collect::<Vec<_>>().join(" and "))?;
        }
        writeln!(out, "{} declarations, {} names declared twice", records.len(), duplicates.len())?;
    }
    match duplicates.len() {
        0 => Ok(()),
        many => Err(CliError::Other(format!("{many} names are declared more than once in {}", binary.display()))),
    }
}

fn read_records(binary: &Path) -> Result<Vec<Record>, CliError> {
    read(binary).map_err(|error| CliError::Other(error.to_string()))
}

/// `method=get|put, ok`.
fn labels(record: &Record) -> String {
    let label = |(key, values): &(String, Vec<String>)| match values.len() {
        0 => key.clone(),
        _ => format!("{key}={}", values.join("|")),
    };
    record.labels.iter().map(label).collect::<Vec<_>>().join(", ")
}

fn as_json(record: &Record) -> Value {
    let labels = record.labels.iter().map(|(key, values)| json!({ "key": key, "values": values }));
    json!({
        "kind": record.kind,
        "name": record.name,
        "unit": record.unit,
        "description": record.description,
        "type": record.value_type,
        "labels": labels.collect::<Vec<_>>(),
        "bounds": record.bounds,
        "every_ms": record.every_ms,
        "crate": record.package,
        "version": record.version,
        "module": record.module,
        "file": record.file,
        "line": record.line,
    })
}
