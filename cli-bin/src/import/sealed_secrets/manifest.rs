//! The manifest of a SealedSecret, and the plain Secret that the controller makes of it.

use zeroize::Zeroizing;

use super::super::draft::{self, Draft, DraftSecret, Line, Scope, Word};
use super::super::fault::Fault;
use super::super::yaml::{self, File, Kind, Node, Pair};
use super::keys::ControllerKeys;
use super::value;
use crate::text::printable;

/// Annotations and labels by which Sealed Secrets tells itself what to do.
const THEIR_OWN: &str = "sealedsecrets.bitnami.com/";

/// Annotations and labels that a deployer reads from what it applies: they belong to the manifest, whatever is in it.
const DEPLOYERS: [&str; 6] = [
    "argocd.argoproj.io/",
    "config.kubernetes.io/",
    "fluxcd.io/",
    "helm.sh/",
    "kustomize.toolkit.fluxcd.io/",
    "kustomize.config.k8s.io/",
];

/// A template that says nothing.
const NOTHING: &Node<'static> = &Node {
    range: 0..0,
    kind: Kind::List,
};

/// A file with SealedSecrets in it.
pub struct Sealed<'a> {
    file: File<'a>,
    /// Which documents they are.
    found: Vec<usize>,
}

/// Looks for SealedSecrets in a file; there may be none.
///
/// # Errors
/// When the file cannot be read, and for lists.
pub fn find(bytes: &[u8]) -> Result<Option<Sealed<'_>>, Fault> {
    let file = yaml::read(bytes)?;
    let mut found = Vec::new();
    for (index, root) in file.documents.iter().enumerate() {
        let kind = root.text_of("kind").unwrap_or_default();
        let version = root.text_of("apiVersion").unwrap_or_default();
        if kind == "SealedSecret" && version.starts_with("bitnami.com/") {
            found.push(index);
        } else if kind == "SealedSecretList" || kind == "List" && mentions(&file, root) {
            return Err(Fault::on(
                file.line(root.range.start),
                "a list of SealedSecrets is not read",
            )
            .hint("write each SealedSecret into a document of its own"));
        }
    }
    Ok((!found.is_empty()).then_some(Sealed { file, found }))
}

fn mentions(file: &File<'_>, node: &Node<'_>) -> bool {
    file.source[node.range.clone()].contains("bitnami.com/v1alpha1")
}

impl Sealed<'_> {
    /// Opens every value, and writes the plain Secrets that the controller would make, with their values missing.
    /// `namespace` is that of manifests which name none.
    ///
    /// # Errors
    /// The first value or member that cannot be imported.
    pub fn open(&self, keys: &ControllerKeys, namespace: Option<&str>) -> Result<Draft, Fault> {
        let source = self.file.source;
        let mut draft = Draft {
            text: String::with_capacity(source.len()),
            secrets: Vec::with_capacity(self.found.len()),
        };
        let mut done = 0;
        let mut line = 1;
        for index in &self.found {
            let root = &self.file.documents[*index];
            let start = root.range.start;
            let before = &source[done..start];
            draft.text.push_str(before);
            line += before.matches('\n').count();
            let one = Document {
                file: &self.file,
                root,
            };
            let (text, mut secret) = one.convert(keys, namespace)?;
            secret.line = line;
            secret.line_before = self.file.line(start);
            line += text.matches('\n').count();
            draft.text.push_str(&text);
            draft.secrets.push(secret);
            done = root.range.end;
        }
        draft.text.push_str(&source[done..]);
        Ok(draft)
    }
}

/// What a SealedSecret is opened with.
struct Opener<'o> {
    keys: &'o ControllerKeys,
    label: &'o str,
    /// Namespace and name.
    place: (&'o str, &'o str),
}

struct Document<'f, 'a> {
    file: &'f File<'a>,
    root: &'f Node<'a>,
}

impl<'f, 'a> Document<'f, 'a> {
    fn fault(&self, node: &Node<'_>, reason: impl Into<String>) -> Fault {
        Fault::on(self.file.line(node.range.start), reason)
    }

    fn convert(
        &self,
        keys: &ControllerKeys,
        namespace: Option<&str>,
    ) -> Result<(String, DraftSecret), Fault> {
        let root = self.root;
        yaml::refuse_twice(root, self.file)?;
        let version = root.text_of("apiVersion").unwrap_or_default();
        if version != "bitnami.com/v1alpha1" {
            return Err(self.fault(
                root,
                format!(
                    "`{}` is no version of SealedSecret that is read; v1alpha1 is",
                    printable(version, 100)
                ),
            ));
        }
        let metadata = self.member(root, "metadata")?;
        let name = metadata
            .text_of("name")
            .filter(|name| !name.is_empty())
            .ok_or_else(|| self.fault(root, "the SealedSecret has no name"))?;
        let own = metadata
            .text_of("namespace")
            .filter(|name| !name.is_empty());
        let scope = scope(metadata);
        let spec = self.member(root, "spec")?;
        let template = self.optional(spec, "template")?.unwrap_or(NOTHING);
        let mut secret = DraftSecret {
            line: 0,
            line_before: 0,
            name: match own.or(namespace) {
                Some(namespace) => format!("{namespace}/{name}"),
                None => name.to_owned(),
            },
            scope,
            values: Vec::new(),
            notes: Vec::new(),
        };
        if let Some(pair) = spec.get("data").filter(|pair| !pair.value.is_null()) {
            return Err(self
                .fault(
                    &pair.key,
                    "`spec.data` is the form of before 2018, with all values in one",
                )
                .hint("seal it again with a newer kubeseal, or take the Secret from the cluster"));
        }
        let label = self.label(scope, own.or(namespace), name)?;
        let mut lines = vec![
            Line::ours(
                0,
                "apiVersion",
                Some(Word::Ours("v1")),
                root.get("apiVersion"),
            ),
            Line::ours(0, "kind", Some(Word::Ours("Secret")), root.get("kind")),
            Line::ours(0, "metadata", None, root.get("metadata")),
        ];
        lines.extend(["name", "namespace"].into_iter().filter_map(|member| {
            let pair = metadata.get(member)?;
            (!pair.value.is_null()).then(|| Line::copied(1, pair))
        }));
        let inner = self.optional(template, "metadata")?;
        for map in ["labels", "annotations"] {
            self.words(map, metadata, inner, &mut lines, &mut secret)?;
        }
        if let Some(pair) = template.get("type").filter(|pair| !pair.value.is_null()) {
            lines.push(Line::copied(0, pair));
        }
        let immutable = template.get("immutable").or_else(|| spec.get("immutable"));
        if let Some(pair) = immutable.filter(|pair| pair.value.text() == Some("true")) {
            lines.push(Line::ours(
                0,
                "immutable",
                Some(Word::Ours("true")),
                Some(pair),
            ));
        }
        let opener = Opener {
            keys,
            label: &label,
            place: (own.or(namespace).unwrap_or_default(), name),
        };
        self.values(spec, template, &opener, &mut lines, &mut secret)?;
        left_out(spec, template, inner, &mut secret);
        let text = match &root.kind {
            Kind::Map { flow: true, .. } => draft::json(&lines),
            _ if self.column(root) > 0 => {
                return Err(self.fault(root, "the document is indented"));
            }
            _ => draft::yaml(&lines, root, self.file),
        };
        Ok((text, secret))
    }

    /// To what the session keys are tied.
    fn label(&self, scope: Scope, namespace: Option<&str>, name: &str) -> Result<String, Fault> {
        Ok(match (scope, namespace) {
            (Scope::Cluster, _) => String::new(),
            (Scope::Namespace, Some(namespace)) => namespace.to_owned(),
            (Scope::Strict, Some(namespace)) => format!("{namespace}/{name}"),
            (_, None) => {
                return Err(self
                    .fault(self.root, "the SealedSecret does not name its namespace, to which it was sealed")
                    .hint("name it with --namespace, or with a `namespace` in the rule of `.privy.yaml`"));
            }
        })
    }

    fn column(&self, node: &Node<'_>) -> usize {
        let before = &self.file.source[..node.range.start];
        before.len() - before.rfind('\n').map_or(0, |at| at + 1)
            // A byte-order mark is no column.
            - usize::from(before.starts_with('\u{feff}') && !before.contains('\n')) * 3
    }

    /// A member that must be a map.
    fn member(&self, node: &'f Node<'a>, name: &str) -> Result<&'f Node<'a>, Fault> {
        match node.get(name) {
            Some(Pair { value, .. }) if matches!(value.kind, Kind::Map { .. }) => Ok(value),
            Some(pair) => Err(self.fault(&pair.key, format!("`{name}` is no map"))),
            None => Err(self.fault(node, format!("the SealedSecret has no `{name}`"))),
        }
    }

    /// A member that is a map, if it is there.
    fn optional(&self, node: &'f Node<'a>, name: &str) -> Result<Option<&'f Node<'a>>, Fault> {
        match node.get(name) {
            None => Ok(None),
            Some(pair) if pair.value.is_null() => Ok(None),
            Some(_) => self.member(node, name).map(Some),
        }
    }

    /// Labels or annotations: those of the template, and of the SealedSecret's own what its deployer reads.
    fn words(
        &self,
        map: &'static str,
        own: &'f Node<'a>,
        template: Option<&'f Node<'a>>,
        lines: &mut Vec<Line<'f, 'a>>,
        secret: &mut DraftSecret,
    ) -> Result<(), Fault> {
        let mut taken: Vec<&'f Pair<'a>> = Vec::new();
        let mut header = None;
        if let Some(template) = template
            && let Some(words) = self.optional(template, map)?
        {
            header = template.get(map);
            taken.extend(words.entries().iter().filter(|pair| {
                !pair
                    .key
                    .text()
                    .is_some_and(|name| name.starts_with(THEIR_OWN))
            }));
        }
        if let Some(words) = self.optional(own, map)? {
            header = header.or_else(|| own.get(map));
            for pair in words.entries() {
                let name = pair.key.text().unwrap_or_default();
                if taken.iter().any(|taken| taken.key.text() == Some(name)) {
                    continue;
                }
                if DEPLOYERS.iter().any(|deployer| name.starts_with(deployer)) {
                    taken.push(pair);
                } else if !name.starts_with(THEIR_OWN) && name != LAST_APPLIED {
                    secret.notes.push(format!(
                        "`{}` of the SealedSecret's own {map} is left out: the Secret never had it",
                        printable(name, 100)
                    ));
                }
            }
        }
        if taken.is_empty() {
            return Ok(());
        }
        lines.push(Line::ours(1, map, None, header));
        for pair in taken {
            if pair.value.text().is_none() {
                return Err(self.fault(&pair.key, format!("one of the {map} is no text")));
            }
            lines.push(Line::copied(2, pair));
        }
        Ok(())
    }

    fn values(
        &self,
        spec: &'f Node<'a>,
        template: &'f Node<'a>,
        opener: &Opener<'_>,
        lines: &mut Vec<Line<'f, 'a>>,
        secret: &mut DraftSecret,
    ) -> Result<(), Fault> {
        let encrypted = self.optional(spec, "encryptedData")?;
        let written = self.optional(template, "data")?;
        let pairs = |node: Option<&'f Node<'a>>| node.map_or(&[][..], Node::entries);
        if pairs(encrypted).is_empty() && pairs(written).is_empty() {
            return Ok(());
        }
        let header = if encrypted.is_some() {
            spec.get("encryptedData")
        } else {
            template.get("data")
        };
        lines.push(Line::ours(0, "stringData", None, header));
        let mut add = |pair: &'f Pair<'a>, key: &str, value: Zeroizing<Vec<u8>>| {
            lines.push(Line {
                depth: 1,
                key: Word::Theirs(&pair.key),
                value: Some(Word::Ours("\"\"")),
                at: Some(pair.key.range.start),
            });
            secret.values.push((key.to_owned(), value));
        };
        for pair in pairs(encrypted) {
            let key = self.key(pair)?;
            if pairs(written)
                .iter()
                .any(|other| other.key.text() == Some(key))
            {
                return Err(self.fault(
                    &pair.key,
                    format!(
                        "`{}` is in `encryptedData` and in the template's `data`",
                        printable(key, 100)
                    ),
                ));
            }
            let text = pair.value.text().unwrap_or_default();
            add(pair, key, self.open(pair, key, text, opener)?);
        }
        for pair in pairs(written) {
            let key = self.key(pair)?;
            let text = pair.value.text().ok_or_else(|| {
                self.fault(&pair.key, "a value of the template's `data` is no text")
            })?;
            if text.contains("{{") {
                return Err(self
                    .fault(
                        &pair.key,
                        format!(
                            "`{}` of the template's `data` is a template, which puts several values into one",
                            printable(key, 100)
                        ),
                    )
                    .hint("take the finished value from the Secret in the cluster, and give it with `privy set`"));
            }
            add(pair, key, Zeroizing::new(text.as_bytes().to_vec()));
        }
        Ok(())
    }

    fn key<'p>(&self, pair: &'p Pair<'a>) -> Result<&'p str, Fault> {
        let key = pair.key.text().unwrap_or_default();
        secret_walker::validate_key(key).map_err(|_| {
            self.fault(
                &pair.key,
                format!("`{}` is no key of a Secret", printable(key, 100)),
            )
        })?;
        Ok(key)
    }

    fn open(
        &self,
        pair: &Pair<'_>,
        key: &str,
        text: &str,
        opener: &Opener<'_>,
    ) -> Result<Zeroizing<Vec<u8>>, Fault> {
        let named = printable(key, 100);
        let Opener { keys, label, .. } = *opener;
        let parts = value::parse(text)
            .map_err(|why| self.fault(&pair.key, format!("the value of `{named}` {why}")))?;
        let wrapped = parts.wrapped.clone();
        if let Some(value) = keys.open(parts, label) {
            return Ok(value);
        }
        if keys.fits(&wrapped, label) {
            return Err(self.fault(
                &pair.key,
                format!("the value of `{named}` was changed since it was sealed"),
            ));
        }
        let (namespace, name) = opener.place;
        let strict = format!("{namespace}/{name}");
        let others = [
            (strict.as_str(), "for this name in this namespace (strict)"),
            (namespace, "for the whole namespace (namespace-wide)"),
            ("", "for the whole cluster (cluster-wide)"),
        ];
        for (other, sealed) in others {
            if other != label && keys.fits(&wrapped, other) {
                return Err(self
                    .fault(
                        &pair.key,
                        format!("the value of `{named}` was sealed {sealed}, and the annotations of the SealedSecret say otherwise"),
                    )
                    .hint("correct the annotations `sealedsecrets.bitnami.com/…-wide`: the controller does not open it either"));
            }
        }
        Err(self
            .fault(
                &pair.key,
                format!(
                    "none of the {} private keys opens the value of `{named}` in this place",
                    keys.len()
                ),
            )
            .hint("it was sealed for another key, name or namespace: export all keys of the controller, old ones too"))
    }
}

fn left_out(
    spec: &Node<'_>,
    template: &Node<'_>,
    inner: Option<&Node<'_>>,
    secret: &mut DraftSecret,
) {
    let known: [(&str, Option<&Node<'_>>, &[&str]); 3] = [
        (
            "spec",
            Some(spec),
            &["template", "encryptedData", "data", "immutable"],
        ),
        (
            "spec.template",
            Some(template),
            &[
                "metadata",
                "type",
                "data",
                "immutable",
                "apiVersion",
                "kind",
            ],
        ),
        (
            "spec.template.metadata",
            inner,
            &[
                "labels",
                "annotations",
                "name",
                "namespace",
                "creationTimestamp",
            ],
        ),
    ];
    for (path, node, known) in known {
        for pair in node.map_or(&[][..], Node::entries) {
            let name = pair.key.text().unwrap_or_default();
            if !known.contains(&name) && !pair.value.is_null() {
                secret.notes.push(format!(
                    "`{path}.{}` is left out: it is not known",
                    printable(name, 100)
                ));
            }
        }
    }
}

const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// As the controller reads it: the wider one counts.
fn scope(metadata: &Node<'_>) -> Scope {
    let says = |what: &str| {
        metadata.get("annotations").is_some_and(|annotations| {
            annotations.value.text_of(&format!("{THEIR_OWN}{what}")) == Some("true")
        })
    };
    if says("cluster-wide") {
        Scope::Cluster
    } else if says("namespace-wide") {
        Scope::Namespace
    } else {
        Scope::Strict
    }
}
