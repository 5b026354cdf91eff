//! What a key file is, by its name and by its bytes.
use std::path::Path;

use serde::Deserialize;
use serde::de::IgnoredAny;

/// The name of a file without what its kind adds to it.
pub fn name_of_file(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let ends = [
        ".card.json",
        ".pub.pem",
        ".json",
        ".jwk",
        ".jwks",
        ".pem",
        ".crt",
        ".cer",
    ];
    let stem = ends
        .iter()
        .find_map(|end| name.strip_suffix(end))
        .unwrap_or(&name);
    if stem.is_empty() {
        name.into_owned()
    } else {
        stem.to_owned()
    }
}

/// Whether the bytes are a JWK Set, which is what a card is.
pub fn is_card(bytes: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Set {
        #[allow(dead_code, reason = "its presence is what counts")]
        keys: IgnoredAny,
    }
    serde_json::from_slice::<Set>(bytes).is_ok()
}

/// Whether the bytes hold a private or symmetric key. Nothing of it is copied.
pub fn is_private(bytes: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Jwk {
        d: Option<IgnoredAny>,
        k: Option<IgnoredAny>,
        #[serde(default)]
        keys: Vec<Jwk>,
    }
    fn secret(jwk: &Jwk) -> bool {
        jwk.d.is_some() || jwk.k.is_some() || jwk.keys.iter().any(secret)
    }
    const MARK: &[u8] = b"PRIVATE KEY-----";
    bytes.windows(MARK.len()).any(|window| window == MARK)
        || serde_json::from_slice::<Jwk>(bytes).is_ok_and(|jwk| secret(&jwk))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_files() {
        for (path, name) in [
            ("keys/payments.card.json", "payments"),
            ("payments.pem", "payments"),
            ("payments", "payments"),
            (".pem", ".pem"),
        ] {
            assert_eq!(name_of_file(Path::new(path)), name);
        }
    }

    #[test]
    fn knows_private_keys_when_it_sees_them() {
        for text in [
            "-----BEGIN PRIVATE KEY-----\n",
            "-----BEGIN RSA PRIVATE KEY-----\n",
            "-----BEGIN ENCRYPTED PRIVATE KEY-----\n",
            r#"{"kty":"RSA","n":"AQAB","d":"x"}"#,
            r#"{"kty":"oct","k":"x"}"#,
            r#"{"keys":[{"kty":"EC"},{"kty":"EC","d":"x"}]}"#,
        ] {
            assert!(is_private(text.as_bytes()), "{text}");
        }
        for text in [
            "-----BEGIN PUBLIC KEY-----\n",
            r#"{"kty":"RSA","n":"x","e":"AQAB"}"#,
            r#"{"keys":[{"kty":"EC"}]}"#,
        ] {
            assert!(!is_private(text.as_bytes()), "{text}");
        }
    }
}
