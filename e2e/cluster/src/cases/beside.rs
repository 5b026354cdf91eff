//! A second mutating webhook, a process of its own that is asked after ours: ours is asked again, and nothing is opened
//! twice.
use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::lab::{Lab, eventually, free_ports};
use crate::process::Program;
use crate::sealing::{annotated, assert_value, b64, secret};

/// After ours, by the alphabet.
const NAME: &str = "zz-e2e-second";
const CONFIGURATIONS: &str = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations";

/// What the second webhook was shown.
struct Second {
    log: std::path::PathBuf,
}

impl Second {
    /// The Secrets of this name that it was shown, in order.
    fn saw(&self, name: &str) -> Result<Vec<Value>> {
        Ok(std::fs::read_to_string(&self.log)?
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok())
            .map(|request| request["object"].clone())
            .filter(|object| object["metadata"]["name"] == name)
            .collect())
    }
}

/// Has a second webhook answer every Secret of `ns` with `patch` while `work` runs. `again`: whether it is asked again when
/// others changed something after it.
fn beside(
    lab: &Lab,
    ns: &str,
    again: &str,
    patch: &Value,
    work: impl FnOnce(&Second) -> Result<()>,
) -> Result<()> {
    let [port] = free_ports()?;
    let file = lab.folder.join(format!("{ns}.patch.json"));
    std::fs::write(&file, patch.to_string())?;
    let log = format!("{ns}.log");
    let folder = |name: &str| lab.folder.join(name).display().to_string();
    let listen = if lab.host == "localhost" {
        "127.0.0.1"
    } else {
        "0.0.0.0"
    };
    let program = Program::start(
        &std::env::current_exe()?,
        &[
            "second-webhook".to_owned(),
            format!("{listen}:{port}"),
            folder("webhook-server.crt"),
            folder("webhook-server.key"),
            file.display().to_string(),
        ],
        &lab.folder,
        &log,
    )?;
    let registration = json!({ "metadata": { "name": NAME, "labels": { crate::lab::MARK: "yes" } }, "webhooks": [{
        "name": "second.e2e.privyseal.dev", "admissionReviewVersions": ["v1"], "sideEffects": "None",
        "failurePolicy": "Fail", "timeoutSeconds": 5, "reinvocationPolicy": again,
        "clientConfig": { "url": format!("https://{}:{port}/", lab.host), "caBundle": b64(std::fs::read(&lab.webhook_authority.file)?) },
        "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": ns } },
        "rules": [{ "apiGroups": [""], "apiVersions": ["v1"], "resources": ["secrets"], "operations": ["CREATE", "UPDATE"] }] }] });
    let admin = lab.api("admin")?;
    admin.post(CONFIGURATIONS, &registration)?.accepted()?;
    let second = Second {
        log: program.log.clone(),
    };
    let probe = secret(ns, "probe", &[("password", "x")]);
    let result = eventually(
        "the second webhook is asked",
        Duration::from_mins(1),
        || {
            let answer = lab.api("deployer")?.create_dry(&probe)?;
            ensure!(
                !second.saw("probe")?.is_empty(),
                "not asked: {}",
                answer.message()
            );
            Ok(())
        },
    )
    .and_then(|()| work(&second));
    admin
        .send("DELETE", &format!("{CONFIGURATIONS}/{NAME}"), "", None)?
        .accepted()?;
    drop(program);
    result
}

fn label() -> Value {
    json!([{ "op": "add", "path": "/metadata/labels", "value": { "touched": "yes" } }])
}

/// The lines of our own log about `name`.
fn asked(lab: &Lab, ns: &str, name: &str) -> Result<Vec<Value>> {
    let mut lines = lab.reviews(ns)?;
    lines.retain(|line| line["name"] == name);
    Ok(lines)
}

fn unwraps(lines: &[Value]) -> u64 {
    lines
        .iter()
        .filter_map(|line| line["unwraps"].as_u64())
        .sum()
}

/// It labels what ours opened. The API server then asks ours again wherever there is still something of ours to see, and
/// the value was opened once.
pub fn a_change_after_ours_has_nothing_opened_twice(lab: &Lab) -> Result<()> {
    let ns = lab.namespace("second")?;
    beside(lab, &ns, "IfNeeded", &label(), |second| {
        let text = |name: &str| lab.key.seal(&format!("{ns}/{name}/password"), b"tiger");
        let field = secret(&ns, "field", &[("password", &text("field"))]);
        let note = annotated(&ns, "note", &[("password", &text("note"))]);
        for (manifest, times) in [(&field, 1), (&note, 2)] {
            let name = manifest["metadata"]["name"].as_str().unwrap_or_default();
            let stored = lab.accepts(manifest)?;
            assert_value(&stored, "password", "tiger")?;
            ensure!(stored["metadata"]["labels"]["touched"] == "yes", "{stored}");
            // It comes after us, so it was shown what we opened.
            for shown in second.saw(name)? {
                assert_value(&shown, "password", "tiger")?;
            }
            // In the field layout nothing sealed is left to ask us about. An annotation stays: we are asked again, and have
            // what it says without using the key once more.
            let lines = asked(lab, &ns, name)?;
            ensure!(
                lines.len() == times && unwraps(&lines) == 1,
                "{name}: {lines:?}"
            );
        }
        // What two seals are around is refused before anyone could take off the second.
        let twice = lab
            .key
            .seal(&format!("{ns}/twice/password"), text("twice").as_bytes());
        lab.rejects(&secret(&ns, "twice", &[("password", &twice)]), "nested")?;
        Ok(())
    })
}

/// It writes over what ours opened: a cluster's webhooks may, in both layouts. Ours, asked again about the annotation with a
/// value beside it, opens nothing.
pub fn a_value_written_over_stays_and_is_not_opened_twice(lab: &Lab) -> Result<()> {
    let ns = lab.namespace("over")?;
    let patch =
        json!([{ "op": "replace", "path": "/data/password", "value": b64("written over") }]);
    beside(lab, &ns, "Never", &patch, |_| {
        let text = |name: &str| lab.key.seal(&format!("{ns}/{name}/password"), b"tiger");
        let field = lab.accepts(&secret(&ns, "field", &[("password", &text("field"))]))?;
        assert_value(&field, "password", "written over")?;
        let api = lab.api("deployer")?;
        let answer = api.create(&annotated(&ns, "note", &[("password", &text("note"))]))?;
        assert_value(&answer.accepted()?, "password", "written over")?;
        ensure!(
            unwraps(&asked(lab, &ns, "note")?) == 1,
            "it was opened twice"
        );
        Ok(())
    })
}

/// It brings something sealed. Where ours was asked before, it is asked again and opens it; where it was not, the API server
/// does not ask it any more, and the backstop refuses.
pub fn what_it_seals_is_opened_or_refused_and_never_stored(lab: &Lab) -> Result<()> {
    let ns = lab.namespace("brings")?;
    let binding = jwe_envelope::Binding::namespace(&ns)?
        .with_name("s-*")?
        .with_key("more")?;
    let more = lab.key.seal_bound(&binding, b"lion");
    let patch = json!([{ "op": "add", "path": "/data/more", "value": b64(&more) }]);
    beside(lab, &ns, "Never", &patch, |_| {
        let text = lab.key.seal(&format!("{ns}/s-db/password"), b"tiger");
        let stored = lab.accepts(&secret(&ns, "s-db", &[("password", &text)]))?;
        assert_value(&stored, "password", "tiger")?;
        assert_value(&stored, "more", "lion")?;
        lab.rejects(
            &secret(&ns, "s-plain", &[("a", "b")]),
            "was not called for it",
        )?;
        Ok(())
    })
}
