//! What is staged, what a branch changed, and what was there before.
use std::process::{Command, Output};

use super::*;

fn git(bench: &Bench, arguments: &[&str]) -> Output {
    Command::new("git")
        .args([
            "-c",
            "user.name=a",
            "-c",
            "user.email=a@example.com",
            "-c",
            "init.defaultBranch=main",
        ])
        .args(arguments)
        .current_dir(bench.path("."))
        .env("PATH", search_path())
        .env("PRIVY_CONFIG_DIR", bench.path(".configuration"))
        .output()
        .unwrap()
}

fn did(bench: &Bench, arguments: &[&str]) {
    let output = git(bench, arguments);
    assert!(
        output.status.success(),
        "{arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// With the built program before any other `privy`.
fn search_path() -> String {
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_privy"));
    let path = std::env::var("PATH").unwrap();
    format!("{}:{path}", program.parent().unwrap().display())
}

/// `privy lint` where `git` is on the search path.
fn lint_in(bench: &Bench, folder: &str, arguments: &[&str]) -> Ended {
    let output = Command::new(env!("CARGO_BIN_EXE_privy"))
        .arg("lint")
        .args(["--key", bench.path("payments.card.json").to_str().unwrap()])
        .args(arguments)
        .current_dir(bench.path(folder))
        .env("PRIVY_CONFIG_DIR", bench.path(".configuration"))
        .output()
        .unwrap();
    Ended {
        code: output.status.code().unwrap(),
        stdout: output.stdout,
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

fn staged(bench: &Bench) -> Ended {
    lint_in(bench, ".", &["--staged", "--output", "json"])
}

fn plain(name: &str) -> String {
    secret(name, "payments", "stringData:\n  password: hunter2\n")
}

/// A repository with one commit.
fn repository() -> Bench {
    let bench = Bench::trusting();
    bench.write(".gitignore", "*.pem\n.configuration\n");
    did(&bench, &["init", "-q"]);
    did(&bench, &["add", ".gitignore", "payments.card.json"]);
    did(&bench, &["commit", "-qm", "one"]);
    bench
}

fn seal(bench: &Bench, file: &str) {
    let seal = ["seal", "-i", "--key", "payments.card.json", file];
    bench.run(&seal, "").succeeded();
}

#[test]
fn what_is_staged_counts_and_not_what_is_in_the_working_tree() {
    let bench = repository();
    bench.write("pay/db.yaml", plain("db"));
    assert_eq!(staged(&bench).code, 0, "nothing is staged yet");
    did(&bench, &["add", "pay"]);
    assert_eq!(
        rules(&staged(&bench)),
        BTreeSet::from(["plaintext".to_owned()])
    );

    // Sealed on the disk, and plain in what would be committed.
    seal(&bench, "pay/db.yaml");
    let ended = staged(&bench);
    assert_eq!(rules(&ended), BTreeSet::from(["plaintext".to_owned()]));
    assert_eq!(ended.json()["findings"][0]["path"], "pay/db.yaml");
    let below = lint_in(&bench, "pay", &["--staged", "--output", "json"]);
    assert_eq!(below.json()["findings"][0]["path"], "db.yaml");

    // Gone from the disk, and still in what would be committed.
    let sealed = bench.read("pay/db.yaml");
    std::fs::remove_file(bench.path("pay/db.yaml")).unwrap();
    assert_eq!(staged(&bench).code, 1);
    bench.write("pay/db.yaml", sealed);

    did(&bench, &["add", "pay"]);
    assert_eq!(staged(&bench).code, 0);
    // Plain on the disk, and sealed in what would be committed.
    bench.write("pay/db.yaml", plain("db"));
    assert_eq!(staged(&bench).code, 0);
    did(&bench, &["commit", "-qm", "two"]);
    did(&bench, &["rm", "-q", "-f", "pay/db.yaml"]);
    assert_eq!(staged(&bench).code, 0, "a deletion brings nothing in");
}

#[test]
fn a_repository_before_its_first_commit_and_no_repository() {
    let bench = Bench::trusting();
    did(&bench, &["init", "-q"]);
    bench.write("db.yaml", plain("db"));
    did(&bench, &["add", "db.yaml"]);
    assert_eq!(staged(&bench).code, 1);

    let none = Bench::trusting();
    let ended = lint_in(&none, ".", &["--staged"]);
    ended.failed(2, "git failed").hints("Git repository");
}

#[test]
fn hostile_names_and_private_keys_among_what_is_staged() {
    let bench = repository();
    bench.write("--key=evil.card.json", "{}");
    bench.write("a\nb.yaml", plain("db"));
    bench.write("notes/key", bench.read("payments.pem"));
    did(
        &bench,
        &[
            "add",
            "-f",
            "--",
            "--key=evil.card.json",
            "a\nb.yaml",
            "notes/key",
        ],
    );
    let ended = staged(&bench);
    assert_eq!(
        rules(&ended),
        BTreeSet::from(["plaintext".to_owned(), "private-key".to_owned()])
    );
    let part = lint_in(&bench, ".", &["--staged", "--output", "json", "notes"]);
    assert_eq!(rules(&part), BTreeSet::from(["private-key".to_owned()]));
}

/// The hook of docs/ci.md, as it is there.
#[test]
fn the_documented_hook_refuses_what_is_still_plain_in_the_commit() {
    use std::os::unix::fs::PermissionsExt as _;

    let document = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/ci.md");
    let document = std::fs::read_to_string(document).unwrap();
    let (_, rest) = document.split_once("```sh\n#!/bin/sh\n").unwrap();
    let hook = format!("#!/bin/sh\n{}", rest.split_once("```").unwrap().0);
    let bench = repository();
    bench.write(".git/hooks/pre-commit", hook);
    let executable = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(bench.path(".git/hooks/pre-commit"), executable).unwrap();
    bench.write(
        ".privy.yaml",
        "version: 1\nrules:\n  - {paths: ['**'], key: payments.card.json}\n",
    );

    bench.write("db.yaml", plain("db"));
    did(&bench, &["add", "db.yaml"]);
    assert!(!git(&bench, &["commit", "-qm", "db"]).status.success());
    seal(&bench, "db.yaml");
    let second = git(&bench, &["commit", "-qm", "db"]);
    assert!(!second.status.success(), "what is staged is still plain");
    did(&bench, &["add", "db.yaml"]);
    did(&bench, &["commit", "-qm", "db"]);
}

#[test]
fn a_branch_is_checked_for_what_it_changed() {
    let bench = repository();
    bench.write("old.yaml", plain("old"));
    did(&bench, &["add", "old.yaml"]);
    did(&bench, &["commit", "-qm", "old"]);
    did(&bench, &["checkout", "-qb", "feature"]);
    bench.write("new.yaml", plain("new"));
    did(&bench, &["add", "new.yaml"]);
    did(&bench, &["commit", "-qm", "new"]);
    bench.write("untracked.yaml", plain("untracked"));
    let paths = |ended: &Ended| -> Vec<String> {
        let report = ended.json();
        let findings = report["findings"].as_array().unwrap();
        findings
            .iter()
            .map(|finding| finding["path"].as_str().unwrap().to_owned())
            .collect()
    };
    let ended = lint_in(&bench, ".", &["--since", "main", "--output", "json"]);
    assert_eq!(paths(&ended), ["new.yaml", "untracked.yaml"]);

    // What came to main later is none of the branch's.
    did(&bench, &["checkout", "-q", "main"]);
    bench.write("later.yaml", plain("later"));
    did(&bench, &["add", "later.yaml"]);
    did(&bench, &["commit", "-qm", "later"]);
    did(&bench, &["checkout", "-q", "feature"]);
    let ended = lint_in(&bench, ".", &["--since", "main", "--output", "json"]);
    assert_eq!(paths(&ended), ["new.yaml", "untracked.yaml"]);
    for word in ["nowhere", "--all", "-x"] {
        let since = format!("--since={word}");
        lint_in(&bench, ".", &[&since]).failed(2, "is no commit");
    }
}

#[test]
fn a_baseline_lets_a_repository_begin_with_what_is_new() {
    let bench = Bench::trusting();
    let lint = |more: &[&str]| {
        let lint = [
            "lint",
            "--key",
            "payments.card.json",
            "--allow",
            "private-key",
        ];
        bench.run(&[&lint, more].concat(), "")
    };
    bench.write("a.yaml", plain("a"));
    bench.write("b.yaml", plain("b"));
    let written = lint(&["--write-baseline", "base.json"]).succeeded();
    assert!(written.stderr.contains("2 findings"), "{}", written.stderr);
    assert!(!bench.text("base.json").contains("hunter2"));

    let known = lint(&["--baseline", "base.json", "--output", "json"]).succeeded();
    crate::outputs::fits("lint", &known.json());
    assert_eq!(known.json()["summary"]["suppressed"], 2);
    // Lines move, and that is no new finding; a second value is.
    let moved = format!("# a comment\n{}", plain("a"));
    bench.write("a.yaml", &moved);
    lint(&["--baseline", "base.json"]).succeeded();
    bench.write("a.yaml", moved + "  token: hunter3\n");
    let ended = lint(&["--baseline", "base.json", "--output", "json"]);
    assert_eq!(ended.code, 1);
    let report = ended.json();
    let counting: Vec<_> = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|finding| finding.get("suppressed").is_none())
        .map(|finding| finding["field"].as_str().unwrap())
        .collect();
    assert_eq!(counting, ["stringData/token"]);

    // What was dealt with is said, so that it does not come back in silence.
    std::fs::remove_file(bench.path("b.yaml")).unwrap();
    let report = lint(&["--baseline", "base.json", "--output", "json"]).json();
    assert!(
        report["unused"][0].as_str().unwrap().contains("1 finding"),
        "{report:#}"
    );
    bench.write("base.json", "{\"version\": 2, \"findings\": []}");
    lint(&["--baseline", "base.json"]).failed(2, "version 2");
}

#[test]
fn allowances_that_allow_nothing_are_named() {
    let bench = Bench::trusting();
    bench.write(
        ".privy.yaml",
        "version: 1\nrules:\n  - {paths: ['**'], key: payments.card.json}\nlint:\n  allow:\n    - {rule: plaintext, paths: ['test/**'], reason: a throw-away cluster}\n    - {rule: plaintext, paths: ['old/**'], reason: to be moved}\n",
    );
    bench.write("test/db.yaml", plain("db"));
    let ended = bench.run(&["lint"], "").succeeded();
    for words in [
        "allowed: 1 × plaintext: a throw-away cluster",
        "unused: .privy.yaml: nothing is found any more that it allows: `plaintext` in old/**",
    ] {
        assert!(ended.text().contains(words), "{words:?}\n{}", ended.text());
    }
    assert_eq!(
        ended.text().matches("unused:").count(),
        1,
        "{}",
        ended.text()
    );
    // A part of the repository does not show what is in the rest.
    let part = bench.run(&["lint", "test"], "").succeeded();
    assert!(!part.text().contains("unused:"), "{}", part.text());
}
