//! Questions to the API server, over TLS 1.3, with bounded answers.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::body::Body;
use bytes::{Buf, Bytes, BytesMut};
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, USER_AGENT};
use http::{HeaderValue, Method, Request, StatusCode};
use hyper::body::{Body as _, Incoming};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::access::{Access, AccessError};

/// Longest answer, and longest line of a watch: a ConfigMap is at most 1 MiB.
const LONGEST: usize = 2 << 20;
/// The longest that a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(5);
/// The longest for an answer to begin and to end.
const ANSWER: Duration = Duration::from_secs(10);
/// Connections that are kept for the next question.
const IDLE: usize = 8;

/// The API server, as the webhook asks it.
pub struct ApiServer {
    access: Access,
    idle: Mutex<Vec<SendRequest<Body>>>,
}

/// An answer.
#[derive(Debug)]
pub struct Reply {
    /// Its status.
    pub status: StatusCode,
    /// Its body.
    pub body: Vec<u8>,
}

/// Why a question was not answered. Says nothing of what was asked or answered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ApiError {
    /// There is no way to sign in or to trust.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// No connection.
    #[error("the API server at {host} cannot be reached")]
    Connect {
        /// Where.
        host: String,
        /// Why.
        source: std::io::Error,
    },
    /// The connection broke.
    #[error("the connection to the API server broke")]
    Http(#[from] hyper::Error),
    /// The answer is longer than any that is asked for.
    #[error("the API server's answer is too long")]
    TooLong,
    /// It took too long.
    #[error("the API server did not answer in time")]
    Timeout,
    /// The API server refuses.
    #[error("the API server answers {0}")]
    Status(StatusCode),
}

impl ApiServer {
    /// Nothing is asked yet.
    pub fn new(access: Access) -> Self {
        Self {
            access,
            idle: Mutex::new(Vec::new()),
        }
    }

    /// Where it is.
    pub fn host(&self) -> String {
        self.access.host()
    }

    /// Reads one thing.
    ///
    /// # Errors
    /// When there is no answer. A refusal is an answer.
    pub async fn get(&self, path: &str) -> Result<Reply, ApiError> {
        self.ask(Method::GET, path, None).await
    }

    /// Asks a question that takes JSON. Asked again where a kept connection turns out to be closed, so it must
    /// be one that changes nothing.
    ///
    /// # Errors
    /// When there is no answer. A refusal is an answer.
    pub async fn post(&self, path: &str, json: Vec<u8>) -> Result<Reply, ApiError> {
        self.ask(Method::POST, path, Some(Bytes::from(json))).await
    }

    /// Follows something: each line is one event.
    ///
    /// # Errors
    /// When it does not begin.
    pub async fn watch(&self, path: &str) -> Result<Lines, ApiError> {
        let mut sender = self.connect().await?;
        let request = self.request(&Method::GET, path, None)?;
        let response = timeout(ANSWER, sender.send_request(request))
            .await
            .map_err(|_| ApiError::Timeout)??;
        if response.status() != StatusCode::OK {
            return Err(ApiError::Status(response.status()));
        }
        Ok(Lines {
            body: response.into_body(),
            unread: BytesMut::new(),
            _sender: sender,
        })
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        json: Option<Bytes>,
    ) -> Result<Reply, ApiError> {
        let kept = self.lock().pop();
        if let Some(sender) = kept.filter(SendRequest::is_ready) {
            let request = self.request(&method, path, json.as_ref())?;
            match self.answer(sender, request).await {
                Err(ApiError::Http(_)) => {}
                other => return other,
            }
        }
        let sender = self.connect().await?;
        let request = self.request(&method, path, json.as_ref())?;
        self.answer(sender, request).await
    }

    async fn answer(
        &self,
        mut sender: SendRequest<Body>,
        request: Request<Body>,
    ) -> Result<Reply, ApiError> {
        let whole = async {
            let response = sender.send_request(request).await?;
            let status = response.status();
            let mut incoming = response.into_body();
            let mut body = Vec::new();
            while let Some(data) = next_data(&mut incoming).await? {
                if body.len() + data.len() > LONGEST {
                    return Err(ApiError::TooLong);
                }
                body.extend_from_slice(&data);
            }
            Ok(Reply { status, body })
        };
        let reply = timeout(ANSWER, whole)
            .await
            .map_err(|_| ApiError::Timeout)??;
        let mut idle = self.lock();
        if !sender.is_closed() && idle.len() < IDLE {
            idle.push(sender);
        }
        Ok(reply)
    }

    async fn connect(&self) -> Result<SendRequest<Body>, ApiError> {
        let (config, name) = self.access.tls()?;
        let failed = |source| ApiError::Connect {
            host: self.access.host(),
            source,
        };
        let connecting = async {
            let stream = TcpStream::connect((self.access.host.as_str(), self.access.port)).await?;
            stream.set_nodelay(true)?;
            TlsConnector::from(config).connect(name, stream).await
        };
        let stream = timeout(CONNECT, connecting)
            .await
            .map_err(|_| ApiError::Timeout)?
            .map_err(failed)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        // Ends with the sender.
        tokio::spawn(connection);
        Ok(sender)
    }

    fn request(
        &self,
        method: &Method,
        path: &str,
        json: Option<&Bytes>,
    ) -> Result<Request<Body>, ApiError> {
        let mut request = Request::new(json.cloned().map_or_else(Body::empty, Body::from));
        *request.method_mut() = method.clone();
        *request.uri_mut() = path.parse().expect("paths are ours");
        let headers = request.headers_mut();
        let host = HeaderValue::from_str(&self.access.host());
        headers.insert(
            HOST,
            host.map_err(|_| AccessError::Material("the API server's host is no host"))?,
        );
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(USER_AGENT, HeaderValue::from_static("privy-webhook"));
        if json.is_some() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        if let Some(authorization) = self.access.authorization()? {
            headers.insert(AUTHORIZATION, authorization);
        }
        Ok(request)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<SendRequest<Body>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for ApiServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("ApiServer").field(&self.access).finish()
    }
}

/// The events of a watch.
#[derive(Debug)]
pub struct Lines {
    body: Incoming,
    unread: BytesMut,
    _sender: SendRequest<Body>,
}

impl Lines {
    /// The next event; `None` at the end of the watch.
    ///
    /// # Errors
    /// When the connection breaks, a line is too long, or nothing comes for `patience`.
    pub async fn next(&mut self, patience: Duration) -> Result<Option<Bytes>, ApiError> {
        loop {
            if let Some(end) = self.unread.iter().position(|byte| *byte == b'\n') {
                let line = self.unread.split_to(end).freeze();
                self.unread.advance(1);
                return Ok(Some(line));
            }
            let data = timeout(patience, next_data(&mut self.body))
                .await
                .map_err(|_| ApiError::Timeout)??;
            let Some(data) = data else {
                return Ok(None);
            };
            if self.unread.len() + data.len() > LONGEST {
                return Err(ApiError::TooLong);
            }
            self.unread.extend_from_slice(&data);
        }
    }
}

async fn next_data(body: &mut Incoming) -> Result<Option<Bytes>, hyper::Error> {
    loop {
        let frame = poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await;
        match frame.transpose()? {
            None => return Ok(None),
            Some(frame) => {
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
        }
    }
}
