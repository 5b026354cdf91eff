//! What is stored already, is left to others or goes away.
use super::*;

#[tokio::test]
async fn what_the_application_opens_itself_is_left_where_the_secret_says_so() {
    let bench = Bench::new();
    let bind = json!({"v": 1, "ns": "payments", "name": "db", "key": "mine", "sa": "app"});
    let mine = seal("v", &json!({"bind": bind}));
    let data = [
        ("mine", mine.as_str()),
        ("password", &sealed("hunter2", "password")),
    ];
    let reply = bench.review(&Review::create(&data)).await;
    assert_snapshot!("run_time_only", reply.summary());
    assert_eq!(bench.calls(), 0);
    for named in ["mine", "other, mine", " mine ,x"] {
        let review = Review::create(&data).with(
            "/metadata/annotations",
            json!({"privyseal.dev/leave": named}),
        );
        let reply = bench.review(&review).await;
        assert_eq!(
            reply.opened(),
            [("password".to_owned(), b"hunter2".to_vec())],
            "{named:?}"
        );
        assert!(reply.warnings().is_empty());
        assert_eq!(reply.record.fields[0].outcome, FieldOutcome::Left);
    }
    for named in ["", "min", "minex", "data/mine", "*"] {
        let review = Review::create(&data).with(
            "/metadata/annotations",
            json!({"privyseal.dev/leave": named}),
        );
        assert_eq!(
            bench.review(&review).await.refusal(),
            Some("run-time-only"),
            "{named:?}"
        );
    }
}

/// Anyone who could store a text would otherwise have it opened by the next change of someone who may. And a key that
/// is gone must not block labels, finalizers or deletion.
#[tokio::test]
async fn what_is_stored_is_never_opened_and_never_refused() {
    let bench = Bench::new();
    let good = sealed("hunter2", "password");
    let pretty = pretty(&good);
    for (what, value) in [
        ("good", good.clone()),
        ("in another form", pretty),
        ("after a newline", format!("\n{good}")),
        ("dead", dead()),
        ("damaged", good.replace('.', "..")),
        ("misplaced", bound("x", "elsewhere", "db", "password")),
        ("expired", timed("exp", NOW - 61)),
        ("foreign", foreign()),
    ] {
        let data = [("password", value.as_str()), ("user", "app")];
        for review in [
            Review::update(&data, &data),
            Review::update(&data, &data).with("/metadata/labels", json!({"a": "b"})),
            Review::update(&data, &data).with("/metadata/finalizers", json!([])),
            Review::update(&data, &data).with("/immutable", true.into()),
            Review::update(&data, &[data[0], ("user", "other")]),
            Review::update(&data, &[data[0]]),
            Review::update(&data[..1], &data),
        ] {
            let reply = bench.review(&review).await;
            assert!(
                reply.allowed() && reply.patch().is_empty(),
                "{what}: {}",
                reply.text
            );
            assert_eq!(reply.warnings().len(), 1, "{what}: {}", reply.text);
            assert_eq!(reply.record.outcome, ReviewOutcome::Left);
            assert!(reply.record.fields[0].stored_before);
        }
        if what == "dead" {
            let reply = bench.review(&Review::update(&data, &data)).await;
            assert_snapshot!(reply.summary());
        }
        // DELETE asks nothing.
        let reply = bench
            .review(&Review::of("DELETE", &Value::Null, Some(&secret(&data))))
            .await;
        assert!(reply.allowed() && reply.warnings().is_empty(), "{what}");
        assert_eq!(bench.calls(), 0, "{what}");
        // The same value under another key, or in another Secret, is not what is stored.
        if what != "good" {
            let moved = Review::update(&[("user", "app")], &data);
            assert!(!bench.review(&moved).await.allowed(), "{what}");
        }
        assert_eq!(bench.calls(), 0, "{what}");
    }
}

/// Equality is asked before every limit.
#[tokio::test]
async fn any_number_of_stored_envelopes_blocks_nothing() {
    let value = sealed("x", "password");
    let keys: Vec<String> = (0..1500).map(|n| format!("k{n}")).collect();
    let mut data: Vec<(&str, &str)> = keys
        .iter()
        .map(|key| (key.as_str(), value.as_str()))
        .collect();
    let stored = data.clone();
    let long = keys.join(",");
    assert!(long.len() > 4096);
    let bench = Bench::new();
    for leave in [None, Some(&long)] {
        let mut review = Review::update(&stored, &data).with("/metadata/finalizers", json!([]));
        if let Some(leave) = leave {
            review = review.with(
                "/metadata/annotations",
                json!({"privyseal.dev/leave": leave}),
            );
        }
        let reply = bench.review(&review).await;
        assert!(
            reply.allowed() && reply.patch().is_empty(),
            "{}",
            reply.text
        );
        assert_eq!(bench.calls(), 0);
    }
    // Nor does it take room from what is new.
    let new = sealed("hunter2", "password");
    data.push(("password", new.as_str()));
    let reply = bench.review(&Review::update(&stored, &data)).await;
    assert_eq!(
        reply.opened(),
        [("password".to_owned(), b"hunter2".to_vec())]
    );
}

/// The audit tells whose text it may be.
#[tokio::test]
async fn a_denied_review_says_which_text_was_stored_before() {
    let bench = Bench::new();
    let planted = sealed("x", "planted");
    let review = Review::update(
        &[("planted", &planted)],
        &[("planted", &planted), ("password", &dead())],
    );
    let reply = bench.review(&review).await;
    assert_eq!(reply.refusal(), Some("unknown-key"));
    let mut line = Vec::new();
    reply.record.write_json(&mut line);
    let line: Value = serde_json::from_slice(&line).unwrap();
    for field in line["fields"].as_array().unwrap() {
        let expected = (field["field"] == "planted").then_some(true);
        assert_eq!(field["storedBefore"].as_bool(), expected, "{line}");
    }
}

/// Damage at the beginning, or another form, hides no envelope: it never replaces a value that is in use.
#[tokio::test]
async fn an_envelope_that_is_not_opened_never_replaces_a_value_that_is_in_use() {
    let bench = Bench::new();
    let good = sealed("hunter2", "password");
    let json = flattened(&good);
    let mut texts = String::new();
    for text in [
        format!("\n{good}"),
        format!(" {good}"),
        format!("\u{feff}{good}"),
        good.replacen('e', "f", 1),
        good.replacen('e', "", 1),
        good.replacen("eyJ", "eyK", 1),
        good.replacen("eyJ", "exJ", 1),
        good.replacen("eyJ", "ey!", 1),
        format!("x{good}"),
        good.replacen('.', "", 1),
        pretty(&good),
        json.replacen('{', "{\"x\":1,", 1),
        json.replacen('{', "[", 1),
        json.replacen('{', "", 1),
        json.trim_end_matches('}').to_owned(),
        json.replacen("protected", "\\u0070rotected", 1),
    ] {
        let reply = bench
            .review(&Review::update(
                &[("password", "in use")],
                &[("password", &text)],
            ))
            .await;
        assert!(!reply.allowed(), "{text}");
        if texts.len() < 2000 {
            texts.push_str(&reply.summary());
        }
        let left = Review::update(&[("password", "in use")], &[("password", &text)]).with(
            "/metadata/annotations",
            json!({"privyseal.dev/leave": "password"}),
        );
        let reply = bench.review(&left).await;
        assert!(
            reply.allowed() && reply.patch().is_empty(),
            "{text}: {}",
            reply.text
        );
    }
    assert_eq!(bench.calls(), 0);
    assert_snapshot!(texts);
    // Plain values come and go.
    for plain in ["new", "", "a.b.c.d.e", "{\"a\":1}", "\nnew\n"] {
        let review = Review::update(&[("password", "in use")], &[("password", plain)]);
        let reply = bench.review(&review).await;
        assert!(reply.allowed() && reply.warnings().is_empty(), "{plain:?}");
    }
}

/// The API server forwards such a value only beside another that may be sealed.
#[tokio::test]
async fn an_envelope_in_quotation_marks_or_another_encoding_never_replaces_a_value_that_is_in_use()
{
    let bench = Bench::new();
    let good = sealed("hunter2", "password");
    let utf_16 = |text: &str| -> Vec<u8> {
        let units = std::iter::once(0xfeff).chain(text.encode_utf16());
        units.flat_map(u16::to_le_bytes).collect()
    };
    let written = |value: &[u8]| {
        Review::update(&[("password", "in use")], &[("password", "")])
            .with("/data/password", json!(b64(value)))
    };
    for hidden in [
        format!("\"{good}\"").into_bytes(),
        format!("'{good}'\n").into_bytes(),
        b64(&good).into_bytes(),
        b64(flattened(&good)).into_bytes(),
        b64(b64(&good)).into_bytes(),
        utf_16(&good),
        utf_16(&flattened(&good)),
    ] {
        let text = String::from_utf8_lossy(&hidden).into_owned();
        let reply = bench.review(&written(&hidden)).await;
        assert_eq!(reply.refusal(), Some("damaged"), "{text}: {}", reply.text);
        let left = written(&hidden).with(
            "/metadata/annotations",
            json!({"privyseal.dev/leave": "password"}),
        );
        let reply = bench.review(&left).await;
        assert!(reply.allowed() && reply.patch().is_empty(), "{text}");
        // Over ciphertext, nothing is lost.
        let same = written(&hidden).stored_with("/data/password", json!(b64(&good)));
        assert!(bench.review(&same).await.allowed(), "{text}");
    }
    assert_eq!(bench.calls(), 0);
    // Other people's tokens, and documents that contain an envelope.
    let token = compact(
        &json!({"alg": "dir", "enc": "A256GCM"}),
        b"",
        b"iv",
        b"text",
        b"tag",
    );
    for value in [
        format!("\"{token}\""),
        b64(&token),
        format!(
            "apiVersion: v1\nkind: Secret\ndata:\n  password: {}\n",
            b64(&good)
        ),
    ] {
        let reply = bench.review(&written(value.as_bytes())).await;
        assert!(reply.allowed(), "{value}: {}", reply.text);
    }
}

/// No one turns a live value into ciphertext by naming it.
#[tokio::test]
async fn what_can_be_opened_is_opened_although_it_is_to_be_left() {
    let bench = Bench::new();
    let value = sealed("hunter2", "password");
    for review in [
        Review::create(&[("password", &value)]),
        Review::update(&[("password", "hunter2")], &[("password", &value)]),
    ] {
        let review = review.with(
            "/metadata/annotations",
            json!({"privyseal.dev/leave": "password"}),
        );
        let reply = bench.review(&review).await;
        assert_eq!(
            reply.opened(),
            [("password".to_owned(), b"hunter2".to_vec())]
        );
        assert_snapshot!("opened_although_left", reply.summary());
    }
    // Out of its place it is refused, as if it were not named.
    let wrong = sealed("hunter2", "elsewhere");
    let review = Review::create(&[("password", &wrong)]).with(
        "/metadata/annotations",
        json!({"privyseal.dev/leave": "password"}),
    );
    assert_eq!(bench.review(&review).await.refusal(), Some("wrong-place"));
}

#[tokio::test]
async fn a_list_to_leave_that_is_too_long_names_nothing_and_says_so() {
    let bench = Bench::new();
    let bind = json!({"v": 1, "ns": "payments", "name": "db", "key": "mine", "sa": "app"});
    let mine = seal("v", &json!({"bind": bind}));
    let review = Review::create(&[("mine", &mine)]).with(
        "/metadata/annotations",
        json!({"privyseal.dev/leave": format!("mine,{}", "x".repeat(1024))}),
    );
    let reply = bench.review(&review).await;
    assert_eq!(reply.refusal(), Some("run-time-only"));
    assert!(
        reply.warnings()[0].contains("longer than 1024"),
        "{}",
        reply.text
    );
}

#[tokio::test]
async fn nothing_is_asked_about_what_goes_away_or_is_no_content() {
    let bench = Bench::new();
    let data = [("password", dead())];
    let data = [("password", data[0].1.as_str())];
    for operation in ["DELETE", "CONNECT"] {
        let reply = bench
            .review(&Review::of(operation, &secret(&data), Some(&secret(&data))))
            .await;
        assert!(reply.allowed() && reply.patch().is_empty(), "{operation}");
    }
    let reply = bench
        .review(&Review::create(&data).request_with("subResource", "status".into()))
        .await;
    assert!(reply.allowed());
}

#[tokio::test]
async fn another_kind_passes_unless_it_holds_an_envelope_of_ours() {
    let bench = Bench::new();
    let map = |value: &str| {
        Review::of(
            "CREATE",
            &json!({"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "m"}, "data": {"k": value},
                "binaryData": {"b": b64("x")}, "n": [1, -1, 1.5, true, null]}),
            None,
        )
        .request_with("kind", json!({"group": "", "version": "v1", "kind": "ConfigMap"}))
    };
    for plain in ["x", "", "{}", "eyJhbGciOiJub25lIn0.e30."] {
        let reply = bench.review(&map(plain)).await;
        assert!(reply.allowed() && reply.warnings().is_empty(), "{plain}");
    }
    let reply = bench.review(&map(&foreign())).await;
    assert!(reply.allowed() && reply.warnings().len() == 1);
    let value = sealed("hunter2", "k");
    let reply = bench.review(&map(&value)).await;
    assert_snapshot!(reply.summary());
    assert_eq!(reply.refusal(), Some("wrong-place"));
    assert_eq!(
        bench.review(&map(&b64(&value))).await.refusal(),
        Some("wrong-place")
    );
    assert_eq!(
        bench.review(&map(&value.replace('.', ".."))).await.code(),
        400
    );
    // Stored like this already, it wedges nothing.
    let mut review = map(&value);
    review.0["request"]["oldObject"] = review.0["request"]["object"].clone();
    let reply = bench
        .review(&review.request_with("operation", "UPDATE".into()))
        .await;
    assert!(reply.allowed() && reply.warnings().len() == 1);
    assert_eq!(bench.calls(), 0);
}

/// Anyone who may write a Secret may write such ownership into it, and the API server keeps it.
#[tokio::test]
async fn ownership_that_is_nested_as_deep_as_it_can_be_is_in_nobody_s_way() {
    const OWNED: &str = r#"{"f:data":{".":{}}}"#;
    let bench = Bench::new();
    let data = [("password", &*sealed("hunter2", "password"))];
    let review = Review::update(&[("password", "plain")], &data).body();
    assert_eq!(review.matches(OWNED).count(), 2);
    for depth in [100, 130, 3_000, 9_990] {
        let deep = "{\"f:a\":".repeat(depth) + "{}" + &"}".repeat(depth);
        let review = review.replace(OWNED, &deep);
        let reply = bench.send(review.as_bytes(), Duration::from_secs(10)).await;
        assert_eq!(
            reply.opened(),
            [("password".to_owned(), b"hunter2".to_vec())],
            "{depth}"
        );
    }
}
