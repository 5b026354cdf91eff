//! One HTTP/1.1 request and its answer, over plain TCP or over TLS 1.3 with the caller's certificate.
//!
//! A client of about a hundred lines, so that neither a second HTTP stack nor TLS 1.2 comes into the tree.
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::certificates::{CallerIdentity, SERVER_NAME};

const PATIENCE: Duration = Duration::from_secs(15);
/// More than the largest answer: a patch for a Secret of 1 MiB.
const ANSWER_LIMIT: u64 = 8 * 1024 * 1024;

/// What came back.
#[derive(Debug)]
pub(super) struct HttpAnswer {
    /// The HTTP status.
    pub(super) status: u16,
    /// The body.
    pub(super) body: Vec<u8>,
}

/// Asks over plain TCP: the health port.
pub(super) fn get(address: SocketAddr, path: &str) -> anyhow::Result<HttpAnswer> {
    let stream = connect(address)?;
    exchange(
        stream,
        &format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n"),
        &[],
    )
}

/// A way to the webhook: whom it trusts, and as whom it calls.
pub(super) struct TlsCaller {
    config: Arc<ClientConfig>,
    address: SocketAddr,
}

impl TlsCaller {
    /// Trusts only `authority` and presents `identity`, if any. TLS 1.3 or nothing.
    pub(super) fn new(
        address: SocketAddr,
        authority: CertificateDer<'static>,
        identity: Option<&CallerIdentity>,
    ) -> anyhow::Result<Self> {
        let mut roots = RootCertStore::empty();
        roots.add(authority)?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_root_certificates(roots);
        let config = match identity {
            Some(identity) => {
                builder.with_client_auth_cert(vec![identity.certificate.clone()], identity.key())?
            }
            None => builder.with_no_client_auth(),
        };
        Ok(Self {
            config: Arc::new(config),
            address,
        })
    }

    /// Posts JSON on a connection of its own, with the user agent and the deadline of an API server.
    pub(super) fn post(&self, path: &str, body: &[u8]) -> anyhow::Result<HttpAnswer> {
        let name = ServerName::try_from(SERVER_NAME)?;
        let connection = ClientConnection::new(Arc::clone(&self.config), name)?;
        let stream = StreamOwned::new(connection, connect(self.address)?);
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: {SERVER_NAME}\r\nuser-agent: kube-apiserver-admission\r\n\
             content-type: application/json\r\naccept: application/json\r\n\
             content-length: {}\r\nconnection: close\r\n\r\n",
            body.len()
        );
        exchange(stream, &head, body)
    }

    /// Shakes hands, sends nothing and returns what the webhook's TLS layer says against this caller, if anything.
    ///
    /// With TLS 1.3 a client learns that its certificate is refused only when it reads.
    pub(super) fn refusal(&self) -> anyhow::Result<Option<rustls::Error>> {
        let name = ServerName::try_from(SERVER_NAME)?;
        let mut connection = ClientConnection::new(Arc::clone(&self.config), name)?;
        let mut socket = connect(self.address)?;
        socket.set_read_timeout(Some(Duration::from_secs(2)))?;
        loop {
            match connection.complete_io(&mut socket) {
                Ok(_) => {}
                Err(error) => {
                    return Ok(error
                        .get_ref()
                        .and_then(|cause| cause.downcast_ref())
                        .cloned());
                }
            }
            if connection.wants_read() && connection.read_tls(&mut socket)? == 0 {
                return Ok(None);
            }
            if let Err(error) = connection.process_new_packets() {
                return Ok(Some(error));
            }
        }
    }
}

fn connect(address: SocketAddr) -> anyhow::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, PATIENCE)
        .with_context(|| format!("failed to connect to {address}"))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

fn exchange(mut stream: impl Read + Write, head: &str, body: &[u8]) -> anyhow::Result<HttpAnswer> {
    stream.write_all(head.as_bytes())?;
    stream.write_all(body)?;
    stream.flush()?;
    let mut bytes = Vec::new();
    let read = stream.take(ANSWER_LIMIT).read_to_end(&mut bytes);
    match parse(&bytes) {
        // The length is known, so a connection that ends without a farewell loses nothing.
        Ok(answer) => Ok(answer),
        Err(error) => match read {
            Err(cause) => Err(cause.into()),
            Ok(_) => Err(error),
        },
    }
}

fn parse(bytes: &[u8]) -> anyhow::Result<HttpAnswer> {
    let end = bytes
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .context("the connection ended before the answer did")?;
    let head = std::str::from_utf8(&bytes[..end]).context("the answer's head is no text")?;
    let body = &bytes[end + 4..];
    let mut lines = head.split("\r\n");
    let status = lines
        .next()
        .and_then(|line| line.strip_prefix("HTTP/1.1 "))
        .and_then(|rest| rest.get(..3))
        .and_then(|code| code.parse().ok())
        .context("the answer has no status")?;
    let length = lines
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, value)| value.trim().parse::<usize>().ok());
    match length {
        Some(length) if length <= body.len() => Ok(HttpAnswer {
            status,
            body: body[..length].to_vec(),
        }),
        Some(_) => bail!("the answer was cut short"),
        None => bail!("the answer does not say how long it is"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_status_and_body() {
        let answer =
            parse(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\nX: y\r\n\r\nnoextra").unwrap();
        assert_eq!((answer.status, answer.body.as_slice()), (403, &b"no"[..]));
    }

    #[test]
    fn refuses_an_answer_that_is_cut_short() {
        for bytes in [
            &b""[..],
            b"HTTP/1.1 200 OK\r\n",
            b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nno",
            b"HTTP/1.1 200 OK\r\n\r\nno",
            b"SSH-2.0\r\n\r\n",
        ] {
            assert!(parse(bytes).is_err(), "{bytes:?}");
        }
    }
}
