//! A padding that was wrong, a content key that was wrong and a tag that was wrong look the same from everywhere:
//! answer, audit line, log and every metric. Anyone who could tell them apart could decrypt with the key step by step.
//! A program of its own: it is the whole process's subscriber of tracing.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jwe_envelope::{Binding, KeyKind, LocalKey, Place, Sealer};
use kms_backends::layer::Layered;
use kms_backends::local::LocalBackend;
use kms_backends::testing::Reply;
use kms_backends::{CacheOptions, Category, KeyEntry, NamespaceSet, Observer, Registry};
use regex::Regex;
use test_support::keys::ServedKey;
use test_support::requests::admission_review;
use test_support::server::Setup;
use tracing_subscriber::fmt::MakeWriter;
use webhook_bin::telemetry::metrics::Metrics;

/// Everything that is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'w> MakeWriter<'w> for Log {
    type Writer = Self;

    fn make_writer(&'w self) -> Self {
        self.clone()
    }
}

/// What an observer sees of one refused review.
#[derive(Debug, PartialEq)]
struct Traces {
    answer: String,
    audit: String,
    log: Vec<String>,
    metrics: Vec<String>,
}

/// The parts of a compact envelope for `payments/db/password`.
fn sealed(key: &jwe_envelope::RecipientKey) -> Vec<String> {
    let place = Place::new("payments", "db", "password").unwrap();
    let mut sealer = Sealer::new(std::slice::from_ref(key)).unwrap();
    let envelope = sealer.seal(b"hunter2", &Binding::exact(&place)).unwrap();
    let envelope = envelope.to_string();
    envelope.split('.').map(ToOwned::to_owned).collect()
}

fn review(parts: &[String]) -> Vec<u8> {
    let value = STANDARD.encode(parts.join("."));
    admission_review("payments", "db", &serde_json::json!({"password": value}))
}

/// With the first byte of one part changed.
fn altered(mut parts: Vec<String>, part: usize) -> Vec<String> {
    let mut bytes = URL_SAFE_NO_PAD.decode(&parts[part]).unwrap();
    bytes[0] ^= 1;
    parts[part] = URL_SAFE_NO_PAD.encode(bytes);
    parts
}

async fn traces(log: &Log, metrics: Metrics, registry: Registry, body: &[u8]) -> Traces {
    let setup = Setup {
        registry,
        metrics,
        ..Setup::default()
    };
    let mut server = setup.start().await;
    log.0.lock().unwrap().clear();
    let answer = server.review(body).await.text();
    let metrics = server.get("/metrics").await.text();
    server.terminate();
    let audit = server.ended().await.text();
    // The envelopes differ, and so does what the clock says.
    let varies = Regex::new(
        r#"sha256:[0-9a-f]{64}|"time":"[^"]*"|"micros":\d+|\d{4}-\d\d-\d\dT[\d:.]+Z|took=[^ ]+|127\.0\.0\.1:\d+|bytes=\d+|Instant \{[^}]*\}"#,
    )
    .unwrap();
    let fixed = |text: &str| varies.replace_all(text, "…").into_owned();
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    Traces {
        answer: fixed(&answer),
        audit: fixed(&audit),
        // Other crates speak of the handshake and the sockets, in no fixed order.
        log: log
            .lines()
            .filter(|line| line.contains("webhook_bin") || line.contains("kms_backends"))
            .map(&fixed)
            .collect(),
        metrics: untimed(&metrics),
    }
}

/// Every sample but those of the process itself. A histogram's buckets are those of the clock, so they become their
/// count; and its sum must follow from the buckets, or it would give the time of a single request away.
fn untimed(metrics: &str) -> Vec<String> {
    let mut samples = Vec::new();
    let mut from_buckets: BTreeMap<String, (u64, f64)> = BTreeMap::new();
    let bucket = Regex::new(r#"^(\w+)_bucket\{(.*?),?le="([^"]+)"(.*)\} (\d+)$"#).unwrap();
    let sum = Regex::new(r"^(\w+)_sum(?:\{(.*)\})? (\S+)$").unwrap();
    for line in metrics.lines() {
        if line.starts_with('#') || line.starts_with("process_") {
            continue;
        }
        if let Some(found) = bucket.captures(line) {
            let labels = format!("{}{}", &found[2], &found[4]);
            let name = format!("{}{{{}}}", &found[1], labels.trim_matches(','));
            let (seen, total) = from_buckets.entry(name).or_default();
            let count: u64 = found[5].parse().unwrap();
            // What is beyond the last bound is counted as that bound.
            let bound: f64 = found[3].parse().unwrap();
            if bound.is_finite() {
                *total += bound * f64::from(u32::try_from(count - *seen).unwrap());
            }
            *seen = count;
        } else if !sum.is_match(line) {
            samples.push(line.to_owned());
        }
    }
    for line in metrics.lines() {
        if let Some(found) = sum.captures(line) {
            let labels = found.get(2).map_or("", |labels| labels.as_str());
            let name = format!("{}{{{labels}}}", &found[1]);
            let (_, expected) = from_buckets[&name];
            let said: f64 = found[3].parse().unwrap();
            assert!(
                (said - expected).abs() < 1e-9,
                "{line}, of buckets {expected}"
            );
        }
    }
    samples.sort();
    samples
}

#[tokio::test]
async fn nothing_tells_why_an_envelope_did_not_open() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(log.clone())
        .with_ansi(false)
        .finish();
    tracing::subscriber::set_global_default(subscriber).unwrap();

    // A private RSA key in this process.
    let key = LocalKey::generate(KeyKind::Rsa(2048)).unwrap();
    let recipient = key.recipient().clone();
    let backend = Arc::new(LocalBackend::from_key(key));
    let parts = sealed(&recipient);
    let mut other_content_key = parts.clone();
    other_content_key[1] = sealed(&recipient).swap_remove(1);
    let envelopes = [
        ("padding", altered(parts.clone(), 1)),
        ("content key", other_content_key),
        ("tag", altered(parts.clone(), 4)),
        ("ciphertext", altered(parts, 3)),
    ];
    let mut all = Vec::new();
    for (fault, parts) in envelopes {
        let metrics = Metrics::new();
        let observer: Arc<dyn Observer> = Arc::new(metrics.clone());
        let layered = Layered::new(backend.clone())
            .named("payments")
            .observer(Arc::clone(&observer))
            .build();
        let entry = KeyEntry::builder("payments", recipient.clone())
            .namespaces(NamespaceSet::all())
            .backend(layered);
        let registry = Registry::builder().key(entry).observer(observer);
        let registry = registry.build().unwrap();
        all.push((
            fault,
            traces(&log, metrics, registry, &review(&parts)).await,
        ));
    }
    assert_same(&all);

    // A key service, which may say more than it should.
    let key = ServedKey::new();
    let parts = sealed(&key.recipient);
    let mut all = Vec::new();
    for (fault, reply, parts) in [
        ("padding", Reply::Fail(Category::Rejected), parts.clone()),
        ("content key", Reply::WrongKey, parts.clone()),
        ("no bytes", Reply::WrongLength(0), parts.clone()),
        ("seven bytes", Reply::WrongLength(7), parts.clone()),
        ("tag", Reply::Right, altered(parts.clone(), 4)),
    ] {
        key.backend.set(reply);
        let metrics = Metrics::new();
        let registry = key.registry(&metrics, CacheOptions::default());
        all.push((
            fault,
            traces(&log, metrics, registry, &review(&parts)).await,
        ));
    }
    assert_same(&all);
}

fn assert_same(all: &[(&str, Traces)]) {
    let (first, expected) = &all[0];
    assert!(
        expected.answer.contains("could not be opened"),
        "{expected:?}"
    );
    assert!(expected.audit.contains("not-opened"), "{expected:?}");
    assert!(
        expected
            .log
            .iter()
            .any(|line| line.contains("a review ends"))
    );
    let unwraps = |sample: &String| sample.starts_with("privy_kms_unwrap_seconds_count");
    assert!(expected.metrics.iter().any(unwraps), "{expected:?}");
    for (fault, traces) in &all[1..] {
        assert_eq!(traces, expected, "{fault} looks other than {first}");
    }
}
