//! What the macros say and where, without a run of the compiler: each mistake is drawn under its token, and there is no other.
//!
//! A case is an item with its attribute; a line of `^` stands under the guilty tokens of the line above it, the message behind. Cases are
//! apart by an empty line. Not here: what the compiler says of types and of const expressions (`tests/ui`).

use proc_macro2::{Span, TokenStream, TokenTree};

use crate::{collector, event, labels, metric, property, rpc, snapshot};

/// A line, the columns from and to, and the message.
type Mistake = (usize, usize, usize, String);

/// Compares each case with what its macro makes of it.
fn drawn(cases: &str) {
    for case in cases.split("\n\n") {
        let (source, mut wanted) = read(case);
        let mut tokens = source.parse::<TokenStream>().expect("tokens").into_iter();
        let (Some(begin), Some(TokenTree::Group(attribute)), item) =
            (tokens.next(), tokens.next(), tokens.collect::<TokenStream>())
        else {
            panic!("no attribute: {case}");
        };
        let expanded = expanded(attribute.stream(), item.clone());
        let mut found = mistakes(expanded.clone(), (begin.span(), attribute.span()));
        wanted.sort();
        found.sort();
        assert_eq!(found, wanted, "{case}");

        let text = expanded.to_string().replace(' ', "");
        assert!(!text.contains("__TELEMETRY_RECORD"), "what is mistaken is declared: {text}");
        let kept = item.to_string().replace("static mut", "static").replace(' ', "");
        let derived = attribute.to_string().contains("derive");
        let kept = if derived { "::telemetry_core::Labelsfor" } else { kept.trim_end_matches(';') };
        assert!(text.contains(kept), "the item is gone, and what names it breaks: {text}");
    }
}

/// The source of a case, and what is drawn in it.
fn read(case: &str) -> (String, Vec<Mistake>) {
    let (mut source, mut mistakes): (Vec<&str>, _) = (Vec::new(), Vec::new());
    for line in case.lines() {
        let drawing = line.trim_start();
        let message = drawing.trim_start_matches('^');
        if message == drawing {
            source.push(line);
            continue;
        }
        let from = line.chars().count() - drawing.chars().count();
        let to = line.chars().count() - message.chars().count();
        mistakes.push((source.len(), from, to, message.trim().to_owned()));
    }
    assert!(!mistakes.is_empty(), "nothing is drawn: {case}");
    (source.join("\n"), mistakes)
}

/// What the attribute makes of the item.
fn expanded(attribute: TokenStream, item: TokenStream) -> TokenStream {
    let mut tokens = attribute.into_iter();
    let name = tokens.next().map(|name| name.to_string()).unwrap_or_default();
    let args = match tokens.next() {
        Some(TokenTree::Group(args)) => args.stream(),
        _ => TokenStream::new(),
    };
    match name.as_str() {
        "metric" => metric::expand(args, item),
        "property" => property::expand(args, item),
        "event" => event::expand(args, item),
        "snapshot" => snapshot::expand(args, item),
        "rpc" => rpc::expand(args, item),
        "collector" => collector::expand(args, item),
        "derive" => labels::expand(item),
        other => panic!("no macro is called {other}"),
    }
}

/// Each `compile_error!` with its place, which is the attribute's where it has no token's.
fn mistakes(tokens: TokenStream, attribute: (Span, Span)) -> Vec<Mistake> {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut found = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        match (token, tokens.get(at + 2)) {
            (TokenTree::Ident(ident), Some(TokenTree::Group(message))) if ident == "compile_error" => {
                let text: syn::LitStr = syn::parse2(message.stream()).expect("a message");
                let nowhere = ident.span().start() == ident.span().end();
                let (first, last) = if nowhere { attribute } else { (ident.span(), message.span()) };
                found.push((first.start().line, first.start().column, last.end().column, text.value()));
            }
            (TokenTree::Group(group), _) => found.extend(mistakes(group.stream(), attribute)),
            _ => {}
        }
    }
    found
}

#[test]
fn an_argument_that_is_unknown_repeated_or_incomplete_is_pointed_at() {
    drawn(
        r#"#[metric(nmae = "a", unit = "s", unit = "ms", colour = 3)]
         ^^^^ unknown argument `nmae`, did you mean `name`? #[metric] knows `name`, `unit`, `kind`, `bounds`, `max_series`, `exemplars`, `shared`
                                 ^^^^ `unit` is given twice
                                              ^^^^^^ unknown argument `colour`: #[metric] knows `name`, `unit`, `kind`, `bounds`, `max_series`, `exemplars`, `shared`
static A: Counter;

#[metric(unit = "s")]
^^^^^^^^^^^^^^^^^^^^^ `name` is missing: write `name = "requests"`
static A: Counter;

#[event]
^^^^^^^^ `name` is missing: write `name = "connected"`
static A: Event<u32>;

#[metric("calls")]
         ^^^^^^^ an argument has a key: write `name = "calls"`
static A: Counter;

#[metric(name, unit =, shared)]
         ^^^^ `name` wants a value: write `name = …`
               ^^^^ `unit` wants a value: write `unit = …`
                       ^^^^^^ `shared` wants a value: write `shared = …`
static A: Counter;

#[metric(name: "a", unit = 1)]
         ^^^^ `name` wants a value: write `name = …`
                           ^ `unit` is a text: write `unit = "…"`
static A: Counter;

#[metric(name = "a?" unit = "{")]
                ^^^^ name contains '?' at position 1: wanted letters, digits, '_', '.', '/' or '-'
                     ^^^^ a comma is missing before this
                            ^^^ unit has a '{' that is not closed
static A: Counter;

#[metric(name = "a" "s")]
                    ^^^ a comma is missing before this
static A: Counter;

#[property(name = "a", type = "b")]
                       ^^^^ unknown argument `type`: #[property] knows `name`, `unit`, `access`
fn a() -> bool { true }

#[snapshot(name = "a", evry = "1m")]
                       ^^^^ unknown argument `evry`, did you mean `every`? #[snapshot] knows `name`, `every`, `access`
static A: Snapshot<u32>;

#[collector(name = "a")]
            ^^^^ unknown argument `name`: #[collector] takes no arguments
fn a() {}"#,
    );
}

#[test]
fn a_value_of_another_form_is_pointed_at() {
    drawn(
        r#"#[metric(name = 5, unit = 's', shared = "yes")]
                ^ `name` is a text: write `name = "…"`
                          ^^^ `unit` is a text: write `unit = "…"`
                                        ^^^^^ `shared` is `true` or `false`
static A: Counter;

#[metric(name = "a", kind = "histogram", shared = 1 + 1)]
                            ^^^^^^^^^^^ unknown kind "histogram": wanted "gauge", "counter" or "up_down_counter"
                                                  ^^^^^ `shared` is `true` or `false`
fn a() -> u64 { 1 }

#[metric(name = "a", kind = MetricKind::Gauge)]
                            ^^^^^^^^^^^^^^^^^ wanted "gauge", "counter" or "up_down_counter"
fn a() -> u64 { 1 }

#[snapshot(name = "a", every = 10)]
                               ^^ `every` is a text: write `every = "…"`
static A: Snapshot<u32>;"#,
    );
}

#[test]
fn an_argument_that_belongs_elsewhere_is_pointed_at() {
    drawn(
        r#"#[metric(name = "a", kind = "counter", max_series = 5)]
                            ^^^^^^^^^ the type of the static is its kind; `kind` belongs on an observed function
                                       ^^^^^^^^^^ `max_series` belongs on a metric with labels: this one has a single series
static A: Counter;

#[metric(name = "a", bounds = [1.0])]
                     ^^^^^^ `bounds` belong on a `Histogram`, and this is a `Gauge`
static A: telemetry_core::Gauge<Call>;

#[metric(name = "a", exemplars)]
                     ^^^^^^^^^ `exemplars` belong on a `Counter`, a `FloatCounter` or a `Histogram`, and this is a `Gauge`
static A: Gauge;

#[metric(name = "a", bounds = [1.0], max_series = 5)]
                     ^^^^^^ `bounds` belongs on a static; an observed function has none
                                     ^^^^^^^^^^ `max_series` belongs on a static; an observed function has none
fn a() -> u64 { 1 }

#[metric(name = "a", access = "restricted", on_demand)]
                     ^^^^^^ unknown argument `access`: all metrics are read together: the program restricts their stream, by its name "metrics"
                                            ^^^^^^^^^ unknown argument `on_demand`: an event alone is emitted on demand
static A: Gauge;

#[collector(access = "public")]
            ^^^^^^ unknown argument `access`: all metrics are read together: the program restricts their stream, by its name "metrics"
fn a() {}

#[snapshot(name = "a", on_demand)]
                       ^^^^^^^^^ unknown argument `on_demand`: an event alone is emitted on demand
static A: Snapshot<u32>;"#,
    );
}

#[test]
fn an_access_that_is_none_is_pointed_at() {
    drawn(
        r#"#[event(name = "a", access = "secret", on_demand = true)]
                             ^^^^^^^^ unknown access "secret": wanted "public", "restricted" or "disabled"
                                       ^^^^^^^^^ `on_demand` takes no value: write `on_demand` alone
static A: Event<u32>;

#[rpc(name = "a", access = NOBODY)]
                           ^^^^^^ `access` is a literal: wanted "public", "restricted" or "disabled"
async fn a() -> Result<u32, RpcError> { Ok(1) }

#[property(name = "a", access)]
                       ^^^^^^ `access` wants a value: write `access = …`
fn a() -> u32 { 1 }

#[snapshot(name = "a", acces = "public")]
                       ^^^^^ unknown argument `acces`, did you mean `access`? #[snapshot] knows `name`, `every`, `access`
fn a() -> u32 { 1 }"#,
    );
}

#[test]
fn a_literal_that_breaks_a_rule_is_pointed_at() {
    drawn(
        r#"#[metric(name = "what?", unit = "per second")]
                ^^^^^^^ name contains '?' at position 4: wanted letters, digits, '_', '.', '/' or '-'
                                ^^^^^^^^^^^^ unit contains a space at position 3: wanted a UCUM unit such as "By", "s" or "{request}"
static A: Counter;

#[rpc(name = "größe")]
             ^^^^^^^ name contains a character that is not ASCII at position 2: wanted letters, digits, '_', '.', '/' or '-'
static A: Rpc<(), ()>;

#[snapshot(name = "", every = "1 day")]
                  ^^ name is empty: wanted a letter, then letters, digits, '_', '.', '/' or '-'
                              ^^^^^^^ interval is '1 day': wanted a whole number above zero and a unit, such as "500ms", "10s", "1m" or "2h", at most 366 days
fn a() -> u32 { 1 }

#[metric(name = "a", bounds = [0.5, 2.0, -1.0, 3.0])]
                                         ^^^^ the bound at position 2 is not above the one before it
static A: Histogram;

#[metric(name = "a", bounds = [1e400])]
                               ^^^^^ the bound at position 0 is not finite
static A: Histogram;

#[metric(name = "a", bounds = [1, 2.0, -3])]
                               ^ a bound is a floating-point number: write `1.0`
                                       ^^ a bound is a floating-point number: write `-3.0`
static A: Histogram;

#[metric(name = "a", bounds = "1, 2")]
                              ^^^^^^ `bounds` are an array of numbers: write `bounds = [0.1, 1.0]`
static A: Histogram;"#,
    );
}

#[test]
fn a_function_that_cannot_be_called_has_its_token_pointed_at() {
    drawn(
        r#"#[metric(name = "a")]
unsafe extern "C" fn a<T: Default>(_: u32) -> impl Into<u64> { 1 }
                                              ^^^^ an observed metric cannot have an `impl Trait`: name the type
                                   ^^^^^^ an observed metric takes no parameters
                      ^^^^^^^^^^^^ an observed metric cannot be generic: it is called without types
       ^^^^^^^^^^ an observed metric cannot be `extern`: it is called from Rust
^^^^^^ an observed metric cannot be unsafe: nobody vouches for its call

#[property(name = "a")]
async fn a() -> bool { true }
^^^^^ a property cannot be async: it is called from a plain thread

#[snapshot(name = "a")]
fn a(&self) -> bool { true }
     ^^^^^ a snapshot cannot be a method: it is called without a value

#[rpc(name = "a")]
async fn a(_: u32, _: Option<u32>) -> Result<u32, RpcError> { Ok(1) }
                   ^^^^^^^^^^^^^^ an rpc takes one parameter, the request

#[rpc(name = "a")]
fn a(name: &str) -> Result<Vec<impl Sized>, RpcError> { Ok(Vec::new()) }
           ^^^^ a request owns what it has, since it is read from JSON: take `String`, not `&str`
                               ^^^^ an rpc cannot have an `impl Trait`: name the type

#[collector]
async fn a(_: u32) -> Result<(), Error> { Ok(()) }
^^^^^ a collector cannot be async: it is called from a plain thread
           ^^^^^^ a collector takes no parameters
                      ^^^^^^^^^^^^^^^^^ a collector returns nothing: it sets metrics"#,
    );
}

#[test]
fn an_item_that_cannot_be_declared_is_pointed_at_with_its_arguments() {
    drawn(
        r#"#[metric(name = "a", colour = 3)]
                     ^^^^^^ unknown argument `colour`: #[metric] knows `name`, `unit`, `kind`, `bounds`, `max_series`, `exemplars`, `shared`
struct Struct;
^^^^^^ expected a `static` or a function

#[property(name = "a")]
pub const A: u32 = 1;
    ^^^^^ a `const` is another value wherever it is named: write `static`

#[metric(name = "a!")]
                ^^^^ name contains '!' at position 1: wanted letters, digits, '_', '.', '/' or '-'
pub(crate) static mut A: Counter;
                  ^^^ a declared static is shared by all threads: remove `mut`

#[snapshot(name = "a")]
fn peers(&self) -> u32;
   ^^^^^ a function without a body cannot be declared: nothing can be called

#[event(name = "a")]
fn a() {}
^^ an event is declared on a static: `static NAME: Event<Type>;`

#[collector]
static A: Counter = Counter::new();
       ^ a collector is a function: `#[collector] fn name() { … }`"#,
    );
}

#[test]
fn a_type_that_cannot_be_labels_is_pointed_at() {
    drawn(
        r#"#[derive(Labels)]
enum E { A(u32), B { b: bool }, C }
          ^^^^^ a variant of a label enum has no fields: its values must be known at compile time
                   ^^^^^^^^^^^ a variant of a label enum has no fields: its values must be known at compile time

#[derive(Labels)]
enum E { Get, #[label(name = "get")] Other }
                             ^^^^^ two variants have the value "get": each wants its own

#[derive(Labels)]
enum E {}
     ^ an enum without variants has no label values

#[derive(Labels)]
union U { a: u32 }
^^^^^ a union cannot be labels: use a struct or an enum

#[derive(Labels)]
struct S(u32, u32);
        ^^^^^^^^^^ wanted a struct with named fields, a newtype of one field, or an enum of unit variants

#[derive(Labels)]
struct S;
       ^ wanted a struct with named fields, a newtype of one field, or an enum of unit variants

#[derive(Labels)]
struct S<'a, T: Clone, const N: usize> { a: &'a str }
             ^^^^^^^^ labels may borrow, and cannot be generic otherwise: their set must be known
                       ^^^^^^^^^^^^^^ labels may borrow, and cannot be generic otherwise: their set must be known"#,
    );
}

#[test]
fn an_argument_of_a_label_is_pointed_at() {
    drawn(
        r#"#[derive(Labels)]
struct S {
    #[label(nmae = "a", flaten)] a: bool,
            ^^^^ unknown argument `nmae`, did you mean `name`? #[label] knows `name`, `flatten`
                        ^^^^^^ unknown argument `flaten`, did you mean `flatten`? #[label] knows `name`, `flatten`
    #[label(name = "c d")] b: bool,
                   ^^^^^ label contains a space at position 1: wanted letters, digits, '_', '.', '/' or '-'
    #[label(name = 5)] c: bool,
                   ^ the name of a label is a literal: write `name = "…"`
    #[label(name = concat!("a", "b"))] d: bool,
                   ^^^^^^^^^^^^^^^^^ the name of a label is a literal: write `name = "…"`
    #[label(name)] e: bool,
            ^^^^ `name` wants a value: write `name = …`
    #[label(name = "f", name = "g")] f: bool,
                        ^^^^ `name` is given twice
    #[label(flatten, name = "h")] h: Inner,
            ^^^^^^^ labels that are flattened keep their own names: remove `name` or `flatten`
    #[label(name = "f")] i: bool,
                   ^^^ two labels are called "f": each wants its own key
}

#[derive(Labels)]
#[label(name = "s")]
^^^^^^^^^^^^^^^^^^^^ a set of labels has no name of its own: name its fields
struct S { a: bool }

#[derive(Labels)]
struct S(#[label(name = "s")] u32);
         ^^^^^^^^^^^^^^^^^^^^ the label of a newtype is named on the type: move this there

#[derive(Labels)]
#[label(name = "no key", flatten)]
               ^^^^^^^^ label contains a space at position 2: wanted letters, digits, '_', '.', '/' or '-'
                         ^^^^^^^ unknown argument `flatten`: #[label] knows `name`
enum E { A }"#,
    );
}

#[test]
fn what_other_libraries_call_otherwise_and_what_would_show_nothing_is_told() {
    drawn(
        r#"#[metric(name = "a", description = "A.")]
                     ^^^^^^^^^^^ unknown argument `description`: the doc comment above the item is the description
static A: Counter;

#[metric(name = "a", labels = ["x"])]
                     ^^^^^^ unknown argument `labels`: labels are in the type: `Counter<Call>`, where `Call` derives `Labels`
static A: Counter;

#[metric(name = "a", max_series = 0)]
                                  ^ `max_series` is at least 1: with none all labels would be one series
static A: Counter<Call>;

#[event(name = "Metrics")]
               ^^^^^^^^^ "metrics" is the name of the stream of all metrics: write another one
static A: Event<u32>;

#[snapshot(name = "metrics")]
                  ^^^^^^^^^ "metrics" is the name of the stream of all metrics: write another one
fn a() -> u32 { 1 }

#[snapshot(name = "a")]
fn state() {}
   ^^^^^ a snapshot returns its state: write `-> State`, where `State` derives `serde::Serialize`"#,
    );
}
