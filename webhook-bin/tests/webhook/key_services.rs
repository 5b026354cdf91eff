//! Key services by configuration only: the webhook's own program against a Vault over a socket.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use jwe_envelope::{KeyKind, LocalKey};

use test_support::fakes::http::Fault;
use test_support::fakes::vault::FakeVault;

struct Bench {
    folder: tempfile::TempDir,
    vault: FakeVault,
}

impl Bench {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let vault = FakeVault::start(2).await;
        let names = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        fs::write(folder.path().join("tls.crt"), names.cert.pem()).unwrap();
        fs::write(
            folder.path().join("tls.key"),
            names.signing_key.serialize_pem(),
        )
        .unwrap();
        fs::write(
            folder.path().join("payments.pem"),
            vault.recipient(2).to_pem(),
        )
        .unwrap();
        Self { folder, vault }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn write(&self, reference: &str, services: &str) {
        let text = format!(
            "version: 1\ntls: {{certificate: tls.crt, privateKey: tls.key}}\nlisten: 127.0.0.1:0\nhealth: {{listen: 127.0.0.1:0}}\n\
             callers: {{loopback: {{}}}}\nkeys:\n  - name: payments\n    publicKey: payments.pem\n    namespaces: [payments]\n    \
             unwrap: [\"{reference}\"]\n{services}"
        );
        fs::write(self.path().join("webhook.yaml"), text).unwrap();
    }

    fn services(&self) -> String {
        format!(
            "keyServices:\n  vault:\n    address: {}\n    auth: {{kubernetes: {{role: privy, tokenFile: {}}}}}\n    timeout: 1s\n    callsPerSecond: 50\n",
            self.vault.url(),
            self.vault.token_file.display()
        )
    }

    async fn check(&self, flags: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_privy-webhook"));
        command
            .arg("check-config")
            .arg(self.path().join("webhook.yaml"))
            .args(flags);
        tokio::task::spawn_blocking(move || command.output().unwrap())
            .await
            .unwrap()
    }
}

fn words(output: &Output) -> String {
    let text = [&output.stdout[..], &output.stderr[..]].concat();
    String::from_utf8(text).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_probe_compares_the_services_public_key_with_the_configured_one() {
    let bench = Bench::new().await;
    bench.write("vault-transit://transit/payments#2", &bench.services());
    let output = bench.check(&["--probe"]).await;
    let text = words(&output);
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(
        text.contains("vault-transit://transit/payments#2 holds the configured key"),
        "{text}"
    );

    bench.write("vault-transit://transit/payments#1", &bench.services());
    let output = bench.check(&["--probe"]).await;
    let text = words(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("HOLDS ANOTHER KEY"), "{text}");
    assert!(text.contains(bench.vault.recipient(1).kid()), "{text}");

    bench.write("vault-transit://transit/payments", &bench.services());
    let output = bench.check(&["--probe"]).await;
    let text = words(&output);
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(
        text.contains("holds the configured key and 1 more versions"),
        "{text}"
    );

    bench.vault.control().set(Fault::status(503));
    let output = bench.check(&["--probe"]).await;
    assert_eq!(output.status.code(), Some(3), "{}", words(&output));
    // Without --probe no one is asked.
    bench.vault.control().forget();
    let output = bench.check(&[]).await;
    assert_eq!(output.status.code(), Some(0), "{}", words(&output));
    assert!(bench.vault.control().requests().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mistakes_are_named_with_their_line() {
    let bench = Bench::new().await;
    let vault = |rest: &str| {
        format!(
            "keyServices:\n  vault:\n    address: {}\n{rest}",
            bench.vault.url()
        )
    };
    let good = "    auth: {kubernetes: {role: privy}}\n";
    for (reference, services, expected) in [
        ("vault-transit://transit/../payments#2", vault(good), "malformed"),
        ("vault-transit://transit/payments#2", String::new(), "address is not set"),
        ("vault-transit://transit/payments#2", vault(""), "`auth` is missing"),
        ("vault-transit://transit/payments#2", vault("    auth: {}\n"), "must name one way"),
        ("vault-transit://transit/payments#2", vault("    auth: {kubernetes: {}}\n"), "`role` is missing"),
        ("vault-transit://transit/payments#2", vault("    auth: {jwt: {}}\n"), "`tokenFile` is missing"),
        ("vault-transit://transit/payments#2", vault("    auth: {kubernetes: {role: r, mount: ../sys}}\n"), "mounted below"),
        ("vault-transit://transit/payments#2", vault("    verify: false\n"), "unknown member"),
        ("vault-transit://transit/payments#2", vault(&format!("{good}    timeout: 1h\n")), "timeout"),
        ("vault-transit://transit/payments#2", vault(&format!("{good}    callsPerSecond: 0\n")), "callsPerSecond"),
        ("vault-transit://transit/payments#2", "keyServices: {vlt: {}}\n".to_owned(), "did you mean `vault`"),
        ("vault-transit://transit/payments#2", "keyServices: {vault: {address: \"http://vault.example\", auth: {kubernetes: {role: r}}}}\n".to_owned(), "https://"),
        ("vault-transit://transit/payments\", \"file:a.pem", vault(good), "names a key and no version"),
    ] {
        bench.write(reference, &services);
        let output = bench.check(&[]).await;
        let text = words(&output);
        assert_eq!(output.status.code(), Some(2), "{services}: {text}");
        assert!(text.contains(expected), "{expected} in {text}");
        assert!(text.contains("webhook.yaml:"), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn static_credentials_work_and_are_warned_about() {
    let bench = Bench::new().await;
    bench
        .vault
        .add_token("hvs.static", std::time::Duration::from_mins(10));
    fs::write(&bench.vault.token_file, "hvs.static").unwrap();
    let services = format!(
        "keyServices: {{vault: {{address: \"{}\", auth: {{tokenFile: {}}}}}}}\n",
        bench.vault.url(),
        bench.vault.token_file.display()
    );
    bench.write("vault-transit://transit/payments#2", &services);
    let output = bench.check(&["--probe"]).await;
    let text = words(&output);
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.contains("static credential"), "{text}");
    assert!(!text.contains("hvs.static"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_key_in_the_file_is_still_refused_at_once() {
    use std::os::unix::fs::PermissionsExt as _;

    let bench = Bench::new().await;
    let key = LocalKey::generate(KeyKind::Rsa(2048)).unwrap();
    let path = bench.path().join("other.pem");
    fs::write(&path, key.to_pkcs8_pem().as_bytes()).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    bench.write("file:other.pem", "");
    let output = bench.check(&[]).await;
    assert_eq!(output.status.code(), Some(2), "{}", words(&output));
}

/// The running program: serves while Vault is away, says so where people look, and opens once Vault is back.
mod running {
    use std::io::{BufRead as _, BufReader, Read as _, Write as _};
    use std::net::TcpStream;
    use std::process::{Child, Stdio};
    use std::time::{Duration, Instant};

    use super::*;

    struct Running {
        child: Child,
        health: String,
    }

    impl Drop for Running {
        fn drop(&mut self) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }

    fn start(bench: &Bench) -> Running {
        let mut child = Command::new(env!("CARGO_BIN_EXE_privy-webhook"))
            .arg("--config")
            .arg(bench.path().join("webhook.yaml"))
            .args(["--log-format", "json"])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let health = loop {
            let line = lines.next().expect("it serves").unwrap();
            let Ok(event) = serde_json::from_str::<serde_json::Value>(&line) else {
                panic!("{line}");
            };
            let health = event
                .get("health")
                .or_else(|| event["fields"].get("health"));
            if let Some(health) = health {
                break health.as_str().unwrap().to_owned();
            }
        };
        std::thread::spawn(move || lines.for_each(drop));
        Running { child, health }
    }

    fn get(addr: &str, path: &str) -> String {
        let mut stream = TcpStream::connect(addr).unwrap();
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n"
        )
        .unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    }

    fn eventually(addr: &str, path: &str, expected: &str) -> String {
        let start = Instant::now();
        loop {
            let text = get(addr, path);
            if text.contains(expected) {
                return text;
            }
            assert!(
                start.elapsed() < Duration::from_secs(30),
                "{expected} in {text}"
            );
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn is_ready_without_its_key_service_and_says_which_keys_can_be_reached() {
        let bench = Bench::new().await;
        bench.vault.control().set(Fault::status(503));
        bench.write("vault-transit://transit/payments", &bench.services());
        let running = tokio::task::block_in_place(|| start(&bench));
        tokio::task::block_in_place(|| {
            let ready = get(&running.health, "/readyz?verbose");
            assert!(ready.starts_with("HTTP/1.1 200"), "{ready}");
            assert!(ready.contains("key payments: untried"), "{ready}");
            bench.vault.control().set(Fault::None);
            // Asked again within seconds, not only after the period.
            let ready = eventually(&running.health, "/readyz?verbose", "payments#2");
            assert!(ready.starts_with("HTTP/1.1 200"), "{ready}");
            assert!(ready.contains("payments#1"), "{ready}");
            let metrics = get(&running.health, "/metrics");
            assert!(
                metrics.contains("privy_key_health{key=\"payments#2\",health=\"untried\"} 1"),
                "{metrics}"
            );
        });
    }
}
