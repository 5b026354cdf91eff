//! A configuration at work: who answers by it, and what keeps its key versions listed.

use std::sync::Arc;

use anyhow::Context;
use kms_backends::{Observer, SharedRegistry};
use tokio::task::JoinHandle;

use crate::config::Config;
use crate::kube::access_review::AccessReviews;
use crate::kube::{Access, AccessError, ApiServer};
use crate::net::caller::Aggregated;
use crate::ops::key_versions;
use crate::review::Reviewer;
use crate::review::weight::BESIDE_BODIES;
use crate::telemetry::metrics::Metrics;

/// A configuration at work.
#[derive(Debug)]
pub(crate) struct InForce {
    /// Answers by it.
    pub(crate) reviewer: Reviewer,
    /// Lists the versions of its keys until it is aborted.
    pub(crate) versions: JoinHandle<()>,
}

impl InForce {
    /// Puts `config` to work. A key service that is away does not prevent it.
    pub(crate) fn start(config: &Config, metrics: &Metrics) -> anyhow::Result<Self> {
        let observer: Arc<dyn Observer> = Arc::new(metrics.clone());
        let watcher = config.keyring(&observer)?;
        let reviewer = reviewer(config, Arc::clone(watcher.registry()))?;
        Ok(Self {
            reviewer,
            versions: tokio::spawn(key_versions::keep_listed(watcher, config.refresh)),
        })
    }
}

/// Who answers, with everything that the configuration asks of those who submit.
fn reviewer(config: &Config, registry: Arc<SharedRegistry>) -> anyhow::Result<Reviewer> {
    let reviewer = Reviewer::new(registry, config.policy.clone())
        .with_rulebook(config.rulebook.clone())
        .with_memory(config.limits.inflight_bytes.saturating_mul(BESIDE_BODIES));
    let Some(way) = &config.access_reviews else {
        return Ok(reviewer);
    };
    let server = api_server(way).context("subjectAccessReview")?;
    Ok(reviewer.with_access_reviews(Arc::new(AccessReviews::new(server))))
}

/// The API server, as `way` says.
pub(crate) fn api_server(way: &Aggregated) -> Result<Arc<ApiServer>, AccessError> {
    let access = match &way.kubeconfig {
        Some(path) => Access::from_kubeconfig(path),
        None => Access::in_cluster(),
    };
    Ok(Arc::new(ApiServer::new(access?)))
}
