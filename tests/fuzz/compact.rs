//! Compact messages and their templates. The first byte of an input says whether the others are a template as it is written against one
//! of a real program, such a template and messages of it, changes of real messages, or what a source has, which a lane writes.

#![no_main]

use std::sync::Arc;

use fuzz::metrics::COLLECTED;
use fuzz::source::{self, Made};
use fuzz::{changes, peak, seeds};
use libfuzzer_sys::fuzz_target;
use telemetry_exporter::compact::{Head, Metric, Restorer, Scope, Template};
use telemetry_exporter::limits::RESTORED_BYTES_MAX;

/// Bytes that may be allocated for each byte of a template, and of the one that it is written against: a point takes one byte and
/// becomes 24, and thrice that while its list grows.
const TEMPLATE_FACTOR: usize = 96;

/// Bytes that may be allocated for each byte of messages: an empty lane takes about 200, of which a message is seven bytes.
const MESSAGE_FACTOR: usize = 64;

/// And for all of them.
const PEAK_BYTES: usize = 16 << 10;

fuzz_target!(init: seeds::write(all(), vec![many()], taken), |input: &[u8]| {
    taken(input);
});

/// Whether there was anything to look at.
fn taken(input: &[u8]) -> bool {
    let Some((way, bytes)) = input.split_first() else { return false };
    match way % 4 {
        0 => bytes.split_first().is_some_and(|(base, bytes)| template(bytes, usize::from(*base)).is_some()),
        1 => messages(bytes),
        2 => changed(bytes),
        _ => made(bytes),
    }
}

/// A template, if it is one: it is written as what is read as the same, and messages can be made of it.
fn template(bytes: &[u8], base: usize) -> Option<Template> {
    let base = &COLLECTED.templates[base % COLLECTED.templates.len()];
    let (read, peak) = peak::of(|| Template::read(bytes, base));
    let most = (bytes.len() + base.bytes()) * TEMPLATE_FACTOR + PEAK_BYTES;
    assert!(peak <= most, "{peak} bytes were allocated for a template of {}", bytes.len());
    let template = read.inspect_err(|error| assert!(error.left <= bytes.len().max(base.bytes()), "{error}")).ok()?;
    assert_eq!(Template::read(&template.write(base), base).as_ref(), Ok(&template));
    let tails = vec![vec![7; 3]; template.tails()];
    let mut out = Vec::new();
    template.assemble(&mut out, &template.fixed, 1, &tails);
    assert!(out.len() >= 3 * tails.len());
    Some(template)
}

/// A template and messages, of which any may be of any lane: what is held of them is bounded.
fn messages(bytes: &[u8]) -> bool {
    let Some(([low, high], bytes)) = bytes.split_first_chunk() else { return false };
    let (first, bytes) = bytes.split_at(bytes.len().min(u16::from_le_bytes([*low, *high]).into()));
    let Some(template) = template(first, 0).map(Arc::new) else { return false };
    let (mut rest, mut count) = (bytes, 0);
    let (mut restorer, mut out) = (Restorer::default(), Vec::new());
    // All of a message is at most the template, and the tails that there are.
    out.reserve(template.bytes() * 2 + template.tails() * 32 + bytes.len());
    let ((), peak) = peak::of(|| {
        while let Some((length, behind)) = rest.split_first_chunk() {
            let message;
            (message, rest) = behind.split_at(behind.len().min(u16::from_le_bytes(*length).into()));
            let by_number = |id| (id == 1).then(|| Arc::clone(&template));
            let Ok(restored) = restorer.take(count, message, by_number) else { break };
            out.clear();
            restored.write(&mut out);
            count += 1;
        }
    });
    let most = 2 * RESTORED_BYTES_MAX + bytes.len() * MESSAGE_FACTOR + PEAK_BYTES + template.tails() * 8;
    assert!(peak <= most, "{peak} bytes were allocated for messages of {} and a template of {}", bytes.len(), template.bytes());
    count > 0
}

/// Real messages, of which some are changed: up to the first of these, in its segment, all are read as they were.
fn changed(bytes: &[u8]) -> bool {
    let mut messages: Vec<_> = COLLECTED.messages.iter().map(|message| message.bytes.clone()).collect();
    for [low, high, change @ ..] in bytes.as_chunks::<{ 2 + changes::BYTES }>().0 {
        let number = usize::from(u16::from_le_bytes([*low, *high])) % messages.len();
        changes::apply(&mut messages[number], *change);
    }
    let (mut restorer, mut is_sound) = (Restorer::default(), true);
    for (real, bytes) in COLLECTED.messages.iter().zip(&messages) {
        if real.begins {
            (restorer, is_sound) = (Restorer::default(), true);
        }
        let is_same = *bytes == real.bytes;
        is_sound &= is_same;
        let (restored, peak) = peak::of(|| {
            let restored = restorer.take(real.time_ns, bytes, |id| COLLECTED.templates.get(id as usize).cloned());
            restored.map(|restored| {
                let mut whole = Vec::new();
                restored.write(&mut whole);
                whole
            })
        });
        assert!(peak <= 4 * PEAK_BYTES + bytes.len() * 8, "{peak} bytes were allocated for a message of {}", bytes.len());
        match restored {
            Ok(whole) => assert!(!is_sound || whole == real.whole),
            Err(error) => {
                assert!(!is_sound && error.left <= bytes.len(), "{error}");
                if !is_same {
                    restorer = Restorer::default(); // the next may be of the lane that it left half
                }
            }
        }
    }
    true
}

/// What a source has is read byte for byte, with any templates, lanes and segments.
fn made(bytes: &[u8]) -> bool {
    let made = source::made(bytes);
    let mut restorer = Restorer::default();
    for Made { begins, id, lane, must_stay, time_ns, bytes, whole } in &made.messages {
        if *begins {
            restorer.clear();
        }
        assert_eq!(Head::of(bytes), Ok(Head { template: *id, lane: *lane, must_stay: *must_stay, time_behind: 0 }));
        let restored = restorer.take(*time_ns, bytes, |id| made.templates.get(id as usize).cloned());
        let mut out = vec![7];
        restored.expect("what a lane writes").write(&mut out);
        assert!(out[1..] == **whole, "{out:?}: wanted {whole:?}");
    }
    !made.messages.is_empty()
}

/// A template of many points, and messages of it in many lanes.
fn many() -> Vec<u8> {
    let metric = Metric { prefix: Vec::new(), points: vec![Vec::new(); 4_000] };
    let template = Template { scopes: vec![Scope { fixed: 0..0, metrics: 0..1 }], metrics: vec![metric], ..Template::default() };
    let template = template.write(&COLLECTED.templates[0]);
    let messages = (0..500_u16).flat_map(|lane| [6, 0, 1, lane as u8 | 0x80, (lane >> 7) as u8, 0, 0, 0]);
    [1].into_iter().chain((template.len() as u16).to_le_bytes()).chain(template).chain(messages).collect()
}

fn all() -> Vec<Vec<u8>> {
    let templates: Vec<_> = COLLECTED.templates[1..].iter().map(|template| template.write(&COLLECTED.templates[0])).collect();
    let messages: Vec<_> = COLLECTED.messages.iter().map(|message| message.bytes.clone()).collect();
    seeds::compact(&templates, &messages)
}
