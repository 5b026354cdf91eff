//! What values are checked against: keys, policy and the rules of `.privy.yaml`, each read once.
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::anyhow;
use async_trait::async_trait;
use jwe_envelope::{CardStatus, KeyCard, RecipientKey, SecretBytes, UnwrapRequest};
use kms_backends::{
    Category, KeyEntry, KeyUnwrap, NamespaceSet, Registry, UnwrapError, read_file_bounded,
};
use tokio::time::Instant;
use unseal_policy::config::Rules;
use unseal_policy::decide::Policy;
use unseal_policy::rulebook::Rulebook;
use unseal_policy::signatures::Signatures;
use unseal_policy::width::Width;

use crate::cli::lint::LintArgs;
use crate::failure::Failure;
use crate::keys::{is_card, is_private, name_of_file, read_key_file};
use crate::project::contents::Contents;
use crate::project::glob;
use crate::project::lint::rules::RuleId;
use crate::project::lint::{self, LintSettings};
use crate::project::{Project, ProjectFault, ProjectPlace, Rule, find_above};
use crate::text::Shown as _;

/// Everything that does not depend on the file.
#[derive(Debug)]
pub struct LintSetup {
    /// The keys, as the webhook would have them. No one is asked to unwrap.
    pub registry: Registry,
    /// The webhook's policy, or its defaults.
    pub policy: Policy,
    /// What its configuration says of namespaces.
    pub rulebook: Rulebook,
    /// Whether they come from the webhook's configuration.
    pub by_policy: bool,
    /// What the cards say, by `kid`.
    pub cards: HashMap<String, Card>,
    /// Unix seconds.
    pub now: u64,
    /// Where the bytes of files come from.
    pub contents: Contents,
    only: Vec<RuleId>,
    allowed: Vec<RuleId>,
    given: bool,
    repositories: HashMap<PathBuf, Arc<Repository>>,
    /// The `kid` of the keys of each file that was read.
    files: HashMap<PathBuf, Arc<HashSet<String>>>,
    /// Each `.privy.yaml` that cannot be used and governs no more than a part of what is checked, and why.
    pub broken: BTreeMap<PathBuf, String>,
    folders: HashMap<PathBuf, Option<(Arc<Repository>, String)>>,
    /// Bytes of files beside kustomizations that may still be read for generators.
    generator_bytes: AtomicUsize,
}

/// Bytes of all files together that the generators of a run may name; a file counts as often as it is named.
pub const GENERATOR_BYTES: usize = 64 * 1024 * 1024;

/// What a card says of a key.
#[derive(Clone, Debug)]
pub struct Card {
    /// What people call it.
    pub name: String,
    /// For old values only.
    pub retired: bool,
    /// Not to be used after, Unix seconds.
    pub not_after: Option<u64>,
    /// The namespaces that it is meant for; `None` for all.
    pub namespaces: Option<NamespaceSet>,
    recipient: RecipientKey,
}

/// The `kid` of the keys of each file that a rule names.
type Kids = Vec<Arc<HashSet<String>>>;

/// A `.privy.yaml` and what it leads to.
#[derive(Debug)]
struct Repository {
    /// Each rule with the `kid` of its keys.
    rules: Vec<(Rule, Kids)>,
    settings: LintSettings,
}

/// What governs one file.
#[derive(Clone, Debug)]
pub struct PathRules<'s> {
    /// The first rule that fits, with its keys.
    pub rule: Option<(&'s Rule, &'s [Arc<HashSet<String>>])>,
    settings: Option<&'s LintSettings>,
    relative: String,
}

impl PathRules<'_> {
    /// The widest binding that is no finding.
    pub fn widest(&self) -> Width {
        self.settings
            .and_then(|settings| settings.widest)
            .unwrap_or(lint::WIDEST)
    }

    /// Why a finding does not count here.
    pub fn reason_for(&self, rule: RuleId) -> Option<&str> {
        self.settings?.reason_for(rule, &self.relative)
    }
}

impl LintSetup {
    /// Reads keys and policy.
    ///
    /// # Errors
    /// Exit 2 when a key or the webhook's configuration cannot be used.
    pub fn new(args: &LintArgs, now: u64) -> Result<Self, Failure> {
        let mut setup = Self {
            registry: empty()?,
            policy: Policy::default(),
            rulebook: Rulebook::default(),
            by_policy: false,
            cards: HashMap::new(),
            now,
            contents: if args.staged {
                Contents::staged(&args.paths)?
            } else {
                Contents::default()
            },
            only: args.rule.clone(),
            allowed: args.allow.clone(),
            given: !args.key.is_empty(),
            repositories: HashMap::new(),
            files: HashMap::new(),
            broken: BTreeMap::new(),
            folders: HashMap::new(),
            generator_bytes: AtomicUsize::new(GENERATOR_BYTES),
        };
        for path in &args.key {
            setup.read_key(path)?;
        }
        if let Some(path) = &args.policy {
            let rules = Rules::load(path, &read_file_bounded).map_err(|problems| {
                Failure::usage(anyhow!("{problems}").context(format!(
                    "the webhook's configuration `{}` is not valid",
                    path.shown()
                )))
                .hint("its form is described by schemas/webhook-config.schema.json")
            })?;
            setup.registry = by_rules(&rules)?;
            setup.policy = rules.policy;
            setup.rulebook = rules.rulebook;
            setup.by_policy = true;
        }
        Ok(setup)
    }

    /// Takes bytes from what generators may read; `false` when no more are left. Many generators may name one large
    /// file, which would otherwise be checked as often as it is named.
    pub fn take_generator_bytes(&self, bytes: usize) -> bool {
        self.generator_bytes
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                left.checked_sub(bytes)
            })
            .is_ok()
    }

    /// Knows the signers whom the user trusts, where no webhook's configuration names its own.
    pub fn trust(&mut self, signatures: Signatures) {
        if !self.by_policy {
            self.policy.signatures = signatures;
        }
    }

    /// Reads the `.privy.yaml` that governs `folder` (absolute), once for all folders.
    ///
    /// # Errors
    /// Exit 2 when it or one of its keys is not valid.
    pub fn enter(&mut self, folder: &Path, asked: &HashSet<PathBuf>) -> Result<(), Failure> {
        if self.folders.contains_key(folder) {
            return Ok(());
        }
        // A folder that is reached through a link is governed where it really is, as it is for `privy seal`.
        let real = std::fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
        let mut governed = None;
        if let Some(ProjectPlace { file, folder: real }) = find_above(real)
            && !self.broken.contains_key(&file)
        {
            let above = file.parent().unwrap_or(Path::new("/"));
            match self.repository(above, &file) {
                Ok(repository) => {
                    governed = relative(above, &real).map(|relative| (repository, relative));
                }
                // Someone else's part of the tree is no reason not to check the rest.
                Err(fault) if is_below(above, asked) => {
                    let root = format!("{}/", above.shown());
                    let reason = fault.reason().replace(&root, "");
                    self.broken.insert(file, reason);
                }
                Err(fault) => return Err(fault.into()),
            }
        }
        self.folders.insert(folder.to_owned(), governed);
        Ok(())
    }

    /// Every allowance of the `.privy.yaml` below the folders that were asked for.
    pub fn allowances<'s>(
        &'s self,
        asked: &'s HashSet<PathBuf>,
    ) -> impl Iterator<Item = (&'s Path, &'s lint::Allowed)> {
        let asked = |root: &Path| root.ancestors().any(|above| asked.contains(above));
        self.repositories
            .iter()
            .filter(move |(root, _)| asked(root))
            .flat_map(|(root, repository)| {
                let allowed = repository.settings.allowed();
                allowed.iter().map(|allowed| (root.as_path(), allowed))
            })
    }

    /// Makes the registry, once every folder is known.
    ///
    /// # Errors
    /// Exit 2 when the keys contradict each other.
    pub fn finish(&mut self) -> Result<(), Failure> {
        if self.by_policy {
            return Ok(());
        }
        let mut bearers: HashMap<&str, usize> = HashMap::new();
        for card in self.cards.values() {
            *bearers.entry(&card.name).or_default() += 1;
        }
        let mut builder = Registry::builder();
        for card in self.cards.values() {
            // The versions of one key share the name on its card; a registry names each entry once.
            let name = if bearers[card.name.as_str()] > 1 {
                format!("{} ({})", card.name, card.recipient.kid())
            } else {
                card.name.clone()
            };
            builder = builder.key(
                KeyEntry::builder(name, card.recipient.clone())
                    .namespaces(NamespaceSet::all())
                    .allow_unbound(true)
                    .default_key(self.cards.len() == 1)
                    .backend(Arc::new(Closed)),
            );
        }
        if !self.cards.is_empty() {
            self.registry = builder.build().map_err(contradiction)?;
        }
        Ok(())
    }

    /// Whether any key is known.
    pub fn knows_keys(&self) -> bool {
        self.by_policy || !self.cards.is_empty()
    }

    /// Whether a rule is to be checked.
    pub fn checks(&self, rule: RuleId) -> bool {
        (self.only.is_empty() || self.only.contains(&rule)) && !self.allowed.contains(&rule)
    }

    /// What governs a file of a folder that was entered.
    pub fn path_rules(&self, path: &Path) -> PathRules<'_> {
        let governed = path
            .parent()
            .and_then(|folder| self.folders.get(folder))
            .and_then(Option::as_ref);
        let (Some((repository, folder)), Some(name)) =
            (governed, path.file_name().and_then(|name| name.to_str()))
        else {
            return PathRules {
                rule: None,
                settings: None,
                relative: String::new(),
            };
        };
        let relative = if folder.is_empty() {
            name.to_owned()
        } else {
            format!("{folder}/{name}")
        };
        let rule = repository.rules.iter().find(|(rule, _)| {
            rule.paths
                .iter()
                .any(|pattern| glob::matches(pattern, &relative))
        });
        PathRules {
            // Keys that are given by hand are those of every path.
            rule: rule
                .map(|(rule, kids)| (rule, if self.given { &[][..] } else { kids.as_slice() })),
            settings: Some(&repository.settings),
            relative,
        }
    }

    fn repository(&mut self, root: &Path, file: &Path) -> Result<Arc<Repository>, ProjectFault> {
        if let Some(known) = self.repositories.get(root) {
            return Ok(Arc::clone(known));
        }
        let project = Project::read(file.to_owned())?;
        let mut with_keys = Vec::new();
        for rule in project.rules() {
            let mut kids = Vec::new();
            if !self.given {
                for key in &rule.keys {
                    let key = self.read_key(&root.join(key));
                    kids.push(key.map_err(ProjectFault::Unusable)?);
                }
            }
            with_keys.push((rule.clone(), kids));
        }
        let repository = Arc::new(Repository {
            rules: with_keys,
            settings: project.lint().clone(),
        });
        self.repositories
            .insert(root.to_owned(), Arc::clone(&repository));
        Ok(repository)
    }

    /// Reads every key of a file, retired ones too, and says their `kid`.
    fn read_key(&mut self, path: &Path) -> Result<Arc<HashSet<String>>, Failure> {
        // Many rules may name one card.
        if let Some(known) = self.files.get(path) {
            return Ok(Arc::clone(known));
        }
        let bytes = read_key_file(path)?;
        if is_private(&bytes) {
            return Err(Failure::usage(anyhow!(
                "`{}` is a private key, and checking needs a public one",
                path.shown()
            ))
            .hint("name the key card, and keep the private key away from here"));
        }
        let unusable = |error: anyhow::Error| {
            Failure::usage(error.context(format!("cannot use the key `{}`", path.shown())))
                .hint("ask the key manager for the key card, or for the public key as PEM or JWK")
        };
        let file = name_of_file(path);
        let cards: Vec<Card> = if is_card(&bytes) {
            let card = KeyCard::parse(&bytes).map_err(|error| unusable(error.into()))?;
            card.keys()
                .iter()
                .map(|key| Card {
                    name: key.name.clone().unwrap_or_else(|| file.clone()),
                    retired: key.status == CardStatus::Retired,
                    not_after: key.not_after,
                    namespaces: Some(&key.places.namespaces)
                        .filter(|namespaces| !namespaces.is_empty())
                        .and_then(|namespaces| NamespaceSet::parse(namespaces).ok()),
                    recipient: key.recipient.clone(),
                })
                .collect()
        } else {
            let recipient =
                RecipientKey::from_bytes(&bytes).map_err(|error| unusable(error.into()))?;
            vec![Card {
                name: file,
                retired: false,
                not_after: None,
                namespaces: None,
                recipient,
            }]
        };
        let mut kids = HashSet::new();
        for card in cards {
            let kid = card.recipient.kid().to_owned();
            kids.insert(kid.clone());
            // A key that is active on one of several cards is active.
            match self.cards.get_mut(&kid) {
                Some(known) => known.retired &= card.retired,
                None => {
                    self.cards.insert(kid, card);
                }
            }
        }
        let kids = Arc::new(kids);
        self.files.insert(path.to_owned(), Arc::clone(&kids));
        Ok(kids)
    }
}

/// Whether a folder is below one that was asked for, under the name that it was asked for or its own.
fn is_below(folder: &Path, asked: &HashSet<PathBuf>) -> bool {
    let below = |one: &Path| folder != one && folder.starts_with(one);
    asked
        .iter()
        .any(|one| below(one) || std::fs::canonicalize(one).is_ok_and(|one| below(&one)))
}

/// `below` as it reads from `root`, with `/`; `None` when it is no text.
pub fn relative(root: &Path, below: &Path) -> Option<String> {
    let parts: Vec<_> = below
        .strip_prefix(root)
        .ok()?
        .components()
        .map(|part| part.as_os_str().to_str())
        .collect::<Option<_>>()?;
    Some(parts.join("/"))
}

fn by_rules(rules: &Rules) -> Result<Registry, Failure> {
    let mut builder = Registry::builder();
    for key in &rules.keys {
        let mut entry = KeyEntry::builder(key.name.clone(), key.recipient.clone())
            .namespaces(key.namespaces.clone())
            .allow_unbound(key.allow_unbound)
            .default_key(key.is_default)
            .backend(Arc::new(Closed));
        for alias in &key.aliases {
            entry = entry.alias(alias);
        }
        builder = builder.key(entry);
    }
    builder.build().map_err(contradiction)
}

fn empty() -> Result<Registry, Failure> {
    Registry::builder().build().map_err(contradiction)
}

fn contradiction(error: kms_backends::RegistryError) -> Failure {
    Failure::usage(anyhow::Error::new(error).context("the keys do not fit together"))
        .hint("give each key once")
}

/// Stands where the webhook has a key service. Nothing here asks it.
#[derive(Debug)]
struct Closed;

#[async_trait]
impl KeyUnwrap for Closed {
    async fn unwrap_key(
        &self,
        _: &UnwrapRequest<'_>,
        _: Instant,
    ) -> Result<SecretBytes, UnwrapError> {
        Err(UnwrapError::new(
            Category::Misconfigured,
            "no key service is asked while checking",
        ))
    }
}
