//! Any bytes: recognition agrees with the parser, and what the parser accepts prints back.
#![no_main]

use jwe_envelope::{Envelope, Recognized, Serialization, recognize};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Recognized::Sealed(envelope) = recognize(bytes) {
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
    }
});
