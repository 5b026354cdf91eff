//! The names that dashboards and alerts rely on.

use test_support::requests::{CANARY, plain_review};
use test_support::server::Setup;

#[tokio::test]
async fn names_and_types_stay() {
    let server = Setup::default().start().await;
    server.review(&plain_review("")).await;
    let text = server.get("/metrics").await.text();
    let mut names: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "))
        .collect();
    names.sort_unstable();
    insta::assert_snapshot!(names.join("\n"));
    assert!(text.ends_with("# EOF\n"));
}

#[tokio::test]
async fn labels_hold_nothing_of_a_review() {
    let server = Setup::default().start().await;
    let review = test_support::requests::admission_review(
        CANARY,
        CANARY,
        &serde_json::json!({CANARY: "eyJlbmMiOiJ4In0.a.b.c.d"}),
    );
    server.review(&review).await;
    let mut client = server.connect().await;
    client
        .send(format!("GET /{CANARY} HTTP/1.1\r\nhost: {CANARY}\r\n\r\n").as_bytes())
        .await
        .unwrap();
    let answer = client.response().await.unwrap();
    assert_eq!(answer.status, 404);
    assert!(!format!("{answer:?}").contains(CANARY));
    let metrics = server.get("/metrics").await.text();
    assert!(!metrics.contains(CANARY), "{metrics}");
    assert!(
        !server
            .get(&format!("/readyz?verbose&{CANARY}"))
            .await
            .text()
            .contains(CANARY)
    );
}
