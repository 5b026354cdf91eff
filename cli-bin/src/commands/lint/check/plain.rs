//! Values that are no envelope, or a broken one.
use std::collections::BTreeSet;

use jwe_envelope::{Envelope, ParseError, Recognized, recognize};
use secret_walker::WalkError;

use super::FileCheck;
use super::say::Spot;
use crate::commands::lint::rules::RuleId;
use crate::text::printable;

impl FileCheck<'_, '_> {
    pub(super) fn plain(&mut self, value: &[u8], in_data: bool, spot: Spot<'_>) {
        if value.trim_ascii().is_empty() || is_public(value) {
            return;
        }
        let bare = value.strip_prefix("\u{feff}".as_bytes()).unwrap_or(value);
        if Envelope::parse(bare).is_ok() {
            self.add(
                RuleId::SlipsPastFilter,
                "an envelope with blanks before it, which the webhook takes for a plain value and stores as it is",
                None,
                spot,
            );
            return;
        }
        if is_encoded_envelope(value) {
            let next = if in_data {
                "take one layer of base64 away, or move the envelope to `stringData` as it is"
            } else {
                "write the envelope itself under `stringData`, or this text under `data`"
            };
            self.add(
                RuleId::SlipsPastFilter,
                "an envelope in base64 once too often, which would be stored as it is",
                Some(next.to_owned()),
                spot,
            );
            return;
        }
        let message = if in_data {
            "the value is not sealed; it is merely base64, which hides nothing"
        } else {
            "the value is not sealed"
        };
        let file = crate::text::shell_word(self.subject.name);
        let next = format!(
            "privy seal -i {file}, and change the value where it is in use: version control does not forget"
        );
        self.add(RuleId::Plaintext, message, Some(next), spot);
    }

    pub(super) fn damaged(&mut self, error: &ParseError, spot: Spot<'_>) {
        if let ParseError::TooLarge { len, limit } = error {
            let message = format!("the envelope has {len} bytes; {limit} are the most");
            self.add(
                RuleId::Oversize,
                message,
                Some("split the value".to_owned()),
                spot,
            );
            return;
        }
        self.add(
            RuleId::Damaged,
            format!("damaged envelope: {}", printable(&error.to_string(), 200)),
            None,
            spot,
        );
    }

    pub(super) fn not_base64(&mut self, text: &str, error: &WalkError, spot: Spot<'_>) {
        if !matches!(recognize(text.trim().as_bytes()), Recognized::Plain) {
            self.add(
                RuleId::BareEnvelope,
                "an envelope as it is, and `data` wants base64",
                None,
                spot,
            );
            return;
        }
        self.unreadable_as(RuleId::NotBase64, error, Some(spot.secret), spot.field);
    }
}

/// Certificates and public keys are no secrets.
pub fn is_public(value: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(value) else {
        return false;
    };
    let mut labels = BTreeSet::new();
    let mut inside = None;
    for line in text.lines().map(str::trim) {
        if let Some(label) = line
            .strip_prefix("-----BEGIN ")
            .and_then(|rest| rest.strip_suffix("-----"))
        {
            labels.insert(label);
            inside = Some(label);
        } else if let Some(label) = line
            .strip_prefix("-----END ")
            .and_then(|rest| rest.strip_suffix("-----"))
        {
            if inside.take() != Some(label) {
                return false;
            }
        } else if inside.is_none() && !line.is_empty() && !line.starts_with('#') {
            return false;
        }
    }
    inside.is_none()
        && !labels.is_empty()
        && labels.iter().all(|label| {
            matches!(
                *label,
                "CERTIFICATE" | "TRUSTED CERTIFICATE" | "PUBLIC KEY" | "X509 CRL" | "DH PARAMETERS"
            )
        })
}

fn is_encoded_envelope(value: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(value) else {
        return false;
    };
    let text = text.trim();
    (text.starts_with("ZXlK") || text.starts_with("eyJ"))
        && secret_walker::decode(text)
            .is_ok_and(|inner| !matches!(recognize(inner.trim_ascii()), Recognized::Plain))
}

#[cfg(test)]
mod tests {
    use super::is_public;

    #[test]
    fn certificates_are_public_and_keys_are_not() {
        let block = |label: &str| format!("-----BEGIN {label}-----\nAAAA\n-----END {label}-----\n");
        assert!(is_public(block("CERTIFICATE").as_bytes()));
        assert!(is_public(
            format!("# chain\n{0}{0}", block("CERTIFICATE")).as_bytes()
        ));
        assert!(!is_public(
            format!("{}{}", block("CERTIFICATE"), block("PRIVATE KEY")).as_bytes()
        ));
        assert!(!is_public(
            format!("hunter2\n{}", block("CERTIFICATE")).as_bytes()
        ));
        assert!(!is_public(b"-----BEGIN CERTIFICATE-----\nAAAA\n"));
        assert!(!is_public(b"hunter2"));
    }
}
