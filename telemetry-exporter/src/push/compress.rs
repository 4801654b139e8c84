//! gzip, of requests and of the answers to them.

use std::io::{Read, Write};

use bytes::Bytes;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;

/// Cannot fail: it writes to memory.
pub fn gzip(body: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 4), flate2::Compression::default());
    let written = encoder.write_all(body).and_then(|()| encoder.finish());
    written.unwrap_or_default().into()
}

/// None where it is no gzip, or larger than so many bytes.
pub fn gunzip(body: &[u8], bytes_max: usize) -> Option<Bytes> {
    let mut plain = Vec::new();
    GzDecoder::new(body).take(bytes_max as u64 + 1).read_to_end(&mut plain).ok()?;
    (plain.len() <= bytes_max).then(|| plain.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_compressed_comes_back_unless_it_is_larger_than_it_may_be() {
        let body = vec![7; 100_000];
        let small = gzip(&body);
        assert!(small.len() < 1_000);
        assert_eq!(gunzip(&small, body.len()).expect("gzip"), body);
        assert_eq!(gunzip(&small, body.len() - 1), None);
        assert_eq!(gunzip(&small[..small.len() - 9], body.len()), None, "cut");
        assert_eq!(gunzip(b"none", 100), None);
    }
}
