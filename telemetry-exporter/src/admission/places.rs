//! The connections that are served: which client has how many, what each holds, and which makes room for another.
//!
//! Invariant: there are never more than the limits say, and a place that is dropped is free at once. One that is told to end is ended by who serves
//! it, which drops it.
//!
//! Who asks and reads what it asked for does not make room for one more of a crowd. What waits for the other end tells who does not: an answer to be
//! read, or a request that is not whole.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::client::Client;
use super::limits::Limits;
use super::marks::Marks;
use crate::access::Identity;
use crate::limits::{CROWD, PLACE_WITHIN, SLOW_AFTER, UNREAD_AFTER};
use crate::own::{Ending, Refusal, ended, refused};

/// All connections that are served.
pub struct Places {
    limits: Limits,
    began: Instant,
    /// Bytes that wait to be read, of all.
    pub(super) held: AtomicUsize,
    /// Told when bytes were read, or a connection has ended.
    pub(super) room: Notify,
    taken: Mutex<Taken>,
    /// Clients of which a connection was ended lately that did not take what it asked for.
    marks: Marks,
}

#[derive(Default)]
struct Taken {
    next: u64,
    places: BTreeMap<u64, Weak<Place>>,
    /// Those that made room and are not gone yet.
    leaving: Vec<Weak<Place>>,
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
    /// Whether it was given an answer.
    is_answered: AtomicBool,
    /// Milliseconds after the beginning: when the last request ended.
    idle_since: AtomicU64,
    /// Bytes of it that wait for the other end.
    held: AtomicUsize,
    /// What waits for the other end, the oldest first: pieces of answers that are not read, and requests that are not whole. Each with since when, in
    /// milliseconds after the beginning.
    waiting: Mutex<BTreeMap<u64, u64>>,
    /// When something ended to wait, or when the first began.
    progress: AtomicU64,
    is_ended: AtomicBool,
    end: Notify,
}

impl Places {
    pub fn new(limits: Limits) -> Arc<Self> {
        let (held, room, taken) = (AtomicUsize::new(0), Notify::new(), Mutex::default());
        Arc::new(Self { limits, began: Instant::now(), held, room, taken, marks: Marks::default() })
    }

    /// The settings.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// A place for a connection of this client, as soon as there is one; none where there is none in time, which is counted.
    pub async fn enter_soon(self: &Arc<Self>, client: Client, identity: Identity) -> Option<Arc<Place>> {
        let until = tokio::time::Instant::now() + PLACE_WITHIN;
        loop {
            let mut room = std::pin::pin!(self.room.notified());
            room.as_mut().enable(); // before the look, so that nothing falls in between
            if let Some(place) = self.enter(client.clone(), identity.clone()) {
                return Some(place);
            }
            if tokio::time::Instant::now() >= until {
                refused(Refusal::Connections);
                return None;
            }
            // Others may be slow by then.
            let _sooner = tokio::time::timeout(UNREAD_AFTER / 4, room).await;
        }
    }

    /// A place for a connection of this client; none where all are taken by others that ask something.
    pub fn enter(self: &Arc<Self>, client: Client, identity: Identity) -> Option<Arc<Place>> {
        let mut taken = self.taken.lock();
        let own = taken.clients.get(&client).copied().unwrap_or(0);
        let is_own_full = own >= self.limits.connections_per_client;
        if is_own_full || taken.places.len() >= self.limits.connections {
            let places: Vec<_> = taken.places.values().filter_map(Weak::upgrade).collect();
            let makes_room = match is_own_full {
                true => self.longest_idle(places.iter().filter(|place| place.client == client)),
                // Who lately did not take what it asked for makes room for who did, and has none made for it.
                false if self.is_marked(&client) => None,
                false => {
                    let marked = places.iter().filter(|place| self.is_marked(&place.client)).min_by_key(|place| place.id);
                    marked.or_else(|| self.longest_quiet(&places)).or_else(|| crowded(&taken, &places, own))
                }
            };
            let Some(place) = makes_room.cloned() else {
                drop(taken); // the last of `places` may be dropped here, and wants the lock
                return None;
            };
            place.leave(&mut taken);
            let is_unread = place.oldest().is_some_and(|since| self.is_past(since, UNREAD_AFTER));
            place.end(Ending::Idle, is_unread);
            taken.leaving.retain(|place| place.strong_count() > 0);
            taken.leaving.push(Arc::downgrade(&place));
            let place = self.take(&mut taken, client, identity);
            drop(taken);
            return Some(place);
        }
        Some(self.take(&mut taken, client, identity))
    }

    /// Whether a connection of this client was ended lately that did not take what it asked for.
    pub fn is_marked(&self, client: &Client) -> bool {
        self.marks.has(client, Instant::now())
    }

    /// Of the places of one client the one that asks nothing, or does not take what it asked for and is slow, and has done so the longest.
    fn longest_idle<'a>(&self, places: impl Iterator<Item = &'a Arc<Place>>) -> Option<&'a Arc<Place>> {
        let quiet = places.filter_map(|place| place.quiet_since().map(|since| (since, place)));
        let idle = quiet.filter(|(since, place)| place.is_idle() || self.is_slow(*since));
        idle.min_by_key(|(since, _)| *since).map(|(_, place)| place)
    }

    /// Of those that ask nothing, do not take what they asked for or wait for their first answer, the one that has done so the longest, of the client that
    /// has most of them. Who took an answer just now is none.
    fn longest_quiet<'a>(&self, places: &'a [Arc<Place>]) -> Option<&'a Arc<Place>> {
        let quiet = places.iter().filter_map(|place| place.quiet_since().map(|since| (since, place)));
        let quiet: Vec<_> = quiet.filter(|(since, place)| self.is_least_loss(place, *since)).collect();
        let mut clients: HashMap<&Client, usize> = HashMap::new();
        quiet.iter().for_each(|(_, place)| *clients.entry(&place.client).or_default() += 1);
        let of = |place: &Place| clients.get(&place.client).copied();
        quiet.iter().min_by_key(|(since, place)| (Reverse(of(place)), *since)).map(|(_, place)| *place)
    }

    /// Whether one that is quiet since then may be ended: it never took an answer, or has not for a while.
    fn is_least_loss(&self, place: &Place, since_ms: u64) -> bool {
        let after = if place.oldest().is_some() { UNREAD_AFTER } else { SLOW_AFTER };
        !place.is_answered.load(Ordering::Relaxed) || self.is_past(since_ms, after)
    }

    /// Whether that was a while ago, in milliseconds after the beginning.
    fn is_slow(&self, since_ms: u64) -> bool {
        self.is_past(since_ms, SLOW_AFTER)
    }

    fn is_past(&self, since_ms: u64, after: Duration) -> bool {
        self.now_ms().saturating_sub(since_ms) >= after.as_millis() as u64
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
            is_answered: AtomicBool::new(false),
            idle_since: AtomicU64::new(now_ms),
            held: AtomicUsize::new(0),
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

    /// All that are there, also those that are to go.
    fn all(&self) -> Vec<Arc<Place>> {
        let taken = self.taken.lock();
        taken.places.values().chain(&taken.leaving).filter_map(Weak::upgrade).collect()
    }

    /// Ends what asks nothing, or reads nothing, for too long; to be called now and then.
    pub fn sweep(&self) {
        let now_ms = self.now_ms();
        let for_ms = |since: &AtomicU64| Duration::from_millis(now_ms.saturating_sub(since.load(Ordering::Relaxed)));
        for place in self.all() {
            if place.is_idle() && for_ms(&place.idle_since) > self.limits.idle_deadline {
                place.end(Ending::Idle, false);
            } else if place.oldest().is_some() && for_ms(&place.progress) > self.limits.progress_deadline {
                place.end(Ending::Stalled, true);
            }
        }
        self.press();
    }

    /// Whether an answer may be made. Where too many bytes wait, connections that are slow are ended, whose bytes have waited the longest first; where there
    /// are a quarter as many again, also those that have more than their share, the largest first. Of the slow, who has less than a quarter of it is left alone.
    pub(super) fn press(&self) -> bool {
        let (held, most) = (self.held.load(Ordering::Relaxed), self.limits.held_bytes);
        if held < most {
            return true;
        }
        let all = self.all();
        let ending = all.iter().filter(|place| place.is_ended.load(Ordering::Relaxed));
        let mut left = held.saturating_sub(ending.map(|place| place.held.load(Ordering::Relaxed)).sum());
        let held = |place: &Place| place.held.load(Ordering::Relaxed);
        let waiting = all.iter().filter_map(|place| place.oldest().map(|since| (since, place)));
        let (mut slow, mut others): (Vec<_>, Vec<_>) = waiting.partition(|(since, _)| self.is_slow(*since));
        let share = most / self.limits.connections;
        slow.retain(|(_, place)| held(place) > share / 4);
        slow.sort_by_key(|(since, _)| *since);
        others.retain(|(_, place)| held(place) > share);
        others.sort_by_key(|(_, place)| Reverse(held(place)));
        let beyond = most.saturating_add(most / 4);
        for ((_, place), to) in slow.into_iter().map(|slow| (slow, most)).chain(others.into_iter().map(|other| (other, beyond))) {
            if left >= to {
                left = left.saturating_sub(held(place));
                place.end(Ending::Slow, true);
            }
        }
        false
    }

    /// So many bytes more wait for the other end of this place.
    pub(super) fn hold(&self, place: &Place, bytes: usize) {
        place.held.fetch_add(bytes, Ordering::Relaxed);
        let before = self.held.fetch_add(bytes, Ordering::Relaxed);
        if before.saturating_add(bytes) >= self.limits.held_bytes.saturating_add(self.limits.held_bytes / 4) {
            self.press();
        }
    }

    /// So many wait no longer.
    pub(super) fn release(&self, place: &Place, bytes: usize) {
        place.held.fetch_sub(bytes, Ordering::Relaxed);
        if self.held.fetch_sub(bytes, Ordering::Relaxed) >= self.limits.held_bytes {
            self.room.notify_waiters();
        }
    }
}

impl Taken {
    fn of(&self, client: &Client) -> usize {
        self.clients.get(client).copied().unwrap_or(0)
    }
}

/// The newest place of the client that has most of them, where that has a crowd beside one who has `own`.
fn crowded<'a>(taken: &Taken, places: &'a [Arc<Place>], own: usize) -> Option<&'a Arc<Place>> {
    let newest = places.iter().max_by_key(|place| (taken.of(&place.client), place.id))?;
    (taken.of(&newest.client) >= CROWD * (own + 1)).then_some(newest)
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

    /// Whether it holds what was made of answers, none of which waits for the other end: more of them must be taken, so that it holds less.
    pub(super) fn is_read(&self) -> bool {
        self.held.load(Ordering::Relaxed) > 0 && self.waiting.lock().is_empty()
    }

    /// When what has waited the longest for the other end began to.
    fn oldest(&self) -> Option<u64> {
        if self.is_ended.load(Ordering::Relaxed) {
            return None;
        }
        self.waiting.lock().first_key_value().map(|(_, since)| *since)
    }

    /// Since when it asks nothing, does not take what it asked for, or waits for its first answer; none where it does none of these.
    fn quiet_since(&self) -> Option<u64> {
        if self.oldest().is_some() {
            return Some(self.progress.load(Ordering::Relaxed));
        }
        let is_quiet = self.is_idle() || !self.is_answered.load(Ordering::Relaxed);
        is_quiet.then(|| self.idle_since.load(Ordering::Relaxed))
    }

    /// It is given an answer.
    pub(super) fn answered(&self) {
        self.is_answered.store(true, Ordering::Relaxed);
    }

    /// Something begins to wait for the other end, until what is given is dropped.
    pub fn wait(self: &Arc<Self>) -> Wait {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        let now_ms = self.places.now_ms();
        let mut waiting = self.waiting.lock();
        if waiting.is_empty() {
            self.progress.store(now_ms, Ordering::Relaxed);
        }
        waiting.insert(id, now_ms);
        drop(waiting);
        Wait { id, place: Arc::clone(self) }
    }

    /// Tells who serves it to end it; the client is marked where it did not take what it asked for.
    fn end(&self, cause: Ending, is_marked: bool) {
        if !self.is_ended.swap(true, Ordering::Relaxed) {
            if is_marked {
                self.places.marks.set(&self.client, Instant::now());
            }
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

/// Something that waits for the other end.
pub struct Wait {
    id: u64,
    place: Arc<Place>,
}

impl Drop for Wait {
    fn drop(&mut self) {
        let mut waiting = self.place.waiting.lock();
        waiting.remove(&self.id);
        let is_read = waiting.is_empty();
        drop(waiting);
        let places = &self.place.places;
        self.place.progress.store(places.now_ms(), Ordering::Relaxed);
        if is_read && places.held.load(Ordering::Relaxed) >= places.limits.held_bytes {
            places.room.notify_waiters();
        }
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
#[path = "places_tests.rs"]
mod tests;
