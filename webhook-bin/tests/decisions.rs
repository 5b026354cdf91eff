//! The decision as the command line and applications use it: one value, no webhook.
#![allow(clippy::unwrap_used, reason = "what fails shall panic")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use jwe_envelope::{Curve, KeyKind, LocalKey, ObjectName, Recognized, recognize};
use kms_backends::testing::Reply as Key;
use kms_backends::{Category, Keyring, NamespaceSet, Registry, Unobserved, WatchedKey};
use serde_json::{Value, json};
use support::*;
use tokio::time::Instant;
use webhook_bin::decide::{Change, Code, Decision, Foreign, Leave, Policy, Site, Use, decide};
use webhook_bin::unseal::{OpenRefusal, open_value};

const ADMISSION: Use<'static> = Use::Admission {
    change: Change::Created,
    leave: false,
};

fn run_time(service_account: &str) -> Use<'_> {
    Use::RunTime { service_account }
}

fn site(caller: Use<'_>) -> Site<'_> {
    Site {
        namespace: "payments",
        name: ObjectName::Named("db"),
        key: "password",
        signature: None,
        caller,
    }
}

async fn open_at(
    bench: &Bench,
    value: &[u8],
    caller: Use<'_>,
    now: u64,
) -> Result<Vec<u8>, OpenRefusal> {
    let reviewer = &bench.reviewer;
    let deadline = Instant::now() + Duration::from_secs(5);
    let opened = open_value(
        value,
        &site(caller),
        &reviewer.policy,
        &reviewer.registry.present(),
        now,
        deadline,
    )
    .await;
    opened.map(|plaintext| plaintext.expose().to_vec())
}

async fn open(bench: &Bench, value: &str, caller: Use<'_>) -> Result<Vec<u8>, Code> {
    open_at(bench, value.as_bytes(), caller, NOW)
        .await
        .map_err(|refusal| refusal.code())
}

fn here(more: &Value) -> String {
    let mut bind = json!({"v": 1, "ns": "payments", "name": "db", "key": "password"});
    bind.as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    seal("hunter2", &json!({"bind": bind}))
}

#[tokio::test]
async fn one_value_opens_by_the_webhook_s_rules() {
    let bench = Bench::new();
    let value = here(&json!({}));
    for text in [
        value.clone(),
        format!("{value}\n"),
        format!("\r\n {value} "),
    ] {
        assert_eq!(open(&bench, &text, ADMISSION).await.unwrap(), b"hunter2");
    }
    assert_eq!(bench.calls(), 1);
    for (text, code) in [
        (String::new(), Code::NotAnEnvelope),
        ("hunter2".to_owned(), Code::NotAnEnvelope),
        ("{}".to_owned(), Code::NotAnEnvelope),
        (value.replace('.', ".."), Code::Damaged),
        (seal("x", &json!({"kid": "theirs"})), Code::Foreign),
        (seal("x", &json!({})), Code::Unbound),
        (here(&json!({"name": "other"})), Code::WrongPlace),
        (here(&json!({"sa": "app"})), Code::RunTimeOnly),
        (here(&json!({"exp": 1})), Code::Expired),
        (sealed(sealed("x", "password"), "password"), Code::Nested),
    ] {
        assert_eq!(open(&bench, &text, ADMISSION).await, Err(code), "{text}");
    }
}

/// A `kid` that nobody serves may be that of a new version, where versions are listed: the caller is asked to come back, and the
/// listing is brought forward. What would be refused all the same brings nothing forward.
#[tokio::test(start_paused = true)]
async fn a_kid_of_a_version_that_is_not_listed_yet_is_asked_back() {
    let key = LocalKey::generate(KeyKind::Ec(Curve::P256)).unwrap();
    let listed = WatchedKey {
        name: "rotated".to_owned(),
        uri: "file:/nonexistent/rotated.pem".parse().unwrap(),
        recipient: key.recipient().clone(),
        namespaces: NamespaceSet::parse(["payments"]).unwrap(),
        allow_unbound: false,
        default_key: false,
    };
    let keyring = Keyring::new(
        &Registry::builder().build().unwrap(),
        vec![listed],
        Arc::default(),
        Arc::new(Unobserved),
    )
    .unwrap();
    let policy = Policy::default();
    let refusal = async |bind: Value| {
        let mut place = json!({"v": 1, "ns": "payments", "name": "db", "key": "password"});
        let members = place.as_object_mut().unwrap();
        members.extend(bind.as_object().unwrap().clone());
        let text = seal("x", &json!({"kid": "a-new-version", "bind": place}));
        let (site, registry) = (site(ADMISSION), keyring.registry().present());
        let deadline = Instant::now() + Duration::from_secs(5);
        let opened = open_value(text.as_bytes(), &site, &policy, &registry, NOW, deadline).await;
        let refusal = opened.unwrap_err();
        assert_eq!(refusal.code(), Code::UnknownKey);
        refusal.to_string()
    };
    keyring.refresh(Duration::from_secs(1)).await;
    let waits = async || {
        let began = Instant::now();
        keyring.pause(Duration::from_mins(5)).await;
        began.elapsed().as_secs()
    };
    // In another place it would not be opened, whoever has the key.
    let words = refusal(json!({"name": "other"})).await;
    assert!(!words.contains("refreshed"), "{words}");
    assert_eq!(waits().await, 300);
    let words = refusal(json!({})).await;
    assert!(words.contains("being refreshed"), "{words}");
    assert!(words.contains("try again"), "{words}");
    assert_eq!(waits().await, 0);
}

#[tokio::test]
async fn at_run_time_the_service_account_must_be_the_one_named() {
    let bench = Bench::new();
    let value = here(&json!({"sa": "app"}));
    assert_eq!(
        open(&bench, &value, run_time("app")).await.unwrap(),
        b"hunter2"
    );
    assert_eq!(bench.calls(), 1);
    for (text, account, code) in [
        (value.clone(), "other", Code::WrongServiceAccount),
        (value.clone(), "App", Code::WrongServiceAccount),
        (value.clone(), "", Code::WrongServiceAccount),
        (here(&json!({})), "app", Code::AdmissionOnly),
        (seal("x", &json!({})), "app", Code::AdmissionOnly),
        (
            here(&json!({"sa": "app", "ns": "team-a"})),
            "app",
            Code::WrongPlace,
        ),
    ] {
        assert_eq!(
            open(&bench, &text, run_time(account)).await,
            Err(code),
            "{account}"
        );
    }
    assert_eq!(bench.calls(), 1);
}

#[tokio::test]
async fn the_default_service_account_is_refused_before_any_work() {
    let bench = Bench::new();
    for text in [
        here(&json!({"sa": "app"})),
        here(&json!({})),
        "plain".to_owned(),
        "eyJ....".to_owned(),
    ] {
        assert_eq!(
            open(&bench, &text, run_time("default")).await,
            Err(Code::WrongServiceAccount)
        );
    }
    assert_eq!(bench.calls(), 0);
}

#[tokio::test]
async fn at_run_time_time_is_strict() {
    let bench = Setup {
        policy: Policy {
            expired: webhook_bin::decide::Expired::Warn,
            ..Policy::default()
        },
        ..Setup::default()
    }
    .build();
    let late = here(&json!({"sa": "app", "exp": NOW}));
    let early = here(&json!({"sa": "app", "nbf": NOW}));
    let code = |refusal: OpenRefusal| refusal.code();
    assert!(
        open_at(&bench, late.as_bytes(), run_time("app"), NOW - 1)
            .await
            .is_ok()
    );
    let refused = open_at(&bench, late.as_bytes(), run_time("app"), NOW).await;
    assert_eq!(refused.map_err(code), Err(Code::Expired));
    assert!(
        open_at(&bench, early.as_bytes(), run_time("app"), NOW)
            .await
            .is_ok()
    );
    let refused = open_at(&bench, early.as_bytes(), run_time("app"), NOW - 1).await;
    assert_eq!(refused.map_err(code), Err(Code::NotYetValid));
}

#[tokio::test]
async fn a_key_service_that_fails_is_told_apart_from_a_value_that_is_bad() {
    for (answer, category, transient) in [
        (
            Key::Fail(Category::Unavailable),
            Some(Category::Unavailable),
            true,
        ),
        (Key::Fail(Category::Denied), Some(Category::Denied), false),
        (Key::Fail(Category::Rejected), None, false),
        (Key::WrongKey, None, false),
    ] {
        let bench = Bench::new();
        bench.backend.set(answer.clone());
        let value = here(&json!({}));
        let refusal = open_at(&bench, value.as_bytes(), ADMISSION, NOW)
            .await
            .unwrap_err();
        assert_eq!(refusal.category, category, "{answer:?}");
        assert_eq!(refusal.is_transient(), transient, "{answer:?}");
        assert_eq!(
            std::error::Error::source(&refusal).is_some(),
            category.is_some()
        );
    }
}

#[test]
fn what_is_stored_already_is_left_rather_than_refused() {
    let bench = Bench::new();
    let reviewer = &bench.reviewer;
    let ask = |value: &str, change: Change, leave: bool, foreign: Foreign| {
        let policy = Policy {
            foreign,
            ..reviewer.policy.clone()
        };
        let site = site(Use::Admission { change, leave });
        let recognized = recognize(value.as_bytes());
        let registry = reviewer.registry.present();
        match decide(&recognized, &site, &policy, &registry, NOW) {
            Decision::Leave(Leave::Plain) => "plain".to_owned(),
            Decision::Leave(Leave::Asked) => "asked".to_owned(),
            Decision::Leave(Leave::Foreign { kid }) => {
                format!("foreign {}", kid.unwrap_or_default())
            }
            Decision::Leave(Leave::Unopenable(refusal)) => format!("stored {}", refusal.code),
            Decision::Refuse(refusal) => refusal.code.to_string(),
            Decision::Unwrap { opening, .. } => opening.first.entry.name().to_owned(),
        }
    };
    let theirs = seal("x", &json!({"kid": "theirs"}));
    let wrong = here(&json!({"name": "other"}));
    for (value, change, leave, foreign, expected) in [
        ("x", Change::Created, true, Foreign::Warn, "plain"),
        (
            wrong.as_str(),
            Change::Created,
            false,
            Foreign::Warn,
            "wrong-place",
        ),
        (&wrong, Change::Changed, false, Foreign::Warn, "wrong-place"),
        (
            &wrong,
            Change::Unchanged,
            false,
            Foreign::Warn,
            "stored wrong-place",
        ),
        (&wrong, Change::Created, true, Foreign::Warn, "asked"),
        ("eyJ....", Change::Created, false, Foreign::Warn, "damaged"),
        (
            "eyJ....",
            Change::Unchanged,
            false,
            Foreign::Warn,
            "stored damaged",
        ),
        ("eyJ....", Change::Created, true, Foreign::Warn, "asked"),
        (
            &theirs,
            Change::Created,
            false,
            Foreign::Warn,
            "foreign theirs",
        ),
        (&theirs, Change::Created, false, Foreign::Deny, "foreign"),
        (
            &theirs,
            Change::Unchanged,
            false,
            Foreign::Deny,
            "stored foreign",
        ),
        (
            &here(&json!({})),
            Change::Unchanged,
            false,
            Foreign::Warn,
            "payments",
        ),
    ] {
        assert_eq!(ask(value, change, leave, foreign), expected, "{change:?}");
    }
    assert_eq!(bench.calls(), 0, "deciding asks nobody");
}

#[test]
fn at_most_two_recipients_are_tried() {
    let bench = Bench::new();
    let recipient = |kid: &str, alg: &str| json!({"header": {"alg": alg, "kid": kid}, "encrypted_key": b64url([7; 256])});
    let general = |recipients: Value| {
        let protected = json!({"enc": "A256GCM", "bind": {"v": 1, "ns": "payments"}});
        json!({"protected": b64url(protected.to_string()), "recipients": recipients,
            "iv": b64url([1; 12]), "ciphertext": b64url([2; 16]), "tag": b64url([3; 16])})
        .to_string()
    };
    let ours = rsa_kid();
    let text = general(json!([
        recipient("theirs", "RSA-OAEP-256"),
        recipient(&p256_kid(), "RSA-OAEP-256"),
        recipient(&ours, "RSA-OAEP-256"),
    ]));
    let recognized = recognize(text.as_bytes());
    assert!(
        matches!(recognized, Recognized::Sealed(_)),
        "{recognized:?}"
    );
    let reviewer = &bench.reviewer;
    let registry = reviewer.registry.present();
    let decision = decide(
        &recognized,
        &site(ADMISSION),
        &reviewer.policy,
        &registry,
        NOW,
    );
    let Decision::Unwrap { opening, .. } = decision else {
        panic!("{decision:?}");
    };
    // The second names a key of ours with another algorithm: passed over, because the third is in order.
    assert_eq!(opening.first.kid, Some(ours.as_str()));
    assert!(opening.second.is_none());
}

#[test]
fn codes_are_words_that_never_change() {
    let words: Vec<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
    assert_eq!(
        words,
        [
            "admission-only",
            "ambiguous",
            "damaged",
            "denied",
            "expired",
            "foreign",
            "immutable",
            "misconfigured",
            "namespace-not-allowed",
            "nested",
            "not-an-envelope",
            "not-opened",
            "not-permitted",
            "not-sealed",
            "not-yet-valid",
            "run-time-only",
            "signer-not-allowed",
            "submitter-not-allowed",
            "too-large",
            "too-wide",
            "type-check",
            "unavailable",
            "unbound",
            "unknown-key",
            "unsigned",
            "unsupported",
            "wrong-cluster",
            "wrong-key-algorithm",
            "wrong-place",
            "wrong-service-account",
            "wrong-signature",
        ]
    );
}
