//! How a decision is put.
use std::fmt::Write as _;

use jwe_envelope::{Binding, Scope};
use unseal_policy::decide::{Code, Refusal};

use super::cluster_place::{ClusterPlace, Issue};
use crate::project::lint::rules::RuleId;
use crate::text::printable;

pub(super) fn issue(refusal: Refusal) -> Issue {
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

/// The rule of each reason for which the webhook refuses a value.
fn rule_of(code: Code) -> RuleId {
    match code {
        Code::AdmissionOnly | Code::RunTimeOnly | Code::WrongServiceAccount => RuleId::RunTimeOnly,
        Code::Ambiguous => RuleId::BothSections,
        Code::Damaged => RuleId::Damaged,
        Code::Expired => RuleId::Expired,
        Code::Foreign => RuleId::Foreign,
        Code::NamespaceNotAllowed => RuleId::NamespaceNotAllowed,
        Code::NotOpenableForm => RuleId::NotOpenable,
        Code::NotSealed => RuleId::Plaintext,
        Code::NotYetValid => RuleId::NotYetValid,
        Code::SignerNotAllowed => RuleId::SignerNotAllowed,
        Code::TooLarge => RuleId::Oversize,
        Code::TooWide => RuleId::WideScope,
        Code::TypeCheck => RuleId::TypeCheck,
        Code::Unbound => RuleId::Unbound,
        Code::UnknownKey => RuleId::UnknownKey,
        Code::Unsigned => RuleId::Unsigned,
        Code::WrongCluster => RuleId::WrongCluster,
        Code::WrongPlace => RuleId::WrongPlace,
        Code::WrongSignature => RuleId::WrongSignature,
        Code::Unsupported | Code::WrongKeyAlgorithm
        // The rest is about what only the cluster knows, so no file is refused for it.
        | Code::Denied
        | Code::Immutable
        | Code::Misconfigured
        | Code::Nested
        | Code::NotAnEnvelope
        | Code::NotOpened
        | Code::NotPermitted
        | Code::SubmitterNotAllowed
        | Code::Unavailable => RuleId::Unsupported,
    }
}

pub(super) fn unbound() -> Issue {
    (
        RuleId::Unbound,
        "the envelope is bound to no place".to_owned(),
        None,
    )
}

pub(super) fn no_namespace(target: &ClusterPlace<'_>) -> Issue {
    (
        RuleId::NoNamespace,
        format!(
            "nothing says into which namespace the Secret {:?} goes",
            printable(&target.name, 100)
        ),
        None,
    )
}

/// Says which kustomization a decision is about.
pub(super) fn through(mut found: Vec<Issue>, target: &ClusterPlace<'_>) -> Vec<Issue> {
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

/// The command that rewrites the envelopes of a file.
pub fn rewrite_command(file: &str) -> String {
    format!(
        "privy seal --rewrite {}",
        crate::text::shell_path(std::path::Path::new(file))
    )
}

/// A namespace that the binding allows, where nothing else names one.
pub(super) fn plausible(binding: &Binding) -> Option<String> {
    match binding.scope() {
        Scope::Any => None,
        Scope::Namespace(pattern) => Some(match pattern.literal() {
            Some(_) => format!("{}x", pattern.as_str().trim_end_matches('*')),
            None => pattern.as_str().to_owned(),
        }),
    }
}
