//! The patterns of the backstop are the base64 of what its comments say. The API server's own library evaluates the whole
//! policy in `e2e/cluster`; here each pattern is computed again.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jwe_envelope::{OPENABLE_OPENINGS, is_openable_form};
use proptest::prelude::*;
use regex::Regex;
use serde_json::Value;

/// The expression of one variable of the policy.
fn variable(name: &str) -> String {
    let text = std::fs::read_to_string(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../deploy/manifests/10-backstop.yaml"
    ))
    .unwrap();
    let policy: Value = serde_saphyr::from_str(text.split("\n---\n").next().unwrap()).unwrap();
    let variables = policy["spec"]["variables"].as_array().unwrap();
    let found = variables
        .iter()
        .find(|variable| variable["name"] == name)
        .unwrap_or_else(|| panic!("no variable {name}"));
    found["expression"].as_str().unwrap().to_owned()
}

/// The arguments of all calls of a function, in their order.
fn arguments(expression: &str, function: &str) -> Vec<String> {
    expression
        .split(&format!("{function}('"))
        .skip(1)
        .map(|rest| rest.split("')").next().unwrap().to_owned())
        .collect()
}

fn patterns(name: &str) -> Vec<Regex> {
    arguments(&variable(name), "matches")
        .iter()
        .map(|pattern| Regex::new(pattern).unwrap())
        .collect()
}

/// The characters of base64 that a text determines wholly when it begins after `before` other bytes.
fn base64_after(before: usize, text: &[u8]) -> String {
    let padded = [&vec![0; before][..], text].concat();
    let encoded = STANDARD.encode(&padded);
    encoded[(before * 8).div_ceil(6)..padded.len() * 8 / 6].to_owned()
}

/// The variables `candidates`, `openings` and `openable`, with the patterns of the manifest.
struct Openable {
    openings: Vec<Regex>,
    prefixes: Vec<String>,
    others: Vec<Regex>,
}

impl Openable {
    fn read() -> Self {
        Self {
            openings: patterns("openings"),
            prefixes: arguments(&variable("openings"), "startsWith"),
            others: patterns("openable"),
        }
    }

    fn is(&self, value: &[u8]) -> bool {
        let data = STANDARD.encode(value);
        if data.len() < 16 {
            return false;
        }
        let (enc, alg) = (&self.prefixes[0], &self.prefixes[1]);
        let head = &data[..data.len().min(52)];
        let opening = if head.starts_with(enc.as_str()) {
            self.openings[0].is_match(head)
        } else {
            head.starts_with(alg.as_str()) || self.openings[1].is_match(head)
        };
        let head = &data[..data.len().min(64)];
        opening && !(head.starts_with(enc.as_str()) && self.others[0].is_match(head))
    }
}

#[test]
fn other_people_s_encrypted_tokens_are_not_openable() {
    let openable = Openable::read();
    for enc in [
        "A128GCM",
        "A192GCM",
        "A256GCM",
        "A128CBC-HS256",
        "A192CBC-HS384",
        "A256CBC-HS512",
    ] {
        for (alg, opened) in [
            ("dir", false),
            ("A128KW", false),
            ("A256GCMKW", false),
            ("PBES2-HS256+A128KW", false),
            ("RSA-OAEP", true),
            ("RSA-OAEP-256", true),
            ("ECDH-ES", true),
            ("ECDH-ES+A256KW", true),
        ] {
            let value = |header: String| format!("{}.a.b.c.d", URL_SAFE_NO_PAD.encode(header));
            let enc_first = value(format!(r#"{{"enc":"{enc}","alg":"{alg}","kid":"1"}}"#));
            assert_eq!(openable.is(enc_first.as_bytes()), opened, "{enc} {alg}");
            let alg_first = value(format!(r#"{{"alg":"{alg}","enc":"{enc}","kid":"1"}}"#));
            assert_eq!(openable.is(alg_first.as_bytes()), opened, "{alg} {enc}");
            // What only contains such words is not one of those.
            let hidden = value(format!(
                r#"{{"enc":"{enc}","x":"{alg}","xlg":"dir","alg":"RSA-OAEP"}}"#
            ));
            assert!(openable.is(hidden.as_bytes()), "{hidden}");
        }
    }
}

#[test]
fn the_algorithms_of_other_people_s_tokens_are_found_wherever_they_stand() {
    let patterns = patterns("unproven");
    assert_eq!(patterns.len(), 3);
    for (alg, found) in [
        ("RS256", true),
        ("RS384", true),
        ("RS512", true),
        ("ES256", true),
        ("ES256K", true),
        ("ES512", true),
        ("PS384", true),
        ("HS512", true),
        ("EdDSA", true),
        ("Ed25519", true),
        ("none", true),
        ("dir", true),
        ("A128KW", true),
        ("A256GCMKW", true),
        ("PBES2-HS512+A256KW", true),
        ("RSA-OAEP", false),
        ("RSA-OAEP-256", false),
        ("RSA1_5", false),
        ("ECDH-ES", false),
        ("ECDH-ES+A192KW", false),
    ] {
        for length in 0..64 {
            let kid = "k".repeat(length);
            for header in [
                format!(r#"{{"kid":"{kid}","alg":"{alg}","typ":"JWT"}}"#),
                format!(r#"{{"typ":"at+jwt","kid":"{kid}","alg":"{alg}"}}"#),
                format!(r#"{{"alg":"{alg}","kid":"{kid}"}}"#),
            ] {
                let data = STANDARD.encode(format!(
                    "{}.{}",
                    URL_SAFE_NO_PAD.encode(&header),
                    "A".repeat(200)
                ));
                let is_found = patterns
                    .iter()
                    .any(|pattern| pattern.is_match(&data[..192]));
                assert_eq!(is_found, found, "{header}");
            }
        }
    }
}

#[test]
fn careless_ciphertext_is_looked_for_at_every_alignment() {
    let mut expected: Vec<String> = Vec::new();
    let utf16: Vec<u8> = "eyJlbmMi"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    for text in [
        // `{"enc":"`, `"RSA-OAEP` and `"ECDH-ES` in the base64url of a header that begins with one member.
        &b"eyJlbmMiOi"[..],
        b"JSU0EtT0FF",
        b"JFQ0RILUVT",
        // The names of the algorithms at the other two alignments of base64url.
        b"IlJTQS1PQUVQ",
        b"iUlNBLU9BRV",
        b"IkVDREgtRV",
        b"iRUNESC1FU",
        // The same in an envelope that was encoded once already.
        b"ZXlKbGJtTWlPa",
        b"UpTVTBFdFQwRk",
        b"UpGUTBSSUxVVl",
        &utf16,
    ] {
        for before in 0..3 {
            expected.push(base64_after(before, text));
        }
    }
    let expression = variable("careless");
    assert_eq!(arguments(&expression, "contains"), expected);
    // One letter lost, two letters lost, one of the first three changed.
    assert_eq!(
        arguments(&expression, "startsWith"),
        [
            "ZXlK",
            &base64_after(0, b"yJlbmMiOi"),
            &base64_after(0, b"JlbmMiOi"),
            &base64_after(0, b"lbmMiOi"),
        ]
    );
}

proptest! {
    #[test]
    fn what_admission_opens_is_what_the_backstop_calls_openable(
        opening in prop::sample::select([&OPENABLE_OPENINGS[..], &["", "eyJ", "eyJhbGciOiJ", "{\"", "{\"protected\":"]].concat()),
        cut in 0..12_usize,
        bytes in prop::collection::vec(any::<u8>(), 0..60),
        letters in "[A-Za-z0-9_.-]{0,40}",
    ) {
        let openable = Openable::read();
        let head = &opening.as_bytes()[..opening.len() - cut.min(opening.len()) * usize::from(cut > 6)];
        for rest in [&bytes[..], letters.as_bytes()] {
            let value = [head, rest].concat();
            prop_assert_eq!(openable.is(&value), is_openable_form(&value), "{}", String::from_utf8_lossy(&value));
        }
    }
}
