//! Who may submit sealed values: users, groups and service accounts, by name or by the beginning of one.

use std::fmt;

use crate::name_pattern;

/// A list of those who may. Compared byte for byte with what the API server says of the user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Submitters(Vec<Submitter>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Submitter {
    Group(Pattern),
    /// Namespace and name.
    ServiceAccount(Pattern, Pattern),
    User(Pattern),
}

/// A name, or the beginning of names with `*` behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Pattern(String);

/// Why a word names no one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be `user:NAME`, `group:NAME` or `serviceAccount:NAMESPACE/NAME`, where each name may end in `*` and holds none elsewhere"
)]
pub struct NobodyNamed;

impl Submitters {
    /// Reads words such as `group:deployers` and `serviceAccount:flux-system/kustomize-controller`.
    ///
    /// # Errors
    /// For a word that is of another form.
    pub fn parse<S: AsRef<str>>(words: impl IntoIterator<Item = S>) -> Result<Self, NobodyNamed> {
        words
            .into_iter()
            .map(|word| Submitter::parse(word.as_ref()).ok_or(NobodyNamed))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Whether this user is one of them.
    pub fn allow<'g>(&self, name: &str, groups: &(impl Iterator<Item = &'g str> + Clone)) -> bool {
        self.0.iter().any(|submitter| match submitter {
            Submitter::Group(pattern) => groups.clone().any(|group| pattern.fits(group)),
            Submitter::ServiceAccount(namespace, account) => service_account(name)
                .is_some_and(|(of, name)| namespace.fits(of) && account.fits(name)),
            Submitter::User(pattern) => pattern.fits(name),
        })
    }
}

impl fmt::Display for Submitters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, submitter) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(", ")?;
            }
            match submitter {
                Submitter::Group(pattern) => write!(f, "group:{pattern}")?,
                Submitter::ServiceAccount(of, name) => write!(f, "serviceAccount:{of}/{name}")?,
                Submitter::User(pattern) => write!(f, "user:{pattern}")?,
            }
        }
        Ok(())
    }
}

impl Submitter {
    fn parse(word: &str) -> Option<Self> {
        let (kind, name) = word.split_once(':')?;
        match kind {
            "group" => Pattern::parse(name).map(Self::Group),
            "serviceAccount" => {
                let (namespace, name) = name.split_once('/')?;
                Some(Self::ServiceAccount(
                    Pattern::parse(namespace)?,
                    Pattern::parse(name)?,
                ))
            }
            "user" => Pattern::parse(name).map(Self::User),
            _ => None,
        }
    }
}

impl Pattern {
    fn parse(text: &str) -> Option<Self> {
        let name = text.strip_suffix('*').unwrap_or(text);
        let legal = !text.is_empty() && !name.contains('*') && !name.chars().any(char::is_control);
        legal.then(|| Self(text.to_owned()))
    }

    fn fits(&self, name: &str) -> bool {
        name_pattern::fits(&self.0, name)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Namespace and name of a service account, which the API server writes into its user's name.
fn service_account(user: &str) -> Option<(&str, &str)> {
    let (namespace, name) = user
        .strip_prefix("system:serviceaccount:")?
        .split_once(':')?;
    (!name.contains(':')).then_some((namespace, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allow(word: &str, user: &str, groups: &[&str]) -> bool {
        let list = Submitters::parse([word]).unwrap();
        assert_eq!(list.to_string(), word);
        list.allow(user, &groups.iter().copied())
    }

    #[test]
    fn names_are_compared_whole_unless_they_end_in_a_star() {
        for (word, user, groups, expected) in [
            ("user:alice", "alice", &[][..], true),
            ("user:alice", "alice2", &[], false),
            ("user:alice", "Alice", &[], false),
            ("user:al*", "alice", &[], true),
            ("user:al*", "bob", &["alice"], false),
            ("user:*", "anyone", &[], true),
            ("group:deployers", "x", &["a", "deployers"], true),
            ("group:deployers", "deployers", &["a"], false),
            ("group:oidc:*", "x", &["oidc:team"], true),
            (
                "serviceAccount:flux/apply",
                "system:serviceaccount:flux:apply",
                &[],
                true,
            ),
            (
                "serviceAccount:flux/apply",
                "system:serviceaccount:flux:apply2",
                &[],
                false,
            ),
            (
                "serviceAccount:flux/*",
                "system:serviceaccount:flux:any",
                &[],
                true,
            ),
            (
                "serviceAccount:flux/*",
                "system:serviceaccount:flux2:any",
                &[],
                false,
            ),
            (
                "serviceAccount:team-*/deploy",
                "system:serviceaccount:team-a:deploy",
                &[],
                true,
            ),
            (
                "serviceAccount:team-*/deploy",
                "system:serviceaccount:team-a:x:deploy",
                &[],
                false,
            ),
            ("serviceAccount:flux/apply", "flux/apply", &[], false),
        ] {
            assert_eq!(allow(word, user, groups), expected, "{word} {user}");
        }
    }

    #[test]
    fn an_empty_list_allows_nobody() {
        assert!(!Submitters::default().allow("alice", &["g"].into_iter()));
    }

    #[test]
    fn other_words_are_refused() {
        for word in [
            "",
            "alice",
            "user:",
            "users:alice",
            "user:a*b",
            "user:**",
            "serviceAccount:apply",
            "serviceAccount:/apply",
            "serviceAccount:flux/",
            "group:\n",
        ] {
            assert_eq!(Submitters::parse([word]), Err(NobodyNamed), "{word}");
        }
    }
}
