//! A lease of a client: a stream has more, for a time.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tonic::Streaming;

use super::error::ClientError;
use super::place::{Mark, Place};
use crate::pb;
use crate::stream::Position;

/// A lease that the server holds for us, as long as this is kept and its time is not over.
pub struct Lease {
    answers: Streaming<pb::LeaseResponse>,
    name: String,
    until: SystemTime,
    mark: Mark,
}

pub(super) fn request(name: &str, every: Option<Duration>, lasts: Option<Duration>) -> pb::LeaseRequest {
    let ns = |time: Option<Duration>| time.map_or(0, |time| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
    pb::LeaseRequest { name: name.to_owned(), every_ns: ns(every), for_ns: ns(lasts) }
}

impl Lease {
    pub(super) async fn granted(mut answers: Streaming<pb::LeaseResponse>) -> Result<Self, ClientError> {
        let none = || ClientError::Protocol("a lease that is not told".to_owned());
        let pb::LeaseResponse { name, until_ns, session, from } = answers.message().await?.ok_or_else(none)?;
        let pb::Position { sequence, offset } = from.ok_or_else(none)?;
        let mark = Mark { session, at: Position { sequence, offset } };
        Ok(Self { answers, name, until: UNIX_EPOCH + Duration::from_nanos(until_ns), mark })
    }

    /// The stream, as the program spells it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// When it ends, by the clock of the server.
    pub fn until(&self) -> SystemTime {
        self.until
    }

    /// Where the stream stood when it began.
    pub fn place(&self) -> Place {
        Place { streams: [(self.name.clone(), self.mark.clone())].into(), ..Place::default() }
    }

    /// Waits until it has ended.
    ///
    /// # Errors
    /// A connection that broke, or what the server answered, such as that we are not listed any more.
    pub async fn ended(&mut self) -> Result<(), ClientError> {
        while self.answers.message().await?.is_some() {}
        Ok(())
    }
}
