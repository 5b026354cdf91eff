//! The server's certificate and the clients' authority: read from files, watched by content, replaced
//! in place.
//!
//! Files are polled, not watched: the kubelet swaps a symlink two folders up, and a watch on the file
//! itself sees nothing of that. A new pair that is damaged, expired or does not belong together leaves
//! the old one in service.

use std::hash::{BuildHasher, RandomState};

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::SystemTime;

use kms_backends::read_file_bounded;
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{InconsistentKeys, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use zeroize::Zeroizing;

use crate::net::certificate::CertificateFacts;

/// More than any chain or bundle of authorities needs.
const MAX_FILE: usize = 1 << 20;

/// Where the server's TLS material lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate chain, PEM, the server's own certificate first.
    pub certificate: PathBuf,
    /// Its private key, PEM.
    pub private_key: PathBuf,
    /// The authorities of client certificates, PEM; present when callers prove themselves by one.
    pub client_ca: Option<PathBuf>,
}

/// Why TLS material was not taken into service.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// The certificate's validity does not include this moment.
    #[error("the certificate in {} is not valid at this time", .0.display())]
    NotValid(PathBuf),
    /// No certificate, or a damaged one.
    #[error("{} holds no readable PEM certificate", .0.display())]
    NoCertificate(PathBuf),
    /// No private key, or one of a kind that TLS cannot use.
    #[error("{} holds no private key that TLS can use", .0.display())]
    NoPrivateKey(PathBuf),
    /// The private key is not the certificate's.
    #[error("the private key in {} does not belong to the certificate in {}", .key.display(), .certificate.display())]
    NoPair {
        /// The certificate's file.
        certificate: PathBuf,
        /// The private key's file.
        key: PathBuf,
    },
    /// The file cannot be read.
    #[error("{} cannot be read", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// TLS itself refuses the material.
    #[error("TLS refuses {}", .path.display())]
    Refused {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The file is longer than any certificate file is.
    #[error("{} is longer than {MAX_FILE} bytes", .0.display())]
    TooLong(PathBuf),
}

impl TlsError {
    /// The file that is at fault.
    pub fn path(&self) -> &Path {
        match self {
            Self::NoPair { key, .. } => key,
            Self::NotValid(path)
            | Self::NoCertificate(path)
            | Self::NoPrivateKey(path)
            | Self::Read { path, .. }
            | Self::Refused { path, .. }
            | Self::TooLong(path) => path,
        }
    }
}

/// The client authorities of one moment.
#[derive(Debug)]
pub struct Trust {
    pub(crate) verifier: Arc<dyn ClientCertVerifier>,
    pub(crate) generation: u64,
}

/// What one handshake uses.
#[derive(Clone, Debug)]
pub struct HandshakeMaterial {
    /// The configuration for rustls.
    pub config: Arc<ServerConfig>,
    /// Who vouches for clients.
    pub trust: Arc<Trust>,
    /// The server certificate's names and validity.
    pub facts: Arc<CertificateFacts>,
}

/// What a look at the files found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reload {
    /// The same bytes as before.
    Unchanged,
    /// New material, in service from now on.
    Replaced,
}

/// The material in service, and the files that it comes from.
#[derive(Debug)]
pub struct TlsStore {
    files: TlsFiles,
    provider: Arc<CryptoProvider>,
    hasher: RandomState,
    current: RwLock<Current>,
    generation: AtomicU64,
    /// The authorities of client certificates, PEM, where they come from elsewhere than a file.
    given: RwLock<Option<Vec<u8>>>,
}

#[derive(Debug)]
struct Current {
    material: HandshakeMaterial,
    seen: Seen,
}

/// Hashes of the files' contents, under a key of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seen {
    pair: u64,
    client_ca: u64,
}

struct Contents {
    certificate: Vec<u8>,
    private_key: Zeroizing<Vec<u8>>,
    client_ca: Option<Vec<u8>>,
}

impl TlsStore {
    /// Reads the files for the first time.
    ///
    /// # Errors
    /// When they cannot be served with.
    pub fn open(files: TlsFiles) -> Result<Self, TlsError> {
        Self::open_given(files, None)
    }

    /// The same, with authorities of client certificates that do not lie in a file: `origin` names them in errors.
    ///
    /// # Errors
    /// When they cannot be served with.
    pub fn open_with_client_ca(
        mut files: TlsFiles,
        pem: &[u8],
        origin: &str,
    ) -> Result<Self, TlsError> {
        files.client_ca = Some(PathBuf::from(origin));
        Self::open_given(files, Some(pem.to_vec()))
    }

    fn open_given(files: TlsFiles, given: Option<Vec<u8>>) -> Result<Self, TlsError> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let hasher = RandomState::new();
        let contents = Contents::read(&files, given.as_deref())?;
        let seen = contents.seen(&hasher);
        let trust = Arc::new(Trust {
            verifier: client_verifier(&files, contents.client_ca.as_deref(), &provider)?,
            generation: 0,
        });
        let material = contents.into_material(&files, &provider, trust)?;
        Ok(Self {
            files,
            provider,
            hasher,
            current: RwLock::new(Current { material, seen }),
            generation: AtomicU64::new(0),
            given: RwLock::new(given),
        })
    }

    /// Takes other authorities of client certificates into service, in place of those that were given before. On
    /// any fault the old ones stay.
    ///
    /// # Errors
    /// What is wrong with them, or with the files beside them.
    pub fn set_client_ca(&self, pem: &[u8]) -> Result<(), TlsError> {
        let mut given = self.given.write().unwrap_or_else(PoisonError::into_inner);
        self.reload_with(Some(pem))?;
        *given = Some(pem.to_vec());
        Ok(())
    }

    /// What the next handshake uses.
    pub fn material(&self) -> HandshakeMaterial {
        self.current
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .material
            .clone()
    }

    /// Grows whenever the client authorities change.
    pub fn trust_generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Whether the server certificate is valid at `now`.
    pub fn is_valid_at(&self, now: SystemTime) -> bool {
        self.current
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .material
            .facts
            .is_valid_at(now)
    }

    /// Looks at the files and takes new content into service. On any fault the old material stays.
    ///
    /// # Errors
    /// What is wrong with the new content.
    pub fn reload(&self) -> Result<Reload, TlsError> {
        let given = self.given.read().unwrap_or_else(PoisonError::into_inner);
        self.reload_with(given.as_deref())
    }

    fn reload_with(&self, given: Option<&[u8]>) -> Result<Reload, TlsError> {
        let contents = Contents::read(&self.files, given)?;
        let seen = contents.seen(&self.hasher);
        let (before, old_trust) = {
            let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
            (current.seen, Arc::clone(&current.material.trust))
        };
        if seen == before {
            return Ok(Reload::Unchanged);
        }
        let trust = if seen.client_ca == before.client_ca {
            old_trust
        } else {
            Arc::new(Trust {
                verifier: client_verifier(
                    &self.files,
                    contents.client_ca.as_deref(),
                    &self.provider,
                )?,
                generation: old_trust.generation + 1,
            })
        };
        let generation = trust.generation;
        let material = contents.into_material(&self.files, &self.provider, trust)?;
        if !material.facts.is_valid_at(SystemTime::now()) {
            return Err(TlsError::NotValid(self.files.certificate.clone()));
        }
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Current { material, seen };
        // After the material: anyone who sees the new number finds the new authorities.
        self.generation.store(generation, Ordering::Release);
        Ok(Reload::Replaced)
    }
}

impl Contents {
    fn read(files: &TlsFiles, given: Option<&[u8]>) -> Result<Self, TlsError> {
        Ok(Self {
            certificate: read_file(&files.certificate)?.to_vec(),
            private_key: read_file(&files.private_key)?,
            client_ca: match given {
                Some(pem) => Some(pem.to_vec()),
                None => match &files.client_ca {
                    Some(file) => Some(read_file(file)?.to_vec()),
                    None => None,
                },
            },
        })
    }

    fn seen(&self, hasher: &RandomState) -> Seen {
        Seen {
            pair: hasher.hash_one((&self.certificate, &*self.private_key)),
            client_ca: hasher.hash_one(&self.client_ca),
        }
    }

    fn into_material(
        self,
        files: &TlsFiles,
        provider: &Arc<CryptoProvider>,
        trust: Arc<Trust>,
    ) -> Result<HandshakeMaterial, TlsError> {
        let no_certificate = || TlsError::NoCertificate(files.certificate.clone());
        let chain = certificates(&self.certificate)
            .filter(|chain| !chain.is_empty())
            .ok_or_else(no_certificate)?;
        let facts = CertificateFacts::read(&chain[0]).map_err(|_| no_certificate())?;
        let key = PrivateKeyDer::from_pem_slice(&self.private_key)
            .ok()
            .and_then(|der| provider.key_provider.load_private_key(der).ok())
            .ok_or_else(|| TlsError::NoPrivateKey(files.private_key.clone()))?;
        let certified = CertifiedKey::new(chain, key);
        match certified.keys_match() {
            Ok(()) | Err(rustls::Error::InconsistentKeys(InconsistentKeys::Unknown)) => {}
            Err(rustls::Error::InconsistentKeys(_)) => {
                return Err(TlsError::NoPair {
                    certificate: files.certificate.clone(),
                    key: files.private_key.clone(),
                });
            }
            Err(source) => {
                return Err(TlsError::Refused {
                    path: files.certificate.clone(),
                    source: source.into(),
                });
            }
        }
        let mut config = ServerConfig::builder_with_provider(Arc::clone(provider))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(|source| TlsError::Refused {
                path: files.certificate.clone(),
                source: source.into(),
            })?
            .with_client_cert_verifier(Arc::clone(&trust.verifier))
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        // The API server keeps no session cache, so tickets would only cost it and us bytes; and without
        // resumption every connection proves its client certificate again.
        config.send_tls13_tickets = 0;
        config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
        Ok(HandshakeMaterial {
            config: Arc::new(config),
            trust,
            facts: Arc::new(facts),
        })
    }
}

fn client_verifier(
    files: &TlsFiles,
    pem: Option<&[u8]>,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let (Some(pem), Some(path)) = (pem, &files.client_ca) else {
        return Ok(WebPkiClientVerifier::no_client_auth());
    };
    let refused = |source: Box<dyn std::error::Error + Send + Sync>| TlsError::Refused {
        path: path.clone(),
        source,
    };
    let authorities = certificates(pem)
        .filter(|authorities| !authorities.is_empty())
        .ok_or_else(|| TlsError::NoCertificate(path.clone()))?;
    let mut roots = RootCertStore::empty();
    for authority in authorities {
        roots
            .add(authority)
            .map_err(|source| refused(source.into()))?;
    }
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
            .build()
            .map_err(|source| refused(source.into()))?;
    Ok(verifier)
}

/// All certificates of a PEM text; `None` when one of them is damaged.
fn certificates(pem: &[u8]) -> Option<Vec<CertificateDer<'static>>> {
    CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .ok()
}

fn read_file(path: &Path) -> Result<Zeroizing<Vec<u8>>, TlsError> {
    let unreadable = |source| TlsError::Read {
        path: path.to_owned(),
        source,
    };
    read_file_bounded(path, MAX_FILE)
        .map_err(unreadable)?
        .ok_or_else(|| TlsError::TooLong(path.to_owned()))
}
