//! The whole journey: the real `privy` and the real `privy-webhook`, over TLS, as a newcomer sees it.
#![cfg(feature = "demo")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const PRIVY: &str = env!("CARGO_BIN_EXE_privy");

/// The webhook's program, which another package builds into the same folder.
///
/// A test cannot ask cargo for another package's program. `cargo test --workspace` builds it, because the webhook's
/// own tests need it; where it is missing, that is an error and not a reason to skip.
fn webhook() -> PathBuf {
    let path =
        Path::new(PRIVY).with_file_name(format!("privy-webhook{}", std::env::consts::EXE_SUFFIX));
    assert!(
        path.is_file(),
        "{} is missing: run `cargo build -p webhook-bin` first, or `cargo test --workspace`",
        path.display()
    );
    path
}

fn demo(arguments: &[&str], temporary: &Path) -> Output {
    Command::new(PRIVY)
        .arg("demo")
        .args(arguments)
        .env("TMPDIR", temporary)
        .env("TEMP", temporary)
        .env("TMP", temporary)
        .output()
        .expect("privy runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("the demo writes UTF-8")
}

/// Processes whose command line names something in this folder.
#[cfg(target_os = "linux")]
fn processes_in(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter_map(|entry| std::fs::read_link(entry.path().join("cwd")).ok())
        .filter(|cwd| cwd.starts_with(folder))
        .map(|cwd| cwd.display().to_string())
        .collect()
}

#[test]
fn every_claim_holds_and_nothing_is_left_behind() {
    webhook();
    let temporary = tempfile::tempdir().unwrap();
    let output = demo(&[], temporary.path());
    let (shown, said) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{shown}\n{said}");
    assert_eq!(said, "");
    assert!(shown.contains("claims held"), "{shown}");

    // Each of the people, and each of the refusals, has had a turn.
    for line in [
        "privy key generate",
        "privy key trust",
        "privy seal -i payments/db.yaml",
        "privy set payments/db.yaml api-token",
        "privy-webhook --config webhook.yaml",
        "kubectl apply -f payments/orders.yaml",
        "copied into a namespace",
        "One character of one envelope changed",
        "without a certificate: turned away",
        "of another authority: turned away",
        "a node's certificate",
    ] {
        assert!(shown.contains(line), "{line:?} is missing in\n{shown}");
    }
    assert_eq!(
        std::fs::read_dir(temporary.path()).unwrap().count(),
        0,
        "files are left"
    );
    #[cfg(target_os = "linux")]
    assert_eq!(
        processes_in(temporary.path()),
        Vec::<String>::new(),
        "processes are left"
    );
}

#[test]
fn fits_eighty_columns_without_color_and_without_values() {
    webhook();
    let temporary = tempfile::tempdir().unwrap();
    let shown = text(&demo(&["--no-color"], temporary.path()).stdout);
    for line in shown.lines() {
        assert!(line.chars().count() <= 80, "{line}");
        assert!(!line.contains('\u{1b}'), "{line:?}");
    }
    // The webhook's part masks what it opened; the custodian's own manifest is shown sealed only.
    assert!(shown.contains("********"), "{shown}");
    assert!(!shown.contains("correct horse battery"), "{shown}");
}

#[test]
fn show_prints_values_and_keep_keeps_the_folder() {
    webhook();
    let temporary = tempfile::tempdir().unwrap();
    let output = demo(&["--show", "--keep"], temporary.path());
    let shown = text(&output.stdout);
    assert!(output.status.success(), "{shown}\n{}", text(&output.stderr));
    assert!(shown.contains("correct horse battery"), "{shown}");

    let kept: Vec<_> = std::fs::read_dir(temporary.path())
        .unwrap()
        .flatten()
        .collect();
    assert_eq!(kept.len(), 1, "{kept:?}");
    let folder = kept[0].path();
    for file in [
        "repository/keys/payments.card.json",
        "repository/payments/db.yaml",
        "key-manager/payments.pem",
        "cluster/webhook.yaml",
        "cluster/webhook.log",
    ] {
        assert!(folder.join(file).is_file(), "{file} is not kept");
    }
    #[cfg(target_os = "linux")]
    assert_eq!(
        processes_in(&folder),
        Vec::<String>::new(),
        "processes are left"
    );
}

#[test]
fn a_missing_webhook_is_said_with_the_next_step() {
    let temporary = tempfile::tempdir().unwrap();
    let output = demo(&["--webhook", "no/such/program"], temporary.path());
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(text(&output.stdout), "");
    assert!(
        text(&output.stderr).contains("hint: build it with"),
        "{}",
        text(&output.stderr)
    );
}

/// A webhook that is none: the demo notices, ends with 1, and leaves neither files nor processes.
#[cfg(unix)]
#[test]
fn a_webhook_that_does_not_start_ends_the_demo_with_one() {
    use std::os::unix::fs::PermissionsExt as _;

    let temporary = tempfile::tempdir().unwrap();
    let programs = tempfile::tempdir().unwrap();
    let impostor = programs.path().join("impostor");
    std::fs::write(&impostor, "#!/bin/sh\necho 'no such luck' >&2\nexit 4\n").unwrap();
    std::fs::set_permissions(&impostor, std::fs::Permissions::from_mode(0o755)).unwrap();

    let output = demo(&["--webhook", impostor.to_str().unwrap()], temporary.path());
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stdout));
    let said = text(&output.stderr);
    assert!(
        said.contains("no such luck") && said.contains("hint:"),
        "{said}"
    );
    assert_eq!(
        std::fs::read_dir(temporary.path()).unwrap().count(),
        0,
        "files are left"
    );
}

/// Told to end while it waits for its webhook, the demo takes that with it.
#[cfg(target_os = "linux")]
#[test]
fn an_interrupted_demo_leaves_nothing_behind() {
    use std::os::unix::fs::PermissionsExt as _;
    use std::process::Stdio;

    let temporary = tempfile::tempdir().unwrap();
    let programs = tempfile::tempdir().unwrap();
    let sleeper = programs.path().join("sleeper");
    std::fs::write(&sleeper, "#!/bin/sh\nexec sleep 600\n").unwrap();
    std::fs::set_permissions(&sleeper, std::fs::Permissions::from_mode(0o755)).unwrap();

    let mut demo = Command::new(PRIVY)
        .args(["demo", "--webhook", sleeper.to_str().unwrap()])
        .env("TMPDIR", temporary.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let cluster = |cwd: &String| cwd.ends_with("/cluster");
    while !processes_in(temporary.path()).iter().any(cluster) {
        assert!(
            demo.try_wait().unwrap().is_none(),
            "it ended before it was told to"
        );
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let told = Command::new("kill")
        .arg(demo.id().to_string())
        .status()
        .unwrap();
    assert!(told.success());
    assert_eq!(demo.wait().unwrap().code(), Some(130));
    assert_eq!(
        processes_in(temporary.path()),
        Vec::<String>::new(),
        "processes are left"
    );
    assert_eq!(
        std::fs::read_dir(temporary.path()).unwrap().count(),
        0,
        "files are left"
    );
}
