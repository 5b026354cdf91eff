//! Which keys a file is sealed for: those of `--key`, or those of its rule in `.privy.yaml`.
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::anyhow;
use jwe_envelope::RecipientKey;
use secret_walker::Manifest;

use super::earlier::Earlier;
use super::{SealKey, changed, label, read_key_file, signed};
use crate::cli::groups::{KeyArgs, Layout};
use crate::failure::Failure;
use crate::io::{Io, files};
use crate::keys::pinning;
use crate::keys::settings::UserSettings;
use crate::keys::trust::{Pin, Store, TrustState, Voucher};
use crate::project::{self, Project, ProjectPlace, Rule};
use crate::text::{Shown as _, printable, shell_path};

/// What stands for the path of a value or manifest that comes from standard input.
const STANDARD_INPUT: &str = "-";

/// The keys for one file, and what `.privy.yaml` says of its place.
#[derive(Debug, Default)]
pub struct Choice {
    /// The keys, at least one.
    pub keys: Vec<Arc<SealKey>>,
    /// Namespace of manifests that do not name theirs.
    pub namespace: Option<String>,
    /// Name of the Secret, where nothing else says.
    pub name: Option<String>,
    /// Where envelopes are in the manifest, where no flag says.
    pub layout: Option<Layout>,
    /// Whether the rule wants what is sealed to be signed.
    pub signed: bool,
    /// Whether the user wants no look at the places of the cards.
    pub ignore_places: bool,
    /// The rule that chose the keys; nothing where `--key` did.
    chosen_by: Option<(PathBuf, usize)>,
    rule_clusters: Vec<String>,
}

/// What a rule of `.privy.yaml` says of the place, for what no flag says.
#[derive(Clone, Copy, Debug, Default)]
pub struct Fallback<'a> {
    /// The namespace.
    pub namespace: Option<&'a str>,
    /// The Secret's name.
    pub name: Option<&'a str>,
}

impl Choice {
    fn new(keys: Vec<Arc<SealKey>>, rule: Option<&Rule>, ignore_places: bool) -> Self {
        Self {
            keys,
            ignore_places,
            chosen_by: None,
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

    /// Such as `the key "payments" (12345 67890 12345 …)`.
    pub fn label(&self) -> String {
        let labels: Vec<_> = self.keys.iter().map(|key| key.label()).collect();
        let keys = if labels.len() == 1 { "key" } else { "keys" };
        format!("the {keys} {}", labels.join(" and "))
    }

    /// The keys for programs.
    pub fn facts(&self) -> serde_json::Value {
        let facts = self.keys.iter().map(|key| {
            serde_json::json!({
                "name": key.name(),
                "kid": key.recipient.kid(),
                "fingerprint": key.recipient.spoken_fingerprint().to_string(),
            })
        });
        facts.collect()
    }

    /// Whether a repository chose the keys, and not `--key`.
    pub fn is_from_a_rule(&self) -> bool {
        self.chosen_by.is_some()
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
    require_trusted: bool,
    ignore_places: bool,
    /// Changes of keys that the user confirmed: what was sealed for these is now sealed for this one.
    confirmed: HashSet<(Vec<String>, String)>,
    /// What is in the folders of files that contain nothing sealed yet, by folder and rule.
    beside: HashMap<(PathBuf, usize), Earlier>,
    read: HashMap<PathBuf, Arc<SealKey>>,
    places: HashMap<PathBuf, Option<ProjectPlace>>,
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
    pub fn new(args: &KeyArgs) -> Self {
        Self {
            given: args.key.clone(),
            require_trusted: args.require_trusted,
            ignore_places: args.ignore_places,
            confirmed: HashSet::new(),
            beside: HashMap::new(),
            read: HashMap::new(),
            places: HashMap::new(),
            projects: HashMap::new(),
            choices: HashMap::new(),
            store: None,
        }
    }

    /// The keys that `--key` names, or that `.privy.yaml` has for `file`. Standard input counts as a file of
    /// the current folder.
    ///
    /// # Errors
    /// Exit 2 when there is no key, or one that is not trusted.
    pub fn keys(&mut self, file: Option<&Path>, io: &mut Io<'_>) -> Result<Arc<Choice>, Failure> {
        if self.given.is_empty() {
            return self.keys_and_place(file, io);
        }
        let keys = self.given_keys(io)?;
        Ok(Arc::new(Choice::new(keys, None, self.ignore_places)))
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
        let file = file.unwrap_or(Path::new(STANDARD_INPUT));
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
            let keys = self.given_keys(io)?;
            if let (Some((project, _)), Some(rule)) = (&project, rule) {
                refuse_another_than_the_rules(&keys, project, rule, file)?;
            }
            keys
        };
        let mut choice = Choice::new(keys, rule, self.ignore_places);
        if self.given.is_empty() {
            choice.chosen_by.clone_from(&source.rule);
        }
        let choice = Arc::new(choice);
        self.choices.insert(source, Arc::clone(&choice));
        Ok(choice)
    }

    /// Asks before a value is sealed for another key than what is in its file, or beside a new file, where a rule chose
    /// the key: anyone who changes the rule would choose who reads the value.
    ///
    /// # Errors
    /// Exit 2 where no one can be asked, exit 1 when the user says no.
    pub fn confirm_change(
        &mut self,
        choice: &Choice,
        earlier: &Earlier,
        file: &Path,
        io: &mut Io<'_>,
    ) -> Result<(), Failure> {
        let Some((project, rule)) = &choice.chosen_by else {
            return Ok(());
        };
        self.load_store(io)?;
        let beside = if earlier.recipients.is_empty() {
            self.beside(file, project, *rule)
        } else {
            Earlier::default()
        };
        let store = self.store.get_or_insert_with(Store::nowhere);
        for key in &choice.keys {
            let other = earlier.other_than(key, &choice.keys, store);
            let other = other.or_else(|| beside.other_than(key, &choice.keys, store));
            let Some(ids) = other else { continue };
            let change = (ids.clone(), key.recipient.kid().to_owned());
            if self.confirmed.contains(&change) {
                continue;
            }
            let where_ = if earlier.recipients.is_empty() {
                "files beside it"
            } else {
                "values in it"
            };
            confirm(key, ids, where_, (file, project), store, io)?;
            self.confirmed.insert(change);
        }
        Ok(())
    }

    /// For which keys other files of the folder were sealed that the same rule governs. A few are enough.
    fn beside(&mut self, file: &Path, project: &Path, rule: usize) -> Earlier {
        const MOST_FILES: usize = 32;
        const LONGEST: usize = 256 * 1024;
        let Some(place) = self.folder_of(file) else {
            return Earlier::default();
        };
        let Some(rules) = self.projects.get(project) else {
            return Earlier::default();
        };
        let known = (place.clone(), rule);
        if let Some(earlier) = self.beside.get(&known) {
            return earlier.clone();
        }
        let mut earlier = Earlier::default();
        let mut names: Vec<_> = std::fs::read_dir(&place)
            .into_iter()
            .flatten()
            .flatten()
            .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()))
            .map(|entry| entry.path())
            .filter(|path| crate::project::walk::is_manifest(path))
            .filter(|path| {
                rules
                    .rule_for(&place, path)
                    .is_some_and(|(number, _)| number == rule)
            })
            .collect();
        names.sort();
        for path in names.into_iter().take(MOST_FILES) {
            let Ok(bytes) = files::read(&path, LONGEST) else {
                continue;
            };
            if let Ok(manifest) = Manifest::parse(&bytes) {
                earlier.recipients.extend(Earlier::of(&manifest).recipients);
            }
        }
        self.beside.insert(known, earlier.clone());
        earlier
    }

    /// The folder of a file as it is really called, once its project was looked for.
    fn folder_of(&self, file: &Path) -> Option<PathBuf> {
        let folder = match file.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        Some(self.places.get(folder)?.as_ref()?.folder.clone())
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
            if file == Path::new(STANDARD_INPUT) {
                return Err(Failure::usage(anyhow!(
                    "the value comes from standard input, so no rule of `{}` chooses its key",
                    project.file().shown()
                ))
                .hint(
                    "name the key with --key CARD, or write the value into its manifest: privy set FILE FIELD",
                ));
            }
            return Err(Failure::usage(anyhow!(
                "no rule of `{}` fits `{}`",
                project.file().shown(),
                file.shown()
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
            let place = project::find(folder)?;
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

    /// A key that the user named is used as given, unless its card has the name of another trusted key. One that was never
    /// compared is named, or refused where the user wants that.
    fn given_key(&mut self, path: &Path, io: &mut Io<'_>) -> Result<Arc<SealKey>, Failure> {
        let required = self.require_trusted || UserSettings::load(io)?.trust_required;
        self.key(path, |store, key, bytes| {
            check_end(key, io)?;
            let (trust_state, voucher) = match &key.card_name {
                Some(name) => (
                    store.trust_state(name, &key.recipient),
                    signed::vouch(key, bytes, None, store)?,
                ),
                None if store.by_kid(key.recipient.kid()).is_some() => (TrustState::Trusted, None),
                None => (TrustState::Unknown, None),
            };
            match (trust_state, voucher) {
                (TrustState::Changed(pin), Some(voucher)) => {
                    replaced(key, &pin, &voucher, store, io)
                }
                (TrustState::Changed(pin), None) => Err(changed(key, &pin)),
                (TrustState::Trusted, _) | (TrustState::Unknown, Some(_)) => Ok(()),
                (TrustState::Unknown, None) if required => Err(never_compared(key)),
                (TrustState::Unknown, None) => {
                    io.say(format_args!(
                        "note: sealing for the key {:?}, fingerprint {}, which you never compared; do it once: {}",
                        printable(&key.name(), 64),
                        key.recipient.spoken_fingerprint(),
                        pinning::command_for(path)
                    ));
                    Ok(())
                }
            }
        })
    }

    /// A key that a repository names must be trusted by the user, or signed by someone whom the user trusts: who
    /// writes to the repository does not choose it.
    fn found_key(
        &mut self,
        path: &Path,
        signer_path: Option<&Path>,
        io: &mut Io<'_>,
    ) -> Result<Arc<SealKey>, Failure> {
        self.key(path, |store, key, bytes| {
            check_end(key, io)?;
            let signer = signer_path
                .map(|path| rule_signer(path, key, store, io))
                .transpose()?
                .flatten();
            let voucher = signed::vouch(key, bytes, signer.as_deref(), store)?;
            if let Some(path) = signer_path {
                say_whose_signature_counts(path, key, store, io);
            }
            match (store.trust_state(&key.name(), &key.recipient), voucher) {
                (TrustState::Trusted, None) => Ok(()),
                (TrustState::Trusted, Some(voucher)) => {
                    remember(store.note(&key.name(), &voucher), io);
                    Ok(())
                }
                (TrustState::Changed(pin), Some(voucher)) => {
                    replaced(key, &pin, &voucher, store, io)
                }
                (TrustState::Changed(pin), None) => Err(changed(key, &pin)),
                (TrustState::Unknown, Some(voucher)) => {
                    let pinned = store.pin_signed(&key.name(), &key.recipient, &voucher, io.now);
                    remember(pinned, io);
                    io.say(format_args!(
                        "note: the key {:?} is trusted from now on: its card is signed by {:?}",
                        printable(&key.name(), 64),
                        printable(&voucher.name, 64)
                    ));
                    Ok(())
                }
                (TrustState::Unknown, None) if io.can_ask() => pinning::ask_and_pin(key, store, io),
                (TrustState::Unknown, None) => Err(Failure::usage(anyhow!(
                    "the key {:?} of `{}` is not trusted yet",
                    printable(&key.name(), 64),
                    path.shown()
                ))
                .hint(format!(
                    "compare its fingerprint with the key manager once: {}",
                    pinning::command_for(path)
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
        let mut key = SealKey::from_bytes(path, &bytes)?;
        let store = self.store.get_or_insert_with(Store::nowhere);
        key.compared = store
            .compared_card(&key.name(), key.recipient.kid())
            .cloned();
        check(store, &key, &bytes)?;
        if store.by_name(&key.name()).is_none() {
            let pin = store.by_kid(key.recipient.kid());
            key.known_as = pin.map(|pin| pin.name.clone());
        }
        let key = Arc::new(key);
        self.read.insert(path.to_owned(), Arc::clone(&key));
        Ok(key)
    }

    /// Reads the user's trusted keys, once.
    fn load_store(&mut self, io: &mut Io<'_>) -> Result<(), Failure> {
        if self.store.is_none() {
            self.store = Some(Store::load(io)?);
        }
        Ok(())
    }
}

/// The refusal of a key that no one compared, where the user wants none.
fn never_compared(key: &SealKey) -> Failure {
    Failure::usage(anyhow!(
        "the fingerprint of the key {:?} of `{}` was never compared, and you require it (--require-trusted, or `trust: \
         required` in your configuration)",
        printable(&key.name(), 64),
        key.path.shown()
    ))
    .hint(format!(
        "compare it with the key manager once: {}",
        pinning::command_for(&key.path)
    ))
}

/// Where a rule says for which keys a file is sealed, `--key` names some of them.
fn refuse_another_than_the_rules(
    given: &[Arc<SealKey>],
    project: &Project,
    rule: &Rule,
    file: &Path,
) -> Result<(), Failure> {
    let named = rule
        .keys
        .iter()
        .map(|key| SealKey::read(&project.path_of(key)));
    let named = named.collect::<Result<Vec<_>, _>>().map_err(|failure| {
        failure.context(format!(
            "cannot tell whether --key gives a key that the rule of `{}` for `{}` names",
            project.file().shown(),
            file.shown()
        ))
    })?;
    let is_named = |key: &&Arc<SealKey>| {
        named
            .iter()
            .any(|one| one.recipient.kid() == key.recipient.kid())
    };
    let Some(other) = given.iter().find(|key| !is_named(key)) else {
        return Ok(());
    };
    let labels: Vec<_> = named.iter().map(SealKey::label).collect();
    Err(Failure::usage(anyhow!(
        "--key gives the key {}, and the rule of `{}` for `{}` names {}",
        other.label(),
        project.file().shown(),
        file.shown(),
        labels.join(" and ")
    ))
    .hint(
        "leave --key out to seal for the key of the rule; if the rule is wrong, correct it first",
    ))
}

/// Asks whether the rule that names another key is right.
fn confirm(
    key: &SealKey,
    ids: &[String],
    what: &str,
    (file, project): (&Path, &Path),
    store: &Store,
    io: &mut Io<'_>,
) -> Result<(), Failure> {
    let before: Vec<_> = ids.iter().map(|id| name_of_kid(id, store)).collect();
    let change = format!(
        "{what} are sealed for the key {}, and the rule of `{}` for `{}` names another one: {}",
        before.join(" and "),
        project.shown(),
        file.shown(),
        key.label()
    );
    if !io.can_ask() {
        return Err(Failure::usage(anyhow!("{change}")).hint(format!(
            "find out who changed the rule and why; if it is right, run the command on a terminal and confirm it there, or name \
             the key yourself: --key {}",
            shell_path(&key.path)
        )));
    }
    io.say(format_args!("{change}"));
    let question = format!(
        "Anyone who has the private key of {} can open what you seal. Seal for it?",
        key.label()
    );
    let sure = io.confirm(&question).map_err(|error| {
        Failure::usage(anyhow::Error::new(error).context("cannot ask whether the rule is right"))
    })?;
    if sure {
        return Ok(());
    }
    Err(Failure::refused(anyhow!("cancelled; nothing was sealed"))
        .hint("ask the person who changed the rule in `.privy.yaml`"))
}

/// What the user calls a key, or its id.
fn name_of_kid(kid: &str, store: &Store) -> String {
    if let Some(pin) = store.by_kid(kid) {
        return label(&pin.name, &pin.fingerprint);
    }
    let knows = |pin: &&Pin| pin.replaced.iter().any(|old| old == kid);
    match store.pins().iter().find(knows) {
        Some(pin) => format!("{:?} as it was before", printable(&pin.name, 64)),
        None => format!("with the id {:?}", printable(kid, 64)),
    }
}

/// The signer whom a rule names, unless the key was accepted by a signature before: then that signer holds, whatever the
/// repository says.
fn rule_signer(
    path: &Path,
    key: &SealKey,
    store: &mut Store,
    io: &mut Io<'_>,
) -> Result<Option<String>, Failure> {
    let card = key.name();
    if store.by_name(&card).is_some_and(|pin| pin.signer.is_some()) {
        return Ok(None);
    }
    signed::trusted_signer(path, &card, store, io).map(Some)
}

/// The repository names another signer than the one by whose signature the key was accepted: worth knowing.
fn say_whose_signature_counts(path: &Path, key: &SealKey, store: &Store, io: &mut Io<'_>) {
    let card = key.name();
    let Some(own) = store.by_name(&card).and_then(|pin| pin.signer.as_deref()) else {
        return;
    };
    if signed::read_signer(path).is_ok_and(|named| named.kid() != own) {
        io.say(format_args!(
            "note: the rule names `{}` as the signer of the card {:?}, but you accepted its key from {:?}, whose \
             signature is the one that counts",
            path.shown(),
            printable(&card, 64),
            printable(store.signer_name(own).unwrap_or(own), 64)
        ));
    }
}

/// A signer may replace a key that a signature introduced: this is said, and not asked. A key that the user compared stays
/// until they compare another.
fn replaced(
    key: &SealKey,
    pin: &Pin,
    voucher: &Voucher,
    store: &mut Store,
    io: &mut Io<'_>,
) -> Result<(), Failure> {
    if pin.compared {
        return Err(changed(key, pin).context(format!(
            "{:?} signed a card with another key, and a signature does not replace a key that you compared",
            printable(&voucher.name, 64)
        )));
    }
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
    Ok(())
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

/// The key manager wants no one to seal for a key after the date on its card. That of a certificate is about the
/// certificate, and only said.
fn check_end(key: &SealKey, io: &mut Io<'_>) -> Result<(), Failure> {
    let now = io.now;
    if let Some(end) = key.certificate_end.filter(|end| now > *end) {
        io.say(format_args!(
            "warning: the certificate `{}` ended on {}; ask the key manager whether its key is still in use",
            key.path.shown(),
            crate::time::format(end)
        ));
    }
    let Some(end) = key.not_after.filter(|end| now > *end) else {
        let compared = key.compared.as_ref().and_then(|card| card.not_after);
        return match compared.filter(|end| now > *end) {
            Some(end) => Err(Failure::usage(anyhow!(
                "when you compared the key of `{}`, its card said not to seal for it after {}",
                key.path.shown(),
                crate::time::format(end)
            ))
            .hint(format!(
                "ask the key manager whether it is still in use; if it is, compare it again: {} --fingerprint DIGITS",
                pinning::command_for(&key.path)
            ))),
            None => Ok(()),
        };
    };
    Err(Failure::usage(anyhow!(
        "the card `{}` says not to seal for its key after {}",
        key.path.shown(),
        crate::time::format(end)
    ))
    .hint("ask the key manager for the current card"))
}
