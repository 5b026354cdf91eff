//! The keys that a user trusts: pinned by name in the user's own configuration, never in the repository.
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, anyhow, bail};
use jwe_envelope::{RecipientKey, SignerKey};
use serde::{Deserialize, Serialize};
use webhook_bin::signatures::{Signatures, Signer as VerifiedSigner};

use crate::io::Io;
use crate::io::files::{self, Audience, Existing};
use crate::report::Failure;
use crate::text::hex;

const STORE_LIMIT: usize = 1024 * 1024;

/// One trusted key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Pin {
    /// What people call it.
    pub name: String,
    /// RFC 7638 thumbprint.
    pub kid: String,
    /// Twelve groups of five digits, as they were compared.
    pub fingerprint: String,
    /// SHA-256 of the SubjectPublicKeyInfo, in hexadecimal.
    pub spki_sha256: String,
    /// When it was trusted, Unix seconds.
    pub trusted_at: u64,
    /// The signer of the card that it was accepted with, if it was: from then on its card must be signed by them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signer: Option<String>,
    /// When the newest card of this name was signed that was seen. An older one is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed_at: Option<u64>,
}

impl Pin {
    /// Of a key that was compared at this time.
    fn new(name: &str, key: &RecipientKey, now: u64) -> Self {
        Self {
            name: name.to_owned(),
            kid: key.kid().to_owned(),
            fingerprint: key.spoken_fingerprint().to_string(),
            spki_sha256: hex(&key.spki_sha256()),
            trusted_at: now,
            signer: None,
            signed_at: None,
        }
    }
}

/// Somebody who signs key cards, and whose key the user compared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Signer {
    /// What people call them.
    pub name: String,
    /// RFC 7638 thumbprint.
    pub kid: String,
    /// Twelve groups of five digits, as they were compared.
    pub fingerprint: String,
    /// The key itself, as PEM: signatures are verified with what was compared, wherever the repository's copy went.
    pub public_key: String,
    /// When it was trusted, Unix seconds.
    pub trusted_at: u64,
}

impl Signer {
    /// The key.
    ///
    /// # Errors
    /// Exit 2 when somebody damaged the list.
    pub fn key(&self) -> Result<SignerKey, Failure> {
        let damaged = |error: anyhow::Error| {
            Failure::usage(error.context(format!(
                "the list of trusted keys is damaged: signer {:?}",
                self.name
            )))
            .hint("trust the signer again: privy key trust --replace --signer FILE")
        };
        let key = SignerKey::from_bytes(self.public_key.as_bytes())
            .map_err(|error| damaged(error.into()))?;
        if key.kid() != self.kid {
            return Err(damaged(anyhow!("its key and its key id differ")));
        }
        Ok(key)
    }
}

/// Who signed a card, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Voucher {
    /// The signer's key id.
    pub signer: String,
    /// What the user calls the signer.
    pub name: String,
    /// Unix seconds.
    pub signed_at: u64,
}

/// What the user's configuration says of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The name is pinned to another key.
    Changed(Pin),
    /// The key is pinned.
    Trusted,
    /// Neither the name nor the key is pinned.
    Unknown,
}

/// The user's trusted keys.
#[derive(Debug)]
pub struct Store {
    /// `None` where the environment names no folder: nothing is trusted then, and nothing can be.
    path: Option<PathBuf>,
    pins: Vec<Pin>,
    signers: Vec<Signer>,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    version: u64,
    keys: Vec<Pin>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    signers: Vec<Signer>,
}

impl Store {
    /// Reads the store; a missing one is empty.
    ///
    /// # Errors
    /// Exit 2 when it cannot be read or is not valid: a damaged store trusts nothing.
    pub fn load(io: &Io<'_>) -> Result<Self, Failure> {
        let path = folder(io.environment).map(|folder| folder.join("trust.json"));
        let Some(path) = path.as_ref().filter(|path| path.exists()) else {
            return Ok(Self {
                path,
                pins: Vec::new(),
                signers: Vec::new(),
            });
        };
        let bytes = files::read(path, STORE_LIMIT)?;
        let document = parse(&bytes).map_err(|error| {
            Failure::usage(error.context(format!(
                "the list of trusted keys `{}` is not valid",
                path.display()
            )))
            .hint("mend the file, or move it away and trust your keys again with `privy key trust`")
        })?;
        Ok(Self {
            path: Some(path.clone()),
            pins: document.keys,
            signers: document.signers,
        })
    }

    /// The store of somebody who trusts nothing and keeps nothing.
    pub fn nowhere() -> Self {
        Self {
            path: None,
            pins: Vec::new(),
            signers: Vec::new(),
        }
    }

    /// What it says of this key under this name.
    pub fn standing(&self, name: &str, key: &RecipientKey) -> Standing {
        if let Some(pin) = self.by_name(name)
            && pin.kid != key.kid()
        {
            return Standing::Changed(pin.clone());
        }
        if self.by_kid(key.kid()).is_some() {
            Standing::Trusted
        } else {
            Standing::Unknown
        }
    }

    /// The pin of this name.
    pub fn by_name(&self, name: &str) -> Option<&Pin> {
        self.pins.iter().find(|pin| pin.name == name)
    }

    /// The pin of this key.
    pub fn by_kid(&self, kid: &str) -> Option<&Pin> {
        self.pins.iter().find(|pin| pin.kid == kid)
    }

    /// All pins, by name.
    pub fn pins(&self) -> &[Pin] {
        &self.pins
    }

    /// Where it is kept.
    ///
    /// # Errors
    /// Exit 2 when the environment names no folder.
    pub fn path(&self) -> Result<&Path, Failure> {
        self.path.as_deref().ok_or_else(|| {
            Failure::usage(anyhow!("there is no folder for your trusted keys"))
                .hint("set PRIVY_CONFIG_DIR to one of your own")
        })
    }

    /// Pins a key under a name, in place of what had the name, and saves.
    ///
    /// # Errors
    /// Exit 2 when it cannot be written; the old list is then as it was.
    pub fn pin(&mut self, name: &str, key: &RecipientKey, now: u64) -> Result<(), Failure> {
        replace(&mut self.pins, Pin::new(name, key, now));
        self.save()
    }

    /// Pins a key that a signer vouches for, and remembers the signer.
    ///
    /// # Errors
    /// As [`pin`](Self::pin).
    pub fn pin_signed(
        &mut self,
        name: &str,
        key: &RecipientKey,
        voucher: &Voucher,
        now: u64,
    ) -> Result<(), Failure> {
        let pin = Pin {
            signer: Some(voucher.signer.clone()),
            signed_at: Some(voucher.signed_at),
            ..Pin::new(name, key, now)
        };
        replace(&mut self.pins, pin);
        self.save()
    }

    /// Remembers that a newer signature of a trusted key's card was seen.
    ///
    /// # Errors
    /// As [`pin`](Self::pin).
    pub fn note(&mut self, name: &str, voucher: &Voucher) -> Result<(), Failure> {
        let Some(pin) = self.pins.iter_mut().find(|pin| pin.name == name) else {
            return Ok(());
        };
        if pin.signed_at.is_some_and(|seen| seen >= voucher.signed_at) {
            return Ok(());
        }
        pin.signer = Some(voucher.signer.clone());
        pin.signed_at = Some(voucher.signed_at);
        self.save()
    }

    /// The signers, by name.
    pub fn signers(&self) -> &[Signer] {
        &self.signers
    }

    /// The signers as the webhook's code knows them. One whose key is damaged is left out: nothing is signed by them.
    pub fn signatures(&self) -> Signatures {
        let signers = self.signers.iter();
        let known =
            signers.filter_map(|one| Some(VerifiedSigner::new(&*one.name, one.key().ok()?)));
        Signatures {
            signers: Arc::new(known.collect()),
            ..Signatures::default()
        }
    }

    /// The signer with this key.
    pub fn signer(&self, kid: &str) -> Option<&Signer> {
        self.signers.iter().find(|signer| signer.kid == kid)
    }

    /// Pins a signer under a name, in place of who had the name, and saves.
    ///
    /// # Errors
    /// As [`pin`](Self::pin).
    pub fn pin_signer(&mut self, name: &str, key: &SignerKey, now: u64) -> Result<(), Failure> {
        self.signers.retain(|signer| signer.name != name);
        self.signers.push(Signer {
            name: name.to_owned(),
            kid: key.kid(),
            fingerprint: key.spoken_fingerprint().to_string(),
            public_key: key.to_pem(),
            trusted_at: now,
        });
        self.signers.sort_by(|a, b| a.name.cmp(&b.name));
        self.save()
    }

    fn save(&self) -> Result<(), Failure> {
        let path = self.path()?;
        let document = Document {
            version: 1,
            keys: self.pins.clone(),
            signers: self.signers.clone(),
        };
        let mut text = serde_json::to_vec_pretty(&document).map_err(Failure::usage)?;
        text.push(b'\n');
        if let Some(folder) = path.parent() {
            make_folder(folder)
                .with_context(|| format!("cannot make the folder `{}`", folder.display()))
                .map_err(Failure::usage)?;
        }
        files::write(path, &text, Audience::Owner, Existing::Replace)
    }
}

fn replace(pins: &mut Vec<Pin>, new: Pin) {
    pins.retain(|pin| pin.name != new.name);
    pins.push(new);
    pins.sort_by(|a, b| a.name.cmp(&b.name));
}

fn parse(bytes: &[u8]) -> anyhow::Result<Document> {
    let document: Document = serde_json::from_slice(bytes)?;
    if document.version != 1 {
        bail!("version {} is not known; 1 is", document.version);
    }
    let keys = document.keys.iter().map(|pin| pin.name.as_str());
    let signers = document.signers.iter().map(|pin| pin.name.as_str());
    for mut names in [keys.collect::<Vec<_>>(), signers.collect()] {
        names.sort_unstable();
        if let Some(twice) = names
            .windows(2)
            .find_map(|pair| (pair[0] == pair[1]).then_some(pair[0]))
        {
            bail!("the name {twice:?} stands twice");
        }
    }
    Ok(document)
}

/// The folder of the user's own configuration, if the environment names one.
pub fn folder(environment: &dyn Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let variable = |name| {
        environment(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    let below = |name, tail: &str| {
        variable(name)
            .filter(|path| path.is_absolute())
            .map(|path| path.join(tail))
    };
    let home = || {
        if cfg!(windows) {
            below("APPDATA", "privy")
        } else {
            below("HOME", ".config/privy")
        }
    };
    variable("PRIVY_CONFIG_DIR")
        .or_else(|| below("XDG_CONFIG_HOME", "privy"))
        .or_else(home)
}

#[cfg(unix)]
fn make_folder(folder: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
}

#[cfg(not(unix))]
fn make_folder(folder: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &'static [(&'static str, &'static str)]) -> impl Fn(&str) -> Option<OsString> {
        move |name| {
            pairs
                .iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| OsString::from(value))
        }
    }

    #[test]
    fn finds_the_users_folder() {
        let all = of(&[
            ("PRIVY_CONFIG_DIR", "here"),
            ("XDG_CONFIG_HOME", "/xdg"),
            ("HOME", "/home/a"),
        ]);
        assert_eq!(folder(&all).unwrap(), Path::new("here"));
        let xdg = of(&[("XDG_CONFIG_HOME", "/xdg"), ("HOME", "/home/a")]);
        assert_eq!(folder(&xdg).unwrap(), Path::new("/xdg/privy"));
        assert_eq!(folder(&of(&[])), None);
    }

    #[cfg(unix)]
    #[test]
    fn a_relative_xdg_folder_does_not_count() {
        let relative = of(&[("XDG_CONFIG_HOME", "xdg"), ("HOME", "/home/a")]);
        assert_eq!(
            folder(&relative).unwrap(),
            Path::new("/home/a/.config/privy")
        );
    }

    #[test]
    fn a_store_with_a_fault_trusts_nothing() {
        let pin = r#"{"name":"a","kid":"k","fingerprint":"f","spkiSha256":"s","trustedAt":1}"#;
        let signer = r#"{"name":"a","kid":"k","fingerprint":"f","publicKey":"s","trustedAt":1}"#;
        assert_eq!(
            parse(format!(r#"{{"version":1,"keys":[{pin}],"signers":[{signer}]}}"#).as_bytes())
                .unwrap()
                .keys
                .len(),
            1
        );
        for text in [
            String::new(),
            r#"{"version":2,"keys":[]}"#.to_owned(),
            format!(r#"{{"version":1,"keys":[{pin},{pin}]}}"#),
            r#"{"version":1,"keys":[],"more":1}"#.to_owned(),
            format!(r#"{{"version":1,"keys":[],"signers":[{signer},{signer}]}}"#),
        ] {
            assert!(parse(text.as_bytes()).is_err(), "{text}");
        }
    }
}
