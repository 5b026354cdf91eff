//! What a kustomization writes into Secrets besides its `secretGenerator`: patches, inline or as JSON patches in files,
//! builtin transformers that patch, and the builtin SecretGenerator under `generators`.
use std::collections::HashSet;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value as Json;
use zeroize::Zeroizing;

use super::find::normal;
use crate::project::contents::Contents;

/// Kustomizations and what they name are small.
pub(super) const LIMIT: usize = 1024 * 1024;

/// A value that a patch writes into a Secret.
pub(super) struct PatchedValue {
    /// Of the patch, counted from 1, in the kustomization.
    pub(super) line: usize,
    /// The key in the Secret.
    pub(super) key: String,
    /// Not base64, wherever it is written.
    pub(super) value: Zeroizing<Vec<u8>>,
}

/// A patch as it is written, and what it applies to.
#[derive(Debug)]
pub(super) struct Patch {
    /// Inline text or the name of a file.
    pub(super) text: PatchText,
    /// The kind of its target, which may be a pattern; `None` where the patch itself names what it changes.
    pub(super) kind: Option<String>,
    /// Counted from 1, in the kustomization.
    pub(super) line: usize,
}

/// Where a patch is.
pub(super) enum PatchText {
    Inline(String),
    File(String),
}

impl std::fmt::Debug for PatchText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("<redacted>")
    }
}

/// Whether an entry of a list of names is the object itself.
pub(super) fn is_inline(entry: &str) -> bool {
    entry.contains(['\n', '{'])
}

/// The documents of an entry under `generators` or `transformers`: inline, or a file of the kustomization's folder. What
/// is no file is something else's to read (a URL, a folder, a program).
///
/// # Errors
/// The name of what is not YAML.
pub(super) fn documents(
    entry: &str,
    folder: &Path,
    contents: &Contents,
) -> Result<Vec<Json>, String> {
    if is_inline(entry) {
        return parse(entry).ok_or_else(|| "an inline entry".to_owned());
    }
    let path = normal(&folder.join(entry));
    match read(&path, contents) {
        Some(text) => {
            parse(&text).ok_or_else(|| format!("`{}`", crate::text::printable(entry, 100)))
        }
        None => Ok(Vec::new()),
    }
}

/// The patches of a builtin transformer.
pub(super) fn of_transformer(document: &Json, line: usize) -> Vec<Patch> {
    let text = |member: &str| document[member].as_str().filter(|text| !text.is_empty());
    let kind = document["target"].is_object().then(|| {
        let kind = document["target"]["kind"].as_str();
        kind.unwrap_or_default().to_owned()
    });
    let inline = match document["kind"].as_str() {
        Some(
            "PatchTransformer" | "PatchJson6902Transformer" | "PatchStrategicMergeTransformer",
        ) => ["patch", "jsonOp", "patches"].into_iter().filter_map(text),
        _ => return Vec::new(),
    };
    let files = document["paths"].as_array().into_iter().flatten();
    let files = files.filter_map(Json::as_str).chain(text("path"));
    inline
        .map(|text| PatchText::Inline(text.to_owned()))
        .chain(files.map(|path| PatchText::File(path.to_owned())))
        .map(|text| Patch {
            text,
            kind: kind.clone(),
            line,
        })
        .collect()
}

/// The values that the patches write into Secrets.
///
/// # Errors
/// The line of the first patch that is not YAML.
pub(super) fn values(
    patches: &[Patch],
    folder: &Path,
    contents: &Contents,
) -> Result<Vec<PatchedValue>, usize> {
    let mut read_already: HashSet<(PathBuf, bool)> = HashSet::new();
    let mut found = Vec::new();
    for patch in patches {
        let targets_secret = patch.kind.as_deref().map(may_be_secret);
        let (documents, is_file) = match &patch.text {
            PatchText::Inline(text) => (parse(text), false),
            PatchText::File(name) => {
                let path = normal(&folder.join(name));
                // A file that many patches name is read once.
                if !read_already.insert((path.clone(), targets_secret == Some(true))) {
                    continue;
                }
                let Some(text) = read(&path, contents) else {
                    continue;
                };
                (parse(&text), true)
            }
        };
        for document in documents.ok_or(patch.line)? {
            let is_secret = document["kind"] == "Secret";
            // A Secret in a file is checked as a manifest.
            if is_secret && is_file || !targets_secret.unwrap_or(is_secret || document.is_array()) {
                continue;
            }
            let mut add = |(key, value): (String, Vec<u8>)| {
                found.push(PatchedValue {
                    line: patch.line,
                    key,
                    value: value.into(),
                });
            };
            match &document {
                Json::Array(operations) => operations
                    .iter()
                    .flat_map(|one| {
                        written(one["path"].as_str().unwrap_or_default(), &one["value"])
                    })
                    .for_each(&mut add),
                merged => written("", merged).into_iter().for_each(&mut add),
            }
        }
    }
    Ok(found)
}

/// Kustomize takes the kind for a regular expression.
fn may_be_secret(kind: &str) -> bool {
    kind.is_empty() || kind == "Secret" || !kind.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// The keys and values that something at a JSON pointer of a Secret is.
fn written(pointer: &str, value: &Json) -> Vec<(String, Vec<u8>)> {
    let mut steps = pointer.split('/').skip(1);
    match (steps.next(), steps.next()) {
        (None, _) => ["data", "stringData"]
            .into_iter()
            .flat_map(|section| written(&format!("/{section}"), &value[section]))
            .collect(),
        (Some("data" | "stringData"), None) => {
            let members = value.as_object().into_iter().flatten();
            let section = pointer.trim_start_matches('/');
            members
                .filter_map(|(key, value)| Some((key.clone(), decoded(section, value.as_str()?))))
                .collect()
        }
        (Some(section @ ("data" | "stringData")), Some(key)) => {
            let key = key.replace("~1", "/").replace("~0", "~");
            let value = value.as_str().map(|value| (key, decoded(section, value)));
            value.into_iter().collect()
        }
        _ => Vec::new(),
    }
}

fn decoded(section: &str, value: &str) -> Vec<u8> {
    let text = value.as_bytes().to_vec();
    if section == "stringData" {
        return text;
    }
    let packed: Vec<u8> = text
        .iter()
        .copied()
        .filter(|byte| !byte.is_ascii_whitespace())
        .collect();
    STANDARD.decode(packed).unwrap_or(text)
}

fn read(path: &Path, contents: &Contents) -> Option<String> {
    let bytes = contents.read(path, LIMIT).ok()?;
    String::from_utf8(bytes.to_vec()).ok()
}

fn parse(text: &str) -> Option<Vec<Json>> {
    let options = serde_saphyr::options! { with_snippet: false };
    serde_saphyr::from_multiple_with_options(text, options).ok()
}
