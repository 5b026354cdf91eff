//! New certificate files are taken into service while reviews go on; bad ones are not.

use test_support::client::Client;
use test_support::pki::Pair;
use test_support::pki::replace;
use test_support::requests::plain_review;
use test_support::server::{Running, Setup};

const REPLACED: &str = "privy_tls_reload_total{outcome=\"replaced\"}";
const KEPT_OLD: &str = "privy_tls_reload_total{outcome=\"kept-old\"}";

fn der(pair: &Pair) -> Vec<u8> {
    use rustls::pki_types::{CertificateDer, pem::PemObject};
    CertificateDer::from_pem_slice(pair.certificate.as_bytes())
        .unwrap()
        .to_vec()
}

async fn served(server: &Running) -> Vec<u8> {
    let mut client: Client = server.connect().await;
    assert_eq!(client.review(&plain_review("")).await.unwrap().status, 200);
    client.server.take().unwrap().to_vec()
}

/// Waits for another look at the files after this moment.
async fn looked_again(server: &Running) {
    let before = server.metric(KEPT_OLD).await;
    let begun = std::time::Instant::now();
    while server.metric(KEPT_OLD).await < before + 2 {
        assert!(begun.elapsed() < test_support::client::PATIENCE);
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn serves_a_new_pair_and_keeps_open_connections() {
    let server = Setup::default().start().await;
    let first = served(&server).await;
    let mut open = server.connect().await;
    assert!(open.is_open().await);
    let pair = server.pki.server_pair();
    server.pki.install(&pair);
    server.until_metric(REPLACED, 1).await;
    assert_eq!(served(&server).await, der(&pair));
    assert_ne!(first, der(&pair));
    assert!(open.is_open().await);
}

#[tokio::test]
async fn keeps_the_old_pair_when_the_new_one_is_bad() {
    let server = Setup::default().start().await;
    let first = served(&server).await;
    let stray = server.pki.server_pair();
    let expired = server.pki.expired_server_pair();
    let garbage = Pair {
        certificate: "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_owned(),
        key: "nothing".to_owned(),
    };
    let mismatch = Pair {
        certificate: server.pki.server_pair().certificate,
        key: stray.key.clone(),
    };
    let truncated = Pair {
        certificate: stray.certificate[..stray.certificate.len() / 2].to_owned(),
        key: stray.key.clone(),
    };
    for bad in [garbage, mismatch, truncated, expired] {
        server.pki.install(&bad);
        looked_again(&server).await;
        assert_eq!(served(&server).await, first, "{}", bad.certificate);
    }
    std::fs::remove_file(server.pki.path("tls.key")).unwrap();
    looked_again(&server).await;
    assert_eq!(served(&server).await, first);
    assert_eq!(server.get("/readyz").await.status, 200);

    server.pki.install(&stray);
    server.until_metric(REPLACED, 1).await;
    assert_eq!(served(&server).await, der(&stray));
}

#[tokio::test]
async fn keeps_the_old_authority_when_the_new_file_is_bad() {
    let server = Setup::default().start().await;
    for bad in [
        "",
        "nothing",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    ] {
        replace(&server.pki.path("ca.crt"), bad);
        looked_again(&server).await;
        served(&server).await;
    }
}

/// The kubelet mounts `tls.crt -> ..data/tls.crt` and `..data -> ..2026_…`, and swaps `..data` only.
#[cfg(unix)]
#[tokio::test]
async fn sees_a_swapped_symlink() {
    use std::os::unix::fs::symlink;

    let setup = Setup::default();
    let folder = setup.pki.folder().to_owned();
    let point_to = |version: &str| {
        symlink(version, folder.join("..next")).unwrap();
        std::fs::rename(folder.join("..next"), folder.join("..data")).unwrap();
    };
    let fill = |version: &str, pair: &Pair| {
        std::fs::create_dir(folder.join(version)).unwrap();
        std::fs::write(folder.join(version).join("tls.crt"), &pair.certificate).unwrap();
        std::fs::write(folder.join(version).join("tls.key"), &pair.key).unwrap();
    };
    let pairs: Vec<Pair> = (0..3).map(|_| setup.pki.server_pair()).collect();
    fill("..0", &pairs[0]);
    point_to("..0");
    for name in ["tls.crt", "tls.key"] {
        std::fs::remove_file(folder.join(name)).unwrap();
        symlink(format!("..data/{name}"), folder.join(name)).unwrap();
    }
    let server = setup.start().await;
    assert_eq!(served(&server).await, der(&pairs[0]));
    for (index, version) in [(1, "..1"), (2, "..2")] {
        fill(version, &pairs[index]);
        point_to(version);
        server.until_metric(REPLACED, index as u64).await;
        assert_eq!(served(&server).await, der(&pairs[index]));
    }
}

#[tokio::test]
async fn reports_when_the_certificate_ends() {
    let server = Setup::default().start().await;
    assert!(server.metric("privy_tls_cert_not_after_seconds").await > 1_700_000_000);
}

#[tokio::test]
async fn is_not_ready_with_an_expired_certificate() {
    let setup = Setup::default();
    setup.pki.install(&setup.pki.expired_server_pair());
    let server = setup.start().await;
    let answer = server.get("/readyz").await;
    assert_eq!(answer.status, 503);
    assert!(answer.text().contains("[-] certificate\n"), "{answer:?}");
    server.pki.install(&server.pki.server_pair());
    server.until_metric(REPLACED, 1).await;
    assert_eq!(server.get("/readyz").await.status, 200);
}
