//! What a client may send that no library would: connections from any loopback address, and frames of HTTP/2 with any content.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Kinds of frames (RFC 9113, section 6).
pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;

pub const END_STREAM: u8 = 1;
pub const END_HEADERS: u8 = 4;

/// The setting of the window that each stream begins with.
pub const INITIAL_WINDOW: u16 = 4;

/// The largest window.
pub const WINDOW_MAX: u32 = (1 << 31) - 1;

/// The address of the attacker of this number.
pub fn attacker(number: usize) -> Ipv4Addr {
    Ipv4Addr::new(127, 1, (number / 250) as u8, (number % 250 + 1) as u8)
}

/// How a connection is made.
#[derive(Clone, Copy)]
pub struct From {
    pub address: Ipv4Addr,
    /// Bytes that the system keeps of what comes; as many as it likes where it is none.
    pub receives: Option<u32>,
    /// Whether it is reset when it is dropped.
    pub resets: bool,
}

impl From {
    pub fn address(address: Ipv4Addr) -> Self {
        Self { address, receives: None, resets: false }
    }

    pub async fn connect(self, to: SocketAddr) -> std::io::Result<TcpStream> {
        let socket = TcpSocket::new_v4()?;
        socket.set_reuseaddr(true)?;
        socket.bind((self.address, 0).into())?;
        if let Some(bytes) = self.receives {
            socket.set_recv_buffer_size(bytes)?;
        }
        if self.resets {
            socket.set_zero_linger()?;
        }
        let stream = socket.connect(to).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

/// A frame.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(9 + payload.len());
    frame.extend_from_slice(&(payload.len() as u32).to_be_bytes()[1..]);
    frame.extend_from_slice(&[kind, flags]);
    frame.extend_from_slice(&stream.to_be_bytes());
    frame.extend_from_slice(payload);
    frame
}

pub fn settings(settings: &[(u16, u32)]) -> Vec<u8> {
    let payload = settings.iter().flat_map(|(id, value)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat());
    frame(SETTINGS, 0, 0, &payload.collect::<Vec<_>>())
}

pub fn window(stream: u32, bytes: u32) -> Vec<u8> {
    frame(WINDOW_UPDATE, 0, stream, &bytes.to_be_bytes())
}

pub fn reset(stream: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes()) // CANCEL
}

/// A list of headers, each a literal that is not to be remembered (RFC 7541, section 6.2.2).
pub fn list(headers: &[(&str, &str)]) -> Vec<u8> {
    let mut out = Vec::new();
    let text = |text: &str, out: &mut Vec<u8>| {
        match text.len() {
            short @ 0..127 => out.push(short as u8),
            long => {
                out.push(127);
                let mut rest = long - 127;
                while rest >= 128 {
                    out.push((rest % 128) as u8 | 128);
                    rest /= 128;
                }
                out.push(rest as u8);
            }
        }
        out.extend_from_slice(text.as_bytes());
    };
    for (name, value) in headers {
        out.push(0);
        text(name, &mut out);
        text(value, &mut out);
    }
    out
}

/// The headers of a gRPC request, with some more.
pub fn grpc_headers(method: &str, more: &[(&str, &str)]) -> Vec<u8> {
    let path = format!("/telemetry.Telemetry/{method}");
    let mut headers = vec![
        (":method", "POST"),
        (":scheme", "http"),
        (":path", &path),
        (":authority", "127.0.0.1"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    ];
    headers.extend_from_slice(more);
    list(&headers)
}

/// A message as a gRPC body has it.
pub fn message(bytes: &[u8]) -> Vec<u8> {
    [&[0][..], &(bytes.len() as u32).to_be_bytes(), bytes].concat()
}

/// A whole request.
pub fn request(stream: u32, method: &str, bytes: &[u8]) -> Vec<u8> {
    let headers = frame(HEADERS, END_HEADERS, stream, &grpc_headers(method, &[]));
    [headers, frame(DATA, END_STREAM, stream, &message(bytes))].concat()
}

/// What a client begins with.
pub fn beginning(with: &[(u16, u32)]) -> Vec<u8> {
    [PREFACE, &settings(with)].concat()
}

/// Sends as much as the other end takes within a time; tells whether it took all. It reads meanwhile what comes, so that the other end has no reason to stop but its own.
pub async fn send(stream: &mut TcpStream, bytes: &[u8], within: Duration) -> bool {
    let (mut read, mut write) = stream.split();
    let reading = async {
        let mut sink = vec![0; 16 << 10];
        while read.read(&mut sink).await.is_ok_and(|bytes| bytes > 0) {}
        std::future::pending::<()>().await;
    };
    tokio::select! {
        sent = tokio::time::timeout(within, write.write_all(bytes)) => matches!(sent, Ok(Ok(()))),
        () = reading => false,
    }
}

/// Waits until the other end has closed the connection; tells whether it did within the time. What comes is read.
pub async fn closes(stream: &mut (impl AsyncRead + Unpin), within: Duration) -> bool {
    let mut sink = vec![0; 16 << 10];
    let reading = async { while stream.read(&mut sink).await.is_ok_and(|bytes| bytes > 0) {} };
    tokio::time::timeout(within, reading).await.is_ok()
}
