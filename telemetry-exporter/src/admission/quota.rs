//! So many of something at a time, of all clients together and of one.
//!
//! Invariant: no more are taken than there may be, and what is dropped is free at once.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use super::client::Client;

/// How many there may be, and who has how many.
pub struct Quota {
    max: usize,
    max_per_client: usize,
    taken: Mutex<Clients>,
}

#[derive(Default)]
struct Clients {
    all: usize,
    each: HashMap<Client, usize>,
}

/// What is full, and how much that is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// All have so many.
    All(usize),
    /// The client has.
    Client(usize),
}

/// One of them, until it is dropped.
pub struct Share {
    quota: Arc<Quota>,
    client: Client,
}

impl Quota {
    /// For so many at a time, and so many of one client.
    pub fn new(max: usize, max_per_client: usize) -> Arc<Self> {
        Arc::new(Self { max, max_per_client, taken: Mutex::default() })
    }

    /// One for this client.
    ///
    /// # Errors
    /// What is full.
    pub fn take(self: &Arc<Self>, client: Client) -> Result<Share, Full> {
        let mut taken = self.taken.lock();
        if taken.all >= self.max {
            return Err(Full::All(self.max));
        }
        if taken.each.get(&client).is_some_and(|own| *own >= self.max_per_client) {
            return Err(Full::Client(self.max_per_client));
        }
        taken.all += 1;
        *taken.each.entry(client.clone()).or_default() += 1;
        drop(taken);
        Ok(Share { quota: Arc::clone(self), client })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut taken = self.quota.taken.lock();
        taken.all -= 1;
        if let Some(own) = taken.each.get_mut(&self.client) {
            *own -= 1;
            if *own == 0 {
                taken.each.remove(&self.client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_no_more_than_there_may_be_of_all_and_of_one_and_what_is_dropped_is_free() {
        let quota = Quota::new(3, 2);
        let take = |last: u8| quota.take(Client::of([192, 0, 2, last].into()));
        let (first, second) = (take(1).expect("room"), take(1).expect("room"));
        assert_eq!(take(1).err(), Some(Full::Client(2)));
        let third = take(2).expect("room");
        assert_eq!(take(3).err(), Some(Full::All(3)));
        drop(first);
        let again = take(1).expect("its own is free");
        drop((second, third, again));
        assert!(quota.taken.lock().each.is_empty() && quota.taken.lock().all == 0);
    }
}
