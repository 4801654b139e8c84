//! What all peers are fed: the same numbers and the same label values, in the same order.

use std::array;

/// A label value that is known at compile time, to every peer that has a trait for such.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    serde::Serialize,
    fastmetrics::derive::EncodeLabelValue,
    foundations::telemetry::metrics::LowCardinalityLabel,
    measured::FixedCardinalityLabel,
    prometheus_client::encoding::EncodeLabelValue,
    telemetry_core::Labels,
    vise::EncodeLabelValue,
)]
#[metrics(rename_all = "lowercase")]
pub enum Method {
    Get,
    Put,
    Delete,
    List,
}

impl Method {
    /// The text, for a peer whose label values are texts.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Put => "put",
            Self::Delete => "delete",
            Self::List => "list",
        }
    }
}

/// A `bool`, for a peer that wants an enum.
#[derive(
    Clone, Copy, PartialEq, serde::Serialize, foundations::telemetry::metrics::LowCardinalityLabel, measured::FixedCardinalityLabel,
)]
pub enum Cached {
    No,
    Yes,
}

impl From<bool> for Cached {
    fn from(cached: bool) -> Self {
        if cached { Self::Yes } else { Self::No }
    }
}

/// The methods as texts.
pub const METHODS: [&str; 4] = ["get", "put", "delete", "list"];

/// Routes as a web service has them.
pub const ROUTES: [&str; 8] = [
    "/api/v1/users",
    "/api/v1/users/:id",
    "/api/v1/products",
    "/api/v1/products/:id",
    "/api/v1/products/:id/owner",
    "/api/v1/products/:id/purchase",
    "/api/v1/orders",
    "/health",
];

/// Upper bounds of latencies in seconds, for a peer that has none of its own.
pub const LATENCIES: [f64; 16] = [
    0.0001, 0.0002, 0.0004, 0.0008, 0.0016, 0.0032, 0.0064, 0.0128, 0.0256, 0.0512, 0.1024, 0.2048, 0.4096, 0.8192, 1.6384, 3.2768,
];

pub fn enum_labels() -> [(Method, bool); 256] {
    let mut random = Random(1);
    array::from_fn(|_| (random.one_of([Method::Get, Method::Put, Method::Delete, Method::List]), random.one_of([false, true])))
}

pub fn static_labels() -> [(&'static str, &'static str); 256] {
    let mut random = Random(2);
    array::from_fn(|_| (random.one_of(METHODS), random.one_of(ROUTES)))
}

/// The static labels again, every text at an address of its own.
pub fn string_labels() -> [(&'static str, &'static str); 256] {
    static_labels().map(|(method, route)| (method.to_owned().leak() as &str, route.to_owned().leak() as &str))
}

/// Latencies from 0.1 ms to 1 s, most of them near 10 ms: their logarithm is the sum of two numbers.
pub fn seconds() -> [f64; 256] {
    let mut random = Random(3);
    array::from_fn(|_| 10f64.powf(-2.0 * (random.unit() + random.unit())))
}

/// From 100 to a million, every decade as often as another.
pub fn nanoseconds() -> [u64; 256] {
    let mut random = Random(4);
    array::from_fn(|_| 10f64.powf(2.0 + 4.0 * random.unit()) as u64)
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn one_of<T: Copy, const N: usize>(&mut self, choices: [T; N]) -> T {
        choices[self.next() as usize % N]
    }

    /// From 0 to below 1.
    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }
}
