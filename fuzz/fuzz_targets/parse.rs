//! Any bytes: recognition agrees with the parser, what the parser accepts prints back, what is rewritten is the same
//! envelope in a form that admission opens, and the search for hidden envelopes ends.
#![no_main]

use jwe_envelope::{
    Envelope, HiddenEnvelope, Recognized, Serialization, hidden_envelope, is_openable_form, recognize,
    to_openable_form,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    match recognize(bytes) {
        Recognized::Sealed(envelope) => sealed(bytes, &envelope),
        Recognized::Malformed(_) => assert_eq!(hidden_envelope(bytes), None),
        Recognized::Plain => {
            let hidden = hidden_envelope(bytes);
            if let Some(text) = hidden.as_ref().and_then(HiddenEnvelope::envelope) {
                assert!(!matches!(recognize(text), Recognized::Plain), "what was hidden is an envelope");
            }
        }
    }
});

fn sealed(bytes: &[u8], envelope: &Envelope<'_>) {
    let trimmed = bytes.trim_ascii();
    let again = Envelope::parse(bytes).expect("what admission accepts, the parser accepts");
    assert_eq!(again.digest(), envelope.digest());
    let printed = envelope.to_string();
    if envelope.serialization() == Serialization::Compact {
        assert_eq!(printed.as_bytes(), trimmed, "an accepted compact text has one spelling");
    }
    let reparsed = Envelope::parse(printed.as_bytes()).expect("our own print");
    assert_eq!(reparsed.digest(), envelope.digest());
    assert_eq!(reparsed.to_string(), printed);
    if let Ok(Some(rewritten)) = to_openable_form(bytes) {
        assert!(is_openable_form(rewritten.as_bytes()), "{rewritten}");
        let other = Envelope::parse(rewritten.as_bytes()).expect("it is complete");
        assert_eq!(other.digest(), envelope.digest());
        assert_eq!(to_openable_form(rewritten.as_bytes()), Ok(None));
    }
}
