//! Manual pages, and the name that usage texts call the command by.
#[cfg(unix)]
use std::process::Command;

use crate::support::Bench;

#[test]
fn every_verb_has_a_manual_page() {
    let bench = Bench::empty();
    std::fs::create_dir(bench.path("man1")).unwrap();
    bench.run(&["man", "man1"], "").succeeded();
    let page = |name: &str| bench.text(&format!("man1/{name}.1"));
    assert!(page("privy").contains("Seal values for Kubernetes with a public key"));
    for name in [
        "privy-seal",
        "privy-set",
        "privy-edit",
        "privy-key-trust",
        "privy-key-sign",
    ] {
        assert!(page(name).contains(".SH SYNOPSIS"), "{name}");
    }
    assert!(page("privy-seal").contains("layout"));
    bench
        .run(&["man", "missing/man1"], "")
        .failed(2, "cannot write")
        .hints("mkdir -p");
}

#[cfg(unix)]
#[test]
fn as_a_plugin_of_kubectl_it_says_so() {
    let bench = Bench::empty();
    let plugin = bench.path("kubectl-privy");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_privy"), &plugin).unwrap();
    let run = |arguments: &[&str]| {
        let output = Command::new(&plugin).args(arguments).output().unwrap();
        String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
    };
    assert!(run(&["--help"]).contains("Usage: kubectl privy <COMMAND>"));
    assert!(run(&["set", "--help"]).contains("Usage: kubectl privy set [OPTIONS]"));
    assert!(run(&["set"]).contains("Usage: kubectl privy set"));
    assert!(run(&["key", "show", "/missing"]).starts_with("error: cannot read `/missing`"));
}
