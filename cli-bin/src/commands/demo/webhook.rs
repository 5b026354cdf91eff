//! The real `privy-webhook` as a child process that does not outlive the demo.
use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

use super::cleanup::CleanupGuard;
use super::{files, http};

const READY_WITHIN: Duration = Duration::from_secs(20);
const BETWEEN_LOOKS: Duration = Duration::from_millis(10);
/// Another program may take a free port before the webhook does.
const ATTEMPTS: usize = 3;

/// A webhook that runs.
pub(super) struct Webhook {
    cleanup: Arc<CleanupGuard>,
    /// Where reviews are answered.
    pub(super) address: SocketAddr,
    /// How long it took from its start until it was ready.
    pub(super) ready_after: Duration,
    output: PathBuf,
}

impl Drop for Webhook {
    fn drop(&mut self) {
        self.cleanup.end_webhook();
    }
}

/// The program beside this one, or the one that the user names.
pub(super) fn locate(privy: &Path, named: Option<&Path>) -> anyhow::Result<PathBuf> {
    let path = match named {
        Some(path) => std::path::absolute(path)?,
        None => privy.with_file_name(format!("privy-webhook{}", std::env::consts::EXE_SUFFIX)),
    };
    anyhow::ensure!(
        path.is_file(),
        "the webhook's program is not at {}",
        path.display()
    );
    Ok(path)
}

/// Writes the configuration that `configure` makes for a pair of free ports, and starts the webhook in `folder`.
pub(super) fn start(
    program: &Path,
    folder: &Path,
    cleanup: &Arc<CleanupGuard>,
    configure: impl Fn(SocketAddr, SocketAddr) -> String,
) -> anyhow::Result<Webhook> {
    let mut last = None;
    for _ in 0..ATTEMPTS {
        let (address, health) = free_addresses()?;
        files::write(&folder.join("webhook.yaml"), configure(address, health))?;
        match start_once(program, folder, cleanup, address, health) {
            Ok(webhook) => return Ok(webhook),
            Err(error) => last = Some(error),
        }
    }
    Err(last.expect("there was at least one attempt"))
}

fn start_once(
    program: &Path,
    folder: &Path,
    cleanup: &Arc<CleanupGuard>,
    address: SocketAddr,
    health: SocketAddr,
) -> anyhow::Result<Webhook> {
    let output = folder.join("webhook.log");
    let log =
        File::create(&output).with_context(|| format!("failed to write {}", output.display()))?;
    let started = Instant::now();
    let mut command = Command::new(program);
    command
        .args(["--config", "webhook.yaml"])
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log);
    cleanup
        .start_webhook(&mut command)
        .with_context(|| format!("failed to start {}", program.display()))?;
    let mut webhook = Webhook {
        cleanup: Arc::clone(cleanup),
        address,
        ready_after: Duration::ZERO,
        output,
    };
    loop {
        if let Some(status) = cleanup.ended()? {
            bail!("the webhook ended with {status}: {}", webhook.last_words());
        }
        if http::get(health, "/readyz").is_ok_and(|answer| answer.status == 200) {
            webhook.ready_after = started.elapsed();
            return Ok(webhook);
        }
        if started.elapsed() > READY_WITHIN {
            bail!(
                "the webhook is not ready after {} s: {}",
                READY_WITHIN.as_secs(),
                webhook.last_words()
            );
        }
        std::thread::sleep(BETWEEN_LOOKS);
    }
}

impl Webhook {
    /// Everything that the webhook wrote, logs and audit.
    pub(super) fn output(&self) -> anyhow::Result<String> {
        files::read(&self.output)
    }

    /// The audit line of the review with this uid; it may follow the answer by a moment.
    pub(super) fn audit_line(&self, uid: &str) -> anyhow::Result<serde_json::Value> {
        let start = Instant::now();
        loop {
            let output = self.output()?;
            let line = output
                .lines()
                .filter(|line| line.contains(uid))
                .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
                .find(|line| line.get("uid").and_then(serde_json::Value::as_str) == Some(uid));
            if let Some(line) = line {
                return Ok(line);
            }
            if start.elapsed() > Duration::from_secs(5) {
                bail!("the webhook wrote no audit line for review {uid}");
            }
            std::thread::sleep(BETWEEN_LOOKS);
        }
    }

    fn last_words(&self) -> String {
        let output = self.output().unwrap_or_default();
        let lines: Vec<&str> = output.lines().rev().take(3).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join(" / ")
    }
}

fn free_addresses() -> anyhow::Result<(SocketAddr, SocketAddr)> {
    // Both are held until both are known, so that they differ.
    let first = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let second = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok((first.local_addr()?, second.local_addr()?))
}
