//! Who is served: no one without the right certificate, and nothing is processed for anyone else.

use test_support::client::Client;
use test_support::pki::Pki;
use test_support::pki::replace;
use test_support::requests::plain_review;
use test_support::server::{Running, Setup};
use webhook_bin::net::caller::CallerMode;

fn nothing_was_reviewed(server: &Running) {
    assert_eq!(server.begun.lock().unwrap().reviews, 0);
    assert_eq!(server.audit.text(), "");
}

/// Under TLS 1.3 the client may believe in the connection until it reads the server's refusal.
async fn refused_in_tls(client: std::io::Result<Client>) {
    if let Ok(mut client) = client {
        assert!(client.review(&plain_review("")).await.is_err());
    }
}

#[tokio::test]
async fn refuses_a_client_without_a_certificate() {
    let server = Setup::default().start().await;
    refused_in_tls(Client::connect(server.addr, &server.pki, None).await).await;
    server
        .until_metric("privy_caller_rejected_total{why=\"handshake\"}", 1)
        .await;
    nothing_was_reviewed(&server);
}

#[tokio::test]
async fn refuses_a_certificate_of_another_authority() {
    let server = Setup::default().start().await;
    let other = Pki::new().client_pair("kube-apiserver");
    refused_in_tls(
        Client::connect_with(server.addr, &server.pki.authority_pem(), Some(&other)).await,
    )
    .await;
    server
        .until_metric("privy_caller_rejected_total{why=\"handshake\"}", 1)
        .await;
    nothing_was_reviewed(&server);
}

#[tokio::test]
async fn refuses_a_server_certificate_in_a_client_s_hand() {
    let server = Setup::default().start().await;
    let pair = server.pki.server_pair();
    refused_in_tls(
        Client::connect_with(server.addr, &server.pki.authority_pem(), Some(&pair)).await,
    )
    .await;
    server
        .until_metric("privy_caller_rejected_total{why=\"handshake\"}", 1)
        .await;
    nothing_was_reviewed(&server);
}

#[tokio::test]
async fn refuses_the_right_authority_with_another_name() {
    let server = Setup::default().start().await;
    for name in [
        "kube-apiserver2",
        "KUBE-APISERVER",
        "kube-apiserve",
        "kube-apiserver,admin",
        "",
    ] {
        let mut client = Client::connect(server.addr, &server.pki, Some(name))
            .await
            .unwrap();
        let answer = client.review(&plain_review("")).await.unwrap();
        assert_eq!(answer.status, 403, "{name:?}");
        assert_eq!(answer.header("connection"), Some("close"));
        client.closed().await;
    }
    server
        .until_metric("privy_caller_rejected_total{why=\"name\"}", 5)
        .await;
    nothing_was_reviewed(&server);
}

#[tokio::test]
async fn the_other_paths_are_as_closed_as_the_reviews() {
    let server = Setup::default().start().await;
    let mut client = Client::connect(server.addr, &server.pki, Some("other"))
        .await
        .unwrap();
    client
        .send(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    assert_eq!(client.response().await.unwrap().status, 403);
}

#[tokio::test]
async fn knows_a_caller_by_a_dns_name() {
    let server = Setup::default().start().await;
    let pair = server.pki.client_pair_with_dns_name("kube-apiserver");
    let mut client = Client::connect_with(server.addr, &server.pki.authority_pem(), Some(&pair))
        .await
        .unwrap();
    assert_eq!(client.review(&plain_review("")).await.unwrap().status, 200);
}

#[tokio::test]
async fn an_authority_that_is_taken_away_ends_open_connections() {
    let server = Setup::default().start().await;
    let mut old = server.connect().await;
    assert_eq!(old.review(&plain_review("")).await.unwrap().status, 200);

    // While both are trusted, old connections go on.
    let next = Pki::new();
    replace(
        &server.pki.path("ca.crt"),
        &format!("{}{}", server.pki.authority_pem(), next.authority_pem()),
    );
    server
        .until_metric("privy_tls_reload_total{outcome=\"replaced\"}", 1)
        .await;
    assert_eq!(old.review(&plain_review("")).await.unwrap().status, 200);

    replace(&server.pki.path("ca.crt"), &next.authority_pem());
    server
        .until_metric("privy_tls_reload_total{outcome=\"replaced\"}", 2)
        .await;
    assert_eq!(old.review(&plain_review("")).await.unwrap().status, 403);
    server
        .until_metric("privy_caller_rejected_total{why=\"distrusted\"}", 1)
        .await;

    let pair = next.client_pair("kube-apiserver");
    let mut new = Client::connect_with(server.addr, &server.pki.authority_pem(), Some(&pair))
        .await
        .unwrap();
    assert_eq!(new.review(&plain_review("")).await.unwrap().status, 200);
}

#[tokio::test]
async fn refuses_tls_1_2() {
    let server = Setup::default().start().await;
    let mut client = Client::plain(server.addr).await.unwrap();
    client.send(&client_hello_1_2()).await.unwrap();
    // RFC 8446 §6: a fatal alert, protocol_version.
    assert_eq!(client.closed().await, [21, 3, 3, 0, 2, 2, 70]);
}

#[tokio::test]
async fn loopback_serves_programs_of_this_host_without_a_certificate() {
    let setup = Setup {
        callers: Some(CallerMode::Loopback),
        ..Setup::default()
    };
    let server = setup.start().await;
    let mut client = Client::connect(server.addr, &server.pki, None)
        .await
        .unwrap();
    assert_eq!(client.review(&plain_review("")).await.unwrap().status, 200);
}

/// What a client of 2008 says: TLS 1.2, ECDHE-ECDSA-AES128-GCM, P-256.
fn client_hello_1_2() -> Vec<u8> {
    let extensions: Vec<u8> = [
        &[0, 10, 0, 4, 0, 2, 0, 23][..],
        &[0, 11, 0, 2, 1, 0],
        &[0, 13, 0, 4, 0, 2, 4, 3],
    ]
    .concat();
    let mut hello = vec![3, 3];
    hello.extend([7; 32]);
    hello.extend([
        0,
        0,
        2,
        0xc0,
        0x2b,
        1,
        0,
        0,
        u8::try_from(extensions.len()).unwrap(),
    ]);
    hello.extend(extensions);
    let mut record = vec![
        22,
        3,
        1,
        0,
        u8::try_from(hello.len() + 4).unwrap(),
        1,
        0,
        0,
        u8::try_from(hello.len()).unwrap(),
    ];
    record.extend(hello);
    record
}
