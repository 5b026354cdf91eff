//! From the command line to the exit code.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};

use crate::args::{Args, Command};
use crate::audit::file::{AuditFile, Reopen};
use crate::audit::log::AuditLog;
use crate::config::{Config, Overrides};
use crate::net::app::App;
use crate::net::caller::{Aggregated, CallerMode};
use crate::net::front_proxy::{FetchError, Follower, FrontProxy, fetch};
use crate::net::server::{Server, ServerParts};
use crate::net::tls::TlsStore;
use crate::ops::in_force::{InForce, api_server};
use crate::ops::reload::{CurrentReviewer, Reloader};
use crate::ops::{check_config, health, probe, process};
use crate::telemetry;
use crate::telemetry::metrics::Metrics;

/// How often, and how far apart, the API server is asked how it proves itself before the start fails.
const API_SERVER_TRIES: u32 = 30;
const API_SERVER_REST: Duration = Duration::from_secs(1);

/// Wrong usage or configuration.
const WRONG_CONFIGURATION: u8 = 2;

/// Does what `args` say and returns when it is done: serves until SIGTERM or SIGINT, or checks a configuration.
pub fn run(args: &Args) -> ExitCode {
    if let Err(error) = telemetry::init(&args.log, args.log_format) {
        return complain(&format!("--log: {error}"), WRONG_CONFIGURATION);
    }
    telemetry::quiet_panics();
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(error) => return complain(&format!("the runtime could not be started: {error}"), 1),
    };
    match &args.command {
        Some(Command::CheckConfig {
            file,
            config,
            allow_unauthenticated_callers,
            probe,
        }) => {
            let file = file
                .as_deref()
                .or(config.as_deref())
                .unwrap_or(Path::new(""));
            let overrides = Overrides {
                allow_unauthenticated_callers: *allow_unauthenticated_callers,
            };
            match runtime.block_on(Config::load(file, overrides)) {
                Ok(config) if *probe => {
                    let probed = runtime.block_on(probe::probe(&config));
                    let text = format!("{}\n\n{}", check_config::summary(&config), probed.text);
                    match say(&text) {
                        ExitCode::SUCCESS => ExitCode::from(probed.exit),
                        failed => failed,
                    }
                }
                Ok(config) => say(&check_config::summary(&config)),
                Err(problems) => complain(&problems.to_string(), WRONG_CONFIGURATION),
            }
        }
        None => serve(args, &runtime),
    }
}

fn serve(args: &Args, runtime: &Runtime) -> ExitCode {
    process::harden();
    let overrides = Overrides {
        allow_unauthenticated_callers: args.allow_unauthenticated_callers,
    };
    let file = args.config.as_deref().unwrap_or(Path::new(""));
    let config = match runtime.block_on(Config::load(file, overrides)) {
        Ok(config) => config,
        Err(problems) => return complain(&problems.to_string(), WRONG_CONFIGURATION),
    };
    match runtime.block_on(serve_until_asked_to_stop(config, overrides)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => complain(&format!("{error:#}"), 1),
    }
}

/// One thread where there is one core: handing work over to another would cost and gain nothing.
fn runtime() -> io::Result<Runtime> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut builder = if cores == 1 {
        Builder::new_current_thread()
    } else {
        Builder::new_multi_thread()
    };
    builder.enable_all().build()
}

async fn serve_until_asked_to_stop(config: Config, overrides: Overrides) -> anyhow::Result<()> {
    let metrics = Metrics::new();
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    let (audit, reopen) = audit_log(config.audit.as_deref())?;
    let (tls, front_proxy) = match &config.callers {
        CallerMode::Aggregated(aggregated) => aggregated_callers(&config, aggregated).await?,
        CallerMode::Anyone | CallerMode::Loopback | CallerMode::Mtls { .. } => {
            (Arc::new(TlsStore::open(config.tls.clone())?), None)
        }
    };
    if config.callers == CallerMode::Anyone {
        metrics.callers_unauthenticated();
        tracing::warn!(
            "callers need not prove themselves: anyone who reaches {} can have values opened. \
             Configure `callers` instead of --allow-unauthenticated-callers",
            config.listen
        );
    }
    // The versions are listed before the first review; a key service that is away does not keep us from starting.
    let in_force = InForce::start(&config, &metrics)?;
    let app = App::new(
        CurrentReviewer::new(in_force.reviewer),
        audit,
        metrics,
        Arc::new(config.limits.clone()),
    );
    let report: health::KeyReport = {
        let app = Arc::clone(&app);
        Arc::new(move || {
            let status = app.reviewer().current().registry.current().status();
            status
                .into_iter()
                .map(|key| (key.name, key.health.as_str()))
                .collect()
        })
    };
    let health = health::router(&app, &tls, report, front_proxy.clone());
    let mut reloader = Reloader {
        file: config.file.clone(),
        overrides,
        started_with: config.clone(),
        app: Arc::clone(&app),
        audit: reopen,
        versions: in_force.versions,
    };
    let parts = ServerParts {
        app,
        tls,
        callers: config.callers.clone(),
        front_proxy,
        tls_poll: config.tls_poll,
        health,
    };
    // Before the sockets open: from the first answer on, SIGTERM means a drain.
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    let server = Server::bind(parts, config.listen, config.health)
        .await
        .with_context(|| {
            format!(
                "{} or {} cannot be listened on",
                config.listen, config.health
            )
        })?;
    announce(&config, server.local_addr()?, server.health_addr()?);
    server
        .serve(async move {
            loop {
                tokio::select! {
                    _ = terminate.recv() => return,
                    _ = interrupt.recv() => return,
                    _ = hang_up.recv() => reloader.reload().await,
                }
            }
        })
        .await;
    tracing::info!("stopped");
    Ok(())
}

/// Learns from the cluster what its front proxy is, and follows it from then on. An API server that is not there
/// yet is waited for; one whose front proxy anyone could be is not served.
async fn aggregated_callers(
    config: &Config,
    aggregated: &Aggregated,
) -> anyhow::Result<(Arc<TlsStore>, Option<Arc<FrontProxy>>)> {
    let server = api_server(aggregated).context("callers.aggregated")?;
    let mut tries = 0;
    let found = loop {
        match fetch(&server).await {
            Ok(found) => break found,
            Err(FetchError::Api(error)) if tries < API_SERVER_TRIES => {
                tries += 1;
                tracing::warn!(
                    error = format!("{:#}", anyhow::Error::from(error)),
                    "the API server does not say yet how it proves itself; asking again"
                );
                tokio::time::sleep(API_SERVER_REST).await;
            }
            Err(error) => return Err(error).context("callers.aggregated"),
        }
    };
    let origin = "requestheader-client-ca-file of kube-system/extension-apiserver-authentication";
    let tls =
        TlsStore::open_with_client_ca(config.tls.clone(), found.client_ca.as_bytes(), origin)?;
    let tls = Arc::new(tls);
    let front_proxy = Arc::new(FrontProxy::new(found));
    let follower = Follower {
        server,
        front_proxy: Arc::clone(&front_proxy),
        tls: Arc::clone(&tls),
        rest: API_SERVER_REST,
    };
    tokio::spawn(follower.run());
    Ok((tls, Some(front_proxy)))
}

fn announce(config: &Config, listen: SocketAddr, health: SocketAddr) {
    tracing::info!(
        %listen,
        %health,
        keys = config.keys.len(),
        version = env!("CARGO_PKG_VERSION"),
        "serving reviews on https://{listen}{} and health on http://{health}",
        crate::net::app::MUTATE
    );
}

/// The audit log, and how to have its file opened again, where it is a file.
fn audit_log(file: Option<&Path>) -> anyhow::Result<(AuditLog, Option<Reopen>)> {
    let (log, reopen) = match file {
        None => (AuditLog::start(io::stdout()), None),
        Some(path) => {
            let file = AuditFile::open(path)
                .with_context(|| format!("the audit log {} cannot be opened", path.display()))?;
            let reopen = file.reopen();
            (AuditLog::start(file), Some(reopen))
        }
    };
    let log = log.context("the audit log's thread cannot be started")?;
    Ok((log, reopen))
}

fn say(text: &str) -> ExitCode {
    match writeln!(io::stdout(), "{text}") {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn complain(text: &str, code: u8) -> ExitCode {
    // No one is left to tell when standard error is gone.
    let _ = writeln!(io::stderr(), "{text}");
    ExitCode::from(code)
}
