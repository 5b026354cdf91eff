//! A Kubernetes KMS v2 plugin: gRPC over a unix socket, written out by hand so that nothing of the code under test speaks for
//! it. The official server side of the protocol is in `e2e/tokens`.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::UnixListener;
use tokio::task::{JoinHandle, JoinSet};

use super::http::{Control, Fault, Request};

const KEY_ID: &str = "the-plugins-key-1";
const NOTE: (&str, &[u8]) = ("note.fake.test", b"brought back");
const INVALID_ARGUMENT: u16 = 3;
const RESOURCE_EXHAUSTED: u16 = 8;
const UNIMPLEMENTED: u16 = 12;

/// The fake; it ends when this is dropped. Its lies: `unwell`, a version of the protocol such as `v3`, `other bytes`, `one byte less`,
/// `nothing`, `too much`. A [`Fault::Refuse`] has the number of a gRPC status.
pub struct FakePlugin {
    pub control: Arc<Control>,
    pub socket: PathBuf,
    _folder: tempfile::TempDir,
    task: JoinHandle<()>,
}

/// One call, as it came over the wire.
#[derive(Debug)]
pub struct Call {
    /// `Status`, `Encrypt` or `Decrypt`.
    pub method: String,
    /// What was to be wrapped or unwrapped.
    pub bytes: Vec<u8>,
    /// The whole message.
    pub message: Vec<u8>,
}

impl FakePlugin {
    /// Call it within a runtime.
    pub fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("socket");
        let listener = UnixListener::bind(&socket).unwrap();
        let control = Arc::<Control>::default();
        let told = Arc::clone(&control);
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let control = Arc::clone(&told);
                connections.spawn(async move {
                    let service = service_fn(|request| answer(Arc::clone(&control), request));
                    // A cut stream is an error here, on purpose.
                    let _ = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Self {
            control,
            socket,
            _folder: folder,
            task,
        }
    }

    pub fn set(&self, fault: Fault) {
        self.control.set(fault);
    }

    pub fn calls(&self) -> Vec<Call> {
        let call = |request: Request| Call {
            method: method(&request).to_owned(),
            bytes: field(&fields(&request.body), 1).to_vec(),
            message: request.body,
        };
        self.control.requests().into_iter().map(call).collect()
    }
}

impl Drop for FakePlugin {
    fn drop(&mut self) {
        self.task.abort();
    }
}

type Response = http::Response<BoxBody<Bytes, io::Error>>;

async fn answer(
    control: Arc<Control>,
    request: http::Request<Incoming>,
) -> Result<Response, io::Error> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    // One byte that says "not compressed", four of length.
    let request = Request {
        method: head.method.to_string(),
        path: head.uri.path().to_owned(),
        query: String::new(),
        headers: Vec::new(),
        body: body.get(5..).unwrap_or_default().to_vec(),
    };
    let lie = match control.called(&request) {
        Fault::None => "",
        Fault::Lie(lie) => lie,
        Fault::Refuse(code, _, _) => return Ok(refused(code)),
        Fault::Throttle(_) => return Ok(refused(RESOURCE_EXHAUSTED)),
        Fault::Half => return Ok(unary(&[0, 0, 0, 1, 0, 7], None)),
        Fault::Stall => return std::future::pending().await,
        _ => return Err(io::Error::other("cut, as told")),
    };
    Ok(match said(&request, lie) {
        Ok(bytes) => {
            let length = u32::try_from(bytes.len()).unwrap().to_be_bytes();
            unary(&[&[0], &length[..], &bytes].concat(), Some(0))
        }
        Err(code) => refused(code),
    })
}

fn said(request: &Request, lie: &str) -> Result<Vec<u8>, u16> {
    let asked = fields(&request.body);
    let version = if lie.starts_with('v') { lie } else { "v2" };
    let health = if lie == "unwell" {
        "my KMS is away"
    } else {
        "ok"
    };
    match method(request) {
        "Status" => Ok(message(&[
            (1, version.as_bytes()),
            (2, health.as_bytes()),
            (3, KEY_ID.as_bytes()),
        ])),
        "Encrypt" => {
            let note = message(&[(1, NOTE.0.as_bytes()), (2, NOTE.1)]);
            let wrapped = scrambled(field(&asked, 1));
            Ok(message(&[
                (1, &wrapped),
                (2, KEY_ID.as_bytes()),
                (3, &note),
            ]))
        }
        "Decrypt" => {
            let note = fields(field(&asked, 4));
            let noted = field(&note, 1) == NOTE.0.as_bytes() && field(&note, 2) == NOTE.1;
            if field(&asked, 3) != KEY_ID.as_bytes() || !noted {
                return Err(INVALID_ARGUMENT);
            }
            let mut plaintext = scrambled(field(&asked, 1));
            match lie {
                "other bytes" => plaintext[7] ^= 1,
                "one byte less" => drop(plaintext.pop()),
                "nothing" => plaintext.clear(),
                "too much" => plaintext = vec![7; 100 * 1024],
                _ => {}
            }
            Ok(message(&[(1, &plaintext)]))
        }
        _ => Err(UNIMPLEMENTED),
    }
}

fn method(request: &Request) -> &str {
    let method = request.path.strip_prefix("/v2.KeyManagementService/");
    method.unwrap_or_default()
}

/// Its own inverse. No cipher, and none is needed: no one sees these bytes but the test.
fn scrambled(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().map(|byte| byte ^ 0x5a).collect()
}

/// Fields with a length: all that these messages have.
fn fields(mut bytes: &[u8]) -> Vec<(u64, &[u8])> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let tag = varint(&mut bytes);
        assert_eq!(tag & 7, 2, "a field with a length");
        let length = usize::try_from(varint(&mut bytes)).unwrap();
        let (content, rest) = bytes.split_at(length);
        fields.push((tag >> 3, content));
        bytes = rest;
    }
    fields
}

fn field<'m>(fields: &[(u64, &'m [u8])], tag: u64) -> &'m [u8] {
    let found = fields.iter().find(|(other, _)| *other == tag);
    found.map_or(&[], |(_, content)| content)
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

fn message(parts: &[(u8, &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    for (tag, content) in parts {
        out.push(tag << 3 | 2);
        let mut length = content.len();
        while length > 0x7f {
            out.push(u8::try_from(length & 0x7f).unwrap() | 0x80);
            length >>= 7;
        }
        out.push(u8::try_from(length).unwrap());
        out.extend_from_slice(content);
    }
    out
}

/// `status` comes after the message, as trailers; without it the answer breaks off.
fn unary(body: &[u8], status: Option<u16>) -> Response {
    let body = Full::new(Bytes::copy_from_slice(body)).map_err(|never| match never {});
    let trailers = status.map(|status| {
        let mut trailers = http::HeaderMap::new();
        trailers.insert("grpc-status", status.into());
        Ok(trailers)
    });
    let body = body.with_trailers(async { trailers });
    http::Response::builder()
        .header("content-type", "application/grpc")
        .body(BodyExt::boxed(body))
        .unwrap()
}

fn refused(status: u16) -> Response {
    let body = Full::default().map_err(|never| match never {});
    http::Response::builder()
        .header("content-type", "application/grpc")
        .header("grpc-status", status)
        .header("grpc-message", "words of the plugin")
        .body(BodyExt::boxed(body))
        .unwrap()
}
