//! Reviews over a real socket: what is answered, and what is not answered as a review.

use std::time::Duration;

use test_support::requests::plain_review;
use test_support::server::Setup;

#[tokio::test]
async fn answers_reviews_one_after_the_other_on_one_connection() {
    let server = Setup::default().start().await;
    let mut client = server.connect().await;
    for _ in 0..3 {
        let answer = client.review(&plain_review("")).await.unwrap();
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert_eq!(answer.header("connection"), None);
        assert_eq!(answer.json()["response"]["allowed"], true);
        assert_eq!(
            answer.json()["response"]["uid"],
            "705ab4f5-6393-11e8-b7cc-42010a800002"
        );
    }
    server
        .until_metric(
            "privy_reviews_total{operation=\"CREATE\",outcome=\"untouched\",dry_run=\"false\"}",
            3,
        )
        .await;
    assert_eq!(server.metric("privy_inflight").await, 0);
    assert_eq!(server.metric("privy_inflight_bytes").await, 0);
}

#[tokio::test]
async fn writes_one_audit_line_per_review_and_names_the_caller() {
    let mut server = Setup::default().start().await;
    server.review(&plain_review("")).await;
    server.review(b"{}").await;
    server.terminate();
    let lines = server.ended().await.text();
    let lines: Vec<serde_json::Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0]["caller"], "kube-apiserver");
    assert_eq!(lines[0]["outcome"], "untouched");
    assert_eq!(lines[1]["outcome"], "invalid");
}

#[tokio::test]
async fn answers_pipelined_reviews_in_order() {
    let server = Setup::default().start().await;
    let mut client = server.connect().await;
    let body = plain_review("");
    for _ in 0..3 {
        client.send_head(body.len(), "").await.unwrap();
        client.send(&body).await.unwrap();
    }
    for _ in 0..3 {
        assert_eq!(client.response().await.unwrap().status, 200);
    }
}

#[tokio::test]
async fn takes_a_body_in_pieces_and_in_chunks() {
    let server = Setup::default().start().await;
    let mut client = server.connect().await;
    let body = plain_review(&"x".repeat(200_000));
    client.send_head(body.len(), "").await.unwrap();
    for piece in body.chunks(30_000) {
        client.send(piece).await.unwrap();
    }
    assert_eq!(client.response().await.unwrap().status, 200);

    client
        .send(b"POST /mutate HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n")
        .await
        .unwrap();
    for piece in body.chunks(50_000) {
        client
            .send(format!("{:x}\r\n", piece.len()).as_bytes())
            .await
            .unwrap();
        client.send(piece).await.unwrap();
        client.send(b"\r\n").await.unwrap();
    }
    client.send(b"0\r\n\r\n").await.unwrap();
    assert_eq!(client.response().await.unwrap().status, 200);
}

#[tokio::test]
async fn serves_no_other_path_method_or_type() {
    let server = Setup::default().start().await;
    let mut client = server.connect().await;
    for (request, status, allow) in [
        ("GET / HTTP/1.1\r\nhost: x\r\n\r\n", 404, None),
        ("GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n", 404, None),
        (
            "POST /mutate/ HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n",
            404,
            None,
        ),
        ("GET /mutate HTTP/1.1\r\nhost: x\r\n\r\n", 405, Some("POST")),
        (
            "PUT /mutate HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n",
            405,
            Some("POST"),
        ),
        (
            "POST /mutate HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}",
            415,
            None,
        ),
        (
            "POST /mutate HTTP/1.1\r\nhost: x\r\ncontent-type: text/yaml\r\ncontent-length: 2\r\n\r\n{}",
            415,
            None,
        ),
        (
            "POST /mutate HTTP/1.1\r\nhost: x\r\ncontent-type: application/JSON; charset=utf-8\r\ncontent-length: 2\r\n\r\n{}",
            400,
            None,
        ),
    ] {
        client.send(request.as_bytes()).await.unwrap();
        let answer = client.response().await.unwrap();
        assert_eq!(answer.status, status, "{request}");
        assert_eq!(answer.header("allow"), allow, "{request}");
    }
    assert!(
        server.begun.lock().unwrap().reviews == 1,
        "only the last one is a review"
    );
}

#[tokio::test]
async fn the_router_answers_the_same_without_a_socket() {
    use tower::ServiceExt;
    use unseal_policy::decide::Policy;
    use webhook_bin::net::app::{App, router};
    use webhook_bin::{audit::log::AuditLog, review::Reviewer, telemetry::metrics::Metrics};

    let registry = kms_backends::Registry::builder().build().unwrap();
    let audit = test_support::server::Lines::default();
    let app = App::new(
        Reviewer::new(registry, Policy::default()),
        AuditLog::start(audit.clone()).unwrap(),
        Metrics::new(),
        std::sync::Arc::default(),
    );
    let request = |path: &str, body: Vec<u8>| {
        http::Request::post(path)
            .header("content-type", "application/json")
            .body(axum::body::Body::from(body))
            .unwrap()
    };
    let answer = router(app.clone())
        .oneshot(request("/mutate?timeout=5s", plain_review("")))
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    let answer = router(app.clone())
        .oneshot(request("/other", Vec::new()))
        .await
        .unwrap();
    assert_eq!(answer.status(), 404);
    app.audit().finish();
    assert_eq!(audit.text().lines().count(), 1);
}

#[tokio::test]
async fn ends_an_old_connection_by_saying_so() {
    let server = Setup::with_limits(|limits| limits.age = Duration::from_millis(100))
        .start()
        .await;
    let mut client = server.connect().await;
    assert_eq!(client.review(&plain_review("")).await.unwrap().status, 200);
    tokio::time::sleep(Duration::from_millis(200)).await;
    let answer = client.review(&plain_review("")).await.unwrap();
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("connection"), Some("close"));
    client.closed().await;
}
