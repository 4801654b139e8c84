//! What threads that do nothing take from the allocator.

use std::thread;

use crate::counting::{live_bytes, taken};

fn hundred() {
    (0..100).for_each(|_| thread::spawn(|| ()).join().expect("it ends"));
}

/// Allocations and bytes of starting and joining a hundred threads, and what stays.
pub fn cost() -> String {
    hundred(); // what is made once for all
    let (before, live) = (taken(), live_bytes());
    hundred();
    let (after, stays) = (taken(), live_bytes() - live);
    format!("{} allocations, {} bytes, {stays} stay", after.0 - before.0, after.1 - before.1)
}
