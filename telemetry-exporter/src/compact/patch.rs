//! What became of some bytes: nothing, other bytes in some places, or another middle.
//!
//! ```text
//! 0                                              the same
//! 1  skip, n - 1, n bytes  …  skip = what is left   as many, of which these are others
//! 2  before, behind, n, n bytes                  so many of the front and of the end stay, with these between
//! ```

use super::input::{Input, Malformed};
use crate::wire::varint;

const SAME: u8 = 0;
const PLACES: u8 = 1;
const MIDDLE: u8 = 2;

/// Bytes that are at most said once more between two places that differ, since a further place costs two.
const JOINED: usize = 2;

/// Writes what leads from the one to the other.
pub fn write(out: &mut Vec<u8>, before: &[u8], now: &[u8]) {
    if before == now {
        out.push(SAME);
    } else if before.len() == now.len() {
        out.push(PLACES);
        write_places(out, before, now);
    } else {
        let front = before.iter().zip(now).take_while(|(a, b)| a == b).count();
        let most = before.len().min(now.len()) - front;
        let end = before.iter().rev().zip(now.iter().rev()).take(most).take_while(|(a, b)| a == b).count();
        let middle = &now[front..now.len() - end];
        out.push(MIDDLE);
        [front, end, middle.len()].into_iter().for_each(|len| varint(out, len as u64));
        out.extend_from_slice(middle);
    }
}

fn write_places(out: &mut Vec<u8>, before: &[u8], now: &[u8]) {
    let mut at = 0;
    loop {
        let Some(skip) = before[at..].iter().zip(&now[at..]).position(|(a, b)| a != b) else {
            return varint(out, (now.len() - at) as u64);
        };
        let begin = at + skip;
        let (mut end, mut same) = (begin + 1, 0);
        for (n, (a, b)) in before[end..].iter().zip(&now[end..]).enumerate() {
            same = if a == b { same + 1 } else { 0 };
            if same > JOINED {
                break;
            }
            if same == 0 {
                end = begin + 2 + n;
            }
        }
        varint(out, skip as u64);
        varint(out, (end - begin - 1) as u64);
        out.extend_from_slice(&now[begin..end]);
        at = end;
    }
}

/// Makes of the bytes what was written, of at most so many bytes. Tells whether they are others now.
pub fn read(input: &mut Input<'_>, bytes: &mut Vec<u8>, most: usize) -> Result<bool, Malformed> {
    match input.byte()? {
        SAME => return Ok(false),
        PLACES => {
            let mut at = 0;
            loop {
                at += input.len(bytes.len() - at)?;
                if at == bytes.len() {
                    break;
                }
                let len = input.len(bytes.len() - at - 1)? + 1;
                bytes[at..at + len].copy_from_slice(input.bytes(len)?);
                at += len;
            }
        }
        MIDDLE => {
            let front = input.len(bytes.len())?;
            let end = input.len(bytes.len() - front)?;
            let middle = input.delimited()?;
            if front + middle.len() + end > most {
                return Err(input.wrong("more bytes than a message may have"));
            }
            bytes.splice(front..bytes.len() - end, middle.iter().copied());
        }
        _ => return Err(input.wrong("a change of bytes of a kind that there is not")),
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn comes_back(before: &[u8], now: &[u8]) -> usize {
        let mut out = Vec::new();
        write(&mut out, before, now);
        let (mut input, mut found) = (Input(&out), before.to_vec());
        assert_eq!(read(&mut input, &mut found, now.len().max(before.len())), Ok(before != now));
        assert!(input.0.is_empty());
        assert_eq!(found, now);
        for cut in 0..out.len() {
            assert!(read(&mut Input(&out[..cut]), &mut before.to_vec(), 1 << 20).is_err());
        }
        out.len()
    }

    proptest! {
        #[test]
        fn bytes_come_back(before in prop::collection::vec(0..3_u8, 0..60), now in prop::collection::vec(0..3_u8, 0..60)) {
            comes_back(&before, &now);
        }

        #[test]
        fn bytes_of_one_length_come_back(both in prop::collection::vec((0..3_u8, 0..3_u8), 0..60)) {
            let (before, now): (Vec<_>, Vec<_>) = both.into_iter().unzip();
            comes_back(&before, &now);
        }
    }

    #[test]
    fn a_few_places_take_a_few_bytes() {
        let before = vec![7; 1_000];
        let mut now = before.clone();
        (now[10], now[13], now[500]) = (1, 2, 3);
        assert_eq!(comes_back(&before, &now), 1 + (2 + 4) + (2 + 1 + 1) + 2); // the skips of 486 and 499 take two bytes each
        now.insert(501, 4);
        assert!(comes_back(&before, &now) < 510);
    }

    #[test]
    fn no_more_bytes_come_of_it_than_are_allowed() {
        let mut out = Vec::new();
        write(&mut out, &[1, 2], &[1, 3, 4, 2]);
        assert!(read(&mut Input(&out), &mut vec![1, 2], 3).is_err());
        assert!(read(&mut Input(&out), &mut vec![1, 2], 4).is_ok());
    }
}
