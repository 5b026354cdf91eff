//! Keys that a key service holds, from the command line: a Vault over a socket, reached by what the environment says.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kms_backends::vault::{Token, VaultAuth, VaultOptions};
use kms_backends::{Connector, KeyEntry, KeyServices, KeyUri, NamespaceSet, Registry};
use serde_json::{Value, json};
use tokio::time::Instant;
use unseal_policy::decide::Policy;
use webhook_bin::review::Reviewer;

use test_support::fakes::http::Fault;
use test_support::fakes::vault::FakeVault;

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

/// The webhook's reviewer, which serves these versions of the key and asks this Vault.
async fn webhook(vault: &FakeVault, versions: &[u64]) -> Reviewer {
    let mut options = VaultOptions::default();
    options.address = Some(vault.url());
    options.auth = Token::new("hvs.person".to_owned()).map(VaultAuth::Token);
    let mut services = KeyServices::default();
    services.vault = options;
    let connector = Connector::new(services);
    let mut registry = Registry::builder();
    for version in versions {
        let recipient = vault.recipient(*version);
        let uri = format!("vault-transit://transit/payments#{version}");
        let uri: KeyUri = uri.parse().unwrap();
        let backend = connector.connect(&uri, &recipient).await.unwrap();
        registry = registry.key(
            KeyEntry::builder(format!("payments-{version}"), recipient)
                .namespaces(NamespaceSet::all())
                .backend(backend),
        );
    }
    Reviewer::new(registry.build().unwrap(), Policy::default())
}

/// What the webhook answers when the manifest is applied: the opened value, or the message of the denial.
async fn applied(webhook: &Reviewer, manifest: &str) -> Result<String, String> {
    let manifest = secret_walker::Manifest::parse(manifest.as_bytes()).unwrap();
    let secret = &manifest.secrets()[0];
    let name = secret.name().unwrap().text;
    let envelope = secret.fields()[0].value().unwrap();
    let review = json!({
        "kind": "AdmissionReview",
        "apiVersion": "admission.k8s.io/v1",
        "request": {
            "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
            "kind": {"group": "", "version": "v1", "kind": "Secret"},
            "resource": {"group": "", "version": "v1", "resource": "secrets"},
            "requestKind": {"group": "", "version": "v1", "kind": "Secret"},
            "requestResource": {"group": "", "version": "v1", "resource": "secrets"},
            "name": name,
            "namespace": "payments",
            "operation": "CREATE",
            "userInfo": {"username": "deployer", "groups": ["system:authenticated"]},
            "object": {
                "apiVersion": "v1", "kind": "Secret", "type": "Opaque",
                "metadata": {"name": name, "namespace": "payments"},
                "data": {"password": STANDARD.encode(&*envelope)},
            },
            "oldObject": null,
            "dryRun": false,
            "options": {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1"},
        },
    });
    let deadline = Instant::now() + Duration::from_secs(10);
    let answer = webhook
        .review(review.to_string().as_bytes(), deadline)
        .await;
    let answer: Value = serde_json::from_slice(&answer.body.into_bytes()).unwrap();
    let response = &answer["response"];
    if response["allowed"] != true {
        return Err(response["status"]["message"].as_str().unwrap().to_owned());
    }
    let patch = STANDARD
        .decode(response["patch"].as_str().unwrap())
        .unwrap();
    let patch: Value = serde_json::from_slice(&patch).unwrap();
    let operations = patch.as_array().unwrap();
    let opened = operations
        .iter()
        .find(|operation| operation["path"] == "/data/password")
        .unwrap();
    let value = STANDARD.decode(opened["value"].as_str().unwrap()).unwrap();
    Ok(String::from_utf8(value).unwrap())
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
    let read = |file: &str| std::fs::read_to_string(folder.join(file)).unwrap();
    let sealed = files.map(read);
    // Before the drill, the webhook opens what is sealed for the key.
    let running = webhook(&vault, &[2]).await;
    assert_eq!(
        applied(&running, &sealed[0]).await.as_deref(),
        Ok("hunter2-db")
    );
    let envelope = sealed[0].split("password: ").nth(1).unwrap().trim();

    // 1. The version ends: closed to everyone, in words, and nothing is written.
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
    // The webhook opens nothing that it has not opened recently, and nothing at all after a restart.
    for (webhook, manifest) in [
        (&running, &sealed[1]),
        (&webhook(&vault, &[2]).await, &sealed[0]),
    ] {
        let message = applied(webhook, manifest).await.unwrap_err();
        for words in [
            "`data/password` [misconfigured]",
            "payments-2",
            "administrator",
        ] {
            assert!(message.contains(words), "{words}: {message}");
        }
        assert!(!message.contains("hunter2"), "{message}");
    }
    let lately = applied(&running, &sealed[0]).await;
    assert_eq!(lately.as_deref(), Ok("hunter2-db"));
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
    // The webhook that serves the new version opens the new values, and what is sealed for the ended one no more.
    let renewed = webhook(&vault, &[3]).await;
    for (file, old) in files.iter().zip(&sealed) {
        assert_eq!(applied(&renewed, &read(file)).await.as_deref(), Ok("new"));
        let refused = applied(&renewed, old).await.unwrap_err();
        assert!(refused.contains("[unknown-key]"), "{refused}");
    }
    good(privy(&vault, folder, &lint, b"").await);
}

/// From version 2 to version 3 of a key: one call for each Secret, no more in a second than asked for, and nothing is
/// lost when the service goes away in the middle.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tree_is_rewrapped_with_one_call_for_each_secret() {
    const FILES: usize = 12;
    let vault = FakeVault::start(3).await;
    vault.add_token("hvs.person", Duration::from_mins(10));
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    std::fs::write(folder.join("old.pem"), vault.recipient(2).to_pem()).unwrap();
    let fetch = [
        "key",
        "fetch",
        "vault-transit://transit/payments",
        "--out",
        "payments.card.json",
    ];
    good(privy(&vault, folder, &fetch, b"").await);
    std::fs::create_dir(folder.join("tree")).unwrap();
    for number in 0..FILES {
        let manifest = format!(
            "apiVersion: v1\nkind: Secret\nmetadata:\n  name: db-{number}\n  namespace: payments\nstringData:\n  \
             password: canary-{number}\n  token: canary-{number}-too\n"
        );
        std::fs::write(folder.join(format!("tree/{number}.yaml")), manifest).unwrap();
    }
    let seal = ["seal", "-i", "tree", "--key", "old.pem"];
    good(privy(&vault, folder, &seal, b"").await);
    let rewrap = [
        "rewrap",
        "--open-with",
        "vault-transit://transit/payments",
        "--key",
        "payments.card.json",
        "--output",
        "json",
        "tree",
    ];
    let decryptions = || {
        let requests = vault.control().requests();
        let decrypt =
            |request: &&test_support::fakes::http::Request| request.path.contains("/decrypt/");
        requests.iter().filter(decrypt).count()
    };

    // It is away: nothing changes, and not every file is tried.
    vault.control().set(Fault::status(503));
    let listed = privy(&vault, folder, &rewrap, b"").await;
    assert_eq!(listed.status.code(), Some(3));

    vault.control().set(Fault::None);
    let before = decryptions();
    let begun = Instant::now();
    let slowly = [&rewrap[..], &["--calls-per-second", "4"]].concat();
    let report: Value =
        serde_json::from_slice(&good(privy(&vault, folder, &slowly, b"").await)).unwrap();
    assert_eq!(report["summary"]["values"], 2 * FILES);
    assert_eq!(decryptions() - before, FILES);
    // The bucket begins full: what is left takes two seconds at four a second.
    assert!(
        begun.elapsed() >= Duration::from_millis(1900),
        "{:?}",
        begun.elapsed()
    );

    // Done is done: no further call.
    let again: Value =
        serde_json::from_slice(&good(privy(&vault, folder, &rewrap, b"").await)).unwrap();
    assert_eq!(again["summary"]["values"], 0);
    assert_eq!(decryptions() - before, FILES);
}
