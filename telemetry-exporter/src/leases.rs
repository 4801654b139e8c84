//! What clients want for a time: an event that is emitted on demand, or snapshots or metrics more often.
//!
//! Invariant: what a lease wants is wanted while it lives, and no longer; there are never more than the limits say.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use telemetry_core::SwitchedOn;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use crate::admission::{Client, Full, Quota, Share};
use crate::own::LEASES;

/// All leases.
pub struct Leases {
    quota: Arc<Quota>,
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
    /// In lower case.
    name: String,
    every: Duration,
}

/// One lease, until it is dropped.
pub struct Lease {
    leases: Arc<Leases>,
    id: u64,
    _share: Share,
    _on: Option<SwitchedOn>,
}

impl Leases {
    /// For so many at a time, and so many of one client.
    pub fn new(max: usize, max_per_client: usize) -> Arc<Self> {
        Arc::new(Self { quota: Quota::new(max, max_per_client), all: Mutex::default(), changed: Notify::new() })
    }

    /// A lease of what has this name, so often; or of an event that is switched on.
    ///
    /// # Errors
    /// What is full.
    pub fn take(self: &Arc<Self>, client: Client, name: &str, every: Duration, on: Option<SwitchedOn>) -> Result<Lease, String> {
        let share = self.quota.take(client).map_err(|full| match full {
            Full::All(leases) => format!("{leases} leases are held"),
            Full::Client(leases) => format!("this client holds {leases} leases"),
        })?;
        let mut all = self.all.lock();
        let id = all.next;
        all.next += 1;
        all.held.insert(id, Held { name: name.to_ascii_lowercase(), every });
        drop(all);
        LEASES.inc();
        self.changed.notify_waiters();
        Ok(Lease { leases: Arc::clone(self), id, _share: share, _on: on })
    }

    /// How often what has this name is wanted; none where nobody wants it.
    pub fn every(&self, name: &str) -> Option<Duration> {
        let all = self.all.lock();
        all.held.values().filter(|held| held.name.eq_ignore_ascii_case(name)).map(|held| held.every).min()
    }

    /// Runs this as often as the leases of this name want, where that is more often than it is done anyway; until the task is ended.
    pub async fn drive(self: Arc<Self>, name: &str, anyway: Duration, run: impl Fn() + Clone + Send + 'static) {
        let mut last: Option<Instant> = None;
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable(); // before the look, so that no change falls in between
            let Some(every) = self.every(name).filter(|every| *every < anyway) else {
                changed.await;
                continue;
            };
            let due = last.map_or_else(Instant::now, |last| last + every);
            tokio::select! {
                () = sleep_until(due) => {
                    last = Some(Instant::now());
                    let _ended_with_the_runtime = tokio::task::spawn_blocking(run.clone()).await;
                }
                () = changed => {} // what is due may be so earlier, or later
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

    #[tokio::test(start_paused = true)]
    async fn what_is_leased_runs_as_often_as_it_is_wanted_and_only_then() {
        let (leases, runs) = (Leases::new(9, 9), Arc::new(AtomicU32::new(0)));
        let counted = Arc::clone(&runs);
        let count = move || _ = counted.fetch_add(1, Ordering::Relaxed);
        let driving = tokio::spawn(Arc::clone(&leases).drive("metrics", Duration::from_secs(60), count));
        let take = |name: &str, s| leases.take(client("a"), name, Duration::from_secs(s), None).expect("room");
        let within = async |s: u64| {
            let before = runs.load(Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(s * 1_000 + 500)).await;
            runs.load(Ordering::Relaxed) - before
        };
        let _no_more_often = take("metrics", 90);
        assert_eq!(within(300).await, 0);
        let slow = take("metrics", 10);
        assert_eq!(within(40).await, 5, "at once, and each ten seconds");
        for _ in 0..100 {
            drop(take("other", 1));
            tokio::time::sleep(Duration::from_millis(93)).await;
        }
        assert_eq!(runs.load(Ordering::Relaxed), 5, "others that come and go change nothing");
        let fast = take("metrics", 1);
        assert!((9..=11).contains(&within(10).await));
        drop((slow, fast));
        assert_eq!(within(300).await, 0);
        driving.abort();
    }
}
