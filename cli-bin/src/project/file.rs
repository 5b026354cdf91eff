//! `.privy.yaml`: which keys and places belong to which paths of a repository.
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use unseal_policy::config::Problems;

use super::lint::LintSettings;
use super::reader;
use super::rules::Rule;
use crate::failure::Failure;
use crate::io::files;
use crate::project::glob;
use crate::text::Shown as _;

const FILE_LIMIT: usize = 256 * 1024;

/// A `.privy.yaml` that was found and is valid.
#[derive(Clone, Debug)]
pub struct Project {
    file: PathBuf,
    rules: Vec<Rule>,
    lint: LintSettings,
}

/// Why a `.privy.yaml` cannot be used.
#[derive(Debug)]
pub enum ProjectFault {
    /// It is not valid.
    Invalid(PathBuf, Problems),
    /// It, or a key that it names, cannot be read.
    Unusable(Failure),
}

impl ProjectFault {
    /// What is wrong, in one line.
    pub fn reason(&self) -> String {
        match self {
            Self::Invalid(_, problems) => lines(problems).join("; "),
            Self::Unusable(failure) => failure.message(),
        }
    }
}

impl From<ProjectFault> for Failure {
    /// Exit 2.
    fn from(fault: ProjectFault) -> Self {
        match fault {
            ProjectFault::Invalid(file, problems) => {
                Self::usage(anyhow!(lines(&problems).join("\n")))
                    .context(format!("`{}` is not valid", file.shown()))
                    .hint("its form is described by schemas/privy-yaml.schema.json")
            }
            ProjectFault::Unusable(failure) => failure,
        }
    }
}

/// Each fault with its line.
fn lines(problems: &Problems) -> Vec<String> {
    problems
        .iter()
        .map(|problem| match problem.line() {
            0 => problem.to_string(),
            line => format!("line {line}: {problem}"),
        })
        .collect()
}

impl Project {
    /// Reads a `.privy.yaml`.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn read(file: PathBuf) -> Result<Self, ProjectFault> {
        let bytes = files::read(&file, FILE_LIMIT).map_err(ProjectFault::Unusable)?;
        Self::from_bytes(file, &bytes)
    }

    /// What [`read`](Self::read) makes of the file's bytes.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn from_bytes(file: PathBuf, bytes: &[u8]) -> Result<Self, ProjectFault> {
        match reader::read(&file, bytes) {
            Ok((rules, lint)) => Ok(Self { file, rules, lint }),
            Err(problems) => Err(ProjectFault::Invalid(file, problems)),
        }
    }

    /// The rules, in the order of the file.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// What it says to `privy lint`.
    pub fn lint(&self) -> &LintSettings {
        &self.lint
    }

    /// The first rule whose paths fit `file`, which is in `folder`, and the rule's number from 0.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::project::{FILE_NAME, find};

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
        let (rules, _) = reader::read(Path::new(FILE_NAME), GOOD.as_bytes()).unwrap();
        assert_eq!(rules.len(), 2);
        assert_eq!(rules[0].keys, ["keys/payments.card.json"]);
        assert_eq!(rules[0].clusters, ["prod-eu"]);
        assert_eq!(rules[1].keys.len(), 2);
    }

    #[test]
    fn every_fault_is_named_with_its_line() {
        for (text, expected) in [
            (
                "version: 2\nrules: []\n",
                &[
                    "line 1: version: must be 1",
                    "line 2: rules: must not be empty",
                ][..],
            ),
            (
                "version: 1\nrules:\n  - paths: [a]\n    kee: x\n",
                &[
                    "line 3: rules[0]: `key` is missing",
                    "line 4: rules[0]: unknown member \"kee\"; did you mean `key`?",
                ],
            ),
            ("version: 1\nversion: 1\nrules: []\n", &["line 2: "]),
            (
                "version: 1\nrules:\n  - paths: [a]\n    key: a\n    keys: [b]\n",
                &["line 5: rules[0].keys: the rule has `key`, too"],
            ),
            (
                "version: 1\nrules:\n  - paths: []\n    key: ../a\n    namespace: \"\"\n    name: [b]\n    signed: maybe\n",
                &[
                    "line 3: rules[0].paths: must not be empty",
                    "line 4: rules[0].key: must be a path below the folder",
                    "line 5: rules[0].namespace: must not be empty",
                    "line 6: rules[0].name: must be a text",
                    "line 7: rules[0].signed: must be true or false",
                ],
            ),
            (
                "version: 1\nrules:\n  - paths: [/a]\n    key: a\n",
                &["line 3: rules[0].paths[0]: must be a path"],
            ),
            (
                "version: 1\nrules:\n  - paths: [a]\n    key: a\n    clusters: [x, x]\n    layout: both\n",
                &[
                    "line 5: rules[0].clusters[1]: lists \"x\" twice",
                    "line 6: rules[0].layout: must be `annotation` or `field`",
                ],
            ),
            (
                "version: 1\nrules: [{paths: [a], key: a}]\nlint:\n  widest: x\n  allow:\n    - rule: no-such\n      paths: [../a]\n      reason: ' '\n",
                &[
                    "line 4: lint.widest: must be",
                    "line 6: lint.allow[0].rule: there is no rule \"no-such\"",
                    "line 7: lint.allow[0].paths[0]: must be a path",
                    "line 8: lint.allow[0].reason: must say why",
                ],
            ),
        ] {
            let problems = reader::read(Path::new(FILE_NAME), text.as_bytes()).unwrap_err();
            let lines = lines(&problems);
            assert_eq!(lines.len(), expected.len(), "{text}\n{lines:#?}");
            for (line, expected) in lines.iter().zip(expected) {
                assert!(line.starts_with(expected), "{text}\n{line}");
            }
        }
    }

    #[test]
    fn first_fitting_rule_wins_and_git_is_the_border() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("repository");
        std::fs::create_dir_all(root.join("prod/eu")).unwrap();
        std::fs::create_dir_all(root.join("inner/.git")).unwrap();
        std::fs::write(root.join(FILE_NAME), GOOD).unwrap();
        let place = find(&root.join("prod/eu")).unwrap().unwrap();
        let project = Project::read(place.file).unwrap();
        let (number, rule) = project
            .rule_for(&place.folder, Path::new("prod/eu/db.yaml"))
            .unwrap();
        assert_eq!((number, rule.namespace.as_deref()), (0, Some("payments")));
        let root = place.folder.ancestors().nth(2).unwrap();
        assert!(project.rule_for(root, Path::new("other.yaml")).is_none());
        assert!(find(&root.join("inner")).unwrap().is_none());
    }
}
