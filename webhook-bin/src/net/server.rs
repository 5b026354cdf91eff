//! Sockets: accepts, shakes hands, serves each connection in one task, and drains.

use std::convert::Infallible;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::body::Body;
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;

use crate::net::app::{App, Entrance, ReviewService, close_after, text};
use crate::net::caller::{Caller, CallerMode};
use crate::net::connection::{Ended, Watch, Watched, drive};
use crate::net::connections::{ConnectionSlot, Connections, SlotOutcome};
use crate::net::discovery;
use crate::net::front_proxy::FrontProxy;
use crate::net::limits::Limits;
use crate::net::tls::{Reload, TlsStore};
use crate::telemetry::Throttle;
use crate::telemetry::metrics::{KEPT_OLD, Overload, REPLACED};
use crate::telemetry::rejected::CallerRejected;

/// What hyper may buffer of a request; longer bodies come in pieces. Also bounds the headers.
const READ_BUFFER: usize = 64 << 10;
/// Far more headers than the API server sends.
const MAX_HEADERS: usize = 64;
/// The health port is for the kubelet and one or two scrapers.
const HEALTH_CONNECTIONS: usize = 64;
/// How long each phase of a connection to the health port may take: the first byte, the head, the answer.
const HEALTH_PATIENCE: Duration = Duration::from_secs(5);
/// The longest that the requests under way at the end of the drain may take.
const LAST_REQUESTS: Duration = Duration::from_secs(35);
/// Rest after a failed `accept`, such as when file descriptors run out.
const ACCEPT_AGAIN: Duration = Duration::from_millis(50);

/// What a server is made of.
#[derive(Debug)]
pub struct ServerParts<R> {
    /// The application.
    pub app: Arc<App<R>>,
    /// Its certificate and the clients' authorities.
    pub tls: Arc<TlsStore>,
    /// How callers prove themselves.
    pub callers: CallerMode,
    /// What the front proxy is, where callers come through one.
    pub front_proxy: Option<Arc<FrontProxy>>,
    /// How often the certificate's files are looked at.
    pub tls_poll: Duration,
    /// What the second port serves.
    pub health: axum::Router,
}

/// Both ports, bound.
#[derive(Debug)]
pub struct Server<R> {
    shared: Arc<Shared<R>>,
    listener: TcpListener,
    health: TcpListener,
    health_routes: axum::Router,
    tls_poll: Duration,
}

#[derive(Debug)]
struct Shared<R> {
    app: Arc<App<R>>,
    tls: Arc<TlsStore>,
    callers: CallerMode,
    front_proxy: Option<Arc<FrontProxy>>,
    connections: Arc<Connections>,
    limits: Arc<Limits>,
    http: http1::Builder,
    jitter: RandomState,
    rejections: Throttle,
}

impl<R: ReviewService> Server<R> {
    /// Binds both ports.
    ///
    /// # Errors
    /// When one of them cannot be had.
    pub async fn bind(
        parts: ServerParts<R>,
        listen: SocketAddr,
        health: SocketAddr,
    ) -> io::Result<Self> {
        let limits = Arc::clone(parts.app.limits());
        let mut http = http1_builder();
        http.pipeline_flush(true);
        Ok(Self {
            listener: TcpListener::bind(listen).await?,
            health: TcpListener::bind(health).await?,
            health_routes: parts.health,
            tls_poll: parts.tls_poll,
            shared: Arc::new(Shared {
                connections: Connections::new(limits.connections),
                app: parts.app,
                tls: parts.tls,
                callers: parts.callers,
                front_proxy: parts.front_proxy,
                limits,
                http,
                jitter: RandomState::new(),
                rejections: Throttle::default(),
            }),
        })
    }

    /// Where reviews are answered.
    ///
    /// # Errors
    /// When the system does not know.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Where health and metrics are answered.
    ///
    /// # Errors
    /// When the system does not know.
    pub fn health_addr(&self) -> io::Result<SocketAddr> {
        self.health.local_addr()
    }

    /// Serves until `shutdown` completes, then drains: unready at once, serving on for a while with
    /// `Connection: close`, then the requests under way, then the audit log.
    pub async fn serve(self, shutdown: impl Future<Output = ()>) {
        let shared = self.shared;
        let health = serve_health_apart(self.health, self.health_routes);
        if let Err(error) = &health {
            tracing::error!(%error, "the health port cannot be served");
        }
        let reload = tokio::spawn(watch_files(Arc::clone(&shared), self.tls_poll));
        let accept = tokio::spawn(accept_callers(self.listener, Arc::clone(&shared)));

        shutdown.await;
        shared.app.begin_drain();
        tracing::info!(
            seconds = shared.limits.drain.as_secs(),
            "shutting down: unready, serving on while the cluster takes note"
        );
        sleep(shared.limits.drain).await;
        accept.abort();
        shared.connections.close();
        if timeout(LAST_REQUESTS, shared.connections.emptied())
            .await
            .is_err()
        {
            tracing::warn!(
                connections = shared.connections.len(),
                "requests outlasted the drain and are cut off"
            );
            shared.connections.abort();
        }
        reload.abort();
        drop(health);
        let app = Arc::clone(&shared.app);
        // It joins a thread, which must not hold up the runtime.
        let _ = tokio::task::spawn_blocking(move || app.audit().finish()).await;
    }
}

fn http1_builder() -> http1::Builder {
    let mut http = http1::Builder::new();
    http.half_close(false)
        .max_buf_size(READ_BUFFER)
        .max_headers(MAX_HEADERS)
        // The connection's own watch sees to it; see there why.
        .header_read_timeout(None);
    http
}

async fn accept_callers<R: ReviewService>(listener: TcpListener, shared: Arc<Shared<R>>) {
    loop {
        let Some((stream, peer)) = accept(&listener).await else {
            sleep(ACCEPT_AGAIN).await;
            continue;
        };
        let (seat, stop) = match shared.connections.admit(peer.ip()) {
            SlotOutcome::Admitted(seat, stop) => (seat, stop),
            SlotOutcome::AdmittedForAnother(seat, stop) => {
                shared.app.metrics().shed(Overload::Connections);
                (seat, stop)
            }
            SlotOutcome::Full => {
                shared.app.metrics().shed(Overload::Connections);
                continue;
            }
        };
        let number = seat.number();
        let task = tokio::spawn(Arc::clone(&shared).serve_caller(stream, peer, seat, stop));
        shared.connections.runs_as(number, task.abort_handle());
    }
}

async fn accept(listener: &TcpListener) -> Option<(TcpStream, SocketAddr)> {
    match listener.accept().await {
        Ok((stream, peer)) => {
            // An answer is one write and must not wait for more.
            let _ = stream.set_nodelay(true);
            Some((stream, peer))
        }
        Err(error) => {
            tracing::warn!(%error, "a connection could not be accepted");
            None
        }
    }
}

impl<R: ReviewService> Shared<R> {
    async fn serve_caller(
        self: Arc<Self>,
        stream: TcpStream,
        peer: SocketAddr,
        seat: ConnectionSlot,
        stop: oneshot::Receiver<()>,
    ) {
        let material = self.tls.material();
        let handshake = TlsAcceptor::from(Arc::clone(&material.config)).accept(stream);
        let stream = match timeout(self.limits.handshake, handshake).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return self.handshake_failed(peer, &error),
            Err(_) => return self.app.metrics().shed(Overload::Slow),
        };
        let chain = stream.get_ref().1.peer_certificates();
        let caller = Caller::identify(&self.callers, peer, chain, &material.trust);
        drop(material);
        let watch = Arc::new(Watch::new(
            Arc::clone(&self.limits),
            caller,
            self.age(seat.number()),
        ));
        seat.established(&watch);
        let service = service_fn(|request: Request<Incoming>| {
            let (shared, watch) = (Arc::clone(&self), Arc::clone(&watch));
            async move { Ok::<_, Infallible>(shared.answer(&watch, peer, request).await) }
        });
        let stream = TokioIo::new(Watched::new(stream, Arc::clone(&watch)));
        if let Ended::Slow(phase) =
            drive(self.http.serve_connection(stream, service), &watch, stop).await
        {
            tracing::debug!(%peer, ?phase, "a connection was too slow");
            self.app.metrics().shed(Overload::Slow);
        }
    }

    async fn answer(
        &self,
        watch: &Watch,
        peer: SocketAddr,
        request: Request<Incoming>,
    ) -> Response<Body> {
        let watch_health = watch
            .caller
            .check(|| self.tls.material().trust, self.tls.trust_generation())
            .and_then(|()| self.judge(watch, &request));
        match watch_health {
            Ok(door) => self.app.answer(watch, door, request).await,
            Err(why) => {
                watch.head_complete();
                self.rejected(peer, why);
                let mut response = text(
                    StatusCode::FORBIDDEN,
                    "this caller is not allowed to ask [caller-not-allowed]; the webhook's log says why",
                );
                close_after(&mut response);
                watch.answer_ready();
                response
            }
        }
    }

    /// Which door a request comes through. One that comes through the API server is the API server's own, or asks
    /// for nothing but what everyone may know.
    fn judge(
        &self,
        watch: &Watch,
        request: &Request<Incoming>,
    ) -> Result<Entrance, CallerRejected> {
        if !matches!(self.callers, CallerMode::Aggregated(_)) {
            return Ok(Entrance::Direct);
        }
        // Without a front proxy to judge by there is no one to serve.
        let front_proxy = self.front_proxy.as_deref().ok_or(CallerRejected::Name)?;
        let name = watch.caller.name();
        if discovery::is_public(request.method(), request.uri().path()) {
            front_proxy.judge_name(name)?;
        } else {
            front_proxy.judge(name, request.headers())?;
        }
        Ok(Entrance::Aggregated)
    }

    /// A handshake that broke off says little, but for the one reason that matters: no good certificate.
    fn handshake_failed(&self, peer: SocketAddr, error: &io::Error) {
        let tls = error
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<rustls::Error>());
        if let Some(rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented) =
            tls
        {
            self.rejected(peer, CallerRejected::Handshake);
        } else {
            tracing::debug!(%peer, %error, "a handshake failed");
        }
    }

    fn rejected(&self, peer: SocketAddr, why: CallerRejected) {
        self.app.metrics().rejected(why);
        // Anyone who floods us must not flood the log.
        if self.rejections.allows() {
            tracing::warn!(%peer, why = why.as_str(), "a caller was refused: {why}");
        }
    }

    /// The age at which a connection ends, spread by a tenth so that they do not all end together.
    fn age(&self, number: u64) -> Duration {
        let percent = u32::try_from(self.jitter.hash_one(number) % 21).unwrap_or(10);
        self.limits.age * (90 + percent) / 100
    }
}

/// Serves the health port on a thread and a runtime of its own until the returned end is dropped: however busy the
/// reviews keep every other thread, a probe is answered.
fn serve_health_apart(
    listener: TcpListener,
    routes: axum::Router,
) -> io::Result<oneshot::Sender<Infallible>> {
    let listener = listener.into_std()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let (serving, ended) = oneshot::channel();
    std::thread::Builder::new()
        .name("health".to_owned())
        .spawn(move || {
            runtime.block_on(async {
                match TcpListener::from_std(listener) {
                    // Connections that are open at the end go with the runtime.
                    Ok(listener) => tokio::select! {
                        () = serve_health(listener, routes) => {}
                        _ = ended => {}
                    },
                    Err(error) => tracing::error!(%error, "the health port cannot be served"),
                }
            });
        })?;
    Ok(serving)
}

async fn serve_health(listener: TcpListener, routes: axum::Router) {
    let connections = Connections::shared_by_address(HEALTH_CONNECTIONS);
    let limits = Arc::new(Limits {
        idle: HEALTH_PATIENCE,
        headers: HEALTH_PATIENCE,
        body: HEALTH_PATIENCE,
        answer: HEALTH_PATIENCE,
        ..Limits::default()
    });
    let mut http = http1_builder();
    // Probes come seconds apart. A connection that rests holds a place and gains no one anything.
    http.keep_alive(false);
    loop {
        let Some((stream, peer)) = accept(&listener).await else {
            sleep(ACCEPT_AGAIN).await;
            continue;
        };
        let (SlotOutcome::Admitted(seat, stop) | SlotOutcome::AdmittedForAnother(seat, stop)) =
            connections.admit(peer.ip())
        else {
            continue;
        };
        let number = seat.number();
        let (routes, limits, http) = (routes.clone(), Arc::clone(&limits), http.clone());
        let task = tokio::spawn(async move {
            let watch = Arc::new(Watch::new(limits, Caller::anyone(), HEALTH_PATIENCE));
            seat.established(&watch);
            let service = service_fn(|request: Request<Incoming>| {
                let (routes, watch) = (routes.clone(), Arc::clone(&watch));
                async move {
                    watch.head_complete();
                    let response = routes.oneshot(request.map(Body::new)).await?;
                    watch.answer_ready();
                    Ok::<_, Infallible>(response)
                }
            });
            let stream = TokioIo::new(Watched::new(stream, Arc::clone(&watch)));
            drive(http.serve_connection(stream, service), &watch, stop).await;
        });
        connections.runs_as(number, task.abort_handle());
    }
}

async fn watch_files<R: ReviewService>(shared: Arc<Shared<R>>, every: Duration) {
    let mut failed = false;
    loop {
        sleep(every).await;
        let tls = Arc::clone(&shared.tls);
        let Ok(outcome) = tokio::task::spawn_blocking(move || tls.reload()).await else {
            continue;
        };
        match outcome {
            Ok(Reload::Unchanged) => failed = false,
            Ok(Reload::Replaced) => {
                failed = false;
                shared.app.metrics().tls_reload(REPLACED);
                tracing::info!("new TLS files are in service");
            }
            Err(error) => {
                shared.app.metrics().tls_reload(KEPT_OLD);
                // Two files cannot be swapped as one: a look in between is made good by the next one.
                if !std::mem::replace(&mut failed, true) {
                    let error = anyhow::Error::from(error);
                    tracing::warn!(
                        error = format!("{error:#}"),
                        "new TLS files are not usable; the old ones stay in service"
                    );
                }
            }
        }
        if !shared.tls.is_valid_at(SystemTime::now()) {
            tracing::error!("the certificate in service is not valid at this time");
        }
    }
}
