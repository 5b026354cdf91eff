//! Keys behind a PKCS#11 module: an HSM, a smart card, a token in software (feature `pkcs11`).
//!
//! # Which code is loaded
//! A module is a library that runs inside this process. Its path comes from configuration alone, is absolute, must be among
//! [`Pkcs11Options::modules`] where any are listed, and must be a file that nobody but root and we can replace.
//!
//! # Threads
//! Calls into a module block, some for long, so they run on threads of their own. Each has one session; none shares it.
//! A session that breaks is opened anew at the next call.
//!
//! # The PIN
//! It is read from the file that `pin-source` names, at each login. A PIN that the token refused is not tried a second
//! time, for none of the token's keys, because tokens lock themselves after a few: the file has to change first.
//!
//! # What is checked
//! The token's key must be the private half of the configured public key; a token with another one is not used.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use jwe_envelope::{Curve, KeyManagement, RecipientKey, SecretBytes, UnwrapRequest};
use tokio::time::Instant;

use crate::connect::ConnectError;
use crate::error::{Category, UnwrapError};
use crate::key_unwrap::{KeyUnwrap, OwnedRequest};
use crate::key_uri::{KeyUri, Pkcs11Key, Target};
use crate::remote::{answer_by, misfit};
use crate::service::{CallLimits, KeyService, Repertoire, suited};

mod attributes;
mod error;
mod module;
mod pin;
mod token;
mod workers;

use token::Token;
use workers::Workers;

/// How PKCS#11 tokens are reached.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Pkcs11Options {
    /// How much may be asked of all tokens.
    pub limits: CallLimits,
    /// The modules that may be loaded. Empty: the one that a reference names. A reference that names none means the first.
    pub modules: Vec<PathBuf>,
    /// How many sessions a key has, each with a thread of its own; by default one for each core, at most eight.
    pub sessions: Option<usize>,
}

impl Pkcs11Options {
    /// What the environment says: nothing. A variable must not choose code that runs in this process.
    ///
    /// # Errors
    /// None.
    #[allow(clippy::unnecessary_wraps, reason = "as for the other services")]
    pub fn from_env() -> Result<Self, ConnectError> {
        Ok(Self::default())
    }
}

/// Makes ready; no module is loaded yet.
#[allow(clippy::unused_async, reason = "as for the other services")]
pub(crate) async fn open(options: &Pkcs11Options) -> Result<Arc<dyn KeyService>, ConnectError> {
    Ok(Arc::new(Pkcs11(options.clone())))
}

/// What tokens can do at most; each says at the first call what it lacks.
const REPERTOIRE: Repertoire<()> = Repertoire {
    service: "pkcs11",
    decrypts: &[
        (KeyManagement::RsaOaep256, ()),
        (KeyManagement::RsaOaep, ()),
        (KeyManagement::RsaOaep384, ()),
        (KeyManagement::RsaOaep512, ()),
    ],
    agrees_on: &[Curve::P256, Curve::P384, Curve::P521],
};

#[derive(Debug)]
struct Pkcs11(Pkcs11Options);

/// One private key.
#[derive(Debug)]
struct Holder {
    reference: String,
    recipient: RecipientKey,
    workers: Workers,
}

#[async_trait]
impl KeyUnwrap for Holder {
    async fn unwrap_key(
        &self,
        request: &UnwrapRequest<'_>,
        deadline: Instant,
    ) -> Result<SecretBytes, UnwrapError> {
        suited(request, &self.recipient)?;
        let request = OwnedRequest::try_from(request)?;
        let call = self.workers.ask(request, deadline);
        answer_by(deadline, &self.reference, call).await
    }

    fn public_key(&self) -> Option<&RecipientKey> {
        Some(&self.recipient)
    }
}

#[async_trait]
impl KeyService for Pkcs11 {
    async fn holder(
        &self,
        uri: &KeyUri,
        recipient: &RecipientKey,
    ) -> Result<Arc<dyn KeyUnwrap>, ConnectError> {
        REPERTOIRE.way(uri, recipient)?;
        let token = self.token(uri)?;
        let sessions = self.0.sessions.unwrap_or_else(|| {
            std::thread::available_parallelism()
                .map_or(1, usize::from)
                .min(8)
        });
        Ok(Arc::new(Holder {
            reference: uri.to_string(),
            recipient: recipient.clone(),
            workers: Workers::start(&Arc::new(token), recipient, sessions)?,
        }))
    }

    async fn public_key(
        &self,
        uri: &KeyUri,
        algorithm: Option<KeyManagement>,
        deadline: Instant,
    ) -> Result<RecipientKey, UnwrapError> {
        let reference = uri.to_string();
        let token = self
            .token(uri)
            .map_err(|error| misfit(&reference, &error.to_string()))?;
        let call = async {
            let asked = tokio::task::spawn_blocking(move || token.public_key(algorithm)).await;
            asked.unwrap_or_else(|_| {
                Err(UnwrapError::new(
                    Category::Unavailable,
                    "the module failed while it was asked",
                ))
            })
        };
        answer_by(deadline, &reference, call).await
    }
}

impl Pkcs11 {
    fn token(&self, uri: &KeyUri) -> Result<Token, ConnectError> {
        let Target::Pkcs11(key) = uri.target() else {
            return Err(settings(format!("{uri} is no key in a token")));
        };
        let path = self.module_path(key)?;
        Ok(Token::new(
            module::load(path)?,
            key.clone(),
            uri.to_string(),
        ))
    }

    fn module_path<'p>(&'p self, key: &'p Pkcs11Key) -> Result<&'p Path, ConnectError> {
        let allowed = &self.0.modules;
        match (key.module_path(), allowed.first()) {
            (None, None) => Err(settings(
                "no module is named; add `?module-path=/path/of/module.so`".to_owned(),
            )),
            (None, Some(first)) => Ok(first),
            (Some(path), Some(_)) if !allowed.iter().any(|allowed| allowed == path) => {
                Err(settings(format!(
                    "the module {} is not among those that may be loaded; list it in the configuration",
                    path.display()
                )))
            }
            (Some(path), _) => Ok(path),
        }
    }
}

fn settings(message: String) -> ConnectError {
    ConnectError::settings("pkcs11", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn module_of(uri: &str, modules: &[&str]) -> Result<String, String> {
        let uri: KeyUri = uri.parse().unwrap();
        let service = Pkcs11(Pkcs11Options {
            modules: modules.iter().map(PathBuf::from).collect(),
            ..Pkcs11Options::default()
        });
        let Target::Pkcs11(key) = uri.target() else {
            unreachable!()
        };
        match service.module_path(key) {
            Ok(path) => Ok(path.display().to_string()),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn loads_only_modules_that_are_listed() {
        let named = "pkcs11:token=t;object=k?module-path=/lib/a.so";
        let unnamed = "pkcs11:token=t;object=k";
        assert_eq!(module_of(named, &[]).unwrap(), "/lib/a.so");
        assert_eq!(
            module_of(named, &["/lib/b.so", "/lib/a.so"]).unwrap(),
            "/lib/a.so"
        );
        assert_eq!(module_of(unnamed, &["/lib/b.so"]).unwrap(), "/lib/b.so");
        assert!(
            module_of(named, &["/lib/b.so"])
                .unwrap_err()
                .contains("not among")
        );
        assert!(module_of(unnamed, &[]).unwrap_err().contains("module-path"));
    }
}
