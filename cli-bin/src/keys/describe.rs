//! What a key is, in lines by which people recognize it.
use jwe_envelope::{RecipientKey, SignerKey};

use crate::text::{hex, printable};

/// The lines by which people recognize a key that signs.
pub fn describe_signer(name: &str, key: &SignerKey) -> String {
    let spoken = key.spoken_fingerprint().to_string();
    let groups: Vec<_> = spoken.split(' ').collect();
    let (first, second) = groups.split_at(groups.len() / 2);
    format!(
        "name         {}\nkind         {}, signs key cards or values\nkid          {}\nSHA-256      {}\nfingerprint  {}\n             {}\n",
        printable(name, 64),
        key.kind(),
        key.kid(),
        hex(&key.spki_sha256()),
        first.join(" "),
        second.join(" "),
    )
}

/// The lines by which people and programs recognize a key.
pub fn describe(name: &str, key: &RecipientKey) -> String {
    let spoken = key.spoken_fingerprint().to_string();
    let groups: Vec<_> = spoken.split(' ').collect();
    let (first, second) = groups.split_at(groups.len() / 2);
    format!(
        "name         {}\nkind         {}, used with {}\nkid          {}\nSHA-256      {}\nfingerprint  {}\n             {}\n",
        printable(name, 64),
        kind_of(key),
        key.algorithm(),
        key.kid(),
        hex(&key.spki_sha256()),
        first.join(" "),
        second.join(" "),
    )
}

/// Such as `RSA, 4096 bits`.
pub fn kind_of(key: &RecipientKey) -> String {
    match (key.curve(), key.modulus_len()) {
        (Some(curve), _) => format!("elliptic curve {curve}"),
        (None, Some(bytes)) => format!("RSA, {} bits", 8 * bytes),
        (None, None) => key.algorithm().to_string(),
    }
}
