//! Annotation and value together, as a backup brings them.
use super::*;

/// A backup brings annotation and value: anyone who restores it could have written the value anyway. Nothing is opened,
/// whether or not it could be.
#[tokio::test]
async fn a_restored_backup_keeps_its_value_and_opens_nothing() {
    let late = json!({"v": 1, "ns": "payments", "exp": NOW - 3_600});
    let texts = [
        ("good", sealed("x", "password")),
        ("dead", dead()),
        ("damaged", sealed("x", "password").replace('.', "..")),
        (
            "of another place",
            bound("x", "elsewhere", "db", "password"),
        ),
        ("expired", seal("x", &json!({"bind": late}))),
        ("no envelope", "hunter3".to_owned()),
    ];
    for (what, text) in &texts {
        for dry_run in [false, true] {
            let bench = Bench::new();
            let review = Review::create(&[("password", "hunter2")])
                .annotated("password", text)
                .request_with("dryRun", dry_run.into());
            let reply = bench.review(&review).await;
            assert_eq!(stored(&reply, &review), *review.object(), "{what}");
            let field = &reply.record.fields[0];
            assert_eq!(field.outcome, FieldOutcome::Restored, "{what}");
            assert_eq!(field.key, None, "{what}");
            assert_eq!(reply.response["auditAnnotations"]["restored"], "password");
            assert_eq!(bench.calls(), 0);
        }
        if *what == "good" {
            continue;
        }
        // Without its value there is nothing to restore, and a stored Secret is no backup.
        for review in [
            Review::create(&[]),
            Review::create(&[("password", "")]),
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
