//! What the program and its followers agree on: the event, how it is counted, and what both report.

mod account;

pub use account::Account;
use serde::{Deserialize, Serialize};

/// Threads that emit, each with numbers of its own from 0 on.
pub const EMITTERS: usize = 2;

/// The emitter of the last event of all, which no thread is.
pub const LAST: usize = EMITTERS;

/// Clients that follow, each on a connection of its own.
pub const FOLLOWERS: usize = 4;

/// The stream.
pub const STREAM: &str = "soak_transfer";

/// The event: some 150 bytes of JSON, which follow from the first two fields.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Transfer {
    emitter: usize,
    /// Which of the emitter's it is.
    pub number: u64,
    peer: String,
    protocol: String,
    received_bytes: u64,
    relayed: bool,
}

impl Transfer {
    /// That of this number.
    pub fn new(emitter: usize, number: u64) -> Self {
        let peer = format!("12D3KooWQYhTNQdmr3ArTeUHRYzFg94BKyTkoWBDWez9kSCVe2X{emitter}");
        let protocol = "/ipfs/bitswap/1.2.0".to_owned();
        Self { emitter, number, peer, protocol, received_bytes: 262_158, relayed: false }
    }
}

/// The emitter and the number of an event, from the front of its JSON.
pub fn numbers(json: &[u8]) -> Option<(usize, u64)> {
    let (emitter, rest) = number(json.strip_prefix(b"{\"emitter\":")?);
    let (number, rest) = number(rest.strip_prefix(b",\"number\":")?);
    rest.starts_with(b",\"peer\":").then_some((usize::try_from(emitter).ok()?, number))
}

fn number(json: &[u8]) -> (u64, &[u8]) {
    let digits = json.iter().take_while(|byte| byte.is_ascii_digit()).count();
    (json[..digits].iter().fold(0, |number, digit| number * 10 + u64::from(digit - b'0')), &json[digits..])
}

/// What the program tells when it ends.
#[derive(Debug, Serialize, Deserialize)]
pub struct Emitted {
    /// Events of each emitter, of the one of [`LAST`] too.
    pub events: Vec<u64>,
    /// Bytes of the JSON of one.
    pub event_bytes: usize,
    /// How long the threads emitted.
    pub seconds: f64,
    /// Events a second in that time.
    pub rate: f64,
    /// The stream's counts at the end.
    pub appended: u64,
    /// Those that it held.
    pub kept: u64,
    /// Those that it did not hold any more.
    pub dropped: u64,
    /// The bound of the stream.
    pub bytes_max: usize,
    /// Memory, where the system tells it.
    pub memory: Option<Memory>,
}

/// Resident memory of the program, in bytes.
#[derive(Debug, Serialize, Deserialize)]
pub struct Memory {
    /// When all was started and each follower had got an event, before the threads went on.
    pub before: u64,
    /// The most from then until half of the time had passed.
    pub half: u64,
    /// The most until each follower had the last event.
    pub peak: u64,
    /// Then.
    pub after: u64,
}
