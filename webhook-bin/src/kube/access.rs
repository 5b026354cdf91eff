//! Where the API server is, whom to trust, and how to sign in: from the pod, or from a kubeconfig.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use http::HeaderValue;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use zeroize::Zeroizing;

use super::kubeconfig;

const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// More than any certificate, token or kubeconfig needs.
const MAX_FILE: u64 = 1 << 20;

/// How to reach the API server. Files are read at every connection or question, because the kubelet renews them.
#[derive(Clone)]
pub struct Access {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) authority: Material,
    pub(super) identity: Identity,
    /// The name that its certificate must carry, where it is not the host.
    pub(super) server_name: Option<String>,
}

/// PEM in a file, or as it stands in a kubeconfig.
#[derive(Clone)]
pub(super) enum Material {
    File(PathBuf),
    Given(Zeroizing<Vec<u8>>),
}

/// How to sign in.
#[derive(Clone)]
pub(super) enum Identity {
    Certificate { chain: Material, key: Material },
    Token(Material),
}

/// Why there is no way to the API server.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AccessError {
    /// The file cannot be read.
    #[error("{} cannot be read", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The kubeconfig does not say what is needed, or says what is not supported.
    #[error("{}: {message}", .path.display())]
    Kubeconfig {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
    /// Not in a pod, and no kubeconfig is named.
    #[error(
        "KUBERNETES_SERVICE_HOST is not set, so this is no pod; name a kubeconfig in the configuration"
    )]
    NoPod,
    /// A certificate or key is of no use.
    #[error("{0}")]
    Material(&'static str),
    /// TLS refuses the material.
    #[error("TLS refuses the material")]
    Tls(#[from] rustls::Error),
}

impl Access {
    /// As a pod does it: the service account's token, and the authority beside it.
    ///
    /// # Errors
    /// When this is no pod.
    pub fn in_cluster() -> Result<Self, AccessError> {
        let host = std::env::var("KUBERNETES_SERVICE_HOST").map_err(|_| AccessError::NoPod)?;
        let port = std::env::var("KUBERNETES_SERVICE_PORT")
            .ok()
            .and_then(|port| port.parse().ok())
            .unwrap_or(443);
        let file = |name: &str| Material::File(Path::new(SERVICE_ACCOUNT).join(name));
        Ok(Self {
            host,
            port,
            authority: file("ca.crt"),
            identity: Identity::Token(file("token")),
            server_name: None,
        })
    }

    /// As the current context of a kubeconfig says. Programs that make credentials are not run.
    ///
    /// # Errors
    /// When the file does not say enough, or asks for what is not supported.
    pub fn from_kubeconfig(path: &Path) -> Result<Self, AccessError> {
        let text = read(path)?;
        kubeconfig::parse(path, &text)
    }

    /// `host:port`, as the `Host` header has it.
    pub fn host(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    /// The configuration of one connection, from the files as they are now.
    pub(super) fn tls(&self) -> Result<(Arc<ClientConfig>, ServerName<'static>), AccessError> {
        let mut roots = RootCertStore::empty();
        let pem = self.authority.read()?;
        for authority in CertificateDer::pem_slice_iter(&pem) {
            let authority = authority
                .map_err(|_| AccessError::Material("the API server's authority is damaged"))?;
            roots.add(authority)?;
        }
        if roots.is_empty() {
            return Err(AccessError::Material("the API server's authority is empty"));
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_root_certificates(roots);
        let mut config = match &self.identity {
            Identity::Token(_) => builder.with_no_client_auth(),
            Identity::Certificate { chain, key } => {
                let chain = CertificateDer::pem_slice_iter(&chain.read()?)
                    .collect::<Result<Vec<_>, _>>()
                    .map_err(|_| AccessError::Material("the client certificate is damaged"))?;
                let key = PrivateKeyDer::from_pem_slice(&key.read()?)
                    .map_err(|_| AccessError::Material("the client key is damaged"))?;
                builder.with_client_auth_cert(chain, key)?
            }
        };
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let name = self.server_name.as_deref().unwrap_or(&self.host);
        let name = ServerName::try_from(name.to_owned())
            .map_err(|_| AccessError::Material("the API server's name is no name"))?;
        Ok((Arc::new(config), name))
    }

    /// The `Authorization` header of one question.
    pub(super) fn authorization(&self) -> Result<Option<HeaderValue>, AccessError> {
        let Identity::Token(token) = &self.identity else {
            return Ok(None);
        };
        let token = token.read()?;
        let mut header = Zeroizing::new(b"Bearer ".to_vec());
        header.extend_from_slice(token.trim_ascii());
        let mut value = HeaderValue::from_bytes(&header)
            .map_err(|_| AccessError::Material("the token is no token"))?;
        value.set_sensitive(true);
        Ok(Some(value))
    }
}

impl std::fmt::Debug for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Access").field(&self.host()).finish()
    }
}

impl Material {
    fn read(&self) -> Result<Zeroizing<Vec<u8>>, AccessError> {
        match self {
            Self::File(path) => read(path),
            Self::Given(bytes) => Ok(bytes.clone()),
        }
    }
}

fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, AccessError> {
    let unreadable = |source| AccessError::Read {
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(unreadable)?;
    let len = file.metadata().map_err(unreadable)?.len().min(MAX_FILE);
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(len).unwrap_or(0) + 1));
    file.take(MAX_FILE)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    Ok(bytes)
}
