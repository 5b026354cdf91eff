//! Who holds a right, as flags and reports write it.
use std::fmt;

use serde_json::Value;

/// Who holds a right.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RightHolder {
    /// Everyone in a group.
    Group(String),
    /// One user.
    User(String),
    /// A service account.
    ServiceAccount {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
}

impl RightHolder {
    /// Reads `group:NAME`, `user:NAME` or `serviceAccount:NAMESPACE/NAME`.
    ///
    /// # Errors
    /// A sentence with the three forms.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || {
            "must be `user:NAME`, `group:NAME` or `serviceAccount:NAMESPACE/NAME`, as the report names them"
                .to_owned()
        };
        let (kind, name) = text.split_once(':').ok_or_else(wrong)?;
        match kind {
            _ if name.is_empty() => Err(wrong()),
            "group" => Ok(Self::Group(name.to_owned())),
            "user" => Ok(Self::user(name)),
            "serviceAccount" => {
                let (namespace, name) = name.split_once('/').ok_or_else(wrong)?;
                Ok(Self::service_account(namespace, name))
            }
            _ => Err(wrong()),
        }
    }

    /// Reads what [`RightHolder::parse`] reads, or `NAMESPACE/SERVICE_ACCOUNT`.
    ///
    /// # Errors
    /// A sentence with the forms.
    pub fn parse_who(text: &str) -> Result<Self, String> {
        match text.split_once('/') {
            Some((namespace, name))
                if !text.contains(':') && !namespace.is_empty() && !name.is_empty() =>
            {
                Ok(Self::service_account(namespace, name))
            }
            _ => Self::parse(text).map_err(|_| {
                "must be `NAMESPACE/SERVICE_ACCOUNT`, `user:NAME` or `group:NAME`".to_owned()
            }),
        }
    }

    /// A user, or the service account that the user's name stands for.
    pub fn user(name: &str) -> Self {
        let account = name
            .strip_prefix("system:serviceaccount:")
            .and_then(|rest| rest.split_once(':'));
        match account {
            Some((namespace, name)) => Self::service_account(namespace, name),
            None => Self::User(name.to_owned()),
        }
    }

    /// The service account of this name.
    pub fn service_account(namespace: &str, name: &str) -> Self {
        Self::ServiceAccount {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        }
    }

    /// Reads the subject of a binding.
    pub fn of_binding(subject: &Value) -> Self {
        let text = |member: &str| subject[member].as_str().unwrap_or_default();
        match text("kind") {
            "ServiceAccount" => Self::service_account(text("namespace"), text("name")),
            "Group" => Self::Group(text("name").to_owned()),
            _ => Self::user(text("name")),
        }
    }

    /// Whether it stands for people or pods that no one chose: a group that the API server puts everyone into.
    pub fn is_broad(&self) -> bool {
        matches!(self, Self::Group(name) if ["system:authenticated", "system:unauthenticated", "system:serviceaccounts"]
            .contains(&name.as_str()) || name.starts_with("system:serviceaccounts:"))
            || matches!(self, Self::User(name) if name == "system:anonymous")
    }

    /// Whether it is a part of Kubernetes itself.
    pub fn is_control_plane(&self) -> bool {
        match self {
            Self::Group(name) => name == "system:masters" || name == "system:nodes",
            Self::User(name) => name.starts_with("system:") && !self.is_broad(),
            Self::ServiceAccount { namespace, .. } => namespace == "kube-system",
        }
    }
}

impl fmt::Display for RightHolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Group(name) => write!(f, "group:{name}"),
            Self::User(name) => write!(f, "user:{name}"),
            Self::ServiceAccount { namespace, name } => {
                write!(f, "serviceAccount:{namespace}/{name}")
            }
        }
    }
}
