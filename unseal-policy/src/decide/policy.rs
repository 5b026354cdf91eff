//! What the administrator wants, beyond what each key's entry says.

use crate::key_names::is_key;
use crate::signatures::Signatures;
use crate::width::Width;

/// What the administrator wants, beyond what each key's entry says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// What happens to envelopes for other clusters that admission could not open anyway.
    pub foreign: Foreign,
    /// What happens to values introduced after their `exp`.
    pub expired: Expired,
    /// The name of this cluster, which `aud` is compared with.
    pub cluster: Option<String>,
    /// The keys that may be used, by name; none named: those that allow it themselves.
    pub keys: Option<KeyNames>,
    /// The widest that an envelope may be bound.
    pub widest: Option<Width>,
    /// Whose signatures count, and where one is asked for.
    pub signatures: Signatures,
}

/// Keys by their configured names. A key that is named without a version serves each version as `name#version`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyNames(pub Vec<String>);

impl KeyNames {
    /// Whether this key is one of them.
    pub fn contains(&self, key: &str) -> bool {
        self.0.iter().any(|name| is_key(name, key))
    }
}

/// What happens to an envelope with neither `bind`, nor a served `kid`, nor a default key to try.
///
/// One in a [form that admission opens](jwe_envelope::is_openable_form) is refused whatever this says: the API server's
/// policies cannot tell it from one of ours. Tokens under a symmetric key (`dir`, `A*KW`, `PBES2`) are left alone whatever
/// this says. It is about everything between the two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Foreign {
    /// The review is denied.
    Deny,
    /// It is left alone with a warning, unless it would replace a plain value that is in use.
    #[default]
    Warn,
}

/// What happens to a value that is introduced after its `exp`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Expired {
    /// It is refused.
    #[default]
    Deny,
    /// It is opened, with a warning: a cluster is rebuilt from Git.
    Warn,
}
