//! Public keys to seal for: read from files, checked against what the user trusts.
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use anyhow::{Context as _, anyhow};
use jwe_envelope::{CardKey, KeyCard, RecipientKey};
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::io::{Io, files};
use crate::place::Fallback;
use crate::project::Project;
use crate::report::Failure;
use crate::text::{printable, shell_word};
use crate::trust::{Pin, Standing, Store};

/// Key files are small; whatever is larger is none.
pub const KEY_FILE_LIMIT: usize = 64 * 1024;

/// A public key and what its file says of it.
#[derive(Clone, Debug)]
pub struct SealKey {
    /// The key.
    pub recipient: RecipientKey,
    /// The name on its card.
    pub card_name: Option<String>,
    /// The clusters that its card says it serves, when there are several.
    pub clusters: Vec<String>,
    /// When its card says that nobody should seal for it any more, Unix seconds.
    pub not_after: Option<u64>,
    /// Where it was read.
    pub path: PathBuf,
}

impl SealKey {
    /// Reads the key to seal with: a PEM, certificate or JWK, or the active key of a card.
    ///
    /// # Errors
    /// Exit 2, also for a private key, which has no business where values are sealed.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let bytes = files::read(path, KEY_FILE_LIMIT)?;
        if is_private(&bytes) {
            return Err(Failure::usage(anyhow!("`{}` is a private key, and sealing needs a public one", path.display())).hint(
                format!(
                    "write its public half with `privy key show {} --output card`, and keep the private key away from here",
                    shell_word(&path.display().to_string())
                ),
            ));
        }
        let unusable = |error: anyhow::Error| {
            Failure::usage(error.context(format!("cannot use the key `{}`", path.display())))
                .hint("ask the key manager for the key card, or for the public key as PEM or JWK")
        };
        if !is_card(&bytes) {
            let recipient =
                RecipientKey::from_bytes(&bytes).map_err(|error| unusable(error.into()))?;
            return Ok(Self {
                recipient,
                card_name: None,
                clusters: Vec::new(),
                not_after: None,
                path: path.to_owned(),
            });
        }
        let card = KeyCard::parse(&bytes).map_err(|error| unusable(error.into()))?;
        let key = card
            .active()
            .ok_or_else(|| unusable(anyhow!("the card holds no active key")))?;
        Ok(Self {
            recipient: key.recipient.clone(),
            card_name: key.name.clone(),
            clusters: clusters_of(key),
            not_after: key.not_after,
            path: path.to_owned(),
        })
    }

    /// The name that it is trusted under: the card's, or the file's.
    pub fn name(&self) -> String {
        self.card_name
            .clone()
            .unwrap_or_else(|| name_of_file(&self.path))
    }
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

/// The name of a file without what its kind adds to it.
pub fn name_of_file(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let ends = [
        ".card.json",
        ".pub.pem",
        ".json",
        ".jwk",
        ".jwks",
        ".pem",
        ".crt",
        ".cer",
    ];
    let stem = ends
        .iter()
        .find_map(|end| name.strip_suffix(end))
        .unwrap_or(&name);
    if stem.is_empty() {
        name.into_owned()
    } else {
        stem.to_owned()
    }
}

/// Whether the bytes are a JWK Set, which is what a card is.
pub fn is_card(bytes: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Set {
        #[allow(dead_code, reason = "its presence is what counts")]
        keys: IgnoredAny,
    }
    serde_json::from_slice::<Set>(bytes).is_ok()
}

/// Whether the bytes hold a private or symmetric key. Nothing of it is copied.
pub fn is_private(bytes: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Jwk {
        d: Option<IgnoredAny>,
        k: Option<IgnoredAny>,
        #[serde(default)]
        keys: Vec<Jwk>,
    }
    fn secret(jwk: &Jwk) -> bool {
        jwk.d.is_some() || jwk.k.is_some() || jwk.keys.iter().any(secret)
    }
    const MARK: &[u8] = b"PRIVATE KEY-----";
    bytes.windows(MARK.len()).any(|window| window == MARK)
        || serde_json::from_slice::<Jwk>(bytes).is_ok_and(|jwk| secret(&jwk))
}

/// The keys for one file, and what `.privy.yaml` says of its place.
#[derive(Debug, Default)]
pub struct Choice {
    /// The keys, at least one.
    pub keys: Vec<Rc<SealKey>>,
    /// Namespace of manifests that do not name theirs.
    pub namespace: Option<String>,
    /// Name of the Secret, where nothing else says.
    pub name: Option<String>,
    rule_clusters: Vec<String>,
}

impl Choice {
    /// What the rule says of the place.
    pub fn fallback(&self) -> Fallback<'_> {
        Fallback {
            namespace: self.namespace.as_deref(),
            name: self.name.as_deref(),
        }
    }

    /// Clusters that the values are for, where no flag says so: the rule's, or else those of the cards.
    pub fn clusters(&self) -> Vec<String> {
        if !self.rule_clusters.is_empty() {
            return self.rule_clusters.clone();
        }
        let mut clusters: Vec<_> = self
            .keys
            .iter()
            .flat_map(|key| key.clusters.iter().cloned())
            .collect();
        clusters.sort();
        clusters.dedup();
        clusters
    }

    /// The public keys.
    pub fn recipients(&self) -> Vec<RecipientKey> {
        self.keys.iter().map(|key| key.recipient.clone()).collect()
    }
}

/// Finds the keys for files; reads every key and every `.privy.yaml` once.
#[derive(Debug)]
pub struct Chooser {
    given: Vec<PathBuf>,
    read: HashMap<PathBuf, Rc<SealKey>>,
    projects: HashMap<PathBuf, Option<Rc<Project>>>,
    store: Option<Store>,
}

impl Chooser {
    /// With the keys that `--key` names, or none.
    pub fn new(given: &[PathBuf]) -> Self {
        Self {
            given: given.to_vec(),
            read: HashMap::new(),
            projects: HashMap::new(),
            store: None,
        }
    }

    /// The keys that `--key` names, or that `.privy.yaml` has for `file`. Standard input counts as a file of
    /// the present folder.
    ///
    /// # Errors
    /// Exit 2 when there is no key, or one that is not trusted.
    pub fn keys(&mut self, file: Option<&Path>, io: &mut Io<'_>) -> Result<Choice, Failure> {
        if self.given.is_empty() {
            return self.with_rule(file, io);
        }
        let given = self.given.clone();
        let keys = given
            .iter()
            .map(|path| self.given_key(path, io))
            .collect::<Result<_, _>>()?;
        Ok(Choice {
            keys,
            ..Choice::default()
        })
    }

    /// As [`keys`](Self::keys), and the place that `.privy.yaml` gives the file, when it gives one.
    ///
    /// # Errors
    /// As [`keys`](Self::keys).
    pub fn keys_and_place(
        &mut self,
        file: Option<&Path>,
        io: &mut Io<'_>,
    ) -> Result<Choice, Failure> {
        let choice = self.keys(file, io)?;
        if self.given.is_empty() {
            return Ok(choice);
        }
        let file = file.unwrap_or(Path::new("-"));
        let project = self.project(file)?;
        let rule = project
            .as_deref()
            .and_then(|project| project.rule_for(file));
        Ok(Choice {
            namespace: rule.and_then(|rule| rule.namespace.clone()),
            name: rule.and_then(|rule| rule.name.clone()),
            rule_clusters: rule.map(|rule| rule.clusters.clone()).unwrap_or_default(),
            ..choice
        })
    }

    fn with_rule(&mut self, file: Option<&Path>, io: &mut Io<'_>) -> Result<Choice, Failure> {
        let file = file.unwrap_or(Path::new("-"));
        let Some(project) = self.project(file)? else {
            return Err(Failure::usage(anyhow!("there is no key to seal for"))
                .hint("give one with --key CARD, or describe the repository's keys in `.privy.yaml` at its root"));
        };
        let Some(rule) = project.rule_for(file) else {
            return Err(Failure::usage(anyhow!(
                "no rule of `{}` fits `{}`",
                project.file().display(),
                file.display()
            ))
            .hint("add its path to a rule, or give a key with --key CARD"));
        };
        let keys = rule
            .keys
            .iter()
            .map(|key| self.found_key(&project.key_path(key), io))
            .collect::<Result<_, _>>()?;
        Ok(Choice {
            keys,
            namespace: rule.namespace.clone(),
            name: rule.name.clone(),
            rule_clusters: rule.clusters.clone(),
        })
    }

    fn project(&mut self, file: &Path) -> Result<Option<Rc<Project>>, Failure> {
        let folder = match file.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        if let Some(project) = self.projects.get(folder) {
            return Ok(project.clone());
        }
        let project = Project::discover(folder)?.map(Rc::new);
        self.projects.insert(folder.to_owned(), project.clone());
        Ok(project)
    }

    /// A key that the user named is used as given, unless its card bears the name of another trusted key.
    fn given_key(&mut self, path: &Path, io: &Io<'_>) -> Result<Rc<SealKey>, Failure> {
        let now = io.now;
        self.key(path, |chooser, key| {
            refuse_expired(key, now)?;
            let Some(name) = &key.card_name else {
                return Ok(());
            };
            match chooser.store(io)?.standing(name, &key.recipient) {
                Standing::Changed(pin) => Err(changed(key, &pin)),
                Standing::Trusted | Standing::Unknown => Ok(()),
            }
        })
    }

    /// A key that a repository names must be trusted by the user: who writes to the repository does not choose it.
    fn found_key(&mut self, path: &Path, io: &mut Io<'_>) -> Result<Rc<SealKey>, Failure> {
        self.key(path, |chooser, key| {
            refuse_expired(key, io.now)?;
            match chooser.store(io)?.standing(&key.name(), &key.recipient) {
                Standing::Trusted => Ok(()),
                Standing::Changed(pin) => Err(changed(key, &pin)),
                Standing::Unknown if io.can_ask() => {
                    crate::commands::key::trust::ask_and_pin(key, chooser.store(io)?, io)
                }
                Standing::Unknown => Err(Failure::usage(anyhow!(
                    "the key {:?} of `{}` is not trusted yet",
                    printable(&key.name(), 64),
                    path.display()
                ))
                .hint(format!(
                    "compare its fingerprint with the key manager once: {}",
                    crate::commands::key::trust::command_for(path)
                ))),
            }
        })
    }

    fn key(
        &mut self,
        path: &Path,
        check: impl FnOnce(&mut Self, &SealKey) -> Result<(), Failure>,
    ) -> Result<Rc<SealKey>, Failure> {
        if let Some(key) = self.read.get(path) {
            return Ok(Rc::clone(key));
        }
        let key = SealKey::read(path)?;
        check(self, &key)?;
        let key = Rc::new(key);
        self.read.insert(path.to_owned(), Rc::clone(&key));
        Ok(key)
    }

    fn store(&mut self, io: &Io<'_>) -> Result<&mut Store, Failure> {
        if self.store.is_none() {
            self.store = Some(Store::load(io)?);
        }
        self.store
            .as_mut()
            .context("the store was just read")
            .map_err(Failure::usage)
    }
}

/// The key manager wants nobody to seal for a key after the date on its card.
fn refuse_expired(key: &SealKey, now: u64) -> Result<(), Failure> {
    let Some(end) = key.not_after.filter(|end| now > *end) else {
        return Ok(());
    };
    Err(Failure::usage(anyhow!(
        "the card `{}` says not to seal for its key after {}",
        key.path.display(),
        crate::time::format(end)
    ))
    .hint("ask the key manager for the current card"))
}

/// The loud refusal of a key that bears the name of another.
pub fn changed(key: &SealKey, pin: &Pin) -> Failure {
    let path = key.path.display().to_string();
    Failure::usage(anyhow!(
        "THE KEY {name:?} HAS CHANGED: `{path}` is not the key that you trust under this name\n  \
         trusted:  {}\n            SHA-256 {}\n  \
         in file:  {}\n            SHA-256 {}",
        pin.fingerprint,
        pin.spki_sha256,
        key.recipient.spoken_fingerprint(),
        crate::text::hex(&key.recipient.spki_sha256()),
        name = printable(&pin.name, 64),
    ))
    .hint(format!(
        "nothing was sealed; ask the key manager whether the key was replaced, on a number that you know, and if so: \
         privy key trust --replace {}",
        shell_word(&path)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_files() {
        for (path, name) in [
            ("keys/payments.card.json", "payments"),
            ("payments.pem", "payments"),
            ("payments", "payments"),
            (".pem", ".pem"),
        ] {
            assert_eq!(name_of_file(Path::new(path)), name);
        }
    }

    #[test]
    fn knows_private_keys_when_it_sees_them() {
        for text in [
            "-----BEGIN PRIVATE KEY-----\n",
            "-----BEGIN RSA PRIVATE KEY-----\n",
            "-----BEGIN ENCRYPTED PRIVATE KEY-----\n",
            r#"{"kty":"RSA","n":"AQAB","d":"x"}"#,
            r#"{"kty":"oct","k":"x"}"#,
            r#"{"keys":[{"kty":"EC"},{"kty":"EC","d":"x"}]}"#,
        ] {
            assert!(is_private(text.as_bytes()), "{text}");
        }
        for text in [
            "-----BEGIN PUBLIC KEY-----\n",
            r#"{"kty":"RSA","n":"x","e":"AQAB"}"#,
            r#"{"keys":[{"kty":"EC"}]}"#,
        ] {
            assert!(!is_private(text.as_bytes()), "{text}");
        }
    }
}
