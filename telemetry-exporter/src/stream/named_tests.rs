//! The bytes of templates, and what is beyond the messages of a collection.

use super::*;
use crate::compact::{Cell, Kind};
use crate::stream::{Piece, Position, Reader};

/// A message whose template is like no other.
struct Own {
    template: Arc<Template>,
    bytes: Vec<u8>,
}

impl Own {
    fn new(number: u64) -> Self {
        let mut bytes = vec![(number % 251) as u8; 100_000];
        let cells: Vec<_> = (0..1_000).map(|n| Cell { at: n * 100, kind: Kind::Whole }).collect();
        cells.iter().for_each(|cell| bytes[cell.at as usize..][..8].fill(0));
        Self { template: Arc::new(Template { fixed: bytes.clone(), cells, ..Template::default() }), bytes }
    }
}

impl Source for Own {
    fn fixed(&self) -> &[u8] {
        &self.bytes
    }
    fn tails(&self) -> impl Iterator<Item = (Option<u64>, &[u8])> {
        std::iter::empty()
    }
    fn extra(&self) -> &[u8] {
        &[]
    }
    fn must_stay(&self) -> bool {
        false
    }
}

impl AsRef<[u8]> for Own {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Message for Own {
    fn template(&self) -> Option<&Arc<Template>> {
        Some(&self.template)
    }
}

#[test]
fn no_more_is_dropped_than_has_to_be_where_templates_take_the_room() {
    let stream = Arc::new(NamedLog::new(0, StreamKind::Metrics, StreamOptions::default()));
    let (mut lanes, mut before) = (Lanes::default(), 0);
    for round in 0..300 {
        lanes.append(&stream, round, &[Own::new(round)]).1.expect("small");
        let state = stream.log.state();
        assert_eq!(state.kept + state.dropped, state.appended);
        assert!(state.bytes <= 8 << 20, "{state:?}");
        assert!(state.kept + 3 >= before, "from {before}: {state:?}"); // a segment has two
        before = state.kept;
    }
    assert!(before > 60, "{before} are held");
}

#[test]
fn what_is_beyond_the_messages_of_a_collection_is_counted_and_the_others_are_read() {
    let stream = Arc::new(NamedLog::new(0, StreamKind::Metrics, StreamOptions::default()));
    let messages: Vec<_> = (0..LANES_MAX + 5).map(|n| Plain(n.to_string().into_bytes())).collect();
    let (_, appended) = Lanes::default().append(&stream, 1, &messages);
    assert_eq!(appended.expect_err("there are more").1, 5);
    let state = stream.log.state();
    assert_eq!((state.appended, state.rejected), (LANES_MAX as u64, 5));
    let (mut reader, mut at, mut found) = (Reader::new(Arc::clone(&stream)), Position::default(), 0);
    while let Piece::Data { next, data, .. } = reader.read(at, true) {
        for payload in crate::stream::payloads(&data) {
            assert_eq!(payload, found.to_string().as_bytes());
            found += 1;
        }
        at = next;
    }
    assert_eq!((found, at), (LANES_MAX, stream.log.end()));
}
