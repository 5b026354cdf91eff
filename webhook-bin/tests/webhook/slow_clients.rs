//! Clients that stall, cut off and hang up. Each is let go in time, and no one else notices.

use std::time::Duration;

use test_support::client::Client;
use test_support::requests::plain_review;
use test_support::server::Setup;
use webhook_bin::net::limits::Limits;

const SHORT: Duration = Duration::from_millis(150);

fn short(change: impl FnOnce(&mut Limits)) -> Setup {
    Setup::with_limits(change)
}

#[tokio::test]
async fn a_handshake_that_never_comes() {
    let server = short(|limits| limits.handshake = SHORT).start().await;
    let client = Client::plain(server.addr).await.unwrap();
    client.closed().await;
    server
        .until_metric("privy_shed_total{why=\"slow\"}", 1)
        .await;
}

#[tokio::test]
async fn a_handshake_that_stops_half_way() {
    let server = short(|limits| limits.handshake = SHORT).start().await;
    let mut client = Client::plain(server.addr).await.unwrap();
    client.send(&[22, 3, 1, 2, 0, 1]).await.unwrap();
    client.closed().await;
}

#[tokio::test]
async fn headers_that_trickle() {
    let server = short(|limits| limits.headers = SHORT).start().await;
    let mut client = server.connect().await;
    client
        .send(b"POST /mutate HTTP/1.1\r\nhost: ")
        .await
        .unwrap();
    client.closed().await;
    server
        .until_metric("privy_shed_total{why=\"slow\"}", 1)
        .await;
}

#[tokio::test]
async fn headers_that_trickle_on_a_connection_that_has_served() {
    let server = short(|limits| limits.headers = SHORT).start().await;
    let mut client = server.connect().await;
    assert!(client.is_open().await);
    client.send(b"P").await.unwrap();
    client.closed().await;
}

#[tokio::test]
async fn a_body_that_trickles_is_told_so() {
    let server = short(|limits| limits.body = SHORT).start().await;
    let mut client = server.connect().await;
    client.send_head(1_000, "").await.unwrap();
    client.send(b"{\"half").await.unwrap();
    let answer = client.response().await.unwrap();
    assert_eq!(answer.status, 408);
    assert_eq!(answer.header("connection"), Some("close"));
    client.closed().await;
    assert_eq!(server.begun.lock().unwrap().reviews, 0);
    server.until_metric("privy_inflight_bytes", 0).await;
}

#[tokio::test]
async fn resting_between_requests_is_not_slow() {
    let server = short(|limits| {
        limits.headers = SHORT;
        limits.body = SHORT;
        limits.answer = SHORT;
    })
    .start()
    .await;
    let mut fresh = server.connect().await;
    let mut used = server.connect().await;
    assert!(used.is_open().await);
    tokio::time::sleep(SHORT * 4).await;
    assert!(used.is_open().await);
    assert!(fresh.is_open().await);
}

#[tokio::test]
async fn an_idle_connection_ends_at_last() {
    let server = short(|limits| limits.idle = SHORT).start().await;
    let mut client = server.connect().await;
    assert!(client.is_open().await);
    client.closed().await;
}

#[tokio::test]
async fn a_review_that_outlasts_the_callers_timeout_is_answered_before_it() {
    let server = Setup::default().start().await;
    let mut client = server.connect().await;
    let begun = std::time::Instant::now();
    let answer = client
        .review_with_query("timeout=1s", &plain_review("forever"))
        .await
        .unwrap();
    assert_eq!(answer.status, 503);
    assert_eq!(answer.header("retry-after"), Some("1"));
    assert!(
        begun.elapsed() >= Duration::from_millis(450),
        "{:?}",
        begun.elapsed()
    );
    assert!(client.is_open().await, "the connection goes on");
    server
        .until_metric(
            "privy_reviews_total{operation=\"unknown\",outcome=\"late\",dry_run=\"unknown\"}",
            1,
        )
        .await;
}

#[tokio::test]
async fn a_caller_that_hangs_up_cancels_its_review() {
    let server = Setup::default().start().await;
    let mut client = server.connect().await;
    let body = plain_review("forever");
    client.send_head(body.len(), "").await.unwrap();
    client.send(&body).await.unwrap();
    server.until_begun(1).await;
    drop(client);
    server.until(|began| began.dropped == 1).await;
    server.until_metric("privy_inflight", 0).await;
    server
        .until_metric(
            "privy_reviews_total{operation=\"unknown\",outcome=\"hung-up\",dry_run=\"unknown\"}",
            1,
        )
        .await;
}

#[tokio::test]
async fn a_connection_cut_in_its_body_gives_everything_back() {
    let server = Setup::default().start().await;
    let mut client = server.connect().await;
    client.send_head(100_000, "").await.unwrap();
    client.send(&[b'x'; 5_000]).await.unwrap();
    server.until_metric("privy_inflight_bytes", 100_000).await;
    drop(client);
    server.until_metric("privy_inflight_bytes", 0).await;
    server.until_metric("privy_inflight", 0).await;
    assert_eq!(server.begun.lock().unwrap().reviews, 0);
    assert!(server.connect().await.is_open().await);
}

#[tokio::test]
async fn a_connection_cut_in_its_answer_harms_nobody() {
    let server = Setup::default().start().await;
    let mut client = server.connect().await;
    let body = plain_review("wait");
    client.send_head(body.len(), "").await.unwrap();
    client.send(&body).await.unwrap();
    server.until_begun(1).await;
    server.gate.add_permits(1);
    drop(client);
    server.until_metric("privy_inflight", 0).await;
    assert!(server.connect().await.is_open().await);
}

#[tokio::test]
async fn a_flood_of_stalled_connections_throws_out_itself() {
    let server = short(|limits| limits.connections = 4).start().await;
    let mut at_work = server.connect().await;
    assert!(at_work.is_open().await);
    let mut stalled = Vec::new();
    for _ in 0..12 {
        stalled.push(Client::plain(server.addr).await.unwrap());
    }
    let mut newcomer = server.connect().await;
    assert!(newcomer.is_open().await);
    assert!(at_work.is_open().await);
    assert!(server.metric("privy_shed_total{why=\"connections\"}").await >= 9);
    stalled.remove(0).closed().await;
}
