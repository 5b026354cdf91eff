//! Follows the ConfigMap by a watcher, which takes a watch up again where it ended and reads the ConfigMap again where
//! it cannot. What was good last stays in force until something good takes its place.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use k8s_openapi::api::core::v1::ConfigMap;
use kube_client::Api;
use kube_runtime::watcher::{Config, Error as WatchError, Event, watcher};
use tokio::time::sleep;

use super::FrontProxy;
use super::config_map::{FrontProxyError, RequestHeader, parse};
use crate::kube::{ApiError, ApiServer, Heard};
use crate::net::tls::TlsStore;

/// Where the API server says how it proves itself.
pub const CONFIG_MAP: &str =
    "/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication";
const NAMESPACE: &str = "kube-system";
const NAME: &str = "extension-apiserver-authentication";
/// The longest rest after failures, unless the first is longer.
const LONGEST_REST: Duration = Duration::from_secs(30);

/// Why the ConfigMap was not read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// No answer, or a refusal.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// It says nothing that can be relied on.
    #[error("the ConfigMap {NAMESPACE}/{NAME} cannot be relied on: {0}")]
    Content(#[from] FrontProxyError),
}

/// Reads the ConfigMap once.
///
/// # Errors
/// When it cannot be read or relied on.
pub async fn fetch(server: &ApiServer) -> Result<RequestHeader, FetchError> {
    let json = server.get(CONFIG_MAP).await?;
    Ok(RequestHeader::of(&parse(&json)?)?)
}

/// Keeps what is served in step with the ConfigMap.
#[derive(Debug)]
pub struct Follower {
    /// Who is asked.
    pub server: Arc<ApiServer>,
    /// What is judged by.
    pub front_proxy: Arc<FrontProxy>,
    /// What handshakes are judged by.
    pub tls: Arc<TlsStore>,
    /// The shortest rest after a failure.
    pub rest: Duration,
}

impl Follower {
    /// Follows forever.
    pub async fn run(self) {
        let mut rest = self.rest;
        loop {
            self.follow(&mut rest).await;
        }
    }

    /// Follows until the API server sends what cannot be read: a watcher would pass over it, and what it said with it.
    async fn follow(&self, rest: &mut Duration) {
        // The watcher keeps bookmarks and new watches to itself, and they are how we know that nothing has changed.
        let front_proxy = Arc::clone(&self.front_proxy);
        let heard = Heard::new(move || front_proxy.followed.unchanged());
        let api: Api<ConfigMap> = Api::namespaced(self.server.watched(heard), NAMESPACE);
        let config = Config::default().fields(&format!("metadata.name={NAME}"));
        let mut events = pin!(watcher(api, config));
        let mut is_listed = false;
        let mut failed_at = None;
        while let Some(event) = events.next().await {
            match event {
                Ok(Event::Init) => is_listed = false,
                Ok(Event::InitApply(object)) => is_listed |= self.read(&object),
                Ok(Event::Apply(object)) => _ = self.read(&object),
                Ok(Event::InitDone) if is_listed => {}
                Ok(Event::InitDone | Event::Delete(_)) => {
                    self.keep_old(&FrontProxyError::NotAConfigMap);
                }
                Err(error) => {
                    // Something was heard since the last failure: this is the first of a row.
                    let heard = self.front_proxy.watch_health().heard;
                    if failed_at.replace(heard) != Some(heard) {
                        *rest = self.rest;
                    }
                    let again = self.failed(error);
                    sleep(*rest).await;
                    *rest = (*rest * 2).min(LONGEST_REST.max(self.rest));
                    if again {
                        return;
                    }
                }
            }
        }
    }

    /// Notes the failure; says whether the ConfigMap must be read again.
    fn failed(&self, error: WatchError) -> bool {
        self.front_proxy.followed.lost();
        match error {
            WatchError::InitialListFailed(error) | WatchError::WatchStartFailed(error) => {
                let error = ApiError::from(error);
                // A version that is too old, which the watcher would ask for again and again.
                let is_gone = matches!(error, ApiError::Status(http::StatusCode::GONE));
                if matches!(error, ApiError::Unreadable) {
                    self.keep_old(&FrontProxyError::NotAConfigMap);
                } else {
                    let error = format!("{:#}", anyhow::Error::from(error));
                    tracing::warn!(
                        error,
                        "how the API server proves itself cannot be read; what was read last stays in force"
                    );
                }
                is_gone
            }
            WatchError::WatchFailed(error) => {
                let error = ApiError::from(error);
                let is_unreadable = matches!(error, ApiError::Unreadable);
                let error = format!("{:#}", anyhow::Error::from(error));
                tracing::debug!(error, "the watch of {NAMESPACE}/{NAME} ended");
                is_unreadable
            }
            WatchError::WatchError(status) => {
                let code = status.code;
                tracing::debug!(code, "the API server ended the watch of {NAMESPACE}/{NAME}");
                true
            }
            WatchError::NoResourceVersion => {
                tracing::debug!("the ConfigMap {NAMESPACE}/{NAME} came without a version");
                false
            }
        }
    }

    /// Says whether this is the ConfigMap at all.
    fn read(&self, object: &ConfigMap) -> bool {
        if object.metadata.name.as_deref() != Some(NAME) {
            return false;
        }
        match RequestHeader::of(object) {
            Ok(found) => self.take(found),
            Err(error) => self.keep_old(&error),
        }
        true
    }

    fn take(&self, found: RequestHeader) {
        if *self.front_proxy.current() == found {
            self.front_proxy.followed.heard(true);
            return;
        }
        // First the authority: names of a new front proxy are no use under the old one.
        match self.tls.set_client_ca(found.client_ca.as_bytes()) {
            Ok(()) => {
                tracing::info!("the API server proves itself otherwise from now on");
                self.front_proxy.replace(found);
                self.front_proxy.followed.heard(true);
            }
            Err(error) => {
                self.front_proxy.followed.heard(false);
                tracing::error!(
                    error = format!("{:#}", anyhow::Error::from(error)),
                    "the new front-proxy authority is of no use; the old one stays in force"
                );
            }
        }
    }

    fn keep_old(&self, error: &FrontProxyError) {
        self.front_proxy.followed.heard(false);
        tracing::error!(
            "the ConfigMap {NAMESPACE}/{NAME} cannot be relied on any more, and what it said before stays in force: {error}"
        );
    }
}
