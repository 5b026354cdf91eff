//! What flags and files say, checked before it stands in a manifest.
use std::path::Path;

use anyhow::anyhow;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jwe_envelope::KeyCard;

use super::args::{Args, CallerMode, Grant, MustBeSealed};
use crate::io::files;
use crate::keys::signed::read_signer;
use crate::report::Failure;

const LONGEST_FILE: usize = 256 * 1024;

/// Files of the ConfigMap: name and text.
pub(super) type Files = Vec<(String, String)>;

/// What was read.
#[derive(Debug)]
pub(super) struct Inputs {
    authority: Option<String>,
    /// The ConfigMap, when there is something to put into it.
    pub(super) configuration: Option<Files>,
}

impl Inputs {
    /// Reads and checks what `args` name.
    pub(super) fn read(args: &Args) -> Result<Self, Failure> {
        if args.callers == CallerMode::Aggregated && args.url.is_some() {
            return Err(Failure::usage(anyhow!(
                "aggregated callers reach the webhook through a Service, not at a URL"
            ))
            .hint(
                "name the host with `--external-name HOST --port PORT`, or choose `--callers mtls`",
            ));
        }
        if args.callers == CallerMode::Loopback && args.url.is_none() {
            return Err(Failure::usage(anyhow!("with loopback callers the webhook runs on the API server's host, not in a Deployment"))
                .hint("say where: `--url https://127.0.0.1:10250`"));
        }
        let authority = match &args.ca {
            Some(path) => Some(authority(path)?),
            None => None,
        };
        if authority.is_none()
            && !matches!(args.only, Some(super::Part::Backstop | super::Part::Rights))
        {
            return Err(Failure::usage(anyhow!("--ca is missing"))
                .hint("name the PEM file of the authority that signed the webhook's certificate"));
        }
        Ok(Self {
            authority,
            configuration: configuration(args)?,
        })
    }

    /// The authority as `caBundle` wants it.
    pub(super) fn authority(&self) -> &str {
        self.authority.as_deref().unwrap_or_default()
    }
}

fn authority(path: &Path) -> Result<String, Failure> {
    let text = text(path)?;
    if text.contains("PRIVATE KEY-----") {
        return Err(
            Failure::usage(anyhow!("`{}` holds a private key", path.display()))
                .hint("name the file with the authority's certificate alone"),
        );
    }
    if !text.contains("-----BEGIN CERTIFICATE-----") {
        return Err(
            Failure::usage(anyhow!("`{}` holds no certificate in PEM", path.display()))
                .hint("name the file with the authority's certificate"),
        );
    }
    Ok(STANDARD.encode(text))
}

/// The ConfigMap's files; `None` when the operator brings the ConfigMap.
fn configuration(args: &Args) -> Result<Option<Files>, Failure> {
    let mut found = Vec::new();
    let mut keys = String::new();
    for path in &args.card {
        let name = file_name(path)?;
        let card_text = text(path)?;
        let card = KeyCard::parse(card_text.as_bytes()).map_err(|error| {
            Failure::usage(
                anyhow::Error::new(error).context(format!("`{}` is no key card", path.display())),
            )
        })?;
        if args.config.is_none() {
            keys.push_str(&key_entries(&card, name, path)?);
        }
        found.push((name.to_owned(), card_text));
    }
    for path in &args.signer {
        read_signer(path)?;
        found.push((file_name(path)?.to_owned(), text(path)?));
    }
    if let Some(path) = &args.config {
        found.insert(0, ("webhook.yaml".to_owned(), text(path)?));
    } else if !keys.is_empty() {
        found.insert(
            0,
            (
                "webhook.yaml".to_owned(),
                default_configuration(args, &keys),
            ),
        );
    }
    Ok(Some(found).filter(|found| !found.is_empty()))
}

/// A file's name, as the ConfigMap has it.
fn file_name(path: &Path) -> Result<&str, Failure> {
    path.file_name()
        .and_then(|name| name.to_str())
        .filter(|name| {
            name.bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
        })
        .ok_or_else(|| {
            Failure::usage(anyhow!(
                "`{}` has a name that no ConfigMap can hold",
                path.display()
            ))
            .hint("use letters, digits, `-`, `_` and `.`")
        })
}

fn key_entries(card: &KeyCard, file: &str, path: &Path) -> Result<String, Failure> {
    let mut entries = String::new();
    for key in card.keys() {
        let name = key
            .name
            .as_deref()
            .unwrap_or_else(|| file.split('.').next().unwrap_or(file));
        if key.places.namespaces.is_empty() {
            return Err(Failure::usage(anyhow!("`{}` does not say for which namespaces key `{name}` is meant", path.display()))
                .hint("write a configuration and name it with --config, or make the card with `--namespace`"));
        }
        let namespaces = serde_json::json!(key.places.namespaces);
        let kid = key.recipient.kid();
        let unwrap = key
            .uri
            .clone()
            .unwrap_or_else(|| format!("file:/etc/privy/keys/{name}.pem"));
        let unwrap = serde_json::json!([unwrap]);
        let _ = std::fmt::Write::write_fmt(
            &mut entries,
            format_args!(
                "  - name: {name}\n    publicKey: {file}\n    kid: {kid}\n    namespaces: {namespaces}\n    unwrap: {unwrap}\n"
            ),
        );
    }
    Ok(entries)
}

fn default_configuration(args: &Args, keys: &str) -> String {
    let callers = match args.callers {
        CallerMode::Aggregated => "{ aggregated: {} }",
        CallerMode::Loopback => "{ loopback: {} }",
        CallerMode::Mtls => {
            "{ mtls: { clientCa: ../tls/client-ca.crt, allowedNames: [kube-apiserver] } }"
        }
    };
    let review = if args.subject_access_review {
        "subjectAccessReview: required\n"
    } else {
        ""
    };
    format!(
        "version: 1\nlisten: 0.0.0.0:10250\nhealth: {{ listen: 0.0.0.0:10251 }}\ntls: {{ certificate: ../tls/tls.crt, privateKey: ../tls/tls.key }}\ncallers: {callers}\n{review}keys:\n{keys}"
    )
}

fn text(path: &Path) -> Result<String, Failure> {
    let bytes = files::read(path, LONGEST_FILE)?;
    String::from_utf8(bytes.to_vec())
        .map_err(|_| Failure::usage(anyhow!("`{}` is not UTF-8", path.display())))
}

/// A DNS name in lower case, as Kubernetes names namespaces and hosts.
pub(super) fn name(text: &str) -> Result<String, String> {
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if text.len() <= 253 && text.split('.').all(label) {
        Ok(text.to_owned())
    } else {
        Err("must be a DNS name of small letters, digits, `-` and `.`".to_owned())
    }
}

pub(super) fn image(text: &str) -> Result<String, String> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-._/:@".contains(&b);
    if !text.is_empty() && text.len() <= 512 && text.bytes().all(allowed) {
        Ok(text.to_owned())
    } else {
        Err(
            "must be the name of an image, such as `registry.example/privy-webhook:0.1.0`"
                .to_owned(),
        )
    }
}

pub(super) fn url(text: &str) -> Result<String, String> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-.:[]".contains(&b);
    let host = text
        .strip_prefix("https://")
        .map(|rest| rest.trim_end_matches('/'));
    match host {
        Some(host) if !host.is_empty() && host.bytes().all(allowed) => {
            Ok(format!("https://{host}"))
        }
        _ => {
            Err("must be https:// with a host and perhaps a port, and nothing after it".to_owned())
        }
    }
}

pub(super) fn must_be_sealed(text: &str) -> Result<MustBeSealed, String> {
    if text == "all" {
        return Ok(MustBeSealed::All);
    }
    text.split(',')
        .map(|part| name(part.trim()))
        .collect::<Result<_, _>>()
        .map(MustBeSealed::In)
        .map_err(|_| "must be `all`, or names of namespaces with commas between them".to_owned())
}

pub(super) fn grant(text: &str) -> Result<Grant, String> {
    let wrong =
        || "must be a namespace and a service account, such as `payments/deployer`".to_owned();
    let (namespace, account) = text.split_once('/').ok_or_else(wrong)?;
    if account == "default" {
        return Err(
            "every pod of the namespace runs as `default`; make a service account of its own"
                .to_owned(),
        );
    }
    Ok(Grant {
        namespace: name(namespace).map_err(|_| wrong())?,
        service_account: name(account).map_err(|_| wrong())?,
    })
}
