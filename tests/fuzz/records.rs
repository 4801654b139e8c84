//! Any bytes as a section of records. The first byte of an input says whether the others are the section as they are, or the fields of
//! up to three records whose heads are made here: no fuzzer guesses a checksum. Two bytes say where the section is cut.

#![no_main]

use fuzz::seeds;
use libfuzzer_sys::fuzz_target;
use telemetry_core::meta::Record;

fuzz_target!(init: seeds::write(seeds::records(), Vec::new(), reads), |input: &[u8]| {
    let Some((cut, section, begins)) = taken(input) else { return };
    let begins = begins.as_deref();
    let all = Record::read_all(&section);
    match &all {
        Ok(records) => {
            assert!(records.iter().all(|record| !record.name.is_empty() && !record.kind.is_empty()), "{records:?}");
            assert!(begins.is_none_or(|begins| begins.len() == records.len()), "as many as there are heads");
        }
        Err(error) => {
            assert!(error.at < section.len(), "{error}: the section has {} bytes", section.len());
            assert!(begins.is_none_or(|begins| begins.contains(&error.at)), "{error}: no record begins there");
            assert!(Record::read_all(&section[..error.at]).is_ok(), "{error}: and there is one before it");
        }
    }
    let cut = cut % (section.len() + 1);
    match (all, Record::read_all(&section[..cut])) {
        // As text, because a bound that is no number equals nothing.
        (Ok(all), Ok(some)) => assert!(some.len() <= all.len() && format!("{:?}", &all[..some.len()]) == format!("{some:?}")),
        (Ok(_), Err(error)) => assert!(error.at < cut, "{error}: the section has {cut} bytes"),
        (Err(error), Ok(_)) => assert!(cut < section.len(), "{error}: it is not cut"),
        (Err(whole), Err(cut)) => assert!(cut.at <= whole.at, "{cut}: it was whole without the cut"),
    }
});

/// Where to cut, the section, and where its records begin if their heads are made here.
fn taken(input: &[u8]) -> Option<(usize, Vec<u8>, Option<Vec<usize>>)> {
    let ([many, cut @ ..], bytes) = input.split_first_chunk::<3>()?;
    let (section, begins) = match many % 4 {
        0 => (bytes.to_vec(), None),
        many => made(many.into(), bytes),
    };
    Some((u16::from_le_bytes(*cut).into(), section, begins))
}

/// A section of records whose heads are right. Their fields are equal parts of the bytes.
fn made(many: usize, bytes: &[u8]) -> (Vec<u8>, Option<Vec<usize>>) {
    let (mut section, mut begins) = (Vec::new(), Vec::new());
    for fields in bytes.chunks(bytes.len().div_ceil(many).max(1)) {
        section.extend(vec![0; begins.len() * 3]); // the linker's
        begins.push(section.len());
        section.extend(seeds::headed(fields));
    }
    (section, Some(begins))
}

fn reads(input: &[u8]) -> bool {
    taken(input).is_some_and(|(_, section, _)| Record::read_all(&section).is_ok_and(|records| !records.is_empty()))
}
