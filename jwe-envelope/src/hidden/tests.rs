use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use proptest::prelude::*;

use super::{HiddenEnvelope, hidden_envelope};
use crate::base64url;

const TAIL: &str = "AAAA.AAAAAAAAAAAAAAAA.AAAA.AAAAAAAAAAAAAAAAAAAAAA";

fn envelope(header: &str) -> String {
    format!("{}.{TAIL}", base64url::encode(header.as_bytes()))
}

fn ours() -> String {
    envelope(r#"{"enc":"A256GCM","alg":"RSA-OAEP-256","kid":"k","bind":{"v":1,"ns":"payments"}}"#)
}

fn flattened() -> String {
    let protected = base64url::encode(br#"{"enc":"A256GCM"}"#);
    format!(
        r#"{{"protected":"{protected}","header":{{"alg":"ECDH-ES+A256KW"}},"iv":"AAAAAAAAAAAAAAAA","ciphertext":"AAAA","tag":"AAAAAAAAAAAAAAAAAAAAAA"}}"#
    )
}

fn wrapped_lines(text: &str, width: usize) -> String {
    let lines: Vec<_> = text.as_bytes().chunks(width).collect();
    let lines: Vec<_> = lines
        .iter()
        .map(|line| String::from_utf8_lossy(line))
        .collect();
    lines.join("\n")
}

#[test]
fn what_stands_around_an_envelope_is_removed() {
    for envelope in [ours(), flattened()] {
        for value in [
            format!("\"{envelope}\""),
            format!("'{envelope}'\n"),
            format!("\n \"{envelope}\""),
            format!("\u{feff}\"{envelope}\""),
        ] {
            let found = hidden_envelope(value.as_bytes());
            let expected = HiddenEnvelope::Wrapped(envelope.clone().into_bytes());
            assert_eq!(found, Some(expected), "{value:?}");
        }
        // Spaces and a byte order mark hide nothing: the value is recognized as an envelope.
        for value in [
            format!("\n{envelope}"),
            format!("  {envelope}\n"),
            format!("\u{feff}{envelope}"),
        ] {
            assert_eq!(hidden_envelope(value.as_bytes()), None, "{value:?}");
            let recognized = crate::recognize(value.as_bytes());
            assert!(!matches!(recognized, crate::Recognized::Plain), "{value:?}");
        }
    }
}

#[test]
fn other_encodings_of_an_envelope_are_undone() {
    for envelope in [ours(), flattened()] {
        let twice = STANDARD.encode(STANDARD.encode(&envelope));
        let little: Vec<u8> = envelope.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = envelope.encode_utf16().flat_map(u16::to_be_bytes).collect();
        for value in [
            STANDARD.encode(&envelope).into_bytes(),
            STANDARD_NO_PAD.encode(format!("{envelope}\n")).into_bytes(),
            URL_SAFE_NO_PAD.encode(&envelope).into_bytes(),
            wrapped_lines(&STANDARD.encode(&envelope), 76).into_bytes(),
            format!("\"{}\"\n", STANDARD.encode(format!(" \"{envelope}\" "))).into_bytes(),
            twice.into_bytes(),
            little.clone(),
            [&b"\xff\xfe"[..], &little].concat(),
            [&b"\xfe\xff"[..], &big].concat(),
        ] {
            let found = hidden_envelope(&value);
            let expected = HiddenEnvelope::Encoded(envelope.clone().into_bytes());
            assert_eq!(
                found,
                Some(expected),
                "{:?}",
                String::from_utf8_lossy(&value)
            );
        }
    }
}

#[test]
fn an_envelope_within_a_longer_text_is_found() {
    for envelope in [ours(), flattened()] {
        let encoded = STANDARD.encode(&envelope);
        for value in [
            format!("password={envelope}"),
            format!("password: {envelope}\nuser: shop\n"),
            format!("Bearer {envelope}"),
            format!("{{\"a\":{{\"password\":{envelope:?}}}}}"),
            format!("DB=x\nPASSWORD='{envelope}'\nOTHER=y\n"),
            format!("password={encoded}"),
            format!("token: {}\nuser: shop\n", wrapped_lines(&encoded, 64)),
            format!("glued{envelope}"),
            format!("jdbc:postgresql://db/shop?password={envelope}&ssl=true"),
            STANDARD.encode(format!("password={envelope}")),
            STANDARD.encode(format!("xpassword={envelope}")),
            STANDARD.encode(format!("xxpassword={envelope}")),
            format!("hunter2\n{envelope}"),
        ] {
            assert_eq!(
                hidden_envelope(value.as_bytes()),
                Some(HiddenEnvelope::Within),
                "{value:?}"
            );
        }
    }
}

#[test]
fn an_envelope_that_lost_its_first_letter_is_found() {
    let envelope = ours();
    for value in [envelope[1..].to_owned(), format!("E{}", &envelope[1..])] {
        assert_eq!(
            hidden_envelope(value.as_bytes()),
            Some(HiddenEnvelope::Within)
        );
    }
}

#[test]
fn what_stands_as_it_is_needs_no_look() {
    for value in [
        ours(),
        format!("{}\n", ours()),
        flattened(),
        ours()[..70].to_owned() + ".a.b.c.d",
    ] {
        assert_eq!(hidden_envelope(value.as_bytes()), None, "{value}");
    }
}

#[test]
fn ordinary_values_hide_nothing() {
    let signed = format!(
        "{}.e30.c2ln",
        base64url::encode(br#"{"alg":"RS256","typ":"JWT"}"#)
    );
    let session = envelope(r#"{"alg":"dir","enc":"A128CBC-HS256"}"#);
    let wrapped = envelope(r#"{"alg":"A256KW","enc":"A256GCM","kid":"RSA-OAEP"}"#);
    let jwks = r#"{"keys":[{"kty":"RSA","use":"enc","alg":"RSA-OAEP","n":"AAAA","e":"AQAB"}]}"#;
    let discovery = r#"{"id_token_encryption_alg_values_supported":["RSA-OAEP","ECDH-ES"],"id_token_encryption_enc_values_supported":["A256GCM"]}"#;
    let vault = "vault:v1:8SDd3WHDOjf7mq69CyCqYjBXAiQQAVZRkFM13ok481zoCmHnSeDX9vyf7w==";
    for value in [
        "",
        "hunter2",
        "eyJ",
        "ZXlK",
        &signed,
        &format!("Bearer {signed}"),
        &session,
        &format!("cookie={session}"),
        &STANDARD.encode(&session),
        &format!("token={wrapped}"),
        jwks,
        &STANDARD.encode(jwks),
        &format!("JWKS={}", STANDARD.encode(jwks)),
        discovery,
        vault,
        r#"{"auths":{"registry":{"auth":"dTpw"}}}"#,
        "-----BEGIN CERTIFICATE-----\nMIIBszCCAVmgAwIBAgIUJx\n-----END CERTIFICATE-----\n",
    ] {
        assert_eq!(hidden_envelope(value.as_bytes()), None, "{value:?}");
    }
}

#[test]
fn the_work_is_bounded_by_the_length() {
    // Each place looks like the beginning of an envelope or of its base64, and none is one.
    for unit in ["eyJ", "ZXlK", "eyJhbGciOiJ", "yJ", "\0e", "A=", "AAAA\n"] {
        for layers in 0..3 {
            let mut value = unit.repeat(64 * 1024 / unit.len());
            for _ in 0..layers {
                value = STANDARD.encode(&value);
            }
            let mut search = super::Search {
                budget: value.len() * super::DECODED_PER_BYTE,
            };
            assert!(search.around(value.as_bytes()).is_none(), "{unit} {layers}");
            assert!(!search.within(value.as_bytes(), 0), "{unit} {layers}");
        }
    }
}

proptest! {
    #[test]
    fn any_value_is_looked_at_without_a_fault(value in prop::collection::vec(any::<u8>(), 0..400)) {
        hidden_envelope(&value);
    }

    #[test]
    fn what_is_taken_out_is_an_envelope(
        before in "[ \t\r\n\u{feff}\"']{0,3}",
        after in "[ \t\r\n\"'=]{0,3}",
        layers in 0_usize..3,
    ) {
        let mut value = format!("{before}{}{after}", ours());
        for _ in 0..layers {
            value = STANDARD.encode(&value);
        }
        let found = hidden_envelope(value.as_bytes());
        let plain = matches!(crate::recognize(value.as_bytes()), crate::Recognized::Plain);
        prop_assert_eq!(found.is_some(), plain, "{:?}", value);
        if let Some(text) = found.as_ref().and_then(HiddenEnvelope::envelope) {
            prop_assert!(!matches!(crate::recognize(text), crate::Recognized::Plain));
        }
    }
}
