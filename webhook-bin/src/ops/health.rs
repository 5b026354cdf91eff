//! The second port: `/livez`, `/readyz`, `/metrics`. Plain HTTP, nothing secret, nothing that changes state.

use std::fmt::Write;
use std::sync::Arc;
use std::time::SystemTime;

use axum::Router;
use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::routing::get;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response, StatusCode};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use crate::net::app::App;
use crate::net::front_proxy::{FrontProxy, WatchState as Followed};
use crate::net::tls::TlsStore;
use crate::ops::process::ProcessCollector;

/// How one key's service last answered: its name and a word.
pub type KeyHealth = (String, &'static str);

/// Tells how the key services last answered.
pub type KeyReport = Arc<dyn Fn() -> Vec<KeyHealth> + Send + Sync>;

/// The routes of the second port.
///
/// Readiness means "configured, certificate valid, not shutting down". It never depends on a key service:
/// all replicas would leave at once, and plain refusals would become connection errors. `keys` is for the
/// body of `/readyz?verbose` and for the metrics, and so is `front_proxy`, where callers come through the API server:
/// a webhook whose watch is lost serves as before.
pub fn router<R: Send + Sync + 'static>(
    app: &Arc<App<R>>,
    tls: &Arc<TlsStore>,
    keys: KeyReport,
    front_proxy: Option<Arc<FrontProxy>>,
) -> Router {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(ProcessCollector));
    let ours = registry.sub_registry_with_prefix("privy");
    app.metrics().register(ours);
    ours.register_collector(Box::new(Levels {
        app: Arc::clone(app),
        tls: Arc::clone(tls),
        keys: Arc::clone(&keys),
        front_proxy: front_proxy.clone(),
    }));
    let state = Arc::new(Health {
        app: Arc::clone(app),
        tls: Arc::clone(tls),
        keys,
        front_proxy,
        registry,
    });
    Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz::<R>))
        .route("/metrics", get(metrics::<R>))
        .with_state(state)
}

struct Health<R> {
    app: Arc<App<R>>,
    tls: Arc<TlsStore>,
    keys: KeyReport,
    front_proxy: Option<Arc<FrontProxy>>,
    registry: Registry,
}

async fn readyz<R>(
    State(health): State<Arc<Health<R>>>,
    RawQuery(query): RawQuery,
) -> Response<Body> {
    let checks = [
        ("configuration", true),
        ("certificate", health.tls.is_valid_at(SystemTime::now())),
        ("serving", !health.app.is_draining()),
    ];
    let ready = checks.iter().all(|(_, good)| *good);
    let verbose = query.is_some_and(|query| {
        query
            .split('&')
            .any(|word| word == "verbose" || word.starts_with("verbose="))
    });
    let mut body = String::new();
    if verbose || !ready {
        for (name, good) in checks {
            let _ = writeln!(body, "[{}] {name}", if good { '+' } else { '-' });
        }
    }
    if verbose {
        for (name, word) in (health.keys)() {
            let _ = writeln!(body, "[i] key {name}: {word}");
        }
        if let Some(front_proxy) = &health.front_proxy {
            let _ = writeln!(body, "[i] {}", followed_line(front_proxy));
        }
    }
    body.push_str(if ready { "ok\n" } else { "not ready\n" });
    let status = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    plain(status, body, "text/plain; charset=utf-8")
}

/// How well it is known how the API server proves itself, in words.
fn followed_line(front_proxy: &FrontProxy) -> String {
    let watch_health = front_proxy.watch_health();
    let ago = watch_health.heard.elapsed().unwrap_or_default().as_secs();
    let word = match watch_health.state {
        Followed::Current => "followed",
        Followed::Lost => "NOT FOLLOWED, the API server does not answer or ended the watch",
        Followed::Unusable => "NOT FOLLOWED, it cannot be relied on; what it said before holds",
    };
    format!("ConfigMap extension-apiserver-authentication: {word}; last heard of {ago} s ago")
}

async fn metrics<R>(State(health): State<Arc<Health<R>>>) -> Response<Body> {
    let mut body = String::new();
    match text::encode(&mut body, &health.registry) {
        Ok(()) => plain(
            StatusCode::OK,
            body,
            "application/openmetrics-text; version=1.0.0; charset=utf-8",
        ),
        Err(_) => plain(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the metrics cannot be written".to_owned(),
            "text/plain",
        ),
    }
}

fn plain(status: StatusCode, body: String, kind: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

/// What is read at the moment of the scrape rather than counted along the way.
struct Levels<R> {
    app: Arc<App<R>>,
    tls: Arc<TlsStore>,
    keys: KeyReport,
    front_proxy: Option<Arc<FrontProxy>>,
}

impl<R> std::fmt::Debug for Levels<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Levels").finish_non_exhaustive()
    }
}

impl<R: Send + Sync + 'static> Collector for Levels<R> {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let mut gauge = |name: &str, help: &str, value: u64| {
            let metric = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
            metric.encode(encoder.encode_descriptor(name, help, None, MetricType::Gauge)?)
        };
        gauge("inflight", "Reviews under way", self.app.inflight() as u64)?;
        gauge(
            "inflight_bytes",
            "Bytes of bodies and answers held",
            self.app.inflight_bytes() as u64,
        )?;
        gauge(
            "tls_cert_not_after_seconds",
            "When the certificate in service ends, on the Unix clock",
            self.tls.material().facts.not_after_seconds(),
        )?;
        let mut keys = encoder.encode_descriptor(
            "key_health",
            "1 for how the key service of a key last answered",
            None,
            MetricType::Gauge,
        )?;
        for (key, health) in (self.keys)() {
            let labels = [("key", key.as_str()), ("health", health)];
            ConstGauge::new(1_i64).encode(keys.encode_family(&labels)?)?;
        }
        if let Some(front_proxy) = &self.front_proxy {
            encode_followed(front_proxy, &mut encoder)?;
        }
        let failed = ConstCounter::new(self.app.audit().failed_writes());
        failed.encode(encoder.encode_descriptor(
            "audit_write_failures",
            "Writes of the audit log that failed and were tried again",
            None,
            MetricType::Counter,
        )?)
    }
}

/// Every state has its sample, so that a sum over time and an alert on one of them are right from the first scrape.
fn encode_followed(
    front_proxy: &FrontProxy,
    encoder: &mut DescriptorEncoder<'_>,
) -> Result<(), std::fmt::Error> {
    let watch_health = front_proxy.watch_health();
    let mut states = encoder.encode_descriptor(
        "front_proxy_watch",
        "1 for how the ConfigMap that says how the API server proves itself is followed",
        None,
        MetricType::Gauge,
    )?;
    for state in Followed::ALL {
        let is = i64::from(state == watch_health.state);
        ConstGauge::new(is).encode(states.encode_family(&[("state", state.as_str())])?)?;
    }
    let heard = watch_health
        .heard
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    ConstGauge::new(i64::try_from(heard).unwrap_or(i64::MAX)).encode(encoder.encode_descriptor(
        "front_proxy_heard_seconds",
        "When the API server last said how it proves itself, or that nothing changed, on the Unix clock",
        None,
        MetricType::Gauge,
    )?)
}
