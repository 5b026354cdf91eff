//! `azure-kv://VAULT/KEY/VERSION`

use std::fmt;

use super::parts::is_word;

const FORM: &str = "write `azure-kv://VAULT/KEY/VERSION`: the vault's name or host, the key's name, \
     and the version's 32 hexadecimal digits, or none for every version";

/// A key of Azure Key Vault or of a Managed HSM, and a version of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AzureKey {
    vault: String,
    name: String,
    version: Option<String>,
}

impl AzureKey {
    pub(super) fn parse(rest: &str) -> Result<Self, &'static str> {
        let path = rest.strip_prefix("//").ok_or(FORM)?;
        let mut parts = path.split('/');
        let (Some(vault), Some(name)) = (parts.next(), parts.next()) else {
            return Err(FORM);
        };
        let version = parts.next();
        if parts.next().is_some() || !is_vault(vault) || !is_word(name, 127, b"-") {
            return Err(FORM);
        }
        if !version.is_none_or(is_version) {
            return Err(FORM);
        }
        Ok(Self {
            vault: vault.to_owned(),
            name: name.to_owned(),
            version: version.map(str::to_owned),
        })
    }

    /// The host of the vault; a bare name is one of `vault.azure.net`.
    pub fn host(&self) -> String {
        if self.vault.contains('.') {
            self.vault.clone()
        } else {
            format!("{}.vault.azure.net", self.vault)
        }
    }

    /// The key's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The version, where one is named.
    pub fn version(&self) -> Option<&str> {
        self.version.as_deref()
    }

    /// The same key at `version`, unless that is no version's name.
    pub fn at_version(&self, version: &str) -> Option<Self> {
        is_version(version).then(|| Self {
            version: Some(version.to_owned()),
            ..self.clone()
        })
    }
}

impl fmt::Display for AzureKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.vault, self.name)?;
        match &self.version {
            Some(version) => write!(f, "/{version}"),
            None => Ok(()),
        }
    }
}

/// A vault's name, or a whole host name: lower case, so that one vault is written in one way.
fn is_vault(vault: &str) -> bool {
    let label = |label: &str| {
        is_word(label, 63, b"-")
            && !label.starts_with('-')
            && !label.ends_with('-')
            && !label.bytes().any(|b| b.is_ascii_uppercase())
    };
    vault.len() <= 253
        && vault.split('.').all(label)
        && (vault.contains('.') || (3..=24).contains(&vault.len()))
}

fn is_version(version: &str) -> bool {
    version.len() == 32
        && version
            .bytes()
            .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}
