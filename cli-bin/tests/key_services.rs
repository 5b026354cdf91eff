//! Keys that a key service holds, from the command line: a Vault over a socket, reached by what the environment says.
#![cfg(feature = "vault")]
#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

#[allow(
    dead_code,
    unreachable_pub,
    reason = "kms-backends' tests use the rest"
)]
#[path = "../../kms-backends/tests/fakes/http.rs"]
mod http;
#[allow(
    dead_code,
    unreachable_pub,
    reason = "kms-backends' tests use the rest"
)]
#[path = "../../kms-backends/tests/fakes/vault.rs"]
mod vault;

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use crate::http::Fault;
use crate::vault::FakeVault;

async fn privy(vault: &FakeVault, folder: &Path, arguments: &[&str], input: &[u8]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_privy"));
    command
        .args(arguments)
        .current_dir(folder)
        .env("VAULT_ADDR", vault.url())
        .env("VAULT_TOKEN", "hvs.person")
        .env("PRIVY_CONFIG_DIR", folder.join("config"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let input = input.to_vec();
    let ended = tokio::task::spawn_blocking(move || {
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(&input).unwrap();
        child.wait_with_output().unwrap()
    });
    ended.await.unwrap()
}

fn good(output: Output) -> Vec<u8> {
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    output.stdout
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_is_fetched_sealed_for_and_opened_with() {
    let vault = FakeVault::start(3).await;
    vault.add_token("hvs.person", Duration::from_mins(10));
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let card = [
        "key",
        "fetch",
        "vault-transit://transit/payments",
        "--out",
        "payments.card.json",
    ];
    let said = String::from_utf8(good(privy(&vault, folder, &card, b"").await)).unwrap();
    assert!(
        said.contains("privy key trust payments.card.json"),
        "{said}"
    );
    let written: serde_json::Value =
        serde_json::from_slice(&std::fs::read(folder.join("payments.card.json")).unwrap()).unwrap();
    let keys = written["keys"].as_array().unwrap();
    let listed: Vec<_> = keys
        .iter()
        .map(|key| {
            let status = key["privy"]["status"]
                .as_str()
                .unwrap_or("active")
                .to_owned();
            (
                key["kid"].as_str().unwrap().to_owned(),
                key["privy"]["uri"].as_str().unwrap().to_owned(),
                status,
            )
        })
        .collect();
    let version = |number: u64, status: &str| {
        let uri = format!("vault-transit://transit/payments#{number}");
        (
            vault.recipient(number).kid().to_owned(),
            uri,
            status.to_owned(),
        )
    };
    assert_eq!(
        listed,
        [
            version(3, "active"),
            version(2, "retired"),
            version(1, "retired")
        ]
    );
    // The fingerprint is that of the same key read from a PEM, as the service's own tool prints it.
    std::fs::write(folder.join("own.pem"), vault.recipient(3).to_pem()).unwrap();
    let show = async |file: &str| {
        good(
            privy(
                &vault,
                folder,
                &["key", "show", file, "--output", "json"],
                b"",
            )
            .await,
        )
    };
    let shown: serde_json::Value = serde_json::from_slice(&show("own.pem").await).unwrap();
    assert!(
        said.replace(['\n', ' '], "")
            .contains(&shown["fingerprint"].as_str().unwrap().replace(' ', "")),
        "{said}"
    );

    let seal = [
        "seal",
        "--key",
        "payments.card.json",
        "--for",
        "payments/db/password",
    ];
    let envelope = good(privy(&vault, folder, &seal, b"hunter2").await);
    for reference in [
        "vault-transit://transit/payments",
        "vault-transit://transit/payments#3",
    ] {
        let open = ["open", "--key", reference, "--for", "payments/db/password"];
        assert_eq!(
            good(privy(&vault, folder, &open, &envelope).await),
            b"hunter2"
        );
    }
    let old = [
        "open",
        "--key",
        "vault-transit://transit/payments#2",
        "--for",
        "payments/db/password",
    ];
    assert_eq!(
        privy(&vault, folder, &old, &envelope).await.status.code(),
        Some(1)
    );
}

/// The newest version is sealed for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reference_stands_wherever_a_card_may() {
    let vault = FakeVault::start(3).await;
    vault.add_token("hvs.person", Duration::from_mins(10));
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let by_reference = [
        "seal",
        "--key",
        "vault-transit://transit/payments",
        "--for",
        "payments/db/password",
    ];
    let sealed = good(privy(&vault, folder, &by_reference, b"hunter3").await);
    let open = [
        "open",
        "--key",
        "vault-transit://transit/payments#3",
        "--for",
        "payments/db/password",
    ];
    assert_eq!(
        good(privy(&vault, folder, &open, &sealed).await),
        b"hunter3"
    );
    let reference = "vault-transit://transit/payments";
    let shown = good(privy(&vault, folder, &["key", "show", reference], b"").await);
    assert!(
        String::from_utf8(shown)
            .unwrap()
            .contains(vault.recipient(3).kid())
    );
    std::fs::write(
        folder.join("empty.yaml"),
        "kind: Secret\napiVersion: v1\nmetadata: {name: db, namespace: payments}\n",
    )
    .unwrap();
    good(
        privy(
            &vault,
            folder,
            &["lint", "--key", reference, "empty.yaml"],
            b"",
        )
        .await,
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_is_away_or_refuses_has_its_own_exit_code() {
    let vault = FakeVault::start(1).await;
    let folder = tempfile::tempdir().unwrap();
    let fetch = ["key", "fetch", "vault-transit://transit/payments"];
    // The token is none.
    let refused = privy(&vault, folder.path(), &fetch, b"").await;
    assert_eq!(refused.status.code(), Some(1));
    let words = String::from_utf8(refused.stderr).unwrap();
    assert!(
        words.contains("denied") && words.contains("key manager"),
        "{words}"
    );
    assert!(!words.contains("hvs."), "{words}");
    vault.control().set(Fault::status(503));
    assert_eq!(
        privy(&vault, folder.path(), &fetch, b"")
            .await
            .status
            .code(),
        Some(3)
    );
    for wrong in [
        "vault-transit://transit/..",
        "vault-transit:x",
        "nonsense://x",
    ] {
        let output = privy(&vault, folder.path(), &["key", "fetch", wrong], b"").await;
        assert_eq!(output.status.code(), Some(2), "{wrong}");
    }
    assert!(refused.stdout.is_empty());
}

/// docs/key-services.md, "A drill for a compromised key".
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drill_ends_a_key_and_lists_what_is_sealed_for_it() {
    let vault = FakeVault::start(2).await;
    vault.add_token("hvs.person", Duration::from_mins(10));
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let reference = "vault-transit://transit/payments";
    let fetch = [
        "key",
        "fetch",
        reference,
        "--force",
        "--out",
        "payments.card.json",
    ];
    good(privy(&vault, folder, &fetch, b"").await);
    for name in ["db", "queue"] {
        let manifest = format!(
            "apiVersion: v1\nkind: Secret\nmetadata:\n  name: {name}\n  namespace: payments\nstringData:\n  password: hunter2-{name}\n"
        );
        std::fs::write(folder.join(format!("{name}.yaml")), manifest).unwrap();
    }
    let files = ["db.yaml", "queue.yaml"];
    let seal = [&["seal", "-i", "--key", "payments.card.json"][..], &files].concat();
    good(privy(&vault, folder, &seal, b"").await);
    let lint = [&["lint", "--key", "payments.card.json"][..], &files].concat();
    good(privy(&vault, folder, &lint, b"").await);
    let envelope = std::fs::read_to_string(folder.join("db.yaml")).unwrap();
    let envelope = envelope.split("password: ").nth(1).unwrap().trim();

    // 1. The version ends: closed to everybody, in words, and nothing is written.
    vault.rotate();
    vault.set_min_decryption_version(3);
    for key in [reference, "vault-transit://transit/payments#2"] {
        let open = ["open", "--key", key, "--for", "payments/db/password"];
        let refused = privy(&vault, folder, &open, envelope.as_bytes()).await;
        let words = String::from_utf8(refused.stderr).unwrap();
        assert!(!refused.status.success() && refused.stdout.is_empty());
        assert!(words.contains("hint: "), "{words}");
        assert!(!words.contains("hunter2"), "{words}");
    }
    // 2. The card of what decrypts now.
    good(privy(&vault, folder, &fetch, b"").await);
    let card = std::fs::read_to_string(folder.join("payments.card.json")).unwrap();
    assert!(card.contains(vault.recipient(3).kid()), "{card}");
    assert!(!card.contains(vault.recipient(2).kid()), "{card}");
    // 3. Every manifest that is sealed for the ended one.
    let found = privy(&vault, folder, &lint, b"").await;
    let words = String::from_utf8(found.stdout).unwrap();
    assert_eq!(found.status.code(), Some(1), "{words}");
    for file in files {
        let expected = format!("{file}:7:13: error[unknown-key]");
        assert!(words.contains(&expected), "{expected}: {words}");
    }
    // 4. New values under the new key.
    for file in files {
        let set = ["set", file, "password", "--key", "payments.card.json"];
        good(privy(&vault, folder, &set, b"new").await);
    }
    good(privy(&vault, folder, &lint, b"").await);
}
