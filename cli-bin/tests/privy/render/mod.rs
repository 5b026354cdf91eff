//! `privy render`: manifests that a cluster accepts, with what the flags say in the right places.
mod configuration;
mod documents;
mod manifests;
mod refused;
mod rights;

use serde_json::Value;

use crate::support::{Bench, Ended};

const CA: &str = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
/// [`CA`] as `caBundle`, and what stands for it in the examples.
const BUNDLE: &str =
    "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCk1JSUIKLS0tLS1FTkQgQ0VSVElGSUNBVEUtLS0tLQo=";
const PLACEHOLDER: &str = "UmVwbGFjZSBtZQ==";

fn bench() -> Bench {
    let bench = Bench::empty();
    bench.write("ca.crt", CA);
    bench
}

fn render(bench: &Bench, arguments: &[&str]) -> Ended {
    bench.run(&[&["render"], arguments].concat(), "")
}

/// A configuration that fits the manifests, for the card `pay.card.json`.
fn configuration(callers: &str) -> String {
    let callers = match callers {
        "mtls" => "{ mtls: { clientCa: ../tls/ca.crt, allowedNames: [a] } }".to_owned(),
        other => format!("{{ {other}: {{}} }}"),
    };
    format!(
        "version: 1\ntls: {{ certificate: ../tls/tls.crt, privateKey: ../tls/tls.key }}\ncallers: {callers}\nkeys:\n  - name: pay\n    publicKey: pay.card.json\n    namespaces: [payments]\n    unwrap: [\"file:/etc/privy/keys/pay.pem\"]\n"
    )
}

fn documents(text: &[u8]) -> Vec<Value> {
    let text = std::str::from_utf8(text).unwrap();
    text.split("---\n")
        .filter(|document| {
            document
                .lines()
                .any(|line| !line.is_empty() && !line.starts_with('#'))
        })
        .map(|document| serde_saphyr::from_str(document).unwrap())
        .collect()
}

fn find<'d>(documents: &'d [Value], kind: &str) -> &'d Value {
    documents
        .iter()
        .find(|document| document["kind"] == kind)
        .unwrap_or_else(|| panic!("there is no {kind}"))
}

fn kinds(documents: &[Value]) -> Vec<&str> {
    documents
        .iter()
        .map(|document| document["kind"].as_str().unwrap())
        .collect()
}
