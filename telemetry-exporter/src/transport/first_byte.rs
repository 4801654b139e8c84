//! A connection whose first words have a deadline: the HTTP server waits for ever to learn which protocol is spoken, which it
//! knows after the first byte that differs from HTTP/2's preface, or after the whole of it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// What a client of HTTP/2 says first (RFC 9113, section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Fails its reads with `TimedOut` when the protocol is not known by the deadline.
pub struct FirstByte<IO> {
    io: IO,
    /// Bytes of the preface that were read.
    matched: usize,
    deadline: Option<Pin<Box<Sleep>>>,
}

impl<IO> FirstByte<IO> {
    /// Must be called within a runtime.
    pub fn new(io: IO, deadline: Duration) -> Self {
        Self { io, matched: 0, deadline: Some(Box::pin(sleep(deadline))) }
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for FirstByte<IO> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.io).poll_read(context, buf);
        if self.deadline.is_some() && buf.filled().len() > before {
            let read = &buf.filled()[before..];
            let wanted = &PREFACE[self.matched..];
            let compared = read.len().min(wanted.len());
            self.matched += compared;
            if read[..compared] != wanted[..compared] || self.matched == PREFACE.len() {
                self.deadline = None;
            }
        }
        if polled.is_pending()
            && let Some(deadline) = &mut self.deadline
            && deadline.as_mut().poll(context).is_ready()
        {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        polled
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for FirstByte<IO> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(context, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(context, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test(start_paused = true)]
    async fn silence_ends_at_the_deadline_and_a_known_protocol_lifts_it() {
        let deadline = Duration::from_secs(10);
        let (_silent, io) = tokio::io::duplex(8);
        let error = FirstByte::new(io, deadline).read_u8().await.expect_err("nothing came");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        let (mut half, io) = tokio::io::duplex(64);
        let mut io = FirstByte::new(io, deadline);
        half.write_all(&PREFACE[..PREFACE.len() - 1]).await.expect("sent");
        let error = io.read_to_end(&mut Vec::new()).await.expect_err("the preface is not whole");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        let (mut whole, io) = tokio::io::duplex(64);
        let mut io = FirstByte::new(io, deadline);
        whole.write_all(PREFACE).await.expect("sent");
        io.read_exact(&mut [0; 24]).await.expect("it came");
        assert!(io.deadline.is_none());
        let (mut other, io) = tokio::io::duplex(8);
        let mut io = FirstByte::new(io, deadline);
        other.write_u8(7).await.expect("sent");
        assert_eq!(io.read_u8().await.expect("it came"), 7);
        tokio::spawn(async move {
            sleep(2 * deadline).await;
            let _sent = other.write_u8(8).await;
        });
        assert_eq!(io.read_u8().await.expect("no deadline any more"), 8);
    }
}
