//! What the registration of the webhook forwards: the admission filter, in Rust.
//!
//! The API server decides by the first bytes of a value whether it asks the webhook at all, with CEL expressions in
//! the webhook's registration. Whoever checks manifests beforehand needs the same answer without a cluster: an
//! envelope that the filter does not forward would be stored as it is.

/// Types of Secrets that are never forwarded, whatever they hold.
pub const EXEMPT_TYPES: [&str; 3] = [
    "bootstrap.kubernetes.io/token",
    "helm.sh/release.v1",
    "kubernetes.io/service-account-token",
];

/// Namespaces that the registration leaves out, so that the cluster can start without the webhook.
pub const EXEMPT_NAMESPACES: [&str; 1] = ["kube-system"];

/// Members of RFC 7516 that a JSON envelope may begin with.
const MEMBERS: [&str; 9] = [
    "aad",
    "ciphertext",
    "encrypted_key",
    "header",
    "iv",
    "protected",
    "recipients",
    "tag",
    "unprotected",
];

/// How the protected headers of ordinary signed tokens begin. They are compact texts that begin with `eyJ`, too.
const TOKENS: [&str; 6] = [
    r#"{"alg":"ES"#,
    r#"{"alg":"EdDSA"#,
    r#"{"alg":"HS"#,
    r#"{"alg":"PS"#,
    r#"{"alg":"RS2"#,
    r#"{"typ":"JWT""#,
];

/// Whether a value that begins like this is forwarded to the webhook.
///
/// A compact text is when it begins with `eyJ`, unless as signed tokens do; JSON is when its first member is one
/// of RFC 7516 and no blank stands before it. The bytes are those of the value, not of the base64 in `data`.
pub fn forwards(value: &[u8]) -> bool {
    if value.starts_with(b"eyJ") {
        return !begins_as_token(value);
    }
    let Some(rest) = value.strip_prefix(b"{\"") else {
        return false;
    };
    MEMBERS.iter().any(|member| {
        rest.strip_prefix(member.as_bytes())
            .is_some_and(|rest| rest.first() == Some(&b'"'))
    })
}

fn begins_as_token(value: &[u8]) -> bool {
    TOKENS
        .iter()
        .any(|opening| value.starts_with(&base64url_prefix(opening.as_bytes())))
}

/// The base64url characters that `text` fixes, whatever follows it.
fn base64url_prefix(text: &[u8]) -> Vec<u8> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let fixed = text.len() * 8 / 6;
    (0..fixed)
        .map(|index| {
            let bit = index * 6;
            let pair =
                u16::from_be_bytes([text[bit / 8], text.get(bit / 8 + 1).copied().unwrap_or(0)]);
            ALPHABET[usize::from(pair >> (10 - bit % 8) & 0x3f)]
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{base64url_prefix, forwards};

    #[test]
    fn forwards_what_may_be_an_envelope_by_its_first_bytes() {
        for value in [
            &b"eyJlbmMiOiJBMjU2R0NNIn0.a.b.c.d"[..],
            b"eyJhbGciOiJSU0EtT0FFUC0yNTYiLCJlbmMiOiJBMjU2R0NNIn0",
            b"eyJhbGciOiJFQ0RILUVTIn0",
            br#"{"protected":"e30"}"#,
            br#"{"recipients" : []}"#,
            br#"{"iv":""}"#,
        ] {
            assert!(forwards(value), "{}", String::from_utf8_lossy(value));
        }
    }

    #[test]
    fn lets_everything_else_through() {
        for value in [
            &b""[..],
            b"hunter2",
            b" eyJlbmMiOiJBMjU2R0NNIn0.a.b.c.d",
            b"eyAiZW5jIjoiQTI1NkdDTSJ9.a.b.c.d",
            b"CnsiZW5jIjoiIn0.a.b.c.d",
            br#"{ "protected":"e30"}"#,
            br#" {"protected":"e30"}"#,
            br#"{"kid":"x","protected":"e30"}"#,
            br#"{"ivory":1}"#,
            // {"alg":"RS256" and {"typ":"JWT"
            b"eyJhbGciOiJSUzI1NiJ9.e30.c2ln",
            b"eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiJ9.e30.c2ln",
        ] {
            assert!(!forwards(value), "{}", String::from_utf8_lossy(value));
        }
    }

    #[test]
    fn a_prefix_keeps_the_characters_that_are_fixed() {
        assert_eq!(base64url_prefix(b"{"), b"e");
        assert_eq!(base64url_prefix(b"{\""), b"ey");
        assert_eq!(base64url_prefix(b"{\"a"), b"eyJh");
    }
}
