//! Envelopes: parse, seal, open; 1 MiB against raw AES-256-GCM plus base64.
#![allow(missing_docs, reason = "criterion's macros make the items")]

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use jwe_envelope::{
    Binding, Curve, Envelope, KeyKind, LocalKey, Place, Recognized, Sealer, recognize,
};
use std::hint::black_box;

fn envelope(key: &LocalKey, value: &[u8]) -> String {
    let place = Place::new("payments", "db", "password").expect("a legal place");
    let mut sealer = Sealer::new(std::slice::from_ref(key.recipient())).expect("a usable key");
    sealer
        .seal(value, &Binding::exact(&place))
        .expect("a small value")
        .to_string()
}

fn parse(criterion: &mut Criterion) {
    let key = LocalKey::generate(KeyKind::Rsa(4096)).expect("a new key");
    let mut group = criterion.benchmark_group("parse");
    for (name, len) in [("32 B", 32), ("1 MiB", 1 << 20)] {
        let text = envelope(&key, &vec![7; len]);
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function(name, |bencher| {
            bencher.iter(|| Envelope::parse(black_box(text.as_bytes())).expect("ours"));
        });
    }
    let plain = vec![b'e'; 1 << 20];
    group.bench_function("plain 1 MiB", |bencher| {
        bencher.iter(|| assert!(matches!(recognize(black_box(&plain)), Recognized::Plain)));
    });
    group.finish();
}

fn seal(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("seal");
    for (name, kind) in [
        ("RSA-4096", KeyKind::Rsa(4096)),
        ("P-256", KeyKind::Ec(Curve::P256)),
    ] {
        let key = LocalKey::generate(kind).expect("a new key");
        group.bench_function(name, |bencher| {
            bencher.iter(|| envelope(&key, black_box(b"hunter2")));
        });
    }
    group.finish();
}

/// The content key is at hand in both cases: what is compared is decoding and decrypting.
fn open(criterion: &mut Criterion) {
    let key = LocalKey::generate(KeyKind::Ec(Curve::P256)).expect("a new key");
    let mut group = criterion.benchmark_group("open");
    for (name, len) in [("32 B", 32), ("1 MiB", 1 << 20)] {
        let text = envelope(&key, &vec![7; len]);
        let content_key = {
            let parsed = Envelope::parse(text.as_bytes()).expect("ours");
            let opening = parsed
                .open_unchecked(0, key.recipient())
                .expect("for this key");
            opening.content_key(Ok(key.unwrap(&opening.request()).expect("our own key")))
        };
        group.throughput(Throughput::Bytes(len as u64));
        group.bench_function(format!("envelope, {name}"), |bencher| {
            bencher.iter(|| {
                let parsed = Envelope::parse(black_box(text.as_bytes())).expect("ours");
                let opening = parsed
                    .open_unchecked(0, key.recipient())
                    .expect("for this key");
                opening.open(&content_key).expect("the right key")
            });
        });

        let raw = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &[9; 32]).expect("32 bytes"));
        let mut sealed = vec![7; len];
        raw.seal_in_place_append_tag(
            Nonce::assume_unique_for_key([1; 12]),
            Aad::empty(),
            &mut sealed,
        )
        .expect("small");
        let encoded = BASE64_URL_SAFE_NO_PAD.encode(&sealed);
        group.bench_function(format!("raw AES-256-GCM and base64, {name}"), |bencher| {
            bencher.iter_batched(
                || (),
                |()| {
                    let mut bytes = BASE64_URL_SAFE_NO_PAD
                        .decode(black_box(&encoded))
                        .expect("just encoded");
                    raw.open_in_place(
                        Nonce::assume_unique_for_key([1; 12]),
                        Aad::empty(),
                        &mut bytes,
                    )
                    .expect("just sealed");
                    bytes
                },
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, parse, seal, open);
criterion_main!(benches);
