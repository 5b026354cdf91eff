//! Signed key cards: what counts as a signature, and what does not.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jwe_envelope::signature::claimed_signer;
use jwe_envelope::{Curve, KeyError, KeyKind, LocalKey, LocalSigner, SignatureError, SignerKey};

const CARD: &[u8] = b"{\"keys\":[]}\n";

/// Ed25519, P-256 and RSA.
fn signers() -> Vec<LocalSigner> {
    let p256 = LocalKey::generate(KeyKind::Ec(Curve::P256)).unwrap();
    let rsa = LocalKey::generate(KeyKind::Rsa(2048)).unwrap();
    let pem = |key: &LocalKey| LocalSigner::from_pkcs8_pem(key.to_pkcs8_pem().as_bytes()).unwrap();
    vec![LocalSigner::generate().unwrap(), pem(&p256), pem(&rsa)]
}

fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

#[test]
fn what_is_signed_verifies_and_comes_back() {
    for signer in signers() {
        let jws = signer.sign_card(CARD, 1_800_000_000).unwrap();
        let signed = signer.public().verify_card(jws.as_bytes()).unwrap();
        assert_eq!(
            (signed.card.as_slice(), signed.signed_at),
            (CARD, 1_800_000_000)
        );
        let padded = format!("\n{jws}\n");
        assert_eq!(
            claimed_signer(padded.as_bytes()).unwrap(),
            signer.public().kid()
        );
        signer.public().verify_card(padded.as_bytes()).unwrap();
    }
}

#[test]
fn keys_survive_their_files() {
    for signer in signers() {
        let again = LocalSigner::from_pkcs8_pem(signer.to_pkcs8_pem().unwrap().as_bytes()).unwrap();
        assert_eq!(again.public(), signer.public());
        let public = SignerKey::from_bytes(signer.public().to_pem().as_bytes()).unwrap();
        assert_eq!(&public, signer.public());
        let jws = again.sign_card(CARD, 1).unwrap();
        public.verify_card(jws.as_bytes()).unwrap();
        assert_eq!(
            SignerKey::from_bytes(signer.to_pkcs8_pem().unwrap().as_bytes()),
            Err(KeyError::PrivateKey)
        );
    }
    let x25519 = LocalKey::generate(KeyKind::Ec(Curve::X25519)).unwrap();
    assert!(SignerKey::from_bytes(x25519.recipient().to_pem().as_bytes()).is_err());
    assert!(LocalSigner::from_pkcs8_pem(x25519.to_pkcs8_pem().as_bytes()).is_err());
}

/// [RFC 8037 appendix A](https://www.rfc-editor.org/rfc/rfc8037#appendix-A): the key, and its thumbprint.
#[test]
fn an_ed25519_jwk_has_the_thumbprint_of_the_standard() {
    let jwk = br#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
    let key = SignerKey::from_bytes(jwk).unwrap();
    assert_eq!(key.kid(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    assert_eq!(SignerKey::from_bytes(key.to_pem().as_bytes()).unwrap(), key);
}

#[test]
fn another_signers_signature_does_not_count() {
    let signers = signers();
    for signer in &signers {
        let jws = signer.sign_card(CARD, 1).unwrap();
        for other in signers
            .iter()
            .filter(|other| other.public() != signer.public())
        {
            assert!(matches!(
                other.public().verify_card(jws.as_bytes()),
                Err(SignatureError::OtherSigner(_))
            ));
            // Under the name of the other, it is simply wrong.
            let header = jws.split('.').next().unwrap();
            let header = String::from_utf8(URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap();
            let header = header.replace(&signer.public().kid(), &other.public().kid());
            let forged = format!("{}.{}", b64(header), jws.split_once('.').unwrap().1);
            assert!(matches!(
                other.public().verify_card(forged.as_bytes()),
                Err(SignatureError::Algorithm(_) | SignatureError::Bad)
            ));
        }
    }
}

#[test]
fn every_changed_bit_counts() {
    let signer = LocalSigner::generate().unwrap();
    let jws = signer.sign_card(CARD, 1).unwrap();
    for at in 0..jws.len() {
        let mut bytes = jws.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        assert!(signer.public().verify_card(&bytes).is_err(), "{at}");
    }
}

#[test]
fn signatures_for_anything_else_do_not_count() {
    let pair = aws_lc_rs::signature::Ed25519KeyPair::generate().unwrap();
    let der = pair.to_pkcs8v1().unwrap();
    let pem = format!(
        "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
        base64::engine::general_purpose::STANDARD.encode(der.as_ref())
    );
    let signer = LocalSigner::from_pkcs8_pem(pem.as_bytes()).unwrap();
    let kid = signer.public().kid();
    let sign = |header: &str| {
        let text = format!("{}.{}", b64(header), b64(CARD));
        let signature = pair.sign(text.as_bytes());
        format!("{text}.{}", b64(signature.as_ref()))
    };
    let good = format!(r#"{{"alg":"EdDSA","typ":"privy-card","kid":"{kid}","iat":1}}"#);
    signer.public().verify_card(sign(&good).as_bytes()).unwrap();
    let newer = good
        .replace("EdDSA", "Ed25519")
        .replace("iat", "x5t\":\"a\",\"iat");
    signer
        .public()
        .verify_card(sign(&newer).as_bytes())
        .unwrap();
    for header in [
        good.replace("privy-card", "JWT"),
        good.replace(r#""typ":"privy-card","#, ""),
        good.replace(r#","iat":1"#, ""),
        good.replace(r#""iat":1"#, r#""iat":"1""#),
        good.replace("EdDSA", "none"),
        good.replace("EdDSA", "HS256"),
        good.replace("EdDSA", "ES256"),
        good.replace(r#""alg":"EdDSA","#, ""),
        good.replace(r#""iat":1"#, r#""iat":1,"iat":1"#),
        good.replace(r#""iat":1"#, r#""iat":1,"crit":["exp"]"#),
        good.replace(&kid, "someone"),
    ] {
        assert!(
            signer
                .public()
                .verify_card(sign(&header).as_bytes())
                .is_err(),
            "{header}"
        );
    }
    for text in ["", ".", "a.b", "a.b.c.d", "eyJ.e.e"] {
        assert!(
            signer.public().verify_card(text.as_bytes()).is_err(),
            "{text:?}"
        );
    }
    let long = format!("{}.e.e", "a".repeat(200_000));
    assert!(signer.public().verify_card(long.as_bytes()).is_err());
}

#[test]
fn nothing_private_is_in_debug_output() {
    let signer = LocalSigner::generate().unwrap();
    let pem = signer.to_pkcs8_pem().unwrap();
    let secret = pem.lines().nth(1).unwrap();
    let debug = format!("{signer:?}");
    assert!(
        debug.contains("<redacted>") && !debug.contains(secret),
        "{debug}"
    );
}
