//! The keys and signers that a user trusts: pinned by name in the user's own configuration, never in the repository.
//!
//! Anyone who signs key cards decides which keys values are sealed for. Anyone who signs values only says that a value
//! is theirs. The two are different roles and kept apart; trust in one is no trust in the other.
mod content;
mod format;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use jwe_envelope::{RecipientKey, SignerKey};
use unseal_policy::signatures::{Signatures, Signer as VerifiedSigner};

use self::content::TrustContent;
pub use self::content::{CardSigner, ComparedCard, Pin, Role, ValueSigner};
use crate::failure::Failure;
use crate::io::Io;
use crate::io::files::{self, Audience, Existing};
use crate::text::Shown as _;

const STORE_LIMIT: usize = 1024 * 1024;

/// Earlier keys of a name that are remembered.
const MOST_REPLACED: usize = 16;

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
pub enum TrustState {
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
    content: TrustContent,
}

impl Store {
    /// Reads the store; a missing one is empty. One of an older version is written again, and what changed is said.
    ///
    /// # Errors
    /// Exit 2 when it cannot be read or is not valid: a damaged store trusts nothing.
    pub fn load(io: &mut Io<'_>) -> Result<Self, Failure> {
        let path = folder(io.environment).map(|folder| folder.join("trust.json"));
        let Some(path) = path.as_ref().filter(|path| path.exists()) else {
            return Ok(Self {
                path,
                content: TrustContent::default(),
            });
        };
        let bytes = files::read(path, STORE_LIMIT)?;
        let stored = format::parse(&bytes).map_err(|error| {
            Failure::usage(error.context(format!(
                "the list of trusted keys `{}` is not valid",
                path.shown()
            )))
            .hint("update privy if the file is newer; otherwise fix it, or move it away and trust your keys again with `privy key trust`")
        })?;
        let store = Self {
            path: Some(path.clone()),
            content: stored.content,
        };
        if stored.old && !store.content.value_signers.is_empty() {
            store.migrate(io);
        }
        Ok(store)
    }

    /// Says once that trusted signers sign values only from now on. Where the list cannot be written, it is said again.
    fn migrate(&self, io: &mut Io<'_>) {
        let names = self.content.value_signers.iter();
        let names: Vec<_> = names
            .map(|one| crate::text::printable(&one.name, 64))
            .collect();
        io.say(format_args!(
            "note: your trusted signers ({}) are trusted for signed values only from now on. Trust a signer of key \
             cards again: privy key trust --card-signer FILE --card NAME",
            names.join(", ")
        ));
        if let Err(failure) = self.save() {
            io.say(format_args!(
                "note: this is not remembered: {}",
                failure.message()
            ));
        }
    }

    /// The store of someone who trusts nothing and keeps nothing.
    pub fn nowhere() -> Self {
        Self {
            path: None,
            content: TrustContent::default(),
        }
    }

    /// What it says of this key under this name.
    pub fn trust_state(&self, name: &str, key: &RecipientKey) -> TrustState {
        if let Some(pin) = self.by_name(name)
            && pin.kid != key.kid()
        {
            return TrustState::Changed(pin.clone());
        }
        if self.by_kid(key.kid()).is_some() {
            TrustState::Trusted
        } else {
            TrustState::Unknown
        }
    }

    /// The pin of this name.
    pub fn by_name(&self, name: &str) -> Option<&Pin> {
        self.content.keys.iter().find(|pin| pin.name == name)
    }

    /// The pin of this key.
    pub fn by_kid(&self, kid: &str) -> Option<&Pin> {
        self.content.keys.iter().find(|pin| pin.kid == kid)
    }

    /// What the card of this key said when the user compared it. A card that must be signed speaks for itself.
    pub fn compared_card(&self, name: &str, kid: &str) -> Option<&ComparedCard> {
        let named = self.by_name(name).filter(|pin| pin.kid == kid);
        let pin = named.or_else(|| self.by_kid(kid))?;
        pin.card.as_deref().filter(|_| pin.signer.is_none())
    }

    /// All pins, by name.
    pub fn pins(&self) -> &[Pin] {
        &self.content.keys
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

    /// Pins a key that was compared under a name, in place of what had the name, and saves.
    ///
    /// # Errors
    /// Exit 2 when it cannot be written; the old list is then as it was.
    pub fn pin(
        &mut self,
        name: &str,
        key: &RecipientKey,
        card: ComparedCard,
        now: u64,
    ) -> Result<(), Failure> {
        self.replace(Pin {
            card: Some(Box::new(card)),
            ..Pin::compared(name, key, now)
        });
        self.save()
    }

    /// Pins a key that a signer of cards introduces, and remembers the signer.
    ///
    /// # Errors
    /// As [`pin`](Self::pin). Also when the name belongs to a key that the user compared: no signature replaces it.
    pub fn pin_signed(
        &mut self,
        name: &str,
        key: &RecipientKey,
        voucher: &Voucher,
        now: u64,
    ) -> Result<(), Failure> {
        if self
            .by_name(name)
            .is_some_and(|pin| pin.compared && pin.kid != key.kid())
        {
            return Err(Failure::usage(anyhow!(
                "the key {name:?} was compared, and a signature does not replace it"
            )));
        }
        self.replace(Pin {
            compared: false,
            signer: Some(voucher.signer.clone()),
            signed_at: Some(voucher.signed_at),
            ..Pin::compared(name, key, now)
        });
        self.save()
    }

    fn replace(&mut self, mut new: Pin) {
        let keys = &mut self.content.keys;
        if let Some(old) = keys.iter().find(|pin| pin.name == new.name) {
            new.replaced.clone_from(&old.replaced);
            new.replaced.push(old.kid.clone());
            new.replaced.retain(|kid| *kid != new.kid);
            let surplus = new.replaced.len().saturating_sub(MOST_REPLACED);
            new.replaced.drain(..surplus);
        }
        keys.retain(|pin| pin.name != new.name);
        keys.push(new);
        keys.sort_by(|a, b| a.name.cmp(&b.name));
    }

    /// Remembers that a newer signature of a trusted key's card was seen.
    ///
    /// # Errors
    /// As [`pin`](Self::pin).
    pub fn note(&mut self, name: &str, voucher: &Voucher) -> Result<(), Failure> {
        let Some(pin) = self.content.keys.iter_mut().find(|pin| pin.name == name) else {
            return Ok(());
        };
        if pin.signed_at.is_some_and(|seen| seen >= voucher.signed_at) {
            return Ok(());
        }
        pin.signer = Some(voucher.signer.clone());
        pin.signed_at = Some(voucher.signed_at);
        self.save()
    }

    /// The signers of key cards, by name.
    pub fn card_signers(&self) -> &[CardSigner] {
        &self.content.card_signers
    }

    /// The signers of values, by name.
    pub fn value_signers(&self) -> &[ValueSigner] {
        &self.content.value_signers
    }

    /// The signers of values as the webhook's code knows them. One whose key is damaged is left out: nothing is signed
    /// by them.
    pub fn signatures(&self) -> Signatures {
        let signers = self.content.value_signers.iter();
        let known =
            signers.filter_map(|one| Some(VerifiedSigner::new(&*one.name, one.key().ok()?)));
        Signatures {
            signers: Arc::new(known.collect()),
            ..Signatures::default()
        }
    }

    /// The signer of key cards with this key.
    pub fn card_signer(&self, kid: &str) -> Option<&CardSigner> {
        self.content
            .card_signers
            .iter()
            .find(|signer| signer.kid == kid)
    }

    /// What the user calls the signer with this key, whatever they are trusted for.
    pub fn signer_name(&self, kid: &str) -> Option<&str> {
        let cards = self.content.card_signers.iter();
        let values = self.content.value_signers.iter();
        cards
            .map(|one| (&one.kid, &one.name))
            .chain(values.map(|one| (&one.kid, &one.name)))
            .find_map(|(known, name)| (known == kid).then_some(name.as_str()))
    }

    /// Pins a signer of these key cards under a name, in place of anyone who had the name, and saves. They keep the
    /// cards of the name, and keys that were introduced by it must be signed by the new key.
    ///
    /// # Errors
    /// As [`pin`](Self::pin).
    pub fn pin_card_signer(
        &mut self,
        name: &str,
        key: &SignerKey,
        cards: &[String],
        now: u64,
    ) -> Result<(), Failure> {
        let kid = key.kid();
        let signers = &mut self.content.card_signers;
        let mut cards = cards.to_vec();
        for old in signers
            .iter()
            .filter(|one| one.name == name || one.kid == kid)
        {
            cards.extend(old.cards.iter().cloned());
            for pin in &mut self.content.keys {
                if pin.signer.as_ref() == Some(&old.kid) {
                    pin.signer = Some(kid.clone());
                }
            }
        }
        cards.sort_unstable();
        cards.dedup();
        signers.retain(|one| one.name != name && one.kid != kid);
        signers.push(CardSigner {
            name: name.to_owned(),
            kid,
            fingerprint: key.spoken_fingerprint().to_string(),
            public_key: key.to_pem(),
            trusted_at: now,
            cards,
        });
        signers.sort_by(|a, b| a.name.cmp(&b.name));
        self.save()
    }

    /// Lets a trusted signer sign further cards, and saves.
    ///
    /// # Errors
    /// As [`pin`](Self::pin).
    pub fn extend_card_signer(&mut self, kid: &str, cards: &[String]) -> Result<(), Failure> {
        for one in self
            .content
            .card_signers
            .iter_mut()
            .filter(|one| one.kid == kid)
        {
            one.cards.extend(cards.iter().cloned());
            one.cards.sort_unstable();
            one.cards.dedup();
        }
        self.save()
    }

    /// Pins a signer of values under a name, in place of anyone who had the name, and saves.
    ///
    /// # Errors
    /// As [`pin`](Self::pin).
    pub fn pin_value_signer(
        &mut self,
        name: &str,
        key: &SignerKey,
        now: u64,
    ) -> Result<(), Failure> {
        let signers = &mut self.content.value_signers;
        signers.retain(|signer| signer.name != name);
        signers.push(ValueSigner {
            name: name.to_owned(),
            kid: key.kid(),
            fingerprint: key.spoken_fingerprint().to_string(),
            public_key: key.to_pem(),
            trusted_at: now,
        });
        signers.sort_by(|a, b| a.name.cmp(&b.name));
        self.save()
    }

    /// Forgets a key, by the name under which it is trusted; says whether there was one.
    ///
    /// # Errors
    /// Exit 2 when the list cannot be written.
    pub fn remove(&mut self, name: &str) -> Result<bool, Failure> {
        let before = self.content.keys.len();
        self.content.keys.retain(|pin| pin.name != name);
        self.save_if(self.content.keys.len() < before)
    }

    /// Forgets a signer of cards, of values or of both.
    ///
    /// # Errors
    /// Exit 2 when the list cannot be written.
    pub fn remove_signer(&mut self, name: &str) -> Result<bool, Failure> {
        let known = self.has_signer(name);
        self.content.card_signers.retain(|one| one.name != name);
        self.content.value_signers.retain(|one| one.name != name);
        self.save_if(known)
    }

    /// Whether a signer of cards or of values has this name.
    pub fn has_signer(&self, name: &str) -> bool {
        let cards = self.content.card_signers.iter().map(|one| &one.name);
        let values = self.content.value_signers.iter().map(|one| &one.name);
        cards.chain(values).any(|known| known == name)
    }

    fn save_if(&self, changed: bool) -> Result<bool, Failure> {
        if changed {
            self.save()?;
        }
        Ok(changed)
    }

    fn save(&self) -> Result<(), Failure> {
        let path = self.path()?;
        let text = format::print(&self.content).map_err(Failure::usage)?;
        if let Some(folder) = path.parent() {
            make_folder(folder)
                .with_context(|| format!("cannot make the folder `{}`", folder.shown()))
                .map_err(Failure::usage)?;
        }
        files::write(path, &text, Audience::Owner, Existing::Replace)
    }
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
}
