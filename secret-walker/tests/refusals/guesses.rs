//! What could be read in two ways is not read at all.
use super::*;

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
