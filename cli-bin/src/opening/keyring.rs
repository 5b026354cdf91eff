//! Private keys that `--key` names, behind the registry that the webhook uses.
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::anyhow;
use jwe_envelope::{KeyError, LocalKey};
use kms_backends::layer::{Observe, Quota, RateLimit, TokenBucket};
use kms_backends::local::LocalBackend;
use kms_backends::{Category, Connector, KeyEntry, KeyUri, NamespaceSet, Observer, Registry};
use tokio::time::Instant;

use crate::failure::Failure;
use crate::io::{Io, files};
use crate::keys::services;
use crate::keys::{KEY_FILE_LIMIT, is_private, other_form};
use crate::text::Shown as _;

/// How keys may be used.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    /// Whether envelopes open that say nothing of where they belong.
    pub allow_unbound: bool,
    /// Calls of key services in a second; what suits the service, if no one says.
    pub calls_per_second: Option<NonZeroU32>,
}

/// Keys, and the count of what they were asked.
#[derive(Debug)]
pub struct Keyring {
    registry: Registry,
    count: Arc<Count>,
    remote: bool,
}

#[derive(Debug, Default)]
struct Count(AtomicU64);

impl Observer for Count {
    fn unwrapped(&self, _: &str, _: Result<(), Category>, _: Duration) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Keyring {
    /// Reads every key: a file, or the reference of a key service.
    ///
    /// # Errors
    /// Exit 2 when one is no private key, or two of them answer to one name.
    pub async fn read(keys: &[PathBuf], usage: Usage, io: &mut Io<'_>) -> Result<Self, Failure> {
        let count = Arc::new(Count::default());
        let maker = Maker {
            allow_unbound: usage.allow_unbound,
            alone: keys.len() == 1,
            count: Arc::clone(&count) as Arc<dyn Observer>,
            bucket: usage
                .calls_per_second
                .map(|calls| Arc::new(TokenBucket::new(Quota::per_second(calls)))),
        };
        let mut builder = Registry::builder();
        let mut connector = None;
        for path in keys {
            let Some(uri) = services::reference(path)? else {
                builder = builder.key(maker.local(path, io)?);
                continue;
            };
            let connector = match &mut connector {
                Some(connector) => connector,
                none => none.insert(services::connector()?),
            };
            for entry in maker.remote(connector, &uri).await? {
                builder = builder.key(entry);
            }
        }
        let registry = builder.build().map_err(|error| {
            Failure::usage(anyhow::Error::new(error).context("the keys do not fit together"))
                .hint("give each key once, and keys of one `kid` in separate calls")
        })?;
        Ok(Self {
            registry,
            count,
            remote: connector.is_some(),
        })
    }

    /// The keys.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// How many private-key operations there were.
    pub fn unwraps(&self) -> u64 {
        self.count.0.load(Ordering::Relaxed)
    }

    /// Whether a key service holds one of the keys.
    pub fn is_remote(&self) -> bool {
        self.remote
    }
}

/// What the entries of one keyring have in common.
struct Maker {
    allow_unbound: bool,
    /// Whether only one key was named: it is tried for envelopes that name none.
    alone: bool,
    count: Arc<dyn Observer>,
    bucket: Option<Arc<TokenBucket>>,
}

impl Maker {
    /// One entry for each version that the key service decrypts with.
    async fn remote(&self, connector: &Connector, uri: &KeyUri) -> Result<Vec<KeyEntry>, Failure> {
        let deadline = Instant::now() + services::LIMIT;
        let versions = connector
            .versions(uri, None, deadline)
            .await
            .map_err(services::failure)?;
        let mut entries = Vec::new();
        for (age, version) in versions.into_iter().enumerate() {
            let holder = connector
                .connect(&version.uri, &version.recipient)
                .await
                .map_err(services::settings)?;
            let name = version.uri.to_string();
            let mut layered = connector.layered(&version.uri, holder, &name, &self.count);
            if let Some(bucket) = &self.bucket {
                layered = Arc::new(RateLimit::new(layered, Arc::clone(bucket)));
            }
            let entry = KeyEntry::builder(name, version.recipient)
                .namespaces(NamespaceSet::all())
                .allow_unbound(self.allow_unbound)
                .default_key(self.alone && age == 0)
                .backend(layered);
            entries.push(entry.build());
        }
        Ok(entries)
    }

    fn local(&self, path: &Path, io: &mut Io<'_>) -> Result<KeyEntry, Failure> {
        let bytes = files::read(path, KEY_FILE_LIMIT)?;
        let key = LocalKey::from_bytes(&bytes, None);
        let key = key.map_err(|error| match other_form(&error, path, "") {
            Some(step) => unusable(error, path).hint(step),
            None if is_private(&bytes) => unusable(error, path)
                .hint("PKCS#8 PEM without passphrase and private JWK are understood"),
            None => Failure::usage(anyhow!("`{}` holds no private key", path.shown()))
                .hint("opening needs the private key; the public one is for sealing"),
        })?;
        files::warn_if_shared(path, io);
        let backend = LocalBackend::from_key(key);
        let recipient = backend.recipient().clone();
        let alias = backend
            .jwk_kid()
            .filter(|kid| *kid != recipient.kid())
            .map(str::to_owned);
        let name = path.display().to_string();
        let observed = Observe::new(Arc::new(backend), name.clone(), Arc::clone(&self.count));
        let mut entry = KeyEntry::builder(name, recipient)
            .namespaces(NamespaceSet::all())
            .allow_unbound(self.allow_unbound)
            .default_key(self.alone)
            .backend(Arc::new(observed));
        if let Some(alias) = alias {
            entry = entry.alias(alias);
        }
        Ok(entry.build())
    }
}

fn unusable(error: KeyError, path: &Path) -> Failure {
    Failure::usage(
        anyhow::Error::new(error).context(format!("cannot use the key `{}`", path.shown())),
    )
}
