//! Files that SOPS encrypted, and what may be plain in them afterwards.
//!
//! They are decrypted by the user's own `sops`, whatever their recipients are. Here is what keeps a decrypted value out
//! of what is written: everything that was encrypted must be sealed afterwards, or be what a Secret says of itself.

use secret_walker::Manifest;

use super::fault::Fault;
use super::yaml::{self, File, Kind, Node};
use crate::text::printable;

/// How SOPS marks what it encrypted.
const MARK: &str = "ENC[AES256_GCM,";

/// A file of SOPS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encrypted {
    /// Documents that may be Secrets.
    Manifest {
        /// Or else YAML.
        json: bool,
        /// How many comments are encrypted, too.
        comments: usize,
    },
    /// Something else: dotenv, INI, values of Helm, one binary value.
    Other,
}

impl Encrypted {
    /// As `sops` calls the form.
    pub fn form(self) -> &'static str {
        match self {
            Self::Manifest { json: true, .. } => "json",
            _ => "yaml",
        }
    }
}

/// A look that costs little.
pub fn may_be_encrypted(bytes: &[u8]) -> bool {
    bytes
        .windows(MARK.len())
        .any(|part| part == MARK.as_bytes())
}

/// Looks whether SOPS encrypted the file, and whether every encrypted value of it would be sealed afterwards.
///
/// # Errors
/// Where something outside of a Secret is encrypted, and for a file that cannot be read.
pub fn find(bytes: &[u8]) -> Result<Option<Encrypted>, Fault> {
    let text = String::from_utf8_lossy(bytes);
    let flat = text
        .lines()
        .any(|line| line.starts_with("sops_mac=") || line.starts_with("[sops]"));
    if flat {
        return Ok(Some(Encrypted::Other));
    }
    let file = yaml::read(bytes)?;
    if !file.documents.iter().any(is_ours) {
        return Ok(None);
    }
    for root in &file.documents {
        yaml::refuse_twice(root, &file)?;
        let kind = root.text_of("kind").unwrap_or_default();
        if kind != "Secret" && !kind.starts_with(MARK) {
            return Ok(Some(Encrypted::Other));
        }
        for pair in root.entries() {
            let name = pair.key.text().unwrap_or_default();
            if pair.key.text().is_none_or(|key| key.starts_with(MARK)) {
                return Err(at(&file, &pair.key, "a key is encrypted"));
            }
            let known = [
                "apiVersion",
                "kind",
                "metadata",
                "type",
                "immutable",
                "data",
                "stringData",
                "sops",
            ];
            if !known.contains(&name) && holds_encrypted(&pair.value, &file) {
                return Err(at(
                    &file,
                    &pair.key,
                    format!(
                        "`{}` is encrypted, and a Secret has no such member: it would be written in plain text",
                        printable(name, 100)
                    ),
                ));
            }
        }
    }
    let is_encrypted = |comment: &&yaml::Comment| {
        file.source[comment.range.clone()]
            .trim_start_matches(['#', ' '])
            .starts_with(MARK)
    };
    Ok(Some(Encrypted::Manifest {
        json: text.trim_start().starts_with('{'),
        comments: file.comments.iter().filter(is_encrypted).count(),
    }))
}

/// Refuses what `sops` gave back, unless it is Secrets and nothing else.
///
/// # Errors
/// When there is something in it that would not be sealed.
pub fn check(manifest: &Manifest<'_>) -> Result<(), Fault> {
    if manifest.secrets().is_empty() || manifest.documents() != manifest.secrets().len() {
        return Err(Fault::of(
            "what it decrypts to is not one Secret in each document: the rest would be written in plain text",
        ));
    }
    Ok(())
}

fn at(file: &File<'_>, node: &Node<'_>, reason: impl Into<String>) -> Fault {
    Fault::on(file.line(node.range.start), reason)
}

/// Whether SOPS wrote its metadata into the document.
fn is_ours(root: &Node<'_>) -> bool {
    root.get("sops").is_some_and(|sops| {
        matches!(sops.value.kind, Kind::Map { .. }) && sops.value.get("mac").is_some()
    })
}

fn holds_encrypted(node: &Node<'_>, file: &File<'_>) -> bool {
    file.source[node.range.clone()].contains(MARK)
}
