//! The schema of `.privy.yaml` and the code agree, in both directions.
use cli_bin::project::{Project, ProjectFault};
use serde_json::{Value, json};

fn schema() -> jsonschema::Validator {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../schemas/privy-yaml.schema.json"
    );
    let schema: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    jsonschema::draft202012::meta::validate(&schema).unwrap();
    jsonschema::draft202012::new(&schema).unwrap()
}

fn parse(bytes: &[u8]) -> Result<Project, ProjectFault> {
    Project::from_bytes(".privy.yaml".into(), bytes)
}

fn with(rule: &Value) -> Value {
    json!({ "version": 1, "rules": [rule] })
}

#[test]
fn both_accept_what_is_valid() {
    let schema = schema();
    for rule in [
        json!({ "paths": ["**"], "key": "k.json" }),
        json!({ "paths": ["a/*.yaml", "b?/**"], "keys": ["keys/k.json", "keys/l.pem"] }),
        json!({ "paths": ["a"], "key": "k", "namespace": "team-*", "name": "db", "cluster": "eu" }),
        json!({ "paths": ["a"], "key": "..k", "clusters": ["eu", "us"] }),
        json!({ "paths": ["a"], "key": "k", "layout": "field" }),
        json!({ "paths": ["a"], "key": "k", "layout": "annotation" }),
        json!({ "paths": ["a"], "key": "k", "signer": "keys/manager.pub.pem" }),
        json!({ "paths": ["a"], "key": "k", "signed": true }),
    ] {
        let document = with(&rule);
        assert!(schema.is_valid(&document), "{document}");
        parse(document.to_string().as_bytes())
            .unwrap_or_else(|error| panic!("{document}: {}", error.reason()));
    }
}

#[test]
fn both_agree_about_what_lint_is_told() {
    let schema = schema();
    let document = |lint: Value| json!({ "version": 1, "rules": [{ "paths": ["a"], "key": "k" }], "lint": lint });
    let allow = |rule: &str, paths: Value, reason: &str| json!({ "allow": [{ "rule": rule, "paths": paths, "reason": reason }] });
    for lint in [
        json!({}),
        json!(null),
        json!({ "widest": "namespaces", "allow": [] }),
        allow("plaintext", json!(["test/**"]), "a throw-away cluster"),
    ] {
        let document = document(lint);
        assert!(schema.is_valid(&document), "{document}");
        parse(document.to_string().as_bytes())
            .unwrap_or_else(|error| panic!("{document}: {}", error.reason()));
    }
    for lint in [
        json!([]),
        json!({ "widest": "everything" }),
        json!({ "more": 1 }),
        json!({ "allow": [{ "rule": "plaintext", "paths": ["a"] }] }),
        allow("plaintext", json!([]), "x"),
        allow("plaintext", json!(["../a"]), "x"),
        allow("plaintext", json!(["a"]), " "),
        allow("", json!(["a"]), "x"),
    ] {
        let document = document(lint);
        assert!(!schema.is_valid(&document), "the schema accepts {document}");
        assert!(
            parse(document.to_string().as_bytes()).is_err(),
            "the code accepts {document}"
        );
    }
}

#[test]
fn both_refuse_what_is_not() {
    let schema = schema();
    let many: Vec<String> = (0..17).map(|number| format!("c{number}")).collect();
    let mut documents: Vec<Value> = [
        json!({}),
        json!({ "paths": ["a"] }),
        json!({ "key": "k" }),
        json!({ "paths": [], "key": "k" }),
        json!({ "paths": "a", "key": "k" }),
        json!({ "paths": ["a"], "key": "k", "keys": ["l"] }),
        json!({ "paths": ["a"], "keys": [] }),
        json!({ "paths": ["a"], "key": null }),
        json!({ "paths": ["a"], "key": "" }),
        json!({ "paths": ["a"], "key": "../k" }),
        json!({ "paths": ["a"], "key": "k/.." }),
        json!({ "paths": ["a"], "key": "a/./k" }),
        json!({ "paths": ["a"], "key": "./k" }),
        json!({ "paths": ["a"], "key": "/k" }),
        json!({ "paths": ["a"], "key": "a//k" }),
        json!({ "paths": ["a"], "key": "k/" }),
        json!({ "paths": ["a"], "key": "a\\k" }),
        json!({ "paths": ["../a"], "key": "k" }),
        json!({ "paths": ["a"], "key": "k", "namespace": "" }),
        json!({ "paths": ["a"], "key": "k", "name": "" }),
        json!({ "paths": ["a"], "key": "k", "cluster": "" }),
        json!({ "paths": ["a"], "key": "k", "cluster": "a", "clusters": ["b"] }),
        json!({ "paths": ["a"], "key": "k", "clusters": [] }),
        json!({ "paths": ["a"], "key": "k", "clusters": ["a", "a"] }),
        json!({ "paths": ["a"], "key": "k", "clusters": many }),
        json!({ "paths": ["a"], "key": "k", "fingerprint": "x" }),
        json!({ "paths": ["a"], "key": "k", "layout": "both" }),
        json!({ "paths": ["a"], "key": "k", "layout": null }),
        json!({ "paths": ["a"], "key": "k", "signer": "" }),
        json!({ "paths": ["a"], "key": "k", "signer": "../k" }),
        json!({ "paths": ["a"], "key": "k", "signer": null }),
    ]
    .iter()
    .map(with)
    .collect();
    documents.extend([
        json!({ "version": 2, "rules": [{ "paths": ["a"], "key": "k" }] }),
        json!({ "rules": [{ "paths": ["a"], "key": "k" }] }),
        json!({ "version": 1 }),
        json!({ "version": 1, "rules": [] }),
        json!({ "version": 1, "rules": [{ "paths": ["a"], "key": "k" }], "more": 1 }),
    ]);
    for document in documents {
        assert!(!schema.is_valid(&document), "the schema accepts {document}");
        assert!(
            parse(document.to_string().as_bytes()).is_err(),
            "the code accepts {document}"
        );
    }
}
