//! Annotation and value together, as a backup brings them.
use super::*;

/// A backup brings annotation and value: whoever restores it could have written the value anyway.
#[tokio::test]
async fn a_restored_backup_keeps_what_cannot_be_opened_here() {
    let late = json!({"v": 1, "ns": "payments", "exp": NOW - 3_600});
    let texts = [
        ("dead", dead(), "unknown-key"),
        (
            "damaged",
            sealed("x", "password").replace('.', ".."),
            "damaged",
        ),
        (
            "of another place",
            bound("x", "elsewhere", "db", "password"),
            "wrong-place",
        ),
        ("expired", seal("x", &json!({"bind": late})), "expired"),
    ];
    for (what, text, code) in &texts {
        for dry_run in [false, true] {
            let bench = Bench::new();
            let review = Review::create(&[("password", "hunter2")])
                .annotated("password", text)
                .request_with("dryRun", dry_run.into());
            let reply = bench.review(&review).await;
            assert_eq!(stored(&reply, &review), *review.object(), "{what}");
            let field = &reply.record.fields[0];
            assert_eq!(field.outcome, FieldOutcome::Restored, "{what}");
            assert_eq!(field.code.unwrap().as_str(), *code, "{what}");
            assert_eq!(reply.response["auditAnnotations"]["restored"], "password");
            assert_eq!(reply.warnings().len(), 1, "{what}");
            assert_eq!(bench.calls(), 0);
        }
        // Without its value there is nothing to restore, and a stored Secret is no backup.
        for review in [
            Review::create(&[]),
            Review::create(&[("user", "sa")]),
            Review::update(&[], &[("password", "hunter2")]),
            Review::update(&[("password", "old")], &[("password", "hunter2")])
                .stored_annotated("password", &sealed("old", "password")),
        ] {
            let reply = Bench::new()
                .review(&review.annotated("password", text))
                .await;
            assert!(!reply.allowed(), "{what}");
        }
        // One value that comes along is no excuse for another that does not.
        let both = Review::create(&[("password", "hunter2")])
            .annotated("password", text)
            .annotated(
                "token",
                &seal(
                    "t",
                    &json!({"kid": "gone", "bind": {"v": 1, "ns": "payments"}}),
                ),
            );
        let reply = Bench::new().review(&both).await;
        assert!(
            !reply.allowed() && !reply.message().contains(PLACE),
            "{what}: {}",
            reply.text
        );
    }
}

#[tokio::test]
async fn a_backup_is_restored_by_the_key_where_there_is_one() {
    let review = Review::create(&[("password", "from the backup")])
        .annotated("password", &sealed("hunter2", "password"));
    let bench = Bench::new();
    let reply = bench.review(&review).await;
    assert_eq!(stored(&reply, &review)["data"]["password"], b64("hunter2"));
    assert_eq!(bench.calls(), 1);
    // What the key service says for good is "not openable here"; that it is away is not.
    for (answer, allowed) in [
        (Key::Fail(Category::Denied), true),
        (Key::Fail(Category::UnknownKey), true),
        (Key::WrongKey, true),
        (Key::Fail(Category::Unavailable), false),
    ] {
        let bench = Bench::new();
        bench.backend.set(answer.clone());
        let reply = bench.review(&review).await;
        assert_eq!(reply.allowed(), allowed, "{answer:?}: {}", reply.text);
        assert!(reply.patch().is_empty());
    }
}
