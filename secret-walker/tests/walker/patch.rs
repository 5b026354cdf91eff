//! Patches: the exact JSON, and what their `Debug` keeps to itself.

use secret_walker::{FieldPath, PatchBuilder, Section, WalkError};

fn patch(replacements: &[(FieldPath, &[u8])]) -> String {
    let mut builder = PatchBuilder::new();
    for (path, plaintext) in replacements {
        builder.replace(path, plaintext).unwrap();
    }
    String::from_utf8(builder.finish().expose().to_vec()).unwrap()
}

#[test]
fn replaces_and_does_nothing_else() {
    assert_eq!(
        patch(&[
            (FieldPath::data("b"), b"hunter2"),
            (FieldPath::data("a"), b""),
            (FieldPath::string_data("c"), b"text")
        ]),
        concat!(
            r#"[{"op":"replace","path":"/data/b","value":"aHVudGVyMg=="},"#,
            r#"{"op":"replace","path":"/data/a","value":""},"#,
            r#"{"op":"replace","path":"/stringData/c","value":"text"}]"#
        )
    );
}

#[test]
fn without_replacements_it_is_an_empty_array() {
    let patch = PatchBuilder::new().finish();
    assert!(patch.is_empty());
    assert_eq!(patch.as_bytes(), b"[]");
}

#[test]
fn escapes_keys_for_the_pointer_and_for_json() {
    for (key, pointer) in [
        ("a/b", "/data/a~1b"),
        ("a~b", "/data/a~0b"),
        ("~1", "/data/~01"),
        ("\"\\\n\u{1}\u{1f}é", "/data/\"\\\n\u{1}\u{1f}é"),
        ("", "/data/"),
    ] {
        let json = patch(&[(FieldPath::data(key), b"x")]);
        let read: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(read[0]["path"], pointer, "{key:?}");
        assert_eq!(read[0]["value"], "eA==");
    }
}

#[test]
fn escapes_text_of_string_data() {
    let text: String = (0..=0x7f_u8)
        .map(char::from)
        .chain("é\u{2028}😀".chars())
        .collect();
    let json = patch(&[(FieldPath::string_data("k"), text.as_bytes())]);
    let read: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(read[0]["value"], text);
}

#[test]
fn refuses_a_second_value_and_text_that_is_none() {
    let mut builder = PatchBuilder::new();
    builder.replace(&FieldPath::data("a"), b"x").unwrap();
    let twice = builder.replace(&FieldPath::data("a"), b"y").unwrap_err();
    assert_eq!(
        twice,
        WalkError::DuplicatePatch {
            path: "data/a".to_owned()
        }
    );
    let binary = builder
        .replace(&FieldPath::string_data("a"), b"\xff")
        .unwrap_err();
    assert_eq!(
        binary.to_string(),
        "value of field `stringData/a` is not UTF-8 text; put it under `data`"
    );
    assert_eq!(builder.len(), 1);
    assert_eq!(
        builder.finish().as_bytes(),
        br#"[{"op":"replace","path":"/data/a","value":"eA=="}]"#
    );
}

#[test]
fn shows_paths_alone_in_debug() {
    let mut builder = PatchBuilder::new();
    builder.replace(&FieldPath::data("a"), b"canary").unwrap();
    assert_eq!(format!("{builder:?}"), r#"PatchBuilder(["data/a"])"#);
    let patch = builder.finish();
    assert_eq!(format!("{patch:?}"), r#"SecretPatch(["data/a"])"#);
    assert_eq!(patch.paths(), [FieldPath::data("a")]);
}

#[test]
fn gives_base64_for_an_admission_response() {
    let mut builder = PatchBuilder::new();
    for length in 0..5 {
        builder
            .replace(&FieldPath::data(format!("k{length}")), &vec![b'x'; length])
            .unwrap();
        let mut copy = PatchBuilder::new();
        copy.replace(&FieldPath::data("k"), &vec![b'x'; length])
            .unwrap();
        let patch = copy.finish();
        let text = patch.to_base64();
        assert_eq!(secret_walker::decode(&text).unwrap(), patch.expose());
        let mut out = vec![0; patch.base64_len()];
        patch.write_base64(&mut out);
        assert_eq!(out, text.as_bytes());
    }
    assert_eq!(builder.len(), 5);
}

#[test]
fn holds_values_of_a_mebibyte() {
    let large = vec![b'x'; 1 << 20];
    let json = patch(&[(FieldPath::data("a"), &large), (FieldPath::data("b"), b"y")]);
    let read: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        secret_walker::decode(read[0]["value"].as_str().unwrap()).unwrap(),
        large
    );
    assert_eq!(read[1]["value"], "eQ==");
}

#[test]
fn values_come_and_go_with_their_annotations() {
    let mut builder = PatchBuilder::new();
    builder.add_section(Section::Data);
    builder.add(&FieldPath::data("a/b"), b"x").unwrap();
    builder.remove(&FieldPath::data("c~d")).unwrap();
    builder.replace(&FieldPath::data("e"), b"").unwrap();
    assert!(matches!(
        builder.remove(&FieldPath::data("e")),
        Err(WalkError::DuplicatePatch { .. })
    ));
    assert!(matches!(
        builder.add(&FieldPath::data("c~d"), b"x"),
        Err(WalkError::DuplicatePatch { .. })
    ));
    assert_eq!(builder.len(), 3);
    let patch = builder.finish();
    assert_eq!(
        serde_json::from_slice::<serde_json::Value>(patch.expose()).unwrap(),
        serde_json::json!([
            {"op": "add", "path": "/data", "value": {}},
            {"op": "add", "path": "/data/a~1b", "value": "eA=="},
            {"op": "remove", "path": "/data/c~0d"},
            {"op": "replace", "path": "/data/e", "value": ""},
        ])
    );
}

#[test]
fn an_annotation_is_taken_away_once_and_counts_as_a_change() {
    let mut builder = PatchBuilder::new();
    builder
        .remove_annotation("seal.privyseal.dev/a~b")
        .unwrap()
        .replace(&FieldPath::data("password"), b"hunter2")
        .unwrap();
    assert!(matches!(
        builder.remove_annotation("seal.privyseal.dev/a~b"),
        Err(WalkError::DuplicatePatch { .. })
    ));
    let patch = builder.finish();
    assert_eq!(
        std::str::from_utf8(patch.expose()).unwrap(),
        concat!(
            r#"[{"op":"remove","path":"/metadata/annotations/seal.privyseal.dev~1a~0b"},"#,
            r#"{"op":"replace","path":"/data/password","value":"aHVudGVyMg=="}]"#
        )
    );
    assert_eq!(patch.paths(), [FieldPath::data("password")]);
    let mut alone = PatchBuilder::new();
    alone.remove_annotation("a").unwrap();
    assert!(!alone.is_empty() && !alone.finish().is_empty());
}
