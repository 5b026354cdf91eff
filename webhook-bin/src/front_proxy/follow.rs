//! Follows the ConfigMap: read once, then watched, read again whenever the watch ends badly. What was good last
//! stays in service until something good takes its place.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::time::sleep;

use super::FrontProxy;
use super::config_map::{ConfigMap, FrontProxyError, RequestHeader};
use crate::kube::{ApiError, ApiServer};
use crate::tls::TlsStore;

/// Where the API server says how it proves itself.
pub const CONFIG_MAP: &str =
    "/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication";
const WATCH: &str = "/api/v1/namespaces/kube-system/configmaps?watch=true&allowWatchBookmarks=true&timeoutSeconds=300\
                     &fieldSelector=metadata.name%3Dextension-apiserver-authentication&resourceVersion=";
const NAME: &str = "extension-apiserver-authentication";
/// Bookmarks come every minute, and the server ends the watch after five.
const SILENCE: Duration = Duration::from_secs(330);

/// Why the ConfigMap was not read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// No answer, or a refusal.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// It says nothing that can be relied on.
    #[error("the ConfigMap kube-system/{NAME} cannot be relied on: {0}")]
    Content(#[from] FrontProxyError),
}

/// Reads the ConfigMap once: what it says, and its version.
///
/// # Errors
/// When it cannot be read or relied on.
pub async fn fetch(server: &ApiServer) -> Result<(RequestHeader, String), FetchError> {
    let reply = server.get(CONFIG_MAP).await?;
    if reply.status != http::StatusCode::OK {
        return Err(ApiError::Status(reply.status).into());
    }
    let found = ConfigMap::parse(&reply.body)?;
    Ok((found.request_header()?, found.metadata.resource_version))
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

#[derive(Deserialize)]
struct Event<'e> {
    #[serde(rename = "type")]
    kind: &'e str,
    #[serde(borrow)]
    object: &'e RawValue,
}

impl Follower {
    /// Follows for ever. `version` is what the ConfigMap was read at.
    pub async fn run(self, version: String) {
        let mut version = Some(version);
        let mut rest = self.rest;
        loop {
            let outcome = self.follow(&mut version).await;
            if outcome.is_ok() {
                rest = self.rest;
                continue;
            }
            // A version that the server no longer knows, or anything else: the next round begins afresh.
            version = None;
            self.front_proxy.followed.lost();
            sleep(rest).await;
            rest = (rest * 2).min(Duration::from_secs(30).max(self.rest));
        }
    }

    /// One round: reads it where its version is not known, and watches until the watch ends.
    async fn follow(&self, version: &mut Option<String>) -> Result<(), ()> {
        let from = match version.take() {
            Some(from) => from,
            None => match fetch(&self.server).await {
                Ok((found, from)) => {
                    self.take(found);
                    from
                }
                Err(error) => {
                    if matches!(error, FetchError::Content(_)) {
                        self.front_proxy.followed.heard(false);
                    }
                    tracing::warn!(%error, "how the API server proves itself cannot be read; what was read last stays in force");
                    return Err(());
                }
            },
        };
        let failed = |error: ApiError| {
            tracing::debug!(%error, "the watch of kube-system/{NAME} ended");
        };
        let mut lines = self
            .server
            .watch(&format!("{WATCH}{from}"))
            .await
            .map_err(failed)?;
        // Asked for from here on, so nothing is missed.
        self.front_proxy.followed.unchanged();
        let mut last = from;
        while let Some(line) = lines.next(SILENCE).await.map_err(failed)? {
            let event: Event<'_> = serde_json::from_slice(&line).map_err(|_| ())?;
            let json = event.object.get().as_bytes();
            match event.kind {
                "ADDED" | "MODIFIED" | "BOOKMARK" => {
                    let Ok(object) = ConfigMap::parse(json) else {
                        return Err(());
                    };
                    last.clone_from(&object.metadata.resource_version);
                    if event.kind != "BOOKMARK" && object.metadata.name == NAME {
                        match object.request_header() {
                            Ok(found) => self.take(found),
                            Err(error) => self.keep_old(&error),
                        }
                    } else {
                        self.front_proxy.followed.unchanged();
                    }
                }
                "DELETED" => self.keep_old(&FrontProxyError::NotAConfigMap),
                // `ERROR`, with 410 for a version that is gone.
                _ => return Err(()),
            }
        }
        *version = Some(last);
        Ok(())
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
            "the ConfigMap kube-system/{NAME} cannot be relied on any more, and what it said before stays in force: {error}"
        );
    }
}
