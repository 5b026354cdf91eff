//! Each way of writing a Secret, and our own output coming back.
use super::*;

#[tokio::test]
async fn a_generated_name_fits_a_bound_pattern_alone() {
    for (name, prefix, opens) in [
        (Some("db-*"), "db-", true),
        (Some("db-*"), "db-x-", true),
        (Some("db-*"), "d", false),
        (Some("db-*"), "dbx-", false),
        (Some("db-1"), "db-", false),
        (None, "anything-", true),
    ] {
        let mut bind = json!({"v": 1, "ns": "payments", "key": "password"});
        if let Some(name) = name {
            bind["name"] = name.into();
        }
        let review = Review::create(&[])
            .request_with("name", Value::Null)
            .without("/metadata/name")
            .with("/metadata/generateName", prefix.into())
            .annotated("password", &seal("hunter2", &json!({"bind": bind})));
        let bench = Bench::new();
        let reply = bench.review(&review).await;
        assert_eq!(reply.record.name, format!("{prefix}*"));
        if opens {
            let stored = stored(&reply, &review);
            assert_eq!(stored["data"], json!({"password": b64("hunter2")}));
        } else {
            assert_eq!(reply.refusal(), Some("wrong-place"), "{name:?} {prefix}");
            assert!(reply.message().contains(PLACE), "{}", reply.message());
            assert_eq!(bench.calls(), 0);
        }
    }
}

#[tokio::test]
async fn a_dry_run_is_answered_like_the_real_request() {
    let envelope = sealed("hunter2", "password");
    let value = [("password", "hunter2")];
    for (what, review) in [
        (
            "create",
            Review::create(&[]).annotated("password", &envelope),
        ),
        (
            "update",
            Review::update(&value, &value)
                .annotated("password", &envelope)
                .stored_annotated("password", &sealed("old", "password")),
        ),
        (
            "removal",
            Review::update(&value, &value).stored_annotated("password", &envelope),
        ),
        ("dead", Review::create(&[]).annotated("password", &dead())),
        (
            "restored",
            Review::create(&value).annotated("password", &dead()),
        ),
    ] {
        let real = Bench::new().review(&review).await;
        let dry = review.request_with("dryRun", true.into());
        let dry = Bench::new().review(&dry).await;
        assert_eq!(dry.response, real.response, "{what}");
        assert!(dry.record.dry_run && !real.record.dry_run, "{what}");
    }
}

/// Another webhook beside us changed the object: the API server asks again, with what we made of it.
#[tokio::test]
async fn our_own_output_asked_about_again_gives_no_patch_and_no_call() {
    let (first, second) = (sealed("hunter2", "password"), sealed("hunter3", "password"));
    let old = [("password", "hunter2"), ("user", "sa")];
    for (what, review) in [
        (
            "create",
            Review::create(&[("user", "sa")]).annotated("password", &first),
        ),
        (
            "create without data",
            Review::create(&[])
                .without("/data")
                .annotated("password", &first),
        ),
        (
            "first annotation",
            Review::update(&[("user", "sa")], &[("user", "sa")]).annotated("password", &first),
        ),
        (
            "changed annotation",
            Review::update(&old, &old)
                .annotated("password", &second)
                .stored_annotated("password", &first),
        ),
        (
            "annotation gone",
            Review::update(&old, &old).stored_annotated("password", &first),
        ),
    ] {
        let bench = Bench::new();
        let reply = bench.review(&review).await;
        assert!(!reply.patch().is_empty(), "{what}");
        let calls = bench.calls();
        let mut again = review.clone();
        again.0["request"]["object"] = stored(&reply, &review);
        again = again.with(
            "/metadata/labels",
            json!({"injected": "by another webhook"}),
        );
        let reply = bench.review(&again).await;
        assert!(
            reply.allowed() && reply.patch().is_empty(),
            "{what}: {}",
            reply.text
        );
        assert!(reply.warnings().is_empty(), "{what}");
        assert_eq!(bench.calls(), calls, "{what}");
    }
}

/// What we made is stored: from then on nothing of it is our business, whatever happens to the key.
#[tokio::test]
async fn our_own_output_stored_is_not_even_looked_at() {
    let created = Review::create(&[]).annotated("password", &sealed("hunter2", "password"));
    let bench = Setup {
        cache: CacheOptions::off(),
        ..Setup::default()
    }
    .build();
    let object = stored(&bench.review(&created).await, &created);
    assert_eq!(bench.calls(), 1);
    for answer in failures() {
        bench.backend.set(answer.clone());
        let review = Review::of("UPDATE", &object, Some(&object));
        let reply = bench.review(&review).await;
        assert!(reply.allowed() && reply.patch().is_empty(), "{answer:?}");
        assert!(reply.record.fields.is_empty() && reply.warnings().is_empty());
        assert_eq!(reply.record.outcome, ReviewOutcome::Untouched);
    }
    assert_eq!(bench.calls(), 1);
}

/// The manifest in Git has the annotation and no value; server-side apply carries the stored value along, a replace
/// does not.
#[tokio::test]
async fn every_way_of_writing_ends_in_the_value_of_the_annotation() {
    let (old, new) = (sealed("old", "password"), sealed("new", "password"));
    let (none, kept, plain): (&[_], &[_], &[_]) = (
        &[],
        &[("password", "old")],
        &[("password", "given by hand")],
    );
    // What is stored (annotation and value), what is sent, and the value that is to be stored then.
    for (what, had, sent, expected) in [
        ("create", None, (&new, none), "new"),
        (
            "create with a value of its own",
            None,
            (&new, plain),
            "given by hand",
        ),
        ("first annotation", Some((None, none)), (&new, none), "new"),
        (
            "from field to annotation",
            Some((None, kept)),
            (&new, none),
            "new",
        ),
        (
            "from field to annotation, value carried along",
            Some((None, kept)),
            (&new, kept),
            "new",
        ),
        (
            "changed, value carried along",
            Some((Some(&old), kept)),
            (&new, kept),
            "new",
        ),
        (
            "changed, replaced",
            Some((Some(&old), kept)),
            (&new, none),
            "new",
        ),
        (
            "unchanged, value carried along",
            Some((Some(&old), kept)),
            (&old, kept),
            "old",
        ),
        (
            "unchanged, replaced",
            Some((Some(&old), kept)),
            (&old, none),
            "old",
        ),
        (
            "unchanged, value overwritten",
            Some((Some(&old), kept)),
            (&old, plain),
            "old",
        ),
    ] {
        let mut review = match had {
            None => Review::create(sent.1),
            Some((_, data)) => Review::update(data, sent.1),
        }
        .annotated("password", sent.0);
        if let Some((Some(annotation), _)) = had {
            review = review.stored_annotated("password", annotation);
        }
        let reply = Bench::new().review(&review).await;
        let data = &stored(&reply, &review)["data"];
        assert_eq!(*data, json!({"password": b64(expected)}), "{what}");
    }
}

#[tokio::test]
async fn a_key_goes_with_its_annotation_and_only_that_one() {
    let (password, token) = (sealed("hunter2", "password"), sealed("t", "token"));
    let all = [("password", "hunter2"), ("token", "t"), ("user", "sa")];
    let one_left = Review::update(&all, &all)
        .annotated("token", &token)
        .stored_annotated("password", &password)
        .stored_annotated("token", &token);
    let none_left = one_left.clone().without("/metadata/annotations");
    let gone_by_itself = Review::update(&all, &all[1..])
        .annotated("token", &token)
        .stored_annotated("password", &password)
        .stored_annotated("token", &token);
    for (what, review, removed, left) in [
        (
            "one of two",
            one_left,
            &["password"][..],
            &["token", "user"][..],
        ),
        ("both", none_left, &["password", "token"], &["user"]),
        ("with its value", gone_by_itself, &[], &["token", "user"]),
    ] {
        let bench = Bench::new();
        let reply = bench.review(&review).await;
        let stored = stored(&reply, &review);
        let mut keys: Vec<_> = stored["data"].as_object().unwrap().keys().collect();
        keys.sort_unstable();
        assert_eq!(keys, left, "{what}");
        let gone: Vec<_> = reply
            .record
            .fields
            .iter()
            .filter(|field| field.outcome == FieldOutcome::Removed)
            .map(|field| field.field.as_str())
            .collect();
        assert_eq!(gone, removed, "{what}");
        assert_eq!(reply.warnings().len(), removed.len(), "{what}");
        assert_eq!(bench.calls(), 0, "{what}");
    }
}
