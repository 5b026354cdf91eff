//! The card as JSON.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::card_key::{CardKey, CardPlaces, CardStatus};
use crate::date::Utc;
use crate::error::{CardFault, KeyError};
use crate::jwk::{JwkSet, present};
use crate::recipient::RecipientKey;
use crate::untrusted::cut;

const LONGEST_NAME: usize = 63;
const LONGEST_URI: usize = 512;
const LONGEST_CLUSTER: usize = 253;
const MOST_PLACES: usize = 64;

/// What a card asks of each key beyond the public members.
#[derive(Deserialize)]
struct Members<'a> {
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    #[serde(borrow)]
    privy: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Version {
    v: Option<serde_json::Value>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Privy {
    v: u8,
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    name: Option<String>,
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    uri: Option<String>,
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    places: Option<Places>,
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    not_after: Option<String>,
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    status: Option<Status>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Places {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    clusters: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    namespaces: Vec<String>,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Active,
    Retired,
}

pub(super) fn read(json: &[u8]) -> Result<Vec<CardKey>, KeyError> {
    let text = std::str::from_utf8(json).map_err(|_| KeyError::Unreadable)?;
    let text = text.trim_start_matches('\u{feff}');
    let set: JwkSet<'_> = serde_json::from_str(text).map_err(|_| KeyError::Unreadable)?;
    set.keys
        .iter()
        .zip(1..)
        .map(|(key, number)| {
            read_key(key.get()).map_err(|why| match why {
                // Said of the whole file: a private key in a card is a leak, not a fault of grammar.
                CardFault::Key(error) if *error == KeyError::PrivateKey => KeyError::PrivateKey,
                why => KeyError::Card { number, why },
            })
        })
        .collect()
}

fn read_key(json: &str) -> Result<CardKey, CardFault> {
    let recipient = RecipientKey::from_jwk(json.as_bytes(), None)
        .map_err(|error| CardFault::Key(Box::new(error)))?;
    let members: Members<'_> = serde_json::from_str(json).map_err(|_| CardFault::Wrong {
        member: "kid, alg, use",
        why: "must be strings",
    })?;
    let kid = members.kid.ok_or(CardFault::Missing("kid"))?;
    if kid != recipient.kid() {
        return Err(CardFault::WrongKid {
            found: cut(&kid),
            expected: recipient.kid().to_owned(),
        });
    }
    if members.alg.is_none() {
        return Err(CardFault::Missing("alg"));
    }
    if members.usage.is_none() {
        return Err(CardFault::Missing("use"));
    }
    let privy = members.privy.ok_or(CardFault::Missing("privy"))?;
    let privy = read_privy(privy.get())?;
    Ok(CardKey {
        recipient,
        name: privy.name,
        uri: privy.uri,
        places: privy
            .places
            .map_or_else(CardPlaces::default, |places| CardPlaces {
                clusters: places.clusters,
                namespaces: places.namespaces,
            }),
        not_after: privy
            .not_after
            .map(|text| {
                Utc::parse(&text)
                    .map(|time| time.0)
                    .ok_or(CardFault::Wrong {
                        member: "privy.notAfter",
                        why: "must be a time in UTC like 2027-12-31T00:00:00Z",
                    })
            })
            .transpose()?,
        status: match privy.status {
            None | Some(Status::Active) => CardStatus::Active,
            Some(Status::Retired) => CardStatus::Retired,
        },
    })
}

fn read_privy(json: &str) -> Result<Privy, CardFault> {
    // The version first: what a later version adds is no fault of this card, but of our age.
    let not_ours = CardFault::Wrong {
        member: "privy.v",
        why: "must be 1; this version of the program knows no other",
    };
    let version: Version = serde_json::from_str(json).map_err(|_| CardFault::Wrong {
        member: "privy",
        why: "must be an object without repeated members",
    })?;
    match version.v {
        None => return Err(CardFault::Missing("privy.v")),
        Some(version) if version == 1 => {}
        Some(_) => return Err(not_ours),
    }
    serde_json::from_str(json).map_err(|_| CardFault::Wrong {
        member: "privy",
        why: "has a member that is unknown, repeated or of the wrong type; known are v, name, uri, places, \
              notAfter and status",
    })
}

/// What the types leave open, for cards that were read and cards that are made.
pub(super) fn check(key: &CardKey) -> Result<(), CardFault> {
    let wrong = |member, why| Err(CardFault::Wrong { member, why });
    if key.name.as_deref().is_some_and(|name| !is_name(name)) {
        return wrong(
            "privy.name",
            "must have 1 to 63 characters of A-Z, a-z, 0-9, `-`, `.` and `_`, a letter or digit first and last",
        );
    }
    if key.uri.as_deref().is_some_and(|uri| {
        uri.is_empty()
            || uri.len() > LONGEST_URI
            || !uri.bytes().all(|byte| byte.is_ascii_graphic())
    }) {
        return wrong(
            "privy.uri",
            "must have 1 to 512 printable ASCII characters without spaces",
        );
    }
    let CardPlaces {
        clusters,
        namespaces,
    } = &key.places;
    if clusters.len() > MOST_PLACES || !clusters.iter().all(|name| is_cluster(name)) {
        return wrong(
            "privy.places.clusters",
            "must be at most 64 names of 1 to 253 characters of A-Z, a-z, 0-9, `-`, `.` and `_`",
        );
    }
    if namespaces.len() > MOST_PLACES || !namespaces.iter().all(|name| is_namespace_pattern(name)) {
        return wrong(
            "privy.places.namespaces",
            "must be at most 64 namespaces, each a legal name, or its beginning up to a `-` and `*`",
        );
    }
    if key.not_after.is_some_and(|seconds| seconds > LATEST) {
        return wrong("privy.notAfter", "must be before the year 10000");
    }
    Ok(())
}

fn is_name(name: &str) -> bool {
    let edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = name.as_bytes();
    bytes.len() <= LONGEST_NAME
        && edge(bytes.first())
        && edge(bytes.last())
        && bytes.iter().all(|byte| is_name_byte(*byte))
}

fn is_cluster(name: &str) -> bool {
    (1..=LONGEST_CLUSTER).contains(&name.len()) && name.bytes().all(is_name_byte)
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_')
}

/// A namespace (RFC 1123 label), or its beginning up to a `-`, then `*`.
fn is_namespace_pattern(name: &str) -> bool {
    let label = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let literal = name.strip_suffix("-*").unwrap_or(name).as_bytes();
    name.len() <= 63
        && literal.first().is_some_and(|byte| label(*byte))
        && (name.ends_with("-*") || literal.last().is_some_and(|byte| label(*byte)))
        && literal.iter().all(|byte| label(*byte) || *byte == b'-')
}

pub(super) fn write(keys: &[CardKey]) -> String {
    let keys: Vec<_> = keys
        .iter()
        .map(|key| {
            let mut jwk = key.recipient.to_jwk();
            let privy = Privy {
                v: 1,
                name: key.name.clone(),
                uri: key.uri.clone(),
                places: (key.places != CardPlaces::default()).then(|| Places {
                    clusters: key.places.clusters.clone(),
                    namespaces: key.places.namespaces.clone(),
                }),
                not_after: key.not_after.map(|seconds| Utc(seconds).to_string()),
                status: Some(match key.status {
                    CardStatus::Active => Status::Active,
                    CardStatus::Retired => Status::Retired,
                }),
            };
            jwk["privy"] = serde_json::to_value(privy).expect("strings and numbers become JSON");
            jwk
        })
        .collect();
    let mut text = serde_json::to_string_pretty(&serde_json::json!({ "keys": keys }))
        .expect("a JSON value becomes text");
    text.push('\n');
    text
}

/// 9999-12-31T23:59:59Z.
const LATEST: u64 = 253_402_300_799;
