//! kubectl, as people run it.
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Result, bail};

/// kubectl as one user.
#[derive(Clone, Debug)]
pub struct Kubectl {
    program: PathBuf,
    kubeconfig: PathBuf,
    cache: PathBuf,
}

/// What it printed.
#[derive(Clone, Debug)]
pub struct Printed {
    /// Exit code.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Kubectl {
    /// kubectl with this kubeconfig.
    pub fn new(program: &Path, kubeconfig: PathBuf, folder: &Path) -> Self {
        Self {
            program: program.to_owned(),
            kubeconfig,
            cache: folder.join("kubectl-cache"),
        }
    }

    /// Runs it with `input`, whatever comes of it. On a machine that is busy with other things a handshake may take
    /// longer than kubectl waits; nothing was asked then, and it is tried again.
    pub fn run(&self, arguments: &[&str], input: &str) -> Result<Printed> {
        for _ in 0..4 {
            let printed = self.run_once(arguments, input)?;
            if printed.code == 0 || !printed.err.contains("Unable to connect to the server") {
                return Ok(printed);
            }
        }
        self.run_once(arguments, input)
    }

    fn run_once(&self, arguments: &[&str], input: &str) -> Result<Printed> {
        let mut child = Command::new(&self.program)
            .arg("--kubeconfig")
            .arg(&self.kubeconfig)
            .arg("--cache-dir")
            .arg(&self.cache)
            .args(arguments)
            .env_remove("KUBECONFIG")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let mut stdin = child.stdin.take().expect("it is piped");
        // A command that does not read its input may be gone already.
        let _ = stdin.write_all(input.as_bytes());
        drop(stdin);
        let output = child.wait_with_output()?;
        Ok(Printed {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    /// Runs it and returns standard output, or its error.
    pub fn ok(&self, arguments: &[&str], input: &str) -> Result<String> {
        let printed = self.run(arguments, input)?;
        if printed.code != 0 {
            bail!(
                "kubectl {} ended with {}: {}",
                arguments.join(" "),
                printed.code,
                printed.err.trim()
            );
        }
        Ok(printed.out)
    }

    /// Runs it and returns the error that it must end with.
    pub fn fails(&self, arguments: &[&str], input: &str, words: &str) -> Result<String> {
        let printed = self.run(arguments, input)?;
        if printed.code == 0 || !printed.err.contains(words) {
            bail!(
                "kubectl {} should fail with {words:?}: {} {}{}",
                arguments.join(" "),
                printed.code,
                printed.out,
                printed.err
            );
        }
        Ok(printed.err)
    }

    /// `kubectl apply -f -`.
    pub fn apply_text(&self, manifests: &str, further: &[&str]) -> Result<String> {
        let mut arguments = vec!["apply", "-f", "-"];
        arguments.extend(further);
        self.ok(&arguments, manifests)
    }
}
