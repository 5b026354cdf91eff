//! Altered, cut and misplaced SealedSecrets, and ones that are too large: refused with a word, never a panic.
use std::fmt::Write as _;
use std::sync::LazyLock;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rsa::{
    KeySize, OAEP_SHA256_MGF1SHA256, OaepPublicEncryptingKey, PrivateDecryptingKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cli_bin::import::Draft;
use cli_bin::import::sealed_secrets::{ControllerKeys, find};

struct Controller {
    key: PrivateDecryptingKey,
    keys: ControllerKeys,
}

static CONTROLLER: LazyLock<Controller> = LazyLock::new(|| {
    let key = PrivateDecryptingKey::generate(KeySize::Rsa2048).unwrap();
    let der: Pkcs8V1Der<'_> = key.as_der().unwrap();
    let pem = format!(
        "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
        STANDARD.encode(der.as_ref())
    );
    let mut keys = ControllerKeys::default();
    keys.add(pem.as_bytes()).unwrap();
    Controller { key, keys }
});

/// As kubeseal does it.
fn seal(value: &[u8], label: &str) -> Vec<u8> {
    let session = [7; 32];
    let key = OaepPublicEncryptingKey::new(CONTROLLER.key.public_key()).unwrap();
    let mut wrapped = vec![0; key.ciphertext_size()];
    let label = Some(label.as_bytes());
    let wrapped = key
        .encrypt(&OAEP_SHA256_MGF1SHA256, &session, &mut wrapped, label)
        .unwrap();
    let mut sealed = u16::try_from(wrapped.len()).unwrap().to_be_bytes().to_vec();
    sealed.extend_from_slice(wrapped);
    let mut content = value.to_vec();
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &session).unwrap())
        .seal_in_place_append_tag(
            Nonce::assume_unique_for_key([0; 12]),
            Aad::empty(),
            &mut content,
        )
        .unwrap();
    sealed.extend(content);
    sealed
}

fn manifest(annotation: &str, fields: &str) -> String {
    format!(
        "apiVersion: bitnami.com/v1alpha1\nkind: SealedSecret\nmetadata:\n  name: db\n  namespace: payments\n{annotation}spec:\n  encryptedData:\n{fields}"
    )
}

fn field(bytes: &[u8]) -> String {
    format!("    password: {}\n", STANDARD.encode(bytes))
}

fn open(text: &str) -> Result<Option<Draft>, String> {
    let sealed = find(text.as_bytes()).map_err(|fault| fault.to_string())?;
    let Some(sealed) = sealed else {
        return Ok(None);
    };
    sealed
        .open(&CONTROLLER.keys, None)
        .map(Some)
        .map_err(|fault| fault.to_string())
}

#[track_caller]
fn refused(text: &str, words: &str) {
    match open(text) {
        Ok(_) => panic!("accepted; expected {words:?}"),
        Err(error) => assert!(error.contains(words), "{error}"),
    }
}

const SCOPES: [(&str, &str); 3] = [
    ("", "payments/db"),
    (
        "  annotations: {sealedsecrets.bitnami.com/namespace-wide: \"true\"}\n",
        "payments",
    ),
    (
        "  annotations: {sealedsecrets.bitnami.com/cluster-wide: \"true\"}\n",
        "",
    ),
];

#[test]
fn a_value_opens_under_the_label_of_its_scope_only() {
    let names = ["strict", "namespace-wide", "cluster-wide"];
    for (annotation, own) in SCOPES {
        for (index, (_, label)) in SCOPES.into_iter().enumerate() {
            let text = manifest(annotation, &field(&seal(b"hunter2", label)));
            if own == label {
                let draft = open(&text).unwrap().unwrap();
                assert_eq!(draft.secrets[0].values[0].1.as_slice(), b"hunter2");
            } else {
                refused(&text, names[index]);
            }
        }
        for label in ["payments/other", "shop/db", "paymentsdb", "payments/", "/"] {
            let text = manifest(annotation, &field(&seal(b"hunter2", label)));
            refused(&text, "none of the 1 private keys");
        }
    }
    // Only the text `true` widens, as for the controller.
    for word in ["yes", "True", "\"\"", "false"] {
        let annotation =
            format!("  annotations: {{sealedsecrets.bitnami.com/cluster-wide: {word}}}\n");
        open(&manifest(&annotation, &field(&seal(b"x", "payments/db")))).unwrap();
    }
}

#[test]
fn every_cut_and_every_changed_byte_is_refused() {
    let whole = seal(b"hunter2", "payments/db");
    for length in (0..whole.len()).step_by(3) {
        assert!(open(&manifest("", &field(&whole[..length]))).is_err());
    }
    for at in (0..whole.len()).step_by(5) {
        let mut changed = whole.clone();
        changed[at] ^= 1;
        assert!(open(&manifest("", &field(&changed))).is_err(), "byte {at}");
    }
    let mut longer = whole.clone();
    longer.push(0);
    refused(&manifest("", &field(&longer)), "was changed");
    let mut tag = whole.clone();
    *tag.last_mut().unwrap() ^= 1;
    refused(&manifest("", &field(&tag)), "`password` was changed");
    // The length before the session key, of everything and nothing.
    for length in [0_u16, 1, 255, 257, 512, u16::MAX] {
        let mut changed = whole.clone();
        changed[..2].copy_from_slice(&length.to_be_bytes());
        assert!(open(&manifest("", &field(&changed))).is_err());
    }
    refused(&manifest("", "    password: '*'\n"), "not base64");
    refused(&manifest("", "    password: \"\"\n"), "cut off");
    refused(&manifest("", "    password: {a: b}\n"), "cut off");
}

#[test]
fn a_value_goes_with_its_key_and_any_order_of_them() {
    let fields: Vec<_> = ["c", "a", "b"]
        .iter()
        .map(|key| {
            let sealed = seal(key.as_bytes(), "payments/db");
            format!("    {key}: {}\n", STANDARD.encode(sealed))
        })
        .collect();
    let draft = open(&manifest("", &fields.concat())).unwrap().unwrap();
    let found: Vec<_> = draft.secrets[0]
        .values
        .iter()
        .map(|(key, value)| (key.as_str(), value.to_vec()))
        .collect();
    assert_eq!(
        found,
        [
            ("c", b"c".to_vec()),
            ("a", b"a".to_vec()),
            ("b", b"b".to_vec())
        ]
    );
}

#[test]
fn what_would_be_a_guess_is_refused_with_its_line() {
    let good = field(&seal(b"hunter2", "payments/db"));
    let with = |after: &str| manifest("", &format!("{good}{after}"));
    for (text, words) in [
        (with(&good), "line 9: `password` occurs twice"),
        (
            with("  encryptedData: {}\n"),
            "`encryptedData` occurs twice",
        ),
        (with("    a/b: AAAA\n"), "`a/b` is no key"),
        (with("    a: &x AAAA\n    b: *x\n"), "anchor"),
        (with("    a: !!binary AAAA\n"), "tag"),
        (with("    <<: {a: b}\n"), "`<<` is no key"),
        (with("  data: AAAA\n"), "before 2018"),
        (
            with("  template:\n    data:\n      url: 'db://{{ .password }}'\n"),
            "`url` of the template's `data` is a template",
        ),
        (
            with("  template:\n    data:\n      password: x\n"),
            "is in `encryptedData` and in the template",
        ),
        (with("  template: [a]\n"), "`template` is no map"),
        (
            with("  template: {metadata: {labels: [a]}}\n"),
            "`labels` is no map",
        ),
        (
            with("  template: {metadata: {labels: {a: [b]}}}\n"),
            "no text",
        ),
        (good.clone(), ""),
        (with("").replace("v1alpha1", "v1beta1"), "v1beta1"),
        (with("").replace("  name: db\n", ""), "no name"),
        (with("").replace("  namespace: payments\n", ""), "namespace"),
        (with("").replace("spec:", "specs:"), "no `spec`"),
        (with("").replace("metadata:", "meta:"), "no `metadata`"),
        (
            "kind: List\napiVersion: v1\nitems:\n- {apiVersion: bitnami.com/v1alpha1, kind: SealedSecret}\n".to_owned(),
            "list",
        ),
        (with("\t: {\n"), "neither YAML nor JSON"),
    ] {
        match open(&text) {
            Ok(None) => assert!(words.is_empty(), "{words}"),
            Ok(Some(_)) => panic!("accepted: {words}"),
            Err(error) => assert!(
                !words.is_empty() && error.contains(words),
                "{words}: {error}"
            ),
        }
    }
}

#[test]
fn bombs_are_refused_before_they_grow() {
    let good = field(&seal(b"hunter2", "payments/db"));
    let mut laughs = String::from("a0: &a0 [x]\n");
    for level in 1..30 {
        let before = level - 1;
        let _ = writeln!(laughs, "a{level}: &a{level} [*a{before}, *a{before}]");
    }
    refused(&format!("{}{laughs}", manifest("", &good)), "anchor");
    let deep = format!("{}  x: {}", manifest("", &good), "[".repeat(10_000));
    assert!(open(&deep).is_err());
    let deep = format!(
        "{}  x: {}{}\n",
        manifest("", &good),
        "[".repeat(200),
        "]".repeat(200)
    );
    assert!(open(&deep).is_err());
    let long = format!("{}# {}", manifest("", &good), "x".repeat(9 << 20));
    refused(&long, "longer than");
    let value = format!("    password: {}\n", "A".repeat(2 << 20));
    refused(&manifest("", &value), "longer than any value");
    let many = "a: b\n---\n".repeat(10_002);
    refused(&format!("{many}{}", manifest("", &good)), "documents");
    let nodes = format!("  x: [{}]\n", "0,".repeat(500_100));
    refused(&format!("{}{nodes}", manifest("", &good)), "values");
}

#[test]
fn keys_are_bounded_and_no_weak_one_is_used() {
    let mut keys = ControllerKeys::default();
    for bytes in [
        &b""[..],
        b"\xff\xfe",
        b"-----BEGIN PRIVATE KEY-----\nAAAA\n",
        b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        b"apiVersion: v1\nkind: Secret\nmetadata: {name: a}\ndata: {tls.key: AAAA}\n",
        b"apiVersion: v1\nkind: Secret\nmetadata: {name: a}\ndata: {tls.key: '*'}\n",
    ] {
        assert!(keys.add(bytes).is_err(), "{}", bytes.escape_ascii());
        assert!(keys.is_empty());
    }
}
