//! What Kustomize makes of a manifest's namespace and name before it reaches a cluster.
//!
//! Only what changes a place is read: `namespace`, `namePrefix`, `nameSuffix`, the files and folders that a
//! kustomization draws on, and its generators of Secrets.
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_saphyr::{Location, Spanned};
use zeroize::Zeroizing;

use super::find::{normal, shown};
use super::finding::Finding;
use super::patches::{self, LIMIT, PatchText, PatchedValue};
use crate::project::contents::Contents;
use crate::project::lint::rules::RuleId;

/// Overlays over overlays; no one goes deeper.
const DEEPEST: usize = 32;
/// Places of one file; a base that is used more often is checked for these.
const MOST_PLACES: usize = 64;

/// How a manifest's place changes.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Placement {
    /// In place of the manifest's own.
    pub namespace: Option<String>,
    /// Before the name.
    pub prefix: String,
    /// Behind the name.
    pub suffix: String,
    /// The kustomization that is built, as people know it; `None` where there is none.
    pub through: Option<String>,
}

/// A Secret that a generator makes.
#[derive(Clone, Debug)]
pub struct Generated {
    /// The kustomization, as people know it.
    pub file: String,
    /// Its absolute path.
    pub path: PathBuf,
    /// Counted from 1.
    pub line: usize,
    /// Before the kustomizations' prefixes and suffixes.
    pub name: String,
    /// Its own.
    pub namespace: Option<String>,
    /// Its type.
    pub secret_type: Option<String>,
    /// Whether a hash is put behind its name.
    pub hashed: bool,
    /// Keys and where their values come from.
    pub sources: Vec<GeneratedSource>,
    /// Where it goes.
    pub placements: Vec<Placement>,
}

/// One value of a generated Secret.
#[derive(Clone, Debug)]
pub struct GeneratedSource {
    /// Counted from 1, in the kustomization.
    pub line: usize,
    /// Counted from 1.
    pub column: usize,
    /// Where the value is.
    pub value: GeneratorValue,
}

/// Where a generator takes values from.
#[derive(Clone)]
pub enum GeneratorValue {
    /// `key=value`, in the kustomization itself.
    Literal(String),
    /// A file, under this key.
    File(String, PathBuf),
    /// A file of lines `KEY=VALUE`.
    Lines(PathBuf),
    /// The value that a patch writes under this key.
    Patched(String, Zeroizing<Vec<u8>>),
}

impl std::fmt::Debug for GeneratorValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("<redacted>")
    }
}

/// What all kustomizations together make of the files.
#[derive(Debug, Default)]
pub struct Kustomizations {
    placements: HashMap<PathBuf, BTreeSet<Placement>>,
    /// The generators' Secrets.
    pub generated: Vec<Generated>,
    /// Files that kustomizations draw on, absolute.
    pub drawn: BTreeSet<PathBuf>,
    /// Kustomizations that could not be read.
    pub findings: Vec<Finding>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Document {
    namespace: Option<String>,
    name_prefix: Option<String>,
    name_suffix: Option<String>,
    resources: Vec<String>,
    bases: Vec<String>,
    components: Vec<String>,
    patches: Vec<Patch>,
    patches_strategic_merge: Vec<Spanned<String>>,
    patches_json6902: Vec<Patch>,
    generators: Vec<String>,
    transformers: Vec<Spanned<String>>,
    secret_generator: Vec<Generator>,
    generator_options: Option<Options>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Patch {
    path: Option<String>,
    #[serde(rename = "patch")]
    inline: Option<Spanned<String>>,
    target: Option<PatchTarget>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct PatchTarget {
    kind: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Generator {
    name: Option<Spanned<String>>,
    namespace: Option<String>,
    #[serde(rename = "type")]
    secret_type: Option<String>,
    files: Vec<Spanned<String>>,
    literals: Vec<Spanned<String>>,
    envs: Vec<Spanned<String>>,
    env: Option<Spanned<String>>,
    options: Option<Options>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Options {
    disable_name_suffix_hash: bool,
}

impl Kustomizations {
    /// Reads these files and whatever they draw on.
    pub fn read(files: &BTreeSet<PathBuf>, contents: &Contents, here: &Path) -> Self {
        let mut found = Self::default();
        let mut documents: BTreeMap<PathBuf, (PathBuf, Document)> = BTreeMap::new();
        let mut waiting: Vec<PathBuf> = files.iter().cloned().collect();
        while let Some(file) = waiting.pop() {
            let folder = file.parent().unwrap_or(Path::new("/")).to_owned();
            if documents.contains_key(&folder) {
                continue;
            }
            let mut document = match read(&file, contents) {
                Ok(document) => document,
                Err((line, message)) => {
                    let name = shown(&file, here);
                    let mut finding = Finding::new(RuleId::InvalidYaml, &name, message);
                    finding.line = line;
                    found.findings.push(finding);
                    continue;
                }
            };
            waiting.extend(
                document
                    .drawn(&folder)
                    .filter_map(|path| kustomization_in(&path)),
            );
            found.patched_and_generated(&mut document, &file, contents, here);
            documents.insert(folder, (file, document));
        }
        let drawn: BTreeSet<PathBuf> = documents
            .iter()
            .flat_map(|(folder, (_, document))| document.drawn(folder))
            .filter(|path| documents.contains_key(path))
            .collect();
        let mut visits = HashMap::new();
        let mut generators = HashMap::new();
        for (folder, (file, _)) in documents
            .iter()
            .filter(|(folder, _)| !drawn.contains(*folder))
        {
            let outer = Placement {
                through: Some(shown(file, here)),
                ..Placement::default()
            };
            let mut visit = Visit {
                documents: &documents,
                here,
                found: &mut found,
                visits: &mut visits,
                generators: &mut generators,
                trail: Vec::new(),
            };
            visit.folder(folder, &outer);
        }
        found
    }

    /// Takes up what patches write into Secrets, and what builtin generators make of them.
    fn patched_and_generated(
        &mut self,
        document: &mut Document,
        file: &Path,
        contents: &Contents,
        here: &Path,
    ) {
        let folder = file.parent().unwrap_or(Path::new("/"));
        let name = shown(file, here);
        let mut unreadable = |what: &str, line: usize| {
            let message = format!("{what} of the kustomization cannot be read as YAML");
            let mut finding = Finding::new(RuleId::InvalidYaml, &name, message);
            finding.line = line;
            self.findings.push(finding);
        };
        for entry in &document.generators {
            match patches::documents(entry, folder, contents) {
                Ok(documents) => document
                    .secret_generator
                    .extend(documents.iter().filter_map(Generator::builtin)),
                Err(what) => unreadable(&what, 1),
            }
        }
        let mut all = document.patches();
        for entry in &document.transformers {
            let line = position(entry).0;
            match patches::documents(&entry.value, folder, contents) {
                Ok(documents) => all.extend(
                    documents
                        .iter()
                        .flat_map(|document| patches::of_transformer(document, line)),
                ),
                Err(what) => unreadable(&what, line),
            }
        }
        let values = match patches::values(&all, folder, contents) {
            Ok(values) => values,
            Err(line) => {
                unreadable("a patch", line);
                return;
            }
        };
        let Some(first) = values.first() else { return };
        self.generated.push(Generated {
            file: name,
            path: file.to_owned(),
            line: first.line,
            name: String::new(),
            namespace: None,
            secret_type: None,
            hashed: false,
            sources: values.into_iter().map(GeneratedSource::from).collect(),
            // A patch does not say where the Secret goes that it changes.
            placements: Vec::new(),
        });
    }

    /// The places of a manifest: its own, or those that kustomizations give it.
    pub fn placements(&self, file: &Path) -> Vec<Placement> {
        match self.placements.get(file) {
            Some(placements) => placements.iter().take(MOST_PLACES).cloned().collect(),
            None => vec![Placement::default()],
        }
    }
}

struct Visit<'v> {
    documents: &'v BTreeMap<PathBuf, (PathBuf, Document)>,
    here: &'v Path,
    found: &'v mut Kustomizations,
    /// With what each folder was reached: the ways to it may be many more than the places that they make.
    visits: &'v mut HashMap<PathBuf, HashSet<Placement>>,
    /// Which generated Secret is which generator of which file.
    generators: &'v mut HashMap<(PathBuf, usize), usize>,
    trail: Vec<PathBuf>,
}

impl Visit<'_> {
    /// Goes from an overlay to its bases. What is outside is applied last.
    fn folder(&mut self, folder: &Path, outer: &Placement) {
        let documents = self.documents;
        let Some((file, document)) = documents.get(folder) else {
            return;
        };
        if self.trail.len() == DEEPEST || self.trail.iter().any(|known| known == folder) {
            return;
        }
        let placement = Placement {
            namespace: outer
                .namespace
                .clone()
                .or_else(|| document.namespace.clone().filter(|name| !name.is_empty())),
            prefix: format!(
                "{}{}",
                outer.prefix,
                document.name_prefix.as_deref().unwrap_or_default()
            ),
            suffix: format!(
                "{}{}",
                document.name_suffix.as_deref().unwrap_or_default(),
                outer.suffix
            ),
            through: outer.through.clone(),
        };
        let visits = self.visits.entry(folder.to_owned()).or_default();
        if visits.len() == MOST_PLACES || !visits.insert(placement.clone()) {
            return;
        }
        for path in document.drawn(folder) {
            if documents.contains_key(&path) {
                self.trail.push(folder.to_owned());
                self.folder(&path, &placement);
                self.trail.pop();
            } else {
                self.found.drawn.insert(path.clone());
                self.found
                    .placements
                    .entry(path)
                    .or_default()
                    .insert(placement.clone());
            }
        }
        for (index, generator) in document.secret_generator.iter().enumerate() {
            let id = (file.clone(), index);
            self.generator(folder, document, generator, &placement, id);
        }
    }

    fn generator(
        &mut self,
        folder: &Path,
        document: &Document,
        generator: &Generator,
        placement: &Placement,
        id: (PathBuf, usize),
    ) {
        let name = generator
            .name
            .as_ref()
            .map(|name| name.value.clone())
            .unwrap_or_default();
        let line = generator.name.as_ref().map_or(1, |name| position(name).0);
        if let Some(known) = self.generators.get(&id) {
            let known = &mut self.found.generated[*known];
            if known.placements.len() < MOST_PLACES && !known.placements.contains(placement) {
                known.placements.push(placement.clone());
            }
            return;
        }
        let keeps_name = generator
            .options
            .as_ref()
            .or(document.generator_options.as_ref())
            .is_some_and(|options| options.disable_name_suffix_hash);
        let mut sources = Vec::new();
        let mut add = |written: &Spanned<String>, value: GeneratorValue| {
            let (line, column) = position(written);
            sources.push(GeneratedSource {
                line,
                column,
                value,
            });
        };
        for literal in &generator.literals {
            add(literal, GeneratorValue::Literal(literal.value.clone()));
        }
        for written in &generator.files {
            let (key, path) = match written.value.split_once('=') {
                Some((key, path)) => (key.to_owned(), path),
                None => (base_name(&written.value), written.value.as_str()),
            };
            add(
                written,
                GeneratorValue::File(key, normal(&folder.join(path))),
            );
        }
        for written in generator.envs.iter().chain(&generator.env) {
            add(
                written,
                GeneratorValue::Lines(normal(&folder.join(&written.value))),
            );
        }
        let file = id.0.clone();
        self.generators.insert(id, self.found.generated.len());
        self.found.generated.push(Generated {
            file: shown(&file, self.here),
            path: file,
            line,
            name,
            namespace: generator.namespace.clone(),
            secret_type: generator.secret_type.clone(),
            hashed: !keeps_name,
            sources,
            placements: vec![placement.clone()],
        });
    }
}

impl From<PatchedValue> for GeneratedSource {
    fn from(patched: PatchedValue) -> Self {
        Self {
            line: patched.line,
            column: 1,
            value: GeneratorValue::Patched(patched.key, patched.value),
        }
    }
}

impl Generator {
    /// What Kustomize's own SecretGenerator, named under `generators`, makes.
    fn builtin(document: &serde_json::Value) -> Option<Self> {
        if document["kind"] != "SecretGenerator" {
            return None;
        }
        let written =
            |text: &str| Spanned::new(text.to_owned(), Location::UNKNOWN, Location::UNKNOWN);
        let list = |member: &str| {
            let entries = document[member].as_array().into_iter().flatten();
            entries
                .filter_map(|entry| entry.as_str().map(written))
                .collect()
        };
        let text = |value: &serde_json::Value| value.as_str().map(str::to_owned);
        let metadata = &document["metadata"];
        let hashed = metadata["annotations"]["kustomize.config.k8s.io/needs-hash"] == "true";
        Some(Self {
            name: metadata["name"].as_str().map(written),
            namespace: text(&metadata["namespace"]),
            secret_type: text(&document["type"]),
            files: list("files"),
            literals: list("literals"),
            envs: list("envs"),
            env: document["env"].as_str().map(written),
            options: Some(Options {
                disable_name_suffix_hash: !hashed,
            }),
        })
    }
}

impl Document {
    /// Its patches, wherever they are written.
    fn patches(&self) -> Vec<patches::Patch> {
        let mut all = Vec::new();
        for patch in self.patches.iter().chain(&self.patches_json6902) {
            let kind = patch.target.as_ref().map(|target| target.kind.clone());
            if let Some(text) = &patch.inline {
                all.push(patches::Patch {
                    text: PatchText::Inline(text.value.clone()),
                    kind: kind.clone(),
                    line: position(text).0,
                });
            }
            if let Some(path) = &patch.path {
                all.push(patches::Patch {
                    text: PatchText::File(path.clone()),
                    kind,
                    line: 1,
                });
            }
        }
        let inline = self.patches_strategic_merge.iter();
        all.extend(
            inline
                .filter(|entry| patches::is_inline(&entry.value))
                .map(|entry| patches::Patch {
                    text: PatchText::Inline(entry.value.clone()),
                    kind: None,
                    line: position(entry).0,
                }),
        );
        all
    }

    /// The files and folders that it names, absolute. What is elsewhere, behind a URL, is no path that exists.
    fn drawn<'d>(&'d self, folder: &'d Path) -> impl Iterator<Item = PathBuf> + 'd {
        let patches = self.patches.iter().filter_map(|patch| patch.path.as_ref());
        self.resources
            .iter()
            .chain(&self.bases)
            .chain(&self.components)
            .chain(patches)
            .chain(
                self.patches_strategic_merge
                    .iter()
                    .map(|entry| &entry.value),
            )
            // An inline patch is no name of a file.
            .filter(|name| !patches::is_inline(name) && !name.contains("://"))
            .map(|name| normal(&folder.join(name)))
    }
}

fn base_name(path: &str) -> String {
    path.rsplit('/').next().unwrap_or(path).to_owned()
}

fn position(written: &Spanned<String>) -> (usize, usize) {
    let number = |number: u64| usize::try_from(number).unwrap_or(1).max(1);
    (
        number(written.referenced.line()),
        number(written.referenced.column()),
    )
}

fn kustomization_in(folder: &Path) -> Option<PathBuf> {
    ["kustomization.yaml", "kustomization.yml", "Kustomization"]
        .iter()
        .map(|name| folder.join(name))
        .find(|file| file.is_file())
}

fn read(file: &Path, contents: &Contents) -> Result<Document, (usize, String)> {
    let bytes = contents
        .read(file, LIMIT)
        .map_err(|failure| (1, failure.message()))?;
    let text = std::str::from_utf8(&bytes).map_err(|_| (1, "it is not UTF-8 text".to_owned()))?;
    if text.trim().is_empty() {
        return Ok(Document::default());
    }
    let options = serde_saphyr::options! { with_snippet: false };
    // `null` stands for an empty document and for empty members.
    let document: Option<Document> =
        serde_saphyr::from_str_with_options(text, options).map_err(|error| {
            let line = error.location().map_or(1, |location| {
                usize::try_from(location.line()).unwrap_or(1).max(1)
            });
            // The reader's own words may quote a literal of a generator.
            (
                line,
                "the kustomization cannot be read as YAML of the members that Kustomize knows"
                    .to_owned(),
            )
        })?;
    Ok(document.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[(&str, &str)]) -> (tempfile::TempDir, Kustomizations) {
        let folder = tempfile::tempdir().unwrap();
        let root = std::fs::canonicalize(folder.path()).unwrap();
        let mut kustomizations = BTreeSet::new();
        for (name, text) in files {
            let path = root.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, text).unwrap();
            if super::super::find::is_kustomization(&path) {
                kustomizations.insert(path);
            }
        }
        let read = Kustomizations::read(&kustomizations, &Contents::default(), &root);
        (folder, read)
    }

    fn place(read: &Kustomizations, folder: &tempfile::TempDir, file: &str) -> Vec<String> {
        let path = std::fs::canonicalize(folder.path()).unwrap().join(file);
        read.placements(&path)
            .iter()
            .map(|p| {
                let namespace = p.namespace.as_deref().unwrap_or("-");
                format!("{namespace}/{}*{}", p.prefix, p.suffix)
            })
            .collect()
    }

    #[test]
    fn outer_namespaces_win_and_affixes_nest() {
        let (folder, read) = tree(&[
            (
                "base/kustomization.yaml",
                "namespace: base\nnamePrefix: b-\nnameSuffix: -b\nresources: [db.yaml]\n",
            ),
            ("base/db.yaml", ""),
            (
                "prod/kustomization.yaml",
                "namespace: prod\nnamePrefix: p-\nnameSuffix: -p\nresources: [../base]\n",
            ),
            (
                "test/kustomization.yaml",
                "nameSuffix: -t\nbases: [../base]\n",
            ),
        ]);
        assert_eq!(
            place(&read, &folder, "base/db.yaml"),
            ["base/b-*-b-t", "prod/p-b-*-b-p"]
        );
        assert_eq!(place(&read, &folder, "other.yaml"), ["-/*"]);
    }

    #[test]
    fn circles_and_missing_files_end() {
        let (_folder, read) = tree(&[
            (
                "a/kustomization.yaml",
                "resources: [../b, ../missing, https://example.com/x]\n",
            ),
            ("b/kustomization.yaml", "resources: [../a]\n"),
            ("c/kustomization.yaml", "resources: [../a]\n"),
            ("d/kustomization.yaml", ""),
            ("e/kustomization.yaml", "resources: {}: []\n"),
        ]);
        assert_eq!(read.findings.len(), 1);
        assert!(read.findings[0].path.starts_with("e/"));
    }

    /// Thirty levels with two ways from each to the next: a thousand million ways, and no more work than places.
    #[test]
    fn overlays_that_meet_again_are_visited_for_their_places_alone() {
        let levels: Vec<_> = (0..30)
            .flat_map(|level| {
                let below = level + 1;
                let draws = format!("resources: [../a{below}, ../b{below}]\n");
                [
                    (
                        format!("a{level}/kustomization.yaml"),
                        format!("namePrefix: p{level}-\n{draws}"),
                    ),
                    (format!("b{level}/kustomization.yaml"), draws),
                ]
            })
            .collect();
        let mut files: Vec<_> = levels
            .iter()
            .map(|(name, text)| (name.as_str(), text.as_str()))
            .collect();
        files.push(("a30/kustomization.yaml", "resources: [db.yaml]\n"));
        files.push(("a30/db.yaml", ""));
        let (folder, read) = tree(&files);
        let places = place(&read, &folder, "a30/db.yaml");
        assert!(
            !places.is_empty() && places.len() <= MOST_PLACES,
            "{places:?}"
        );
    }

    #[test]
    fn generators_are_found_with_their_places() {
        let (_folder, read) = tree(&[
            (
                "base/kustomization.yaml",
                "secretGenerator:\n- name: db\n  literals: [password=x]\n  files: [a.jwe, k=b.jwe]\n  envs: [c.env]\n",
            ),
            (
                "prod/kustomization.yaml",
                "namePrefix: p-\nresources: [../base]\n",
            ),
        ]);
        let [generated] = read.generated.as_slice() else {
            panic!("{:?}", read.generated)
        };
        assert!(generated.hashed && generated.line == 2 && generated.sources.len() == 4);
        assert_eq!(generated.placements[0].prefix, "p-");
    }
}
