//! An HTTP server whose answers a test decides.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::BodyExt as _;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// One request, as it came over the wire.
#[derive(Clone, Debug)]
pub struct Recorded {
    pub method: String,
    /// Path and query.
    pub path: String,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Recorded {
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("a JSON body")
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// Trouble instead of the right answer.
#[derive(Clone, Debug)]
pub enum Fault {
    /// Status, headers and body of the test's choice.
    Answer(u16, Vec<(&'static str, String)>, String),
    /// The connection is closed without an answer.
    Cut,
    /// A good head and half of a body, then the connection is closed.
    CutInBody,
    /// Nothing, ever.
    Stall,
    /// A good head and then bytes without end.
    Endless,
}

impl Fault {
    pub fn status(status: u16) -> Self {
        Self::Answer(status, Vec::new(), String::new())
    }

    pub fn json(status: u16, body: impl Into<String>) -> Self {
        Self::Answer(
            status,
            vec![("content-type", "application/json".into())],
            body.into(),
        )
    }
}

type Handler = dyn Fn(&Recorded) -> Response<Vec<u8>> + Send + Sync;

struct State {
    handler: Box<Handler>,
    queue: Mutex<VecDeque<Option<Fault>>>,
    always: Mutex<Option<Fault>>,
    requests: Mutex<Vec<Recorded>>,
}

/// The server; it ends when this is dropped.
pub struct FakeServer {
    pub addr: SocketAddr,
    state: Arc<State>,
    task: JoinHandle<()>,
}

impl FakeServer {
    /// Answers with `handler` unless told otherwise.
    pub async fn start(
        handler: impl Fn(&Recorded) -> Response<Vec<u8>> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let addr = listener.local_addr().expect("an address");
        let state = Arc::new(State {
            handler: Box::new(handler),
            queue: Mutex::default(),
            always: Mutex::default(),
            requests: Mutex::default(),
        });
        let serving = Arc::clone(&state);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let state = Arc::clone(&serving);
                tokio::spawn(async move {
                    let service = service_fn(|request| answer(Arc::clone(&state), request));
                    // A cut connection is an error here, on purpose.
                    let _ = http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Self { addr, state, task }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// The next requests get these, one each; `None` is the right answer.
    pub fn then(&self, faults: impl IntoIterator<Item = Option<Fault>>) {
        self.state.queue.lock().unwrap().extend(faults);
    }

    /// From now on every request gets this; `None` is the right answer again.
    pub fn always(&self, fault: Option<Fault>) {
        *self.state.always.lock().unwrap() = fault;
    }

    /// Every request, in order.
    pub fn requests(&self) -> Vec<Recorded> {
        self.state.requests.lock().unwrap().clone()
    }

    /// How many requests had a path that contains `part`.
    pub fn count(&self, part: &str) -> usize {
        self.requests()
            .iter()
            .filter(|r| r.path.contains(part))
            .count()
    }

    /// Forgets the requests so far.
    pub fn forget(&self) {
        self.state.requests.lock().unwrap().clear();
    }
}

impl Drop for FakeServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(
    state: Arc<State>,
    request: Request<Incoming>,
) -> Result<Response<AnyBody>, io::Error> {
    let (head, body) = request.into_parts();
    let body = body
        .collect()
        .await
        .map_err(io::Error::other)?
        .to_bytes()
        .to_vec();
    let recorded = Recorded {
        method: head.method.to_string(),
        path: head
            .uri
            .path_and_query()
            .map_or_else(String::new, ToString::to_string),
        headers: head.headers,
        body,
    };
    state.requests.lock().unwrap().push(recorded.clone());
    let queued = state.queue.lock().unwrap().pop_front();
    let fault = match queued {
        Some(fault) => fault,
        None => state.always.lock().unwrap().clone(),
    };
    match fault {
        None => Ok((state.handler)(&recorded).map(AnyBody::whole)),
        Some(Fault::Answer(status, headers, body)) => {
            let mut response = Response::builder().status(status);
            for (name, value) in headers {
                response = response.header(name, value);
            }
            Ok(response
                .body(AnyBody::whole(body.into_bytes()))
                .expect("a legal answer"))
        }
        Some(Fault::Cut) => Err(io::Error::other("cut, as told")),
        Some(Fault::CutInBody) => {
            let right = (state.handler)(&recorded);
            Ok(right.map(|body| AnyBody {
                next: Some(Bytes::copy_from_slice(&body[..body.len() / 2])),
                then: Then::Cut,
                length: Some(body.len() as u64),
            }))
        }
        Some(Fault::Endless) => Ok(Response::new(AnyBody {
            next: None,
            then: Then::GoOn,
            length: None,
        })),
        Some(Fault::Stall) => std::future::pending().await,
    }
}

enum Then {
    Cut,
    End,
    GoOn,
}

/// A body that ends well, or does not.
pub struct AnyBody {
    next: Option<Bytes>,
    then: Then,
    length: Option<u64>,
}

impl AnyBody {
    fn whole(body: Vec<u8>) -> Self {
        Self {
            length: Some(body.len() as u64),
            next: Some(Bytes::from(body)),
            then: Then::End,
        }
    }
}

impl Body for AnyBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if let Some(bytes) = self.next.take() {
            return Poll::Ready(Some(Ok(Frame::data(bytes))));
        }
        Poll::Ready(match self.then {
            Then::Cut => Some(Err(io::Error::other("cut, as told"))),
            Then::End => None,
            Then::GoOn => Some(Ok(Frame::data(Bytes::from(vec![b' '; 64 * 1024])))),
        })
    }

    fn is_end_stream(&self) -> bool {
        self.next.is_none() && matches!(self.then, Then::End)
    }

    fn size_hint(&self) -> SizeHint {
        self.length
            .map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

/// A JSON answer.
pub fn json(status: u16, body: &serde_json::Value) -> Response<Vec<u8>> {
    Response::builder()
        .status(status)
        .header("content-type", "application/json")
        .body(body.to_string().into_bytes())
        .expect("a legal answer")
}
