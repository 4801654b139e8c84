//! Clients that lately did not take what they asked for: others come before them, where there is not room for all.

use std::collections::HashMap;
use std::time::Instant;

use parking_lot::Mutex;

use super::client::Client;
use crate::limits::{CLIENTS_REMEMBERED_MAX, MARKED_FOR};

/// Who is marked, and since when.
#[derive(Default)]
pub struct Marks(Mutex<HashMap<Client, Instant>>);

impl Marks {
    /// Marks a client for [`MARKED_FOR`]; where too many are marked, it is not.
    pub fn set(&self, client: &Client, now: Instant) {
        let mut marks = self.0.lock();
        if marks.len() >= CLIENTS_REMEMBERED_MAX {
            marks.retain(|_, since| now.saturating_duration_since(*since) < MARKED_FOR);
        }
        if marks.len() < CLIENTS_REMEMBERED_MAX {
            marks.insert(client.clone(), now);
        }
    }

    /// Whether a client is marked.
    pub fn has(&self, client: &Client, now: Instant) -> bool {
        self.0.lock().get(client).is_some_and(|since| now.saturating_duration_since(*since) < MARKED_FOR)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_fades_and_no_more_are_kept_than_there_may_be() {
        let (marks, now) = (Marks::default(), Instant::now());
        let client = |number: usize| Client::Peer(number.to_string());
        (0..=CLIENTS_REMEMBERED_MAX).for_each(|number| marks.set(&client(number), now));
        assert!(marks.has(&client(0), now) && !marks.has(&client(CLIENTS_REMEMBERED_MAX), now));
        let later = now + MARKED_FOR;
        assert!(!marks.has(&client(0), later));
        marks.set(&client(CLIENTS_REMEMBERED_MAX), later);
        assert!(marks.has(&client(CLIENTS_REMEMBERED_MAX), later));
        assert_eq!(marks.0.lock().len(), 1);
    }
}
