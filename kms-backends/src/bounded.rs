//! Files and streams from outside: read whole, up to a bound.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use zeroize::Zeroizing;

/// Reads to the end, into memory that is wiped; `None` when there are more than `limit` bytes.
///
/// # Errors
/// When the reader fails.
pub fn read_bounded(reader: &mut dyn Read, limit: usize) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(limit.min(16 * 1024)));
    let mut chunk = Zeroizing::new([0; 16 * 1024]);
    loop {
        let read = match reader.read(&mut *chunk) {
            Ok(0) => return Ok(Some(bytes)),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let needed = bytes.len() + read;
        if needed > limit {
            return Ok(None);
        }
        if needed > bytes.capacity() {
            // A vector that grows by itself leaves its old bytes behind; this one is wiped when replaced.
            let mut larger = Zeroizing::new(Vec::with_capacity(needed.max(2 * bytes.capacity())));
            larger.extend_from_slice(&bytes);
            bytes = larger;
        }
        bytes.extend_from_slice(&chunk[..read]);
    }
}

/// As [`read_bounded`], for a whole file.
///
/// # Errors
/// When it cannot be read.
pub fn read_file_bounded(path: &Path, limit: usize) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
    read_bounded(&mut File::open(path)?, limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_up_to_the_limit_and_no_further() {
        for len in [0, 1, 16 * 1024, 16 * 1024 + 1, 100_000] {
            let bytes: Vec<u8> = (0..=255).cycle().take(len).collect();
            let read = read_bounded(&mut bytes.as_slice(), len).unwrap().unwrap();
            assert_eq!(*read, bytes);
            if len > 0 {
                assert!(
                    read_bounded(&mut bytes.as_slice(), len - 1)
                        .unwrap()
                        .is_none()
                );
            }
        }
    }
}
