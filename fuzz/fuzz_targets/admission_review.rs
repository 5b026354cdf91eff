//! Any bytes as a review: no panic, a proper answer, and nothing opened but what is sealed for its place.
#![no_main]

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use jwe_envelope::{Binding, Curve, KeyKind, LocalKey, Place, Sealer};
use kms_backends::local::LocalBackend;
use kms_backends::{KeyEntry, NamespaceSet, Registry};
use libfuzzer_sys::fuzz_target;
use tokio::runtime::{Builder, Runtime};
use tokio::time::Instant;
use webhook_bin::review::Reviewer;
use unseal_policy::decide::Policy;

static SETUP: LazyLock<(Reviewer, String, Runtime)> = LazyLock::new(|| {
    let key = LocalKey::generate(KeyKind::Ec(Curve::P256)).expect("a new key");
    let place = Place::new("payments", "db", "password").expect("a legal place");
    let mut sealer = Sealer::new(std::slice::from_ref(key.recipient())).expect("a usable key");
    let text = sealer.seal(b"hunter2", &Binding::exact(&place)).expect("a small value").to_string();
    let entry = KeyEntry::builder("payments", key.recipient().clone())
        .namespaces(NamespaceSet::all())
        .backend(Arc::new(LocalBackend::from_key(key)))
        .build();
    let registry = Registry::builder().key(entry).build().expect("one key");
    let runtime = Builder::new_current_thread().enable_time().build().expect("a runtime");
    (Reviewer::new(registry, Policy::default()), text, runtime)
});

// `@@` in the input stands for an envelope that the key opens at payments/db/password, in base64.
fuzz_target!(|body: &[u8]| {
    let (reviewer, envelope, runtime) = &*SETUP;
    let body = match std::str::from_utf8(body) {
        Ok(text) if text.contains("@@") => text.replacen("@@", &base64(envelope.as_bytes()), 4).into_bytes(),
        _ => body.to_vec(),
    };
    let answer = runtime.block_on(reviewer.review(&body, Instant::now() + Duration::from_secs(5)));
    let mut line = Vec::new();
    answer.record.write_json(&mut line);
    serde_json::from_slice::<serde_json::Value>(&line).expect("an audit line is JSON");
    assert!(!line.windows(7).any(|window| window == b"hunter2"), "plaintext in the audit line");
    match answer.status {
        200 => {
            let review: serde_json::Value = serde_json::from_slice(answer.body.as_ref()).expect("an answer is JSON");
            let response = &review["response"];
            assert!(response["uid"].is_string());
            assert_eq!(response["patch"].is_null(), response["patchType"].is_null());
            let code = response["status"]["code"].as_u64();
            assert!(!matches!(code, Some(409 | 422)), "a code that makes clients delete and recreate");
        }
        400 | 429 | 503 => {}
        other => panic!("status {other}"),
    }
});

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    bytes
        .chunks(3)
        .flat_map(|chunk| {
            let word = chunk.iter().enumerate().fold(0_u32, |word, (i, byte)| word | u32::from(*byte) << (16 - 8 * i));
            (0..4).map(move |i| {
                if i > chunk.len() { '=' } else { char::from(ALPHABET[(word >> (18 - 6 * i)) as usize & 63]) }
            })
        })
        .collect()
}
