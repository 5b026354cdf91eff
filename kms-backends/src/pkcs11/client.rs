//! The client of PKCS#11 tokens: one private key behind a module.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use jwe_envelope::{Curve, KeyManagement, RecipientKey, SecretBytes, UnwrapRequest};
use tokio::time::Instant;

use super::module;
use super::options::{Pkcs11Options, settings};
use super::token::Pkcs11Token;
use super::workers::Workers;
use crate::error::{Category, UnwrapError};
use crate::key_unwrap::{KeyUnwrap, OwnedRequest};
use crate::key_uri::{KeyUri, Pkcs11Key, Target};
use crate::service::connect_error::ConnectError;
use crate::service::key_service::KeyService;
use crate::service::remote::{answer_by, misconfigured_key};
use crate::service::supported::{SupportedAlgorithms, check_request};

/// What tokens can do at most; each says at the first call what it lacks.
const SUPPORTED: SupportedAlgorithms<()> = SupportedAlgorithms {
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
pub(super) struct Pkcs11(pub(super) Pkcs11Options);

/// One private key.
#[derive(Debug)]
struct Pkcs11Unwrapper {
    reference: String,
    recipient: RecipientKey,
    workers: Workers,
}

#[async_trait]
impl KeyUnwrap for Pkcs11Unwrapper {
    async fn unwrap_key(
        &self,
        request: &UnwrapRequest<'_>,
        deadline: Instant,
    ) -> Result<SecretBytes, UnwrapError> {
        check_request(request, &self.recipient)?;
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
    async fn unwrapper(
        &self,
        uri: &KeyUri,
        recipient: &RecipientKey,
    ) -> Result<Arc<dyn KeyUnwrap>, ConnectError> {
        SUPPORTED.native_name(uri, recipient)?;
        let token = self.token(uri)?;
        let sessions = self.0.sessions.unwrap_or_else(|| {
            std::thread::available_parallelism()
                .map_or(1, usize::from)
                .min(8)
        });
        Ok(Arc::new(Pkcs11Unwrapper {
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
            .map_err(|error| misconfigured_key(&reference, &error.to_string()))?;
        let call = async {
            let asked = tokio::task::spawn_blocking(move || token.public_key(algorithm)).await;
            asked.unwrap_or_else(|_| {
                Err(UnwrapError::new(
                    Category::Unavailable,
                    "the module panicked during the call",
                ))
            })
        };
        answer_by(deadline, &reference, call).await
    }
}

impl Pkcs11 {
    fn token(&self, uri: &KeyUri) -> Result<Pkcs11Token, ConnectError> {
        let Target::Pkcs11(key) = uri.target() else {
            return Err(settings(format!("{uri} is not a key in a token")));
        };
        let path = self.module_path(key)?;
        Ok(Pkcs11Token::new(
            module::load(path)?,
            key.clone(),
            uri.to_string(),
        ))
    }

    fn module_path<'p>(&'p self, key: &'p Pkcs11Key) -> Result<&'p Path, ConnectError> {
        let allowed = &self.0.modules;
        match (key.module_path(), allowed.first()) {
            (None, None) => Err(settings(
                "no module is configured; add `?module-path=/path/of/module.so`".to_owned(),
            )),
            (None, Some(first)) => Ok(first),
            (Some(path), Some(_)) if !allowed.iter().any(|allowed| allowed == path) => {
                Err(settings(format!(
                    "the module {} is not in the list of modules that may be loaded; add it to `modules`",
                    path.display()
                )))
            }
            (Some(path), _) => Ok(path),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

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
                .contains("not in the list")
        );
        assert!(module_of(unnamed, &[]).unwrap_err().contains("module-path"));
    }
}
