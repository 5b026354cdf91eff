//! A server in this process with certificates made for the test, and a client that can misbehave.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kms_backends::Registry;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use unseal_policy::decide::Policy;
use webhook_bin::audit::log::AuditLog;
use webhook_bin::audit::{AuditRecord, ReviewOutcome};
use webhook_bin::kube::ApiServer;
use webhook_bin::net::app::{App, ReviewService};
use webhook_bin::net::caller::CallerMode;
use webhook_bin::net::front_proxy::{Follower, FrontProxy};
use webhook_bin::net::limits::Limits;
use webhook_bin::net::server::{Server, ServerParts};
use webhook_bin::net::tls::{TlsFiles, TlsStore};
use webhook_bin::ops::health;
use webhook_bin::review::{Answer, Reviewer};
use webhook_bin::telemetry::metrics::Metrics;

use crate::client::{Client, PATIENCE, Response};
use crate::pki::Pki;

/// The real reviewer, and the faults that a body asks for.
pub struct Faulty {
    reviewer: Reviewer,
    /// Reviews whose body holds `wait` need a permit to be answered.
    pub gate: Arc<Semaphore>,
    /// Reviews whose body holds `hog` keep their whole thread until this can be locked.
    pub thread: Arc<Mutex<()>>,
    /// How many reviews began, and how many of them were dropped before their answer.
    pub begun: Arc<Mutex<Began>>,
}

/// The outcome of reviews.
#[derive(Debug, Default)]
pub struct Began {
    pub reviews: usize,
    pub dropped: usize,
}

struct Dropped(Arc<Mutex<Began>>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.lock().unwrap().dropped += 1;
    }
}

impl ReviewService for Faulty {
    async fn review(&self, body: &[u8], deadline: Instant) -> Answer {
        self.begun.lock().unwrap().reviews += 1;
        let dropped = Dropped(Arc::clone(&self.begun));
        let text = String::from_utf8_lossy(body);
        assert!(
            !text.contains("panic"),
            "the review panics and quotes {text}"
        );
        if text.contains("forever") {
            std::future::pending::<()>().await;
        }
        if text.contains("hog") {
            drop(self.thread.lock());
        }
        if text.contains("wait") {
            self.gate.acquire().await.expect("an open gate").forget();
        }
        let answer = self.reviewer.review(body, deadline).await;
        std::mem::forget(dropped);
        answer
    }

    fn unanswered(&self, body: &[u8], outcome: ReviewOutcome) -> AuditRecord {
        self.reviewer.unanswered(body, outcome)
    }

    fn must_be_sealed(&self, body: &[u8]) -> Answer {
        self.begun.lock().unwrap().reviews += 1;
        self.reviewer.must_be_sealed(body)
    }
}

/// The audit log, in memory.
#[derive(Clone, Debug, Default)]
pub struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    pub fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A server that runs in this process.
pub struct Running {
    pub pki: Pki,
    pub addr: SocketAddr,
    pub health: SocketAddr,
    pub audit: Lines,
    pub gate: Arc<Semaphore>,
    pub thread: Arc<Mutex<()>>,
    pub begun: Arc<Mutex<Began>>,
    shutdown: Option<oneshot::Sender<()>>,
    served: JoinHandle<()>,
}

/// What differs from test to test.
pub struct Setup {
    pub limits: Limits,
    pub callers: Option<CallerMode>,
    pub registry: Registry,
    pub metrics: Metrics,
    pub pki: Pki,
    /// For callers that come through the API server: what it is, and where to follow what it will be.
    pub front_proxy: Option<FollowedProxy>,
}

/// A front proxy, and the API server to follow it from.
pub type FollowedProxy = (Arc<FrontProxy>, Option<Arc<ApiServer>>);

impl Default for Setup {
    fn default() -> Self {
        Self {
            limits: Limits {
                drain: Duration::ZERO,
                ..Limits::default()
            },
            callers: None,
            registry: Registry::builder().build().unwrap(),
            metrics: Metrics::new(),
            pki: Pki::new(),
            front_proxy: None,
        }
    }
}

impl Setup {
    pub fn with_limits(change: impl FnOnce(&mut Limits)) -> Self {
        let mut setup = Self::default();
        change(&mut setup.limits);
        setup
    }

    pub async fn start(self) -> Running {
        let files = TlsFiles {
            certificate: self.pki.path("tls.crt"),
            private_key: self.pki.path("tls.key"),
            client_ca: match self.callers {
                None => Some(self.pki.path("ca.crt")),
                Some(_) => None,
            },
        };
        let tls = match &self.front_proxy {
            None => TlsStore::open(files),
            Some((front_proxy, _)) => {
                let authority = front_proxy.current().client_ca.clone();
                TlsStore::open_with_client_ca(files, authority.as_bytes(), "the ConfigMap")
            }
        };
        let tls = Arc::new(tls.unwrap());
        if let Some((front_proxy, Some(server))) = &self.front_proxy {
            let follower = Follower {
                server: Arc::clone(server),
                front_proxy: Arc::clone(front_proxy),
                tls: Arc::clone(&tls),
                rest: Duration::from_millis(10),
            };
            tokio::spawn(follower.run());
        }
        let audit = Lines::default();
        let gate = Arc::new(Semaphore::new(0));
        let thread = Arc::new(Mutex::new(()));
        let begun = Arc::new(Mutex::new(Began::default()));
        let reviewer = Faulty {
            reviewer: Reviewer::new(self.registry, Policy::default()),
            gate: Arc::clone(&gate),
            thread: Arc::clone(&thread),
            begun: Arc::clone(&begun),
        };
        let log = AuditLog::start(audit.clone()).unwrap();
        let app = App::new(reviewer, log, self.metrics, Arc::new(self.limits));
        let report: health::KeyReport = {
            let app = Arc::clone(&app);
            Arc::new(move || {
                let status = app.reviewer().reviewer.registry.current().status();
                status
                    .into_iter()
                    .map(|key| (key.name, key.health.as_str()))
                    .collect()
            })
        };
        let front_proxy = self.front_proxy.map(|(front_proxy, _)| front_proxy);
        let parts = ServerParts {
            health: health::router(&app, &tls, report, front_proxy.clone()),
            app,
            tls,
            callers: self.callers.unwrap_or_else(|| CallerMode::Mtls {
                allowed_names: vec!["kube-apiserver".to_owned()],
            }),
            front_proxy,
            tls_poll: Duration::from_millis(50),
        };
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let server = Server::bind(parts, any, any).await.unwrap();
        let (shutdown, asked) = oneshot::channel::<()>();
        Running {
            addr: server.local_addr().unwrap(),
            health: server.health_addr().unwrap(),
            audit,
            gate,
            thread,
            begun,
            shutdown: Some(shutdown),
            served: tokio::spawn(server.serve(async move {
                let _ = asked.await;
            })),
            pki: self.pki,
        }
    }
}

impl Running {
    /// A connection of the API server.
    pub async fn connect(&self) -> Client {
        Client::connect(self.addr, &self.pki, Some("kube-apiserver"))
            .await
            .unwrap()
    }

    /// One review on a connection of its own.
    pub async fn review(&self, body: &[u8]) -> Response {
        self.connect().await.review(body).await.unwrap()
    }

    /// What the second port answers.
    pub async fn get(&self, path: &str) -> Response {
        let mut client = Client::plain(self.health).await.unwrap();
        client
            .send(format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes())
            .await
            .unwrap();
        client.response().await.unwrap()
    }

    /// The value of a metric's sample, written as in the exposition, in whole numbers; 0 where there is none.
    pub async fn metric(&self, sample: &str) -> u64 {
        let text = self.get("/metrics").await.text();
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
        line.map_or(0, |value| value.parse().unwrap())
    }

    /// Waits until the sample has the value.
    pub async fn until_metric(&self, sample: &str, value: u64) {
        let begun = Instant::now();
        while self.metric(sample).await != value {
            assert!(
                begun.elapsed() < PATIENCE,
                "{sample} never became {value}: {}",
                self.get("/metrics").await.text()
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Waits until so many reviews have begun.
    pub async fn until_begun(&self, reviews: usize) {
        self.until(|began| began.reviews >= reviews).await;
    }

    /// Waits until the outcome of reviews is as `reached` says.
    pub async fn until(&self, reached: impl Fn(&Began) -> bool) {
        let begun = Instant::now();
        while !reached(&self.begun.lock().unwrap()) {
            assert!(
                begun.elapsed() < PATIENCE,
                "{:?}",
                self.begun.lock().unwrap()
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// SIGTERM, as it were.
    pub fn terminate(&mut self) {
        drop(self.shutdown.take());
    }

    /// Waits until the server has ended.
    pub async fn ended(self) -> Lines {
        tokio::time::timeout(PATIENCE, self.served)
            .await
            .expect("an end")
            .unwrap();
        self.audit
    }
}
