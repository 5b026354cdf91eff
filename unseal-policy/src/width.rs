//! How wide an envelope may be opened: one field, one Secret, or more.

use std::fmt;

use jwe_envelope::{Binding, Pattern, Scope};

/// How much of a cluster an envelope opens in, from the narrowest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Width {
    /// One field of one Secret.
    Field,
    /// Fields or Secrets of one namespace whose names begin alike.
    Pattern,
    /// Any field of one Secret, or of those whose names begin alike.
    Secret,
    /// Any Secret of one namespace.
    Namespace,
    /// Namespaces whose names begin alike.
    Namespaces,
    /// Every namespace.
    Anywhere,
}

impl Width {
    /// Every width and its word in configurations, from the narrowest.
    pub const WORDS: [(&str, Self); 6] = [
        ("field", Self::Field),
        ("pattern", Self::Pattern),
        ("secret", Self::Secret),
        ("namespace", Self::Namespace),
        ("namespaces", Self::Namespaces),
        ("anywhere", Self::Anywhere),
    ];

    /// That of a binding. Clusters, dates and service accounts do not count.
    pub fn of(binding: &Binding) -> Self {
        let scope = match binding.scope() {
            Scope::Any => Self::Anywhere,
            Scope::Namespace(namespace) => part(Some(namespace), Self::Anywhere, Self::Namespaces),
        };
        scope.max(Self::within_namespace(binding))
    }

    /// That of a binding in the namespaces that it names, however many these are.
    pub fn within_namespace(binding: &Binding) -> Self {
        let name = part(binding.name(), Self::Namespace, Self::Pattern);
        name.max(part(binding.key(), Self::Secret, Self::Pattern))
    }

    /// The word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Field => "field",
            Self::Pattern => "pattern",
            Self::Secret => "secret",
            Self::Namespace => "namespace",
            Self::Namespaces => "namespaces",
            Self::Anywhere => "anywhere",
        }
    }

    /// In a sentence about where something may be opened.
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::Field => "in one field",
            Self::Pattern => "in fields or Secrets whose names begin alike",
            Self::Secret => "in any field of its Secret",
            Self::Namespace => "in every Secret of its namespace",
            Self::Namespaces => "in namespaces whose names begin alike",
            Self::Anywhere => "in every namespace",
        }
    }
}

/// How wide one part makes a binding.
fn part(part: Option<&Pattern>, open: Width, pattern: Width) -> Width {
    match part {
        None => open,
        Some(named) if named.literal().is_some() => pattern,
        Some(_) => Width::Field,
    }
}

impl fmt::Display for Width {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_member_that_is_missing_or_a_pattern_widens() {
        for (bind, width) in [
            (r#"{"v":1,"ns":"a","name":"b","key":"c"}"#, Width::Field),
            (r#"{"v":1,"ns":"a","name":"b","key":"c-*"}"#, Width::Pattern),
            (r#"{"v":1,"ns":"a","name":"b-*","key":"c"}"#, Width::Pattern),
            (r#"{"v":1,"ns":"a","name":"b-*"}"#, Width::Secret),
            (r#"{"v":1,"ns":"a","name":"b"}"#, Width::Secret),
            (r#"{"v":1,"ns":"a","key":"c"}"#, Width::Namespace),
            (r#"{"v":1,"ns":"a"}"#, Width::Namespace),
            (
                r#"{"v":1,"ns":"a-*","name":"b","key":"c"}"#,
                Width::Namespaces,
            ),
            (
                r#"{"v":1,"any":true,"name":"b","key":"c"}"#,
                Width::Anywhere,
            ),
        ] {
            let binding = Binding::from_json(bind).expect(bind);
            assert_eq!(Width::of(&binding), width, "{bind}");
        }
        assert!(Width::WORDS.windows(2).all(|pair| pair[0].1 < pair[1].1));
        assert!(
            Width::WORDS
                .iter()
                .all(|(word, width)| *word == width.as_str())
        );
    }
}
