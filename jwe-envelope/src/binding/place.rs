//! The place of one value.

use std::fmt;
use std::str::FromStr;

use super::error::BindingError;
use super::pattern::NameKind;
use crate::error::cut;

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

/// The name of the object under review.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObjectName<'a> {
    /// `metadata.name`.
    Named(&'a str),
    /// `metadata.generateName`: the name is not known yet.
    Generated(&'a str),
}
