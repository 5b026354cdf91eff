//! Acts of sealing: what they share, what they never share, and what they refuse.

use std::collections::HashSet;

use crate::support::{bound_to, open_at, p256, pinned, rsa};
use jwe_envelope::seal::{LONGEST_VALUE, MOST_VALUES};
use jwe_envelope::{
    Binding, ContentEncryption, Envelope, KeyManagement, LocalKey, Place, Provenance, RecipientKey,
    SealError, Sealer, Serialization,
};

fn sealer(key: &RecipientKey) -> Sealer {
    Sealer::new(std::slice::from_ref(key)).unwrap()
}

fn parts(text: &str) -> Vec<&str> {
    text.split('.').collect()
}

fn unwraps(texts: &[String], key: &LocalKey) -> usize {
    let digests: HashSet<_> = texts
        .iter()
        .map(|text| {
            let envelope = Envelope::parse(text.as_bytes()).unwrap();
            let opening = envelope.open_unchecked(0, key.recipient()).unwrap();
            opening.inputs_digest("payments")
        })
        .collect();
    digests.len()
}

#[test]
fn values_of_one_act_share_the_wrapped_key_and_nothing_else() {
    for key in [rsa(), p256()] {
        let mut sealer = sealer(key.recipient());
        let texts: Vec<_> = (0..20)
            .map(|number| {
                let binding = bound_to(&format!("field-{number}"));
                sealer
                    .seal(b"the same value", &binding)
                    .unwrap()
                    .to_string()
            })
            .collect();
        let distinct = |part: usize| {
            let set: HashSet<_> = texts.iter().map(|text| parts(text)[part]).collect();
            set.len()
        };
        assert_eq!(distinct(0), 20, "headers name their own field");
        assert_eq!(distinct(1), 1, "one wrapped content key");
        assert_eq!(distinct(2), 20, "an initialization vector each");
        assert_eq!(distinct(3), 20, "equal values do not show");
        assert_eq!(unwraps(&texts, key), 1, "one question to the key service");
        // Each is complete: it opens without the others.
        for text in &texts {
            assert_eq!(open_at(text, 0, key).as_deref(), Ok(&b"the same value"[..]));
        }
    }
}

#[test]
fn two_acts_share_nothing() {
    for key in [rsa(), p256()] {
        let [a, b] = [(), ()].map(|()| {
            let sealed = sealer(key.recipient()).seal(b"value", &bound_to("password"));
            sealed.unwrap().to_string()
        });
        let (a_parts, b_parts) = (parts(&a), parts(&b));
        for part in 1..5 {
            assert_ne!(a_parts[part], b_parts[part], "part {part}");
        }
        assert_eq!(unwraps(&[a, b], key), 2);
    }
}

#[test]
fn a_binding_that_differs_in_more_than_key_is_refused_and_the_act_goes_on() {
    let mut sealer = sealer(p256().recipient());
    sealer.seal(b"1", &bound_to("a")).unwrap();
    let place = |namespace, name| Binding::exact(&Place::new(namespace, name, "a").unwrap());
    for other in [
        place("payments", "other"),
        place("elsewhere", "db"),
        Binding::anywhere(),
        Binding::namespace("payments").unwrap(),
        bound_to("a").expiring_at(2_000_000_000).unwrap(),
        bound_to("a").with_audience(["prod-eu"]).unwrap(),
        bound_to("a").with_service_account("app").unwrap(),
    ] {
        assert_eq!(
            sealer.seal(b"2", &other).err(),
            Some(SealError::Binding),
            "{other}"
        );
    }
    assert!(sealer.seal(b"3", &bound_to("b")).is_ok());
}

#[test]
fn a_value_for_a_service_account_is_alone() {
    let account = |key| bound_to(key).with_service_account("app").unwrap();
    let mut sealer = sealer(p256().recipient());
    assert!(sealer.seal(b"1", &account("a")).is_ok());
    assert_eq!(
        sealer.seal(b"2", &account("b")).err(),
        Some(SealError::Binding)
    );
    assert_eq!(
        sealer.seal(b"2", &account("a")).err(),
        Some(SealError::Binding)
    );
    assert_eq!(
        sealer.seal(b"2", &bound_to("a")).err(),
        Some(SealError::Binding)
    );
}

/// No check of the result is needed in the sealer: the longest there can be is one that opens.
#[test]
fn the_longest_envelope_that_can_be_made_is_accepted() {
    let long = |len| "a".repeat(len);
    let clusters: Vec<_> = (10..26)
        .map(|number| format!("{number}{}", long(251)))
        .collect();
    let binding = bound_to(&long(253))
        .with_audience(clusters.iter().map(String::as_str))
        .unwrap();
    let provenance = Provenance::new(1_800_000_000, Some(&long(400)), Some(&long(500))).unwrap();
    let recipients: Vec<_> = (0..16)
        .map(|_| {
            let kind = jwe_envelope::KeyKind::Ec(jwe_envelope::Curve::P521);
            LocalKey::generate(kind).unwrap().recipient().clone()
        })
        .collect();
    let text = Sealer::new(&recipients)
        .unwrap()
        .content_encryption(ContentEncryption::A256CbcHs512)
        .unwrap()
        .provenance(provenance)
        .seal(&vec![0; LONGEST_VALUE], &binding)
        .unwrap()
        .to_string();
    // An RSA-8192 recipient adds 1,366 characters, less than 2 KiB with its header.
    assert!(
        text.len() + 16 * 2048 < jwe_envelope::MAX_ENVELOPE,
        "{}",
        text.len()
    );
    assert!(Envelope::parse(text.as_bytes()).is_ok());
}

#[test]
fn values_are_bounded_in_size_and_number() {
    let mut act = sealer(p256().recipient());
    let long = vec![0; LONGEST_VALUE + 1];
    assert_eq!(
        act.seal(&long, &bound_to("a")).err(),
        Some(SealError::TooLarge {
            len: LONGEST_VALUE + 1,
            limit: LONGEST_VALUE
        })
    );
    for number in 0..MOST_VALUES {
        act.seal(b"", &bound_to(&format!("k{number}"))).unwrap();
    }
    assert_eq!(
        act.seal(b"", &bound_to("one-more")).err(),
        Some(SealError::TooMany(MOST_VALUES))
    );
}

#[test]
fn recipients_must_be_some_and_different() {
    let key = rsa().recipient().clone();
    assert_eq!(
        Sealer::new(&[]).err(),
        Some(SealError::Recipients("none was given"))
    );
    // The same key under two pins is the same key: one `kid` twice.
    let twice = [key.clone(), key.pinned_to(KeyManagement::RsaOaep).unwrap()];
    assert_eq!(
        Sealer::new(&twice).err(),
        Some(SealError::Recipients("one was given twice"))
    );
    let many: Vec<_> = (0..17)
        .map(|_| {
            let kind = jwe_envelope::KeyKind::Ec(jwe_envelope::Curve::P256);
            LocalKey::generate(kind).unwrap().recipient().clone()
        })
        .collect();
    assert!(Sealer::new(&many[..16]).is_ok());
    assert_eq!(
        Sealer::new(&many).err(),
        Some(SealError::Recipients("more were given"))
    );
}

#[test]
fn direct_agreement_is_never_made() {
    let key = p256().recipient().pinned_to(KeyManagement::EcdhEs).unwrap();
    assert_eq!(Sealer::new(&[key]).err(), Some(SealError::Direct));
}

#[test]
fn the_pin_is_what_is_written() {
    for algorithm in KeyManagement::ALL {
        let key = if algorithm.is_rsa() { rsa() } else { p256() };
        let key = pinned(key, algorithm);
        if algorithm == KeyManagement::EcdhEs {
            continue;
        }
        let text = crate::support::seal(key.recipient(), ContentEncryption::A256Gcm, b"");
        let envelope = Envelope::parse(text.as_bytes()).unwrap();
        let recipient = &envelope.recipients()[0];
        assert_eq!(recipient.algorithm(), algorithm.as_str());
        assert_eq!(recipient.key_id(), Some(key.recipient().kid()));
    }
}

#[test]
fn choices_are_made_before_the_first_value() {
    let mut begun = sealer(p256().recipient());
    begun.seal(b"", &bound_to("a")).unwrap();
    assert_eq!(
        begun.content_encryption(ContentEncryption::A128Gcm).err(),
        Some(SealError::Started)
    );
    let mut begun = sealer(p256().recipient());
    begun.seal(b"", &bound_to("a")).unwrap();
    assert_eq!(
        begun.serialization(Serialization::General).err(),
        Some(SealError::Started)
    );
    let two = [rsa().recipient().clone(), p256().recipient().clone()];
    for serialization in [Serialization::Compact, Serialization::Flattened] {
        assert_eq!(
            Sealer::new(&two)
                .unwrap()
                .serialization(serialization)
                .err(),
            Some(SealError::Serialization(2))
        );
    }
}

#[test]
fn what_is_sealed_parses_back_with_its_binding_and_provenance() {
    let two = [rsa().recipient().clone(), p256().recipient().clone()];
    let provenance = Provenance::new(1_800_000_000, Some("ada"), Some("rotation")).unwrap();
    for (recipients, serialization) in [
        (&two[..1], Serialization::Compact),
        (&two[..1], Serialization::Flattened),
        (&two[..1], Serialization::General),
        (&two[..], Serialization::General),
    ] {
        let sealed = Sealer::new(recipients)
            .unwrap()
            .serialization(serialization)
            .unwrap()
            .provenance(provenance.clone())
            .seal(b"hunter2", &bound_to("password"))
            .unwrap();
        let text = sealed.to_string();
        let parsed = Envelope::parse(text.as_bytes()).unwrap();
        assert_eq!(parsed.serialization(), serialization);
        assert_eq!(parsed.binding(), Some(&bound_to("password")));
        assert_eq!(parsed.provenance(), Some(&provenance));
        assert_eq!(parsed.recipients().len(), recipients.len());
        assert_eq!(parsed.digest(), sealed.digest());
        assert_eq!(parsed.to_string(), text);
        assert_eq!(open_at(&text, 0, rsa()).as_deref(), Ok(&b"hunter2"[..]));
        // What was just sealed opens without a detour over text.
        let opening = sealed.open_unchecked(0, rsa().recipient()).unwrap();
        let answer = rsa().unwrap(&opening.request()).unwrap();
        assert_eq!(opening.finish(Ok(answer)).unwrap().expose(), b"hunter2");
    }
}

#[test]
fn debug_output_of_a_sealer_shows_no_key() {
    let mut act = sealer(p256().recipient());
    act.seal(b"hunter2", &bound_to("a")).unwrap();
    let shown = format!("{act:?}");
    assert!(
        shown.contains("values: 1") && !shown.contains("hunter2"),
        "{shown}"
    );
    assert!(!shown.contains("bytes") && !shown.contains("[1"), "{shown}");
}

#[test]
fn the_ciphertext_is_as_long_as_the_value() {
    let key = rsa();
    for len in [0, 1, 2, 3, 4, 1000, 1001] {
        let mut sealer = Sealer::new(std::slice::from_ref(key.recipient())).unwrap();
        let binding = Binding::namespace("payments").unwrap();
        let envelope = sealer.seal(&vec![7; len], &binding).unwrap();
        assert_eq!(envelope.ciphertext_len(), len);
    }
}
