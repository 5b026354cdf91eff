//! What `deploy/image/build` puts into the image starts without anything else of the host.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

#[test]
fn the_image_holds_the_webhook_and_what_it_is_linked_with() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("rootfs");
    let built = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/image/build"))
        .args(["--binary", env!("CARGO_BIN_EXE_privy-webhook"), "--rootfs"])
        .arg(&root)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&built.stderr);
    assert!(built.status.success(), "{said}");
    assert!(said.contains(" bytes"), "{said}");

    let held = files(&root);
    let is = |file: &PathBuf, name: &str| {
        file.file_name().is_some_and(|found| {
            found.to_string_lossy() == name
                || found.to_string_lossy().starts_with(&format!("{name}."))
        })
    };
    let known = [
        "privy-webhook",
        "passwd",
        "nsswitch.conf",
        "ca-certificates.crt",
        "libc.so",
        "libm.so",
        "libgcc_s.so",
    ];
    let loader = held
        .iter()
        .find(|file| file.to_string_lossy().contains("/ld-linux"))
        .expect("a dynamic loader");
    for file in &held {
        assert!(
            file == loader || known.iter().any(|name| is(file, name)),
            "{} does not belong there",
            file.display()
        );
    }

    // With the image's own loader and libraries, and no others.
    let libraries = held
        .iter()
        .filter(|file| is(file, "libc.so") || is(file, "libm.so") || is(file, "libgcc_s.so"))
        .map(|file| file.parent().expect("in a folder").display().to_string())
        .collect::<Vec<_>>()
        .join(":");
    let run = Command::new(loader)
        .args(["--inhibit-cache", "--library-path", &libraries])
        .arg(root.join("privy-webhook"))
        .arg("--version")
        .env_clear()
        .output()
        .unwrap();
    assert!(
        run.status.success(),
        "{}",
        String::from_utf8_lossy(&run.stderr)
    );
    assert_eq!(
        String::from_utf8_lossy(&run.stdout).trim(),
        concat!("privy-webhook ", env!("CARGO_PKG_VERSION"))
    );
}

/// All files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found
}
