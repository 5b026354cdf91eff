//! A sealed value with some bytes changed: it is refused, or it opens to the very value.
#![no_main]

use std::sync::LazyLock;

use jwe_envelope::{Binding, Curve, Envelope, KeyKind, LocalKey, Place, Rejected, Sealer};
use libfuzzer_sys::fuzz_target;

static KEY: LazyLock<LocalKey> = LazyLock::new(|| LocalKey::generate(KeyKind::Ec(Curve::P256)).expect("a new key"));
static TEXT: LazyLock<String> = LazyLock::new(|| {
    let place = Place::new("payments", "db", "password").expect("a legal place");
    let mut sealer = Sealer::new(std::slice::from_ref(KEY.recipient())).expect("a usable key");
    sealer.seal(b"hunter2", &Binding::exact(&place)).expect("a small value").to_string()
});

// Pairs of bytes: where, and what to put there; an odd last byte is ignored.
fuzz_target!(|edits: &[u8]| {
    let mut text = TEXT.clone().into_bytes();
    for edit in edits.chunks_exact(3).take(8) {
        let at = usize::from(u16::from_le_bytes([edit[0], edit[1]])) % text.len();
        text[at] = edit[2];
    }
    let Ok(envelope) = Envelope::parse(&text) else { return };
    let Ok(opening) = envelope.open_unchecked(0, KEY.recipient()) else { return };
    let answer = KEY.unwrap(&opening.request()).map_err(|_| Rejected);
    match opening.finish(answer) {
        Ok(plaintext) => {
            assert_eq!(text.trim_ascii(), TEXT.as_bytes(), "a changed envelope opened");
            assert_eq!(plaintext.expose(), b"hunter2");
        }
        Err(error) => assert_ne!(text, TEXT.as_bytes(), "an unchanged envelope did not open: {error}"),
    }
});
