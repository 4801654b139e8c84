//! Bytes that are read once from front to back, and what is wrong with them.

use std::fmt;

/// Bytes that are no compact message or no template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// Bytes behind the place where it was noticed.
    pub left: usize,
    /// What is wrong there.
    pub why: &'static str,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes before the end: {}", self.left, self.why)
    }
}

impl std::error::Error for Malformed {}

/// What is left to be read.
#[derive(Clone, Copy)]
pub struct Input<'a>(pub &'a [u8]);

impl<'a> Input<'a> {
    pub fn wrong(&self, why: &'static str) -> Malformed {
        Malformed { left: self.0.len(), why }
    }

    #[inline]
    pub fn byte(&mut self) -> Result<u8, Malformed> {
        let (byte, rest) = self.0.split_first().ok_or(self.wrong("it is cut: wanted a byte"))?;
        self.0 = rest;
        Ok(*byte)
    }

    #[inline]
    pub fn bytes(&mut self, len: usize) -> Result<&'a [u8], Malformed> {
        let (bytes, rest) = self.0.split_at_checked(len).ok_or(self.wrong("it is cut: wanted more bytes"))?;
        self.0 = rest;
        Ok(bytes)
    }

    /// A number in base 128, the lowest digits first.
    #[inline]
    pub fn number(&mut self) -> Result<u64, Malformed> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return if shift == 63 && byte > 1 { Err(self.wrong("a number above 64 bits")) } else { Ok(value) };
            }
        }
        Err(self.wrong("a number above 64 bits"))
    }

    /// A number that counts something in memory.
    pub fn len(&mut self, most: usize) -> Result<usize, Malformed> {
        let len = self.number()?;
        usize::try_from(len).ok().filter(|len| *len <= most).ok_or(self.wrong("a length beyond what it is of"))
    }

    /// Bytes behind their length.
    pub fn delimited(&mut self) -> Result<&'a [u8], Malformed> {
        let len = self.len(self.0.len())?;
        self.bytes(len)
    }
}
