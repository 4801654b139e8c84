//! The connections that are served: which client has how many, what each holds, and which makes room for another.
//!
//! Invariant: there are never more than the limits say, and a place that is dropped is free at once. One that is told to end is ended by who serves
//! it, which drops it.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::limits::Limits;
use crate::access::Identity;
use crate::limits::SLOW_AFTER;
use crate::own::{Ending, Refusal, ended, refused};

/// Whom a limit counts as one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Client {
    /// An address, of version 6 without the half that its holder may choose.
    Address(IpAddr),
    /// A libp2p peer.
    Peer(String),
    /// Who comes over a Unix socket.
    Local,
}

impl Client {
    /// That of this address.
    pub fn of(address: IpAddr) -> Self {
        Self::Address(match address.to_canonical() {
            IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64)),
            v4 => v4,
        })
    }
}

/// All connections that are served.
pub struct Places {
    limits: Limits,
    began: Instant,
    /// Bytes that wait to be read, of all.
    pub(super) held: AtomicUsize,
    /// Told when bytes were read, or a connection has ended.
    pub(super) room: Notify,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    next: u64,
    places: BTreeMap<u64, Weak<Place>>,
    clients: HashMap<Client, usize>,
}

/// The place of one connection.
pub struct Place {
    id: u64,
    pub(super) places: Arc<Places>,
    /// Whose it is.
    pub client: Client,
    /// Who that is.
    pub identity: Identity,
    /// Requests that are under way.
    open: AtomicUsize,
    /// Milliseconds after the beginning: when the last request ended.
    idle_since: AtomicU64,
    /// Pieces of answers that wait to be read, the oldest first, each with when it was made, in milliseconds after the beginning.
    waiting: Mutex<BTreeMap<u64, u64>>,
    /// When a piece was read, or when pieces began to wait.
    progress: AtomicU64,
    is_ended: AtomicBool,
    end: Notify,
}

impl Places {
    pub fn new(limits: Limits) -> Arc<Self> {
        let (held, room, taken) = (AtomicUsize::new(0), Notify::new(), Mutex::default());
        Arc::new(Self { limits, began: Instant::now(), held, room, taken })
    }

    /// The settings.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// A place for a connection of this client; none where all are taken by others that ask something.
    pub fn enter(self: &Arc<Self>, client: Client, identity: Identity) -> Option<Arc<Place>> {
        let mut taken = self.taken.lock();
        let own = taken.clients.get(&client).copied().unwrap_or(0);
        let is_own_full = own >= self.limits.connections_per_client;
        if is_own_full || taken.places.len() >= self.limits.connections {
            let places: Vec<_> = taken.places.values().filter_map(Weak::upgrade).collect();
            let idle = places.iter().filter(|place| place.is_idle() && (!is_own_full || place.client == client));
            let Some(oldest) = idle.min_by_key(|place| place.idle_since.load(Ordering::Relaxed)).cloned() else {
                drop(taken); // the last of `places` may be dropped here, and wants the lock
                refused(Refusal::Connections);
                return None;
            };
            oldest.leave(&mut taken);
            oldest.end(Ending::Idle);
            let place = self.take(&mut taken, client, identity);
            drop(taken);
            return Some(place);
        }
        Some(self.take(&mut taken, client, identity))
    }

    fn take(self: &Arc<Self>, taken: &mut Taken, client: Client, identity: Identity) -> Arc<Place> {
        let id = taken.next;
        taken.next += 1;
        *taken.clients.entry(client.clone()).or_default() += 1;
        let now_ms = self.now_ms();
        let place = Arc::new(Place {
            id,
            places: Arc::clone(self),
            client,
            identity,
            open: AtomicUsize::new(0),
            idle_since: AtomicU64::new(now_ms),
            waiting: Mutex::default(),
            progress: AtomicU64::new(now_ms),
            is_ended: AtomicBool::new(false),
            end: Notify::new(),
        });
        taken.places.insert(id, Arc::downgrade(&place));
        place
    }

    pub(super) fn now_ms(&self) -> u64 {
        self.began.elapsed().as_millis() as u64
    }

    fn all(&self) -> Vec<Arc<Place>> {
        self.taken.lock().places.values().filter_map(Weak::upgrade).collect()
    }

    /// Ends what asks nothing, or reads nothing, for too long; to be called now and then.
    pub fn sweep(&self) {
        let now_ms = self.now_ms();
        let for_ms = |since: &AtomicU64| Duration::from_millis(now_ms.saturating_sub(since.load(Ordering::Relaxed)));
        for place in self.all() {
            if place.is_idle() && for_ms(&place.idle_since) > self.limits.idle_deadline {
                place.end(Ending::Idle);
            } else if place.oldest().is_some() && for_ms(&place.progress) > self.limits.progress_deadline {
                place.end(Ending::Stalled);
            }
        }
        self.press();
    }

    /// Whether an answer may be made: where too many bytes wait, the connection that reads the slowest is ended, if it is slow.
    pub(super) fn press(&self) -> bool {
        if self.held.load(Ordering::Relaxed) < self.limits.held_bytes {
            return true;
        }
        let now_ms = self.now_ms();
        let all = self.all();
        let oldest = all.iter().filter_map(|place| place.oldest().map(|since| (since, place))).min_by_key(|(since, _)| *since);
        if let Some((since, place)) = oldest
            && now_ms.saturating_sub(since) >= SLOW_AFTER.as_millis() as u64
        {
            place.end(Ending::Slow);
        }
        false
    }
}

impl Place {
    /// A request begins; it ends when what is given is dropped.
    pub fn open(self: &Arc<Self>) -> Open {
        self.open.fetch_add(1, Ordering::Relaxed);
        Open(Arc::clone(self))
    }

    fn is_idle(&self) -> bool {
        self.open.load(Ordering::Relaxed) == 0 && !self.is_ended.load(Ordering::Relaxed)
    }

    /// When the oldest piece was made that waits to be read.
    fn oldest(&self) -> Option<u64> {
        if self.is_ended.load(Ordering::Relaxed) {
            return None;
        }
        self.waiting.lock().first_key_value().map(|(_, since)| *since)
    }

    /// A piece begins to wait.
    pub(super) fn piece(&self, id: u64) {
        let now_ms = self.places.now_ms();
        let mut waiting = self.waiting.lock();
        if waiting.is_empty() {
            self.progress.store(now_ms, Ordering::Relaxed);
        }
        waiting.insert(id, now_ms);
    }

    /// That piece was read.
    pub(super) fn piece_read(&self, id: u64) {
        self.waiting.lock().remove(&id);
        self.progress.store(self.places.now_ms(), Ordering::Relaxed);
    }

    /// Tells who serves it to end it.
    fn end(&self, cause: Ending) {
        if !self.is_ended.swap(true, Ordering::Relaxed) {
            ended(cause);
            self.end.notify_one();
        }
    }

    /// Ends when the connection is to end.
    pub async fn ended(&self) {
        self.end.notified().await; // which also tells what was told before
    }

    fn leave(&self, taken: &mut Taken) {
        if taken.places.remove(&self.id).is_none() {
            return;
        }
        if let Some(count) = taken.clients.get_mut(&self.client) {
            *count -= 1;
            if *count == 0 {
                taken.clients.remove(&self.client);
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let places = Arc::clone(&self.places);
        self.leave(&mut places.taken.lock());
        places.room.notify_waiters();
    }
}

/// A request that is under way.
pub struct Open(Arc<Place>);

impl Open {
    /// The place of its connection.
    pub fn place(&self) -> &Arc<Place> {
        &self.0
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.idle_since.store(self.0.places.now_ms(), Ordering::Relaxed);
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(connections: usize, connections_per_client: usize) -> Arc<Places> {
        Places::new(Limits { connections, connections_per_client, ..Limits::default() })
    }

    fn client(last: u8) -> Client {
        Client::of(IpAddr::from([192, 0, 2, last]))
    }

    fn is_told(place: &Place) -> bool {
        place.is_ended.load(Ordering::Relaxed)
    }

    #[test]
    fn one_client_has_so_many_places_and_all_together_have_so_many() {
        let places = places(3, 2);
        let enter = |last| places.enter(client(last), Identity::Anonymous);
        let first = enter(1).expect("room");
        let second = enter(1).expect("room");
        let (_asks, _too) = (first.open(), second.open());
        assert!(enter(1).is_none(), "a client has two");
        let third = enter(2).expect("room");
        let _asks = third.open();
        assert!(enter(3).is_none(), "all have three");
        drop((_asks, third));
        assert!(enter(3).is_some(), "a place that is left is free");
    }

    #[test]
    fn who_asks_nothing_makes_room_and_who_asks_does_not() {
        let places = places(2, 2);
        let enter = |last| places.enter(client(last), Identity::Anonymous);
        let asking = enter(1).expect("room");
        let open = asking.open();
        let idle = enter(2).expect("room");
        let new = enter(3).expect("that which asks nothing makes room");
        assert!((is_told(&idle), is_told(&asking), is_told(&new)) == (true, false, false));
        let _new_asks = new.open();
        assert!(enter(4).is_none());
        drop(idle); // it has left already
        assert!(enter(4).is_none(), "and frees nothing twice");
        drop(open);
        assert!(enter(4).is_some() && is_told(&asking));
    }

    #[test]
    fn half_of_an_address_of_version_6_is_its_holders() {
        let of = |text: &str| Client::of(text.parse().expect("an address"));
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("::ffff:192.0.2.1"), client(1));
        assert_ne!(of("192.0.2.2"), client(1));
    }

    #[test]
    fn the_slowest_is_ended_when_too_much_waits_and_not_before() {
        let limits = Limits { held_bytes: 100, ..Limits::default() };
        let places = Places::new(limits);
        let enter = |last| places.enter(client(last), Identity::Anonymous).expect("room");
        let (slow, fast) = (enter(1), enter(2));
        slow.waiting.lock().insert(0, 0);
        fast.waiting.lock().insert(1, u64::MAX);
        assert!(places.press() && !is_told(&slow));
        places.held.store(100, Ordering::Relaxed);
        while places.now_ms() < SLOW_AFTER.as_millis() as u64 {
            std::thread::sleep(Duration::from_millis(10));
        }
        assert!(!places.press());
        assert!(is_told(&slow) && !is_told(&fast));
    }
}
