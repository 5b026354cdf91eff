//! The programs of a lab, by the environment variables that `e2e/cluster/run` sets.
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

/// Paths of programs.
#[derive(Clone, Debug)]
pub struct Tools {
    /// etcd and kube-apiserver, where no cluster is given.
    servers: Option<(PathBuf, PathBuf)>,
    /// The cluster that is given: its administrator's kubeconfig.
    pub kubeconfig: Option<PathBuf>,
    /// Under which name the API server reaches this machine.
    pub host: String,
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
        let kubeconfig = match std::env::var_os("E2E_KUBECONFIG") {
            Some(_) => Some(path("E2E_KUBECONFIG")?),
            None => None,
        };
        let servers = match kubeconfig {
            Some(_) => None,
            None => Some((path("E2E_ETCD")?, path("E2E_KUBE_APISERVER")?)),
        };
        Ok(Self {
            servers,
            kubeconfig,
            host: std::env::var("E2E_WEBHOOK_HOST").unwrap_or_else(|_| "localhost".to_owned()),
            kubectl: path("E2E_KUBECTL")?,
            privy: path("E2E_PRIVY")?,
            privy_webhook: path("E2E_PRIVY_WEBHOOK")?,
        })
    }

    /// etcd and kube-apiserver.
    pub fn servers(&self) -> Result<(&Path, &Path)> {
        let (etcd, kube_apiserver) = self
            .servers
            .as_ref()
            .context("where a cluster is given, none is started")?;
        Ok((etcd, kube_apiserver))
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
