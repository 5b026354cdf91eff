//! What could be read in two ways is not read at all.
use super::*;

#[test]
fn refuses_what_is_reached_through_aliases_and_anchors() {
    assert_refused(
        "stringData:\n  a: &x canary\n  b: *x\n",
        concat!(
            "line 6, column 9: field `stringData/a` has an anchor, so other places may use it too\n",
            "  |\n",
            "6 |   a: …\n",
            "  |      ^\n",
            "hint: remove the anchor; if a value begins with `&`, quote it"
        ),
    );
    assert_refused(
        "stringData:\n  b: *canary # canary\n",
        concat!(
            "line 6, column 6: field `stringData/b` is an alias of a value elsewhere in the file\n",
            "  |\n",
            "6 |   b: …\n",
            "  |      ^\n",
            "hint: write the value here directly; if a value begins with `*`, quote it"
        ),
    );
    assert_file_refused(
        "x: &d {a: canary}\n---\napiVersion: v1\nkind: Secret\nstringData: *d\n",
        concat!(
            "line 5, column 13: `stringData` is an alias of a value elsewhere in the file\n",
            "  |\n",
            "5 | stringData: …\n",
            "  |             ^\n",
            "hint: write the value here directly; if a value begins with `*`, quote it"
        ),
    );
    assert_refused(
        "stringData: &d\n  a: canary\n",
        concat!(
            "line 5, column 1: `stringData` has an anchor, so other places may use it too\n",
            "  |\n",
            "5 | stringData: …\n",
            "  | ^\n",
            "hint: remove the anchor; if a value begins with `&`, quote it"
        ),
    );
    assert_file_refused(
        "apiVersion: v1\nkind: List\nitems:\n- *k\n",
        concat!(
            "line 4, column 3: item 0 of the list is an alias of a value elsewhere in the file\n",
            "  |\n",
            "4 | - …\n",
            "  |   ^\n",
            "hint: write the value here directly; if a value begins with `*`, quote it"
        ),
    );
    assert_file_refused(
        "apiVersion: v1\nkind: Secret\nmetadata: {name: *n}\n",
        concat!(
            "line 3, column 18: `metadata.name` is an alias of a value elsewhere in the file\n",
            "  |\n",
            "3 | metadata: {name: …\n",
            "  |                  ^\n",
            "hint: write the value here directly; if a value begins with `*`, quote it"
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
            "hint: write the value here directly; if a value begins with `*`, quote it"
        ),
    );
    assert_refused(
        "stringData: {b: canary, 'c': \"canary\", <<: *x, d: canary}\n",
        concat!(
            "line 5, column 40: `stringData` has a merge key, which brings in entries from elsewhere\n",
            "  |\n",
            "5 | stringData: {b: …, 'c': …, <<: …\n",
            "  |                            ^\n",
            "hint: write the value here directly; if a value begins with `*`, quote it"
        ),
    );
    assert_refused(
        "<<: *base\ndata: {}\n",
        concat!(
            "line 5, column 1: the Secret has a merge key, which brings in entries from elsewhere\n",
            "  |\n",
            "5 | <<: …\n",
            "  | ^\n",
            "hint: write the value here directly; if a value begins with `*`, quote it"
        ),
    );
    assert_file_refused(
        "apiVersion: v1\n<<: *base\ndata: {}\n",
        concat!(
            "line 2, column 1: cannot tell whether this object is a Secret: its `kind` may come from a merge key\n",
            "  |\n",
            "2 | <<: …\n",
            "  | ^\n",
            "hint: write `apiVersion` and `kind` in this object"
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
            "hint: write `apiVersion` and `kind` in this object"
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
            "line 6, column 9: field `stringData/port` must be a string, but reads as a number\n",
            "  |\n",
            "6 |   port: …\n",
            "  |         ^\n",
            "hint: quote it"
        ),
    );
    assert_refused(
        "stringData: {a: canary, b: yes, c: canary}\n",
        concat!(
            "line 5, column 28: field `stringData/b` must be a string, but reads as true or false\n",
            "  |\n",
            "5 | stringData: {a: …, b: …\n",
            "  |                       ^\n",
            "hint: quote it"
        ),
    );
    assert_refused(
        "stringData:\n  a:\n",
        concat!(
            "line 6, column 4: field `stringData/a` must be a string, but reads as null\n",
            "  |\n",
            "6 |   a:\n",
            "  |    ^\n",
            "hint: write `\"\"` for an empty value, or remove the key"
        ),
    );
    assert_file_refused(
        "apiVersion: v1\nkind: Secret\nmetadata:\n  name: 12\n",
        concat!(
            "line 4, column 9: `metadata.name` must be a string, but reads as a number\n",
            "  |\n",
            "4 |   name: …\n",
            "  |         ^\n",
            "hint: quote it"
        ),
    );
    assert_refused(
        "stringData:\n  12: canary\n",
        concat!(
            "line 6, column 3: a key of `stringData` must be a string, but reads as a number\n",
            "  |\n",
            "6 |   12: …\n",
            "  |   ^\n",
            "hint: quote it"
        ),
    );
    assert_file_refused(
        "{\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"stringData\":{\"a\":\"canary\",\"b\":12}}",
        concat!(
            "line 1, column 67: field `stringData/b` must be a string, but reads as a number\n",
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
            "line 1, column 644: field `stringData/b` must be a string, but reads as a number\n",
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
            "line 6, column 6: field `stringData/a` must be a string, but reads as a sequence\n",
            "  |\n",
            "6 |   a: …\n",
            "  |      ^\n",
            "hint: quote it"
        ),
    );
    assert_refused(
        "data:\n  a: !!binary Y2FuYXJ5\n",
        concat!(
            "line 6, column 15: field `data/a` has a tag that changes how it is read\n",
            "  |\n",
            "6 |   a: …\n",
            "  |      ^\n",
            "hint: remove the tag; text may carry `!!str`"
        ),
    );
    assert_refused(
        "stringData:\n  a: !canary x\n",
        concat!(
            "line 6, column 14: field `stringData/a` has a tag that changes how it is read\n",
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
            "  |       ^\n",
            "hint: write it as `key: value` pairs, or remove it"
        ),
    );
    assert_refused(
        "immutable: 'true'\n",
        concat!(
            "line 5, column 12: `immutable` must be true or false\n",
            "  |\n",
            "5 | immutable: …\n",
            "  |            ^\n",
            "hint: write true or false, without quotes"
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

/// What kubectl applies as a Secret, and what could be read as something else: each is refused, or read as a Secret.
#[test]
fn no_spelling_makes_a_secret_that_kubectl_applies_something_else() {
    const REST: &str = "metadata: {name: db}\nstringData: {a: canary}\n";
    const OBJECT: &str =
        "apiVersion: v1, kind: Secret, metadata: {name: db}, stringData: {a: canary}";
    let files = [
        format!("apiVersion: v1\nkind: !!binary U2VjcmV0\n{REST}"),
        format!("apiVersion: v1\nkind: !<tag:yaml.org,2002:binary> U2VjcmV0\n{REST}"),
        format!("%TAG ! tag:yaml.org,2002:\n---\napiVersion: v1\nkind: !binary U2VjcmV0\n{REST}"),
        format!("apiVersion: !!binary djE=\nkind: Secret\n{REST}"),
        format!("apiVersion: v1\n!!binary a2luZA==: Secret\n{REST}"),
        "kind: !!binary U2VjcmV0\n<<: {apiVersion: v1, stringData: {a: canary}}\n".to_string(),
        "apiVersion: v1\nkind: Secret\n!!binary c3RyaW5nRGF0YQ==: {a: canary}\n".to_owned(),
        "apiVersion: v1\nkind: Secret\nmetadata: {!!binary bmFtZQ==: db}\nstringData: {a: b}\n"
            .to_owned(),
        "apiVersion: v1\nkind: Secret\n!!merge x: {stringData: {a: canary}}\n".to_owned(),
        format!("<<: {{{OBJECT}}}\n"),
        format!("!!merge <<: {{{OBJECT}}}\n"),
        format!("apiVersion: v1\nkind: List\nitems:\n- <<: {{{OBJECT}}}\n"),
        format!("apiVersion: v1\nkind: List\n<<: {{items: [{{{OBJECT}}}]}}\n"),
        format!("apiVersion: v1\nkind: List\n!!binary aXRlbXM=: [{{{OBJECT}}}]\n"),
        "apiVersion: v1\nkind: ConfigMapList\nitems: *x\n# Secret\n".to_string(),
        "apiVersion: v1\nkind: Secret\nmetadata: {name: db}\nitems:\n- stringData: {a: canary}\n"
            .to_owned(),
        "apiVersion: v1\n# \u{2028}kind: Secret\u{2028}stringData: {a: canary}\n".to_string(),
        "apiVersion: v1\n# \u{85}kind: Secret\u{85}stringData: {a: canary}\n".to_string(),
    ];
    for file in files {
        assert!(secret_walker::may_hold_secret(file.as_bytes()), "{file}");
        let error = Manifest::parse(file.as_bytes())
            .map(|_| ())
            .expect_err(&file);
        assert!(!error.render().contains("canary"), "{}", error.render());
    }
    let read = [
        format!("apiVersion: /v1\nkind: Secret\n{REST}"),
        "{\"apiVersion\":\"\\/v1\",\"kind\":\"Secret\",\"stringData\":{\"a\":\"canary\"}}"
            .to_string(),
        format!("apiVersion: v1\nkind: ConfigMapList\nitems: [{{{OBJECT}}}]\n"),
        format!("apiVersion: apps/v1\nkind: Whatever\nitems: [{{{OBJECT}}}]\n"),
    ];
    for file in read {
        assert!(secret_walker::may_hold_secret(file.as_bytes()), "{file}");
        let manifest = Manifest::parse(file.as_bytes()).unwrap();
        assert_eq!(manifest.secrets()[0].fields().len(), 1, "{file}");
    }
}
