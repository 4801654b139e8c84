//! The body of a request, which must come within a deadline: who sends a byte a second would have its place for ever.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::{Sleep, sleep};
use tonic::Status;

/// A body that fails with DEADLINE_EXCEEDED when it is not whole by then.
pub struct Received {
    inner: Body,
    deadline: Duration,
    /// Until when, where it was waited for.
    late: Option<Pin<Box<Sleep>>>,
}

impl Received {
    pub const fn new(inner: Body, deadline: Duration) -> Self {
        Self { inner, deadline, late: None }
    }
}

impl HttpBody for Received {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.inner).poll_frame(context) {
            let gone = |error: axum::Error| Status::cancelled(format!("the request broke off: {error}"));
            return Poll::Ready(frame.map(|frame| frame.map_err(gone)));
        }
        let deadline = self.deadline;
        let late = self.late.get_or_insert_with(|| Box::pin(sleep(deadline)));
        std::task::ready!(late.as_mut().poll(context));
        let text = format!("the request did not come within {deadline:?}");
        Poll::Ready(Some(Err(Status::deadline_exceeded(text))))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures::StreamExt;
    use http_body_util::BodyExt;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_body_that_dribbles_fails_at_the_deadline_and_one_that_comes_is_whole() {
        let deadline = Duration::from_secs(10);
        let dribbling = futures::stream::unfold((), async |()| {
            sleep(Duration::from_secs(1)).await;
            Some((Ok::<_, Infallible>(Bytes::from_static(b"x")), ()))
        });
        let body = |bytes| Received::new(Body::from_stream(dribbling.take(bytes)), deadline);
        assert_eq!(body(9).collect().await.expect("in time").to_bytes().len(), 9);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_never_ends_fails_at_the_deadline() {
        let silent = futures::stream::pending::<Result<Bytes, Infallible>>();
        let status = Received::new(Body::from_stream(silent), Duration::from_secs(10)).collect().await.expect_err("late");
        assert_eq!(status.code(), tonic::Code::DeadlineExceeded);
        assert!(status.message().contains("10s"), "{status}");
    }
}
