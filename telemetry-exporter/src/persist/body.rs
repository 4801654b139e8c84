//! What the records of a journal say of streams. FORMAT.md lists every byte.

use crate::compact::{Input, Malformed};
use crate::stream::{NamedLog, Position, Reason, StreamKind};
use crate::wire::varint;

/// The kind of a record that names a stream.
pub const STREAM: u8 = 16;
/// The kind of a record that has a template.
pub const TEMPLATE: u8 = 17;
/// The kind of a record that is a message.
pub const MESSAGE: u8 = 18;
/// The kind of a record that says that messages are missing.
pub const MISSED: u8 = 19;

/// What a record says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body<'a> {
    /// A stream has this number from here on, in this file.
    Stream { id: u32, kind: Kind, name: &'a str },
    /// A template has this number, in this file. It is told as what leads to it from that of the number `base`.
    Template { id: u64, base: u64, change: &'a [u8] },
    /// A message of a stream, with how many the stream had taken before.
    Message { stream: u32, number: u64, at: Position, time_ns: u64, payload: &'a [u8] },
    /// So many messages of a stream, up to here, fell out of it before they were written; `number` had it taken before the next.
    Missed { stream: u32, number: u64, count: u64, to: Position, reason: Reason },
}

/// What the messages of a stream are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Compact metrics.
    Metrics,
    /// JSON of an event.
    Event,
    /// JSON of a snapshot.
    Snapshot,
}

impl Kind {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Metrics => "metrics",
            Self::Event => "event",
            Self::Snapshot => "snapshot",
        }
    }

    /// Of a stream of this process.
    pub fn of(stream: &NamedLog) -> Self {
        match stream.kind {
            StreamKind::Metrics => Self::Metrics,
            StreamKind::Event(_) => Self::Event,
            StreamKind::Snapshot(..) => Self::Snapshot,
        }
    }
}

/// Writes what stands in front of a message's payload.
pub fn message(out: &mut Vec<u8>, stream: u32, number: u64, at: Position, time_ns: u64) {
    [u64::from(stream), number, at.sequence, at.offset].into_iter().for_each(|number| varint(out, number));
    out.extend_from_slice(&time_ns.to_be_bytes());
}

pub fn stream(out: &mut Vec<u8>, id: u32, kind: Kind, name: &str) {
    varint(out, id.into());
    out.push(match kind {
        Kind::Metrics => 0,
        Kind::Event => 1,
        Kind::Snapshot => 2,
    });
    out.extend_from_slice(name.as_bytes());
}

pub fn template(out: &mut Vec<u8>, id: u64, base: u64) {
    [id, base].into_iter().for_each(|number| varint(out, number));
}

pub fn missed(out: &mut Vec<u8>, stream: u32, number: u64, count: u64, to: Position, reason: Reason) {
    [u64::from(stream), number, count, to.sequence, to.offset].into_iter().for_each(|number| varint(out, number));
    out.push(match reason {
        Reason::Expired => 0,
        Reason::Dropped => 1,
        Reason::Lost => 2,
    });
}

impl<'a> Body<'a> {
    /// What a record of this kind and body says; none of a kind that is not known, which a later version may write.
    ///
    /// # Errors
    /// A body that is not of its kind.
    pub fn read(kind: u8, body: &'a [u8]) -> Result<Option<Self>, Malformed> {
        let mut input = Input(body);
        Ok(Some(match kind {
            STREAM => {
                let id = id(&mut input)?;
                let kind = match input.byte()? {
                    0 => Kind::Metrics,
                    1 => Kind::Event,
                    2 => Kind::Snapshot,
                    _ => return Err(input.wrong("a stream of a kind that there is not")),
                };
                let name = std::str::from_utf8(input.0).map_err(|_| input.wrong("a name that is no text"))?;
                Self::Stream { id, kind, name }
            }
            TEMPLATE => Self::Template { id: input.number()?, base: input.number()?, change: input.0 },
            MESSAGE => {
                let (stream, number, at) = (id(&mut input)?, input.number()?, position(&mut input)?);
                let (time, payload) = input.0.split_first_chunk().ok_or(input.wrong("it is cut: wanted a time"))?;
                Self::Message { stream, number, at, time_ns: u64::from_be_bytes(*time), payload }
            }
            MISSED => {
                let (stream, number, count) = (id(&mut input)?, input.number()?, input.number()?);
                let to = position(&mut input)?;
                let reason = match input.byte()? {
                    0 => Reason::Expired,
                    1 => Reason::Dropped,
                    2 => Reason::Lost,
                    _ => return Err(input.wrong("a reason that there is not")),
                };
                Self::Missed { stream, number, count, to, reason }
            }
            _ => return Ok(None),
        }))
    }
}

fn id(input: &mut Input<'_>) -> Result<u32, Malformed> {
    u32::try_from(input.number()?).map_err(|_| input.wrong("a number of a stream above 32 bits"))
}

fn position(input: &mut Input<'_>) -> Result<Position, Malformed> {
    Ok(Position { sequence: input.number()?, offset: input.number()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_body_comes_back_and_what_is_none_is_an_error() {
        let at = Position { sequence: 300, offset: 70_000 };
        let mut bodies = [(STREAM, Vec::new()), (TEMPLATE, Vec::new()), (MESSAGE, Vec::new()), (MISSED, Vec::new())];
        stream(&mut bodies[0].1, 7, Kind::Event, "libp2p_ping");
        template(&mut bodies[1].1, 500, 499);
        bodies[1].1.extend_from_slice(b"change");
        message(&mut bodies[2].1, 7, 1 << 40, at, u64::MAX);
        bodies[2].1.extend_from_slice(b"{}");
        missed(&mut bodies[3].1, 7, 9, 5, at, Reason::Dropped);
        let wanted = [
            Body::Stream { id: 7, kind: Kind::Event, name: "libp2p_ping" },
            Body::Template { id: 500, base: 499, change: b"change" },
            Body::Message { stream: 7, number: 1 << 40, at, time_ns: u64::MAX, payload: b"{}" },
            Body::Missed { stream: 7, number: 9, count: 5, to: at, reason: Reason::Dropped },
        ];
        for ((kind, body), wanted) in bodies.iter().zip(&wanted) {
            assert_eq!(Body::read(*kind, body).as_ref(), Ok(&Some(wanted.clone())));
            assert!(Body::read(*kind, &body[..1]).is_err(), "{wanted:?} that is cut");
        }
        assert_eq!(Body::read(200, b"x"), Ok(None));
        assert!(Body::read(STREAM, &[1, 9]).is_err() && Body::read(STREAM, &[1, 1, 0xff]).is_err());
    }
}
