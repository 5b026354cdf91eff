//! Reads a `.privy.yaml`: all of it once, and everything that is wrong with it at once, each fault with its line.
use std::path::Path;

use unseal_policy::config::reader::{Setting, SettingMembers};
use unseal_policy::config::{Problems, document_of, quoted};

use super::lint::{self, LintSettings};
use super::paths::{inside, inside_all, paths_of};
use super::rules::{Layout, Rule};

/// Clusters that an envelope may name.
const MOST_CLUSTERS: usize = 16;

const LAYOUTS: [(&str, Layout); 2] = [("annotation", Layout::Annotation), ("field", Layout::Field)];

/// The members of a rule.
const RULE: &[&str] = &[
    "paths",
    "key",
    "keys",
    "namespace",
    "name",
    "cluster",
    "clusters",
    "layout",
    "signer",
    "signed",
];

/// Reads the text of a `.privy.yaml`, whose name is for the faults.
///
/// # Errors
/// Every fault, with its line.
pub(super) fn read(file: &Path, bytes: &[u8]) -> Result<(Vec<Rule>, LintSettings), Problems> {
    let mut problems = Problems::new(file);
    let contents = document_of(file, &|_, _| Ok(Some(bytes.to_vec().into())), &mut problems)
        .and_then(|root| document(&Setting::root(&root), &mut problems));
    contents
        .filter(|_| problems.is_empty())
        .ok_or_else(|| problems.sorted())
}

fn document(root: &Setting<'_>, problems: &mut Problems) -> Option<(Vec<Rule>, LintSettings)> {
    let members = root.members(problems, &["version", "rules", "lint"])?;
    if let Some(version) = members.required(problems, "version", "write `version: 1`") {
        version.integer(problems, 1..=1);
    }
    let rules = members.required(problems, "rules", "each has `paths` and a `key`");
    let rules = rules.and_then(|field| rules_of(&field, problems));
    let settings = match members.optional("lint") {
        Some(field) if !field.is_nothing() => lint::read(&field, problems),
        _ => Some(LintSettings::default()),
    };
    Some((rules?, settings?))
}

fn rules_of(field: &Setting<'_>, problems: &mut Problems) -> Option<Vec<Rule>> {
    let rules = field.list(problems)?;
    if rules.is_empty() {
        field.problem(
            problems,
            "must not be empty; each rule has `paths` and a `key`",
        );
    }
    // Every rule is read, also behind a faulty one.
    let rules: Vec<_> = rules.iter().map(|field| rule(field, problems)).collect();
    rules.into_iter().collect()
}

fn rule(field: &Setting<'_>, problems: &mut Problems) -> Option<Rule> {
    let members = field.members(problems, RULE)?;
    let paths = paths_of(&members, problems);
    let keys = one_or_many(&members, "key", "keys", problems);
    if keys.is_empty()
        && members
            .optional("key")
            .or(members.optional("keys"))
            .is_none()
    {
        field.problem(
            problems,
            "`key` is missing; it names the file of the key to seal for",
        );
    }
    let keys = inside_all(&keys, problems);
    let text = |name, problems: &mut Problems| {
        let field = members.optional(name)?;
        field.text(problems).map(str::to_owned)
    };
    let signer = members.optional("signer").and_then(|field| {
        let text = field.text(problems)?;
        inside(&field, text, problems)
    });
    let layout = members
        .optional("layout")
        .and_then(|field| field.word(problems, &LAYOUTS));
    let must_be_signed = members
        .optional("signed")
        .and_then(|field| field.flag(problems));
    Some(Rule {
        namespace: text("namespace", problems),
        name: text("name", problems),
        clusters: clusters_of(&members, problems),
        paths: paths?,
        keys,
        layout,
        signer,
        signed: must_be_signed.unwrap_or(false),
    })
}

fn clusters_of(members: &SettingMembers<'_>, problems: &mut Problems) -> Vec<String> {
    let clusters = one_or_many(members, "cluster", "clusters", problems);
    if let Some((field, _)) = clusters.get(MOST_CLUSTERS) {
        field.problem(
            problems,
            format!("is one more than the {MOST_CLUSTERS} clusters that an envelope can name"),
        );
    }
    let mut seen = Vec::new();
    for (field, cluster) in clusters.into_iter().take(MOST_CLUSTERS) {
        if seen.iter().any(|known| known == cluster) {
            field.problem(problems, format!("lists {} twice", quoted(cluster)));
        } else {
            seen.push(cluster.to_owned());
        }
    }
    seen
}

/// A member that has one text under its singular, or a list under its plural. Empty when it is missing or faulty.
fn one_or_many<'n>(
    members: &SettingMembers<'n>,
    single: &str,
    plural: &str,
    problems: &mut Problems,
) -> Vec<(Setting<'n>, &'n str)> {
    match (members.optional(single), members.optional(plural)) {
        (Some(_), Some(many)) => {
            many.problem(
                problems,
                format!("the rule has `{single}`, too; keep one of them"),
            );
            Vec::new()
        }
        (Some(one), None) => one
            .text(problems)
            .map(|text| (one, text))
            .into_iter()
            .collect(),
        (None, Some(many)) => many.some_texts(
            problems,
            &format!("leave `{plural}` out, or name at least one"),
        ),
        (None, None) => Vec::new(),
    }
}
