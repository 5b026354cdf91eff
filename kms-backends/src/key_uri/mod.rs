//! Where a private key is, as an operator writes it.

mod aws;
mod azure;
mod file;
mod gcp;
mod parts;
mod pkcs11;
mod plugin;
#[cfg(test)]
mod tests;
mod vault;

use std::fmt;
use std::path::Path;
use std::str::FromStr;

pub use aws::AwsKey;
pub use azure::AzureKey;
pub use file::FileKey;
pub use gcp::GcpKey;
pub use pkcs11::Pkcs11Key;
pub use plugin::PluginKey;
pub use vault::VaultKey;

pub(crate) use parts::cut;

/// A reference to a private key that this build can serve: valid by construction.
///
/// | written | backend | feature |
/// |---|---|---|
/// | `file:/etc/privy/payments.pem`, `file:payments.pem` | PEM or JWK file | `local` |
/// | `gcp-kms://projects/P/locations/L/keyRings/R/cryptoKeys/K/cryptoKeyVersions/3` | Google Cloud KMS | `gcp` |
/// | `aws-kms://arn:aws:kms:eu-central-1:111122223333:key/ID` | AWS KMS | `aws` |
/// | `azure-kv://vault-name-or-host/key/version` | Azure Key Vault, Managed HSM | `azure` |
/// | `vault-transit://mount/key#3` | Vault or OpenBao, Transit | `vault` |
/// | `pkcs11:token=T;object=O?module-path=/lib/m.so&pin-source=file:/run/pin` | a PKCS#11 token ([RFC 7512](https://www.rfc-editor.org/rfc/rfc7512)) | `pkcs11` |
/// | `kms-plugin:/run/kms.sock?key=payments.wrapped` | Kubernetes KMS v2 plugin | `kms-plugin` |
///
/// Google, Azure and Vault keep versions of a key. A reference may leave the version out: then it means every version
/// that can decrypt, and [`Connector::versions`](crate::Connector::versions) lists them.
///
/// Names are held to the alphabet of each service, which has neither `/` nor `..`, because some of the services' client
/// libraries build request paths of them. File paths are taken as written, without percent-decoding. References come only from
/// configuration; nothing in an envelope ever becomes part of one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct KeyUri(Target);

/// What a [`KeyUri`] names, by service.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Target {
    /// `aws-kms:`
    Aws(AwsKey),
    /// `azure-kv:`
    Azure(AzureKey),
    /// `file:`
    File(FileKey),
    /// `gcp-kms:`
    Gcp(GcpKey),
    /// `pkcs11:`
    Pkcs11(Pkcs11Key),
    /// `kms-plugin:`
    Plugin(PluginKey),
    /// `vault-transit:`
    Vault(VaultKey),
}

impl KeyUri {
    /// What it names.
    pub fn target(&self) -> &Target {
        &self.0
    }

    /// The scheme, without its colon.
    pub fn scheme(&self) -> &'static str {
        match self.0 {
            Target::Aws(_) => "aws-kms",
            Target::Azure(_) => "azure-kv",
            Target::File(_) => "file",
            Target::Gcp(_) => "gcp-kms",
            Target::Pkcs11(_) => "pkcs11",
            Target::Plugin(_) => "kms-plugin",
            Target::Vault(_) => "vault-transit",
        }
    }

    /// The file, for `file:` references.
    pub fn file(&self) -> Option<&Path> {
        match &self.0 {
            Target::File(key) => Some(key.path()),
            _ => None,
        }
    }

    /// Whether it names a key that has versions, and none of them.
    pub fn lacks_version(&self) -> bool {
        match &self.0 {
            Target::Azure(key) => key.version().is_none(),
            Target::Gcp(key) => key.version().is_none(),
            Target::Vault(key) => key.version().is_none(),
            Target::Aws(_) | Target::File(_) | Target::Pkcs11(_) | Target::Plugin(_) => false,
        }
    }

    /// The version that it names, where it names one.
    pub fn version(&self) -> Option<String> {
        match &self.0 {
            Target::Azure(key) => key.version().map(str::to_owned),
            Target::Gcp(key) => key.version().map(|version| version.to_string()),
            Target::Vault(key) => key.version().map(|version| version.to_string()),
            Target::Aws(_) | Target::File(_) | Target::Pkcs11(_) | Target::Plugin(_) => None,
        }
    }

    /// Reads relative paths (of files, sockets, modules) from the folder `base`, say that of the configuration file.
    #[must_use]
    pub fn relative_to(self, base: &Path) -> Self {
        Self(match self.0 {
            Target::File(key) => Target::File(key.relative_to(base)),
            Target::Pkcs11(key) => Target::Pkcs11(key.relative_to(base)),
            Target::Plugin(key) => Target::Plugin(key.relative_to(base)),
            other => other,
        })
    }
}

impl FromStr for KeyUri {
    type Err = KeyUriError;

    fn from_str(text: &str) -> Result<Self, KeyUriError> {
        if text.len() > LONGEST || text.chars().any(char::is_control) {
            return Err(malformed(
                text,
                "it is too long or contains control characters",
            ));
        }
        let (scheme, rest) = text
            .split_once(':')
            .filter(|(scheme, _)| is_scheme(scheme))
            .ok_or_else(|| KeyUriError::NoScheme(cut(text)))?;
        let parsed = match scheme {
            "aws-kms" => AwsKey::parse(rest).map(Target::Aws),
            "azure-kv" => AzureKey::parse(rest).map(Target::Azure),
            "file" => FileKey::parse(rest).map(Target::File),
            "gcp-kms" => GcpKey::parse(rest).map(Target::Gcp),
            "kms-plugin" => PluginKey::parse(rest).map(Target::Plugin),
            "pkcs11" => Pkcs11Key::parse(rest).map(Target::Pkcs11),
            "vault-transit" => VaultKey::parse(rest).map(Target::Vault),
            _ => return Err(KeyUriError::UnknownScheme(cut(scheme))),
        };
        let target = parsed.map_err(|why| malformed(text, why))?;
        Self(target).served_by_this_build()
    }
}

impl KeyUri {
    fn served_by_this_build(self) -> Result<Self, KeyUriError> {
        let (feature, present) = match self.0 {
            Target::Aws(_) => ("aws", cfg!(feature = "aws")),
            Target::Azure(_) => ("azure", cfg!(feature = "azure")),
            Target::File(_) => ("local", cfg!(feature = "local")),
            Target::Gcp(_) => ("gcp", cfg!(feature = "gcp")),
            Target::Pkcs11(_) => ("pkcs11", cfg!(feature = "pkcs11")),
            Target::Plugin(_) => ("kms-plugin", cfg!(feature = "kms-plugin")),
            Target::Vault(_) => ("vault", cfg!(feature = "vault")),
        };
        if present {
            Ok(self)
        } else {
            Err(KeyUriError::NotInThisBuild {
                scheme: self.scheme(),
                feature,
            })
        }
    }
}

impl From<Target> for KeyUri {
    /// A target always comes from a reference; backends create those of single versions like this.
    fn from(target: Target) -> Self {
        Self(target)
    }
}

impl fmt::Display for KeyUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.scheme())?;
        match &self.0 {
            Target::Aws(key) => write!(f, "//{key}"),
            Target::Azure(key) => write!(f, "//{key}"),
            Target::File(key) => key.fmt(f),
            Target::Gcp(key) => write!(f, "//{key}"),
            Target::Pkcs11(key) => key.fmt(f),
            Target::Plugin(key) => key.fmt(f),
            Target::Vault(key) => write!(f, "//{key}"),
        }
    }
}

/// A text that is no key reference of this build.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyUriError {
    /// Not the form of its scheme.
    #[error("key reference {text:?} is malformed: {why}")]
    Malformed {
        /// As written, cut short.
        text: String,
        /// What is wrong, and what it should look like.
        why: &'static str,
    },
    /// No `scheme:` in front.
    #[error("key reference {0:?} has no scheme; for a file, write `file:` before its path")]
    NoScheme(String),
    /// A backend that exists but was not compiled in.
    #[error(
        "`{scheme}:` key references are not in this build; it needs kms-backends with feature `{feature}`"
    )]
    NotInThisBuild {
        /// The scheme.
        scheme: &'static str,
        /// The feature that brings it.
        feature: &'static str,
    },
    /// No backend of that name.
    #[error(
        "key reference scheme {0:?} is unknown; known are `file:`, `gcp-kms:`, `aws-kms:`, `azure-kv:`, \
         `vault-transit:`, `pkcs11:` and `kms-plugin:`"
    )]
    UnknownScheme(String),
}

/// Configured text is bounded as well: it ends up in messages.
const LONGEST: usize = 4096;

fn malformed(text: &str, why: &'static str) -> KeyUriError {
    KeyUriError::Malformed {
        text: without_pin(text),
        why,
    }
}

/// A PIN does not belong in a reference, and must not appear in a message either.
fn without_pin(text: &str) -> String {
    match text.find("pin-value") {
        Some(at) => format!("{}pin-value…", cut(&text[..at])),
        None => cut(text),
    }
}

fn is_scheme(word: &str) -> bool {
    word.len() > 1
        && word.starts_with(|c: char| c.is_ascii_lowercase())
        && word
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}
