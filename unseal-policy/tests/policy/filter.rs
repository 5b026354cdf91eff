//! The filter in Rust says what the expression in the registration says: one of them is asked before a commit, the other
//! by the API server.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jwe_envelope::{OPENABLE_OPENINGS, is_openable_form};
use proptest::prelude::*;
use regex::Regex;
use unseal_policy::filter::{EXEMPT_NAMESPACES, forwards};

fn registration() -> String {
    std::fs::read_to_string(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../deploy/manifests/70-webhook.yaml"
    ))
    .unwrap()
}

/// The two patterns of the expression: openings of signed tokens, and openings of JSON.
struct Expression {
    tokens: Regex,
    json: Regex,
}

impl Expression {
    fn read() -> Self {
        let text = registration();
        let pattern = |opening: &str| {
            let start = text
                .find(&format!("'{opening}"))
                .unwrap_or_else(|| panic!("no pattern begins {opening}"))
                + 1;
            let length = text[start..].find('\'').unwrap();
            Regex::new(&text[start..start + length]).unwrap()
        };
        Self {
            tokens: pattern("^(ZXlK"),
            json: pattern("^eyJ("),
        }
    }

    /// As the API server evaluates it for one value of `data`.
    fn forwards(&self, data: &str) -> bool {
        let head = &data[..data.len().min(48)];
        (data.starts_with("ZXlK") && !self.tokens.is_match(head))
            || (data.starts_with("eyJ") && self.json.is_match(head))
    }
}

#[track_caller]
fn agree(expression: &Expression, value: &[u8]) {
    let data = STANDARD.encode(value);
    assert_eq!(
        forwards(value),
        expression.forwards(&data),
        "{} ({data})",
        String::from_utf8_lossy(value)
    );
}

#[test]
fn headers_of_envelopes_and_tokens_are_told_apart_alike() {
    let expression = Expression::read();
    for alg in [
        "RS256",
        "RS384",
        "RS512",
        "ES256",
        "ES256K",
        "ES512",
        "HS256",
        "HS512",
        "PS256",
        "PS512",
        "EdDSA",
        "none",
        "RSA-OAEP",
        "RSA-OAEP-256",
        "RSA1_5",
        "ECDH-ES",
        "ECDH-ES+A256KW",
        "dir",
        "A256KW",
        "PBES2-HS256+A128KW",
    ] {
        for header in [
            format!(r#"{{"alg":"{alg}"}}"#),
            format!(r#"{{"alg":"{alg}","enc":"A256GCM"}}"#),
            format!(r#"{{"alg":"{alg}","typ":"JWT","kid":"0123456789"}}"#),
            format!(r#"{{"typ":"JWT","alg":"{alg}"}}"#),
            format!(r#"{{"typ":"JWT","alg":"{alg}","enc":"A256GCM"}}"#),
            format!(r#"{{"typ":"at+jwt","alg":"{alg}"}}"#),
            format!(r#"{{"enc":"A256GCM","alg":"{alg}"}}"#),
            format!(r#"{{ "alg":"{alg}"}}"#),
            format!(r#" {{"alg":"{alg}"}}"#),
            format!(r#"{{"kid":"x","alg":"{alg}"}}"#),
        ] {
            let first = URL_SAFE_NO_PAD.encode(&header);
            for rest in ["", ".e30.c2ln", ".a.b.c.d"] {
                agree(&expression, format!("{first}{rest}").as_bytes());
            }
        }
    }
}

#[test]
fn json_is_told_apart_alike() {
    let expression = Expression::read();
    for member in [
        "aad",
        "ciphertext",
        "encrypted_key",
        "header",
        "iv",
        "protected",
        "recipients",
        "tag",
        "unprotected",
        "kid",
        "ivory",
        "head",
        "tags",
        "auths",
        "",
    ] {
        for text in [
            format!(r#"{{"{member}":"x"}}"#),
            format!(r#"{{"{member}" : "x"}}"#),
            format!("{{\"{member}\"\n:1}}"),
            format!(r#"{{ "{member}":"x"}}"#),
            format!(r#" {{"{member}":"x"}}"#),
            format!("\n{{\"{member}\":1}}"),
        ] {
            agree(&expression, text.as_bytes());
        }
    }
}

#[test]
fn no_type_of_secret_is_exempt() {
    // Anyone may write a type, and a Secret can be deleted and created again with another one.
    let backstop = std::fs::read_to_string(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../deploy/manifests/10-backstop.yaml"
    ))
    .unwrap();
    for text in [registration(), backstop] {
        assert!(!text.contains("object.type"));
    }
}

#[test]
fn exempt_namespaces_are_those_of_the_registration() {
    let text = registration();
    let line = text
        .lines()
        .find(|line| line.contains("operator: NotIn"))
        .unwrap();
    for namespace in EXEMPT_NAMESPACES {
        assert!(line.contains(namespace), "{namespace}");
    }
    assert_eq!(
        line.split("values: [")
            .nth(1)
            .unwrap()
            .split(']')
            .next()
            .unwrap()
            .split(',')
            .count(),
        EXEMPT_NAMESPACES.len()
    );
}

proptest! {
    #[test]
    fn what_admission_opens_is_forwarded(opening in prop::sample::select(OPENABLE_OPENINGS.to_vec()), bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        let value = [opening.as_bytes(), &bytes].concat();
        prop_assert!(is_openable_form(&value));
        prop_assert!(forwards(&value));
        prop_assert!(Expression::read().forwards(&STANDARD.encode(&value)));
    }

    #[test]
    fn any_bytes_are_told_apart_alike(bytes in prop::collection::vec(any::<u8>(), 0..60), opening in prop::sample::select(vec!["", "eyJ", "ey", "{\"", "{", "eyJlbmMiOi"])) {
        let expression = Expression::read();
        let mut value = opening.as_bytes().to_vec();
        value.extend(bytes);
        let data = STANDARD.encode(&value);
        prop_assert_eq!(forwards(&value), expression.forwards(&data));
    }
}
