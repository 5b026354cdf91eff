//! Secrets that are stored sealed, token Secrets, and Helm releases: what `kubectl get secrets` shows of them.
//!
//! No value leaves kubectl whole. A template picks out those whose first letters an envelope can have, also behind a newline,
//! a space, a quotation mark or a byte order mark, or in base64 once more, and prints their beginnings.
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::general_purpose::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use jwe_envelope::{Recognized, hidden_envelope, is_openable_form, recognize};

use super::super::cluster::{Cluster, KubectlOutput};
use super::super::finding::CheckResult;

/// What may stand before an envelope: nothing, or what a careless editor or shell adds.
const BEFORE: [&str; 10] = [
    "", "\n", "\r\n", " ", "\t", "\"", "'", "\u{feff}", "  ", "\n\n",
];
/// How an envelope begins: compact; in JSON, whatever the first member is and however it is laid out; compact and JSON in
/// base64.
const BEGINNINGS: [&str; 17] = [
    "eyJ",
    "{\"protected\"",
    "{\"ciphertext\"",
    "{\"recipients\"",
    "{\"unprotected\"",
    "{\"header\"",
    "{\"encrypted_key\"",
    "{\"iv\"",
    "{\"tag\"",
    "{\"aad\"",
    "{\"\\u",
    "{ ",
    "{\t",
    "{\r",
    "{\n",
    "ZXlK",
    "ewo",
];

/// The same as editors of Windows store it.
const UTF_16_BEGINNINGS: [&str; 2] = ["eyJ", "{\""];

/// A Secret with a service account's token.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TokenSecret {
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) account: String,
}

/// What is stored.
#[derive(Debug, Default)]
pub(super) struct StoredSecrets {
    /// Fields with an envelope, and annotations without their field: namespace, Secret, what is there.
    sealed: BTreeMap<(String, String), Vec<String>>,
    /// Fields with an envelope that `privyseal.dev/leave` names.
    left: Vec<String>,
    pub(super) tokens: Vec<TokenSecret>,
    /// Namespaces in which Helm stores releases.
    pub(super) releases: BTreeSet<String>,
}

/// `{{if …}}` over the first letters of `$v`: two letters first, which most values do not have.
fn conditions() -> String {
    let mut by_first: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut add = |text: &[u8]| {
        // The letters of base64 that no further byte changes.
        let whole = text.len() * 8 / 6;
        let opening = STANDARD.encode(text)[..whole].to_owned();
        by_first
            .entry(opening[..2].to_owned())
            .or_default()
            .insert(opening);
    };
    for before in BEFORE {
        for beginning in BEGINNINGS {
            add(format!("{before}{beginning}").as_bytes());
        }
    }
    for mark in ["", "\u{feff}"] {
        for beginning in UTF_16_BEGINNINGS {
            let text = || format!("{mark}{beginning}");
            let units = || text().encode_utf16().collect::<Vec<_>>().into_iter();
            add(&units().flat_map(u16::to_le_bytes).collect::<Vec<_>>());
            add(&units().flat_map(u16::to_be_bytes).collect::<Vec<_>>());
        }
    }
    let mut template = String::from(r#"{{$two := printf "%.2s" $v}}"#);
    for (index, (two, openings)) in by_first.iter().enumerate() {
        let word = if index == 0 { "{{if" } else { "{{else if" };
        let _ = write!(template, r#"{word} eq $two "{two}"}}}}{{{{if or"#);
        for opening in openings {
            let _ = write!(
                template,
                r#" (eq (printf "%.{}s" $v) "{opening}")"#,
                opening.len()
            );
        }
        // `or` of one argument is that argument.
        template.push_str("}}");
        // A long value's header is shown whole. What is shown of a signed token never includes its signature.
        template.push_str(r#"{{if gt (len $v) 800}}{{printf "value\t%s\t%s\t%s\t%.480s\n" $m.namespace $m.name $k $v}}{{else}}{{printf "value\t%s\t%s\t%s\t%.96s\n" $m.namespace $m.name $k $v}}{{end}}"#);
        template.push_str("{{end}}");
    }
    template.push_str("{{end}}");
    template
}

fn template() -> String {
    format!(
        "{}{}{}",
        r#"{{range .items}}{{$m := .metadata}}{{$d := .data}}{{if eq (printf "%s" .type) "kubernetes.io/service-account-token"}}{{printf "token\t%s\t%s\t%s\t\n" $m.namespace $m.name (index $m.annotations "kubernetes.io/service-account.name")}}{{else if eq (printf "%s" .type) "helm.sh/release.v1"}}{{printf "release\t%s\t%s\t\t\n" $m.namespace $m.name}}{{end}}{{range $k, $v := .data}}{{if $v}}"#,
        conditions(),
        r#"{{end}}{{end}}{{range $k, $v := $m.annotations}}{{if eq (printf "%.19s" $k) "privyseal.dev/data."}}{{if $d}}{{if not (index $d (slice $k 19))}}{{printf "annotation\t%s\t%s\t%s\t\n" $m.namespace $m.name (slice $k 19)}}{{end}}{{else}}{{printf "annotation\t%s\t%s\t%s\t\n" $m.namespace $m.name (slice $k 19)}}{{end}}{{end}}{{if eq $k "privyseal.dev/leave"}}{{printf "leave\t%s\t%s\t%s\t\n" $m.namespace $m.name $v}}{{end}}{{end}}{{end}}"#,
    )
}

impl StoredSecrets {
    pub(super) fn read(cluster: &Cluster) -> anyhow::Result<Result<Self, KubectlOutput>> {
        let template = format!("go-template={}", template());
        let output = cluster.run(&["get", "secrets", "--all-namespaces", "-o", &template], "")?;
        if !output.ok {
            return Ok(Err(output));
        }
        Ok(Ok(Self::of_rows(&output.out)))
    }

    fn of_rows(text: &str) -> Self {
        let rows: Vec<Vec<&str>> = text
            .lines()
            .map(|line| line.split('\t').collect())
            .collect();
        let left: BTreeSet<(&str, &str, &str)> = rows
            .iter()
            .filter_map(|row| match row[..] {
                ["leave", namespace, name, fields, ..] => Some((namespace, name, fields)),
                _ => None,
            })
            .flat_map(|(namespace, name, fields)| {
                fields
                    .split(',')
                    .map(move |field| (namespace, name, field.trim()))
            })
            .collect();
        let mut stored = Self::default();
        for row in &rows {
            let (namespace, name, what) = match row[..] {
                ["value", namespace, name, field, head] if is_sealed(head) => {
                    if left.contains(&(namespace, name, field)) {
                        stored
                            .left
                            .push(format!("{namespace}/{name}: field {field}"));
                        continue;
                    }
                    (namespace, name, format!("field {field}"))
                }
                ["annotation", namespace, name, field, ..] => (
                    namespace,
                    name,
                    format!("annotation of field {field}, which `data` lacks"),
                ),
                ["token", namespace, name, account, ..] => {
                    stored.tokens.push(TokenSecret {
                        namespace: namespace.to_owned(),
                        name: name.to_owned(),
                        account: account.to_owned(),
                    });
                    continue;
                }
                ["release", namespace, ..] => {
                    stored.releases.insert(namespace.to_owned());
                    continue;
                }
                _ => continue,
            };
            stored
                .sealed
                .entry((namespace.to_owned(), name.to_owned()))
                .or_default()
                .push(what);
        }
        stored
    }

    /// Values that were stored as they were sealed.
    pub(super) fn check_sealed(&self) -> CheckResult {
        const CHECK: &str = "stored sealed";
        if self.sealed.is_empty() {
            let finding = CheckResult::ok(
                CHECK,
                if self.left.is_empty() {
                    "no Secret contains an envelope that was not opened".to_owned()
                } else {
                    format!(
                        "no Secret contains an envelope that was not opened, except {} that `privyseal.dev/leave` names",
                        count_of(self.left.len(), "field")
                    )
                },
            );
            return finding.details(self.left.clone());
        }
        let count = self.sealed.values().map(Vec::len).sum();
        let mut details: Vec<String> = self
            .sealed
            .iter()
            .map(|((namespace, name), fields)| {
                format!(
                    "{namespace}/{name}: {}; heal it: kubectl delete secret {name} --namespace {namespace}, then apply its manifest again",
                    fields.join(", ")
                )
            })
            .collect();
        details.extend(
            self.left
                .iter()
                .map(|field| format!("{field}: left sealed, as `privyseal.dev/leave` says")),
        );
        CheckResult::problem(
            CHECK,
            format!(
                "{} stored as sealed: applications read ciphertext",
                match count {
                    1 => "1 value is".to_owned(),
                    count => format!("{count} values are"),
                }
            ),
            "with webhook and backstop in place, delete each Secret and apply its manifest again, as someone who may `unseal` there (applying it again over the stored Secret opens nothing); where a value is quoted, encoded twice or begins with a newline, seal it again first",
        )
        .details(details)
    }
}

fn count_of(count: usize, what: &str) -> String {
    if count == 1 {
        format!("1 {what}")
    } else {
        format!("{count} {what}s")
    }
}

/// Whether a value with this beginning, in base64, is an envelope of a key pair.
fn is_sealed(head: &str) -> bool {
    const LENIENT: GeneralPurpose = GeneralPurpose::new(
        &alphabet::STANDARD,
        GeneralPurposeConfig::new()
            .with_decode_allow_trailing_bits(true)
            .with_decode_padding_mode(DecodePaddingMode::Indifferent),
    );
    let whole = if head.len() % 4 == 1 {
        head.len() - 1
    } else {
        head.len()
    };
    let Ok(value) = LENIENT.decode(&head[..whole]) else {
        return false;
    };
    looks_sealed(&value, 0)
        || hidden_envelope(&value).is_some()
        || narrowed(&value).is_some_and(|text| looks_sealed(&text, 0))
}

/// The text of a value in UTF-16; an envelope has no other letters than ASCII.
fn narrowed(value: &[u8]) -> Option<Vec<u8>> {
    let wide = matches!(
        value,
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [_, 0, ..] | [0, _, ..]
    );
    let letters = value
        .iter()
        .copied()
        .filter(|byte| byte.is_ascii() && *byte != 0);
    wide.then(|| letters.collect())
}

/// The same of the beginning itself, layer by layer.
fn looks_sealed(value: &[u8], layer: usize) -> bool {
    let text = value.strip_prefix("\u{feff}".as_bytes()).unwrap_or(value);
    let text = text.trim_ascii();
    let text = match text {
        [b'"' | b'\'', inner @ ..] => inner.trim_ascii_start(),
        _ => text,
    };
    if names_symmetric_key(text) {
        return false;
    }
    if is_openable_form(text) || !matches!(recognize(text), Recognized::Plain) {
        return true;
    }
    if text.first() == Some(&b'{') {
        // Cut short, and so no envelope for `recognize`.
        return ["protected", "ciphertext", "encrypted_key", "recipients"]
            .iter()
            .any(|name| {
                let quoted = format!("\"{name}\"");
                text.windows(quoted.len())
                    .any(|window| window == quoted.as_bytes())
            });
    }
    if let Some(header) = decoded_start(text) {
        let header = header.trim_ascii();
        let names = |word: &[u8]| header.windows(word.len()).any(|window| window == word);
        if header.first() == Some(&b'{') && layer > 0
            || header.first() == Some(&b'{')
                && (names(b"\"enc\"") || names(b"\"RSA-OAEP") || names(b"\"ECDH-ES"))
        {
            return !names_symmetric_key(text);
        }
        if layer == 0 && !header.is_empty() {
            return looks_sealed(header, 1);
        }
    }
    false
}

/// What the first word stands for in base64 of either alphabet.
fn decoded_start(text: &[u8]) -> Option<Vec<u8>> {
    const LENIENT: GeneralPurpose = GeneralPurpose::new(
        &alphabet::URL_SAFE,
        GeneralPurposeConfig::new()
            .with_decode_allow_trailing_bits(true)
            .with_decode_padding_mode(DecodePaddingMode::Indifferent),
    );
    let word: Vec<u8> = text
        .iter()
        .map_while(|byte| match byte {
            b'+' => Some(b'-'),
            b'/' => Some(b'_'),
            b'-' | b'_' => Some(*byte),
            byte if byte.is_ascii_alphanumeric() => Some(*byte),
            _ => None,
        })
        .collect();
    let whole = if word.len() % 4 == 1 {
        word.len() - 1
    } else {
        word.len()
    };
    LENIENT.decode(&word[..whole]).ok()
}

/// Whether the header names an algorithm with a shared key: other people's session tokens.
fn names_symmetric_key(text: &[u8]) -> bool {
    let header = if text.first() == Some(&b'{') {
        text.to_vec()
    } else {
        decoded_start(text).unwrap_or_default()
    };
    [
        "\"dir\"",
        "\"A128KW\"",
        "\"A192KW\"",
        "\"A256KW\"",
        "\"A128GCMKW\"",
        "\"A192GCMKW\"",
        "\"A256GCMKW\"",
        "\"PBES2-",
    ]
    .iter()
    .any(|name| {
        header
            .windows(name.len())
            .any(|window| window == name.as_bytes())
    })
}
