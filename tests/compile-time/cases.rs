//! The cases: what is declared, and the parts of a declaration added one by one.

use telemetry_core::write::Meta;

/// One case.
pub struct Case {
    /// The name of its crate.
    pub name: &'static str,
    /// The case that it adds to.
    pub adds_to: Option<&'static str>,
    /// What it is, for people.
    pub what: &'static str,
    /// The begin of its source.
    pub head: &'static str,
    /// The source of the declaration of this number.
    pub item: fn(usize) -> String,
}

/// All, each after the one that it adds to.
pub const CASES: &[Case] = &[
    Case { name: "plain", adds_to: None, what: "static X: Counter = Counter::new();", head: USE, item: plain },
    Case { name: "record", adds_to: Some("plain"), what: "the record in the binary", head: USE, item: record },
    Case { name: "element", adds_to: Some("record"), what: "the element of the slice", head: USE, item: element },
    Case { name: "once", adds_to: Some("element"), what: "the name once in the crate", head: USE, item: once },
    Case { name: "symbol", adds_to: Some("once"), what: "the name once in the program", head: USE, item: symbol },
    Case {
        name: "metric",
        adds_to: Some("plain"),
        what: "#[metric(name, unit)]: all of these, and the macro",
        head: USE,
        item: metric,
    },
    Case { name: "labelled", adds_to: Some("plain"), what: "the same with labels", head: LABELS, item: labelled },
    Case { name: "by-const", adds_to: Some("plain"), what: "the same with a name by a const", head: USE, item: by_const },
    Case { name: "event", adds_to: Some("plain"), what: "#[event(name)]", head: USE, item: event },
];

const USE: &str = "#![allow(unused_imports)]\nuse telemetry_core::{Counter, Event, event, metric};";
const LABELS: &str = "use telemetry_core::{Counter, Labels, metric};\n\
    #[derive(Labels)] pub enum Method { Get, Put, Post }\n\
    #[derive(Labels)] pub struct Call { pub method: Method, pub ok: bool }\n";

fn doc(number: usize) -> String {
    format!("/// Requests of kind {number} that were answered.\n")
}

fn plain(number: usize) -> String {
    format!("{}pub static REQUESTS_{number}: Counter = Counter::new();\n", doc(number))
}

/// A static whose initialiser begins with the record, and what else there is.
fn with_record(number: usize, more: &str) -> String {
    let name = format!("some_service_requests_{number}");
    let description = format!("Requests of kind {number} that were answered.");
    let meta = Meta {
        name: &name,
        unit: "{request}",
        description: &description,
        package: "record",
        version: "0.1.0",
        file: "record/src/lib.rs",
        line: 1,
        ty: "Counter",
        bounds: None,
        every_ms: None,
        shared: false,
        access: "",
        on_demand: false,
    };
    let mut fields = vec![0; meta.size()];
    meta.write(&mut fields);
    format!(
        "{}pub static REQUESTS_{number}: Counter = {{\n\
         ::telemetry_core::__private::record!({}, [::<Counter as ::telemetry_core::Metric>::Part] >, *b\"{}\");\n\
         {more}::telemetry_core::__private::initial(&__TELEMETRY_RECORD)\n}};\n",
        doc(number),
        fields.len(),
        fields.escape_ascii()
    )
}

fn record(number: usize) -> String {
    with_record(number, "")
}

fn element(number: usize) -> String {
    with_record(number, &element_of(number))
}

fn element_of(number: usize) -> String {
    format!(
        "::telemetry_core::__private::declared!(\
         ::telemetry_core::__private::element::metric(&__TELEMETRY_RECORD, &REQUESTS_{number}));\n"
    )
}

fn once(number: usize) -> String {
    with_record(number, &(element_of(number) + &once_of(number)))
}

fn once_of(number: usize) -> String {
    format!("#[allow(non_local_definitions)] #[macro_export] macro_rules! name_{number} {{ () => {{}}; }}\n")
}

fn symbol(number: usize) -> String {
    let taken =
        format!("::telemetry_core::__private::taken!(name_{number} \"requests_{number}\" \"symbol symbol requests_{number}\");\n");
    with_record(number, &(element_of(number) + &once_of(number) + &taken))
}

fn metric(number: usize) -> String {
    declared(number, &format!("\"some_service_requests_{number}\""), "Counter")
}

fn labelled(number: usize) -> String {
    declared(number, &format!("\"some_service_requests_{number}\""), "Counter<Call>")
}

fn by_const(number: usize) -> String {
    format!(
        "const NAME_{number}: &str = \"some_service_requests_{number}\";\n{}",
        declared(number, &format!("NAME_{number}"), "Counter")
    )
}

fn declared(number: usize, name: &str, ty: &str) -> String {
    format!("{}#[metric(name = {name}, unit = \"{{request}}\")]\npub static REQUESTS_{number}: {ty};\n", doc(number))
}

fn event(number: usize) -> String {
    format!("{}#[event(name = \"some_service_event_{number}\")]\npub static EVENTS_{number}: Event<u32>;\n", doc(number))
}
