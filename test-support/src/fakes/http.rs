//! A web server of a hundred lines that can misbehave at every byte, and what all fakes remember and are told.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

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
        let mut pairs = self
            .query
            .split('&')
            .filter_map(|pair| pair.split_once('='));
        pairs.find(|(n, _)| *n == name).map(|(_, value)| value)
    }
}

/// What a fake says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: String,
}

impl Answer {
    pub fn new(status: u16, kind: &str, body: impl Into<String>) -> Self {
        Self {
            status,
            headers: vec![("content-type", kind.to_owned())],
            body: body.into(),
        }
    }

    pub fn json(status: u16, body: &Value) -> Self {
        Self::new(status, "application/json; charset=utf-8", body.to_string())
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
    /// These very words instead of its own.
    Answer(Answer),
    /// Closes the connection without a word.
    Cut,
    /// A good head, and then bytes without end.
    Endless,
    /// Closes the connection in the middle of a good answer.
    Half,
    /// A good answer with something wrong in it; the fakes know what.
    Lie(&'static str),
    /// Someone in between answers with this status and a page for people.
    Proxy(u16),
    /// The service's error with this HTTP status and code, and perhaps a deeper code.
    Refuse(u16, &'static str, &'static str),
    /// Never answers.
    Stall,
    /// "Too many requests", come back after these seconds.
    Throttle(u64),
}

impl Fault {
    /// This status and nothing else.
    pub fn status(status: u16) -> Self {
        Self::Answer(Answer::new(status, "text/plain", ""))
    }

    /// A text that need not be JSON.
    pub fn json(status: u16, body: impl Into<String>) -> Self {
        Self::Answer(Answer::new(status, "application/json", body))
    }

    /// A row of docs/key-services.md: `403 CODE`, `403 CODE INNER`, or `proxy 403` for someone in between.
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

/// What a fake remembers and is told.
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

    /// Calls to the key service; what a fake answers beside them is left out.
    pub fn calls(&self) -> usize {
        lock(&self.requests).len()
    }

    /// Calls whose path contains `part`.
    pub fn count(&self, part: &str) -> usize {
        let requests = lock(&self.requests);
        requests.iter().filter(|r| r.path.contains(part)).count()
    }

    /// Every call, in order.
    pub fn requests(&self) -> Vec<Request> {
        lock(&self.requests).clone()
    }

    /// Forgets the calls so far.
    pub fn forget(&self) {
        lock(&self.requests).clear();
    }

    /// Takes note of a call, and says how to misbehave.
    pub fn called(&self, request: &Request) -> Fault {
        lock(&self.requests).push(request.clone());
        let next = lock(&self.next).pop_front();
        next.unwrap_or_else(|| lock(&self.standing).clone())
    }
}

/// A key service without its socket.
pub trait Service: Send + Sync + 'static {
    fn control(&self) -> &Control;

    /// The answer to what is no call to the key service: tokens, challenges. Not counted, never spoilt.
    fn aside(&self, _: &Request) -> Option<Answer> {
        None
    }

    /// The right answer, or one with `lie` in it; the truth is the empty lie.
    fn answer(&self, request: &Request, lie: &str) -> Answer;

    /// An error in the service's own form.
    fn refusal(&self, status: u16, code: &str, inner: &str) -> Answer;

    /// The service's word for "too many requests".
    const THROTTLED: &'static str;
}

/// A server of one function.
pub async fn answering(answer: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Server {
    Server::start(
        "127.0.0.1:0",
        Arc::new(Function(Control::default(), answer)),
    )
    .await
}

struct Function<F>(Control, F);

impl<F: Fn(&Request) -> Answer + Send + Sync + 'static> Service for Function<F> {
    const THROTTLED: &'static str = "";

    fn control(&self) -> &Control {
        &self.0
    }

    fn answer(&self, request: &Request, _: &str) -> Answer {
        (self.1)(request)
    }

    fn refusal(&self, status: u16, code: &str, _: &str) -> Answer {
        Answer::new(status, "text/plain", code)
    }
}

/// How much of an answer goes out.
enum Reply {
    Whole(Answer),
    Half(Answer),
    Endless,
    Cut,
    Stall,
}

fn reply(service: &impl Service, request: &Request) -> Reply {
    if let Some(answer) = service.aside(request) {
        return Reply::Whole(answer);
    }
    match service.control().called(request) {
        Fault::None => Reply::Whole(service.answer(request, "")),
        Fault::Answer(answer) => Reply::Whole(answer),
        Fault::Cut => Reply::Cut,
        Fault::Endless => Reply::Endless,
        Fault::Half => Reply::Half(service.answer(request, "")),
        Fault::Lie(lie) => Reply::Whole(service.answer(request, lie)),
        Fault::Proxy(status) => {
            Reply::Whole(Answer::new(status, "text/html", "<h1>Nothing to see</h1>"))
        }
        Fault::Refuse(status, code, inner) => Reply::Whole(service.refusal(status, code, inner)),
        Fault::Stall => Reply::Stall,
        Fault::Throttle(seconds) => {
            let answer = service.refusal(429, throttled(service), "");
            Reply::Whole(answer.with("retry-after", seconds.to_string()))
        }
    }
}

fn throttled<S: Service>(_: &S) -> &'static str {
    S::THROTTLED
}

/// A fake on a socket of its own; stops when dropped.
#[derive(Debug)]
pub struct Server {
    pub address: SocketAddr,
    task: JoinHandle<()>,
}

impl Server {
    /// Over plain TCP.
    pub async fn start(listen: &str, service: Arc<impl Service>) -> Self {
        Self::accepting(listen, service, async |stream| Some(stream)).await
    }

    /// Over what `accept` makes of a connection.
    pub async fn accepting<S, A, F>(listen: &str, service: Arc<impl Service>, accept: A) -> Self
    where
        S: AsyncRead + AsyncWrite + Send + Unpin,
        A: Fn(TcpStream) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Option<S>> + Send,
    {
        let listener = TcpListener::bind(listen).await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (accept, service) = (accept.clone(), Arc::clone(&service));
                connections.spawn(async move {
                    if let Some(stream) = accept(stream).await {
                        serve(stream, &*service).await;
                    }
                });
            }
        });
        Self { address, task }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin, service: &impl Service) {
    let mut stream = BufReader::new(stream);
    while let Some(request) = read(&mut stream).await {
        let (answer, whole) = match reply(service, &request) {
            Reply::Whole(answer) => (answer, true),
            Reply::Half(answer) => (answer, false),
            Reply::Cut => return,
            Reply::Endless => return pour(&mut stream).await,
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

/// Until the client has enough.
async fn pour(stream: &mut (impl AsyncWrite + Unpin)) {
    let mut bytes = b"HTTP/1.1 200 Fake\r\ncontent-type: application/json\r\n\r\n".to_vec();
    while stream.write_all(&bytes).await.is_ok() {
        bytes = vec![b' '; 64 * 1024];
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
