//! Where a pusher stands in one stream, and how many messages lie before.

use std::sync::Arc;

use super::own::Loss;
use super::state::Record;
use crate::stream::{Frame, NamedLog, Piece, Position, Reader, Reason, Walked};

/// A place in a stream. It is moved by what a collector took, and by what the stream does not hold any more.
pub struct Cursor {
    pub stream: Arc<NamedLog>,
    reader: Reader,
    at: Position,
    /// Messages before that place: those that were settled, and those that were lost.
    before: u64,
}

/// How far a reading came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    at: Position,
    pub messages: u64,
}

impl Cursor {
    /// At the beginning of the stream.
    pub fn new(stream: Arc<NamedLog>) -> Self {
        Self { reader: Reader::new(Arc::clone(&stream)), stream, at: Position::default(), before: 0 }
    }

    /// Hands messages on as long as they are wanted: the first that is not is the next one's first. What is gone is counted as lost.
    pub fn read(&mut self, record: &Record, mut wants: impl FnMut(Frame<'_>) -> bool) -> Mark {
        let mut mark = Mark { at: self.at, messages: 0 };
        loop {
            let (walked, instead) = self.reader.walk(mark.at, |frame| {
                let wanted = wants(frame);
                mark.messages += u64::from(wanted);
                wanted
            });
            match walked {
                Walked::To(next) => mark.at = next,
                Walked::Until(at) => return Mark { at, ..mark },
                Walked::Nothing => {}
            }
            let Some(instead) = instead else { continue };
            match instead {
                Piece::Gap { to, messages_before, reason, .. } if mark.messages == 0 => {
                    let cause = match reason {
                        Reason::Expired => Loss::Expired,
                        Reason::Dropped | Reason::Lost => Loss::Dropped,
                    };
                    record.dropped(cause, messages_before.saturating_sub(self.before));
                    (self.at, self.before, mark.at) = (to, messages_before, to);
                }
                // A gap behind what was read now is met again by the next reading. No position is beyond the end of its own stream.
                Piece::Data { .. } | Piece::Gap { .. } | Piece::End | Piece::Beyond { .. } => return mark,
            }
        }
    }

    /// Moves on: what lies before the mark is settled.
    pub fn advance(&mut self, mark: Mark) {
        (self.at, self.before) = (mark.at, self.before + mark.messages);
    }

    /// Messages of the stream that are not settled.
    pub fn left(&self) -> u64 {
        self.stream.log.state().appended.saturating_sub(self.before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::push::own::Signal;
    use crate::stream::{Lanes, Plain, StreamKind, StreamOptions};
    use std::time::Duration;

    fn cursor() -> Cursor {
        let options = StreamOptions {
            window: Duration::from_secs(60),
            bytes_max: 200,
            segment_bytes: 50, // two
            seal_after: Duration::from_secs(10),
            message_bytes_max: 50,
        };
        Cursor::new(Arc::new(NamedLog::new(0, StreamKind::Metrics, options)))
    }

    fn append(cursor: &Cursor, range: std::ops::Range<u64>) {
        for i in range {
            let (_, appended) = Lanes::default().append(&cursor.stream, i, &[Plain(i.to_be_bytes().to_vec())]);
            appended.expect("small");
        }
    }

    fn read(cursor: &mut Cursor, record: &Record, most: usize) -> (Vec<u64>, Mark) {
        let mut times = Vec::new();
        let mark = cursor.read(record, |frame| {
            let wanted = times.len() < most;
            if wanted {
                times.push(frame.time_ns);
            }
            wanted
        });
        (times, mark)
    }

    #[test]
    fn what_is_not_settled_is_read_again_across_segments() {
        let (mut cursor, record) = (cursor(), Record::new("", Signal::Metrics));
        append(&cursor, 0..7);
        for most in [3, 4] {
            assert_eq!(read(&mut cursor, &record, most).0, (0..most as u64).collect::<Vec<_>>());
        }
        let (_, mark) = read(&mut cursor, &record, 3);
        cursor.advance(mark);
        assert_eq!(cursor.left(), 4);
        append(&cursor, 7..9);
        let (times, mark) = read(&mut cursor, &record, usize::MAX);
        assert_eq!(times, (3..9).collect::<Vec<_>>());
        cursor.advance(mark);
        assert_eq!((cursor.left(), read(&mut cursor, &record, 9)), (0, (vec![], Mark { messages: 0, ..mark })));
    }

    #[test]
    fn what_is_lost_is_counted_to_the_message() {
        let (mut cursor, record) = (cursor(), Record::new("", Signal::Metrics));
        let mut received = 0;
        for round in 0..50 {
            append(&cursor, round * 20..round * 20 + round % 20);
            let (times, mark) = read(&mut cursor, &record, (round % 7) as usize);
            assert!(times.is_sorted());
            received += times.len() as u64;
            cursor.advance(mark);
        }
        let (times, mark) = read(&mut cursor, &record, usize::MAX);
        cursor.advance(mark);
        let lost = record.state().messages_dropped;
        assert!(lost > 0);
        assert_eq!(received + times.len() as u64 + lost, cursor.stream.log.state().appended);
        assert_eq!(cursor.left(), 0);
    }
}
