//! Reviews as kube-apiserver sends them: one envelope in `data`, about 1.5 KB.

use anyhow::Result;
use base64::prelude::{BASE64_STANDARD, Engine as _};
use jwe_envelope::{Binding, Place, RecipientKey, Sealer};

/// One review of a CREATE with the given base64 values in `data`.
pub fn create(fields: &[(&str, &str)]) -> String {
    let data: Vec<String> = fields
        .iter()
        .map(|(key, value)| format!("\"{key}\":\"{value}\""))
        .collect();
    format!(
        concat!(
            r#"{{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{{"uid":"b1f4d7f0-3a52-4a52-9a39-1d3a9d4a6c11","#,
            r#""kind":{{"group":"","version":"v1","kind":"Secret"}},"resource":{{"group":"","version":"v1","resource":"secrets"}},"#,
            r#""requestKind":{{"group":"","version":"v1","kind":"Secret"}},"requestResource":{{"group":"","version":"v1","resource":"secrets"}},"#,
            r#""name":"db","namespace":"payments","operation":"CREATE","userInfo":{{"username":"system:serviceaccount:flux-system:kustomize-controller","#,
            r#""uid":"7c5a1c1e-52d1-4d62-9c3c-3d8a1c0b2f10","groups":["system:serviceaccounts","system:serviceaccounts:flux-system","system:authenticated"]}},"#,
            r#""object":{{"kind":"Secret","apiVersion":"v1","metadata":{{"name":"db","namespace":"payments","creationTimestamp":null}},"#,
            r#""data":{{{}}},"type":"Opaque"}},"oldObject":null,"dryRun":false,"options":{{"kind":"CreateOptions","apiVersion":"meta.k8s.io/v1","fieldManager":"kustomize-controller"}}}}}}"#,
        ),
        data.join(",")
    )
}

/// A review with one value sealed for `recipient`, in an act of its own.
pub fn sealed(recipient: &RecipientKey, value: &[u8]) -> Result<String> {
    let place = Place::new("payments", "db", "password")?;
    let envelope =
        Sealer::new(std::slice::from_ref(recipient))?.seal(value, &Binding::exact(&place))?;
    Ok(create(&[(
        "password",
        &BASE64_STANDARD.encode(envelope.to_string()),
    )]))
}
