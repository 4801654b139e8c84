//! Clients that mean harm, against a server that is a process of its own and has the limits that are the default; where a test wants another setting, it says which.
//!
//! Each attack has a server for itself, and beside it an honest client comes from another address: it makes small calls all the time on one
//! connection, and opens new ones. None of its calls fails. The server takes at most [`EXTRA_BYTES_MAX`](ground::EXTRA_BYTES_MAX) more for the attack, and gives
//! back all but [`LEFT_BYTES_MAX`](ground::LEFT_BYTES_MAX); so it does with its file descriptors.
//!
//! What the honest client's calls take is printed, `cargo test -p hostile -- --nocapture`, and fails a test only where the machine had time to spare.
//! Addresses are those of Linux's loopback, 127.0.0.0/8, and memory is that which `/proc` tells of.

#![cfg(target_os = "linux")]
#![allow(missing_docs)]

mod raw;
mod target;
mod server;
mod honest;
mod ground;
mod messages;
mod beginnings;
mod handshakes;
mod readers;
mod floods;
mod requests;
mod ends;
