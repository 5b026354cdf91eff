//! The API server as one user sees it, over plain HTTP: for what kubectl would be too slow or too kind for.
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use reqwest::blocking::{Client, RequestBuilder};
use reqwest::{Certificate, Identity, Method};
use serde_json::Value;

use crate::pki::Pair;

/// One user's way to the API server.
#[derive(Clone, Debug)]
pub struct Api {
    client: Client,
    base: String,
    /// Headers of every request: impersonation.
    headers: Vec<(String, String)>,
}

/// What the API server answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// The body, as JSON where it is.
    pub body: Value,
    /// Its warnings.
    pub warnings: Vec<String>,
}

impl Answer {
    /// The message of a refusal.
    pub fn message(&self) -> &str {
        self.body["message"].as_str().unwrap_or_default()
    }

    /// The object, when it was accepted.
    pub fn accepted(self) -> Result<Value> {
        if (200..300).contains(&self.status) {
            Ok(self.body)
        } else {
            bail!("refused with {}: {}", self.status, self.message())
        }
    }

    /// The refusal, when it was refused with 403 and these words.
    pub fn refused(self, words: &str) -> Result<Self> {
        if self.status != 403 || !self.message().contains(words) {
            bail!(
                "expected 403 and {words:?}, got {}: {}",
                self.status,
                cut(&self.body.to_string())
            );
        }
        Ok(self)
    }
}

/// The beginning of a text.
pub fn cut(text: &str) -> String {
    text.chars().take(600).collect()
}

impl Api {
    /// A client that trusts `authority` and shows `identity`.
    pub fn new(base: &str, authority: &[u8], identity: Option<&Pair>) -> Result<Self> {
        Ok(Self {
            client: client(authority, identity, base)?,
            base: base.to_owned(),
            headers: Vec::new(),
        })
    }

    /// A client that goes through the socket of `kubectl proxy`.
    pub fn through(socket: &std::path::Path) -> Result<Self> {
        Ok(Self {
            client: Client::builder()
                .timeout(Duration::from_mins(1))
                .no_proxy()
                .unix_socket(socket)
                .build()?,
            base: "http://localhost".to_owned(),
            headers: Vec::new(),
        })
    }

    /// The same user acting as another.
    #[must_use]
    pub fn acting_as(&self, user: &str, groups: &[&str]) -> Self {
        let mut other = self.clone();
        other
            .headers
            .push(("Impersonate-User".to_owned(), user.to_owned()));
        for group in groups {
            other
                .headers
                .push(("Impersonate-Group".to_owned(), (*group).to_owned()));
        }
        other
    }

    /// A further header on every request.
    #[must_use]
    pub fn with_header(&self, name: &str, value: &str) -> Self {
        let mut other = self.clone();
        other.headers.push((name.to_owned(), value.to_owned()));
        other
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let mut request = self.client.request(method, format!("{}{path}", self.base));
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        request
    }

    /// Sends a request with a JSON body.
    pub fn send(
        &self,
        method: &str,
        path: &str,
        content_type: &str,
        body: Option<&Value>,
    ) -> Result<Answer> {
        self.send_text(method, path, content_type, body.map(ToString::to_string))
    }

    /// Sends a request with a body as it is.
    pub fn send_text(
        &self,
        method: &str,
        path: &str,
        content_type: &str,
        body: Option<String>,
    ) -> Result<Answer> {
        let mut request = self.request(method.parse()?, path);
        if let Some(body) = body {
            request = request.header("Content-Type", content_type).body(body);
        }
        let response = request.send().with_context(|| format!("{method} {path}"))?;
        let status = response.status().as_u16();
        let warnings = response
            .headers()
            .get_all("warning")
            .iter()
            .filter_map(|value| value.to_str().ok().map(ToOwned::to_owned))
            .collect();
        let text = response.text()?;
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Ok(Answer {
            status,
            body,
            warnings,
        })
    }

    /// GET.
    pub fn get(&self, path: &str) -> Result<Answer> {
        self.send("GET", path, "", None)
    }

    /// POST of JSON.
    pub fn post(&self, path: &str, body: &Value) -> Result<Answer> {
        self.send("POST", path, "application/json", Some(body))
    }

    /// Creates a Secret in the namespace that its metadata name.
    pub fn create(&self, secret: &Value) -> Result<Answer> {
        self.post(&secrets(namespace(secret)), secret)
    }

    /// Creates it in a dry run.
    pub fn create_dry(&self, secret: &Value) -> Result<Answer> {
        self.post(
            &format!("{}?dryRun=All", secrets(namespace(secret))),
            secret,
        )
    }

    /// Replaces a Secret.
    pub fn replace(&self, secret: &Value) -> Result<Answer> {
        self.send("PUT", &path_of(secret), "application/json", Some(secret))
    }

    /// Merge patch.
    pub fn patch(&self, namespace: &str, name: &str, patch: &Value) -> Result<Answer> {
        self.send(
            "PATCH",
            &format!("{}/{name}", secrets(namespace)),
            "application/merge-patch+json",
            Some(patch),
        )
    }

    /// JSON patch.
    pub fn json_patch(&self, namespace: &str, name: &str, patch: &Value) -> Result<Answer> {
        self.send(
            "PATCH",
            &format!("{}/{name}", secrets(namespace)),
            "application/json-patch+json",
            Some(patch),
        )
    }

    /// Server-side apply.
    pub fn apply(&self, secret: &Value, manager: &str, further: &str) -> Result<Answer> {
        let path = format!("{}?fieldManager={manager}{further}", path_of(secret));
        self.send("PATCH", &path, "application/apply-patch+yaml", Some(secret))
    }

    /// The stored Secret.
    pub fn secret(&self, namespace: &str, name: &str) -> Result<Value> {
        self.get(&format!("{}/{name}", secrets(namespace)))?
            .accepted()
    }

    /// Deletes a Secret.
    pub fn delete(&self, namespace: &str, name: &str) -> Result<Answer> {
        self.send(
            "DELETE",
            &format!("{}/{name}", secrets(namespace)),
            "",
            None,
        )
    }
}

/// An HTTP client.
pub fn client(authority: &[u8], identity: Option<&Pair>, base: &str) -> Result<Client> {
    let mut builder = Client::builder()
        .timeout(Duration::from_mins(1))
        .no_proxy()
        .tls_certs_only([Certificate::from_pem(authority)?])
        .https_only(base.starts_with("https"));
    if let Some(pair) = identity {
        builder = builder.identity(Identity::from_pem(&pair.pem()?)?);
    }
    Ok(builder.build()?)
}

fn namespace(secret: &Value) -> &str {
    secret["metadata"]["namespace"]
        .as_str()
        .expect("tests name the namespace")
}

fn secrets(namespace: &str) -> String {
    format!("/api/v1/namespaces/{namespace}/secrets")
}

fn path_of(secret: &Value) -> String {
    let name = secret["metadata"]["name"]
        .as_str()
        .expect("tests name the Secret");
    format!("{}/{name}", secrets(namespace(secret)))
}
