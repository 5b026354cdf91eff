//! Types for what must not leak: wiped when dropped, redacted in `Debug`, exposed by name only.

use std::fmt;

use secrecy::{ExposeSecret, SecretBox};
use zeroize::Zeroize;

use crate::algorithm::ContentEncryption;

/// Secret bytes as a key service returned them: a content key, or a raw agreed secret.
///
/// Wiped when dropped. No `Clone`, `Display` or `Serialize`.
pub struct SecretBytes(SecretBox<[u8]>);

impl SecretBytes {
    /// Takes over `bytes`. When the vector has spare capacity, its content is copied to an exact
    /// allocation and the old one is wiped.
    pub fn new(mut bytes: Vec<u8>) -> Self {
        if bytes.len() == bytes.capacity() {
            return Self(SecretBox::new(bytes.into_boxed_slice()));
        }
        let exact: Box<[u8]> = Box::from(bytes.as_slice());
        bytes.zeroize();
        Self(SecretBox::new(exact))
    }

    /// Makes `len` bytes in place, filled by `fill`, so that no copy is left behind.
    pub fn filled_by(len: usize, fill: impl FnOnce(&mut [u8])) -> Self {
        let mut bytes = vec![0; len].into_boxed_slice();
        fill(&mut bytes);
        Self(SecretBox::new(bytes))
    }

    /// `len` random bytes; `None` when the provider has no randomness to give.
    pub(crate) fn random(len: usize) -> Option<Self> {
        let mut filled = None;
        let bytes = Self::filled_by(len, |out| filled = aws_lc_rs::rand::fill(out).ok());
        filled.map(|()| bytes)
    }

    /// The bytes.
    pub fn expose(&self) -> &[u8] {
        self.0.expose_secret()
    }
}

impl fmt::Debug for SecretBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretBytes(<redacted>)")
    }
}

/// A content key (RFC 7516 §2, "CEK") of exactly the length that its `enc` asks for.
///
/// Wiped when dropped. Whether it is the right one only the tag can tell.
pub struct ContentKey {
    bytes: SecretBytes,
    encryption: ContentEncryption,
}

impl ContentKey {
    /// Binds `bytes` to `encryption`; `None` when the length is not the one that it needs.
    pub(crate) fn new(bytes: SecretBytes, encryption: ContentEncryption) -> Option<Self> {
        (bytes.expose().len() == encryption.key_len()).then_some(Self { bytes, encryption })
    }

    /// A fresh key; `None` when the provider has no randomness to give.
    pub(crate) fn random(encryption: ContentEncryption) -> Option<Self> {
        let bytes = SecretBytes::random(encryption.key_len())?;
        Some(Self { bytes, encryption })
    }

    /// The content encryption that this key is for.
    pub fn encryption(&self) -> ContentEncryption {
        self.encryption
    }

    pub(crate) fn expose(&self) -> &[u8] {
        self.bytes.expose()
    }
}

impl fmt::Debug for ContentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ContentKey({}, <redacted>)", self.encryption)
    }
}

/// An opened value. Wiped when dropped.
pub struct Plaintext(Vec<u8>);

impl Plaintext {
    /// Takes over `bytes`, whose whole allocation is wiped when the plaintext is dropped.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The value's bytes.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Plaintext {
    fn drop(&mut self) {
        wipe(&mut self.0);
    }
}

/// Wipes the whole allocation, as `zeroize` does, but with block writes: one volatile write per byte would show in the time
/// that opening 1 MiB takes. The barrier is what keeps the compiler from dropping writes that no one reads.
pub fn wipe(bytes: &mut Vec<u8>) {
    bytes.spare_capacity_mut().zeroize();
    bytes.fill(0);
    zeroize::optimization_barrier(bytes.as_slice());
}

impl fmt::Debug for Plaintext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Plaintext({} bytes, <redacted>)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wiping_leaves_zeros_in_what_was_written() {
        for len in [0, 1, 4096, 100_000] {
            let mut bytes = Vec::with_capacity(len + 100);
            bytes.resize(len + 50, 7);
            bytes.truncate(len);
            wipe(&mut bytes);
            assert_eq!(bytes, vec![0; len]);
        }
    }

    #[test]
    fn secrets_are_taken_over_whatever_their_capacity() {
        let mut roomy = Vec::with_capacity(100);
        roomy.extend_from_slice(b"secret");
        assert_eq!(SecretBytes::new(roomy).expose(), b"secret");
        assert_eq!(SecretBytes::new(b"secret".to_vec()).expose(), b"secret");
        assert_eq!(
            SecretBytes::filled_by(3, |out| out.fill(7)).expose(),
            [7; 3]
        );
    }
}
