//! The bytes that wait for the other ends of connections: of answers from when they are made until the connection has sent them, and of requests until they are whole.
//!
//! An answer is passed on in pieces, which tell by being dropped that they were sent. Where too many bytes of all clients wait, a large answer waits
//! with being made.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use http_body::{Body as HttpBody, Frame, SizeHint};

use super::places::{Open, Place, Wait};
use crate::limits::{ANSWER_BYTES_SMALL, PROGRESS_BYTES};

/// The body of an answer.
pub struct HeldBody {
    inner: Body,
    open: Open,
    /// What was made and is not passed on yet.
    rest: Bytes,
    amount: Option<Arc<Amount>>,
    /// Bytes that were made.
    made: usize,
    waits: Option<BoxFuture<'static, ()>>,
}

impl HeldBody {
    /// That of a request which is under way until this is dropped.
    pub fn new(inner: Body, open: Open) -> Self {
        open.place().answered();
        Self { inner, open, rest: Bytes::new(), amount: None, made: 0, waits: None }
    }

    /// Waits until there is room for what is made next. Of who reads all there is, what is made already waits for this to go on.
    fn poll_room(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.made < ANSWER_BYTES_SMALL {
            return Poll::Ready(());
        }
        loop {
            if let Some(waits) = &mut self.waits {
                std::task::ready!(waits.poll_unpin(context));
                self.waits = None;
            }
            let place = Arc::clone(self.open.place());
            if place.is_read() || place.places.press() {
                return Poll::Ready(());
            }
            self.waits = Some(Box::pin(async move {
                let mut room = std::pin::pin!(place.places.room.notified());
                room.as_mut().enable(); // before the look, so that nothing falls in between
                if !place.is_read() && !place.places.press() {
                    room.await;
                }
            }));
        }
    }

    fn piece(&mut self) -> Option<Bytes> {
        if self.rest.is_empty() {
            return None;
        }
        let bytes = self.rest.split_to(self.rest.len().min(PROGRESS_BYTES));
        let amount = self.amount.clone();
        if self.rest.is_empty() {
            self.amount = None;
        }
        Some(Bytes::from_owner(Piece { bytes, _wait: self.open.place().wait(), _amount: amount }))
    }
}

impl HttpBody for HeldBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if let Some(piece) = self.piece() {
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        std::task::ready!(self.poll_room(context));
        let polled = std::task::ready!(Pin::new(&mut self.inner).poll_frame(context));
        let frame = match polled {
            Some(Ok(frame)) => frame,
            other => return Poll::Ready(other),
        };
        match frame.into_data() {
            Ok(data) if data.is_empty() => Poll::Ready(Some(Ok(Frame::data(data)))),
            Ok(data) => {
                self.made = self.made.saturating_add(data.len());
                // What is large was written into memory that grew by doubling.
                let taken = if data.len() > PROGRESS_BYTES { 2 * data.len() } else { data.len() };
                self.amount = Some(Arc::new(Amount::new(taken, Arc::clone(self.open.place()))));
                self.rest = data;
                Poll::Ready(self.piece().map(|piece| Ok(Frame::data(piece))))
            }
            Err(frame) => Poll::Ready(Some(Ok(frame))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        if self.rest.is_empty() { self.inner.size_hint() } else { SizeHint::default() }
    }
}

/// Bytes that wait for the other end of a connection.
pub struct Amount {
    bytes: usize,
    place: Arc<Place>,
}

/// Room for what is made next, of so many bytes: it counts as held until what is given is dropped. What is small has room at once; a larger one waits until
/// there is.
pub async fn room(place: &Arc<Place>, bytes: usize) -> Amount {
    let places = &place.places;
    loop {
        let mut room = std::pin::pin!(places.room.notified());
        room.as_mut().enable(); // before the look, so that nothing falls in between
        if bytes <= ANSWER_BYTES_SMALL || places.press() {
            return Amount::new(bytes, Arc::clone(place));
        }
        room.await;
    }
}

impl Amount {
    pub fn new(bytes: usize, place: Arc<Place>) -> Self {
        place.places.hold(&place, bytes);
        Self { bytes, place }
    }

    /// So many more.
    pub fn grow(&mut self, bytes: usize) {
        self.bytes += bytes;
        self.place.places.hold(&self.place, bytes);
    }

    /// So many fewer; none where it is not so much.
    pub fn shrink(&mut self, bytes: usize) {
        let bytes = bytes.min(self.bytes);
        self.bytes -= bytes;
        self.place.places.release(&self.place, bytes);
    }
}

impl Drop for Amount {
    fn drop(&mut self) {
        self.place.places.release(&self.place, self.bytes);
    }
}

/// A piece that waits to be read. All pieces of an answer share one memory.
struct Piece {
    bytes: Bytes,
    _wait: Wait,
    _amount: Option<Arc<Amount>>,
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
    use std::sync::atomic::Ordering;
    use std::time::Duration;

    use futures::StreamExt;
    use http_body_util::BodyExt;

    use super::super::{Client, Limits, Places};
    use super::*;
    use crate::access::Identity;

    fn body(places: &Arc<Places>, last: u8, chunk: usize, chunks: usize) -> HeldBody {
        let client = Client::of(IpAddr::from([192, 0, 2, last]));
        let place = places.enter(client, Identity::Anonymous).expect("room");
        let chunks = futures::stream::repeat(Bytes::from(vec![last; chunk])).take(chunks);
        HeldBody::new(Body::from_stream(chunks.map(Ok::<_, std::io::Error>)), place.open())
    }

    async fn next(body: &mut HeldBody) -> Bytes {
        body.frame().await.expect("more").expect("no error").into_data().expect("data")
    }

    #[tokio::test]
    async fn bytes_are_held_until_their_pieces_are_dropped() {
        let places = Places::new(Limits::default());
        let mut body = body(&places, 1, 2 * PROGRESS_BYTES + 1, 2);
        let held = || places.held.load(Ordering::Relaxed);
        let pieces = [next(&mut body).await, next(&mut body).await, next(&mut body).await];
        assert_eq!(pieces.each_ref().map(Bytes::len), [PROGRESS_BYTES, PROGRESS_BYTES, 1]);
        assert_eq!(held(), 2 * (2 * PROGRESS_BYTES + 1), "with the memory that it was made in");
        let [first, second, third] = pieces;
        drop((first, third));
        assert_eq!(held(), 2 * (2 * PROGRESS_BYTES + 1), "they share their memory");
        drop(second);
        assert_eq!(held(), 0);
        let piece = next(&mut body).await;
        drop(body);
        assert_eq!(held(), 2 * (2 * PROGRESS_BYTES + 1));
        drop(piece);
        assert_eq!(held(), 0);
    }

    #[tokio::test]
    async fn a_large_answer_waits_for_others_to_be_read_and_a_small_one_does_not() {
        let places = Places::new(Limits { held_bytes: 2 * ANSWER_BYTES_SMALL, ..Limits::default() });
        let (mut one, mut two, mut small) =
            (body(&places, 1, ANSWER_BYTES_SMALL, 9), body(&places, 2, ANSWER_BYTES_SMALL, 9), body(&places, 3, 1, 1));
        let held = [next(&mut one).await, next(&mut two).await];
        assert_eq!(next(&mut small).await.len(), 1);
        let waiting = tokio::spawn(async move { next(&mut one).await.len() });
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(!waiting.is_finished());
        drop(held);
        assert_eq!(waiting.await.expect("no panic"), ANSWER_BYTES_SMALL);
    }
}
