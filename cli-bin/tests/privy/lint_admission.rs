//! What `privy lint --policy` passes, the webhook with that configuration opens.
//!
//! Generated manifests go through both: the check of files, and the reviewer that answers the API server. No manifest
//! that the former calls clean is denied by the latter, and none is stored sealed. The reverse may differ: some findings
//! are about more than admission.

use std::cell::Cell;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use clap::Parser as _;
use cli_bin::cli::{Cli, Command};
use cli_bin::commands::lint::check::check;
use cli_bin::commands::lint::finding::Finding;
use cli_bin::commands::lint::kustomize::Placement;
use cli_bin::commands::lint::setup::LintSetup;
use cli_bin::commands::lint::subject::LintSubject;
use jwe_envelope::{
    Binding, CardKey, Curve, Envelope, KeyCard, KeyKind, LocalKey, LocalSigner, Sealer,
    Serialization,
};
use kms_backends::local::LocalBackend;
use kms_backends::{KeyEntry, NamespaceSet, Registry};
use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};
use serde_json::{Map, Value, json};
use tokio::time::Instant;
use unseal_policy::config::Rules;
use webhook_bin::review::Reviewer;

const NOW: u64 = 1_800_000_000;

const CONFIG: &str = "\
version: 1
cluster: eu
keys:
  - name: payments
    publicKey: payments.card.json
    namespaces: [payments, \"team-*\"]
    aliases: [old-name]
    unwrap: [\"file:nobody.pem\"]
  - name: open
    publicKey: open.card.json
    namespaces: [\"*\"]
    allowUnbound: true
    default: true
    onlyFrom: [ops, dba]
    unwrap: [\"file:nobody.pem\"]
signers:
  - { name: dba, publicKey: dba.pub.pem }
  - { name: ops, publicKey: ops.pub.pem }
policy:
  onlyFrom: SIGNERS
  foreign: FOREIGN
  expired: EXPIRED
  namespaces:
    - { match: [\"team-*\"], foreign: OTHERWISE, expired: deny, onlyFrom: [ops, dba] }
";

/// One field of a generated manifest.
#[derive(Clone, Debug)]
struct Field {
    key: &'static str,
    recipient: usize,
    namespace: &'static str,
    name: Option<&'static str>,
    bound_key: Option<&'static str>,
    bound: bool,
    cluster: Option<&'static str>,
    service_account: bool,
    times: (Option<u64>, Option<u64>),
    form: Serialization,
    layout: usize,
    twist: usize,
    /// By whom: no one, `dba`, `ops`, someone unknown, `dba` for another envelope, and rubbish.
    signed: usize,
}

#[derive(Clone, Debug)]
struct Case {
    namespace: Option<&'static str>,
    name: &'static str,
    generated: bool,
    kind: &'static str,
    leave: &'static str,
    fields: Vec<Field>,
    lenient: bool,
}

/// Mostly right, so that clean manifests are met often; each part is wrong now and then.
fn mostly<T: Clone + std::fmt::Debug + 'static>(
    right: T,
    wrong: &'static [T],
) -> impl Strategy<Value = T> {
    prop_oneof![12 => Just(right), 1 => prop::sample::select(wrong)]
}

fn field() -> impl Strategy<Value = Field> {
    let place = (
        mostly("payments", &["team-a", "team-*", "other", "ANY"]),
        mostly(Some("db"), &[None, Some("db-*"), Some("cache")]),
        mostly(Some("password"), &[None, Some("pass-*"), Some("token")]),
        mostly(true, &[false]),
    );
    let limits = (
        mostly(None, &[Some("eu"), Some("us")]),
        mostly(false, &[true]),
        mostly(
            (None, None),
            &[
                (Some(NOW - 10), None),
                (Some(NOW + 1_000), None),
                (None, Some(NOW - 1_000)),
                (None, Some(NOW + 1_000)),
            ],
        ),
    );
    let shape = (
        mostly(
            Serialization::Compact,
            &[Serialization::Flattened, Serialization::General],
        ),
        prop::sample::select(vec![0_usize, 0, 1, 2]),
        prop_oneof![10 => Just(0_usize), 1 => 1_usize..10],
        prop_oneof![8 => Just(0_usize), 1 => Just(1), 1 => Just(2)],
        mostly("password", &["token", "tls.crt", "pass-word"]),
        mostly(1, &[0, 2, 3, 4, 5]),
    );
    (place, limits, shape).prop_map(
        |(
            (namespace, name, bound_key, bound),
            (cluster, service_account, times),
            (form, layout, twist, recipient, key, signed),
        )| Field {
            key,
            recipient,
            namespace,
            name,
            bound_key,
            bound,
            cluster,
            service_account,
            times,
            form,
            layout,
            twist,
            signed,
        },
    )
}

fn case() -> impl Strategy<Value = Case> {
    (
        mostly(
            Some("payments"),
            &[Some("team-a"), Some("other"), Some("kube-system"), None],
        ),
        mostly("db", &["cache", "db-"]),
        mostly(false, &[true]),
        mostly(
            "Opaque",
            &[
                "kubernetes.io/tls",
                "kubernetes.io/ssh-auth",
                "kubernetes.io/basic-auth",
                "bootstrap.kubernetes.io/token",
            ],
        ),
        mostly("", &["password", "token , password"]),
        prop::collection::vec(field(), 1..3),
        any::<bool>(),
    )
        .prop_map(
            |(namespace, name, generated, kind, leave, fields, lenient)| Case {
                namespace,
                name,
                generated,
                kind,
                leave,
                fields,
                lenient,
            },
        )
}

/// The keys of the test: two that are served, one that is not.
struct Keys {
    pairs: Vec<LocalKey>,
    /// `dba`, `ops` and someone whom no one knows.
    signers: Vec<LocalSigner>,
    folder: tempfile::TempDir,
}

impl Keys {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let keys: Vec<LocalKey> = (0..3)
            .map(|_| LocalKey::generate(KeyKind::Ec(Curve::P256)).unwrap())
            .collect();
        for (name, key) in ["payments", "open"].iter().zip(&keys) {
            let card = KeyCard::new(vec![CardKey {
                name: Some((*name).to_owned()),
                ..CardKey::new(key.recipient().clone())
            }]);
            std::fs::write(
                folder.path().join(format!("{name}.card.json")),
                card.unwrap().to_json_pretty(),
            )
            .unwrap();
        }
        let signers: Vec<LocalSigner> = (0..3).map(|_| LocalSigner::generate().unwrap()).collect();
        for (name, signer) in ["dba", "ops"].iter().zip(&signers) {
            let path = folder.path().join(format!("{name}.pub.pem"));
            std::fs::write(path, signer.public().to_pem()).unwrap();
        }
        for (file, foreign, expired) in [
            ("strict.yaml", "deny", "deny"),
            ("lenient.yaml", "warn", "warn"),
        ] {
            let text = CONFIG
                .replace("FOREIGN", foreign)
                .replace("EXPIRED", expired)
                .replace(
                    "SIGNERS",
                    if foreign == "deny" {
                        "[dba]"
                    } else {
                        "[\"*\"]"
                    },
                )
                .replace("OTHERWISE", if foreign == "deny" { "warn" } else { "deny" });
            std::fs::write(folder.path().join(file), text).unwrap();
        }
        Self {
            pairs: keys,
            signers,
            folder,
        }
    }

    /// What is in the annotation of the signature, if anything does.
    fn signature(&self, field: &Field, value: &str) -> Option<String> {
        let by = |signer: usize, text: &str| {
            let envelope = Envelope::parse(text.as_bytes()).ok()?;
            self.signers[signer]
                .sign_envelope(&envelope.digest(), NOW)
                .ok()
        };
        match field.signed {
            0 => None,
            1..=3 => by(field.signed - 1, value),
            4 => by(0, &self.seal(field)?),
            _ => Some("rubbish".to_owned()),
        }
    }

    fn file(&self, lenient: bool) -> String {
        let name = if lenient {
            "lenient.yaml"
        } else {
            "strict.yaml"
        };
        self.folder.path().join(name).display().to_string()
    }

    fn setup(&self, lenient: bool) -> LintSetup {
        let cli = Cli::try_parse_from(["privy", "lint", "--policy", &self.file(lenient)]).unwrap();
        let Command::Lint(args) = cli.command else {
            panic!("lint was asked for")
        };
        LintSetup::new(&args, NOW).unwrap()
    }

    fn reviewer(&self, lenient: bool) -> Reviewer {
        let rules = Rules::load(
            std::path::Path::new(&self.file(lenient)),
            &kms_backends::read_file_bounded,
        )
        .unwrap();
        let mut builder = Registry::builder();
        for (rule, key) in rules.keys.iter().zip(&self.pairs) {
            assert_eq!(rule.recipient.kid(), key.recipient().kid());
            let key = LocalKey::from_bytes(key.to_pkcs8_pem().as_bytes(), None).unwrap();
            let mut entry = KeyEntry::builder(rule.name.clone(), rule.recipient.clone())
                .namespaces(NamespaceSet::clone(&rule.namespaces))
                .allow_unbound(rule.allow_unbound)
                .default_key(rule.is_default)
                .backend(Arc::new(LocalBackend::from_key(key)));
            for alias in &rule.aliases {
                entry = entry.alias(alias);
            }
            builder = builder.key(entry);
        }
        Reviewer::new(builder.build().unwrap(), rules.policy)
            .with_rulebook(rules.rulebook)
            .with_clock(|| UNIX_EPOCH + Duration::from_secs(NOW))
    }

    fn seal(&self, field: &Field) -> Option<String> {
        let mut binding = match field.namespace {
            "ANY" => Binding::anywhere(),
            namespace => Binding::namespace(namespace).ok()?,
        };
        if let Some(name) = field.name {
            binding = binding.with_name(name).ok()?;
        }
        if let Some(key) = field.bound_key {
            let key = if key == "password" { field.key } else { key };
            binding = binding.with_key(key).ok()?;
        }
        if let Some(cluster) = field.cluster {
            binding = binding.with_audience([cluster]).ok()?;
        }
        if field.service_account {
            binding = binding.with_service_account("billing").ok()?;
        }
        if let Some(from) = field.times.0 {
            binding = binding.starting_at(from).ok()?;
        }
        if let Some(end) = field.times.1 {
            binding = binding.expiring_at(end).ok()?;
        }
        let recipient = self.pairs[field.recipient].recipient().clone();
        let sealer = Sealer::new(&[recipient])
            .ok()?
            .serialization(field.form)
            .ok()?;
        let mut sealer = sealer;
        let text = sealer.seal(b"hunter2", &binding).ok()?.to_string();
        Some(twisted(&text, field))
    }
}

/// What goes wrong with texts on their way.
fn twisted(text: &str, field: &Field) -> String {
    let compact = field.form == Serialization::Compact;
    let header = |change: &dyn Fn(String) -> String| {
        let (header, rest) = text.split_once('.').unwrap();
        let header = String::from_utf8(URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap();
        format!("{}.{rest}", URL_SAFE_NO_PAD.encode(change(header)))
    };
    let unbound = |header: String| {
        let mut header: Map<String, Value> = serde_json::from_str(&header).unwrap();
        header.remove("bind");
        serde_json::to_string(&header).unwrap()
    };
    match field.twist {
        _ if !field.bound && compact => header(&unbound),
        1 => format!("{text}\n"),
        2 => format!(" {text}"),
        3 => text[..text.len() - 7].to_owned(),
        4 if compact => header(&|header| format!(" {header}")),
        5 if compact => header(&|header| header.replace("A256GCM", "A512GCM")),
        6 if compact => {
            header(&|header| header.replacen("{\"enc\"", "{\"typ\":\"JWT\",\"enc\"", 1))
        }
        7 if compact => header(&|header| {
            let mut header: Map<String, Value> = serde_json::from_str(&header).unwrap();
            header.insert("kid".to_owned(), "old-name".into());
            header.insert("zip".to_owned(), "DEF".into());
            serde_json::to_string(&header).unwrap()
        }),
        8 if !compact => text.replacen('{', "{ ", 1),
        9 => STANDARD.encode(text),
        _ => text.to_owned(),
    }
}

/// The manifest as a person writes it, and the object as an API server hands it on.
fn written(case: &Case, values: &[String], signatures: &[Option<String>]) -> (String, Value) {
    let mut metadata = Map::new();
    metadata.insert(
        if case.generated {
            "generateName"
        } else {
            "name"
        }
        .to_owned(),
        case.name.into(),
    );
    if let Some(namespace) = case.namespace {
        metadata.insert("namespace".to_owned(), namespace.into());
    }
    let (mut data, mut string_data, mut annotations) = (Map::new(), Map::new(), Map::new());
    if !case.leave.is_empty() {
        annotations.insert("privyseal.dev/leave".to_owned(), case.leave.into());
    }
    for (field, value) in case.fields.iter().zip(values) {
        match field.layout {
            0 => string_data.insert(field.key.to_owned(), value.as_str().into()),
            1 => data.insert(field.key.to_owned(), STANDARD.encode(value).into()),
            _ => annotations.insert(
                format!("privyseal.dev/data.{}", field.key),
                value.as_str().into(),
            ),
        };
    }
    for (field, signature) in case.fields.iter().zip(signatures) {
        if let Some(signature) = signature {
            let name = format!("privyseal.dev/sig.{}", field.key);
            annotations.insert(name, signature.as_str().into());
        }
    }
    if !annotations.is_empty() {
        metadata.insert("annotations".to_owned(), annotations.into());
    }
    let manifest = json!({
        "apiVersion": "v1", "kind": "Secret", "type": case.kind, "metadata": metadata,
        "data": data, "stringData": string_data,
    });
    for (key, value) in &string_data {
        data.insert(key.clone(), STANDARD.encode(value.as_str().unwrap()).into());
    }
    let mut object = manifest.clone();
    object.as_object_mut().unwrap().remove("stringData");
    object["metadata"]["namespace"] = case.namespace.unwrap_or("default").into();
    object["data"] = data.into();
    (manifest.to_string(), object)
}

fn review(case: &Case, object: &Value) -> Vec<u8> {
    let name = (!case.generated).then_some(case.name);
    json!({
        "kind": "AdmissionReview",
        "apiVersion": "admission.k8s.io/v1",
        "request": {
            "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
            "kind": {"group": "", "version": "v1", "kind": "Secret"},
            "resource": {"group": "", "version": "v1", "resource": "secrets"},
            "requestKind": {"group": "", "version": "v1", "kind": "Secret"},
            "requestResource": {"group": "", "version": "v1", "resource": "secrets"},
            "name": name,
            "namespace": case.namespace.unwrap_or("default"),
            "operation": "CREATE",
            "userInfo": {"username": "a", "groups": ["system:authenticated"]},
            "object": object,
            "oldObject": null,
            "dryRun": false,
            "options": {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1"},
        },
    })
    .to_string()
    .into_bytes()
}

#[test]
fn what_lint_passes_is_not_denied() {
    let keys = Keys::new();
    let setups = [keys.setup(false), keys.setup(true)];
    let reviewers = [keys.reviewer(false), keys.reviewer(true)];
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let (clean, denied) = (Cell::new(0), Cell::new(0));
    let mut runner = TestRunner::new(ProptestConfig {
        cases: 1500,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    runner
        .run(&case(), |case| {
            let values: Option<Vec<String>> =
                case.fields.iter().map(|field| keys.seal(field)).collect();
            let Some(values) = values else {
                return Ok(());
            };
            let signed = case.fields.iter().zip(&values);
            let signatures: Vec<_> = signed
                .map(|(field, value)| keys.signature(field, value))
                .collect();
            let (manifest, object) = written(&case, &values, &signatures);
            let setup = &setups[usize::from(case.lenient)];
            let subject = LintSubject {
                name: "case.json",
                setup,
                path_rules: setup.path_rules(std::path::Path::new("/case.json")),
                placements: vec![Placement::default()],
            };
            let (findings, _) = check(manifest.as_bytes(), &subject);
            let is_clean = !findings.iter().any(Finding::counts);

            let body = review(&case, &object);
            let deadline = Instant::now() + Duration::from_secs(10);
            let answer =
                runtime.block_on(reviewers[usize::from(case.lenient)].review(&body, deadline));
            let status = answer.status;
            let text = answer.body.into_bytes();
            let answer: Value = serde_json::from_slice(&text).unwrap_or_default();
            let response = &answer["response"];
            let allowed = status == 200 && response["allowed"] == true;
            if !allowed {
                denied.set(denied.get() + 1);
            }
            if is_clean {
                clean.set(clean.get() + 1);
                let message = response["status"]["message"].as_str().unwrap_or_default();
                // A header that was rewritten is no longer what the tag covers: only the key tells.
                let rewritten = case
                    .fields
                    .iter()
                    .any(|field| !field.bound || (4..=7).contains(&field.twist));
                let by_the_key_alone = rewritten
                    && message.split('[').skip(1).all(|rest| {
                        !rest.contains(']')
                            || rest.starts_with("not-opened]")
                            || rest.starts_with("privyseal.dev/")
                    });
                prop_assert!(
                    allowed || by_the_key_alone,
                    "clean and denied: {manifest}\n{message}"
                );
                if !allowed {
                    return Ok(());
                }
                let left =
                    |field: &Field| case.leave.split(',').any(|name| name.trim() == field.key);
                if case.fields.iter().any(|field| !left(field)) {
                    prop_assert!(
                        response.get("patch").is_some(),
                        "clean and stored sealed: {manifest}"
                    );
                }
            }
            Ok(())
        })
        .unwrap();
    // A generator that never passes, or never fails, would show nothing.
    assert!(
        clean.get() > 60 && denied.get() > 60,
        "{} clean, {} denied",
        clean.get(),
        denied.get()
    );
}

/// Manifests in every style, with one value that must stay unseen. No `:` follows it, so that nothing makes it a key.
const STYLES: [&str; 7] = [
    "apiVersion: v1\nkind: Secret\nmetadata: {name: db, namespace: payments}\nstringData:\n  password: c4nary!hunter2 x\n  other: y\n",
    "apiVersion: v1\nkind: Secret\nmetadata: {name: db}\nstringData: {a: 'c4nary!hunter2', b: \"c4nary!hunter2\"}\n",
    "apiVersion: v1\nkind: Secret\ndata:\n  password: c4nary!hunter2\n  b: YzRuYXJ5IWh1bnRlcjI=\nstringData:\n  password: |-\n    c4nary!hunter2\n    two\n",
    "{\"apiVersion\": \"v1\", \"kind\": \"Secret\", \"stringData\": {\"a\": \"c4nary!hunter2\", \"b\": 7}}",
    "# kind: Secret\n---\napiVersion: v1\nkind: SecretList\nitems:\n- metadata: {name: a}\n  stringData: {x: c4nary!hunter2}\n",
    "apiVersion: v1\nkind: Secret\nmetadata:\n  name: a\n  annotations:\n    privyseal.dev/data.k: c4nary!hunter2\n",
    "apiVersion: v1\nkind: Secret\ntype: \"kubernetes.io/tls\"\nstringData:\n  k: eyJlbmMi.c4nary!hunter2...\n  l: *c4nary!hunter2\n  m: &a c4nary!hunter2\n",
];

/// What happens to a file: cut short, a part taken out, a character put in.
fn mangled() -> impl Strategy<Value = Vec<u8>> {
    let letters = prop::sample::select(b"\"'{}[]|>-&*#! \n\t\\%@`,x\x00\xff".to_vec());
    let style = prop::sample::select(STYLES.to_vec());
    (
        style,
        any::<prop::sample::Index>(),
        0_usize..12,
        prop::collection::vec(letters, 0..3),
        any::<bool>(),
    )
        .prop_map(|(style, at, length, letters, cut)| {
            let bytes = style.as_bytes();
            let at = at.index(bytes.len());
            let mut mangled = bytes[..at].to_vec();
            mangled.extend(letters);
            if !cut {
                mangled.extend(&bytes[(at + length).min(bytes.len())..]);
            }
            mangled
        })
}

#[test]
fn no_finding_shows_a_value_however_a_file_is_mangled() {
    let keys = Keys::new();
    let setup = keys.setup(false);
    let found = Cell::new(0);
    let config = ProptestConfig {
        cases: 4000,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    // The same cases every time: what is found by chance belongs into the walker's own tests.
    let random = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(config, random);
    runner
        .run(&mangled(), |bytes| {
            let subject = LintSubject {
                name: "case.yaml",
                setup: &setup,
                path_rules: setup.path_rules(std::path::Path::new("/case.yaml")),
                placements: vec![Placement::default()],
            };
            let (findings, _) = check(&bytes, &subject);
            found.set(found.get() + findings.len());
            // `{password: x}` without its key is `{x}`, which YAML reads as a key. Keys are named.
            let became_a_key = |finding: &Finding| {
                finding
                    .field
                    .as_ref()
                    .is_some_and(|field| field.contains("hunter2"))
            };
            if findings.iter().any(became_a_key) {
                return Ok(());
            }
            for finding in &findings {
                let text = format!("{finding:?}");
                prop_assert!(
                    !text.contains("hunter2"),
                    "{text}\n{}",
                    String::from_utf8_lossy(&bytes)
                );
            }
            Ok(())
        })
        .unwrap();
    assert!(found.get() > 1000, "{} findings", found.get());
}
