//! Deployers: what each sees after it applied something sealed. docs/gitops.md has the table.
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::lab::Lab;
use crate::runner::Missing;
use crate::sealing::{annotated, assert_value, secret};

fn program(variable: &str, what: &str) -> Result<PathBuf> {
    std::env::var_os(variable)
        .map(PathBuf::from)
        .filter(|path| path.is_file())
        .ok_or_else(|| Missing(format!("{what} was not built ({variable})")).into())
}

/// Runs the program with Flux's and Argo CD's libraries as the deployer.
fn see(lab: &Lab, tool: &str, objects: &[&Value], further: &Value) -> Result<Value> {
    let mut job =
        json!({ "kubeconfig": lab.kubeconfig("deployer"), "tool": tool, "objects": objects });
    for (name, value) in further.as_object().into_iter().flatten() {
        job[name] = value.clone();
    }
    let mut child = Command::new(program("E2E_GITOPS", "Flux's and Argo CD's libraries")?)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    child
        .stdin
        .take()
        .context("it is piped")?
        .write_all(job.to_string().as_bytes())?;
    let output = child.wait_with_output()?;
    ensure!(
        output.status.success(),
        "{tool}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(serde_json::from_slice(&output.stdout)?)
}

fn layouts(lab: &Lab, ns: &str, name: &str) -> [(&'static str, Value); 2] {
    let (field, note) = (format!("{name}-field"), format!("{name}-note"));
    let seal = |name: &str| lab.key.seal(&format!("{ns}/{name}/password"), b"tiger");
    [
        ("field", secret(ns, &field, &[("password", &seal(&field))])),
        (
            "annotation",
            annotated(ns, &note, &[("password", &seal(&note))]),
        ),
    ]
}

/// Flux applies once and then sees nothing to do, in both layouts; also with `stringData`, which it folds into `data`.
pub fn flux_sees_no_drift_in_either_layout(lab: &Lab) -> Result<()> {
    let ns = lab.namespace("flux")?;
    let api = lab.api("deployer")?;
    let mut all = layouts(lab, &ns, "db").to_vec();
    let text = lab.key.seal(&format!("{ns}/string/password"), b"tiger");
    all.push((
        "stringData",
        json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "namespace": ns, "name": "string" }, "stringData": { "password": text } }),
    ));
    for (layout, manifest) in &all {
        let first = see(lab, "flux", &[manifest], &json!({}))?;
        ensure!(first["actions"] == json!(["created"]), "{layout}: {first}");
        let name = manifest["metadata"]["name"].as_str().unwrap_or_default();
        let stored = api.secret(&ns, name)?;
        assert_value(&stored, "password", "tiger")?;
        for force in [false, true] {
            let again = see(lab, "flux", &[manifest], &json!({ "force": force }))?;
            ensure!(
                again["actions"] == json!(["unchanged"]),
                "{layout}: {again}"
            );
        }
        let now = api.secret(&ns, name)?;
        ensure!(
            now["metadata"]["resourceVersion"] == stored["metadata"]["resourceVersion"],
            "{layout}: it was written again"
        );
    }
    Ok(())
}

/// One Secret that cannot be opened stops everything that Flux applies with it; by itself, it stops only itself. With
/// `force`, nothing is deleted because of a refusal.
pub fn flux_stops_at_one_refusal_and_deletes_nothing(lab: &Lab) -> Result<()> {
    let ns = lab.namespace("flux-stop")?;
    let api = lab.api("deployer")?;
    let plain = secret(&ns, "plain", &[("a", "b")]);
    let bad = secret(
        &ns,
        "bad",
        &[(
            "password",
            &lab.dead.seal(&format!("{ns}/bad/password"), b"x"),
        )],
    );
    let together = see(lab, "flux", &[&plain, &bad], &json!({}))?;
    ensure!(
        together["error"]
            .as_str()
            .is_some_and(|error| error.contains("not served here")),
        "{together}"
    );
    ensure!(
        api.secret(&ns, "plain").is_err(),
        "its neighbour was applied nevertheless: the recipe is not needed any more"
    );
    // The recipe: a Kustomization of its own for what is sealed.
    let alone = see(lab, "flux", &[&plain], &json!({}))?;
    ensure!(alone["actions"] == json!(["created"]), "{alone}");
    // A live value is not thrown away for a refused one, even with force.
    let good = secret(
        &ns,
        "bad",
        &[(
            "password",
            &lab.key.seal(&format!("{ns}/bad/password"), b"tiger"),
        )],
    );
    see(lab, "flux", &[&good], &json!({}))?;
    let forced = see(lab, "flux", &[&bad], &json!({ "force": true }))?;
    ensure!(
        !forced["error"].as_str().unwrap_or_default().is_empty(),
        "{forced}"
    );
    assert_value(&api.secret(&ns, "bad")?, "password", "tiger")
}

/// What Argo CD calls out of sync, by layout, way of applying and setting. The table of docs/gitops.md is this one.
pub fn argo_cd_s_answers_are_those_of_the_table(lab: &Lab) -> Result<()> {
    let ns = lab.namespace("argo")?;
    let kubectl = lab.kubectl("deployer");
    let settings = [
        ("default", json!({})),
        ("structured merge", json!({ "structuredMergeDiff": true })),
        ("ServerSideDiff", json!({ "serverSideDiff": true })),
        (
            "ServerSideDiff, IncludeMutationWebhook",
            json!({ "serverSideDiff": true, "includeMutationWebhook": true }),
        ),
    ];
    let mut found = Vec::new();
    for server_side in [false, true] {
        let name = if server_side { "ssa" } else { "csa" };
        let flags: &[&str] = if server_side {
            &["--server-side", "--field-manager", "argocd-controller"]
        } else {
            &[]
        };
        for (layout, manifest) in layouts(lab, &ns, name) {
            kubectl.apply_text(&manifest.to_string(), flags)?;
            for (setting, options) in &settings {
                let saw = see(lab, "argo", &[&manifest], &json!({ "options": options }))?;
                ensure!(saw["error"] == "", "{layout} {name} {setting}: {saw}");
                found.push(format!(
                    "{layout} | {name} | {setting} | {}",
                    if saw["outOfSync"] == true {
                        "out of sync"
                    } else {
                        "synced"
                    }
                ));
            }
        }
    }
    let expected = include_str!("argo.table");
    let found = found.join("\n") + "\n";
    ensure!(found == expected, "what Argo CD sees is now:\n{found}");
    Ok(())
}

/// A sealed value in a chart's template arrives unharmed, an upgrade changes nothing, and the release holds ciphertext.
pub fn helm_carries_sealed_values(lab: &Lab) -> Result<()> {
    let helm = program("E2E_HELM", "helm")?;
    let ns = lab.namespace("helm")?;
    let chart = lab.folder.join("chart");
    std::fs::create_dir_all(chart.join("templates"))?;
    std::fs::write(
        chart.join("Chart.yaml"),
        "apiVersion: v2\nname: shop\nversion: 0.1.0\n",
    )?;
    std::fs::write(
        chart.join("templates/secret.yaml"),
        "apiVersion: v1\nkind: Secret\nmetadata:\n  name: db\ndata:\n  password: {{ .Values.db.password | b64enc }}\n---\napiVersion: v1\nkind: Secret\nmetadata:\n  name: note\n  annotations:\n    privyseal.dev/data.password: {{ .Values.note.password }}\n",
    )?;
    let seal = |name: &str| {
        lab.key
            .seal(&format!("{ns}/{name}/password"), b"canary-helm")
    };
    std::fs::write(
        chart.join("values.yaml"),
        json!({ "db": { "password": seal("db") }, "note": { "password": seal("note") } })
            .to_string(),
    )?;
    let run = |arguments: &[&str]| -> Result<String> {
        let output = Command::new(&helm)
            .args(arguments)
            .arg("--kubeconfig")
            .arg(lab.kubeconfig("deployer"))
            .env("HELM_CACHE_HOME", lab.folder.join("helm"))
            .env("HELM_CONFIG_HOME", lab.folder.join("helm"))
            .env("HELM_DATA_HOME", lab.folder.join("helm"))
            .output()?;
        ensure!(
            output.status.success(),
            "helm {}: {}",
            arguments.join(" "),
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let path = chart.display().to_string();
    run(&["install", "shop", &path, "-n", &ns])?;
    let api = lab.api("deployer")?;
    let before = [api.secret(&ns, "db")?, api.secret(&ns, "note")?];
    for stored in &before {
        assert_value(stored, "password", "canary-helm")?;
    }
    run(&["upgrade", "shop", &path, "-n", &ns])?;
    for stored in &before {
        let name = stored["metadata"]["name"].as_str().unwrap_or_default();
        let now = api.secret(&ns, name)?;
        ensure!(
            now["metadata"]["resourceVersion"] == stored["metadata"]["resourceVersion"],
            "{name} was written again"
        );
    }
    let manifest = run(&["get", "manifest", "shop", "-n", &ns])?;
    ensure!(
        !manifest.contains("canary-helm")
            && !manifest.contains(&crate::sealing::b64("canary-helm")),
        "the release holds the value"
    );
    run(&["uninstall", "shop", "-n", &ns])?;
    ensure!(api.secret(&ns, "db").is_err(), "it stayed");
    Ok(())
}

/// Kustomize's generator with its hash of the content as suffix: sealed for the pattern `db-*`.
pub fn kustomize_s_generated_names_open(lab: &Lab) -> Result<()> {
    let ns = lab.namespace("kustomize")?;
    let folder = lab.folder.join("kustomize");
    std::fs::create_dir_all(&folder)?;
    let binding = jwe_envelope::Binding::namespace(&ns)?
        .with_name("db-*")?
        .with_key("password")?;
    std::fs::write(
        folder.join("password.jwe"),
        lab.key.seal_bound(&binding, b"tiger"),
    )?;
    std::fs::write(
        folder.join("kustomization.yaml"),
        format!(
            "namespace: {ns}\nsecretGenerator:\n  - name: db\n    files: [password=password.jwe]\n"
        ),
    )?;
    let path = folder.display().to_string();
    let kubectl = lab.kubectl("deployer");
    let printed = kubectl.ok(&["apply", "-k", &path], "")?;
    let name = printed
        .trim()
        .trim_start_matches("secret/")
        .split(' ')
        .next()
        .unwrap_or_default()
        .to_owned();
    ensure!(name.starts_with("db-"), "{printed}");
    let stored = lab.api("deployer")?.secret(&ns, &name)?;
    assert_value(&stored, "password", "tiger")?;
    kubectl.ok(&["apply", "-k", &path], "")?;
    let now = lab.api("deployer")?.secret(&ns, &name)?;
    ensure!(
        now["metadata"]["resourceVersion"] == stored["metadata"]["resourceVersion"],
        "it was written again"
    );
    Ok(())
}

/// A second manager with the same manifest: what server-side apply says of it.
pub fn a_second_manager_conflicts_in_the_field_layout_alone(lab: &Lab) -> Result<()> {
    let ns = lab.namespace("managers")?;
    for (layout, manifest) in layouts(lab, &ns, "db") {
        let api = lab.api("deployer")?;
        api.apply(&manifest, "first", "")?.accepted()?;
        let second = api.apply(&manifest, "second", "")?;
        let expected = if layout == "field" { 409 } else { 200 };
        ensure!(
            second.status == expected,
            "{layout}: {} {}",
            second.status,
            second.message()
        );
        api.apply(&manifest, "second", "&force=true")?.accepted()?;
        let name = manifest["metadata"]["name"].as_str().unwrap_or_default();
        assert_value(&api.secret(&ns, name)?, "password", "tiger")?;
    }
    Ok(())
}

/// 256 KiB of annotations are all there is: client-side apply copies them, server-side apply does not.
pub fn large_values_need_server_side_apply_or_the_field_layout(lab: &Lab) -> Result<()> {
    let ns = lab.namespace("large")?;
    let kubectl = lab.kubectl("deployer");
    let large = "x".repeat(110_000);
    let sealed = lab.key.seal(&format!("{ns}/big/value"), large.as_bytes());
    let note = annotated(&ns, "big", &[("value", &sealed)]);
    kubectl.fails(&["apply", "-f", "-"], &note.to_string(), "Too long")?;
    kubectl.apply_text(&note.to_string(), &["--server-side"])?;
    assert_value(&lab.api("deployer")?.secret(&ns, "big")?, "value", &large)?;
    let huge = "x".repeat(500_000);
    let sealed = lab.key.seal(&format!("{ns}/huge/value"), huge.as_bytes());
    kubectl.apply_text(
        &secret(&ns, "huge", &[("value", &sealed)]).to_string(),
        &["--server-side"],
    )?;
    assert_value(&lab.api("deployer")?.secret(&ns, "huge")?, "value", &huge)
}
