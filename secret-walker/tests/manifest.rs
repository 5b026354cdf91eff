//! Manifests: what is found in them, and what an edit leaves behind.
#![cfg(feature = "manifest")]
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic like tests")]

use secret_walker::{EditValue, FieldPath, Manifest, Section, WalkError};

/// A word such as edits write.
const NEW: &str = "eyJlbmMi.a.b.c-_.d";

const HEAD: &str = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: db\n";

fn word(text: &str) -> EditValue {
    EditValue::word(text).unwrap()
}

fn parse(file: &str) -> Manifest<'_> {
    Manifest::parse(file.as_bytes())
        .unwrap_or_else(|error| panic!("{}\nin\n{file}", error.render()))
}

/// Replaces the first field of the first Secret.
fn replaced(file: &str) -> String {
    replaced_by(file, NEW)
}

fn replaced_by(file: &str, text: &str) -> String {
    let manifest = parse(file);
    let mut edits = manifest.edits();
    edits
        .replace(&manifest.secrets()[0].fields()[0], word(text))
        .unwrap();
    apply(file, edits.apply())
}

/// Inserts one field into the first Secret.
fn inserted(file: &str, section: Section, key: &str) -> String {
    let manifest = parse(file);
    let mut edits = manifest.edits();
    edits
        .insert_field(&manifest.secrets()[0], section, key, word(NEW))
        .unwrap();
    apply(file, edits.apply())
}

/// Removes fields of the first Secret by path.
fn removed(file: &str, paths: &[&str]) -> String {
    let manifest = parse(file);
    let mut edits = manifest.edits();
    for path in paths {
        let path: FieldPath = path.parse().unwrap();
        edits
            .remove_field(manifest.secrets()[0].field(&path).unwrap())
            .unwrap();
    }
    apply(file, edits.apply())
}

fn apply(file: &str, result: Result<Vec<u8>, WalkError>) -> String {
    String::from_utf8(result.unwrap_or_else(|error| panic!("{}\nin\n{file}", error.render())))
        .unwrap()
}

/// The text of the first field of the first Secret.
fn first_text(file: &str) -> String {
    parse(file).secrets()[0].fields()[0]
        .text()
        .unwrap_or_else(|error| panic!("{}", error.render()))
        .to_owned()
}

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
        "line 6, column 6: field `data/a` is not base64: a character does not belong to base64"
    );
    assert_eq!(b.value().unwrap().as_slice(), b"hunter2");
}

// Replacing

#[test]
fn replaces_in_every_style() {
    for (written, result) in [
        ("old", "NEW"),
        ("old # comment", "NEW # comment"),
        ("   old   ", "   NEW   "),
        ("'old'", "'NEW'"),
        ("\"o\\u006cd\" # c", "\"NEW\" # c"),
        ("\"two\n    lines\"", "\"NEW\""),
        ("two\n    lines\n\n    here # c", "NEW # c"),
        ("\n    next # c", "\n    NEW # c"),
        ("!!str old", "!!str NEW"),
        ("|\n    a\n    b", "NEW"),
        ("|-\n    a", "NEW"),
        ("|+\n    a\n\n", "NEW\n\n"),
        ("|2\n      a\n    b", "NEW"),
        ("|-2\n      a\n    b", "NEW"),
        (">\n    a\n\n    b\n      c", "NEW"),
        (">+  # kept\n    a\n", "NEW  # kept\n"),
        (">-\n    a\n\n\n", "NEW\n\n\n"),
        (
            "|  # comment | > here\n    a\n    # text",
            "NEW  # comment | > here",
        ),
        ("|\n\n    a\n\n    b\n\n", "NEW\n\n"),
        ("|\n    a\n  # comment\n", "NEW\n  # comment\n"),
        ("|\n    a\n # less\n", "NEW\n # less\n"),
        ("|", "NEW"),
        ("|+\n\n\n", "NEW\n\n\n"),
        ("|-  # nothing\n", "NEW  # nothing\n"),
        ("!!str |\n    a", "!!str NEW"),
        ("\n    |\n    a", "\n    NEW"),
        ("|\n    a   \n    b  ", "NEW"),
        ("|\n    a\n      \n   \n", "NEW\n      \n   \n"),
        ("12", "NEW"),
        ("0x1F # number", "NEW # number"),
        ("~", "NEW"),
        ("null", "NEW"),
        ("", " NEW"),
        (" # nothing", " NEW # nothing"),
        ("''", "'NEW'"),
        ("on", "NEW"),
    ] {
        for tail in [
            "",
            "\n",
            "\n  next: value\n",
            "\ntype: Opaque\n",
            "\n# end\n",
            "\n---\na: b\n",
            "\n...\n",
        ] {
            // A value without a blank before it would not be one.
            let before = format!(
                "{HEAD}stringData:\n  a:{}{written}{tail}",
                if written.is_empty() { "" } else { " " }
            );
            let after = format!(
                "{HEAD}stringData:\n  a:{}{result}{tail}",
                if written.is_empty() || written.starts_with(" #") {
                    ""
                } else {
                    " "
                }
            );
            let after = after.replace("NEW", NEW);
            let after = if written.starts_with(" #") {
                after.replace(&format!(" {NEW} #"), &format!(" {NEW}  #"))
            } else {
                after
            };
            assert_eq!(replaced(&before), after, "{written:?} before {tail:?}");
            let crlf = |text: &str| text.replace('\n', "\r\n");
            assert_eq!(
                replaced(&crlf(&before)),
                crlf(&after),
                "{written:?} before {tail:?} with CRLF"
            );
            let marked = |text: &str| format!("\u{feff}{text}");
            assert_eq!(
                replaced(&marked(&before)),
                marked(&after),
                "{written:?} before {tail:?} after a BOM"
            );
        }
    }
}

#[test]
fn quotes_a_word_that_would_read_as_something_else() {
    let file = format!("{HEAD}data:\n  a: b2xk\n");
    for text in [
        "",
        "null",
        "yes",
        "12",
        "1e10",
        "0x1F",
        "-",
        "-a",
        "=",
        ".5",
        "+a",
        "2026-11-21",
        "~".trim_matches('~'),
    ] {
        assert_eq!(
            replaced_by(&file, text),
            file.replace("b2xk", &format!("\"{text}\""))
        );
    }
    for text in ["abc", "a=", "ZXlK", "/a", "_", "eyJ.a.b"] {
        assert_eq!(replaced_by(&file, text), file.replace("b2xk", text));
    }
}

#[test]
fn replaces_in_flow_style() {
    for (before, after) in [
        ("{a: old}", "{a: NEW}"),
        ("{a: old, b: c}", "{a: NEW, b: c}"),
        ("{ 'a' : \"old\" , }", "{ 'a' : \"NEW\" , }"),
        (
            "{\n    a: old # c\n    , b: x}",
            "{\n    a: NEW # c\n    , b: x}",
        ),
        ("{a: , b: x}", "{a: NEW , b: x}"),
        ("{a:}", "{a: NEW}"),
        ("{\"a\":old}", "{\"a\":NEW}"),
        ("{a: two\n   lines}", "{a: NEW}"),
    ] {
        let file = format!("{HEAD}stringData: {before} # end\n");
        assert_eq!(
            replaced(&file),
            format!("{HEAD}stringData: {} # end\n", after.replace("NEW", NEW)),
            "{before:?}"
        );
    }
}

#[test]
fn replaces_in_json() {
    for file in [
        "{\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"data\":{\"a\":\"OLD=\"}}",
        "\u{feff}{\r\n\t\"apiVersion\" : \"v1\",\r\n\t\"kind\" : \"Secret\",\r\n\t\"data\" : { \"a\" : \"OLD=\" }\r\n}\r\n",
        "{\"apiVersion\":\"v1\",\"kind\":\"List\",\"items\":[{\"kind\":\"Secret\",\"apiVersion\":\"v1\",\"stringData\":{\"x\":\"\\u00e9\\ud83d\\ude00\",\"a\":\"OLD=\"}}]}",
        "{\"kind\":\"ConfigMap\"}\n{\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"data\":{\"a\":\"OLD=\"}}",
    ] {
        let manifest = parse(file);
        assert!(manifest.is_json());
        let field = manifest.secrets()[0]
            .fields()
            .iter()
            .find(|field| field.key() == "a")
            .unwrap();
        let mut edits = manifest.edits();
        edits.replace(field, word("12")).unwrap();
        assert_eq!(apply(file, edits.apply()), file.replace("OLD=", "12"));
    }
    let file = "{\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"data\":{\"a\":null,\"b\":1}}";
    assert_eq!(replaced(file), file.replace("null", &format!("\"{NEW}\"")));
    assert_eq!(
        first_text(
            "{\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"stringData\":{\"x\":\"\\u00e9\\ud83d\\ude00\\n\"}}"
        ),
        "é😀\n"
    );
}

#[test]
fn reads_flow_yaml_that_looks_like_json() {
    let file = "{apiVersion: v1, kind: Secret, stringData: {a: 'old'},}\n";
    assert!(!parse(file).is_json());
    assert_eq!(replaced(file), file.replace("old", NEW));
    let file =
        "{\"apiVersion\": \"v1\", \"kind\": \"Secret\", \"stringData\": {\"a\": \"old\",}}\n";
    assert_eq!(replaced(file), file.replace("old", NEW));
}

#[test]
fn edits_many_fields_at_once() {
    let file = format!("{HEAD}data:\n  a: eA==\n  b: |\n    eA==\nstringData: {{c: x, d: 'y'}}\n");
    let manifest = parse(&file);
    let mut edits = manifest.edits();
    for (index, field) in manifest.secrets()[0].fields().iter().enumerate() {
        edits.replace(field, word(&format!("w{index}"))).unwrap();
    }
    let expected = format!("{HEAD}data:\n  a: w0\n  b: w1\nstringData: {{c: w2, d: 'w3'}}\n");
    assert_eq!(apply(&file, edits.apply()), expected);
}

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
