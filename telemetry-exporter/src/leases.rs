//! What clients want for a time: an event that is emitted on demand, or snapshots or metrics more often.
//!
//! Invariant: what a lease wants is wanted while it lives, and no longer; there are never more than the limits say.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use telemetry_core::SwitchedOn;
use tokio::sync::Notify;

use crate::admission::Client;
use crate::own::LEASES;

/// All leases.
pub struct Leases {
    max: usize,
    max_per_client: usize,
    all: Mutex<All>,
    /// Told when one begins or ends.
    changed: Notify,
}

#[derive(Default)]
struct All {
    next: u64,
    held: BTreeMap<u64, Held>,
}

struct Held {
    client: Client,
    /// In lower case.
    name: String,
    every: Duration,
}

/// One lease, until it is dropped.
pub struct Lease {
    leases: Arc<Leases>,
    id: u64,
    _on: Option<SwitchedOn>,
}

impl Leases {
    /// For so many at a time, and so many of one client.
    pub fn new(max: usize, max_per_client: usize) -> Arc<Self> {
        Arc::new(Self { max, max_per_client, all: Mutex::default(), changed: Notify::new() })
    }

    /// A lease of what has this name, so often; or of an event that is switched on.
    ///
    /// # Errors
    /// What is full.
    pub fn take(self: &Arc<Self>, client: Client, name: &str, every: Duration, on: Option<SwitchedOn>) -> Result<Lease, String> {
        let mut all = self.all.lock();
        if all.held.len() >= self.max {
            return Err(format!("{} leases are held", self.max));
        }
        if all.held.values().filter(|held| held.client == client).count() >= self.max_per_client {
            return Err(format!("this client holds {} leases", self.max_per_client));
        }
        let id = all.next;
        all.next += 1;
        all.held.insert(id, Held { client, name: name.to_ascii_lowercase(), every });
        drop(all);
        LEASES.inc();
        self.changed.notify_waiters();
        Ok(Lease { leases: Arc::clone(self), id, _on: on })
    }

    /// How often what has this name is wanted; none where nobody wants it.
    pub fn every(&self, name: &str) -> Option<Duration> {
        let all = self.all.lock();
        all.held.values().filter(|held| held.name.eq_ignore_ascii_case(name)).map(|held| held.every).min()
    }

    /// Runs this as often as the leases of this name want, where that is more often than it is done anyway; until the task is ended.
    pub async fn drive(self: Arc<Self>, name: &str, anyway: Duration, run: impl Fn() + Clone + Send + 'static) {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable(); // before the look, so that no change falls in between
            let Some(every) = self.every(name).filter(|every| *every < anyway) else {
                changed.await;
                continue;
            };
            let began = tokio::time::Instant::now();
            let _ended_with_the_runtime = tokio::task::spawn_blocking(run.clone()).await;
            tokio::select! {
                () = tokio::time::sleep_until(began + every) => {}
                () = changed => tokio::time::sleep_until(began + crate::limits::LEASE_EVERY_MIN).await,
            }
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.leases.all.lock().held.remove(&self.id);
        LEASES.dec();
        self.leases.changed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    fn client(name: &str) -> Client {
        Client::Peer(name.to_owned())
    }

    #[test]
    fn the_shortest_of_the_leases_of_a_name_holds_until_it_ends_and_there_are_no_more_than_there_may_be() {
        let leases = Leases::new(3, 2);
        let take = |of: &str, name: &str, s| leases.take(client(of), name, Duration::from_secs(s), None);
        let (slow, fast) = (take("a", "Peers", 9).expect("room"), take("a", "peers", 3).expect("room"));
        assert_eq!((leases.every("PEERS"), leases.every("other")), (Some(Duration::from_secs(3)), None));
        assert!(take("a", "other", 1).err().expect("it has two").contains("this client holds 2"));
        let _third = take("b", "other", 1).expect("room");
        assert!(take("c", "other", 1).err().expect("there are three").contains("3 leases"));
        drop(fast);
        assert_eq!(leases.every("peers"), Some(Duration::from_secs(9)));
        drop(slow);
        assert_eq!(leases.every("peers"), None);
    }

    #[tokio::test]
    async fn what_is_leased_runs_as_often_as_it_is_wanted_and_only_then() {
        static RUNS: AtomicU32 = AtomicU32::new(0);
        let leases = Leases::new(2, 2);
        let driving = Arc::clone(&leases).drive("metrics", Duration::from_secs(60), || _ = RUNS.fetch_add(1, Ordering::Relaxed));
        let driving = tokio::spawn(driving);
        let no_more_often = leases.take(client("a"), "metrics", Duration::from_secs(90), None).expect("room");
        tokio::task::yield_now().await;
        assert_eq!(RUNS.load(Ordering::Relaxed), 0);
        let lease = leases.take(client("a"), "metrics", Duration::from_millis(1), None).expect("room");
        while RUNS.load(Ordering::Relaxed) < 3 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        drop((lease, no_more_often));
        driving.abort();
    }
}
