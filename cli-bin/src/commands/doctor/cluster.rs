//! The cluster as kubectl shows it.
use std::ffi::OsString;
use std::io::Write as _;
use std::process::{Command, Stdio};

use anyhow::{Context as _, anyhow};
use serde_json::{Value, json};

use crate::cli::doctor::DoctorArgs;
use crate::failure::Failure;

/// kubectl with the administrator's choice of cluster.
#[derive(Debug)]
pub(super) struct Cluster {
    program: OsString,
    arguments: Vec<OsString>,
    /// `gitVersion`, major and minor of the API server.
    pub(super) version: (String, u32, u32),
}

/// What a run of kubectl printed.
#[derive(Debug)]
pub(super) struct KubectlOutput {
    pub(super) ok: bool,
    pub(super) out: String,
    pub(super) err: String,
}

impl KubectlOutput {
    /// The first lines of the error, for people.
    pub(super) fn error(&self) -> String {
        let text: String = self.err.trim().chars().take(400).collect();
        text.replace('\n', " ")
    }

    /// The `reason` of the API server's Status: `Forbidden`, `NotFound`. kubectl prints it in brackets.
    pub(super) fn reason(&self) -> Option<&str> {
        let (_, rest) = self.err.split_once("Error from server (")?;
        let (reason, _) = rest.split_once("): ")?;
        Some(reason)
    }

    /// Whether the object is known not to be there.
    pub(super) fn is_missing(&self) -> bool {
        self.reason() == Some("NotFound")
    }
}

impl Cluster {
    /// Asks for the version, which everyone may ask who can log in.
    pub(super) fn connect(args: &DoctorArgs) -> Result<Self, Failure> {
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
                Failure::usage(error).hint("install kubectl, or name the program with --kubectl")
            })?
            .map_err(|output| {
                Failure::usage(anyhow!("the cluster does not answer: {}", output.error()))
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
    pub(super) fn run(&self, arguments: &[&str], input: &str) -> anyhow::Result<KubectlOutput> {
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
        // kubectl may end without reading; what it prints then is the answer.
        let _ = stdin.write_all(input.as_bytes());
        drop(stdin);
        let output = child.wait_with_output().with_context(name)?;
        Ok(KubectlOutput {
            ok: output.status.success(),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    /// One path of the API, or what kubectl printed instead.
    pub(super) fn get(&self, path: &str) -> anyhow::Result<Result<Value, KubectlOutput>> {
        let output = self.run(&["get", "--raw", path], "")?;
        if !output.ok {
            return Ok(Err(output));
        }
        match serde_json::from_str(&output.out) {
            Ok(value) => Ok(Ok(value)),
            Err(_) => Ok(Err(KubectlOutput {
                ok: false,
                out: String::new(),
                err: format!("{path} is not answered in JSON"),
            })),
        }
    }

    /// The items of a list.
    pub(super) fn list(&self, path: &str) -> anyhow::Result<Result<Vec<Value>, KubectlOutput>> {
        Ok(self.get(path)?.map(|mut list| match list["items"].take() {
            Value::Array(items) => items,
            _ => Vec::new(),
        }))
    }

    /// Whether the administrator has a right; the output where kubectl does not say.
    pub(super) fn can_i(
        &self,
        verb: &str,
        resource: &str,
        place: &str,
    ) -> anyhow::Result<Result<bool, KubectlOutput>> {
        let output = self.run(&["auth", "can-i", verb, resource, place], "")?;
        Ok(match output.out.split_whitespace().next() {
            Some("yes") => Ok(true),
            // With the reason behind it, where an authorizer gives one.
            Some("no") => Ok(false),
            _ => Err(output),
        })
    }

    /// Whether the administrator may `unseal` in a namespace. `kubectl auth can-i` cannot ask for a resource that the server does
    /// not list: it would ask about core resources called `secrets.privyseal.dev`.
    pub(super) fn may_unseal(
        &self,
        namespace: &str,
    ) -> anyhow::Result<Result<bool, KubectlOutput>> {
        let review = json!({
            "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
            "spec": { "resourceAttributes": {
                "verb": "unseal", "group": "privyseal.dev", "resource": "secrets", "namespace": namespace } },
        });
        let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
        let output = self.run(&["create", "--raw", path, "-f", "-"], &review.to_string())?;
        let answer: Option<Value> = serde_json::from_str(&output.out).ok();
        Ok(
            match answer.and_then(|answer| answer["status"]["allowed"].as_bool()) {
                Some(allowed) if output.ok => Ok(allowed),
                _ => Err(output),
            },
        )
    }

    /// Sends an object in a dry run and returns it as it would be stored.
    pub(super) fn create_dry(
        &self,
        object: &Value,
    ) -> anyhow::Result<Result<Value, KubectlOutput>> {
        let output = self.run(
            &["create", "--dry-run=server", "-o", "json", "-f", "-"],
            &object.to_string(),
        )?;
        if !output.ok {
            return Ok(Err(output));
        }
        Ok(Ok(serde_json::from_str(&output.out)
            .context("kubectl did not print the object in JSON")?))
    }
}
