//! `privy lint`: one test per kind of mistake, and the forms of its report.
#[cfg(unix)]
mod git;
mod keys;
mod kustomize;
mod places;
mod private_keys;
mod projects;
mod reports;
mod values;

use std::collections::BTreeSet;

use base64::Engine as _;
use serde_json::Value;

use crate::support::{Bench, CANARY, Ended};

const PLACE: &str = "payments/db/password";

fn secret(name: &str, namespace: &str, rest: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Secret\nmetadata:\n  name: {name}\n  namespace: {namespace}\n{rest}"
    )
}

fn sealed_for(bench: &Bench, place: &str, more: &[&str]) -> String {
    let mut arguments = vec!["seal", "--key", "payments.card.json", "--for", place];
    arguments.extend(more);
    let sealed = bench.run(&arguments, CANARY).succeeded();
    sealed.text().trim().to_owned()
}

/// The rules that a run found, without those that do not count.
fn rules(ended: &Ended) -> BTreeSet<String> {
    ended.json()["findings"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|finding| finding["level"] != "note" && finding.get("suppressed").is_none())
        .map(|finding| finding["rule"].as_str().unwrap().to_owned())
        .collect()
}

/// Lints one file against the card `payments`.
fn lint(bench: &Bench, text: &str) -> Ended {
    bench.write("case/case.yaml", text);
    let ended = bench.run(
        &[
            "lint",
            "--key",
            "payments.card.json",
            "--output",
            "json",
            "case",
        ],
        "",
    );
    assert!(!ended.stderr.contains(CANARY));
    ended
}

#[track_caller]
fn finds(bench: &Bench, text: &str, expected: &[&str]) -> Ended {
    let ended = lint(bench, text);
    let expected: BTreeSet<String> = expected.iter().map(|rule| (*rule).to_owned()).collect();
    assert_eq!(rules(&ended), expected, "{text}\n{}", ended.text());
    assert_eq!(ended.code, i32::from(!expected.is_empty()));
    assert!(!ended.text().contains(CANARY), "the value leaked");
    ended
}

#[test]
fn a_secret_in_a_kustomization_or_behind_a_link_is_a_secret() {
    let bench = Bench::new();
    let plain = secret(
        "db",
        "payments",
        &format!("stringData:\n  password: {CANARY}\n"),
    );
    bench.write("a/kustomization.yaml", &plain);
    bench.write("b/text", &plain);
    #[cfg(unix)]
    std::os::unix::fs::symlink("text", bench.path("b/db.yaml")).unwrap();
    for folder in ["a", "b"] {
        let ended = bench.run(&["lint", folder], "");
        assert_eq!(ended.code, 1, "{folder}");
        assert!(
            ended.text().contains("error[plaintext]"),
            "{}",
            ended.text()
        );
    }
}

#[test]
fn every_rule_has_a_test() {
    let source = [
        include_str!("keys.rs"),
        include_str!("kustomize.rs"),
        include_str!("places.rs"),
        include_str!("private_keys.rs"),
        include_str!("projects.rs"),
        include_str!("reports.rs"),
        include_str!("values.rs"),
        include_str!("../signing.rs"),
        include_str!("../folders.rs"),
    ]
    .concat();
    for rule in cli_bin::project::lint::rules::RuleId::ALL {
        assert!(source.contains(&format!("\"{rule}")), "{rule}");
    }
}

fn base64(text: &str) -> String {
    base64::engine::general_purpose::STANDARD.encode(text)
}
