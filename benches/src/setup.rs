//! A folder with everything that a webhook needs: certificates, keys, a configuration.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result};
use jwe_envelope::{KeyKind, LocalKey};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// A temporary folder with a server certificate, a client certificate, one key and a configuration.
pub struct Setup {
    folder: tempfile::TempDir,
    /// The key that reviews are sealed for.
    pub key: LocalKey,
}

impl Setup {
    /// Makes the folder; `port` goes into the configuration.
    pub fn new(kind: KeyKind, port: u16) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let key = LocalKey::generate(kind)?;
        let at = |name: &str| folder.path().join(name);

        let mut ca = rcgen::CertificateParams::new(Vec::new())?;
        ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        ca.distinguished_name
            .push(rcgen::DnType::CommonName, "measurement CA");
        let ca_key = rcgen::KeyPair::generate()?;
        let ca_certificate = ca.self_signed(&ca_key)?;
        let issuer = rcgen::Issuer::new(ca, ca_key);
        fs::write(at("ca.crt"), ca_certificate.pem())?;
        for (name, usage) in [
            ("localhost", rcgen::ExtendedKeyUsagePurpose::ServerAuth),
            ("kube-apiserver", rcgen::ExtendedKeyUsagePurpose::ClientAuth),
        ] {
            let mut params = rcgen::CertificateParams::new(vec![name.to_owned()])?;
            params
                .distinguished_name
                .push(rcgen::DnType::CommonName, name);
            params.extended_key_usages = vec![usage];
            let leaf_key = rcgen::KeyPair::generate()?;
            fs::write(
                at(&format!("{name}.crt")),
                params.signed_by(&leaf_key, &issuer)?.pem(),
            )?;
            private(
                &at(&format!("{name}.key")),
                leaf_key.serialize_pem().as_bytes(),
            )?;
        }
        private(&at("payments.pem"), key.to_pkcs8_pem().as_bytes())?;
        fs::write(at("payments.pub.pem"), key.recipient().to_pem())?;
        fs::write(
            at("webhook.yaml"),
            format!(
                "version: 1\nlisten: 127.0.0.1:{port}\nhealth: {{ listen: 127.0.0.1:{} }}\n\
                 tls: {{ certificate: localhost.crt, privateKey: localhost.key }}\n\
                 callers: {{ mtls: {{ clientCa: ca.crt, allowedNames: [kube-apiserver] }} }}\n\
                 keys:\n  - name: payments\n    publicKey: payments.pub.pem\n    namespaces: [payments]\n    unwrap: [\"file:payments.pem\"]\n",
                port + 1
            ),
        )?;
        Ok(Self { folder, key })
    }

    /// A file of the folder.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// From now on the webhook takes callers by their coming from this host: for a generator without a client certificate.
    pub fn admit_this_host(&self) -> Result<()> {
        let text = fs::read_to_string(self.file("webhook.yaml"))?;
        let lines = text.lines().map(|line| {
            if line.starts_with("callers:") {
                "callers: { loopback: {} }"
            } else {
                line
            }
        });
        fs::write(
            self.file("webhook.yaml"),
            lines.collect::<Vec<_>>().join("\n"),
        )?;
        Ok(())
    }

    /// What a client needs to connect as the API server does.
    pub fn client_config(&self) -> Result<Arc<rustls::ClientConfig>> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(self.file("ca.crt"))?)?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        Ok(Arc::new(
            rustls::ClientConfig::builder_with_provider(provider)
                .with_protocol_versions(&[&rustls::version::TLS13])?
                .with_root_certificates(roots)
                .with_client_auth_cert(
                    vec![CertificateDer::from_pem_file(
                        self.file("kube-apiserver.crt"),
                    )?],
                    PrivateKeyDer::from_pem_file(self.file("kube-apiserver.key"))?,
                )?,
        ))
    }

    /// The same TLS as the webhook's: 1.3, a client certificate asked for.
    pub fn server_config(folder: &Path) -> Result<Arc<rustls::ServerConfig>> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(folder.join("ca.crt"))?)?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier = rustls::server::WebPkiClientVerifier::builder_with_provider(
            Arc::new(roots),
            Arc::clone(&provider),
        )
        // A load generator that has no client certificate may measure the limit, too.
        .allow_unauthenticated()
        .build()?;
        Ok(Arc::new(
            rustls::ServerConfig::builder_with_provider(provider)
                .with_protocol_versions(&[&rustls::version::TLS13])?
                .with_client_cert_verifier(verifier)
                .with_single_cert(
                    vec![CertificateDer::from_pem_file(folder.join("localhost.crt"))?],
                    PrivateKeyDer::from_pem_file(folder.join("localhost.key"))?,
                )?,
        ))
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

fn private(path: &Path, bytes: &[u8]) -> Result<()> {
    fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| file.write_all(bytes))
        .with_context(|| format!("cannot write {}", path.display()))
}
