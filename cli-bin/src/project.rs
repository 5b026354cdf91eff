//! `.privy.yaml`: which keys and places belong to which paths of a repository.
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use serde::{Deserialize, Deserializer};

use crate::cli::groups::Layout;
use crate::glob;
use crate::io::files;
use crate::report::Failure;

/// The file's name, at the root of a repository.
pub const FILE_NAME: &str = ".privy.yaml";

const FILE_LIMIT: usize = 256 * 1024;

/// What the audience of an envelope holds.
const MOST_CLUSTERS: usize = 16;

/// A `.privy.yaml` that was found and is valid.
#[derive(Clone, Debug)]
pub struct Project {
    file: PathBuf,
    rules: Vec<Rule>,
}

/// Where a `.privy.yaml` was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The `.privy.yaml`.
    pub file: PathBuf,
    /// The folder that it was looked for, as it is really called.
    pub folder: PathBuf,
}

/// What one rule says of the files that its paths fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Patterns of paths, from the folder of the `.privy.yaml`.
    pub paths: Vec<String>,
    /// Files of the keys to seal for, from the same folder.
    pub keys: Vec<String>,
    /// Namespace of manifests that do not name theirs.
    pub namespace: Option<String>,
    /// Name of the Secret, for single values and for files that `privy set` makes.
    pub name: Option<String>,
    /// Clusters that the values are for.
    pub clusters: Vec<String>,
    /// Where envelopes stand in the manifest.
    pub layout: Option<Layout>,
    /// File of the public key whose owner must have signed the cards of the keys, from the same folder.
    pub signer: Option<String>,
    /// Whether every value must be signed by a custodian.
    pub signed: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    version: u64,
    rules: Vec<Written>,
    #[serde(default, deserialize_with = "present")]
    lint: Option<crate::commands::lint::suppress::Written>,
}

/// A rule as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    paths: Vec<String>,
    #[serde(default, deserialize_with = "present")]
    key: Option<String>,
    #[serde(default, deserialize_with = "present")]
    keys: Option<Vec<String>>,
    #[serde(default, deserialize_with = "present")]
    namespace: Option<String>,
    #[serde(default, deserialize_with = "present")]
    name: Option<String>,
    #[serde(default, deserialize_with = "present")]
    cluster: Option<String>,
    #[serde(default, deserialize_with = "present")]
    clusters: Option<Vec<String>>,
    #[serde(default, deserialize_with = "present")]
    layout: Option<WrittenLayout>,
    #[serde(default, deserialize_with = "present")]
    signer: Option<String>,
    #[serde(default, deserialize_with = "present")]
    signed: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum WrittenLayout {
    Annotation,
    Field,
}

/// A member that is there has a value: `null` is no way to leave it out.
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

impl Project {
    /// Finds the `.privy.yaml` that governs files of `folder`, looking upwards to the root of the repository or of
    /// the file system.
    ///
    /// # Errors
    /// Exit 2 when the folder cannot be read.
    pub fn find(folder: &Path) -> Result<Option<Place>, Failure> {
        let start = std::fs::canonicalize(folder)
            .with_context(|| format!("cannot read the folder `{}`", folder.display()))
            .map_err(Failure::usage)?;
        for above in start.ancestors() {
            let file = above.join(FILE_NAME);
            if file.is_file() {
                let folder = start.clone();
                return Ok(Some(Place { file, folder }));
            }
            if above.join(".git").exists() {
                break;
            }
        }
        Ok(None)
    }

    /// Reads a `.privy.yaml`.
    ///
    /// # Errors
    /// Exit 2 when it is not valid.
    pub fn read(file: PathBuf) -> Result<Self, Failure> {
        let bytes = files::read(&file, FILE_LIMIT)?;
        let rules = parse(&bytes).map_err(|error| {
            Failure::usage(error.context(format!("`{}` is not valid", file.display())))
                .hint("its form is described by schemas/privy-yaml.schema.json")
        })?;
        Ok(Self { file, rules })
    }

    /// The first rule whose paths fit `file`, which stands in `folder`, and the rule's number from 0.
    pub fn rule_for(&self, folder: &Path, file: &Path) -> Option<(usize, &Rule)> {
        let path = folder.join(file.file_name()?);
        let relative: Vec<_> = path
            .strip_prefix(self.root())
            .ok()?
            .components()
            .map(|part| part.as_os_str().to_str())
            .collect::<Option<_>>()?;
        let relative = relative.join("/");
        self.rules.iter().enumerate().find(|(_, rule)| {
            rule.paths
                .iter()
                .any(|pattern| glob::matches(pattern, &relative))
        })
    }

    /// Where a file is that a rule names.
    pub fn path_of(&self, file: &str) -> PathBuf {
        self.root().join(file)
    }

    /// The `.privy.yaml` itself.
    pub fn file(&self) -> &Path {
        &self.file
    }

    fn root(&self) -> &Path {
        self.file.parent().unwrap_or(Path::new("/"))
    }
}

/// Reads and checks the rules of a `.privy.yaml`.
///
/// # Errors
/// A sentence that names the line, or the rule.
pub fn parse(bytes: &[u8]) -> anyhow::Result<Vec<Rule>> {
    let text = std::str::from_utf8(bytes).context("it is not UTF-8 text")?;
    let options = serde_saphyr::options! { with_snippet: false };
    let document: Document = serde_saphyr::from_str_with_options(text, options)?;
    if document.version != 1 {
        bail!("version {} is not known; 1 is", document.version);
    }
    if let Some(lint) = document.lint {
        lint.check()?;
    }
    if document.rules.is_empty() {
        bail!("`rules` is empty");
    }
    (1..)
        .zip(document.rules)
        .map(|(number, rule)| check(rule).with_context(|| format!("rule {number} of `rules`")))
        .collect()
}

fn check(rule: Written) -> anyhow::Result<Rule> {
    if rule.paths.is_empty() {
        bail!("`paths` is empty; `\"**\"` fits every file");
    }
    for path in &rule.paths {
        relative(path).with_context(|| format!("path {path:?}"))?;
    }
    let keys = one_or_many(("key", rule.key), ("keys", rule.keys))?;
    let keys = keys.context("it has neither `key` nor `keys`")?;
    for key in &keys {
        relative(key).with_context(|| format!("key {key:?}"))?;
    }
    if let Some(signer) = &rule.signer {
        relative(signer).with_context(|| format!("signer {signer:?}"))?;
    }
    for (member, text) in [("namespace", &rule.namespace), ("name", &rule.name)] {
        if text.as_ref().is_some_and(String::is_empty) {
            bail!("`{member}` is empty");
        }
    }
    let clusters =
        one_or_many(("cluster", rule.cluster), ("clusters", rule.clusters))?.unwrap_or_default();
    if clusters.len() > MOST_CLUSTERS {
        bail!("`clusters` names more than {MOST_CLUSTERS}");
    }
    for (index, cluster) in clusters.iter().enumerate() {
        if cluster.is_empty() || clusters[..index].contains(cluster) {
            bail!("cluster {cluster:?} is empty or stands twice");
        }
    }
    Ok(Rule {
        paths: rule.paths,
        keys,
        namespace: rule.namespace,
        name: rule.name,
        clusters,
        layout: rule.layout.map(|layout| match layout {
            WrittenLayout::Annotation => Layout::Annotation,
            WrittenLayout::Field => Layout::Field,
        }),
        signer: rule.signer,
        signed: rule.signed.unwrap_or(false),
    })
}

fn one_or_many(
    (single, one): (&str, Option<String>),
    (plural, many): (&str, Option<Vec<String>>),
) -> anyhow::Result<Option<Vec<String>>> {
    match (one, many) {
        (Some(_), Some(_)) => bail!("it has both `{single}` and `{plural}`; keep one of them"),
        (_, Some(many)) if many.is_empty() => bail!("`{plural}` is empty"),
        (Some(one), None) => Ok(Some(vec![one])),
        (None, many) => Ok(many),
    }
}

/// Nothing in a repository's file leads out of the repository.
pub(crate) fn relative(path: &str) -> anyhow::Result<()> {
    let inside = path.split('/').all(|part| !matches!(part, "" | "." | ".."));
    if !inside || path.contains(['\\', '\n', '\r']) {
        bail!(
            "it must be a path below the folder of the `{FILE_NAME}`, written with `/` and without `..`"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "\
version: 1
rules:
  - paths: [\"prod/**\"]
    key: keys/payments.card.json
    namespace: payments
    cluster: prod-eu
  - paths: [\"test/*.yaml\", \"dev/**\"]
    keys: [keys/a.json, keys/b.json]
";

    #[test]
    fn reads_rules() {
        let rules = parse(GOOD.as_bytes()).unwrap();
        assert_eq!(rules.len(), 2);
        assert_eq!(rules[0].keys, ["keys/payments.card.json"]);
        assert_eq!(rules[0].clusters, ["prod-eu"]);
        assert_eq!(rules[1].keys.len(), 2);
    }

    #[test]
    fn names_line_or_rule_of_a_fault() {
        for (text, expected) in [
            ("version: 2\nrules: []\n", "version 2"),
            ("version: 1\nrules: []\n", "`rules` is empty"),
            ("version: 1\nrules:\n  - paths: [a]\n    kee: x\n", "line 4"),
            ("version: 1\nversion: 1\nrules: []\n", "line 2"),
            ("version: 1\nrules:\n  - paths: [a]\n", "rule 1"),
            (
                "version: 1\nrules:\n  - paths: [a]\n    key: a\n    keys: [b]\n",
                "both `key` and `keys`",
            ),
            (
                "version: 1\nrules:\n  - paths: []\n    key: a\n",
                "`paths` is empty",
            ),
            (
                "version: 1\nrules:\n  - paths: [a]\n    key: ../a\n",
                "without `..`",
            ),
            (
                "version: 1\nrules:\n  - paths: [/a]\n    key: a\n",
                "without `..`",
            ),
            (
                "version: 1\nrules:\n  - paths: [a]\n    key: \"\"\n",
                "must be a path",
            ),
            (
                "version: 1\nrules:\n  - paths: [a]\n    key: a\n    namespace: \"\"\n",
                "`namespace` is empty",
            ),
            (
                "version: 1\nrules:\n  - paths: [a]\n    key: a\n    namespace: [b]\n",
                "line 5",
            ),
        ] {
            let error = format!("{:#}", parse(text.as_bytes()).unwrap_err());
            assert!(error.contains(expected), "{text}\n{error}");
        }
    }

    #[test]
    fn first_fitting_rule_wins_and_git_is_the_border() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("repository");
        std::fs::create_dir_all(root.join("prod/eu")).unwrap();
        std::fs::create_dir_all(root.join("inner/.git")).unwrap();
        std::fs::write(root.join(FILE_NAME), GOOD).unwrap();
        let place = Project::find(&root.join("prod/eu")).unwrap().unwrap();
        let project = Project::read(place.file).unwrap();
        let (number, rule) = project
            .rule_for(&place.folder, Path::new("prod/eu/db.yaml"))
            .unwrap();
        assert_eq!((number, rule.namespace.as_deref()), (0, Some("payments")));
        let root = place.folder.ancestors().nth(2).unwrap();
        assert!(project.rule_for(root, Path::new("other.yaml")).is_none());
        assert!(Project::find(&root.join("inner")).unwrap().is_none());
    }
}
