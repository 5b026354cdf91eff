//! The `signers` of the configuration, and `onlyFrom`: whose signature is asked for where.

use std::sync::Arc;

use jwe_envelope::{KeyError, SignerKey};

use super::keys::MAX_KEY_FILE;
use super::reader::{Setting, SettingMembers};
use super::rules::{Loader, bytes_of};
use crate::decide::Policy;
use crate::rulebook::Rulebook;
use crate::signatures::{OnlyFrom, Signatures, Signer};

/// Far more than one cluster needs.
const MAX_SIGNERS: usize = 1_000;

impl Loader<'_> {
    /// Reads the signers, before anything that names them.
    pub fn signers(&mut self, members: &SettingMembers<'_>) {
        let Some(field) = members.optional("signers") else {
            return;
        };
        let Some(fields) = field.list(self.problems) else {
            return;
        };
        if fields.is_empty() || fields.len() > MAX_SIGNERS {
            field.problem(
                self.problems,
                format!("must list from 1 to {MAX_SIGNERS} signers"),
            );
            return;
        }
        for field in fields {
            if let Some(signer) = self.signer(&field) {
                self.same_signer(&field, &signer);
                self.signers.push(signer);
            }
        }
    }

    fn signer(&mut self, field: &Setting<'_>) -> Option<Signer> {
        let members = field.members(self.problems, &["name", "publicKey"])?;
        let name = members
            .required(
                self.problems,
                "name",
                "give the signer a name for `onlyFrom`, denials and the audit",
            )
            .and_then(|field| self.key_name(&field));
        let key = members
            .required(
                self.problems,
                "publicKey",
                "name the file of the signer's public key, PEM or JWK",
            )
            .and_then(|field| self.signer_key(&field));
        Some(Signer::new(name?, key?))
    }

    fn signer_key(&mut self, field: &Setting<'_>) -> Option<SignerKey> {
        let path = self.path(field)?;
        let bytes = match bytes_of(self.read, &path, MAX_KEY_FILE) {
            Ok(bytes) => bytes,
            Err(message) => {
                field.problem(self.problems, format!("{} {message}", path.display()));
                return None;
            }
        };
        SignerKey::from_bytes(&bytes)
            .map_err(|error| {
                let path = path.display();
                let message = match error {
                    KeyError::PrivateKey => format!(
                        "{path} is a private key: name its public half, and leave the private one with the signer"
                    ),
                    KeyError::UnsupportedKind(_) => format!(
                        "{path} holds a key of a kind that signs nothing here; Ed25519, P-256 and RSA do"
                    ),
                    error => format!(
                        "{path} holds no public key of a signer: {:#}",
                        anyhow::Error::from(error)
                    ),
                };
                field.problem(self.problems, message);
            })
            .ok()
    }

    /// What this signer and an earlier one cannot have in common.
    fn same_signer(&mut self, field: &Setting<'_>, signer: &Signer) {
        for other in &self.signers {
            let name = other.name();
            if name == signer.name() {
                self.problems.add(
                    field.line_of("name"),
                    &format!("{}.name", field.path),
                    format!("{name:?} is already the name of another signer"),
                );
            }
            if other.key_id() == signer.key_id() {
                self.problems.add(
                    field.line_of("publicKey"),
                    &format!("{}.publicKey", field.path),
                    format!("is the same key as that of signer {name:?}"),
                );
            }
        }
    }

    /// Whose signature is asked for, where someone says so. The outer `None` is a fault.
    #[allow(
        clippy::option_option,
        reason = "the outer one is about faults, the inner one about the member"
    )]
    pub fn only_from(&mut self, members: &SettingMembers<'_>) -> Option<Option<OnlyFrom>> {
        let Some(field) = members.optional("onlyFrom") else {
            return Some(None);
        };
        let words = field.texts(self.problems);
        if words.is_empty() {
            field.problem(
                self.problems,
                "must list at least one of the `signers`; leave it out to open values no matter who sealed them",
            );
            return None;
        }
        if words.iter().any(|(_, word)| *word == "*") {
            if words.len() > 1 {
                field.problem(
                    self.problems,
                    "`*` means that no signature is asked for; it excludes other entries",
                );
                return None;
            }
            return Some(Some(OnlyFrom::Anybody));
        }
        let mut names: Vec<String> = Vec::new();
        let mut good = true;
        for (field, word) in words {
            if !self.signers.iter().any(|signer| signer.name() == word) {
                field.problem(
                    self.problems,
                    format!("{} is none of the `signers`", super::problem::quoted(word)),
                );
                good = false;
            } else if !names.iter().any(|name| name == word) {
                names.push(word.to_owned());
            }
        }
        good.then_some(Some(OnlyFrom::Signers(names)))
    }

    /// The policy with its signers and with what the keys say of them.
    pub fn signed_policy(&mut self, policy: Policy) -> Policy {
        let signatures = Signatures {
            signers: Arc::new(std::mem::take(&mut self.signers)),
            keys: Arc::new(std::mem::take(&mut self.key_only_from)),
            ..policy.signatures
        };
        Policy {
            signatures,
            ..policy
        }
    }
}

/// A sentence for each signer whose signature nothing asks for: the audit names it, and that is all.
pub fn unasked(policy: &Policy, rulebook: &Rulebook) -> Vec<String> {
    let rules = policy.signatures.only_from.iter();
    let rules = rules.chain(policy.signatures.keys.iter().map(|(_, rule)| rule));
    let namespaces = rulebook.namespaces.iter().chain(&rulebook.owners);
    let rules: Vec<&OnlyFrom> = rules
        .chain(namespaces.filter_map(|rule| rule.only_from.as_ref()))
        .collect();
    let asked = |name: &str| {
        rules.iter().any(|rule| match rule {
            OnlyFrom::Anybody => false,
            OnlyFrom::Signers(names) => names.iter().any(|one| one == name),
        })
    };
    let signers = policy.signatures.signers.iter();
    signers
        .filter(|signer| !asked(signer.name()))
        .map(|signer| {
            format!(
                "no `onlyFrom` names signer `{}`: the audit tells what it signed, and nothing is refused without",
                signer.name()
            )
        })
        .collect()
}
