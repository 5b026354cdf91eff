//! `keyServices.aws`

use kms_backends::aws::{AwsIdentity, StaticCredentials};

use super::Services;
use crate::config::reader::Field;
use crate::config::rules::Loader;

const KNOWN: &[&str] = &["endpoint", "caFile", "auth", "timeout", "callsPerSecond"];
const WAYS: &str = "say who we are: `platform` (what EKS injects), `webIdentity` or `environment`";

impl Loader<'_> {
    pub(super) fn aws(&mut self, field: &Field<'_>, services: &mut Services) {
        let Some(members) = field.members(self.problems, KNOWN) else {
            return;
        };
        let options = &mut services.options.aws;
        options.endpoint = self.optional_text(members.optional("endpoint"));
        options.ca_file = members
            .optional("caFile")
            .and_then(|field| self.path(&field));
        self.call_limits(&members, &mut options.limits);
        let Some(auth) = members.optional("auth") else {
            return;
        };
        let Some(identity) = self.aws_identity(&auth) else {
            return;
        };
        if identity.is_static() {
            services.warnings.push(
                "aws: the access key in the environment is a static credential; whoever copies it can have envelopes opened. \
                 Prefer `platform`, where EKS proves who we are"
                    .to_owned(),
            );
        }
        services.options.aws.identity = identity;
    }

    fn aws_identity(&mut self, field: &Field<'_>) -> Option<AwsIdentity> {
        let ways = field.members(self.problems, &["platform", "webIdentity", "environment"])?;
        let found = (
            ways.optional("platform"),
            ways.optional("webIdentity"),
            ways.optional("environment"),
        );
        match found {
            (Some(field), None, None) => {
                field.members(self.problems, &[])?;
                Some(AwsIdentity::Platform)
            }
            (None, Some(field), None) => {
                let members =
                    field.members(self.problems, &["roleArn", "tokenFile", "sessionName"])?;
                let role = members.required(self.problems, "roleArn", "name the role to assume");
                let role_arn = self.optional_text(role);
                let file = members.required(
                    self.problems,
                    "tokenFile",
                    "name the file of the projected token",
                );
                let session_name = self.optional_text(members.optional("sessionName"));
                Some(AwsIdentity::WebIdentity {
                    role_arn: role_arn?,
                    token_file: self.path(&file?)?,
                    session_name: session_name.unwrap_or_else(|| "privy-webhook".to_owned()),
                })
            }
            (None, None, Some(field)) => {
                field.members(self.problems, &[])?;
                let credentials = StaticCredentials::from_env();
                if credentials.is_none() {
                    field.problem(
                        self.problems,
                        "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not both set",
                    );
                }
                credentials.map(AwsIdentity::Static)
            }
            _ => {
                field.problem(self.problems, format!("must name one way; {WAYS}"));
                None
            }
        }
    }
}
