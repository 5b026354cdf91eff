//! Where the API server is, whom to trust, and how to sign in.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use http::{HeaderValue, Uri};
use kube_client::Config;
use kube_client::config::InClusterError;
use zeroize::Zeroizing;

/// More than any certificate, token or kubeconfig needs.
const MAX_FILE: u64 = 1 << 20;

/// How to reach the API server. Files are read at every connection or request, because the kubelet renews them.
#[derive(Clone)]
pub struct Access {
    /// `https://`, a host and perhaps a port.
    pub(super) server: Uri,
    pub(super) authority: Material,
    pub(super) identity: Identity,
    /// The name that its certificate must carry, where it is not the host.
    pub(super) server_name: Option<String>,
}

/// PEM or a token, in a file or as it is in a kubeconfig.
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
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AccessError {
    /// The file cannot be read.
    #[error("{} cannot be read", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Arc<std::io::Error>,
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
    /// In a pod whose service account is not mounted as it should be.
    #[error("the pod's service account cannot be used")]
    ServiceAccount(#[from] Arc<InClusterError>),
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
    /// When this is no pod, or one without a service account.
    pub fn in_cluster() -> Result<Self, AccessError> {
        let config = Config::incluster().map_err(|error| match error {
            InClusterError::ReadEnvironmentVariable(_) => AccessError::NoPod,
            other => AccessError::ServiceAccount(Arc::new(other)),
        })?;
        let authority = config.root_cert_file.ok_or(AccessError::NoPod)?;
        let token = config.auth_info.token_file.ok_or(AccessError::NoPod)?;
        Ok(Self {
            server: config.cluster_url,
            authority: Material::File(authority),
            identity: Identity::Token(Material::File(token.into())),
            server_name: None,
        })
    }

    /// `host:port`.
    pub fn host(&self) -> String {
        let host = self.server.host().unwrap_or_default();
        format!("{host}:{}", self.port())
    }

    pub(super) fn port(&self) -> u16 {
        self.server.port_u16().unwrap_or(443)
    }

    /// The `Authorization` header of one request, from the token as it is now.
    ///
    /// The kube crates' own layer keeps a token for up to a minute after its file has changed, and does not accept
    /// the newline at a file's end that kubectl accepts.
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
    pub(super) fn read(&self) -> Result<Zeroizing<Vec<u8>>, AccessError> {
        match self {
            Self::File(path) => read(path),
            Self::Given(bytes) => Ok(bytes.clone()),
        }
    }
}

pub(super) fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, AccessError> {
    let unreadable = |source| AccessError::Read {
        path: path.to_owned(),
        source: Arc::new(source),
    };
    let file = File::open(path).map_err(unreadable)?;
    let len = file.metadata().map_err(unreadable)?.len().min(MAX_FILE);
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(len).unwrap_or(0) + 1));
    file.take(MAX_FILE)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    Ok(bytes)
}
