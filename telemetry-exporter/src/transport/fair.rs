//! A connection that is read in turns: small frames come faster than they are looked at, and who sends them without end would have the service's thread for
//! himself.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, ReadBuf};

use super::through::writes_through;
use crate::limits::TURN_BYTES;

/// Lets others have their turn when [`TURN_BYTES`] were read without a wait.
pub struct Fair<IO> {
    io: IO,
    /// Bytes that were read in this turn.
    read: usize,
}

impl<IO> Fair<IO> {
    pub const fn new(io: IO) -> Self {
        Self { io, read: 0 }
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for Fair<IO> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.read >= TURN_BYTES {
            self.read = 0;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        // No more than the turn has, whatever room there is.
        let bytes = buf.remaining().min(TURN_BYTES - self.read);
        let mut part = ReadBuf::new(buf.initialize_unfilled_to(bytes));
        let polled = Pin::new(&mut self.io).poll_read(context, &mut part);
        let read = part.filled().len();
        buf.advance(read);
        self.read = if polled.is_pending() { 0 } else { self.read + read };
        polled
    }
}

writes_through!(Fair);

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::*;

    #[tokio::test]
    async fn others_have_their_turn_while_one_reads_without_end() {
        let endless = tokio::io::join(tokio::io::repeat(7), tokio::io::sink());
        let reading = tokio::spawn(async move {
            let mut io = Fair::new(endless);
            let mut bytes = [0; 100];
            loop {
                io.read_exact(&mut bytes).await.expect("there is more");
                assert_eq!(bytes, [7; 100]);
            }
        });
        for _ in 0..100 {
            tokio::task::yield_now().await; // which would not return on the one thread that this has
        }
        assert!(!reading.is_finished());
        reading.abort();
    }
}
