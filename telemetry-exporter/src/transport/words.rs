//! The first words of a connection, which tell what it speaks: HTTP/2 begins with a preface, and what does not is HTTP/1.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};

use super::through::writes_through;

/// What a client of HTTP/2 says first (RFC 9113, section 3.4).
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What a connection speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spoken {
    /// HTTP/1.
    Http1,
    /// HTTP/2.
    Http2,
}

/// Reads until it is known what is spoken.
///
/// # Errors
/// A connection that ends before.
pub async fn first<IO: AsyncRead + Unpin>(mut io: IO) -> io::Result<(Spoken, Reread<IO>)> {
    let (mut words, mut read) = ([0; PREFACE.len()], 0);
    loop {
        match io.read(&mut words[read..]).await? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            more => read += more,
        }
        let spoken = match words[..read] == PREFACE[..read] {
            false => Spoken::Http1,
            true if read == PREFACE.len() => Spoken::Http2,
            true => continue,
        };
        return Ok((spoken, Reread { io, words, read: 0, end: read }));
    }
}

/// A connection whose first words come once more.
pub struct Reread<IO> {
    io: IO,
    words: [u8; PREFACE.len()],
    read: usize,
    end: usize,
}

impl<IO: AsyncRead + Unpin> AsyncRead for Reread<IO> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.read == self.end {
            return Pin::new(&mut self.io).poll_read(context, buf);
        }
        let now = (self.end - self.read).min(buf.remaining());
        buf.put_slice(&self.words[self.read..self.read + now]);
        self.read += now;
        Poll::Ready(Ok(()))
    }
}

writes_through!(Reread);

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncWriteExt;

    /// What is spoken by a client that says this in parts of so many bytes, and all that it said.
    async fn heard(said: &[u8], part: usize) -> io::Result<(Spoken, Vec<u8>)> {
        let (mut client, server) = tokio::io::duplex(part);
        let said = said.to_vec();
        let saying = tokio::spawn(async move { client.write_all(&said).await });
        let (spoken, mut io) = first(server).await?;
        let mut all = Vec::new();
        io.read_to_end(&mut all).await?;
        saying.await.expect("no panic")?;
        Ok((spoken, all))
    }

    #[tokio::test]
    async fn what_is_spoken_is_told_by_the_first_words_and_they_come_once_more() {
        let http2 = [PREFACE.as_slice(), b"and more"].concat();
        for part in [1, 7, 64] {
            assert_eq!(heard(&http2, part).await.expect("whole"), (Spoken::Http2, http2.clone()));
            for http1 in [b"GET / HTTP/1.1\r\n\r\n".as_slice(), b"PRI * HTTP/2.0\r\n\r\nSM\r\n\rX", b"PUT /", b"\x16\x03\x01"] {
                assert_eq!(heard(http1, part).await.expect("whole"), (Spoken::Http1, http1.to_vec()));
            }
            for half in [0, 1, 23] {
                let error = heard(&PREFACE[..half], part).await.expect_err("half a preface tells nothing");
                assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
            }
        }
    }
}
