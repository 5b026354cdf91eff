//! The webhook comes and goes; no live value ever becomes ciphertext while the backstop lives.
use std::time::Duration;

use anyhow::{Result, ensure};

use crate::lab::{Lab, eventually};
use crate::sealing::{Parts, annotated, assert_value, secret, value};

const CONFIGURATIONS: &str = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations";

/// Takes the registration away while `work` runs.
pub fn unregistered(lab: &Lab, work: impl FnOnce() -> Result<()>) -> Result<()> {
    let admin = lab.api("admin")?;
    admin
        .send(
            "DELETE",
            &format!("{CONFIGURATIONS}/privy-webhook"),
            "",
            None,
        )?
        .accepted()?;
    // Until the API server has heard of it, the webhook still opens.
    let sealed = lab.key.seal("default/gone/field", b"x");
    let secret = secret("default", "gone", &[("field", &sealed)]);
    let result = eventually("the registration is gone", Duration::from_mins(1), || {
        admin
            .create_dry(&secret)?
            .refused("was not called for it")
            .map(drop)
    })
    .and_then(|()| work());
    lab.kubectl("admin")
        .apply_text(&lab.rendered(&["--only", "registration"])?, &[])?;
    lab.wait_until_called()?;
    result
}

/// A configuration that someone deleted: re-applies are refused, live values stay, labels and deletion go on.
pub fn a_deleted_registration_loses_nothing(lab: &Lab) -> Result<()> {
    let ns = lab.namespace("deleted")?;
    let api = lab.api("deployer")?;
    let kubectl = lab.kubectl("deployer");
    let text = |name: &str| lab.key.seal(&format!("{ns}/{name}/password"), b"tiger");
    let manifests = [
        (
            secret(&ns, "field-csa", &[("password", &text("field-csa"))]),
            false,
        ),
        (
            secret(&ns, "field-ssa", &[("password", &text("field-ssa"))]),
            true,
        ),
        (
            annotated(&ns, "note-csa", &[("password", &text("note-csa"))]),
            false,
        ),
        (
            annotated(&ns, "note-ssa", &[("password", &text("note-ssa"))]),
            true,
        ),
    ];
    // And as JSON, whose protected header other tools begin with `alg`.
    let json = |name: &str| {
        let header = format!(
            r#"{{"alg":"RSA-OAEP-256","enc":"A256GCM","bind":{{"v":1,"ns":{ns:?},"name":{name:?},"key":"password"}},"kid":{:?}}}"#,
            lab.key.kid()
        );
        let parts = lab.key.seal_under(&header, b"tiger");
        secret(&ns, name, &[("password", &parts.json(Parts::ORDER))])
    };
    let manifests = manifests
        .into_iter()
        .chain([
            (json("field-json-csa"), false),
            (json("field-json-ssa"), true),
        ])
        .collect::<Vec<_>>();
    let flags = |server_side: bool| {
        if server_side {
            &["--server-side"][..]
        } else {
            &[]
        }
    };
    for (manifest, server_side) in &manifests {
        kubectl.apply_text(&manifest.to_string(), flags(*server_side))?;
    }
    unregistered(lab, || {
        for (manifest, server_side) in &manifests {
            let name = manifest["metadata"]["name"].as_str().unwrap_or_default();
            // Whatever comes of the sync, the live value is what it was.
            let again = kubectl.run(
                &[&["apply", "-f", "-"], flags(*server_side)].concat(),
                &manifest.to_string(),
            )?;
            assert_value(&api.secret(&ns, name)?, "password", "tiger")?;
            if name.starts_with("field") {
                ensure!(
                    again.code != 0 && again.err.contains("was not called for it"),
                    "{name}: {}",
                    again.err
                );
            }
            kubectl.ok(&["-n", &ns, "label", "secret", name, "a=b"], "")?;
        }
        // New ones do not come in sealed.
        for server_side in [false, true] {
            let new = secret(&ns, "new", &[("password", &text("new"))]);
            let printed = kubectl.run(
                &[&["apply", "-f", "-"], flags(server_side)].concat(),
                &new.to_string(),
            )?;
            ensure!(printed.code != 0, "it was accepted");
            ensure!(api.secret(&ns, "new").is_err(), "it was stored");
            let new = annotated(&ns, "new", &[("password", &text("new"))]);
            kubectl.run(
                &[&["apply", "-f", "-"], flags(server_side)].concat(),
                &new.to_string(),
            )?;
            ensure!(
                api.secret(&ns, "new").is_err(),
                "it was stored without its value"
            );
        }
        api.delete(&ns, "note-csa")?.accepted()?;
        Ok(())
    })?;
    // And back: the same manifests apply as if nothing had been.
    for (manifest, server_side) in &manifests {
        kubectl.apply_text(&manifest.to_string(), flags(*server_side))?;
        let name = manifest["metadata"]["name"].as_str().unwrap_or_default();
        assert_value(&api.secret(&ns, name)?, "password", "tiger")?;
    }
    Ok(())
}

/// The documented way to take the webhook away, command by command: it leaves the backstop, the webhook's namespace with the
/// keys in it, and nothing that blocks anyone.
pub fn uninstalling_keeps_the_backstop_and_blocks_nobody(lab: &Lab) -> Result<()> {
    let ns = lab.namespace("uninstall")?;
    let api = lab.api("deployer")?;
    let manifest = secret(
        &ns,
        "db",
        &[(
            "password",
            &lab.key.seal(&format!("{ns}/db/password"), b"tiger"),
        )],
    );
    lab.kubectl("deployer")
        .apply_text(&manifest.to_string(), &[])?;
    let admin = lab.api("admin")?;
    // What may be the only copy of a key.
    let keys = secret(
        "privy-seal",
        "uninstall-keys",
        &[("a.pem", "a private key")],
    );
    admin.create(&keys)?.accepted()?;
    for command in documented_removal()? {
        lab.kubectl("admin").ok(&command, "")?;
    }
    let namespace = admin.get("/api/v1/namespaces/privy-seal")?.accepted()?;
    ensure!(
        namespace["metadata"]["deletionTimestamp"].is_null(),
        "the namespace of the keys is being deleted"
    );
    assert_value(
        &admin.secret("privy-seal", "uninstall-keys")?,
        "a.pem",
        "a private key",
    )?;
    admin.delete("privy-seal", "uninstall-keys")?.accepted()?;
    let gone = || -> Result<()> {
        let admin = lab.api("admin")?;
        let probe = secret(
            "default",
            "probe",
            &[("field", &lab.key.seal("default/probe/field", b"x"))],
        );
        eventually("the registration is gone", Duration::from_mins(1), || {
            admin
                .create_dry(&probe)?
                .refused("was not called for it")
                .map(drop)
        })?;
        api.create(&secret(&ns, "plain", &[("a", "b")]))?
            .accepted()?;
        lab.kubectl("deployer").fails(
            &["apply", "-f", "-"],
            &manifest.to_string(),
            "was not called for it",
        )?;
        assert_value(&api.secret(&ns, "db")?, "password", "tiger")?;
        lab.kubectl("deployer")
            .ok(&["-n", &ns, "label", "secret", "db", "a=b"], "")?;
        Ok(())
    };
    let result = gone();
    lab.install()?;
    result
}

/// The commands under "Take it away" in docs/operators.md, without `kubectl`.
fn documented_removal() -> Result<Vec<Vec<&'static str>>> {
    let text = include_str!("../../../../docs/operators.md");
    let section = text
        .split_once("### Take it away\n")
        .and_then(|(_, rest)| rest.split_once("```sh\n"))
        .and_then(|(_, rest)| rest.split_once("```"))
        .map(|(commands, _)| commands)
        .ok_or_else(|| anyhow::anyhow!("docs/operators.md does not say how to take it away"))?;
    let commands: Vec<Vec<&str>> = section
        .lines()
        .map(|line| line.split_whitespace().skip(1).collect())
        .collect();
    ensure!(
        commands.len() > 1 && section.lines().all(|line| line.starts_with("kubectl ")),
        "{section}"
    );
    Ok(commands)
}

/// An upgrade applies the manifests over themselves: never a moment in which a sealed value is stored.
pub fn an_upgrade_changes_nothing_for_anybody(lab: &Lab) -> Result<()> {
    let ns = lab.namespace("upgrade")?;
    let api = lab.api("deployer")?;
    let manifest = |n: usize| {
        let name = format!("s{n}");
        secret(
            &ns,
            &name,
            &[("f", &lab.key.seal(&format!("{ns}/{name}/f"), b"x"))],
        )
    };
    std::thread::scope(|scope| {
        let upgrades = scope.spawn(|| -> Result<()> {
            for _ in 0..3 {
                lab.kubectl("admin").apply_text(&lab.rendered(&[])?, &[])?;
            }
            Ok(())
        });
        let mut n = 0;
        while !upgrades.is_finished() || n < 10 {
            assert_value(&api.create(&manifest(n))?.accepted()?, "f", "x")?;
            n += 1;
        }
        upgrades.join().expect("it does not panic")
    })
}

/// A bootstrap in the wrong order, without a backstop: `doctor` finds what is stored sealed, and its advice opens it.
pub fn what_came_before_the_webhook_is_found_and_healed(lab: &Lab) -> Result<()> {
    let ns = lab.namespace("bootstrap")?;
    let admin = lab.api("admin")?;
    let kubectl = lab.kubectl("deployer");
    let binding = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings/no-sealed-values.privyseal.dev";
    let text = |name: &str| lab.key.seal(&format!("{ns}/{name}/password"), b"tiger");
    let field = secret(&ns, "field", &[("password", &text("field"))]);
    let note = annotated(&ns, "note", &[("password", &text("note"))]);
    unregistered(lab, || {
        admin.send("DELETE", binding, "", None)?.accepted()?;
        eventually("the backstop is gone", Duration::from_mins(1), || {
            admin.create_dry(&field)?.accepted().map(drop)
        })?;
        kubectl.apply_text(&field.to_string(), &[])?;
        kubectl.apply_text(&note.to_string(), &[])?;
        let report = doctor(lab, &[])?;
        ensure!(
            state(&report, "backstop") == "problem" && state(&report, "registration") == "problem",
            "{report}"
        );
        Ok(())
    })?;
    lab.kubectl("admin")
        .apply_text(&lab.rendered(&["--only", "backstop"])?, &[])?;
    lab.wait_for_backstop()?;
    // An unchanged apply opens neither layout; doctor names both.
    let report = doctor(lab, &[])?;
    let stored = report["checks"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|check| check["check"] == "stored sealed")
        .cloned()
        .unwrap_or_default();
    let found = stored["details"].to_string();
    ensure!(
        stored["state"] == "problem"
            && found.contains(&format!("{ns}/field"))
            && found.contains(&format!("{ns}/note")),
        "{stored}"
    );
    // What is stored is opened by no one's change. The report's advice opens it: delete, and apply the manifest again.
    for (name, manifest) in [("field", &field), ("note", &note)] {
        let yaml = kubectl.ok(&["-n", &ns, "get", "secret", name, "-o", "yaml"], "")?;
        kubectl.ok(&["replace", "-f", "-"], &yaml)?;
        ensure!(
            value(&lab.api("deployer")?.secret(&ns, name)?, "password").as_deref()
                != Some(b"tiger"),
            "{name} was opened"
        );
        let command = format!("kubectl delete secret {name} --namespace {ns}");
        ensure!(found.contains(&command), "{found}");
        let words: Vec<&str> = command.split(' ').skip(1).collect();
        kubectl.ok(&words, "")?;
        kubectl.apply_text(&manifest.to_string(), &[])?;
        assert_value(
            &lab.api("deployer")?.secret(&ns, name)?,
            "password",
            "tiger",
        )?;
    }
    let report = doctor(lab, &[])?;
    let text = report.to_string();
    ensure!(
        !text.contains(&format!("{ns}/field")) && !text.contains(&format!("{ns}/note")),
        "{text}"
    );
    let live = lab.api("deployer")?.secret(&ns, "field")?;
    ensure!(
        value(&live, "password").as_deref() == Some(b"tiger"),
        "{live}"
    );
    Ok(())
}

/// `privy doctor` in this lab.
pub fn doctor(lab: &Lab, further: &[&str]) -> Result<serde_json::Value> {
    doctor_as(lab, "cluster-admin", further)
}

/// The same, run by this user.
pub fn doctor_as(lab: &Lab, user: &str, further: &[&str]) -> Result<serde_json::Value> {
    let kubeconfig = lab.kubeconfig(user);
    let mut command = std::process::Command::new(&lab.tools.privy);
    command
        .args(["doctor", "--output", "json", "--kubectl"])
        .arg(&lab.tools.kubectl)
        .arg("--kubeconfig")
        .arg(&kubeconfig)
        .args(further)
        .env_remove("KUBECONFIG");
    let output = command.output()?;
    serde_json::from_slice(&output.stdout).map_err(|error| {
        anyhow::anyhow!(
            "doctor: {error}: {}",
            String::from_utf8_lossy(&output.stderr)
        )
    })
}

/// How one check stands.
pub fn state(report: &serde_json::Value, name: &str) -> String {
    report["checks"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|check| check["check"] == name)
        .map_or(String::new(), |check| {
            check["state"].as_str().unwrap_or_default().to_owned()
        })
}

/// In a cluster as it should be, doctor has no problem to tell of, and really opens a value.
pub fn doctor_finds_a_healthy_cluster_healthy(lab: &Lab) -> Result<()> {
    let card = lab.folder.join("key.card.json").display().to_string();
    let policy = lab.folder.join("metadata-policy.yaml");
    std::fs::write(
        &policy,
        "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{ level: Metadata }]\n",
    )?;
    let policy = policy.display().to_string();
    let report = doctor(lab, &["--card", &card, "--audit-policy", &policy])?;
    for check in [
        "kubernetes",
        "backstop",
        "registration",
        "aggregation",
        "network path",
        "opening",
        "audit policy",
    ] {
        ensure!(state(&report, check) == "ok", "{check}: {report}");
    }
    ensure!(
        state(&report, "encryption at rest") == "skipped",
        "{report}"
    );
    if lab.own("audit policy and impersonator").is_err() {
        return Ok(());
    }
    // The lab's own policy logs two namespaces in full, and its impersonator may act as the API server.
    let policy = lab.folder.join("audit-policy.yaml").display().to_string();
    let report = doctor(lab, &["--audit-policy", &policy])?;
    ensure!(state(&report, "audit policy") == "problem", "{report}");
    let impersonation = report["checks"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|check| check["check"] == "impersonation")
        .cloned()
        .unwrap_or_default();
    ensure!(
        impersonation["details"]
            .to_string()
            .contains("user:impersonator"),
        "{impersonation}"
    );
    // Those who are known are named once, and it is well.
    let accepted = [
        "--accept-impersonator",
        "user:impersonator",
        "--accept-impersonator",
        "group:e2e:cluster-admins",
    ];
    let report = doctor(lab, &accepted)?;
    ensure!(state(&report, "impersonation") == "ok", "{report}");
    Ok(())
}

/// With the webhook stopped, or its authority exchanged, doctor says which.
pub fn doctor_tells_the_breaks_of_the_way_apart(lab: &Lab) -> Result<()> {
    lab.without_webhook(|| {
        let report = doctor(lab, &[])?;
        ensure!(
            state(&report, "network path") == "problem"
                && report.to_string().contains("cannot call the webhook"),
            "{report}"
        );
        Ok(())
    })?;
    let other = crate::pki::Authority::new(&lab.folder, "other-ca")?;
    let rendered = lab.rendered(&["--only", "webhook"])?;
    let bundle = |file: &std::path::Path| -> Result<String> {
        Ok(crate::sealing::b64(std::fs::read(file)?))
    };
    let wrong = rendered.replace(&bundle(&lab.webhook_authority.file)?, &bundle(&other.file)?);
    ensure!(wrong != rendered, "there is no caBundle");
    lab.kubectl("admin").apply_text(&wrong, &[])?;
    let result = eventually(
        "doctor sees the wrong authority",
        Duration::from_secs(90),
        || {
            let report = doctor(lab, &[])?;
            let text = report.to_string();
            ensure!(
                // Doctor draws no conclusion from the API server's words, and names all that it can be.
                state(&report, "network path") == "problem"
                    && text.contains("caBundle")
                    && (text.contains("x509")
                        || text.contains("currently unable to handle the request")),
                "{report}"
            );
            Ok(())
        },
    );
    lab.kubectl("admin").apply_text(&rendered, &[])?;
    lab.wait_until_called()?;
    result
}

/// What `privy render` prints for a webhook within the cluster is accepted by the API server, in every mode, without a
/// warning: Pod Security's `restricted` is met.
pub fn what_render_prints_is_accepted(lab: &Lab) -> Result<()> {
    let ca = lab.webhook_authority.file.display().to_string();
    let card = lab.folder.join("render.card.json");
    lab.key.write(
        &lab.folder.join("render.pem"),
        &card,
        "payments",
        &["default"],
    )?;
    let card = card.display().to_string();
    for further in [
        &[
            "--callers",
            "aggregated",
            "--subject-access-review",
            "--must-be-sealed",
            "all",
        ][..],
        &["--callers", "mtls"],
    ] {
        let base = [
            "render",
            "--ca",
            &ca,
            "--card",
            &card,
            "--unseal",
            "default/deployer",
        ];
        let manifests = lab.tools.privy(&[&base, further].concat())?;
        let printed = lab
            .kubectl("admin")
            .run(&["apply", "--dry-run=server", "-f", "-"], &manifests)?;
        ensure!(printed.code == 0, "{further:?}: {}", printed.err);
        let warned = printed
            .err
            .lines()
            .find(|line| line.contains("Warning") && !line.contains("last-applied"));
        ensure!(warned.is_none(), "{further:?}: {}", printed.err);
        ensure!(
            printed.out.contains("deployment.apps/privy-webhook"),
            "{}",
            printed.out
        );
    }
    Ok(())
}
