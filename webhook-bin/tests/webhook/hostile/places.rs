//! `bind` against its grammar, and right envelopes in wrong places.

use super::*;
use test_support::reviews::*;

pub(super) fn bindings() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, bind) in [
        ("an array", json!([])),
        ("a string", json!("payments/db/password")),
        ("null", Value::Null),
        ("true", json!(true)),
        ("empty", json!({})),
        ("without v", json!({"ns": "payments"})),
        ("v 2", json!({"v": 2, "ns": "payments"})),
        ("v 0", json!({"v": 0, "ns": "payments"})),
        ("v a string", json!({"v": "1", "ns": "payments"})),
        ("v true", json!({"v": true, "ns": "payments"})),
        ("without ns and any", json!({"v": 1, "name": "db"})),
        ("ns and any", json!({"v": 1, "ns": "payments", "any": true})),
        ("any false", json!({"v": 1, "any": false})),
        (
            "any false beside ns",
            json!({"v": 1, "any": false, "ns": "payments"}),
        ),
        ("any a string", json!({"v": 1, "any": "true"})),
        ("any 1", json!({"v": 1, "any": 1})),
        ("ns empty", json!({"v": 1, "ns": ""})),
        ("ns a star", json!({"v": 1, "ns": "*"})),
        ("ns star after a letter", json!({"v": 1, "ns": "pay*"})),
        ("ns star in front", json!({"v": 1, "ns": "*-payments"})),
        ("ns star in the middle", json!({"v": 1, "ns": "pay-*-x"})),
        ("ns two stars", json!({"v": 1, "ns": "pay-**"})),
        ("ns only a dash and a star", json!({"v": 1, "ns": "-*"})),
        ("ns upper case", json!({"v": 1, "ns": "Payments"})),
        ("ns with a blank", json!({"v": 1, "ns": "payments "})),
        ("ns with a NUL", json!({"v": 1, "ns": "payments\0"})),
        (
            "ns with a Cyrillic letter",
            json!({"v": 1, "ns": "p\u{430}yments"}),
        ),
        ("ns a number", json!({"v": 1, "ns": 1})),
        ("ns a list", json!({"v": 1, "ns": ["payments"]})),
        ("ns too long", json!({"v": 1, "ns": "a".repeat(64)})),
        ("name empty", json!({"v": 1, "ns": "payments", "name": ""})),
        (
            "name a star",
            json!({"v": 1, "ns": "payments", "name": "*"}),
        ),
        (
            "name star after a letter",
            json!({"v": 1, "ns": "payments", "name": "db*"}),
        ),
        (
            "name with a slash",
            json!({"v": 1, "ns": "payments", "name": "a/b"}),
        ),
        ("name null", json!({"v": 1, "ns": "payments", "name": null})),
        (
            "name too long",
            json!({"v": 1, "ns": "payments", "name": "a".repeat(254)}),
        ),
        ("key empty", json!({"v": 1, "ns": "payments", "key": ""})),
        ("key a star", json!({"v": 1, "ns": "payments", "key": "*"})),
        (
            "key with a slash",
            json!({"v": 1, "ns": "payments", "key": "a/b"}),
        ),
        (
            "key star after a letter",
            json!({"v": 1, "ns": "payments", "key": "pass*"}),
        ),
        (
            "an unknown member",
            json!({"v": 1, "ns": "payments", "kind": "ConfigMap"}),
        ),
        (
            "a member in capitals",
            json!({"v": 1, "ns": "payments", "NS": "payments"}),
        ),
    ] {
        cases.push(early("damaged", format!("bind {name}"), with_bind(bind)));
    }
    for (name, member, value) in [
        ("sa empty", "sa", json!("")),
        ("sa default", "sa", json!("default")),
        ("sa a star", "sa", json!("*")),
        ("sa a list", "sa", json!(["app"])),
        ("aud a string", "aud", json!("prod-eu")),
        ("aud empty", "aud", json!([])),
        ("aud of numbers", "aud", json!([1])),
        ("aud with an empty name", "aud", json!([""])),
        (
            "aud with a name twice",
            "aud",
            json!(["prod-eu", "prod-eu"]),
        ),
        (
            "aud of seventeen",
            "aud",
            json!((0..17).map(|n| format!("c{n}")).collect::<Vec<_>>()),
        ),
        ("nbf negative", "nbf", json!(-1)),
        ("nbf a fraction", "nbf", json!(1.5)),
        ("nbf a string", "nbf", json!("1800000000")),
        ("nbf 2^53", "nbf", json!(9_007_199_254_740_992_u64)),
        ("exp null", "exp", Value::Null),
        ("exp 2^64", "exp", json!(1.8e19)),
    ] {
        cases.push(early(
            "damaged",
            format!("bind {name}"),
            bind_with(member, value),
        ));
    }
    for (name, raw) in [
        ("v 1.0", r#"{"v":1.0,"ns":"payments"}"#),
        ("v 1e0", r#"{"v":1e0,"ns":"payments"}"#),
        ("exp 18e8", r#"{"v":1,"ns":"payments","exp":18e8}"#),
        ("exp -0", r#"{"v":1,"ns":"payments","exp":-0}"#),
    ] {
        let header = format!(
            r#"{{"alg":"RSA-OAEP-256","enc":"A256GCM","kid":"{}","bind":{raw}}}"#,
            rsa_kid()
        );
        cases.push(early(
            "damaged",
            format!("bind {name}"),
            with_raw_header(&header),
        ));
    }
    let reversed = json!({"v": 1, "ns": "payments", "nbf": NOW, "exp": NOW - 1});
    cases.push(early("damaged", "bind nbf after exp", with_bind(reversed)));
    cases.push(early(
        "damaged",
        "bind in the unprotected header",
        flattened(|value| {
            value["protected"] = b64url(json!({"enc": "A256GCM"}).to_string()).into();
            value["header"]["bind"] = here();
        }),
    ));
    cases.push(early(
        "damaged",
        "bind in the shared unprotected header",
        flattened(|value| {
            value["protected"] = b64url(json!({"enc": "A256GCM"}).to_string()).into();
            value["unprotected"] = json!({"bind": here()});
        }),
    ));
    cases.push(early(
        "damaged",
        "a second bind in the unprotected header",
        flattened(|value| {
            value["header"]["bind"] = json!({"v": 1, "any": true});
        }),
    ));
    cases
}

/// Complete, rightly sealed envelopes, brought to a place that they are not for.
pub(super) fn replays() -> Vec<Case> {
    let sealed_for = |bind: Value| seal("hunter2", &json!({"bind": bind}));
    vec![
        early(
            "wrong-place",
            "of another namespace",
            sealed_for(json!({"v": 1, "ns": "other", "name": "db", "key": "password"})),
        ),
        early(
            "wrong-place",
            "of another Secret",
            sealed_for(json!({"v": 1, "ns": "payments", "name": "db2", "key": "password"})),
        ),
        early(
            "wrong-place",
            "of another key",
            sealed_for(json!({"v": 1, "ns": "payments", "name": "db", "key": "token"})),
        ),
        early(
            "wrong-place",
            "of a longer namespace",
            sealed_for(json!({"v": 1, "ns": "payments-x"})),
        ),
        early(
            "wrong-place",
            "of a shorter namespace",
            sealed_for(json!({"v": 1, "ns": "payment"})),
        ),
        early(
            "wrong-place",
            "of namespaces by a pattern",
            sealed_for(json!({"v": 1, "ns": "payments-*"})),
        ),
        early(
            "wrong-place",
            "of names by a pattern",
            sealed_for(json!({"v": 1, "any": true, "name": "db-*"})),
        ),
        early(
            "wrong-place",
            "of keys by a pattern",
            sealed_for(json!({"v": 1, "any": true, "key": "password.*"})),
        ),
        early(
            "wrong-cluster",
            "of another cluster",
            sealed_for(json!({"v": 1, "ns": "payments", "aud": ["prod-us"]})),
        ),
        early(
            "wrong-cluster",
            "of a cluster in capitals",
            sealed_for(json!({"v": 1, "ns": "payments", "aud": ["PROD-EU"]})),
        ),
        early(
            "run-time-only",
            "of a service account",
            sealed_for(json!({"v": 1, "ns": "payments", "sa": "app"})),
        ),
        early(
            "expired",
            "of the past",
            sealed_for(json!({"v": 1, "ns": "payments", "exp": 1})),
        ),
        early(
            "not-yet-valid",
            "of the future",
            sealed_for(json!({"v": 1, "ns": "payments", "nbf": NOW + 3600})),
        ),
        early("unbound", "of nowhere", seal("hunter2", &json!({}))),
        late(
            "nested",
            "an envelope within",
            sealed(sealed("hunter2", "password"), "password"),
        ),
        late(
            "nested",
            "a damaged envelope within",
            sealed("eyJlbmMiOiJBMjU2R0NNIn0....", "password"),
        ),
        late(
            "nested",
            "somebody else's envelope within",
            sealed(seal("x", &json!({"kid": "theirs"})), "password"),
        ),
    ]
}
