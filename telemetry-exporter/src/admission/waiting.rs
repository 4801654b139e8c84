//! Connections that have not said yet what they speak. They take no place of those that are served, and when there are too many the oldest of the
//! client that has most of them makes room: so a flood of them shuts out its own first.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::client::Client;

/// All connections that wait.
pub struct Waiting {
    max: usize,
    all: Mutex<All>,
}

#[derive(Default)]
struct All {
    next: u64,
    tickets: BTreeMap<u64, Waits>,
}

struct Waits {
    client: Client,
    /// Whether it did not take what it asked for lately.
    is_marked: bool,
    /// Dropped where it has to make room.
    _out: oneshot::Sender<()>,
}

/// One that waits, until this is dropped.
pub struct Ticket {
    waiting: Arc<Waiting>,
    id: u64,
    out: oneshot::Receiver<()>,
}

impl Waiting {
    /// So many at a time.
    pub fn new(max: usize) -> Arc<Self> {
        Arc::new(Self { max, all: Mutex::default() })
    }

    /// One more begins to wait, of a client that is marked or is not.
    pub fn enter(self: &Arc<Self>, client: Client, is_marked: bool) -> Ticket {
        let (sender, out) = oneshot::channel();
        let mut all = self.all.lock();
        let id = all.next;
        all.next += 1;
        all.tickets.insert(id, Waits { client, is_marked, _out: sender });
        while all.tickets.len() > self.max {
            let Some(oldest) = all.oldest_of_most() else { break };
            let _told = all.tickets.remove(&oldest); // by its sender, which is dropped
        }
        Ticket { waiting: Arc::clone(self), id, out }
    }
}

impl All {
    fn oldest_of_most(&self) -> Option<u64> {
        let mut clients: HashMap<&Client, (bool, usize, u64)> = HashMap::new();
        for (id, Waits { client, is_marked, .. }) in &self.tickets {
            let entry = clients.entry(client).or_insert((false, 0, *id));
            (entry.0, entry.1) = (entry.0 | is_marked, entry.1 + 1);
        }
        let first = clients.into_values().max_by_key(|(is_marked, count, oldest)| (*is_marked, *count, u64::MAX - oldest));
        first.map(|(_, _, oldest)| oldest)
    }
}

impl Ticket {
    /// Ends when it has to make room.
    pub async fn out(&mut self) {
        let _its_sender_is_dropped = (&mut self.out).await;
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.waiting.all.lock().tickets.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use futures::FutureExt;

    use super::*;

    #[test]
    fn the_oldest_of_the_client_that_has_most_makes_room() {
        let waiting = Waiting::new(4);
        let enter = |last| waiting.enter(Client::of(IpAddr::from([192, 0, 2, last])), false);
        let mut honest = enter(1);
        let mut flood: Vec<_> = (0..20).map(|_| enter(2)).collect();
        let mut out: Vec<_> = flood.iter_mut().map(|ticket| ticket.out().now_or_never().is_some()).collect();
        assert!(honest.out().now_or_never().is_none());
        assert_eq!(out.split_off(17), [false; 3]);
        assert_eq!(out, [true; 17]);
        drop(flood);
        assert_eq!(waiting.all.lock().tickets.len(), 1);
        let mut marked = waiting.enter(Client::of(IpAddr::from([192, 0, 2, 3])), true);
        let _others: Vec<_> = (4..7).map(enter).collect();
        assert!(marked.out().now_or_never().is_some() && honest.out().now_or_never().is_none(), "who is marked goes first");
    }
}
