//! Messages on their way to peers: one queue and one stream a peer.
//!
//! Invariant: a peer has at most one stream from here, [`QUEUE_MESSAGES_MAX`] waiting messages, and
//! [`SEND_TIME_MAX`] for each; at most [`OUTBOXES_MAX`] peers have a queue.
//! Deliberately absent: retries. Whoever misses an answer asks again.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use libp2p::PeerId;
use libp2p_stream::Control;
use parking_lot::Mutex;
use telemetry_core::{Counter, metric};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::bitswap::PROTOCOL;
use crate::bitswap::message::{self, Message};

/// Bitswap messages sent: written to a stream and flushed.
#[metric(name = "libp2p_bitswap_messages_out", unit = "{message}")]
static MESSAGES_OUT: Counter;

const OUTBOXES_MAX: usize = 256;
const QUEUE_MESSAGES_MAX: usize = 16;
const OPEN_TIME_MAX: Duration = Duration::from_secs(10);
const SEND_TIME_MAX: Duration = Duration::from_secs(20);

/// A stream that nothing is sent on for this long is closed.
const IDLE_TIME_MAX: Duration = Duration::from_secs(30);

/// The queues. Cheap to clone.
#[derive(Clone)]
pub struct Outboxes {
    control: Control,
    queues: Arc<Mutex<HashMap<PeerId, mpsc::Sender<Message>>>>,
}

impl Outboxes {
    pub fn new(control: Control) -> Self {
        Self { control, queues: Arc::default() }
    }

    /// Queues a message; waits while the peer's queue is full. `false` if it was dropped.
    pub async fn send(&self, peer: PeerId, message: Message) -> bool {
        let Some(queue) = self.queue(peer) else {
            return false;
        };
        match timeout(SEND_TIME_MAX, queue.send(message)).await {
            Ok(Ok(())) => true,
            // The writer has just ended; a second one is started.
            Ok(Err(mpsc::error::SendError(message))) => {
                let again = self.queue(peer);
                again.is_some_and(|queue| queue.try_send(message).is_ok())
            }
            Err(_) => false,
        }
    }

    fn queue(&self, peer: PeerId) -> Option<mpsc::Sender<Message>> {
        let mut queues = self.queues.lock();
        if let Some(queue) = queues.get(&peer).filter(|queue| !queue.is_closed()) {
            return Some(queue.clone());
        }
        if queues.len() >= OUTBOXES_MAX {
            return None;
        }
        let (sender, receiver) = mpsc::channel(QUEUE_MESSAGES_MAX);
        queues.insert(peer, sender.clone());
        tokio::spawn(self.clone().write(peer, sender.clone(), receiver));
        Some(sender)
    }

    /// Writes what is queued, until nothing comes any more or the stream fails; then takes the queue out of the map.
    async fn write(mut self, peer: PeerId, sender: mpsc::Sender<Message>, mut receiver: mpsc::Receiver<Message>) {
        let opened = timeout(OPEN_TIME_MAX, self.control.open_stream(peer, PROTOCOL)).await;
        if let Ok(Ok(mut stream)) = opened {
            while let Ok(Some(message)) = timeout(IDLE_TIME_MAX, receiver.recv()).await {
                if !write_one(&mut stream, &message).await {
                    break;
                }
            }
            self.forget(peer, &sender);
            // What was queued in the last moment still goes out.
            receiver.close();
            while let Some(message) = receiver.recv().await {
                if !write_one(&mut stream, &message).await {
                    break;
                }
            }
            let _ = timeout(SEND_TIME_MAX, futures::AsyncWriteExt::close(&mut stream)).await;
        } else {
            self.forget(peer, &sender);
        }
    }

    fn forget(&self, peer: PeerId, sender: &mpsc::Sender<Message>) {
        let mut queues = self.queues.lock();
        if queues.get(&peer).is_some_and(|queue| queue.same_channel(sender)) {
            queues.remove(&peer);
        }
    }
}

async fn write_one(stream: &mut libp2p::Stream, message: &Message) -> bool {
    let written = timeout(SEND_TIME_MAX, message::write(stream, message)).await;
    let sent = matches!(written, Ok(Ok(())));
    if sent {
        MESSAGES_OUT.inc();
    }
    sent
}
