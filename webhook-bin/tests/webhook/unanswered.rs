//! Reviews that end without an answer leave an audit line anyway: who asked for what, and how it ended.

use serde_json::Value;
use test_support::client::Client;
use test_support::client::PATIENCE;
use test_support::requests::plain_review;
use test_support::server::{Running, Setup};
use tokio::time::Instant;

async fn until_line(server: &Running) -> Value {
    let begun = Instant::now();
    loop {
        if let Some(line) = server.audit.text().lines().next() {
            return serde_json::from_str(line).unwrap();
        }
        assert!(begun.elapsed() < PATIENCE);
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

async fn check(server: &Running, outcome: &str) {
    let line = until_line(server).await;
    assert_eq!(line["outcome"], outcome);
    assert_eq!(line["uid"], "705ab4f5-6393-11e8-b7cc-42010a800002");
    assert_eq!(line["user"], "admin");
    assert_eq!(
        (&line["namespace"], &line["name"]),
        (&"payments".into(), &"db".into())
    );
    assert_eq!(line["caller"], "kube-apiserver");
    assert_eq!(server.audit.text().lines().count(), 1);
}

async fn send(server: &Running, note: &str) -> Client {
    let mut client = server.connect().await;
    let body = plain_review(note);
    client.send_head(body.len(), "").await.unwrap();
    client.send(&body).await.unwrap();
    client
}

#[tokio::test]
async fn a_review_that_panics() {
    let server = Setup::default().start().await;
    let answer = server.review(&plain_review("panic")).await;
    assert_eq!(answer.status, 500);
    check(&server, "panicked").await;
}

#[tokio::test]
async fn a_review_that_is_late() {
    let server = Setup::default().start().await;
    let mut client = server.connect().await;
    let answer = client
        .review_with_query("timeout=1s", &plain_review("forever"))
        .await
        .unwrap();
    assert_eq!(answer.status, 503);
    check(&server, "late").await;
}

#[tokio::test]
async fn a_review_whose_caller_hangs_up() {
    let server = Setup::default().start().await;
    let client = send(&server, "forever").await;
    server.until_begun(1).await;
    drop(client);
    check(&server, "hung-up").await;
}
