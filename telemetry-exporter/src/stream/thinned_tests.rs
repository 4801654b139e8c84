//! Fewer messages, compared with what a plain look at all of them says.

use std::sync::Arc;

use super::*;
use crate::compact::{Source, Template};
use crate::stream::{Lanes, Message, NamedLog, StreamKind, StreamOptions};

/// A message that says its number.
#[derive(Clone)]
struct Said {
    number: u64,
    template: Option<Arc<Template>>,
    must_stay: bool,
}

impl Source for Said {
    fn fixed(&self) -> &[u8] {
        self.template.as_ref().map_or(&[], |template| &template.fixed)
    }
    fn tails(&self) -> impl Iterator<Item = (Option<u64>, &[u8])> {
        std::iter::empty()
    }
    fn extra(&self) -> &[u8] {
        self.as_ref()
    }
    fn must_stay(&self) -> bool {
        self.must_stay
    }
}

impl AsRef<[u8]> for Said {
    fn as_ref(&self) -> &[u8] {
        // Distinct bytes for each number below 1,000.
        const BYTES: [u8; 4_000] = {
            let mut bytes = [0; 4_000];
            let mut n = 0;
            while n < 4_000 {
                bytes[n] = if n % 4 < 2 { 0 } else { ((n / 4) >> (8 * (n % 4 - 2))) as u8 };
                n += 1;
            }
            bytes
        };
        &BYTES[self.number as usize * 4..][..4]
    }
}

impl Message for Said {
    fn template(&self) -> Option<&Arc<Template>> {
        self.template.as_ref()
    }
}

fn stream(segment_bytes: usize) -> Arc<NamedLog> {
    Arc::new(NamedLog::new(0, StreamKind::Metrics, StreamOptions { segment_bytes, ..StreamOptions::default() }))
}

/// The last of each step by a look at all: of the same template, unless it must stay.
fn wanted(all: &[(u64, Said)], every: u64) -> Vec<u64> {
    let template = |said: &Said| said.template.as_ref().map(|template| template.fixed.clone());
    let is_told = |(n, (time, said)): &(usize, &(u64, Said))| {
        let later = all[n + 1..].iter().take_while(|(other, _)| other / every == time / every);
        said.must_stay || !later.into_iter().any(|(_, other)| template(other) == template(said))
    };
    all.iter().enumerate().filter(is_told).map(|(_, (_, said))| said.number).collect()
}

fn told(data: &[u8], out: &mut Vec<u64>) {
    for frame in frames(data).map(|frame| frame.expect("whole")) {
        let [.., low, high] = frame.payload else { panic!("{frame:?}") };
        out.push(u64::from(*low) | u64::from(*high) << 8);
    }
}

#[test]
fn of_each_step_the_last_is_told_wherever_the_reader_stops_and_goes_on() {
    for segment_bytes in [60, 300, 100_000] {
        let (stream, mut lanes) = (stream(segment_bytes), Lanes::default());
        let mut all = Vec::new();
        let mut time = 1_000;
        for number in 0..500_u64 {
            time += [0, 1, 3, 7, 40][(number * number % 5) as usize];
            let fixed = vec![(number / 60) as u8; 40];
            let template = (number % 120 > 30).then(|| Arc::new(Template { fixed, ..Template::default() }));
            let said = Said { number, template, must_stay: number % 41 == 0 };
            let (_, appended) = lanes.append(&stream, time, std::slice::from_ref(&said));
            appended.expect("small");
            all.push((time, said));
        }
        for every in [1, 10, 77, 1_000, 100_000] {
            for (goes_on, rests, piece_bytes) in
                [(true, false, usize::MAX), (true, false, 1), (true, true, 40), (false, false, 1_000)]
            {
                let new = || Thinned::new(Reader::new(Arc::clone(&stream)).in_pieces(piece_bytes), every);
                let (mut thinned, mut at, mut found) = (new(), Position::default(), Vec::new());
                while let Piece::Data { next, data, .. } = thinned.read_to(at, true, None, true) {
                    told(&data, &mut found);
                    at = next;
                    if rests {
                        thinned.rest();
                    }
                    if !goes_on {
                        thinned = new();
                    }
                }
                assert_eq!(at, stream.log.end());
                // Its own numbers are told by what follows them, so that the layout with a template has its bytes before these.
                assert_eq!(found, wanted(&all, every), "every {every} ns, segments of {segment_bytes}");
            }
        }
    }
}

#[test]
fn a_reading_of_much_of_which_nothing_is_told_ends_and_the_next_goes_on() {
    let (stream, mut lanes, mut all) = (stream(1 << 20), Lanes::default(), Vec::new());
    let template = Arc::new(Template { fixed: vec![7; 10_000], ..Template::default() });
    for number in 0..400_u64 {
        let said = Said { number, template: Some(Arc::clone(&template)), must_stay: number == 300 };
        lanes.append(&stream, number, std::slice::from_ref(&said)).1.expect("small");
        all.push((number, said));
    }
    let mut thinned = Thinned::new(Reader::new(Arc::clone(&stream)).in_pieces(1), 1_000);
    let (mut at, mut found, mut readings) = (Position::default(), Vec::new(), 0);
    while let Piece::Data { next, data, .. } = thinned.read_to(at, true, None, true) {
        readings += usize::from(data.is_empty());
        assert!(thinned.reader.stream().log.end() >= next && next >= at);
        told(&data, &mut found);
        at = next;
    }
    assert_eq!(found, wanted(&all, 1_000));
    assert!(readings >= 400 * 10_000 / READ_BYTES - 2, "{readings} readings");
}

#[test]
fn a_follower_gets_a_step_when_it_is_over_and_a_later_one_resumes_without_loss() {
    let (stream, mut lanes) = (stream(200), Lanes::default());
    let (mut all, mut at, mut found) = (Vec::new(), Position::default(), Vec::new());
    let mut thinned = Thinned::new(Reader::new(Arc::clone(&stream)), 10);
    for number in 0..300_u64 {
        let said = Said { number, template: None, must_stay: false };
        lanes.append(&stream, number * 3, std::slice::from_ref(&said)).1.expect("small");
        all.push((number * 3, said));
        if let Piece::Data { next, data, .. } = thinned.read_to(at, true, None, false) {
            told(&data, &mut found);
            at = next;
        }
        let over = wanted(&all, 10).into_iter().filter(|told| told * 3 / 10 < number * 3 / 10);
        assert_eq!(found, over.collect::<Vec<_>>());
        if number % 5 == 0 {
            thinned.rest();
        }
        if number % 17 == 0 {
            thinned = Thinned::new(Reader::new(Arc::clone(&stream)), 10);
        }
    }
    assert_eq!(thinned.read_to(at, true, None, false), Piece::End);
}

#[test]
fn readers_that_rest_take_back_what_they_left_and_make_nothing_twice() {
    let (stream, mut lanes) = (stream(1 << 20), Lanes::default());
    let template = Arc::new(Template { fixed: vec![7; 1_000], ..Template::default() });
    let mut readers: Vec<_> =
        (1..5).map(|every| (Thinned::new(Reader::new(Arc::clone(&stream)), 10 * every), Position::default())).collect();
    let mut left = Vec::new();
    for number in 0..100_u64 {
        let said = Said { number, template: Some(Arc::clone(&template)), must_stay: false };
        lanes.append(&stream, number, std::slice::from_ref(&said)).1.expect("small");
        for (thinned, at) in &mut readers {
            while let Piece::Data { next, .. } = thinned.read_to(*at, true, None, false) {
                *at = next;
            }
            // It stands behind all there is, though nothing beyond the last step was told.
            assert!(thinned.thinning.at == stream.log.end() && (number == 0 || *at < stream.log.end()));
            thinned.rest();
            assert_eq!(thinned.thinning.bytes(), 0);
        }
        left.push(stream.resting.bytes());
    }
    assert!(left[0] > 0 && left.iter().all(|bytes| *bytes <= 2 * left[0]), "{left:?}");
    let (thinned, at) = &mut readers[0];
    let resumed = thinned.reader.resume(Rest { at: *at, every_ns: 10, head: true, end: None });
    assert_eq!(resumed.map(|thinning| thinning.at), Some(stream.log.end()));
}
