//! Changes of bytes that were sound.

/// Bytes that say one change.
pub const BYTES: usize = 5;

/// Makes the change that these bytes say: two the place, the others the way, a value and a length. Nothing of no bytes.
pub fn apply(data: &mut Vec<u8>, [low, high, way, value, length]: [u8; BYTES]) {
    if data.is_empty() {
        return;
    }
    let begin = usize::from(u16::from_le_bytes([low, high])) % data.len();
    let end = (begin + usize::from(length)).min(data.len());
    let to = usize::from(value) * 4 % (data.len() - (end - begin) + 1);
    match way % 8 {
        0 | 1 => data[begin] ^= value,
        2 => data.truncate(begin),
        3 => data[begin..end].fill(value),
        4 => drop(data.drain(begin..end)),
        5 => data.copy_within(begin..end, to),
        6 => data.splice(begin..begin, vec![value; usize::from(length)]).for_each(drop),
        _ => {}
    }
}

/// Makes all of them.
pub fn apply_all(data: &mut Vec<u8>, changes: &[u8]) {
    changes.as_chunks().0.iter().for_each(|change| apply(data, *change));
}
