//! Where an envelope may be opened, and when.
use super::*;

#[tokio::test]
async fn the_place_is_checked_member_by_member() {
    let bench = Bench::new();
    let value = sealed("hunter2", "password");
    let mut texts = String::new();
    for (namespace, name, key) in [
        ("team-a", "db", "password"),
        ("payments", "other", "password"),
        ("payments", "db", "token"),
    ] {
        let reply = bench
            .review(&Review::create(&[(key, &value)]).at(namespace, name))
            .await;
        assert_eq!(
            reply.refusal(),
            Some("wrong-place"),
            "{namespace}/{name}/{key}"
        );
        texts.push_str(&reply.summary());
    }
    assert_snapshot!(texts);
    assert_eq!(bench.calls(), 0);
}

#[tokio::test]
async fn patterns_widen_a_place() {
    let bench = Bench::new();
    for (bind, namespace, name, key, opens) in [
        (json!({"v": 1, "ns": "team-*"}), "team-a", "x", "y", true),
        (json!({"v": 1, "ns": "team-*"}), "team", "x", "y", false),
        (json!({"v": 1, "ns": "team-*"}), "payments", "x", "y", false),
        (json!({"v": 1, "any": true}), "payments", "x", "y", true),
        (
            json!({"v": 1, "any": true, "name": "db-*"}),
            "payments",
            "db-1",
            "y",
            true,
        ),
        (
            json!({"v": 1, "any": true, "name": "db-*"}),
            "payments",
            "db-",
            "y",
            false,
        ),
        (
            json!({"v": 1, "any": true, "key": "db_*"}),
            "payments",
            "x",
            "db_1",
            true,
        ),
        (
            json!({"v": 1, "any": true, "key": "db_*"}),
            "payments",
            "x",
            "db1",
            false,
        ),
    ] {
        let value = seal("v", &json!({"bind": bind}));
        let reply = bench
            .review(&Review::create(&[(key, &value)]).at(namespace, name))
            .await;
        assert_eq!(
            reply.allowed(),
            opens,
            "{bind} {namespace}/{name}/{key}: {}",
            reply.text
        );
    }
}

#[tokio::test]
async fn a_generated_name_fits_a_pattern_alone() {
    let bench = Bench::new();
    for (name, prefix, opens) in [
        ("db-*", "db-", true),
        ("db-*", "db-x-", true),
        ("db-*", "d", false),
        ("db-1", "db-", false),
    ] {
        let bind = json!({"v": 1, "ns": "payments", "name": name});
        let value = seal("v", &json!({"bind": bind}));
        let mut review = Review::create(&[("k", &value)])
            .request_with("name", Value::Null)
            .with("/metadata/generateName", prefix.into());
        review.0["request"]["object"]["metadata"]
            .as_object_mut()
            .unwrap()
            .remove("name");
        let reply = bench.review(&review).await;
        assert_eq!(reply.allowed(), opens, "{name} {prefix}: {}", reply.text);
        assert_eq!(reply.record.name, format!("{prefix}*"));
    }
}

/// The API server cuts a long beginning before it adds its letters.
#[tokio::test]
async fn a_generated_name_is_compared_after_the_api_server_s_cut() {
    let bench = Bench::new();
    let prefix = format!("{}-team-b-", "a".repeat(51));
    assert!(prefix.len() > 58);
    let kept = &prefix[..58];
    for (pattern, opens) in [
        (format!("{}*", &prefix[..52]), true),
        (format!("{kept}*"), kept.ends_with('-')),
        (format!("{prefix}*"), false),
    ] {
        let bind = json!({"v": 1, "ns": "payments", "name": pattern});
        let value = seal("v", &json!({"bind": bind}));
        for layout in ["field", "annotation"] {
            let review = if layout == "field" {
                Review::create(&[("k", &value)])
            } else {
                Review::create(&[]).annotated("k", &value)
            };
            let review = review
                .request_with("name", Value::Null)
                .without("/metadata/name")
                .with("/metadata/generateName", prefix.as_str().into());
            let reply = bench.review(&review).await;
            assert_eq!(reply.allowed(), opens, "{pattern}: {}", reply.text);
            assert_eq!(reply.record.name, format!("{kept}*"));
        }
    }
}

#[tokio::test]
async fn times_bound_the_introduction_of_a_value() {
    let bench = Bench::new();
    for (value, create) in [
        (timed("exp", NOW - 59), true),
        (timed("exp", NOW - 60), false),
        (timed("nbf", NOW + 60), true),
        (timed("nbf", NOW + 61), false),
    ] {
        let data = [("password", value.as_str())];
        assert_eq!(bench.review(&Review::create(&data)).await.allowed(), create);
        assert_eq!(
            bench
                .review(&Review::update(&[("password", "old")], &data))
                .await
                .allowed(),
            create
        );
        let reply = bench.review(&Review::update(&data, &data)).await;
        assert!(reply.allowed() && reply.patch().is_empty());
    }
    let expired = bench
        .review(&Review::create(&[("password", &timed("exp", NOW - 61))]))
        .await;
    let early = bench
        .review(&Review::create(&[("password", &timed("nbf", NOW + 61))]))
        .await;
    assert_snapshot!(format!("{}{}", expired.summary(), early.summary()));
}

#[tokio::test]
async fn a_manifest_applied_again_after_its_time_introduces_nothing() {
    let bench = Bench::new();
    for (member, at, code) in [
        ("exp", NOW - 61, "expired"),
        ("nbf", NOW + 61, "not-yet-valid"),
    ] {
        let value = timed(member, at);
        let data = [("password", value.as_str())];
        let again = bench
            .review(&Review::update(&[("password", "hunter2")], &data))
            .await;
        assert!(again.allowed(), "{}", again.text);
        assert_eq!(again.warnings().len(), 1, "{}", again.text);
        assert!(!again.patch().is_empty(), "ciphertext must not be stored");
        for stored in [("password", "hunter3"), ("user", "hunter2")] {
            let reply = bench.review(&Review::update(&[stored], &data)).await;
            assert_eq!(reply.refusal(), Some(code), "{stored:?}");
        }
    }
}

#[tokio::test]
async fn an_expired_value_is_served_with_a_warning_where_policy_says_so() {
    let policy = Policy {
        expired: Expired::Warn,
        ..Policy::default()
    };
    let bench = Setup {
        policy,
        ..Setup::default()
    }
    .build();
    let reply = bench
        .review(&Review::create(&[("password", &timed("exp", NOW - 61))]))
        .await;
    assert_snapshot!(reply.summary());
    // That is about lateness only.
    let reply = bench
        .review(&Review::create(&[("password", &timed("nbf", NOW + 61))]))
        .await;
    assert_eq!(reply.refusal(), Some("not-yet-valid"));
}

#[tokio::test]
async fn the_cluster_must_be_one_of_those_named() {
    let value = |clusters: Value| {
        let bind = json!({"v": 1, "ns": "payments", "aud": clusters});
        seal("v", &json!({"bind": bind}))
    };
    let bench = Bench::new();
    let reply = bench
        .review(&Review::create(&[(
            "k",
            &value(json!(["staging", "prod-eu"])),
        )]))
        .await;
    assert!(reply.allowed());
    let reply = bench
        .review(&Review::create(&[("k", &value(json!(["staging"])))]))
        .await;
    assert_snapshot!("wrong_cluster", reply.summary());
    let bench = Setup {
        policy: Policy::default(),
        ..Setup::default()
    }
    .build();
    let reply = bench
        .review(&Review::create(&[("k", &value(json!(["prod-eu"])))]))
        .await;
    assert_snapshot!("no_cluster_configured", reply.summary());
    assert_eq!(bench.calls(), 0);
}
