//! `gcp-kms://projects/P/locations/L/keyRings/R/cryptoKeys/K/cryptoKeyVersions/N`

use std::fmt;

use super::parts::{is_word, version_number};

const FORM: &str = "write `gcp-kms://projects/P/locations/L/keyRings/R/cryptoKeys/K/cryptoKeyVersions/N`, \
     or without the last two parts for every version";

/// A key of Google Cloud KMS, and a version of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct GcpKey {
    key: String,
    version: Option<u64>,
}

impl GcpKey {
    pub(super) fn parse(rest: &str) -> Result<Self, &'static str> {
        let path = rest.strip_prefix("//").ok_or(FORM)?;
        let parts: Vec<_> = path.split('/').collect();
        let (key, version) = match parts[..] {
            [.., "cryptoKeyVersions", version] => (
                &parts[..parts.len() - 2],
                Some(version_number(version).ok_or(FORM)?),
            ),
            _ => (&parts[..], None),
        };
        let [
            "projects",
            project,
            "locations",
            location,
            "keyRings",
            ring,
            "cryptoKeys",
            name,
        ] = key
        else {
            return Err(FORM);
        };
        let legal = is_project(project)
            && is_word(location, 63, b"-")
            && is_word(ring, 63, b"_-")
            && is_word(name, 63, b"_-");
        if !legal {
            return Err(FORM);
        }
        Ok(Self {
            key: key.join("/"),
            version,
        })
    }

    /// The resource name of the key, `projects/…/cryptoKeys/K`.
    pub fn key_name(&self) -> &str {
        &self.key
    }

    /// The number of the version, where one is named.
    pub fn version(&self) -> Option<u64> {
        self.version
    }

    /// The resource name of the version, where one is named.
    pub fn version_name(&self) -> Option<String> {
        self.version.map(|_| self.to_string())
    }

    /// The same key at `version`; versions count from 1.
    pub fn at_version(&self, version: u64) -> Option<Self> {
        (version > 0).then(|| Self {
            version: Some(version),
            ..self.clone()
        })
    }
}

impl fmt::Display for GcpKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.key)?;
        match self.version {
            Some(version) => write!(f, "/cryptoKeyVersions/{version}"),
            None => Ok(()),
        }
    }
}

/// A project's ID or number; old ones begin with a domain (`example.com:project`).
fn is_project(project: &str) -> bool {
    is_word(project, 128, b"-:.")
        && project.starts_with(|c: char| c.is_ascii_alphanumeric())
        && !project.contains("..")
}
