//! A client of a fake: connector, holder, registry; and tests that need a process of their own.

use std::sync::Arc;
use std::time::Duration;

use jwe_envelope::{Binding, Envelope, Place, RecipientKey, Sealer};
use kms_backends::{
    Category, Connector, KeyEntry, KeyServices, KeyUnwrap, KeyUri, OpenFailure, Opened, Registry,
    UnwrapError,
};
use tokio::time::Instant;

/// A service over a fake, and a reference to its key.
pub struct Client {
    pub connector: Connector,
    pub uri: KeyUri,
    pub recipient: RecipientKey,
}

impl Client {
    pub fn new(services: KeyServices, uri: &str, recipient: RecipientKey) -> Self {
        Self {
            connector: Connector::new(services),
            uri: uri.parse().unwrap(),
            recipient,
        }
    }

    pub async fn holder(&self) -> Arc<dyn KeyUnwrap> {
        self.connector
            .connect(&self.uri, &self.recipient)
            .await
            .unwrap()
    }

    pub async fn public_key(&self) -> Result<RecipientKey, UnwrapError> {
        self.connector.public_key(&self.uri, None, soon()).await
    }

    /// One unwrap of a good envelope, without any layer.
    pub async fn unwrap(&self) -> Result<Vec<u8>, UnwrapError> {
        self.unwrap_within(Duration::from_secs(5)).await
    }

    pub async fn unwrap_within(&self, limit: Duration) -> Result<Vec<u8>, UnwrapError> {
        let text = seal(&self.recipient, b"value");
        let envelope = Envelope::parse(text.as_bytes()).unwrap();
        let opening = envelope.opening(0, &self.recipient).unwrap();
        let holder = self.holder().await;
        let answer = holder
            .unwrap_key(&opening.request(), Instant::now() + limit)
            .await;
        answer.map(|secret| secret.expose().to_vec())
    }

    pub async fn category(&self) -> Category {
        self.unwrap().await.unwrap_err().category()
    }

    /// The whole way: registry, layers, tag.
    pub async fn open(&self, text: &str) -> Result<Opened, OpenFailure> {
        let layered = kms_backends::layer::Layered::remote(self.holder().await).build();
        let entry = KeyEntry::builder("payments", self.recipient.clone()).backend(layered);
        let registry = Registry::builder().key(entry).build().unwrap();
        let envelope = Envelope::parse(text.as_bytes()).unwrap();
        let entry = registry.find(self.recipient.kid()).unwrap();
        let opening = envelope.opening(0, entry.recipient()).unwrap();
        registry.open(entry, &opening, soon()).await
    }
}

pub fn soon() -> Instant {
    Instant::now() + Duration::from_secs(10)
}

pub fn seal(recipient: &RecipientKey, value: &[u8]) -> String {
    let place = Place::new("payments", "db", "password").unwrap();
    Sealer::new(std::slice::from_ref(recipient))
        .unwrap()
        .seal(value, &Binding::exact(&place))
        .unwrap()
        .to_string()
}

/// An error's words, and those of its causes.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut words = format!("{error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        words = format!("{words}: {error}");
        cause = error.source();
    }
    words
}

/// Runs one test of this program again in a process of its own, with these variables, where setting them hurts nobody.
pub fn again_with(test: &str, variables: &[(&str, &str)]) {
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args([test, "--exact", "--nocapture"])
        .envs(variables.iter().copied())
        .env("PRIVY_TEST_CHILD", "1")
        .output()
        .unwrap();
    let words = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && words.contains("1 passed"),
        "{words}"
    );
}

pub fn is_child() -> bool {
    std::env::var_os("PRIVY_TEST_CHILD").is_some()
}
