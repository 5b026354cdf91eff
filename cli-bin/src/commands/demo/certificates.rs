//! Certificates for one run: an authority, the webhook, the API server and a stranger.
use std::path::Path;
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use super::files;

/// The name under which the API server calls a webhook Service, and which the webhook's certificate carries.
pub(super) const SERVER_NAME: &str = "privy-webhook.privy-seal.svc";

/// Long enough for someone who looks around in a kept folder, no longer.
const LIFETIME: Duration = Duration::from_hours(24);
const CLOCK_SKEW: Duration = Duration::from_mins(5);

/// A certificate authority that lives as long as the demo.
pub(super) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// What a caller presents.
pub(super) struct CallerIdentity {
    /// The certificate.
    pub(super) certificate: CertificateDer<'static>,
    key: Vec<u8>,
}

impl CallerIdentity {
    /// The private key in the form that TLS wants.
    pub(super) fn key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.key.clone()))
    }
}

impl Authority {
    /// Makes an authority of this name.
    pub(super) fn new(name: &str) -> anyhow::Result<Self> {
        let mut params = params(name, &[])?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate()?)
            .context("failed to make the demo's certificate authority")?;
        Ok(Self { issuer })
    }

    /// The authority's own certificate.
    pub(super) fn certificate(&self) -> CertificateDer<'static> {
        self.issuer.der().clone()
    }

    /// Writes the authority's certificate, which is public.
    pub(super) fn write(&self, path: &Path) -> anyhow::Result<()> {
        files::write(path, self.issuer.pem())
    }

    /// Writes the webhook's certificate, and its key readable by the owner only.
    pub(super) fn write_server(&self, certificate: &Path, key: &Path) -> anyhow::Result<()> {
        let pair = KeyPair::generate()?;
        let mut params = params("privy-webhook", &[SERVER_NAME, "127.0.0.1"])?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let issued = params.signed_by(&pair, &self.issuer)?;
        files::write(certificate, issued.pem())?;
        files::write_private(key, pair.serialize_pem())
    }

    /// Issues a client certificate.
    pub(super) fn client(&self, name: &str) -> anyhow::Result<CallerIdentity> {
        let pair = KeyPair::generate()?;
        let mut params = params(name, &[])?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let issued = params.signed_by(&pair, &self.issuer)?;
        Ok(CallerIdentity {
            certificate: issued.der().clone(),
            key: pair.serialize_der(),
        })
    }
}

/// An unsigned certificate together with its key, as text: the value of one of the custodian's fields.
pub(super) fn certificate_and_key_pem() -> anyhow::Result<String> {
    let pair = KeyPair::generate()?;
    let certificate = params("orders.example", &["orders.example"])?.self_signed(&pair)?;
    Ok(format!("{}{}", certificate.pem(), pair.serialize_pem()).replace("\r\n", "\n"))
}

fn params(name: &str, alternatives: &[&str]) -> anyhow::Result<CertificateParams> {
    let alternatives: Vec<String> = alternatives.iter().map(ToString::to_string).collect();
    let mut params = CertificateParams::new(alternatives)?;
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = (SystemTime::now() - CLOCK_SKEW).into();
    params.not_after = (SystemTime::now() + LIFETIME).into();
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    Ok(params)
}
