//! The place of one value.

use std::fmt;
use std::str::FromStr;

use super::pattern::NameKind;
use crate::error::BindingError;
use crate::untrusted::cut;

/// The place of one value: namespace, Secret name, key. What people write as `payments/db/password`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    namespace: String,
    name: String,
    key: String,
}

impl Place {
    /// Checks that each part is a legal Kubernetes name.
    ///
    /// # Errors
    /// Names the part that is not.
    pub fn new(namespace: &str, name: &str, key: &str) -> Result<Self, BindingError> {
        NameKind::Namespace.check(namespace)?;
        NameKind::Name.check(name)?;
        NameKind::Key.check(key)?;
        Ok(Self {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            key: key.to_owned(),
        })
    }

    /// The namespace.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The Secret's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The key within `data`.
    pub fn key(&self) -> &str {
        &self.key
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.namespace, self.name, self.key)
    }
}

impl FromStr for Place {
    type Err = BindingError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = text.split('/');
        match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(namespace), Some(name), Some(key), None) => Self::new(namespace, name, key),
            _ => Err(BindingError::Place { found: cut(text) }),
        }
    }
}

/// A place as it was found in a review or a manifest. Its parts need not be legal names: those of a binding are, and one
/// that is not fits none of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FoundPlace<'a> {
    /// The namespace.
    pub namespace: &'a str,
    /// The name of the Secret.
    pub name: ObjectName<'a>,
    /// The key within `data`.
    pub key: &'a str,
}

impl<'a> From<&'a Place> for FoundPlace<'a> {
    fn from(place: &'a Place) -> Self {
        Self {
            namespace: place.namespace(),
            name: ObjectName::Named(place.name()),
            key: place.key(),
        }
    }
}

/// The name of the object under review.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ObjectName<'a> {
    /// `metadata.name`.
    Named(&'a str),
    /// `metadata.generateName`: the name is not known yet.
    Generated(&'a str),
}
