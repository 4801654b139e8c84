//! A reference of all declarations in Markdown: an index, then a section a kind. What stands in the records is shown as it was written;
//! nothing of it counts as Markdown.

use std::fmt::{self, Write};
use std::time::Duration;

use super::{Record, metric};

/// The sections in their order, each with its kinds; what has another kind comes last.
const SECTIONS: [(&str, &[&str]); 6] = [
    ("Metrics", &["counter", "up_down_counter", "gauge", "histogram"]),
    ("Properties", &["property"]),
    ("Events", &["event"]),
    ("Snapshots", &["snapshot"]),
    ("Rpcs", &["rpc"]),
    ("Collectors", &["collector"]),
];

/// The reference; in a section by name, then by place.
pub fn reference(title: &str, records: &[Record]) -> String {
    let mut out = String::new();
    // A `String` takes all that is written to it.
    let _ = write_reference(&mut out, title, records);
    out
}

fn write_reference(out: &mut String, title: &str, records: &[Record]) -> fmt::Result {
    let is_known = |record: &&Record| SECTIONS.iter().any(|(_, kinds)| kinds.contains(&record.kind.as_str()));
    let mut sections: Vec<(&str, Vec<&Record>)> = SECTIONS
        .iter()
        .map(|(heading, kinds)| (*heading, records.iter().filter(|record| kinds.contains(&record.kind.as_str())).collect()))
        .collect();
    sections.push(("Others", records.iter().filter(|record| !is_known(record)).collect()));
    sections.retain(|(_, records)| !records.is_empty());
    for (_, records) in &mut sections {
        records.sort_by_key(|record| (record.name.to_ascii_lowercase(), &record.name, &record.file, record.line));
    }

    writeln!(out, "# {}\n", text(title))?;
    writeln!(out, "| name | kind | unit | description |\n|---|---|---|---|")?;
    for record in sections.iter().flat_map(|(_, records)| records) {
        let first = paragraphs(&record.description).next().unwrap_or_default();
        let name = format!("[{}](#{})", code(&record.name).replace('|', "\\|"), anchor(record));
        writeln!(out, "| {name} | {} | {} | {} |", text(&record.kind), text(&record.unit), text(&first))?;
    }
    for (heading, records) in &sections {
        writeln!(out, "\n## {heading}")?;
        for record in records {
            declaration(out, record)?;
        }
    }
    Ok(())
}

fn declaration(out: &mut String, record: &Record) -> fmt::Result {
    writeln!(out, "\n### <a id=\"{}\"></a>{}\n", anchor(record), code(&record.name))?;
    for paragraph in paragraphs(&record.description) {
        writeln!(out, "{}\n", text(&paragraph))?;
    }
    writeln!(out, "- Kind: {}{}", text(&record.kind), if record.shared { ", shared with other crates" } else { "" })?;
    if !record.unit.is_empty() {
        writeln!(out, "- Unit: {}", code(&record.unit))?;
    }
    if !record.value_type.is_empty() {
        writeln!(out, "- Type: {}", code(&record.value_type))?;
    }
    for (key, values) in &record.labels {
        let values = values.iter().map(|value| code(value)).collect::<Vec<_>>().join(", ");
        writeln!(out, "- Label {}{}{values}", code(key), if values.is_empty() { "" } else { ": " })?;
    }
    if !record.bounds.is_empty() {
        let bounds: Vec<_> = record.bounds.iter().map(f64::to_string).collect();
        writeln!(out, "- Bounds: {}", bounds.join(", "))?;
    }
    if let Some(every_ms) = record.every_ms {
        writeln!(out, "- Interval: {}", humantime::format_duration(Duration::from_millis(every_ms)))?;
    }
    if let Some(access) = record.access {
        writeln!(out, "- Access: {access}")?;
    }
    if record.on_demand {
        writeln!(out, "- Emitted: while somebody wants it")?;
    }
    if let Some(name) = metric::shown_name(record) {
        writeln!(out, "- In Prometheus: {}", code(&name))?;
    }
    writeln!(out, "- Crate: {} {}", code(&record.package), text(&record.version))?;
    writeln!(out, "- Place: {}", code(&format!("{}:{}", record.file, record.line)))
}

/// What a link to the declaration names: its name, of which the rule for names leaves nothing out.
fn anchor(record: &Record) -> String {
    record.name.chars().filter(|letter| letter.is_ascii_alphanumeric() || "_./-".contains(*letter)).collect()
}

/// The paragraphs, each in one line.
fn paragraphs(text: &str) -> impl Iterator<Item = String> {
    let lines: Vec<_> = text.lines().map(str::trim).collect();
    let joined = lines.split(|line| line.is_empty()).map(|lines| lines.join(" ")).collect::<Vec<_>>();
    joined.into_iter().filter(|paragraph| !paragraph.is_empty())
}

/// One line of text, of which nothing is Markdown, at the begin of a paragraph, in a heading, a list or a table.
fn text(text: &str) -> String {
    let mut out = String::new();
    let digits = text.len() - text.trim_start_matches(|letter: char| letter.is_ascii_digit()).len();
    let numbers = digits > 0 && [". ", ") "].iter().any(|dot| text[digits..].starts_with(dot));
    for (i, letter) in text.char_indices() {
        let begins_block = i == 0 && "#+-=".contains(letter) || numbers && i == digits;
        match letter {
            '\n' | '\r' => out.push(' '),
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '|' | '&' | '~' | '$' => out.extend(['\\', letter]),
            _ if begins_block => out.extend(['\\', letter]),
            _ => out.push(letter),
        }
    }
    out
}

/// Text in a fixed width: between more backticks than are in a row within it.
fn code(text: &str) -> String {
    let text = text.replace(['\n', '\r'], " ");
    if text.is_empty() {
        return "(empty)".to_owned();
    }
    let longest = text.split(|letter| letter != '`').map(str::len).max().unwrap_or_default();
    let fence = "`".repeat(longest + 1);
    let space = if text.starts_with('`') || text.ends_with('`') { " " } else { "" };
    format!("{fence}{space}{text}{space}{fence}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use telemetry_core::Access;

    fn record(kind: &str, name: &str, description: &str) -> Record {
        let mut record = Record::default();
        (record.kind, record.name, record.description) = (kind.to_owned(), name.to_owned(), description.to_owned());
        (record.package, record.version) = ("some-crate".to_owned(), "1.2.3".to_owned());
        (record.file, record.line) = ("src/calls.rs".to_owned(), 7);
        record
    }

    #[test]
    fn a_reference_tells_all_of_each_declaration() {
        let mut calls = record("counter", "rpc.calls", "Calls answered,\nby method.\n\nNot those that failed.");
        (calls.unit, calls.value_type) = ("{call}".to_owned(), "Counter<Call>".to_owned());
        calls.labels = vec![("method".to_owned(), vec!["get".to_owned(), "put".to_owned()]), ("route".to_owned(), Vec::new())];
        let mut wait = record("histogram", "Wait", "");
        (wait.unit, wait.bounds, wait.shared) = ("s".to_owned(), vec![0.5, 10.0], true);
        let mut peers = record("snapshot", "peers", "Who is there.");
        (peers.every_ms, peers.access) = (Some(90_000), Some(Access::Restricted));
        let mut pings = record("event", "pings", "");
        pings.on_demand = true;
        let wanted = "\
# node

| name | kind | unit | description |
|---|---|---|---|
| [`rpc.calls`](#rpc.calls) | counter | {call} | Calls answered, by method. |
| [`Wait`](#Wait) | histogram | s |  |
| [`pings`](#pings) | event |  |  |
| [`peers`](#peers) | snapshot |  | Who is there. |

## Metrics

### <a id=\"rpc.calls\"></a>`rpc.calls`

Calls answered, by method.

Not those that failed.

- Kind: counter
- Unit: `{call}`
- Type: `Counter<Call>`
- Label `method`: `get`, `put`
- Label `route`
- In Prometheus: `rpc_calls_total`
- Crate: `some-crate` 1.2.3
- Place: `src/calls.rs:7`

### <a id=\"Wait\"></a>`Wait`

- Kind: histogram, shared with other crates
- Unit: `s`
- Bounds: 0.5, 10
- In Prometheus: `Wait_seconds`
- Crate: `some-crate` 1.2.3
- Place: `src/calls.rs:7`

## Events

### <a id=\"pings\"></a>`pings`

- Kind: event
- Emitted: while somebody wants it
- Crate: `some-crate` 1.2.3
- Place: `src/calls.rs:7`

## Snapshots

### <a id=\"peers\"></a>`peers`

Who is there.

- Kind: snapshot
- Interval: 1m 30s
- Access: restricted
- Crate: `some-crate` 1.2.3
- Place: `src/calls.rs:7`
";
        assert_eq!(reference("node", &[peers.clone(), wait.clone(), pings.clone(), calls.clone()]), wanted);
        assert_eq!(reference("node", &[calls, pings, peers, wait]), wanted, "whatever the order of the records");
    }

    #[test]
    fn nothing_of_a_text_counts_as_markdown() {
        for (plain, wanted) in [
            ("a|b `c` <d>\ne", r"a\|b \`c\` \<d\> e"),
            (r"*x* _y_ [z](w) \ &amp;", r"\*x\* \_y\_ \[z\](w) \\ \&amp;"),
            ("# no heading", r"\# no heading"),
            ("- no list", r"\- no list"),
            ("12. no list", r"12\. no list"),
            ("1.2.3", "1.2.3"),
            ("in-between 1.5 # +", "in-between 1.5 # +"),
        ] {
            assert_eq!(text(plain), wanted);
        }
        for (plain, wanted) in [("a|b", "`a|b`"), ("a`b", "``a`b``"), ("``", "``` `` ```"), ("", "(empty)")] {
            assert_eq!(code(plain), wanted);
        }
        let found = reference("t", &[record("event", "e", "one | two\n\n\n<b>three")]);
        assert!(
            found.contains("| [`e`](#e) | event |  | one \\| two |\n") && found.contains("\n\n\\<b\\>three\n\n- Kind"),
            "{found}"
        );
    }

    #[test]
    fn a_kind_of_a_later_version_is_not_left_out() {
        assert!(reference("t", &[record("span", "s", "")]).contains("\n## Others\n"));
    }
}
