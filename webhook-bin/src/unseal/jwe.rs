//! JSON Web Encryption behind the seam of [`unseal_policy::format`].

use std::sync::Arc;
use std::time::Instant;

use jwe_envelope::{
    Envelope, HiddenEnvelope, Recognized, hidden_envelope, is_openable_form, recognize,
    resembles_envelope,
};
use kms_backends::Registry;

use unseal_policy::decide::{Attempts, Decision, Site, decide};
use unseal_policy::format::{
    BoxFuture, Context, Facts, OpenRefusal, OpenedBy, Opener, SealedFormat, SealedValue,
    ValueDigest,
};

/// JSON Web Encryption, RFC 7516.
#[derive(Clone, Copy, Debug, Default)]
pub struct Jwe;

impl SealedFormat for Jwe {
    /// `{` opens the JSON serializations. The first part of the compact one is base64url of an object, so it
    /// begins as that of `{` does, or of a space before it. Before either of them may be spaces and a byte order mark.
    fn may_begin(&self, head: &[u8]) -> bool {
        match head {
            [b'{' | b' ' | b'\t' | b'\n' | b'\r' | b'\x0c', ..] | [0xef, 0xbb, 0xbf, ..] => true,
            [b'e', second, ..] => matches!(second, b'w'..=b'z' | b'0'..=b'9' | b'-' | b'_'),
            [b'C', second, ..] => matches!(second, b'Q'..=b'Z' | b'a'..=b'v'),
            [b'D', second, ..] => matches!(second, b'Q'..=b'Z' | b'a'..=b'f'),
            [b'I', second, ..] => second.is_ascii_uppercase(),
            _ => false,
        }
    }

    fn is_openable(&self, head: &[u8]) -> bool {
        is_openable_form(head)
    }

    fn resembles(&self, value: &[u8]) -> bool {
        resembles_envelope(value)
    }

    /// A longer text that contains an envelope is a document of its own and may be stored.
    fn hides(&self, value: &[u8]) -> bool {
        hidden_envelope(value).is_some_and(|hidden| hidden != HiddenEnvelope::Within)
    }

    fn recognize<'v>(&self, value: &'v [u8]) -> Option<Box<dyn SealedValue + 'v>> {
        match recognize(value) {
            Recognized::Plain => None,
            sealed => Some(Box::new(JweValue(sealed))),
        }
    }
}

struct JweValue<'v>(Recognized<'v>);

impl SealedValue for JweValue<'_> {
    fn facts(&self) -> Facts {
        let Recognized::Sealed(envelope) = &self.0 else {
            return Facts::default();
        };
        Facts {
            kid: envelope
                .recipients()
                .iter()
                .find_map(|recipient| recipient.key_id())
                .map(|kid| unseal_policy::refusal::cut(kid).to_owned()),
            digest: Some(ValueDigest(*envelope.digest().as_bytes())),
        }
    }

    /// Digest and public checks are kept with it.
    fn keep(&self) -> Option<Arc<dyn SealedValue>> {
        let Recognized::Sealed(envelope) = &self.0 else {
            return None;
        };
        let envelope = Envelope::clone(envelope).into_owned();
        Some(Arc::new(JweValue(Recognized::Sealed(Box::new(envelope)))))
    }

    fn decide<'o>(
        &'o self,
        site: &Site<'_>,
        context: &Context<'o>,
    ) -> Decision<Box<dyn Opener + 'o>> {
        let registry = context.registry;
        match decide(&self.0, site, context.policy, registry, context.now) {
            Decision::Leave(leave) => Decision::Leave(leave),
            Decision::Refuse(refusal) => Decision::Refuse(refusal),
            Decision::Unwrap {
                opening,
                objection,
                signed,
            } => Decision::Unwrap {
                opening: Box::new(JweOpener {
                    attempts: opening,
                    registry,
                }),
                objection,
                signed,
            },
        }
    }
}

struct JweOpener<'o> {
    attempts: Attempts<'o>,
    registry: &'o Registry,
}

impl Opener for JweOpener<'_> {
    fn key(&self) -> &str {
        self.attempts.first.entry().name()
    }

    fn open(&self, deadline: Instant) -> BoxFuture<'_, Result<OpenedBy, OpenRefusal>> {
        Box::pin(self.try_keys(deadline.into()))
    }
}

impl JweOpener<'_> {
    /// Tries the keys in turn. What may succeed later is reported before what never will.
    async fn try_keys(&self, deadline: tokio::time::Instant) -> Result<OpenedBy, OpenRefusal> {
        let (first, second) = self.attempts.in_turn();
        self.registry
            .open_first(first, second, deadline)
            .await
            .map(|(index, opened)| OpenedBy::new(opened, self.attempts.at(index)))
            .map_err(|(index, failure)| OpenRefusal::from_failure(failure, self.attempts.at(index)))
    }
}
