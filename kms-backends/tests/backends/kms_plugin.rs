//! A Kubernetes KMS v2 plugin, spoken to over a unix socket.

use std::path::PathBuf;
use std::time::Duration;

use crate::client::{self, Client, chain, seal, soon};
use jwe_envelope::{Curve, KeyKind, LocalKey};
use kms_backends::{Category, KeyServices, conformance, kms_plugin};
use tempfile::TempDir;
use test_support::fakes::http::Fault;
use test_support::fakes::plugin::FakePlugin;

/// A plugin, a private key that it wrapped, and a client.
struct Bench {
    plugin: FakePlugin,
    client: Client,
    key: LocalKey,
    file: PathBuf,
    _folder: TempDir,
}

impl Bench {
    async fn new(kind: KeyKind) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let plugin = FakePlugin::start();
        let key = LocalKey::generate(kind).unwrap();
        let pem = key.to_pkcs8_pem();
        let text = kms_plugin::wrap(&plugin.socket, pem.as_bytes(), soon())
            .await
            .unwrap();
        let file = folder.path().join("payments.wrapped");
        std::fs::write(&file, text).unwrap();
        let uri = format!(
            "kms-plugin:{}?key={}",
            plugin.socket.display(),
            file.display()
        );
        Self {
            client: Client::new(KeyServices::default(), &uri, key.recipient().clone()),
            plugin,
            key,
            file,
            _folder: folder,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keeps_the_contract_of_every_backend() {
    for kind in [KeyKind::Rsa(2048), KeyKind::Ec(Curve::P256)] {
        let Bench { client, plugin, .. } = &Bench::new(kind).await;
        conformance::check(async || client.unwrapper().await, &client.recipient).await;
        assert_eq!(client.public_key().await.unwrap(), client.recipient);
        assert!(plugin.calls().iter().any(|call| call.method == "Decrypt"));
    }
}

#[tokio::test]
async fn the_plugin_sees_a_wrapping_key_once_and_neither_private_key_nor_envelope() {
    let Bench {
        client,
        plugin,
        key,
        file,
        ..
    } = &Bench::new(KeyKind::Rsa(2048)).await;
    let (unwrapper, text) = (
        client.unwrapper().await,
        seal(&client.recipient, b"a-value"),
    );
    let request = client::request_of(&text, &client.recipient);
    for _ in 0..10 {
        unwrapper
            .unwrap_key(&request.as_request(), soon())
            .await
            .unwrap();
    }
    let calls = plugin.calls();
    let methods: Vec<_> = calls.iter().map(|call| &*call.method).collect();
    let once = ["Status", "Encrypt", "Status", "Decrypt"];
    assert_eq!(methods, once, "and never again");
    assert_eq!((calls[1].bytes.len(), calls[3].bytes.len()), (32, 32));
    let pem = key.to_pkcs8_pem();
    let line = pem.lines().nth(3).unwrap();
    let all: Vec<u8> = calls.into_iter().flat_map(|call| call.message).collect();
    let all = String::from_utf8_lossy(&all).into_owned() + &std::fs::read_to_string(file).unwrap();
    assert!(!all.contains(line) && !all.contains(text.split('.').nth(1).unwrap()));
}

/// The rows of docs/key-services.md.
#[tokio::test]
async fn no_lie_is_believed() {
    let Bench { client, plugin, .. } = &Bench::new(KeyKind::Ec(Curve::P256)).await;
    let outcome = async |asked: &str| client.outcome(asked).await;
    client::no_lie_is_believed("kms-plugin", &plugin.control, outcome).await;
    // It is the length that ends this one, before it is all read.
    plugin.set(Fault::Lie("too much"));
    let words = chain(&client.unwrap().await.unwrap_err());
    assert!(words.contains("OutOfRange"), "{words}");
}

#[tokio::test]
async fn what_does_not_fit_the_key_costs_no_call() {
    for kind in [KeyKind::Rsa(2048), KeyKind::Ec(Curve::P256)] {
        let Bench { client, plugin, .. } = &Bench::new(kind).await;
        client::misfits_cost_no_call(client, &plugin.control).await;
    }
}

/// The rows of docs/key-services.md.
#[tokio::test]
async fn each_answer_has_its_category() {
    let Bench { client, plugin, .. } = &Bench::new(KeyKind::Ec(Curve::P256)).await;
    for row in test_support::tables::rows("kms-plugin") {
        let mut codes =
            (0..17).filter(|code| format!("{:?}", tonic::Code::from_i32(*code)) == row.code);
        let code = u16::try_from(codes.next().unwrap()).unwrap();
        plugin.control.set(Fault::Refuse(code, "", ""));
        let error = client.unwrap().await.unwrap_err();
        assert_eq!(error.category().as_str(), row.category, "{}", row.code);
        assert_eq!(
            row.category == Category::Unavailable.as_str(),
            row.retried,
            "{}",
            row.code
        );
        assert!(
            !error.to_string().contains("words of the plugin"),
            "{error}"
        );
        assert!(
            chain(&error).contains("words of the plugin"),
            "{}",
            chain(&error)
        );
    }
}

#[tokio::test]
async fn a_plugin_that_throttles_stalls_or_breaks_off_is_asked_again_later() {
    let Bench { client, plugin, .. } = &Bench::new(KeyKind::Ec(Curve::P256)).await;
    let unwrapper = client.unwrapper().await;
    let limit = Duration::from_millis(500);
    for fault in [Fault::Throttle(1), Fault::Stall, Fault::Cut, Fault::Half] {
        plugin.control.set(fault.clone());
        let error = client::unwrap_by(&*unwrapper, &client.recipient, limit)
            .await
            .unwrap_err();
        assert_eq!(error.category(), Category::Unavailable, "{fault:?}");
    }
    // The same unwrapper recovers, and from then on needs the plugin no more.
    plugin.control.set(Fault::None);
    client::unwrap_by(&*unwrapper, &client.recipient, limit * 10)
        .await
        .unwrap();
    plugin.control.set(Fault::Cut);
    client::unwrap_by(&*unwrapper, &client.recipient, limit * 10)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_changed_file_and_the_private_key_of_another_key_are_mistakes() {
    let Bench { client, file, .. } = &Bench::new(KeyKind::Ec(Curve::P256)).await;
    let text = std::fs::read_to_string(file).unwrap();
    for member in ["wrappedKey", "privateKey", "pluginKeyId", "kid"] {
        let begin = format!("\"{member}\": \"");
        let changed = text.replacen(&begin, &format!("{begin}AAAA"), 1);
        assert_ne!(changed, text, "{member}");
        std::fs::write(file, changed).unwrap();
        assert_eq!(client.category().await, Category::Misconfigured, "{member}");
    }
    std::fs::write(file, &text).unwrap();
    let other = LocalKey::generate(KeyKind::Ec(Curve::P256)).unwrap();
    let uri = client.uri.to_string();
    let other = Client::new(KeyServices::default(), &uri, other.recipient().clone());
    assert_eq!(other.category().await, Category::Misconfigured);
}
