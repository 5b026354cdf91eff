//! The little DER that we write: SubjectPublicKeyInfo and PKCS#8. Reading is left to the `der` family of crates.

use zeroize::Zeroizing;

pub(crate) const BIT_STRING: u8 = 0x03;
pub(crate) const INTEGER: u8 = 0x02;
#[cfg(feature = "local")]
pub(crate) const OCTET_STRING: u8 = 0x04;
pub(crate) const SEQUENCE: u8 = 0x30;

/// Complete encodings of the object identifiers and of NULL.
pub(crate) const OID_RSA: &[u8] = &[6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1];
pub(crate) const OID_EC: &[u8] = &[6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1];
pub(crate) const OID_P256: &[u8] = &[6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];
pub(crate) const OID_P384: &[u8] = &[6, 5, 0x2b, 0x81, 0x04, 0, 0x22];
pub(crate) const OID_P521: &[u8] = &[6, 5, 0x2b, 0x81, 0x04, 0, 0x23];
pub(crate) const OID_X25519: &[u8] = &[6, 3, 0x2b, 0x65, 0x6e];
pub(crate) const NULL: &[u8] = &[5, 0];

/// One element around `parts`, in an allocation of exactly its length, wiped when dropped.
pub(crate) fn element(tag: u8, parts: &[&[u8]]) -> Zeroizing<Vec<u8>> {
    let len = parts.iter().map(|part| part.len()).sum::<usize>();
    let significant = len.to_be_bytes();
    let significant = strip_zeros(&significant);
    let mut out = Vec::with_capacity(2 + significant.len() + len);
    out.push(tag);
    if len < 0x80 {
        out.push(u8::try_from(len).expect("checked to be below 128"));
    } else {
        out.push(0x80 | u8::try_from(significant.len()).expect("at most eight bytes of length"));
        out.extend_from_slice(significant);
    }
    for part in parts {
        out.extend_from_slice(part);
    }
    Zeroizing::new(out)
}

/// A non-negative INTEGER from big-endian bytes.
pub(crate) fn uint(bytes: &[u8]) -> Zeroizing<Vec<u8>> {
    let bytes = strip_zeros(bytes);
    match bytes.first() {
        None => element(INTEGER, &[&[0]]),
        Some(0x80..) => element(INTEGER, &[&[0], bytes]),
        Some(_) => element(INTEGER, &[bytes]),
    }
}

/// Without leading zero bytes.
pub(crate) fn strip_zeros(bytes: &[u8]) -> &[u8] {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    &bytes[zeros..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_take_their_shortest_form() {
        assert_eq!(*element(SEQUENCE, &[]), [0x30, 0]);
        assert_eq!(element(SEQUENCE, &[&[0; 127]])[..2], [0x30, 127]);
        assert_eq!(element(SEQUENCE, &[&[0; 128]])[..3], [0x30, 0x81, 128]);
        assert_eq!(element(SEQUENCE, &[&[0; 256]])[..4], [0x30, 0x82, 1, 0]);
    }

    #[test]
    fn integers_are_minimal_and_not_negative() {
        assert_eq!(*uint(&[]), [2, 1, 0]);
        assert_eq!(*uint(&[0, 0, 1]), [2, 1, 1]);
        assert_eq!(*uint(&[0x80]), [2, 2, 0, 0x80]);
        assert_eq!(*uint(&[1, 0, 1]), [2, 3, 1, 0, 1]);
    }
}
