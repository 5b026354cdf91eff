//! How AWS KMS is reached, and as whom.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use zeroize::Zeroizing;

use crate::service::connect_error::ConnectError;
use crate::service::key_service::CallLimits;

/// How AWS KMS is reached. The region is in the key's ARN.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct AwsOptions {
    /// Another endpoint than the region's own, such as an interface endpoint's; `https://`, or `http://` on this machine.
    pub endpoint: Option<String>,
    /// PEM file of the authorities that its certificate may come from; those of the system when there is none.
    pub ca_file: Option<PathBuf>,
    /// Who we are.
    pub identity: AwsIdentity,
    /// How much may be asked of it.
    pub limits: CallLimits,
}

/// Who we are to AWS. One way each, and no falling through to the next: a broken set-up must not end in using the rights of
/// the machine that we happen to run on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum AwsIdentity {
    /// What EKS injects into the pod: a web identity (IRSA), or the container credentials of EKS Pod Identity.
    #[default]
    Platform,
    /// A profile of the user's own AWS configuration; for people at a keyboard.
    Profile(Option<String>),
    /// Keys that someone has to keep.
    Static(StaticCredentials),
    /// IAM Roles for Service Accounts, spelled out.
    WebIdentity {
        /// The role to assume.
        role_arn: String,
        /// The file of the projected token. Read again for every session.
        token_file: PathBuf,
        /// The name of the sessions in CloudTrail.
        session_name: String,
    },
}

impl AwsIdentity {
    /// Whether it is a secret that someone has to keep.
    pub fn is_static(&self) -> bool {
        matches!(self, Self::Static(_))
    }
}

/// An access key; wiped when dropped, never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct StaticCredentials(Arc<Zeroizing<[String; 3]>>);

impl StaticCredentials {
    /// Access key ID, secret access key, and the session token of temporary ones.
    pub fn new(
        access_key_id: String,
        secret_access_key: String,
        session_token: Option<String>,
    ) -> Self {
        let token = session_token.unwrap_or_default();
        Self(Arc::new(Zeroizing::new([
            access_key_id,
            secret_access_key,
            token,
        ])))
    }

    /// From `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and `AWS_SESSION_TOKEN`.
    pub fn from_env() -> Option<Self> {
        Self::from_variables(&variable)
    }

    fn from_variables(variable: &dyn Fn(&str) -> Option<String>) -> Option<Self> {
        let id = variable("AWS_ACCESS_KEY_ID")?;
        let secret = variable("AWS_SECRET_ACCESS_KEY")?;
        Some(Self::new(id, secret, variable("AWS_SESSION_TOKEN")))
    }

    pub(super) fn parts(&self) -> (&str, &str, Option<&str>) {
        let [id, secret, token] = &**self.0;
        (id, secret, Some(&**token).filter(|token| !token.is_empty()))
    }
}

impl fmt::Debug for StaticCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<redacted>")
    }
}

impl AwsOptions {
    /// What the environment says to AWS' own tool, for people at a keyboard: keys in variables, what a platform injects, or a
    /// profile (`AWS_PROFILE`), in this order; `AWS_ENDPOINT_URL_KMS`, `AWS_CA_BUNDLE`.
    ///
    /// # Errors
    /// None at present.
    pub fn from_env() -> Result<Self, ConnectError> {
        Ok(Self::from_variables(&variable))
    }

    fn from_variables(variable: &dyn Fn(&str) -> Option<String>) -> Self {
        let platform = [
            "AWS_WEB_IDENTITY_TOKEN_FILE",
            "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        ];
        let identity = if let Some(credentials) = StaticCredentials::from_variables(variable) {
            AwsIdentity::Static(credentials)
        } else if platform.iter().any(|name| variable(name).is_some()) {
            AwsIdentity::Platform
        } else {
            AwsIdentity::Profile(variable("AWS_PROFILE"))
        };
        Self {
            endpoint: variable("AWS_ENDPOINT_URL_KMS"),
            ca_file: variable("AWS_CA_BUNDLE").map(PathBuf::from),
            identity,
            limits: CallLimits::default(),
        }
    }
}

pub(super) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(pairs: &[(&str, &str)]) -> AwsOptions {
        AwsOptions::from_variables(&|name| {
            let found = pairs.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn the_environment_names_one_identity() {
        let keys = [
            ("AWS_ACCESS_KEY_ID", "AKIA1"),
            ("AWS_SECRET_ACCESS_KEY", "s3cret"),
        ];
        let options = from(&keys);
        assert!(options.identity.is_static());
        assert!(!format!("{options:?}{options:#?}").contains("s3cret"));
        assert!(!format!("{options:?}").contains("AKIA1"));
        let irsa = from(&[("AWS_WEB_IDENTITY_TOKEN_FILE", "/t"), ("AWS_PROFILE", "p")]);
        assert_eq!(irsa.identity, AwsIdentity::Platform);
        let pod = from(&[(
            "AWS_CONTAINER_CREDENTIALS_FULL_URI",
            "http://169.254.170.23/v1",
        )]);
        assert_eq!(pod.identity, AwsIdentity::Platform);
        let person = from(&[
            ("AWS_PROFILE", "p"),
            ("AWS_ENDPOINT_URL_KMS", "https://kms"),
        ]);
        assert_eq!(person.identity, AwsIdentity::Profile(Some("p".to_owned())));
        assert_eq!(person.endpoint.as_deref(), Some("https://kms"));
    }
}
