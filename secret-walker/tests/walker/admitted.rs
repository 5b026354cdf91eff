//! Secrets as the API server sends them.

use secret_walker::{AdmittedSecret, MAX_JSON_DEPTH, WalkError};

fn refusal(json: &str) -> String {
    AdmittedSecret::from_json(json).unwrap_err().to_string()
}

#[test]
fn reads_what_a_review_is_about() {
    let json = r#"{
        "kind": "Secret", "apiVersion": "v1",
        "metadata": {
            "name": "db", "namespace": "payments", "uid": "x", "labels": {"name": "other"},
            "annotations": {"privyseal.dev/leave": "a, b", "empty": null},
            "managedFields": [{"fieldsV1": {"f:data": {".": {}, "f:a": {}}}}]
        },
        "data": {"b": "Yg==", "a": null, "c": ""},
        "type": "Opaque", "immutable": true, "later": {"data": {"x": [1.5e3, false]}}
    }"#;
    let secret = AdmittedSecret::from_json(json).unwrap();
    assert_eq!(
        (secret.kind(), secret.api_version()),
        (Some("Secret"), Some("v1"))
    );
    assert_eq!(
        (secret.name(), secret.namespace(), secret.generate_name()),
        (Some("db"), Some("payments"), None)
    );
    assert_eq!(
        (secret.secret_type(), secret.immutable()),
        (Some("Opaque"), true)
    );
    assert_eq!(secret.annotation("privyseal.dev/leave"), Some("a, b"));
    assert_eq!(
        secret.annotations().collect::<Vec<_>>(),
        [("privyseal.dev/leave", "a, b"), ("empty", "")]
    );
    let entries: Vec<_> = secret
        .data()
        .map(|entry| (entry.key, entry.value))
        .collect();
    assert_eq!(entries, [("b", Some("Yg==")), ("a", None), ("c", Some(""))]);
    assert_eq!(secret.get("b").unwrap().decode().unwrap(), b"b");
    assert_eq!(secret.get("missing"), None);
    assert_eq!(secret.string_data().count(), 0);
}

#[test]
fn takes_null_and_absent_for_the_same() {
    for json in [
        "{}",
        r#"{"kind":null,"apiVersion":null,"metadata":null,"data":null,"stringData":null,"type":null,"immutable":null}"#,
        r#"{"metadata":{"name":null,"generateName":null,"namespace":null,"annotations":null},"data":{}}"#,
    ] {
        let secret = AdmittedSecret::from_json(json).unwrap();
        assert_eq!(
            (
                secret.name(),
                secret.kind(),
                secret.secret_type(),
                secret.immutable()
            ),
            (None, None, None, false)
        );
        assert_eq!(
            secret.data().len() + secret.string_data().len() + secret.annotations().count(),
            0
        );
    }
}

#[test]
fn a_null_value_stays_null_and_decodes_to_nothing() {
    let secret =
        AdmittedSecret::from_json(r#"{"data":{"a":null},"stringData":{"b":null,"c":"d"}}"#)
            .unwrap();
    let entry = secret.get("a").unwrap();
    assert_eq!((entry.value, entry.decoded_len()), (None, 0));
    assert_eq!(entry.decode().unwrap(), b"");
    assert!(!entry.starts_with(b"eyJ"));
    let texts: Vec<_> = secret
        .string_data()
        .map(|entry| (entry.key, entry.value))
        .collect();
    assert_eq!(texts, [("b", None), ("c", Some("d"))]);
}

#[test]
fn refuses_members_that_stand_twice() {
    for (json, refused) in [
        (
            r#"{"data":{},"kind":"Secret","data":{}}"#,
            r#"the object has the member "data" twice"#,
        ),
        (r#"{"x":1,"x":1}"#, r#"the object has the member "x" twice"#),
        (
            r#"{"metadata":{"name":"a","name":"a"}}"#,
            r#"metadata has the member "name" twice"#,
        ),
        (
            r#"{"metadata":{"annotations":{"a":"","a":""}}}"#,
            r#"metadata.annotations has the member "a" twice"#,
        ),
        (
            r#"{"data":{"a":"","b":"","a":null}}"#,
            r#"data has the member "a" twice"#,
        ),
        // The same key after unescaping.
        (
            r#"{"data":{"a":"","\u0061":""}}"#,
            r#"data has the member "a" twice"#,
        ),
        (
            r#"{"stringData":{"a":"","a":""}}"#,
            r#"stringData has the member "a" twice"#,
        ),
    ] {
        assert_eq!(refusal(json), refused, "{json}");
    }
}

#[test]
fn refuses_types_that_kubernetes_does_not_have() {
    for (json, refused) in [
        ("[]", "the object must be an object"),
        ("null", "a Secret must be an object"),
        (r#"{"metadata":[]}"#, "metadata must be an object"),
        (
            r#"{"metadata":{"name":1}}"#,
            "metadata.name must be a string",
        ),
        (r#"{"type":{}}"#, "type must be a string"),
        (r#"{"immutable":"true"}"#, "immutable must be true or false"),
        (r#"{"data":[]}"#, "data must be an object"),
        (
            r#"{"data":{"a":1}}"#,
            "every value of data, stringData and annotations must be a string",
        ),
    ] {
        assert_eq!(refusal(json), refused, "{json}");
    }
}

#[test]
fn refuses_what_is_not_json() {
    for (json, refused) in [
        ("", "the object must be an object"),
        (
            r#"{"data":{"a":"x"#,
            "not the JSON of one object: unterminated string, at byte 13",
        ),
        (
            r#"{"data":{"a":"x"}"#,
            "not the JSON of one object: expected a comma or the end of the object, at byte 17",
        ),
        (
            r#"{"data":{}}}"#,
            "not the JSON of one object: unexpected text after the end of the object, at byte 11",
        ),
        (
            r#"{"data":{"a":nullx}}"#,
            "not the JSON of one object: expected a comma or the end of the object, at byte 17",
        ),
        (
            r#"{"a":tru}"#,
            "not the JSON of one object: expected a value, at byte 5",
        ),
        (
            r#"{"a":1,}"#,
            "not the JSON of one object: expected the name of a member in quotes, at byte 7",
        ),
    ] {
        assert_eq!(refusal(json), refused, "{json}");
    }
}

#[test]
fn bounds_depth_anywhere() {
    let nested = |depth: u32| {
        format!(
            "{{\"x\":{}{}}}",
            "[".repeat(depth as usize),
            "]".repeat(depth as usize)
        )
    };
    assert!(AdmittedSecret::from_json(&nested(MAX_JSON_DEPTH)).is_ok());
    assert!(refusal(&nested(MAX_JSON_DEPTH + 1)).contains("nested too deeply"));
    assert!(refusal(&nested(1_000_000)).contains("nested too deeply"));
}

#[test]
fn unescapes_keys_and_values() {
    let json = r#"{"metadata":{"n\u0061me":"d\u0062"},"data":{"p\u0061ss\/word":"Y\u0067==","q":"Y\ng=="}}"#;
    let secret = AdmittedSecret::from_json(json).unwrap();
    assert_eq!(secret.name(), Some("db"));
    assert_eq!(secret.get("pass/word").unwrap().decode().unwrap(), b"b");
    assert_eq!(secret.get("q").unwrap().value, Some("Y\ng=="));
    assert_eq!(secret.get("q").unwrap().decode().unwrap(), b"b");
}

#[test]
fn borrows_values_from_the_input() {
    let json = String::from(r#"{"data":{"a":"YWJj"}}"#);
    let secret = AdmittedSecret::from_json(&json).unwrap();
    let value = secret.get("a").unwrap().value.unwrap();
    assert!(json.as_bytes().as_ptr_range().contains(&value.as_ptr()));
}

#[test]
fn finds_any_of_five_thousand_keys() {
    // Descending, so that document order and sorted order differ.
    let members: Vec<String> = (0..5000)
        .rev()
        .map(|index| format!("\"key-{index}\":\"{index:04}\""))
        .collect();
    let json = format!("{{\"data\":{{{}}}}}", members.join(","));
    let secret = AdmittedSecret::from_json(&json).unwrap();
    assert_eq!(secret.data().len(), 5000);
    assert_eq!(secret.data().next().unwrap().key, "key-4999");
    for index in [0, 1, 2500, 4998, 4999] {
        assert_eq!(
            secret.get(&format!("key-{index}")).unwrap().value,
            Some(format!("{index:04}").as_str())
        );
    }
    assert_eq!(secret.get("key-5000"), None);
    let twice = json.replace("key-17\"", "key-4711\"");
    assert_eq!(refusal(&twice), r#"data has the member "key-4711" twice"#);
}

#[test]
fn looks_at_values_without_decoding_them() {
    let secret = AdmittedSecret::from_json(
        r#"{"data":{"sealed":"ZXlKbGJtTWk=","plain":"aHVudGVyMg==","bad":"ZXlK!"}}"#,
    )
    .unwrap();
    assert!(secret.get("sealed").unwrap().starts_with(b"eyJlbmMi"));
    assert!(!secret.get("plain").unwrap().starts_with(b"eyJ"));
    assert_eq!(secret.get("plain").unwrap().decoded_len(), 7);
    assert!(secret.get("bad").unwrap().starts_with(b"eyJ"));
    assert!(matches!(
        secret.get("bad").unwrap().decode(),
        Err(WalkError::Base64 { .. })
    ));
    let mut head = [0; 3];
    assert_eq!(secret.get("sealed").unwrap().decode_head(&mut head), 3);
    assert_eq!(&head, b"eyJ");
}

#[test]
fn shows_no_value_in_debug_or_errors() {
    let secret = AdmittedSecret::from_json(
        r#"{"metadata":{"name":"db"},"data":{"a":"Y2FuYXJ5"},"stringData":{"b":"canary"}}"#,
    )
    .unwrap();
    let shown = format!("{secret:?} {:?}", secret.get("a"));
    assert!(
        shown.contains("db") && !shown.contains("Y2FuYXJ5") && !shown.contains("canary"),
        "{shown}"
    );
    for json in [
        r#"{"data":{"a":"canary"#,
        "{\"data\":{\"a\":\"canary\n\"}}",
        r#"{"data":{"a":["canary"]}}"#,
        r#"{"data":"canary"}"#,
    ] {
        let error = AdmittedSecret::from_json(json).unwrap_err();
        assert!(
            !format!("{error} {error:?}").contains("canary"),
            "{error:?}"
        );
    }
}
