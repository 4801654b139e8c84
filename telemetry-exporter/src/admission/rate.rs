//! How many requests a client sends: a bucket of them that is filled at a steady rate, and holds those of a second.

use std::collections::HashMap;
use std::time::Instant;

use parking_lot::Mutex;

use super::client::Client;
use crate::limits::CLIENTS_REMEMBERED_MAX;

/// The requests that each client may send at once.
pub struct Rates {
    per_second: f64,
    buckets: Mutex<HashMap<Client, Bucket>>,
}

struct Bucket {
    requests: f64,
    at: Instant,
}

impl Bucket {
    fn filled(&self, per_second: f64, now: Instant) -> f64 {
        let filled = now.saturating_duration_since(self.at).as_secs_f64() * per_second;
        (self.requests + filled).min(per_second)
    }
}

impl Rates {
    /// Of so many requests a second.
    pub fn new(per_second: u32) -> Self {
        Self { per_second: per_second.into(), buckets: Mutex::default() }
    }

    /// Whether this client may send one more now.
    ///
    /// Clients whose buckets are full are as if they had not come yet, and are forgotten where there are too many. Where that is not enough a
    /// further one is refused.
    pub fn admit(&self, client: &Client, now: Instant) -> bool {
        let per_second = self.per_second;
        let mut buckets = self.buckets.lock();
        if buckets.len() >= CLIENTS_REMEMBERED_MAX && !buckets.contains_key(client) {
            buckets.retain(|_, bucket| bucket.filled(per_second, now) < per_second);
            if buckets.len() >= CLIENTS_REMEMBERED_MAX {
                return false;
            }
        }
        if !buckets.contains_key(client) {
            buckets.insert(client.clone(), Bucket { requests: per_second, at: now });
        }
        let Some(bucket) = buckets.get_mut(client) else { return false };
        let requests = bucket.filled(per_second, now);
        let admitted = requests >= 1.0;
        *bucket = Bucket { requests: if admitted { requests - 1.0 } else { requests }, at: now };
        admitted
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
    use std::time::Duration;

    use super::*;

    #[test]
    fn each_client_has_the_requests_of_a_second_at_once_and_then_those_of_its_rate() {
        let (rates, begin) = (Rates::new(10), Instant::now());
        let count = |last: u8, at: Instant| {
            let client = Client::of(IpAddr::from([192, 0, 2, last]));
            (0..100).take_while(|_| rates.admit(&client, at)).count()
        };
        assert_eq!((count(1, begin), count(1, begin), count(2, begin)), (10, 0, 10));
        let later = begin + Duration::from_millis(550);
        assert_eq!((count(1, later), count(1, later)), (5, 0));
        assert_eq!(count(1, later + Duration::from_secs(60)), 10);
    }

    #[test]
    fn no_more_clients_are_remembered_than_there_may_be() {
        let (rates, begin) = (Rates::new(10), Instant::now());
        let client = |number: usize| Client::Peer(number.to_string());
        assert!((0..CLIENTS_REMEMBERED_MAX).all(|number| rates.admit(&client(number), begin)));
        assert!(!rates.admit(&client(CLIENTS_REMEMBERED_MAX), begin));
        assert!(rates.admit(&client(0), begin), "who is known goes on");
        assert!(rates.admit(&client(CLIENTS_REMEMBERED_MAX), begin + Duration::from_secs(1)), "those are forgotten");
        assert_eq!(rates.buckets.lock().len(), 1);
    }
}
