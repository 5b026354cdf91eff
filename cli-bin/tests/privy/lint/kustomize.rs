//! Kustomizations, and what they move and generate.
use super::*;

#[test]
fn a_changed_kustomization_has_its_files_checked() {
    let bench = Bench::new();
    let sealed = sealed_for(&bench, PLACE, &[]);
    bench.write(".git/HEAD", "");
    bench.write(
        "base/db.yaml",
        secret(
            "db",
            "payments",
            &format!("stringData:\n  password: {sealed}\n"),
        ),
    );
    bench.write("base/kustomization.yaml", "resources: [db.yaml]\n");
    bench.write(
        "all/prod/kustomization.yaml",
        "namespace: other\nresources: [../../base]\n",
    );
    for path in [
        "all/prod/kustomization.yaml",
        "all/prod",
        "all",
        "base/kustomization.yaml",
    ] {
        let ended = bench.run(&["lint", "--output", "json", path], "");
        assert_eq!(
            rules(&ended),
            BTreeSet::from(["wrong-place".to_owned()]),
            "{path}"
        );
    }
    let list = bench.run(
        &["lint", "--output", "json", "--files-from", "-"],
        "all/prod/kustomization.yaml\0",
    );
    assert_eq!(rules(&list), BTreeSet::from(["wrong-place".to_owned()]));
}

#[test]
fn kustomizations_move_places() {
    let bench = Bench::new();
    let sealed = sealed_for(&bench, "payments-prod/p-db-v2/password", &[]);
    bench.write(
        "base/db.yaml",
        format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: db}}\nstringData:\n  password: {sealed}\n"),
    );
    bench.write(
        "base/kustomization.yaml",
        "resources: [db.yaml]\nnameSuffix: -v2\n",
    );
    bench.write(
        "prod/kustomization.yaml",
        "namespace: payments-prod\nnamePrefix: p-\nresources: [../base]\n",
    );
    bench.write(".git/HEAD", "");
    let run = |arguments: &[&str]| {
        let mut all = vec!["lint", "--key", "payments.card.json", "--output", "json"];
        all.extend(arguments);
        bench.run(&all, "")
    };
    // By the overlay, by the base and by the file alone: the kustomizations of the repository always count.
    for path in [".", "prod", "base", "base/db.yaml"] {
        let ended = run(&[path]);
        assert_eq!(rules(&ended), BTreeSet::new(), "{path} {}", ended.text());
        assert_eq!(ended.json()["summary"]["sealed"], 1, "{path}");
    }
    bench.write(
        "test/kustomization.yaml",
        "namespace: payments-test\nresources: [../base]\n",
    );
    let ended = run(&["."]);
    assert_eq!(rules(&ended), BTreeSet::from(["wrong-place".to_owned()]));
    assert!(
        ended
            .text()
            .contains("as `test/kustomization.yaml` makes it: payments-test/db-v2"),
        "{}",
        ended.text()
    );
}

#[test]
fn generated_secrets_are_checked_with_their_hash() {
    let bench = Bench::new();
    bench.write("exact.jwe", sealed_for(&bench, PLACE, &[]));
    bench.write(
        "pattern.jwe",
        sealed_for(&bench, "payments/db-*/password", &[]),
    );
    let kustomization = |source: &str, options: &str| {
        format!("namespace: payments\nsecretGenerator:\n- name: db\n  {source}\n{options}")
    };
    let run = |text: String| {
        bench.write("kustomization.yaml", text);
        let ended = bench.run(
            &["lint", "--key", "payments.card.json", "--output", "json"],
            "",
        );
        assert!(!ended.text().contains(CANARY));
        rules(&ended)
    };
    assert_eq!(
        run(kustomization("files: [password=pattern.jwe]", "")),
        BTreeSet::new()
    );
    assert_eq!(
        run(kustomization("files: [password=exact.jwe]", "")),
        BTreeSet::from(["wrong-place".to_owned()])
    );
    let fixed = "generatorOptions: {disableNameSuffixHash: true}\n";
    assert_eq!(
        run(kustomization("files: [password=exact.jwe]", fixed)),
        BTreeSet::new()
    );
    let literal = format!("literals: [password={CANARY}]");
    assert_eq!(
        run(kustomization(&literal, "")),
        BTreeSet::from(["plaintext".to_owned()])
    );
    bench.write("c.env", format!("# comment\nA={CANARY}\n"));
    assert_eq!(
        run(kustomization("envs: [c.env]", "")),
        BTreeSet::from(["plaintext".to_owned()])
    );
}
