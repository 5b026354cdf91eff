//! `keyServices`: how each key service is reached, and as whom.

mod common;

#[cfg(feature = "aws")]
mod aws;
#[cfg(feature = "azure")]
mod azure;
#[cfg(feature = "gcp")]
mod gcp;
#[cfg(feature = "pkcs11")]
mod pkcs11;
#[cfg(feature = "kms-plugin")]
mod plugin;
#[cfg(feature = "vault")]
mod vault;

use std::time::Duration;

use kms_backends::KeyServices;

use super::loader::{ServingLoader, how_to_get};
use unseal_policy::config::reader::SettingMembers;

/// What `keyServices` says.
pub(super) struct Services {
    pub(super) options: KeyServices,
    /// How often the versions of keys are listed.
    pub(super) refresh: Duration,
    /// What is allowed and better avoided.
    pub(super) warnings: Vec<String>,
}

/// Each section, and the feature that brings its service.
const SECTIONS: &[(&str, &str)] = &[
    ("aws", "aws"),
    ("azure", "azure"),
    ("gcp", "gcp"),
    ("kmsPlugin", "kms-plugin"),
    ("pkcs11", "pkcs11"),
    ("vault", "vault"),
];

const MEMBERS: &[&str] = &[
    "refresh",
    "aws",
    "azure",
    "gcp",
    "kmsPlugin",
    "pkcs11",
    "vault",
];

impl ServingLoader<'_> {
    pub(super) fn services(&mut self, members: &SettingMembers<'_>) -> Services {
        let mut services = Services {
            options: KeyServices::default(),
            refresh: Duration::from_mins(5),
            warnings: Vec::new(),
        };
        let faults = self.rules.problems.len();
        let Some(members) = members
            .optional("keyServices")
            .and_then(|field| field.members(self.rules.problems, MEMBERS))
        else {
            return services;
        };
        if let Some(field) = members.optional("refresh") {
            let range = Duration::from_secs(10)..=Duration::from_hours(24);
            services.refresh = field
                .duration(self.rules.problems, range)
                .unwrap_or(services.refresh);
        }
        for (name, feature) in SECTIONS {
            let Some(field) = members.optional(name) else {
                continue;
            };
            match *name {
                #[cfg(feature = "aws")]
                "aws" => self.aws(&field, &mut services),
                #[cfg(feature = "azure")]
                "azure" => self.azure(&field, &mut services),
                #[cfg(feature = "gcp")]
                "gcp" => self.gcp(&field, &mut services),
                #[cfg(feature = "kms-plugin")]
                "kmsPlugin" => self.kms_plugin(&field, &mut services),
                #[cfg(feature = "pkcs11")]
                "pkcs11" => self.pkcs11(&field, &mut services),
                #[cfg(feature = "vault")]
                "vault" => self.vault(&field, &mut services),
                _ => field.problem(
                    self.rules.problems,
                    format!(
                        "is not in this build of privy-webhook; {}",
                        how_to_get(feature)
                    ),
                ),
            }
        }
        self.services_at_fault = self.rules.problems.len() > faults;
        services
    }
}

#[cfg(test)]
mod tests;
