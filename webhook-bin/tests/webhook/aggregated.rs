//! Callers that come through the API aggregation layer, over real TLS: the API server itself is served, and every
//! other way of seeming to be it is not.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use kms_backends::CacheOptions;
use kms_backends::testing::Reply;
use serde_json::{Value, json};
use test_support::api_server::FakeApiServer;
use test_support::client::PATIENCE;
use test_support::client::{Client, Response};
use test_support::keys::{ServedKey, patched};
use test_support::pki::{Pair, Pki};
use test_support::requests::{admission_review, plain_review};
use test_support::rules;
use test_support::server::{Running, Setup};
use tokio::time::Instant;
use webhook_bin::net::caller::{Aggregated, CallerMode};
use webhook_bin::net::front_proxy::{FrontProxy, fetch};
use webhook_bin::telemetry::metrics::Metrics;

const MUTATE: &str = "/apis/admission.privyseal.dev/v1/secretreviews";
const API_SERVER: &str = "x-remote-user: system:apiserver\r\nx-remote-group: system:authenticated\r\nx-remote-group: system:masters\r\n";

/// A webhook behind an API server whose front proxy `proxy` signs.
struct Stage {
    api_server: FakeApiServer,
    webhook: Running,
    proxy: Pki,
}

fn config_map(proxy: &Pki, names: &str) -> Value {
    json!({
        "client-ca-file": Pki::new().authority_pem(),
        "requestheader-allowed-names": names,
        "requestheader-client-ca-file": proxy.authority_pem(),
        "requestheader-extra-headers-prefix": "[\"X-Remote-Extra-\"]",
        "requestheader-group-headers": "[\"X-Remote-Group\"]",
        "requestheader-username-headers": "[\"X-Remote-User\"]",
    })
}

impl Stage {
    async fn set() -> Self {
        Self::with(Setup::default()).await
    }

    async fn with(setup: Setup) -> Self {
        let proxy = Pki::new();
        let api_server = FakeApiServer::start(config_map(&proxy, "[\"front-proxy-client\"]")).await;
        let client = api_server.client();
        let found = fetch(&client).await.unwrap();
        let setup = Setup {
            callers: Some(CallerMode::Aggregated(Aggregated::default())),
            front_proxy: Some((Arc::new(FrontProxy::new(found)), Some(client))),
            ..setup
        };
        let webhook = setup.start().await;
        api_server.until_watched(1).await;
        Self {
            api_server,
            webhook,
            proxy,
        }
    }

    async fn connect(&self, pair: Option<&Pair>) -> std::io::Result<Client> {
        let authority = self.webhook.pki.authority_pem();
        Client::connect_with(self.webhook.addr, &authority, pair).await
    }

    /// A connection of the front proxy.
    async fn front_proxy(&self) -> Client {
        let pair = self.proxy.client_pair("front-proxy-client");
        self.connect(Some(&pair)).await.unwrap()
    }

    /// Whether a front proxy of this authority and name is served now.
    async fn serves(&self, proxy: &Pki, name: &str) -> bool {
        let pair = proxy.client_pair(name);
        let Ok(mut client) = self.connect(Some(&pair)).await else {
            return false;
        };
        let answer = ask(&mut client, MUTATE, API_SERVER).await;
        answer.is_ok_and(|answer| answer.status == 200)
    }

    async fn until_serves(&self, proxy: &Pki, name: &str, expected: bool) {
        let begun = Instant::now();
        while self.serves(proxy, name).await != expected {
            assert!(begun.elapsed() < PATIENCE, "{name}: never {expected}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    fn reviews(&self) -> usize {
        self.webhook.begun.lock().unwrap().reviews
    }
}

async fn ask(client: &mut Client, path: &str, headers: &str) -> std::io::Result<Response> {
    send(client, path, headers, &plain_review("")).await
}

async fn send(
    client: &mut Client,
    path: &str,
    headers: &str,
    body: &[u8],
) -> std::io::Result<Response> {
    let head = format!(
        "POST {path}?timeout=10s HTTP/1.1\r\nhost: webhook\r\ncontent-type: application/json\r\ncontent-length: {}\r\n{headers}\r\n",
        body.len()
    );
    client.send(head.as_bytes()).await?;
    client.send(body).await?;
    client.response().await
}

async fn get(client: &mut Client, path: &str, headers: &str) -> Response {
    let head = format!("GET {path} HTTP/1.1\r\nhost: webhook\r\n{headers}\r\n");
    client.send(head.as_bytes()).await.unwrap();
    client.response().await.unwrap()
}

#[tokio::test]
async fn the_api_server_itself_is_served() {
    let stage = Stage::set().await;
    let mut client = stage.front_proxy().await;
    for path in [MUTATE, "/apis/admission.privyseal.dev/v1/mustbesealed"] {
        let answer = ask(&mut client, path, API_SERVER).await.unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.json()["kind"], "AdmissionReview");
    }
    let begun = Instant::now();
    while !stage.webhook.audit.text().contains("front-proxy-client") {
        assert!(begun.elapsed() < PATIENCE);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // The paths of the other modes lead nowhere.
    let answer = ask(&mut client, "/mutate", API_SERVER).await.unwrap();
    assert_eq!(answer.status, 404);
}

#[tokio::test]
async fn both_layouts_open_on_every_way_in() {
    let key = ServedKey::new();
    let metrics = webhook_bin::telemetry::metrics::Metrics::new();
    let stage = Stage::with(Setup {
        registry: key.registry(&metrics, CacheOptions::default()),
        metrics,
        ..Setup::default()
    })
    .await;
    let mut client = stage.front_proxy().await;
    let sealed = |value: &str| key.sealed(value.as_bytes());
    let text = |sealed: &str| String::from_utf8(STANDARD.decode(sealed).unwrap()).unwrap();
    let old = STANDARD.encode("old");
    for annotation in [false, true] {
        for (operation, dry_run) in [
            ("CREATE", false),
            ("CREATE", true),
            ("UPDATE", false),
            ("UPDATE", true),
        ] {
            let value = format!("{operation} {dry_run} {annotation}");
            let (before, after) = (sealed("old"), sealed(&value));
            let review = |data: Value| {
                let review = admission_review("payments", "db", &data);
                serde_json::from_slice::<Value>(&review).unwrap()
            };
            let annotated = |object: &mut Value, sealed: &str| {
                object["metadata"]["annotations"] =
                    json!({"privyseal.dev/data.password": text(sealed)});
            };
            let mut sent = if annotation {
                // A manifest in Git has no `data`; what is stored carries its value along.
                let mut sent = review(json!({}));
                annotated(&mut sent["request"]["object"], &after);
                sent
            } else {
                review(json!({"password": after}))
            };
            let request = &mut sent["request"];
            request["operation"] = operation.into();
            request["dryRun"] = dry_run.into();
            if operation == "UPDATE" {
                let mut stored = review(json!({"password": old}))["request"]["object"].take();
                if annotation {
                    annotated(&mut stored, &before);
                    request["object"]["data"] = stored["data"].clone();
                }
                request["oldObject"] = stored;
            }
            let body = serde_json::to_vec(&sent).unwrap();
            let answer = send(&mut client, MUTATE, API_SERVER, &body).await.unwrap();
            assert_eq!(answer.json()["response"]["allowed"], true, "{value}");
            assert_eq!(patched(&answer.json()), value.as_bytes());
        }
    }
}

#[tokio::test]
async fn every_other_identity_is_refused_before_anything_is_reviewed() {
    let stage = Stage::set().await;
    for (headers, why) in [
        ("", "identity"),
        // A cluster administrator as himself, and an ordinary user.
        (
            "x-remote-user: admin\r\nx-remote-group: system:masters\r\n",
            "identity",
        ),
        (
            "x-remote-user: bob\r\nx-remote-group: system:authenticated\r\n",
            "identity",
        ),
        // The name without the group, as anyone who may impersonate one but not the other sends it.
        (
            "x-remote-user: system:apiserver\r\nx-remote-group: system:authenticated\r\n",
            "identity",
        ),
        ("x-remote-group: system:masters\r\n", "identity"),
        (
            "x-remote-user: system:apiserver\r\nx-remote-group: a, system:masters\r\n",
            "identity",
        ),
        // Smuggled beside what the API server writes.
        (
            "x-remote-user: bob\r\nX-Remote-User: system:apiserver\r\nx-remote-group: system:masters\r\n",
            "headers",
        ),
        (
            "x-remote-user: system:apiserver\r\nx-remote-user: system:apiserver\r\nx-remote-group: system:masters\r\n",
            "headers",
        ),
        (
            "x_remote_user: system:apiserver\r\nx-remote-group: system:masters\r\n",
            "identity",
        ),
        (
            "x-remote-user: \r\nx-remote-group: system:masters\r\n",
            "identity",
        ),
    ] {
        let sample = format!("privy_caller_rejected_total{{why=\"{why}\"}}");
        let before = stage.webhook.metric(&sample).await;
        let mut client = stage.front_proxy().await;
        let answer = ask(&mut client, MUTATE, headers).await.unwrap();
        assert_eq!(answer.status, 403, "{headers}");
        assert_eq!(stage.webhook.metric(&sample).await, before + 1, "{headers}");
    }
    assert_eq!(stage.reviews(), 0);
    assert_eq!(stage.webhook.audit.text(), "");
}

#[tokio::test]
async fn headers_are_worth_nothing_without_the_front_proxy_s_certificate() {
    let stage = Stage::set().await;
    let stranger = Pki::new();
    for pair in [
        None,
        // Of another authority, and of the one that signs the webhook itself.
        Some(stranger.client_pair("front-proxy-client")),
        Some(stage.webhook.pki.client_pair("front-proxy-client")),
        // The right authority, in a server's hand.
        Some(stage.proxy.server_pair()),
    ] {
        if let Ok(mut client) = stage.connect(pair.as_ref()).await {
            assert!(ask(&mut client, MUTATE, API_SERVER).await.is_err());
        }
    }
    // The right authority, and a name that is not on the list: not even discovery.
    for name in ["other", "FRONT-PROXY-CLIENT", ""] {
        let pair = stage.proxy.client_pair(name);
        let mut client = stage.connect(Some(&pair)).await.unwrap();
        let answer = ask(&mut client, MUTATE, API_SERVER).await.unwrap();
        assert_eq!(answer.status, 403, "{name}");
        let mut client = stage.connect(Some(&pair)).await.unwrap();
        assert_eq!(get(&mut client, "/apis", API_SERVER).await.status, 403);
    }
    // A name counts as common name only.
    let pair = stage.proxy.client_pair_with_dns_name("front-proxy-client");
    let mut client = stage.connect(Some(&pair)).await.unwrap();
    let answer = ask(&mut client, MUTATE, API_SERVER).await.unwrap();
    assert_eq!(answer.status, 403);
    assert_eq!(stage.reviews(), 0);
}

#[tokio::test]
async fn a_uid_that_was_sent_once_is_asked_for_from_then_on() {
    let stage = Stage::set().await;
    let with_uid = format!("{API_SERVER}x-remote-uid: 4b5a\r\n");
    let mut client = stage.front_proxy().await;
    for (headers, status) in [
        (API_SERVER, 200),
        (with_uid.as_str(), 200),
        (with_uid.as_str(), 200),
        // As an impersonated identity comes.
        (API_SERVER, 403),
    ] {
        let answer = ask(&mut client, MUTATE, headers).await.unwrap();
        assert_eq!(answer.status, status);
    }
}

#[tokio::test]
async fn discovery_is_answered_for_whoever_comes_through_the_api_server() {
    let stage = Stage::set().await;
    let mut client = stage.front_proxy().await;
    let aggregator = "x-remote-user: system:aggregator\r\n";
    for (path, kind) in [
        ("/apis", "APIGroupList"),
        ("/apis/admission.privyseal.dev", "APIGroup"),
        ("/apis/admission.privyseal.dev/v1", "APIResourceList"),
        (
            "/apis/admission.privyseal.dev/v1?timeout=32s",
            "APIResourceList",
        ),
    ] {
        let answer = get(&mut client, path, aggregator).await;
        assert_eq!(
            (answer.status, answer.json()["kind"].as_str()),
            (200, Some(kind))
        );
    }
    assert_eq!(get(&mut client, "/healthz", "").await.text(), "ok");
    for path in ["/openapi/v2", "/openapi/v3"] {
        assert!(get(&mut client, path, aggregator).await.json()["paths"].is_object());
    }
    // All else is for the API server only.
    let answer = get(&mut client, "/metrics", aggregator).await;
    assert_eq!(answer.status, 403);
    let mut client = stage.front_proxy().await;
    let answer = get(&mut client, "/apis/other", API_SERVER).await;
    assert_eq!(answer.status, 404);
}

#[tokio::test]
async fn a_new_front_proxy_takes_the_old_one_s_place_on_open_connections_too() {
    let stage = Stage::set().await;
    let mut open = stage.front_proxy().await;
    assert_eq!(
        ask(&mut open, MUTATE, API_SERVER).await.unwrap().status,
        200
    );

    let next = Pki::new();
    stage
        .api_server
        .change(config_map(&next, "[\"front-proxy-client\"]"));
    stage.until_serves(&next, "front-proxy-client", true).await;
    assert!(!stage.serves(&stage.proxy, "front-proxy-client").await);
    let answer = ask(&mut open, MUTATE, API_SERVER).await.unwrap();
    assert_eq!(answer.status, 403);

    // Names and header names change in the same way.
    let mut renamed = config_map(&next, "[\"aggregator\"]");
    renamed["requestheader-username-headers"] = "[\"X-User\"]".into();
    stage.api_server.change(renamed);
    stage.until_serves(&next, "front-proxy-client", false).await;
    let pair = next.client_pair("aggregator");
    let mut client = stage.connect(Some(&pair)).await.unwrap();
    let answer = ask(
        &mut client,
        MUTATE,
        "x-user: system:apiserver\r\nx-remote-group: system:masters\r\n",
    );
    assert_eq!(answer.await.unwrap().status, 200);
    let answer = ask(&mut client, MUTATE, API_SERVER).await.unwrap();
    assert_eq!(answer.status, 403);
}

#[tokio::test]
async fn what_cannot_be_relied_on_leaves_the_last_good_state_in_force() {
    let stage = Stage::set().await;
    let name = "front-proxy-client";
    let other = Pki::new();
    let mut anybody = config_map(&other, "[]");
    anybody["client-ca-file"] = other.authority_pem().into();
    let mut damaged = config_map(&other, "[\"front-proxy-client\"]");
    damaged["requestheader-client-ca-file"] = "-----BEGIN CERTIFICATE-----\nx".into();
    let deleted = json!({"type": "DELETED", "object": {
        "metadata": {"name": "extension-apiserver-authentication", "resourceVersion": "8"}}});
    for data in [anybody, json!({}), damaged, Value::Null] {
        stage.api_server.change(data);
    }
    stage.api_server.tell(&deleted);
    // Another object than ours, which no server would send.
    stage
        .api_server
        .tell(&json!({"type": "MODIFIED", "object": {
        "metadata": {"name": "other", "resourceVersion": "9"}, "data": config_map(&other, "[]")}}));
    // What comes after them shows that they have been read.
    let next = Pki::new();
    let mut both = config_map(&stage.proxy, "[\"front-proxy-client\"]");
    both["requestheader-client-ca-file"] =
        format!("{}{}", stage.proxy.authority_pem(), next.authority_pem()).into();
    stage.api_server.change(both);
    stage.until_serves(&next, name, true).await;
    assert!(stage.serves(&stage.proxy, name).await);
    assert!(!stage.serves(&other, name).await);
}

#[tokio::test]
async fn a_watch_that_ends_is_taken_up_again_and_what_was_missed_is_read() {
    let stage = Stage::set().await;
    let name = "front-proxy-client";
    // A bookmark moves the version on, and the next watch begins there.
    stage
        .api_server
        .tell(&json!({"type": "BOOKMARK", "object": {
        "kind": "ConfigMap", "apiVersion": "v1", "metadata": {"resourceVersion": "77"}}}));
    tokio::time::sleep(Duration::from_millis(50)).await;
    stage.api_server.hang_up();
    stage.api_server.until_watched(2).await;
    let questions = stage.api_server.questions();
    assert!(
        questions.last().unwrap().contains("resourceVersion=77"),
        "{questions:?}"
    );
    assert!(
        questions
            .iter()
            .all(|question| question.ends_with("Bearer token-1"))
    );

    // A version that is gone: read again.
    let next = Pki::new();
    stage
        .api_server
        .change_in_silence(config_map(&next, "[\"front-proxy-client\"]"));
    stage
        .api_server
        .tell(&json!({"type": "ERROR", "object": {"kind": "Status", "code": 410}}));
    stage.until_serves(&next, name, true).await;

    // Out of reach for a while, with the token renewed meanwhile; served as before until it is back.
    stage
        .api_server
        .refuse(Some(StatusCode::SERVICE_UNAVAILABLE));
    stage.api_server.hang_up();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(stage.serves(&next, name).await);
    std::fs::write(stage.api_server.pki.path("token"), "token-2").unwrap();
    stage
        .api_server
        .change_in_silence(config_map(&stage.proxy, "[\"front-proxy-client\"]"));
    stage.api_server.refuse(None);
    stage.until_serves(&stage.proxy, name, true).await;
    // A question that was already under way may still carry the token of before.
    let begun = Instant::now();
    loop {
        let questions = stage.api_server.questions();
        if questions.last().unwrap().ends_with("Bearer token-2") {
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "{questions:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn what_happened_while_a_watch_was_cut_is_learned_from_the_version_it_had_reached() {
    let stage = Stage::set().await;
    let next = Pki::new();
    stage
        .api_server
        .change_in_silence(config_map(&next, "[\"front-proxy-client\"]"));
    let lists = || {
        let questions = stage.api_server.questions();
        let lists = |q: &&String| q.contains("/configmaps?") && !q.contains("watch=true");
        questions.iter().filter(lists).count()
    };
    let listed = lists();
    stage.api_server.hang_up();
    stage.until_serves(&next, "front-proxy-client", true).await;
    assert_eq!(lists(), listed, "a watch that ends is no reason to list");
}

#[tokio::test]
async fn an_event_that_cannot_be_read_is_not_passed_over() {
    let stage = Stage::set().await;
    let next = Pki::new();
    let changed = config_map(&next, "[\"front-proxy-client\"]");
    stage.api_server.change_in_silence(changed);
    let broken = json!({"type": "MODIFIED", "object": {
        "metadata": {"name": "extension-apiserver-authentication", "resourceVersion": "2"}, "data": ["x"]}});
    stage.api_server.tell(&broken);
    stage.until_serves(&next, "front-proxy-client", true).await;
}

#[tokio::test]
async fn an_answer_that_is_too_long_or_never_ends_is_refused() {
    let proxy = Pki::new();
    let api_server = FakeApiServer::start(config_map(&proxy, "[\"front-proxy-client\"]")).await;
    let client = api_server.client();
    assert!(fetch(&client).await.is_ok());
    api_server.halt_after("x".repeat((2 << 20) + 1));
    let error = fetch(&client).await.unwrap_err().to_string();
    assert!(error.contains("too long"), "{error}");
    // The clock is the test's, as soon as the answer has begun.
    api_server.halt_after("{".to_owned());
    let asked = api_server.questions().len();
    let begun = async {
        while api_server.questions().len() == asked {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        tokio::time::pause();
    };
    let (answer, ()) = tokio::join!(fetch(&client), begun);
    let error = answer.unwrap_err().to_string();
    assert!(error.contains("in time"), "{error}");
}

#[tokio::test]
async fn a_line_of_a_watch_that_never_ends_is_refused() {
    let stage = Stage::set().await;
    let flood = "x".repeat(3 << 20);
    stage.api_server.tell_text(&flood);
    let sample = "privy_front_proxy_watch{state=\"lost\"}";
    stage.webhook.until_metric(sample, 1).await;
    // It is asked again, and what it says then counts.
    let next = Pki::new();
    stage
        .api_server
        .change(config_map(&next, "[\"front-proxy-client\"]"));
    stage.until_serves(&next, "front-proxy-client", true).await;
}

#[tokio::test]
async fn a_watch_that_is_lost_shows_and_changes_nothing_of_readiness() {
    let stage = Stage::set().await;
    let sample = |state: &str| format!("privy_front_proxy_watch{{state=\"{state}\"}}");
    let line = async || {
        let ready = stage.webhook.get("/readyz?verbose").await;
        assert_eq!(ready.status, 200);
        let text = ready.text();
        let line = text
            .lines()
            .find(|line| line.starts_with("[i] ConfigMap extension-apiserver-authentication: "));
        line.unwrap_or_else(|| panic!("{text}")).to_owned()
    };
    let heard = || stage.webhook.metric("privy_front_proxy_heard_seconds");
    let only = async |state: &str| {
        stage.webhook.until_metric(&sample(state), 1).await;
        for other in ["current", "lost", "unusable"] {
            let expected = u64::from(other == state);
            assert_eq!(stage.webhook.metric(&sample(other)).await, expected);
        }
    };
    only("current").await;
    assert!(line().await.contains(": followed; last heard of "));
    let begun = heard().await;
    assert!(begun > 1_700_000_000, "{begun}");

    // Out of reach: a change would go unnoticed.
    stage
        .api_server
        .refuse(Some(StatusCode::SERVICE_UNAVAILABLE));
    stage.api_server.hang_up();
    only("lost").await;
    assert!(line().await.contains("NOT FOLLOWED, the API server"));
    assert!(stage.serves(&stage.proxy, "front-proxy-client").await);
    let silent = heard().await;
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    assert_eq!(heard().await, silent, "silence is no news");
    stage.api_server.refuse(None);
    only("current").await;
    assert!(heard().await > silent);

    // There again, with something that no one can rely on: no quiet watch makes up for that.
    let watched = watches(&stage);
    stage.api_server.change(json!({}));
    only("unusable").await;
    assert!(line().await.contains("it cannot be relied on"));
    stage
        .api_server
        .tell(&json!({"type": "BOOKMARK", "object": {
        "kind": "ConfigMap", "apiVersion": "v1", "metadata": {"resourceVersion": "99"}}}));
    stage.api_server.hang_up();
    stage.api_server.until_watched(watched + 1).await;
    only("unusable").await;
    let good = config_map(&stage.proxy, "[\"front-proxy-client\"]");
    stage.api_server.change(good);
    only("current").await;
}

fn watches(stage: &Stage) -> usize {
    let questions = stage.api_server.questions();
    let watches = questions.iter().filter(|q| q.contains("watch=true"));
    watches.count()
}

#[tokio::test]
async fn every_documented_alert_fires_under_its_fault_and_not_before() {
    let key = ServedKey::new();
    key.backend.set(Reply::UNAVAILABLE);
    let metrics = Metrics::new();
    let stage = Stage::with(Setup {
        registry: key.registry(&metrics, CacheOptions::off()),
        metrics,
        ..Setup::default()
    })
    .await;
    let mut rules = rules::documented();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let now = now.as_secs_f64();
    let is_quiet = async |rule: &str| {
        let metrics = stage.webhook.get("/metrics").await.text();
        !rules::fires(rule, &metrics, now)
    };
    let until_loud = async |rule: &str| {
        let begun = Instant::now();
        while is_quiet(rule).await {
            assert!(begun.elapsed() < PATIENCE, "never fires: {rule}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    for rule in rules.values() {
        assert!(is_quiet(rule).await, "fires without a fault: {rule}");
    }

    let rule = rules.remove("PrivyKeyServiceAway").unwrap();
    let mut client = stage.front_proxy().await;
    let review = key.review(b"hunter2");
    let answer = send(&mut client, MUTATE, API_SERVER, &review)
        .await
        .unwrap();
    assert_ne!(answer.status, 200);
    until_loud(rule).await;

    let rule = rules.remove("PrivyCertificateEnds").unwrap();
    let three_days = Duration::from_hours(72);
    let pki = &stage.webhook.pki;
    pki.install(&pki.server_pair_that_ends_in(three_days));
    until_loud(rule).await;

    // By its words, and by its silence: each half of the rule is enough.
    let rule = rules.remove("PrivyFrontProxyNotFollowed").unwrap();
    let metrics = stage.webhook.get("/metrics").await.text();
    assert!(rules::fires(rule, &metrics, now + 1_000.0));
    stage
        .api_server
        .refuse(Some(StatusCode::SERVICE_UNAVAILABLE));
    stage.api_server.hang_up();
    until_loud(rule).await;

    assert!(rules.is_empty(), "no fault was tried for {rules:?}");
}

#[tokio::test]
async fn callers_of_other_modes_have_no_watch_to_lose() {
    let webhook = Setup::default().start().await;
    let metrics = webhook.get("/metrics").await.text();
    assert!(!metrics.contains("front_proxy"), "{metrics}");
    let ready = webhook.get("/readyz?verbose").await.text();
    assert!(!ready.contains("ConfigMap"), "{ready}");
}

#[tokio::test]
async fn nothing_is_served_on_the_word_of_an_api_server_that_cannot_be_trusted() {
    let proxy = Pki::new();
    let api_server = FakeApiServer::start(config_map(&proxy, "[]")).await;
    // Someone else's authority.
    let client = api_server.client();
    std::fs::write(api_server.pki.path("ca.crt"), Pki::new().authority_pem()).unwrap();
    assert!(fetch(&client).await.is_err());
    // The right one, with a front proxy that anyone could be: the start is refused with the way out.
    std::fs::write(
        api_server.pki.path("ca.crt"),
        api_server.pki.authority_pem(),
    )
    .unwrap();
    let mut anybody = config_map(&proxy, "[]");
    anybody["client-ca-file"] = proxy.authority_pem().into();
    api_server.change_in_silence(anybody);
    let error = fetch(&client).await.unwrap_err().to_string();
    assert!(error.contains("--requestheader-allowed-names"), "{error}");
    api_server.refuse(Some(StatusCode::FORBIDDEN));
    let error = fetch(&client).await.unwrap_err().to_string();
    assert!(error.contains("403"), "{error}");
}
