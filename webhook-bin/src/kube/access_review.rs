//! The second check of `unseal`: the webhook asks the API server itself whether the user who submits may have values
//! opened in that namespace.
//!
//! The registration asks the same before it calls. This one holds where the registration was changed, and for
//! every way of calling.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::time::{Instant, timeout_at};

use crate::kube::{ApiError, ApiServer};
use unseal_policy::format::BoxFuture;

const PATH: &str = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
/// How long a yes holds: long enough for a Secret that is tried and then applied, no longer.
const KEPT: Duration = Duration::from_secs(3);
/// How many are kept.
const MOST: usize = 1024;
/// Left for the answer to the review itself.
const RESERVE: Duration = Duration::from_millis(200);

/// Who asks for what, as the API server's review says it, uncut.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccessQuestion {
    /// The user's name.
    pub user: String,
    /// The user's uid.
    pub uid: String,
    /// The user's groups.
    pub groups: Vec<String>,
    /// What else the authenticator knows.
    pub extra: Vec<(String, Vec<String>)>,
    /// Where.
    pub namespace: String,
}

/// What came of asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permission {
    /// Yes.
    Allowed,
    /// No.
    Denied,
    /// No answer. Nothing is opened without one.
    Unknown,
}

/// Says who may have values opened.
pub trait MayUnseal: fmt::Debug + Send + Sync + 'static {
    /// Asks, and answers before `deadline`.
    fn may_unseal(&self, question: AccessQuestion, deadline: Instant) -> BoxFuture<'_, Permission>;
}

/// Asks by SubjectAccessReview.
pub struct AccessReviews {
    server: Arc<ApiServer>,
    allowed: Mutex<HashMap<Vec<u8>, Instant>>,
}

impl AccessReviews {
    /// Asks this API server.
    pub fn new(server: Arc<ApiServer>) -> Self {
        Self {
            server,
            allowed: Mutex::new(HashMap::new()),
        }
    }

    async fn ask(&self, question: AccessQuestion, deadline: Instant) -> Permission {
        let body = question.to_json();
        if self.is_kept(&body) {
            return Permission::Allowed;
        }
        let asking = self.server.post(PATH, body.clone());
        let json = match timeout_at(deadline - RESERVE, asking).await {
            Err(_) => {
                tracing::warn!("an access review was not answered in time");
                return Permission::Unknown;
            }
            Ok(Err(ApiError::Status(status))) => {
                tracing::warn!(
                    %status,
                    "the API server refuses access reviews; the webhook needs the right to create them"
                );
                return Permission::Unknown;
            }
            Ok(Err(error)) => {
                let error = format!("{:#}", anyhow::Error::from(error));
                tracing::warn!(error, "an access review was not answered");
                return Permission::Unknown;
            }
            Ok(Ok(json)) => json,
        };
        let Ok(review) = serde_json::from_slice::<Value>(&json) else {
            return Permission::Unknown;
        };
        let status = &review["status"];
        let denied = match status.get("denied") {
            None => false,
            Some(denied) => denied != &Value::Bool(false),
        };
        if status["allowed"] == true && !denied {
            self.keep(body);
            Permission::Allowed
        } else {
            Permission::Denied
        }
    }

    fn is_kept(&self, body: &[u8]) -> bool {
        let allowed = self.allowed.lock().unwrap_or_else(PoisonError::into_inner);
        allowed
            .get(body)
            .is_some_and(|until| Instant::now() < *until)
    }

    fn keep(&self, body: Vec<u8>) {
        let now = Instant::now();
        let mut allowed = self.allowed.lock().unwrap_or_else(PoisonError::into_inner);
        if allowed.len() >= MOST {
            allowed.retain(|_, until| now < *until);
        }
        if allowed.len() < MOST {
            allowed.insert(body, now + KEPT);
        }
    }
}

impl MayUnseal for AccessReviews {
    fn may_unseal(&self, question: AccessQuestion, deadline: Instant) -> BoxFuture<'_, Permission> {
        Box::pin(self.ask(question, deadline))
    }
}

impl fmt::Debug for AccessReviews {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AccessReviews").field(&self.server).finish()
    }
}

impl AccessQuestion {
    fn to_json(&self) -> Vec<u8> {
        let extra: Map<String, Value> = self
            .extra
            .iter()
            .map(|(key, values)| (key.clone(), values.clone().into()))
            .collect();
        json!({
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {
                "user": self.user,
                "uid": self.uid,
                "groups": self.groups,
                "extra": extra,
                "resourceAttributes": {
                    "namespace": self.namespace,
                    "verb": "unseal",
                    "group": "privyseal.dev",
                    "resource": "secrets",
                },
            },
        })
        .to_string()
        .into_bytes()
    }
}
