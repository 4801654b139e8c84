//! An answer that goes on for long is given as long as who asked may have it: a token may be withdrawn, or be past its time.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::Stream;
use tokio::time::{Interval, MissedTickBehavior, interval};
use tonic::Status;

use super::Service;
use crate::access::Caller;
use crate::limits::JUDGED_EVERY;
use crate::stream::NamedLog;

/// What is read of a stream, until who reads it may no longer.
pub struct Judged<S> {
    /// None when it has ended.
    inner: Option<S>,
    service: Arc<Service>,
    caller: Caller,
    stream: Arc<NamedLog>,
    looks: Interval,
}

impl<S> Judged<S> {
    pub fn new(inner: S, service: &Arc<Service>, caller: Caller, stream: Arc<NamedLog>) -> Self {
        let mut looks = interval(JUDGED_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        looks.reset(); // it was looked when the request came
        Self { inner: Some(inner), service: Arc::clone(service), caller, stream, looks }
    }
}

impl<T, S: Stream<Item = Result<T, Status>> + Unpin> Stream for Judged<S> {
    type Item = Result<T, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.inner.is_some() && self.looks.poll_tick(context).is_ready() {
            if let Err(status) = self.service.let_go_on(&self.caller, &self.stream) {
                self.inner = None;
                return Poll::Ready(Some(Err(status)));
            }
            let _when_it_is_next = self.looks.poll_tick(context); // which wakes
        }
        match &mut self.inner {
            Some(inner) => Pin::new(inner).poll_next(context),
            None => Poll::Ready(None),
        }
    }
}
