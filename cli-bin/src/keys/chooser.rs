//! Which keys a file is sealed for: those of `--key`, or those of its rule in `.privy.yaml`.
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::anyhow;
use jwe_envelope::RecipientKey;

use super::{SealKey, changed, read_key_file, signed};
use crate::cli::groups::Layout;
use crate::io::Io;
use crate::place::Fallback;
use crate::project::{Place, Project, Rule};
use crate::report::Failure;
use crate::text::printable;
use crate::trust::{Pin, Standing, Store, Voucher};

/// The keys for one file, and what `.privy.yaml` says of its place.
#[derive(Debug, Default)]
pub struct Choice {
    /// The keys, at least one.
    pub keys: Vec<Arc<SealKey>>,
    /// Namespace of manifests that do not name theirs.
    pub namespace: Option<String>,
    /// Name of the Secret, where nothing else says.
    pub name: Option<String>,
    /// Where envelopes stand in the manifest, where no flag says.
    pub layout: Option<Layout>,
    /// Whether the rule wants what is sealed to be signed.
    pub signed: bool,
    rule_clusters: Vec<String>,
}

impl Choice {
    fn new(keys: Vec<Arc<SealKey>>, rule: Option<&Rule>) -> Self {
        Self {
            keys,
            namespace: rule.and_then(|rule| rule.namespace.clone()),
            name: rule.and_then(|rule| rule.name.clone()),
            layout: rule.and_then(|rule| rule.layout),
            signed: rule.is_some_and(|rule| rule.signed),
            rule_clusters: rule.map(|rule| rule.clusters.clone()).unwrap_or_default(),
        }
    }

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

/// Finds the keys for files. Every key, every folder and every `.privy.yaml` is read once, however many files there are.
#[derive(Debug)]
pub struct Chooser {
    given: Vec<PathBuf>,
    read: HashMap<PathBuf, Arc<SealKey>>,
    places: HashMap<PathBuf, Option<Place>>,
    projects: HashMap<PathBuf, Arc<Project>>,
    choices: HashMap<Source, Arc<Choice>>,
    store: Option<Store>,
}

/// What a choice follows from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Source {
    /// The `.privy.yaml`, and which of its rules.
    rule: Option<(PathBuf, usize)>,
}

impl Chooser {
    /// With the keys that `--key` names, or none.
    pub fn new(given: &[PathBuf]) -> Self {
        Self {
            given: given.to_vec(),
            read: HashMap::new(),
            places: HashMap::new(),
            projects: HashMap::new(),
            choices: HashMap::new(),
            store: None,
        }
    }

    /// The keys that `--key` names, or that `.privy.yaml` has for `file`. Standard input counts as a file of
    /// the present folder.
    ///
    /// # Errors
    /// Exit 2 when there is no key, or one that is not trusted.
    pub fn keys(&mut self, file: Option<&Path>, io: &mut Io<'_>) -> Result<Arc<Choice>, Failure> {
        if self.given.is_empty() {
            return self.keys_and_place(file, io);
        }
        let keys = self.given_keys(io)?;
        Ok(Arc::new(Choice::new(keys, None)))
    }

    /// As [`keys`](Self::keys), and the place that `.privy.yaml` gives the file, when it gives one.
    /// Files of one rule get one and the same choice.
    ///
    /// # Errors
    /// As [`keys`](Self::keys).
    pub fn keys_and_place(
        &mut self,
        file: Option<&Path>,
        io: &mut Io<'_>,
    ) -> Result<Arc<Choice>, Failure> {
        let file = file.unwrap_or(Path::new("-"));
        let project = self.project(file)?;
        let rule = match &project {
            Some((project, folder)) => project.rule_for(folder, file),
            None => None,
        };
        let source = Source {
            rule: match (&project, &rule) {
                (Some((project, _)), Some((number, _))) => {
                    Some((project.file().to_owned(), *number))
                }
                _ => None,
            },
        };
        if (rule.is_some() || !self.given.is_empty())
            && let Some(choice) = self.choices.get(&source)
        {
            return Ok(Arc::clone(choice));
        }
        let rule = rule.map(|(_, rule)| rule);
        let keys = if self.given.is_empty() {
            self.rule_keys(
                project.as_ref().map(|(project, _)| &**project),
                rule,
                file,
                io,
            )?
        } else {
            self.given_keys(io)?
        };
        let choice = Arc::new(Choice::new(keys, rule));
        self.choices.insert(source, Arc::clone(&choice));
        Ok(choice)
    }

    fn given_keys(&mut self, io: &mut Io<'_>) -> Result<Vec<Arc<SealKey>>, Failure> {
        self.load_store(io)?;
        let given = self.given.clone();
        given.iter().map(|path| self.given_key(path, io)).collect()
    }

    fn rule_keys(
        &mut self,
        project: Option<&Project>,
        rule: Option<&Rule>,
        file: &Path,
        io: &mut Io<'_>,
    ) -> Result<Vec<Arc<SealKey>>, Failure> {
        let Some(project) = project else {
            return Err(Failure::usage(anyhow!("there is no key to seal for"))
                .hint("give one with --key CARD, or describe the repository's keys in `.privy.yaml` at its root"));
        };
        let Some(rule) = rule else {
            return Err(Failure::usage(anyhow!(
                "no rule of `{}` fits `{}`",
                project.file().display(),
                file.display()
            ))
            .hint("add its path to a rule, or give a key with --key CARD"));
        };
        self.load_store(io)?;
        let signer = rule.signer.as_deref().map(|file| project.path_of(file));
        rule.keys
            .iter()
            .map(|key| self.found_key(&project.path_of(key), signer.as_deref(), io))
            .collect()
    }

    /// The `.privy.yaml` that governs the file, and the file's folder as it is really called.
    fn project(&mut self, file: &Path) -> Result<Option<(Arc<Project>, PathBuf)>, Failure> {
        let folder = match file.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        if !self.places.contains_key(folder) {
            let place = Project::find(folder)?;
            self.places.insert(folder.to_owned(), place);
        }
        let Some(Some(place)) = self.places.get(folder) else {
            return Ok(None);
        };
        let project = if let Some(project) = self.projects.get(&place.file) {
            Arc::clone(project)
        } else {
            let project = Arc::new(Project::read(place.file.clone())?);
            self.projects
                .insert(place.file.clone(), Arc::clone(&project));
            project
        };
        Ok(Some((project, place.folder.clone())))
    }

    /// A key that the user named is used as given, unless its card bears the name of another trusted key.
    fn given_key(&mut self, path: &Path, io: &mut Io<'_>) -> Result<Arc<SealKey>, Failure> {
        self.key(path, |store, key, bytes| {
            refuse_expired(key, io.now)?;
            let Some(name) = &key.card_name else {
                return Ok(());
            };
            let voucher = signed::vouch(key, bytes, None, store)?;
            match (store.standing(name, &key.recipient), voucher) {
                (Standing::Changed(pin), Some(voucher)) => {
                    replaced(key, &pin, &voucher, store, io);
                    Ok(())
                }
                (Standing::Changed(pin), None) => Err(changed(key, &pin)),
                (Standing::Trusted | Standing::Unknown, _) => Ok(()),
            }
        })
    }

    /// A key that a repository names must be trusted by the user, or signed by somebody whom the user trusts: who
    /// writes to the repository does not choose it.
    fn found_key(
        &mut self,
        path: &Path,
        signer: Option<&Path>,
        io: &mut Io<'_>,
    ) -> Result<Arc<SealKey>, Failure> {
        self.key(path, |store, key, bytes| {
            refuse_expired(key, io.now)?;
            let signer = signer
                .map(|signer| signed::trusted_signer(signer, store, io))
                .transpose()?;
            let voucher = signed::vouch(key, bytes, signer.as_deref(), store)?;
            match (store.standing(&key.name(), &key.recipient), voucher) {
                (Standing::Trusted, None) => Ok(()),
                (Standing::Trusted, Some(voucher)) => {
                    remember(store.note(&key.name(), &voucher), io);
                    Ok(())
                }
                (Standing::Changed(pin), Some(voucher)) => {
                    replaced(key, &pin, &voucher, store, io);
                    Ok(())
                }
                (Standing::Changed(pin), None) => Err(changed(key, &pin)),
                (Standing::Unknown, Some(voucher)) => {
                    let pinned = store.pin_signed(&key.name(), &key.recipient, &voucher, io.now);
                    remember(pinned, io);
                    io.say(format_args!(
                        "note: the key {:?} is trusted from now on: its card is signed by {:?}",
                        printable(&key.name(), 64),
                        printable(&voucher.name, 64)
                    ));
                    Ok(())
                }
                (Standing::Unknown, None) if io.can_ask() => {
                    crate::commands::key::trust::ask_and_pin(key, store, io)
                }
                (Standing::Unknown, None) => Err(Failure::usage(anyhow!(
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
        check: impl FnOnce(&mut Store, &SealKey, &[u8]) -> Result<(), Failure>,
    ) -> Result<Arc<SealKey>, Failure> {
        if let Some(key) = self.read.get(path) {
            return Ok(Arc::clone(key));
        }
        let bytes = read_key_file(path)?;
        let key = SealKey::from_bytes(path, &bytes)?;
        let store = self.store.get_or_insert_with(Store::nowhere);
        check(store, &key, &bytes)?;
        let key = Arc::new(key);
        self.read.insert(path.to_owned(), Arc::clone(&key));
        Ok(key)
    }

    /// Reads the user's trusted keys, once.
    fn load_store(&mut self, io: &Io<'_>) -> Result<(), Failure> {
        if self.store.is_none() {
            self.store = Some(Store::load(io)?);
        }
        Ok(())
    }
}

/// The signer of a card may replace its key: this is said, and not asked.
fn replaced(key: &SealKey, pin: &Pin, voucher: &Voucher, store: &mut Store, io: &mut Io<'_>) {
    let pinned = store.pin_signed(&key.name(), &key.recipient, voucher, io.now);
    remember(pinned, io);
    io.say(format_args!(
        "note: the key {:?} was replaced: its card is signed by {:?}\n  \
         before:  {}\n  now:     {}",
        printable(&key.name(), 64),
        printable(&voucher.name, 64),
        printable(&pin.fingerprint, 80),
        key.recipient.spoken_fingerprint(),
    ));
}

/// The signature is what counts. Where the list cannot be written, as in CI, it will be verified again next time.
fn remember(saved: Result<(), Failure>, io: &mut Io<'_>) {
    if let Err(failure) = saved {
        io.say(format_args!(
            "note: this is not remembered: {}",
            failure.message()
        ));
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
