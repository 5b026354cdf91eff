//! What flags and files say, checked before it is in a manifest.
use std::path::Path;

use anyhow::anyhow;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jwe_envelope::KeyCard;

use super::checks::Files;
use crate::cli::render::{CallerChoice, ManifestPart, RenderArgs};
use crate::failure::Failure;
use crate::io::files;
use crate::keys::signed::read_signer;
use crate::text::Shown as _;

const LONGEST_FILE: usize = 256 * 1024;

/// What was read.
#[derive(Debug)]
pub(super) struct Inputs {
    authority: Option<String>,
    /// The ConfigMap, when there is something to put into it.
    pub(super) configuration: Option<Files>,
}

impl Inputs {
    /// Reads and checks what `args` name.
    pub(super) fn read(args: &RenderArgs) -> Result<Self, Failure> {
        let authority = match &args.ca {
            Some(path) => Some(authority(path)?),
            None => None,
        };
        if authority.is_none()
            && !matches!(
                args.only,
                Some(ManifestPart::Backstop | ManifestPart::Rights | ManifestPart::LegacyTokens)
            )
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
            Failure::usage(anyhow!("`{}` holds a private key", path.shown()))
                .hint("name the file that holds only the authority's certificate"),
        );
    }
    if !text.contains("-----BEGIN CERTIFICATE-----") {
        return Err(
            Failure::usage(anyhow!("`{}` holds no certificate in PEM", path.shown()))
                .hint("name the file with the authority's certificate"),
        );
    }
    Ok(STANDARD.encode(text))
}

/// The ConfigMap's files; `None` when the operator brings the ConfigMap.
fn configuration(args: &RenderArgs) -> Result<Option<Files>, Failure> {
    let mut found = Vec::new();
    let mut keys = String::new();
    for path in &args.card {
        let name = file_name(path)?;
        let card_text = text(path)?;
        if stands_already(&found, name, &card_text)? {
            continue;
        }
        let card = KeyCard::parse(card_text.as_bytes()).map_err(|error| {
            Failure::usage(
                anyhow::Error::new(error).context(format!("`{}` is no key card", path.shown())),
            )
        })?;
        if args.config.is_none() {
            keys.push_str(&key_entries(&card, name, path)?);
        }
        found.push((name.to_owned(), card_text));
    }
    for path in &args.signer {
        read_signer(path)?;
        let (name, signer) = (file_name(path)?, text(path)?);
        if !stands_already(&found, name, &signer)? {
            found.push((name.to_owned(), signer));
        }
    }
    if let Some(path) = &args.config {
        let configuration = text(path)?;
        stands_already(&found, "webhook.yaml", &configuration)?;
        found.insert(0, ("webhook.yaml".to_owned(), configuration));
        super::checks::configuration(args, path, &found)?;
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

/// Whether the file was given before; two files of one name are an error.
fn stands_already(found: &Files, name: &str, text: &str) -> Result<bool, Failure> {
    match found.iter().find(|(other, _)| other == name) {
        None => Ok(false),
        Some((_, other)) if other == text => Ok(true),
        Some(_) => Err(Failure::usage(anyhow!(
            "two files are called `{name}`, and the ConfigMap can hold one of them"
        ))
        .hint("rename one of them")),
    }
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
                path.shown()
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
            return Err(Failure::usage(anyhow!("`{}` does not say for which namespaces key `{name}` is meant", path.shown()))
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

fn default_configuration(args: &RenderArgs, keys: &str) -> String {
    let callers = match args.callers {
        CallerChoice::Aggregated => "{ aggregated: {} }",
        CallerChoice::Loopback => "{ loopback: {} }",
        CallerChoice::Mtls => {
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
        .map_err(|_| Failure::usage(anyhow!("`{}` is not UTF-8", path.shown())))
}
