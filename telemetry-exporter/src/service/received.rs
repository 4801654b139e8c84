//! The body of a request, which must come within a deadline and has so many bytes: who sends a byte a second would have its place for ever, and who goes on sending
//! would be read for as long. Until it is whole it counts among what waits for the other end.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::{Sleep, sleep};
use tonic::Status;

use crate::admission::{Amount, Limits, Place, Wait};
use crate::own::{Refusal, refused};

/// Bytes before a message in the body of a gRPC request.
const HEAD_BYTES: usize = 5;

/// Bytes that one of a request takes where it is gathered: what grows has up to twice the room that it needs.
const GATHERED: usize = 2;

/// A body that fails with DEADLINE_EXCEEDED when it is not whole by then, and with OUT_OF_RANGE when it is larger than it may be.
pub struct Received {
    inner: Body,
    deadline: Duration,
    bytes_max: usize,
    /// Bytes that may still come.
    left: usize,
    /// What came of that which stands before a message and says how long it is; none where no message comes.
    head: Option<Vec<u8>>,
    /// Until when, where it was waited for.
    late: Option<Pin<Box<Sleep>>>,
    /// As long as it is not whole.
    coming: Option<(Wait, Amount)>,
}

impl Received {
    /// That of a request of at most so many bytes, on the connection of this place.
    pub fn new(inner: Body, is_grpc: bool, limits: &Limits, place: &Arc<Place>) -> Self {
        let coming = (!inner.is_end_stream()).then(|| (place.wait(), Amount::new(0, Arc::clone(place))));
        let (deadline, bytes_max) = (limits.handshake_deadline, limits.request_bytes);
        let head_bytes = if is_grpc { HEAD_BYTES } else { 0 };
        let (left, head) = (bytes_max.saturating_add(head_bytes), is_grpc.then(Vec::new));
        Self { inner, deadline, bytes_max, left, head, late: None, coming }
    }

    fn count(&mut self, data: &[u8]) -> Result<(), Status> {
        let left = self.left.checked_sub(data.len());
        let Some(left) = left.filter(|_| !self.says_too_much(data)) else {
            self.coming = None;
            refused(Refusal::Size);
            return Err(Status::out_of_range(format!("the request has more than {} bytes", self.bytes_max)));
        };
        self.left = left;
        if let Some((_, amount)) = &mut self.coming {
            amount.grow(GATHERED * data.len());
        }
        Ok(())
    }

    /// Whether it is now known that the message is longer than it may be.
    fn says_too_much(&mut self, data: &[u8]) -> bool {
        let Some(head) = &mut self.head else { return false };
        head.extend_from_slice(&data[..data.len().min(HEAD_BYTES - head.len())]);
        match head[..] {
            [_, a, b, c, d] => u32::from_be_bytes([a, b, c, d]) as usize > self.bytes_max,
            _ => false,
        }
    }
}

impl HttpBody for Received {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.inner).poll_frame(context) {
            if let Some(Ok(frame)) = &frame
                && let Err(status) = self.count(frame.data_ref().map_or(&[], |data| &data[..]))
            {
                return Poll::Ready(Some(Err(status)));
            }
            if !matches!(frame, Some(Ok(_))) || self.inner.is_end_stream() {
                self.coming = None;
            }
            let gone = |error: axum::Error| Status::cancelled(format!("the request broke off: {error}"));
            return Poll::Ready(frame.map(|frame| frame.map_err(gone)));
        }
        let deadline = self.deadline;
        let late = self.late.get_or_insert_with(|| Box::pin(sleep(deadline)));
        std::task::ready!(late.as_mut().poll(context));
        self.coming = None;
        refused(Refusal::Late);
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
    use std::net::IpAddr;

    use futures::StreamExt;
    use http_body_util::BodyExt;

    use super::*;
    use crate::access::Identity;
    use crate::admission::{Client, Places};

    fn received(inner: Body, is_grpc: bool, deadline: Duration) -> Received {
        let limits = Limits { handshake_deadline: deadline, request_bytes: 100, ..Limits::default() };
        let places = Places::new(limits);
        let place = places.enter(Client::of(IpAddr::from([192, 0, 2, 1])), Identity::Anonymous).expect("room");
        Received::new(inner, is_grpc, places.limits(), &place)
    }

    #[tokio::test]
    async fn a_body_of_many_small_parts_fails_beyond_its_bytes() {
        let part = || Ok::<_, Infallible>(Bytes::from_static(&[0; 5]));
        let body =
            |parts| received(Body::from_stream(futures::stream::repeat_with(part).take(parts)), true, Duration::from_secs(10));
        assert_eq!(body(21).collect().await.expect("just as many").to_bytes().len(), 100 + HEAD_BYTES);
        let status = body(22).collect().await.expect_err("more");
        assert_eq!((status.code(), status.message()), (tonic::Code::OutOfRange, "the request has more than 100 bytes"));
    }

    #[tokio::test]
    async fn a_message_that_says_to_be_too_long_fails_before_it_comes_in_whatever_parts() {
        for (length, part, is_refused) in [(100_u32, 1, false), (101, 1, true), (101, 7, true), (u32::MAX, 3, true)] {
            let said = [&[0][..], &length.to_be_bytes(), &[7; 20]].concat();
            let parts: Vec<_> = said.chunks(part).map(|part| Ok::<_, Infallible>(Bytes::copy_from_slice(part))).collect();
            let body = received(Body::from_stream(futures::stream::iter(parts)), true, Duration::from_secs(10));
            let came = body.collect().await.map(|body| body.to_bytes().len());
            assert_eq!(came.as_ref().err().map(Status::code), is_refused.then_some(tonic::Code::OutOfRange), "{length}: {came:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_dribbles_fails_at_the_deadline_and_one_that_comes_is_whole() {
        let deadline = Duration::from_secs(10);
        let dribbling = futures::stream::unfold((), async |()| {
            sleep(Duration::from_secs(1)).await;
            Some((Ok::<_, Infallible>(Bytes::from_static(b"x")), ()))
        });
        let body = |bytes| received(Body::from_stream(dribbling.take(bytes)), false, deadline);
        assert_eq!(body(9).collect().await.expect("in time").to_bytes().len(), 9);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_never_ends_fails_at_the_deadline() {
        let silent = futures::stream::pending::<Result<Bytes, Infallible>>();
        let status = received(Body::from_stream(silent), true, Duration::from_secs(10)).collect().await.expect_err("late");
        assert_eq!(status.code(), tonic::Code::DeadlineExceeded);
        assert!(status.message().contains("10s"), "{status}");
    }
}
