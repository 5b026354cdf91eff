//! What the configuration decides by: its keys and its policy, without connections, certificates and addresses.

use std::io;
use std::path::{Path, PathBuf};

use jwe_envelope::RecipientKey;
use kms_backends::NamespaceSet;
use zeroize::Zeroizing;

use super::document::{self, ConfigNode};
use super::problem::Problems;
use super::reader::{Setting, SettingMembers};
use crate::decide::{Expired, Foreign, Policy};
use crate::rulebook::Rulebook;
use crate::signatures::{OnlyFrom, Signer};
use crate::submitters::Submitters;
use crate::width::Width;

/// Many times what a thousand keys need.
const MAX_FILE: usize = 1 << 20;

/// The part of a webhook's configuration that decides what happens to a value.
///
/// Anyone who checks manifests beforehand reads it with the webhook's own reader and needs nothing else of it: neither
/// the certificates nor a key service, which stay where the webhook runs.
#[derive(Clone, Debug)]
pub struct Rules {
    /// The keys served, in the order of the file.
    pub keys: Vec<KeyRule>,
    /// What the administrator wants beyond that.
    pub policy: Policy,
    /// What holds of namespaces, keys and those who submit.
    pub rulebook: Rulebook,
}

/// What the configuration says of one key.
#[derive(Clone, Debug)]
pub struct KeyRule {
    /// For people, logs and metrics.
    pub name: String,
    /// The public key, pinned to one algorithm.
    pub recipient: RecipientKey,
    /// Further `kid` values that mean this key.
    pub aliases: Vec<String>,
    /// Which namespaces may use it.
    pub namespaces: NamespaceSet,
    /// Whether envelopes without `bind` are opened.
    pub allow_unbound: bool,
    /// Whether envelopes without `kid` are tried with this key.
    pub is_default: bool,
}

impl Rules {
    /// Reads and checks keys and policy of `file`, together with the public keys that it names. Members about
    /// the server itself may be there and are not looked at.
    ///
    /// Files are read by `read`, this one and those that it names.
    ///
    /// # Errors
    /// Everything that is wrong with keys and policy, with its line.
    pub fn load(file: &Path, read: ReadFile<'_>) -> Result<Self, Problems> {
        let mut problems = Problems::new(file);
        let rules = document_of(file, read, &mut problems)
            .and_then(|root| Loader::new(file, read, &mut problems).rules(&Setting::root(&root)));
        rules
            .filter(|_| problems.is_empty())
            .ok_or_else(|| problems.sorted())
    }
}

/// Reads a file whole, as [`read_file_bounded`](kms_backends::read_file_bounded) does; `None` when it has more bytes.
pub type ReadFile<'a> = &'a dyn Fn(&Path, usize) -> io::Result<Option<Zeroizing<Vec<u8>>>>;

/// Reads a file that the configuration needs, or says why not, as in `cannot be read: no such file`.
///
/// # Errors
/// What to say behind the file's name.
pub fn bytes_of(
    read: ReadFile<'_>,
    file: &Path,
    most: usize,
) -> Result<Zeroizing<Vec<u8>>, String> {
    match read(file, most) {
        Ok(Some(bytes)) => Ok(bytes),
        Ok(None) => Err(format!("is longer than {most} bytes")),
        Err(error) => Err(format!("cannot be read: {error}")),
    }
}

/// Reads a configuration while it notes what is wrong.
pub struct Loader<'p> {
    /// The configuration file.
    pub file: &'p Path,
    pub(super) folder: &'p Path,
    /// How files are read.
    pub read: ReadFile<'p>,
    /// What to say of a reference to a key service that is not in this build, by its scheme and the feature that brings
    /// it. `None` where no key is to be connected.
    pub not_in_this_build: Option<fn(&str, &str) -> String>,
    /// What is wrong, so far.
    pub problems: &'p mut Problems,
    /// Who may submit values of which key, as far as the keys have been read.
    pub(super) key_submitters: Vec<(String, Submitters)>,
    /// The names of the keys, as far as they have been read.
    pub(super) key_names: Vec<String>,
    /// Whose signatures count, once they have been read.
    pub(super) signers: Vec<Signer>,
    /// Whose signature opens values of which key, as far as the keys have been read.
    pub(super) key_only_from: Vec<(String, OnlyFrom)>,
}

/// The members of the file.
pub const ROOT: &[&str] = &[
    "version",
    "listen",
    "health",
    "tls",
    "callers",
    "cluster",
    "keys",
    "policy",
    "limits",
    "cache",
    "audit",
    "keyServices",
    "kubeconfig",
    "signers",
    "subjectAccessReview",
];

impl<'p> Loader<'p> {
    /// Nothing read yet.
    pub fn new(file: &'p Path, read: ReadFile<'p>, problems: &'p mut Problems) -> Self {
        Self {
            file,
            folder: file.parent().unwrap_or(Path::new("")),
            read,
            not_in_this_build: None,
            problems,
            key_submitters: Vec::new(),
            key_names: Vec::new(),
            signers: Vec::new(),
            key_only_from: Vec::new(),
        }
    }

    fn rules(mut self, root: &Setting<'_>) -> Option<Rules> {
        let members = root.members(self.problems, ROOT)?;
        self.version(&members);
        self.signers(&members);
        let policy = self.policy(&members);
        let keys = self.key_rules(&members);
        let rulebook = self.rulebook(&members);
        let policy = policy.map(|policy| self.signed_policy(policy));
        Some(Rules {
            keys: keys?,
            policy: policy?,
            rulebook: rulebook?,
        })
    }

    /// Checks `version`.
    pub fn version(&mut self, members: &SettingMembers<'_>) {
        let Some(field) = members.required(self.problems, "version", "write `version: 1`") else {
            return;
        };
        field.integer(self.problems, 1..=1);
    }

    /// Reads `cluster` and `policy`.
    pub fn policy(&mut self, members: &SettingMembers<'_>) -> Option<Policy> {
        let cluster = members.optional("cluster").and_then(|field| {
            let text = field.text(self.problems)?;
            if !is_cluster_name(text) {
                field.problem(
                    self.problems,
                    "must be 1 to 253 characters of a-z, A-Z, 0-9, `-`, `.`, `_`, `:` and `/`",
                );
                return None;
            }
            Some(text.to_owned())
        });
        let mut policy = Policy {
            cluster,
            ..Policy::default()
        };
        if let Some(field) = members.optional("policy") {
            let members = field.members(
                self.problems,
                &[
                    "foreign",
                    "expired",
                    "widest",
                    "namespaces",
                    "owners",
                    "submitters",
                    "onlyFrom",
                ],
            )?;
            policy.signatures.only_from = self.only_from(&members)?.into_iter().collect();
            if let Some(field) = members.optional("foreign") {
                policy.foreign = field.word(
                    self.problems,
                    &[("warn", Foreign::Warn), ("deny", Foreign::Deny)],
                )?;
            }
            if let Some(field) = members.optional("expired") {
                policy.expired = field.word(
                    self.problems,
                    &[("deny", Expired::Deny), ("warn", Expired::Warn)],
                )?;
            }
            if let Some(field) = members.optional("widest") {
                policy.widest = Some(field.word(self.problems, &Width::WORDS)?);
            }
        }
        Some(policy)
    }

    /// A path, taken from the folder of the configuration file when it is relative.
    pub fn path(&mut self, field: &Setting<'_>) -> Option<PathBuf> {
        field.text(self.problems).map(|text| self.folder.join(text))
    }
}

/// The file as it was written; what keeps it from being read is noted.
pub fn document_of(file: &Path, read: ReadFile<'_>, problems: &mut Problems) -> Option<ConfigNode> {
    let text = match bytes_of(read, file, MAX_FILE) {
        Ok(text) => text,
        Err(message) => {
            problems.add(0, "", message);
            return None;
        }
    };
    match std::str::from_utf8(&text).map(document::parse) {
        Ok(Ok(root)) => Some(root),
        Ok(Err(problem)) => {
            problems.push(problem);
            None
        }
        Err(error) => {
            let line = text[..error.valid_up_to()].split(|b| *b == b'\n').count();
            problems.add(line as u64, "", "is not UTF-8");
            None
        }
    }
}

fn is_cluster_name(text: &str) -> bool {
    text.len() <= 253
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-._:/".contains(&b))
}
