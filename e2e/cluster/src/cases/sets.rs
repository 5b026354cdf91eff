//! What admission opens is what the backstop refuses when it is unopened, and a part of what the filter forwards: over one
//! sealed value in some hundred forms, and over ordinary values, with the expressions as they are shipped, evaluated by the
//! API server's own library.
use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::callers::direct_review;
use super::cost::cel;
use super::forms::{self, Form};
use crate::lab::Lab;
use crate::sealing::b64;

const NO_RIGHT: &str = "may not have values opened";

fn object(data: &Value) -> Value {
    json!({ "apiVersion": "v1", "kind": "Secret", "type": "Opaque",
        "metadata": { "namespace": "sets", "name": "db" }, "data": data })
}

/// One evaluation.
struct Asked {
    name: String,
    object: Value,
    old: Value,
    may_unseal: bool,
}

/// What the API server would do.
struct Answer {
    forwarded: bool,
    refused: Vec<String>,
}

fn decide(lab: &Lab, asked: &[Asked]) -> Result<Vec<Answer>> {
    let objects: Vec<Value> = asked
        .iter()
        .map(|one| json!({ "name": one.name, "object": one.object, "oldObject": one.old, "mayUnseal": one.may_unseal }))
        .collect();
    cel(lab, &objects, true)?
        .into_iter()
        .map(|decision| {
            Ok(Answer {
                forwarded: decision["forwarded"]["unseal.privyseal.dev"]
                    .as_bool()
                    .context("it has a decision for each webhook")?,
                refused: serde_json::from_value(decision["refused"].clone())?,
            })
        })
        .collect()
}

/// Whether the webhook opens it when it is asked, by a review that comes straight from the API server's certificate.
fn opens(lab: &Lab, form: &Form) -> Result<bool> {
    let caller = &lab
        .own("a client certificate in the API server's configuration")?
        .caller;
    let review = json!({ "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
        "uid": "1", "kind": { "group": "", "version": "v1", "kind": "Secret" },
        "resource": { "group": "", "version": "v1", "resource": "secrets" },
        "namespace": "sets", "name": "db", "operation": "CREATE", "dryRun": false,
        "userInfo": { "username": "deployer", "groups": [] },
        "object": object(&json!({ "password": form.data() })), "oldObject": null } });
    let (status, text) = direct_review(lab, Some(caller), "/mutate", &[], &review)?;
    ensure!(status == 200, "{}: {status} {text}", form.name);
    Ok(text.contains("\"patch\""))
}

/// The three sets, over every form, by itself and among other fields.
pub fn what_admission_opens_is_what_the_backstop_refuses_and_the_filter_forwards(
    lab: &Lab,
) -> Result<()> {
    let forms = forms::all(&lab.key, ["sets", "db", "password"], b"tiger");
    let live = b64("a live value");
    let (mut asked, mut expected) = (Vec::new(), Vec::new());
    for form in &forms {
        let opened = opens(lab, form)?;
        ensure!(
            opened == (form.is_openable() && form.valid),
            "{}: opened is {opened}",
            form.name
        );
        let sizes: &[usize] =
            if form.name.ends_with("alg enc kid bind") || form.name == "JSON iv first" {
                &[1, 2, 256, 257, 1999, 2000, 2001]
            } else {
                &[1]
            };
        for &size in sizes {
            let mut data: serde_json::Map<String, Value> = (1..size)
                .map(|n| (format!("k{n}"), json!("eA==")))
                .collect();
            data.insert("password".to_owned(), json!(live));
            let old = object(&data.clone().into());
            data.insert("password".to_owned(), json!(form.data()));
            let new = object(&data.into());
            for may_unseal in [false, true] {
                for (step, old) in [
                    ("create", Value::Null),
                    ("over live", old.clone()),
                    ("unchanged", new.clone()),
                ] {
                    let mut object = new.clone();
                    object["metadata"]["labels"] = json!({ "step": step });
                    asked.push(Asked {
                        name: format!(
                            "{} of {size} fields, {step}, may unseal: {may_unseal}",
                            form.name
                        ),
                        object,
                        old,
                        may_unseal,
                    });
                    expected.push((form, opened, size, step));
                }
            }
        }
    }
    for ((asked, answer), (form, opened, size, step)) in
        asked.iter().zip(decide(lab, &asked)?).zip(expected)
    {
        let (name, refused) = (&asked.name, answer.refused.join("\n"));
        if step == "unchanged" {
            ensure!(!answer.forwarded && refused.is_empty(), "{name}: {refused}");
            continue;
        }
        ensure!(
            answer.forwarded || !(opened && asked.may_unseal),
            "{name}: not forwarded"
        );
        ensure!(!answer.forwarded || asked.may_unseal, "{name}: forwarded");
        if size > 2000 {
            ensure!(asked.may_unseal == refused.is_empty(), "{name}: {refused}");
            continue;
        }
        ensure!(
            refused.contains(NO_RIGHT) == (form.is_openable() && !asked.may_unseal),
            "{name}: {refused}"
        );
        ensure!(
            refused.contains("was not called for it") == form.is_openable(),
            "{name}: {refused}"
        );
        // Whatever the form: a live value is not replaced, whether or not the webhook is there.
        if step == "over live" && form.name != "base64 twice again" {
            ensure!(!refused.is_empty(), "{name}: a live value is replaced");
        }
    }
    Ok(())
}

fn token(header: &str) -> String {
    format!(
        "{}.{}.{}",
        URL_SAFE_NO_PAD.encode(header),
        "cGF5bG9hZA".repeat(20),
        "c2ln".repeat(64)
    )
}

fn encrypted(header: &str) -> String {
    format!(
        "{}..{}.{}.{}",
        URL_SAFE_NO_PAD.encode(header),
        "aXZpdml2aXZpdml2",
        "Y2lwaGVy".repeat(40),
        "dGFndGFndGFndGFndGFnZw"
    )
}

/// Values as they are in other people's Secrets.
fn ordinary() -> Vec<(&'static str, String)> {
    let kid = "9b9d0b454ed5a4a4e05c1a0b4e3b2f1e0d9c8b7a";
    let long = "x".repeat(300);
    vec![
        (
            "Google",
            token(&format!(r#"{{"alg":"RS256","kid":"{kid}","typ":"JWT"}}"#)),
        ),
        (
            "Entra ID v2",
            token(r#"{"typ":"JWT","alg":"RS256","kid":"nOo3ZDrODXEK1jKWhXslHR_KXEg"}"#),
        ),
        (
            "Entra ID for Graph",
            token(
                r#"{"typ":"JWT","nonce":"wQ7lZ3hY6bQy9","alg":"RS256","x5t":"nOo3ZDrODXEK1jKWhXslHR_KXEg"}"#,
            ),
        ),
        (
            "Okta",
            token(&format!(r#"{{"kid":"{kid}","alg":"RS256"}}"#)),
        ),
        (
            "Cognito",
            token(r#"{"kid":"abcdefghijklmnopqrsexample0123456789+/ab=","alg":"RS256"}"#),
        ),
        (
            "Auth0",
            token(r#"{"alg":"RS256","typ":"JWT","kid":"NkJCQzIyQzRBMEYxNTk"}"#),
        ),
        (
            "Keycloak",
            token(
                r#"{"alg":"RS256","typ" : "JWT","kid" : "FJ86GcF3jTbNLOco4NvZkUCIUmfYCqoqtOQeMfbhNlE"}"#,
            ),
        ),
        (
            "GitHub Actions",
            token(r#"{"typ":"JWT","alg":"RS256","x5t":"example","kid":"example"}"#),
        ),
        (
            "GitLab",
            token(r#"{"kid":"example-key-id-of-gitlab","typ":"JWT","alg":"RS256"}"#),
        ),
        (
            "a service account",
            token(r#"{"alg":"RS256","kid":"uGmV2cVDpyp1zSpjWZxJ1WyKCEPQNmiWLOGoILcMzIA"}"#),
        ),
        ("Apple", token(r#"{"kid":"W6WcOKB","alg":"ES256"}"#)),
        (
            "Vault's OIDC",
            token(r#"{"alg":"EdDSA","kid":"0c1e5a3e-7d5b-4b51-9a8a-1b0e4b2f8e60"}"#),
        ),
        (
            "an OAuth access token",
            token(r#"{"typ":"at+jwt","alg":"PS256","kid":"1"}"#),
        ),
        (
            "a key of AWS KMS",
            token(r#"{"kid":"arn:aws:kms:eu-central-1:123456789012:key/1234abcd","alg":"ES384"}"#),
        ),
        (
            "session of Auth.js",
            encrypted(r#"{"alg":"dir","enc":"A256CBC-HS512","kid":"rZ1Q"}"#),
        ),
        (
            "session of Auth0",
            encrypted(r#"{"alg":"dir","enc":"A256GCM","iss":"https://example.eu.auth0.com/"}"#),
        ),
        (
            "session of Nimbus",
            encrypted(r#"{"enc":"A128CBC-HS256","alg":"dir"}"#),
        ),
        (
            "session of Nimbus, GCM",
            encrypted(r#"{"enc":"A256GCM","alg":"dir"}"#),
        ),
        (
            "nested token of Nimbus",
            encrypted(r#"{"cty":"JWT","enc":"A256GCM","alg":"dir"}"#),
        ),
        (
            "cookie of ASP.NET",
            encrypted(r#"{"alg":"A256KW","enc":"A256CBC-HS512","typ":"JWT"}"#),
        ),
        (
            "password-protected JWK",
            encrypted(r#"{"alg":"PBES2-HS256+A128KW","enc":"A128CBC-HS256","p2c":8192}"#),
        ),
        (
            "encrypted with kid first",
            encrypted(r#"{"kid":"1","alg":"A128GCMKW","enc":"A128GCM"}"#),
        ),
        (
            "bearer header",
            format!("Bearer {}", token(r#"{"alg":"RS256"}"#)),
        ),
        (
            "token in a line",
            format!("TOKEN={}\n", token(r#"{"kid":"1","alg":"RS256"}"#)),
        ),
        (
            "docker configuration",
            format!(
                r#"{{"auths":{{"registry.example":{{"auth":"{}"}}}}}}"#,
                b64(&long)
            ),
        ),
        (
            "docker configuration with a token",
            format!(
                r#"{{"auths":{{"registry.example":{{"registrytoken":"{}"}}}}}}"#,
                token(r#"{"alg":"RS256"}"#)
            ),
        ),
        (
            "service account of Google",
            format!("{{\n  \"type\": \"service_account\",\n  \"private_key\": \"{long}\"\n}}\n"),
        ),
        (
            "credentials of AWS",
            format!(
                "[default]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\naws_secret_access_key = {long}\n"
            ),
        ),
        (
            "service principal of Azure",
            format!(r#"{{"clientId":"1","clientSecret":"{long}","tenantId":"2"}}"#),
        ),
        (
            "kubeconfig",
            format!(
                "apiVersion: v1\nkind: Config\nusers:\n- user:\n    token: {}\n",
                token(r#"{"alg":"RS256"}"#)
            ),
        ),
        (
            "JSON configuration",
            format!(r#"{{"database":{{"password":"{long}"}}}}"#),
        ),
        (
            "JSON with a first member `key`",
            format!(r#"{{"key":"{long}"}}"#),
        ),
        (
            "JWK Set",
            format!(r#"{{"keys":[{{"kty":"RSA","n":"{long}"}}]}}"#),
        ),
        ("YAML", format!("password: {long}\n")),
        ("properties", format!("spring.datasource.password={long}\n")),
        ("Transit ciphertext", format!("vault:v1:{}", b64(&long))),
        ("Vault token", format!("hvs.{}", &long)),
        ("blob of AWS KMS", format!("AQICAHh{}", b64(&long))),
        ("blob of Google Cloud KMS", format!("CiQA{}", b64(&long))),
        ("PEM", format!("-----BEGIN RSA PRIVATE KEY-----\n{long}\n")),
        (
            "OpenPGP message",
            format!("-----BEGIN PGP MESSAGE-----\n\n{long}\n"),
        ),
        (
            "age file",
            format!("age-encryption.org/v1\n-> X25519 {long}\n"),
        ),
        (
            "SOPS file",
            format!("password: ENC[AES256_GCM,data:{long},iv:x,tag:y,type:str]\n"),
        ),
        ("PKCS #12 in base64", format!("MIIK{}", b64(&long))),
        ("release of Helm", format!("H4sIAAAAAAAC/{}", b64(&long))),
        ("password", "correct horse battery staple".to_owned()),
        // The false positives: forwarded, and refused over a live plain value unless `leave` names the field.
        (
            "base64 of a docker configuration",
            URL_SAFE_NO_PAD.encode(format!(
                r#"{{"auths":{{"registry.example":{{"auth":"{long}"}}}}}}"#
            )),
        ),
        (
            "base64 of registry credentials",
            URL_SAFE_NO_PAD.encode(format!(r#"{{"username":"u","password":"{long}"}}"#)),
        ),
        (
            "JSON with a first member `header`",
            format!(r#"{{"header":"{long}"}}"#),
        ),
        (
            "JSON with a first member `tag`",
            format!(r#"{{"tag":"{long}"}}"#),
        ),
        (
            "JSON with a first member `iv`",
            format!(r#"{{"iv":"{long}"}}"#),
        ),
        (
            "ID token encrypted for a client",
            encrypted(r#"{"cty":"JWT","enc":"A256GCM","alg":"RSA-OAEP-256"}"#),
        ),
        // Openable forms: refused from users who may not unseal, and otherwise unless `leave` names the field.
        (
            "ID token encrypted for a client, alg first",
            encrypted(r#"{"alg":"RSA-OAEP","enc":"A256GCM","cty":"JWT"}"#),
        ),
    ]
}

/// docs/blast-radius.md has this table.
const REFUSED: &[(&str, &str)] = &[
    ("base64 of a docker configuration", "over live"),
    ("base64 of registry credentials", "over live"),
    ("JSON with a first member `header`", "over live"),
    ("JSON with a first member `tag`", "over live"),
    ("JSON with a first member `iv`", "over live"),
    ("ID token encrypted for a client", "over live"),
    ("ID token encrypted for a client, alg first", "create"),
    ("ID token encrypted for a client, alg first", "over live"),
];

/// Tokens, configurations and credentials pass, as new values and over others, no matter who writes them; those that do
/// not are listed.
pub fn ordinary_values_pass_except_those_that_are_listed(lab: &Lab) -> Result<()> {
    let mut asked = Vec::new();
    for (name, value) in ordinary() {
        let new = object(&json!({ "value": b64(&value) }));
        let live = object(&json!({ "value": b64("a live value") }));
        let same_kind = object(&json!({ "value": b64(format!("{}x", &value)) }));
        for may_unseal in [false, true] {
            for (step, old) in [
                ("create", &Value::Null),
                ("over live", &live),
                ("over its like", &same_kind),
            ] {
                asked.push((
                    name,
                    step,
                    Asked {
                        name: format!("{name}, {step}, may unseal: {may_unseal}"),
                        object: new.clone(),
                        old: old.clone(),
                        may_unseal,
                    },
                ));
            }
        }
    }
    let (rows, asked): (Vec<_>, Vec<_>) = asked
        .into_iter()
        .map(|(name, step, asked)| ((name, step), asked))
        .unzip();
    for ((row, asked), answer) in rows.iter().zip(&asked).zip(decide(lab, &asked)?) {
        let openable = row.0.ends_with("alg first") && row.1 == "over its like";
        ensure!(
            answer.refused.is_empty() != (REFUSED.contains(row) || openable),
            "{}: {:?}",
            asked.name,
            answer.refused
        );
    }
    Ok(())
}
