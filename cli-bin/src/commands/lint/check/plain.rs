//! Values that are no envelope, or a broken one.
use std::collections::BTreeSet;

use jwe_envelope::{HiddenEnvelope, ParseError, Recognized, hidden_envelope, recognize};
use secret_walker::WalkError;

use super::findings::{FileCheck, Spot};
use crate::commands::lint::policy_check::rewrite_command;
use crate::project::lint::rules::RuleId;
use crate::sealing::other_tools::OtherTool;
use crate::text::printable;

impl FileCheck<'_, '_> {
    pub(super) fn plain(&mut self, value: &[u8], in_data: bool, spot: Spot<'_>) {
        if value.trim_ascii().is_empty() || is_public(value) {
            return;
        }
        if let Some(tool) = OtherTool::of(value) {
            self.other_tool(tool, spot);
            return;
        }
        if let Some(hidden) = hidden_envelope(value) {
            let (message, next) = hidden_words(&hidden, self.subject.name);
            self.add(RuleId::SlipsPastFilter, message, Some(next), spot);
            return;
        }
        let message = if in_data {
            "the value is not sealed, only base64; anyone can read it"
        } else {
            "the value is not sealed"
        };
        let file = crate::text::shell_path(self.subject.name.as_ref());
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
        if let Some(tool) = OtherTool::of(text.as_bytes()) {
            self.other_tool(tool, spot);
            return;
        }
        self.unreadable_as(RuleId::NotBase64, error, Some(spot.secret), spot.field);
    }

    fn other_tool(&mut self, tool: OtherTool, spot: Spot<'_>) {
        let message = format!("the value is encrypted with {}", tool.name());
        self.add(
            RuleId::OtherTool,
            message,
            Some(tool.next().to_owned()),
            spot,
        );
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

/// What is wrong with a value that hides an envelope, and the next step.
pub fn hidden_words(hidden: &HiddenEnvelope, file: &str) -> (&'static str, String) {
    let message = match hidden {
        HiddenEnvelope::Wrapped(_) => {
            "an envelope with spaces, newlines, quotes or a byte order mark around it, which would be stored as it is"
        }
        HiddenEnvelope::Encoded(_) => {
            "an envelope in base64 once too often or in UTF-16, which would be stored as it is"
        }
        HiddenEnvelope::Within => {
            "an envelope within a longer text, which would be stored as it is"
        }
    };
    let next = if hidden.envelope().is_some() {
        rewrite_command(file)
    } else {
        "seal the whole text as one value: privy set FILE FIELD --value-file TEXT".to_owned()
    };
    (message, next)
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
