//! The cluster as kubectl shows it.
use std::ffi::OsString;
use std::io::Write as _;
use std::process::{Command, Stdio};

use anyhow::{Context as _, anyhow};
use serde_json::Value;

use super::args::Args;
use crate::report::Failure;

/// kubectl with the administrator's choice of cluster.
#[derive(Debug)]
pub(super) struct Cluster {
    program: OsString,
    arguments: Vec<OsString>,
    /// `gitVersion`, major and minor of the API server.
    pub(super) version: (String, u32, u32),
}

/// What kubectl said.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) ok: bool,
    pub(super) out: String,
    pub(super) err: String,
}

impl Said {
    /// The first lines of the error, for people.
    pub(super) fn error(&self) -> String {
        let text: String = self.err.trim().chars().take(400).collect();
        text.replace('\n', " ")
    }

    /// Whether the object is known not to be there.
    pub(super) fn is_missing(&self) -> bool {
        self.err.contains("NotFound")
            || self.err.contains("not found")
            || self.err.contains("could not find")
    }
}

impl Cluster {
    /// Asks for the version, which everybody may who may log in.
    pub(super) fn connect(args: &Args) -> Result<Self, Failure> {
        let mut arguments = Vec::new();
        for (flag, value) in [
            (
                "--kubeconfig",
                args.kubeconfig
                    .as_ref()
                    .map(|path| path.clone().into_os_string()),
            ),
            ("--context", args.context.as_ref().map(OsString::from)),
        ] {
            if let Some(value) = value {
                arguments.extend([flag.into(), value]);
            }
        }
        let mut cluster = Self {
            program: args.kubectl.clone().into_os_string(),
            arguments,
            version: Default::default(),
        };
        let version = cluster
            .get("/version")
            .map_err(|error| {
                Failure::usage(error).hint("look whether `kubectl version` reaches the cluster")
            })?
            .map_err(|said| {
                Failure::usage(anyhow!("the cluster does not answer: {}", said.error()))
                    .hint("look whether `kubectl version` reaches the cluster")
            })?;
        let number = |name: &str| {
            let text = version[name].as_str().unwrap_or_default();
            text.trim_end_matches(|c: char| !c.is_ascii_digit())
                .parse()
                .unwrap_or(0)
        };
        let name = version["gitVersion"].as_str().unwrap_or_default();
        cluster.version = (name.to_owned(), number("major"), number("minor"));
        Ok(cluster)
    }

    /// Runs kubectl.
    pub(super) fn run(&self, arguments: &[&str], input: &str) -> anyhow::Result<Said> {
        let name = || format!("cannot run `{}`", self.program.to_string_lossy());
        let mut child = Command::new(&self.program)
            .args(&self.arguments)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(name)?;
        let mut stdin = child.stdin.take().expect("it is piped");
        // kubectl may end without reading; what it says then is the answer.
        let _ = stdin.write_all(input.as_bytes());
        drop(stdin);
        let output = child.wait_with_output().with_context(name)?;
        Ok(Said {
            ok: output.status.success(),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    /// One path of the API, or what kubectl said instead.
    pub(super) fn get(&self, path: &str) -> anyhow::Result<Result<Value, Said>> {
        let said = self.run(&["get", "--raw", path], "")?;
        if !said.ok {
            return Ok(Err(said));
        }
        match serde_json::from_str(&said.out) {
            Ok(value) => Ok(Ok(value)),
            Err(_) => Ok(Err(Said {
                ok: false,
                out: String::new(),
                err: format!("{path} is not answered in JSON"),
            })),
        }
    }

    /// The items of a list.
    pub(super) fn list(&self, path: &str) -> anyhow::Result<Result<Vec<Value>, Said>> {
        Ok(self.get(path)?.map(|mut list| match list["items"].take() {
            Value::Array(items) => items,
            _ => Vec::new(),
        }))
    }

    /// Sends an object in a dry run and returns it as it would be stored.
    pub(super) fn create_dry(&self, object: &Value) -> anyhow::Result<Result<Value, Said>> {
        let said = self.run(
            &["create", "--dry-run=server", "-o", "json", "-f", "-"],
            &object.to_string(),
        )?;
        if !said.ok {
            return Ok(Err(said));
        }
        Ok(Ok(
            serde_json::from_str(&said.out).context("kubectl did not print the object in JSON")?
        ))
    }
}
