//! The other tools, set up to do what `privy` does.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use benches::setup::Setup;

use crate::timing::Run;
use crate::tree::manifest;

/// The tools of `benches/peers.sh`, with the public keys that they seal for.
pub(crate) struct Peers {
    folder: PathBuf,
    key: String,
    certificate: String,
    age_recipient: String,
    one_value: String,
}

impl Peers {
    /// Looks whether all tools are there. kubeseal gets our RSA key in a certificate; age makes a key of its own.
    pub(crate) fn new(folder: &Path, setup: &Setup) -> Result<Self> {
        for name in ["jose-util", "kubeseal", "sops", "age", "age-keygen"] {
            ensure!(
                folder.join(name).exists(),
                "{name} is not in {}: build it with benches/peers.sh",
                folder.display()
            );
        }
        let pem = fs::read_to_string(setup.file("payments.pem"))?;
        let key = rcgen::KeyPair::from_pem(&pem)?;
        let certificate =
            rcgen::CertificateParams::new(vec!["kubeseal".to_owned()])?.self_signed(&key)?;
        fs::write(setup.file("kubeseal.crt"), certificate.pem())?;

        let identity = Command::new(folder.join("age-keygen")).output()?;
        let identity = String::from_utf8(identity.stdout)?;
        let age_recipient = identity
            .lines()
            .find_map(|line| line.strip_prefix("# public key: "))
            .context("age-keygen printed no public key")?;

        fs::write(setup.file("one-value.yaml"), manifest(0, 1))?;
        let path = |name: &str| setup.file(name).display().to_string();
        Ok(Self {
            folder: folder.to_owned(),
            key: path("payments.pub.pem"),
            certificate: path("kubeseal.crt"),
            age_recipient: age_recipient.to_owned(),
            one_value: path("one-value.yaml"),
        })
    }

    /// Each does nothing but start.
    pub(crate) fn start(&self) -> Vec<Run> {
        [
            ("kubeseal", "--version"),
            ("sops", "--version"),
            ("age", "--version"),
        ]
        .into_iter()
        .map(|(name, flag)| Run::new(&self.folder.join(name), &[flag]))
        .collect()
    }

    /// Each seals one value.
    pub(crate) fn seal_one(&self) -> Vec<Run> {
        let jose_util = Run::new(
            &self.folder.join("jose-util"),
            &[
                "encrypt",
                "--key",
                &self.key,
                "--alg",
                "RSA-OAEP-256",
                "--enc",
                "A256GCM",
            ],
        );
        let kubeseal = Run::new(
            &self.folder.join("kubeseal"),
            &[
                "--raw",
                "--cert",
                &self.certificate,
                "--namespace",
                "payments",
                "--name",
                "db",
                "--from-file",
                "/dev/stdin",
            ],
        );
        vec![
            jose_util.input(b"hunter2"),
            kubeseal.input(b"hunter2"),
            self.sops(&self.one_value),
        ]
    }

    /// Each seals all values of one manifest, to its standard output.
    pub(crate) fn seal_manifest(&self, file: &str) -> Vec<Run> {
        let kubeseal = Run::new(
            &self.folder.join("kubeseal"),
            &[
                "--cert",
                &self.certificate,
                "--format",
                "yaml",
                "--secret-file",
                file,
            ],
        );
        vec![kubeseal, self.sops(file)]
    }

    fn sops(&self, file: &str) -> Run {
        Run::new(
            &self.folder.join("sops"),
            &[
                "encrypt",
                "--age",
                &self.age_recipient,
                "--encrypted-regex",
                "^(data|stringData)$",
                file,
            ],
        )
    }
}
