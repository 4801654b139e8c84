//! A connection whose other end must read: one that takes nothing of what waits for it would hold its answer, and a place among all
//! connections, for ever.
//!
//! Only a write that waits counts, and each that makes progress begins anew: a follower of a quiet stream is left alone.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// Fails its writes with `TimedOut` when one has waited for so long.
pub struct WriteDeadline<IO> {
    io: IO,
    deadline: Duration,
    /// Until when, where one waits.
    waiting: Option<Pin<Box<Sleep>>>,
    on_late: fn(),
}

impl<IO> WriteDeadline<IO> {
    /// `on_late` is called once a failed write.
    pub const fn new(io: IO, deadline: Duration, on_late: fn()) -> Self {
        Self { io, deadline, waiting: None, on_late }
    }

    /// What a write came to, or that it has waited for too long.
    fn judge<T>(&mut self, context: &mut Context<'_>, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.waiting = None;
            return polled;
        }
        let deadline = self.deadline;
        let waiting = self.waiting.get_or_insert_with(|| Box::pin(sleep(deadline)));
        if waiting.as_mut().poll(context).is_pending() {
            return polled;
        }
        self.waiting = None;
        (self.on_late)();
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for WriteDeadline<IO> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(context, buf)
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for WriteDeadline<IO> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.io).poll_write(context, buf);
        self.judge(context, polled)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.io).poll_flush(context);
        self.judge(context, polled)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.io).poll_shutdown(context);
        self.judge(context, polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.io).poll_write_vectored(context, bufs);
        self.judge(context, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test(start_paused = true)]
    async fn a_write_that_nobody_reads_fails_and_progress_and_silence_do_not() {
        static LATE: AtomicU32 = AtomicU32::new(0);
        let deadline = Duration::from_secs(10);
        let (mut other, io) = tokio::io::duplex(8);
        let mut io = WriteDeadline::new(io, deadline, || _ = LATE.fetch_add(1, Ordering::Relaxed));
        let slow = tokio::spawn(async move {
            for _ in 0..32 {
                sleep(deadline * 9 / 10).await;
                other.read_u8().await.expect("it was written");
            }
            other
        });
        io.write_all(&[7; 40]).await.expect("slow, but it goes on");
        let _open = slow.await.expect("no panic");
        sleep(deadline * 9).await; // nothing waits
        assert_eq!(LATE.load(Ordering::Relaxed), 0);
        let error = io.write_all(&[7; 9]).await.expect_err("nobody reads");
        assert_eq!((error.kind(), LATE.load(Ordering::Relaxed)), (io::ErrorKind::TimedOut, 1));
    }
}
