//! A row of atomics in cache lines of its own, so that two threads that write their own rows never share one.
//!
//! A row has one length for good. Its place in memory stays while it lives, wherever the `Row` itself is moved.

use std::ops::Deref;

/// Elements of a line.
const LINE: usize = 32;

/// 128 bytes are two lines of x86-64, which are fetched in pairs, and one of Apple's processors.
#[repr(C, align(128))]
struct Line<T>([T; LINE]);

/// So many elements, each its default at first.
pub struct Row<T> {
    lines: Vec<Line<T>>,
    len: usize,
}

impl<T> Row<T> {
    /// No elements, and no memory.
    pub const fn empty() -> Self {
        Self { lines: Vec::new(), len: 0 }
    }
}

impl<T: Default> Row<T> {
    /// A row of `len` elements.
    pub fn zeroed(len: usize) -> Self {
        let line = |_| Line(std::array::from_fn(|_| T::default()));
        Self { lines: (0..len.div_ceil(LINE)).map(line).collect(), len }
    }
}

impl<T> Deref for Row<T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        const { assert!(size_of::<Line<T>>() == LINE * size_of::<T>(), "a line has no padding") }
        // SAFETY: the lines lie one after the other and hold `LINE` elements each without padding, as just asserted; `len` is at most
        // the number of their elements; they live as long as the row and are initialised.
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast(), self.len) }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

    #[test]
    fn elements_lie_in_a_row_and_begin_a_line() {
        let row = Row::<AtomicU64>::zeroed(100);
        (0..100).for_each(|i| row[i].store(i as u64, Relaxed));
        assert!(row.iter().enumerate().all(|(i, cell)| cell.load(Relaxed) == i as u64) && row.len() == 100);
        assert_eq!(row.as_ptr().addr() % 128, 0);
        assert_eq!(Row::<AtomicU64>::empty().len(), 0);
    }
}
