//! What a namespace takes: keys and widths by the administrator's rules, and what its owners ask besides.

use std::path::Path;

use kms_backends::NamespaceSet;
use serde_json::{Value, json};
use test_support::reviews::*;
use test_support::site::{BASE, SIGNERS, Site};
use unseal_policy::config::Rules;
use unseal_policy::decide::{Expired, Foreign, KeyNames};
use unseal_policy::rulebook::{NamespaceRule, Rulebook};
use unseal_policy::signatures::OnlyFrom;
use unseal_policy::submitters::Submitters;
use unseal_policy::width::Width;

fn rule(namespaces: &[&str]) -> NamespaceRule {
    NamespaceRule::new(NamespaceSet::parse(namespaces).unwrap())
}

fn widest(width: Width) -> NamespaceRule {
    NamespaceRule {
        widest: Some(width),
        ..rule(&["payments"])
    }
}

fn keys(names: &[&str]) -> NamespaceRule {
    NamespaceRule {
        keys: Some(KeyNames(
            names.iter().map(|name| (*name).to_owned()).collect(),
        )),
        ..rule(&["payments"])
    }
}

fn bench(rulebook: Rulebook) -> Bench {
    let mut bench = Bench::new();
    bench.reviewer = bench.reviewer.with_rulebook(rulebook);
    bench
}

fn bound(bind: &Value) -> Review {
    Review::create(&[("password", &seal("hunter2", &json!({"bind": bind})))])
}

#[tokio::test]
async fn no_envelope_is_taken_that_may_be_opened_wider_than_the_namespace_says() {
    let field = json!({"v": 1, "ns": "payments", "name": "db", "key": "password"});
    let secret = json!({"v": 1, "ns": "payments", "name": "db"});
    let namespace = json!({"v": 1, "ns": "payments"});
    let anywhere = json!({"v": 1, "any": true, "name": "db", "key": "password"});
    for (width, passing) in [
        (Width::Field, 1),
        (Width::Pattern, 1),
        (Width::Secret, 2),
        (Width::Namespace, 3),
        (Width::Namespaces, 3),
        (Width::Anywhere, 4),
    ] {
        for rulebook in [
            Rulebook {
                namespaces: vec![widest(width)],
                ..Rulebook::default()
            },
            Rulebook {
                owners: vec![widest(Width::Anywhere), widest(width)],
                ..Rulebook::default()
            },
        ] {
            let bench = bench(rulebook);
            for (index, bind) in [&field, &secret, &namespace, &anywhere].iter().enumerate() {
                let before = bench.calls();
                let reply = bench.review(&bound(bind)).await;
                assert_eq!(reply.allowed(), index < passing, "{width} {bind}");
                if !reply.allowed() {
                    assert_eq!(reply.refusal(), Some("too-wide"));
                    assert!(reply.message().contains(&format!("`{width}`")));
                    assert!(reply.message().contains("password"));
                    assert_eq!(bench.calls(), before, "no key is touched");
                }
            }
        }
    }
    // Elsewhere nothing changes.
    let bench = bench(Rulebook {
        namespaces: vec![widest(Width::Field)],
        ..Rulebook::default()
    });
    let elsewhere = bound(&anywhere).at("team-a", "db");
    assert!(bench.review(&elsewhere).await.allowed());
}

#[tokio::test]
async fn a_wide_envelope_that_is_stored_wedges_nothing() {
    let bench = bench(Rulebook {
        namespaces: vec![widest(Width::Field)],
        ..Rulebook::default()
    });
    let envelope = seal("hunter2", &json!({"bind": {"v": 1, "any": true}}));
    let labels = Review::update(&[("password", &envelope)], &[("password", &envelope)]);
    let reply = bench.review(&labels).await;
    assert!(reply.allowed() && reply.patch().is_empty());
}

#[tokio::test]
async fn no_key_is_used_that_the_namespace_does_not_take() {
    let own = json!({"v": 1, "ns": "payments", "name": "db", "key": "password"});
    let list = |namespaces: Vec<NamespaceRule>, owners: Vec<NamespaceRule>| Rulebook {
        namespaces,
        owners,
        ..Rulebook::default()
    };
    for (rulebook, allowed) in [
        (list(vec![keys(&["payments"])], vec![]), true),
        (list(vec![keys(&["other", "payments"])], vec![]), true),
        (list(vec![keys(&["other"])], vec![]), false),
        (list(vec![], vec![keys(&["other"])]), false),
        // Owners take away and add nothing.
        (
            list(vec![keys(&["other"])], vec![keys(&["payments"])]),
            false,
        ),
        (
            list(vec![keys(&["payments"])], vec![keys(&["payments"])]),
            true,
        ),
        (
            list(
                vec![keys(&["payments", "other"])],
                vec![keys(&["payments"]), keys(&["other"])],
            ),
            false,
        ),
    ] {
        let bench = bench(rulebook);
        let reply = bench.review(&bound(&own)).await;
        assert_eq!(reply.allowed(), allowed, "{}", reply.message());
        if !allowed {
            assert_eq!(reply.refusal(), Some("namespace-not-allowed"));
            assert!(
                reply
                    .message()
                    .contains("does not take values sealed for key `payments`")
            );
            assert_eq!(bench.calls(), 0);
        }
    }
}

#[tokio::test]
async fn owners_narrow_who_submits_and_what_may_be_plain_and_widen_neither() {
    let user = |words: &str| Some(Submitters::parse([words]).unwrap());
    let bench = bench(Rulebook {
        namespaces: vec![NamespaceRule {
            submitters: Some(Submitters::parse(["user:flux", "user:alice"]).unwrap()),
            must_be_sealed: Some(false),
            expired: Some(Expired::Warn),
            ..rule(&["*"])
        }],
        owners: vec![NamespaceRule {
            submitters: user("user:flux"),
            must_be_sealed: Some(true),
            expired: Some(Expired::Deny),
            foreign: Some(Foreign::Deny),
            ..rule(&["payments"])
        }],
        ..Rulebook::default()
    });
    let own = bound(&json!({"v": 1, "ns": "payments", "name": "db", "key": "password"}));
    for (name, allowed) in [("flux", true), ("alice", false), ("bob", false)] {
        let review = own
            .clone()
            .request_with("userInfo", json!({"username": name}));
        assert_eq!(bench.review(&review).await.allowed(), allowed, "{name}");
    }
    let plain = Review::create(&[("user", "sa")]);
    for (namespace, allowed) in [("payments", false), ("team-a", true)] {
        let review = plain.clone().at(namespace, "db");
        let reply = Reply::new(bench.reviewer.must_be_sealed(review.body().as_bytes()));
        assert_eq!(reply.allowed(), allowed, "{namespace}");
    }
    let late = json!({"v": 1, "any": true, "exp": NOW - 100});
    let header = r#"{"kid":"theirs","alg":"RSA-OAEP-256","enc":"A256GCM"}"#;
    let theirs = compact_raw(header, &[7; 256], &[1; 12], &[2; 20], &[3; 16]);
    let foreign = Review::create(&[("token", &theirs)]);
    for (namespace, allowed) in [("payments", false), ("team-a", true)] {
        for review in [bound(&late), foreign.clone()] {
            let review = review
                .at(namespace, "db")
                .request_with("userInfo", json!({"username": "flux"}));
            assert_eq!(
                bench.review(&review).await.allowed(),
                allowed,
                "{namespace}"
            );
        }
    }
}

/// The rules of a configuration whose owners' file says this.
fn load(owners: &str) -> Result<Rules, String> {
    load_with(BASE, owners)
}

fn load_with(base: &str, owners: &str) -> Result<Rules, String> {
    let site = Site::new();
    site.write("owners.yaml", owners);
    let text = base.replace(
        "cluster: prod-eu",
        "cluster: prod-eu\npolicy:\n  widest: namespace\n  owners:\n    - match: [payments]\n      file: owners.yaml",
    );
    site.write("webhook.yaml", &text);
    let folder = format!("{}/", site.pki.folder().display());
    Rules::load(&site.config(), &kms_backends::read_file_bounded)
        .map_err(|problems| problems.to_string().replace(&folder, ""))
}

/// Whether `schemas/namespace-owners.schema.json` takes it.
fn schema_accepts(text: &str) -> bool {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../schemas/namespace-owners.schema.json");
    let schema: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    jsonschema::draft202012::meta::validate(&schema).unwrap();
    let schema = jsonschema::draft202012::new(&schema).unwrap();
    serde_saphyr::from_str::<Value>(text).is_ok_and(|value| schema.is_valid(&value))
}

#[test]
fn an_owners_file_is_read_with_the_configuration() {
    let text = "version: 1\nforeign: deny\nexpired: deny\nmustBeSealed: true\nkeys: [payments]\nwidest: secret\nsubmitters: [\"group:dba\"]\n";
    assert!(schema_accepts(text));
    let rules = load(text).unwrap();
    assert_eq!(rules.policy.widest, Some(Width::Namespace));
    let [owners] = &rules.rulebook.owners[..] else {
        panic!("{:?}", rules.rulebook);
    };
    assert_eq!(
        owners,
        &NamespaceRule {
            foreign: Some(Foreign::Deny),
            expired: Some(Expired::Deny),
            must_be_sealed: Some(true),
            submitters: Some(Submitters::parse(["group:dba"]).unwrap()),
            widest: Some(Width::Secret),
            ..keys(&["payments"])
        }
    );
    let policy = rules.rulebook.policy(&rules.policy, "payments");
    assert_eq!(policy.widest, Some(Width::Secret));
    let policy = rules.rulebook.policy(&rules.policy, "team-a");
    assert_eq!(policy.widest, Some(Width::Namespace));
}

#[test]
fn owners_ask_for_signatures_of_the_administrators_signers() {
    let text = "version: 1\nonlyFrom: [dba]\n";
    assert!(schema_accepts(text));
    let rules = load_with(&BASE.replace("keys:", SIGNERS), text).unwrap();
    let asked = |namespace| {
        let policy = rules.rulebook.policy(&rules.policy, namespace);
        policy.signatures.only_from.clone()
    };
    assert_eq!(
        asked("payments"),
        [OnlyFrom::Signers(vec!["dba".to_owned()])]
    );
    assert_eq!(asked("team-a"), []);
}

#[test]
fn an_owners_file_that_would_widen_or_cannot_be_read_is_refused_with_its_line() {
    for (text, words, known_to_the_schema) in [
        (
            "version: 1\nforeign: warn",
            "owners.yaml:2: foreign: only narrows; ask the administrator for what would widen it",
            true,
        ),
        (
            "version: 1\nexpired: warn",
            "owners.yaml:2: expired: only narrows",
            true,
        ),
        (
            "version: 1\nmustBeSealed: false",
            "owners.yaml:2: mustBeSealed: only narrows",
            true,
        ),
        (
            "version: 1\nwidest: wide",
            "owners.yaml:2: widest: must be `field` or `pattern`",
            true,
        ),
        (
            "version: 1\nkeys: [paymnets]",
            "owners.yaml:2: keys[0]: \"paymnets\" is the name of no key; there are payments",
            false,
        ),
        (
            "version: 1\nkeys: []",
            "owners.yaml:2: keys: must list at least one key",
            true,
        ),
        (
            "version: 1\nmatch: [\"*\"]",
            "owners.yaml:2: unknown member \"match\"",
            true,
        ),
        (
            "version: 1\nonlyFrom: [\"*\"]",
            "owners.yaml:2: onlyFrom: only narrows",
            true,
        ),
        (
            "version: 1\nonlyFrom: [dba]",
            "owners.yaml:2: onlyFrom[0]: \"dba\" is none of the `signers`",
            false,
        ),
        ("foreign: deny", "owners.yaml:1: `version` is missing", true),
        ("version: [", "owners.yaml", true),
    ] {
        let problems = load(text).expect_err(text);
        assert!(problems.contains("policy.owners[0].file: "), "{problems}");
        assert!(problems.contains(words), "{problems}");
        assert_eq!(!schema_accepts(text), known_to_the_schema, "{text}");
    }
}
