//! Where a value is in a manifest and in a cluster, and what is said of it.
use jwe_envelope::ObjectName;
use secret_walker::ManifestSecret;

use crate::project::lint::rules::RuleId;

/// A rule, what is wrong, and the next step where it is not the rule's own.
pub type Issue = (RuleId, String, Option<String>);

/// Where a value sits in a manifest.
#[derive(Clone, Copy, Debug)]
pub struct ManifestField<'m, 'a> {
    /// Its Secret.
    pub secret: &'m ManifestSecret<'a>,
    /// Its key.
    pub key: &'m str,
    /// The Secret asks for it to be left closed.
    pub leave: bool,
    /// It is in an annotation.
    pub annotation: bool,
}

/// Where a value will be in a cluster.
#[derive(Clone, Debug)]
pub struct ClusterPlace<'t> {
    /// `None` where nothing says.
    pub namespace: Option<String>,
    /// The name, or what a generated name begins with.
    pub name: String,
    /// Whether the API server or Kustomize puts something behind the name.
    pub generated: bool,
    /// The key.
    pub key: &'t str,
    /// The annotation with its signature, if it has one.
    pub signature: Option<&'t str>,
    /// The kustomization that makes it so.
    pub through: Option<&'t str>,
    /// Whether the webhook opens its form.
    pub openable: bool,
}

impl ClusterPlace<'_> {
    /// The name as a place is checked with.
    pub fn name(&self) -> ObjectName<'_> {
        if self.generated {
            ObjectName::Generated(&self.name)
        } else {
            ObjectName::Named(&self.name)
        }
    }
}
