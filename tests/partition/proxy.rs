//! A network that can be cut: bytes pass, or vanish without a word, or connections are closed.
//!
//! A connection that was cut once stays so: what was lost of it is never made good.

use std::net::SocketAddr;

use tokio::io::{copy, copy_bidirectional, sink};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// What comes is passed on.
    Pass,
    /// What comes vanishes, and nothing is closed; new connections are taken and led nowhere.
    Silent,
    /// All connections are closed, and new ones at once.
    Closed,
}

pub struct Proxy {
    pub addr: SocketAddr,
    mode: watch::Sender<Mode>,
}

impl Proxy {
    /// One in front of this address. It ends with the runtime.
    pub async fn start(to: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let addr = listener.local_addr().expect("it listens");
        let (mode, seen) = watch::channel(Mode::Pass);
        tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.expect("a connection");
                tokio::spawn(carry(client, to, seen.clone()));
            }
        });
        Self { addr, mode }
    }

    /// What becomes of the connections that are open, and of new ones.
    pub fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }
}

async fn carry(mut client: TcpStream, to: SocketAddr, mut mode: watch::Receiver<Mode>) {
    let now = *mode.borrow_and_update();
    match now {
        Mode::Closed => {}
        Mode::Silent => {
            tokio::select! {
                () = swallow(client) => {}
                () = closed(mode) => {}
            }
        }
        Mode::Pass => {
            let Ok(mut server) = TcpStream::connect(to).await else { return };
            tokio::select! {
                _ = copy_bidirectional(&mut client, &mut server) => return,
                _ = mode.changed() => {}
            }
            tokio::select! {
                _ = async { tokio::join!(swallow(client), swallow(server)) } => {}
                () = closed(mode) => {}
            }
        }
    }
}

async fn closed(mut mode: watch::Receiver<Mode>) {
    let _the_proxy_is_gone = mode.wait_for(|mode| *mode == Mode::Closed).await;
}

/// Reads to no purpose, and closes nothing, also when the other side does.
async fn swallow(mut socket: TcpStream) {
    let _its_end = copy(&mut socket, &mut sink()).await;
    std::future::pending::<()>().await; // with the socket
}
