//! What a file is checked against, and what is found sealed in it.
use super::kustomize::Placement;
use super::setup::{Governing, Setup};

/// What a file is checked against.
#[derive(Clone, Debug)]
pub struct Subject<'s> {
    /// As people know it.
    pub name: &'s str,
    /// Keys and policy.
    pub setup: &'s Setup,
    /// The rule that fits.
    pub governing: Governing<'s>,
    /// Where Kustomize puts it.
    pub placements: Vec<Placement>,
}

/// A sealed value that the webhook would open.
#[derive(Debug)]
pub struct Opened {
    /// Its key.
    pub key: String,
    /// The most bytes that it can have.
    pub most: usize,
}
