//! A client that speaks just enough HTTP to say what it wants to say, byte by byte if need be.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::pki::{Pair, Pki};
use crate::requests::plain_review;

/// No test waits longer for something that should happen.
pub const PATIENCE: Duration = Duration::from_secs(20);

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

pub struct Client {
    stream: Box<dyn Stream>,
    unread: Vec<u8>,
    /// The server's certificate.
    pub server: Option<CertificateDer<'static>>,
}

#[derive(Debug)]
pub struct Response {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Response {
    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    /// The header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(": ")?;
            key.eq_ignore_ascii_case(name).then_some(value)
        })
    }
}

impl Client {
    /// Over TLS 1.3, with a certificate of this common name.
    pub async fn connect(addr: SocketAddr, pki: &Pki, name: Option<&str>) -> io::Result<Self> {
        let pair = name.map(|name| pki.client_pair(name));
        Self::connect_with(addr, &pki.authority_pem(), pair.as_ref()).await
    }

    /// Over TLS, trusting `authority`, presenting `pair`.
    pub async fn connect_with(
        addr: SocketAddr,
        authority: &str,
        pair: Option<&Pair>,
    ) -> io::Result<Self> {
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_slice(authority.as_bytes()).unwrap())
            .unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(
            rustls::crypto::aws_lc_rs::default_provider(),
        ))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots);
        let config = match pair {
            None => builder.with_no_client_auth(),
            Some(pair) => {
                let chain =
                    vec![CertificateDer::from_pem_slice(pair.certificate.as_bytes()).unwrap()];
                let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).unwrap();
                builder.with_client_auth_cert(chain, key).unwrap()
            }
        };
        let tcp = TcpStream::connect(addr).await?;
        tcp.set_nodelay(true)?;
        let name = ServerName::try_from("localhost").unwrap();
        let stream = TlsConnector::from(Arc::new(config))
            .connect(name, tcp)
            .await?;
        let server = stream
            .get_ref()
            .1
            .peer_certificates()
            .map(|chain| chain[0].clone());
        Ok(Self {
            stream: Box::new(stream),
            unread: Vec::new(),
            server,
        })
    }

    /// Without TLS.
    pub async fn plain(addr: SocketAddr) -> io::Result<Self> {
        Ok(Self {
            stream: Box::new(TcpStream::connect(addr).await?),
            unread: Vec::new(),
            server: None,
        })
    }

    pub async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await?;
        self.stream.flush().await
    }

    /// The head of a review of so many bytes.
    pub async fn send_head(&mut self, len: usize, more: &str) -> io::Result<()> {
        let head = format!(
            "POST /mutate?timeout=10s HTTP/1.1\r\nhost: webhook\r\ncontent-type: application/json\r\ncontent-length: {len}\r\n{more}\r\n"
        );
        self.send(head.as_bytes()).await
    }

    /// One review and its answer.
    pub async fn review(&mut self, body: &[u8]) -> io::Result<Response> {
        self.send_head(body.len(), "").await?;
        self.send(body).await?;
        self.response().await
    }

    /// One review with this query string.
    pub async fn review_with_query(&mut self, query: &str, body: &[u8]) -> io::Result<Response> {
        let head = format!(
            "POST /mutate?{query} HTTP/1.1\r\nhost: webhook\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        self.send(head.as_bytes()).await?;
        self.send(body).await?;
        self.response().await
    }

    /// Reads one answer, framed by its length.
    pub async fn response(&mut self) -> io::Result<Response> {
        timeout(PATIENCE, self.read_response())
            .await
            .expect("an answer")
    }

    async fn read_response(&mut self) -> io::Result<Response> {
        let head_len = loop {
            if let Some(end) = self
                .unread
                .windows(4)
                .position(|window| window == b"\r\n\r\n")
            {
                break end + 4;
            }
            self.read_more().await?;
        };
        let head: Vec<u8> = self.unread.drain(..head_len).collect();
        let head = String::from_utf8(head).unwrap();
        let mut response = Response {
            status: head.split(' ').nth(1).unwrap().parse().unwrap(),
            head,
            body: Vec::new(),
        };
        let len: usize = response
            .header("content-length")
            .expect("a length")
            .parse()
            .unwrap();
        while self.unread.len() < len {
            self.read_more().await?;
        }
        response.body = self.unread.drain(..len).collect();
        Ok(response)
    }

    async fn read_more(&mut self) -> io::Result<()> {
        let mut chunk = vec![0; 16 << 10];
        match self.stream.read(&mut chunk).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            len => {
                self.unread.extend_from_slice(&chunk[..len]);
                Ok(())
            }
        }
    }

    /// Waits until the server has closed, and returns what it said before.
    pub async fn closed(mut self) -> Vec<u8> {
        let read = async { while self.read_more().await.is_ok() {} };
        timeout(PATIENCE, read).await.expect("the server to close");
        self.unread
    }

    /// Whether the connection still answers.
    pub async fn is_open(&mut self) -> bool {
        self.review(&plain_review("still there")).await.is_ok()
    }
}
