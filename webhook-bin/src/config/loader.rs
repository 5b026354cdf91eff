//! What reads the configuration for the server: the loader of keys and policy, and what the rest needs besides.

use std::path::Path;

use kms_backends::read_file_bounded;
use unseal_policy::config::{Loader, Problems};

/// What the command line adds to the file.
#[derive(Clone, Copy, Debug, Default)]
pub struct Overrides {
    /// Serve callers that prove nothing, where the file names no way to.
    pub allow_unauthenticated_callers: bool,
}

/// Reads a configuration for the server while it notes what is wrong.
pub(super) struct ServingLoader<'p> {
    /// Reads keys and policy.
    pub(super) rules: Loader<'p>,
    pub(super) overrides: Overrides,
    /// Whether `keyServices` has a fault; what a key then cannot do is its consequence.
    pub(super) services_at_fault: bool,
}

impl<'p> ServingLoader<'p> {
    pub(super) fn new(file: &'p Path, overrides: Overrides, problems: &'p mut Problems) -> Self {
        let mut rules = Loader::new(file, &read_file_bounded, problems);
        rules.not_in_this_build = Some(reference_not_in_this_build);
        Self {
            rules,
            overrides,
            services_at_fault: false,
        }
    }
}

/// What to say of a key whose service is not in this build.
fn reference_not_in_this_build(scheme: &str, feature: &str) -> String {
    format!(
        "`{scheme}:` keys are not in this build of privy-webhook; {}",
        how_to_get(feature)
    )
}

/// The next step for anyone who lacks a key service.
pub(super) fn how_to_get(feature: &str) -> String {
    format!(
        "run one that was built with the feature `{feature}`: cargo install webhook-bin --features {feature} \
         (`all-services` has every one)"
    )
}
