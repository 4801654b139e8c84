//! What one follower got and missed: by what the gaps say, and by the numbers in the events.

use serde::{Deserialize, Serialize};
use telemetry_exporter::client::Pulled;

use crate::{EMITTERS, Emitted, LAST, Transfer, numbers};

/// The events of a stream, as one follower accounts for them.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Account {
    /// Events that came.
    pub got: u64,
    /// Pieces that they came in.
    pub pieces: u64,
    /// Events that will not come, by the gaps.
    pub missed: u64,
    /// Gaps.
    pub gaps: u64,
    emitters: [Emitter; EMITTERS + 1],
}

/// The events of one emitter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Emitter {
    /// The number that comes next, where nothing is missed.
    next: u64,
    /// Numbers that were left out.
    skipped: u64,
    /// Whether there was a gap since its last event, so that numbers may be.
    may_skip: bool,
}

impl Account {
    /// Takes in what a follower was given; tells whether that ended with the last event.
    ///
    /// # Panics
    /// An event that is not as it was emitted, is there twice or out of order, or is missing without a gap.
    pub fn take(&mut self, pulled: &Pulled) -> bool {
        match pulled {
            Pulled::Messages { messages, .. } => {
                self.pieces += 1;
                for (place, message) in messages.iter().enumerate() {
                    let of = numbers(&message.payload).filter(|(emitter, _)| *emitter <= LAST);
                    let (emitter, number) = of.expect("an event begins with its emitter and number");
                    self.event(emitter, number);
                    if place == 0 {
                        let whole = serde_json::from_slice(&message.payload);
                        assert_eq!(whole.ok(), Some(Transfer::new(emitter, number)), "{message:?}");
                    }
                }
            }
            Pulled::Gap { messages_before, .. } => self.gap(*messages_before),
            other => panic!("neither events nor a gap: {other:?}"),
        }
        self.emitters[LAST].next > 0
    }

    fn event(&mut self, emitter: usize, number: u64) {
        let Emitter { next, skipped, may_skip } = &mut self.emitters[emitter];
        let left_out = number.checked_sub(*next);
        let left_out = left_out.unwrap_or_else(|| panic!("event {number} of emitter {emitter} comes after {next} were told"));
        assert!(left_out == 0 || *may_skip, "event {number} of emitter {emitter} comes where {next} is due, without a gap");
        (*next, *skipped, *may_skip) = (number + 1, *skipped + left_out, false);
        self.got += 1;
    }

    fn gap(&mut self, messages_before: u64) {
        let missed = messages_before.checked_sub(self.got);
        let missed = missed.filter(|missed| *missed >= self.missed);
        self.missed = missed.unwrap_or_else(|| panic!("a gap up to event {messages_before}, of which were told: {self:?}"));
        self.emitters.iter_mut().for_each(|emitter| emitter.may_skip = true);
        self.gaps += 1;
    }

    /// What does not add up with what was emitted, if anything does not.
    pub fn difference(&self, emitted: &Emitted) -> Option<String> {
        let ends: Vec<_> = self.emitters.iter().map(|emitter| emitter.next).collect();
        let are_told =
            |(emitter, events): (&Emitter, &u64)| emitter.next == *events || (emitter.may_skip && emitter.next < *events);
        if self.emitters.len() != emitted.events.len() || !self.emitters.iter().zip(&emitted.events).all(are_told) {
            return Some(format!("the events of the emitters end at {ends:?}, wanted {:?}", emitted.events));
        }
        let unseen: u64 =
            self.emitters.iter().zip(&emitted.events).map(|(emitter, events)| events - emitter.next + emitter.skipped).sum();
        let (got, missed, appended) = (self.got, self.missed, emitted.appended);
        let adds_up = missed == unseen && got + missed == appended;
        (!adds_up)
            .then(|| format!("{got} events came, and gaps tell of {missed}: {unseen} numbers are left out, of {appended} events"))
    }
}
