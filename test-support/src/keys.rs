//! A served key, behind a key service that does as it is told, and values sealed for it.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jwe_envelope::{Binding, Curve, KeyKind, LocalKey, Place, RecipientKey, Sealer};
use kms_backends::local::LocalBackend;
use kms_backends::testing::ScriptedBackend;
use kms_backends::{CacheOptions, KeyEntry, NamespaceSet, Observer, Registry};
use webhook_bin::telemetry::metrics::Metrics;

/// A key whose private half sits behind a [`ScriptedBackend`].
pub struct ServedKey {
    pub recipient: RecipientKey,
    pub backend: Arc<ScriptedBackend>,
}

impl ServedKey {
    pub fn new() -> Self {
        let key = LocalKey::generate(KeyKind::Ec(Curve::P256)).unwrap();
        let recipient = key.recipient().clone();
        Self {
            recipient,
            backend: Arc::new(ScriptedBackend::with_key(Arc::new(LocalBackend::from_key(
                key,
            )))),
        }
    }

    /// A registry that serves it for the namespace `payments`.
    pub fn registry(&self, metrics: &Metrics, cache: CacheOptions) -> Registry {
        let observer: Arc<dyn Observer> = Arc::new(metrics.clone());
        let backend = kms_backends::layer::Layered::new(self.backend.clone())
            .named("payments")
            .observer(Arc::clone(&observer))
            .build();
        let entry = KeyEntry::builder("payments", self.recipient.clone())
            .namespaces(NamespaceSet::parse(["payments"]).unwrap())
            .backend(backend)
            .build();
        Registry::builder()
            .key(entry)
            .cache(cache)
            .observer(observer)
            .build()
            .unwrap()
    }

    /// A sealed value for `payments/db/password`, as it is in `data`.
    pub fn sealed(&self, value: &[u8]) -> String {
        let place = Place::new("payments", "db", "password").unwrap();
        let mut sealer = Sealer::new(std::slice::from_ref(&self.recipient)).unwrap();
        let envelope = sealer.seal(value, &Binding::exact(&place)).unwrap();
        STANDARD.encode(envelope.to_string())
    }

    /// A review of the Secret `payments/db` with that value.
    pub fn review(&self, value: &[u8]) -> Vec<u8> {
        crate::requests::admission_review(
            "payments",
            "db",
            &serde_json::json!({"password": self.sealed(value)}),
        )
    }
}

/// The patched value in the answer to such a review.
pub fn patched(answer: &serde_json::Value) -> Vec<u8> {
    let patch = STANDARD
        .decode(
            answer["response"]["patch"]
                .as_str()
                .unwrap_or_else(|| panic!("no patch: {answer}")),
        )
        .unwrap();
    let patch: Vec<serde_json::Value> = serde_json::from_slice(&patch).unwrap();
    // An empty `data` is written before what goes into it.
    let value = patch.last().unwrap()["value"].as_str();
    STANDARD.decode(value.unwrap()).unwrap()
}
