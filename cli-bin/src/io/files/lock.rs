//! One `privy` at a time compares and replaces files of a folder.
use std::path::Path;

/// Holds the lock of a folder until it is dropped.
pub(super) struct FolderLock {
    #[cfg(unix)]
    _folder: Option<std::fs::File>,
}

#[cfg(unix)]
impl FolderLock {
    /// Waits for the lock. It is held only while files are compared and renamed, so that anyone who holds it for longer
    /// does not work as we do. Without a lock, where a file system has none, the comparison is all there is.
    ///
    /// # Errors
    /// When someone else keeps it.
    pub(super) fn take(folder: &Path) -> anyhow::Result<Self> {
        use std::time::Duration;

        use rustix::fs::{FlockOperation, flock};
        use rustix::io::Errno;

        const PAUSE: Duration = Duration::from_millis(5);
        const TRIES: usize = 4000;
        let Ok(file) = std::fs::File::open(folder) else {
            return Ok(Self { _folder: None });
        };
        for _ in 0..TRIES {
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => {
                    return Ok(Self {
                        _folder: Some(file),
                    });
                }
                Err(Errno::WOULDBLOCK | Errno::INTR) => std::thread::sleep(PAUSE),
                Err(_) => return Ok(Self { _folder: None }),
            }
        }
        anyhow::bail!("another program keeps its folder locked")
    }
}

#[cfg(not(unix))]
impl FolderLock {
    /// Windows locks no folders; the comparison is all there is.
    ///
    /// # Errors
    /// Never.
    #[allow(clippy::unnecessary_wraps, reason = "as on Unix")]
    pub(super) fn take(_: &Path) -> anyhow::Result<Self> {
        Ok(Self {})
    }
}
