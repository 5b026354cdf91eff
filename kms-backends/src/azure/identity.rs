//! One credential, chosen and built explicitly.

use std::sync::Arc;

use azure_core::credentials::TokenCredential;
use azure_core::http::ClientOptions;
use azure_identity::{
    AzureCliCredential, ClientAssertionCredentialOptions, ClientSecretCredential,
    ClientSecretCredentialOptions, ManagedIdentityCredential, ManagedIdentityCredentialOptions,
    UserAssignedId, WorkloadIdentityCredential, WorkloadIdentityCredentialOptions,
};

use super::error::unusable;
use crate::service::connect_error::ConnectError;

/// Who we are to Azure. One way each, and no falling through to the next: a broken set-up must not end in using the rights of
/// the machine that we happen to run on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum AzureIdentity {
    /// Anyone who is logged in with Azure's own tool; for people at a keyboard.
    Cli,
    /// A secret that someone put into `AZURE_CLIENT_SECRET`, for `AZURE_TENANT_ID` and `AZURE_CLIENT_ID`.
    Environment,
    /// The managed identity of the machine, which every pod on it can have. With several, the client ID says which.
    ManagedIdentity(Option<String>),
    /// What workload identity injects into the pod: `AZURE_FEDERATED_TOKEN_FILE` and its companions.
    #[default]
    Platform,
}

const TOKEN_FILE: &str = "AZURE_FEDERATED_TOKEN_FILE";
const CLIENT_SECRET: &str = "AZURE_CLIENT_SECRET";
const CLIENT_ID: &str = "AZURE_CLIENT_ID";
const TENANT_ID: &str = "AZURE_TENANT_ID";

impl AzureIdentity {
    pub(super) fn of_a_person(variable: &dyn Fn(&str) -> Option<String>) -> Self {
        if variable(TOKEN_FILE).is_some() {
            Self::Platform
        } else if variable(CLIENT_SECRET).is_some() {
            Self::Environment
        } else {
            Self::Cli
        }
    }

    pub(super) fn warning(&self) -> Option<&'static str> {
        match self {
            Self::Cli | Self::Platform => None,
            Self::Environment => {
                Some("AZURE_CLIENT_SECRET is a long-lived credential; use workload identity")
            }
            Self::ManagedIdentity(_) => Some(
                "every pod on the machine can use its managed identity; use workload identity, which belongs to one pod",
            ),
        }
    }
}

/// The credential of `identity`; what it fetches, it fetches as `client_options` say.
pub(super) fn credential(
    identity: &AzureIdentity,
    client_options: ClientOptions,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<Arc<dyn TokenCredential>, ConnectError> {
    let credential: azure_core::Result<Arc<dyn TokenCredential>> = match identity {
        AzureIdentity::Cli => AzureCliCredential::new(None).map(|made| made as _),
        AzureIdentity::Environment => {
            let wanted = |name: &str| {
                variable(name).ok_or_else(|| {
                    settings(format!(
                        "the environment variable {name} is not set, and `auth: {{ environment: {{}} }}` needs it"
                    ))
                })
            };
            let options = ClientSecretCredentialOptions { client_options };
            ClientSecretCredential::new(
                &wanted(TENANT_ID)?,
                wanted(CLIENT_ID)?,
                wanted(CLIENT_SECRET)?.into(),
                Some(options),
            )
            .map(|made| made as _)
        }
        AzureIdentity::ManagedIdentity(client_id) => {
            let options = ManagedIdentityCredentialOptions {
                user_assigned_id: client_id.clone().map(UserAssignedId::ClientId),
                client_options,
            };
            ManagedIdentityCredential::new(Some(options)).map(|made| made as _)
        }
        AzureIdentity::Platform => {
            check_platform(variable)?;
            let options = WorkloadIdentityCredentialOptions {
                credential_options: ClientAssertionCredentialOptions { client_options },
                ..WorkloadIdentityCredentialOptions::default()
            };
            WorkloadIdentityCredential::new(Some(options)).map(|made| made as _)
        }
    };
    credential.map_err(|error| unusable(&error))
}

/// All of what the platform injects, or an error that says what is missing.
fn check_platform(variable: &dyn Fn(&str) -> Option<String>) -> Result<(), ConnectError> {
    let missing = |name: &&str| variable(name).is_none();
    let missing: Vec<_> = [TOKEN_FILE, TENANT_ID, CLIENT_ID]
        .into_iter()
        .filter(missing)
        .collect();
    match missing[..] {
        [] => Ok(()),
        [TOKEN_FILE, ..] => Err(settings(
            "the platform provides no identity for this process: workload identity is not set up for its service account, and the \
             managed identity of the machine is used only when configured; label the pod `azure.workload.identity/use: \"true\"` and annotate its service \
             account with the client ID, or say `keyServices.azure.auth: { managedIdentity: {} }`",
        )),
        _ => Err(settings(format!(
            "the pod's workload identity is incomplete: {} is not set; check the annotation of its service account",
            missing.join(" and ")
        ))),
    }
}

pub(super) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn settings(message: impl Into<String>) -> ConnectError {
    ConnectError::settings("azure", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    const POD: [(&str, &str); 3] = [(TOKEN_FILE, "/t"), (TENANT_ID, "t"), (CLIENT_ID, "c")];

    fn among<'p>(pairs: &'p [(&str, &str)]) -> impl Fn(&str) -> Option<String> + 'p {
        |name| {
            let found = pairs.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        }
    }

    fn refused(identity: &AzureIdentity, pairs: &[(&str, &str)]) -> String {
        let made = credential(identity, ClientOptions::default(), &among(pairs));
        made.expect_err("a refusal").to_string()
    }

    #[test]
    fn without_a_pods_identity_the_machines_is_not_used_and_the_next_step_is_named() {
        let secret = [(CLIENT_SECRET, "s"), (TENANT_ID, "t"), (CLIENT_ID, "c")];
        for environment in [&[][..], &[(CLIENT_ID, "c")], &secret] {
            let words = refused(&AzureIdentity::Platform, environment);
            assert!(words.contains("azure.workload.identity/use"), "{words}");
            assert!(words.contains("managedIdentity"), "{words}");
        }
        assert_eq!(AzureIdentity::default(), AzureIdentity::Platform);
    }

    #[test]
    fn half_an_identity_is_an_error_that_names_the_other_half() {
        for at in [1, 2] {
            let (name, _) = POD[at];
            let rest: Vec<_> = POD
                .into_iter()
                .filter(|(known, _)| *known != name)
                .collect();
            let words = refused(&AzureIdentity::Platform, &rest);
            assert!(
                words.contains(&format!("incomplete: {name} is not set")),
                "{words}"
            );
        }
        let words = refused(&AzureIdentity::Environment, &POD);
        assert!(words.contains(CLIENT_SECRET), "{words}");
    }

    #[test]
    fn a_person_is_a_pod_a_secret_or_whoever_is_logged_in_and_never_the_machine() {
        let of = |pairs| AzureIdentity::of_a_person(&among(pairs));
        assert_eq!(of(&POD), AzureIdentity::Platform);
        assert_eq!(of(&[(CLIENT_SECRET, "s")]), AzureIdentity::Environment);
        assert_eq!(of(&[]), AzureIdentity::Cli);
    }

    #[test]
    fn what_is_shared_or_lives_long_is_warned_about() {
        assert!(AzureIdentity::Platform.warning().is_none());
        let machine = AzureIdentity::ManagedIdentity(None);
        assert!(machine.warning().unwrap().contains("every pod"));
        let secret = AzureIdentity::Environment.warning().unwrap();
        assert!(secret.contains(CLIENT_SECRET));
    }
}
