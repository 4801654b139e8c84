//! The segment that is being filled: its bytes, and room for the next, which is made ready while nobody waits.
//!
//! A head begins small and grows. Once one was sealed because it was full, the next is filled in room of a whole segment whose pages the
//! system has given already, so that an append neither moves what is there nor waits for pages.

use bytes::Bytes;

/// A segment that is being filled.
#[derive(Default)]
pub struct Head {
    pub data: Vec<u8>,
    pub messages: u64,
    /// Bytes of the messages as readers get them, with their framing.
    pub size: usize,
    pub first_time_ns: u64,
    /// Room for the next, once one was full.
    spare: Option<Vec<u8>>,
    /// Bytes of the last that was full, since the last tick but one.
    full: Option<usize>,
    is_recent: bool,
}

/// A part of the room above which a segment keeps it: what is less is copied, so that no memory is held for nothing.
const FULL: usize = 8;

impl Head {
    /// Takes the data off, and goes on with nothing.
    pub fn take(&mut self) -> Bytes {
        (self.messages, self.size) = (0, 0);
        if self.data.capacity() - self.data.len() > self.data.capacity() / FULL {
            let data = Bytes::copy_from_slice(&self.data);
            self.data.clear();
            return data;
        }
        (self.full, self.is_recent) = (Some(self.data.capacity()), true);
        std::mem::replace(&mut self.data, self.spare.take().unwrap_or_default()).into()
    }

    /// How much room is to be made ready for the next segment, if any is.
    pub fn wants(&self, segment_bytes: usize) -> Option<usize> {
        self.full.filter(|_| self.spare.is_none()).map(|full| full.min(segment_bytes))
    }

    /// Takes over the room.
    pub fn give(&mut self, room: Vec<u8>) {
        self.spare = Some(room);
    }

    /// Gives back the room for the next where none was full since it was last asked.
    pub fn tick(&mut self) {
        if !std::mem::take(&mut self.is_recent) {
            (self.full, self.spare) = (None, None);
        }
    }

    /// Gives back what is held beyond the data.
    pub fn relax(&mut self) {
        (self.full, self.spare) = (None, None);
        self.data.shrink_to_fit();
    }
}

/// Room of so many bytes, whose pages are there: in what is left of a segment that nobody reads any more, or new.
pub fn room(left: Option<Bytes>, bytes: usize) -> Vec<u8> {
    let mut room = left.and_then(|left| left.try_into_mut().ok()).map_or_else(Vec::new, |mut left| {
        left.clear(); // or it would be copied onto itself
        Vec::from(left)
    });
    if room.capacity() < bytes {
        room = vec![1; bytes]; // not zero, which the system would give without pages
        room.clear();
    }
    room
}
