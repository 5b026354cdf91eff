//! Connections to the API server: TLS 1.3 only, and certificates as their files are at that moment.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tower::Service;

use super::access::{Access, AccessError, Identity};
use super::error::ApiError;

/// The longest that a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(5);

/// Connects to the one API server, whatever a request's address says.
#[derive(Clone)]
pub(super) struct ApiConnector {
    access: Arc<Access>,
}

impl ApiConnector {
    pub(super) fn new(access: Arc<Access>) -> Self {
        Self { access }
    }
}

impl Service<Uri> for ApiConnector {
    type Response = Tls;
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Tls, ApiError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ApiError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        Box::pin(connect(Arc::clone(&self.access)))
    }
}

async fn connect(access: Arc<Access>) -> Result<Tls, ApiError> {
    let (config, name) = tls(&access)?;
    let host = access.server.host().unwrap_or_default();
    let host = host.trim_matches(['[', ']']);
    let connecting = async {
        let stream = TcpStream::connect((host, access.port())).await?;
        stream.set_nodelay(true)?;
        TlsConnector::from(config).connect(name, stream).await
    };
    let stream = timeout(CONNECT, connecting)
        .await
        .map_err(|_| ApiError::Timeout)?
        .map_err(|source| ApiError::Connect {
            host: access.host(),
            source: Arc::new(source),
        })?;
    Ok(Tls(TokioIo::new(stream)))
}

/// The configuration of one connection, from the files as they are now.
fn tls(access: &Access) -> Result<(Arc<ClientConfig>, ServerName<'static>), AccessError> {
    let mut roots = RootCertStore::empty();
    let pem = access.authority.read()?;
    for authority in CertificateDer::pem_slice_iter(&pem) {
        let authority = authority
            .map_err(|_| AccessError::Material("the API server's authority is damaged"))?;
        roots.add(authority)?;
    }
    if roots.is_empty() {
        return Err(AccessError::Material("the API server's authority is empty"));
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_root_certificates(roots);
    let mut config = match &access.identity {
        Identity::Token(_) => builder.with_no_client_auth(),
        Identity::Certificate { chain, key } => {
            let chain = CertificateDer::pem_slice_iter(&chain.read()?)
                .collect::<Result<Vec<_>, _>>()
                .map_err(|_| AccessError::Material("the client certificate is damaged"))?;
            let key = PrivateKeyDer::from_pem_slice(&key.read()?)
                .map_err(|_| AccessError::Material("the client key is damaged"))?;
            builder.with_client_auth_cert(chain, key)?
        }
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let host = access.server.host().unwrap_or_default();
    let name = access.server_name.as_deref().unwrap_or(host);
    let name = ServerName::try_from(name.trim_matches(['[', ']']).to_owned())
        .map_err(|_| AccessError::Material("the API server's name is no name"))?;
    Ok((Arc::new(config), name))
}

/// A connection, as hyper's client wants it.
pub(super) struct Tls(TokioIo<TlsStream<TcpStream>>);

impl Connection for Tls {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl Read for Tls {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl Write for Tls {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
