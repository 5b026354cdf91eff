//! The signature beside an envelope, as far as a file can tell: by the signers of the policy, or those whom the user trusts.
use jwe_envelope::Envelope;

use super::{Issue, ManifestField, PolicyCheck};
use crate::project::lint::rules::RuleId;
use crate::sealing::signing;
use crate::text::printable;

impl PolicyCheck<'_, '_> {
    /// What is wrong with the signature of an envelope, wherever the envelope goes; unless that is said already.
    pub(super) fn signature(
        &self,
        envelope: &Envelope<'_>,
        manifest_field: &ManifestField<'_, '_>,
        found: &[Issue],
    ) -> Option<Issue> {
        let said = |(rule, _, _): &Issue| {
            matches!(
                rule,
                RuleId::SignerNotAllowed | RuleId::Unsigned | RuleId::WrongSignature
            )
        };
        if found.iter().any(said) {
            return None;
        }
        let name = signing::annotation_of(manifest_field.key);
        let Some(text) = manifest_field.secret.annotation(&name) else {
            let demanded = self
                .subject
                .path_rules
                .rule
                .is_some_and(|(rule, _)| rule.signed);
            return demanded.then(|| {
                (
                    RuleId::Unsigned,
                    "not signed, and `.privy.yaml` wants the values of this path signed".to_owned(),
                    None,
                )
            });
        };
        let signed = self
            .subject
            .setup
            .policy
            .signatures
            .verify(envelope, text.text);
        let fault = printable(&signed.fault()?, 200);
        Some((RuleId::WrongSignature, fault, None))
    }
}
