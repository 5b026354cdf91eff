//! Public keys to seal for: read from files, checked against what the user trusts.

use std::path::{Path, PathBuf};

use anyhow::anyhow;
use jwe_envelope::key_card::CardPlaces;
use jwe_envelope::{Binding, CardKey, KeyCard, KeyError, RecipientKey, Scope, certificate_end};
use zeroize::Zeroizing;

use crate::failure::Failure;
use crate::io::files;
use crate::keys::names::{is_card, is_private, name_of_file};
use crate::keys::trust::{ComparedCard, Pin};
use crate::keys::{fetch, services};
use crate::text::{Shown as _, covers, printable, shell_path};

/// Key files are small; whatever is larger is none.
pub const KEY_FILE_LIMIT: usize = 64 * 1024;

/// A public key and what its file says of it.
#[derive(Clone, Debug)]
pub struct SealKey {
    /// The key.
    pub recipient: RecipientKey,
    /// The name on its card.
    pub card_name: Option<String>,
    /// What the user calls the key, where its card has a name that they do not know.
    pub known_as: Option<String>,
    /// The clusters that its card says it serves, when there are several.
    pub clusters: Vec<String>,
    /// Where its card says that values sealed for it are meant to stand.
    pub places: CardPlaces,
    /// Key ids of the retired keys of its card.
    pub retired: Vec<String>,
    /// When its card says that no one should seal for it any more, Unix seconds.
    pub not_after: Option<u64>,
    /// When its certificate ends, if it was given as one, Unix seconds.
    pub certificate_end: Option<u64>,
    /// What its card said when the user compared the key, which holds whatever the file says now.
    pub compared: Option<ComparedCard>,
    /// Where it was read.
    pub path: PathBuf,
}

/// What is in a key file. A reference to a key service stands for the card that `privy key fetch` would write.
///
/// # Errors
/// Exit 2 for a file that cannot be read or a reference that is malformed, and as the key service answers.
pub fn read_key_file(path: &Path) -> Result<Zeroizing<Vec<u8>>, Failure> {
    match services::reference(path)? {
        Some(uri) => fetch::card_from(&uri).map(|card| Zeroizing::new(card.into_bytes())),
        None => files::read(path, KEY_FILE_LIMIT),
    }
}

/// The next step for a key in a form that is not read; `kind` is the flag of `openssl pkey` for it.
pub fn other_form(error: &KeyError, path: &Path, kind: &str) -> Option<String> {
    let file = shell_path(path);
    Some(match error {
        KeyError::Utf16 => format!("save it as UTF-8: iconv -f UTF-16 -t UTF-8 {file} > key.pem"),
        KeyError::Der => format!("convert it: openssl pkey {kind}-inform DER -in {file} -out key.pem"),
        KeyError::SeveralBlocks(_) => {
            "keep the key that is meant in a file of its own; several keys are given with several flags".to_owned()
        }
        _ => return None,
    })
}

impl SealKey {
    /// Reads the key to seal with: a PEM, certificate or JWK, or the active key of a card.
    ///
    /// # Errors
    /// Exit 2, also for a private key, which has no business where values are sealed.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        Self::from_bytes(path, &read_key_file(path)?)
    }

    /// As [`read`](Self::read), of what is in the file.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn from_bytes(path: &Path, bytes: &[u8]) -> Result<Self, Failure> {
        if is_private(bytes) {
            return Err(Failure::usage(anyhow!("`{}` is a private key, and sealing needs a public one", path.shown())).hint(
                format!(
                    "write its public half with `privy key show {} --output card`, and keep the private key away from here",
                    shell_path(path)
                ),
            ));
        }
        let unusable = |error: anyhow::Error| {
            Failure::usage(error.context(format!("cannot use the key `{}`", path.shown())))
                .hint("ask the key manager for the key card, or for the public key as PEM or JWK")
        };
        if !is_card(bytes) {
            let recipient = RecipientKey::from_bytes(bytes).map_err(|error| {
                let step = other_form(&error, path, "-pubin ");
                let failure = unusable(error.into());
                match step {
                    Some(step) => failure.hint(step),
                    None => failure,
                }
            })?;
            return Ok(Self {
                recipient,
                card_name: None,
                known_as: None,
                clusters: Vec::new(),
                places: CardPlaces::default(),
                retired: Vec::new(),
                not_after: None,
                certificate_end: certificate_end(bytes),
                compared: None,
                path: path.to_owned(),
            });
        }
        let card = KeyCard::parse(bytes).map_err(|error| unusable(error.into()))?;
        let key = card
            .active()
            .ok_or_else(|| unusable(anyhow!("the card holds no active key")))?;
        Ok(Self {
            recipient: key.recipient.clone(),
            card_name: key.name.clone(),
            known_as: None,
            clusters: clusters_of(key),
            places: key.places.clone(),
            retired: retired_beside(key, &card),
            not_after: key.not_after,
            certificate_end: None,
            compared: None,
            path: path.to_owned(),
        })
    }

    /// The name that it is trusted under: the card's, or the file's.
    pub fn name(&self) -> String {
        self.card_name
            .clone()
            .unwrap_or_else(|| name_of_file(&self.path))
    }

    /// Name and short fingerprint, as reports have them: the user's own name of the key goes before the card's.
    pub fn label(&self) -> String {
        label(
            &self.known_as.clone().unwrap_or_else(|| self.name()),
            &self.recipient.spoken_fingerprint().to_string(),
        )
    }

    /// Refuses a place for which the card says that the key is not meant, or said so when the user compared it.
    ///
    /// # Errors
    /// Exit 2, with the places of the card.
    pub fn check_places(&self, binding: &Binding) -> Result<(), Failure> {
        self.check_against(&self.places, binding, false)?;
        let Some(compared) = &self.compared else {
            return Ok(());
        };
        let before = CardPlaces {
            clusters: compared.clusters.clone(),
            namespaces: compared.namespaces.clone(),
        };
        self.check_against(&before, binding, true)
    }

    fn check_against(
        &self,
        places: &CardPlaces,
        binding: &Binding,
        compared: bool,
    ) -> Result<(), Failure> {
        let CardPlaces {
            namespaces,
            clusters,
        } = places;
        let place = match binding.scope() {
            Scope::Any => None,
            Scope::Namespace(namespace) => Some(namespace.as_str()),
        };
        let covered = |place: &str| namespaces.iter().any(|meant| covers(meant, place));
        if !namespaces.is_empty() && !place.is_some_and(covered) {
            let place = place.map_or("every namespace".to_owned(), |place| {
                format!("the namespace {:?}", printable(place, 64))
            });
            return Err(self.outside(&place, "namespaces", namespaces, compared));
        }
        let other = binding
            .audience()
            .iter()
            .find(|one| !clusters.contains(one));
        match other {
            Some(cluster) if !clusters.is_empty() => {
                let place = format!("the cluster {:?}", printable(cluster, 64));
                Err(self.outside(&place, "clusters", clusters, compared))
            }
            _ => Ok(()),
        }
    }

    fn outside(&self, place: &str, what: &str, meant: &[String], compared: bool) -> Failure {
        const MOST: usize = 5;
        let mut list = meant
            .iter()
            .take(MOST)
            .map(|one| printable(one, 64))
            .collect::<Vec<_>>()
            .join(", ");
        if meant.len() > MOST {
            list.push_str(", …");
        }
        if compared {
            return Failure::usage(anyhow!(
                "the key {} is not meant for {place}: when you compared it, the {what} of its card were {list}, and `{}` now \
                 says something else",
                self.label(),
                self.path.shown()
            ))
            .hint(format!(
                "ask the key manager who changed the card; if it is right, compare the key again: privy key trust {} --fingerprint DIGITS",
                shell_path(&self.path)
            ));
        }
        Failure::usage(anyhow!(
            "the key {} is not meant for {place}: the {what} of its card `{}` are {list}",
            self.label(),
            self.path.shown()
        ))
        .hint("seal for the key of this place; if the card is out of date, ask the key manager for the current one, or add --ignore-places")
    }
}

/// Name and the first groups of the fingerprint.
pub fn label(name: &str, fingerprint: &str) -> String {
    let short: Vec<_> = fingerprint.split(' ').take(3).collect();
    format!(
        "{:?} ({} …)",
        printable(name, 64),
        printable(&short.join(" "), 40)
    )
}

fn retired_beside(active: &CardKey, card: &KeyCard) -> Vec<String> {
    let kids = card.keys().iter().map(|key| key.recipient.kid());
    kids.filter(|kid| *kid != active.recipient.kid())
        .map(str::to_owned)
        .collect()
}

/// Where a key serves several clusters, an envelope says which ones it is for.
fn clusters_of(key: &CardKey) -> Vec<String> {
    let clusters = &key.places.clusters;
    if clusters.len() > 1 {
        clusters.clone()
    } else {
        Vec::new()
    }
}

/// The loud refusal of a key that bears the name of another.
pub fn changed(key: &SealKey, pin: &Pin) -> Failure {
    Failure::usage(anyhow!(
        "THE KEY {name:?} HAS CHANGED: `{}` is not the key that you trust under this name\n  \
         trusted:  {}\n            SHA-256 {}\n  \
         in file:  {}\n            SHA-256 {}",
        key.path.shown(),
        pin.fingerprint,
        pin.spki_sha256,
        key.recipient.spoken_fingerprint(),
        crate::text::hex(&key.recipient.spki_sha256()),
        name = printable(&pin.name, 64),
    ))
    .hint(format!(
        "nothing was sealed; ask the key manager whether the key was replaced, on a number that you know, and if so: \
         privy key trust --replace {}",
        shell_path(&key.path)
    ))
}
