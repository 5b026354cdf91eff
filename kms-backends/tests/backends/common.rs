//! Envelopes and registries for the tests of this folder.
#![allow(dead_code, reason = "each test file uses some of it")]
#![allow(unreachable_pub, reason = "`pub` means the whole file here")]

use std::sync::Arc;
use std::time::Duration;

use jwe_envelope::{
    Binding, Curve, Envelope, KeyKind, LocalKey, Place, RecipientKey, Sealer, Serialization,
};
use kms_backends::local::LocalBackend;
use kms_backends::testing::{RecordingObserver, ScriptedBackend};
use kms_backends::{CacheOptions, KeyEntry, OpenFailure, Opened, Registry};
use tokio::time::Instant;

/// A compact envelope of `value` in a sealing act of its own.
pub fn seal(recipient: &RecipientKey, value: &[u8]) -> String {
    seal_together(recipient, &[("password", value)]).remove(0)
}

/// Compact envelopes of one sealing act.
pub fn seal_together(recipient: &RecipientKey, values: &[(&str, &[u8])]) -> Vec<String> {
    let mut sealer = Sealer::new(std::slice::from_ref(recipient)).unwrap();
    let mut seal = |(key, value): &(&str, &[u8])| {
        let place = Place::new("payments", "db", key).unwrap();
        sealer
            .seal(value, &Binding::exact(&place))
            .unwrap()
            .to_string()
    };
    values.iter().map(&mut seal).collect()
}

/// Opens `text` with the entry that its `kid` names.
pub async fn open(registry: &Registry, text: &str, limit: Duration) -> Result<Opened, OpenFailure> {
    let envelope = Envelope::parse(text.as_bytes()).unwrap();
    let kid = envelope.recipients()[0].key_id().unwrap();
    let entry = registry.find(kid).unwrap();
    let opening = envelope.open_unchecked(0, entry.recipient()).unwrap();
    registry
        .open_unchecked(entry, &opening, Instant::now() + limit)
        .await
}

/// The same envelope with another tag.
pub fn with_bad_tag(text: &str) -> String {
    let (rest, tag) = text.rsplit_once('.').unwrap();
    let first = if tag.starts_with('A') { 'B' } else { 'A' };
    format!("{rest}.{first}{}", &tag[1..])
}

/// A flattened envelope, with `alg`, `kid` and `epk` outside its protected header.
pub fn flattened(recipient: &RecipientKey) -> String {
    let place = Place::new("payments", "db", "password").unwrap();
    Sealer::new(std::slice::from_ref(recipient))
        .unwrap()
        .serialization(Serialization::Flattened)
        .unwrap()
        .seal(b"value", &Binding::exact(&place))
        .unwrap()
        .to_string()
}

/// The same JSON after an edit.
pub fn edited(text: &str, edit: impl FnOnce(&mut serde_json::Value)) -> String {
    let mut envelope: serde_json::Value = serde_json::from_str(text).unwrap();
    edit(&mut envelope);
    envelope.to_string()
}

/// A registry over keys `a`, `b`, …, each with a scripted key service that has the private key.
pub struct Bench {
    pub registry: Arc<Registry>,
    pub observer: Arc<RecordingObserver>,
    pub services: Vec<Arc<ScriptedBackend>>,
    pub recipients: Vec<RecipientKey>,
}

impl Bench {
    pub fn new() -> Self {
        Self::with(1, CacheOptions::default())
    }

    pub fn with(keys: u8, cache: CacheOptions) -> Self {
        let keys = (0..keys).map(|_| LocalKey::generate(KeyKind::Ec(Curve::P256)).unwrap());
        Self::over(keys, cache)
    }

    pub fn over(keys: impl IntoIterator<Item = LocalKey>, cache: CacheOptions) -> Self {
        let observer = Arc::new(RecordingObserver::default());
        let mut builder = Registry::builder().cache(cache).observer(observer.clone());
        let mut services = Vec::new();
        let mut recipients = Vec::new();
        for (name, key) in ('a'..='z').zip(keys) {
            recipients.push(key.recipient().clone());
            let real = Arc::new(LocalBackend::from_key(key));
            let service = Arc::new(ScriptedBackend::with_key(real));
            services.push(service.clone());
            let entry =
                KeyEntry::builder(name.to_string(), recipients[recipients.len() - 1].clone());
            builder = builder.key(entry.backend(service));
        }
        Self {
            registry: Arc::new(builder.build().unwrap()),
            observer,
            services,
            recipients,
        }
    }

    /// The first key's service.
    pub fn service(&self) -> &ScriptedBackend {
        &self.services[0]
    }

    /// An envelope for the first key.
    pub fn seal(&self, value: &[u8]) -> String {
        seal(&self.recipients[0], value)
    }

    pub async fn open(&self, text: &str) -> Result<Opened, OpenFailure> {
        self.open_within(text, Duration::from_secs(10)).await
    }

    pub async fn open_within(&self, text: &str, limit: Duration) -> Result<Opened, OpenFailure> {
        open(&self.registry, text, limit).await
    }

    /// [`open_within`](Self::open_within) as a task of its own.
    pub fn spawn(
        &self,
        text: &str,
        limit: Duration,
    ) -> tokio::task::JoinHandle<Result<Opened, OpenFailure>> {
        let registry = Arc::clone(&self.registry);
        let text = text.to_owned();
        tokio::spawn(async move { open(&registry, &text, limit).await })
    }
}
