//! A Kubernetes KMS v2 plugin: gRPC over a unix socket, written out from `apis/v2/api.proto` without the code under test.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use tokio::net::UnixListener;
use tokio::task::{JoinHandle, JoinSet};

use super::http::{Control, Fault, Request};

#[derive(Clone, PartialEq, Message)]
pub struct Status {
    #[prost(string, tag = "1")]
    pub version: String,
    #[prost(string, tag = "2")]
    pub healthz: String,
    #[prost(string, tag = "3")]
    pub key_id: String,
}

#[derive(Clone, PartialEq, Message)]
pub struct Decrypt {
    #[prost(bytes = "vec", tag = "1")]
    pub ciphertext: Vec<u8>,
    #[prost(string, tag = "2")]
    pub uid: String,
    #[prost(string, tag = "3")]
    pub key_id: String,
    #[prost(map = "string, bytes", tag = "4")]
    pub annotations: HashMap<String, Vec<u8>>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Encrypt {
    #[prost(bytes = "vec", tag = "1")]
    pub plaintext: Vec<u8>,
    #[prost(string, tag = "2")]
    pub uid: String,
}

#[derive(Clone, PartialEq, Message)]
pub struct Encrypted {
    #[prost(bytes = "vec", tag = "1")]
    pub ciphertext: Vec<u8>,
    #[prost(string, tag = "2")]
    pub key_id: String,
    #[prost(map = "string, bytes", tag = "3")]
    pub annotations: HashMap<String, Vec<u8>>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Decrypted {
    #[prost(bytes = "vec", tag = "1")]
    pub plaintext: Vec<u8>,
}

const KEY_ID: &str = "key-1";
const NOTE: (&str, &[u8]) = ("note.fake.test", b"brought back");
const INVALID_ARGUMENT: u16 = 3;
const RESOURCE_EXHAUSTED: u16 = 8;
const UNIMPLEMENTED: u16 = 12;

/// The fake; it ends when this is dropped. Its lies: `another protocol`, `unwell`, `other bytes`, `one byte less`, `nothing`, `too much`.
/// A [`Fault::Refuse`] has the number of a gRPC status.
pub struct FakePlugin {
    pub control: Arc<Control>,
    pub socket: PathBuf,
    task: JoinHandle<()>,
}

impl FakePlugin {
    pub fn start(folder: &Path) -> Self {
        let socket = folder.join("plugin.sock");
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
            task,
        }
    }

    /// Calls of one method.
    pub fn calls(&self, method: &str) -> usize {
        self.control
            .count(&format!("/v2.KeyManagementService/{method}"))
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
        Fault::Half => return Ok(message(&[0, 0, 0, 1, 0, 7], None)),
        Fault::Stall => return std::future::pending().await,
        _ => return Err(io::Error::other("cut, as told")),
    };
    Ok(match said(&request, lie) {
        Ok(bytes) => {
            let length = u32::try_from(bytes.len()).unwrap().to_be_bytes();
            message(&[&[0], &length[..], &bytes].concat(), Some(0))
        }
        Err(code) => refused(code),
    })
}

fn said(request: &Request, lie: &str) -> Result<Vec<u8>, u16> {
    let body = &request.body[..];
    match request.path.rsplit('/').next().unwrap_or_default() {
        "Status" => Ok(Status {
            version: if lie == "another protocol" {
                "v3"
            } else {
                "v2"
            }
            .to_owned(),
            healthz: if lie == "unwell" { "no" } else { "ok" }.to_owned(),
            key_id: KEY_ID.to_owned(),
        }
        .encode_to_vec()),
        "Encrypt" => Ok(Encrypted {
            ciphertext: scrambled(&Encrypt::decode(body).unwrap().plaintext),
            key_id: KEY_ID.to_owned(),
            annotations: HashMap::from([(NOTE.0.to_owned(), NOTE.1.to_vec())]),
        }
        .encode_to_vec()),
        "Decrypt" => {
            let asked = Decrypt::decode(body).unwrap();
            let noted = asked.annotations.get(NOTE.0).map(Vec::as_slice) == Some(NOTE.1);
            if asked.key_id != KEY_ID || !noted {
                return Err(INVALID_ARGUMENT);
            }
            let mut plaintext = scrambled(&asked.ciphertext);
            match lie {
                "other bytes" => plaintext[7] ^= 1,
                "one byte less" => drop(plaintext.pop()),
                "nothing" => plaintext.clear(),
                "too much" => plaintext = vec![7; 100 * 1024],
                _ => {}
            }
            Ok(Decrypted { plaintext }.encode_to_vec())
        }
        _ => Err(UNIMPLEMENTED),
    }
}

/// Its own inverse; what a plugin's KMS does is not the matter here.
fn scrambled(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().map(|byte| byte ^ 0x5a).collect()
}

/// `status` comes after the message, as trailers; without it the answer breaks off.
fn message(body: &[u8], status: Option<u16>) -> Response {
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
    http::Response::builder()
        .header("content-type", "application/grpc")
        .header("grpc-status", status)
        .header("grpc-message", "words of the plugin")
        .body(BodyExt::boxed(
            Full::default().map_err(|never| match never {}),
        ))
        .unwrap()
}
