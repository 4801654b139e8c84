//! Types that cannot be labels, and labels that are used as what they are not.

use telemetry_core::{Counter, Labels, metric};

#[derive(Labels)]
enum WithFields {
    A(u32),
    B { b: bool },
}

#[derive(Labels)]
enum Twice {
    Get,
    #[label(name = "get")]
    Other,
}

#[derive(Labels)]
enum Empty {}

#[derive(Labels)]
union Either {
    a: u32,
    b: u64,
}

#[derive(Labels)]
struct Pair(u32, u32);

#[derive(Labels)]
struct Unit;

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

#[derive(Labels)]
struct Counted<const N: usize>(u32);

#[derive(Labels)]
struct Misspelt {
    #[label(nmae = "a")]
    a: bool,
    #[label(flaten)]
    b: Inner,
    #[label(name = "c d")]
    c: bool,
    #[label(name = 5)]
    d: bool,
    #[label(name)]
    e: bool,
    #[label]
    f: bool,
}

#[derive(Labels)]
struct Misplaced {
    #[label(flatten, name = "inner")]
    a: Inner,
    #[label(name = "b", name = "c")]
    b: bool,
    #[label(name = concat!("d", "e"), flatten)]
    c: Inner,
}

#[derive(Labels)]
#[label(name = "set")]
struct Set {
    a: bool,
}

#[derive(Labels)]
struct Newtype(#[label(name = "inside")] u32);

#[derive(Labels)]
struct Inner {
    a: bool,
}

#[derive(Labels)]
struct NoValue {
    inner: Inner,
    vector: Vec<u8>,
}

#[derive(Labels)]
struct Wrapped(std::time::Duration);

#[derive(Labels)]
struct Flattened {
    #[label(flatten)]
    number: u32,
}

#[derive(Labels)]
#[label(name = "no key")]
enum BadKey {
    A,
}

#[derive(Labels)]
enum Flat {
    #[label(flatten)]
    A,
}

/// What is wrong with its labels is said where they are, and not here again.
#[metric(name = "labels.mistaken")]
static MISTAKEN: Counter<WithFields>;

/// .
#[metric(name = "labels.generic")]
static GENERIC: Counter<Generic<u32>>;

/// .
#[metric(name = "labels.union")]
static UNION: Counter<Either>;

/// .
#[metric(name = "labels.text")]
static TEXT: Counter<String>;

/// .
#[metric(name = "labels.none")]
static TUPLE: Counter<(bool, bool)>;

/// .
#[metric(name = "labels.observed")]
fn observed() -> Vec<(u32, u64)> {
    Vec::new()
}

fn main() {
    MISTAKEN.with(WithFields::A(1)).inc();
    UNION.with(Either { a: 1 }).inc();
}
