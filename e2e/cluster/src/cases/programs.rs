//! The programs around a lab: those that users bring, and the two commands of `e2e/lab`.
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, ensure};

use crate::lab::Lab;

fn e2e() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Runs a build script with nothing in its cache and no Go to build with.
fn found(script: &str, variable: &str, value: &str) -> Result<(bool, String, String)> {
    let nothing = tempfile::tempdir()?;
    let output = Command::new(e2e().join("servers").join(script).join("build"))
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("PRIVY_E2E_CACHE", nothing.path())
        .env(variable, value)
        .output()?;
    Ok((
        output.status.success(),
        String::from_utf8_lossy(&output.stdout).trim().to_owned(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    ))
}

/// Programs that the user names are taken as they are: nothing is built. What is no program is an error, not a reason to
/// build another.
pub fn what_the_user_brings_is_taken(lab: &Lab) -> Result<()> {
    let assets = lab.folder.join("assets");
    std::fs::create_dir_all(&assets)?;
    for (script, variable) in [
        ("etcd", "TEST_ASSET_ETCD"),
        ("kube-apiserver", "TEST_ASSET_KUBE_APISERVER"),
        ("kubectl", "TEST_ASSET_KUBECTL"),
        (
            "kube-controller-manager",
            "TEST_ASSET_KUBE_CONTROLLER_MANAGER",
        ),
    ] {
        let brought = assets.join(script);
        std::fs::copy("/bin/true", &brought)?;
        let path = brought.display().to_string();
        for (name, value) in [
            (variable, path.clone()),
            ("KUBEBUILDER_ASSETS", assets.display().to_string()),
        ] {
            let (ok, out, err) = found(script, name, &value)?;
            ensure!(ok && out == path, "{script} by {name}: {out} {err}");
        }
        let nowhere = assets.join("nothing").display().to_string();
        let (ok, _, err) = found(script, variable, &nowhere)?;
        ensure!(!ok && err.contains("is no program"), "{script}: {err}");
    }
    Ok(())
}

/// One command starts a lab in which sealed Secrets open, one enters it with kubectl and `privy`, one ends it.
pub fn one_command_starts_the_lab_and_one_enters_it(lab: &Lab) -> Result<()> {
    let state = lab.folder.join("lab.state");
    let run = |arguments: &[&str], input: &str| -> Result<String> {
        let file = lab.folder.join("lab.input");
        std::fs::write(&file, input)?;
        let output = Command::new(e2e().join("lab"))
            .args(arguments)
            .env("PRIVY_E2E_LAB", &state)
            .stdin(std::fs::File::open(&file)?)
            .output()?;
        ensure!(
            output.status.success(),
            "e2e/lab {}: {}{}",
            arguments.join(" "),
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    };
    run(&["start"], "")?;
    let result = (|| -> Result<()> {
        let card = state.join("key.card.json").display().to_string();
        let sealed = run(
            &[
                "enter",
                "privy",
                "seal",
                "--key",
                &card,
                "--for",
                "default/db/password",
            ],
            "tiger",
        )?;
        let manifest = crate::sealing::secret("default", "db", &[("password", sealed.trim())]);
        run(
            &["enter", "kubectl", "apply", "-f", "-"],
            &manifest.to_string(),
        )?;
        let value = run(
            &[
                "enter",
                "kubectl",
                "get",
                "secret",
                "db",
                "-o",
                "jsonpath={.data.password}",
            ],
            "",
        )?;
        ensure!(value == crate::sealing::b64("tiger"), "{value}");
        Ok(())
    })();
    run(&["stop"], "")?;
    ensure!(!state.exists(), "files of the lab are left");
    result
}
