//! The program, a folder with its configuration, and what people ask it.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use jwe_envelope::{Binding, Place, RecipientKey, Sealer};

use test_support::client::Client;
use test_support::pki::Pki;

pub(crate) struct Bench {
    pub(crate) pki: Pki,
    variables: Vec<(String, String)>,
}

/// What a run of `check-config` came to.
pub(crate) struct Checked {
    pub(crate) code: i32,
    pub(crate) text: String,
}

impl Bench {
    /// A folder with everything but the configuration, for a key with this public half.
    pub(crate) fn new(recipient: &RecipientKey) -> Self {
        let pki = Pki::new();
        fs::write(pki.path("payments.pem"), recipient.to_pem()).unwrap();
        Self {
            pki,
            variables: Vec::new(),
        }
    }

    pub(crate) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.variables.push((name.to_owned(), value.into()));
        self
    }

    pub(crate) fn write(&self, reference: &str, services: &str) {
        let text = format!(
            "version: 1\ntls: {{certificate: tls.crt, privateKey: tls.key}}\nlisten: 127.0.0.1:0\nhealth: {{listen: 127.0.0.1:0}}\n\
             callers: {{loopback: {{}}}}\nlimits: {{drain: 0s}}\nkeys:\n  - name: payments\n    publicKey: payments.pem\n    \
             namespaces: [payments]\n    unwrap: [{reference:?}]\nkeyServices: {services}\n"
        );
        fs::write(self.pki.path("webhook.yaml"), text).unwrap();
    }

    fn program(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_privy-webhook"));
        // Whatever else the machine says must not decide: an identity of its own, a proxy.
        command
            .env_clear()
            .env("HOME", self.pki.folder())
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null());
        command
    }

    pub(crate) async fn check(&self, flags: &[&str]) -> Checked {
        let mut command = self.program();
        command
            .arg("check-config")
            .arg(self.pki.path("webhook.yaml"))
            .args(flags);
        let output = tokio::task::spawn_blocking(move || command.output().unwrap());
        let output = output.await.unwrap();
        let text = [&output.stdout[..], &output.stderr[..]].concat();
        Checked {
            code: output.status.code().unwrap(),
            text: String::from_utf8(text).unwrap(),
        }
    }

    pub(crate) async fn start(&self) -> Running {
        let mut command = self.program();
        command
            .arg("--config")
            .arg(self.pki.path("webhook.yaml"))
            .args(["--log-format", "json"])
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let started = tokio::task::spawn_blocking(move || Running::start(&mut command));
        started.await.unwrap()
    }

    pub(crate) async fn client(&self, running: &Running) -> Client {
        Client::connect(running.listen, &self.pki, None)
            .await
            .unwrap()
    }
}

/// The program at work; it ends with the test.
pub(crate) struct Running {
    child: Child,
    pub(crate) listen: SocketAddr,
    pub(crate) health: SocketAddr,
}

impl Running {
    #[allow(clippy::zombie_processes, reason = "a test that ends here has failed")]
    fn start(command: &mut Command) -> Self {
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        loop {
            let line = lines.next().expect("it serves").unwrap();
            let event: serde_json::Value = serde_json::from_str(&line).unwrap();
            if let (Some(listen), Some(health)) =
                (event["listen"].as_str(), event["health"].as_str())
            {
                let (listen, health) = (listen.parse().unwrap(), health.parse().unwrap());
                std::thread::spawn(move || lines.for_each(drop));
                return Self {
                    child,
                    listen,
                    health,
                };
            }
        }
    }

    /// The answer on the second port.
    pub(crate) async fn get(&self, path: &str) -> String {
        let mut client = Client::plain(self.health).await.unwrap();
        client
            .send(format!("GET {path} HTTP/1.1\r\nhost: h\r\n\r\n").as_bytes())
            .await
            .unwrap();
        let response = client.response().await.unwrap();
        format!("{}\n{}", response.status, response.text())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A review of the Secret payments/db whose password is `value`, newly sealed.
pub(crate) fn review(recipient: &RecipientKey, value: &[u8]) -> Vec<u8> {
    use base64::Engine as _;
    let place = Place::new("payments", "db", "password").unwrap();
    let mut sealer = Sealer::new(std::slice::from_ref(recipient)).unwrap();
    let envelope = sealer.seal(value, &Binding::exact(&place)).unwrap();
    let text = base64::engine::general_purpose::STANDARD.encode(envelope.to_string());
    test_support::requests::admission_review(
        "payments",
        "db",
        &serde_json::json!({ "password": text }),
    )
}
