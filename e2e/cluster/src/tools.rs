//! The programs of a lab, by the environment variables that `e2e/cluster/run` sets.
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

/// Paths of programs.
#[derive(Clone, Debug)]
pub struct Tools {
    /// etcd.
    pub etcd: PathBuf,
    /// kube-apiserver.
    pub kube_apiserver: PathBuf,
    /// kubectl.
    pub kubectl: PathBuf,
    /// Our CLI.
    pub privy: PathBuf,
    /// Our webhook.
    pub privy_webhook: PathBuf,
}

impl Tools {
    /// Finds them all.
    pub fn from_environment() -> Result<Self> {
        let path = |name: &str| -> Result<PathBuf> {
            let path = std::env::var_os(name).map(PathBuf::from).with_context(|| {
                format!("{name} is not set; start this with e2e/cluster/run or e2e/lab")
            })?;
            if !path.is_file() {
                bail!("{name} names {}, which is no file", path.display());
            }
            Ok(std::path::absolute(path)?)
        };
        Ok(Self {
            etcd: path("E2E_ETCD")?,
            kube_apiserver: path("E2E_KUBE_APISERVER")?,
            kubectl: path("E2E_KUBECTL")?,
            privy: path("E2E_PRIVY")?,
            privy_webhook: path("E2E_PRIVY_WEBHOOK")?,
        })
    }

    /// Runs `privy` and returns what it prints.
    pub fn privy(&self, arguments: &[&str]) -> Result<String> {
        let output = Command::new(&self.privy).args(arguments).output()?;
        if !output.status.success() {
            bail!(
                "privy {} ended with {}: {}",
                arguments.join(" "),
                output.status,
                String::from_utf8_lossy(&output.stderr)
            );
        }
        Ok(String::from_utf8(output.stdout)?)
    }
}
