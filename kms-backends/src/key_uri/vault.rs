//! `vault-transit://MOUNT/KEY#VERSION`

use std::fmt;

use super::parts::{is_word, version_number};

const FORM: &str = "write `vault-transit://MOUNT/KEY#VERSION`: where the transit engine is mounted, the key's name, \
     and the version's number, or none for every version";

/// A key of a Transit engine, and a version of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct VaultKey {
    mount: String,
    name: String,
    version: Option<u64>,
}

impl VaultKey {
    pub(super) fn parse(rest: &str) -> Result<Self, &'static str> {
        let path = rest.strip_prefix("//").ok_or(FORM)?;
        let (path, version) = match path.split_once('#') {
            Some((path, version)) => (path, Some(version_number(version).ok_or(FORM)?)),
            None => (path, None),
        };
        let (mount, name) = path.rsplit_once('/').ok_or(FORM)?;
        // An engine may be mounted at a path of several words.
        if !is_name(name) || !mount.split('/').all(is_name) || mount.len() > 256 {
            return Err(FORM);
        }
        Ok(Self {
            mount: mount.to_owned(),
            name: name.to_owned(),
            version,
        })
    }

    /// Where the engine is mounted.
    pub fn mount(&self) -> &str {
        &self.mount
    }

    /// The key's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The number of the version, where one is named.
    pub fn version(&self) -> Option<u64> {
        self.version
    }

    /// The same key at `version`; versions count from 1.
    pub fn at_version(&self, version: u64) -> Option<Self> {
        (version > 0).then(|| Self {
            version: Some(version),
            ..self.clone()
        })
    }
}

impl fmt::Display for VaultKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.mount, self.name)?;
        match self.version {
            Some(version) => write!(f, "#{version}"),
            None => Ok(()),
        }
    }
}

/// Vault's own rule for names, and no two dots in a row.
fn is_name(name: &str) -> bool {
    let inner = |c: char| c == '-' || c == '.';
    is_word(name, 128, b"_-.")
        && !name.starts_with(inner)
        && !name.ends_with(inner)
        && !name.contains("..")
}
