//! Signed envelopes: what counts as a custodian's signature, and what does not.

use crate::support::{bound_to, p256, rsa};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jwe_envelope::signature::claimed_signer;
use jwe_envelope::signature::envelope::{LONGEST_ENVELOPE_SIGNATURE, claimed_envelope_signer};
use jwe_envelope::{
    Binding, Curve, Envelope, EnvelopeDigest, KeyKind, LocalKey, LocalSigner, Sealer,
    Serialization, SignatureError, SignerKey,
};
use proptest::prelude::*;
use proptest::sample::Index;
use test_support::vectors::Vector;

const AT: u64 = 1_800_000_000;

/// Ed25519, P-256 and RSA.
fn signers() -> Vec<LocalSigner> {
    let p256 = LocalKey::generate(KeyKind::Ec(Curve::P256)).unwrap();
    let rsa = LocalKey::generate(KeyKind::Rsa(2048)).unwrap();
    let pem = |key: &LocalKey| LocalSigner::from_pkcs8_pem(key.to_pkcs8_pem().as_bytes()).unwrap();
    vec![LocalSigner::generate().unwrap(), pem(&p256), pem(&rsa)]
}

fn sealed(key: &str) -> String {
    let sealer = Sealer::new(std::slice::from_ref(p256().recipient()));
    let envelope = sealer.unwrap().seal(b"hunter2", &bound_to(key)).unwrap();
    envelope.to_string()
}

fn digest(text: &str) -> EnvelopeDigest {
    Envelope::parse(text.as_bytes()).unwrap().digest()
}

fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A signer, and the same key as the provider has it, for headers that no signer of ours writes.
fn raw_signer() -> (LocalSigner, aws_lc_rs::signature::Ed25519KeyPair) {
    let pair = aws_lc_rs::signature::Ed25519KeyPair::generate().unwrap();
    let der = STANDARD.encode(pair.to_pkcs8v1().unwrap().as_ref());
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{der}\n-----END PRIVATE KEY-----\n");
    (LocalSigner::from_pkcs8_pem(pem.as_bytes()).unwrap(), pair)
}

#[test]
fn what_is_signed_verifies() {
    let digest = digest(&sealed("password"));
    for signer in signers() {
        let jws = signer.sign_envelope(&digest, AT).unwrap();
        let (header, signature) = jws.split_once("..").unwrap();
        assert!(!header.contains('.') && !signature.contains('.'), "{jws}");
        for text in [jws.clone(), format!("{jws}\n"), format!(" {jws} \r\n")] {
            let signed = signer.public().verify_envelope(text.as_bytes(), &digest);
            assert_eq!(signed.unwrap().signed_at, AT);
            assert_eq!(
                claimed_envelope_signer(text.as_bytes()).unwrap(),
                signer.public().kid()
            );
        }
    }
}

/// Signatures that other people's code made, and the one that ours has to make.
#[test]
fn golden_signatures_verify_and_ours_is_one_of_them() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/vectors/envelope_signatures.json"
    );
    let golden: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let text = Vector::read(golden["envelope"].as_str().unwrap())
        .compact
        .unwrap();
    let digest = digest(&text);
    let hex = format!("sha256:{}", golden["digest"].as_str().unwrap());
    assert_eq!(digest.to_string(), hex);
    let signatures = golden["signatures"].as_array().unwrap();
    assert_eq!(signatures.len(), 4);
    for signature in signatures {
        let key = SignerKey::from_bytes(signature["publicKey"].to_string().as_bytes()).unwrap();
        let jws = signature["signature"].as_str().unwrap();
        let signed = key.verify_envelope(jws.as_bytes(), &digest).unwrap();
        assert_eq!(signed.signed_at, golden["signed_at"].as_u64().unwrap());
    }
    // RFC 8037 appendix A.1, as PKCS#8 (RFC 8410 §7).
    let seed = URL_SAFE_NO_PAD
        .decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A")
        .unwrap();
    let der = [
        b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20",
        seed.as_slice(),
    ]
    .concat();
    let pem = format!(
        "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
        STANDARD.encode(der)
    );
    let signer = LocalSigner::from_pkcs8_pem(pem.as_bytes()).unwrap();
    assert_eq!(
        signer.sign_envelope(&digest, AT).unwrap(),
        signatures[0]["signature"].as_str().unwrap()
    );
}

#[test]
fn another_signers_signature_does_not_count() {
    let digest = digest(&sealed("password"));
    let signers = signers();
    for signer in &signers {
        let jws = signer.sign_envelope(&digest, AT).unwrap();
        for other in &signers {
            if other.public() == signer.public() {
                continue;
            }
            let other = other.public();
            assert!(matches!(
                other.verify_envelope(jws.as_bytes(), &digest),
                Err(SignatureError::OtherSigner(_))
            ));
            // Under the name of the other, it is simply wrong.
            let (header, signature) = jws.split_once("..").unwrap();
            let header = String::from_utf8(URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap();
            let header = header.replace(&signer.public().kid(), &other.kid());
            let forged = format!("{}..{signature}", b64(header));
            assert!(matches!(
                other.verify_envelope(forged.as_bytes(), &digest),
                Err(SignatureError::Algorithm(_) | SignatureError::Bad)
            ));
        }
    }
}

#[test]
fn a_signed_card_is_no_signed_envelope_nor_the_other_way_round() {
    let digest = digest(&sealed("password"));
    for signer in signers() {
        let public = signer.public();
        // The very bytes that the other kind would be about.
        let card = signer.sign_card(digest.as_bytes(), AT).unwrap();
        public.verify_card(card.as_bytes()).unwrap();
        let parts: Vec<&str> = card.split('.').collect();
        let detached = format!("{}..{}", parts[0], parts[2]);
        for text in [&card, &detached] {
            assert!(matches!(
                public.verify_envelope(text.as_bytes(), &digest),
                Err(SignatureError::Malformed(_))
            ));
            assert!(claimed_envelope_signer(text.as_bytes()).is_err());
        }
        let envelope = signer.sign_envelope(&digest, AT).unwrap();
        let (header, signature) = envelope.split_once("..").unwrap();
        let attached = format!("{header}.{}.{signature}", b64(digest.as_bytes()));
        for text in [&envelope, &attached] {
            assert!(matches!(
                public.verify_card(text.as_bytes()),
                Err(SignatureError::Malformed(_))
            ));
            assert!(claimed_signer(text.as_bytes()).is_err());
        }
        // A payload in its place is no detached one, even where it is the right one.
        assert!(
            public
                .verify_envelope(attached.as_bytes(), &digest)
                .is_err()
        );
    }
}

#[test]
fn signatures_for_anything_else_do_not_count() {
    let digest = digest(&sealed("password"));
    let (signer, pair) = raw_signer();
    let kid = signer.public().kid();
    let sign = |header: &str| {
        let input = format!("{}.{}", b64(header), b64(digest.as_bytes()));
        format!("{}..{}", b64(header), b64(pair.sign(input.as_bytes())))
    };
    let verify = |jws: &str| signer.public().verify_envelope(jws.as_bytes(), &digest);
    let good = format!(r#"{{"alg":"EdDSA","typ":"privy-envelope","kid":"{kid}","iat":1}}"#);
    verify(&sign(&good)).unwrap();
    verify(&sign(&good.replace("EdDSA", "Ed25519"))).unwrap();
    verify(&sign(&good.replace("iat", "x5t\":\"a\",\"iat"))).unwrap();
    for header in [
        good.replace("privy-envelope", "privy-card"),
        good.replace("privy-envelope", "Privy-Envelope"),
        good.replace("privy-envelope", "JWT"),
        good.replace(r#""typ":"privy-envelope","#, ""),
        good.replace(r#","iat":1"#, ""),
        good.replace(r#""iat":1"#, r#""iat":"1""#),
        good.replace(r#""iat":1"#, r#""iat":-1"#),
        good.replace(r#""iat":1"#, r#""iat":1.5"#),
        good.replace("EdDSA", "none"),
        good.replace("EdDSA", "HS256"),
        good.replace("EdDSA", "ES256"),
        good.replace("EdDSA", "PS256"),
        good.replace(r#""alg":"EdDSA","#, ""),
        good.replace(r#""iat":1"#, r#""iat":1,"iat":1"#),
        good.replace(r#""iat":1"#, r#""iat":1,"crit":["exp"]"#),
        good.replace(r#""iat":1"#, r#""iat":1,"crit":["b64"],"b64":false"#),
        good.replace(&kid, "someone"),
        good.replace('{', "["),
        format!("{good} {{}}"),
        String::new(),
    ] {
        assert!(verify(&sign(&header)).is_err(), "{header}");
    }
    let jws = sign(&good);
    for text in [
        "",
        ".",
        "..",
        "...",
        "eyJ..",
        "eyJ..e",
        &jws.replace("..", "."),
        &jws.replace("..", "..."),
        &jws.replace("..", ". ."),
        &format!("{jws}="),
        &format!("{jws}A"),
        &jws[..jws.len() - 1],
        &format!("\u{feff}{jws}"),
    ] {
        assert!(verify(text).is_err(), "{text:?}");
    }
    assert!(
        signer
            .public()
            .verify_envelope(&[0xff; 40], &digest)
            .is_err()
    );
}

/// The bound comes first: whatever is longer is not looked at.
#[test]
fn a_signature_is_bounded_before_it_is_read() {
    let digest = digest(&sealed("password"));
    let (signer, pair) = raw_signer();
    let kid = signer.public().kid();
    let signed_with = |filler: usize| {
        let header = format!(
            r#"{{"alg":"EdDSA","typ":"privy-envelope","kid":"{kid}","iat":1,"x":"{}"}}"#,
            "x".repeat(filler)
        );
        let input = format!("{}.{}", b64(&header), b64(digest.as_bytes()));
        format!("{}..{}", b64(&header), b64(pair.sign(input.as_bytes())))
    };
    let fits = signed_with(1_300);
    assert!(fits.len() <= LONGEST_ENVELOPE_SIGNATURE);
    let verify = |jws: &str| signer.public().verify_envelope(jws.as_bytes(), &digest);
    verify(&fits).unwrap();
    let long = signed_with(1_400);
    assert!(long.len() > LONGEST_ENVELOPE_SIGNATURE);
    assert_eq!(
        verify(&long),
        Err(SignatureError::Malformed("it is too long"))
    );
    let blanks = format!("{fits}{}", " ".repeat(LONGEST_ENVELOPE_SIGNATURE));
    assert!(verify(&blanks).is_err());
}

/// The longest signature that the algorithms make fits: RSA of 8192 bits, with the latest time that is a number.
#[test]
fn the_longest_signature_fits_the_bound() {
    let kid = b64([0; 32]);
    let header = format!(
        r#"{{"alg":"PS256","typ":"privy-envelope","kid":"{kid}","iat":{}}}"#,
        u64::MAX
    );
    let longest = b64(header).len() + 2 + b64([0; 1024]).len();
    assert!(longest <= LONGEST_ENVELOPE_SIGNATURE, "{longest}");
}

/// Replacing the wrapped key and the header that goes with it keeps the signature; replacing anything else does not.
#[test]
fn the_wrapped_key_is_not_signed_and_everything_else_is() {
    let key = rsa();
    let envelope = Sealer::new(std::slice::from_ref(key.recipient()))
        .unwrap()
        .serialization(Serialization::Flattened)
        .unwrap()
        .seal(b"hunter2", &bound_to("password"))
        .unwrap();
    let signer = LocalSigner::generate().unwrap();
    let jws = signer.sign_envelope(&envelope.digest(), AT).unwrap();
    let original: serde_json::Value = serde_json::from_str(&envelope.to_string()).unwrap();
    let verify = |changed: &serde_json::Value| {
        let digest = digest(&changed.to_string());
        signer.public().verify_envelope(jws.as_bytes(), &digest)
    };
    let mut rewrapped = original.clone();
    rewrapped["encrypted_key"] = b64([7; 256]).into();
    rewrapped["header"]["kid"] = "another".into();
    verify(&rewrapped).unwrap();
    for part in ["iv", "ciphertext", "tag"] {
        let mut changed = original.clone();
        let bytes = URL_SAFE_NO_PAD
            .decode(changed[part].as_str().unwrap())
            .unwrap();
        changed[part] = b64(bytes.iter().map(|byte| byte ^ 1).collect::<Vec<_>>()).into();
        assert_eq!(verify(&changed), Err(SignatureError::Bad), "{part}");
    }
    let mut elsewhere = original.clone();
    let protected = r#"{"enc":"A256GCM","bind":{"v":1,"ns":"payments","name":"db","key":"other"}}"#;
    elsewhere["protected"] = b64(protected).into();
    assert_eq!(verify(&elsewhere), Err(SignatureError::Bad));
    let mut more = original.clone();
    more["aad"] = b64("more").into();
    assert_eq!(verify(&more), Err(SignatureError::Bad));
}

#[test]
fn the_signature_of_one_place_is_none_of_another() {
    let signer = LocalSigner::generate().unwrap();
    let sealed = |binding: &Binding| {
        let sealer = Sealer::new(std::slice::from_ref(p256().recipient()));
        digest(
            &sealer
                .unwrap()
                .seal(b"hunter2", binding)
                .unwrap()
                .to_string(),
        )
    };
    let here = sealed(&bound_to("password"));
    let jws = signer.sign_envelope(&here, AT).unwrap();
    for elsewhere in [
        bound_to("token"),
        Binding::namespace("payments").unwrap(),
        // The same value in the same place, sealed once more.
        bound_to("password"),
    ] {
        assert_eq!(
            signer
                .public()
                .verify_envelope(jws.as_bytes(), &sealed(&elsewhere)),
            Err(SignatureError::Bad)
        );
    }
}

proptest! {
    /// Whatever byte of envelope or signature changes: the signature does not count.
    #[test]
    fn every_changed_byte_counts(value in any::<Vec<u8>>(), which in any::<Index>(), byte in any::<u8>(), of_envelope: bool) {
        let mut sealer = Sealer::new(std::slice::from_ref(p256().recipient())).unwrap();
        let text = sealer.seal(&value, &bound_to("password")).unwrap().to_string();
        let signer = LocalSigner::generate().unwrap();
        let jws = signer.sign_envelope(&digest(&text), AT).unwrap();
        let (mut envelope, mut signature) = (text.clone().into_bytes(), jws.into_bytes());
        let changed = if of_envelope { &mut envelope } else { &mut signature };
        let at = which.index(changed.len());
        prop_assume!(changed[at] != byte);
        changed[at] = byte;
        let Ok(changed) = Envelope::parse(&envelope) else { return Ok(()) };
        // The wrapped key and nothing else is outside of what is signed.
        let parts: Vec<usize> = text.match_indices('.').map(|(at, _)| at).collect();
        let in_wrapped_key = of_envelope && parts[0] < at && at < parts[1];
        let verified = signer.public().verify_envelope(&signature, &changed.digest());
        prop_assert_eq!(verified.is_ok(), in_wrapped_key, "byte {}", at);
    }

    /// Rubbish never verifies and never panics.
    #[test]
    fn rubbish_does_not_count(text in "[A-Za-z0-9_.{}\" -]{0,200}") {
        let signer = LocalSigner::generate().unwrap();
        let digest = digest(&sealed("password"));
        prop_assert!(signer.public().verify_envelope(text.as_bytes(), &digest).is_err());
        prop_assert!(claimed_envelope_signer(text.as_bytes()).is_err());
    }
}
