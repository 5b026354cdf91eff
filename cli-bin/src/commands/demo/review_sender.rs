//! The part of the API server: folds a manifest into an object, asks the webhook, applies the patch.
use std::collections::BTreeMap;

use anyhow::{Context as _, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::http::{HttpAnswer, TlsCaller};

/// Who applies the manifest, as the API server tells the webhook.
pub(super) const USER: &str = "system:serviceaccount:gitops:deployer";

/// As the webhook is registered, with the deadline that the API server adds.
const PATH: &str = "/mutate?timeout=10s";

/// Sends reviews, one after the other.
pub(super) struct ReviewSender {
    caller: TlsCaller,
    sent: u32,
}

/// What the webhook said to one review.
pub(super) struct ReviewAnswer {
    /// The uid of the review.
    pub(super) uid: String,
    /// Whether the Secret may be stored.
    pub(super) allowed: bool,
    /// The status code of a denial.
    pub(super) code: Option<u64>,
    /// The words of a denial.
    pub(super) message: String,
    /// Field names and their new values; empty when there is no patch.
    pub(super) patched: BTreeMap<String, Vec<u8>>,
    /// What would be stored: the object with the patch applied.
    pub(super) stored: Value,
}

impl ReviewSender {
    /// An API server that calls as `caller`.
    pub(super) fn new(caller: TlsCaller) -> Self {
        Self { caller, sent: 0 }
    }

    /// Asks whether `object` may be stored, in place of `old` if there is one.
    pub(super) fn review(
        &mut self,
        object: &Value,
        old: Option<&Value>,
    ) -> anyhow::Result<ReviewAnswer> {
        let (uid, body) = self.next_review(object, old)?;
        let answer = self
            .caller
            .post(PATH, &body)
            .context("the webhook did not answer the API server")?;
        ensure!(
            answer.status == 200,
            "the webhook answered with HTTP status {}",
            answer.status
        );
        let answer: Value =
            serde_json::from_slice(&answer.body).context("the webhook's answer is no JSON")?;
        review_answer(uid, object, &answer)
    }

    /// The same question from another caller; what comes back is not looked into.
    pub(super) fn ask_as(
        &mut self,
        caller: &TlsCaller,
        object: &Value,
    ) -> anyhow::Result<HttpAnswer> {
        let (_, body) = self.next_review(object, None)?;
        caller.post(PATH, &body)
    }

    fn next_review(
        &mut self,
        object: &Value,
        old: Option<&Value>,
    ) -> anyhow::Result<(String, Vec<u8>)> {
        self.sent += 1;
        let uid = format!("6a7b4f0e-5d1c-4e2b-9a53-{:012}", self.sent);
        let body = serde_json::to_vec(&review(&uid, object, old)?)?;
        Ok((uid, body))
    }
}

/// The object that the API server makes of a Secret's manifest before it asks anyone.
pub(super) fn object(manifest: &str) -> anyhow::Result<Value> {
    let mut object: Value = serde_saphyr::from_str(manifest).context("the manifest is no YAML")?;
    let secret = object
        .as_object_mut()
        .context("the manifest is no mapping")?;
    let text = secret.remove("stringData").unwrap_or_else(|| json!({}));
    let data = secret.entry("data").or_insert_with(|| json!({}));
    let data = data.as_object_mut().context("`data` is no mapping")?;
    for (name, value) in text.as_object().context("`stringData` is no mapping")? {
        let value = value
            .as_str()
            .context("`stringData` holds something else than text")?;
        data.insert(name.clone(), STANDARD.encode(value).into());
    }
    let metadata = object["metadata"]
        .as_object_mut()
        .context("the manifest has no `metadata`")?;
    metadata.insert("creationTimestamp".into(), Value::Null);
    Ok(object)
}

/// The decoded value of one field.
pub(super) fn field(object: &Value, name: &str) -> anyhow::Result<Vec<u8>> {
    let text = object["data"][name]
        .as_str()
        .with_context(|| format!("the Secret has no field {name:?}"))?;
    STANDARD
        .decode(text)
        .with_context(|| format!("field {name:?} is not base64"))
}

/// Names of all fields.
pub(super) fn fields(object: &Value) -> Vec<String> {
    object["data"]
        .as_object()
        .map(|data| data.keys().cloned().collect())
        .unwrap_or_default()
}

fn review(uid: &str, object: &Value, old: Option<&Value>) -> anyhow::Result<Value> {
    let name = object["metadata"]["name"]
        .as_str()
        .context("the Secret has no name")?;
    let namespace = object["metadata"]["namespace"]
        .as_str()
        .context("the Secret has no namespace")?;
    let kind = json!({ "group": "", "version": "v1", "kind": "Secret" });
    let resource = json!({ "group": "", "version": "v1", "resource": "secrets" });
    let (operation, options) = match old {
        None => ("CREATE", "CreateOptions"),
        Some(_) => ("UPDATE", "UpdateOptions"),
    };
    Ok(json!({
        "kind": "AdmissionReview",
        "apiVersion": "admission.k8s.io/v1",
        "request": {
            "uid": uid,
            "kind": kind, "resource": resource,
            "requestKind": kind, "requestResource": resource,
            "name": name, "namespace": namespace, "operation": operation,
            "userInfo": {
                "username": USER,
                "uid": "0f0e7a52-54c8-4dbe-8d1c-43a6bf50a3f4",
                "groups": ["system:serviceaccounts", "system:serviceaccounts:gitops", "system:authenticated"],
            },
            "object": object,
            "oldObject": old,
            "dryRun": false,
            "options": { "kind": options, "apiVersion": "meta.k8s.io/v1", "fieldManager": "gitops" },
        },
    }))
}

fn review_answer(uid: String, object: &Value, answer: &Value) -> anyhow::Result<ReviewAnswer> {
    ensure!(
        answer["kind"] == "AdmissionReview" && answer["apiVersion"] == "admission.k8s.io/v1",
        "the webhook's answer is no AdmissionReview v1"
    );
    let response = &answer["response"];
    ensure!(
        response["uid"] == uid.as_str(),
        "the webhook answers another review than it was asked"
    );
    let allowed = response["allowed"]
        .as_bool()
        .context("the webhook's answer says neither yes nor no")?;
    let mut stored = object.clone();
    let mut patched = BTreeMap::new();
    if let Some(patch) = response.get("patch").filter(|patch| !patch.is_null()) {
        ensure!(
            response["patchType"] == "JSONPatch" && allowed,
            "a patch needs its type and a yes"
        );
        let patch = STANDARD.decode(patch.as_str().context("the patch is no text")?)?;
        let patch: Vec<Value> = serde_json::from_slice(&patch).context("the patch is no JSON")?;
        for operation in &patch {
            let name = apply(&mut stored, operation)?;
            let value = field(&stored, &name)?;
            ensure!(
                patched.insert(name, value).is_none(),
                "the patch changes one field twice"
            );
        }
    }
    Ok(ReviewAnswer {
        uid,
        allowed,
        code: response["status"]["code"].as_u64(),
        message: response["status"]["message"]
            .as_str()
            .unwrap_or_default()
            .to_owned(),
        patched,
        stored,
    })
}

/// Applies one operation. Only what the webhook may do passes: the replacement of a value that is there.
fn apply(stored: &mut Value, operation: &Value) -> anyhow::Result<String> {
    let path = operation["path"]
        .as_str()
        .context("an operation has no path")?;
    let Some(name) = path
        .strip_prefix("/data/")
        .filter(|_| operation["op"] == "replace")
    else {
        bail!("the patch does something else than to replace a field: {path:?}");
    };
    let name = name.replace("~1", "/").replace("~0", "~");
    let slot = stored["data"]
        .as_object_mut()
        .and_then(|data| data.get_mut(&name))
        .with_context(|| format!("the patch replaces a field that is not there: {name:?}"))?;
    *slot = operation["value"].clone();
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: &str = "\
apiVersion: v1
kind: Secret
metadata: {name: db, namespace: payments}
data: {a: QQ==, b: QQ==}
stringData: {b: B}
";

    fn answer(patch: &Value) -> Value {
        json!({
            "kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1",
            "response": {
                "uid": "1", "allowed": true, "patchType": "JSONPatch",
                "patch": STANDARD.encode(patch.to_string()),
            },
        })
    }

    #[test]
    fn folds_text_over_data() {
        let object = object(MANIFEST).unwrap();
        assert_eq!(object["data"], json!({ "a": "QQ==", "b": "Qg==" }));
        assert!(object.get("stringData").is_none());
    }

    #[test]
    fn applies_a_replacement() {
        let patch = json!([{ "op": "replace", "path": "/data/a", "value": "Wg==" }]);
        let review_answer =
            review_answer("1".into(), &object(MANIFEST).unwrap(), &answer(&patch)).unwrap();
        assert_eq!(review_answer.patched["a"], b"Z");
        assert_eq!(
            review_answer.stored["data"],
            json!({ "a": "Wg==", "b": "Qg==" })
        );
    }

    #[test]
    fn refuses_any_other_patch() {
        for patch in [
            json!([{ "op": "add", "path": "/data/a", "value": "Wg==" }]),
            json!([{ "op": "replace", "path": "/data/c", "value": "Wg==" }]),
            json!([{ "op": "replace", "path": "/metadata/name", "value": "x" }]),
            json!([{ "op": "replace", "path": "/data/a", "value": "no base64" }]),
        ] {
            assert!(
                review_answer("1".into(), &object(MANIFEST).unwrap(), &answer(&patch)).is_err(),
                "{patch}"
            );
        }
    }

    #[test]
    fn refuses_the_answer_to_another_review() {
        assert!(
            review_answer("2".into(), &object(MANIFEST).unwrap(), &answer(&json!([]))).is_err()
        );
    }
}
