//! Names as Kubernetes allows them, and patterns of such names.

use crate::error::BindingError;
use crate::untrusted::cut;

/// A name, or a prefix that ends in `-`, `.` or (for keys) `_` before a final `*`.
///
/// The star stands for one or more characters. Comparison is byte for byte.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pattern(String);

impl Pattern {
    pub(super) fn new(text: &str, kind: NameKind) -> Result<Self, BindingError> {
        match text.strip_suffix('*') {
            None if text.contains('*') => return Err(kind.illegal_pattern(text)),
            None => kind.check(text)?,
            Some(literal) => {
                if !literal.ends_with(kind.separators()) || literal.contains('*') {
                    return Err(kind.illegal_pattern(text));
                }
                // A literal is legal when some name starts so: `a` may follow in every kind.
                if kind.check(&format!("{literal}a")).is_err() {
                    return Err(kind.illegal_name(text));
                }
            }
        }
        Ok(Self(text.to_owned()))
    }

    /// For a name that has been checked.
    pub(super) fn exactly(name: &str) -> Self {
        Self(name.to_owned())
    }

    /// As written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What is before the star; `None` when this is a name rather than a pattern.
    pub fn literal(&self) -> Option<&str> {
        self.0.strip_suffix('*')
    }

    /// Whether it is this name, or the star stands for the rest of it.
    pub fn matches(&self, found: &str) -> bool {
        match self.literal() {
            None => self.0 == found,
            Some(literal) => found.len() > literal.len() && found.starts_with(literal),
        }
    }

    /// Whether it covers every name that the server may generate from `generateName`.
    pub(super) fn covers_generated(&self, generate_name: &str) -> bool {
        self.literal()
            .is_some_and(|literal| generate_name.starts_with(literal))
    }
}

/// The kinds of names in a binding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NameKind {
    Cluster,
    Key,
    Name,
    Namespace,
    ServiceAccount,
}

impl NameKind {
    fn illegal_name(self, found: &str) -> BindingError {
        BindingError::IllegalName {
            found: cut(found),
            expected: self.expected(),
        }
    }

    fn illegal_pattern(self, found: &str) -> BindingError {
        BindingError::IllegalPattern {
            found: cut(found),
            what: self.what(),
            after: self.separators_for_people(),
        }
    }

    pub(super) fn check(self, text: &str) -> Result<(), BindingError> {
        let legal = match self {
            Self::Cluster => is_cluster(text),
            Self::Key => is_key(text),
            Self::Name | Self::ServiceAccount => is_subdomain(text),
            Self::Namespace => is_label(text),
        };
        if legal {
            Ok(())
        } else {
            Err(self.illegal_name(text))
        }
    }

    /// What may be before the star.
    const fn separators(self) -> &'static [char] {
        match self {
            Self::Key => &['-', '.', '_'],
            _ => &['-', '.'],
        }
    }

    const fn separators_for_people(self) -> &'static str {
        match self {
            Self::Key => "`-`, `.` or `_`",
            Self::Namespace => "`-`",
            _ => "`-` or `.`",
        }
    }

    const fn what(self) -> &'static str {
        match self {
            Self::Cluster => "cluster name",
            Self::Key => "field",
            Self::Name => "Secret's name",
            Self::Namespace => "namespace",
            Self::ServiceAccount => "service account",
        }
    }

    const fn expected(self) -> &'static str {
        match self {
            Self::Cluster => {
                "a cluster name (1 to 253 letters, digits, and within it `-`, `.`, `_`, `/`, `:`)"
            }
            Self::Key => "a Secret's field (1 to 253 letters, digits, `-`, `.`, `_`)",
            Self::Name => "a Secret's name (1 to 253 lower-case letters, digits, `-`, `.`)",
            Self::Namespace => "a namespace (1 to 63 lower-case letters, digits, `-`)",
            Self::ServiceAccount => {
                "a service account's name (1 to 253 lower-case letters, digits, `-`, `.`)"
            }
        }
    }
}

const LONGEST: usize = 253;

/// RFC 1123 label.
fn is_label(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=63).contains(&text.len())
        && text.bytes().all(inner)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

/// RFC 1123 subdomain as Kubernetes has it: each part between dots begins and ends in a letter or
/// digit, and only the whole is bounded in length.
fn is_subdomain(text: &str) -> bool {
    let part = |part: &str| {
        !part.is_empty()
            && !part.starts_with('-')
            && !part.ends_with('-')
            && part
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    text.len() <= LONGEST && text.split('.').all(part)
}

/// A key of `data`: no path may hide in it, so `.` and what starts with `..` are none.
fn is_key(text: &str) -> bool {
    (1..=LONGEST).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
        && text != "."
        && !text.starts_with("..")
}

fn is_cluster(text: &str) -> bool {
    (1..=LONGEST).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._/:".contains(&byte))
        && text.starts_with(|first: char| first.is_ascii_alphanumeric())
        && text.ends_with(|last: char| last.is_ascii_alphanumeric())
}
