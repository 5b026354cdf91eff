//! Three calls over a unix socket.

use std::path::{Path, PathBuf};
use std::time::Duration;

use http::uri::PathAndQuery;
use hyper_util::rt::TokioIo;
use jwe_envelope::{KeyError, SecretBytes};
use tokio::net::UnixStream;
use tokio::time::{Instant, timeout_at};
use tonic::client::Grpc;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};
use tonic_prost::ProstCodec;

use super::messages::{
    DecryptRequest, DecryptResponse, EncryptRequest, EncryptResponse, StatusRequest, StatusResponse,
};
use super::wrapped::{Wrapped, WrappedKeyError};
use crate::error::Category;
use crate::remote::Words;

/// More than a plugin has to say: 1 KiB of ciphertext, 32 KiB of annotations.
const LARGEST: usize = 64 * 1024;
const CONNECT: Duration = Duration::from_secs(2);

/// Why a plugin did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PluginError {
    /// It answers something else than the protocol says.
    #[error("the plugin speaks version {0:?} of the protocol, not v2")]
    OtherVersion(String),
    /// The private key to wrap is none.
    #[error("the private key cannot be used")]
    Key(#[from] KeyError),
    /// It did not answer in time.
    #[error("the plugin did not answer in time")]
    Late,
    /// The socket belongs to somebody who could be anybody.
    #[error("the socket {path:?} belongs to user {owner}, who would learn the key")]
    OtherOwner {
        /// The socket.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
    },
    /// It refuses, or the way to it is broken.
    #[error("the plugin refuses")]
    Refused(#[source] Refusal),
    /// It says that it is not healthy.
    #[error("the plugin says that it is not well")]
    Unhealthy,
    /// The file cannot be made or opened.
    #[error(transparent)]
    Wrapped(#[from] WrappedKeyError),
}

/// A gRPC status, cut short.
#[derive(Debug)]
pub struct Refusal {
    code: Code,
    words: Words,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.words.fmt(f)
    }
}

impl std::error::Error for Refusal {}

impl From<Status> for PluginError {
    fn from(status: Status) -> Self {
        Self::Refused(Refusal {
            code: status.code(),
            words: Words::new(format_args!("{:?}", status.code()), status.message()),
        })
    }
}

impl PluginError {
    /// What it means for whoever wants a key unwrapped.
    pub fn category(&self) -> Category {
        match self {
            Self::Key(_) | Self::OtherOwner { .. } | Self::OtherVersion(_) | Self::Wrapped(_) => {
                Category::Misconfigured
            }
            Self::Late | Self::Unhealthy => Category::Unavailable,
            Self::Refused(refusal) => judge(refusal.code),
        }
    }
}

/// <https://grpc.io/docs/guides/status-codes>
fn judge(code: Code) -> Category {
    match code {
        Code::PermissionDenied | Code::Unauthenticated => Category::Denied,
        Code::NotFound => Category::UnknownKey,
        // Another key, a damaged file, another protocol: a person's to mend.
        Code::AlreadyExists
        | Code::DataLoss
        | Code::FailedPrecondition
        | Code::InvalidArgument
        | Code::OutOfRange
        | Code::Unimplemented => Category::Misconfigured,
        // Most plugins say `Unknown` for whatever their KMS says.
        Code::Aborted
        | Code::Cancelled
        | Code::DeadlineExceeded
        | Code::Internal
        | Code::Ok
        | Code::ResourceExhausted
        | Code::Unavailable
        | Code::Unknown => Category::Unavailable,
    }
}

/// The plugin behind one socket.
#[derive(Debug)]
pub(super) struct Plugin(Channel);

impl Plugin {
    pub(super) fn at(socket: &Path) -> Result<Self, PluginError> {
        check_owner(socket)?;
        let path = socket.to_owned();
        let connector = tower::service_fn(move |_| {
            let path = path.clone();
            async move { UnixStream::connect(path).await.map(TokioIo::new) }
        });
        // The name is for the protocol alone; the connector goes to the socket.
        let endpoint = Endpoint::from_static("http://kms-plugin").connect_timeout(CONNECT);
        Ok(Self(endpoint.connect_with_connector_lazy(connector)))
    }

    /// The 32 bytes that were wrapped.
    pub(super) async fn decrypt(
        &self,
        wrapped: &Wrapped,
        deadline: Instant,
    ) -> Result<SecretBytes, PluginError> {
        self.check(deadline).await?;
        let request = DecryptRequest {
            ciphertext: wrapped.ciphertext.clone(),
            uid: uid(),
            key_id: wrapped.key_id.clone(),
            annotations: wrapped.annotations.clone().into_iter().collect(),
        };
        let mut answer: DecryptResponse = self.call("Decrypt", request, deadline).await?;
        Ok(SecretBytes::new(std::mem::take(&mut answer.plaintext)))
    }

    pub(super) async fn encrypt(
        &self,
        secret: &SecretBytes,
        deadline: Instant,
    ) -> Result<Wrapped, PluginError> {
        self.check(deadline).await?;
        let request = EncryptRequest {
            plaintext: secret.expose().to_vec(),
            uid: uid(),
        };
        let answer: EncryptResponse = self.call("Encrypt", request, deadline).await?;
        Ok(Wrapped {
            ciphertext: answer.ciphertext,
            key_id: answer.key_id,
            annotations: answer.annotations.into_iter().collect(),
        })
    }

    async fn check(&self, deadline: Instant) -> Result<(), PluginError> {
        let status: StatusResponse = self.call("Status", StatusRequest {}, deadline).await?;
        // `v2beta1` has the same messages under the same names.
        if !["v2", "v2beta1"].contains(&status.version.as_str()) {
            return Err(PluginError::OtherVersion(
                status.version.chars().take(40).collect(),
            ));
        }
        if status.healthz != "ok" {
            return Err(PluginError::Unhealthy);
        }
        Ok(())
    }

    async fn call<Q, A>(
        &self,
        method: &'static str,
        request: Q,
        deadline: Instant,
    ) -> Result<A, PluginError>
    where
        Q: prost::Message + 'static,
        A: prost::Message + Default + 'static,
    {
        let path = match method {
            "Decrypt" => PathAndQuery::from_static("/v2.KeyManagementService/Decrypt"),
            "Encrypt" => PathAndQuery::from_static("/v2.KeyManagementService/Encrypt"),
            _ => PathAndQuery::from_static("/v2.KeyManagementService/Status"),
        };
        let mut client = Grpc::new(self.0.clone()).max_decoding_message_size(LARGEST);
        let call = async {
            client
                .ready()
                .await
                .map_err(|error| Status::unavailable(error.to_string()))?;
            client
                .unary(Request::new(request), path, ProstCodec::default())
                .await
        };
        let answer = timeout_at(deadline, call)
            .await
            .map_err(|_| PluginError::Late)??;
        Ok(answer.into_inner())
    }
}

/// Plugins log it, so that both sides' logs can be held together.
fn uid() -> String {
    let mut bytes = [0; 16];
    // Without randomness the calls only look alike in logs.
    let _ = aws_lc_rs::rand::fill(&mut bytes);
    bytes
        .iter()
        .fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

/// Who listens there learns what we send. A socket that is not there yet is found out at the first call.
fn check_owner(path: &Path) -> Result<(), PluginError> {
    use std::os::unix::fs::MetadataExt as _;
    const ROOT: u32 = 0;
    let Ok(metadata) = path.metadata() else {
        return Ok(());
    };
    let owner = metadata.uid();
    if owner == ROOT || owner == rustix::process::geteuid().as_raw() {
        return Ok(());
    }
    Err(PluginError::OtherOwner {
        path: path.to_owned(),
        owner,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table;

    /// The rows of docs/key-services.md.
    #[test]
    fn each_status_has_its_category() {
        let codes: Vec<_> = (0..17).map(Code::from_i32).collect();
        for row in table::rows("kms-plugin") {
            let code = codes
                .iter()
                .find(|code| format!("{code:?}") == row.code)
                .unwrap_or_else(|| panic!("{}", row.code));
            let error = PluginError::from(Status::new(*code, "their words"));
            assert_eq!(
                error.category().as_str(),
                row.category.as_str(),
                "{}",
                row.code
            );
            let retried = error.category() == Category::Unavailable;
            assert_eq!(retried, row.retried, "{}", row.code);
        }
    }

    #[test]
    fn a_refusal_speaks_in_its_source_alone() {
        let error = PluginError::from(Status::internal("their words"));
        assert_eq!(error.to_string(), "the plugin refuses");
        let source = std::error::Error::source(&error).unwrap();
        assert_eq!(source.to_string(), "Internal: \"their words\"");
    }
}
