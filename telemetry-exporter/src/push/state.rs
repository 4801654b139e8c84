//! How the pushing to one collector goes: for the program, and for clients as the property `telemetry_push`.

use std::sync::Arc;

use parking_lot::Mutex;
use serde::Serialize;
use telemetry_core::clock;

use super::own::{self, Failure, Loss, Signal};
use crate::limits::PUSH_ERROR_BYTES_MAX;

/// How the pushing of one signal to one collector goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PushState {
    /// The collector.
    pub endpoint: String,
    /// `metrics` or `logs`.
    pub signal: &'static str,
    /// Messages that it has taken.
    pub messages_sent: u64,
    /// Messages that it will not get.
    pub messages_dropped: u64,
    /// Data points or log records that it rejected of what it took.
    pub items_rejected: u64,
    /// Requests that failed since one was taken.
    pub failures: u64,
    /// What the last failure, rejection or warning was.
    pub last_error: Option<String>,
    /// When that was, in Unix nanoseconds.
    pub last_error_time_ns: u64,
}

/// The state that a pusher keeps and others read. Clones share one.
#[derive(Clone)]
pub struct Record {
    signal: Signal,
    state: Arc<Mutex<PushState>>,
}

impl Record {
    pub fn new(endpoint: &str, signal: Signal) -> Self {
        let state = PushState {
            endpoint: endpoint.to_owned(),
            signal: signal.as_str(),
            messages_sent: 0,
            messages_dropped: 0,
            items_rejected: 0,
            failures: 0,
            last_error: None,
            last_error_time_ns: 0,
        };
        Self { signal, state: Arc::new(Mutex::new(state)) }
    }

    pub fn state(&self) -> PushState {
        self.state.lock().clone()
    }

    /// A request was taken, but for so many items; the text says why, or warns.
    pub fn taken(&self, messages: u64, items_rejected: u64, text: String) {
        own::sent(self.signal, messages);
        let mut state = self.state.lock();
        state.messages_sent += messages;
        state.failures = 0;
        if items_rejected > 0 {
            own::rejected(self.signal, items_rejected);
            state.items_rejected += items_rejected;
        }
        if items_rejected > 0 || !text.is_empty() {
            state.note(format!("{items_rejected} items rejected: {text}"));
        }
    }

    /// A request failed.
    pub fn failed(&self, cause: Failure, text: String) {
        own::failed(self.signal, cause);
        let mut state = self.state.lock();
        state.failures += 1;
        state.note(text);
    }

    /// Messages are lost.
    pub fn dropped(&self, cause: Loss, messages: u64) {
        if messages > 0 {
            own::dropped(self.signal, cause, messages);
            self.state.lock().messages_dropped += messages;
        }
    }
}

impl PushState {
    fn note(&mut self, mut text: String) {
        text.truncate(text.floor_char_boundary(PUSH_ERROR_BYTES_MAX));
        self.last_error = Some(text);
        self.last_error_time_ns = clock::now_ns();
    }
}
