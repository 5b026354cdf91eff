//! Questions to the API server.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request};
use hyper_util::client::legacy::Client as Http;
use hyper_util::rt::TokioExecutor;
use kube_client::Client;
use kube_client::client::Body;
use kube_client::client::middleware::BaseUriLayer;
use tower::Layer;

use super::access::Access;
use super::bounds::{Bounded, Heard};
use super::connector::ApiConnector;
use super::error::ApiError;

/// Connections that are kept for the next question, and for how long.
const IDLE: usize = 8;
const KEPT: Duration = Duration::from_secs(90);

/// The API server, as the webhook asks it.
pub struct ApiServer {
    access: Arc<Access>,
    http: Http<ApiConnector, Body>,
    client: Client,
}

impl ApiServer {
    /// Nothing is asked yet. To be called within a runtime.
    pub fn new(access: Access) -> Self {
        let access = Arc::new(access);
        let http = Http::builder(TokioExecutor::new())
            .pool_idle_timeout(KEPT)
            .pool_max_idle_per_host(IDLE)
            .build(ApiConnector::new(Arc::clone(&access)));
        let client = client(&access, &http, None);
        Self {
            access,
            http,
            client,
        }
    }

    /// Where it is.
    pub fn host(&self) -> String {
        self.access.host()
    }

    /// The same API server for the kube crates, to watch; `heard` is told of everything that a watch brings.
    pub fn watched(&self, heard: Heard) -> Client {
        client(&self.access, &self.http, Some(heard))
    }

    /// Reads one thing.
    ///
    /// # Errors
    /// When there is no answer, or a refusal.
    pub async fn get(&self, path: &str) -> Result<Bytes, ApiError> {
        self.ask(Method::GET, path, Vec::new()).await
    }

    /// Asks a question that takes JSON. Asked again where a kept connection turns out to be closed, so it must
    /// be one that changes nothing.
    ///
    /// # Errors
    /// When there is no answer, or a refusal.
    pub async fn post(&self, path: &str, json: Vec<u8>) -> Result<Bytes, ApiError> {
        self.ask(Method::POST, path, json).await
    }

    async fn ask(&self, method: Method, path: &str, json: Vec<u8>) -> Result<Bytes, ApiError> {
        match self.answer(method.clone(), path, json.clone()).await {
            Err(ApiError::Broken(_)) => self.answer(method, path, json).await,
            other => other,
        }
    }

    async fn answer(&self, method: Method, path: &str, json: Vec<u8>) -> Result<Bytes, ApiError> {
        let mut request = Request::new(Body::from(json));
        *request.uri_mut() = path.parse().expect("paths are ours");
        if method == Method::POST {
            let json = HeaderValue::from_static("application/json");
            request.headers_mut().insert(CONTENT_TYPE, json);
        }
        *request.method_mut() = method;
        let response = self.client.send(request).await?;
        Ok(response.into_body().collect_bytes().await?)
    }
}

fn client(access: &Arc<Access>, http: &Http<ApiConnector, Body>, heard: Option<Heard>) -> Client {
    let service = Bounded {
        inner: BaseUriLayer::new(access.server.clone()).layer(http.clone()),
        access: Arc::clone(access),
        heard,
    };
    Client::new(service, "default")
}

impl std::fmt::Debug for ApiServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("ApiServer").field(&self.access).finish()
    }
}
