//! One sealed value in many forms: orders of members, spaces, escapes, duplicates, encodings. All but those with duplicate
//! members are whole envelopes that any library opens; admission opens only a few of the forms.
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::sealing::{Key, Parts};

/// A value, and how it is written.
#[derive(Clone, Debug)]
pub struct Form {
    /// How it is written.
    pub name: String,
    /// The value's bytes.
    pub bytes: Vec<u8>,
    /// Whether the same text is a valid envelope and not only looks like one.
    pub valid: bool,
}

impl Form {
    fn new(name: impl Into<String>, text: impl Into<Vec<u8>>) -> Self {
        Self {
            name: name.into(),
            bytes: text.into(),
            valid: true,
        }
    }

    fn damaged(name: impl Into<String>, text: impl Into<Vec<u8>>) -> Self {
        Self {
            valid: false,
            ..Self::new(name, text)
        }
    }

    /// Whether admission opens it.
    pub fn is_openable(&self) -> bool {
        jwe_envelope::is_openable_form(&self.bytes)
    }

    /// As it is in `data`.
    pub fn data(&self) -> String {
        STANDARD.encode(&self.bytes)
    }
}

/// A few forms of each kind, for tests that do much with each.
pub fn some(key: &Key, place: [&str; 3], value: &[u8]) -> Vec<Form> {
    let wanted = [
        "compact enc alg kid bind",
        "compact alg enc kid bind",
        "compact typ JWT, alg first",
        "flattened enc alg kid bind",
        "flattened alg enc kid bind",
        "compact kid alg enc bind",
        "compact bind alg enc kid",
        "compact typ JOSE first",
        "compact with a space",
        "JSON encrypted_key first",
        "JSON iv first",
        "JSON ciphertext first",
        "JSON tag first",
        "JSON header first",
        "JSON unprotected first",
        "JSON with a space",
        "JSON with an escape",
        "JSON pretty",
        "after a newline",
        "quoted",
        "base64 again",
    ];
    let all = all(key, place, value);
    wanted
        .iter()
        .map(|name| {
            let found = all.iter().find(|form| form.name == *name);
            found.unwrap_or_else(|| panic!("no form {name}")).clone()
        })
        .collect()
}

/// Every form.
pub fn all(key: &Key, [namespace, name, field]: [&str; 3], value: &[u8]) -> Vec<Form> {
    let members = [
        ("alg", r#""alg":"RSA-OAEP-256""#.to_owned()),
        ("enc", r#""enc":"A256GCM""#.to_owned()),
        ("kid", format!(r#""kid":{:?}"#, key.kid())),
        (
            "bind",
            format!(r#""bind":{{"v":1,"ns":{namespace:?},"name":{name:?},"key":{field:?}}}"#),
        ),
    ];
    let mut forms = Vec::new();
    for order in permutations() {
        let names: Vec<&str> = order.iter().map(|&at| members[at].0).collect();
        let texts: Vec<&str> = order.iter().map(|&at| members[at].1.as_str()).collect();
        let parts = key.seal_under(&format!("{{{}}}", texts.join(",")), value);
        let names = names.join(" ");
        forms.push(Form::new(format!("compact {names}"), parts.compact()));
        forms.push(Form::new(
            format!("flattened {names}"),
            parts.json(Parts::ORDER),
        ));
    }
    let [alg, enc, kid, bind] = members.map(|(_, text)| text);
    for (name, header) in [
        (
            "typ JWT, alg first",
            format!(r#"{{"typ":"JWT",{alg},{enc},{kid},{bind}}}"#),
        ),
        (
            "typ JWT, enc first",
            format!(r#"{{"typ":"JWT",{enc},{alg},{kid},{bind}}}"#),
        ),
        (
            "typ JOSE first",
            format!(r#"{{"typ":"JOSE",{alg},{enc},{kid},{bind}}}"#),
        ),
        (
            "cty first",
            format!(r#"{{"cty":"text/plain",{alg},{enc},{kid},{bind}}}"#),
        ),
        ("with a space", format!("{{ {enc},{alg},{kid},{bind}}}")),
        ("with a newline", format!("{{\n{enc},{alg},{kid},{bind}}}")),
        (
            "with a space after the colon",
            format!(r#"{{"enc": "A256GCM",{alg},{kid},{bind}}}"#),
        ),
        (
            "with a space before the colon",
            format!(r#"{{"enc" :"A256GCM",{alg},{kid},{bind}}}"#),
        ),
        (
            "with a space after alg",
            format!(r#"{{"alg": "RSA-OAEP-256",{enc},{kid},{bind}}}"#),
        ),
        (
            "with an escape",
            format!(r#"{{"\u0065nc":"A256GCM",{alg},{kid},{bind}}}"#),
        ),
        (
            "with an escape in alg",
            format!(r#"{{"alg":"\u0052SA-OAEP-256",{enc},{kid},{bind}}}"#),
        ),
        (
            "with a space at the end",
            format!("{{{enc},{alg},{kid},{bind} }}"),
        ),
        (
            "with a space before it",
            format!(" {{{enc},{alg},{kid},{bind}}}"),
        ),
    ] {
        let parts = key.seal_under(&header, value);
        forms.push(Form::new(format!("compact {name}"), parts.compact()));
        forms.push(Form::new(
            format!("flattened {name}"),
            parts.json(Parts::ORDER),
        ));
    }
    let twice = key.seal_under(&format!("{{{enc},{enc},{alg},{kid},{bind}}}"), value);
    forms.push(Form::damaged(
        "compact with a member twice",
        twice.compact(),
    ));
    let parts = key.seal_under(&format!("{{{enc},{alg},{kid},{bind}}}"), value);
    let alg_first = key.seal_under(&format!("{{{alg},{enc},{kid},{bind}}}"), value);
    json(&parts, &mut forms);
    json_orders(&alg_first, &mut forms);
    encodings(&parts.compact(), &mut forms);
    forms
}

fn permutations() -> Vec<[usize; 4]> {
    let mut all = Vec::new();
    for a in 0..4 {
        for b in 0..4 {
            for c in 0..4 {
                for d in 0..4 {
                    let order = [a, b, c, d];
                    if (0..4).all(|at| order.contains(&at)) {
                        all.push(order);
                    }
                }
            }
        }
    }
    all
}

/// Each member first, in JSON whose protected header begins with `alg`.
fn json_orders(parts: &Parts, forms: &mut Vec<Form>) {
    for first in 1..5 {
        let mut order = Parts::ORDER;
        order.rotate_left(first);
        forms.push(Form::new(
            format!("JSON {} first", order[0]),
            parts.json(order),
        ));
    }
}

fn json(parts: &Parts, forms: &mut Vec<Form>) {
    let text = parts.json(Parts::ORDER);
    let inner = &text[1..];
    let (protected, rest) = inner.split_once(',').expect("it has five members");
    for (name, text) in [
        (
            "JSON header first",
            format!(r#"{{"header":{{"typ":"JOSE"}},{inner}"#),
        ),
        (
            "JSON unprotected first",
            format!(r#"{{"unprotected":{{"typ":"JOSE"}},{inner}"#),
        ),
        ("JSON with a space", format!("{{ {inner}")),
        ("JSON with a newline", format!("{{\n{inner}")),
        (
            "JSON with a space after the colon",
            text.replacen("\"protected\":", "\"protected\": ", 1),
        ),
        (
            "JSON with an escape",
            text.replacen("protected", r"\u0070rotected", 1),
        ),
        (
            "JSON with an escape in the value",
            text.replacen(":\"e", ":\"\\u0065", 1),
        ),
        (
            "JSON with a further member first",
            format!(r#"{{"note":"x",{inner}"#),
        ),
        (
            "JSON reversed",
            parts.json(["tag", "ciphertext", "iv", "encrypted_key", "protected"]),
        ),
        (
            "JSON pretty",
            text.replace(',', ",\n  ").replacen('{', "{\n  ", 1),
        ),
        ("JSON after a space", format!(" {text}")),
    ] {
        forms.push(Form::new(name, text));
    }
    forms.push(Form::damaged(
        "JSON with protected twice",
        format!("{{{protected},{protected},{rest}"),
    ));
}

fn encodings(text: &str, forms: &mut Vec<Form>) {
    let utf16 =
        |text: &str| -> Vec<u8> { text.encode_utf16().flat_map(u16::to_le_bytes).collect() };
    forms.push(Form::new("with a newline after it", format!("{text}\n")));
    for (name, bytes) in [
        ("after a newline", format!("\n{text}").into_bytes()),
        ("after a space", format!(" {text}").into_bytes()),
        ("after two spaces", format!("  {text}").into_bytes()),
        (
            "after a byte order mark",
            format!("\u{feff}{text}").into_bytes(),
        ),
        ("quoted", format!("\"{text}\"").into_bytes()),
        ("in single quotes", format!("'{text}'").into_bytes()),
        ("after its name", format!("password={text}").into_bytes()),
        (
            "in a line of YAML",
            format!("password: {text}\n").into_bytes(),
        ),
        (
            "in a JSON document",
            format!(r#"{{"password":"{text}"}}"#).into_bytes(),
        ),
        ("base64 again", STANDARD.encode(text).into_bytes()),
        (
            "base64 twice again",
            STANDARD.encode(STANDARD.encode(text)).into_bytes(),
        ),
        ("as UTF-16", utf16(text)),
        (
            "as UTF-16 after a byte order mark",
            utf16(&format!("\u{feff}{text}")),
        ),
        (
            "with another first letter",
            format!("f{}", &text[1..]).into_bytes(),
        ),
        (
            "with another second letter",
            format!("ex{}", &text[2..]).into_bytes(),
        ),
        ("without its first letter", text[1..].as_bytes().to_vec()),
    ] {
        forms.push(Form::damaged(name, bytes));
    }
}
