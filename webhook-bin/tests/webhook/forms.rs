//! What admission opens, over serializations that are mutated in every way that leaves an envelope readable: what is opened
//! begins as the API server's policies know; everything else is refused, and what is stored is never opened.

use std::sync::LazyLock;

use josekit::jwe::enc::A256GCM;
use josekit::jwe::{JweContentEncryption, JweEncrypter, JweHeader, RSA_OAEP_256};
use jwe_envelope::is_openable_form;
use proptest::prelude::*;
use serde_json::json;
use test_support::reviews::*;

const CONTENT_KEY: [u8; 32] = [9; 32];
const IV: [u8; 12] = [1; 12];

/// The content key, wrapped for the key `payments`.
static WRAPPED: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let encrypter = RSA_OAEP_256
        .encrypter_from_pem(rsa_key().recipient().to_pem())
        .unwrap();
    let mut out = JweHeader::new();
    let wrapped = encrypter.encrypt(&CONTENT_KEY, &JweHeader::new(), &mut out);
    wrapped.unwrap().unwrap()
});

/// The five parts under this protected header, as it is written: the tag vouches for every byte of it.
fn parts(header: &str) -> [String; 5] {
    let header = b64url(header);
    let (ciphertext, tag) = A256GCM
        .encrypt(&CONTENT_KEY, Some(&IV), b"hunter2", header.as_bytes())
        .unwrap();
    [
        header,
        b64url(&*WRAPPED),
        b64url(IV),
        b64url(ciphertext),
        b64url(tag.unwrap()),
    ]
}

/// How one JSON object is written.
#[derive(Clone, Debug)]
struct Writing {
    order: Vec<prop::sample::Index>,
    space: &'static str,
    before: &'static str,
    /// The member whose name is written with an escape.
    escaped: Option<prop::sample::Index>,
    /// The member that stands twice.
    doubled: Option<prop::sample::Index>,
    /// A member that we do not know.
    unknown: bool,
}

impl Writing {
    fn write(&self, members: &[(&str, String)]) -> String {
        let mut rest: Vec<(String, String)> = members
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()))
            .collect();
        if self.unknown {
            rest.push(("x-unknown".to_owned(), "1".to_owned()));
        }
        if let Some(which) = &self.escaped {
            let which = which.index(rest.len());
            let name = &rest[which].0;
            rest[which].0 = format!("\\u{:04x}{}", name.as_bytes()[0], &name[1..]);
        }
        if let Some(which) = &self.doubled {
            let again = rest[which.index(rest.len())].clone();
            rest.push(again);
        }
        let mut written = Vec::new();
        for index in &self.order {
            if !rest.is_empty() {
                written.push(rest.remove(index.index(rest.len())));
            }
        }
        written.extend(rest);
        let space = self.space;
        let members: Vec<String> = written
            .iter()
            .map(|(name, value)| format!("{space}\"{name}\":{space}{value}"))
            .collect();
        format!("{}{{{}{space}}}", self.before, members.join(","))
    }
}

fn writing() -> impl Strategy<Value = Writing> {
    (
        prop_oneof![
            2 => Just(Vec::new()),
            3 => prop::collection::vec(any::<prop::sample::Index>(), 1..6)
        ],
        prop_oneof![4 => Just(""), 1 => Just(" "), 1 => Just("\n  ")],
        prop_oneof![6 => Just(""), 1 => Just(" "), 1 => Just("\n")],
        prop::option::weighted(0.2, any::<prop::sample::Index>()),
        prop::option::weighted(0.1, any::<prop::sample::Index>()),
        prop::bool::weighted(0.2),
    )
        .prop_map(
            |(order, space, before, escaped, doubled, unknown)| Writing {
                order,
                space,
                before,
                escaped,
                doubled,
                unknown,
            },
        )
}

/// The protected header of a good envelope for `payments/db/password`, `first` first.
fn header(writing: &Writing, first: &str) -> String {
    let bind = json!({"v": 1, "ns": "payments", "name": "db", "key": "password"});
    let mut members = vec![
        ("enc", json!("A256GCM").to_string()),
        ("alg", json!("RSA-OAEP-256").to_string()),
        ("kid", json!(rsa_kid()).to_string()),
        ("bind", bind.to_string()),
        ("typ", json!("JWT").to_string()),
    ];
    members.sort_by_key(|(name, _)| *name != first);
    if first != "typ" {
        members.retain(|(name, _)| *name != "typ");
    }
    writing.write(&members)
}

fn envelope(json: bool, inner: &Writing, outer: &Writing, first: &str) -> String {
    let [protected, encrypted_key, iv, ciphertext, tag] = parts(&header(inner, first));
    if !json {
        return format!(
            "{}{}",
            outer.before,
            [protected, encrypted_key, iv, ciphertext, tag].join(".")
        );
    }
    let quoted = |text: String| format!("\"{text}\"");
    outer.write(&[
        ("protected", quoted(protected)),
        ("encrypted_key", quoted(encrypted_key)),
        ("iv", quoted(iv)),
        ("ciphertext", quoted(ciphertext)),
        ("tag", quoted(tag)),
    ])
}

/// `password` with this value, among so many others.
fn among(count: usize, value: &str) -> Vec<(String, String)> {
    let others = (1..count).map(|n| (format!("other-{n}"), "plain".to_owned()));
    std::iter::once(("password".to_owned(), value.to_owned()))
        .chain(others)
        .collect()
}

fn texts(data: &[(String, String)]) -> Vec<(&str, &str)> {
    data.iter()
        .map(|(key, value)| (key.as_str(), value.as_str()))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_opened_begins_as_the_policies_know_and_all_else_is_refused(
        json in any::<bool>(),
        inner in writing(),
        outer in writing(),
        first in prop::sample::select(vec!["enc", "alg", "typ", "kid", "bind"]),
        after in prop_oneof![3 => Just(""), 1 => Just("\n"), 1 => Just(" \t\r\n")],
        count in prop_oneof![8 => Just(1_usize), 1 => Just(300), 1 => Just(2_001)],
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let bench = Bench::new();
        let value = format!("{}{after}", envelope(json, &inner, &outer, first));
        let (with, without) = (among(count, &value), among(count, "in use"));
        let created = Review::create(&texts(&with));
        let replaced = Review::update(&texts(&without), &texts(&with));
        let annotated = Review::create(&[]).annotated("password", &value);
        for review in [created, replaced, annotated] {
            let calls = bench.calls();
            let reply = runtime.block_on(bench.review(&review));
            if reply.allowed() {
                let stored = reply.apply_to(review.object());
                prop_assert_eq!(&stored["data"]["password"], &b64("hunter2"), "{}", value);
                prop_assert!(is_openable_form(value.as_bytes()), "opened: {}", value);
            } else {
                prop_assert!(reply.patch().is_empty());
                prop_assert!([400, 403].contains(&reply.code()));
                if !is_openable_form(value.as_bytes()) {
                    prop_assert_eq!(bench.calls(), calls, "{}", value);
                }
            }
        }
        // Stored, by whatever way: no change of others opens it, or is blocked by it.
        let calls = bench.calls();
        let mut more = with.clone();
        more.push(("new".to_owned(), "plain".to_owned()));
        for (review, patched) in [
            (Review::update(&texts(&with), &texts(&with)), false),
            (Review::update(&texts(&with), &texts(&more)), false),
            (Review::update(&[], &[]).annotated("password", &value).stored_annotated("password", &value), false),
            (
                Review::update(&[("password", "in use")], &[])
                    .annotated("password", &value)
                    .stored_annotated("password", &value),
                true,
            ),
        ] {
            let reply = runtime.block_on(bench.review(&review));
            prop_assert!(reply.allowed(), "{}", reply.text);
            prop_assert_eq!(!reply.patch().is_empty(), patched);
        }
        prop_assert_eq!(bench.calls(), calls);
    }
}

/// The property above would hold if nothing were opened at all.
#[tokio::test]
async fn every_openable_form_is_opened() {
    let plain = Writing {
        order: Vec::new(),
        space: "",
        before: "",
        escaped: None,
        doubled: None,
        unknown: false,
    };
    let alg_after_typ = {
        let header = header(&plain, "typ").replacen(r#""enc":"A256GCM","#, "", 1);
        header.replacen('}', r#"},"enc":"A256GCM""#, 1)
    };
    let typ_first = parts(&alg_after_typ).join(".");
    for value in [
        envelope(false, &plain, &plain, "enc"),
        envelope(false, &plain, &plain, "alg"),
        envelope(true, &plain, &plain, "enc"),
        envelope(true, &plain, &plain, "kid"),
        typ_first,
    ] {
        assert!(is_openable_form(value.as_bytes()), "{value}");
        let reply = Bench::new()
            .review(&Review::create(&[("password", &value)]))
            .await;
        assert_eq!(
            reply.opened(),
            [("password".to_owned(), b"hunter2".to_vec())],
            "{}",
            reply.text
        );
    }
}
