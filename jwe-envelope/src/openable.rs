//! The forms of an envelope that admission opens, told by their first bytes.
//!
//! The API server decides by first bytes whether it asks a webhook, and its policies refuse by first bytes what was not
//! opened. So admission opens only what those expressions can recognize too: a few fixed openings, byte for byte.

use crate::envelope::{Envelope, Serialization};
use crate::error::ParseError;
use crate::recognize::trimmed;
use crate::{json, strict_json};

/// The first bytes of every envelope that admission opens.
///
/// Compact: the base64url of a protected header that begins `{"enc":`, `{"alg":"RSA-OAEP` or `{"alg":"ECDH-ES`, the last
/// two also after `{"typ":"JWT",`. JSON: `protected` is the first member, and begins as a JSON object does.
pub const OPENABLE_OPENINGS: [&str; 6] = [
    "eyJlbmMiOi",
    "eyJhbGciOiJSU0EtT0FFU",
    "eyJhbGciOiJFQ0RILUVT",
    "eyJ0eXAiOiJKV1QiLCJhbGciOiJSU0EtT0FFU",
    "eyJ0eXAiOiJKV1QiLCJhbGciOiJFQ0RILUVT",
    r#"{"protected":"eyJ"#,
];

/// Whether a value begins as an envelope that admission opens.
///
/// Does not mention the rest of the value: an envelope in one of these forms may still be damaged, and anything that
/// [`recognize`](crate::recognize) takes for an envelope in another form is complete but must be rewritten first.
pub fn is_openable_form(value: &[u8]) -> bool {
    OPENABLE_OPENINGS
        .iter()
        .any(|opening| value.starts_with(opening.as_bytes()))
}

/// Why an envelope cannot be rewritten into a form that admission opens.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RewriteError {
    /// There is no protected header, or it begins with a space: its text is authenticated, so no one can change it.
    #[error(
        "the protected header is missing or does not begin with `{{\"`, so no rewriting makes it one that admission opens"
    )]
    Header,
    /// The text is no envelope or a damaged one, or the rewritten one would be too large.
    #[error(transparent)]
    Malformed(#[from] ParseError),
}

/// Rewrites a complete envelope into a form that admission opens, without a key; `None` when it is in one already.
///
/// Spaces around the envelope and between its members are removed. In JSON, `protected` becomes the first member and the
/// others keep their order. A compact envelope is wrapped as flattened JSON. The protected header, encrypted keys,
/// initialization vector, ciphertext and tag keep their text, so the envelope opens as before, its digest is the same,
/// and signatures over it stay valid.
///
/// ```
/// use jwe_envelope::to_openable_form;
///
/// let header = "eyJraWQiOiJrIiwiYWxnIjoiUlNBLU9BRVAiLCJlbmMiOiJBMjU2R0NNIn0"; // {"kid":"k","alg":"RSA-OAEP",…
/// let compact = format!("{header}.AAAA.AAAAAAAAAAAAAAAA.AAAA.AAAAAAAAAAAAAAAAAAAAAA");
/// let rewritten = to_openable_form(compact.as_bytes())?.ok_or("it is in such a form already")?;
/// assert!(rewritten.starts_with(r#"{"protected":"eyJ"#));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// When the text is no complete envelope, and when its protected header rules every such form out.
pub fn to_openable_form(text: &[u8]) -> Result<Option<String>, RewriteError> {
    let envelope = Envelope::parse(text)?;
    if is_openable_form(text) {
        return Ok(None);
    }
    let protected = envelope.protected.as_deref().unwrap_or_default();
    if !protected.starts_with("eyJ") {
        return Err(RewriteError::Header);
    }
    let text = trimmed(text);
    let rewritten = match envelope.serialization {
        // Only the spaces around it kept it from being opened.
        Serialization::Compact if is_openable_form(text) => {
            envelope.to_text(Serialization::Compact)
        }
        Serialization::Compact => envelope.to_text(Serialization::Flattened),
        Serialization::Flattened | Serialization::General => Some(protected_first(text)?),
    };
    let rewritten = rewritten.ok_or(RewriteError::Header)?;
    // Wrapping adds some bytes, and the largest envelope has no room for them.
    let same = Envelope::parse(rewritten.as_bytes())?.digest() == envelope.digest();
    if same && is_openable_form(rewritten.as_bytes()) {
        Ok(Some(rewritten))
    } else {
        Err(RewriteError::Header)
    }
}

/// The members of a JSON envelope without spaces, `protected` before all others.
fn protected_first(text: &[u8]) -> Result<String, ParseError> {
    let text = std::str::from_utf8(text).map_err(|_| ParseError::Utf8 { part: json::TEXT })?;
    let mut members = strict_json::read_object(text, json::TEXT)?;
    if let Some(at) = members.iter().position(|(name, _)| name == "protected") {
        members[..=at].rotate_right(1);
    }
    Ok(strict_json::write_object(&members))
}

#[cfg(test)]
mod tests {
    use super::{RewriteError, is_openable_form, to_openable_form};
    use crate::{Envelope, base64url};

    fn compact(header: &str) -> Vec<u8> {
        format!("{}.a.b.c.d", base64url::encode(header.as_bytes())).into_bytes()
    }

    #[test]
    fn the_listed_openings_are_openable() {
        for header in [
            r#"{"enc":"A256GCM"}"#,
            r#"{"alg":"RSA-OAEP","enc":"A256GCM"}"#,
            r#"{"alg":"RSA-OAEP-256","enc":"A256GCM"}"#,
            r#"{"alg":"ECDH-ES","enc":"A256GCM"}"#,
            r#"{"alg":"ECDH-ES+A256KW","enc":"A256GCM"}"#,
            r#"{"typ":"JWT","alg":"RSA-OAEP-256","enc":"A256GCM"}"#,
            r#"{"typ":"JWT","alg":"ECDH-ES+A256KW","enc":"A256GCM"}"#,
        ] {
            assert!(is_openable_form(&compact(header)), "{header}");
        }
        assert!(is_openable_form(
            br#"{"protected":"eyJlbmMiOiJBMjU2R0NNIn0""#
        ));
    }

    #[test]
    fn every_other_serialization_is_not() {
        for header in [
            r#"{ "enc":"A256GCM"}"#,
            r#"{"kid":"a","enc":"A256GCM"}"#,
            r#"{"typ":"JOSE","alg":"RSA-OAEP"}"#,
            r#"{"bind":{},"enc":"A256GCM"}"#,
            r#"{"\u0065nc":"A256GCM"}"#,
            r#"{"alg":"dir","enc":"A256GCM"}"#,
            r#"{"alg":"RSA1_5","enc":"A256GCM"}"#,
            r#"{"alg":"RS256"}"#,
        ] {
            assert!(!is_openable_form(&compact(header)), "{header}");
        }
        for value in [
            &br#"{"ciphertext":"x","protected":"eyJ"}"#[..],
            br#"{"protected": "eyJlbmMiOi"}"#,
            br#" {"protected":"eyJlbmMiOi"}"#,
            br#"{"protected":"ewo"}"#,
            b" eyJlbmMiOi",
            b"",
        ] {
            assert!(!is_openable_form(value));
        }
    }
    const TAIL: &str = "AAAA.AAAAAAAAAAAAAAAA.AAAA.AAAAAAAAAAAAAAAAAAAAAA";

    fn complete(header: &str) -> String {
        format!("{}.{TAIL}", base64url::encode(header.as_bytes()))
    }

    #[test]
    fn a_compact_envelope_with_another_opening_is_wrapped() {
        let text = complete(r#"{"kid":"k","alg":"RSA-OAEP","enc":"A256GCM"}"#);
        let protected = text.split('.').next().unwrap();
        assert_eq!(
            to_openable_form(text.as_bytes()).unwrap().unwrap(),
            format!(
                r#"{{"protected":"{protected}","encrypted_key":"AAAA","iv":"AAAAAAAAAAAAAAAA","ciphertext":"AAAA","tag":"AAAAAAAAAAAAAAAAAAAAAA"}}"#
            )
        );
    }

    #[test]
    fn spaces_before_an_openable_envelope_are_all_that_is_removed() {
        let text = complete(r#"{"enc":"A256GCM","alg":"RSA-OAEP"}"#);
        assert_eq!(to_openable_form(text.as_bytes()), Ok(None));
        for before in ["\n ", "\u{feff}"] {
            let spaced = format!("{before}{text}");
            assert_eq!(to_openable_form(spaced.as_bytes()), Ok(Some(text.clone())));
        }
    }

    #[test]
    fn members_keep_their_order_behind_the_protected_header() {
        let protected = base64url::encode(br#"{"enc":"A256GCM"}"#);
        let text = format!(
            r#"{{ "vendor" : {{"é":1.50}}, "ciphertext":"AAAA","iv":"AAAAAAAAAAAAAAAA",
               "header":{{"alg":"RSA-OAEP"}}, "\u0070rotected":"{protected}", "tag":"AAAAAAAAAAAAAAAAAAAAAA"}}"#
        );
        assert_eq!(
            to_openable_form(text.as_bytes()).unwrap().unwrap(),
            format!(
                r#"{{"protected":"{protected}","vendor":{{"é":1.5}},"ciphertext":"AAAA","iv":"AAAAAAAAAAAAAAAA","header":{{"alg":"RSA-OAEP"}},"tag":"AAAAAAAAAAAAAAAAAAAAAA"}}"#
            )
        );
    }

    #[test]
    fn a_protected_header_that_begins_otherwise_cannot_be_rewritten() {
        let spaced = complete(r#"{ "enc":"A256GCM","alg":"RSA-OAEP"}"#);
        let unprotected = r#"{"header":{"alg":"RSA-OAEP","enc":"A256GCM"},"iv":"AAAAAAAAAAAAAAAA","ciphertext":"AAAA","tag":"AAAAAAAAAAAAAAAAAAAAAA"}"#;
        for text in [spaced.as_str(), unprotected] {
            assert!(Envelope::parse(text.as_bytes()).is_ok(), "{text}");
            assert_eq!(
                to_openable_form(text.as_bytes()),
                Err(RewriteError::Header),
                "{text}"
            );
        }
    }

    #[test]
    fn only_complete_envelopes_are_rewritten() {
        for text in ["hunter2", "eyJlbmMiOiJBMjU2R0NNIn0.a.b.c.d", ""] {
            assert!(matches!(
                to_openable_form(text.as_bytes()),
                Err(RewriteError::Malformed(_))
            ));
        }
    }
}
