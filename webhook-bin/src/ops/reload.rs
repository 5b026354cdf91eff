//! SIGHUP: the configuration is read again and, if it is good, answers the next review.
//!
//! A configuration that cannot be served changes nothing: the log says what is wrong with it, a metric counts it, and
//! the previous one continues to serve. A review keeps the configuration with which it began.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::audit::file::Reopen;
use crate::audit::{AuditRecord, ReviewOutcome};
use crate::config::{Config, Overrides};
use crate::net::app::{App, ReviewService};
use crate::ops::in_force::InForce;
use crate::review::{Answer, Reviewer};
use crate::telemetry::metrics::{KEPT_OLD, REPLACED};

/// The reviewer of the configuration that is in force.
#[derive(Debug)]
pub(crate) struct CurrentReviewer(RwLock<Arc<Reviewer>>);

impl CurrentReviewer {
    /// Starts with `reviewer`.
    pub(crate) fn new(reviewer: Reviewer) -> Self {
        Self(RwLock::new(Arc::new(reviewer)))
    }

    /// The reviewer for the next review.
    pub(crate) fn current(&self) -> Arc<Reviewer> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn replace(&self, reviewer: Reviewer) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(reviewer);
    }
}

impl ReviewService for CurrentReviewer {
    async fn review<'a>(&'a self, body: &'a [u8], deadline: Instant) -> Answer {
        self.current().review(body, deadline).await
    }

    fn unanswered(&self, body: &[u8], outcome: ReviewOutcome) -> AuditRecord {
        self.current().unanswered(body, outcome)
    }

    fn must_be_sealed(&self, body: &[u8]) -> Answer {
        self.current().must_be_sealed(body)
    }
}

/// What a reload needs to know.
#[derive(Debug)]
pub(crate) struct Reloader {
    pub(crate) file: PathBuf,
    pub(crate) overrides: Overrides,
    /// What the process started with: the only one that it can serve.
    pub(crate) started_with: Config,
    pub(crate) app: Arc<App<CurrentReviewer>>,
    pub(crate) audit: Option<Reopen>,
    pub(crate) versions: JoinHandle<()>,
}

impl Reloader {
    /// Reads the configuration again and opens the audit file again.
    pub(crate) async fn reload(&mut self) {
        if let Some(reopen) = &self.audit {
            reopen.request();
        }
        match self.read().await {
            Ok((config, next)) => {
                let restart = needs_restart(&self.started_with, &config);
                self.app.reviewer().replace(next.reviewer);
                std::mem::replace(&mut self.versions, next.versions).abort();
                self.app.metrics().config_reload(REPLACED);
                for warning in &config.warnings {
                    tracing::warn!("{warning}");
                }
                tracing::info!(keys = config.keys.len(), "the configuration was reloaded");
                if !restart.is_empty() {
                    tracing::warn!(
                        members = restart.join(", "),
                        "these members have changed and take effect only after a restart"
                    );
                }
            }
            Err(problems) => {
                self.app.metrics().config_reload(KEPT_OLD);
                tracing::error!(
                    problems,
                    "the new configuration cannot be served; the previous one stays in force. \
                     Fix it, run privy-webhook check-config, and send SIGHUP again"
                );
            }
        }
    }

    async fn read(&self) -> Result<(Config, InForce), String> {
        let config = Config::load(&self.file, self.overrides)
            .await
            .map_err(|problems| problems.to_string())?;
        let next =
            InForce::start(&config, self.app.metrics()).map_err(|error| format!("{error:#}"))?;
        Ok((config, next))
    }
}

impl Drop for Reloader {
    fn drop(&mut self) {
        self.versions.abort();
    }
}

/// The members that differ and are read only when the process starts.
fn needs_restart(before: &Config, after: &Config) -> Vec<&'static str> {
    let differs = [
        ("listen", before.listen != after.listen),
        ("health", before.health != after.health),
        (
            "tls",
            before.tls != after.tls || before.tls_poll != after.tls_poll,
        ),
        ("callers", before.callers != after.callers),
        ("limits", before.limits != after.limits),
        ("audit", before.audit != after.audit),
    ];
    let changed = differs.into_iter().filter(|(_, differs)| *differs);
    changed.map(|(member, _)| member).collect()
}
