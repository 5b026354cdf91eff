//! Annotations of a manifest, edited in place, and texts of JSON as values.

use secret_walker::{EditValue, Manifest};

const NAME: &str = "privyseal.dev/data.password";

fn word() -> EditValue {
    EditValue::word("eyJlbmMi.a.b.c.d").unwrap()
}

/// The file with the annotation.
fn annotated(file: &str) -> String {
    let manifest = Manifest::parse(file.as_bytes()).unwrap();
    let mut edits = manifest.edits();
    edits
        .set_annotation(&manifest.secrets()[0], NAME, word())
        .unwrap();
    let after = edits.apply().unwrap();
    let again = Manifest::parse(&after).unwrap();
    assert_eq!(
        again.secrets()[0].annotation(NAME).unwrap().text,
        "eyJlbmMi.a.b.c.d"
    );
    String::from_utf8(after).unwrap()
}

#[test]
fn annotations_come_into_being_where_there_were_none() {
    for (before, after) in [
        (
            "kind: Secret\napiVersion: v1\nmetadata:\n  name: db # it\n  labels: {a: b}\n# end\ndata: {}\n",
            "kind: Secret\napiVersion: v1\nmetadata:\n  name: db # it\n  labels: {a: b}\n  annotations:\n    privyseal.dev/data.password: eyJlbmMi.a.b.c.d\n# end\ndata: {}\n",
        ),
        (
            "kind: Secret\napiVersion: v1\nmetadata:\n    labels:\n        a: b\n    name: db\ndata: {}\n",
            "kind: Secret\napiVersion: v1\nmetadata:\n    labels:\n        a: b\n    name: db\n    annotations:\n        privyseal.dev/data.password: eyJlbmMi.a.b.c.d\ndata: {}\n",
        ),
        (
            "kind: Secret\napiVersion: v1\nmetadata: {name: db, namespace: shop} # flow\n",
            "kind: Secret\napiVersion: v1\nmetadata: {name: db, namespace: shop, annotations: {privyseal.dev/data.password: eyJlbmMi.a.b.c.d}} # flow\n",
        ),
        (
            "kind: Secret\r\napiVersion: v1\r\nmetadata:\r\n  name: db\r\n",
            "kind: Secret\r\napiVersion: v1\r\nmetadata:\r\n  name: db\r\n  annotations:\r\n    privyseal.dev/data.password: eyJlbmMi.a.b.c.d\r\n",
        ),
        (
            "kind: Secret\napiVersion: v1\nmetadata:\n  name: db",
            "kind: Secret\napiVersion: v1\nmetadata:\n  name: db\n  annotations:\n    privyseal.dev/data.password: eyJlbmMi.a.b.c.d",
        ),
        (
            "kind: List\napiVersion: v1\nitems:\n- kind: Secret\n  apiVersion: v1\n  metadata:\n    name: db\n- kind: Other\n",
            "kind: List\napiVersion: v1\nitems:\n- kind: Secret\n  apiVersion: v1\n  metadata:\n    name: db\n    annotations:\n      privyseal.dev/data.password: eyJlbmMi.a.b.c.d\n- kind: Other\n",
        ),
        (
            r#"{"kind":"Secret","apiVersion":"v1","metadata":{"name":"db"},"data":{}}"#,
            r#"{"kind":"Secret","apiVersion":"v1","metadata":{"name":"db","annotations":{"privyseal.dev/data.password":"eyJlbmMi.a.b.c.d"}},"data":{}}"#,
        ),
    ] {
        assert_eq!(annotated(before), after);
    }
}

#[test]
fn annotations_join_the_others() {
    for (before, after) in [
        (
            "kind: Secret\napiVersion: v1\nmetadata:\n  annotations:\n    a: b # why\n    # last\n  name: db\n",
            "kind: Secret\napiVersion: v1\nmetadata:\n  annotations:\n    a: b # why\n    privyseal.dev/data.password: eyJlbmMi.a.b.c.d\n    # last\n  name: db\n",
        ),
        (
            "kind: Secret\napiVersion: v1\nmetadata:\n  annotations: {a: b}\n  name: db\n",
            "kind: Secret\napiVersion: v1\nmetadata:\n  annotations: {a: b, privyseal.dev/data.password: eyJlbmMi.a.b.c.d}\n  name: db\n",
        ),
        (
            "kind: Secret\napiVersion: v1\nmetadata:\n  annotations:\n  name: db\n",
            "kind: Secret\napiVersion: v1\nmetadata:\n  annotations:\n    privyseal.dev/data.password: eyJlbmMi.a.b.c.d\n  name: db\n",
        ),
        (
            "kind: Secret\napiVersion: v1\nmetadata:\n  annotations: {}\n  name: db\n",
            "kind: Secret\napiVersion: v1\nmetadata:\n  annotations: {privyseal.dev/data.password: eyJlbmMi.a.b.c.d}\n  name: db\n",
        ),
    ] {
        assert_eq!(annotated(before), after);
    }
}

#[test]
fn a_value_is_replaced_in_its_own_style() {
    for (old, new) in [
        ("eyJold", "eyJlbmMi.a.b.c.d"),
        ("'eyJold' # note", "'eyJlbmMi.a.b.c.d' # note"),
        ("\"eyJold\"", "\"eyJlbmMi.a.b.c.d\""),
        (">-\n      eyJold", "eyJlbmMi.a.b.c.d"),
    ] {
        let file = |value: &str| {
            format!(
                "kind: Secret\napiVersion: v1\nmetadata:\n  annotations:\n    x: z\n    {NAME}: {value}\n  name: db\n"
            )
        };
        assert_eq!(annotated(&file(old)), file(new));
    }
}

#[test]
fn a_field_moves_into_an_annotation_and_back() {
    let field = "kind: Secret\napiVersion: v1\nmetadata:\n  name: db\nstringData:\n  password: hunter2\n  user: sa\n";
    let manifest = Manifest::parse(field.as_bytes()).unwrap();
    let secret = &manifest.secrets()[0];
    let mut edits = manifest.edits();
    edits.remove_field(&secret.fields()[0]).unwrap();
    edits.set_annotation(secret, NAME, word()).unwrap();
    let moved = String::from_utf8(edits.apply().unwrap()).unwrap();
    assert_eq!(
        moved,
        "kind: Secret\napiVersion: v1\nmetadata:\n  name: db\n  annotations:\n    privyseal.dev/data.password: eyJlbmMi.a.b.c.d\nstringData:\n  user: sa\n"
    );
    let manifest = Manifest::parse(moved.as_bytes()).unwrap();
    let secret = &manifest.secrets()[0];
    let mut edits = manifest.edits();
    edits.remove_annotation(secret, NAME).unwrap();
    edits.remove_annotation(secret, "not-there").unwrap();
    let section = secret_walker::Section::StringData;
    edits
        .insert_field(secret, section, "password", word())
        .unwrap();
    assert_eq!(
        String::from_utf8(edits.apply().unwrap()).unwrap(),
        "kind: Secret\napiVersion: v1\nmetadata:\n  name: db\nstringData:\n  user: sa\n  password: eyJlbmMi.a.b.c.d\n"
    );
}

#[test]
fn one_of_several_annotations_goes_alone() {
    let file = format!(
        "kind: Secret\napiVersion: v1\nmetadata:\n  annotations:\n    a: b\n    {NAME}: x\n    c: d # kept\n  name: db\n"
    );
    let manifest = Manifest::parse(file.as_bytes()).unwrap();
    let mut edits = manifest.edits();
    edits
        .remove_annotation(&manifest.secrets()[0], NAME)
        .unwrap();
    assert_eq!(
        String::from_utf8(edits.apply().unwrap()).unwrap(),
        file.replace(&format!("    {NAME}: x\n"), "")
    );
}

#[test]
fn what_reaches_elsewhere_is_refused() {
    for file in [
        "kind: Secret\napiVersion: v1\nmetadata: &m\n  name: db\n",
        "kind: Secret\napiVersion: v1\nmetadata:\n  name: db\n  annotations: &a {x: z}\n",
        "kind: Secret\napiVersion: v1\nmetadata:\n  name: db\n  annotations:\n    privyseal.dev/data.password: &v x\n",
        "kind: Secret\napiVersion: v1\ndata: {}\n",
        "kind: Secret\napiVersion: v1\nmetadata:\ndata: {}\n",
    ] {
        let manifest = Manifest::parse(file.as_bytes()).unwrap();
        let mut edits = manifest.edits();
        let refused = edits.set_annotation(&manifest.secrets()[0], NAME, word());
        assert!(refused.is_err(), "{file}");
    }
}

#[test]
fn an_annotation_is_edited_once_and_has_a_legal_name() {
    for file in [
        "kind: Secret\napiVersion: v1\nmetadata:\n  name: db\n".to_owned(),
        format!(
            "kind: Secret\napiVersion: v1\nmetadata:\n  name: db\n  annotations:\n    {NAME}: x\n"
        ),
    ] {
        let manifest = Manifest::parse(file.as_bytes()).unwrap();
        let secret = &manifest.secrets()[0];
        let mut edits = manifest.edits();
        edits.set_annotation(secret, NAME, word()).unwrap();
        assert!(edits.set_annotation(secret, NAME, word()).is_err());
        let long = format!("privyseal.dev/data.{}", "k".repeat(59));
        for name in [
            "",
            "privyseal.dev/",
            "privyseal.dev/data.",
            "privyseal.dev/data.key-",
            "privyseal.dev/data.a b",
            "Privyseal.dev/data.a",
            "a/b/c",
            &long,
        ] {
            assert!(
                edits.set_annotation(secret, name, word()).is_err(),
                "{name}"
            );
        }
        edits
            .set_annotation(secret, &long[..long.len() - 1], word())
            .unwrap();
    }
}

#[test]
fn a_text_of_json_fits_every_style() {
    let json = r#"{"protected":"eyJ","recipients":[{"header":{"alg":"RSA-OAEP-256"}}],"iv":"a"}"#;
    let quoted = json.replace('"', "\\\"");
    for (old, new) in [
        ("hunter2", format!("'{json}'")),
        ("'hunter2' # note", format!("'{json}' # note")),
        ("\"hunter2\"", format!("\"{quoted}\"")),
        ("|-\n    hunter2", format!("'{json}'")),
        ("", format!("'{json}' ")),
    ] {
        let file = |value: &str| {
            format!("kind: Secret\napiVersion: v1\nstringData:\n  password: {value}\n  z: q\n")
        };
        let before = file(old);
        let manifest = Manifest::parse(before.as_bytes()).unwrap();
        let mut edits = manifest.edits();
        let field = &manifest.secrets()[0].fields()[0];
        edits
            .replace(field, EditValue::json(json).unwrap())
            .unwrap();
        let after = String::from_utf8(edits.apply().unwrap()).unwrap();
        assert_eq!(after, file(&new));
        let manifest = Manifest::parse(after.as_bytes()).unwrap();
        assert_eq!(manifest.secrets()[0].fields()[0].text().unwrap(), json);
    }
    let file = r#"{"kind":"Secret","apiVersion":"v1","stringData":{"a":"b"}}"#;
    let manifest = Manifest::parse(file.as_bytes()).unwrap();
    let mut edits = manifest.edits();
    let field = &manifest.secrets()[0].fields()[0];
    edits
        .replace(field, EditValue::json(json).unwrap())
        .unwrap();
    assert_eq!(
        String::from_utf8(edits.apply().unwrap()).unwrap(),
        file.replace("\"b\"", &format!("\"{quoted}\""))
    );
    for text in ["it's", "a\\b", "a\nb", "ä", " {}", "{} "] {
        assert!(EditValue::json(text).is_err(), "{text:?}");
    }
}
