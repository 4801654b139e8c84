//! The commands that look at binaries, and at no running program.

use std::io::{self, Write};
use std::path::Path;

use serde_json::{Value, json};
use telemetry_core::Access;

use super::CliError;
use super::output::{one_line, printable, table};
use crate::catalogue::{Collision, Lock, Package, Record, changes, collisions, dashboard, duplicates, read, reference};

/// Prints what a binary declares.
pub fn list(binary: &Path, json: bool, markdown: bool) -> Result<(), CliError> {
    let records = read_records(binary)?;
    let mut out = io::stdout().lock();
    if json {
        let all: Vec<_> = records.iter().map(as_json).collect();
        writeln!(out, "{}", Value::Array(all))?;
    } else if markdown {
        write!(out, "{}", reference(&file_name(binary), &records))?;
    } else {
        let row = |record: &Record| {
            let place = format!("{}:{}", record.file, record.line);
            let (name, unit) = (record.name.clone(), record.unit.clone());
            [record.kind.clone(), name, unit, labels(record), terms(record), place, one_line(&record.description)]
        };
        let rows: Vec<_> = records.iter().map(row).collect();
        table(&mut out, ["kind", "name", "unit", "labels", "terms", "place", "description"], &rows)?;
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

/// Says which names a binary declares more than once, which metrics Prometheus shows under one, and which crates of the lock have no
/// declaration in it; fails where there is any.
pub fn check(binary: &Path, lock: Option<&Path>, package: Option<&str>, json: bool) -> Result<(), CliError> {
    let records = read_records(binary)?;
    let (duplicates, collisions) = (duplicates(&records), collisions(&records));
    let lock = lock.map(Lock::read).transpose().map_err(|error| CliError::Other(error.to_string()))?;
    let silent = lock.as_ref().map(|lock| lock.silent(&records, package)).transpose();
    let silent = silent.map_err(|error| CliError::Other(error.to_string()))?;
    let mut out = io::stdout().lock();
    if json {
        let same =
            |same: &Vec<&Record>| json!({ "name": same[0].name, "places": same.iter().map(whole_place).collect::<Vec<_>>() });
        let collision = |found: &Collision<'_>| {
            let names: Vec<_> = found.records.iter().map(|record| &record.name).collect();
            let places: Vec<_> = found.records.iter().map(whole_place).collect();
            json!({ "series": found.series, "names": names, "places": places })
        };
        let silent = silent.as_ref().map(|silent| {
            silent.iter().map(|package| json!({ "crate": package.name, "version": package.version })).collect::<Vec<_>>()
        });
        let found = json!({
            "declarations": records.len(),
            "duplicates": duplicates.iter().map(same).collect::<Vec<_>>(),
            "collisions": collisions.iter().map(collision).collect::<Vec<_>>(),
            "silent": silent,
        });
        writeln!(out, "{found}")?;
    } else {
        for same in &duplicates {
            let places = same.iter().map(whole_place).collect::<Vec<_>>().join(" and ");
            writeln!(out, "{}: declared at {}", printable(&same[0].name), printable(&places))?;
        }
        for Collision { series, records } in &collisions {
            let metrics: Vec<_> = records.iter().map(|record| format!("{} at {}", record.name, whole_place(record))).collect();
            writeln!(out, "{}: in Prometheus the name of {}", series.join(", "), printable(&metrics.join(" and ")))?;
        }
        for Package { name, version, .. } in silent.iter().flatten() {
            let ident = name.replace('-', "_");
            writeln!(out, "{name} {version}: not linked or declares nothing: write `use {ident} as _;` in the program")?;
        }
        let (twice, together) = (duplicates.len(), collisions.len());
        write!(out, "{} declarations, {twice} names declared twice, {together} collisions in Prometheus", records.len())?;
        match &silent {
            Some(silent) => writeln!(out, ", {} crates without a declaration", silent.len())?,
            None => writeln!(out)?,
        }
    }
    match duplicates.len() + collisions.len() + silent.map_or(0, |silent| silent.len()) {
        0 => Ok(()),
        1 => Err(CliError::Other(format!("{} has one fault", binary.display()))),
        faults => Err(CliError::Other(format!("{} has {faults} faults", binary.display()))),
    }
}

/// Prints a Grafana dashboard of the metrics.
pub fn grafana(binary: &Path, title: Option<&str>, datasource: Option<&str>) -> Result<(), CliError> {
    let records = read_records(binary)?;
    let title = title.map_or_else(|| file_name(binary), str::to_owned);
    writeln!(io::stdout().lock(), "{:#}", dashboard(&records, &title, datasource))?;
    Ok(())
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

fn read_records(binary: &Path) -> Result<Vec<Record>, CliError> {
    read(binary).map_err(|error| CliError::Other(error.to_string()))
}

/// `some-crate src/calls.rs:42`.
fn whole_place(record: &&Record) -> String {
    format!("{} {}:{}", record.package, record.file, record.line)
}

/// `method=get|put, ok`.
fn labels(record: &Record) -> String {
    let label = |(key, values): &(String, Vec<String>)| match values.len() {
        0 => key.clone(),
        _ => format!("{key}={}", values.join("|")),
    };
    record.labels.iter().map(label).collect::<Vec<_>>().join(", ")
}

/// `restricted, on demand`: who may read it, and when it is emitted.
fn terms(record: &Record) -> String {
    let access = record.access.map(Access::as_str);
    access.into_iter().chain(record.on_demand.then_some("on demand")).collect::<Vec<_>>().join(", ")
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
        "shared": record.shared,
        "access": record.access.map(Access::as_str),
        "on_demand": record.on_demand,
        "crate": record.package,
        "version": record.version,
        "module": record.module,
        "file": record.file,
        "line": record.line,
    })
}
