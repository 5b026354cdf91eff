//! What the test files share.
#![allow(
    clippy::unwrap_used,
    dead_code,
    reason = "helpers of tests, of which no file uses all"
)]

use std::sync::LazyLock;

use jwe_envelope::{
    Binding, ContentEncryption, Curve, Envelope, KeyKind, KeyManagement, LocalKey, OpenError,
    Place, RecipientKey, RefusedError, Rejected, Sealer,
};

/// A 2048-bit key, made once.
pub(crate) fn rsa() -> &'static LocalKey {
    static KEY: LazyLock<LocalKey> =
        LazyLock::new(|| LocalKey::generate(KeyKind::Rsa(2048)).unwrap());
    &KEY
}

/// A P-256 key, made once.
pub(crate) fn p256() -> &'static LocalKey {
    static KEY: LazyLock<LocalKey> =
        LazyLock::new(|| LocalKey::generate(KeyKind::Ec(Curve::P256)).unwrap());
    &KEY
}

/// The same private key under another pin.
pub(crate) fn pinned(key: &LocalKey, algorithm: KeyManagement) -> LocalKey {
    LocalKey::from_bytes(key.to_pkcs8_pem().as_bytes(), Some(algorithm)).unwrap()
}

/// The binding of one key of the Secret `payments/db`.
pub(crate) fn bound_to(key: &str) -> Binding {
    Binding::exact(&Place::new("payments", "db", key).unwrap())
}

/// One value, sealed on its own.
pub(crate) fn seal(
    recipient: &RecipientKey,
    encryption: ContentEncryption,
    value: &[u8],
) -> String {
    Sealer::new(std::slice::from_ref(recipient))
        .unwrap()
        .content_encryption(encryption)
        .unwrap()
        .seal(value, &bound_to("password"))
        .unwrap()
        .to_string()
}

/// Opens as one recipient (from 0); the envelope must be one that is not refused.
pub(crate) fn open_at(text: &str, recipient: usize, key: &LocalKey) -> Result<Vec<u8>, OpenError> {
    let envelope = Envelope::parse(text.as_bytes()).unwrap();
    let opening = envelope.open_unchecked(recipient, key.recipient()).unwrap();
    let answer = key.unwrap(&opening.request()).map_err(|_| Rejected);
    opening.finish(answer).map(|value| value.expose().to_vec())
}

/// Why the envelope is refused before any key is touched.
pub(crate) fn refusal(text: &str, recipient: usize, key: &RecipientKey) -> RefusedError {
    let envelope = Envelope::parse(text.as_bytes()).unwrap();
    envelope
        .open_unchecked(recipient, key)
        .map(drop)
        .unwrap_err()
}
