//! Connections that do not come through TLS: they stop in the middle, say it a byte a second, say something else, or come through again and again.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::beginnings::{FOR, SILENT, SLOW, dribble};
use crate::ground::Ground;
use crate::raw::{From, attacker, closes};
use crate::target::{Certificate, Target, first_words};

/// Connections at a time that come through TLS and leave.
const THROUGH: usize = 64;

#[test]
fn handshakes_that_stop_in_the_middle_shut_nobody_out() {
    let certificate = Certificate::new();
    let words = first_words(certificate.trusts());
    let ground = Ground::tls("2,000 halves of a TLS handshake", &certificate);
    let outcome = ground.under(async |to: SocketAddr| {
        let mut all = JoinSet::new();
        for number in 0..SILENT {
            // The half that asks, and half of that.
            let words = words[..words.len() / (1 + number % 2)].to_vec();
            all.spawn(async move {
                let Ok(mut stream) = From::address(attacker(number % 500)).connect(to).await else { return };
                if stream.write_all(&words).await.is_ok() {
                    closes(&mut stream, FOR).await;
                }
            });
        }
        all.join_all().await;
    });
    outcome.judge().bit("ended handshake", SILENT as u64);
}

#[test]
fn handshakes_that_come_a_byte_a_second_shut_nobody_out() {
    let certificate = Certificate::new();
    let words = first_words(certificate.trusts());
    let ground = Ground::tls("400 TLS handshakes, a byte a second", &certificate);
    let outcome = ground.under(async |to: SocketAddr| {
        dribble(to, 100, move || (words[..1].to_vec(), words[1..].to_vec())).await;
    });
    outcome.judge().bit("ended handshake", SLOW as u64);
}

#[test]
fn what_is_no_tls_is_closed_and_shuts_nobody_out() {
    let certificate = Certificate::new();
    let ground = Ground::tls("garbage in place of TLS", &certificate);
    let outcome = ground.under(async |to: SocketAddr| {
        let (mut all, end) = (JoinSet::new(), Instant::now() + FOR / 3);
        for number in 0..SLOW {
            all.spawn(async move {
                let mut seed = number as u64 + 1;
                while Instant::now() < end {
                    let Ok(mut stream) = From::address(attacker(number % 100)).connect(to).await else { continue };
                    // A record of a handshake with any content, or any bytes at all.
                    let mut words = vec![22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3];
                    words.truncate(11 * (number % 2));
                    while words.len() < 4_000 {
                        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                        words.extend_from_slice(&seed.to_be_bytes()[..3]);
                    }
                    let _closed_meanwhile = stream.write_all(&words).await;
                    assert!(closes(&mut stream, crate::honest::DEADLINE).await, "it is heard out for ever");
                    sleep(Duration::from_millis(100)).await;
                }
            });
        }
        all.join_all().await;
    });
    outcome.judge().bit("ended tls", SLOW as u64);
}

#[test]
fn handshakes_over_and_over_harm_nobody() {
    let certificate = Certificate::new();
    let ground = Ground::tls("TLS handshakes over and over", &certificate);
    let through = Arc::new(AtomicUsize::new(0));
    let counts = Arc::clone(&through);
    let outcome = ground.under(async |to: SocketAddr| {
        let (mut all, end) = (JoinSet::new(), Instant::now() + FOR / 3);
        for number in 0..THROUGH {
            let (target, counts) = (Target::new(to, Some(&certificate)), Arc::clone(&counts));
            all.spawn(async move {
                while Instant::now() < end {
                    if target.connect(From::address(attacker(number))).await.is_ok() {
                        counts.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
        all.join_all().await;
    });
    outcome.judge();
    let through = through.load(Ordering::Relaxed);
    assert!(through >= THROUGH, "{through} came through");
}
