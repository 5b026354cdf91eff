//! `keyServices.azure`

use kms_backends::azure::AzureIdentity;

use super::Services;
use super::common::is_https;
use crate::config::loader::ServingLoader;
use unseal_policy::config::quoted;
use unseal_policy::config::reader::Setting;

const KNOWN: &[&str] = &[
    "address",
    "auth",
    "authorityHost",
    "caFile",
    "timeout",
    "callsPerSecond",
];
const WAYS: &str = "say who we are: `platform` (the pod's workload identity), `managedIdentity` (the machine's) or `environment`";

impl ServingLoader<'_> {
    pub(super) fn azure(&mut self, field: &Setting<'_>, services: &mut Services) {
        let Some(members) = field.members(self.rules.problems, KNOWN) else {
            return;
        };
        let options = &mut services.options.azure;
        options.authority_host = self.word_like(
            members.optional("authorityHost"),
            is_https,
            "an address such as `https://login.microsoftonline.com`",
        );
        options.ca_file = self.authorities(members.optional("caFile"));
        if let Some(field) = members.optional("address")
            && let Some(text) = field.text(self.rules.problems)
        {
            options.address = text.parse().ok();
            if options.address.is_none() {
                field.problem(
                    self.rules.problems,
                    format!(
                        "must be an address and a port such as `10.0.0.4:443`, not {}",
                        quoted(text)
                    ),
                );
            }
        }
        self.call_limits(&members, &mut options.limits);
        if let Some(identity) = members
            .optional("auth")
            .and_then(|auth| self.azure_identity(&auth))
        {
            options.identity = identity;
        }
        let warnings = options.warnings();
        services
            .warnings
            .extend(warnings.iter().map(|warning| format!("azure: {warning}")));
    }

    fn azure_identity(&mut self, field: &Setting<'_>) -> Option<AzureIdentity> {
        let ways = field.members(
            self.rules.problems,
            &["platform", "managedIdentity", "environment"],
        )?;
        let found = (
            ways.optional("platform"),
            ways.optional("managedIdentity"),
            ways.optional("environment"),
        );
        match found {
            (Some(field), None, None) => {
                field.members(self.rules.problems, &[])?;
                Some(AzureIdentity::Platform)
            }
            (None, Some(field), None) => {
                let members = field.members(self.rules.problems, &["clientId"])?;
                let client_id = match members.optional("clientId") {
                    None => None,
                    some => Some(self.word_like(
                        some,
                        is_client_id,
                        "a client ID such as `00000000-1111-2222-3333-444444444444`",
                    )?),
                };
                Some(AzureIdentity::ManagedIdentity(client_id))
            }
            (None, None, Some(field)) => {
                field.members(self.rules.problems, &[])?;
                Some(AzureIdentity::Environment)
            }
            _ => {
                field.problem(self.rules.problems, format!("must name one way; {WAYS}"));
                None
            }
        }
    }
}

fn is_client_id(text: &str) -> bool {
    let lengths: Vec<_> = text.split('-').map(str::len).collect();
    lengths == [8, 4, 4, 4, 12] && text.bytes().all(|b| b == b'-' || b.is_ascii_hexdigit())
}
