//! What is counted at the edges of a thread's and a process's life.
//!
//! Each test starts a program of `programs`, which says what it counted; a program that hangs is ended by an alarm.

#![allow(missing_docs)]

mod allocator;
mod forks;
mod library;
mod memory;
mod process;
mod support;
mod threads;
