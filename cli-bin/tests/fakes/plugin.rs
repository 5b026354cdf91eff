//! A Kubernetes KMS v2 plugin on a socket of its own: three unary gRPC calls over HTTP/2, written out by hand so that nothing of
//! the code under test speaks for it. The official server side of the protocol stands in `e2e/tokens`.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::BodyExt as _;
use hyper::body::{Body, Frame, Incoming};
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::UnixListener;
use tokio::task::JoinHandle;

/// How it answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mood {
    #[default]
    Well,
    /// `Status` says something else than `ok`.
    Unwell,
    /// `Status` names another version of the protocol.
    OfVersion(&'static str),
    /// `Encrypt` and `Decrypt` end with this gRPC status.
    Refuses(u16),
}

/// One call, as it came over the wire.
#[derive(Clone, Debug)]
pub struct Call {
    /// `Status`, `Encrypt` or `Decrypt`.
    pub method: String,
    /// What was to be wrapped or unwrapped.
    pub bytes: Vec<u8>,
}

/// The plugin; it ends when this is dropped.
pub struct FakePlugin {
    pub socket: PathBuf,
    _folder: tempfile::TempDir,
    state: Arc<State>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct State {
    mood: Mutex<Mood>,
    calls: Mutex<Vec<Call>>,
}

const KEY_ID: &str = "the-plugins-key-1";
const MARK: &[u8] = b"wrapped:";
const INVALID_ARGUMENT: u16 = 3;

impl FakePlugin {
    /// Call it within a runtime.
    pub fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("socket");
        let listener = UnixListener::bind(&socket).unwrap();
        let state = Arc::<State>::default();
        let serving = Arc::clone(&state);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let state = Arc::clone(&serving);
                tokio::spawn(async move {
                    let service = service_fn(move |request| answer(Arc::clone(&state), request));
                    let _ = http2::Builder::new(TokioExecutor::new())
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Self {
            socket,
            _folder: folder,
            state,
            task,
        }
    }

    pub fn set(&self, mood: Mood) {
        *self.state.mood.lock().unwrap() = mood;
    }

    pub fn calls(&self) -> Vec<Call> {
        self.state.calls.lock().unwrap().clone()
    }
}

impl Drop for FakePlugin {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(
    state: Arc<State>,
    request: Request<Incoming>,
) -> Result<Response<Unary>, Infallible> {
    let method = request.uri().path().to_owned();
    let method = method
        .strip_prefix("/v2.KeyManagementService/")
        .unwrap_or_default()
        .to_owned();
    let body = request.into_body().collect().await.unwrap().to_bytes();
    // A byte for compression, four for the length.
    let fields = fields_of(&body[5..]);
    let bytes = of(&fields, 1);
    state.calls.lock().unwrap().push(Call {
        method: method.clone(),
        bytes: bytes.clone(),
    });
    let mood = *state.mood.lock().unwrap();
    let said = match (method.as_str(), mood) {
        ("Status", mood) => {
            let version = match mood {
                Mood::OfVersion(version) => version,
                _ => "v2",
            };
            let health = if mood == Mood::Unwell {
                "my KMS is away"
            } else {
                "ok"
            };
            let parts = [(1, version), (2, health), (3, KEY_ID)];
            Ok(message(parts.map(|(tag, text)| (tag, text.as_bytes()))))
        }
        (_, Mood::Refuses(status)) => Err(status),
        ("Encrypt", _) => {
            let wrapped = [MARK, &turned(&bytes)].concat();
            Ok(message([(1, &wrapped[..]), (2, KEY_ID.as_bytes())]))
        }
        ("Decrypt", _) => match bytes.strip_prefix(MARK) {
            Some(wrapped) if of(&fields, 3) == KEY_ID.as_bytes() => {
                Ok(message([(1, &turned(wrapped)[..])]))
            }
            _ => Err(INVALID_ARGUMENT),
        },
        _ => Err(12),
    };
    Ok(Response::builder()
        .header("content-type", "application/grpc")
        .body(Unary::new(said))
        .unwrap())
}

/// No cipher, and none is needed: nobody may see these bytes but the test.
fn turned(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().map(|byte| byte ^ 0x5a).collect()
}

/// Length-delimited fields of a message: all that these messages have.
fn fields_of(mut bytes: &[u8]) -> Vec<(u64, Vec<u8>)> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let tag = varint(&mut bytes);
        assert_eq!(tag & 7, 2, "a field with a length");
        let length = usize::try_from(varint(&mut bytes)).unwrap();
        let (content, rest) = bytes.split_at(length);
        fields.push((tag >> 3, content.to_vec()));
        bytes = rest;
    }
    fields
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let mut value = 0;
    for shift in (0..).step_by(7) {
        let (byte, rest) = bytes.split_first().unwrap();
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            break;
        }
    }
    value
}

fn of(fields: &[(u64, Vec<u8>)], tag: u64) -> Vec<u8> {
    let found = fields.iter().find(|(other, _)| *other == tag);
    found
        .map(|(_, content)| content.clone())
        .unwrap_or_default()
}

fn message<'p>(parts: impl IntoIterator<Item = (u8, &'p [u8])>) -> Vec<u8> {
    let mut out = Vec::new();
    for (tag, content) in parts {
        out.push(tag << 3 | 2);
        out.push(u8::try_from(content.len()).unwrap());
        assert!(content.len() < 128, "one byte of length is enough here");
        out.extend_from_slice(content);
    }
    out
}

/// One message and the trailer that ends a gRPC call.
struct Unary(VecDeque<Frame<Bytes>>);

impl Unary {
    fn new(said: Result<Vec<u8>, u16>) -> Self {
        let mut frames = VecDeque::new();
        let mut trailers = HeaderMap::new();
        let status = said.as_ref().err().copied().unwrap_or(0);
        trailers.insert("grpc-status", status.into());
        trailers.insert(
            "grpc-message",
            HeaderValue::from_static("words of the plugin"),
        );
        if let Ok(message) = said {
            let length = u32::try_from(message.len()).unwrap().to_be_bytes();
            frames.push_back(Frame::data([&[0], &length[..], &message].concat().into()));
        }
        frames.push_back(Frame::trailers(trailers));
        Self(frames)
    }
}

impl Body for Unary {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.pop_front().map(Ok))
    }
}
