//! How our own envelopes look: what people, scanners and `grep` rely on.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jwe_envelope::{
    Binding, Envelope, Place, Provenance, RecipientKey, Sealer, Serialization, recognize,
};
use serde_json::{Value, json};

const PUBLIC: &str = r#"{"kty":"EC","crv":"P-256","x":"Ze2loSV3wrroKUN_4zhwGhCqo3Xhu1td4QjeQ5wIVR0","y":"HlLtdXARY_f55A3fnzQbPcm6hgr34Mp8p-nuzQCE0Zw"}"#;

fn recipient() -> RecipientKey {
    RecipientKey::from_jwk(PUBLIC.as_bytes(), None).unwrap()
}

fn sealed(serialization: Serialization) -> Envelope<'static> {
    let place: Place = "payments/db/password".parse().unwrap();
    Sealer::new(&[recipient()])
        .and_then(|sealer| sealer.serialization(serialization))
        .unwrap()
        .provenance(Provenance::new(1_763_718_300, Some("mara"), None).unwrap())
        .seal(b"hunter2", &Binding::exact(&place))
        .unwrap()
}

fn decoded(text: &str) -> String {
    String::from_utf8(URL_SAFE_NO_PAD.decode(text).unwrap()).unwrap()
}

/// The protected header of a text, as JSON text.
fn header(text: &str) -> String {
    match serde_json::from_str::<Value>(text) {
        Ok(json) => decoded(json["protected"].as_str().unwrap()),
        Err(_) => decoded(text.split('.').next().unwrap()),
    }
}

#[test]
fn compact_begins_with_the_mark() {
    let text = sealed(Serialization::Compact).to_string();
    assert!(text.starts_with("eyJlbmMiOi"), "{text}");
    assert!(header(&text).starts_with(r#"{"enc":"A256GCM","alg":"ECDH-ES+A256KW","kid":"#));
    assert!(
        header(&text).ends_with(
            r#","bind":{"v":1,"ns":"payments","name":"db","key":"password"},"sealed":{"at":1763718300,"by":"mara"}}"#
        )
    );
}

#[test]
fn compact_is_one_word_of_the_url_alphabet() {
    let text = sealed(Serialization::Compact).to_string();
    assert_eq!(text.split('.').count(), 5);
    assert!(
        text.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    );
}

#[test]
fn json_puts_the_recipient_beside_what_is_protected() {
    for serialization in [Serialization::Flattened, Serialization::General] {
        let text = sealed(serialization).to_string();
        assert!(text.starts_with(r#"{"protected":"eyJlbmMiOi"#), "{text}");
        let protected: Value = serde_json::from_str(&header(&text)).unwrap();
        assert_eq!(
            protected,
            json!({
                "enc": "A256GCM",
                "bind": {"v": 1, "ns": "payments", "name": "db", "key": "password"},
                "sealed": {"at": 1_763_718_300, "by": "mara"},
            })
        );
        let json: Value = serde_json::from_str(&text).unwrap();
        let recipient_member = match serialization {
            Serialization::General => &json["recipients"][0],
            _ => &json,
        };
        let own = &recipient_member["header"];
        assert_eq!(own["alg"], "ECDH-ES+A256KW");
        assert_eq!(own["kid"], recipient().kid());
        assert_eq!(own["epk"]["crv"], "P-256");
        assert!(own["epk"].get("d").is_none());
        assert!(recipient_member["encrypted_key"].is_string());
    }
}

#[test]
fn what_stands_in_json_headers_has_no_compact_form() {
    assert_eq!(
        sealed(Serialization::Flattened).to_text(Serialization::Compact),
        None
    );
    assert_eq!(
        sealed(Serialization::General).to_text(Serialization::Compact),
        None
    );
    // What was compact may be written as JSON, the protected header unchanged.
    let compact = sealed(Serialization::Compact);
    let general = compact.to_text(Serialization::General).unwrap();
    let again = Envelope::parse(general.as_bytes()).unwrap();
    assert_eq!(
        again.to_text(Serialization::Compact),
        Some(compact.to_string())
    );
}

#[test]
fn the_digest_covers_what_the_tag_covers_and_no_key() {
    use aws_lc_rs::digest::{SHA256, digest};

    let text = sealed(Serialization::Compact).to_string();
    let parts: Vec<&str> = text.split('.').collect();
    let input = [parts[0], parts[2], parts[3], parts[4]].join(".");
    let envelope = Envelope::parse(text.as_bytes()).unwrap();
    assert_eq!(
        envelope.digest().as_bytes().as_slice(),
        digest(&SHA256, input.as_bytes()).as_ref()
    );
    let shown = envelope.digest().to_string();
    assert!(shown.starts_with("sha256:") && shown.len() == "sha256:".len() + 64);
    let with_aad = format!(
        r#"{{"protected":"{}","aad":"AAAA","iv":"{}","ciphertext":"{}","tag":"{}"}}"#,
        parts[0], parts[2], parts[3], parts[4]
    );
    let input = format!("{input}.AAAA");
    assert_eq!(
        Envelope::parse(with_aad.as_bytes())
            .unwrap()
            .digest()
            .as_bytes()
            .as_slice(),
        digest(&SHA256, input.as_bytes()).as_ref()
    );
}

#[test]
fn debug_output_is_short_and_without_the_ciphertext() {
    let place: Place = "payments/db/password".parse().unwrap();
    let envelope = Sealer::new(&[recipient()])
        .unwrap()
        .seal(&vec![0; 100_000], &Binding::exact(&place))
        .unwrap();
    let text = envelope.to_string();
    let debug = format!("{envelope:?} {:?}", recognize(text.as_bytes()));
    assert!(debug.len() < 4000, "{} bytes", debug.len());
    let ciphertext = text.split('.').nth(3).unwrap();
    assert!(!debug.contains(&ciphertext[..40]));
}
