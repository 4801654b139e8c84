//! What a log promises to those who append and to those who read.

use super::*;
use crate::stream::Hole;
use crate::stream::frames;
use std::time::Duration;

fn options() -> StreamOptions {
    StreamOptions {
        window: Duration::from_secs(60),
        bytes_max: 1_000,
        segment_bytes: 100,
        seal_after: Duration::from_secs(10),
        message_bytes_max: 50,
    }
}

/// Every message from a position on, and the gaps.
fn drain(log: &Log, mut at: Position, head: bool) -> (Vec<Vec<u8>>, Vec<Piece>) {
    let (mut messages, mut gaps) = (Vec::new(), Vec::new());
    loop {
        match log.read(at, head) {
            Piece::Data { next, data, .. } => {
                messages.extend(frames(&data).map(|frame| frame.expect("whole frames").payload.to_vec()));
                at = next;
            }
            gap @ Piece::Gap { to, .. } => {
                at = to;
                gaps.push(gap);
            }
            Piece::End => return (messages, gaps),
            Piece::Beyond { end } => panic!("{at:?} is beyond {end:?}"),
        }
    }
}

fn balanced(log: &Log) -> State {
    let state = log.state();
    assert_eq!(state.kept + state.dropped, state.appended);
    state
}

#[test]
fn a_segment_is_sealed_by_size_by_age_and_by_the_tick() {
    let now = Instant::now();
    let log = Log::new(options());
    log.append(1, &[0; 50]).unwrap();
    log.append(2, &[0; 30]).unwrap(); // 62 + 42 bytes are above 100
    assert_eq!(log.state().head_sequence, 1);
    log.tick(now);
    log.tick(now + Duration::from_secs(9));
    assert_eq!(log.state().head_sequence, 1);
    log.tick(now + Duration::from_secs(10));
    assert_eq!(log.state().head_sequence, 2);
    log.tick(now + Duration::from_secs(60)); // an empty head is not sealed
    assert_eq!(log.state().head_sequence, 2);
    log.append(3, b"x").unwrap();
    log.tick(now + Duration::from_secs(61)); // which is when it is first seen
    log.tick(now + Duration::from_secs(70));
    assert_eq!(log.state().head_sequence, 2);
    log.tick(now + Duration::from_secs(71));
    assert_eq!(log.state().head_sequence, 3);
}

#[test]
fn the_oldest_segments_go_first_and_a_late_reader_is_told() {
    let log = Log::new(options());
    for i in 0..100_u8 {
        log.append(u64::from(i), &[i; 38]).unwrap(); // 50 bytes: two a segment, twenty in all
        balanced(&log);
    }
    let state = balanced(&log);
    assert_eq!((state.appended, state.kept, state.bytes), (100, 20, 1_000));
    let (messages, gaps) = drain(&log, Position::default(), true);
    assert_eq!(messages.iter().map(|message| message[0]).collect::<Vec<_>>(), (80..100).collect::<Vec<_>>());
    let to = Position { sequence: 40, offset: 0 };
    assert_eq!(gaps, [Piece::Gap { from: Position::default(), to, messages_before: 80, reason: Reason::Dropped }]);
}

#[test]
fn what_is_older_than_the_window_expires() {
    let now = Instant::now();
    let log = Log::new(options());
    log.append(1, b"old").unwrap();
    log.tick(now);
    log.tick(now + Duration::from_secs(10));
    log.append(2, b"new").unwrap();
    log.tick(now + Duration::from_secs(50));
    log.tick(now + Duration::from_secs(61));
    assert_eq!(balanced(&log).kept, 1);
    let (messages, gaps) = drain(&log, Position::default(), true);
    assert_eq!(messages, [b"new"]);
    assert!(matches!(gaps[..], [Piece::Gap { reason: Reason::Expired, messages_before: 1, .. }]), "{gaps:?}");
}

#[test]
fn a_reader_that_counts_knows_from_each_gap_how_many_messages_it_missed() {
    let now = Instant::now();
    let log = Log::new(options());
    for i in 0..7 {
        log.append(i, b"old").unwrap();
    }
    log.tick(now);
    log.tick(now + Duration::from_secs(10)); // seals them by age
    log.append(7, b"new").unwrap();
    log.tick(now + Duration::from_secs(61));
    for i in 0..100 {
        log.append(i, &[0; 8]).unwrap(); // five to a segment
    }
    let (messages, gaps) = drain(&log, Position::default(), true);
    let missed = gaps.iter().map(|gap| match gap {
        Piece::Gap { messages_before, reason, .. } => (*messages_before, *reason),
        other => panic!("{other:?}"),
    });
    let dropped = balanced(&log).dropped;
    assert_eq!(missed.collect::<Vec<_>>(), [(7, Reason::Expired), (dropped, Reason::Dropped)]);
    assert_eq!(messages.len() as u64 + dropped, 108);
}

#[test]
fn a_message_at_the_limit_is_taken_and_one_byte_more_is_counted_as_rejected() {
    let log = Log::new(options());
    log.append(1, &[]).unwrap();
    log.append(1, &[7; 50]).unwrap();
    assert_eq!(log.append(1, &[7; 51]), Err(Rejected { bytes: 51, bytes_max: 50 }));
    let state = balanced(&log);
    assert_eq!((state.appended, state.rejected), (2, 1));
}

#[test]
fn a_position_in_the_head_stays_good_when_the_head_is_sealed() {
    let log = Log::new(options());
    log.append(1, b"a").unwrap();
    let Piece::Data { next, .. } = log.read(Position::default(), true) else { panic!("the head is readable") };
    log.append(2, b"b").unwrap();
    log.seal();
    log.append(3, b"c").unwrap();
    assert_eq!(drain(&log, next, true).0, [b"b", b"c"]);
    assert_eq!(drain(&log, next, false).0, [b"b"]);
}

#[test]
fn a_position_that_nobody_was_given_is_beyond() {
    let log = Log::new(options());
    log.append(1, b"a").unwrap();
    log.seal();
    let end = Position { sequence: 1, offset: 0 };
    for at in [(1, 1), (2, 0), (u64::MAX, u64::MAX)] {
        assert_eq!(log.read(Position { sequence: at.0, offset: at.1 }, true), Piece::Beyond { end });
    }
    let end = Position { sequence: 0, offset: 13 };
    assert_eq!(log.read(Position { sequence: 0, offset: 14 }, true), Piece::Beyond { end });
}

#[test]
fn times_never_go_back() {
    let log = Log::new(options());
    for time_ns in [5, 3, 9, 1] {
        log.append(time_ns, b"").unwrap();
    }
    let Piece::Data { data, .. } = log.read(Position::default(), true) else { panic!("the head is readable") };
    let times: Vec<_> = frames(&data).map(|frame| frame.expect("whole frames").time_ns).collect();
    assert_eq!(times, [5, 5, 9, 9]);
}

#[test]
fn the_latest_is_the_newest_batch_even_across_segments_and_when_the_clock_stands() {
    let log = Log::new(options());
    assert_eq!(log.latest(), None);
    log.append(5, b"a").unwrap();
    let mut batch = log.batch();
    (1..4).for_each(|n| batch.append(5, &[n; 50]).unwrap()); // a segment each
    assert!(batch.end());
    for _ in 0..2 {
        let (from, end) = log.latest().expect("there are messages");
        assert_eq!(drain(&log, from, true).0, [[1; 50], [2; 50], [3; 50]]);
        assert!(end.sequence > from.sequence);
        log.seal();
    }
    log.append(1, b"d").unwrap(); // the clock went back: the time is that of the batch before
    let (from, _) = log.latest().expect("there are messages");
    assert_eq!(drain(&log, from, true).0, [b"d"]);
}

#[test]
fn of_a_batch_only_what_is_too_large_is_missing() {
    let log = Log::new(options());
    let mut batch = log.batch();
    assert_eq!(batch.append(1, &[1; 51]), Err(Rejected { bytes: 51, bytes_max: 50 }));
    assert_eq!(batch.append(1, &[2; 50]), Ok(()));
    assert_eq!(batch.append(1, &[3; 52]), Err(Rejected { bytes: 52, bytes_max: 50 }));
    drop(batch);
    let state = balanced(&log);
    assert_eq!((state.appended, state.rejected), (1, 2));
    let (from, _) = log.latest().expect("one was taken");
    assert_eq!(drain(&log, from, true).0, [vec![2; 50]]);
}

#[test]
fn only_the_ends_of_messages_are_boundaries() {
    let log = Log::new(options());
    log.append(1, b"abc").unwrap();
    log.append(2, b"").unwrap();
    for _ in 0..2 {
        let at = |offset| Position { sequence: 0, offset };
        let found: Vec<_> = (0..=27).filter(|offset| log.is_boundary(at(*offset))).collect();
        assert_eq!(found, [0, 15, 27]);
        log.seal();
    }
}

#[test]
fn a_time_leads_to_the_first_message_that_is_not_before_it() {
    let log = Log::new(options());
    assert_eq!(log.at_time(5), Position::default());
    for i in 0..40 {
        log.append(10 + 10 * (i / 3), &[i as u8; 8]).unwrap(); // three of a time, five to a segment, and some in the head
    }
    for time_ns in 0..150 {
        let wanted = (0..40).filter(|i| 10 + 10 * (i / 3) >= time_ns).map(|i| vec![i as u8; 8]).collect::<Vec<_>>();
        let at = log.at_time(time_ns);
        assert!(log.is_boundary(at));
        assert_eq!(drain(&log, at, true).0, wanted, "from {time_ns}");
    }
    log.give_way();
    assert_eq!(drain(&log, log.at_time(0), true).0.len(), 35);
}

#[test]
fn a_log_gives_way_segment_by_segment_to_the_last_message() {
    let log = Log::new(options());
    (0..12).for_each(|i| assert!(log.append(100 + i, &[0; 8]).is_ok())); // five to a segment
    for (oldest, kept) in [(100, 12), (105, 7), (110, 2)] {
        assert_eq!((log.oldest(), balanced(&log).kept), (Some(oldest), kept));
        log.give_way();
    }
    assert_eq!((log.oldest(), balanced(&log).dropped), (None, 12));
    log.give_way();
    let (_, gaps) = drain(&log, Position::default(), true);
    assert!(matches!(gaps[..], [Piece::Gap { messages_before: 12, reason: Reason::Dropped, .. }]), "{gaps:?}");
}

#[test]
fn messages_are_appended_in_one_order_by_any_number_of_threads() {
    let log = Log::new(StreamOptions { bytes_max: 1 << 30, segment_bytes: 4 << 10, ..StreamOptions::default() });
    std::thread::scope(|scope| {
        for thread in 0..4_u64 {
            let log = &log;
            scope.spawn(move || {
                for n in 0..10_000_u64 {
                    log.append(n, &[thread.to_be_bytes(), n.to_be_bytes()].concat()).unwrap();
                }
            });
        }
        let mut at = Position::default();
        let mut next = [0; 4];
        while next != [10_000; 4] {
            while let Piece::Data { next: behind, data, .. } = log.read(at, true) {
                at = behind;
                for frame in frames(&data).map(|frame| frame.expect("whole frames")) {
                    let (thread, n) = frame.payload.split_at(8);
                    let [thread, n] = [thread, n].map(|bytes| u64::from_be_bytes(bytes.try_into().expect("eight bytes")));
                    assert_eq!(std::mem::replace(&mut next[thread as usize], n + 1), n);
                }
            }
            std::thread::yield_now();
        }
    });
    assert_eq!(balanced(&log).kept, 40_000);
}

#[test]
fn what_is_sealed_because_it_was_full_leaves_its_memory_to_what_comes() {
    let log = Log::new(StreamOptions { bytes_max: 64 << 10, segment_bytes: 8 << 10, ..StreamOptions::default() });
    for i in 0..10_000_u64 {
        log.append(i, &[0; 100]).unwrap();
        let inner = log.inner.lock();
        assert!(inner.bytes() <= 64 << 10);
        assert!(inner.head.data.capacity() <= 16 << 10, "{}", inner.head.data.capacity());
    }
    balanced(&log);
}

#[test]
fn a_panic_while_a_message_is_written_leaves_a_whole_log_whose_lock_is_free() {
    let log = Log::new(options());
    log.append(1, b"a").unwrap();
    let panics = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        log.batch().append_as(2, 10, |_, out| {
            out.extend_from_slice(b"half");
            panic!("in the middle of it");
        })
    }));
    assert!(panics.is_err());
    log.append(3, b"b").unwrap();
    assert_eq!(drain(&log, Position::default(), true).0, [b"a", b"b"]);
    assert_eq!(balanced(&log).appended, 2);
}

#[test]
fn a_restored_log_tells_what_is_missing_and_goes_by_the_age_of_its_messages() {
    let now = Instant::now();
    let whole = Log::new(options());
    (0..12).for_each(|i| assert!(whole.append(100 + i, &[i as u8; 8]).is_ok())); // five to a segment
    whole.seal();
    let segment = |sequence: u64, age: u64, holes: Vec<Hole>, messages: u64| {
        let Piece::Data { data, .. } = whole.read(Position { sequence, offset: 0 }, false) else { panic!("it is sealed") };
        // Of twenty bytes a message: what is missing is cut out.
        let data = if holes.is_empty() { data } else { [&data[..20], &data[40..80]].concat().into() };
        let (first_number, age) = (sequence * 5, Duration::from_secs(age));
        Restored { data, messages, first_number, first_time_ns: 100 + first_number, age, holes }
    };
    let hole = |from, to, held, messages_before| Hole { from, to, held, messages_before, reason: Reason::Lost };
    let segments = vec![
        segment(0, 50, vec![hole(20, Some(40), 20, 2), hole(80, None, 60, 5)], 3),
        segment(1, 40, Vec::new(), 5),
        Restored { first_number: 10, first_time_ns: 109, holes: vec![hole(0, None, 0, 12)], ..Restored::default() },
    ];
    let log = Log::restored(options(), 7, segments, 12, now);
    let state = balanced(&log);
    assert_eq!((state.appended, state.kept, state.first_sequence, state.head_sequence), (12, 8, 7, 10));
    let (messages, gaps) = drain(&log, Position::default(), true);
    assert_eq!(messages.iter().map(|message| message[0]).collect::<Vec<_>>(), [0, 2, 3, 5, 6, 7, 8, 9]);
    let told = gaps.iter().map(|gap| match gap {
        Piece::Gap { to, messages_before, reason, .. } => (to.sequence, to.offset, *messages_before, *reason),
        other => panic!("{other:?}"),
    });
    let lost = Reason::Lost;
    assert_eq!(told.collect::<Vec<_>>(), [(7, 0, 0, Reason::Dropped), (7, 40, 2, lost), (8, 0, 5, lost), (10, 0, 12, lost)]);
    for (offset, wanted) in [(0, true), (20, true), (30, true), (40, true), (41, false), (60, true), (80, true), (90, true)] {
        assert_eq!(log.is_boundary(Position { sequence: 7, offset }), wanted, "{offset}");
    }
    assert_eq!(log.at_time(102), Position { sequence: 7, offset: 40 });
    log.tick(now + Duration::from_secs(11));
    assert_eq!(balanced(&log).kept, 5);
    log.tick(now + Duration::from_secs(21));
    assert_eq!(balanced(&log).kept, 0);
}
