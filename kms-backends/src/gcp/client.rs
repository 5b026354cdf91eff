//! The client of Google Cloud KMS: decrypts with one version of a key.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use google_cloud_gax::retry_policy::NeverRetry;
use google_cloud_kms_v1::client::KeyManagementService;
use google_cloud_kms_v1::model::crypto_key_version::{
    CryptoKeyVersionAlgorithm as Algorithm, CryptoKeyVersionState,
};
use jwe_envelope::{KeyManagement, RecipientKey, SecretBytes, UnwrapRequest};
use tokio::time::Instant;

use super::error;
use super::identity::credentials;
use super::options::{GcpOptions, bad_endpoint, is_usable};
use crate::error::UnwrapError;
use crate::key_unwrap::KeyUnwrap;
use crate::key_uri::{GcpKey, KeyUri, Target};
use crate::service::connect_error::ConnectError;
use crate::service::key_service::{KeyService, KeyVersion, with_public_keys};
use crate::service::remote::{answer_by, damaged, misconfigured_key, take_secret};
use crate::service::supported::{CheckedRequest, SupportedAlgorithms, check_request};

/// Google Cloud KMS as one identity.
pub(super) struct GcpClient {
    client: KeyManagementService,
}

/// One version of a key.
#[derive(Debug)]
struct GcpUnwrapper {
    service: Arc<GcpClient>,
    version: String,
    recipient: RecipientKey,
}

/// What the connector keeps, so that unwrappers can share the client.
#[derive(Debug)]
pub(super) struct GcpService(pub(super) Arc<GcpClient>);

/// Would switch on a log of all answers, plaintext included.
const LOGGING: &str = "GOOGLE_CLOUD_RUST_LOGGING";
/// No attempt outlives this, whatever its caller's deadline; the library itself would wait forever.
const ATTEMPT: Duration = Duration::from_secs(10);
/// More enabled versions of one key than anyone rotates through.
const MOST_VERSIONS: usize = 100;
const PAGE: i32 = 50;
/// Each key version has one of them; the service knows which.
const SUPPORTED: SupportedAlgorithms<()> = SupportedAlgorithms {
    service: "gcp",
    decrypts: &[
        (KeyManagement::RsaOaep256, ()),
        (KeyManagement::RsaOaep, ()),
        (KeyManagement::RsaOaep512, ()),
    ],
    agrees_on: &[],
};

#[async_trait]
impl KeyUnwrap for GcpUnwrapper {
    async fn unwrap_key(
        &self,
        request: &UnwrapRequest<'_>,
        deadline: Instant,
    ) -> Result<SecretBytes, UnwrapError> {
        let CheckedRequest::Decrypt(ciphertext) = check_request(request, &self.recipient)? else {
            return Err(misconfigured_key(
                &self.version,
                "is an RSA key and does not support ECDH",
            ));
        };
        let call = self.service.decrypt(&self.version, ciphertext);
        answer_by(deadline, &self.version, call).await
    }

    fn public_key(&self) -> Option<&RecipientKey> {
        Some(&self.recipient)
    }
}

#[async_trait]
impl KeyService for GcpService {
    async fn unwrapper(
        &self,
        uri: &KeyUri,
        recipient: &RecipientKey,
    ) -> Result<Arc<dyn KeyUnwrap>, ConnectError> {
        let version = version_of(uri).ok_or_else(|| ConnectError::NoVersion(uri.to_string()))?;
        SUPPORTED.native_name(uri, recipient)?;
        Ok(Arc::new(GcpUnwrapper {
            service: Arc::clone(&self.0),
            version,
            recipient: recipient.clone(),
        }))
    }

    async fn public_key(
        &self,
        uri: &KeyUri,
        algorithm: Option<KeyManagement>,
        deadline: Instant,
    ) -> Result<RecipientKey, UnwrapError> {
        let version = version_of(uri)
            .ok_or_else(|| misconfigured_key(&uri.to_string(), "names no version"))?;
        answer_by(deadline, &version, self.0.public_key(&version, algorithm)).await
    }

    async fn versions(
        &self,
        uri: &KeyUri,
        algorithm: Option<KeyManagement>,
        deadline: Instant,
    ) -> Result<Vec<KeyVersion>, UnwrapError> {
        let Target::Gcp(key) = uri.target() else {
            return Err(misconfigured_key(
                &uri.to_string(),
                "is not a key of Google Cloud KMS",
            ));
        };
        let name = key.key_name();
        let keys = answer_by(deadline, name, self.0.versions(key)).await?;
        let uris = keys.into_iter().map(|key| KeyUri::from(Target::Gcp(key)));
        with_public_keys(self, uris, algorithm, deadline).await
    }
}

impl GcpClient {
    pub(super) async fn new(options: &GcpOptions) -> Result<Self, ConnectError> {
        if std::env::var_os(LOGGING).is_some() {
            return Err(ConnectError::settings(
                "gcp",
                format!(
                    "the environment variable {LOGGING} makes Google's client library write every answer, content keys \
                     included, to the log; remove it"
                ),
            ));
        }
        let mut builder = KeyManagementService::builder()
            .with_credentials(credentials(options.anonymous)?)
            .with_retry_policy(NeverRetry)
            .with_attempt_timeout(ATTEMPT);
        if let Some(endpoint) = &options.endpoint {
            if !is_usable(endpoint) {
                return Err(bad_endpoint(&format!("{endpoint:?}")));
            }
            builder = builder.with_endpoint(endpoint);
        }
        let client = builder.build().await.map_err(|error| {
            ConnectError::settings("gcp", format!("the client cannot be created: {error}"))
        })?;
        Ok(Self { client })
    }

    async fn decrypt(&self, version: &str, ciphertext: &[u8]) -> Result<SecretBytes, UnwrapError> {
        let answer = self
            .client
            .asymmetric_decrypt()
            .set_name(version)
            .set_ciphertext(ciphertext.to_vec())
            .set_ciphertext_crc32c(checksum(ciphertext))
            .send()
            .await
            .map_err(|error| error::explain_decrypt(version, &error))?;
        let declared = answer.plaintext_crc32c;
        let mut plaintext = match answer.plaintext.try_into_mut() {
            Ok(unique) => unique,
            Err(shared) => shared.as_ref().into(),
        };
        // Into a type that wipes itself, before anything can go wrong.
        let secret = take_secret(&mut plaintext);
        if !answer.verified_ciphertext_crc32c {
            return Err(damaged(
                version,
                "the service did not confirm the checksum of what we sent",
            ));
        }
        if declared != Some(checksum(secret.expose())) {
            return Err(damaged(
                version,
                "the checksum of the plaintext does not match",
            ));
        }
        Ok(secret)
    }

    async fn public_key(
        &self,
        version: &str,
        wanted: Option<KeyManagement>,
    ) -> Result<RecipientKey, UnwrapError> {
        let key = self
            .client
            .get_public_key()
            .set_name(version)
            .send()
            .await
            .map_err(|error| error::explain(version, &error))?;
        if key.name != version {
            return Err(damaged(version, "the answer is about another key"));
        }
        if key.pem_crc32c != Some(checksum(key.pem.as_bytes())) {
            return Err(damaged(
                version,
                "the checksum of the public key does not match",
            ));
        }
        let algorithm = key_management(&key.algorithm)
            .ok_or_else(|| misconfigured_key(version, "does not decrypt with RSA-OAEP"))?;
        if wanted.is_some_and(|wanted| wanted != algorithm) {
            return Err(misconfigured_key(
                version,
                &format!("supports only {algorithm}"),
            ));
        }
        RecipientKey::from_pem(key.pem.as_bytes(), Some(algorithm)).map_err(|source| {
            misconfigured_key(version, "is not a usable public key").with_source(source)
        })
    }

    /// The enabled versions, the newest first.
    async fn versions(&self, key: &GcpKey) -> Result<Vec<GcpKey>, UnwrapError> {
        let name = key.key_name();
        let mut versions = Vec::new();
        let mut page = String::new();
        loop {
            let answer = self
                .client
                .list_crypto_key_versions()
                .set_parent(name)
                .set_page_size(PAGE)
                .set_page_token(page)
                .set_filter("state=ENABLED")
                .send()
                .await
                .map_err(|error| error::explain(name, &error))?;
            for found in answer.crypto_key_versions {
                // The filter is the service's promise; the check is ours.
                if found.state == CryptoKeyVersionState::Enabled {
                    let version = listed(key, &found.name).ok_or_else(|| {
                        damaged(name, "the list contains a version of another key")
                    })?;
                    versions.push(version);
                }
            }
            if versions.len() > MOST_VERSIONS {
                return Err(misconfigured_key(
                    name,
                    "has more enabled versions than are supported; disable old ones",
                ));
            }
            // A list without end ends at the caller's deadline.
            page = answer.next_page_token;
            if page.is_empty() {
                break;
            }
        }
        versions.sort_by_key(|version| std::cmp::Reverse(version.version()));
        Ok(versions)
    }
}

fn version_of(uri: &KeyUri) -> Option<String> {
    match uri.target() {
        Target::Gcp(key) => key.version_name(),
        _ => None,
    }
}

/// The version of `key` that the service calls `name`; nothing else that it might write there.
fn listed(key: &GcpKey, name: &str) -> Option<GcpKey> {
    let number = name
        .strip_prefix(key.key_name())?
        .strip_prefix("/cryptoKeyVersions/")?;
    let version = key.at_version(number.parse().ok()?)?;
    (version.version_name().as_deref() == Some(name)).then_some(version)
}

/// The algorithm of a key version, where JWE has a name for it.
fn key_management(algorithm: &Algorithm) -> Option<KeyManagement> {
    match algorithm {
        Algorithm::RsaDecryptOaep2048Sha256
        | Algorithm::RsaDecryptOaep3072Sha256
        | Algorithm::RsaDecryptOaep4096Sha256 => Some(KeyManagement::RsaOaep256),
        Algorithm::RsaDecryptOaep4096Sha512 => Some(KeyManagement::RsaOaep512),
        Algorithm::RsaDecryptOaep2048Sha1
        | Algorithm::RsaDecryptOaep3072Sha1
        | Algorithm::RsaDecryptOaep4096Sha1 => Some(KeyManagement::RsaOaep),
        _ => None,
    }
}

/// CRC32C as the service writes it.
fn checksum(bytes: &[u8]) -> i64 {
    i64::from(crc32c::crc32c(bytes))
}

/// The library's own `Debug` shows settings; this shows none.
impl std::fmt::Debug for GcpClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GcpClient").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listed_version_of_another_key_is_none_of_ours() {
        let name = "projects/p/locations/l/keyRings/r/cryptoKeys/k";
        let uri: KeyUri = format!("gcp-kms://{name}").parse().unwrap();
        let Target::Gcp(key) = uri.target() else {
            unreachable!()
        };
        let third = listed(key, &format!("{name}/cryptoKeyVersions/3")).unwrap();
        assert_eq!(third.version(), Some(3));
        for other in [
            format!("{name}2/cryptoKeyVersions/3"),
            format!("{name}/cryptoKeyVersions/03"),
            format!("{name}/cryptoKeyVersions/+3"),
            format!("{name}/cryptoKeyVersions/0"),
            format!("{name}/cryptoKeyVersions/3/x"),
            format!("{name}/cryptoKeyVersions/../../other/cryptoKeyVersions/3"),
            name.to_owned(),
        ] {
            assert_eq!(listed(key, &other), None, "{other}");
        }
    }
}
