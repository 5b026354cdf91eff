//! Which namespaces may use a key.

use std::fmt;

/// Namespaces by name, by prefix (`team-*`), or all of them (`*`). The default is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NamespaceSet {
    all: bool,
    names: Vec<String>,
    /// With their trailing `-`, without the `*`.
    prefixes: Vec<String>,
}

impl NamespaceSet {
    /// Every namespace.
    pub fn all() -> Self {
        Self {
            all: true,
            ..Self::default()
        }
    }

    /// No namespace.
    pub fn none() -> Self {
        Self::default()
    }

    /// Parses the entries of a configuration: a namespace, `prefix-*`, or `*`.
    ///
    /// # Errors
    /// An entry that cannot be a namespace, or a misplaced `*`.
    pub fn parse<S: AsRef<str>>(
        words: impl IntoIterator<Item = S>,
    ) -> Result<Self, NamespaceSetError> {
        let mut set = Self::default();
        for word in words {
            set.add(word.as_ref())?;
        }
        Ok(set)
    }

    /// Whether `namespace` is one of them, byte for byte.
    pub fn contains(&self, namespace: &str) -> bool {
        self.all
            || self.names.iter().any(|name| name == namespace)
            || self.prefixes.iter().any(|prefix| {
                // `*` stands for one or more characters.
                namespace.len() > prefix.len() && namespace.starts_with(prefix.as_str())
            })
    }

    /// Whether it is no namespace at all.
    pub fn is_empty(&self) -> bool {
        !self.all && self.names.is_empty() && self.prefixes.is_empty()
    }

    fn add(&mut self, word: &str) -> Result<(), NamespaceSetError> {
        if word == "*" {
            self.all = true;
        } else if let Some(prefix) = word.strip_suffix('*') {
            // Without the dash, `team*` would quietly take in `teamwork`.
            let stem = prefix
                .strip_suffix('-')
                .filter(|stem| is_label_start(stem) && prefix.len() < LABEL_MAX)
                .ok_or_else(|| NamespaceSetError::pattern(word))?;
            self.prefixes.push(format!("{stem}-"));
        } else if is_label(word) {
            self.names.push(word.to_owned());
        } else {
            return Err(NamespaceSetError::name(word));
        }
        Ok(())
    }
}

impl fmt::Display for NamespaceSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.all {
            return f.write_str("*");
        }
        let names = self.names.iter().cloned();
        let prefixes = self.prefixes.iter().map(|prefix| format!("{prefix}*"));
        let words: Vec<_> = names.chain(prefixes).collect();
        f.write_str(&words.join(", "))
    }
}

/// An entry that is not a namespace.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{word:?} is not a {what}")]
pub struct NamespaceSetError {
    word: String,
    what: &'static str,
}

impl NamespaceSetError {
    fn name(word: &str) -> Self {
        Self {
            word: crate::key_uri::cut(word),
            what: "namespace; write the name of a namespace, `prefix-*` or `*`",
        }
    }

    fn pattern(word: &str) -> Self {
        Self {
            word: crate::key_uri::cut(word),
            what: "namespace pattern; write `*` by itself or directly after a `-`",
        }
    }
}

const LABEL_MAX: usize = 63;

/// An RFC 1123 label, as Kubernetes wants namespaces.
fn is_label(word: &str) -> bool {
    word.len() <= LABEL_MAX && is_label_start(word) && !word.ends_with('-')
}

fn is_label_start(word: &str) -> bool {
    !word.is_empty()
        && !word.starts_with('-')
        && word
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_is_no_namespace() {
        assert!(NamespaceSet::default().is_empty());
        assert!(!NamespaceSet::none().contains("payments"));
        assert!(!NamespaceSet::none().contains(""));
    }

    #[test]
    fn names_are_compared_byte_for_byte() {
        let set = NamespaceSet::parse(["payments"]).unwrap();
        assert!(set.contains("payments"));
        for other in ["Payments", "payments2", "payment", "", "payments "] {
            assert!(!set.contains(other), "{other:?}");
        }
    }

    #[test]
    fn a_pattern_needs_at_least_one_more_character() {
        let set = NamespaceSet::parse(["team-*"]).unwrap();
        assert!(set.contains("team-a"));
        for other in ["team-", "team", "teamwork", "my-team-a"] {
            assert!(!set.contains(other), "{other:?}");
        }
    }

    #[test]
    fn star_alone_is_every_namespace() {
        let set = NamespaceSet::parse(["payments", "*"]).unwrap();
        assert!(set.contains("kube-system"));
        assert_eq!(set, NamespaceSet::parse(["payments", "*"]).unwrap());
        assert_eq!(set.to_string(), "*");
    }

    #[test]
    fn refuses_what_cannot_be_a_namespace() {
        for bad in [
            "", "-", "-a", "a-", "A", "a_b", "a.b", "team*", "**", "-*", "*-*", "a-*b", "te*am",
            "é",
        ] {
            assert!(NamespaceSet::parse([bad]).is_err(), "{bad:?}");
        }
        assert!(NamespaceSet::parse(["a".repeat(64)]).is_err());
        assert!(NamespaceSet::parse([format!("{}-*", "a".repeat(62))]).is_err());
    }

    #[test]
    fn prints_as_written() {
        let set = NamespaceSet::parse(["payments", "team-*"]).unwrap();
        assert_eq!(set.to_string(), "payments, team-*");
    }
}
