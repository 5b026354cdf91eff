//! More than the server takes on: turned away in a way that the API server's client retries.

use test_support::client::Client;
use test_support::requests::plain_review;
use test_support::server::{Running, Setup};

async fn waiting(server: &Running, extra: usize) -> Client {
    let before = server.begun.lock().unwrap().reviews;
    let mut client = server.connect().await;
    let body = plain_review(&format!("wait{}", "x".repeat(extra)));
    client.send_head(body.len(), "").await.unwrap();
    client.send(&body).await.unwrap();
    server.until_begun(before + 1).await;
    client
}

#[tokio::test]
async fn sheds_reviews_beyond_the_limit() {
    let server = Setup::with_limits(|limits| limits.reviews = 2)
        .start()
        .await;
    let mut first = waiting(&server, 0).await;
    let mut second = waiting(&server, 0).await;
    let mut third = server.connect().await;
    let answer = third.review(&plain_review("")).await.unwrap();
    assert_eq!(answer.status, 429);
    assert_eq!(answer.header("retry-after"), Some("1"));
    assert_eq!(
        answer.header("connection"),
        None,
        "the retry may come on the same connection"
    );
    server.gate.add_permits(2);
    assert_eq!(first.response().await.unwrap().status, 200);
    assert_eq!(second.response().await.unwrap().status, 200);
    assert_eq!(third.review(&plain_review("")).await.unwrap().status, 200);
    server
        .until_metric("privy_shed_total{why=\"reviews\"}", 1)
        .await;
}

#[tokio::test]
async fn sheds_bytes_beyond_the_budget_whether_announced_or_not() {
    let server = Setup::with_limits(|limits| limits.inflight_bytes = 300_000)
        .start()
        .await;
    let mut first = waiting(&server, 200_000).await;
    assert!(server.metric("privy_inflight_bytes").await > 200_000);
    let body = plain_review(&"x".repeat(150_000));
    let mut announced = server.connect().await;
    assert_eq!(announced.review(&body).await.unwrap().status, 429);
    let mut chunked = server.connect().await;
    chunked
        .send(b"POST /mutate HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n")
        .await
        .unwrap();
    chunked
        .send(format!("{:x}\r\n", body.len()).as_bytes())
        .await
        .unwrap();
    chunked.send(&body).await.unwrap();
    chunked.send(b"\r\n0\r\n\r\n").await.unwrap();
    assert_eq!(chunked.response().await.unwrap().status, 429);
    // A small one still fits.
    assert!(server.connect().await.is_open().await);
    server.gate.add_permits(1);
    assert_eq!(first.response().await.unwrap().status, 200);
    assert_eq!(announced.review(&body).await.unwrap().status, 200);
    server
        .until_metric("privy_shed_total{why=\"bytes\"}", 2)
        .await;
}

#[tokio::test]
async fn refuses_a_body_beyond_the_limit_whether_announced_or_not() {
    let server = Setup::with_limits(|limits| limits.body_bytes = 100_000)
        .start()
        .await;
    let mut client = server.connect().await;
    let answer = client.review(&vec![b'x'; 100_001]).await.unwrap();
    assert_eq!(answer.status, 413);
    assert_eq!(answer.header("connection"), Some("close"));
    client.closed().await;

    let mut client = server.connect().await;
    client
        .send(b"POST /mutate HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n")
        .await
        .unwrap();
    for _ in 0..3 {
        client.send(b"9c40\r\n").await.unwrap();
        client.send(&vec![b'x'; 40_000]).await.unwrap();
        client.send(b"\r\n").await.unwrap();
    }
    client.send(b"0\r\n\r\n").await.unwrap();
    assert_eq!(client.response().await.unwrap().status, 413);

    // A length that no one means to send is not waited for.
    let mut client = server.connect().await;
    client.send_head(usize::MAX >> 1, "").await.unwrap();
    let junk = vec![b'x'; 100_000];
    for _ in 0..5 {
        if client.send(&junk).await.is_err() {
            break;
        }
    }
    assert_eq!(client.response().await.unwrap().status, 413);

    assert_eq!(server.begun.lock().unwrap().reviews, 0);
    server
        .until_metric("privy_shed_total{why=\"too-large\"}", 3)
        .await;
    server.until_metric("privy_inflight_bytes", 0).await;
}

#[tokio::test]
async fn takes_the_largest_review_that_an_api_server_sends() {
    let server = Setup::default().start().await;
    let body = plain_review(&"x".repeat(7 << 20));
    assert_eq!(server.review(&body).await.status, 200);
}

#[tokio::test]
async fn a_head_without_end_is_refused() {
    let server = Setup::default().start().await;
    let mut client = server.connect().await;
    let _ = client.send(b"POST /mutate HTTP/1.1\r\nhost: x\r\n").await;
    let line = format!("x-padding: {}\r\n", "x".repeat(1_000));
    for _ in 0..100 {
        if client.send(line.as_bytes()).await.is_err() {
            break;
        }
    }
    let said = String::from_utf8(client.closed().await).unwrap();
    assert!(
        said.is_empty() || said.starts_with("HTTP/1.1 431 "),
        "{said}"
    );
    assert_eq!(server.begun.lock().unwrap().reviews, 0);
}
