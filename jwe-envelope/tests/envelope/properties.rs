//! What holds for every text: parsing never panics, recognition and parsing agree, and what is accepted
//! prints as it came.

use std::sync::LazyLock;

use jwe_envelope::{
    Binding, Curve, Envelope, KeyKind, LocalKey, ParseError, Provenance, RecipientKey, Recognized,
    Rejected, RewriteError, Sealer, Serialization, is_openable_form, recognize, to_openable_form,
};
use proptest::prelude::*;
use proptest::sample::Index;
use test_support::vectors::Vector;

/// Public halves of the keys of RFC 7520 §5.4 and §5.5.
const RECIPIENTS: [&str; 2] = [
    r#"{"kty":"EC","crv":"P-384","x":"YU4rRUzdmVqmRtWOs2OpDE_T5fsNIodcG8G5FWPrTPMyxpzsSOGaQLpe2FpxBmu2","y":"A8-yxCHxkfBz3hKZfI1jUYMjUhsEveZ9THuwFjH2sCNdtksRJU7D5-SkgaFL1ETP"}"#,
    r#"{"kty":"EC","crv":"P-256","x":"Ze2loSV3wrroKUN_4zhwGhCqo3Xhu1td4QjeQ5wIVR0","y":"HlLtdXARY_f55A3fnzQbPcm6hgr34Mp8p-nuzQCE0Zw"}"#,
];

fn recipients(count: usize) -> Vec<RecipientKey> {
    let keys = RECIPIENTS[..count].iter();
    keys.map(|jwk| RecipientKey::from_jwk(jwk.as_bytes(), None).unwrap())
        .collect()
}

/// Good texts to spoil: the published examples, and some of ours.
static SEEDS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let names = (1..=5).map(|n| format!("rfc7516_a{n}"));
    let cookbook = (1..=13).map(|n| format!("rfc7520_5_{n}"));
    let mut seeds: Vec<String> = names
        .chain(cookbook)
        .flat_map(|name| {
            let vector = Vector::read(&name);
            let texts = vector.texts().into_iter().map(str::to_owned);
            texts.collect::<Vec<_>>()
        })
        .collect();
    let binding = Binding::namespace("payments").unwrap();
    let envelope = Sealer::new(&recipients(1))
        .unwrap()
        .seal(b"hunter2", &binding)
        .unwrap();
    for serialization in [
        Serialization::Compact,
        Serialization::Flattened,
        Serialization::General,
    ] {
        seeds.extend(envelope.to_text(serialization));
    }
    seeds
});

/// One change of a text.
#[derive(Clone, Debug)]
enum Change {
    Cut(Index),
    Delete(Index),
    Insert(Index, u8),
    Replace(Index, u8),
    Repeat(Index, Index),
}

fn change() -> impl Strategy<Value = Change> {
    let byte = prop_oneof![
        any::<u8>(),
        proptest::sample::select(&b".{}[]\":,\\ \n=+/-_Aae0u\xff"[..]),
    ];
    prop_oneof![
        any::<Index>().prop_map(Change::Cut),
        any::<Index>().prop_map(Change::Delete),
        (any::<Index>(), byte.clone()).prop_map(|(at, byte)| Change::Insert(at, byte)),
        (any::<Index>(), byte).prop_map(|(at, byte)| Change::Replace(at, byte)),
        (any::<Index>(), any::<Index>()).prop_map(|(from, to)| Change::Repeat(from, to)),
    ]
}

fn changed(mut text: Vec<u8>, changes: &[Change]) -> Vec<u8> {
    for change in changes {
        if text.is_empty() {
            break;
        }
        match change {
            Change::Cut(at) => text.truncate(at.index(text.len())),
            Change::Delete(at) => drop(text.remove(at.index(text.len()))),
            Change::Insert(at, byte) => text.insert(at.index(text.len()), *byte),
            Change::Replace(at, byte) => {
                let at = at.index(text.len());
                text[at] = *byte;
            }
            Change::Repeat(from, to) => {
                let (from, to) = (from.index(text.len()), to.index(text.len()));
                text.extend_from_within(from.min(to)..from.max(to));
            }
        }
    }
    text
}

/// Everything that must hold for one text.
fn holds(text: &[u8]) -> Result<(), TestCaseError> {
    let parsed = Envelope::parse(text);
    if !text.first().is_some_and(u8::is_ascii_whitespace) {
        match (recognize(text), &parsed) {
            (Recognized::Plain, Err(ParseError::NotAnEnvelope)) => {}
            (Recognized::Malformed(fault), Err(other)) => prop_assert_eq!(&fault, other),
            (Recognized::Sealed(one), Ok(other)) => prop_assert_eq!(one.digest(), other.digest()),
            (recognized, parsed) => {
                return Err(TestCaseError::fail(format!(
                    "{recognized:?} but {parsed:?}"
                )));
            }
        }
    }
    let Ok(envelope) = parsed else {
        return Ok(());
    };
    let printed = envelope.to_string();
    if envelope.serialization() == Serialization::Compact {
        prop_assert_eq!(printed.as_bytes(), text.trim_ascii());
    }
    let again = Envelope::parse(printed.as_bytes()).expect("what we print is well-formed");
    prop_assert_eq!(again.to_string(), printed.as_str());
    prop_assert_eq!(again.digest(), envelope.digest());
    prop_assert_eq!(again.binding(), envelope.binding());
    prop_assert_eq!(again.provenance(), envelope.provenance());
    prop_assert_eq!(again.content_encryption(), envelope.content_encryption());
    prop_assert_eq!(again.recipients().len(), envelope.recipients().len());
    for serialization in [
        Serialization::Compact,
        Serialization::Flattened,
        Serialization::General,
    ] {
        if let Some(text) = envelope.to_text(serialization) {
            let other = Envelope::parse(text.as_bytes()).expect("every form is well-formed");
            prop_assert_eq!(other.digest(), envelope.digest());
            prop_assert_eq!(
                other.to_text(envelope.serialization()),
                Some(envelope.to_string())
            );
        }
    }
    prop_assert_eq!(
        envelope.clone().into_owned().to_string(),
        envelope.to_string()
    );
    rewrites(text, &envelope)
}

/// What is rewritten is one that admission opens, is the same envelope, and needs no rewriting again.
fn rewrites(text: &[u8], envelope: &Envelope<'_>) -> Result<(), TestCaseError> {
    match to_openable_form(text) {
        Ok(None) => prop_assert!(is_openable_form(text)),
        Ok(Some(rewritten)) => {
            prop_assert!(!is_openable_form(text) && is_openable_form(rewritten.as_bytes()));
            let other = Envelope::parse(rewritten.as_bytes()).expect("it is complete");
            prop_assert_eq!(other.digest(), envelope.digest());
            prop_assert_eq!(other.binding(), envelope.binding());
            prop_assert_eq!(other.provenance(), envelope.provenance());
            let keys = |envelope: &Envelope<'_>| {
                let keys = envelope.recipients().iter();
                keys.map(|key| (key.algorithm().to_owned(), key.key_id().map(str::to_owned)))
                    .collect::<Vec<_>>()
            };
            prop_assert_eq!(keys(&other), keys(envelope));
            prop_assert_eq!(to_openable_form(rewritten.as_bytes()), Ok(None));
        }
        Err(RewriteError::Header) => prop_assert!(!is_openable_form(text)),
        Err(error) => return Err(TestCaseError::fail(format!("{error}"))),
    }
    Ok(())
}

static KEY: LazyLock<LocalKey> =
    LazyLock::new(|| LocalKey::generate(KeyKind::Ec(Curve::P256)).unwrap());

fn opened(text: &str) -> Vec<u8> {
    let envelope = Envelope::parse(text.as_bytes()).unwrap();
    let opening = envelope.open_unchecked(0, KEY.recipient()).unwrap();
    let answer = KEY.unwrap(&opening.request()).map_err(|_| Rejected);
    opening.finish(answer).unwrap().expose().to_vec()
}

#[test]
fn holds_for_every_seed() {
    for seed in SEEDS.iter() {
        holds(seed.as_bytes()).unwrap();
    }
}

proptest! {
    #[test]
    fn holds_for_any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        holds(&bytes)?;
    }

    #[test]
    fn holds_for_texts_of_the_alphabet(text in "eyJ[A-Za-z0-9_.=-]{0,60}(\\.[A-Za-z0-9_-]{0,24}){0,5}") {
        holds(text.as_bytes())?;
    }

    #[test]
    fn holds_for_json_with_the_members_of_an_envelope(
        text in r#"\{("(protected|ciphertext|iv|tag|aad|header|recipients|encrypted_key|x)":("[A-Za-z0-9_-]{0,8}"|\{\}|\[\{\}\]|null|1),?){0,8}\}?"#
    ) {
        holds(text.as_bytes())?;
    }

    #[test]
    fn holds_for_any_header(header in r#"[ -~]{0,80}|\{"(enc|alg|kid|crit|bind)":("[A-Z0-9]{0,9}"|[0-9]|\["bind"\]|\{\}),"(enc|alg|zip)":"[A-Z0-9]{0,9}"\}"#) {
        use base64::Engine as _;
        let header = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(header);
        holds(format!("{header}.AAAA.AAAAAAAAAAAAAAAA.AAAA.AAAAAAAAAAAAAAAAAAAAAA").as_bytes())?;
    }

    #[test]
    fn holds_for_spoiled_envelopes(
        seed in any::<Index>(),
        changes in proptest::collection::vec(change(), 1..4),
    ) {
        let text = seed.get(&SEEDS).clone().into_bytes();
        holds(&changed(text, &changes))?;
    }

    /// Members in any order, spaces between them, escapes in their names, members that JWE does not know.
    #[test]
    fn a_rewritten_envelope_opens_as_the_one_that_it_was(
        value in proptest::collection::vec(any::<u8>(), 0..100),
        order in Just([0_usize, 1, 2, 3, 4, 5]).prop_shuffle(),
        space in "[ \n\t]{0,2}",
        escaped in any::<bool>(),
        general in any::<bool>(),
    ) {
        let form = if general { Serialization::General } else { Serialization::Flattened };
        let sealer = Sealer::new(std::slice::from_ref(KEY.recipient())).unwrap();
        let mut sealer = sealer.serialization(Serialization::Flattened).unwrap();
        let sealed = sealer.seal(&value, &Binding::namespace("payments").unwrap()).unwrap();
        let sealed = sealed.to_text(form).unwrap();
        let serde_json::Value::Object(mut members) = serde_json::from_str(&sealed).unwrap() else {
            return Err(TestCaseError::fail("no object"));
        };
        members.insert("vendor".to_owned(), serde_json::json!({ "protected": [1, 2.5, null] }));
        let members: Vec<String> = members
            .iter()
            .map(|(name, value)| {
                let name = if escaped { name.replace('p', "\\u0070") } else { name.clone() };
                format!("{space}\"{name}\"{space}:{space}{value}{space}")
            })
            .collect();
        let count = members.len();
        let shuffled: Vec<String> = order
            .iter()
            .filter(|at| **at < count)
            .map(|at| members[*at].clone())
            .chain(members.iter().skip(order.len()).cloned())
            .collect();
        let text = format!("{space}{{{}}}", shuffled.join(","));
        let rewritten = to_openable_form(text.as_bytes()).unwrap().unwrap_or(text);
        prop_assert!(is_openable_form(rewritten.as_bytes()), "{}", rewritten);
        prop_assert!(rewritten.contains(r#""vendor":{"protected":[1,2.5,null]}"#), "{}", rewritten);
        prop_assert_eq!(opened(&rewritten), value);
    }

    /// Two texts of one compact envelope cannot both be good, or a signature over the text would be worth less.
    #[test]
    fn a_changed_compact_text_is_another_envelope(seed in any::<Index>(), change in change()) {
        let compact: Vec<&String> = SEEDS.iter().filter(|seed| seed.starts_with("eyJ")).collect();
        let text = seed.get(&compact).as_bytes();
        let spoiled = changed(text.to_vec(), &[change]);
        if let Ok(other) = Envelope::parse(&spoiled)
            && spoiled.trim_ascii() != text
        {
            let envelope = Envelope::parse(text).unwrap();
            let keys = [&envelope, &other].map(|envelope| {
                let text = envelope.to_string();
                text.split('.').nth(1).map(str::to_owned)
            });
            prop_assert!(other.digest() != envelope.digest() || keys[0] != keys[1]);
        }
    }

    #[test]
    fn what_we_seal_prints_and_parses(
        value in proptest::collection::vec(any::<u8>(), 0..300),
        count in 1..=2_usize,
        name in "[a-z]{1,5}(-\\*)?",
        by in proptest::option::of("[a-zäß \"\\\\]{0,12}"),
        expires in proptest::option::of(0..=(1_u64 << 53) - 1),
        compact in any::<bool>(),
    ) {
        let mut binding = Binding::anywhere().with_name(&name).unwrap();
        if let Some(expires) = expires {
            binding = binding.expiring_at(expires).unwrap();
        }
        let provenance = Provenance::new(1, by.as_deref(), None).unwrap();
        let mut sealer = Sealer::new(&recipients(count)).unwrap().provenance(provenance.clone());
        if count == 1 && !compact {
            sealer = sealer.serialization(Serialization::Flattened).unwrap();
        }
        let envelope = sealer.seal(&value, &binding).unwrap();
        prop_assert_eq!(envelope.binding(), Some(&binding));
        prop_assert_eq!(envelope.provenance(), Some(&provenance));
        let text = envelope.to_string();
        prop_assert_eq!(&Envelope::parse(text.as_bytes()).unwrap().to_string(), &text);
        holds(text.as_bytes())?;
    }
}
