//! A buffer that leaves nothing behind when it grows.

use zeroize::{Zeroize, Zeroizing};

/// Bytes that are wiped on drop and whenever they move.
#[derive(Default)]
pub(crate) struct WipingBuffer(Zeroizing<Vec<u8>>);

impl WipingBuffer {
    /// Adds `count` zero bytes and hands them out to be filled.
    pub(crate) fn extend(&mut self, count: usize) -> &mut [u8] {
        self.reserve(count);
        let start = self.0.len();
        self.0.resize(start + count, 0);
        &mut self.0[start..]
    }

    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.extend(bytes.len()).copy_from_slice(bytes);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn into_inner(self) -> Zeroizing<Vec<u8>> {
        self.0
    }

    pub(crate) fn reserve(&mut self, count: usize) {
        let needed = self.0.len() + count;
        if needed > self.0.capacity() {
            // `Vec` would copy and free without wiping, so the move is made by hand.
            let mut larger = Vec::with_capacity(needed.max(self.0.capacity() * 2).max(256));
            larger.extend_from_slice(&self.0);
            self.0.zeroize();
            self.0 = Zeroizing::new(larger);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_content_while_it_grows() {
        let mut buffer = WipingBuffer::default();
        let mut expected = Vec::new();
        for byte in 0..=255u8 {
            let piece = vec![byte; usize::from(byte)];
            buffer.push(&piece);
            expected.extend_from_slice(&piece);
        }
        assert_eq!(*buffer.into_inner(), expected);
    }

    #[test]
    fn never_lets_the_vector_grow_on_its_own() {
        let mut buffer = WipingBuffer::default();
        for _ in 0..2000 {
            buffer.reserve(7);
            let capacity = buffer.0.capacity();
            buffer.push(b"seven..");
            assert_eq!(buffer.0.capacity(), capacity);
        }
    }
}
