//! Values that are opened only if a custodian signed their envelopes: the attack that this stops, what it leaves alone,
//! and the words of each refusal.
#![allow(
    clippy::similar_names,
    reason = "signer and signed are what it is about"
)]

use std::fmt::Write as _;
use std::sync::Arc;

use jwe_envelope::LocalSigner;
use kms_backends::NamespaceSet;
use serde_json::json;
use test_support::reviews::*;
use unseal_policy::rulebook::{NamespaceRule, Rulebook};
use unseal_policy::signatures::{OnlyFrom, Signatures, Signer};
use webhook_bin::audit::ReviewOutcome;

fn only(names: &[&str]) -> OnlyFrom {
    OnlyFrom::Signers(names.iter().map(|name| (*name).to_owned()).collect())
}

/// Signers `dba` and `ops`.
struct People {
    dba: LocalSigner,
    ops: LocalSigner,
}

impl People {
    fn new() -> Self {
        Self {
            dba: LocalSigner::generate().unwrap(),
            ops: LocalSigner::generate().unwrap(),
        }
    }

    fn signatures(&self, only_from: impl Into<Option<OnlyFrom>>) -> Signatures {
        Signatures {
            signers: Arc::new(vec![
                Signer::new("dba", self.dba.public().clone()),
                Signer::new("ops", self.ops.public().clone()),
            ]),
            only_from: only_from.into().into_iter().collect(),
            ..Signatures::default()
        }
    }
}

fn bench(signatures: Signatures) -> Bench {
    let mut setup = Setup::default();
    setup.policy.signatures = signatures;
    setup.build()
}

/// CREATE of `payments/db` with the value under `password`.
fn proposed(envelope: &str) -> Review {
    Review::create(&[("password", envelope)])
}

async fn refused(bench: &Bench, review: &Review, code: &str) -> String {
    let before = bench.calls();
    let reply = bench.review(review).await;
    assert_eq!((reply.refusal(), reply.code()), (Some(code), 403));
    assert_eq!(bench.calls(), before, "nothing is unwrapped");
    reply.message().to_owned()
}

#[tokio::test]
async fn an_attackers_own_value_in_the_right_place_is_refused() {
    let people = People::new();
    let bench = bench(people.signatures(only(&["dba"])));
    // All that it takes to seal is the public key, and the place is right.
    let theirs = sealed("attacker", "password");
    let message = refused(&bench, &proposed(&theirs), "unsigned").await;
    for part in [
        "data/password",
        &rsa_kid(),
        "not signed",
        "in namespace \"payments\"",
        "signed by dba",
        "privy sign",
        "privyseal.dev/sig.password",
    ] {
        assert!(message.contains(part), "{part}: {message}");
    }
    // With a key of their own, under their own name or the custodian's.
    let attacker = LocalSigner::generate().unwrap();
    let signed = signature(&attacker, &theirs);
    let message = refused(
        &bench,
        &proposed(&theirs).signed("password", &signed),
        "signer-not-allowed",
    )
    .await;
    assert!(message.contains("no signer's here"), "{message}");
    let (header, tail) = signed.split_once("..").unwrap();
    let header = String::from_utf8(unb64url(header)).unwrap();
    let header = header.replace(&attacker.public().kid(), &people.dba.public().kid());
    let forged = format!("{}..{tail}", b64url(header));
    refused(
        &bench,
        &proposed(&theirs).signed("password", &forged),
        "wrong-signature",
    )
    .await;
    // The custodian's word for another value.
    let good = sealed("hunter2", "password");
    let borrowed = signature(&people.dba, &good);
    let message = refused(
        &bench,
        &proposed(&theirs).signed("password", &borrowed),
        "wrong-signature",
    )
    .await;
    assert!(message.contains("signer `dba`"), "{message}");
}

#[tokio::test]
async fn the_value_that_the_custodian_signed_opens_in_both_layouts() {
    let people = People::new();
    let bench = bench(people.signatures(only(&["ops", "dba"])));
    let envelope = sealed("hunter2", "password");
    let signed = signature(&people.dba, &envelope);
    let field = proposed(&envelope).signed("password", &signed);
    let annotation = Review::create(&[])
        .annotated("password", &envelope)
        .signed("password", &format!("{signed}\n"));
    for review in [field, annotation] {
        let reply = bench.review(&review).await;
        assert!(reply.allowed(), "{}", reply.message());
        assert_eq!(reply.record.outcome, ReviewOutcome::Opened);
        assert_eq!(reply.warnings(), Vec::<String>::new());
        // Whose word it was: in the audit line and in the API server's own audit.
        let kid = people.dba.public().kid();
        let signer = reply.record.fields[0].signer.as_ref().unwrap();
        assert_eq!((signer.name.as_str(), &signer.key_id), ("dba", &kid));
        let mut line = Vec::new();
        reply.record.write_json(&mut line);
        let line: serde_json::Value = serde_json::from_slice(&line).unwrap();
        assert_eq!(line["fields"][0]["signer"], "dba");
        assert_eq!(line["fields"][0]["signerKid"], kid);
        assert_eq!(line["fields"][0]["signedAt"], NOW);
        assert_eq!(
            reply.response["auditAnnotations"]["signer"],
            format!("dba={kid}")
        );
    }
    // The second review says no less than the first, and asks no one.
    assert_eq!(bench.calls(), 1);
}

#[tokio::test]
async fn a_signature_opens_nothing_elsewhere() {
    let people = People::new();
    let bench = bench(people.signatures(only(&["dba"])));
    let envelope = sealed("hunter2", "password");
    let signed = signature(&people.dba, &envelope);
    let here = proposed(&envelope).signed("password", &signed);
    for elsewhere in [
        here.clone().at("team-a", "db"),
        here.clone().at("payments", "other"),
        Review::create(&[("token", &envelope)]).signed("token", &signed),
    ] {
        refused(&bench, &elsewhere, "wrong-place").await;
    }
    // Beside another field's own envelope it is simply wrong.
    let moved = Review::create(&[("token", &sealed("x", "token"))]).signed("token", &signed);
    refused(&bench, &moved, "wrong-signature").await;
    // And a signature beside another key does not mention this one.
    let beside = proposed(&envelope).signed("token", &signed);
    refused(&bench, &beside, "unsigned").await;
}

#[tokio::test]
async fn a_signer_who_was_removed_opens_nothing_any_more() {
    let people = People::new();
    let envelope = sealed("hunter2", "password");
    let review = proposed(&envelope).signed("password", &signature(&people.ops, &envelope));
    let with = bench(people.signatures(only(&["dba", "ops"])));
    assert!(with.review(&review).await.allowed());
    let mut signatures = people.signatures(only(&["dba"]));
    signatures.signers = Arc::new(vec![Signer::new("dba", people.dba.public().clone())]);
    let without = bench(signatures);
    let message = refused(&without, &review, "signer-not-allowed").await;
    assert!(message.contains(&people.ops.public().kid()), "{message}");
    // Still configured, and not on the list of this namespace.
    let other = bench(people.signatures(only(&["dba"])));
    let message = refused(&other, &review, "signer-not-allowed").await;
    assert!(message.contains("signed by ops"), "{message}");
}

#[tokio::test]
async fn one_unsigned_field_refuses_the_secret_with_nothing_unwrapped() {
    let people = People::new();
    let bench = bench(people.signatures(only(&["dba"])));
    let (password, token) = (sealed("hunter2", "password"), sealed("t", "token"));
    let review = Review::create(&[("password", &password), ("token", &token)])
        .signed("password", &signature(&people.dba, &password));
    let message = refused(&bench, &review, "unsigned").await;
    assert!(
        message.contains("data/token") && !message.contains("data/password"),
        "{message}"
    );
    let review = review.signed("token", &signature(&people.dba, &token));
    assert!(bench.review(&review).await.allowed());
}

#[tokio::test]
async fn damaged_signatures_are_refused_and_named() {
    let people = People::new();
    let bench = bench(people.signatures(only(&["dba"])));
    let envelope = sealed("hunter2", "password");
    let card = people.dba.sign_card(b"{}", NOW).unwrap();
    for text in ["", "x", "a..b", "e30..", &card, &"A".repeat(100_000)] {
        let review = proposed(&envelope).signed("password", text);
        let message = refused(&bench, &review, "wrong-signature").await;
        assert!(message.len() < 2_000, "{} bytes", message.len());
    }
}

fn rule(namespaces: &[&str], only_from: impl Into<Option<OnlyFrom>>) -> NamespaceRule {
    NamespaceRule {
        only_from: only_from.into(),
        ..NamespaceRule::new(NamespaceSet::parse(namespaces).unwrap())
    }
}

#[tokio::test]
async fn namespaces_come_first_and_keys_besides() {
    let people = People::new();
    let mut signatures = people.signatures(only(&["dba"]));
    signatures.keys = Arc::new(vec![("ledger".into(), only(&["ops"]))]);
    let mut bench = bench(signatures);
    bench.reviewer = bench.reviewer.with_rulebook(Rulebook {
        namespaces: vec![
            rule(&["team-a"], OnlyFrom::Anybody),
            rule(&["team-b"], only(&["ops"])),
            // Does not mention signatures: what holds everywhere holds.
            rule(&["team-*"], None::<OnlyFrom>),
        ],
        // What owners ask comes on top.
        owners: vec![rule(&["team-d"], only(&["ops"]))],
        ..Rulebook::default()
    });
    for (namespace, signer, expected) in [
        ("team-d", Some(&people.ops), Some("signer-not-allowed")),
        ("team-d", Some(&people.dba), Some("signer-not-allowed")),
        ("payments", None, Some("unsigned")),
        ("payments", Some(&people.dba), None),
        ("payments", Some(&people.ops), Some("signer-not-allowed")),
        ("team-a", None, None),
        ("team-a", Some(&people.ops), None),
        ("team-b", Some(&people.dba), Some("signer-not-allowed")),
        ("team-b", Some(&people.ops), None),
        ("team-c", Some(&people.ops), Some("signer-not-allowed")),
        ("team-c", Some(&people.dba), None),
    ] {
        let envelope = bound("hunter2", namespace, "db", "password");
        let mut review = proposed(&envelope).at(namespace, "db");
        if let Some(signer) = signer {
            review = review.signed("password", &signature(signer, &envelope));
        }
        let reply = bench.review(&review).await;
        assert_eq!(reply.refusal(), expected, "{namespace}");
    }
    // A key's own rule: both have to hold, so in `payments` no one can open a value of this key.
    let of_ledger = |namespace: &str, signer: Option<&LocalSigner>| {
        let bind = json!({"v": 1, "ns": namespace, "name": "db", "key": "password"});
        let envelope = seal_p256("hunter2", &json!({"bind": bind}));
        let review = proposed(&envelope).at(namespace, "db");
        match signer {
            Some(signer) => review.signed("password", &signature(signer, &envelope)),
            None => review,
        }
    };
    for (namespace, signer, refused) in [
        ("payments", Some(&people.dba), Some("of key `ledger`")),
        (
            "payments",
            Some(&people.ops),
            Some("in namespace \"payments\""),
        ),
        ("team-b", Some(&people.ops), None),
        ("team-a", None, Some("of key `ledger`")),
        ("team-a", Some(&people.ops), None),
    ] {
        let reply = bench.review(&of_ledger(namespace, signer)).await;
        assert_eq!(reply.allowed(), refused.is_none(), "{namespace}");
        assert!(
            reply.message().contains(refused.unwrap_or_default()),
            "{}",
            reply.message()
        );
    }
}

#[tokio::test]
async fn where_nobody_asks_a_bad_signature_is_a_warning_and_a_good_one_is_in_the_audit() {
    let people = People::new();
    let bench = bench(people.signatures(None::<OnlyFrom>));
    let envelope = sealed("hunter2", "password");
    let other = signature(&people.dba, &sealed("x", "password"));
    let stranger = signature(&LocalSigner::generate().unwrap(), &envelope);
    for (text, warned, signer) in [
        (None, false, None),
        (Some(signature(&people.dba, &envelope)), false, Some("dba")),
        // A key that no one knows here is no one's fault.
        (Some(stranger), false, None),
        (Some(other), true, None),
        (Some("rubbish".to_owned()), true, None),
    ] {
        let mut review = proposed(&envelope);
        if let Some(text) = &text {
            review = review.signed("password", text);
        }
        let reply = bench.review(&review).await;
        assert!(reply.allowed() && reply.opened().len() == 1);
        let warnings = reply.warnings();
        assert_eq!(warnings.len(), usize::from(warned), "{warnings:?}");
        assert!(
            warnings
                .iter()
                .all(|text| text.contains("field `password`"))
        );
        let record = &reply.record.fields[0];
        assert_eq!(record.signer.as_ref().map(|one| one.name.as_str()), signer);
        let annotations = &reply.response["auditAnnotations"];
        assert_eq!(annotations.get("signer").is_some(), signer.is_some());
    }
    // Without any signer configured the annotation is not looked at.
    let bench = Bench::new();
    let reply = bench
        .review(&proposed(&envelope).signed("password", "rubbish"))
        .await;
    assert!(reply.allowed() && reply.warnings().is_empty());
}

#[tokio::test]
async fn a_missing_signature_never_wedges_what_is_stored() {
    let people = People::new();
    let bench = bench(people.signatures(only(&["dba"])));
    let envelope = sealed("hunter2", "password");
    // Labels of a Secret whose envelope is stored unopened.
    let labels = Review::update(&[("password", &envelope)], &[("password", &envelope)])
        .with("/metadata/labels", json!({"a": "b"}));
    let reply = bench.review(&labels).await;
    assert!(reply.allowed() && reply.patch().is_empty());
    assert!(
        reply.warnings()[0].contains("never opened"),
        "{:?}",
        reply.warnings()
    );
    // The same in the annotation layout, where value and annotation are as they were: nothing is even looked at.
    let kept = Review::update(&[("password", "hunter2")], &[("password", "hunter2")])
        .annotated("password", &envelope)
        .stored_annotated("password", &envelope);
    let reply = bench.review(&kept).await;
    assert!(reply.allowed() && reply.warnings().is_empty());
    // A signature that comes or goes by itself changes nothing, whatever it says.
    for text in [signature(&people.dba, &envelope), "rubbish".to_owned()] {
        let reply = bench.review(&kept.clone().signed("password", &text)).await;
        assert!(reply.allowed() && reply.patch().is_empty() && reply.warnings().is_empty());
    }
    // What goes away goes.
    let delete = Review::of("DELETE", &json!(null), None);
    assert!(bench.review(&delete).await.allowed());
    assert_eq!(bench.calls(), 0);
}

/// Anyone who creates a Secret with annotation and value could write the value anyway.
#[tokio::test]
async fn a_restored_backup_keeps_passing() {
    let people = People::new();
    let bench = bench(people.signatures(only(&["dba"])));
    let backup = Review::create(&[("password", "hunter2")])
        .annotated("password", &sealed("hunter2", "password"));
    let reply = bench.review(&backup).await;
    assert!(reply.allowed() && reply.patch().is_empty());
    let record = &reply.record.fields[0];
    assert_eq!(record.outcome.as_str(), "restored");
    // That is no way round the signature: the envelope is not opened later either, no matter who changes what.
    let object = backup.object();
    for change in [
        Review::of("UPDATE", object, Some(object)).with("/metadata/labels", json!({"a": "b"})),
        Review::of("UPDATE", object, Some(object)).with("/data", json!({})),
        Review::of("UPDATE", object, Some(object)).with("/data", json!({"password": b64("x")})),
    ] {
        let reply = bench.review(&change).await;
        assert!(reply.allowed(), "{}", reply.text);
        let data = &reply.apply_to(change.object())["data"];
        assert_eq!(data["password"], b64("hunter2"));
    }
    assert_eq!(bench.calls(), 0);
}

/// A manifest that is applied again brings its envelope again, so it needs its signature each time.
#[tokio::test]
async fn a_manifest_that_lost_its_signature_is_refused_when_it_is_applied_again() {
    let people = People::new();
    let bench = bench(people.signatures(only(&["dba"])));
    let envelope = sealed("hunter2", "password");
    let again = Review::update(&[("password", "hunter2")], &[("password", &envelope)]);
    refused(&bench, &again, "unsigned").await;
    let signed = again.signed("password", &signature(&people.dba, &envelope));
    assert!(bench.review(&signed).await.allowed());
}

/// What a signature does not stop, said so that no one believes it does.
#[tokio::test]
async fn an_older_signed_value_of_the_same_place_passes_until_it_expires() {
    let people = People::new();
    let bench = bench(people.signatures(only(&["dba"])));
    let old = seal(
        "old",
        &json!({"bind": {"v": 1, "ns": "payments", "name": "db", "key": "password"}}),
    );
    let replayed = proposed(&old).signed("password", &signature(&people.dba, &old));
    assert!(bench.review(&replayed).await.allowed());
    let ended = seal(
        "old",
        &json!({"bind": {"v": 1, "ns": "payments", "name": "db", "key": "password", "exp": NOW - 100}}),
    );
    let replayed = proposed(&ended).signed("password", &signature(&people.dba, &ended));
    refused(&bench, &replayed, "expired").await;
    // A plain neighbour is no one's to sign.
    let beside = Review::create(&[("password", &old), ("url", "http://evil.example")])
        .signed("password", &signature(&people.dba, &old));
    assert!(bench.review(&beside).await.allowed());
}

/// A plain value needs no signature: where everything must be signed, everything must be sealed, too.
#[tokio::test]
async fn plain_values_are_for_the_second_webhook_to_refuse() {
    let people = People::new();
    let bench = bench(people.signatures(only(&["dba"])));
    let plain = Review::create(&[("password", "attacker")]);
    let backup = plain
        .clone()
        .annotated("password", &sealed("attacker", "password"));
    for review in [plain, backup] {
        assert!(bench.review(&review).await.allowed());
        let reply = Reply::new(bench.reviewer.must_be_sealed(review.body().as_bytes()));
        assert_eq!(reply.refusal(), Some("not-sealed"));
    }
}

#[test]
fn words_of_each_refusal() {
    let people = People::new();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let envelope = sealed("hunter2", "password");
    let stranger = LocalSigner::generate().unwrap();
    let mut text = String::new();
    for (name, signature) in [
        ("none", None),
        ("ops", Some(signature(&people.ops, &envelope))),
        ("stranger", Some(signature(&stranger, &envelope))),
        (
            "moved",
            Some(signature(&people.dba, &sealed("x", "password"))),
        ),
        ("rubbish", Some("rubbish".to_owned())),
    ] {
        let bench = bench(people.signatures(only(&["dba"])));
        let mut review = proposed(&envelope);
        if let Some(signature) = &signature {
            review = review.signed("password", signature);
        }
        let reply = runtime.block_on(bench.review(&review));
        writeln!(text, "{name}: {}", reply.message()).unwrap();
    }
    insta::assert_snapshot!(text.replace(&stranger.public().kid(), "KID-OF-STRANGER"));
}
