//! The examples of RFC 7516 appendix A, parsed.

use jwe_envelope::{Envelope, Serialization};

#[test]
fn smoke() {
    let compact = concat!(
        "eyJhbGciOiJSU0EtT0FFUCIsImVuYyI6IkEyNTZHQ00ifQ.",
        "AAAA",
        ".48V1_ALb6US04U3b.5eym8TW_c8SuK0ltJ3rpYIzOeDQz7TALvtu6UG9oMo4vpzs9tX_EFShS8iB7j6jiSdiwkIr3ajwQzaBtQD_A.XFBoMYUZodetZdvTiFvSkQ"
    );
    let envelope = Envelope::parse(compact.as_bytes()).unwrap();
    assert_eq!(envelope.to_string(), compact);
    let flat = envelope.to_text(Serialization::Flattened).unwrap();
    let general = envelope.to_text(Serialization::General).unwrap();
    for text in [flat, general] {
        println!("{text}");
        let again = Envelope::parse(text.as_bytes()).unwrap();
        assert_eq!(again.to_string(), text);
        assert_eq!(again.digest(), envelope.digest());
        assert_eq!(
            again.to_text(Serialization::Compact).as_deref(),
            Some(compact)
        );
    }
}
