//! `keyServices.vault`

use kms_backends::vault::VaultAuth;

use super::Services;
use crate::config::loader::ServingLoader;
use unseal_policy::config::reader::{Setting, SettingMembers};

const KNOWN: &[&str] = &[
    "address",
    "caFile",
    "namespace",
    "auth",
    "timeout",
    "callsPerSecond",
];
const WAYS: &str = "say how to log in: `kubernetes`, `jwt` or `tokenFile`";

impl ServingLoader<'_> {
    pub(super) fn vault(&mut self, field: &Setting<'_>, services: &mut Services) {
        let Some(members) = field.members(self.rules.problems, KNOWN) else {
            return;
        };
        let options = &mut services.options.vault;
        let address = members.required(
            self.rules.problems,
            "address",
            "write the server's address, as `https://vault.example:8200`",
        );
        options.address = self.endpoint(address, "https://vault.example:8200");
        options.ca_file = self.authorities(members.optional("caFile"));
        options.namespace = self.word_like(
            members.optional("namespace"),
            |text| text.len() <= 256 && text.bytes().all(|b| b.is_ascii_graphic()),
            "1 to 256 visible ASCII characters such as `team-a/payments`",
        );
        self.call_limits(&members, &mut options.limits);
        let Some(auth) = members.required(self.rules.problems, "auth", WAYS) else {
            return;
        };
        options.auth = self.vault_auth(&auth);
        if options.auth.as_ref().is_some_and(VaultAuth::is_static) {
            services.warnings.push(
                "vault: `tokenFile` is a static credential; anyone who copies it can have envelopes opened. Prefer `kubernetes` or \
                 `jwt`, where a projected token proves who we are"
                    .to_owned(),
            );
        }
    }

    fn vault_auth(&mut self, field: &Setting<'_>) -> Option<VaultAuth> {
        let ways = field.members(self.rules.problems, &["kubernetes", "jwt", "tokenFile"])?;
        let found = (
            ways.optional("kubernetes"),
            ways.optional("jwt"),
            ways.optional("tokenFile"),
        );
        match found {
            (Some(field), None, None) => {
                let members =
                    field.members(self.rules.problems, &["mount", "role", "tokenFile"])?;
                let role =
                    members.required(self.rules.problems, "role", "name the role to log in to");
                let role = self.optional_text(role);
                let default = "/var/run/secrets/kubernetes.io/serviceaccount/token";
                let token_file = match members.optional("tokenFile") {
                    Some(field) => self.rules.path(&field),
                    None => Some(default.into()),
                };
                let mount = self.vault_mount(&members, "kubernetes");
                Some(VaultAuth::Kubernetes {
                    mount: mount?,
                    role: role?,
                    token_file: token_file?,
                })
            }
            (None, Some(field), None) => {
                let members =
                    field.members(self.rules.problems, &["mount", "role", "tokenFile"])?;
                let file = members.required(
                    self.rules.problems,
                    "tokenFile",
                    "name the file of a projected token whose audience is Vault's",
                );
                let role = self.optional_text(members.optional("role"));
                let token_file = file.and_then(|field| self.rules.path(&field));
                Some(VaultAuth::Jwt {
                    mount: self.vault_mount(&members, "jwt")?,
                    role,
                    token_file: token_file?,
                })
            }
            (None, None, Some(field)) => self.rules.path(&field).map(VaultAuth::TokenFile),
            _ => {
                field.problem(self.rules.problems, format!("must name one way; {WAYS}"));
                None
            }
        }
    }

    /// Part of a path, so it is held to the alphabet of mounts.
    fn vault_mount(&mut self, members: &SettingMembers<'_>, default: &str) -> Option<String> {
        let Some(field) = members.optional("mount") else {
            return Some(default.to_owned());
        };
        let mount = field.text(self.rules.problems)?;
        let word = |word: &str| {
            !word.is_empty()
                && !word.starts_with('.')
                && word
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
        };
        if mount.len() > 128 || mount.contains("..") || !mount.split('/').all(word) {
            field.problem(
                self.rules.problems,
                "must be where the method is mounted below `auth/`, such as `kubernetes`",
            );
            return None;
        }
        Some(mount.to_owned())
    }
}
