//! Where an envelope may be opened: the `bind` member of the protected header.

mod pattern;
mod place;
mod read;
#[cfg(test)]
mod tests;

use std::fmt::{self, Write as _};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub use crate::error::{BindingError, BindingMismatch};
pub use pattern::Pattern;
pub use place::{FoundPlace, ObjectName, Place};

use crate::date::Utc;
use crate::strict_json::MAX_INTEGER;
use pattern::NameKind;

/// Clusters that one envelope may name.
const MAX_AUDIENCE: usize = 16;

/// One namespace (or pattern of namespaces), or everywhere, said out loud.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// `"any": true`.
    Any,
    /// `"ns": …`.
    Namespace(Pattern),
}

/// The `bind` member: valid by construction.
///
/// Each member narrows where the envelope may be opened; what is left out is left open. The envelope
/// proves that its maker wrote the binding; it cannot keep anyone from making another envelope.
///
/// ```
/// use jwe_envelope::{Binding, Place};
///
/// let place: Place = "payments/db/password".parse()?;
/// let binding = Binding::exact(&place).with_audience(["prod-eu"])?;
/// assert_eq!(
///     binding.to_json(),
///     r#"{"v":1,"ns":"payments","name":"db","key":"password","aud":["prod-eu"]}"#,
/// );
/// # Ok::<(), jwe_envelope::BindingError>(())
/// ```
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
        Self {
            name: Some(Pattern::exactly(place.name())),
            key: Some(Pattern::exactly(place.key())),
            ..Self::scoped(Scope::Namespace(Pattern::exactly(place.namespace())))
        }
    }

    /// For every namespace: `"any": true`. Narrow it with [`with_name`](Self::with_name) and
    /// [`with_key`](Self::with_key) where you can.
    pub fn anywhere() -> Self {
        Self::scoped(Scope::Any)
    }

    /// For a whole namespace, or for all that a pattern such as `team-*` covers.
    ///
    /// # Errors
    /// When `namespace` is neither a namespace's name nor a pattern of such names.
    pub fn namespace(namespace: &str) -> Result<Self, BindingError> {
        let pattern = Pattern::new(namespace, NameKind::Namespace)?;
        Ok(Self::scoped(Scope::Namespace(pattern)))
    }

    fn scoped(scope: Scope) -> Self {
        Self {
            scope,
            name: None,
            key: None,
            service_account: None,
            audience: Vec::new(),
            not_before: None,
            expires: None,
        }
    }

    /// For Secrets of this name, or all that a pattern such as `db-*` covers.
    ///
    /// # Errors
    /// When `name` is neither a Secret's name nor a pattern of such names.
    pub fn with_name(mut self, name: &str) -> Result<Self, BindingError> {
        self.name = Some(Pattern::new(name, NameKind::Name)?);
        Ok(self)
    }

    /// For this key within `data`, or all that a pattern such as `tls.*` covers.
    ///
    /// # Errors
    /// When `key` is neither a key nor a pattern of keys.
    pub fn with_key(mut self, key: &str) -> Result<Self, BindingError> {
        self.key = Some(Pattern::new(key, NameKind::Key)?);
        Ok(self)
    }

    /// To be opened at run time only, by exactly this service account.
    ///
    /// # Errors
    /// When it is no service account's name, or `default`, which every Pod may have.
    pub fn with_service_account(mut self, account: &str) -> Result<Self, BindingError> {
        NameKind::ServiceAccount.check(account)?;
        if account == "default" {
            return Err(BindingError::DefaultServiceAccount);
        }
        self.service_account = Some(account.to_owned());
        Ok(self)
    }

    /// For the clusters of these names; the webhook's configuration says which one it serves.
    ///
    /// A cluster name is 1 to 253 characters: letters, digits, and within it `-`, `.`, `_`, `/`, `:`.
    ///
    /// # Errors
    /// When there are none or more than sixteen, a name is not legal, or one is there twice.
    pub fn with_audience<I>(mut self, clusters: I) -> Result<Self, BindingError>
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        let mut audience: Vec<String> = Vec::new();
        for cluster in clusters {
            let cluster = cluster.into();
            NameKind::Cluster.check(&cluster)?;
            if audience.contains(&cluster) {
                return Err(BindingError::duplicate_cluster(&cluster));
            }
            if audience.len() == MAX_AUDIENCE {
                return Err(BindingError::AudienceSize);
            }
            audience.push(cluster);
        }
        if audience.is_empty() {
            return Err(BindingError::AudienceSize);
        }
        self.audience = audience;
        Ok(self)
    }

    /// Not to be introduced before this time, in Unix seconds.
    ///
    /// # Errors
    /// When the time is past 2⁵³−1 or after the expiry.
    pub fn starting_at(mut self, not_before: u64) -> Result<Self, BindingError> {
        self.not_before = Some(time("nbf", not_before)?);
        self.in_order()
    }

    /// Not to be introduced at this time or later, in Unix seconds.
    ///
    /// # Errors
    /// When the time is past 2⁵³−1 or before the start.
    pub fn expiring_at(mut self, expires: u64) -> Result<Self, BindingError> {
        self.expires = Some(time("exp", expires)?);
        self.in_order()
    }

    fn in_order(self) -> Result<Self, BindingError> {
        match (self.not_before, self.expires) {
            (Some(not_before), Some(expires)) if not_before > expires => {
                Err(BindingError::TimesReversed)
            }
            _ => Ok(self),
        }
    }

    /// The scope.
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// `name`, when bound to one.
    pub fn name(&self) -> Option<&Pattern> {
        self.name.as_ref()
    }

    /// `key`, when bound to one.
    pub fn key(&self) -> Option<&Pattern> {
        self.key.as_ref()
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

    /// Whether two values with these bindings may share a content key: they differ only in `key` and
    /// neither is meant for a service account.
    pub fn may_share_content_key(&self, other: &Self) -> bool {
        self.service_account.is_none()
            && *self
                == Self {
                    key: self.key.clone(),
                    ..other.clone()
                }
    }

    /// Checks namespace, name and key (byte for byte) but neither time, audience nor service account.
    ///
    /// # Errors
    /// Names the first member that does not fit.
    pub fn check_place<'p>(&self, place: impl Into<FoundPlace<'p>>) -> Result<(), BindingMismatch> {
        let FoundPlace {
            namespace,
            name,
            key,
        } = place.into();
        if let Scope::Namespace(bound) = &self.scope
            && !bound.matches(namespace)
        {
            return Err(BindingMismatch::namespace(bound.as_str(), namespace));
        }
        match (&self.name, name) {
            (Some(bound), ObjectName::Named(found)) if !bound.matches(found) => {
                return Err(BindingMismatch::name(bound.as_str(), found));
            }
            (Some(bound), ObjectName::Generated(prefix)) if !bound.covers_generated(prefix) => {
                return Err(BindingMismatch::generated_name(bound.as_str(), prefix));
            }
            _ => {}
        }
        match &self.key {
            Some(bound) if !bound.matches(key) => Err(BindingMismatch::key(bound.as_str(), key)),
            _ => Ok(()),
        }
    }

    /// Checks `aud` against the configured cluster name.
    ///
    /// # Errors
    /// When the envelope names clusters and the configured one is not among them, or none is configured.
    pub fn check_audience(&self, cluster: Option<&str>) -> Result<(), BindingMismatch> {
        if self.audience.is_empty() {
            return Ok(());
        }
        match cluster {
            None => Err(BindingMismatch::no_cluster(&self.audience)),
            Some(cluster) if self.audience.iter().any(|name| name == cluster) => Ok(()),
            Some(cluster) => Err(BindingMismatch::cluster(&self.audience, cluster)),
        }
    }

    /// Checks `nbf` and `exp` at `now`, where clocks may differ by `skew`. A time before 1970 counts as the first second
    /// of 1970.
    ///
    /// # Errors
    /// Before `nbf`, and from `exp` on.
    pub fn check_time(&self, now: SystemTime, skew: Duration) -> Result<(), BindingMismatch> {
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let seconds = now.as_secs();
        match (self.not_before, self.expires) {
            (Some(not_before), _) if now.saturating_add(skew) < Duration::from_secs(not_before) => {
                Err(BindingMismatch::NotYetValid {
                    not_before,
                    now: seconds,
                })
            }
            (_, Some(expires)) if now >= Duration::from_secs(expires).saturating_add(skew) => {
                Err(BindingMismatch::Expired {
                    expires,
                    now: seconds,
                })
            }
            _ => Ok(()),
        }
    }

    /// Checks `sa`: `None` stands for the webhook, which opens for no service account.
    ///
    /// # Errors
    /// When the envelope is meant for a service account and this is not it, or for none and there is one.
    pub fn check_service_account(&self, caller: Option<&str>) -> Result<(), BindingMismatch> {
        match (self.service_account(), caller) {
            (None, None) => Ok(()),
            (Some(bound), Some(found)) if bound == found => Ok(()),
            (bound, found) => Err(BindingMismatch::service_account(bound, found)),
        }
    }

    /// The member's value as we write it: fixed order, no spaces.
    pub fn to_json(&self) -> String {
        // Every string in a binding is of characters that JSON writes as they are.
        let mut json = String::with_capacity(96);
        json.push_str(r#"{"v":1"#);
        match &self.scope {
            Scope::Any => json.push_str(r#","any":true"#),
            Scope::Namespace(namespace) => push_string(&mut json, "ns", namespace.as_str()),
        }
        for (member, pattern) in [("name", &self.name), ("key", &self.key)] {
            if let Some(pattern) = pattern {
                push_string(&mut json, member, pattern.as_str());
            }
        }
        if let Some(account) = &self.service_account {
            push_string(&mut json, "sa", account);
        }
        if !self.audience.is_empty() {
            json.push_str(r#","aud":[""#);
            json.push_str(&self.audience.join(r#"",""#));
            json.push_str(r#""]"#);
        }
        for (member, time) in [("nbf", self.not_before), ("exp", self.expires)] {
            if let Some(time) = time {
                write!(json, r#","{member}":{time}"#).expect("a String takes all that is written");
            }
        }
        json.push('}');
        json
    }
}

fn push_string(json: &mut String, member: &str, value: &str) {
    json.extend([",\"", member, "\":\"", value, "\""]);
}

fn time(member: &'static str, seconds: u64) -> Result<u64, BindingError> {
    if seconds > MAX_INTEGER {
        return Err(BindingError::Time { member });
    }
    Ok(seconds)
}

/// For people: `payments/db/password`, with `*` for what is left open, then what else narrows it.
impl fmt::Display for Binding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part =
            |pattern: &Option<Pattern>| pattern.as_ref().map_or("*", Pattern::as_str).to_owned();
        match &self.scope {
            Scope::Any if self.name.is_none() && self.key.is_none() => f.write_str("anywhere")?,
            Scope::Any => write!(f, "*/{}/{}", part(&self.name), part(&self.key))?,
            Scope::Namespace(namespace) => {
                write!(
                    f,
                    "{}/{}/{}",
                    namespace.as_str(),
                    part(&self.name),
                    part(&self.key)
                )?;
            }
        }
        if let Some(account) = &self.service_account {
            write!(f, ", for service account {account}")?;
        }
        if !self.audience.is_empty() {
            write!(f, ", in cluster {}", self.audience.join(" or "))?;
        }
        if let Some(not_before) = self.not_before {
            write!(f, ", from {}", Utc(not_before))?;
        }
        if let Some(expires) = self.expires {
            write!(f, ", until {}", Utc(expires))?;
        }
        Ok(())
    }
}
