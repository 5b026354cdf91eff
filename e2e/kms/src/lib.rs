//! What the suites share: servers as processes, keys, envelopes, openssl.
//!
//! `e2e/kms/run` builds or finds the servers and names them in `E2E_…` variables.

pub mod http;

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jwe_envelope::{Binding, Envelope, Place, RecipientKey, Sealer};
use kms_backends::{KeyEntry, KeyUnwrap, NamespaceSet, Registry};

/// The program or folder that `variable` names.
///
/// # Panics
/// When it is not set: the suite's `run` decides what is skipped, and says so.
pub fn server(variable: &str) -> PathBuf {
    std::env::var_os(variable)
        .unwrap_or_else(|| panic!("{variable} is not set; start e2e/kms/run"))
        .into()
}

/// A server that ends with the test.
pub struct Process(Child);

impl Process {
    pub fn start(command: &mut Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::null());
        if std::env::var_os("E2E_LOUD").is_none() {
            command.stderr(Stdio::null());
        }
        Self(command.spawn().expect("the server starts"))
    }

    /// Whether it gave up, as when someone else took its port first.
    pub fn has_ended(&mut self) -> bool {
        self.0.try_wait().is_ok_and(|status| status.is_some())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A port that no one listens on at this moment.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").port()
}

/// Waits until `ready` says so.
pub fn wait_until(what: &str, mut ready: impl FnMut() -> bool) {
    let start = Instant::now();
    while !ready() {
        assert!(
            start.elapsed() < Duration::from_secs(90),
            "{what} did not get ready"
        );
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// An envelope of `value` for payments/db/password.
pub fn seal(recipient: &RecipientKey, value: &[u8]) -> String {
    let place = Place::new("payments", "db", "password").expect("legal names");
    let mut sealer = Sealer::new(std::slice::from_ref(recipient)).expect("a usable key");
    sealer
        .seal(value, &Binding::exact(&place))
        .expect("a small value")
        .to_string()
}

/// Opens it with `holder`, the way a review does.
pub async fn open(holder: Arc<dyn KeyUnwrap>, recipient: &RecipientKey, text: &str) -> Vec<u8> {
    let registry = Registry::builder()
        .key(
            KeyEntry::builder("key", recipient.clone())
                .namespaces(NamespaceSet::all())
                .backend(holder),
        )
        .build()
        .expect("one key");
    let envelope = Envelope::parse(text.as_bytes()).expect("an envelope");
    let opening = envelope.open_unchecked(0, recipient).expect("for this key");
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    let opened = registry
        .open_unchecked(&registry.entries()[0], &opening, deadline)
        .await
        .unwrap_or_else(|failure| panic!("not opened: {failure:?}"));
    opened.plaintext.expose().to_vec()
}

/// `secret`, encrypted by openssl for a PEM key with OAEP and this hash.
pub fn openssl_oaep(folder: &Path, pem: &str, hash: &str, secret: &[u8]) -> Vec<u8> {
    let (key, plain, wrapped) = (
        folder.join("key.pem"),
        folder.join("plain"),
        folder.join("wrapped"),
    );
    std::fs::write(&key, pem).expect("a file");
    std::fs::write(&plain, secret).expect("a file");
    let status = Command::new("openssl")
        .args([
            "pkeyutl",
            "-encrypt",
            "-pubin",
            "-pkeyopt",
            "rsa_padding_mode:oaep",
        ])
        .args([
            "-pkeyopt",
            &format!("rsa_oaep_md:{hash}"),
            "-pkeyopt",
            &format!("rsa_mgf1_md:{hash}"),
        ])
        .arg("-inkey")
        .arg(&key)
        .arg("-in")
        .arg(&plain)
        .arg("-out")
        .arg(&wrapped)
        .status()
        .expect("openssl is there");
    assert!(status.success());
    std::fs::read(wrapped).expect("what openssl wrote")
}

/// SHA-256 of the SubjectPublicKeyInfo, as openssl sees it.
pub fn openssl_spki_sha256(folder: &Path, pem: &str) -> String {
    let key = folder.join("key.pem");
    std::fs::write(&key, pem).expect("a file");
    let pipe = "openssl pkey -pubin -outform DER -in \"$1\" | openssl dgst -sha256 -r";
    let output = Command::new("sh")
        .args(["-c", pipe, "sh"])
        .arg(&key)
        .output()
        .expect("openssl is there");
    let text = String::from_utf8(output.stdout).expect("hexadecimal digits");
    text.split_whitespace().next().expect("a digest").to_owned()
}

/// The same in our own words.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
