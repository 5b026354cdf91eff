//! What is refused, with the exact text that people see. A value is `canary` throughout and is never shown.
#![cfg(feature = "manifest")]

use secret_walker::{
    EditValue, Fault, FieldPath, MAX_MANIFEST_BYTES, Manifest, ManifestSecret, Section, WalkError,
};

const HEAD: &str = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: db\n";

/// The error of the file, or else of its first field that has one.
fn refusal(file: &str) -> WalkError {
    match Manifest::parse(file.as_bytes()) {
        Err(error) => error,
        Ok(manifest) => {
            let mut fields = manifest.secrets().iter().flat_map(ManifestSecret::fields);
            fields
                .find_map(|field| field.value().err())
                .expect("something is refused")
        }
    }
}

fn assert_refused(tail: &str, rendered: &str) {
    assert_file_refused(&format!("{HEAD}{tail}"), rendered);
}

fn assert_file_refused(file: &str, rendered: &str) {
    let error = refusal(file);
    assert_eq!(error.render(), rendered, "{file:?}");
    let shown = format!("{error} {error:?} {}", error.render());
    assert!(!shown.contains("canary"), "{shown}");
}

#[test]
fn refuses_what_is_reached_through_aliases_and_anchors() {
    assert_refused(
        "stringData:\n  a: &x canary\n  b: *x\n",
        concat!(
            "line 6, column 9: field `stringData/a` carries an anchor, so other places may use it too\n",
            "  |\n",
            "6 |   a: …\n",
            "  |      ^\n",
            "hint: remove the anchor; if a value begins with `&`, quote it"
        ),
    );
    assert_refused(
        "stringData:\n  b: *canary # canary\n",
        concat!(
            "line 6, column 6: field `stringData/b` is an alias of something that stands elsewhere\n",
            "  |\n",
            "6 |   b: …\n",
            "  |      ^\n",
            "hint: write the value out in this place; if a value begins with `*`, quote it"
        ),
    );
    assert_file_refused(
        "x: &d {a: canary}\n---\napiVersion: v1\nkind: Secret\nstringData: *d\n",
        concat!(
            "line 5, column 13: `stringData` is an alias of something that stands elsewhere\n",
            "  |\n",
            "5 | stringData: …\n",
            "  |             ^\n",
            "hint: write the value out in this place; if a value begins with `*`, quote it"
        ),
    );
    assert_refused(
        "stringData: &d\n  a: canary\n",
        concat!(
            "line 5, column 1: `stringData` carries an anchor, so other places may use it too\n",
            "  |\n",
            "5 | stringData: …\n",
            "  | ^\n",
            "hint: remove the anchor; if a value begins with `&`, quote it"
        ),
    );
    assert_file_refused(
        "apiVersion: v1\nkind: List\nitems:\n- *k\n",
        concat!(
            "line 4, column 3: item 0 of the list is an alias of something that stands elsewhere\n",
            "  |\n",
            "4 | - …\n",
            "  |   ^\n",
            "hint: write the value out in this place; if a value begins with `*`, quote it"
        ),
    );
    assert_file_refused(
        "apiVersion: v1\nkind: Secret\nmetadata: {name: *n}\n",
        concat!(
            "line 3, column 18: `metadata.name` is an alias of something that stands elsewhere\n",
            "  |\n",
            "3 | metadata: {name: …\n",
            "  |                  ^\n",
            "hint: write the value out in this place; if a value begins with `*`, quote it"
        ),
    );
}

#[test]
fn refuses_merge_keys() {
    assert_refused(
        "stringData:\n  <<: {a: canary}\n  b: canary\n",
        concat!(
            "line 6, column 3: `stringData` has a merge key, which brings in entries from elsewhere\n",
            "  |\n",
            "6 |   <<: …\n",
            "  |   ^\n",
            "hint: write the value out in this place; if a value begins with `*`, quote it"
        ),
    );
    assert_refused(
        "stringData: {b: canary, 'c': \"canary\", <<: *x, d: canary}\n",
        concat!(
            "line 5, column 40: `stringData` has a merge key, which brings in entries from elsewhere\n",
            "  |\n",
            "5 | stringData: {b: …, 'c': …, <<: …\n",
            "  |                            ^\n",
            "hint: write the value out in this place; if a value begins with `*`, quote it"
        ),
    );
    assert_refused(
        "<<: *base\ndata: {}\n",
        concat!(
            "line 5, column 1: the Secret has a merge key, which brings in entries from elsewhere\n",
            "  |\n",
            "5 | <<: …\n",
            "  | ^\n",
            "hint: write the value out in this place; if a value begins with `*`, quote it"
        ),
    );
    assert_file_refused(
        "apiVersion: v1\n<<: *base\ndata: {}\n",
        concat!(
            "line 2, column 1: cannot tell whether this object is a Secret: its `kind` may come from a merge key\n",
            "  |\n",
            "2 | <<: …\n",
            "  | ^\n",
            "hint: write `apiVersion` and `kind` out in this object"
        ),
    );
}

#[test]
fn refuses_to_guess_what_an_object_is() {
    assert_file_refused(
        "apiVersion: v1\nkind: *k\ndata: {}\n",
        concat!(
            "line 2, column 7: cannot tell whether this object is a Secret: its `kind` is an alias\n",
            "  |\n",
            "2 | kind: …\n",
            "  |       ^\n",
            "hint: write `apiVersion` and `kind` out in this object"
        ),
    );
    assert_file_refused(
        "kind: Secret\ndata: {a: Y2FuYXJ5}\n",
        concat!(
            "line 1, column 1: a Secret without `apiVersion: v1`\n",
            "  |\n",
            "1 | kind: …\n",
            "  | ^\n",
            "hint: add `apiVersion: v1`"
        ),
    );
    assert_refused(
        "kind: ConfigMap\n",
        concat!(
            "line 5, column 1: the Secret has the key \"kind\" twice\n",
            "  |\n",
            "5 | kind: …\n",
            "  | ^\n",
            "hint: keep one of the two"
        ),
    );
}

#[test]
fn refuses_unquoted_scalars_that_are_no_strings() {
    assert_refused(
        "stringData:\n  port: 54321 # canary\n",
        concat!(
            "line 6, column 9: field `stringData/port` must be a string and reads as a number\n",
            "  |\n",
            "6 |   port: …\n",
            "  |         ^\n",
            "hint: quote it"
        ),
    );
    assert_refused(
        "stringData: {a: canary, b: yes, c: canary}\n",
        concat!(
            "line 5, column 28: field `stringData/b` must be a string and reads as true or false\n",
            "  |\n",
            "5 | stringData: {a: …, b: …\n",
            "  |                       ^\n",
            "hint: quote it"
        ),
    );
    assert_refused(
        "stringData:\n  a:\n",
        concat!(
            "line 6, column 4: field `stringData/a` must be a string and reads as null\n",
            "  |\n",
            "6 |   a:\n",
            "  |    ^\n",
            "hint: quote it"
        ),
    );
    assert_file_refused(
        "apiVersion: v1\nkind: Secret\nmetadata:\n  name: 12\n",
        concat!(
            "line 4, column 9: `metadata.name` must be a string and reads as a number\n",
            "  |\n",
            "4 |   name: …\n",
            "  |         ^\n",
            "hint: quote it"
        ),
    );
    assert_refused(
        "stringData:\n  12: canary\n",
        concat!(
            "line 6, column 3: a key of `stringData` must be a string and reads as a number\n",
            "  |\n",
            "6 |   12: …\n",
            "  |   ^\n",
            "hint: quote it"
        ),
    );
    assert_file_refused(
        "{\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"stringData\":{\"a\":\"canary\",\"b\":12}}",
        concat!(
            "line 1, column 67: field `stringData/b` must be a string and reads as a number\n",
            "  |\n",
            "1 | {\"apiVersion\":…,\"kind\":…,\"stringData\":{\"a\":…,\"b\":…\n",
            "  |                                                  ^\n",
            "hint: quote it"
        ),
    );
    let members = (0..40)
        .map(|index| format!("\"k{index}\":\"canary\","))
        .collect::<Vec<_>>()
        .concat();
    assert_file_refused(
        &format!(
            "{{\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"stringData\":{{{members}\"b\":12}}}}"
        ),
        concat!(
            "line 1, column 644: field `stringData/b` must be a string and reads as a number\n",
            "  |\n",
            "1 | …34\":…,\"k35\":…,\"k36\":…,\"k37\":…,\"k38\":…,\"k39\":…,\"b\":…\n",
            "  |                                                    ^\n",
            "hint: quote it"
        ),
    );
}

#[test]
fn refuses_collections_and_tags_where_text_belongs() {
    assert_refused(
        "stringData:\n  a: [canary]\n",
        concat!(
            "line 6, column 6: field `stringData/a` must be a string and reads as a sequence\n",
            "  |\n",
            "6 |   a: …\n",
            "  |      ^\n",
            "hint: quote it"
        ),
    );
    assert_refused(
        "data:\n  a: !!binary Y2FuYXJ5\n",
        concat!(
            "line 6, column 15: field `data/a` carries a tag that changes how it reads\n",
            "  |\n",
            "6 |   a: …\n",
            "  |      ^\n",
            "hint: remove the tag; text may carry `!!str`"
        ),
    );
    assert_refused(
        "stringData:\n  a: !canary x\n",
        concat!(
            "line 6, column 14: field `stringData/a` carries a tag that changes how it reads\n",
            "  |\n",
            "6 |   a: …\n",
            "  |      ^\n",
            "hint: remove the tag; text may carry `!!str`"
        ),
    );
    assert_refused(
        "data: canary\n",
        concat!(
            "line 5, column 7: `data` must be a mapping\n",
            "  |\n",
            "5 | data: …\n",
            "  |       ^"
        ),
    );
    assert_refused(
        "immutable: 'true'\n",
        concat!(
            "line 5, column 12: `immutable` must be true or false\n",
            "  |\n",
            "5 | immutable: …\n",
            "  |            ^"
        ),
    );
}

#[test]
fn refuses_keys_that_stand_twice() {
    assert_refused(
        "stringData:\n  a: canary\n  b: canary\n  a: canary\n",
        concat!(
            "line 8, column 3: `stringData` has the key \"a\" twice\n",
            "  |\n",
            "8 |   a: …\n",
            "  |   ^\n",
            "hint: keep one of the two"
        ),
    );
    assert_refused(
        "data: {}\ndata: {}\n",
        concat!(
            "line 6, column 1: the Secret has the key \"data\" twice\n",
            "  |\n",
            "6 | data: …\n",
            "  | ^\n",
            "hint: keep one of the two"
        ),
    );
}

#[test]
fn refuses_a_list_whose_items_stand_twice() {
    let list = concat!(
        "kind: List\napiVersion: v1\nitems: []\nitems:\n",
        "- {apiVersion: v1, kind: Secret, stringData: {a: canary}}\n"
    );
    assert_file_refused(
        list,
        concat!(
            "line 4, column 1: the list has the key \"items\" twice\n",
            "  |\n",
            "4 | items:\n",
            "  | ^\n",
            "hint: keep one of the two"
        ),
    );
}

#[test]
fn refuses_templates_and_says_so() {
    assert_refused(
        "stringData:\n  a: {{ .Values.canary }}\n",
        concat!(
            "line 6, column 6: field `stringData/a` must be a string and reads as a mapping\n",
            "  |\n",
            "6 |   a: …\n",
            "  |      ^\n",
            "hint: this looks like a template: render it first, or put the sealed value into the template's values"
        ),
    );
    assert_refused(
        "data:\n  a: \"{{ .Values.canary }}\"\n",
        concat!(
            "line 6, column 6: field `data/a` is not base64: a character does not belong to base64\n",
            "  |\n",
            "6 |   a: …\n",
            "  |      ^\n",
            "hint: this looks like a template: render it first, or put the sealed value into the template's values"
        ),
    );
    assert_refused(
        "stringData:\n  {{- if .Values.canary }}\n  a: b\n  {{- end }}\n",
        concat!(
            "line 6, column 5: not YAML: \"-\" is only valid inside a block\n",
            "  |\n",
            "6 |   …\n",
            "  |   ^\n",
            "hint: this looks like a template: render it first, or put the sealed value into the template's values"
        ),
    );
    assert_refused(
        "stringData:\n  a: {{ .Values.canary }}-b\n",
        concat!(
            "line 6, column 26: not YAML: while parsing a block mapping, did not find expected key\n",
            "  |\n",
            "6 |   a: …\n",
            "  |      ^\n",
            "hint: this looks like a template: render it first, or put the sealed value into the template's values"
        ),
    );
    assert_file_refused(
        "{\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"data\":{\"a\":{{ canary }}",
        concat!(
            "line 1, column 49: not JSON: expected the name of a member in quotes\n",
            "  |\n",
            "1 | …\n",
            "  | ^\n",
            "hint: this looks like a template: render it first, or put the sealed value into the template's values"
        ),
    );
}

#[test]
fn refuses_what_is_not_base64() {
    assert_refused(
        "data:\n  a: canary!\n",
        concat!(
            "line 6, column 6: field `data/a` is not base64: a character does not belong to base64\n",
            "  |\n",
            "6 |   a: …\n",
            "  |      ^\n",
            "hint: values under `data` are base64; text as it is belongs under `stringData`"
        ),
    );
}

#[test]
fn refuses_what_is_not_yaml_or_json() {
    assert_refused(
        "stringData:\n\ta: canary\n",
        concat!(
            "line 6, column 2: not YAML: tabs disallowed within this context (block indentation)\n",
            "  |\n",
            "6 | …\n",
            "  | ^"
        ),
    );
    assert_refused(
        "stringData:\n  a: \"canary\n  b: c\n",
        concat!(
            "line 7, column 3: not YAML: invalid indentation in multiline quoted scalar\n",
            "  |\n",
            "7 |   …\n",
            "  |   ^"
        ),
    );
    assert_refused(
        "stringData:\n  a: canary: canary\n",
        concat!(
            "line 6, column 12: not YAML: mapping values are not allowed in this context\n",
            "  |\n",
            "6 |   a: …\n",
            "  |      ^"
        ),
    );
    assert_refused(
        "stringData:\n  a: %canary\n",
        concat!(
            "line 6, column 6: not YAML: a character that no value can begin with\n",
            "  |\n",
            "6 |   a: …\n",
            "  |      ^"
        ),
    );
    assert_refused(
        "stringData:\n  a: @canary\n",
        concat!(
            "line 6, column 6: not YAML: a character that no value can begin with\n",
            "  |\n",
            "6 |   a: …\n",
            "  |      ^"
        ),
    );
    assert_file_refused(
        "{\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"data\":{\"a\":\"canary\",}",
        concat!(
            "line 1, column 57: not JSON: expected the name of a member in quotes\n",
            "  |\n",
            "1 | …\n",
            "  | ^"
        ),
    );
}

#[test]
fn refuses_line_breaks_that_readers_differ_about() {
    assert_refused(
        "stringData:\n  a: \"canary\u{85}canary\"\n",
        concat!(
            "line 6, column 13: the file holds the line break U+0085, which readers of YAML do not agree on\n",
            "  |\n",
            "6 |   …\n",
            "  |   ^\n",
            "hint: use LF or CRLF line breaks; inside a value, quote it and write the character as an escape"
        ),
    );
    assert_refused(
        "stringData:\n  a: canary\r  b: c\n",
        concat!(
            "line 6, column 12: the file holds the line break CR, which readers of YAML do not agree on\n",
            "  |\n",
            "6 |   …\n",
            "  |   ^\n",
            "hint: use LF or CRLF line breaks; inside a value, quote it and write the character as an escape"
        ),
    );
}

#[test]
fn refuses_blanks_at_the_end_of_a_last_block() {
    assert_refused(
        "stringData:\n  a: |+\n    canary\n  ",
        concat!(
            "line 8, column 1: the last line holds blanks alone, and readers do not agree whether they belong to the value above\n",
            "  |\n",
            "8 |   \n",
            "  |   ^\n",
            "hint: end the file with a line break"
        ),
    );
    // Behind anything else they mean nothing.
    assert_eq!(
        Manifest::parse(format!("{HEAD}stringData:\n  a: x\n  ").as_bytes())
            .unwrap()
            .secrets()
            .len(),
        1
    );
}

#[test]
fn refuses_other_encodings() {
    let file: Vec<u8> = "\u{feff}kind: Secret"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    let error = Manifest::parse(&file).unwrap_err();
    assert_eq!(
        error.render(),
        "line 1, column 1: the file is not UTF-8 text but UTF-16\nhint: save the file as UTF-8; PowerShell's `>` writes UTF-16"
    );
    let error = Manifest::parse(b"a: b\nc: \xff").unwrap_err();
    assert_eq!(
        error.render(),
        "line 2, column 4: the file is not UTF-8 text\nhint: save the file as UTF-8"
    );
}

#[test]
fn bounds_length_depth_and_number() {
    let long = vec![b'#'; MAX_MANIFEST_BYTES + 1];
    assert_eq!(
        Manifest::parse(&long).unwrap_err().to_string(),
        "line 1, column 1: the file is longer than 8388608 bytes"
    );
    for (file, reason) in [
        ("[".repeat(100_000), "recursion limit exceeded"),
        ("{\"a\":".repeat(100_000), "nested too deeply"),
        ("- ".repeat(100_000), "recursion limit exceeded"),
        (
            "---\n".repeat(20_000),
            "more than 10000 documents in one file",
        ),
        (
            "- a\n".repeat(600_000),
            "more than 500000 values in one document",
        ),
    ] {
        let error = Manifest::parse(file.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
}

#[test]
fn follows_no_alias_however_many_there_are() {
    let mut file = String::from("a: &a [x, x]\n");
    for (outer, inner) in ('b'..='z').zip('a'..='y') {
        file.push_str(
            &[
                "",
                &outer.to_string(),
                ": &",
                &outer.to_string(),
                " [",
                &format!("*{inner},").repeat(20),
                "]\n",
            ]
            .concat(),
        );
    }
    assert!(
        Manifest::parse(file.as_bytes())
            .unwrap()
            .secrets()
            .is_empty()
    );
}

#[test]
fn a_refused_value_leaves_its_neighbors_alone() {
    let file = format!("{HEAD}stringData:\n  a: &x canary\n  b: *x\n  c: fine\n");
    let manifest = Manifest::parse(file.as_bytes()).unwrap();
    let [a, b, c] = manifest.secrets()[0].fields() else {
        panic!()
    };
    let mut edits = manifest.edits();
    let word = EditValue::word("w").unwrap();
    assert!(matches!(
        edits
            .replace(a, word.clone())
            .unwrap_err()
            .manifest()
            .unwrap()
            .fault(),
        Fault::Anchor { .. }
    ));
    assert!(matches!(
        edits
            .replace(b, word.clone())
            .unwrap_err()
            .manifest()
            .unwrap()
            .fault(),
        Fault::Alias { .. }
    ));
    assert!(edits.is_empty());
    edits.replace(c, word).unwrap();
    assert_eq!(edits.apply().unwrap(), file.replace("fine", "w").as_bytes());
}

#[test]
fn reports_thousands_of_refused_values() {
    let members = (0..5000)
        .map(|index| format!("\"k{index}\":1,"))
        .collect::<Vec<_>>()
        .concat();
    let file = format!(
        "{{\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"stringData\":{{{members}\"last\":\"\"}}}}"
    );
    let manifest = Manifest::parse(file.as_bytes()).unwrap();
    let errors: Vec<_> = manifest.secrets()[0]
        .fields()
        .iter()
        .filter_map(|field| field.value().err())
        .collect();
    assert_eq!(errors.len(), 5000);
    // The first ones show their place, all of them name it.
    assert!(errors[0].render().contains('^') && !errors[4999].render().contains('^'));
    assert!(
        errors[4999]
            .to_string()
            .ends_with("field `stringData/k4999` must be a string and reads as a number")
    );
}

#[test]
fn refuses_edits_that_contradict_each_other() {
    let file = format!("{HEAD}data:\n  a: eA==\n");
    let manifest = Manifest::parse(file.as_bytes()).unwrap();
    let secret = &manifest.secrets()[0];
    let word = || EditValue::word("w").unwrap();
    let mut edits = manifest.edits();
    edits.replace(&secret.fields()[0], word()).unwrap();
    for error in [
        edits.replace(&secret.fields()[0], word()).unwrap_err(),
        edits.remove_field(&secret.fields()[0]).unwrap_err(),
    ] {
        assert_eq!(
            error.to_string(),
            "line 6, column 6: field `data/a` is edited twice"
        );
    }
    let error = edits
        .insert_field(secret, Section::Data, "a", word())
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "line 6, column 6: field `data/a` is there already"
    );
    edits
        .insert_field(secret, Section::StringData, "a", word())
        .unwrap();
    let error = edits
        .insert_field(secret, Section::StringData, "a", word())
        .unwrap_err();
    assert_eq!(error.to_string(), "field `stringData/a` is edited twice");
    let error = edits
        .insert_field(secret, Section::Data, "a/b", word())
        .unwrap_err();
    assert!(matches!(error, WalkError::InvalidKey { .. }));
}

#[test]
fn refuses_fields_of_another_manifest() {
    let (one, other) = (
        format!("{HEAD}data: {{a: eA==}}\n"),
        format!("{HEAD}data: {{a: eA==}}\n"),
    );
    let one = Manifest::parse(one.as_bytes()).unwrap();
    let other = Manifest::parse(other.as_bytes()).unwrap();
    let mut edits = one.edits();
    let secret = &other.secrets()[0];
    let word = || EditValue::word("w").unwrap();
    for error in [
        edits
            .replace(secret.field(&FieldPath::data("a")).unwrap(), word())
            .unwrap_err(),
        edits.remove_field(&secret.fields()[0]).unwrap_err(),
        edits
            .insert_field(secret, Section::Data, "b", word())
            .unwrap_err(),
    ] {
        assert_eq!(error.to_string(), "the field belongs to another manifest");
    }
}

#[test]
fn refuses_texts_that_are_not_one_word() {
    for text in [
        "a b", "a\n", "a: b", "{a}", "'", "\"", "#", "é", "a,b", "*a", "&a", "%",
    ] {
        let error = EditValue::word(text).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the new text must be one word of letters, digits and `-_.+/=`"
        );
    }
}

#[test]
fn refuses_to_remove_what_shares_its_line() {
    let file = "apiVersion: v1\nkind: Secret\nstringData:\n  ? a\n  : canary\n  b: x\n";
    let manifest = Manifest::parse(file.as_bytes()).unwrap();
    let mut edits = manifest.edits();
    edits
        .remove_field(&manifest.secrets()[0].fields()[0])
        .unwrap();
    assert_eq!(
        edits.apply().unwrap_err().to_string(),
        "line 4, column 5: this place cannot be edited in place: other text stands before it on its line"
    );
}
