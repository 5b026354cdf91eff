//! What the type of a Secret asks of its values.
use std::collections::HashSet;

use secret_walker::{AdmittedSecret, ManifestSecret};
use unseal_policy::secret_type;

use super::PolicyCheck;
use crate::commands::lint::subject::OpenedValue;
use crate::project::lint::rules::RuleId;
use crate::text::printable;

impl PolicyCheck<'_, '_> {
    /// What holds for the Secret as a whole: its type, and values whose Secret is never forwarded.
    pub fn secret(
        &self,
        secret: &ManifestSecret<'_>,
        sealed: &[OpenedValue],
    ) -> Vec<(RuleId, String)> {
        if sealed.is_empty() {
            return Vec::new();
        }
        // Types of others hold anything.
        let kind = secret.secret_type().map(|kind| kind.text);
        let Some(kind) = kind.filter(|kind| kind.starts_with("kubernetes.io/")) else {
            return Vec::new();
        };
        let data: serde_json::Map<_, _> = secret
            .fields()
            .iter()
            .map(|field| {
                let empty = field.value().is_ok_and(|value| value.is_empty());
                (
                    field.key().to_owned(),
                    if empty { "" } else { "QQ==" }.into(),
                )
            })
            .chain(
                sealed
                    .iter()
                    .map(|opened| (opened.key.clone(), "QQ==".into())),
            )
            .collect();
        let annotations: serde_json::Map<_, _> = secret
            .annotations()
            .map(|(name, value)| (name.to_owned(), value.text.into()))
            .collect();
        let object = serde_json::json!({
            "type": kind, "metadata": { "name": "x", "annotations": annotations }, "data": data,
        })
        .to_string();
        let Ok(admitted) = AdmittedSecret::from_json(&object) else {
            return Vec::new();
        };
        let empty: HashSet<&str> = sealed
            .iter()
            .filter(|opened| opened.most == 0)
            .map(|opened| opened.key.as_str())
            .collect();
        let opened = |key: &str| empty.contains(key).then_some(&b""[..]);
        secret_type::check(&admitted, opened)
            .into_iter()
            .map(|fault| {
                let kind = printable(kind, 100);
                (
                    RuleId::TypeCheck,
                    format!("`{}` {} (type {kind:?})", fault.field, fault.reason),
                )
            })
            .collect()
    }
}
