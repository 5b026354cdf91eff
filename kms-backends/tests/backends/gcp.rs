//! Google Cloud KMS, over a fake that speaks its REST protocol on a socket.

use std::sync::Arc;
use std::time::Duration;

use crate::client::{self, Client, again_with, chain, is_child, seal};
use jwe_envelope::{KeyKind, KeyManagement, LocalKey};
use kms_backends::{Category, KeyServices, conformance};
use test_support::fakes::gcp::{FakeGcp, KEY};
use test_support::fakes::http::{Fault, Server};

async fn started(fake: &Arc<FakeGcp>) -> (Client, Server) {
    let server = fake.start("127.0.0.1:0").await;
    let uri = format!("gcp-kms://{KEY}/cryptoKeyVersions/1");
    (
        Client::new(services(&server), &uri, fake.recipient(1)),
        server,
    )
}

fn services(server: &Server) -> KeyServices {
    let mut services = KeyServices::default();
    services.gcp.endpoint = Some(format!("http://{}", server.address));
    services.gcp.anonymous = true;
    services
}

async fn conforms(key: LocalKey) {
    let fake = FakeGcp::new([key]);
    let (client, _server) = started(&fake).await;
    conformance::check(async || client.unwrapper().await, &client.recipient).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn conforms_with_sha_256() {
    conforms(LocalKey::generate(KeyKind::Rsa(3072)).unwrap()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn conforms_with_sha_1() {
    let pem = LocalKey::generate(KeyKind::Rsa(2048))
        .unwrap()
        .to_pkcs8_pem();
    conforms(LocalKey::from_bytes(pem.as_bytes(), Some(KeyManagement::RsaOaep)).unwrap()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn conforms_with_sha_512() {
    let pem = LocalKey::generate(KeyKind::Rsa(4096))
        .unwrap()
        .to_pkcs8_pem();
    conforms(LocalKey::from_bytes(pem.as_bytes(), Some(KeyManagement::RsaOaep512)).unwrap()).await;
}

#[tokio::test]
async fn the_service_sees_the_wrapped_key_alone() {
    let fake = FakeGcp::generated(2048);
    let (client, _server) = started(&fake).await;
    let text = seal(&client.recipient, b"a-value-that-nobody-sees");
    let opened = client.open(&text).await.unwrap();
    assert_eq!(opened.plaintext.expose(), b"a-value-that-nobody-sees");

    let requests = fake.control.requests();
    assert_eq!(requests.len(), 1);
    let request = &requests[0];
    assert_eq!(
        request.path,
        format!("/v1/{KEY}/cryptoKeyVersions/1:asymmetricDecrypt")
    );
    let body = request.json();
    let members: Vec<_> = body
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    assert_eq!(
        members,
        ["ciphertext", "ciphertextCrc32c"],
        "and nothing else"
    );
    // The envelope's second part is the wrapped key; its other parts stay here, in whatever alphabet.
    let parts: Vec<_> = text.split('.').collect();
    let wrapped = parts[1].replace('-', "+").replace('_', "/");
    assert_eq!(
        body["ciphertext"].as_str().unwrap().trim_end_matches('='),
        wrapped
    );
    let sent = String::from_utf8(request.body.clone()).unwrap()
        + &request.path
        + &format!("{:?}", request.headers);
    for kept in [
        parts[0],
        parts[2],
        parts[3],
        parts[4],
        client.recipient.kid(),
        "payments/db",
    ] {
        assert!(!sent.contains(kept), "{kept}");
    }
}

/// The rows of docs/key-services.md.
#[tokio::test]
async fn no_lie_is_believed() {
    let fake = FakeGcp::generated(2048);
    let (client, _server) = started(&fake).await;
    let outcome = async |asked: &str| client.outcome(asked).await;
    client::no_lie_is_believed("gcp", &fake.control, outcome).await;
    fake.control.set(Fault::Lie("flipped on the way"));
    let words = chain(&client.unwrap().await.unwrap_err());
    assert!(words.contains("integrity"), "{words}");
}

#[tokio::test]
async fn what_does_not_fit_the_key_costs_no_call() {
    let fake = FakeGcp::generated(2048);
    let (client, _server) = started(&fake).await;
    client::misfits_cost_no_call(&client, &fake.control).await;
}

#[tokio::test]
async fn a_damaged_answer_is_asked_for_again() {
    let fake = FakeGcp::generated(2048);
    let (client, _server) = started(&fake).await;
    fake.control.then([
        Fault::Lie("flipped on the way"),
        Fault::Lie("unverified"),
        Fault::Half,
    ]);
    client
        .open(&seal(&client.recipient, b"value"))
        .await
        .unwrap();
    assert_eq!(fake.control.calls(), 4);
}

/// The rows of docs/key-services.md.
#[tokio::test]
async fn each_answer_has_its_category() {
    let fake = FakeGcp::generated(2048);
    let (client, _server) = started(&fake).await;
    client::each_answer_has_its_category("gcp", &fake.control, &client).await;
    fake.set_state(1, "DISABLED");
    assert_eq!(client.category().await, Category::Denied);
}

/// The library's own retries would add calls that no quota of ours knows of.
#[tokio::test]
async fn one_unwrap_is_one_call() {
    let fake = FakeGcp::generated(2048);
    let (client, _server) = started(&fake).await;
    for fault in [
        Fault::Throttle(7),
        Fault::Refuse(503, "UNAVAILABLE", ""),
        Fault::Cut,
    ] {
        let before = fake.control.calls();
        fake.control.set(fault.clone());
        client.unwrap().await.unwrap_err();
        assert_eq!(fake.control.calls(), before + 1, "{fault:?}");
    }
}

#[tokio::test]
async fn a_throttled_call_says_how_long_to_wait_and_is_repeated() {
    let fake = FakeGcp::generated(2048);
    let (client, _server) = started(&fake).await;
    fake.control.then([Fault::Throttle(7)]);
    let error = client.unwrap().await.unwrap_err();
    assert_eq!(error.retry_after(), Some(Duration::from_secs(7)));
    fake.control
        .then([Fault::Throttle(0), Fault::Refuse(503, "UNAVAILABLE", "")]);
    client
        .open(&seal(&client.recipient, b"value"))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_silent_service_costs_no_more_than_the_deadline() {
    let fake = FakeGcp::generated(2048);
    let (client, _server) = started(&fake).await;
    fake.control.set(Fault::Stall);
    let error = client
        .unwrap_within(Duration::from_millis(300))
        .await
        .unwrap_err();
    assert_eq!(error.category(), Category::Unavailable);
    // And it works again as soon as the service does.
    fake.control.set(Fault::None);
    client.unwrap().await.unwrap();
}

#[tokio::test]
async fn the_versions_that_can_decrypt_are_listed_newest_first() {
    let key = || LocalKey::generate(KeyKind::Rsa(2048)).unwrap();
    let fake = FakeGcp::new([key(), key(), key(), key(), key()]);
    fake.set_state(2, "DISABLED");
    fake.set_state(4, "DESTROYED");
    let (client, _server) = started(&fake).await;
    let uri = format!("gcp-kms://{KEY}");
    for fault in [Fault::None, Fault::Lie("deaf to filters")] {
        fake.control.set(fault);
        let versions = client.versions(&uri).await.unwrap();
        let found: Vec<_> = versions
            .iter()
            .map(|v| (v.uri.version().unwrap(), v.recipient.clone()))
            .collect();
        let expected = [5, 3, 1].map(|at| (at.to_string(), fake.recipient(at)));
        assert_eq!(found, expected);
    }
}

/// The identity of a pod: tokens come from the metadata server, without anything on disk, and are renewed.
#[test]
fn tokens_come_from_the_metadata_server_and_are_renewed() {
    if !is_child() {
        // A port that the child can know beforehand: it was free a moment ago.
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let address = format!("127.0.0.1:{port}");
        return again_with(
            tokens_come_from_the_metadata_server_and_are_renewed,
            &[
                ("GCE_METADATA_HOST", &address),
                ("HOME", "/nonexistent"),
                ("GOOGLE_CLOUD_PROJECT", "acme-prod"),
            ],
        );
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let address = std::env::var("GCE_METADATA_HOST").unwrap();
        let fake = FakeGcp::generated(2048);
        // The library takes a new token four minutes before the old one ends, so this one is old at once.
        fake.want_tokens(241);
        let server = fake.start(&address).await;
        let mut services = services(&server);
        services.gcp.anonymous = false;
        let uri = format!("gcp-kms://{KEY}/cryptoKeyVersions/1");
        let client = Client::new(services, &uri, fake.recipient(1));
        client.unwrap().await.unwrap();
        // Refused for a moment, until the library has the next token; the layers wait for it.
        fake.expire_tokens();
        let mut renewed = client.unwrap().await;
        for _ in 0..100 {
            if let Err(error) = &renewed {
                assert_eq!(error.category(), Category::Unavailable, "{}", chain(error));
                tokio::time::sleep(Duration::from_millis(100)).await;
                renewed = client.unwrap().await;
            }
        }
        renewed.unwrap();
    });
}

#[test]
fn refuses_to_start_where_the_library_would_log_answers() {
    if !is_child() {
        return again_with(
            refuses_to_start_where_the_library_would_log_answers,
            &[("GOOGLE_CLOUD_RUST_LOGGING", "true")],
        );
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let fake = FakeGcp::generated(2048);
        let (client, _server) = started(&fake).await;
        let error = client
            .connector
            .connect(&client.uri, &client.recipient)
            .await
            .unwrap_err();
        assert!(
            error.to_string().contains("GOOGLE_CLOUD_RUST_LOGGING"),
            "{error}"
        );
    });
}

#[tokio::test]
async fn a_key_pinned_to_what_the_service_does_not_know_is_refused_at_start() {
    let fake = FakeGcp::generated(2048);
    let (client, _server) = started(&fake).await;
    for algorithm in [KeyManagement::RsaOaep384] {
        let recipient = client.recipient.pinned_to(algorithm).unwrap();
        let error = client
            .connector
            .connect(&client.uri, &recipient)
            .await
            .unwrap_err();
        assert!(error.to_string().contains("RSA-OAEP-384"), "{error}");
    }
    assert_eq!(fake.control.calls(), 0);
}
