//! The decision as the command line and applications use it: one value, no webhook.

use std::sync::Arc;
use std::time::Duration;

use jwe_envelope::{Curve, KeyKind, LocalKey, ObjectName, Plaintext, Recognized, recognize};
use kms_backends::testing::Reply as Key;
use kms_backends::{Category, NamespaceSet, Registry, Unobserved, VersionWatcher, WatchedKey};
use serde_json::{Value, json};
use test_support::reviews::*;
use tokio::time::Instant;
use unseal_policy::decide::{
    Admission, Change, Code, Decision, Foreign, OpeningContext, Policy, Site, Untouched, decide,
};
use unseal_policy::open::{OpenRefusal, OpenedBy, attempts};

const ADMISSION: OpeningContext<'static> =
    OpeningContext::Admission(Admission::new(Change::Created));

fn run_time(service_account: &str) -> OpeningContext<'_> {
    OpeningContext::RunTime { service_account }
}

fn site(caller: OpeningContext<'_>) -> Site<'_> {
    Site {
        namespace: "payments",
        name: ObjectName::Named("db"),
        key: "password",
        signature: None,
        caller,
    }
}

/// One value with every key that may be tried, as the command line opens it.
async fn open_value(
    value: &[u8],
    site: &Site<'_>,
    policy: &Policy,
    registry: &Registry,
    now: u64,
    deadline: Instant,
) -> Result<Plaintext, OpenRefusal> {
    let value = recognize(value);
    let attempts = attempts(&value, site, policy, registry, now).inspect_err(|refusal| {
        if refusal.may_be_new {
            registry.note_unknown_kid(site.namespace);
        }
    })?;
    let (first, second) = attempts.in_turn();
    let opened = registry
        .open_first(first, second, deadline)
        .await
        .map(|(index, opened)| OpenedBy::new(opened, attempts.at(index)))
        .map_err(|(index, failure)| OpenRefusal::from_failure(failure, attempts.at(index)));
    Ok(opened?.into_plaintext()?)
}

async fn open_at(
    bench: &Bench,
    value: &[u8],
    caller: OpeningContext<'_>,
    now: u64,
) -> Result<Vec<u8>, OpenRefusal> {
    let reviewer = &bench.reviewer;
    let deadline = Instant::now() + Duration::from_secs(5);
    let opened = open_value(
        value,
        &site(caller),
        &reviewer.policy,
        &reviewer.registry.current(),
        now,
        deadline,
    )
    .await;
    opened.map(|plaintext| plaintext.expose().to_vec())
}

async fn open(bench: &Bench, value: &str, caller: OpeningContext<'_>) -> Result<Vec<u8>, Code> {
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

/// A `kid` that no one serves may be that of a new version, where versions are listed: the caller is asked to come
/// back, and the listing is brought forward. What would be refused all the same brings nothing forward.
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
    let keyring = VersionWatcher::new(
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
        let (site, registry) = (site(ADMISSION), keyring.registry().current());
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
    // In another place it would not be opened, no matter who has the key.
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
            expired: unseal_policy::decide::Expired::Warn,
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

/// The whole table: what the value is, what the request does to it, whether `leave` names it, its form, the policy.
#[test]
fn each_value_gets_its_answer_in_every_transition() {
    use Change::{Changed, Created, Replaced, Unchanged};
    let bench = Bench::new();
    let reviewer = &bench.reviewer;
    let ask = |value: &str, change, leave: bool, openable: bool, foreign: Foreign| {
        let policy = Policy {
            foreign,
            ..reviewer.policy.clone()
        };
        let admission = Admission {
            leave,
            openable,
            ..Admission::new(change)
        };
        let recognized = recognize(value.as_bytes());
        let registry = reviewer.registry.current();
        let site = site(OpeningContext::Admission(admission));
        match decide(&recognized, &site, &policy, &registry, NOW) {
            Decision::Leave(Untouched::Plain) => "plain".to_owned(),
            Decision::Leave(Untouched::Asked) => "asked".to_owned(),
            Decision::Leave(Untouched::Foreign { kid }) => {
                format!("left {}", kid.unwrap_or_default())
            }
            Decision::Leave(Untouched::OthersToken) => "others".to_owned(),
            Decision::Leave(Untouched::Stored) => "stored".to_owned(),
            Decision::Refuse(refusal) => refusal.code.to_string(),
            Decision::Unwrap { opening, .. } => opening.first.entry().name().to_owned(),
        }
    };
    let ours = here(&json!({}));
    let theirs = seal("x", &json!({"kid": "theirs"}));
    let wrong = here(&json!({"name": "other"}));
    let dead = json!({"v": 1, "ns": "payments", "name": "db", "key": "password"});
    let dead = seal("x", &json!({"kid": "gone", "bind": dead}));
    let run_time = here(&json!({"sa": "app"}));
    let token = compact(
        &json!({"alg": "dir", "enc": "A256GCM"}),
        &[],
        &[1; 12],
        &[2; 20],
        &[3; 16],
    );
    let damaged = "eyJ....";
    // Value, in an openable form, then the answers: introduced; replacing a value that is in use; named by `leave`.
    for (value, openable, introduced, replacing, left) in [
        ("x", false, "plain", "plain", "plain"),
        (ours.as_str(), true, "payments", "payments", "payments"),
        (
            &ours,
            false,
            "not-openable-form",
            "not-openable-form",
            "asked",
        ),
        (&wrong, true, "wrong-place", "wrong-place", "wrong-place"),
        (&wrong, false, "wrong-place", "wrong-place", "asked"),
        (&dead, true, "unknown-key", "unknown-key", "asked"),
        (&run_time, true, "run-time-only", "run-time-only", "asked"),
        (&run_time, false, "run-time-only", "run-time-only", "asked"),
        (damaged, false, "damaged", "damaged", "asked"),
        (&theirs, true, "foreign", "foreign", "asked"),
        (&theirs, false, "left theirs", "foreign", "asked"),
        (&token, false, "others", "others", "others"),
    ] {
        let warn = |change, leave| ask(value, change, leave, openable, Foreign::Warn);
        for change in [Created, Changed] {
            assert_eq!(warn(change, false), introduced, "{change:?} {value}");
        }
        assert_eq!(warn(Replaced, false), replacing, "{value}");
        if left == "asked" && introduced.starts_with("left") {
            // It is left with a warning, or without one.
            assert!(warn(Created, true).starts_with("left"), "{value}");
        } else {
            assert_eq!(warn(Created, true), left, "{value}");
        }
        assert_eq!(warn(Replaced, true), left, "{value}");
        // What is stored is neither opened nor refused, under any policy.
        for foreign in [Foreign::Warn, Foreign::Deny] {
            let unchanged = |leave| ask(value, Unchanged, leave, openable, foreign);
            if value == "x" {
                assert_eq!(unchanged(false), "plain");
            } else {
                assert_eq!(unchanged(false), "stored", "{value}");
                assert_eq!(unchanged(true), "asked", "{value}");
            }
        }
        // The policy is about foreign envelopes only, and not about tokens under symmetric keys.
        let deny = ask(value, Created, false, openable, Foreign::Deny);
        if introduced == "left theirs" {
            assert_eq!(deny, "foreign");
        } else {
            assert_eq!(deny, introduced, "{value}");
        }
    }
    assert_eq!(bench.calls(), 0, "deciding asks no key service");
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
    let registry = reviewer.registry.current();
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
    assert_eq!(opening.first.kid(), Some(ours.as_str()));
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
            "not-openable-form",
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
