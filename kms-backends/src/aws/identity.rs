//! One credentials provider, chosen and built explicitly.

use aws_config::ecs::EcsCredentialsProvider;
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::web_identity_token::{StaticConfiguration, WebIdentityTokenCredentialsProvider};
use aws_sdk_kms::config::{Credentials, SharedCredentialsProvider};

use super::options::{AwsIdentity, variable};
use crate::service::connect_error::ConnectError;

/// The provider for `identity`; what it fetches, it fetches as `config` says.
pub(super) fn provider(
    identity: &AwsIdentity,
    config: &ProviderConfig,
) -> Result<SharedCredentialsProvider, ConnectError> {
    Ok(match identity {
        AwsIdentity::Platform => return platform(config, &variable),
        AwsIdentity::Profile(name) => {
            let mut builder = ProfileFileCredentialsProvider::builder().configure(config);
            if let Some(name) = name {
                builder = builder.profile_name(name);
            }
            SharedCredentialsProvider::new(builder.build())
        }
        AwsIdentity::Static(credentials) => {
            let (id, secret, token) = credentials.parts();
            let credentials =
                Credentials::new(id, secret, token.map(str::to_owned), None, "privy-static");
            SharedCredentialsProvider::new(credentials)
        }
        AwsIdentity::WebIdentity {
            role_arn,
            token_file,
            session_name,
        } => web_identity(config, role_arn, token_file.clone(), session_name),
    })
}

/// IRSA where its variables are, Pod Identity where its are. Neither: the instance's own role is not ours to use.
fn platform(
    config: &ProviderConfig,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<SharedCredentialsProvider, ConnectError> {
    match (
        variable("AWS_WEB_IDENTITY_TOKEN_FILE"),
        variable("AWS_ROLE_ARN"),
    ) {
        (Some(file), Some(role)) => {
            let name = variable("AWS_ROLE_SESSION_NAME");
            let name = name.as_deref().unwrap_or("privy-webhook");
            return Ok(web_identity(config, &role, file.into(), name));
        }
        (None, None) => {}
        (file, _) => {
            let missing = if file.is_some() {
                "AWS_ROLE_ARN"
            } else {
                "AWS_WEB_IDENTITY_TOKEN_FILE"
            };
            return Err(settings(format!(
                "the pod's web identity is incomplete: {missing} is not set; check the annotation of its service account"
            )));
        }
    }
    if variable("AWS_CONTAINER_CREDENTIALS_FULL_URI").is_some() {
        let provider = EcsCredentialsProvider::builder().configure(config).build();
        return Ok(SharedCredentialsProvider::new(provider));
    }
    Err(settings(
        "the platform provides no identity for this process: neither IRSA nor EKS Pod Identity is set up for its \
         service account; the role of the machine is not used",
    ))
}

fn web_identity(
    config: &ProviderConfig,
    role_arn: &str,
    token_file: std::path::PathBuf,
    session_name: &str,
) -> SharedCredentialsProvider {
    let provider = WebIdentityTokenCredentialsProvider::builder()
        .configure(config)
        .static_configuration(StaticConfiguration {
            web_identity_token_file: token_file,
            role_arn: role_arn.to_owned(),
            session_name: session_name.to_owned(),
        })
        .build();
    SharedCredentialsProvider::new(provider)
}

pub(super) fn settings(message: impl Into<String>) -> ConnectError {
    ConnectError::settings("aws", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(pairs: &[(&str, &str)]) -> Result<SharedCredentialsProvider, ConnectError> {
        platform(&ProviderConfig::empty(), &|name| {
            let found = pairs.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn the_platform_gives_a_web_identity_or_pod_identity_and_never_the_machines_role() {
        let both = [
            ("AWS_WEB_IDENTITY_TOKEN_FILE", "/t"),
            ("AWS_ROLE_ARN", "arn:aws:iam::1:role/r"),
        ];
        assert!(format!("{:?}", chosen(&both).unwrap()).contains("WebIdentity"));
        let pod = [(
            "AWS_CONTAINER_CREDENTIALS_FULL_URI",
            "http://169.254.170.23/v1/credentials",
        )];
        assert!(format!("{:?}", chosen(&pod).unwrap()).contains("Ecs"));
        let none = chosen(&[]).unwrap_err().to_string();
        assert!(none.contains("no identity"), "{none}");
    }

    #[test]
    fn half_a_web_identity_is_an_error_and_not_a_reason_to_try_something_else() {
        for (name, missing) in [
            ("AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN"),
            ("AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE"),
        ] {
            let pod = (
                "AWS_CONTAINER_CREDENTIALS_FULL_URI",
                "http://169.254.170.23/v1/credentials",
            );
            let error = chosen(&[(name, "x"), pod]).unwrap_err().to_string();
            assert!(error.contains(missing), "{error}");
        }
    }
}
