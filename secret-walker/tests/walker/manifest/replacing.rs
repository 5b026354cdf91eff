//! A value takes the place of another.
use super::*;

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
            // A value without a space before it would not be one.
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
