//! What flags and configuration must not say together: each would print manifests that do harm, or nothing.
use std::net::IpAddr;
use std::path::Path;

use anyhow::anyhow;
use serde_json::Value;
use unseal_policy::config::Rules;

use crate::cli::render::{CallerChoice, ManifestPart, MustBeSealed, RenderArgs};
use crate::failure::Failure;
use crate::text::Shown as _;

/// Files of the ConfigMap: name and text.
pub(super) type Files = Vec<(String, String)>;

/// Namespaces of Kubernetes itself: the manifest of the webhook's namespace would relabel them.
const SYSTEM: [&str; 4] = ["default", "kube-node-lease", "kube-public", "kube-system"];
/// Ports of the container; Service and probes lead to them.
const PORTS: [(&str, &str, u16); 2] = [
    ("/listen", "listen", 10_250),
    ("/health/listen", "health.listen", 10_251),
];

/// Refuses flags that contradict each other or change nothing.
pub(super) fn contradictions(args: &RenderArgs) -> Result<(), Failure> {
    let refused = |message: String, hint: &str| Err(Failure::usage(anyhow!(message)).hint(hint));
    if SYSTEM.contains(&args.namespace.as_str()) {
        return refused(
            format!(
                "`{}` is a namespace of Kubernetes itself, and would get other labels",
                args.namespace
            ),
            "give the webhook a namespace of its own: --namespace privy-seal",
        );
    }
    match (args.callers, &args.url) {
        (CallerChoice::Aggregated, Some(_)) => {
            return refused(
                "aggregated callers reach the webhook through a Service, not at a URL".to_owned(),
                "name the host with `--external-name HOST --port PORT`, or choose `--callers mtls`",
            );
        }
        (CallerChoice::Loopback, None) => {
            return refused(
                "with loopback callers the webhook runs on the API server's host, not in a Deployment".to_owned(),
                "say where: `--url https://127.0.0.1:10250`",
            );
        }
        (CallerChoice::Loopback, Some(url)) if !is_loopback(url) => {
            return refused(
                format!(
                    "with loopback callers the webhook answers on a loopback address only, and `{url}` is none"
                ),
                "say where: `--url https://127.0.0.1:10250`, or choose `--callers mtls`",
            );
        }
        _ => {}
    }
    let elsewhere = match (&args.url, &args.external_name) {
        (Some(_), _) => Some("--url"),
        (_, Some(_)) => Some("--external-name"),
        _ => None,
    };
    if let Some(elsewhere) = elsewhere {
        for (flag, given) in [
            ("--image", args.image.is_some()),
            ("--config", args.config.is_some()),
            ("--card", !args.card.is_empty()),
            ("--signer", !args.signer.is_empty()),
            ("--subject-access-review", args.subject_access_review),
            ("--port", args.port.is_some() && args.url.is_some()),
        ] {
            if given {
                return refused(
                    format!(
                        "`{flag}` has no effect with `{elsewhere}`: the webhook then runs outside the cluster"
                    ),
                    "leave one of the two out",
                );
            }
        }
    }
    if let Some(MustBeSealed::In(names)) = &args.must_be_sealed {
        let exempt = names.iter().find(|name| {
            *name == "kube-system" || **name == args.namespace || args.exempt.contains(name)
        });
        if let Some(name) = exempt {
            return refused(
                format!("namespace `{name}` is exempt, so nothing can be asked of its Secrets"),
                "take it off --must-be-sealed or off --exempt; kube-system and the webhook's own namespace are always exempt",
            );
        }
    }
    if args.only == Some(ManifestPart::Rights) && args.unseal.is_empty() {
        return refused(
            "--unseal is missing: no rights were named".to_owned(),
            "say who may have values opened: --unseal payments=payments-ci/deployer",
        );
    }
    Ok(())
}

fn is_loopback(url: &str) -> bool {
    let host = url.strip_prefix("https://").unwrap_or(url);
    let host = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, _)) => host,
        None => host.split(':').next().unwrap_or(host),
    };
    host == "localhost"
        || host
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

/// Refuses a configuration that the webhook of these manifests would not start with. `files` are those of the ConfigMap.
pub(super) fn configuration(args: &RenderArgs, path: &Path, files: &Files) -> Result<(), Failure> {
    let refused = |message: String, hint: &str| {
        Err(Failure::usage(anyhow!("`{}`: {message}", path.shown())).hint(hint.to_owned()))
    };
    rules(path, files)?;
    let text = files
        .iter()
        .find(|(name, _)| name == "webhook.yaml")
        .map_or("", |(_, text)| text);
    let root: Value = serde_saphyr::from_str(text).map_err(|error| {
        Failure::usage(
            anyhow::Error::new(error).context(format!("`{}` cannot be read as YAML", path.shown())),
        )
    })?;
    let modes: Vec<&str> = root["callers"]
        .as_object()
        .into_iter()
        .flat_map(|modes| modes.keys().map(String::as_str))
        .collect();
    let wanted = match args.callers {
        CallerChoice::Aggregated => "aggregated",
        CallerChoice::Mtls => "mtls",
        CallerChoice::Loopback => "loopback",
    };
    if modes != [wanted] {
        return refused(
            format!(
                "`callers` is {}, and the manifests are for `{wanted}`",
                if modes.is_empty() {
                    "missing".to_owned()
                } else {
                    format!("`{}`", modes.join("` and `"))
                }
            ),
            "make the configuration and --callers say the same",
        );
    }
    for member in ["certificate", "privateKey"] {
        if !root["tls"][member].is_string() {
            return refused(
                format!("`tls.{member}` is missing"),
                "name the files of the Secret privy-webhook-tls: tls: { certificate: ../tls/tls.crt, privateKey: ../tls/tls.key }",
            );
        }
    }
    for (pointer, member, port) in PORTS {
        let Some(listen) = root.pointer(pointer) else {
            continue;
        };
        let address = listen
            .as_str()
            .and_then(|text| text.parse::<std::net::SocketAddr>().ok());
        if address.is_none_or(|address| address.port() != port || address.ip().is_loopback()) {
            return refused(
                format!(
                    "`{member}` is {listen}, and Service and probes need port {port} on every address of the pod"
                ),
                &format!("write `0.0.0.0:{port}`, or leave it out"),
            );
        }
    }
    let asks = root["subjectAccessReview"] == "required";
    if asks != args.subject_access_review {
        return if asks {
            refused(
                "`subjectAccessReview` is required, and the manifests do not grant the right to ask".to_owned(),
                "add --subject-access-review",
            )
        } else {
            refused(
                "`subjectAccessReview` is not required, and --subject-access-review would grant a right that is not used".to_owned(),
                "write `subjectAccessReview: required`, or leave the flag out",
            )
        };
    }
    Ok(())
}

/// Keys and policy, as the webhook reads them, in a folder that is laid out as the ConfigMap will be.
fn rules(path: &Path, files: &Files) -> Result<(), Failure> {
    let write = |error: std::io::Error| {
        Failure::usage(
            anyhow::Error::new(error).context("cannot lay out the configuration for the check"),
        )
    };
    let folder = tempfile::tempdir().map_err(write)?;
    let own = path.parent().unwrap_or(Path::new("."));
    for (name, text) in files {
        // Where the ConfigMap is mounted.
        let text = text.replace(
            "/etc/privy/config/",
            &format!("{}/", folder.path().display()),
        );
        std::fs::write(folder.path().join(name), text).map_err(write)?;
    }
    // Files of namespaces' owners are brought beside the ConfigMap; here they are beside the configuration.
    let root: Value = files
        .iter()
        .find(|(name, _)| name == "webhook.yaml")
        .and_then(|(_, text)| serde_saphyr::from_str(text).ok())
        .unwrap_or_default();
    for owner in root["policy"]["owners"].as_array().into_iter().flatten() {
        let Some(file) = owner["file"].as_str().filter(|file| is_below(file)) else {
            continue;
        };
        let target = folder.path().join(file);
        if let Some(parent) = target.parent() {
            std::fs::create_dir_all(parent).map_err(write)?;
        }
        if let Ok(text) = crate::io::files::read(&own.join(file), 256 * 1024) {
            std::fs::write(target, &*text).map_err(write)?;
        }
    }
    Rules::load(&folder.path().join("webhook.yaml"), &kms_backends::read_file_bounded).map(drop).map_err(|problems| {
        let place = folder.path().display().to_string();
        let lines: Vec<String> = problems
            .iter()
            .map(|problem| {
                let text = problem.to_string().replace(&format!("{place}/"), "");
                match problem.line() {
                    0 => text,
                    line => format!("line {line}: {text}"),
                }
            })
            .collect();
        Failure::usage(anyhow!(
            "the webhook would not start with `{}`: {}",
            path.display(),
            lines.join("; ")
        ))
        .hint("name the key cards and signers that it mentions with --card and --signer, and correct the rest")
    })
}

/// A relative path that stays in its folder.
fn is_below(file: &str) -> bool {
    Path::new(file)
        .components()
        .all(|part| matches!(part, std::path::Component::Normal(_)))
}
