//! A web server of a hundred lines that can misbehave at every byte: throttle, stall, cut, answer half.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// What a client sent.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    pub path: String,
    pub query: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(n, _)| n == name);
        found.map(|(_, value)| value.as_str())
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    pub fn parameter(&self, name: &str) -> Option<&str> {
        let pairs = self
            .query
            .split('&')
            .filter_map(|pair| pair.split_once('='));
        pairs
            .into_iter()
            .find(|(n, _)| *n == name)
            .map(|(_, value)| value)
    }
}

/// What a fake says.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: String,
}

impl Answer {
    pub fn json(status: u16, body: &Value) -> Self {
        Self {
            status,
            headers: vec![("content-type", "application/json; charset=utf-8".into())],
            body: body.to_string(),
        }
    }

    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// How a fake misbehaves on a call to the key service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Fault {
    /// It behaves.
    #[default]
    None,
    /// Closes the connection without a word.
    Cut,
    /// Closes the connection in the middle of a good answer.
    Half,
    /// A good answer with something wrong in it; the fakes know what.
    Lie(&'static str),
    /// The service's error with this HTTP status and code, and perhaps a deeper code.
    Refuse(u16, &'static str, &'static str),
    /// Somebody in between answers with this status and a page for people.
    Proxy(u16),
    /// Never answers.
    Stall,
    /// "Too many requests", come back after these seconds.
    Throttle(u64),
}

impl Fault {
    /// A row of docs/key-services.md: `403 CODE`, `403 CODE INNER`, or `proxy 403` for somebody in between.
    pub fn of_row(code: &str) -> Self {
        let words: Vec<_> = code
            .split(' ')
            .map(|word| &*word.to_owned().leak())
            .collect();
        match words[..] {
            ["proxy", status] => Self::Proxy(status.parse().unwrap()),
            [status, code] => Self::Refuse(status.parse().unwrap(), code, ""),
            [status, code, inner] => Self::Refuse(status.parse().unwrap(), code, inner),
            _ => panic!("{code}"),
        }
    }
}

/// What all fakes remember and are told.
#[derive(Debug, Default)]
pub struct Control {
    requests: Mutex<Vec<Request>>,
    next: Mutex<VecDeque<Fault>>,
    standing: Mutex<Fault>,
}

impl Control {
    /// From now on.
    pub fn set(&self, fault: Fault) {
        *lock(&self.standing) = fault;
    }

    /// On the next calls, one each, before what stands.
    pub fn then(&self, faults: impl IntoIterator<Item = Fault>) {
        lock(&self.next).extend(faults);
    }

    /// Calls to the key service, tokens and challenges left out.
    pub fn calls(&self) -> usize {
        lock(&self.requests).len()
    }

    pub fn requests(&self) -> Vec<Request> {
        lock(&self.requests).clone()
    }

    /// Takes note of a call, and says how to misbehave.
    pub fn called(&self, request: &Request) -> Fault {
        lock(&self.requests).push(request.clone());
        let next = lock(&self.next).pop_front();
        next.unwrap_or_else(|| lock(&self.standing).clone())
    }
}

/// What a handler decided: an answer, and what to do with it.
pub enum Reply {
    Answer(Answer),
    Cut,
    Half(Answer),
    Stall,
}

impl From<Answer> for Reply {
    fn from(answer: Answer) -> Self {
        Self::Answer(answer)
    }
}

/// A fake on a socket of its own; stops when dropped.
#[derive(Debug)]
pub struct Server {
    pub address: SocketAddr,
    task: JoinHandle<()>,
}

impl Server {
    pub async fn start<H>(listen: &str, tls: Option<TlsAcceptor>, handler: Arc<H>) -> Self
    where
        H: Fn(&Request) -> Reply + Send + Sync + 'static,
    {
        let listener = TcpListener::bind(listen).await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (tls, handler) = (tls.clone(), handler.clone());
                connections.spawn(async move {
                    match tls {
                        None => serve(stream, &*handler).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                serve(stream, &*handler).await;
                            }
                        }
                    }
                });
            }
        });
        Self { address, task }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve<S, H>(stream: S, handler: &H)
where
    S: AsyncRead + AsyncWrite + Unpin,
    H: Fn(&Request) -> Reply,
{
    let mut stream = BufReader::new(stream);
    while let Some(request) = read(&mut stream).await {
        let (answer, whole) = match handler(&request) {
            Reply::Answer(answer) => (answer, true),
            Reply::Half(answer) => (answer, false),
            Reply::Cut => return,
            Reply::Stall => return std::future::pending().await,
        };
        let mut text = format!(
            "HTTP/1.1 {} Fake\r\ncontent-length: {}\r\n",
            answer.status,
            answer.body.len()
        );
        for (name, value) in &answer.headers {
            text = format!("{text}{name}: {value}\r\n");
        }
        text.push_str("\r\n");
        let sent = if whole {
            answer.body.len()
        } else {
            answer.body.len() / 2
        };
        text.push_str(&answer.body[..sent]);
        if stream.write_all(text.as_bytes()).await.is_err()
            || stream.flush().await.is_err()
            || !whole
        {
            return;
        }
    }
}

async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Option<Request> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).ok()?;
    let mut lines = head.split("\r\n");
    let mut first = lines.next()?.split(' ');
    let (method, target) = (first.next()?.to_owned(), first.next()?);
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let headers: Vec<_> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let mut request = Request {
        method,
        path: path.to_owned(),
        query: query.to_owned(),
        headers,
        body: Vec::new(),
    };
    let length = request
        .header("content-length")
        .and_then(|text| text.parse().ok())
        .unwrap_or(0);
    request.body = vec![0; length];
    stream.read_exact(&mut request.body).await.ok()?;
    Some(request)
}

pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
