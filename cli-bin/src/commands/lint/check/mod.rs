//! One file: the Secrets in it, and what is wrong with them.
mod findings;
mod plain;

use std::collections::{HashMap, HashSet};

use jwe_envelope::{Envelope, Recognized, recognize};
use secret_walker::{
    ANNOTATION_PREFIX, Field, FieldPath, Located, Manifest, ManifestSecret, SIGNATURE_PREFIX,
    Section, may_hold_secret, validate_key,
};

use self::findings::{FileCheck, Spot, label, quoted, spot};
pub use self::plain::{hidden_words, is_public};
use super::finding::{Finding, LineIndex, Tally};
use super::policy_check::{ManifestField, PolicyCheck};
use super::subject::{LintSubject, OpenedValue};
use crate::project::lint::rules::RuleId;
use crate::sealing::layout::{LONGEST_KEY, MOST_ANNOTATIONS};
use crate::sealing::manifest::{left_fields, repeated_values};
use crate::text::printable;

/// Bytes that the values of a Secret may have together.
const LARGEST_SECRET: usize = 1024 * 1024;
/// Envelopes that the webhook opens in one Secret.
const MOST_ENVELOPES: usize = 1024;

/// Checks a whole file.
pub fn check(bytes: &[u8], subject: &LintSubject<'_>) -> (Vec<Finding>, Tally) {
    let mut file = FileCheck {
        subject,
        lines: LineIndex::new(std::str::from_utf8(bytes).unwrap_or_default()),
        findings: Vec::new(),
        known: HashSet::new(),
        suppressed: HashMap::new(),
        tally: Tally {
            files: 1,
            ..Tally::default()
        },
    };
    if !file.is_one_envelope(bytes) && may_hold_secret(bytes) {
        match Manifest::parse(bytes) {
            Ok(manifest) => {
                for secret in manifest.secrets() {
                    file.secret(secret);
                }
            }
            Err(error) => file.unreadable(&error, None, None),
        }
    }
    (file.findings, file.tally)
}

impl FileCheck<'_, '_> {
    /// A file that is an envelope and nothing else has no place, but it has a key.
    fn is_one_envelope(&mut self, bytes: &[u8]) -> bool {
        let text = bytes.trim_ascii();
        let claims = text.starts_with(b"eyJ") || text.starts_with(b"{");
        if !claims || !text.is_ascii() {
            return false;
        }
        let spot = Spot {
            secret: "",
            field: None,
            line: 1,
            column: 1,
        };
        match recognize(text) {
            Recognized::Plain => return false,
            Recognized::Malformed(error) => self.damaged(&error, spot),
            Recognized::Sealed(envelope) => {
                self.tally.values += 1;
                self.tally.sealed += 1;
                let policy_check = PolicyCheck::new(self.subject);
                for (rule, message, next) in policy_check.keys(&envelope) {
                    self.add(rule, message, next, spot);
                }
            }
        }
        true
    }

    fn secret(&mut self, secret: &ManifestSecret<'_>) {
        self.tally.secrets += 1;
        let label = label(secret);
        let whole = Spot {
            secret: &label,
            field: None,
            line: secret.line(),
            column: 1,
        };
        if secret.name().is_none() && secret.generate_name().is_none() {
            self.add(
                RuleId::NoName,
                "the Secret has neither name nor generateName",
                None,
                whole,
            );
        }
        for key in secret.keys_in_both() {
            if let Some(field) = secret.field(&FieldPath::data(key)) {
                let message = format!("{} is in both `data` and `stringData`", quoted(key));
                self.add(
                    RuleId::BothSections,
                    message,
                    None,
                    spot(&label, field, &field.path().to_string()),
                );
            }
        }
        if let Some((name, annotation)) = repeated_values(secret) {
            let name = printable(name, 100);
            let spot = Spot {
                secret: &label,
                field: Some(&name),
                line: annotation.line,
                column: annotation.column,
            };
            let next = "remove the annotation, which a tool writes in the cluster, and change the values that it shows";
            self.add(
                RuleId::Plaintext,
                "the annotation repeats values that are not sealed",
                Some(next.to_owned()),
                spot,
            );
        }
        let left: HashSet<&str> = left_fields(secret).collect();
        let mut sealed = Vec::new();
        let mut bytes = 0;
        for field in secret.fields() {
            self.tally.values += 1;
            bytes += self.field(
                secret,
                &label,
                field,
                left.contains(field.key()),
                &mut sealed,
            );
        }
        let annotated = self.annotations(secret, &label, &left, &mut sealed);
        self.signatures_of_nothing(secret, &label);
        if bytes + annotated > LARGEST_SECRET {
            let message = format!(
                "opened, the Secret's values may be {} bytes; a Secret holds {LARGEST_SECRET}",
                bytes + annotated
            );
            self.add(RuleId::Oversize, message, None, whole);
        }
        if sealed.len() > MOST_ENVELOPES {
            let message = format!("the Secret holds more than {MOST_ENVELOPES} envelopes");
            self.add(RuleId::Oversize, message, None, whole);
        }
        let policy_check = PolicyCheck::new(self.subject);
        for (rule, message) in policy_check.secret(secret, &sealed) {
            self.add(rule, message, None, whole);
        }
    }

    /// Checks one field and says how many bytes it may have once opened.
    fn field(
        &mut self,
        secret: &ManifestSecret<'_>,
        label: &str,
        field: &Field<'_>,
        leave: bool,
        sealed: &mut Vec<OpenedValue>,
    ) -> usize {
        let path = field.path().to_string();
        let spot = spot(label, field, &path);
        let value = match (field.text(), field.value()) {
            (Err(error), _) => {
                self.unreadable(&error, Some(label), Some(&path));
                return 0;
            }
            (Ok(text), Err(error)) => {
                self.not_base64(text, &error, spot);
                return 0;
            }
            (Ok(_), Ok(value)) => value,
        };
        let manifest_field = ManifestField {
            secret,
            key: field.key(),
            leave,
            annotation: false,
        };
        self.value(
            &value,
            field.section() == Section::Data,
            manifest_field,
            spot,
            sealed,
        )
    }

    fn value(
        &mut self,
        value: &[u8],
        in_data: bool,
        manifest_field: ManifestField<'_, '_>,
        spot: Spot<'_>,
        sealed: &mut Vec<OpenedValue>,
    ) -> usize {
        let recognized = recognize(value);
        match &recognized {
            Recognized::Plain => {
                self.plain(value, in_data, spot);
                value.len()
            }
            Recognized::Malformed(error) => {
                self.damaged(error, spot);
                value.len()
            }
            Recognized::Sealed(envelope) => {
                self.tally.sealed += 1;
                let policy_check = PolicyCheck::new(self.subject);
                let mut found = policy_check.keys(envelope);
                found.extend(policy_check.place(&recognized, value, &manifest_field));
                let refused = found.iter().any(|(rule, _, _)| !is_remark(*rule));
                for (rule, message, next) in found {
                    self.add(rule, message, next, spot);
                }
                if refused || policy_check.stays_closed(&recognized, value, &manifest_field) {
                    return value.len();
                }
                let most = opened_len(envelope);
                sealed.push(OpenedValue {
                    key: manifest_field.key.to_owned(),
                    most,
                });
                most
            }
        }
    }

    /// Checks the annotation layout and says how many bytes its values may have once opened.
    fn annotations(
        &mut self,
        secret: &ManifestSecret<'_>,
        label: &str,
        left: &HashSet<&str>,
        sealed: &mut Vec<OpenedValue>,
    ) -> usize {
        let total: usize = secret
            .annotations()
            .map(|(name, value)| name.len() + value.text.len())
            .sum();
        if total > MOST_ANNOTATIONS {
            let spot = Spot {
                secret: label,
                field: None,
                line: secret.line(),
                column: 1,
            };
            let message =
                format!("the annotations have {total} bytes; {MOST_ANNOTATIONS} are the most");
            let next = "keep large values in the field layout".to_owned();
            self.add(RuleId::Oversize, message, Some(next), spot);
        }
        let found: Vec<(&str, &str, Located<'_>)> = secret
            .annotations()
            .filter_map(|(name, value)| Some((name, name.strip_prefix(ANNOTATION_PREFIX)?, value)))
            .collect();
        let mut most = 0;
        for (name, key, value) in found {
            self.tally.values += 1;
            let shown = printable(name, 100);
            let spot = Spot {
                secret: label,
                field: Some(&shown),
                line: value.line,
                column: value.column,
            };
            if let Err(reason) = fits_annotation(key) {
                self.add(RuleId::AnnotationLayout, reason, None, spot);
            }
            if let Some(twin) = fields_of(secret, key).next() {
                let message = format!(
                    "{} is in an annotation and under `{}`",
                    quoted(key),
                    twin.section()
                );
                self.add(RuleId::BothSections, message, None, spot);
            }
            if value.text.trim_start().starts_with('{') {
                self.add(
                    RuleId::AnnotationLayout,
                    "an annotation holds compact envelopes, and this is none",
                    None,
                    spot,
                );
            }
            let manifest_field = ManifestField {
                secret,
                key,
                leave: left.contains(key),
                annotation: true,
            };
            most += self.value(value.text.as_bytes(), false, manifest_field, spot, sealed);
        }
        most
    }

    /// A signature without its envelope was left behind, or its envelope was taken away.
    fn signatures_of_nothing(&mut self, secret: &ManifestSecret<'_>, label: &str) {
        let is_sealed = |value: &[u8]| !matches!(recognize(value), Recognized::Plain);
        let has_envelope = |key: &str| {
            fields_of(secret, key).any(|field| field.value().is_ok_and(|value| is_sealed(&value)))
                || secret
                    .annotation(&format!("{ANNOTATION_PREFIX}{key}"))
                    .is_some()
        };
        for (name, value) in secret.annotations() {
            let Some(key) = name.strip_prefix(SIGNATURE_PREFIX) else {
                continue;
            };
            if has_envelope(key) {
                continue;
            }
            let shown = printable(name, 100);
            let spot = Spot {
                secret: label,
                field: Some(&shown),
                line: value.line,
                column: value.column,
            };
            let message = format!("a signature of {}, which is not sealed here", quoted(key));
            let next = "remove the annotation, or put the envelope back".to_owned();
            self.add(RuleId::WrongSignature, message, Some(next), spot);
        }
    }
}

/// The fields of both sections with this key.
fn fields_of<'m, 'a>(
    secret: &'m ManifestSecret<'a>,
    key: &str,
) -> impl Iterator<Item = &'m Field<'a>> {
    [FieldPath::data(key), FieldPath::string_data(key)]
        .into_iter()
        .filter_map(|path| secret.field(&path))
}

/// Findings that do not keep the webhook from opening a value.
fn is_remark(rule: RuleId) -> bool {
    matches!(
        rule,
        RuleId::ExpiredKey
            | RuleId::OtherKey
            | RuleId::RetiredKey
            | RuleId::WeakAlgorithm
            | RuleId::WideScope
            | RuleId::NoNamespace
    )
}

fn fits_annotation(key: &str) -> Result<(), String> {
    if let Err(error) = validate_key(key) {
        return Err(error.to_string());
    }
    if key.len() > LONGEST_KEY {
        return Err(format!(
            "an annotation cannot carry a key of more than {LONGEST_KEY} characters"
        ));
    }
    if key.ends_with(['.', '-', '_']) {
        return Err(format!(
            "an annotation cannot carry the key {}, which ends in neither a letter nor a digit",
            quoted(key)
        ));
    }
    Ok(())
}

/// The most bytes that may be in an envelope: exact for GCM, and CBC adds at least one byte of padding.
fn opened_len(envelope: &Envelope<'_>) -> usize {
    let padding = match envelope.content_encryption() {
        Ok(encryption) => usize::from(encryption.as_str().contains("CBC")),
        Err(_) => 0,
    };
    envelope.ciphertext_len().saturating_sub(padding)
}

#[cfg(test)]
mod tests {
    use jwe_envelope::{Binding, ContentEncryption, KeyKind, LocalKey, Sealer};

    use super::opened_len;

    #[test]
    fn the_length_of_a_value_is_bounded_by_its_ciphertext() {
        let key = LocalKey::generate(KeyKind::Rsa(2048)).unwrap();
        let recipients = [key.recipient().clone()];
        for (encryption, most) in [
            (ContentEncryption::A256Gcm, 0),
            (ContentEncryption::A256CbcHs512, 15),
        ] {
            for length in [0, 1, 15, 16, 17, 1000] {
                let mut sealer = Sealer::new(&recipients)
                    .unwrap()
                    .content_encryption(encryption)
                    .unwrap();
                let envelope = sealer
                    .seal(&vec![b'x'; length], &Binding::anywhere())
                    .unwrap();
                let counted = opened_len(&envelope);
                assert!(
                    counted >= length && counted - length <= most,
                    "{encryption:?}: {length} is counted as {counted}"
                );
            }
        }
    }
}
