//! A reviewer with a scripted key service behind it, reviews as an API server sends them, and envelopes made by
//! another implementation than ours.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use josekit::jwe::JweHeader;
use jwe_envelope::untrusted::is_deceptive;
use jwe_envelope::{KeyManagement, LocalKey};
use kms_backends::local::LocalBackend;
use kms_backends::testing::ScriptedBackend;
use kms_backends::{CacheOptions, KeyEntry, KeyEntryBuilder, NamespaceSet, Registry};
use serde_json::{Map, Value, json};
use tokio::time::Instant;
use unseal_policy::decide::Policy;
use webhook_bin::audit::AuditRecord;
use webhook_bin::review::{Answer, Reviewer};

pub const RSA_PEM: &[u8] = include_bytes!("../keys/rsa2048.pem");
pub const P256_PEM: &[u8] = include_bytes!("../keys/p256.pem");
pub const OTHER_P256_PEM: &[u8] = include_bytes!("../keys/other-p256.pem");

/// The time of every review, unless a test says otherwise: 2027-01-15T08:00:00Z.
pub const NOW: u64 = 1_800_000_000;

pub fn rsa_key() -> LocalKey {
    LocalKey::from_bytes(RSA_PEM, None).unwrap()
}

pub fn p256_key() -> LocalKey {
    LocalKey::from_bytes(P256_PEM, None).unwrap()
}

/// `kid` of the key called `payments`.
pub fn rsa_kid() -> String {
    rsa_key().recipient().kid().to_owned()
}

/// `kid` of the key called `ledger`.
pub fn p256_kid() -> String {
    p256_key().recipient().kid().to_owned()
}

pub fn b64(bytes: impl AsRef<[u8]>) -> String {
    STANDARD.encode(bytes)
}

pub fn unb64(text: &str) -> Vec<u8> {
    STANDARD.decode(text).unwrap()
}

pub fn unb64url(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text).unwrap()
}

pub fn b64url(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A compact envelope for the key `payments` with these further header members.
pub fn seal(value: impl AsRef<[u8]>, members: &Value) -> String {
    let mut header = header(members);
    if header.key_id().is_none() && members.get("kid").is_none() {
        header.set_key_id(rsa_kid());
    }
    let public = openssl_public(RSA_PEM);
    let encrypter = josekit::jwe::RSA_OAEP_256
        .encrypter_from_pem(public)
        .unwrap();
    josekit::jwe::serialize_compact(value.as_ref(), &header, &encrypter).unwrap()
}

/// The same for the elliptic-curve key `ledger`.
pub fn seal_p256(value: impl AsRef<[u8]>, members: &Value) -> String {
    let mut header = header(members);
    header.set_key_id(p256_kid());
    let public = openssl_public(P256_PEM);
    let encrypter = josekit::jwe::ECDH_ES_A256KW
        .encrypter_from_pem(public)
        .unwrap();
    josekit::jwe::serialize_compact(value.as_ref(), &header, &encrypter).unwrap()
}

/// Sealed for exactly one place.
pub fn bound(value: impl AsRef<[u8]>, namespace: &str, name: &str, key: &str) -> String {
    seal(
        value,
        &json!({"bind": {"v": 1, "ns": namespace, "name": name, "key": key}}),
    )
}

/// Sealed for `payments/db/KEY`, where most reviews happen.
pub fn sealed(value: impl AsRef<[u8]>, key: &str) -> String {
    bound(value, "payments", "db", key)
}

fn header(members: &Value) -> JweHeader {
    // `enc` first: one of the forms that admission opens.
    let mut map = Map::new();
    map.insert("enc".into(), "A256GCM".into());
    map.extend(members.as_object().unwrap().clone());
    map.remove("kid").filter(Value::is_null);
    if let Some(kid) = members.get("kid").filter(|kid| !kid.is_null()) {
        map.insert("kid".into(), kid.clone());
    }
    JweHeader::from_map(map).unwrap()
}

fn openssl_public(private: &[u8]) -> Vec<u8> {
    LocalKey::from_bytes(private, None)
        .unwrap()
        .recipient()
        .to_pem()
        .into_bytes()
}

/// Compact text out of a header and parts, well-formed or not.
pub fn compact(
    header: &Value,
    encrypted_key: &[u8],
    iv: &[u8],
    ciphertext: &[u8],
    tag: &[u8],
) -> String {
    compact_raw(&header.to_string(), encrypted_key, iv, ciphertext, tag)
}

pub fn compact_raw(
    header: &str,
    encrypted_key: &[u8],
    iv: &[u8],
    ciphertext: &[u8],
    tag: &[u8],
) -> String {
    [header.as_bytes(), encrypted_key, iv, ciphertext, tag]
        .map(b64url)
        .join(".")
}

/// A JSON envelope with `protected` first: the form that admission opens.
pub fn protected_first(envelope: &Value) -> String {
    let mut members = envelope.as_object().unwrap().clone();
    let Some(protected) = members.remove("protected") else {
        return envelope.to_string();
    };
    let rest = Value::Object(members).to_string();
    format!("{{\"protected\":{protected},{}", &rest[1..])
}

/// A reviewer and the key service that it asks.
pub struct Bench {
    pub backend: Arc<ScriptedBackend>,
    pub reviewer: Reviewer,
}

/// What a test changes of the usual set-up.
pub struct Setup {
    pub payments: fn(KeyEntryBuilder) -> KeyEntryBuilder,
    pub policy: Policy,
    pub cache: CacheOptions,
    pub now: u64,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            payments: |entry| entry,
            policy: Policy {
                cluster: Some("prod-eu".to_owned()),
                ..Policy::default()
            },
            cache: CacheOptions::default(),
            now: NOW,
        }
    }
}

impl Bench {
    /// Keys `payments` (RSA-OAEP-256, namespaces `payments` and `team-*`) and `ledger` (ECDH-ES+A256KW, everywhere,
    /// also called `ledger-2024`) on one scripted key service each; `backend` is that of `payments`.
    pub fn new() -> Self {
        Setup::default().build()
    }

    pub fn calls(&self) -> usize {
        self.backend.calls()
    }

    pub async fn review(&self, review: &Review) -> Reply {
        self.review_within(review, Duration::from_secs(10)).await
    }

    pub async fn review_within(&self, review: &Review, time: Duration) -> Reply {
        self.send(review.body().as_bytes(), time).await
    }

    pub async fn send(&self, body: &[u8], time: Duration) -> Reply {
        Reply::new(self.reviewer.review(body, Instant::now() + time).await)
    }
}

impl Setup {
    pub fn build(self) -> Bench {
        let backend = Arc::new(ScriptedBackend::with_key(Arc::new(LocalBackend::from_key(
            rsa_key(),
        ))));
        let namespaces = |patterns: &[&str]| NamespaceSet::parse(patterns).unwrap();
        let payments = KeyEntry::builder("payments", rsa_key().recipient().clone())
            .namespaces(namespaces(&["payments", "team-*"]))
            .backend(backend.clone());
        let ledger = KeyEntry::builder("ledger", p256_key().recipient().clone())
            .namespaces(NamespaceSet::all())
            .alias("ledger-2024")
            .backend(Arc::new(LocalBackend::from_key(p256_key())));
        let registry = Registry::builder()
            .key((self.payments)(payments))
            .key(ledger)
            .cache(self.cache)
            .build()
            .unwrap();
        let now = self.now;
        let reviewer = Reviewer::new(registry, self.policy)
            .with_clock(move || UNIX_EPOCH + Duration::from_secs(now));
        Bench { backend, reviewer }
    }
}

/// An AdmissionReview under construction.
#[derive(Clone)]
pub struct Review(pub Value);

impl Review {
    /// CREATE of `payments/db` with this `data`, every text put under base64.
    pub fn create(data: &[(&str, &str)]) -> Self {
        Self::of("CREATE", &secret(data), None)
    }

    /// UPDATE of `payments/db`.
    pub fn update(stored: &[(&str, &str)], data: &[(&str, &str)]) -> Self {
        Self::of("UPDATE", &secret(data), Some(&secret(stored)))
    }

    pub fn of(operation: &str, object: &Value, stored: Option<&Value>) -> Self {
        Self(json!({
            "kind": "AdmissionReview",
            "apiVersion": "admission.k8s.io/v1",
            "request": {
                "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
                "kind": {"group": "", "version": "v1", "kind": "Secret"},
                "resource": {"group": "", "version": "v1", "resource": "secrets"},
                "requestKind": {"group": "", "version": "v1", "kind": "Secret"},
                "requestResource": {"group": "", "version": "v1", "resource": "secrets"},
                "name": "db",
                "namespace": "payments",
                "operation": operation,
                "userInfo": {
                    "username": "system:serviceaccount:flux-system:kustomize-controller",
                    "uid": "3f7a3a3e-0000-4000-8000-000000000000",
                    "groups": ["system:serviceaccounts", "system:authenticated"],
                    "extra": {"authentication.kubernetes.io/pod-name": ["kustomize-controller-0"]},
                },
                "object": object,
                "oldObject": stored,
                "dryRun": false,
                "options": {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1"},
            },
        }))
    }

    /// Changes a member of the object: `/type`, `/metadata/annotations`.
    pub fn with(mut self, pointer: &str, value: Value) -> Self {
        set(&mut self.0, &format!("/request/object{pointer}"), value);
        self
    }

    /// Puts an envelope, or any text, into the annotation of the annotation layout.
    pub fn annotated(self, key: &str, text: &str) -> Self {
        annotate(self, "object", key, text)
    }

    /// The same in the stored object.
    pub fn stored_annotated(self, key: &str, text: &str) -> Self {
        annotate(self, "oldObject", key, text)
    }

    /// Takes a member of the object away.
    pub fn without(mut self, pointer: &str) -> Self {
        let (parent, last) = pointer.rsplit_once('/').unwrap();
        let parent = self.0["request"]["object"].pointer_mut(parent).unwrap();
        parent.as_object_mut().unwrap().remove(last);
        self
    }

    /// Changes a member of the stored object.
    pub fn stored_with(mut self, pointer: &str, value: Value) -> Self {
        set(&mut self.0, &format!("/request/oldObject{pointer}"), value);
        self
    }

    /// Changes a member of the request.
    pub fn request_with(mut self, member: &str, value: Value) -> Self {
        set(&mut self.0, &format!("/request/{member}"), value);
        self
    }

    /// The same request for a Secret of another name or namespace.
    pub fn at(self, namespace: &str, name: &str) -> Self {
        self.request_with("namespace", namespace.into())
            .request_with("name", name.into())
            .with("/metadata/namespace", namespace.into())
            .with("/metadata/name", name.into())
    }

    pub fn body(&self) -> String {
        self.0.to_string()
    }

    pub fn object(&self) -> &Value {
        &self.0["request"]["object"]
    }
}

fn annotate(mut review: Review, object: &str, key: &str, text: &str) -> Review {
    let metadata = &mut review.0["request"][object]["metadata"];
    metadata["annotations"][format!("privyseal.dev/data.{key}")] = text.into();
    review
}

fn set(root: &mut Value, pointer: &str, value: Value) {
    let (parent, last) = pointer.rsplit_once('/').unwrap();
    let parent = root.pointer_mut(parent).unwrap();
    parent
        .as_object_mut()
        .unwrap()
        .insert(last.replace("~1", "/"), value);
}

/// `payments/db` with this `data`, every text put under base64.
pub fn secret(data: &[(&str, &str)]) -> Value {
    let data: Map<String, Value> = data
        .iter()
        .map(|(key, value)| ((*key).to_owned(), b64(value).into()))
        .collect();
    json!({
        "kind": "Secret",
        "apiVersion": "v1",
        "metadata": {
            "name": "db",
            "namespace": "payments",
            "creationTimestamp": null,
            "managedFields": [{"manager": "kubectl", "fieldsV1": {"f:data": {".": {}}}}],
        },
        "data": data,
        "type": "Opaque",
    })
}

/// An answer, taken apart and checked for what holds of every answer.
pub struct Reply {
    pub status: u16,
    pub retry_after: Option<u32>,
    pub text: String,
    pub response: Value,
    pub record: AuditRecord,
}

impl Reply {
    pub fn new(answer: Answer) -> Self {
        let text = String::from_utf8(answer.body.as_ref().to_vec()).unwrap();
        let mut response = Value::Null;
        if answer.status == 200 {
            let review: Value = serde_json::from_str(&text).unwrap();
            assert_eq!(review["apiVersion"], "admission.k8s.io/v1");
            assert_eq!(review["kind"], "AdmissionReview");
            response = review["response"].clone();
            assert_eq!(response["uid"], answer.record.uid.as_str());
            assert_eq!(
                response.get("patch").is_some(),
                response.get("patchType").is_some()
            );
        } else {
            assert!([400, 429, 503].contains(&answer.status));
            assert_eq!(answer.status != 400, answer.retry_after.is_some());
        }
        let reply = Self {
            status: answer.status,
            retry_after: answer.retry_after,
            text,
            response,
            record: answer.record,
        };
        reply.check();
        reply
    }

    fn check(&self) {
        // Deployment tools look for these words in what went wrong.
        let lower = self.message().to_ascii_lowercase();
        assert!(
            !lower.contains("is immutable") && !lower.contains("immutable field"),
            "{lower}"
        );
        assert_eq!(
            self.allowed(),
            self.response.get("status").is_none() && self.status == 200
        );
        if self.status == 200 && !self.allowed() {
            let code = self.response["status"]["code"].as_u64().unwrap();
            assert!([400, 403, 503].contains(&code), "{code}");
            assert!(!self.message().is_empty());
        }
        assert!(self.allowed() || self.response.get("patch").is_none());
        let warnings = self.warnings();
        assert!(warnings.iter().all(|warning| warning.len() <= 256));
        assert!(warnings.iter().map(String::len).sum::<usize>() < 4096);
        // What callers chose moves no cursor, hides no text and begins no command of a CI system, here or in the audit.
        let raw = |text: &str| text.chars().any(|c| c != '\n' && is_deceptive(c));
        let command = |text: &str| {
            text.contains("##[") || text.lines().any(|line| line.trim_start().starts_with("::"))
        };
        assert!(!raw(&self.text), "{:?}", self.text);
        for text in warnings.iter().map(String::as_str).chain([self.message()]) {
            assert!(!raw(text) && !command(text), "{text:?}");
        }
        assert!(!warnings.iter().any(|warning| warning.contains('\n')));
        let mut line = Vec::new();
        self.record.write_json(&mut line);
        assert!(!raw(std::str::from_utf8(&line).unwrap()));
        serde_json::from_slice::<Value>(&line).unwrap();
        assert_eq!(
            line.iter().position(|byte| *byte == b'\n'),
            Some(line.len() - 1)
        );
    }

    pub fn allowed(&self) -> bool {
        self.response["allowed"] == true
    }

    pub fn code(&self) -> u64 {
        self.response["status"]["code"].as_u64().unwrap()
    }

    pub fn message(&self) -> &str {
        if self.status == 200 {
            self.response["status"]["message"]
                .as_str()
                .unwrap_or_default()
        } else {
            &self.text
        }
    }

    pub fn warnings(&self) -> Vec<String> {
        let warnings = self.response["warnings"].as_array();
        warnings
            .into_iter()
            .flatten()
            .map(|warning| warning.as_str().unwrap().to_owned())
            .collect()
    }

    /// The operations of the patch; none when there is no patch.
    pub fn patch(&self) -> Vec<Value> {
        let Some(patch) = self.response["patch"].as_str() else {
            return Vec::new();
        };
        assert_eq!(self.response["patchType"], "JSONPatch");
        serde_json::from_slice::<Vec<Value>>(&unb64(patch)).unwrap()
    }

    /// The opened values by key, decoded.
    pub fn opened(&self) -> Vec<(String, Vec<u8>)> {
        self.patch()
            .iter()
            .map(|operation| {
                assert_eq!(operation["op"], "replace");
                let path = operation["path"].as_str().unwrap();
                let key = path.strip_prefix("/data/").unwrap();
                let key = key.replace("~1", "/").replace("~0", "~");
                (key, unb64(operation["value"].as_str().unwrap()))
            })
            .collect()
    }

    /// The object as the API server will store it.
    pub fn apply_to(&self, object: &Value) -> Value {
        let mut object = object.clone();
        for operation in self.patch() {
            let (parent, last) = operation["path"]
                .as_str()
                .unwrap()
                .rsplit_once('/')
                .unwrap();
            let parent = object.pointer_mut(parent).expect("the map is there");
            let parent = parent.as_object_mut().expect("a map");
            let last = last.replace("~1", "/").replace("~0", "~");
            let there = parent.contains_key(&last);
            match operation["op"].as_str().unwrap() {
                "add" => assert!(!there || parent[&last] == json!({}), "{last} is there"),
                "replace" | "remove" => assert!(there, "{last} is not there"),
                other => panic!("{other}"),
            }
            match operation.get("value") {
                Some(value) => parent.insert(last, value.clone()),
                None => parent.remove(&last),
            };
        }
        object
    }

    /// The stable word of the first refused field.
    pub fn refusal(&self) -> Option<&'static str> {
        self.record.code.map(unseal_policy::decide::Code::as_str)
    }

    /// All that a person sees, for a snapshot. Key IDs are those of fixed keys.
    pub fn summary(&self) -> String {
        use std::fmt::Write as _;
        let mut text = String::new();
        if self.status != 200 {
            let _ = writeln!(
                text,
                "HTTP {} Retry-After {:?}\n{}",
                self.status, self.retry_after, self.text
            );
            return text;
        }
        let _ = writeln!(text, "allowed: {}", self.allowed());
        if !self.allowed() {
            let status = &self.response["status"];
            let _ = writeln!(
                text,
                "{} {}: {}",
                status["code"],
                status["reason"],
                self.message()
            );
        }
        for operation in self.patch() {
            let _ = writeln!(text, "patch: {operation}");
        }
        for warning in self.warnings() {
            let _ = writeln!(text, "warning: {warning}");
        }
        for field in &self.record.fields {
            let _ = writeln!(
                text,
                "audit: {} {} {}",
                field.field,
                field.outcome.as_str(),
                field.code.map_or("-", unseal_policy::decide::Code::as_str)
            );
        }
        text
    }
}

/// A key that is pinned to another algorithm than its kind's usual one.
pub fn pinned(pem: &[u8], algorithm: KeyManagement) -> LocalKey {
    LocalKey::from_bytes(pem, Some(algorithm)).unwrap()
}

/// What a signer writes beside an envelope.
pub fn signature(signer: &jwe_envelope::LocalSigner, envelope: &str) -> String {
    let envelope = jwe_envelope::Envelope::parse(envelope.as_bytes()).unwrap();
    signer.sign_envelope(&envelope.digest(), NOW).unwrap()
}

impl Review {
    /// Puts a signature, or any text, beside the value of a key.
    pub fn signed(mut self, key: &str, signature: &str) -> Self {
        let metadata = &mut self.0["request"]["object"]["metadata"];
        metadata["annotations"][format!("privyseal.dev/sig.{key}")] = signature.into();
        self
    }
}
