//! What is found in a manifest.
use super::*;

// What is found

#[test]
fn finds_name_place_and_fields_with_positions() {
    let file = "# a comment\n---\napiVersion: v1\nkind: Secret\nmetadata:\n  name: db\n  namespace: \"payments\"\n  annotations:\n    privyseal.dev/leave: 'a, b'\ntype: kubernetes.io/basic-auth\nimmutable: true\ndata:\n  password: aHVudGVyMg==\nstringData:\n  user: é: no\n";
    let file = &file.replace("é: no", "é no");
    let manifest = parse(file);
    let [secret] = manifest.secrets() else {
        panic!()
    };
    assert_eq!((secret.document(), secret.line()), (0, 3));
    let name = secret.name().unwrap();
    assert_eq!((name.text, name.line, name.column), ("db", 6, 9));
    assert_eq!(secret.namespace().unwrap().text, "payments");
    assert_eq!(secret.generate_name(), None);
    assert_eq!(
        secret.secret_type().unwrap().text,
        "kubernetes.io/basic-auth"
    );
    assert!(secret.immutable());
    let leave = secret.annotation("privyseal.dev/leave").unwrap();
    assert_eq!((leave.text, leave.line, leave.column), ("a, b", 9, 26));
    let [password, user] = secret.fields() else {
        panic!()
    };
    assert_eq!(password.path(), &FieldPath::data("password"));
    assert_eq!((password.line(), password.column()), (13, 13));
    assert_eq!(password.text().unwrap(), "aHVudGVyMg==");
    assert_eq!(password.value().unwrap().as_slice(), b"hunter2");
    assert_eq!((user.line(), user.column()), (15, 9));
    assert_eq!(user.value().unwrap().as_slice(), "é no".as_bytes());
}

#[test]
fn shows_no_value_in_debug() {
    let file = format!("{HEAD}stringData:\n  password: hunter2\n");
    let manifest = parse(&file);
    let mut edits = manifest.edits();
    edits
        .replace(&manifest.secrets()[0].fields()[0], word("hunter2"))
        .unwrap();
    let shown = format!("{manifest:?} {edits:?} {:?}", word("hunter2"));
    assert!(
        shown.contains("password") && !shown.contains("hunter2"),
        "{shown}"
    );
}

#[test]
fn passes_over_what_is_no_core_secret() {
    for file in [
        "",
        "\n# only a comment\n",
        "---\n---\n",
        "apiVersion: v1\nkind: ConfigMap\ndata: {a: *b, 1: 2, 1: 3}\n",
        "apiVersion: bitnami.com/v1\nkind: Secret\ndata: {a: 1}\n",
        "kind: SealedSecret\napiVersion: bitnami.com/v1alpha1\nspec: &s {? [a] : !x b}\nother: *s\n",
        "- a\n- kind: Secret\n",
        "just text\n",
        "defaults: &d {a: 1}\njob: {<<: *d}\n",
        "apiVersion: v1\nkind: List\nitems: []\n",
        "[1, 2]",
        "{\"kind\": \"ConfigMap\", \"data\": {\"a\": 1, \"a\": 2}}",
    ] {
        assert!(parse(file).secrets().is_empty(), "{file:?}");
        assert_eq!(parse(file).edits().apply().unwrap(), file.as_bytes());
    }
}

#[test]
fn keeps_odd_neighbors_as_they_are() {
    let odd = "kind: ConfigMap\nx: &a !!binary |\n  aGk=\ny: *a\n? [c, d]\n: {e: f, e: g}\nz: 0x1F\n...\n";
    let file = format!("{odd}---\n{HEAD}data:\n  a: Yg==\n---\n{odd}");
    assert_eq!(replaced(&file), file.replace("Yg==", NEW));
    assert_eq!(parse(&file).secrets()[0].document(), 1);
    assert_eq!(parse(&file).documents(), 3);
}

#[test]
fn finds_secrets_in_lists() {
    let file = "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: ConfigMap\n  data: {a: b}\n- apiVersion: v1\n  kind: Secret\n  metadata: {name: one}\n  stringData:\n    a: x\n- apiVersion: v1\n  kind: List\n  items:\n    - {apiVersion: v1, kind: Secret, metadata: {name: two}, stringData: {a: 'y'}}\n";
    let manifest = parse(file);
    let names: Vec<&str> = manifest
        .secrets()
        .iter()
        .map(|secret| secret.name().unwrap().text)
        .collect();
    assert_eq!(names, ["one", "two"]);
    let mut edits = manifest.edits();
    for secret in manifest.secrets() {
        edits.replace(&secret.fields()[0], word(NEW)).unwrap();
    }
    let expected = file
        .replace("a: x", &format!("a: {NEW}"))
        .replace("'y'", &format!("'{NEW}'"));
    assert_eq!(apply(file, edits.apply()), expected);
}

#[test]
fn reads_the_items_of_a_secret_list_without_their_kind() {
    let file =
        "apiVersion: v1\nkind: SecretList\nitems:\n- metadata: {name: one}\n  data: {a: eA==}\n";
    assert_eq!(parse(file).secrets()[0].name().unwrap().text, "one");
    assert_eq!(replaced(file), file.replace("eA==", NEW));
}

#[test]
fn tells_keys_that_stand_in_both_sections() {
    let file = format!("{HEAD}data: {{a: eA==, b: eA==}}\nstringData: {{b: x, c: y}}\n");
    let manifest = parse(&file);
    assert_eq!(
        manifest.secrets()[0].keys_in_both().collect::<Vec<_>>(),
        ["b"]
    );
}

#[test]
fn takes_empty_sections() {
    for section in [
        "data:",
        "data: {}",
        "data: null",
        "data: ~",
        "data:  # later",
        "data: {\n  }",
    ] {
        let file = format!("{HEAD}{section}\n");
        assert!(parse(&file).secrets()[0].fields().is_empty(), "{section:?}");
    }
}

// How values read. Each pair was checked against kubectl's own reader.

#[test]
fn reads_strings_as_kubectl_does() {
    for (written, read) in [
        ("plain", "plain"),
        ("'single ''quoted'''", "single 'quoted'"),
        ("\"a\\tb\\x41\\u00e9\\\"\"", "a\tbAé\""),
        ("\"two\n    lines\"", "two lines"),
        ("\"joined\\\n    here\"", "joinedhere"),
        ("two\n    plain\n\n    lines # comment", "two plain\nlines"),
        ("\n    next line", "next line"),
        ("!!str 12", "12"),
        ("! 12", "12"),
        ("\"12\"", "12"),
        ("a#b", "a#b"),
        ("a: b".trim_end_matches(": b"), "a"),
        ("|\n    a\n    b", "a\nb\n"),
        ("|-\n    a\n    b\n", "a\nb"),
        ("|+\n    a\n\n", "a\n\n"),
        ("|2-\n      a\n     b", "  a\n b"),
        (
            ">\n    a\n    b\n\n    c\n      d\n    e",
            "a b\nc\n  d\ne\n",
        ),
        (">-\n    a\n    b", "a b"),
        (">+\n    a\n\n\n", "a\n\n\n"),
        ("|  # a comment\n    a", "a\n"),
        ("|\n\n    a\n", "\na\n"),
        ("|\n    # no comment\n    a", "# no comment\na\n"),
        ("|\n    a\n  # a comment\n", "a\n"),
        ("|\n    a\t\n    \tb", "a\t\n\tb\n"),
        ("|", ""),
        ("''", ""),
    ] {
        let last = if written.ends_with('\n') { "" } else { "\n" };
        let file = format!("{HEAD}stringData:\n  a: {written}{last}");
        assert_eq!(first_text(&file), read, "{written:?}");
        let crlf = file.replace('\n', "\r\n");
        assert_eq!(first_text(&crlf), read, "{written:?} with CRLF");
    }
}

#[test]
fn a_last_line_without_a_line_break_reads_as_with_one() {
    assert_eq!(
        first_text(&format!("{HEAD}stringData:\n  a: |\n    last")),
        "last\n"
    );
    assert_eq!(
        first_text(&format!("{HEAD}stringData:\n  a: >-\n    last")),
        "last"
    );
    assert_eq!(first_text(&format!("{HEAD}stringData:\n  a: last")), "last");
}

#[test]
fn keeps_the_text_of_a_value_that_is_no_base64() {
    let file = format!("{HEAD}data:\n  a: eyJlbmMi.x.y.z\n  b: |\n    aHVu\n    dGVyMg==\n");
    let manifest = parse(&file);
    let [a, b] = manifest.secrets()[0].fields() else {
        panic!()
    };
    assert_eq!(a.text().unwrap(), "eyJlbmMi.x.y.z");
    let error = a.value().unwrap_err();
    assert_eq!(
        error.to_string(),
        "line 6, column 6: field `data/a` is not base64: it contains an invalid character"
    );
    assert_eq!(b.value().unwrap().as_slice(), b"hunter2");
}

#[test]
fn reads_flow_yaml_whose_keys_are_not_quoted() {
    let file = "{apiVersion: v1, kind: Secret, stringData: {a: 'old'},}\n";
    assert!(!parse(file).is_json());
    assert_eq!(replaced(file), file.replace("old", NEW));
}

/// kubectl reads a document that begins with a brace as JSON and as nothing else.
#[test]
fn what_is_meant_as_json_is_read_as_nothing_else() {
    for file in [
        "{\"apiVersion\": \"v1\", \"kind\": \"Secret\", \"stringData\": {\"a\": \"old\",}}\n",
        "{\"apiVersion\": \"v1\", \"kind\": \"Secret\", \"stringData\": {\"a\": \"old\"}} # comment\n",
        "{ // comment\n\"apiVersion\": \"v1\", \"kind\": \"Secret\", \"stringData\": {\"a\": \"old\"}}\n",
    ] {
        let error = Manifest::parse(file.as_bytes()).unwrap_err().to_string();
        assert!(error.contains("not JSON"), "{error}");
    }
}

#[test]
fn reads_thousands_of_fields() {
    let mut file = String::from("apiVersion: v1\nkind: Secret\ndata:\n");
    file.extend((0..5000).map(|index| format!("  key-{index}: eA==\n")));
    let manifest = parse(&file);
    let fields = manifest.secrets()[0].fields();
    assert_eq!(fields.len(), 5000);
    assert_eq!((fields[4999].line(), fields[4999].column()), (5003, 13));
    let mut edits = manifest.edits();
    for field in fields {
        edits.replace(field, word(NEW)).unwrap();
    }
    assert_eq!(apply(&file, edits.apply()), file.replace("eA==", NEW));
}

#[test]
fn a_value_that_became_a_key_is_not_shown() {
    for value in ["&x: hunter2!", "!hunter2", "a: b, !hunter2", "&hunter2! a"] {
        let text = format!("apiVersion: v1\nkind: Secret\nstringData: {{{value}}}\n");
        let error = secret_walker::Manifest::parse(text.as_bytes()).unwrap_err();
        let shown = error.render();
        assert!(!shown.contains("hunter2") && shown.contains('^'), "{shown}");
    }
}

#[test]
fn a_forgotten_colon_does_not_make_a_value_a_key_that_is_shown() {
    let text = "apiVersion: v1\nkind: Secret\nstringData 'hunter2 x', b: \"hunter2\"}\n";
    let error = secret_walker::Manifest::parse(text.as_bytes()).unwrap_err();
    let shown = error.render();
    assert!(!shown.contains("hunter2"), "{shown}");
    assert!(shown.contains('^'), "{shown}");
}
