//! The place that a value is opened for.
use anyhow::anyhow;
use jwe_envelope::{ObjectName, Recognized, recognize};

use crate::cli::OpenArgs;
use crate::failure::Failure;

/// The place that the flags name, as far as they do.
pub(super) struct Place<'a> {
    namespace: Option<&'a str>,
    name: Option<&'a str>,
    field: Option<&'a str>,
}

/// The place to open for.
pub(super) struct Named<'a> {
    pub(super) namespace: &'a str,
    pub(super) name: ObjectName<'a>,
    pub(super) field: &'a str,
}

impl<'a> Place<'a> {
    pub(super) fn of(args: &'a OpenArgs) -> Result<Self, Failure> {
        let Some(place) = &args.place else {
            return Ok(Self {
                namespace: args.namespace.as_deref(),
                name: args.name.as_deref(),
                field: args.field.as_deref(),
            });
        };
        let parts: Vec<_> = place.split('/').collect();
        let [namespace, name, field] = parts[..] else {
            return Err(Failure::usage(anyhow!(
                "{place:?} is no place: it has {} parts instead of three",
                parts.len()
            ))
            .hint("write namespace/name/field, such as payments/db/password"));
        };
        Ok(Self {
            namespace: Some(namespace),
            name: Some(name),
            field: Some(field),
        })
    }

    /// A bound envelope needs all three; one that is bound to nothing needs none.
    pub(super) fn for_envelope(self, text: &[u8]) -> Result<Named<'a>, Failure> {
        let named = Named {
            namespace: self.namespace.unwrap_or_default(),
            name: ObjectName::Named(self.name.unwrap_or_default()),
            field: self.field.unwrap_or_default(),
        };
        let parts = [
            (self.namespace, "--namespace"),
            (self.name, "--name"),
            (self.field, "--field"),
        ];
        let lacking: Vec<_> = parts
            .into_iter()
            .filter(|(part, _)| part.is_none())
            .map(|(_, flag)| flag)
            .collect();
        let bound = match recognize(text.trim_ascii_start()) {
            Recognized::Sealed(envelope) => envelope.binding().is_some(),
            Recognized::Plain | Recognized::Malformed(_) => false,
        };
        if bound && !lacking.is_empty() {
            return Err(Failure::usage(anyhow!("the envelope is bound to a place, and {} has to be given", lacking.join(", ")))
                .hint("name its place with --for NAMESPACE/NAME/FIELD; `privy inspect` shows what it is bound to"));
        }
        Ok(named)
    }
}
