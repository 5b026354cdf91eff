//! How Vault is reached, and as whom.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use zeroize::Zeroizing;

use crate::service::connect_error::ConnectError;
use crate::service::key_service::CallLimits;

/// How Vault or OpenBao is reached.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct VaultOptions {
    /// `https://` and a host, with a port where it is not 443. Plain `http://` is only for this machine.
    pub address: Option<String>,
    /// PEM file of the authorities that the server's certificate may come from; those of the system when there is none.
    pub ca_file: Option<PathBuf>,
    /// The namespace of Vault Enterprise or OpenBao.
    pub namespace: Option<String>,
    /// How to log in.
    pub auth: Option<VaultAuth>,
    /// How much may be asked of it.
    pub limits: CallLimits,
}

/// How to log in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VaultAuth {
    /// A JWT that Vault checks against the issuer's keys: a projected service account token, a workflow's OIDC token.
    Jwt {
        /// Where the method is mounted, often `jwt`.
        mount: String,
        /// The role to log in to; the method's default role when there is none.
        role: Option<String>,
        /// The file of the JWT. Read again for every login: the kubelet replaces it.
        token_file: PathBuf,
    },
    /// A service account token that Vault has the API server review.
    Kubernetes {
        /// Where the method is mounted, often `kubernetes`.
        mount: String,
        /// The role to log in to.
        role: String,
        /// The file of the token. Read again for every login.
        token_file: PathBuf,
    },
    /// A token from elsewhere, such as an agent's. A static credential: a copy of it has all our rights.
    TokenFile(PathBuf),
    /// A token in memory. A static credential.
    Token(Token),
}

impl VaultAuth {
    /// Whether it is a secret that has to be stored, rather than the platform's proof of identity.
    pub fn is_static(&self) -> bool {
        match self {
            Self::Jwt { .. } | Self::Kubernetes { .. } => false,
            Self::Token(_) | Self::TokenFile(_) => true,
        }
    }
}

/// A token; wiped when dropped, never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(Arc<Zeroizing<String>>);

impl Token {
    /// Takes a token; `None` when it holds anything but visible ASCII characters, which no header could carry.
    pub fn new(token: String) -> Option<Self> {
        let token = Zeroizing::new(token);
        let legal =
            (1..=64 * 1024).contains(&token.len()) && token.bytes().all(|b| b.is_ascii_graphic());
        legal.then(|| Self(Arc::new(token)))
    }

    pub(super) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<redacted>")
    }
}

impl VaultOptions {
    /// Reads what Vault's own tool reads: `VAULT_ADDR`, `VAULT_CACERT`, `VAULT_NAMESPACE`, `VAULT_TOKEN`, and the
    /// token file that `vault login` leaves in the home folder. There is no switch that turns the check of the server's
    /// certificate off: `VAULT_SKIP_VERIFY` is an error rather than ignored.
    ///
    /// # Errors
    /// A variable that says nothing usable.
    pub fn from_env() -> Result<Self, ConnectError> {
        Self::from_variables(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
    }

    fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Result<Self, ConnectError> {
        let skip = variable("VAULT_SKIP_VERIFY");
        if skip.is_some_and(|value| !matches!(&*value.to_lowercase(), "0" | "f" | "false")) {
            return Err(ConnectError::settings(
                "vault",
                "VAULT_SKIP_VERIFY is set, but the certificate of the server is always checked; \
                 name its authority in VAULT_CACERT and unset VAULT_SKIP_VERIFY",
            ));
        }
        let auth = match variable("VAULT_TOKEN") {
            Some(token) => Some(VaultAuth::Token(Token::new(token).ok_or_else(|| {
                ConnectError::settings("vault", "VAULT_TOKEN does not contain a token")
            })?)),
            None => variable("HOME")
                .map(|home| PathBuf::from(home).join(".vault-token"))
                .filter(|file| file.is_file())
                .map(VaultAuth::TokenFile),
        };
        Ok(Self {
            address: variable("VAULT_ADDR"),
            ca_file: variable("VAULT_CACERT").map(PathBuf::from),
            namespace: variable("VAULT_NAMESPACE"),
            auth,
            limits: CallLimits::default(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(pairs: &[(&str, &str)]) -> Result<VaultOptions, ConnectError> {
        VaultOptions::from_variables(|name| {
            let found = pairs.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn the_environment_says_what_it_says_to_vaults_own_tool() {
        let options = from(&[
            ("VAULT_ADDR", "https://vault:8200"),
            ("VAULT_CACERT", "/ca.pem"),
            ("VAULT_NAMESPACE", "team"),
            ("VAULT_TOKEN", "hvs.secret"),
        ])
        .unwrap();
        assert_eq!(options.address.as_deref(), Some("https://vault:8200"));
        assert_eq!(options.ca_file, Some(PathBuf::from("/ca.pem")));
        assert_eq!(options.namespace.as_deref(), Some("team"));
        let Some(VaultAuth::Token(token)) = &options.auth else {
            panic!("{options:?}");
        };
        assert_eq!(token.expose(), "hvs.secret");
    }

    #[test]
    fn the_check_of_certificates_cannot_be_switched_off() {
        for value in ["1", "true", "no", "yes", "t"] {
            let error = from(&[("VAULT_SKIP_VERIFY", value)])
                .unwrap_err()
                .to_string();
            assert!(error.contains("VAULT_CACERT"), "{error}");
        }
        for value in ["0", "false", "F"] {
            from(&[("VAULT_SKIP_VERIFY", value)]).unwrap();
        }
    }

    #[test]
    fn tokens_are_not_printed() {
        let options = from(&[("VAULT_TOKEN", "hvs.secret")]).unwrap();
        assert!(!format!("{options:?}{options:#?}").contains("hvs"));
    }

    #[test]
    fn a_token_that_no_header_carries_is_refused() {
        for token in ["", "a b", "a\nb", "ä"] {
            assert!(Token::new(token.to_owned()).is_none(), "{token:?}");
        }
    }
}
