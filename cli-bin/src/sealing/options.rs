//! One act of sealing: the keys, the claim and the form that its values share.
use std::sync::Arc;

use anyhow::anyhow;
use jwe_envelope::{Binding, Provenance, RecipientKey, Sealer, Serialization};

use crate::cli::groups::{Form, SealingArgs};
use crate::failure::Failure;
use crate::io::Io;
use crate::keys::{Choice, SealKey};
use crate::sealing::signing::SigningKey;

/// How values are sealed.
#[derive(Debug)]
pub struct Manner {
    recipients: Vec<RecipientKey>,
    /// Whose cards are asked whether they are meant for a place; none where the user wants no look at it.
    checked: Vec<Arc<SealKey>>,
    provenance: Provenance,
    form: Serialization,
    /// An envelope for a service account never shares its content key.
    alone: bool,
    signer: Option<Arc<SigningKey>>,
    now: u64,
}

/// A sealed value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// The envelope.
    pub text: String,
    /// Its signature, where someone signs.
    pub signature: Option<String>,
}

impl Manner {
    /// With these keys; `alone` when no two values may share a content key.
    ///
    /// # Errors
    /// Exit 2 when the flags do not fit the keys, and when no one signs what `.privy.yaml` wants signed.
    pub fn new(
        choice: &Choice,
        args: &SealingArgs,
        alone: bool,
        io: &mut Io<'_>,
    ) -> Result<Self, Failure> {
        let now = io.now;
        let provenance =
            Provenance::new(now, args.by.as_deref(), args.why.as_deref()).map_err(|error| {
                Failure::usage(anyhow::Error::new(error).context("cannot note who seals and why"))
                    .hint("keep --by and --why short, on one line")
            })?;
        let form = match (args.serialization, choice.keys.len()) {
            (None | Some(Form::Compact), 1) => Serialization::Compact,
            (Some(Form::Flattened), 1) => Serialization::Flattened,
            (None | Some(Form::General), _) => Serialization::General,
            (Some(Form::Compact | Form::Flattened), _) => {
                return Err(Failure::usage(anyhow!(
                    "only the general serialization holds several keys"
                ))
                .hint("leave --serialization out, or give one --key"));
            }
        };
        Ok(Self {
            recipients: choice.recipients(),
            checked: if choice.ignore_places {
                Vec::new()
            } else {
                choice.keys.clone()
            },
            provenance,
            form,
            alone,
            signer: SigningKey::choose(args.sign.as_deref(), choice.signed, io)?,
            now,
        })
    }

    /// Refuses a place for which one of the keys is not meant. Every value is held against it; calling it before the user
    /// is asked for a value spares them the typing.
    ///
    /// # Errors
    /// Exit 2, with the places of the key's card.
    pub fn check_places(&self, binding: &Binding) -> Result<(), Failure> {
        self.checked
            .iter()
            .try_for_each(|key| key.check_places(binding))
    }

    /// The public keys.
    pub fn recipients(&self) -> &[RecipientKey] {
        &self.recipients
    }

    /// How the envelopes are written.
    pub fn form(&self) -> Serialization {
        self.form
    }

    /// Who signs what is sealed, if someone does.
    pub fn signer(&self) -> Option<&SigningKey> {
        self.signer.as_deref()
    }

    /// Starts an act: one content key for the values that follow.
    pub fn begin(&self) -> Act<'_> {
        Act {
            manner: self,
            sealer: None,
        }
    }

    fn sealer(&self) -> Result<Sealer, Failure> {
        Sealer::new(&self.recipients)
            .and_then(|sealer| sealer.serialization(self.form))
            .map_err(|error| {
                Failure::usage(anyhow::Error::new(error).context("cannot seal for this key")).hint(
                    "give each key once, sixteen at most; the key manager has the card of each",
                )
            })
    }
}

/// Values of one Secret, sealed together: they share one content key, which is wrapped once.
#[allow(missing_debug_implementations, reason = "holds a content key")]
pub struct Act<'m> {
    manner: &'m Manner,
    sealer: Option<Sealer>,
}

impl Act<'_> {
    /// Seals one value, and signs it where someone does.
    ///
    /// # Errors
    /// Exit 1 when the value is refused, exit 2 when a key is not meant for the place.
    pub fn seal(&mut self, value: &[u8], binding: &Binding) -> Result<Sealed, Failure> {
        let claim = Some(self.manner.provenance.clone());
        self.seal_as(value, binding, claim, self.manner.signer())
    }

    /// Seals a value that was sealed before, with what its envelope said of itself; signs it for `signer`.
    ///
    /// # Errors
    /// As [`seal`](Self::seal).
    pub fn seal_as(
        &mut self,
        value: &[u8],
        binding: &Binding,
        claim: Option<Provenance>,
        signer: Option<&SigningKey>,
    ) -> Result<Sealed, Failure> {
        self.manner.check_places(binding)?;
        let begun = self.sealer.take().filter(|_| !self.manner.alone);
        let sealer = match begun {
            Some(sealer) => sealer,
            None => self.manner.sealer()?,
        };
        let sealer = self.sealer.insert(sealer.provenance(claim));
        let envelope = sealer.seal(value, binding).map_err(|error| {
            Failure::refused(anyhow::Error::new(error).context("cannot seal the value"))
        })?;
        Ok(Sealed {
            text: envelope.to_string(),
            signature: signer
                .map(|signer| signer.sign(&envelope, self.manner.now))
                .transpose()?,
        })
    }
}
