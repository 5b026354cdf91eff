//! How a verdict is put.
use std::fmt::Write as _;

use jwe_envelope::{Binding, Scope};
use webhook_bin::decide::{Code, Refusal};

use super::{Target, Verdict};
use crate::commands::lint::rules::RuleId;
use crate::text::printable;

pub(super) fn verdict(refusal: Refusal) -> Verdict {
    let kid = refusal
        .kid
        .map(|kid| format!(" (key {:?})", printable(&kid, 64)));
    (
        rule_of(refusal.code),
        format!(
            "{}{}",
            printable(&refusal.message, 400),
            kid.unwrap_or_default()
        ),
        Some(refusal.next_step),
    )
}

/// Most of the webhook's words are rules of the same name.
fn rule_of(code: Code) -> RuleId {
    match code {
        Code::AdmissionOnly | Code::WrongServiceAccount => RuleId::RunTimeOnly,
        Code::Ambiguous => RuleId::BothSections,
        Code::TooLarge => RuleId::Oversize,
        Code::TooWide => RuleId::WideScope,
        Code::WrongKeyAlgorithm => RuleId::Unsupported,
        other => RuleId::find(other.as_str()).unwrap_or(RuleId::Unsupported),
    }
}

pub(super) fn unbound() -> Verdict {
    (
        RuleId::Unbound,
        "the envelope is bound to no place".to_owned(),
        None,
    )
}

pub(super) fn no_namespace(target: &Target<'_>) -> Verdict {
    (
        RuleId::NoNamespace,
        format!(
            "nothing says into which namespace the Secret {:?} goes",
            printable(&target.name, 100)
        ),
        None,
    )
}

/// Says which kustomization a verdict is about.
pub(super) fn through(mut found: Vec<Verdict>, target: &Target<'_>) -> Vec<Verdict> {
    let Some(through) = target.through else {
        return found;
    };
    for (rule, message, _) in &mut found {
        if matches!(
            rule,
            RuleId::WrongPlace | RuleId::NamespaceNotAllowed | RuleId::SlipsPastFilter
        ) {
            let namespace = target.namespace.as_deref().unwrap_or("?");
            let mark = if target.generated { "*" } else { "" };
            let _ = write!(
                message,
                " (as `{through}` makes it: {namespace}/{}{mark})",
                printable(&target.name, 100)
            );
        }
    }
    found
}

pub(super) fn describe(binding: &Binding) -> String {
    let part = |part: Option<&jwe_envelope::Pattern>| {
        part.map_or("*".to_owned(), |pattern| printable(pattern.as_str(), 100))
    };
    let namespace = match binding.scope() {
        Scope::Any => "every namespace".to_owned(),
        Scope::Namespace(pattern) => printable(pattern.as_str(), 100),
    };
    format!(
        "{namespace}/{}/{}",
        part(binding.name()),
        part(binding.key())
    )
}
