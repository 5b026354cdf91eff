//! Where a private key is, as an operator writes it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// A reference to a private key that this build can serve: valid by construction.
///
/// | written | backend | feature |
/// |---|---|---|
/// | `file:/etc/privy/payments.pem`, `file:payments.pem` | PEM or JWK file | `local` |
///
/// The path is taken as written, without percent-decoding. References come from configuration alone; nothing
/// in an envelope ever becomes part of one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct KeyUri(Target);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Target {
    File(PathBuf),
}

/// Schemes of backends that this build does not contain, and the feature that brings each.
const NOT_IN_THIS_BUILD: [(&str, &str); 5] = [
    ("aws-kms", "aws"),
    ("azure-kv", "azure"),
    ("gcp-kms", "gcp"),
    ("pkcs11", "pkcs11"),
    ("vault-transit", "vault"),
];

impl KeyUri {
    /// The scheme, without its colon.
    pub fn scheme(&self) -> &'static str {
        match self.0 {
            Target::File(_) => "file",
        }
    }

    /// The file, for `file:` references.
    pub fn file(&self) -> Option<&Path> {
        match &self.0 {
            Target::File(path) => Some(path),
        }
    }

    /// Reads a relative `file:` path from the folder `base`, say that of the configuration file.
    #[must_use]
    pub fn relative_to(self, base: &Path) -> Self {
        match self.0 {
            Target::File(path) => Self(Target::File(base.join(path))),
        }
    }
}

impl FromStr for KeyUri {
    type Err = KeyUriError;

    fn from_str(text: &str) -> Result<Self, KeyUriError> {
        if text.len() > LONGEST || text.chars().any(char::is_control) {
            return Err(KeyUriError::Malformed(cut(text)));
        }
        let (scheme, rest) = text
            .split_once(':')
            .filter(|(scheme, _)| is_scheme(scheme))
            .ok_or_else(|| KeyUriError::NoScheme(cut(text)))?;
        if scheme == "file" {
            return file(text, rest);
        }
        match NOT_IN_THIS_BUILD.iter().find(|(name, _)| *name == scheme) {
            Some(&(scheme, feature)) => Err(KeyUriError::NotInThisBuild { scheme, feature }),
            None => Err(KeyUriError::UnknownScheme(cut(scheme))),
        }
    }
}

impl fmt::Display for KeyUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Target::File(path) => write!(f, "file:{}", path.display()),
        }
    }
}

/// A text that is no key reference of this build.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyUriError {
    /// Too long, with control characters, or without a path.
    #[error("key reference {0:?} is malformed; write `file:` and the path of a PEM or JWK file")]
    Malformed(String),
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
    /// `file://host/path`.
    #[error(
        "key reference {0:?} names a host; a file is `file:/absolute/path` or `file:relative/path`"
    )]
    RemoteFile(String),
    /// No backend of that name.
    #[error("key reference scheme {0:?} is unknown; this build serves `file:`")]
    UnknownScheme(String),
}

/// Configured text is bounded as well: it ends up in messages.
const LONGEST: usize = 4096;

fn file(text: &str, rest: &str) -> Result<KeyUri, KeyUriError> {
    if !cfg!(feature = "local") {
        return Err(KeyUriError::NotInThisBuild {
            scheme: "file",
            feature: "local",
        });
    }
    let path = match rest.strip_prefix("//") {
        None => rest,
        // RFC 8089 §2: an empty host is this machine.
        Some(path) if path.starts_with('/') && !path.starts_with("//") => path,
        Some(_) => return Err(KeyUriError::RemoteFile(cut(text))),
    };
    if path.is_empty() || path.ends_with('/') {
        return Err(KeyUriError::Malformed(cut(text)));
    }
    Ok(KeyUri(Target::File(PathBuf::from(path))))
}

fn is_scheme(word: &str) -> bool {
    word.len() > 1
        && word.starts_with(|c: char| c.is_ascii_lowercase())
        && word
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

/// Text from outside, cut short so that a message stays a message.
pub(crate) fn cut(text: &str) -> String {
    const SHOWN: usize = 80;
    match text.char_indices().nth(SHOWN) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(feature = "local")]
    #[test]
    fn reads_files() {
        for (text, path) in [
            ("file:/etc/privy/a.pem", "/etc/privy/a.pem"),
            ("file:///etc/privy/a.pem", "/etc/privy/a.pem"),
            ("file:a.pem", "a.pem"),
            ("file:../keys/a b%20.jwk", "../keys/a b%20.jwk"),
        ] {
            let uri: KeyUri = text.parse().unwrap();
            assert_eq!(uri.file(), Some(Path::new(path)));
            assert_eq!(uri.scheme(), "file");
            assert_eq!(uri.to_string(), format!("file:{path}"));
            assert_eq!(uri.to_string().parse::<KeyUri>().unwrap(), uri);
        }
    }

    #[cfg(feature = "local")]
    #[test]
    fn relative_paths_start_at_the_configuration() {
        let base = Path::new("/etc/privy");
        let uri: KeyUri = "file:a.pem".parse().unwrap();
        assert_eq!(uri.relative_to(base).to_string(), "file:/etc/privy/a.pem");
        let uri: KeyUri = "file:/a.pem".parse().unwrap();
        assert_eq!(uri.relative_to(base).to_string(), "file:/a.pem");
    }

    #[cfg(not(feature = "local"))]
    #[test]
    fn files_need_the_local_feature() {
        let error = "file:/a.pem".parse::<KeyUri>().unwrap_err();
        assert!(error.to_string().contains("feature `local`"), "{error}");
    }

    #[test]
    fn names_the_feature_that_a_backend_needs() {
        for (text, feature) in [
            ("gcp-kms://projects/p/locations/l", "`gcp`"),
            ("aws-kms://arn:aws:kms:eu:1:key/2", "`aws`"),
            ("azure-kv://vault/keys/k/1", "`azure`"),
            ("vault-transit://transit/payments#3", "`vault`"),
            ("pkcs11:token=a;object=b", "`pkcs11`"),
        ] {
            let message = text.parse::<KeyUri>().unwrap_err().to_string();
            assert!(message.contains("not in this build"), "{message}");
            assert!(message.contains(feature), "{message}");
        }
    }

    #[test]
    fn refuses_what_is_no_reference() {
        for text in [
            "",
            "a.pem",
            "/etc/a.pem",
            "C:/a.pem",
            "https://kms",
            "FILE:/a.pem",
            ":a",
            "file:",
            "file:/a/",
            "file:/a\n",
            "file://host/a.pem",
            "file:////host/a.pem",
            "file:/a\0b",
            "file-x:/a",
        ] {
            assert!(text.parse::<KeyUri>().is_err(), "{text:?}");
        }
        assert!(
            format!("file:{}", "a".repeat(5000))
                .parse::<KeyUri>()
                .is_err()
        );
    }

    #[test]
    fn errors_stay_short() {
        let text = "x".repeat(4000);
        let message = text.parse::<KeyUri>().unwrap_err().to_string();
        assert!(message.len() < 250, "{message}");
    }
}
