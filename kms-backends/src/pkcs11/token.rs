//! A token and the key in it that a reference names.

use cryptoki::context::{Function, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::elliptic_curve::{EcKdf, Ecdh1DeriveParams};
use cryptoki::mechanism::rsa::{PkcsMgfType, PkcsOaepParams, PkcsOaepSource};
use cryptoki::mechanism::{Mechanism, MechanismType};
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::{Slot, TokenInfo};
use cryptoki::types::AuthPin;
use jwe_envelope::{
    EphemeralKey, KeyManagement, OaepHash, RecipientKey, SecretBytes, UnwrapRequest,
};

use super::identity::{self, PinFlags, TriedPin};
use super::{attributes, error};
use crate::error::{Category, UnwrapError};
use crate::key_uri::Pkcs11Key;
use crate::local::file;
use crate::service::remote::{ServiceMessage, misconfigured_key};
use crate::sync::lock;

/// Where a key is, and how to get at it.
pub(super) struct Pkcs11Token {
    module: Pkcs11,
    key: Pkcs11Key,
    pub(super) reference: String,
}

/// A session that is logged in, and the key in it.
pub(super) struct OpenSession {
    session: Session,
    private: ObjectHandle,
}

impl Pkcs11Token {
    pub(super) fn new(module: Pkcs11, key: Pkcs11Key, reference: String) -> Self {
        Self {
            module,
            key,
            reference,
        }
    }

    /// Opens a session and finds the private key, which must be that of `recipient`.
    pub(super) fn open(&self, recipient: &RecipientKey) -> Result<OpenSession, UnwrapError> {
        let session = self.session()?;
        let private = self.find(&session, ObjectClass::PRIVATE_KEY)?;
        let held = self.public_half(&session, Some(recipient.algorithm()))?;
        if held.kid() != recipient.kid() {
            return Err(misconfigured_key(
                &self.reference,
                "does not belong to the configured public key",
            ));
        }
        Ok(OpenSession { session, private })
    }

    pub(super) fn public_key(
        &self,
        algorithm: Option<KeyManagement>,
    ) -> Result<RecipientKey, UnwrapError> {
        let session = self.session()?;
        self.public_half(&session, algorithm)
    }

    /// Does what the private key can.
    pub(super) fn answer(
        &self,
        opened: &OpenSession,
        request: &UnwrapRequest<'_>,
    ) -> Result<SecretBytes, UnwrapError> {
        match *request {
            UnwrapRequest::Agree { ephemeral } => self.agree(opened, ephemeral),
            UnwrapRequest::Decrypt {
                padding,
                ciphertext,
            } => self.decrypt(opened, padding, ciphertext),
            _ => Err(misconfigured_key(
                &self.reference,
                "does not support this kind of request",
            )),
        }
    }

    fn decrypt(
        &self,
        opened: &OpenSession,
        padding: OaepHash,
        ciphertext: &[u8],
    ) -> Result<SecretBytes, UnwrapError> {
        let (hash, mask) = match padding {
            OaepHash::Sha1 => (MechanismType::SHA1, PkcsMgfType::MGF1_SHA1),
            OaepHash::Sha256 => (MechanismType::SHA256, PkcsMgfType::MGF1_SHA256),
            OaepHash::Sha384 => (MechanismType::SHA384, PkcsMgfType::MGF1_SHA384),
            OaepHash::Sha512 => (MechanismType::SHA512, PkcsMgfType::MGF1_SHA512),
            _ => {
                return Err(misconfigured_key(
                    &self.reference,
                    "does not support this padding",
                ));
            }
        };
        let parameters = PkcsOaepParams::new(hash, mask, PkcsOaepSource::empty());
        let secret = opened
            .session
            .decrypt(
                &Mechanism::RsaPkcsOaep(parameters),
                opened.private,
                ciphertext,
            )
            .map_err(|error| self.explain_decrypt(opened, &error))?;
        Ok(SecretBytes::new(secret))
    }

    /// The raw x coordinate: the token derives, KDF and key unwrapping are done here.
    fn agree(
        &self,
        opened: &OpenSession,
        ephemeral: &EphemeralKey,
    ) -> Result<SecretBytes, UnwrapError> {
        let length = ephemeral.curve().coordinate_len();
        let parameters = Ecdh1DeriveParams::new(EcKdf::null(), ephemeral.as_bytes());
        let template = [
            Attribute::Class(ObjectClass::SECRET_KEY),
            Attribute::KeyType(KeyType::GENERIC_SECRET),
            Attribute::Token(false),
            Attribute::Sensitive(false),
            Attribute::Extractable(true),
            Attribute::ValueLen((length as u64).into()),
        ];
        let session = &opened.session;
        let derived = session
            .derive_key(
                &Mechanism::Ecdh1Derive(parameters),
                opened.private,
                &template,
            )
            .map_err(|error| self.explain(&error))?;
        let value = session.get_attributes(derived, &[AttributeType::Value]);
        // Whatever the outcome, the secret does not stay in the session.
        let destroyed = session.destroy_object(derived);
        let value = value.map_err(|error| self.explain(&error))?;
        let secret = value.into_iter().find_map(|attribute| match attribute {
            Attribute::Value(bytes) => Some(SecretBytes::new(bytes)),
            _ => None,
        });
        destroyed.map_err(|error| self.explain(&error))?;
        let secret = secret
            .ok_or_else(|| misconfigured_key(&self.reference, "returned no readable secret"))?;
        Ok(padded(secret, length))
    }

    fn session(&self) -> Result<Session, UnwrapError> {
        let slot = self.slot()?;
        let session = self
            .module
            .open_ro_session(slot)
            .map_err(|error| self.explain(&error))?;
        if self.info(slot)?.login_required() {
            self.log_in(&session, slot)?;
        }
        Ok(session)
    }

    fn info(&self, slot: Slot) -> Result<TokenInfo, UnwrapError> {
        let info = self.module.get_token_info(slot);
        info.map_err(|error| self.explain(&error))
    }

    fn log_in(&self, session: &Session, slot: Slot) -> Result<(), UnwrapError> {
        let reference = &self.reference;
        let path = self.key.pin_source().ok_or_else(|| {
            misconfigured_key(
                reference,
                "needs a PIN; add `pin-source=file:/path` to the reference",
            )
        })?;
        let written = path.metadata().and_then(|metadata| metadata.modified());
        let bytes = file::read(path).map_err(|error| {
            misconfigured_key(reference, "needs a PIN, and the PIN file cannot be read")
                .with_source(error)
        })?;
        let text = std::str::from_utf8(&bytes)
            .map_err(|_| misconfigured_key(reference, "has a PIN that is not UTF-8 text"))?;
        // A newline that an editor added is not part of it.
        let text = text.trim_end_matches(['\r', '\n']);
        let found = TriedPin::new(text, written.ok());
        let info = self.info(slot)?;
        let guard = identity::guard(format!(
            "{:?}",
            [
                info.manufacturer_id(),
                info.model(),
                info.serial_number(),
                info.label()
            ]
        ));
        // Held while we log in, so that two threads do not spend two tries on one bad PIN.
        let mut guard = lock(&guard);
        let info = self.info(slot)?;
        let flags = PinFlags {
            count_low: info.user_pin_count_low(),
            final_try: info.user_pin_final_try(),
            locked: info.user_pin_locked(),
        };
        guard
            .may_try(&found, flags)
            .map_err(|why| misconfigured_key(reference, why))?;
        match session.login(UserType::User, Some(&AuthPin::new(text.into()))) {
            Ok(()) => {
                guard.succeeded();
                Ok(())
            }
            // Another session of ours did, perhaps with another PIN.
            Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => Ok(()),
            Err(error) => {
                guard.failed(found, identity::pin_outcome(&error));
                Err(self.explain(&error))
            }
        }
    }

    /// The one slot whose token fits the reference.
    fn slot(&self) -> Result<Slot, UnwrapError> {
        let explain = |error: Error| self.explain(&error);
        let mut found = None;
        for slot in self.module.get_slots_with_token().map_err(explain)? {
            if self.key.slot_id().is_some_and(|id| id != slot.id()) {
                continue;
            }
            // The token may be removed at this moment.
            let Ok(info) = self.module.get_token_info(slot) else {
                continue;
            };
            let fits = |wanted: Option<&str>, is: &str| wanted.is_none_or(|wanted| wanted == is);
            let fits = fits(self.key.token(), info.label())
                && fits(self.key.manufacturer(), info.manufacturer_id())
                && fits(self.key.model(), info.model())
                && fits(self.key.serial(), info.serial_number());
            if fits && found.replace(slot).is_some() {
                return Err(misconfigured_key(
                    &self.reference,
                    "matches several tokens; add `serial` to the reference",
                ));
            }
        }
        // Not there now: it may be plugged in again.
        found.ok_or_else(|| {
            let message = format!("the token of {} is not present", self.reference);
            UnwrapError::new(Category::Unavailable, message)
        })
    }

    fn find(&self, session: &Session, class: ObjectClass) -> Result<ObjectHandle, UnwrapError> {
        let mut template = vec![Attribute::Class(class)];
        template.extend(
            self.key
                .object()
                .map(|label| Attribute::Label(label.into())),
        );
        template.extend(self.key.id().map(|id| Attribute::Id(id.into())));
        let found = session
            .find_objects(&template)
            .map_err(|error| self.explain(&error))?;
        match found[..] {
            [one] => Ok(one),
            [] => {
                let message = format!("the token has no {class} that matches {}", self.reference);
                Err(UnwrapError::new(Category::UnknownKey, message))
            }
            _ => Err(misconfigured_key(
                &self.reference,
                "matches several keys; add `id` to the reference",
            )),
        }
    }

    /// From the public object; of an RSA key the private one knows it as well.
    fn public_half(
        &self,
        session: &Session,
        algorithm: Option<KeyManagement>,
    ) -> Result<RecipientKey, UnwrapError> {
        let object = match self.find(session, ObjectClass::PUBLIC_KEY) {
            Err(error) if error.category() == Category::UnknownKey => {
                self.find(session, ObjectClass::PRIVATE_KEY)?
            }
            found => found?,
        };
        attributes::public_key(session, object, algorithm).map_err(|fault| match fault {
            attributes::PublicKeyFault::Token(error) => self.explain(&error),
            attributes::PublicKeyFault::Unknown => {
                misconfigured_key(&self.reference, "has no readable public key")
            }
            attributes::PublicKeyFault::Key(source) => {
                misconfigured_key(&self.reference, "is not a usable key").with_source(source)
            }
        })
    }

    /// Some tokens answer "device error" for a ciphertext that does not decrypt. A device that still answers has no error.
    fn explain_decrypt(&self, opened: &OpenSession, error: &Error) -> UnwrapError {
        let lives = || opened.session.get_session_info().is_ok();
        if matches!(
            error,
            Error::Pkcs11(RvError::DeviceError, Function::Decrypt)
        ) && lives()
        {
            let message = format!(
                "the token of {} rejected the wrapped content key",
                self.reference
            );
            return UnwrapError::new(Category::Rejected, message)
                .with_source(ServiceMessage::new("token", &error.to_string()));
        }
        self.explain(error)
    }

    fn explain(&self, error: &Error) -> UnwrapError {
        let (category, what) = error::classify(error);
        UnwrapError::new(category, format!("the token of {} {what}", self.reference))
            .with_source(ServiceMessage::new("token", &error.to_string()))
    }
}

/// Some tokens leave out leading zeros.
fn padded(secret: SecretBytes, length: usize) -> SecretBytes {
    let short = secret.expose().len();
    if short == 0 || short >= length {
        return secret;
    }
    SecretBytes::filled_by(length, |out| {
        out[length - short..].copy_from_slice(secret.expose());
    })
}

impl std::fmt::Debug for Pkcs11Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Token")
            .field("reference", &self.reference)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agreed_secret_is_as_long_as_the_curve_says() {
        let secret = padded(SecretBytes::new(vec![1, 2, 3]), 5);
        assert_eq!(secret.expose(), [0, 0, 1, 2, 3]);
        for whole in [vec![9; 5], vec![9; 6], Vec::new()] {
            let secret = padded(SecretBytes::new(whole.clone()), 5);
            assert_eq!(secret.expose(), whole);
        }
    }
}
