//! Envelopes for someone else: which of them could be mistaken for ours, and which never.

use jwe_envelope::{Envelope, KeyManagement};
use kms_backends::Registry;

/// Whether the envelope is a token of other people: under symmetric keys only, neither bound nor for a key of ours.
/// Identity providers and web frameworks keep such tokens in Secrets; no key that is served here could open one.
pub(super) fn is_others_token(envelope: &Envelope<'_>, registry: &Registry) -> bool {
    envelope.binding().is_none()
        && envelope
            .recipients()
            .iter()
            .all(|recipient| is_symmetric(recipient.algorithm()))
        && !registry.has_key_of(envelope)
}

/// `dir`, `A128KW`, `A256GCMKW`, `PBES2-HS256+A128KW` and so on (RFC 7518 §4.1).
fn is_symmetric(algorithm: &str) -> bool {
    let is_wrapping = || {
        let mut rest = ["A128", "A192", "A256"]
            .iter()
            .filter_map(|size| algorithm.strip_prefix(size));
        rest.any(|rest| rest == "KW" || rest == "GCMKW")
    };
    algorithm == "dir" || algorithm.starts_with("PBES2-") || is_wrapping()
}

/// Whether a key of ours could have it, by its algorithms.
pub(super) fn could_be_ours(envelope: &Envelope<'_>) -> bool {
    envelope
        .recipients()
        .iter()
        .any(|recipient| recipient.algorithm().parse::<KeyManagement>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::is_symmetric;

    #[test]
    fn symmetric_algorithms_are_those_of_rfc_7518() {
        for algorithm in [
            "dir",
            "A128KW",
            "A192KW",
            "A256KW",
            "A128GCMKW",
            "A192GCMKW",
            "A256GCMKW",
            "PBES2-HS256+A128KW",
            "PBES2-HS512+A256KW",
        ] {
            assert!(is_symmetric(algorithm), "{algorithm}");
        }
        for algorithm in [
            "RSA-OAEP",
            "RSA-OAEP-256",
            "RSA1_5",
            "ECDH-ES",
            "ECDH-ES+A256KW",
            "ECDH-ES+dir",
            "DIR",
            "A128KWX",
            "A128",
            "",
        ] {
            assert!(!is_symmetric(algorithm), "{algorithm}");
        }
    }
}
