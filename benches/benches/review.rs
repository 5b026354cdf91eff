//! Reviews without the network: 1, 20 and 100 sealed fields, a value of 1 MiB, and one field with nothing cached.
#![allow(missing_docs, reason = "criterion's macros make the items")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use criterion::{Criterion, criterion_group, criterion_main};
use jwe_envelope::{Binding, KeyKind, LocalKey, Place, Sealer};
use kms_backends::local::LocalBackend;
use kms_backends::{CacheOptions, KeyEntry, NamespaceSet, Registry};
use secret_walker::AdmittedSecret;
use tokio::time::Instant;
use unseal_policy::decide::Policy;
use webhook_bin::review::Reviewer;

/// A review whose `fields` values, of `len` bytes each, are sealed in one act.
fn review(key: &LocalKey, fields: usize, len: usize) -> String {
    let mut sealer = Sealer::new(std::slice::from_ref(key.recipient())).expect("a usable key");
    let values: Vec<(String, String)> = (0..fields)
        .map(|index| {
            let name = format!("key-{index}");
            let place = Place::new("payments", "db", &name).expect("a legal place");
            let envelope = sealer
                .seal(&vec![b'x'; len], &Binding::exact(&place))
                .expect("a small value");
            (name, BASE64_STANDARD.encode(envelope.to_string()))
        })
        .collect();
    let fields: Vec<(&str, &str)> = values
        .iter()
        .map(|(name, text)| (name.as_str(), text.as_str()))
        .collect();
    benches::review::create(&fields)
}

fn reviewer(key: LocalKey, cache: CacheOptions) -> Reviewer {
    let recipient = key.recipient().clone();
    let entry = KeyEntry::builder("payments", recipient)
        .namespaces(NamespaceSet::all())
        .backend(Arc::new(LocalBackend::from_key(key)))
        .build();
    let registry = Registry::builder()
        .key(entry)
        .cache(cache)
        .build()
        .expect("one key");
    Reviewer::new(registry, Policy::default())
}

fn reviews(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime");
    let answer = |reviewer: &Reviewer, body: &str| {
        let deadline = Instant::now() + Duration::from_secs(10);
        let answer = runtime.block_on(reviewer.review(black_box(body.as_bytes()), deadline));
        assert_eq!(answer.status, 200);
        answer
    };
    let mut group = criterion.benchmark_group("review");
    for (name, fields, len) in [
        ("1 field", 1, 32),
        ("20 fields", 20, 32),
        ("100 fields", 100, 32),
        ("1 field of 1 MiB", 1, (1 << 20) - 1024),
    ] {
        let key = LocalKey::generate(KeyKind::Rsa(4096)).expect("a new key");
        let body = review(&key, fields, len);
        let cached = reviewer(key, CacheOptions::default());
        answer(&cached, &body);
        group.bench_function(format!("{name}, cached"), |bencher| {
            bencher.iter(|| answer(&cached, &body));
        });
    }
    let key = LocalKey::generate(KeyKind::Rsa(4096)).expect("a new key");
    for (name, fields) in [("1 field", 1), ("20 fields", 20), ("100 fields", 100)] {
        let body = review(&key, fields, 32);
        let again = LocalKey::from_bytes(key.to_pkcs8_pem().as_bytes(), None).expect("our own key");
        // Fields of one act ask for the same key, so that this is one private operation whatever their number.
        let uncached = reviewer(again, CacheOptions::off());
        group.bench_function(format!("{name}, RSA-4096, nothing cached"), |bencher| {
            bencher.iter(|| answer(&uncached, &body));
        });
    }
    group.finish();
}

fn walk(criterion: &mut Criterion) {
    let data: Vec<String> = (0..20)
        .map(|index| format!("\"key-{index}\":\"aHVudGVyMg==\""))
        .collect();
    let secret = format!(
        r#"{{"apiVersion":"v1","kind":"Secret","metadata":{{"name":"db"}},"data":{{{}}}}}"#,
        data.join(",")
    );
    criterion.bench_function("walk a Secret of 20 plain fields", |bencher| {
        bencher.iter(|| {
            let secret = AdmittedSecret::from_json(black_box(&secret)).expect("legal");
            secret
                .data()
                .filter(|entry| entry.starts_with(b"eyJ"))
                .count()
        });
    });
}

criterion_group!(benches, reviews, walk);
criterion_main!(benches);
