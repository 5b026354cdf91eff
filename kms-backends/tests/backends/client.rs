//! A client of a fake: connector, unwrapper, registry; and tests that need a process of their own.
#![allow(
    dead_code,
    reason = "each key service is a feature, and its tests use a part of this"
)]

use std::sync::Arc;
use std::time::Duration;

use jwe_envelope::{
    Binding, Curve, Envelope, KeyKind, LocalKey, OaepHash, Place, RecipientKey, Sealer,
    SecretBytes, UnwrapRequest,
};
use kms_backends::{
    Category, ConnectError, Connector, KeyEntry, KeyServices, KeyUnwrap, KeyUnwrapExt as _, KeyUri,
    KeyVersion, OpenFailure, Opened, OwnedRequest, Registry, UnwrapError,
};
use tokio::time::Instant;

use test_support::fakes::http::{Control, Fault};
use test_support::tables;

/// A service over a fake, and a reference to its key.
pub(crate) struct Client {
    pub(crate) connector: Connector,
    pub(crate) uri: KeyUri,
    pub(crate) recipient: RecipientKey,
}

impl Client {
    pub(crate) fn new(services: KeyServices, uri: &str, recipient: RecipientKey) -> Self {
        Self {
            connector: Connector::new(services),
            uri: uri.parse().unwrap(),
            recipient,
        }
    }

    pub(crate) async fn connect(&self) -> Result<Arc<dyn KeyUnwrap>, ConnectError> {
        self.connector.connect(&self.uri, &self.recipient).await
    }

    pub(crate) async fn unwrapper(&self) -> Arc<dyn KeyUnwrap> {
        self.connect().await.unwrap()
    }

    pub(crate) async fn public_key(&self) -> Result<RecipientKey, UnwrapError> {
        let algorithm = Some(self.recipient.algorithm());
        self.connector
            .public_key(&self.uri, algorithm, soon())
            .await
    }

    /// One unwrap of a good envelope, without any layer.
    pub(crate) async fn unwrap(&self) -> Result<Vec<u8>, UnwrapError> {
        self.unwrap_within(Duration::from_secs(5)).await
    }

    pub(crate) async fn unwrap_within(&self, limit: Duration) -> Result<Vec<u8>, UnwrapError> {
        unwrap_by(&*self.unwrapper().await, &self.recipient, limit).await
    }

    /// What happens to an answer, in the words of docs/key-services.md; `asked` is `unwrap`, `public key` or
    /// `versions`.
    pub(crate) async fn outcome(&self, asked: &str) -> String {
        let error = match asked {
            "unwrap" => {
                let text = seal(&self.recipient, b"value");
                let request = request_of(&text, &self.recipient);
                let unwrapper = self.unwrapper().await;
                let limit = Duration::from_secs(5);
                match unwrapper.unwrap_within(&request.as_request(), limit).await {
                    Ok(secret) => return opened(&text, &self.recipient, secret),
                    Err(error) => error,
                }
            }
            "public key" => match self.public_key().await {
                Ok(_) => return "believed".to_owned(),
                Err(error) => error,
            },
            "versions" => {
                let uri = self.uri.to_string();
                let key = uri.rsplit_once(['/', '#']).unwrap().0;
                match self
                    .versions(key.trim_end_matches("/cryptoKeyVersions"))
                    .await
                {
                    Ok(_) => return "believed".to_owned(),
                    Err(error) => error,
                }
            }
            other => panic!("{other}"),
        };
        error.category().as_str().to_owned()
    }

    /// The versions of another reference at the same service.
    pub(crate) async fn versions(&self, uri: &str) -> Result<Vec<KeyVersion>, UnwrapError> {
        let uri: KeyUri = uri.parse().unwrap();
        self.connector.versions(&uri, None, soon()).await
    }

    pub(crate) async fn category(&self) -> Category {
        self.unwrap().await.unwrap_err().category()
    }

    /// The whole way: registry, layers, tag.
    pub(crate) async fn open(&self, text: &str) -> Result<Opened, OpenFailure> {
        let layered = kms_backends::layer::Layered::remote(self.unwrapper().await).build();
        let entry = KeyEntry::builder("payments", self.recipient.clone()).backend(layered);
        let registry = Registry::builder().key(entry).build().unwrap();
        let envelope = Envelope::parse(text.as_bytes()).unwrap();
        let entry = registry.find(self.recipient.kid()).unwrap();
        let opening = envelope.open_unchecked(0, entry.recipient()).unwrap();
        registry.open_unchecked(entry, &opening, soon()).await
    }
}

/// Every row of the table `<!-- lies: SERVICE -->`; `outcome` asks for what the row says.
pub(crate) async fn no_lie_is_believed(
    service: &str,
    control: &Control,
    outcome: impl AsyncFn(&str) -> String,
) {
    for row in tables::lies(service) {
        control.set(Fault::None);
        assert_eq!(outcome(&row.asked).await, "believed", "the truth: {row:?}");
        control.set(Fault::Lie(row.told));
        assert_eq!(outcome(&row.asked).await, row.outcome, "{row:?}");
    }
}

/// Every row of the table `<!-- answers: SERVICE -->` whose codes are those of [`Fault::of_row`], and broken connections.
pub(crate) async fn each_answer_has_its_category(
    service: &str,
    control: &Control,
    client: &Client,
) {
    for row in tables::rows(service) {
        let fault = Fault::of_row(&row.code);
        control.set(fault.clone());
        let error = client.unwrap().await.unwrap_err();
        assert_eq!(error.category().as_str(), row.category, "{fault:?}");
        let retried = row.category == Category::Unavailable.as_str();
        assert_eq!(retried, row.retried, "{fault:?}");
        assert!(!error.to_string().contains("The fake says so"), "{error}");
    }
    for fault in [Fault::Cut, Fault::Half] {
        control.set(fault.clone());
        assert_eq!(client.category().await, Category::Unavailable, "{fault:?}");
    }
    control.set(Fault::None);
}

/// What does not fit the key is refused here: it costs no call, no quota and no login.
pub(crate) async fn misfits_cost_no_call(client: &Client, control: &Control) {
    let key = &client.recipient;
    let other = |kind| {
        let key = LocalKey::generate(kind).unwrap().recipient().clone();
        request_of(&seal(&key, b"value"), &key)
    };
    let (p384, rsa) = (other(KeyKind::Ec(Curve::P384)), other(KeyKind::Rsa(2048)));
    let mut misfits = vec![(p384.as_request(), Category::Misconfigured)];
    let bytes = vec![7; key.modulus_len().unwrap_or_default()];
    if let Some(padding) = key.algorithm().oaep_hash() {
        let other = match padding {
            OaepHash::Sha1 => OaepHash::Sha256,
            _ => OaepHash::Sha1,
        };
        let decrypt = |padding, ciphertext| UnwrapRequest::Decrypt {
            padding,
            ciphertext,
        };
        misfits.push((decrypt(other, &bytes), Category::Misconfigured));
        misfits.push((decrypt(padding, &bytes[1..]), Category::Rejected));
    } else {
        misfits.push((rsa.as_request(), Category::Misconfigured));
    }
    let unwrapper = client.unwrapper().await;
    let before = control.calls();
    for (request, category) in misfits {
        let error = unwrapper.unwrap_key(&request, soon()).await.unwrap_err();
        assert_eq!(error.category(), category, "{request:?}");
        assert_eq!(control.calls(), before, "{request:?}");
    }
}

/// Whether `secret` opens `text`.
pub(crate) fn opened(text: &str, recipient: &RecipientKey, secret: SecretBytes) -> String {
    let envelope = Envelope::parse(text.as_bytes()).unwrap();
    let opening = envelope.open_unchecked(0, recipient).unwrap();
    let words = match opening.finish(Ok(secret)) {
        Ok(_) => "believed",
        Err(_) => "opens nothing",
    };
    words.to_owned()
}

/// One unwrap of an envelope that was sealed for `recipient` just now.
pub(crate) async fn unwrap_by(
    unwrapper: &dyn KeyUnwrap,
    recipient: &RecipientKey,
    limit: Duration,
) -> Result<Vec<u8>, UnwrapError> {
    let request = request_of(&seal(recipient, b"value"), recipient);
    let answer = unwrapper.unwrap_within(&request.as_request(), limit).await;
    answer.map(|secret| secret.expose().to_vec())
}

/// What the key's unwrapper is asked for `text`.
pub(crate) fn request_of(text: &str, recipient: &RecipientKey) -> OwnedRequest {
    let envelope = Envelope::parse(text.as_bytes()).unwrap();
    let opening = envelope.open_unchecked(0, recipient).unwrap();
    OwnedRequest::try_from(&opening.request()).unwrap()
}

pub(crate) fn soon() -> Instant {
    Instant::now() + Duration::from_secs(10)
}

pub(crate) fn seal(recipient: &RecipientKey, value: &[u8]) -> String {
    let place = Place::new("payments", "db", "password").unwrap();
    Sealer::new(std::slice::from_ref(recipient))
        .unwrap()
        .seal(value, &Binding::exact(&place))
        .unwrap()
        .to_string()
}

/// An error's words, and those of its causes.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut words = format!("{error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        words = format!("{words}: {error}");
        cause = error.source();
    }
    words
}

/// The same, with all that `Debug` says.
pub(crate) fn all_words(error: &dyn std::error::Error) -> String {
    let mut words = format!("{error:?} {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        words = format!("{words} {error:?} {error}");
        cause = error.source();
    }
    words
}

/// The name under which the test runner knows a test. Asked of the function itself: a name in a string goes stale when
/// the file moves.
pub(crate) fn name_of<T: Fn()>(_: &T) -> &'static str {
    let path = std::any::type_name::<T>();
    path.split_once("::").map_or(path, |(_program, name)| name)
}

/// Runs one test of this program again in a process of its own, with these variables, where setting them hurts no one.
pub(crate) fn again_with(test: impl Fn(), variables: &[(&str, &str)]) {
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args([name_of(&test), "--exact", "--nocapture"])
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

pub(crate) fn is_child() -> bool {
    std::env::var_os("PRIVY_TEST_CHILD").is_some()
}
