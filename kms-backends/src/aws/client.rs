//! KMS itself: decrypt, agree, public keys.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use aws_config::provider_config::ProviderConfig;
use aws_sdk_kms::Client;
use aws_sdk_kms::config::retry::RetryConfig;
use aws_sdk_kms::config::timeout::TimeoutConfig;
use aws_sdk_kms::config::{BehaviorVersion, Region, SharedCredentialsProvider, SharedHttpClient};
use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::{EncryptionAlgorithmSpec, KeyAgreementAlgorithmSpec, KeyUsageType};
use aws_smithy_http_client::tls;
use jwe_envelope::{Curve, KeyManagement, RecipientKey, SecretBytes, UnwrapRequest};
use tokio::time::Instant;

use super::error::{failed, other};
use super::identity::{provider, settings};
use super::options::{AwsIdentity, AwsOptions};
use crate::error::{Category, UnwrapError};
use crate::key_unwrap::KeyUnwrap;
use crate::key_uri::{AwsKey, KeyUri, Target};
use crate::service::connect_error::ConnectError;
use crate::service::key_service::KeyService;
use crate::service::remote::{answer_by, read_ca};
use crate::service::supported::{CheckedRequest, SupportedAlgorithms, check_request};
use crate::sync::lock;

const SUPPORTED: SupportedAlgorithms<EncryptionAlgorithmSpec> = SupportedAlgorithms {
    service: "aws",
    decrypts: &[
        (
            KeyManagement::RsaOaep256,
            EncryptionAlgorithmSpec::RsaesOaepSha256,
        ),
        (
            KeyManagement::RsaOaep,
            EncryptionAlgorithmSpec::RsaesOaepSha1,
        ),
    ],
    agrees_on: &[Curve::P256, Curve::P384, Curve::P521],
};

/// One identity, and a client for each region that a key is in.
pub(super) struct Aws {
    endpoint: Option<String>,
    timeouts: TimeoutConfig,
    http: SharedHttpClient,
    /// The region of the first key is that of the token exchange: keys and role live together.
    identity: AwsIdentity,
    regions: Mutex<HashMap<String, Client>>,
}

impl Aws {
    #[allow(clippy::unused_async, reason = "as the other services are opened")]
    pub(super) async fn new(options: &AwsOptions) -> Result<Self, ConnectError> {
        if let Some(endpoint) = &options.endpoint {
            check_endpoint(endpoint)?;
        }
        let limit = options.limits.attempt_timeout;
        let service = Self {
            endpoint: options.endpoint.clone(),
            timeouts: TimeoutConfig::builder()
                .connect_timeout(limit)
                .operation_attempt_timeout(limit)
                .operation_timeout(limit)
                .build(),
            http: http_client(options)?,
            identity: options.identity.clone(),
            regions: Mutex::default(),
        };
        // What is wrong with the identity shows here, not at the first envelope.
        service.provider("us-east-1")?;
        Ok(service)
    }

    fn provider(&self, region: &str) -> Result<SharedCredentialsProvider, ConnectError> {
        let config = ProviderConfig::without_region()
            .with_region(Some(Region::new(region.to_owned())))
            .with_http_client(self.http.clone())
            .with_retry_config(RetryConfig::disabled())
            .with_timeout_config(self.timeouts.clone());
        provider(&self.identity, &config)
    }

    fn client(&self, key: &AwsKey) -> Result<Client, ConnectError> {
        let mut regions = lock(&self.regions);
        if let Some(client) = regions.get(key.region()) {
            return Ok(client.clone());
        }
        let mut config = aws_sdk_kms::Config::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new(key.region().to_owned()))
            .http_client(self.http.clone())
            .retry_config(RetryConfig::disabled())
            .timeout_config(self.timeouts.clone())
            .credentials_provider(self.provider(key.region())?);
        if let Some(endpoint) = &self.endpoint {
            config = config.endpoint_url(endpoint);
        }
        let client = Client::from_conf(config.build());
        regions.insert(key.region().to_owned(), client.clone());
        Ok(client)
    }
}

#[async_trait]
impl KeyService for Aws {
    async fn unwrapper(
        &self,
        uri: &KeyUri,
        recipient: &RecipientKey,
    ) -> Result<Arc<dyn KeyUnwrap>, ConnectError> {
        let key = aws_key(uri)?;
        let algorithm = SUPPORTED.native_name(uri, recipient)?;
        Ok(Arc::new(AwsUnwrapper {
            client: self.client(key)?,
            arn: key.arn().to_owned(),
            algorithm,
            recipient: recipient.clone(),
        }))
    }

    async fn public_key(
        &self,
        uri: &KeyUri,
        algorithm: Option<KeyManagement>,
        deadline: Instant,
    ) -> Result<RecipientKey, UnwrapError> {
        let misconfigured =
            |error: ConnectError| UnwrapError::new(Category::Misconfigured, error.to_string());
        let key = aws_key(uri).map_err(misconfigured)?;
        let client = self.client(key).map_err(misconfigured)?;
        let what = what(key.arn());
        let call = async {
            let sent = client.get_public_key().key_id(key.arn()).send();
            sent.await.map_err(|error| failed(&error, &what))
        };
        let answer = answer_by(deadline, &what, call).await?;
        if answer.key_id() != Some(key.arn()) {
            return Err(other(&what, "key"));
        }
        let usable = matches!(
            answer.key_usage(),
            Some(KeyUsageType::EncryptDecrypt | KeyUsageType::KeyAgreement)
        );
        if !usable {
            return Err(UnwrapError::new(
                Category::Misconfigured,
                format!(
                    "AWS KMS reports that {what} cannot decrypt and cannot agree; \
                     create a key with --key-usage ENCRYPT_DECRYPT or KEY_AGREEMENT"
                ),
            ));
        }
        let der = answer.public_key().map(Blob::as_ref).unwrap_or_default();
        RecipientKey::from_spki_der(der, algorithm).map_err(|error| {
            UnwrapError::new(
                Category::Misconfigured,
                format!("the public key of {what} cannot be used"),
            )
            .with_source(error)
        })
    }
}

impl fmt::Debug for Aws {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Aws")
            .field("endpoint", &self.endpoint)
            .field("identity", &self.identity)
            .finish_non_exhaustive()
    }
}

/// One key.
struct AwsUnwrapper {
    client: Client,
    arn: String,
    /// As AWS calls the padding; keys that agree have none.
    algorithm: Option<&'static EncryptionAlgorithmSpec>,
    recipient: RecipientKey,
}

impl AwsUnwrapper {
    async fn decrypt(
        &self,
        ciphertext: &[u8],
        algorithm: &EncryptionAlgorithmSpec,
    ) -> Result<SecretBytes, UnwrapError> {
        let what = what(&self.arn);
        let answer = self
            .client
            .decrypt()
            .key_id(&self.arn)
            .encryption_algorithm(algorithm.clone())
            .ciphertext_blob(Blob::new(ciphertext))
            .send()
            .await
            .map_err(|error| failed(&error, &what))?;
        if answer.key_id() != Some(&self.arn) {
            return Err(other(&what, "key"));
        }
        if answer.encryption_algorithm() != Some(algorithm) {
            return Err(other(&what, "algorithm"));
        }
        let secret = answer.plaintext.map(Blob::into_inner).map(SecretBytes::new);
        // OAEP leaves less room than the modulus; a longer answer is not a decryption.
        secret
            .filter(|secret| (1..ciphertext.len()).contains(&secret.expose().len()))
            .ok_or_else(|| other(&what, "length"))
    }

    async fn agree(&self, public: Vec<u8>) -> Result<SecretBytes, UnwrapError> {
        let what = what(&self.arn);
        let answer = self
            .client
            .derive_shared_secret()
            .key_id(&self.arn)
            .key_agreement_algorithm(KeyAgreementAlgorithmSpec::Ecdh)
            .public_key(Blob::new(public))
            .send()
            .await
            .map_err(|error| failed(&error, &what))?;
        if answer.key_id() != Some(&self.arn) {
            return Err(other(&what, "key"));
        }
        if answer.key_agreement_algorithm() != Some(&KeyAgreementAlgorithmSpec::Ecdh) {
            return Err(other(&what, "algorithm"));
        }
        let length = self
            .recipient
            .curve()
            .map(jwe_envelope::Curve::coordinate_len);
        let secret = answer
            .shared_secret
            .map(Blob::into_inner)
            .map(SecretBytes::new);
        secret
            .filter(|secret| Some(secret.expose().len()) == length)
            .ok_or_else(|| other(&what, "length"))
    }
}

#[async_trait]
impl KeyUnwrap for AwsUnwrapper {
    async fn unwrap_key(
        &self,
        request: &UnwrapRequest<'_>,
        deadline: Instant,
    ) -> Result<SecretBytes, UnwrapError> {
        let call = async {
            match (check_request(request, &self.recipient)?, self.algorithm) {
                (CheckedRequest::Decrypt(ciphertext), Some(algorithm)) => {
                    self.decrypt(ciphertext, algorithm).await
                }
                (CheckedRequest::Agree(ephemeral), None) => {
                    self.agree(ephemeral.to_spki_der()).await
                }
                _ => Err(UnwrapError::new(
                    Category::Misconfigured,
                    "the request does not fit the key",
                )),
            }
        };
        answer_by(deadline, &what(&self.arn), call).await
    }
}

impl fmt::Debug for AwsUnwrapper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AwsKms").field(&self.arn).finish()
    }
}

fn aws_key(uri: &KeyUri) -> Result<&AwsKey, ConnectError> {
    match uri.target() {
        Target::Aws(key) => Ok(key),
        _ => Err(settings(format!("{uri} is not a key of AWS KMS"))),
    }
}

fn http_client(options: &AwsOptions) -> Result<SharedHttpClient, ConnectError> {
    let mut trust = tls::TrustStore::default();
    if let Some(file) = &options.ca_file {
        let unusable = |why: &dyn fmt::Display| {
            settings(format!(
                "the authorities in {} cannot be used: {why}",
                file.display()
            ))
        };
        let pem = read_ca(file).map_err(|error| unusable(&error))?;
        if !pem
            .windows(27)
            .any(|part| part == b"-----BEGIN CERTIFICATE-----")
        {
            return Err(unusable(&"it contains no PEM certificate"));
        }
        trust = tls::TrustStore::empty().with_pem_certificate(pem);
    }
    let context = tls::TlsContext::builder()
        .with_trust_store(trust)
        .build()
        .map_err(|error| settings(format!("the HTTP client cannot be created: {error}")))?;
    Ok(aws_smithy_http_client::Builder::new()
        .tls_provider(tls::Provider::Rustls(
            tls::rustls_provider::CryptoMode::AwsLc,
        ))
        .tls_context(context)
        .build_https())
}

/// `https://host…`, or `http://` on this machine.
fn check_endpoint(text: &str) -> Result<(), ConnectError> {
    let wrong = || {
        settings(format!(
            "the endpoint {:?} is invalid; write `https://kms.eu-central-1.amazonaws.com`",
            crate::key_uri::cut(text)
        ))
    };
    let (scheme, rest) = text.split_once("://").ok_or_else(wrong)?;
    let host = rest.split('/').next().unwrap_or_default();
    if host.is_empty() || host.contains('@') || text.contains(['?', '#', ' ']) {
        return Err(wrong());
    }
    let name = host
        .strip_prefix('[')
        .and_then(|rest| rest.split(']').next());
    let name = name.unwrap_or_else(|| host.split(':').next().unwrap_or_default());
    let here = name == "localhost" || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    match scheme {
        "https" => Ok(()),
        "http" if here => Ok(()),
        "http" => Err(settings(
            "plain http would show content keys to the network; write `https://`",
        )),
        _ => Err(wrong()),
    }
}

fn what(arn: &str) -> String {
    format!("`{arn}`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_is_for_this_machine_alone() {
        for text in [
            "http://127.0.0.1:4566",
            "http://localhost:1/",
            "http://[::1]:4566",
            "https://kms.example/x",
        ] {
            check_endpoint(text).unwrap();
        }
        for text in [
            "http://kms.example",
            "http://127.0.0.1.example",
            "https://a@b",
            "kms",
            "ftp://x",
            "https://",
        ] {
            check_endpoint(text).unwrap_err();
        }
    }
}
