//! Fields come, go and change their section.
use super::*;

// Inserting

#[test]
fn inserts_after_the_last_field_of_a_block() {
    for (before, after) in [
        ("data:\n  a: eA==\n", "data:\n  a: eA==\n  k: NEW\n"),
        ("data:\n  a: eA==", "data:\n  a: eA==\n  k: NEW"),
        (
            "data:\n    a: eA== # c\n\n\ntype: Opaque\n",
            "data:\n    a: eA== # c\n    k: NEW\n\n\ntype: Opaque\n",
        ),
        (
            "data:\n  a: |\n    eA==\n\n# end\n",
            "data:\n  a: |\n    eA==\n  k: NEW\n\n# end\n",
        ),
        (
            "data:\n  a: |+\n    eA==\n\ntype: Opaque\n",
            "data:\n  a: |+\n    eA==\n\n  k: NEW\ntype: Opaque\n",
        ),
        (
            "data:\n  a: |\n    eA==\n       \ntype: Opaque\n",
            "data:\n  a: |\n    eA==\n       \n  k: NEW\ntype: Opaque\n",
        ),
        (
            "data:\n  a: |+\n    eA==",
            "data:\n  a: |+\n    eA==\n  k: NEW",
        ),
        ("data:\n  a: ''\n  b:\n", "data:\n  a: ''\n  b:\n  k: NEW\n"),
        (
            "data:\n  a: \"eA\n    ==\"\n",
            "data:\n  a: \"eA\n    ==\"\n  k: NEW\n",
        ),
        (
            "data:\n  a: |2\n    \n      \n\ntype: Opaque\n",
            "data:\n  a: |2\n    \n      \n  k: NEW\n\ntype: Opaque\n",
        ),
        ("data: {a: eA==}\n", "data: {a: eA==, k: NEW}\n"),
        ("data: { a: eA== } # c\n", "data: { a: eA==, k: NEW } # c\n"),
        ("data: {a: eA==, }\n", "data: {a: eA==, k: NEW }\n"),
        ("data: {a: , b: }\n", "data: {a: , b:, k: NEW }\n"),
        (
            "data: {\n  a: eA==, # c\n  b: eA== # d\n}\n",
            "data: {\n  a: eA==, # c\n  b: eA==,\n  k: NEW # d\n}\n",
        ),
        (
            "data: {\"a\":\"eA==\"}\n",
            "data: {\"a\":\"eA==\",\"k\":\"NEW\"}\n",
        ),
        ("data: {}\n", "data: {k: NEW}\n"),
        ("data: ~ # c\n", "data: {k: NEW} # c\n"),
        ("data:\n", "data:\n  k: NEW\n"),
        (
            "data: # c\n# d\ntype: Opaque\n",
            "data: # c\n  k: NEW\n# d\ntype: Opaque\n",
        ),
        ("data:", "data:\n  k: NEW"),
        ("type: Opaque\n", "type: Opaque\ndata:\n  k: NEW\n"),
        ("type: Opaque", "type: Opaque\ndata:\n  k: NEW"),
        (
            "stringData:\n  a: |\n    x\n\n\n# end\n---\na: b\n",
            "stringData:\n  a: |\n    x\ndata:\n  k: NEW\n\n\n# end\n---\na: b\n",
        ),
    ] {
        let before = format!("{HEAD}{before}");
        let after = format!("{HEAD}{}", after.replace("NEW", NEW));
        assert_eq!(inserted(&before, Section::Data, "k"), after);
        let crlf = |text: &str| text.replace('\n', "\r\n");
        assert_eq!(inserted(&crlf(&before), Section::Data, "k"), crlf(&after));
    }
}

#[test]
fn inserts_keys_that_need_quotes_and_dotted_ones() {
    let file = format!("{HEAD}data:\n  a: eA==\n");
    for (key, written) in [
        ("12", "\"12\""),
        ("on", "\"on\""),
        (".dockerconfigjson", ".dockerconfigjson"),
        ("tls.key", "tls.key"),
        ("-x", "\"-x\""),
    ] {
        assert_eq!(
            inserted(&file, Section::Data, key),
            format!("{file}  {written}: {NEW}\n")
        );
    }
}

#[test]
fn creates_sections_in_lists_and_in_the_indentation_of_the_neighbors() {
    let file = "apiVersion: v1\nkind: List\nitems:\n  - apiVersion: v1\n    kind: Secret\n    metadata:\n        name: x\n  - a: b\n";
    let expected = file.replace(
        "  - a: b",
        &format!("    stringData:\n        k: {NEW}\n  - a: b"),
    );
    assert_eq!(inserted(file, Section::StringData, "k"), expected);
}

#[test]
fn inserts_into_json() {
    for (before, after) in [
        (
            "{\"apiVersion\":\"v1\",\"kind\":\"Secret\"}",
            "{\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"data\":{\"k\":\"NEW\"}}",
        ),
        (
            "{\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"data\":{\"a\":\"eA==\"}}",
            "{\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"data\":{\"a\":\"eA==\",\"k\":\"NEW\"}}",
        ),
        (
            "{\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"data\":null}",
            "{\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"data\":{\"k\":\"NEW\"}}",
        ),
        (
            "{\n  \"apiVersion\": \"v1\",\n  \"kind\": \"Secret\"\n}\n",
            "{\n  \"apiVersion\": \"v1\",\n  \"kind\": \"Secret\",\n  \"data\": {\n    \"k\": \"NEW\"\n  }\n}\n",
        ),
        (
            "{\n\t\"apiVersion\": \"v1\",\n\t\"kind\": \"Secret\",\n\t\"data\": {\n\t\t\"a\": \"eA==\"\n\t}\n}\n",
            "{\n\t\"apiVersion\": \"v1\",\n\t\"kind\": \"Secret\",\n\t\"data\": {\n\t\t\"a\": \"eA==\",\n\t\t\"k\": \"NEW\"\n\t}\n}\n",
        ),
        (
            "{\"apiVersion\": \"v1\", \"kind\": \"Secret\", \"data\": {}}",
            "{\"apiVersion\": \"v1\", \"kind\": \"Secret\", \"data\": {\"k\": \"NEW\"}}",
        ),
    ] {
        assert_eq!(
            inserted(before, Section::Data, "k"),
            after.replace("NEW", NEW)
        );
    }
}

// Removing and moving

#[test]
fn removes_fields_with_their_lines() {
    for (before, paths, after) in [
        (
            "data:\n  a: eA==\n  b: eA==\n",
            &["data/a"][..],
            "data:\n  b: eA==\n",
        ),
        (
            "data:\n  a: eA== # c\n  # d\n  b: eA==",
            &["data/b"],
            "data:\n  a: eA== # c\n  # d\n",
        ),
        (
            "data:\n  a: |\n    eA==\n\n  b: eA==\n",
            &["data/a"],
            "data:\n\n  b: eA==\n",
        ),
        (
            "data:\n  a: eA==\ntype: Opaque\n",
            &["data/a"],
            "type: Opaque\n",
        ),
        (
            "data: {a: eA==}\ntype: Opaque\n",
            &["data/a"],
            "type: Opaque\n",
        ),
        (
            "data: {a: eA==, b: '', c: ''}\n",
            &["data/a"],
            "data: {b: '', c: ''}\n",
        ),
        (
            "data: {a: eA==, b: '', c: ''}\n",
            &["data/b"],
            "data: {a: eA==, c: ''}\n",
        ),
        (
            "data: {a: eA==, b: '', c: ''}\n",
            &["data/b", "data/c"],
            "data: {a: eA==}\n",
        ),
        (
            "data: {a: eA==, b: '', c: ''}\n",
            &["data/c", "data/a"],
            "data: {b: ''}\n",
        ),
        (
            "data:\n  a: eA==\nstringData:\n  b: x\n",
            &["data/a", "stringData/b"],
            "",
        ),
    ] {
        let before = format!("{HEAD}{before}");
        assert_eq!(
            removed(&before, paths),
            format!("{HEAD}{after}"),
            "{before:?}"
        );
    }
}

#[test]
fn removes_from_json() {
    let file = "{\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"stringData\":{\"a\":\"x\",\"b\":\"y\"},\"data\":{}}";
    assert_eq!(
        removed(file, &["stringData/a"]),
        file.replace("\"a\":\"x\",", "")
    );
    assert_eq!(
        removed(file, &["stringData/a", "stringData/b"]),
        file.replace("\"stringData\":{\"a\":\"x\",\"b\":\"y\"},", "")
    );
}

#[test]
fn leaves_an_empty_section_behind_a_dash() {
    let file = "apiVersion: v1\nkind: List\nitems:\n- data:\n    a: eA==\n  apiVersion: v1\n  kind: Secret\n";
    assert_eq!(
        removed(file, &["data/a"]),
        "apiVersion: v1\nkind: List\nitems:\n- data: {}\n  apiVersion: v1\n  kind: Secret\n"
    );
}

#[test]
fn moves_fields_between_sections() {
    let file = format!("{HEAD}stringData:\n  a: x # note\n  b: |\n    y\n    z\ntype: Opaque\n");
    let manifest = parse(&file);
    let secret = &manifest.secrets()[0];
    let mut edits = manifest.edits();
    for field in secret.fields() {
        edits.remove_field(field).unwrap();
        edits
            .insert_field(
                secret,
                Section::Data,
                field.key(),
                EditValue::base64(&field.value().unwrap()),
            )
            .unwrap();
    }
    assert_eq!(
        apply(&file, edits.apply()),
        format!("{HEAD}type: Opaque\ndata:\n  a: eA==\n  b: eQp6Cg==\n")
    );
}

#[test]
fn swaps_the_last_field_of_a_file_without_a_final_line_break() {
    for (before, after) in [
        ("data:\n  a: eA==", "data:\n  a: NEW\n"),
        ("data: {a: eA==}", "data: {a: NEW}"),
    ] {
        let file = format!("{HEAD}{before}");
        let manifest = parse(&file);
        let secret = &manifest.secrets()[0];
        let mut edits = manifest.edits();
        edits.remove_field(&secret.fields()[0]).unwrap();
        edits
            .insert_field(secret, Section::Data, "a", word(NEW))
            .unwrap();
        assert_eq!(
            apply(&file, edits.apply()),
            format!("{HEAD}{}", after.replace("NEW", NEW))
        );
    }
}
