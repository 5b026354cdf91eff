//! Three calls over a unix socket.

use std::path::Path;
use std::time::Duration;

use http::uri::PathAndQuery;
use hyper_util::rt::TokioIo;
use jwe_envelope::SecretBytes;
use tokio::net::UnixStream;
use tokio::time::{Instant, timeout_at};
use tonic::client::Grpc;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};
use tonic_prost::ProstCodec;

use super::error::PluginError;
use super::messages::{
    DecryptRequest, DecryptResponse, EncryptRequest, EncryptResponse, StatusRequest, StatusResponse,
};
use super::wrapped::Wrapped;

/// More than a plugin has to say: 1 KiB of ciphertext, 32 KiB of annotations.
const LARGEST: usize = 64 * 1024;
const CONNECT: Duration = Duration::from_secs(2);

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
        // The protocol wants a name; the connector goes to the socket.
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
