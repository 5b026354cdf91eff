//! What the webhook counts. Labels are bounded: words of ours and names from the configuration.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use kms_backends::layer::BreakerState;
use kms_backends::{CacheEvent, Category, Observer};

use crate::audit::{AuditRecord, FieldOutcome, Operation};
use crate::telemetry::rejected::CallerRejected;
use unseal_policy::decide::Code;

/// Upper bounds of the times of reviews in seconds: from a cached answer on a quiet machine to the longest timeout of
/// the API server.
const REVIEW_TIMES: [f64; 18] = [
    0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5,
    1.0, 2.5, 5.0, 10.0, 30.0,
];

/// Upper bounds of the times of key services in seconds.
const UNWRAP_TIMES: [f64; 14] = [
    0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// The upper bound of the bucket that a time falls into. A histogram's sum, read before and after one request, would
/// give that request's time to the nanosecond to anyone who reaches the metrics. Made of bounds, it says no more than
/// the buckets do.
fn rounded_up(took: Duration, bounds: &[f64]) -> f64 {
    let seconds = took.as_secs_f64();
    let bound = bounds.iter().find(|bound| seconds <= **bound);
    bound.or(bounds.last()).copied().unwrap_or_default()
}

/// All counters of one server. Cloning shares them.
#[derive(Clone, Debug)]
pub struct Metrics {
    pub(crate) reviews: Family<ReviewLabels, Counter>,
    review_duration: Histogram,
    pub(crate) envelopes: Family<OutcomeLabel, Counter>,
    shed: Family<WhyLabel, Counter>,
    rejected: Family<WhyLabel, Counter>,
    tls_reload: Family<OutcomeLabel, Counter>,
    config_reload: Family<OutcomeLabel, Counter>,
    refusals: Family<ReasonLabel, Counter>,
    pub(crate) panics: Counter,
    unauthenticated: Gauge,
    unwrap: Family<UnwrapLabels, Histogram, fn() -> Histogram>,
    breaker: Family<KeyLabel, Gauge>,
    cache_hits: Counter,
    cache_misses: Counter,
    cache_joined: Counter,
    cache_stale: Counter,
    cache_expired: Counter,
    cache_evictions: Counter,
    cache_entries: Gauge,
}

/// Labels of `privy_reviews_total`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct ReviewLabels {
    pub(crate) operation: &'static str,
    pub(crate) outcome: &'static str,
    pub(crate) dry_run: &'static str,
}

/// One outcome.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct OutcomeLabel {
    pub(crate) outcome: &'static str,
}

/// Why a value was refused: the stable code.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabel {
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WhyLabel {
    why: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct UnwrapLabels {
    key: String,
    category: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KeyLabel {
    key: String,
}

/// The new certificate files, or the new configuration, are in service.
pub(crate) const REPLACED: &str = "replaced";
/// They cannot be used; the previous ones stay in service.
pub(crate) const KEPT_OLD: &str = "kept-old";

/// Why a request was turned away before its review.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Overload {
    /// The sum of bodies is at its bound.
    Bytes,
    /// The number of connections is.
    Connections,
    /// The number of reviews is.
    Reviews,
    /// A handshake, head or body took too long.
    Slow,
    /// The body is longer than any review.
    TooLarge,
}

impl Overload {
    const ALL: [Self; 5] = [
        Self::Bytes,
        Self::Connections,
        Self::Reviews,
        Self::Slow,
        Self::TooLarge,
    ];

    fn as_str(self) -> &'static str {
        match self {
            Self::Bytes => "bytes",
            Self::Connections => "connections",
            Self::Reviews => "reviews",
            Self::Slow => "slow",
            Self::TooLarge => "too-large",
        }
    }
}

impl Metrics {
    /// All at zero.
    pub fn new() -> Self {
        Self {
            reviews: Family::default(),
            review_duration: Histogram::new(REVIEW_TIMES),
            envelopes: Family::default(),
            shed: Family::default(),
            rejected: Family::default(),
            tls_reload: Family::default(),
            config_reload: Family::default(),
            refusals: Family::default(),
            panics: Counter::default(),
            unauthenticated: Gauge::default(),
            unwrap: Family::new_with_constructor(unwrap_histogram),
            breaker: Family::default(),
            cache_hits: Counter::default(),
            cache_misses: Counter::default(),
            cache_joined: Counter::default(),
            cache_stale: Counter::default(),
            cache_expired: Counter::default(),
            cache_evictions: Counter::default(),
            cache_entries: Gauge::default(),
        }
    }

    /// Words that are known in advance start at zero, so that a rate over them is right from the first event on.
    fn start_at_zero(&self) {
        for why in Overload::ALL {
            let _ = self.shed.get_or_create(&WhyLabel { why: why.as_str() });
        }
        for why in CallerRejected::ALL {
            let _ = self.rejected.get_or_create(&WhyLabel { why: why.as_str() });
        }
        for outcome in [REPLACED, KEPT_OLD] {
            let _ = self.tls_reload.get_or_create(&OutcomeLabel { outcome });
            let _ = self.config_reload.get_or_create(&OutcomeLabel { outcome });
        }
        for code in Code::ALL {
            let reason = code.as_str();
            let _ = self.refusals.get_or_create(&ReasonLabel { reason });
        }
        for outcome in FieldOutcome::ALL {
            let outcome = outcome.as_str();
            let _ = self.envelopes.get_or_create(&OutcomeLabel { outcome });
        }
    }

    /// Makes everything visible in `registry`, which prefixes the names.
    pub fn register(&self, registry: &mut Registry) {
        self.start_at_zero();
        registry.register("reviews", "Reviews answered", self.reviews.clone());
        registry.register(
            "envelopes",
            "Envelopes found in reviews",
            self.envelopes.clone(),
        );
        registry.register(
            "shed",
            "Requests and connections turned away",
            self.shed.clone(),
        );
        registry.register(
            "caller_rejected",
            "Callers that were not who may ask",
            self.rejected.clone(),
        );
        registry.register(
            "callers_unauthenticated",
            "1 when callers need not prove themselves",
            self.unauthenticated.clone(),
        );
        registry.register(
            "tls_reload",
            "New certificate files, by outcome",
            self.tls_reload.clone(),
        );
        registry.register(
            "config_reload",
            "Configurations read again after SIGHUP, by outcome",
            self.config_reload.clone(),
        );
        registry.register(
            "refusals",
            "Envelopes refused, by the code of the reason",
            self.refusals.clone(),
        );
        registry.register(
            "panics",
            "Reviews that ended in a panic",
            self.panics.clone(),
        );
        registry.register(
            "kms_breaker_state",
            "0 closed, 1 half open, 2 open",
            self.breaker.clone(),
        );
        registry.register(
            "cek_cache_hits",
            "Content keys answered from the cache",
            self.cache_hits.clone(),
        );
        registry.register(
            "cek_cache_misses",
            "Content keys asked of a key service",
            self.cache_misses.clone(),
        );
        registry.register(
            "cek_cache_joined",
            "Content keys awaited from a call under way",
            self.cache_joined.clone(),
        );
        registry.register(
            "cek_cache_stale",
            "Content keys used beyond their lifetime in an outage",
            self.cache_stale.clone(),
        );
        registry.register(
            "cek_cache_expired",
            "Content keys whose lifetime ended",
            self.cache_expired.clone(),
        );
        registry.register(
            "cek_cache_evictions",
            "Content keys dropped before their time",
            self.cache_evictions.clone(),
        );
        registry.register(
            "cek_cache_entries",
            "Content keys in the cache",
            self.cache_entries.clone(),
        );
        let build = Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "The version that runs", build);
        registry.register_with_unit(
            "review_duration",
            "From the request's head to its answer",
            Unit::Seconds,
            self.review_duration.clone(),
        );
        registry.register_with_unit(
            "kms_unwrap",
            "Calls of the key services",
            Unit::Seconds,
            self.unwrap.clone(),
        );
    }

    /// Counts a review that has been answered.
    pub(crate) fn count(&self, record: &AuditRecord) {
        let labels = ReviewLabels {
            operation: record.operation.map_or("unknown", Operation::as_str),
            outcome: record.outcome.as_str(),
            dry_run: if record.dry_run { "true" } else { "false" },
        };
        self.reviews.get_or_create(&labels).inc();
        for field in &record.fields {
            let outcome = field.outcome.as_str();
            self.envelopes
                .get_or_create(&OutcomeLabel { outcome })
                .inc();
            if let (FieldOutcome::Refused, Some(code)) = (field.outcome, field.code) {
                let reason = code.as_str();
                self.refusals.get_or_create(&ReasonLabel { reason }).inc();
            }
        }
    }

    /// Counts how long an answer took.
    pub(crate) fn answered_after(&self, took: Duration) {
        self.review_duration
            .observe(rounded_up(took, &REVIEW_TIMES));
    }

    /// Counts a review that ended without an answer of its own, so that nothing of it is known.
    pub(crate) fn count_unanswered(&self, outcome: &'static str) {
        let labels = ReviewLabels {
            operation: "unknown",
            outcome,
            dry_run: "unknown",
        };
        self.reviews.get_or_create(&labels).inc();
    }

    pub(crate) fn shed(&self, why: Overload) {
        self.shed
            .get_or_create(&WhyLabel { why: why.as_str() })
            .inc();
    }

    pub(crate) fn rejected(&self, why: CallerRejected) {
        self.rejected
            .get_or_create(&WhyLabel { why: why.as_str() })
            .inc();
    }

    /// New certificate files were [`REPLACED`] or [`KEPT_OLD`].
    pub(crate) fn tls_reload(&self, outcome: &'static str) {
        self.tls_reload
            .get_or_create(&OutcomeLabel { outcome })
            .inc();
    }

    /// A configuration that was read again was [`REPLACED`] or [`KEPT_OLD`].
    pub(crate) fn config_reload(&self, outcome: &'static str) {
        self.config_reload
            .get_or_create(&OutcomeLabel { outcome })
            .inc();
    }

    pub(crate) fn callers_unauthenticated(&self) {
        self.unauthenticated.set(1);
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Observer for Metrics {
    fn unwrapped(&self, key: &str, outcome: Result<(), Category>, took: Duration) {
        let labels = UnwrapLabels {
            key: key.to_owned(),
            // A wrapped key that the service rejects is one that it answered. Told apart, the two would say whether a
            // padding was right: that is a decryption oracle, on a port that asks no one who he is.
            category: match outcome {
                Ok(()) | Err(Category::Rejected) => "ok",
                Err(category) => category.as_str(),
            },
        };
        self.unwrap
            .get_or_create(&labels)
            .observe(rounded_up(took, &UNWRAP_TIMES));
    }

    fn cache(&self, _key: &str, event: CacheEvent) {
        let counter = match event {
            CacheEvent::Evicted => &self.cache_evictions,
            CacheEvent::Expired => &self.cache_expired,
            CacheEvent::Hit => &self.cache_hits,
            CacheEvent::Joined => &self.cache_joined,
            CacheEvent::Miss => &self.cache_misses,
            CacheEvent::Stale => &self.cache_stale,
        };
        counter.inc();
    }

    fn cached_keys(&self, count: usize) {
        self.cache_entries
            .set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    fn breaker(&self, key: &str, state: BreakerState) {
        let value = match state {
            BreakerState::Closed => 0,
            BreakerState::HalfOpen => 1,
            BreakerState::Open => 2,
        };
        self.breaker
            .get_or_create(&KeyLabel {
                key: key.to_owned(),
            })
            .set(value);
    }
}

fn unwrap_histogram() -> Histogram {
    Histogram::new(UNWRAP_TIMES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_says_no_more_than_the_buckets() {
        for (took, expected) in [
            (0, 0.000_5),
            (499, 0.000_5),
            (500, 0.000_5),
            (501, 0.001),
            (9_999_999, 10.0),
            (70_000_000, 10.0),
        ] {
            let rounded = rounded_up(Duration::from_micros(took), &UNWRAP_TIMES);
            assert!(
                (rounded - expected).abs() < f64::EPSILON,
                "{took}: {rounded}"
            );
        }
    }
}
