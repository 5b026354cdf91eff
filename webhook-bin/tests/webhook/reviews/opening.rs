//! What is opened, and what comes out.
use super::*;

#[tokio::test]
async fn a_value_that_is_no_envelope_is_left_alone() {
    let bench = Bench::new();
    let jwt = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0.c2ln";
    for plain in [
        "hunter2",
        "",
        jwt,
        "{\"a\":1}",
        "e",
        "{",
        "eyJ",
        "\u{feff}eyJ",
        "two\nlines\n",
    ] {
        let reply = bench.review(&Review::create(&[("password", plain)])).await;
        assert!(reply.allowed(), "{plain:?}");
        assert!(
            reply.patch().is_empty() && reply.warnings().is_empty(),
            "{plain:?}"
        );
        assert_eq!(reply.response.as_object().unwrap().len(), 2, "{plain:?}");
        assert_eq!(reply.record.outcome, ReviewOutcome::Untouched);
    }
    assert_eq!(bench.calls(), 0);
}

#[tokio::test]
async fn an_envelope_in_its_place_is_replaced_and_nothing_else() {
    let bench = Bench::new();
    let review = Review::create(&[
        ("password", &sealed("hunter2", "password")),
        ("user", "app"),
    ])
    .with("/immutable", false.into())
    .with("/later", json!({"unknown": [1, null]}));
    let reply = bench.review(&review).await;
    assert_snapshot!(reply.summary());
    let mut expected = review.object().clone();
    expected["data"]["password"] = b64("hunter2").into();
    assert_eq!(reply.apply_to(review.object()), expected);
    assert_eq!(reply.record.outcome, ReviewOutcome::Opened);
    assert_eq!(bench.calls(), 1);
}

#[tokio::test]
async fn every_openable_form_and_a_trailing_newline_are_opened() {
    let bench = Bench::new();
    let value = sealed("hunter2", "password");
    let envelope = jwe_envelope::Envelope::parse(value.as_bytes()).unwrap();
    let flattened = envelope
        .to_text(jwe_envelope::Serialization::Flattened)
        .unwrap();
    let general = envelope
        .to_text(jwe_envelope::Serialization::General)
        .unwrap();
    for text in [
        value.clone(),
        flattened,
        general,
        format!("{value}\n"),
        format!("{value}\r\n \t"),
    ] {
        let reply = bench.review(&Review::create(&[("password", &text)])).await;
        assert_eq!(
            reply.opened(),
            [("password".to_owned(), b"hunter2".to_vec())],
            "{}",
            reply.text
        );
    }
}

#[tokio::test]
async fn any_bytes_come_out_as_they_went_in() {
    let bench = Bench::new();
    let every: Vec<u8> = (0..=255).collect();
    for value in [
        &b""[..],
        b"\n",
        b"\xff\xfe\x00",
        b" {\"a\": 1}\n",
        b"0123",
        &every,
    ] {
        let reply = bench
            .review(&Review::create(&[("password", &sealed(value, "password"))]))
            .await;
        assert_eq!(reply.opened(), [("password".to_owned(), value.to_vec())]);
    }
}

/// The API server's own refusal of the key is a 422, on which deployment tools delete the Secret.
#[tokio::test]
async fn a_wide_envelope_under_a_key_that_no_secret_can_have_is_denied_by_us() {
    let bench = Bench::new();
    let value = seal(
        "v",
        &json!({"bind": {"v": 1, "ns": "payments", "name": "db"}}),
    );
    let long = "k".repeat(254);
    for key in ["a/b~c", "", "..x", "ü", "a b", long.as_str()] {
        let reply = bench.review(&Review::create(&[(key, &value)])).await;
        assert_eq!(
            (reply.refusal(), reply.code()),
            (Some("wrong-place"), 403),
            "{key:?}"
        );
        assert!(reply.message().contains("rename the key"));
    }
    assert_eq!(bench.calls(), 0);
}

#[tokio::test]
async fn the_unchanged_manifest_applied_again_gives_the_same_patch() {
    let bench = Bench::new();
    let value = sealed("hunter2", "password");
    let reply = bench
        .review(&Review::update(
            &[("password", "hunter2")],
            &[("password", &value)],
        ))
        .await;
    assert_eq!(
        reply.opened(),
        [("password".to_owned(), b"hunter2".to_vec())]
    );
    let again = bench
        .review(&Review::update(
            &[("password", "hunter2")],
            &[("password", &value)],
        ))
        .await;
    assert_eq!(again.opened(), reply.opened());
    assert_eq!(bench.calls(), 1, "the content key is cached");
}

#[tokio::test]
async fn twenty_fields_of_one_sealing_act_are_one_call() {
    let recipient = rsa_key().recipient().clone();
    let mut sealer = jwe_envelope::Sealer::new(&[recipient]).unwrap();
    let fields: Vec<(String, String)> = (0..20)
        .map(|n| {
            let key = format!("key-{n}");
            let place = jwe_envelope::Place::new("payments", "db", &key).unwrap();
            let value = sealer
                .seal(key.as_bytes(), &jwe_envelope::Binding::exact(&place))
                .unwrap();
            (key, value.to_string())
        })
        .collect();
    let data: Vec<(&str, &str)> = fields
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_str()))
        .collect();
    let bench = Bench::new();
    let reply = bench.review(&Review::create(&data)).await;
    assert_eq!(reply.opened().len(), 20, "{}", reply.text);
    assert!(
        reply
            .opened()
            .iter()
            .all(|(key, value)| key.as_bytes() == value)
    );
    assert_eq!(bench.calls(), 1);
    assert_eq!(reply.record.unwraps(), 1);
}

#[tokio::test(start_paused = true)]
async fn fields_with_keys_of_their_own_are_unwrapped_together() {
    let bench = Bench::new();
    let fields: Vec<(String, String)> = (0..8)
        .map(|n| (format!("k{n}"), sealed("v", &format!("k{n}"))))
        .collect();
    let data: Vec<(&str, &str)> = fields
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_str()))
        .collect();
    bench
        .backend
        .set(Key::Right.after(Duration::from_millis(200)));
    let begun = tokio::time::Instant::now();
    let reply = bench.review(&Review::create(&data)).await;
    assert_eq!(reply.opened().len(), 8);
    assert_eq!(bench.calls(), 8);
    assert!(
        begun.elapsed() < Duration::from_millis(8 * 200),
        "one after the other takes as long as that"
    );
}

#[tokio::test]
async fn dry_run_is_answered_alike() {
    let bench = Bench::new();
    let review = Review::create(&[("password", &sealed("hunter2", "password"))])
        .request_with("dryRun", true.into());
    let reply = bench.review(&review).await;
    assert_eq!(reply.opened().len(), 1);
    assert!(reply.record.dry_run);
}

#[tokio::test]
async fn two_recipients_give_two_tries() {
    let bind = json!({"v": 1, "ns": "payments"});
    let mut protected = josekit::jwe::JweHeaderSet::new();
    protected.set_content_encryption("A256GCM", true);
    protected.set_claim("bind", Some(bind), true).unwrap();
    let rsa = josekit::jwe::RSA_OAEP_256
        .encrypter_from_pem(rsa_key().recipient().to_pem())
        .unwrap();
    let ec = josekit::jwe::ECDH_ES_A256KW
        .encrypter_from_pem(p256_key().recipient().to_pem())
        .unwrap();
    let header = |kid: &str| {
        let mut header = josekit::jwe::JweHeader::new();
        header.set_key_id(kid);
        header
    };
    let (first, second) = (header(&rsa_kid()), header(&p256_kid()));
    let value = josekit::jwe::serialize_general_json(
        b"v",
        Some(&protected),
        &[
            (Some(&first), &*Box::new(rsa)),
            (Some(&second), &*Box::new(ec)),
        ],
        None,
    )
    .unwrap();
    for answer in [
        Key::Fail(Category::Denied),
        Key::Fail(Category::Unavailable),
        Key::WrongKey,
    ] {
        let bench = Setup {
            cache: CacheOptions::off(),
            ..Setup::default()
        }
        .build();
        bench.backend.set(answer.clone());
        let reply = bench.review(&Review::create(&[("k", &value)])).await;
        assert_eq!(
            reply.opened(),
            [("k".to_owned(), b"v".to_vec())],
            "{answer:?} {}",
            reply.text
        );
    }
}
