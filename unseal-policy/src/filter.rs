//! What the registration of the webhook forwards: the admission filter, in Rust.
//!
//! The API server decides by the first bytes of a value whether it asks the webhook at all, with CEL expressions in
//! the webhook's registration. A check of manifests before they are committed needs the same answer without a cluster:
//! an envelope that the filter does not forward would be stored as it is. The type of a Secret makes no difference.

/// Namespaces that the registration leaves out, so that the cluster can start without the webhook.
pub const EXEMPT_NAMESPACES: [&str; 2] = ["kube-system", "privy-seal"];

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

/// How the protected headers of ordinary signed tokens begin, before the name of the algorithm.
const TOKENS: [&[u8]; 2] = [br#"{"alg":""#, br#"{"typ":"JWT","alg":""#];

/// Whether a new or changed value that begins like this is forwarded to the webhook.
///
/// A compact text is when it begins with `eyJ`, unless it begins as signed tokens do; JSON is when its first member is
/// one of RFC 7516 and no space stands before it. The bytes are those of the value, not of the base64 in `data`.
///
/// Everything that admission opens ([`is_openable_form`](jwe_envelope::is_openable_form)) is forwarded.
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
    const GLANCE: usize = 40;
    let head = first_bytes(&value[..value.len().min(GLANCE)]);
    TOKENS.iter().any(|opening| {
        head.strip_prefix(*opening)
            .is_some_and(|algorithm| match algorithm {
                // ES256, HS384, PS512 and so on; not RSA-OAEP. The expression compares the upper half of the digit.
                [b'E' | b'H' | b'P' | b'R', b'S', digit, ..] => digit >> 4 == 3,
                other => other.starts_with(b"EdDSA") || other.starts_with(b"none"),
            })
    })
}

/// Whether a compact text begins as the encrypted tokens that other people's software keeps in Secrets: `{"enc":"…","alg":"`
/// and then an AES key wrap, PBES2 or `dir`.
///
/// As the backstop tells them, by letters at fixed places: it lets all of them pass, whatever follows and whatever is
/// between.
pub fn begins_as_token_of_others(value: &[u8]) -> bool {
    // After `{"enc":"A256GCM"` and the like, and after `{"enc":"A128CBC-HS256"`.
    const PLACES: [usize; 2] = [21, 29];
    value.starts_with(b"eyJlbmMiO")
        && PLACES.iter().any(|place| {
            value
                .get(*place..)
                .and_then(|rest| rest.strip_prefix(b"iwiYWxnIjoi"))
                .is_some_and(|rest| {
                    [&b"E"[..], b"UEJF", b"ZGly"]
                        .iter()
                        .any(|algorithm| rest.starts_with(algorithm))
                })
        })
}

/// The bytes that base64url characters stand for, up to the first that is none.
fn first_bytes(text: &[u8]) -> Vec<u8> {
    let (mut bytes, mut bits, mut filled) = (Vec::with_capacity(text.len()), 0_u32, 0);
    for letter in text {
        let six = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'-' => 62,
            b'_' => 63,
            _ => break,
        };
        bits = (bits << 6 | u32::from(six)) & 0xffff;
        filled += 6;
        if filled >= 8 {
            filled -= 8;
            bytes.push(u8::try_from(bits >> filled & 0xff).unwrap_or_default());
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::{first_bytes, forwards};

    #[test]
    fn forwards_what_may_be_an_envelope_by_its_first_bytes() {
        for value in [
            &b"eyJlbmMiOiJBMjU2R0NNIn0.a.b.c.d"[..],
            b"eyJhbGciOiJSU0EtT0FFUC0yNTYiLCJlbmMiOiJBMjU2R0NNIn0",
            b"eyJhbGciOiJFQ0RILUVTIn0",
            // {"typ":"JWT","alg":"RSA-OAEP"
            b"eyJ0eXAiOiJKV1QiLCJhbGciOiJSU0EtT0FFUCIsImVuYyI6IkEyNTZHQ00ifQ.a.b.c.d",
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
            // {"alg":"RS256", {"alg":"none" and {"typ":"JWT","alg":"RS256"
            b"eyJhbGciOiJub25lIn0.e30.",
            b"eyJhbGciOiJSUzI1NiJ9.e30.c2ln",
            b"eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiJ9.e30.c2ln",
        ] {
            assert!(!forwards(value), "{}", String::from_utf8_lossy(value));
        }
    }

    #[test]
    fn the_first_bytes_are_those_of_base64url() {
        assert_eq!(
            first_bytes(b"eyJhbGciOiJSUzI1NiJ9.x"),
            br#"{"alg":"RS256"}"#
        );
        assert_eq!(first_bytes(b"eyJ"), b"{\"");
        assert_eq!(first_bytes(b""), b"");
    }
}
