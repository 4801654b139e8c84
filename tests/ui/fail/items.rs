use telemetry_core::{Counter, Histogram, Labels, collector, event, metric};

/// .
#[metric(name = "a_struct")]
struct Struct;

/// .
#[metric(name = "takes_arguments")]
fn takes_arguments(_: u32) -> i64 {
    1
}

/// .
#[event(name = "a_function")]
fn a_function() {}

/// .
#[collector]
async fn is_async() {}

/// .
#[metric(name = "bounds", bounds = [2.0, 1.0])]
static BOUNDS: Histogram;

#[derive(Labels)]
enum WithFields {
    A(u32),
}

#[derive(Labels)]
enum Twice {
    Get,
    #[label(name = "get")]
    Other,
}

#[derive(Labels)]
struct TwoOfAName {
    #[label(name = "k")]
    a: bool,
    #[label(name = "k")]
    b: bool,
}

#[derive(Labels)]
struct Generic<T> {
    value: T,
}

/// .
#[metric(name = "bounds_of_a_counter", bounds = [1.0])]
static BOUNDED: Counter;

/// .
#[metric("no_key")]
static NO_KEY: Counter;

/// .
#[metric(name = "labels_of_text")]
static TEXT: Counter<String> = Counter::new();

fn main() {}
