//! What the owners of a namespace ask, in a file of their own.
//!
//! The administrator names the file and the namespaces that it is for; the owners write the file. It can only
//! narrow: words that would widen something are faults.

use super::document::ConfigNode;
use super::problem::Problems;
use super::reader::Setting;
use super::rules::{Loader, document_of};
use crate::decide::{Expired, Foreign};
use crate::rulebook::NamespaceRule;
use crate::signatures::OnlyFrom;

/// The members of an owners' file.
const MEMBERS: &[&str] = &[
    "version",
    "foreign",
    "expired",
    "mustBeSealed",
    "submitters",
    "onlyFrom",
    "keys",
    "widest",
];

impl Loader<'_> {
    /// One entry of `policy.owners`: which namespaces, and the file.
    pub fn owners(&mut self, entry: &Setting<'_>) -> Option<NamespaceRule> {
        let members = entry.members(self.problems, &["match", "file"])?;
        let namespaces = self.matching(&members);
        let field = members.required(
            self.problems,
            "file",
            "name the file that the namespace's owners write",
        )?;
        let file = self.path(&field)?;
        let mut problems = Problems::new(&file);
        let document = document_of(&file, self.read, &mut problems);
        let rule = document.and_then(|root: ConfigNode| {
            let mut loader = Loader::new(&file, self.read, &mut problems);
            loader.key_names.clone_from(&self.key_names);
            loader.signers.clone_from(&self.signers);
            let members = Setting::root(&root).members(loader.problems, MEMBERS)?;
            loader.version(&members);
            let rule = loader.rule(namespaces.clone()?, &members)?;
            for (name, widens) in [
                ("foreign", rule.foreign == Some(Foreign::Warn)),
                ("expired", rule.expired == Some(Expired::Warn)),
                ("mustBeSealed", rule.must_be_sealed == Some(false)),
                ("onlyFrom", rule.only_from == Some(OnlyFrom::Anybody)),
            ] {
                if let Some(field) = members.optional(name).filter(|_| widens) {
                    field.problem(
                        loader.problems,
                        "only narrows; ask the administrator for what would widen it",
                    );
                }
            }
            Some(rule)
        });
        for problem in problems.sorted().iter() {
            let line = match problem.line() {
                0 => String::new(),
                line => format!(":{line}"),
            };
            field.problem(
                self.problems,
                format!("{}{line}: {problem}", file.display()),
            );
        }
        rule
    }
}
