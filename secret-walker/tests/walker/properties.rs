//! Properties of edits over generated files, and of everything over arbitrary bytes.
#![allow(
    clippy::format_push_string,
    reason = "plain words over speed, in tests"
)]

use proptest::prelude::*;
use secret_walker::{EditValue, Manifest, ManifestSecret, fuzz};

/// How a value is written, and what it reads as.
#[derive(Clone, Debug)]
struct Written {
    /// Everything behind `key:`, up to and without the line break that ends the entry. Lines are joined by `\n`.
    text: String,
    /// The same with `NEW` in the place of the value.
    after: String,
    reads: String,
}

fn written(text: String, after: &str, reads: String) -> Written {
    Written {
        text,
        after: after.to_owned(),
        reads,
    }
}

fn comment() -> impl Strategy<Value = String> {
    prop_oneof![Just(String::new()), "  # [a-z'\"|>:{} ]{0,12}"]
}

/// A value in block style; its key is indented by `indent` spaces.
fn block_value(indent: usize) -> impl Strategy<Value = Written> {
    prop_oneof![
        ("[a-zA-Z][a-zA-Z_/+]{1,12}q", comment()).prop_map(|(word, comment)| {
            written(format!(" {word}{comment}"), &format!(" NEW{comment}"), word)
        }),
        ("[ -~é😀]{0,16}", comment()).prop_map(|(text, comment)| {
            written(
                format!(" '{}'{comment}", text.replace('\'', "''")),
                &format!(" 'NEW'{comment}"),
                text,
            )
        }),
        ("[ -~é😀\n\t]{0,16}", comment()).prop_map(|(text, comment)| {
            let escaped = text
                .replace('\\', "\\\\")
                .replace('"', "\\\"")
                .replace('\n', "\\n")
                .replace('\t', "\\t");
            written(
                format!(" \"{escaped}\"{comment}"),
                &format!(" \"NEW\"{comment}"),
                text,
            )
        }),
        block_scalar(indent),
    ]
}

/// `|` or `>` with every chomping, with and without an indentation indicator.
fn block_scalar(indent: usize) -> impl Strategy<Value = Written> {
    let line = prop_oneof![3 => "[!-~é][ -~é]{0,10}[!-~é]", 1 => Just(String::new())];
    let lines = prop::collection::vec(line, 0..5);
    (
        lines,
        "[!-~][ -~]{0,8}[!-~]",
        0..3_usize,
        prop::bool::ANY,
        prop::bool::ANY,
        0..3_usize,
        comment(),
    )
        .prop_map(
            move |(lines, last, chomping, folded, indicator, blank, comment)| {
                let indent = indent + 2;
                let pad = " ".repeat(indent);
                let indicator = if indicator { "2" } else { "" };
                let header = format!(
                    "{}{indicator}{}",
                    if folded { '>' } else { '|' },
                    ["", "-", "+"][chomping]
                );
                let mut text = format!(" {header}{comment}");
                let mut content: Vec<&str> = lines.iter().map(String::as_str).collect();
                content.push(&last);
                for line in &content {
                    text.push('\n');
                    if !line.is_empty() {
                        text.push_str(&pad);
                        text.push_str(line);
                    }
                }
                let blanks = "\n".repeat(blank);
                text.push_str(&blanks);
                let mut reads = if folded {
                    fold(&content)
                } else {
                    content.join("\n")
                };
                reads.push_str(&match chomping {
                    0 => "\n".to_owned(),
                    1 => String::new(),
                    _ => "\n".repeat(blank + 1),
                });
                written(text, &format!(" NEW{comment}{blanks}"), reads)
            },
        )
}

/// Lines that do not begin with spaces: one break becomes a space, of several the first is dropped.
fn fold(lines: &[&str]) -> String {
    let mut out = String::new();
    let mut breaks = 0;
    for (index, line) in lines.iter().enumerate() {
        if index > 0 {
            breaks += 1;
        }
        if !line.is_empty() {
            // Breaks before the first text are kept as they are.
            let leading = out.is_empty();
            match breaks {
                0 => {}
                1 if !leading => out.push(' '),
                _ => out.push_str(&"\n".repeat(if leading { breaks } else { breaks - 1 })),
            }
            out.push_str(line);
            breaks = 0;
        }
    }
    out
}

fn flow_value() -> impl Strategy<Value = Written> {
    prop_oneof![
        "[a-zA-Z][a-zA-Z_/+]{1,12}q".prop_map(|word| written(format!(" {word}"), " NEW", word)),
        "[ -~é]{0,16}".prop_map(|text| written(
            format!(" '{}'", text.replace('\'', "''")),
            " 'NEW'",
            text
        )),
        "[ -~é]{0,16}".prop_map(|text| {
            let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
            written(format!(" \"{escaped}\""), " \"NEW\"", text)
        }),
    ]
}

/// A document with the places of its values cut out.
#[derive(Clone, Debug)]
struct Document {
    /// Texts between values; one more than there are values.
    between: Vec<String>,
    values: Vec<Written>,
}

impl Document {
    fn render(&self, replaced: &[bool]) -> String {
        let mut text = self.between[0].clone();
        for (index, value) in self.values.iter().enumerate() {
            text.push_str(if replaced[index] {
                &value.after
            } else {
                &value.text
            });
            text.push_str(&self.between[index + 1]);
        }
        text
    }
}

fn block_secret(item: bool) -> impl Strategy<Value = Document> {
    (prop::collection::vec((block_value(if item { 4 } else { 2 }), prop::bool::ANY), 1..5), 0..3_usize).prop_map(move |(values, tail)| {
        let (first, rest) = if item { ("- ", "  ") } else { ("", "") };
        let mut head = if item { "apiVersion: v1\nkind: List\nitems:\n# first\n".to_owned() } else { String::new() };
        head += &format!("{first}apiVersion: v1\n{rest}kind: Secret # kind\n{rest}metadata: {{name: \"x\"}}\n");
        head += &format!("{rest}stringData:\n{rest}  \"k0\":");
        let mut between = vec![head];
        for (index, (_, commented)) in values.iter().enumerate() {
            let mut text = "\n".to_owned();
            if *commented {
                // Further left than any content, so never part of a block scalar.
                text.push_str("# a comment: with a colon\n");
            }
            if index + 1 < values.len() {
                text += &format!("{rest}  k{}:", index + 1);
            } else {
                text.push_str(["", &format!("{rest}type: Opaque\n"), "# end\n"][tail]);
            }
            between.push(text);
        }
        Document { between, values: values.into_iter().map(|(value, _)| value).collect() }
    })
}

fn flow_secret() -> impl Strategy<Value = Document> {
    prop::collection::vec((flow_value(), prop::bool::ANY), 1..5).prop_map(|values| {
        let mut between = vec!["{apiVersion: v1, kind: 'Secret', stringData: { \"k0\":".to_owned()];
        for (index, (_, broken)) in values.iter().enumerate() {
            let separator = if *broken { ",\n   " } else { " , " };
            between.push(if index + 1 < values.len() {
                format!("{separator}k{}:", index + 1)
            } else {
                " }}\n".to_owned()
            });
        }
        Document {
            between,
            values: values.into_iter().map(|(value, _)| value).collect(),
        }
    })
}

fn other() -> impl Strategy<Value = Document> {
    prop::sample::select(vec![
        "kind: ConfigMap\ndata: &d {a: 1, a: 2}\nx: *d\n",
        "# nothing\n",
        "- |+\n  text\n\n- >-\n  more\n",
        "? [complex]\n: !tag {key: ~}\n",
        "just text\n",
    ])
    .prop_map(|text| Document {
        between: vec![text.to_owned()],
        values: Vec::new(),
    })
}

/// A file: documents, line breaks, and whether a byte order mark comes first.
fn files() -> impl Strategy<Value = (Vec<Document>, bool, bool)> {
    let document = prop_oneof![3 => block_secret(false), 2 => block_secret(true), 2 => flow_secret(), 1 => other()];
    (
        prop::collection::vec(document, 1..4),
        prop::bool::ANY,
        prop::bool::ANY,
    )
}

fn render((documents, crlf, mark): &(Vec<Document>, bool, bool), replaced: &[bool]) -> String {
    let mut text = if *mark {
        "\u{feff}".to_owned()
    } else {
        String::new()
    };
    let mut done = 0;
    for document in documents {
        text.push_str("---\n");
        let count = document.values.len();
        text.push_str(&document.render(&replaced[done..done + count]));
        done += count;
    }
    if *crlf {
        text.replace('\n', "\r\n")
    } else {
        text
    }
}

/// The values of all fields as the other reader sees them: whatever follows a key `k0`, `k1` and so on.
fn other_reader(file: &str) -> Vec<String> {
    let mut values = Vec::new();
    let mut after_key = false;
    for event in saphyr_parser::Parser::new_from_str(file.trim_start_matches('\u{feff}')) {
        if let (saphyr_parser::Event::Scalar(text, ..), _) = event.unwrap() {
            let key = !after_key
                && text.len() == 2
                && text.starts_with('k')
                && text.ends_with(|last: char| last.is_ascii_digit());
            if after_key {
                values.push(text.into_owned());
            }
            after_key = key;
        }
    }
    values
}

fn texts(manifest: &Manifest<'_>) -> Vec<String> {
    let fields = manifest.secrets().iter().flat_map(ManifestSecret::fields);
    fields
        .map(|field| field.text().unwrap().to_owned())
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn edits_change_the_values_meant_and_no_other_byte(file in files(), picks in prop::collection::vec(prop::bool::ANY, 16)) {
        let count = file.0.iter().map(|document| document.values.len()).sum::<usize>();
        let picks = &picks[..count];
        let before = render(&file, &vec![false; count]);
        let manifest = Manifest::parse(before.as_bytes()).map_err(|error| TestCaseError::fail(error.render()))?;

        let expected: Vec<String> = file.0.iter().flat_map(|document| &document.values).map(|value| value.reads.clone()).collect();
        prop_assert_eq!(&texts(&manifest), &expected);
        prop_assert_eq!(&other_reader(&before), &expected);

        let mut edits = manifest.edits();
        let fields: Vec<_> = manifest.secrets().iter().flat_map(ManifestSecret::fields).collect();
        for (field, _) in fields.iter().zip(picks).filter(|(_, picked)| **picked) {
            edits.replace(field, EditValue::word("NEW").unwrap()).unwrap();
        }
        let after = String::from_utf8(edits.apply().map_err(|error| TestCaseError::fail(error.render()))?).unwrap();
        prop_assert_eq!(&after, &render(&file, picks));

        let expected: Vec<String> =
            expected.into_iter().zip(picks).map(|(text, picked)| if *picked { "NEW".to_owned() } else { text }).collect();
        prop_assert_eq!(&texts(&Manifest::parse(after.as_bytes()).unwrap()), &expected);
        prop_assert_eq!(&other_reader(&after), &expected);
    }

    #[test]
    fn inserted_fields_are_added_and_removed_ones_are_gone(file in files(), choice in 0..16_usize) {
        let count = file.0.iter().map(|document| document.values.len()).sum::<usize>();
        let before = render(&file, &vec![false; count]);
        let manifest = Manifest::parse(before.as_bytes()).unwrap();
        prop_assume!(!manifest.secrets().is_empty());
        let secret = &manifest.secrets()[choice % manifest.secrets().len()];
        let field = &secret.fields()[choice % secret.fields().len()];

        let mut edits = manifest.edits();
        edits.remove_field(field).unwrap();
        edits.insert_field(secret, secret_walker::Section::Data, field.key(), EditValue::word("NEW").unwrap()).unwrap();
        let after = edits.apply().map_err(|error| TestCaseError::fail(error.render()))?;
        let moved = Manifest::parse(&after).unwrap();
        let before: usize = manifest.secrets().iter().map(|secret| secret.fields().len()).sum();
        let after: usize = moved.secrets().iter().map(|secret| secret.fields().len()).sum();
        prop_assert_eq!(before, after);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(prop::num::u8::ANY, 0..200)) {
        fuzz::walk_secret(&bytes);
        fuzz::edit_manifest(&bytes);
    }

    #[test]
    fn no_heap_of_tokens_makes_it_panic(tokens in prop::collection::vec(prop::sample::select(TOKENS), 0..40)) {
        fuzz::edit_manifest(format!("apiVersion: v1\nkind: Secret\nstringData:\n  a: {}", tokens.concat()).as_bytes());
        fuzz::edit_manifest(format!("apiVersion: v1\nkind: Secret\n{}", tokens.concat()).as_bytes());
        fuzz::edit_manifest(format!("{{\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"data\":{}", tokens.concat()).as_bytes());
        fuzz::walk_secret(format!("{{\"data\":{}", tokens.concat()).as_bytes());
        fuzz::walk_secret(tokens.concat().as_bytes());
    }

    #[test]
    fn admitted_json_reads_as_serde_json_reads_it(data in prop::collection::btree_map("\\PC{0,8}", prop::option::of("\\PC{0,12}"), 0..24)) {
        let json = serde_json::to_string(&serde_json::json!({"later": data, "data": data})).unwrap();
        let secret = secret_walker::AdmittedSecret::from_json(&json).unwrap();
        let read = secret.data().map(|entry| (entry.key.to_owned(), entry.value.map(str::to_owned))).collect();
        prop_assert_eq!(data, read);
        fuzz::walk_secret(json.as_bytes());
    }
}

const TOKENS: &[&str] = &[
    "a",
    "b: ",
    "c: x",
    ": ",
    "- ",
    "? ",
    "\n",
    "\n  ",
    "\n    ",
    "\r\n",
    "|",
    ">",
    "|-",
    ">+",
    "|2",
    "'",
    "\"",
    "\\",
    "# c",
    " #",
    "&x ",
    "*x",
    "<<: ",
    "!!str ",
    "!t ",
    "{",
    "}",
    "[",
    "]",
    ",",
    "{}",
    "null",
    "~",
    "12",
    "yes",
    "---\n",
    "...\n",
    "%YAML 1.1\n",
    "\t",
    " ",
    "é",
    "\u{feff}",
    "\u{85}",
    "\u{2028}",
    "data:\n  ",
    "stringData: ",
    "metadata: ",
    "kind: Secret\n",
    "apiVersion: v1\n",
    "items:\n- ",
    "eA==",
    "\"a\":",
    "\"b\"",
    "1e5",
    "true",
    "\0",
    "\\u00e9",
    "{{ .x }}",
];
