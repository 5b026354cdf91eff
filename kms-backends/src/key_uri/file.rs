//! `file:PATH`

use std::fmt;
use std::path::{Path, PathBuf};

/// The PEM or JWK file of a private key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FileKey(PathBuf);

impl FileKey {
    pub(super) fn parse(rest: &str) -> Result<Self, &'static str> {
        let path = match rest.strip_prefix("//") {
            None => rest,
            // RFC 8089 §2: an empty host is this machine.
            Some(path) if path.starts_with('/') && !path.starts_with("//") => path,
            Some(_) => {
                return Err(
                    "it names a host; a file is `file:/absolute/path` or `file:relative/path`",
                );
            }
        };
        if path.is_empty() || path.ends_with('/') {
            return Err("write `file:` and the path of a PEM or JWK file");
        }
        Ok(Self(PathBuf::from(path)))
    }

    /// The path, as written.
    pub fn path(&self) -> &Path {
        &self.0
    }

    pub(super) fn relative_to(self, base: &Path) -> Self {
        Self(base.join(self.0))
    }
}

impl fmt::Display for FileKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.display().fmt(f)
    }
}
