//! `keyServices.aws`

use kms_backends::aws::{AwsIdentity, StaticCredentials};

use super::Services;
use crate::config::loader::ServingLoader;
use unseal_policy::config::reader::Setting;

const KNOWN: &[&str] = &["endpoint", "caFile", "auth", "timeout", "callsPerSecond"];
const WAYS: &str = "say who we are: `platform` (what EKS injects), `webIdentity` or `environment`";

impl ServingLoader<'_> {
    pub(super) fn aws(&mut self, field: &Setting<'_>, services: &mut Services) {
        let Some(members) = field.members(self.rules.problems, KNOWN) else {
            return;
        };
        let options = &mut services.options.aws;
        options.endpoint = self.endpoint(
            members.optional("endpoint"),
            "https://kms.eu-central-1.amazonaws.com",
        );
        options.ca_file = self.authorities(members.optional("caFile"));
        self.call_limits(&members, &mut options.limits);
        let Some(auth) = members.optional("auth") else {
            return;
        };
        let Some(identity) = self.aws_identity(&auth) else {
            return;
        };
        if identity.is_static() {
            services.warnings.push(
                "aws: the access key in the environment is a static credential; anyone who copies it can have envelopes opened. \
                 Prefer `platform`, where EKS proves who we are"
                    .to_owned(),
            );
        }
        services.options.aws.identity = identity;
    }

    fn aws_identity(&mut self, field: &Setting<'_>) -> Option<AwsIdentity> {
        let ways = field.members(
            self.rules.problems,
            &["platform", "webIdentity", "environment"],
        )?;
        let found = (
            ways.optional("platform"),
            ways.optional("webIdentity"),
            ways.optional("environment"),
        );
        match found {
            (Some(field), None, None) => {
                field.members(self.rules.problems, &[])?;
                Some(AwsIdentity::Platform)
            }
            (None, Some(field), None) => {
                let members = field.members(
                    self.rules.problems,
                    &["roleArn", "tokenFile", "sessionName"],
                )?;
                let role =
                    members.required(self.rules.problems, "roleArn", "name the role to assume");
                let role_arn = self.word_like(
                    role,
                    is_role,
                    "a role's ARN such as `arn:aws:iam::111122223333:role/privy`",
                );
                let file = members.required(
                    self.rules.problems,
                    "tokenFile",
                    "name the file of the projected token",
                );
                let token_file = file.and_then(|field| self.rules.path(&field));
                let session_name = match members.optional("sessionName") {
                    None => Some("privy-webhook".to_owned()),
                    some => self.word_like(
                        some,
                        is_session_name,
                        "2 to 64 characters of a-z, A-Z, 0-9 and `_+=,.@-`, as CloudTrail shows sessions",
                    ),
                };
                Some(AwsIdentity::WebIdentity {
                    role_arn: role_arn?,
                    token_file: token_file?,
                    session_name: session_name?,
                })
            }
            (None, None, Some(field)) => {
                field.members(self.rules.problems, &[])?;
                let credentials = StaticCredentials::from_env();
                if credentials.is_none() {
                    field.problem(
                        self.rules.problems,
                        "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not both set; set them, or use `platform`",
                    );
                }
                credentials.map(AwsIdentity::Static)
            }
            _ => {
                field.problem(self.rules.problems, format!("must name one way; {WAYS}"));
                None
            }
        }
    }
}

fn is_role(text: &str) -> bool {
    let parts: Vec<_> = text.splitn(6, ':').collect();
    let [arn, partition, service, region, account, role] = parts[..] else {
        return false;
    };
    arn == "arn"
        && partition.starts_with("aws")
        && (service, region) == ("iam", "")
        && account.len() == 12
        && account.bytes().all(|b| b.is_ascii_digit())
        && role
            .strip_prefix("role/")
            .is_some_and(|name| !name.is_empty())
        && role.bytes().all(|b| b.is_ascii_graphic())
}

fn is_session_name(text: &str) -> bool {
    (2..=64).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"_+=,.@-".contains(&b))
}
