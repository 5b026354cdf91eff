//! The end: unready at once, serving on for a while, what is under way finished, no one cut off.

use std::time::Duration;

use test_support::requests::plain_review;
use test_support::server::Setup;

#[tokio::test]
async fn finishes_what_is_under_way() {
    let mut server = Setup::default().start().await;
    let mut client = server.connect().await;
    let mut idle = server.connect().await;
    assert!(idle.is_open().await);
    let body = plain_review("wait");
    client.send_head(body.len(), "").await.unwrap();
    client.send(&body).await.unwrap();
    server.until_begun(2).await;
    server.terminate();
    // An idle connection ends; the one at work does not.
    idle.closed().await;
    server.gate.add_permits(1);
    let answer = client.response().await.unwrap();
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("connection"), Some("close"));
    let audit = server.ended().await;
    assert_eq!(audit.text().lines().count(), 2, "flushed before the end");
}

#[tokio::test]
async fn is_unready_at_once_and_serves_on() {
    let mut server = Setup::with_limits(|limits| limits.drain = Duration::from_secs(1))
        .start()
        .await;
    let mut open = server.connect().await;
    assert!(open.is_open().await);
    assert_eq!(server.get("/readyz").await.status, 200);
    server.terminate();
    let begun = std::time::Instant::now();
    while server.get("/readyz").await.status == 200 {
        assert!(begun.elapsed() < test_support::client::PATIENCE);
    }
    assert!(server.get("/readyz").await.text().contains("[-] serving"));
    assert_eq!(server.get("/livez").await.status, 200);
    // The open connection is served and told to end; a new one is taken in as well.
    let answer = open.review(&plain_review("")).await.unwrap();
    assert_eq!(
        (answer.status, answer.header("connection")),
        (200, Some("close"))
    );
    let answer = server.review(&plain_review("")).await;
    assert_eq!(
        (answer.status, answer.header("connection")),
        (200, Some("close"))
    );
    server.ended().await;
}

#[tokio::test]
async fn a_stalled_handshake_does_not_hold_up_the_end() {
    let mut server = Setup::default().start().await;
    let stalled = test_support::client::Client::plain(server.addr)
        .await
        .unwrap();
    assert!(server.connect().await.is_open().await);
    server.terminate();
    server.ended().await;
    drop(stalled);
}
