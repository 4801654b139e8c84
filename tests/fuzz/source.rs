//! Sources of compact messages that are made of any bytes.

use std::sync::Arc;

use telemetry_exporter::compact::{Cell, Kind, Lane, Metric, Scope, Source, Template};

/// Lanes that there are at most.
const LANES: usize = 3;

/// What comes of some bytes.
pub struct Sources {
    /// By their numbers; 0 is one without anything.
    pub templates: Vec<Arc<Template>>,
    pub messages: Vec<Made>,
}

/// A message as a lane writes it, and what it is to be read as.
pub struct Made {
    /// Whether it is the first of a segment.
    pub begins: bool,
    pub id: u64,
    pub lane: usize,
    pub must_stay: bool,
    pub time_ns: u64,
    pub bytes: Vec<u8>,
    pub whole: Vec<u8>,
}

/// Bytes that are taken one after the other; zero behind the last.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn next(&mut self) -> u8 {
        let Some((byte, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *byte
    }

    fn below(&mut self, most: usize) -> usize {
        usize::from(self.next()) % most
    }

    /// As many as the next says, below this number.
    fn some(&mut self, most: usize) -> &'a [u8] {
        let length = self.below(most).min(self.0.len());
        let (some, rest) = self.0.split_at(length);
        self.0 = rest;
        some
    }

    /// A number that is much like the one before, or not.
    fn near(&mut self, before: u64) -> u64 {
        let (way, byte) = (self.next(), u64::from(self.next()));
        match way % 6 {
            0..=2 => before,
            3 => before.wrapping_add(byte),
            4 => before.wrapping_sub(byte),
            _ => before ^ byte << (way % 64),
        }
    }
}

/// What one lane has at a time.
#[derive(Clone, Default)]
struct State {
    fixed: Vec<u8>,
    tails: Vec<(Option<u64>, Vec<u8>)>,
    extra: Vec<u8>,
    must_stay: bool,
}

impl Source for State {
    fn fixed(&self) -> &[u8] {
        &self.fixed
    }

    fn tails(&self) -> impl Iterator<Item = (Option<u64>, &[u8])> {
        self.tails.iter().map(|(version, tail)| (*version, tail.as_slice()))
    }

    fn extra(&self) -> &[u8] {
        &self.extra
    }

    fn must_stay(&self) -> bool {
        self.must_stay
    }
}

/// Templates, and messages of them in some lanes and segments.
pub fn made(bytes: &[u8]) -> Sources {
    let mut bytes = Bytes(bytes);
    let mut templates = vec![Arc::default()];
    templates.extend((0..bytes.below(3)).map(|_| Arc::new(template(&mut bytes))));
    let (mut lanes, mut states) = ([const { None }; LANES], vec![State::default(); LANES]);
    let (mut sequence, mut time_ns, mut begins) = (0, 0_u64, true);
    let mut messages = Vec::new();
    while !bytes.0.is_empty() {
        let (way, place) = (bytes.next(), bytes.below(LANES));
        let (lane, state): (&mut Lane, &mut State) = (lanes[place].get_or_insert_default(), &mut states[place]);
        if way % 8 == 7 {
            (sequence, begins) = (sequence + 1, true);
        }
        if way % 4 == 3 || state.fixed.len() != lane.template().fixed.len() {
            let id = bytes.below(templates.len());
            lane.set_template(id as u64, Arc::clone(&templates[id]));
            state.fixed.clone_from(&templates[id].fixed);
            state.tails = vec![(None, Vec::new()); templates[id].tails()];
        }
        time_ns = time_ns.saturating_add(u64::from(way) << (way % 50));
        let template = Arc::clone(lane.template());
        advance(&mut bytes, state, &template, time_ns, messages.len() as u64);
        let mut written = Vec::new();
        lane.write(&mut written, place, sequence, state);
        let tails: Vec<_> = state.tails.iter().map(|(_, tail)| tail.clone()).collect();
        let mut whole = Vec::new();
        template.assemble(&mut whole, &state.fixed, time_ns, &tails);
        whole.extend(&state.extra);
        let (id, must_stay) = (lane.id(), state.must_stay);
        messages.push(Made { begins: std::mem::take(&mut begins), id, lane: place, must_stay, time_ns, bytes: written, whole });
    }
    Sources { templates, messages }
}

/// What the source has next, in the message of this number.
fn advance(bytes: &mut Bytes<'_>, state: &mut State, template: &Template, time_ns: u64, number: u64) {
    for at in &template.times {
        state.fixed[*at as usize..][..8].copy_from_slice(&time_ns.to_le_bytes());
    }
    for Cell { at, .. } in &template.cells {
        let place = state.fixed[*at as usize..].first_chunk_mut().expect("a place is within");
        *place = bytes.near(u64::from_le_bytes(*place)).to_le_bytes();
    }
    for (version, tail) in &mut state.tails {
        match bytes.below(4) {
            0 => {}
            way => {
                let some = bytes.some(20);
                let at = bytes.below(tail.len() + 1);
                tail.truncate(at);
                tail.extend(some);
                *version = (way > 1).then_some(number);
            }
        }
    }
    match bytes.below(4) {
        0 => state.extra = bytes.some(30).to_vec(),
        1 => state.extra.clear(),
        way => state.must_stay = way == 3,
    }
}

/// A template: a resource, and in each scope what is fixed, with its places, and metrics of points with tails, or none of these.
fn template(bytes: &mut Bytes<'_>) -> Template {
    let mut template = Template { fixed: bytes.some(9).to_vec(), ..Template::default() };
    template.resource_len = template.fixed.len();
    let with_tails = bytes.below(2) == 1;
    for _ in 0..bytes.below(4) {
        let (fixed_at, metrics_at) = (template.fixed.len(), template.metrics.len());
        for _ in 0..bytes.below(12) {
            template.fixed.extend(bytes.some(5));
            let at = template.fixed.len() as u32;
            match bytes.below(3) {
                0 => template.times.push(at),
                1 => template.cells.push(Cell { at, kind: Kind::Whole }),
                _ => template.cells.push(Cell { at, kind: Kind::Bits }),
            }
            template.fixed.extend([0; 8]);
        }
        if !with_tails {
            continue;
        }
        for _ in 0..bytes.below(3) {
            let prefix = bytes.some(9).to_vec();
            let points = (0..bytes.below(5)).map(|_| bytes.some(9).to_vec()).collect();
            template.metrics.push(Metric { prefix, points });
        }
        template.scopes.push(Scope { fixed: fixed_at..template.fixed.len(), metrics: metrics_at..template.metrics.len() });
    }
    template
}
