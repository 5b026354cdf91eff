//! What is no manifest, or one that readers differ about.
use super::*;

#[test]
fn refuses_templates_and_says_so() {
    assert_refused(
        "stringData:\n  a: {{ .Values.canary }}\n",
        concat!(
            "line 6, column 6: field `stringData/a` must be a string, but reads as a mapping\n",
            "  |\n",
            "6 |   a: …\n",
            "  |      ^\n",
            "hint: this looks like a template: render it first, or put the sealed value into the template's values"
        ),
    );
    assert_refused(
        "data:\n  a: \"{{ .Values.canary }}\"\n",
        concat!(
            "line 6, column 6: field `data/a` is not base64: it contains an invalid character\n",
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
            "line 6, column 6: field `data/a` is not base64: it contains an invalid character\n",
            "  |\n",
            "6 |   a: …\n",
            "  |      ^\n",
            "hint: values under `data` are base64; put plain text under `stringData`"
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
            "  | ^\n",
            "hint: indent with spaces: YAML does not allow tabs there"
        ),
    );
    assert_refused(
        "stringData:\n  a: \"canary\n  b: c\n",
        concat!(
            "line 7, column 3: not YAML: invalid indentation in multiline quoted scalar\n",
            "  |\n",
            "7 |   …\n",
            "  |   ^\n",
            "hint: correct this place, or quote the value if it begins there"
        ),
    );
    assert_refused(
        "stringData:\n  a: canary: canary\n",
        concat!(
            "line 6, column 12: not YAML: mapping values are not allowed in this context\n",
            "  |\n",
            "6 |   a: …\n",
            "  |      ^\n",
            "hint: correct this place, or quote the value if it begins there"
        ),
    );
    assert_refused(
        "stringData:\n  a: %canary\n",
        concat!(
            "line 6, column 6: not YAML: a character that no value can begin with\n",
            "  |\n",
            "6 |   a: …\n",
            "  |      ^\n",
            "hint: correct this place, or quote the value if it begins there"
        ),
    );
    assert_refused(
        "stringData:\n  a: @canary\n",
        concat!(
            "line 6, column 6: not YAML: a character that no value can begin with\n",
            "  |\n",
            "6 |   a: …\n",
            "  |      ^\n",
            "hint: correct this place, or quote the value if it begins there"
        ),
    );
    assert_file_refused(
        "{\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"data\":{\"a\":\"canary\",}",
        concat!(
            "line 1, column 57: not JSON: expected the name of a member in quotes\n",
            "  |\n",
            "1 | …\n",
            "  | ^\n",
            "hint: correct this place; JSON has neither comments nor trailing commas"
        ),
    );
}

#[test]
fn refuses_line_breaks_that_readers_differ_about() {
    assert_refused(
        "stringData:\n  a: \"canary\u{85}canary\"\n",
        concat!(
            "line 6, column 13: the file contains the line break U+0085, which YAML readers treat differently\n",
            "  |\n",
            "6 |   …\n",
            "  |   ^\n",
            "hint: use LF or CRLF line breaks; inside a value, quote it and write the character as an escape"
        ),
    );
    assert_refused(
        "stringData:\n  a: canary\r  b: c\n",
        concat!(
            "line 6, column 12: the file contains the line break CR, which YAML readers treat differently\n",
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
            "line 8, column 1: the last line contains only spaces or tabs, and YAML readers differ on whether they belong to the value above\n",
            "  |\n",
            "8 |   \n",
            "  |   ^\n",
            "hint: end the file with a newline"
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
