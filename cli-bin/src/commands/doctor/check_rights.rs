//! `privy doctor --who`: in which namespaces one person or account may have values opened.
//!
//! `kubectl auth can-i` cannot ask: the server does not list the resource. The API server's own authorizer is asked, by a
//! SubjectAccessReview for each namespace.
use std::fmt::Write as _;

use serde_json::{Value, json};

use super::cluster::{Cluster, KubectlOutput};
use crate::cli::ReportFormat;
use crate::cli::doctor::DoctorArgs;
use crate::cli::subject::RightHolder;
use crate::failure::{Exit, Failure};
use crate::io::Io;
use crate::text::one_line;

/// Asks for `who` and prints the answer.
///
/// # Errors
/// Exit 2 when kubectl cannot be run, exit 4 when the namespaces or the rights may not be asked for.
pub(super) fn run(
    who: &RightHolder,
    args: &DoctorArgs,
    cluster: &Cluster,
    io: &mut Io<'_>,
) -> Result<Exit, Failure> {
    let everywhere = match may_unseal(cluster, who, None).map_err(Failure::usage)? {
        Ok(everywhere) => everywhere,
        Err(output) => return Err(unknown("who may unseal", &output)),
    };
    let mut allowed = Vec::new();
    let mut asked = 0;
    if !everywhere {
        let namespaces = match cluster.list("/api/v1/namespaces").map_err(Failure::usage)? {
            Ok(namespaces) => namespaces,
            Err(output) => return Err(unknown("the namespaces", &output)),
        };
        asked = namespaces.len();
        for namespace in &namespaces {
            let name = namespace["metadata"]["name"].as_str().unwrap_or_default();
            match may_unseal(cluster, who, Some(name)).map_err(Failure::usage)? {
                Ok(true) => allowed.push(name.to_owned()),
                Ok(false) => {}
                Err(output) => return Err(unknown("who may unseal", &output)),
            }
        }
    }
    let text = match args.output {
        ReportFormat::Text => text(who, everywhere, &allowed, asked),
        ReportFormat::Json => {
            let mut text = json!({
                "version": 1, "who": who.to_string(), "everywhere": everywhere, "namespaces": allowed,
            })
            .to_string();
            text.push('\n');
            text
        }
    };
    io.report(&text, args.output == ReportFormat::Json)?;
    Ok(Exit::Done)
}

fn text(who: &RightHolder, everywhere: bool, allowed: &[String], asked: usize) -> String {
    let who = who.to_string();
    let who = one_line(&who);
    if everywhere {
        return format!("{who} may have values opened in every namespace\n");
    }
    let mut text = match allowed.len() {
        0 => format!("{who} may not have values opened in any of {asked} namespaces\n"),
        count => format!("{who} may have values opened in {count} of {asked} namespaces:\n"),
    };
    for namespace in allowed {
        let _ = writeln!(text, "  {}", one_line(namespace));
    }
    if allowed.is_empty() {
        text.push_str("next: privy render --only rights --unseal NAMESPACE=DEPLOYER_NAMESPACE/SERVICE_ACCOUNT\n");
    }
    text
}

/// What the API server's authorizer answers for a namespace, or for all of them at once.
fn may_unseal(
    cluster: &Cluster,
    who: &RightHolder,
    namespace: Option<&str>,
) -> anyhow::Result<Result<bool, KubectlOutput>> {
    let (user, groups) = identity(who);
    let review = json!({
        "apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview",
        "spec": {
            "user": user, "groups": groups,
            "resourceAttributes": {
                "verb": "unseal", "group": "privyseal.dev", "resource": "secrets",
                "namespace": namespace.unwrap_or_default(),
            },
        },
    });
    let path = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
    let output = cluster.run(&["create", "--raw", path, "-f", "-"], &review.to_string())?;
    let answer: Option<Value> = serde_json::from_str(&output.out).ok();
    let allowed = answer.and_then(|answer| answer["status"]["allowed"].as_bool());
    Ok(match allowed {
        Some(allowed) if output.ok => Ok(allowed),
        _ => Err(output),
    })
}

/// User and groups, as the API server authenticates them.
fn identity(who: &RightHolder) -> (String, Vec<String>) {
    let everyone = "system:authenticated".to_owned();
    match who {
        RightHolder::User(name) => (name.clone(), vec![everyone]),
        RightHolder::Group(name) => (String::new(), vec![name.clone(), everyone]),
        RightHolder::ServiceAccount { namespace, name } => (
            format!("system:serviceaccount:{namespace}:{name}"),
            vec![
                "system:serviceaccounts".to_owned(),
                format!("system:serviceaccounts:{namespace}"),
                everyone,
            ],
        ),
    }
}

fn unknown(what: &str, output: &KubectlOutput) -> Failure {
    Failure::unknown(anyhow::anyhow!("could not ask for {what}: {}", output.error()))
    .hint("run it as a cluster administrator: it needs `list` on namespaces and `create` on subjectaccessreviews")
}
