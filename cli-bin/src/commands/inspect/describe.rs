//! One envelope in words and in JSON.
use std::fmt::Write as _;

use jwe_envelope::{Binding, Envelope, Scope, Serialization};
use serde_json::{Value, json};

use crate::keys::trust::Store;
use crate::text::printable;
use crate::time;

/// Untrusted words of an envelope are shown up to this length.
const LONGEST: usize = 200;

/// The envelope for people.
pub fn text(envelope: &Envelope<'_>, store: &Store) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(text, "{name:<12} {value}");
    };
    line("envelope", serialization(envelope.serialization()));
    line("digest", &envelope.digest().to_string());
    match envelope.content_encryption() {
        Ok(encryption) => line("encryption", encryption.as_str()),
        Err(error) => line("encryption", &printable(&error.to_string(), LONGEST)),
    }
    for recipient in envelope.recipients() {
        let key = match recipient.key_id() {
            None => "a key that it does not name".to_owned(),
            Some(kid) => match store.by_kid(kid) {
                Some(pin) => format!(
                    "{} (your trusted key {:?})",
                    printable(kid, 64),
                    printable(&pin.name, 64)
                ),
                None => format!("{} (none of your trusted keys)", printable(kid, 64)),
            },
        };
        line("key", &key);
        line("algorithm", &printable(recipient.algorithm(), 64));
    }
    match envelope.binding() {
        None => line("place", "unbound: it does not say where it may be opened"),
        Some(binding) => limits(binding, &mut line),
    }
    if let Some(sealed) = envelope.provenance() {
        line(
            "sealed",
            &format!("{} (claimed)", time::format(sealed.at())),
        );
        for (name, claim) in [("  by", sealed.by()), ("  why", sealed.why())] {
            if let Some(claim) = claim {
                line(name, &format!("{} (claimed)", printable(claim, LONGEST)));
            }
        }
    }
    line("size", &format!("{} bytes", envelope.to_string().len()));
    text
}

fn limits(binding: &Binding, line: &mut dyn FnMut(&str, &str)) {
    line("place", &printable(&place(binding), LONGEST));
    if !binding.audience().is_empty() {
        line(
            "clusters",
            &printable(&binding.audience().join(", "), LONGEST),
        );
    }
    if let Some(account) = binding.service_account() {
        line(
            "opened by",
            &format!(
                "only the service account {}, at run time",
                printable(account, LONGEST)
            ),
        );
    }
    if let Some(moment) = binding.not_before() {
        line("not before", &time::format(moment));
    }
    if let Some(moment) = binding.expires() {
        line("expires", &time::format(moment));
    }
}

/// Such as `payments/db/password`; what is left open reads `*`.
pub fn place(binding: &Binding) -> String {
    let scope = match binding.scope() {
        Scope::Any => "(any namespace)",
        Scope::Namespace(namespace) => namespace.as_str(),
    };
    let part = |part: Option<&jwe_envelope::Pattern>| {
        part.map_or("*", jwe_envelope::Pattern::as_str).to_owned()
    };
    format!("{scope}/{}/{}", part(binding.name()), part(binding.key()))
}

/// The envelope for programs.
pub fn json(envelope: &Envelope<'_>, store: &Store) -> Value {
    let recipients: Vec<_> = envelope
        .recipients()
        .iter()
        .map(|recipient| {
            let trusted = recipient.key_id().and_then(|kid| store.by_kid(kid));
            json!({
                "alg": recipient.algorithm(),
                "kid": recipient.key_id(),
                "trusted": trusted.map(|pin| pin.name.as_str()),
            })
        })
        .collect();
    json!({
        "kind": "envelope",
        "state": "sealed",
        "serialization": serialization(envelope.serialization()),
        "digest": envelope.digest().to_string(),
        "enc": envelope.content_encryption().ok().map(jwe_envelope::ContentEncryption::as_str),
        "recipients": recipients,
        "bind": envelope.binding().map(binding_json),
        "sealed": envelope.provenance().map(|sealed| json!({
            "at": sealed.at(),
            "by": sealed.by(),
            "why": sealed.why(),
        })),
        "size": envelope.to_string().len(),
    })
}

fn binding_json(binding: &Binding) -> Value {
    let namespace = match binding.scope() {
        Scope::Any => None,
        Scope::Namespace(namespace) => Some(namespace.as_str()),
    };
    json!({
        "any": matches!(binding.scope(), Scope::Any),
        "namespace": namespace,
        "name": binding.name().map(jwe_envelope::Pattern::as_str),
        "key": binding.key().map(jwe_envelope::Pattern::as_str),
        "clusters": binding.audience(),
        "serviceAccount": binding.service_account(),
        "notBefore": binding.not_before(),
        "expires": binding.expires(),
    })
}

const fn serialization(serialization: Serialization) -> &'static str {
    match serialization {
        Serialization::Compact => "compact",
        Serialization::Flattened => "flattened",
        Serialization::General => "general",
    }
}
