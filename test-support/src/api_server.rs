//! As much of an API server as the webhook asks: one ConfigMap to read, to list and to watch, and access reviews. It
//! can throttle, hang up, flood and lie.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use hyper::body::{Body as _, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use webhook_bin::kube::{Access, ApiServer};

use crate::pki::Pki;

/// A running one.
pub struct FakeApiServer {
    pub addr: SocketAddr,
    pub pki: Pki,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    data: Value,
    version: u64,
    /// What GET answers instead of the object.
    refuses: Option<StatusCode>,
    /// What GET answers of the object before it falls silent.
    halts: Option<String>,
    watchers: Vec<mpsc::UnboundedSender<String>>,
    halted: Vec<mpsc::UnboundedSender<String>>,
    questions: Vec<String>,
    /// What access reviews are answered: status and body; none hangs.
    access: Option<(StatusCode, Value)>,
    asked: Vec<Value>,
}

/// A body that ends when its sender goes.
struct Events(mpsc::UnboundedReceiver<String>);

impl hyper::body::Body for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<hyper::body::Frame<Bytes>, Infallible>>> {
        self.0
            .poll_recv(cx)
            .map(|line| line.map(|line| Ok(hyper::body::Frame::data(Bytes::from(line)))))
    }
}

impl FakeApiServer {
    pub async fn start(data: Value) -> Self {
        let pki = Pki::new();
        let pair = pki.server_pair();
        let chain = vec![CertificateDer::from_pem_slice(pair.certificate.as_bytes()).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(
            rustls::crypto::aws_lc_rs::default_provider(),
        ))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(State {
            data,
            version: 1,
            ..State::default()
        }));
        tokio::spawn({
            let state = Arc::clone(&state);
            async move {
                while let Ok((stream, _)) = listener.accept().await {
                    let (acceptor, state) = (acceptor.clone(), Arc::clone(&state));
                    tokio::spawn(async move {
                        let Ok(stream) = acceptor.accept(stream).await else {
                            return;
                        };
                        let service = service_fn(move |request| {
                            let state = Arc::clone(&state);
                            async move { Ok::<_, Infallible>(answer(&state, request).await) }
                        });
                        let _ = hyper::server::conn::http1::Builder::new()
                            .serve_connection(TokioIo::new(stream), service)
                            .await;
                    });
                }
            }
        });
        Self { addr, pki, state }
    }

    /// A kubeconfig for it, with the token `token-1` in a file.
    pub fn kubeconfig(&self) -> std::path::PathBuf {
        let path = self.pki.path("kubeconfig");
        std::fs::write(self.pki.path("token"), "token-1\n").unwrap();
        let text = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: c\ncontexts: [{{ name: c, context: {{ cluster: k, user: u }} }}]\n\
             clusters: [{{ name: k, cluster: {{ server: \"https://localhost:{}\", certificate-authority: ca.crt }} }}]\n\
             users: [{{ name: u, user: {{ tokenFile: token }} }}]\n",
            self.addr.port()
        );
        std::fs::write(&path, text).unwrap();
        path
    }

    pub fn client(&self) -> Arc<ApiServer> {
        let access = Access::from_kubeconfig(&self.kubeconfig()).unwrap();
        Arc::new(ApiServer::new(access))
    }

    /// Changes the ConfigMap and tells anyone who watches.
    pub fn change(&self, data: Value) {
        let mut state = self.state.lock().unwrap();
        state.data = data;
        state.version += 1;
        let event = json!({"type": "MODIFIED", "object": object(&state)});
        state.tell(&event);
    }

    /// Changes it while no one is told.
    pub fn change_in_silence(&self, data: Value) {
        let mut state = self.state.lock().unwrap();
        state.data = data;
        state.version += 1;
    }

    pub fn tell(&self, event: &Value) {
        self.state.lock().unwrap().tell(event);
    }

    /// Sends every watch a text that may be part of an event, or none.
    pub fn tell_text(&self, text: &str) {
        self.state.lock().unwrap().tell_text(text);
    }

    /// Ends all watches.
    pub fn hang_up(&self) {
        self.state.lock().unwrap().watchers.clear();
    }

    pub fn refuse(&self, status: Option<StatusCode>) {
        self.state.lock().unwrap().refuses = status;
    }

    /// From now on the object's text begins so, and never ends.
    pub fn halt_after(&self, beginning: impl Into<Option<String>>) {
        self.state.lock().unwrap().halts = beginning.into();
    }

    pub fn answer_access(&self, answer: impl Into<Option<(StatusCode, Value)>>) {
        self.state.lock().unwrap().access = answer.into();
    }

    /// Every path that was asked for, with its token.
    pub fn questions(&self) -> Vec<String> {
        self.state.lock().unwrap().questions.clone()
    }

    /// Every access review.
    pub fn asked(&self) -> Vec<Value> {
        self.state.lock().unwrap().asked.clone()
    }

    /// Waits until so many watches have begun in all.
    pub async fn until_watched(&self, times: usize) {
        let watches = || {
            let questions = self.questions();
            questions
                .iter()
                .filter(|q| q.contains("watch=true"))
                .count()
        };
        for _ in 0..2_000 {
            if watches() >= times {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("{:?}", self.questions());
    }
}

impl State {
    /// Whether the object has changed since the version that a watch begins at.
    fn is_past(&self, path: &str) -> bool {
        let version = path.split_once("resourceVersion=").map(|(_, rest)| rest);
        let version = version.and_then(|rest| rest.split('&').next()?.parse().ok());
        version.is_some_and(|version: u64| version < self.version)
    }

    fn tell(&mut self, event: &Value) {
        self.tell_text(&format!("{event}\n"));
    }

    fn tell_text(&mut self, text: &str) {
        self.watchers
            .retain(|watcher| watcher.send(text.to_owned()).is_ok());
    }
}

fn object(state: &State) -> Value {
    json!({
        "kind": "ConfigMap", "apiVersion": "v1",
        "metadata": {
            "name": "extension-apiserver-authentication", "namespace": "kube-system",
            "resourceVersion": state.version.to_string(),
        },
        "data": state.data,
    })
}

async fn answer(state: &Mutex<State>, request: Request<Incoming>) -> Response<Body> {
    let (head, mut body) = request.into_parts();
    let mut whole = Vec::new();
    while let Some(Ok(frame)) =
        std::future::poll_fn(|cx| std::pin::Pin::new(&mut body).poll_frame(cx)).await
    {
        whole.extend_from_slice(&frame.into_data().unwrap_or_default());
    }
    let token = head.headers.get("authorization");
    let token = token.map_or("", |token| token.to_str().unwrap());
    let path = head.uri.path_and_query().unwrap().as_str().to_owned();
    let reply = {
        let mut state = state.lock().unwrap();
        state
            .questions
            .push(format!("{} {path} {token}", head.method));
        if path == "/apis/authorization.k8s.io/v1/subjectaccessreviews" {
            state.asked.push(serde_json::from_slice(&whole).unwrap());
            state.access.clone()
        } else if let Some(status) = state.refuses {
            Some((status, json!({"kind": "Status"})))
        } else if path.contains("watch=true") {
            let (sender, events) = mpsc::unbounded_channel();
            state.watchers.push(sender);
            if state.is_past(&path) {
                let event = json!({"type": "MODIFIED", "object": object(&state)});
                state.tell(&event);
            }
            return Response::new(Body::new(Events(events)));
        } else if let Some(beginning) = &state.halts {
            let (sender, events) = mpsc::unbounded_channel();
            sender.send(beginning.clone()).unwrap();
            state.halted.push(sender);
            return Response::new(Body::new(Events(events)));
        } else if head.uri.path().ends_with("/configmaps") {
            let list = json!({
                "kind": "ConfigMapList", "apiVersion": "v1",
                "metadata": {"resourceVersion": state.version.to_string()},
                "items": [object(&state)],
            });
            Some((StatusCode::OK, list))
        } else {
            Some((StatusCode::OK, object(&state)))
        }
    };
    let Some((status, body)) = reply else {
        std::future::pending::<()>().await;
        unreachable!()
    };
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    response
}
