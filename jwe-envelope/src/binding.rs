//! Where an envelope may be opened: the `bind` member of the protected header.
use std::fmt;

/// The place of one value: namespace, Secret name, key. What people write as `payments/db/password`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    namespace: String,
    name: String,
    key: String,
}

impl Place {
    /// Checks that each part is a legal Kubernetes name.
    pub fn new(namespace: &str, name: &str, key: &str) -> Result<Self, BindingMismatch> {
        let _ = (namespace, name, key);
        todo!()
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

/// The name of the object under review.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObjectName<'a> {
    /// `metadata.name`.
    Named(&'a str),
    /// `metadata.generateName`: the name is not known yet.
    Generated(&'a str),
}

/// A name, or a prefix that ends in `-`, `.` or (for keys) `_` before a final `*`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pattern(String);

impl Pattern {
    /// As written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// One namespace (or pattern of namespaces), or everywhere, said out loud.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// `"any": true`.
    Any,
    /// `"ns": …`.
    Namespace(Pattern),
}

/// The `bind` member: valid by construction.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Binding {
    scope: Scope,
    name: Option<Pattern>,
    key: Option<Pattern>,
    service_account: Option<String>,
    audience: Vec<String>,
    not_before: Option<u64>,
    expires: Option<u64>,
}

impl Binding {
    /// For exactly one place.
    pub fn exact(place: &Place) -> Self {
        let _ = place;
        todo!()
    }
    /// The scope.
    pub fn scope(&self) -> &Scope {
        &self.scope
    }
    /// `sa`: opened at run time only, by exactly this service account.
    pub fn service_account(&self) -> Option<&str> {
        self.service_account.as_deref()
    }
    /// `nbf`, Unix seconds.
    pub fn not_before(&self) -> Option<u64> {
        self.not_before
    }
    /// `exp`, Unix seconds.
    pub fn expires(&self) -> Option<u64> {
        self.expires
    }
    /// `aud`: the clusters it is meant for; empty when any.
    pub fn audience(&self) -> &[String] {
        &self.audience
    }
    /// Checks namespace, name and key (byte for byte) but neither time, audience nor service account.
    pub fn check_place(
        &self,
        namespace: &str,
        name: ObjectName<'_>,
        key: &str,
    ) -> Result<(), BindingMismatch> {
        let _ = (namespace, name, key);
        todo!()
    }
    /// Checks `aud` against the configured cluster name.
    pub fn check_audience(&self, cluster: Option<&str>) -> Result<(), BindingMismatch> {
        let _ = cluster;
        todo!()
    }
    /// Checks `nbf` and `exp` at `now` (Unix seconds) with `skew` seconds of tolerance.
    pub fn check_time(&self, now: u64, skew: u64) -> Result<(), BindingMismatch> {
        let _ = (now, skew);
        todo!()
    }
}

impl fmt::Display for Binding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let _ = f;
        todo!()
    }
}

/// What does not fit: names the member, what the envelope says and what was found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BindingMismatch {
    /// Placeholder of the growing list.
    #[error("bound to namespace {bound:?}, found in {found:?}")]
    Namespace {
        /// From the envelope.
        bound: String,
        /// From the review.
        found: String,
    },
}
