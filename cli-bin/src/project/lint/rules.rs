//! The rules: stable ids, how bad each is, and what to do about it. `docs/lint.md` has the same table.
use std::fmt;

use clap::ValueEnum;
use clap::builder::PossibleValue;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Worth knowing; does not count.
    Note,
    /// To be fixed, though the cluster may take it.
    Warning,
    /// A secret is open, or will not be opened.
    Error,
}

impl Level {
    /// As reports have it, SARIF too.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// What is said of a rule.
#[derive(Debug)]
pub struct LintRule {
    /// The stable word.
    pub id: &'static str,
    /// How bad.
    pub level: Level,
    /// One line.
    pub title: &'static str,
    /// Why it matters.
    pub why: &'static str,
    /// The next step.
    pub next: &'static str,
}

macro_rules! rules {
    ($($variant:ident = $id:literal $level:ident $title:literal, $why:literal, $next:literal;)*) => {
        /// A rule.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[allow(missing_docs, reason = "each has its title below")]
        pub enum RuleId { $($variant),* }

        impl RuleId {
            /// Every rule, in the order of their ids.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// What is said of it.
            pub const fn rule(self) -> &'static LintRule {
                match self {
                    $(Self::$variant => &LintRule {
                        id: $id, level: Level::$level, title: $title, why: $why, next: $next,
                    }),*
                }
            }
        }
    };
}

rules! {
    AnnotationLayout = "annotation-layout" Error
        "an annotation cannot hold this sealed value",
        "The annotation layout takes compact envelopes whose key has at most 58 characters and ends in a letter or digit.",
        "seal the field in the field layout: privy set --layout field";
    BareEnvelope = "bare-envelope" Error
        "an envelope is under `data` without base64",
        "Values of `data` are base64; the API server refuses this one with no more than `illegal base64`.",
        "move the field from `data` to `stringData`, which takes text as it is";
    BothSections = "both-sections" Error
        "a field is in both `data` and `stringData`",
        "The API server keeps the one of `stringData`; readers of the file may look at the other.",
        "keep one of the two";
    Damaged = "damaged" Error
        "a value claims to be an envelope and is damaged",
        "The webhook refuses the whole Secret.",
        "copy the whole envelope again from its source, or seal the value again";
    Expired = "expired" Error
        "the envelope's time to be introduced has passed",
        "The webhook refuses new values after their `exp`.",
        "seal the value again, with --expires or without";
    ExpiredKey = "expired-key" Warning
        "the key's card says not to use the key any more",
        "After `notAfter` no one should seal for the key; values sealed for it will be sealed again for another key.",
        "ask the key manager for the current card, then seal the value again: privy set FILE FIELD";
    Foreign = "foreign" Warning
        "an envelope that is not for this cluster",
        "It names neither a place nor a key that is known, so it stays as it is.",
        "seal the value with the key card; a token of another system may be allowed in `.privy.yaml`";
    InvalidProject = "invalid-project" Error
        "a `.privy.yaml` further down cannot be used",
        "What it says of keys and places is not known, so its folder was checked without it.",
        "fix it: its form is described by schemas/privy-yaml.schema.json";
    InvalidYaml = "invalid-yaml" Error
        "the file or a value in it cannot be read without guessing",
        "Readers of YAML differ about it, or none can read it; what is in it was not checked.",
        "fix the place that is shown";
    NamespaceNotAllowed = "namespace-not-allowed" Error
        "the key may not be used in this namespace",
        "The webhook's configuration gives the key to other namespaces.",
        "seal the value with a key of this namespace, or ask the administrator to allow it";
    NoName = "no-name" Error
        "a Secret has neither name nor generateName",
        "The API server refuses it.",
        "add `name:` to its metadata";
    NoNamespace = "no-namespace" Warning
        "nothing says into which namespace a Secret goes",
        "Whether its envelopes would open there cannot be determined.",
        "add `namespace:` to its metadata or its kustomization, or to the rule in `.privy.yaml`";
    NotBase64 = "not-base64" Error
        "a value under `data` is not base64",
        "The API server refuses the Secret.",
        "put text as it is under `stringData`";
    NotOpenable = "not-openable" Error
        "an envelope in a form that admission does not open",
        "The webhook opens envelopes that begin as `privy seal` writes them and refuses all other forms.",
        "privy seal --rewrite FILE";
    NotYetValid = "not-yet-valid" Warning
        "the envelope's time has not come yet",
        "The webhook refuses it before its `nbf`.",
        "wait, or seal the value again without --not-before";
    OtherKey = "other-key" Error
        "sealed for a key of other paths",
        "`.privy.yaml` has another key for this path.",
        "seal the value again with the key of its path, or move the file";
    OtherTool = "other-tool" Warning
        "a value that another tool has encrypted",
        "Admission stores it as it is, so applications get the ciphertext unless that tool decrypts the file first.",
        "leave it to its own tool, or decrypt it with that tool and seal the value";
    Oversize = "oversize" Error
        "more bytes than Kubernetes or the webhook take",
        "An envelope has at most 1.5 MiB, the values of a Secret 1 MiB together, its annotations 256 KiB.",
        "split the Secret";
    Plaintext = "plaintext" Error
        "a value is not sealed",
        "Anyone who reads the repository, now or later, reads the value. Base64 is not encryption.",
        "privy seal -i FILE, and change the value where it is in use: version control does not forget";
    PrivateKey = "private-key" Error
        "a private key is in a Git work tree",
        "Anyone who reads the repository, a copy of it or an image that was built from it has the key; one that is not tracked yet is with the next `git add`.",
        "move it out of the repository; if it was ever committed, replace the key and change every value that was sealed for it";
    RetiredKey = "retired-key" Warning
        "sealed for a retired key",
        "The key's card keeps it only for old values; one day it is disabled.",
        "seal the value again with the current key card: privy set FILE FIELD";
    RunTimeOnly = "run-time-only" Error
        "meant for one service account, and nothing asks for it to be left closed",
        "The webhook refuses an envelope with `sa` unless the Secret says to leave it.",
        "add the field to the annotation `privyseal.dev/leave`, or seal the value without --sa";
    SignerNotAllowed = "signer-not-allowed" Error
        "signed by a signer whose signature does not open it",
        "The webhook's configuration names other signers for this namespace or key.",
        "have one of them look at the value and sign it: privy sign FILE --key KEYFILE";
    SlipsPastFilter = "slips-past-filter" Error
        "an envelope that would be stored as it is",
        "The webhook is asked only about values that begin as envelopes do; this one does not, or its Secret is exempt.",
        "privy seal --rewrite FILE";
    Template = "template" Note
        "a template, which was not examined",
        "What a template becomes is known only when it is rendered.",
        "render it and check the result: helm template … | privy lint -";
    TypeCheck = "type-check" Error
        "the Secret lacks what its type needs",
        "The API server would refuse it, so the webhook does.",
        "add the field, or change the Secret's type";
    Unbound = "unbound" Warning
        "the envelope does not say where it may be opened",
        "Anyone who may write Secrets can move it anywhere; it opens only where the key's policy allows that.",
        "seal the value with `privy seal --for NAMESPACE/NAME/FIELD`";
    UnknownKey = "unknown-key" Error
        "sealed for a key that is not known here",
        "The webhook refuses envelopes for keys that it does not serve.",
        "seal the value with the current key card";
    Unreadable = "unreadable" Error
        "a file could not be read",
        "What is in it was not checked.",
        "fix its permissions or its name";
    Unsigned = "unsigned" Error
        "a sealed value is not signed, and it must be",
        "Anyone with the public key can seal a value for this place; a signature says which custodian vouches for it.",
        "have a custodian look at the value and sign it: privy sign FILE --key KEYFILE";
    Unsupported = "unsupported" Error
        "well-formed, and outside what the webhook opens",
        "Its algorithm, compression or critical header is none that is served.",
        "seal the value again with `privy seal`";
    WeakAlgorithm = "weak-algorithm" Warning
        "sealed with an algorithm that new values should not use",
        "RSA-OAEP without a number rests on SHA-1.",
        "seal the value again with a current key card";
    WideScope = "wide-scope" Warning
        "the envelope opens in more places than the configuration allows",
        "Anyone who may write one of those places can have the value opened there.",
        "seal the value only for its place, or widen `lint.widest` in `.privy.yaml`";
    WrongCluster = "wrong-cluster" Error
        "meant for other clusters",
        "The envelope names the clusters it is for, and not this one.",
        "seal the value for this cluster";
    WrongPlace = "wrong-place" Error
        "the envelope is in a place where it cannot be opened",
        "It was sealed for another namespace, Secret or field; the webhook refuses the whole Secret.",
        "put the value back where it was sealed for, or seal it again for this place";
    WrongSignature = "wrong-signature" Error
        "a signature that does not count",
        "It is damaged, or for another envelope: the value was changed after it was signed.",
        "have the custodian look at the value and sign it again: privy sign FILE --key KEYFILE";
}

impl RuleId {
    /// The stable word.
    pub const fn as_str(self) -> &'static str {
        self.rule().id
    }

    /// The rule of this id.
    pub fn find(id: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|rule| rule.as_str() == id)
    }
}

impl fmt::Display for RuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl ValueEnum for RuleId {
    fn value_variants<'a>() -> &'a [Self] {
        Self::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.as_str()).help(self.rule().title))
    }
}

#[cfg(test)]
mod tests {
    use super::RuleId;

    #[test]
    fn ids_are_sorted_words() {
        let ids: Vec<_> = RuleId::ALL.iter().map(|rule| rule.as_str()).collect();
        assert!(ids.is_sorted(), "{ids:?}");
        for id in ids {
            assert!(
                id.bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            );
            assert_eq!(RuleId::find(id).map(RuleId::as_str), Some(id));
        }
    }

    #[test]
    fn texts_are_sentences_that_end_in_a_next_step() {
        for rule in RuleId::ALL.iter().map(|rule| rule.rule()) {
            assert!(
                !rule.title.ends_with('.') && rule.why.ends_with('.'),
                "{}",
                rule.id
            );
            assert!(
                !rule.next.is_empty() && !rule.next.ends_with('.'),
                "{}",
                rule.id
            );
        }
    }
}
