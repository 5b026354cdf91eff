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
    std::fs::remove_file(bench.path("payments.pem")).unwrap();
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
    // By the overlay, by the base and by the file only: the kustomizations of the repository always count.
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

#[test]
fn plain_values_in_patches_and_builtin_generators_are_found() {
    let bench = Bench::new();
    let secret = |value: &str| {
        format!(
            "apiVersion: v1\nkind: Secret\nmetadata: {{name: db}}\nstringData: {{password: {value}}}"
        )
    };
    let indented = |text: &str| text.replace('\n', "\n    ");
    let operation =
        |path: &str, value: &str| format!("- {{op: add, path: {path}, value: {value}}}");
    let generator = |member: &str| {
        format!("apiVersion: builtin\nkind: SecretGenerator\nmetadata: {{name: db}}\n{member}\n")
    };
    bench.write("plain", CANARY);
    bench.write("plain.env", format!("password={CANARY}\n"));
    let lint = |kustomization: &str| {
        bench.write("kustomization.yaml", kustomization);
        let lint = ["lint", "--key", "payments.card.json", "--output", "json"];
        let ended = bench.run(&lint, "");
        assert!(!ended.text().contains(CANARY), "{kustomization}");
        rules(&ended)
    };
    let sealed = sealed_for(&bench, PLACE, &[]);
    let found = |value: &str| {
        let patch = indented(&secret(value));
        let merged = indented(&secret(value).replace("kind: Secret", "kind: Any"));
        bench.write(
            "generator.yaml",
            generator(&format!("literals: [\"password={value}\"]")),
        );
        bench.write("transformer.yaml", format!(
            "apiVersion: builtin\nkind: PatchTransformer\nmetadata: {{name: p}}\npatch: |-\n    {patch}\n"
        ));
        bench.write("operations.yaml", operation("/stringData/password", value));
        let packed = super::base64(value);
        [
            format!("patches:\n- patch: |-\n    {patch}\n"),
            format!("patches:\n- target: {{kind: Secret}}\n  patch: |-\n    {merged}\n"),
            format!("patches:\n- target: {{kind: 'Sec.*'}}\n  patch: |-\n    {merged}\n"),
            format!("patches:\n- target: {{name: db}}\n  patch: |-\n    {merged}\n"),
            format!("patchesStrategicMerge:\n- |-\n    {patch}\n"),
            format!(
                "patchesJson6902:\n- target: {{kind: Secret, name: db}}\n  patch: |-\n    {}\n",
                operation("/data/password", &packed)
            ),
            format!(
                "patches:\n- target: {{kind: Secret}}\n  patch: |-\n    {}\n",
                operation("/stringData", &format!("{{password: {value}}}"))
            ),
            "patches:\n- {target: {kind: Secret}, path: operations.yaml}\n".to_owned(),
            "generators: [generator.yaml]\n".to_owned(),
            format!(
                "generators:\n- |-\n    {}\n",
                indented(&generator(&format!("literals: [\"password={value}\"]")))
            ),
            "transformers: [transformer.yaml]\n".to_owned(),
        ]
        .map(|kustomization| (lint(&kustomization), kustomization))
    };
    for (rules, kustomization) in found(CANARY) {
        assert!(rules.contains("plaintext"), "{rules:?}: {kustomization}");
    }
    for (rules, kustomization) in found(sealed.trim()) {
        assert!(!rules.contains("plaintext"), "{rules:?}: {kustomization}");
    }
    for member in ["files: [password=plain]", "envs: [plain.env]"] {
        bench.write("generator.yaml", generator(member));
        assert!(
            lint("generators: [generator.yaml]\n").contains("plaintext"),
            "{member}"
        );
    }
    // A patch of something else is no Secret.
    let other = indented(&secret(CANARY).replace("kind: Secret", "kind: ConfigMap"));
    let other = format!("patches:\n- target: {{kind: ConfigMap}}\n  patch: |-\n    {other}\n");
    assert_eq!(lint(&other), BTreeSet::new());
}

/// A file counts as often as generators name it: naming one large file many times would cost its size each time.
#[test]
fn generators_name_a_bounded_amount_of_files() {
    let bench = Bench::new();
    let large = 2 * 1024 * 1024;
    bench.write("large", " ".repeat(large));
    let generators: Vec<String> = (0..40)
        .map(|index| format!("- name: db-{index}\n  files: [password=large]\n"))
        .collect();
    bench.write(
        "kustomization.yaml",
        format!(
            "namespace: payments\nsecretGenerator:\n{}",
            generators.concat()
        ),
    );
    let ended = bench.run(
        &["lint", "--key", "payments.card.json", "--output", "json"],
        "",
    );
    assert_eq!(rules(&ended), BTreeSet::from(["unreadable".to_owned()]));
    let unchecked = ended.text().matches("was not checked").count();
    assert_eq!(unchecked, 40 - 64 * 1024 * 1024 / large, "{}", ended.text());
}
