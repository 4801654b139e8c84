//! What a pusher asks of what it pushes.

use std::future::Future;

use bytes::Bytes;

use super::state::Record;

/// One request, and what it is made of.
pub struct Request<M> {
    pub body: Bytes,
    pub messages: u64,
    /// What is settled when the request is.
    pub mark: M,
}

/// Something that gives requests in order.
pub trait Source: Send {
    /// What is settled when a request is.
    type Mark: Send;

    /// The next request: what follows the last one that was settled, up to the bound, or the oldest message alone. None where there is
    /// nothing for now.
    fn next(&mut self, record: &Record, alone: bool) -> Option<Request<Self::Mark>>;

    /// The request is settled: the collector has taken it, or refused it for good.
    fn settle(&mut self, mark: Self::Mark, taken: bool, record: &Record);

    /// Waits until there may be something new. What was new before `next` was called last does not count.
    fn news(&self) -> impl Future<Output = ()> + Send;

    /// Messages that are not settled.
    fn left(&mut self) -> u64;
}
