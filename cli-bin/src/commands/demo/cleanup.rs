//! However the play ends, the webhook ends with it and the folder goes: by its own end, by a failure, by Ctrl-C.
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// As shells have it for a program that a signal ended.
const INTERRUPTED: i32 = 130;

/// What must not outlive the play.
pub(super) struct CleanupGuard {
    webhook: Mutex<Option<Child>>,
    /// The folder to remove; none when it is to be kept.
    folder: Option<PathBuf>,
}

impl CleanupGuard {
    /// Falls when the process is interrupted or told to end.
    pub(super) fn new(folder: Option<&Path>) -> anyhow::Result<Arc<Self>> {
        let cleanup = Arc::new(Self {
            webhook: Mutex::new(None),
            folder: folder.map(Path::to_owned),
        });
        let watched = Arc::clone(&cleanup);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        // The handlers stand before the first child starts.
        let signal = runtime.block_on(async { interruption() })?;
        std::thread::spawn(move || {
            runtime.block_on(signal);
            watched.end_webhook();
            if let Some(folder) = &watched.folder {
                // No one is left to be told.
                let _ = std::fs::remove_dir_all(folder);
            }
            std::process::exit(INTERRUPTED);
        });
        Ok(cleanup)
    }

    /// Starts the webhook and takes charge of it, in one step that no interruption divides.
    pub(super) fn start_webhook(&self, command: &mut Command) -> std::io::Result<()> {
        let mut child = self.child();
        *child = Some(command.spawn()?);
        Ok(())
    }

    /// How the webhook ended, if it has.
    pub(super) fn ended(&self) -> std::io::Result<Option<ExitStatus>> {
        match self.child().as_mut() {
            None => Ok(None),
            Some(child) => child.try_wait(),
        }
    }

    /// Ends the webhook, if one is running, and waits for it.
    pub(super) fn end_webhook(&self) {
        if let Some(mut child) = self.child().take() {
            // Nothing can be done about a process that is gone already.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    fn child(&self) -> MutexGuard<'_, Option<Child>> {
        self.webhook.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(unix)]
fn interruption() -> std::io::Result<impl Future<Output = ()> + Send> {
    use tokio::signal::unix::{SignalKind, signal};

    let mut interrupted = signal(SignalKind::interrupt())?;
    let mut terminated = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupted.recv() => {}
            _ = terminated.recv() => {}
        }
    })
}

#[cfg(not(unix))]
fn interruption() -> std::io::Result<impl Future<Output = ()> + Send> {
    Ok(async {
        // Without a handler the process simply ends, as it would have.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    })
}
