//! Key cards: the code and `schemas/key-card.schema.json` accept and refuse the same.

use std::sync::LazyLock;

use jsonschema::Validator;
use jwe_envelope::error::CardFault;
use jwe_envelope::key_card::MOST_KEYS;
use jwe_envelope::{
    CardKey, CardPlaces, CardStatus, Curve, KeyCard, KeyError, KeyKind, LocalKey, RecipientKey,
};
use serde_json::{Value, json};

static SCHEMA: LazyLock<Validator> = LazyLock::new(|| {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../schemas/key-card.schema.json"
    );
    let schema: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    assert!(jsonschema::draft202012::meta::is_valid(&schema));
    jsonschema::draft202012::new(&schema).unwrap()
});

fn recipient(curve: Curve) -> RecipientKey {
    LocalKey::generate(KeyKind::Ec(curve))
        .unwrap()
        .recipient()
        .clone()
}

fn key() -> CardKey {
    CardKey::new(recipient(Curve::P256))
}

fn full_key() -> CardKey {
    CardKey {
        name: Some("payments-2027".into()),
        uri: Some(
            "gcp-kms://projects/p/locations/eu/keyRings/r/cryptoKeys/k/cryptoKeyVersions/1".into(),
        ),
        places: CardPlaces {
            clusters: vec!["prod-eu".into(), "prod-us".into()],
            namespaces: vec!["payments".into(), "team-*".into(), "a-*".into()],
        },
        not_after: Some(1_830_297_600),
        ..key()
    }
}

fn retired() -> CardKey {
    CardKey {
        status: CardStatus::Retired,
        ..key()
    }
}

/// What the code says; panics when the schema says otherwise.
fn judge(card: &Value) -> Result<KeyCard, KeyError> {
    let parsed = KeyCard::parse(card.to_string().as_bytes());
    let by_schema = SCHEMA.is_valid(card);
    assert_eq!(
        parsed.is_ok(),
        by_schema,
        "code: {parsed:?}; schema: {:?}\n{card:#}",
        SCHEMA
            .iter_errors(card)
            .map(|error| error.to_string())
            .collect::<Vec<_>>()
    );
    parsed
}

fn written(keys: Vec<CardKey>) -> Value {
    serde_json::from_str(&KeyCard::new(keys).unwrap().to_json_pretty()).unwrap()
}

#[test]
fn what_is_written_is_read_back_and_fits_the_schema() {
    let mut cards = vec![
        vec![key()],
        vec![full_key()],
        vec![full_key(), retired(), retired()],
        vec![retired()],
    ];
    for curve in [Curve::P384, Curve::P521, Curve::X25519] {
        cards.push(vec![CardKey::new(recipient(curve))]);
    }
    for bits in [2048, 4096] {
        let rsa = LocalKey::generate(KeyKind::Rsa(bits)).unwrap();
        cards.push(vec![CardKey::new(rsa.recipient().clone())]);
    }
    for keys in cards {
        let card = KeyCard::new(keys).unwrap();
        let text = card.to_json_pretty();
        assert!(text.ends_with("}\n"));
        assert_eq!(KeyCard::parse(text.as_bytes()).as_ref(), Ok(&card));
        assert_eq!(judge(&serde_json::from_str(&text).unwrap()), Ok(card));
    }
}

#[test]
fn the_active_key_is_first_and_a_rotation_retires_the_others() {
    let (old, new) = (full_key(), key());
    let card = KeyCard::new(vec![old.clone()]).unwrap();
    assert_eq!(card.active(), Some(&old));
    let card = card.rotated_to(new.clone()).unwrap();
    assert_eq!(card.active(), Some(&new));
    assert_eq!(card.keys()[1].status, CardStatus::Retired);
    assert_eq!(card.keys()[1].name, old.name);
    assert!(card.find(old.recipient.kid()).is_some());
    assert!(card.find("nobody").is_none());
    assert_eq!(
        RecipientKey::from_bytes(card.to_json_pretty().as_bytes()).as_ref(),
        Ok(&new.recipient)
    );
    assert_eq!(card.rotated_to(new), Err(KeyError::Duplicate { number: 2 }));
}

#[test]
fn a_card_of_retired_keys_seals_nothing() {
    let card = KeyCard::new(vec![retired()]).unwrap();
    assert_eq!(card.active(), None);
    assert_eq!(
        RecipientKey::from_bytes(card.to_json_pretty().as_bytes()),
        Err(KeyError::NoActiveKey)
    );
}

#[test]
fn accepted() {
    let base = written(vec![full_key(), retired()]);
    let changes: [fn(&mut Value); 9] = [
        |_| {},
        |card| card["comment"] = "ignored".into(),
        |card| card["keys"][0]["x5c"] = json!(["ignored"]),
        |card| card["keys"][0]["key_ops"] = json!([]),
        |card| card["keys"][0]["key_ops"] = json!(["wrapKey", "of the future"]),
        |card| card["keys"][0]["privy"] = json!({"v": 1}),
        |card| card["keys"][0]["privy"] = json!({"v": 1, "places": {}}),
        |card| card["keys"][0]["privy"]["notAfter"] = "2028-02-29T23:59:59Z".into(),
        |card| card["keys"][0]["privy"]["name"] = "A".into(),
    ];
    for change in changes {
        let mut card = base.clone();
        change(&mut card);
        judge(&card).unwrap();
    }
}

#[test]
fn refused() {
    let base = written(vec![full_key(), retired()]);
    let changes: [fn(&mut Value); 44] = [
        |card| *card = json!({}),
        |card| *card = json!([]),
        |card| card["keys"] = json!([]),
        |card| card["keys"] = json!({}),
        |card| card["keys"] = Value::Null,
        |card| card["keys"][0] = "a key".into(),
        |card| remove(&mut card["keys"][0], "kid"),
        |card| remove(&mut card["keys"][0], "alg"),
        |card| remove(&mut card["keys"][0], "use"),
        |card| remove(&mut card["keys"][0], "privy"),
        |card| remove(&mut card["keys"][0], "kty"),
        |card| remove(&mut card["keys"][0], "x"),
        |card| remove(&mut card["keys"][0], "crv"),
        |card| remove(&mut card["keys"][0]["privy"], "v"),
        |card| remove(&mut card["keys"][1]["privy"], "status"),
        |card| card["keys"][0]["kid"] = "payments".into(),
        |card| card["keys"][0]["kid"] = 7.into(),
        |card| card["keys"][0]["alg"] = "RSA-OAEP-256".into(),
        |card| card["keys"][0]["alg"] = "RSA1_5".into(),
        |card| card["keys"][0]["use"] = "sig".into(),
        |card| card["keys"][0]["key_ops"] = json!(["sign"]),
        |card| card["keys"][0]["key_ops"] = Value::Null,
        |card| card["keys"][0]["d"] = "AAAA".into(),
        |card| card["keys"][0]["d"] = Value::Null,
        |card| card["keys"][0]["k"] = "AAAA".into(),
        |card| card["keys"][0]["kty"] = "OKP".into(),
        |card| card["keys"][0]["crv"] = "P-384".into(),
        |card| card["keys"][0]["x"] = "AAAA".into(),
        |card| card["keys"][0]["privy"] = json!([]),
        |card| card["keys"][0]["privy"]["v"] = 2.into(),
        |card| card["keys"][0]["privy"]["v"] = "1".into(),
        |card| card["keys"][0]["privy"]["owner"] = "of the future".into(),
        |card| card["keys"][0]["privy"]["name"] = "".into(),
        |card| card["keys"][0]["privy"]["name"] = "-payments".into(),
        |card| card["keys"][0]["privy"]["name"] = "a".repeat(64).into(),
        |card| card["keys"][0]["privy"]["name"] = Value::Null,
        |card| card["keys"][0]["privy"]["uri"] = "two words".into(),
        |card| card["keys"][0]["privy"]["places"] = json!(["payments"]),
        |card| card["keys"][0]["privy"]["places"] = json!({"teams": []}),
        |card| card["keys"][0]["privy"]["places"]["clusters"] = json!(["prod eu"]),
        |card| card["keys"][0]["privy"]["notAfter"] = "2027-13-01T00:00:00Z".into(),
        |card| card["keys"][0]["privy"]["notAfter"] = 1_830_297_600.into(),
        |card| card["keys"][0]["privy"]["status"] = "revoked".into(),
        |card| card["keys"][1]["privy"]["status"] = "active".into(),
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let mut card = base.clone();
        change(&mut card);
        assert!(
            judge(&card).is_err(),
            "change {number} is accepted\n{card:#}"
        );
    }
    for namespace in [
        "",
        "*",
        "-a",
        "a-",
        "team*",
        "-*",
        "Team",
        "a.b",
        &"a".repeat(64),
    ] {
        let mut card = base.clone();
        card["keys"][0]["privy"]["places"]["namespaces"] = json!([namespace]);
        assert!(judge(&card).is_err(), "{namespace:?}");
    }
}

fn remove(value: &mut Value, member: &str) {
    assert!(value.as_object_mut().unwrap().remove(member).is_some());
}

/// What needs arithmetic, which a schema does not have; only the code checks it.
#[test]
fn refused_by_the_code_alone() {
    let base = written(vec![full_key(), retired()]);
    let parse = |card: &Value| KeyCard::parse(card.to_string().as_bytes());

    let mut card = base.clone();
    card["keys"][0]["kid"] = "A".repeat(43).into();
    assert!(matches!(
        parse(&card),
        Err(KeyError::Card {
            number: 1,
            why: CardFault::WrongKid { .. }
        })
    ));

    let mut card = base.clone();
    card["keys"][1] = base["keys"][0].clone();
    card["keys"][1]["privy"]["status"] = "retired".into();
    assert_eq!(parse(&card), Err(KeyError::Duplicate { number: 2 }));

    let mut card = base.clone();
    card["keys"][0]["y"] = base["keys"][0]["x"].clone();
    assert!(matches!(
        parse(&card),
        Err(KeyError::Card {
            number: 1,
            why: CardFault::Key(_)
        })
    ));

    let mut card = base.clone();
    card["keys"][0]["privy"]["notAfter"] = "2027-02-29T00:00:00Z".into();
    assert!(parse(&card).is_err());

    let twice = base.to_string().replacen(r#""v":1"#, r#""v":1,"v":1"#, 1);
    assert!(KeyCard::parse(twice.as_bytes()).is_err());
}

#[test]
fn a_private_key_in_a_card_is_called_by_its_name() {
    let mut card = written(vec![key()]);
    card["keys"][0]["d"] = "AAAA".into();
    assert_eq!(judge(&card), Err(KeyError::PrivateKey));
}

#[test]
fn errors_name_the_key_and_the_member() {
    let mut card = written(vec![full_key(), retired()]);
    card["keys"][1]["privy"]["v"] = 2.into();
    assert_eq!(
        judge(&card).unwrap_err().to_string(),
        "key 2 of the card: `privy.v` must be 1; this version of the program knows no other"
    );
    card["keys"][1]["privy"]["v"] = 1.into();
    card["keys"][1]["privy"]["status"] = "active".into();
    assert_eq!(
        judge(&card).unwrap_err().to_string(),
        "key 2 of the card: only the first key may be active; `privy.status` of the others is \"retired\""
    );
}

#[test]
fn size_and_number_are_bounded() {
    let mut keys = vec![key()];
    keys.extend((1..MOST_KEYS).map(|_| retired()));
    let card = KeyCard::new(keys.clone()).unwrap();
    assert!(card.to_json_pretty().len() < 64 * 1024);
    judge(&serde_json::from_str(&card.to_json_pretty()).unwrap()).unwrap();
    assert!(card.rotated_to(key()).is_err());
    keys.push(retired());
    assert!(KeyCard::new(keys).is_err());
    let mut long = card.to_json_pretty();
    long.push_str(&" ".repeat(64 * 1024));
    assert!(matches!(
        KeyCard::parse(long.as_bytes()),
        Err(KeyError::TooLong { .. })
    ));
}

#[test]
fn times_are_read_and_written_in_one_form() {
    for (text, seconds) in [
        ("1970-01-01T00:00:00Z", 0),
        ("2000-02-29T12:34:56Z", 951_827_696),
        ("2100-02-28T23:59:59Z", 4_107_542_399),
        ("2100-03-01T00:00:00Z", 4_107_542_400),
        ("9999-12-31T23:59:59Z", 253_402_300_799),
    ] {
        let mut card = written(vec![key()]);
        card["keys"][0]["privy"]["notAfter"] = text.into();
        let parsed = judge(&card).unwrap();
        assert_eq!(parsed.keys()[0].not_after, Some(seconds));
        assert!(parsed.to_json_pretty().contains(text));
    }
    let late = CardKey {
        not_after: Some(253_402_300_800),
        ..key()
    };
    assert!(KeyCard::new(vec![late]).is_err());
}
