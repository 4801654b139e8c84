//! Changes of numbers of 64 bits: how many did not change before one that did, and by how much it did.
//!
//! A change is one byte where fewer than 15 numbers before it stayed, and it is a whole number that changed by -7 to 6:
//!
//! ```text
//! ┌─────────────┬─────────────┐
//! │ skip 0 – 15 │ code 0 – 14 │  15 skipped: a number with the rest follows
//! └─────────────┴─────────────┘
//! code 0                       the end
//! a whole number               code 1 – 13 is the zigzag code of the difference; 14: a number with the rest follows
//! bits                         code 1 – 8 is how many bytes follow, the lowest first, of the exclusive or; before them a byte says how
//!                              many zero bytes are below these
//! ```

use super::input::{Input, Malformed};
use crate::wire::varint;

/// What a number is, for the sake of few bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A whole number, which changes by a difference.
    Whole,
    /// Bits, such as those of a floating-point number, of which some change.
    Bits,
}

/// What becomes of a number.
#[derive(Clone, Copy)]
pub enum Change {
    /// This is added, with wrapping.
    Add(u64),
    /// These bits are others.
    Flip(u64),
}

impl Change {
    /// The number now.
    #[inline]
    pub fn of(self, before: u64) -> u64 {
        match self {
            Self::Add(difference) => before.wrapping_add(difference),
            Self::Flip(bits) => before ^ bits,
        }
    }
}

const SKIP_MAX: usize = 15;
const REST: u8 = 14;

/// Writes that after so many unchanged numbers one changed. They differ.
#[inline]
pub fn write(out: &mut Vec<u8>, skipped: usize, kind: Kind, before: u64, now: u64) {
    let skip = skipped.min(SKIP_MAX);
    let head = |code: u8| (skip as u8) << 4 | code;
    let rest = |out: &mut Vec<u8>| {
        if skip == SKIP_MAX {
            varint(out, (skipped - SKIP_MAX) as u64);
        }
    };
    match kind {
        Kind::Whole => {
            let difference = now.wrapping_sub(before).cast_signed();
            let zigzag = ((difference << 1) ^ (difference >> 63)).cast_unsigned();
            if zigzag < u64::from(REST) {
                out.push(head(zigzag as u8));
                rest(out);
            } else {
                out.push(head(REST));
                rest(out);
                varint(out, zigzag - u64::from(REST));
            }
        }
        Kind::Bits => {
            let changed = before ^ now;
            let below = changed.trailing_zeros() / 8;
            let significant = changed >> (8 * below);
            let len = 8 - (significant.leading_zeros() / 8) as usize;
            out.push(head(len as u8));
            rest(out);
            out.push(below as u8);
            out.extend_from_slice(&significant.to_le_bytes()[..len]);
        }
    }
}

/// Ends the changes.
pub fn end(out: &mut Vec<u8>) {
    out.push(0);
}

/// Reads all changes of so many numbers; each is handed over with its place.
#[inline]
pub fn read(
    input: &mut Input<'_>,
    len: usize,
    kind: impl Fn(usize) -> Kind,
    mut change: impl FnMut(usize, Change),
) -> Result<(), Malformed> {
    let mut next = 0;
    loop {
        let head = input.byte()?;
        let (skip, code) = (usize::from(head >> 4), head & 15);
        if code == 0 {
            return if skip == 0 { Ok(()) } else { Err(input.wrong("an end that skips")) };
        }
        let skip = if skip == SKIP_MAX { skip.saturating_add(input.len(len)?) } else { skip };
        let place = next + skip;
        if place >= len {
            return Err(input.wrong("a change of a number that there is not"));
        }
        match kind(place) {
            Kind::Whole => {
                let zigzag = match code {
                    15 => return Err(input.wrong("a code of a whole number that there is not")),
                    REST => input.number()?.checked_add(u64::from(REST)).ok_or(input.wrong("a number above 64 bits"))?,
                    code => u64::from(code),
                };
                let difference = (zigzag >> 1) ^ (zigzag & 1).wrapping_neg();
                change(place, Change::Add(difference));
            }
            Kind::Bits => {
                let below = u32::from(input.byte()?);
                if u32::from(code) + below > 8 {
                    return Err(input.wrong("more bits than a number has"));
                }
                let mut bytes = [0; 8];
                bytes[..usize::from(code)].copy_from_slice(input.bytes(usize::from(code))?);
                let changed = u64::from_le_bytes(bytes) << (8 * below);
                change(place, Change::Flip(changed));
            }
        }
        next = place + 1;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn coded(before: &[(u64, bool)], now: &[u64]) -> (Vec<u8>, impl Fn(usize) -> Kind + use<>) {
        let kinds: Vec<_> = before.iter().map(|(_, bits)| if *bits { Kind::Bits } else { Kind::Whole }).collect();
        let (mut out, mut skipped) = (Vec::new(), 0);
        for ((before, now), kind) in before.iter().zip(now).zip(&kinds) {
            if before.0 == *now {
                skipped += 1;
            } else {
                write(&mut out, std::mem::take(&mut skipped), *kind, before.0, *now);
            }
        }
        end(&mut out);
        (out, move |place| kinds[place])
    }

    proptest! {
        #[test]
        fn numbers_come_back(cells in prop::collection::vec((any::<(u64, bool)>(), prop_oneof![Just(None), any::<u64>().prop_map(Some), (0..99_u64).prop_map(Some)]), 0..200)) {
            let before: Vec<_> = cells.iter().map(|cell| cell.0).collect();
            let now: Vec<_> = cells.iter().map(|((before, _), change)| change.map_or(*before, |change| if change < 99 { before.wrapping_add(change) } else { change })).collect();
            let (out, kinds) = coded(&before, &now);
            let mut found: Vec<_> = before.iter().map(|cell| cell.0).collect();
            let mut input = Input(&out);
            read(&mut input, found.len(), &kinds, |place, change| found[place] = change.of(found[place])).expect("what was written");
            prop_assert!(input.0.is_empty());
            prop_assert_eq!(found, now);
            for cut in 0..out.len() {
                let cut = read(&mut Input(&out[..cut]), before.len(), &kinds, |_, _| {});
                prop_assert!(cut.is_err());
            }
        }
    }

    #[test]
    fn small_steps_of_most_numbers_take_one_byte_each() {
        let before: Vec<_> = (0..1_000).map(|n| (n * 1_000, false)).collect();
        let now: Vec<_> = before.iter().map(|(n, _)| n + u64::from(n % 3 == 0) * 6).collect();
        let (out, _) = coded(&before, &now);
        assert_eq!(out.len(), 335);
    }
}
