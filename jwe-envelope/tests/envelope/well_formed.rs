//! What is well-formed, however unusual: it parses, and where the profile does not serve it, it is refused by
//! name rather than called damaged, because other people's tokens live in Secrets too.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jwe_envelope::{Binding, ContentEncryption, Envelope, Recognized, RefusedError, recognize};

const IV: &str = "AAAAAAAAAAAAAAAA";
const TAG: &str = "AAAAAAAAAAAAAAAAAAAAAA";

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A compact envelope with this protected header.
fn compact(header: &str) -> String {
    format!("{}.AAAA.{IV}.AAAA.{TAG}", encode(header))
}

/// A compact envelope with these members after `enc` and `alg`.
fn with(members: &str) -> String {
    compact(&format!(
        r#"{{"enc":"A256GCM","alg":"RSA-OAEP-256",{members}}}"#
    ))
}

/// Flattened JSON with `enc` protected and these members beside.
fn beside(members: &str) -> String {
    let protected = encode(r#"{"enc":"A256GCM"}"#);
    format!(
        r#"{{"protected":"{protected}",{members},"iv":"{IV}","ciphertext":"AAAA","tag":"{TAG}"}}"#
    )
}

fn parse(text: &str) -> Envelope<'static> {
    assert!(
        matches!(recognize(text.as_bytes()), Recognized::Sealed(_)),
        "{text}"
    );
    let envelope = Envelope::parse(text.as_bytes());
    envelope
        .unwrap_or_else(|error| panic!("{text}: {error}"))
        .into_owned()
}

fn refusal(text: &str) -> RefusedError {
    parse(text).content_encryption().unwrap_err()
}

#[test]
fn an_unknown_alg_parses_as_written() {
    for alg in [
        "RSA1_5",
        "dir",
        "A256KW",
        "PBES2-HS256+A128KW",
        "HPKE-9-KE",
        "rsa-oaep",
        "",
        "none",
    ] {
        let envelope = parse(&compact(&format!(r#"{{"alg":"{alg}","enc":"A256GCM"}}"#)));
        assert_eq!(envelope.recipients()[0].algorithm(), alg);
        assert_eq!(
            envelope.content_encryption(),
            Ok(ContentEncryption::A256Gcm)
        );
    }
}

#[test]
fn an_unknown_enc_is_refused_by_name_whatever_its_iv_and_tag() {
    for (enc, iv, tag) in [
        ("C20P", "AAAA", "AA"),
        ("a256gcm", IV, TAG),
        ("XC20P", "", ""),
        ("", "", ""),
    ] {
        let header = encode(format!(r#"{{"alg":"RSA-OAEP-256","enc":"{enc}"}}"#));
        let refused = refusal(&format!("{header}.AAAA.{iv}.AAAA.{tag}"));
        assert!(
            matches!(refused, RefusedError::Unsupported(_)),
            "{enc}: {refused}"
        );
        assert!(refused.to_string().contains(&format!("{enc:?}")));
    }
}

#[test]
fn zip_is_refused() {
    for zip in ["DEF", "GZIP", ""] {
        assert_eq!(
            refusal(&with(&format!(r#""zip":"{zip}""#))),
            RefusedError::Compressed { zip: zip.into() }
        );
    }
}

#[test]
fn crit_may_list_bind_and_nothing_else() {
    let binding = r#""bind":{"v":1,"ns":"payments"}"#;
    let envelope = parse(&with(&format!(r#"{binding},"crit":["bind"]"#)));
    assert_eq!(
        envelope.content_encryption(),
        Ok(ContentEncryption::A256Gcm)
    );
    assert_eq!(
        envelope.binding(),
        Some(&Binding::namespace("payments").unwrap())
    );
    for (members, name) in [
        (r#""exp":1,"crit":["exp"]"#, "exp"),
        (r#""b64":true,"crit":["b64"]"#, "b64"),
        (
            r#""bind":{"v":1,"any":true},"http://example.com/x":1,"crit":["bind","http://example.com/x"]"#,
            "http://example.com/x",
        ),
        (r#""sealed":{"at":1},"crit":["sealed"]"#, "sealed"),
    ] {
        assert_eq!(
            refusal(&with(members)),
            RefusedError::CriticalExtension { name: name.into() }
        );
    }
}

#[test]
fn crit_may_list_what_stands_in_another_header() {
    let protected = encode(r#"{"enc":"A256GCM","crit":["x"]}"#);
    let text = format!(
        r#"{{"protected":"{protected}","header":{{"alg":"dir","x":1}},"iv":"{IV}","ciphertext":"AAAA","tag":"{TAG}"}}"#
    );
    assert_eq!(
        refusal(&text),
        RefusedError::CriticalExtension { name: "x".into() }
    );
}

#[test]
fn enc_outside_the_protected_header_is_refused() {
    let texts = [
        format!(
            r#"{{"header":{{"alg":"dir","enc":"A256GCM"}},"iv":"{IV}","ciphertext":"AAAA","tag":"{TAG}"}}"#
        ),
        format!(
            r#"{{"unprotected":{{"enc":"A256GCM"}},"recipients":[{{"header":{{"alg":"dir"}}}}],"iv":"{IV}","ciphertext":"AAAA","tag":"{TAG}"}}"#
        ),
    ];
    for text in texts {
        assert_eq!(refusal(&text), RefusedError::EncUnprotected);
    }
}

#[test]
fn keys_and_addresses_of_keys_in_a_header_are_nobodys_business() {
    let envelope = parse(&with(
        r#""jku":"https://evil.example/keys","x5u":"file:///etc/passwd","jwk":{"kty":"oct","k":"AAAA"},"x5c":["not base64!"]"#,
    ));
    assert_eq!(
        envelope.content_encryption(),
        Ok(ContentEncryption::A256Gcm)
    );
    assert_eq!(envelope.recipients()[0].key_id(), None);
}

#[test]
fn typ_is_free() {
    for typ in ["JWE", "JOSE", "JOSE+JSON", "application/jose", "JWT", ""] {
        parse(&with(&format!(r#""typ":"{typ}","cty":"text/plain""#)));
    }
}

#[test]
fn an_empty_value_has_an_empty_ciphertext() {
    let text = with(r#""kid":"k""#).replacen(
        ".AAAA.AAAAAAAAAAAAAAAAAAAAAA",
        "..AAAAAAAAAAAAAAAAAAAAAA",
        1,
    );
    let envelope = parse(&text);
    assert_eq!(envelope.to_string(), text);
    parse(
        &beside(r#""header":{"alg":"dir"}"#)
            .replace(r#""ciphertext":"AAAA""#, r#""ciphertext":"""#),
    );
}

#[test]
fn unknown_members_are_ignored_and_not_printed() {
    let text = beside(
        r#""header":{"alg":"RSA-OAEP-256"},"encrypted_key":"AAAA","x":[{"y":null}],"signature":"s""#,
    );
    let envelope = parse(&text);
    assert_eq!(
        envelope.to_string(),
        beside(r#""header":{"alg":"RSA-OAEP-256"},"encrypted_key":"AAAA""#)
    );
}

#[test]
fn recipients_members_may_stand_in_any_header() {
    let envelope = parse(&beside(
        r#""unprotected":{"kid":"k","x":1.5},"header":{"alg":"ECDH-ES","epk":{"crv":"P-256"},"apu":"AA"}"#,
    ));
    assert_eq!(envelope.recipients()[0].key_id(), Some("k"));
    assert_eq!(envelope.recipients()[0].algorithm(), "ECDH-ES");
}

#[test]
fn several_recipients_may_lack_a_kid() {
    let envelope = parse(&beside(
        r#""recipients":[{"header":{"alg":"a"}},{"header":{"alg":"b"}},{"header":{"alg":"c","kid":""}}]"#,
    ));
    let algorithms: Vec<&str> = envelope
        .recipients()
        .iter()
        .map(jwe_envelope::Recipient::algorithm)
        .collect();
    assert_eq!(algorithms, ["a", "b", "c"]);
    assert_eq!(envelope.recipients()[2].key_id(), Some(""));
}

#[test]
fn sixteen_recipients_and_headers_at_their_limits() {
    let recipients: Vec<String> = (0..16)
        .map(|n| format!(r#"{{"header":{{"alg":"dir","kid":"{n}"}}}}"#))
        .collect();
    assert_eq!(
        parse(&beside(&format!(
            r#""recipients":[{}]"#,
            recipients.join(",")
        )))
        .recipients()
        .len(),
        16
    );
    parse(&with(&format!(r#""kid":"{}""#, "k".repeat(256))));
    parse(&with(&format!(
        r#""apu":"{0}","apv":"{0}""#,
        encode([0; 512])
    )));
    let fixed = r#"{"enc":"A256GCM","alg":""}"#.len();
    parse(&compact(&format!(
        r#"{{"enc":"A256GCM","alg":"{}"}}"#,
        "x".repeat(8192 - fixed)
    )));
}

#[test]
fn json_may_be_spread_over_lines() {
    let text = beside(r#""header":{"alg":"dir"}"#)
        .replace(',', ",\r\n  ")
        .replace(':', " : ");
    assert_eq!(
        parse(&text).to_string(),
        beside(r#""header":{"alg":"dir"}"#)
    );
}

#[test]
fn a_header_of_escapes_says_the_same() {
    let envelope = parse(&compact(
        r#"{"\u0065nc":"A256\u0047CM","al\u0067":"RSA-OAEP\u002d256","k\u0069d":"\u006b"}"#,
    ));
    assert_eq!(
        envelope.content_encryption(),
        Ok(ContentEncryption::A256Gcm)
    );
    assert_eq!(envelope.recipients()[0].algorithm(), "RSA-OAEP-256");
    assert_eq!(envelope.recipients()[0].key_id(), Some("k"));
}
