//! Where the play takes place, and what all acts share.
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::commands::demo::cleanup::CleanupGuard;
use crate::commands::demo::people::Person;

/// Where the play takes place.
pub(crate) struct Setting<'a> {
    /// This program.
    pub(crate) privy: &'a Path,
    /// The webhook's program.
    pub(crate) webhook: &'a Path,
    /// The temporary folder.
    pub(crate) root: &'a Path,
    /// What ends the webhook, whatever happens.
    pub(crate) cleanup: &'a Arc<CleanupGuard>,
    /// Whether opened values are printed.
    pub(crate) show: bool,
    /// Whether the folder stays.
    pub(crate) keep: bool,
}

impl Setting<'_> {
    /// What is committed to Git: everyone may read it.
    pub(super) fn repository(&self) -> PathBuf {
        self.root.join("repository")
    }

    /// Where the webhook runs.
    pub(super) fn cluster(&self) -> PathBuf {
        self.root.join("cluster")
    }

    pub(super) fn person(&self, name: &str, folder: &Path) -> anyhow::Result<Person> {
        Person::new(self.privy, &self.root.join(name), folder)
    }
}

/// Field names and the bytes that must arrive in the cluster.
pub(super) type Values = BTreeMap<String, Vec<u8>>;
