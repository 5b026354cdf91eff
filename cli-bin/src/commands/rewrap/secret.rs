//! The sealed values of one Secret, opened and sealed again.
use std::collections::HashSet;
use std::time::Duration;

use anyhow::anyhow;
use jwe_envelope::{
    Binding, Envelope, FoundPlace, ObjectName, Pattern, Plaintext, Recipient, Scope,
};
use secret_walker::{Edits, ManifestSecret, Section};
use tokio::runtime::Runtime;
use tokio::time::Instant;
use unseal_policy::decide::{Admission, Change, Code, OpeningContext, Policy, Site};
use unseal_policy::signatures::{Signatures, Signed};

use crate::failure::Failure;
use crate::opening::{self, Keyring, open_value};
use crate::sealing::layout::Writer;
use crate::sealing::manifest::{left_fields, object_name, refuse_keys_in_both};
use crate::sealing::options::{Act, Manner};
use crate::sealing::sealed::{SealedValue, sealed_values};
use crate::sealing::signing::{self, SigningKey};
use crate::text::printable;

/// For one value, with the key service's retries.
const DEADLINE: Duration = Duration::from_mins(1);

/// What all values are opened with, and sealed again for.
pub(super) struct Bench<'b> {
    pub(super) keyring: &'b Keyring,
    pub(super) runtime: &'b Runtime,
    /// Whose signatures count as known.
    pub(super) signers: &'b Signatures,
    pub(super) now: u64,
}

/// What came of the values of a manifest.
#[derive(Debug, Default)]
pub(super) struct Counts {
    /// Sealed again.
    pub(super) rewrapped: usize,
    /// Sealed for these keys already.
    pub(super) kept: usize,
    /// What deserves a word.
    pub(super) warnings: Vec<String>,
}

/// Whether a value is to be sealed again.
fn is_due(envelope: &Envelope<'_>, manner: &Manner) -> bool {
    let sealed: Vec<_> = envelope
        .recipients()
        .iter()
        .map(Recipient::key_id)
        .collect();
    let wanted = manner.recipients();
    sealed.len() != wanted.len() || !wanted.iter().all(|key| sealed.contains(&Some(key.kid())))
}

/// Seals the values of a Secret again, where they are sealed for other keys. Values with the same place but for their key
/// share one content key afterwards, whatever acts they come from.
///
/// # Errors
/// Exit 1 for a value that cannot be opened or sealed again, exit 3 when the key service does not answer. The file is not
/// written then.
pub(super) fn rewrap<'a>(
    secret: &ManifestSecret<'a>,
    fallback: Option<&str>,
    manner: &Manner,
    bench: &Bench<'_>,
    edits: &mut Edits<'_, 'a>,
    counts: &mut Counts,
) -> Result<(), Failure> {
    refuse_keys_in_both(secret)?;
    let left: HashSet<&str> = left_fields(secret).collect();
    let mut acts: Vec<(Binding, Act<'_>)> = Vec::new();
    let mut writer = Writer::new(secret, manner.form(), edits);
    for value in &sealed_values(secret)? {
        let at = |failure: Failure| value.at(failure);
        let envelope = value.envelope()?;
        let Some(binding) = envelope.binding() else {
            if bench.is_for_our_keys(&envelope) {
                return Err(at(unbound()));
            }
            continue;
        };
        if !is_due(&envelope, manner) {
            counts.kept += 1;
            continue;
        }
        // What the application opens itself may be for a key that no one here has.
        if left.contains(value.key) && !bench.is_for_our_keys(&envelope) {
            counts.warnings.push(format!(
                "`{}` is left to the application and not for a key of --open-with; it is as before",
                printable(value.key, 80)
            ));
            continue;
        }
        let signer = bench
            .signer_for(secret, value, &envelope, manner)
            .map_err(at)?;
        let place = Standing::of(secret, fallback, value.key, binding);
        let plaintext = bench.open(value, &place, binding).map_err(at)?;
        let begun = acts
            .iter()
            .position(|(first, _)| first.may_share_content_key(binding));
        let index = begun.unwrap_or_else(|| {
            acts.push((binding.clone(), manner.begin()));
            acts.len() - 1
        });
        let sealed = acts[index]
            .1
            .seal_as(
                plaintext.expose(),
                binding,
                envelope.provenance().cloned(),
                signer,
            )
            .map_err(at)?;
        let section = value.section.unwrap_or(Section::StringData);
        writer
            .put(value.key, &sealed, value.layout(), section)
            .map_err(at)?;
        counts.rewrapped += 1;
    }
    counts.warnings.extend(writer.finish()?);
    Ok(())
}

fn unbound() -> Failure {
    Failure::refused(anyhow!(
        "the envelope is bound to no place, and a rewrapped one would have to be"
    ))
    .hint("seal the value again with `privy set`, which binds it to its place")
}

/// Where a value is, as the webhook will see it; where the manifest does not say, a place that the binding allows.
struct Standing {
    namespace: String,
    name: String,
    generated: bool,
    key: String,
}

impl Standing {
    fn of(
        secret: &ManifestSecret<'_>,
        fallback: Option<&str>,
        key: &str,
        binding: &Binding,
    ) -> Self {
        let namespace = secret
            .namespace()
            .map(|namespace| namespace.text)
            .or(fallback);
        let namespace = namespace.map_or_else(
            || match binding.scope() {
                Scope::Namespace(pattern) => fitting(pattern),
                Scope::Any => "default".to_owned(),
            },
            str::to_owned,
        );
        let (name, generated) = match object_name(secret) {
            Some(ObjectName::Named(name)) => (name.to_owned(), false),
            Some(ObjectName::Generated(prefix)) => (prefix.to_owned(), true),
            None => (
                binding.name().map_or_else(|| "a".to_owned(), fitting),
                false,
            ),
        };
        Self {
            namespace,
            name,
            generated,
            key: key.to_owned(),
        }
    }

    fn found(&self) -> FoundPlace<'_> {
        FoundPlace {
            namespace: &self.namespace,
            name: if self.generated {
                ObjectName::Generated(&self.name)
            } else {
                ObjectName::Named(&self.name)
            },
            key: &self.key,
        }
    }
}

/// A name that the pattern fits.
fn fitting(pattern: &Pattern) -> String {
    match pattern.literal() {
        Some(literal) => format!("{literal}a"),
        None => pattern.as_str().to_owned(),
    }
}

impl Bench<'_> {
    fn is_for_our_keys(&self, envelope: &Envelope<'_>) -> bool {
        let mut candidates = self.keyring.registry().candidates(envelope);
        candidates.next().is_some()
    }

    /// Opens a value whose time may be over: what it may introduce does not change when it is sealed again.
    fn open(
        &self,
        value: &SealedValue<'_>,
        place: &Standing,
        binding: &Binding,
    ) -> Result<Plaintext, Failure> {
        let found = place.found();
        let site = Site {
            namespace: found.namespace,
            name: found.name,
            key: found.key,
            signature: None,
            caller: match binding.service_account() {
                Some(service_account) => OpeningContext::RunTime { service_account },
                None => OpeningContext::Admission(Admission::new(Change::Created)),
            },
        };
        let policy = Policy {
            cluster: binding.audience().first().cloned(),
            ..Policy::default()
        };
        let begins = binding.not_before().unwrap_or(0);
        let ends = binding.expires().unwrap_or(u64::MAX);
        let now = self.now.max(begins).min(ends);
        self.runtime
            .block_on(async {
                let deadline = Instant::now() + DEADLINE;
                let registry = self.keyring.registry();
                open_value(value.text(), &site, &policy, registry, now, deadline).await
            })
            .map_err(|refusal| {
                let failure = opening::failure(&refusal);
                match refusal.code() {
                    Code::UnknownKey => Failure::refused(anyhow!(
                        "it is sealed for the key {}, and --open-with does not name that key",
                        printable(refusal.refusal.kid.as_deref().unwrap_or("(none)"), 64)
                    ))
                    .hint("add --open-with with the private key that it is sealed for"),
                    Code::WrongPlace => failure.hint(
                        "put the value back where it was sealed for, or give it again with `privy set`",
                    ),
                    _ => failure,
                }
            })
    }

    /// Who signs the value again: no one where it was not signed before, and no one signs what they cannot check.
    fn signer_for<'m>(
        &self,
        secret: &ManifestSecret<'_>,
        value: &SealedValue<'_>,
        envelope: &Envelope<'_>,
        manner: &'m Manner,
    ) -> Result<Option<&'m SigningKey>, Failure> {
        let old = secret.annotation(&signing::annotation_of(value.key));
        let (Some(signer), Some(old)) = (manner.signer(), old) else {
            return Ok(None);
        };
        if signer.has_signed(envelope, old.text) {
            return Ok(Some(signer));
        }
        let why = match self.signers.verify(envelope, old.text) {
            Signed::By(_) => return Ok(Some(signer)),
            Signed::Unknown(kid) => format!(
                "it is signed with the key {}, which is none that you compared",
                printable(&kid, 64)
            ),
            Signed::Wrong { error, .. } => format!("its signature does not count: {error}"),
            Signed::No => "its signature cannot be read".to_owned(),
        };
        Err(
            Failure::refused(anyhow!("{why}; your signature would vouch for it")).hint(
                "compare the signer's key with `privy key trust --value-signer FILE`, or leave --sign out",
            ),
        )
    }
}
