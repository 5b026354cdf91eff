//! What a file is checked against, and what is found sealed in it.
use super::kustomize::Placement;
use super::setup::{LintSetup, PathRules};

/// What a file is checked against.
#[derive(Clone, Debug)]
pub struct LintSubject<'s> {
    /// As people know it.
    pub name: &'s str,
    /// Keys and policy.
    pub setup: &'s LintSetup,
    /// The rule that fits.
    pub path_rules: PathRules<'s>,
    /// Where Kustomize puts it.
    pub placements: Vec<Placement>,
}

/// A sealed value that the webhook would open.
#[derive(Debug)]
pub struct OpenedValue {
    /// Its key.
    pub key: String,
    /// The most bytes that it can have.
    pub most: usize,
}
