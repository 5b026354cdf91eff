//! What holds of every review: the patch changes opened keys only, and reviewing the outcome changes nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use serde_json::{Value, json};
use test_support::reviews::*;
use unseal_policy::format::SealedFormat as _;
use webhook_bin::unseal::Jwe;

/// How a field of a generated Secret comes about.
#[derive(Clone, Debug)]
enum Content {
    Plain(Vec<u8>),
    Sealed(Vec<u8>),
    Token,
    Null,
}

fn content() -> impl Strategy<Value = Content> {
    prop_oneof![
        3 => vec(any::<u8>(), 0..80).prop_map(Content::Plain),
        1 => "(eyJ|\\{\")?[ -~]{0,40}".prop_map(|text| Content::Plain(text.into_bytes())),
        3 => vec(any::<u8>(), 0..80).prop_map(Content::Sealed),
        1 => Just(Content::Token),
        1 => Just(Content::Null),
    ]
}

/// Of an identity provider.
fn token() -> String {
    let header = json!({"alg": "dir", "enc": "A256GCM"});
    compact(&header, &[], &[1; 12], &[2; 20], &[3; 16])
}

fn review(fields: &BTreeMap<String, Content>) -> Review {
    let data: serde_json::Map<String, Value> = fields
        .iter()
        .map(|(key, content)| {
            let value = match content {
                Content::Plain(bytes) => b64(bytes).into(),
                Content::Sealed(bytes) => b64(sealed(bytes, key)).into(),
                Content::Token => b64(token()).into(),
                Content::Null => Value::Null,
            };
            (key.clone(), value)
        })
        .collect();
    Review::create(&[]).with("/data", data.into())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_patch_changes_opened_keys_alone_and_a_second_review_changes_nothing(
        fields in btree_map("[a-zA-Z0-9][a-zA-Z0-9._-]{0,11}", content(), 0..8)
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let bench = Bench::new();
        let first = review(&fields);
        let reply = runtime.block_on(bench.review(&first));
        let malformed = fields.values().any(|content| matches!(content,
            Content::Plain(bytes) | Content::Sealed(bytes) if Jwe.recognize(bytes).is_some()));
        if malformed {
            // A text that happens to claim to be an envelope.
            prop_assert!(!reply.allowed() || !reply.warnings().is_empty());
            return Ok(());
        }
        prop_assert!(reply.allowed(), "{}", reply.text);
        let mut expected = first.object().clone();
        for (key, content) in &fields {
            if let Content::Sealed(bytes) = content {
                expected["data"][key] = b64(bytes).into();
            }
        }
        let stored = reply.apply_to(first.object());
        prop_assert_eq!(&stored, &expected);
        let opened = fields.values().filter(|content| matches!(content, Content::Sealed(_))).count();
        prop_assert_eq!(reply.patch().len(), opened);

        let calls = bench.calls();
        for again in [Review::of("CREATE", &stored, None), Review::of("UPDATE", &stored, Some(&stored))] {
            let reply = runtime.block_on(bench.review(&again));
            prop_assert!(reply.allowed() && reply.patch().is_empty(), "{}", reply.text);
        }
        prop_assert_eq!(bench.calls(), calls);
    }

    #[test]
    fn values_come_and_go_with_their_annotations_and_a_second_review_changes_nothing(
        before in btree_map("[a-d]", vec(any::<u8>(), 0..20), 0..4),
        after in btree_map("[a-d]", vec(any::<u8>(), 0..20), 0..4),
        plain in btree_map("[e-h]", vec(any::<u8>(), 0..20), 0..3),
        labels in any::<bool>(),
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let bench = Bench::new();
        let is_sealed = |values: &BTreeMap<String, Vec<u8>>| values.values().any(|value| Jwe.recognize(value).is_some());
        prop_assume!(!is_sealed(&before) && !is_sealed(&after) && !is_sealed(&plain));
        // One envelope per value, as it is in Git.
        let mut envelopes: BTreeMap<(String, Vec<u8>), String> = BTreeMap::new();
        let mut annotations = |values: &BTreeMap<String, Vec<u8>>| {
            let mut all = serde_json::Map::new();
            for (key, value) in values {
                let envelope = envelopes.entry((key.clone(), value.clone())).or_insert_with(|| sealed(value, key));
                all.insert(format!("privyseal.dev/data.{key}"), envelope.clone().into());
            }
            Value::from(all)
        };
        let data = |values: &BTreeMap<String, Vec<u8>>| -> Value {
            values.iter().map(|(key, value)| (key.clone(), Value::from(b64(value)))).collect::<serde_json::Map<_, _>>().into()
        };
        let merged = |sealed: &BTreeMap<String, Vec<u8>>| {
            let mut all = plain.clone();
            all.extend(sealed.clone());
            all
        };

        let created = Review::create(&[]).with("/data", data(&plain)).with("/metadata/annotations", annotations(&before));
        let reply = runtime.block_on(bench.review(&created));
        prop_assert!(reply.allowed(), "{}", reply.text);
        let stored = reply.apply_to(created.object());
        let expected = data(&merged(&before));
        prop_assert_eq!(&stored["data"], &expected);

        // The manifest is applied again with other annotations; the API server keeps what it does not mention.
        let mut object = stored.clone();
        object["metadata"]["annotations"] = annotations(&after);
        if labels {
            object["metadata"]["labels"] = json!({"a": "b"});
        }
        let updated = Review::of("UPDATE", &object, Some(&stored));
        let reply = runtime.block_on(bench.review(&updated));
        prop_assert!(reply.allowed(), "{}", reply.text);
        let stored = reply.apply_to(updated.object());
        let mut expected = merged(&before);
        expected.retain(|key, _| !before.contains_key(key) || after.contains_key(key));
        expected.extend(after.clone());
        prop_assert_eq!(&stored["data"], &data(&expected));

        let calls = bench.calls();
        let reply = runtime.block_on(bench.review(&Review::of("UPDATE", &stored, Some(&stored))));
        prop_assert!(reply.allowed() && reply.patch().is_empty() && reply.warnings().is_empty(), "{}", reply.text);
        // Moved to another cluster, the values are the same, and so is the answer.
        let reply = runtime.block_on(bench.review(&Review::of("CREATE", &stored, None)));
        prop_assert!(reply.allowed() && reply.patch().is_empty(), "{}", reply.text);
        prop_assert_eq!(bench.calls(), calls);
    }

    #[test]
    fn nothing_that_is_recognized_is_passed_over_by_its_first_bytes(
        head in prop_oneof![Just(""), Just("eyJ"), Just("{\""), Just("IHsi"), Just("CXsi"), Just("DQp7"), Just("Cnsi"), Just("ewog")],
        rest in "[ -~]{0,60}",
        header in "[ \\t\\r\\n]{0,3}",
    ) {
        let texts = [
            format!("{head}{rest}"),
            format!("{}.a.b.c.d", b64url(format!("{header}{{\"enc\":\"A256GCM\"}}"))),
            format!("{}.", b64url(format!("{header}{{ \"enc\":1}}"))),
            format!("{{{header}\"ciphertext\":\"\",\"header\":{{}}}}"),
            format!("{header}{{\"ciphertext\":\"\",\"header\":{{}}}}"),
            format!("{header}{}.a.b.c.d", b64url("{\"enc\":\"A256GCM\"}")),
            format!("\u{feff}{header}{}.a.b.c.d", b64url("{\"enc\":\"A256GCM\"}")),
        ];
        for text in texts {
            let value = text.as_bytes();
            if Jwe.recognize(value).is_some() {
                prop_assert!(Jwe.may_begin(&value[..value.len().min(4)]), "{}", text);
            }
        }
    }

    #[test]
    fn any_bytes_get_an_answer(body in vec(any::<u8>(), 0..200)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let bench = Bench::new();
        let reply = runtime.block_on(bench.send(&body, Duration::from_secs(1)));
        prop_assert_eq!(reply.status, 400);
    }

    #[test]
    fn a_review_with_a_changed_byte_gets_an_answer(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let bench = Bench::new();
        let mut body = Review::create(&[("password", "eyJlbmMiOiJBMjU2R0NNIn0.a.b.c.d")]).body().into_bytes();
        let at = at.index(body.len());
        body[at] = byte;
        // Reply::new checks what holds of every answer.
        let reply = runtime.block_on(bench.send(&body, Duration::from_secs(1)));
        prop_assert!(reply.patch().is_empty());
        prop_assert_eq!(bench.calls(), 0);
    }
}
