//! What every backend shows, as reusable tests (feature `conformance`).
//!
//! ```no_run
//! # async fn connect_to_my_fake() -> std::sync::Arc<dyn kms_backends::KeyUnwrap> { unimplemented!() }
//! # async fn suite(public_key: jwe_envelope::RecipientKey) {
//! kms_backends::conformance::check(connect_to_my_fake, &public_key).await;
//! # }
//! ```
//!
//! A backend is given by a factory and its public key, pinned to the algorithm that the backend serves. Every check
//! makes a backend of its own and panics, in a sentence, where the backend breaks the contract of [`KeyUnwrap`].
//! Expected answers come from this machine's own cryptography, not from the backend's.

#![allow(
    clippy::missing_panics_doc,
    reason = "every check panics where the contract is broken: that is its answer"
)]

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::agreement;
use aws_lc_rs::rsa::{
    OAEP_SHA1_MGF1SHA1, OAEP_SHA256_MGF1SHA256, OAEP_SHA384_MGF1SHA384, OAEP_SHA512_MGF1SHA512,
    OaepAlgorithm, OaepPublicEncryptingKey, PublicEncryptingKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jwe_envelope::{
    Binding, Curve, Envelope, KeyManagement, OaepHash, Place, RecipientKey, Sealer, SecretBytes,
    UnwrapRequest,
};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::error::{Category, UnwrapError};
use crate::key_unwrap::{KeyUnwrap, KeyUnwrapExt as _, OwnedRequest};

/// How long a backend may take for one answer of this suite, and the factory for a backend.
const LIMIT: Duration = Duration::from_secs(10);

/// How long after its deadline a call may return: enough for a busy machine, too short for a backend that ignores it.
const GRACE: Duration = Duration::from_secs(1);

/// Runs every check that fits the key: an RSA key decrypts, an EC key agrees. Every step is bounded: a backend that hangs
/// fails.
pub async fn check<F, B, K>(factory: F, recipient: &RecipientKey)
where
    F: Fn() -> B,
    B: Future<Output = K>,
    K: KeyUnwrap,
{
    let backend = async || {
        tokio::time::timeout(LIMIT, factory())
            .await
            .unwrap_or_else(|_| panic!("the factory made no backend within {LIMIT:?}"))
    };
    knows_its_own_key(&backend().await, recipient);
    opens_envelopes(&backend().await, recipient).await;
    if recipient.algorithm().is_rsa() {
        decrypts_every_content_key_length(&backend().await, recipient).await;
        rejects_bad_ciphertext(&backend().await, recipient).await;
        never_answers_another_padding(&backend().await, recipient).await;
    } else {
        agrees_on_the_raw_secret(&backend().await, recipient).await;
        refuses_other_curves(&backend().await, recipient).await;
    }
    refuses_the_other_kind_of_request(&backend().await, recipient).await;
    serves_many_at_once(Arc::new(backend().await), recipient).await;
    returns_by_the_deadline(&backend().await, recipient).await;
    survives_cancelled_calls(&backend().await, recipient).await;
    keeps_secrets_out_of_words(&backend().await, recipient).await;
}

/// A backend that knows its public key knows the right one.
pub fn knows_its_own_key(backend: &dyn KeyUnwrap, recipient: &RecipientKey) {
    if let Some(known) = backend.public_key() {
        assert_eq!(
            known.kid(),
            recipient.kid(),
            "the backend claims to hold another key"
        );
    }
}

/// What was sealed for the public key opens with the backend's answer.
pub async fn opens_envelopes(backend: &dyn KeyUnwrap, recipient: &RecipientKey) {
    let value = b"a value that only the right key opens";
    let text = sealed(recipient, value);
    let envelope = Envelope::parse(text.as_bytes()).expect("just sealed");
    let opening = envelope
        .open_unchecked(0, recipient)
        .expect("sealed for this very key");
    let answer = ask(backend, &opening.request())
        .await
        .unwrap_or_else(|error| panic!("the backend refused a good request: {error:?}"));
    let plaintext = opening
        .finish(Ok(answer))
        .expect("the answer is not the content key or agreed secret");
    assert_eq!(plaintext.expose(), value);
}

/// *Decrypt* gives exactly the bytes that were encrypted, for every length that a content key can have.
pub async fn decrypts_every_content_key_length(backend: &dyn KeyUnwrap, recipient: &RecipientKey) {
    let padding = padding_of(recipient);
    for length in [16, 24, 32, 48, 64] {
        let secret = random(length);
        let ciphertext = encrypted(recipient, padding, &secret);
        let request = UnwrapRequest::Decrypt {
            padding,
            ciphertext: &ciphertext,
        };
        let answer = ask(backend, &request).await.unwrap_or_else(|error| {
            panic!("the backend refused {length} well encrypted bytes: {error:?}")
        });
        assert!(
            answer.expose() == secret,
            "{length} bytes came back as other bytes"
        );
    }
}

/// A wrapped key that does not decrypt is [`Category::Rejected`] and nothing else, whatever is wrong with it: as any
/// other category it could be told apart from a bad tag, and be retried.
pub async fn rejects_bad_ciphertext(backend: &dyn KeyUnwrap, recipient: &RecipientKey) {
    let padding = padding_of(recipient);
    let length = recipient.modulus_len().expect("an RSA key");
    let good = encrypted(recipient, padding, &random(32));
    let mut flipped = good.clone();
    flipped[length / 2] ^= 1;
    let mut random_number = random(length);
    // Below every modulus of this length, whose first bit is set.
    random_number[0] &= 0x7f;
    let cases = [
        ("one flipped bit", flipped),
        ("a random number", random_number),
        ("zero", vec![0; length]),
        ("a number above the modulus", vec![0xff; length]),
        ("one byte too few", good[..length - 1].to_vec()),
        ("one byte too many", [&good[..], &[0]].concat()),
        ("a leading zero", [&[0], &good[..]].concat()),
        ("nothing", Vec::new()),
    ];
    for (what, ciphertext) in cases {
        let request = UnwrapRequest::Decrypt {
            padding,
            ciphertext: &ciphertext,
        };
        expect_category(ask(backend, &request).await, &[Category::Rejected], what);
    }
}

/// A ciphertext under another padding than the key is pinned to yields no secret.
pub async fn never_answers_another_padding(backend: &dyn KeyUnwrap, recipient: &RecipientKey) {
    let pinned = padding_of(recipient);
    for padding in [
        OaepHash::Sha1,
        OaepHash::Sha256,
        OaepHash::Sha384,
        OaepHash::Sha512,
    ] {
        if padding == pinned {
            continue;
        }
        let ciphertext = encrypted(recipient, padding, &random(32));
        // Asked as pinned: the padding inside is wrong.
        let request = UnwrapRequest::Decrypt {
            padding: pinned,
            ciphertext: &ciphertext,
        };
        let what = format!("a ciphertext padded with {padding:?}");
        expect_category(ask(backend, &request).await, &[Category::Rejected], &what);
        // Asked for what the key is not there for.
        let request = UnwrapRequest::Decrypt {
            padding,
            ciphertext: &ciphertext,
        };
        expect_category(
            ask(backend, &request).await,
            &[Category::Misconfigured, Category::Rejected],
            &format!("a request for {padding:?}"),
        );
    }
}

/// *Agree* gives the raw x coordinate, as long as the curve says, leading zeros included.
pub async fn agrees_on_the_raw_secret(backend: &dyn KeyUnwrap, recipient: &RecipientKey) {
    let curve = recipient.curve().expect("an elliptic-curve key");
    for _ in 0..8 {
        let (request, expected) = agreement_with(recipient);
        let answer = ask(backend, &request.as_request())
            .await
            .unwrap_or_else(|error| panic!("the backend refused to agree: {error:?}"));
        assert_eq!(
            answer.expose().len(),
            curve.coordinate_len(),
            "the agreed secret has another length than the curve's coordinates"
        );
        assert!(
            answer.expose() == expected,
            "the backend agreed on another secret"
        );
    }
}

/// A point of another curve yields no secret.
pub async fn refuses_other_curves(backend: &dyn KeyUnwrap, recipient: &RecipientKey) {
    for curve in [Curve::P256, Curve::P384, Curve::P521, Curve::X25519] {
        if Some(curve) == recipient.curve() {
            continue;
        }
        let (request, _) = agreement_with(&stranger(curve));
        expect_category(
            ask(backend, &request.as_request()).await,
            &[Category::Misconfigured, Category::Rejected],
            &format!("a point of {curve}"),
        );
    }
}

/// An RSA key does not agree, an EC key does not decrypt: a mistake of ours, not of the envelope.
pub async fn refuses_the_other_kind_of_request(backend: &dyn KeyUnwrap, recipient: &RecipientKey) {
    let answer = if recipient.algorithm().is_rsa() {
        let (request, _) = agreement_with(&stranger(Curve::P256));
        ask(backend, &request.as_request()).await
    } else {
        let request = UnwrapRequest::Decrypt {
            padding: OaepHash::Sha256,
            ciphertext: &[0x42; 256],
        };
        ask(backend, &request).await
    };
    let expected = [Category::Misconfigured];
    expect_category(answer, &expected, "the other kind of request");
}

/// Sixty-four callers at once each get the answer to their own question.
pub async fn serves_many_at_once(backend: Arc<dyn KeyUnwrap>, recipient: &RecipientKey) {
    let mut callers = JoinSet::new();
    for _ in 0..64 {
        let (request, expected) = question(recipient);
        let backend = Arc::clone(&backend);
        callers.spawn(async move {
            let answer = ask(&*backend, &request.as_request()).await;
            let answer =
                answer.unwrap_or_else(|error| panic!("the backend failed under load: {error:?}"));
            assert!(
                answer.expose() == expected,
                "a caller got the answer to another one's question"
            );
        });
    }
    callers.join_all().await;
}

/// A call returns by its deadline, whether that is near or past: with the answer, or as unavailable.
pub async fn returns_by_the_deadline(backend: &dyn KeyUnwrap, recipient: &RecipientKey) {
    for time in [Duration::ZERO, Duration::from_millis(50)] {
        let (request, expected) = question(recipient);
        let request = request.as_request();
        let deadline = Instant::now() + time;
        let call = backend.unwrap_key(&request, deadline);
        match tokio::time::timeout_at(deadline + GRACE, call).await {
            Err(late) => panic!("the backend ignores its deadline of {time:?}: {late}"),
            Ok(Ok(answer)) => assert!(answer.expose() == expected, "the answer is another secret"),
            Ok(Err(error)) => assert_eq!(
                error.category(),
                Category::Unavailable,
                "a call without an answer by its deadline: {error:?}"
            ),
        }
    }
}

/// A dropped call leaves a backend that works.
pub async fn survives_cancelled_calls(backend: &dyn KeyUnwrap, recipient: &RecipientKey) {
    for _ in 0..64 {
        let (request, _) = question(recipient);
        let request = request.as_request();
        let call = backend.unwrap_within(&request, LIMIT);
        // Polled once or so, then dropped.
        let _ = tokio::time::timeout(Duration::ZERO, call).await;
    }
    let (request, expected) = question(recipient);
    let answer = ask(backend, &request.as_request()).await;
    let answer =
        answer.unwrap_or_else(|error| panic!("cancelled calls broke the backend: {error:?}"));
    assert!(answer.expose() == expected, "the answer is another secret");
}

/// No key or secret bytes in the backend's `Debug`, an answer's, or an error's messages.
pub async fn keeps_secrets_out_of_words(backend: &dyn KeyUnwrap, recipient: &RecipientKey) {
    let (request, expected) = question(recipient);
    let mut words = vec![format!("{backend:?} {backend:#?}")];
    if let Ok(answer) = ask(backend, &request.as_request()).await {
        words.push(format!("{answer:?} {answer:#?}"));
    }
    words.push(format!("{backend:?}"));
    for bad in [vec![0x42; 17], b"canary-in-the-wrapped-key".to_vec()] {
        let request = UnwrapRequest::Decrypt {
            padding: OaepHash::Sha256,
            ciphertext: &bad,
        };
        let Err(error) = ask(backend, &request).await else {
            panic!("{} bytes were decrypted", bad.len());
        };
        words.push(format!("{error:?} {error:#?}"));
        let mut cause: Option<&dyn std::error::Error> = Some(&error);
        while let Some(error) = cause {
            words.push(error.to_string());
            cause = error.source();
        }
    }
    let words = words.join("\n");
    let listed = |bytes: &[u8]| {
        let list: Vec<_> = bytes.iter().map(u8::to_string).collect();
        list.join(", ")
    };
    let hex: Vec<_> = expected.iter().map(|byte| format!("{byte:02x}")).collect();
    let hex = hex.concat();
    for needle in [
        listed(&expected[..8]),
        hex[..16].to_owned(),
        hex[..16].to_uppercase(),
        URL_SAFE_NO_PAD.encode(&expected)[..16].to_owned(),
        "canary-in-the-wrapped-key".to_owned(),
        "PRIVATE KEY".to_owned(),
    ] {
        assert!(
            !words.contains(&needle),
            "the backend shows what it must not show: {needle:?}"
        );
    }
}

async fn ask(
    backend: &dyn KeyUnwrap,
    request: &UnwrapRequest<'_>,
) -> Result<SecretBytes, UnwrapError> {
    let answer = tokio::time::timeout(LIMIT + GRACE, backend.unwrap_within(request, LIMIT)).await;
    answer.unwrap_or_else(|_| panic!("the backend neither answered nor gave up within {LIMIT:?}"))
}

fn expect_category(answer: Result<SecretBytes, UnwrapError>, allowed: &[Category], what: &str) {
    match answer {
        Ok(_) => panic!("{what} was answered with a secret"),
        Err(error) => assert!(
            allowed.contains(&error.category()),
            "{what} must be {allowed:?}, not {error:?}"
        ),
    }
}

/// A good request of the key's kind, and its answer.
fn question(recipient: &RecipientKey) -> (OwnedRequest, Vec<u8>) {
    if !recipient.algorithm().is_rsa() {
        return agreement_with(recipient);
    }
    let padding = padding_of(recipient);
    let secret = random(32);
    let ciphertext = encrypted(recipient, padding, &secret);
    let request = UnwrapRequest::Decrypt {
        padding,
        ciphertext: &ciphertext,
    };
    let request = OwnedRequest::try_from(&request).expect("a known kind");
    (request, secret)
}

fn sealed(recipient: &RecipientKey, value: &[u8]) -> String {
    let place = Place::new("conformance", "suite", "value").expect("legal names");
    let mut sealer = Sealer::new(std::slice::from_ref(recipient)).expect("a usable key");
    let envelope = sealer
        .seal(value, &Binding::exact(&place))
        .expect("a small value");
    envelope.to_string()
}

fn padding_of(recipient: &RecipientKey) -> OaepHash {
    recipient.algorithm().oaep_hash().expect("an RSA key")
}

fn random(length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    aws_lc_rs::rand::fill(&mut bytes).expect("the system's random generator works");
    bytes
}

fn encrypted(recipient: &RecipientKey, padding: OaepHash, secret: &[u8]) -> Vec<u8> {
    let algorithm: &OaepAlgorithm = match padding {
        OaepHash::Sha1 => &OAEP_SHA1_MGF1SHA1,
        OaepHash::Sha256 => &OAEP_SHA256_MGF1SHA256,
        OaepHash::Sha384 => &OAEP_SHA384_MGF1SHA384,
        OaepHash::Sha512 => &OAEP_SHA512_MGF1SHA512,
        other => panic!("this suite does not know {other:?}"),
    };
    let key = PublicEncryptingKey::from_der(&recipient.to_spki_der()).expect("a checked key");
    let key = OaepPublicEncryptingKey::new(key).expect("a checked key");
    let mut ciphertext = vec![0; key.ciphertext_size()];
    key.encrypt(algorithm, secret, &mut ciphertext, None)
        .expect("short enough for the modulus")
        .to_vec()
}

/// A public key of `curve` that belongs to no one in this test.
fn stranger(curve: Curve) -> RecipientKey {
    let private = agreement::PrivateKey::generate(algorithm(curve)).expect("a random key");
    let jwk = ephemeral_jwk(curve, &private);
    RecipientKey::from_jwk(jwk.as_bytes(), None).expect("a fresh public key")
}

/// An *agree* request with a fresh ephemeral key, and the secret as this side computes it.
fn agreement_with(recipient: &RecipientKey) -> (OwnedRequest, Vec<u8>) {
    let curve = recipient.curve().expect("an elliptic-curve key");
    let private = agreement::PrivateKey::generate(algorithm(curve)).expect("a random key");
    let theirs = recipient.to_spki_der();
    let theirs = agreement::UnparsedPublicKey::new(algorithm(curve), theirs);
    let secret = agreement::agree(&private, theirs, (), |secret| Ok(secret.to_vec()))
        .expect("two keys of one curve");

    // Only an envelope makes an ephemeral key; this one is read and never opened.
    let header = format!(
        r#"{{"alg":"ECDH-ES","enc":"A256GCM","epk":{}}}"#,
        ephemeral_jwk(curve, &private)
    );
    let text = format!(
        "{}..{}.{}.{}",
        URL_SAFE_NO_PAD.encode(header),
        URL_SAFE_NO_PAD.encode([0; 12]),
        URL_SAFE_NO_PAD.encode([0; 1]),
        URL_SAFE_NO_PAD.encode([0; 16]),
    );
    let envelope = Envelope::parse(text.as_bytes()).expect("well-formed");
    let pinned = recipient
        .pinned_to(KeyManagement::EcdhEs)
        .expect("an elliptic-curve key");
    let opening = envelope.open_unchecked(0, &pinned).expect("fits the key");
    let request = OwnedRequest::try_from(&opening.request()).expect("a known kind");
    (request, secret)
}

fn ephemeral_jwk(curve: Curve, private: &agreement::PrivateKey) -> String {
    let public = private.compute_public_key().expect("a valid key");
    let bytes = public.as_ref();
    if curve == Curve::X25519 {
        let x = URL_SAFE_NO_PAD.encode(bytes);
        return format!(r#"{{"kty":"OKP","crv":"X25519","x":"{x}"}}"#);
    }
    // SEC 1, uncompressed: a tag byte, then both coordinates.
    let (x, y) = bytes[1..].split_at(curve.coordinate_len());
    let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
    format!(r#"{{"kty":"EC","crv":"{curve}","x":"{x}","y":"{y}"}}"#)
}

fn algorithm(curve: Curve) -> &'static agreement::Algorithm {
    match curve {
        Curve::P256 => &agreement::ECDH_P256,
        Curve::P384 => &agreement::ECDH_P384,
        Curve::P521 => &agreement::ECDH_P521,
        Curve::X25519 => &agreement::X25519,
        other => panic!("this suite does not know {other}"),
    }
}
