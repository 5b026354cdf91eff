//! What the configuration accepts and refuses, and in which words. The JSON Schema agrees, but for what only
//! the files can tell.

use std::path::Path;

use jsonschema::Validator;
use test_support::site::{BASE, SECOND_KEY, SIGNERS, Site};
use unseal_policy::signatures::{OnlyFrom, Signer};
use webhook_bin::config::{Config, Overrides};
use webhook_bin::net::caller::{Aggregated, CallerMode};

/// What the schema says of a file that the code refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Schema {
    /// It refuses as well, or never sees it because it is no YAML.
    Refuses,
    /// It cannot know: other files or other members are at fault.
    CannotKnow,
}

fn schema() -> Validator {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../schemas/webhook-config.schema.json");
    let schema = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    jsonschema::draft202012::meta::validate(&schema).unwrap();
    jsonschema::draft202012::new(&schema).unwrap()
}

fn load(site: &Site, text: &str) -> Result<Config, String> {
    site.write("webhook.yaml", text);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime
        .block_on(Config::load(&site.config(), Overrides::default()))
        .map_err(|problems| in_no_folder(site, &problems.to_string()))
}

/// Folders and key IDs differ from run to run.
fn in_no_folder(site: &Site, text: &str) -> String {
    text.replace(&format!("{}/", site.pki.folder().display()), "")
        .replace(site.payments.recipient().kid(), "KID-OF-PAYMENTS")
        .replace(site.shipping.recipient().kid(), "KID-OF-SHIPPING")
}

fn schema_accepts(text: &str) -> bool {
    // `yes` is a text, as YAML 1.2 has it.
    let options = serde_saphyr::options! { strict_booleans: true };
    serde_saphyr::from_str_with_options::<serde_json::Value>(text, options)
        .is_ok_and(|value| schema().is_valid(&value))
}

/// The base with `edits` applied, and the words that it is refused with.
fn refused_by(site: &Site, edits: &[(&str, &str)], expected: Schema) -> String {
    let text = edited(edits);
    let words = load(site, &text).map(|_| ()).expect_err("a refusal");
    let refused = !schema_accepts(&text);
    assert_eq!(
        refused,
        expected == Schema::Refuses,
        "the schema on:\n{text}"
    );
    words
}

fn refused(edits: &[(&str, &str)], expected: Schema) -> String {
    refused_by(&Site::new(), edits, expected)
}

fn edited(edits: &[(&str, &str)]) -> String {
    edits.iter().fold(BASE.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "{from}");
        text.replacen(from, to, 1)
    })
}

fn accepted(edits: &[(&str, &str)]) -> Config {
    let text = edited(edits);
    let site = Site::new();
    assert!(schema_accepts(&text), "the schema refuses:\n{text}");
    load(&site, &text).unwrap_or_else(|problems| panic!("{problems}\n{text}"))
}

macro_rules! mistakes {
    ($($(#[$attribute:meta])* $name:ident: $schema:ident, $($from:expr => $to:expr),+;)+) => {$(
        $(#[$attribute])*
        #[test]
        fn $name() {
            insta::assert_snapshot!(refused(&[$(($from, $to)),+], Schema::$schema));
        }
    )+};
}

mistakes! {
    not_yaml: Refuses, "cluster: prod-eu" => "cluster: [prod-eu";
    not_a_mapping: Refuses, BASE => "- version: 1\n";
    an_empty_file: Refuses, BASE => "\n";
    a_member_twice: Refuses, "cluster: prod-eu" => "cluster: prod-eu\ncluster: prod-us";
    two_documents: Refuses, "cluster: prod-eu" => "---\ncluster: prod-eu";
    an_unknown_member: Refuses, "cluster: prod-eu" => "clutser: prod-eu";
    an_unknown_member_of_a_key: Refuses, "    publicKey:" => "    publickey:";
    an_unknown_member_like_none: Refuses, "cluster: prod-eu" => "webhooks: 3";
    another_version: Refuses, "version: 1" => "version: 2";
    no_version: Refuses, "version: 1\n" => "";
    a_number_for_a_text: Refuses, "cluster: prod-eu" => "cluster: 17";
    an_empty_text: Refuses, "certificate: tls.crt" => "certificate: ''";
    an_address_without_a_port: Refuses, "listen: 127.0.0.1:0\nhealth" => "listen: 127.0.0.1\nhealth";
    one_port_for_both: CannotKnow, "127.0.0.1:0\nhealth:\n  listen: 127.0.0.1:0" => "127.0.0.1:7\nhealth:\n  listen: 127.0.0.1:7";
    no_tls: Refuses, "tls:\n  certificate: tls.crt\n  privateKey: tls.key\n" => "";
    no_private_key: Refuses, "  privateKey: tls.key\n" => "";
    a_certificate_that_is_not_there: CannotKnow, "tls.crt" => "missing.crt";
    a_certificate_that_is_none: CannotKnow, "tls.crt" => "payments.pub.pem";
    a_private_key_that_is_none: CannotKnow, "tls.key" => "ca.crt";
    a_private_key_of_another_certificate: CannotKnow, "certificate: tls.crt" => "certificate: ca.crt";
    no_callers: CannotKnow, "callers:\n  mtls:\n    clientCa: ca.crt\n    allowedNames: [\"kube-apiserver\"]\n" => "";
    callers_without_a_way: Refuses, "  mtls:\n    clientCa: ca.crt\n    allowedNames: [\"kube-apiserver\"]\n" => "  {}\n";
    callers_with_two_ways: Refuses, "callers:\n" => "callers:\n  loopback: {}\n";
    callers_by_a_kubeconfig_that_is_not_there: CannotKnow, "  mtls:\n    clientCa: ca.crt\n    allowedNames: [\"kube-apiserver\"]\n" => "  aggregated: { kubeconfig: missing }\n";
    callers_by_an_unknown_member: Refuses, "  mtls:\n    clientCa: ca.crt\n    allowedNames: [\"kube-apiserver\"]\n" => "  aggregated: { kubeConfig: x }\n";
    submitters_that_are_nobody: Refuses, "cluster: prod-eu" => "cluster: prod-eu\npolicy: { submitters: [] }";
    submitters_without_a_kind: Refuses, "cluster: prod-eu" => "cluster: prod-eu\npolicy:\n  submitters:\n    - group:deployers\n    - alice\n    - \"user:a*b\"";
    submitters_of_a_key_in_another_form: Refuses, "    namespaces" => "    submitters: [\"serviceAccount:flux\"]\n    namespaces";
    signers_that_are_nobody: Refuses, "keys:" => "signers: []\nkeys:";
    a_signer_with_nothing_in_it: Refuses, "keys:" => "signers: [{}]\nkeys:";
    a_signer_with_a_secret: Refuses, "keys:" => "signers: [{ name: dba, privateKey: dba.pem }]\nkeys:";
    a_signer_twice: CannotKnow, "keys:" => SIGNERS, "{ name: ops" => "{ name: dba";
    two_signers_with_one_key: CannotKnow, "keys:" => SIGNERS, "ops.pub.pem" => "dba.pub.pem";
    a_signer_whose_key_is_not_there: CannotKnow, "keys:" => SIGNERS, "dba.pub.pem" => "missing.pem";
    a_signer_whose_key_is_private: CannotKnow, "keys:" => SIGNERS, "dba.pub.pem" => "payments.pem";
    a_signer_whose_key_cannot_sign: CannotKnow, "keys:" => SIGNERS, "dba.pub.pem" => "shipping.pub.pem";
    a_signer_whose_key_is_too_long: CannotKnow, "keys:" => SIGNERS, "dba.pub.pem" => "long.pem";
    signatures_from_nobody: Refuses, "keys:" => SIGNERS, "cluster: prod-eu" => "cluster: prod-eu\npolicy: { onlyFrom: [] }";
    signatures_from_somebody_unknown: CannotKnow, "keys:" => SIGNERS, "cluster: prod-eu" => "cluster: prod-eu\npolicy:\n  onlyFrom: [dba, dbo]\n  namespaces:\n    - { match: [\"*\"], onlyFrom: [nobody] }", "    namespaces: [\"payments\"" => "    onlyFrom: [ghost]\n    namespaces: [\"payments\"";
    signatures_from_anybody_and_somebody: Refuses, "keys:" => SIGNERS, "cluster: prod-eu" => "cluster: prod-eu\npolicy: { onlyFrom: [dba, \"*\"] }";
    signatures_without_signers: CannotKnow, "cluster: prod-eu" => "cluster: prod-eu\npolicy: { onlyFrom: [dba] }";
    a_rule_for_no_namespace: Refuses, "cluster: prod-eu" => "cluster: prod-eu\npolicy:\n  namespaces:\n    - foreign: deny";
    a_rule_of_nobody: Refuses, "cluster: prod-eu" => "cluster: prod-eu\npolicy:\n  namespaces:\n    - match: [payments]\n      mustBeSealed: always";
    an_access_review_by_halves: Refuses, "cluster: prod-eu" => "cluster: prod-eu\nsubjectAccessReview: sometimes";
    a_kubeconfig_that_is_not_there: CannotKnow, "cluster: prod-eu" => "cluster: prod-eu\nsubjectAccessReview: required\nkubeconfig: missing";
    callers_without_names: Refuses, "    allowedNames: [\"kube-apiserver\"]\n" => "";
    callers_with_no_name: Refuses, "[\"kube-apiserver\"]" => "[]";
    a_client_authority_that_is_not_there: CannotKnow, "clientCa: ca.crt" => "clientCa: missing.crt";
    loopback_on_every_interface: CannotKnow,
        "  mtls:\n    clientCa: ca.crt\n    allowedNames: [\"kube-apiserver\"]\n" => "  loopback: {}\n",
        "listen: 127.0.0.1:0\nhealth" => "listen: 0.0.0.0:0\nhealth";
    no_keys: Refuses, "keys:\n  - name: payments\n    publicKey: payments.pub.pem\n    namespaces: [\"payments\", \"team-*\"]\n    unwrap: [\"file:payments.pem\"]\n" => "keys: []\n";
    a_key_with_nothing_in_it: Refuses, "  - name: payments\n    publicKey: payments.pub.pem\n    namespaces: [\"payments\", \"team-*\"]\n    unwrap: [\"file:payments.pem\"]\n" => "  - {}\n";
    a_key_name_with_blanks: Refuses, "name: payments" => "name: the payments";
    a_public_key_that_is_not_there: CannotKnow, "payments.pub.pem" => "missing.pem";
    a_public_key_that_is_none: CannotKnow, "payments.pub.pem" => "tls.key";
    an_algorithm_of_nobody: Refuses, "    namespaces" => "    algorithm: RSA1_5\n    namespaces";
    an_algorithm_of_another_kind: CannotKnow, "    namespaces" => "    algorithm: RSA-OAEP-256\n    namespaces";
    an_algorithm_that_the_key_contradicts: CannotKnow,
        "payments.pub.pem" => "payments.jwk.json", "    namespaces" => "    algorithm: ECDH-ES+A128KW\n    namespaces";
    a_kid_that_the_file_does_not_hold: CannotKnow, "    namespaces" => "    kid: someone-else\n    namespaces";
    no_namespaces: Refuses, "    namespaces: [\"payments\", \"team-*\"]\n" => "";
    a_namespace_in_capitals: Refuses, "\"team-*\"" => "\"Team\"";
    a_pattern_without_its_dash: Refuses, "\"team-*\"" => "\"team*\"";
    an_alias_twice: Refuses, "    namespaces" => "    aliases: [old, old]\n    namespaces";
    no_unwrap: Refuses, "    unwrap: [\"file:payments.pem\"]\n" => "";
    a_reference_without_a_scheme: CannotKnow, "file:payments.pem" => "payments.pem";
    #[cfg(not(feature = "vault"))]
    a_reference_of_no_backend: CannotKnow, "file:payments.pem" => "vault-transit://transit/payments";
    a_private_half_that_is_not_there: CannotKnow, "file:payments.pem" => "file:missing.pem";
    a_private_half_of_another_key: CannotKnow, "file:payments.pem" => "file:shipping.pem";
    yes_for_true: Refuses, "    namespaces" => "    allowUnbound: yes\n    namespaces";
    a_policy_of_nobody: Refuses, "cluster: prod-eu" => "policy: { foreign: allow }";
    a_duration_without_a_unit: Refuses, "drain: 0s" => "drain: 15";
    a_duration_in_days: Refuses, "drain: 0s" => "drain: 1d";
    a_drain_without_end: CannotKnow, "drain: 0s" => "drain: 1h";
    an_idle_time_that_the_api_server_outlasts: CannotKnow, "drain: 0s" => "idle: 60s";
    a_size_without_a_unit: Refuses, "drain: 0s" => "bodyBytes: 8 MB";
    a_budget_below_one_body: CannotKnow, "drain: 0s" => "inflightBytes: 4MiB";
    no_reviews_at_all: Refuses, "drain: 0s" => "reviews: 0";
    a_cache_that_shrinks_in_an_outage: CannotKnow, "cluster: prod-eu" => "cache: { lifetime: 30m, outageLifetime: 10m }";
    an_empty_cache: Refuses, "cluster: prod-eu" => "cache: { entries: 0 }";
    a_key_twice: CannotKnow, "limits:" => SECOND_KEY, "shipping.pub.pem" => "payments.pub.pem", "file:shipping.pem" => "file:payments.pem";
    a_name_twice: CannotKnow, "limits:" => SECOND_KEY, "name: shipping" => "name: payments";
    two_default_keys: CannotKnow,
        "limits:" => SECOND_KEY, "    namespaces: [\"payments\"" => "    default: true\n    namespaces: [\"payments\"",
        "    namespaces: [\"*\"]" => "    default: true\n    namespaces: [\"*\"]";
    an_alias_of_two_keys: CannotKnow,
        "limits:" => SECOND_KEY, "    namespaces: [\"payments\"" => "    aliases: [old]\n    namespaces: [\"payments\"",
        "    namespaces: [\"*\"]" => "    aliases: [new, old]\n    namespaces: [\"*\"]";
    many_mistakes_at_once: Refuses,
        "version: 1" => "version: one", "tls.crt" => "missing.crt", "cluster: prod-eu" => "cluster: 'prod eu'",
        "\"team-*\"" => "\"team*\"", "drain: 0s" => "drian: 0s";
}

#[test]
fn an_alias_that_is_another_keys_kid() {
    let site = Site::new();
    let alias = format!(
        "    aliases: [\"{}\"]\n    namespaces: [\"*\"]",
        site.payments.recipient().kid()
    );
    let edits = [
        ("limits:", SECOND_KEY),
        ("    namespaces: [\"*\"]", alias.as_str()),
    ];
    insta::assert_snapshot!(refused_by(&site, &edits, Schema::CannotKnow));
}

#[cfg(unix)]
#[test]
fn a_private_half_that_others_may_read() {
    use std::os::unix::fs::PermissionsExt;
    let site = Site::new();
    std::fs::set_permissions(
        site.pki.path("payments.pem"),
        std::fs::Permissions::from_mode(0o644),
    )
    .unwrap();
    insta::assert_snapshot!(refused_by(&site, &[], Schema::CannotKnow));
}

#[test]
fn a_file_that_is_not_there() {
    let site = Site::new();
    std::fs::remove_file(site.config()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let problems = runtime
        .block_on(Config::load(&site.config(), Overrides::default()))
        .unwrap_err();
    assert!(
        in_no_folder(&site, &problems.to_string()).starts_with("webhook.yaml: cannot be read: ")
    );
}

#[test]
fn a_file_of_bytes() {
    let site = Site::new();
    std::fs::write(site.config(), b"version: 1\ncluster: \xff\n").unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let problems = runtime
        .block_on(Config::load(&site.config(), Overrides::default()))
        .unwrap_err();
    assert_eq!(
        in_no_folder(&site, &problems.to_string()),
        "webhook.yaml:2: is not UTF-8"
    );
    std::fs::write(site.config(), " ".repeat(2 << 20)).unwrap();
    let problems = runtime
        .block_on(Config::load(&site.config(), Overrides::default()))
        .unwrap_err();
    assert_eq!(
        in_no_folder(&site, &problems.to_string()),
        "webhook.yaml: is longer than 1048576 bytes"
    );
}

#[test]
fn accepts_the_base_with_its_defaults() {
    let config = accepted(&[]);
    let allowed_names = vec!["kube-apiserver".to_owned()];
    assert_eq!(config.callers, CallerMode::Mtls { allowed_names });
    assert_eq!(config.policy.cluster.as_deref(), Some("prod-eu"));
    assert_eq!(config.tls_poll.as_secs(), 10);
    assert_eq!(config.limits.reviews, 512);
    assert!(config.cache.enabled);
    assert_eq!(config.audit, None);
    assert!(config.keys[0].namespaces.contains("team-a"));
    assert!(!config.keys[0].allow_unbound && !config.keys[0].is_default);
}

#[test]
fn accepts_every_member() {
    let config = accepted(&[
        (
            "  privateKey: tls.key",
            "  privateKey: tls.key\n  poll: 250ms",
        ),
        ("limits:", SECOND_KEY),
        (
            "    namespaces: [\"*\"]",
            "    algorithm: ECDH-ES+A256KW\n    aliases: [\"arn:aws:kms:eu-central-1:1:key/2\"]\n    allowUnbound: true\n    default: true\n    namespaces: [\"*\"]",
        ),
        (
            "  drain: 0s",
            "  drain: 30s\n  bodyBytes: 4MiB\n  inflightBytes: 16777216\n  reviews: 64\n  connections: 256\n  handshake: 2s\n  headers: 2s\n  body: 5s\n  answer: 1m\n  idle: 5m\n  connectionAge: 10m",
        ),
        (
            "cluster: prod-eu",
            "cluster: prod-eu\npolicy: { foreign: deny, expired: warn }\ncache: { enabled: true, entries: 100, lifetime: 1m, outageLifetime: 1h }\naudit: { file: audit.jsonl }",
        ),
    ]);
    assert_eq!(config.limits.inflight_bytes, 16 << 20);
    assert_eq!(config.limits.answer.as_secs(), 60);
    assert_eq!(config.cache.capacity.get(), 100);
    assert!(config.keys[1].is_default && config.keys[1].allow_unbound);
    assert!(config.audit.unwrap().ends_with("audit.jsonl"));
}

#[test]
fn accepts_rules_for_those_who_submit() {
    let config = accepted(&[
        (
            "cluster: prod-eu",
            "cluster: prod-eu\nsubjectAccessReview: required\npolicy:\n  submitters: [\"group:deployers\"]\n  namespaces:\n    - match: [\"team-*\"]\n      foreign: deny\n      expired: warn\n      mustBeSealed: false\n      submitters: [\"serviceAccount:flux-*/apply\", \"user:*\"]\n    - match: [\"*\"]",
        ),
        (
            "    namespaces",
            "    submitters: [\"user:al*\"]\n    namespaces",
        ),
    ]);
    let rules = config.rulebook;
    assert_eq!(rules.submitters.unwrap().to_string(), "group:deployers");
    assert_eq!(rules.namespaces.len(), 2);
    let team = &rules.namespaces[0];
    assert!(team.namespaces.contains("team-a") && team.must_be_sealed == Some(false));
    let submitters = team.submitters.as_ref().unwrap();
    assert_eq!(
        submitters.to_string(),
        "serviceAccount:flux-*/apply, user:*"
    );
    assert_eq!(rules.keys[0].0, "payments");
    assert_eq!(config.access_reviews, Some(Aggregated::default()));
    assert_eq!(accepted(&[]).access_reviews, None);
}

#[test]
fn accepts_signers_and_where_they_are_asked_for() {
    let named = |names: &[&str]| OnlyFrom::Signers(names.iter().map(|n| (*n).to_owned()).collect());
    let config = accepted(&[
        ("keys:", SIGNERS),
        (
            "cluster: prod-eu",
            "cluster: prod-eu\npolicy:\n  onlyFrom: [dba, ops, dba]\n  namespaces:\n    - match: [\"team-*\"]\n      onlyFrom: [\"*\"]\n    - match: [\"*\"]",
        ),
        (
            "    namespaces: [\"payments\"",
            "    onlyFrom: [ops]\n    namespaces: [\"payments\"",
        ),
    ]);
    let signatures = &config.policy.signatures;
    let signers = signatures.signers.iter().map(Signer::name);
    assert_eq!(signers.collect::<Vec<_>>(), ["dba", "ops"]);
    assert_eq!(signatures.only_from, [named(&["dba", "ops"])]);
    assert_eq!(*signatures.keys, [("payments".to_owned(), named(&["ops"]))]);
    assert_eq!(
        config.rulebook.namespaces[0].only_from,
        Some(OnlyFrom::Anybody)
    );
    assert_eq!(config.rulebook.namespaces[1].only_from, None);
    assert!(config.warnings.is_empty(), "{:?}", config.warnings);
    // A signer whom nothing asks for is allowed, and said.
    let config = accepted(&[
        ("keys:", SIGNERS),
        (
            "cluster: prod-eu",
            "cluster: prod-eu\npolicy: { onlyFrom: [dba] }",
        ),
    ]);
    assert_eq!(config.warnings.len(), 1);
    assert!(
        config.warnings[0].contains("signer `ops`"),
        "{:?}",
        config.warnings
    );
    assert_eq!(
        accepted(&[]).policy.signatures,
        unseal_policy::signatures::Signatures::default()
    );
}

#[test]
fn accepts_aggregated_callers() {
    let mtls = "  mtls:\n    clientCa: ca.crt\n    allowedNames: [\"kube-apiserver\"]\n";
    let config = accepted(&[(mtls, "  aggregated: {}\n")]);
    assert_eq!(
        config.callers,
        CallerMode::Aggregated(Aggregated::default())
    );
    assert_eq!(config.tls.client_ca, None);
}

#[test]
fn accepts_loopback_and_json() {
    let mtls = "  mtls:\n    clientCa: ca.crt\n    allowedNames: [\"kube-apiserver\"]\n";
    let config = accepted(&[
        (mtls, "  loopback: {}\n"),
        ("listen: 127.0.0.1:0\nhealth", "listen: '[::1]:0'\nhealth"),
    ]);
    assert_eq!(config.callers, CallerMode::Loopback);
    let value: serde_json::Value = serde_saphyr::from_str(BASE).unwrap();
    accepted(&[(BASE, &serde_json::to_string_pretty(&value).unwrap())]);
}

#[test]
fn takes_keys_from_a_jwk_and_from_a_card() {
    let site = Site::new();
    for (key, status) in [(&site.payments, "retired"), (&site.shipping, "active")] {
        let mut jwk = key.recipient().to_jwk();
        jwk["privy"] = serde_json::json!({"v": 1, "status": status});
        site.write(&format!("{status}.json"), &jwk.to_string());
    }
    let read = |name: &str| {
        serde_json::from_slice::<serde_json::Value>(&std::fs::read(site.pki.path(name)).unwrap())
            .unwrap()
    };
    let card = serde_json::json!({"keys": [read("active.json"), read("retired.json")]});
    site.write("card.json", &card.to_string());
    let kid = format!("card.json\n    kid: {}", site.payments.recipient().kid());
    let text = edited(&[
        ("payments.pub.pem", &kid),
        ("limits:", SECOND_KEY),
        ("shipping.pub.pem", "card.json"),
    ]);
    let config = load(&site, &text).unwrap();
    assert_eq!(
        config.keys[0].recipient.kid(),
        site.payments.recipient().kid()
    );
    assert_eq!(
        config.keys[1].recipient.kid(),
        site.shipping.recipient().kid()
    );
    assert!(load(&site, &edited(&[("payments.pub.pem", "payments.jwk.json")])).is_ok());
}

#[test]
fn the_schema_describes_the_defaults_that_the_code_has() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../schemas/webhook-config.schema.json");
    let schema: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let mut lines = vec!["limits:".to_owned()];
    for (name, member) in schema["properties"]["limits"]["properties"]
        .as_object()
        .unwrap()
    {
        if let Some(default) = member.get("default") {
            lines.push(format!(
                "  {name}: {}",
                default.to_string().replace('"', "")
            ));
        }
    }
    let config = accepted(&[("limits:\n  drain: 0s", &lines.join("\n"))]);
    let default = webhook_bin::net::limits::Limits::default();
    assert_eq!(config.limits, default);
}
