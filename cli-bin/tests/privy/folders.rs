//! Folders: every command finds the same files in them, and the same `.privy.yaml`.
use crate::support::{Bench, CANARY, Ended};

fn manifest(name: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Secret\nmetadata: {{name: {name}, namespace: payments}}\nstringData:\n  a: {CANARY}\n"
    )
}

/// The files with findings of this rule.
fn reported(bench: &Bench, rule: &str) -> Vec<String> {
    let ended = bench.run(&["lint", "--output", "json"], "");
    let mut files: Vec<_> = ended.json()["findings"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|finding| finding["rule"] == rule)
        .map(|finding| finding["path"].as_str().unwrap().to_owned())
        .collect();
    files.dedup();
    files
}

#[test]
fn what_lint_reports_in_a_folder_is_sealed_there() {
    let bench = Bench::trusting();
    let files = [
        ".github/deploy/a.yaml",
        ".hidden.yaml",
        "build/a.yaml",
        "target/a.yaml",
        "vendor/a.yaml",
    ];
    for file in files {
        bench.write(file, manifest("a"));
    }
    assert_eq!(reported(&bench, "plaintext"), files);
    let seal = ["seal", "-i", "--key", "payments.card.json", "."];
    bench.run(&seal, "").succeeded();
    assert!(reported(&bench, "plaintext").is_empty());
    for file in files {
        assert!(!bench.text(file).contains(CANARY), "{file}");
    }
}

#[test]
fn a_file_in_utf_16_is_reported_by_lint_and_refused_by_seal() {
    for mark in [true, false] {
        let bench = Bench::trusting();
        let text: Vec<u8> = mark
            .then_some(0xfeff)
            .into_iter()
            .chain(manifest("a").encode_utf16())
            .flat_map(u16::to_le_bytes)
            .collect();
        bench.write("sub/a.yaml", &text);
        assert_eq!(reported(&bench, "invalid-yaml"), ["sub/a.yaml"]);
        let seal = ["seal", "-i", "--key", "payments.card.json", "."];
        bench.run(&seal, "").failed(1, "sub/a.yaml");
        let rewrite = ["seal", "--rewrite", "."];
        bench.run(&rewrite, "").failed(1, "sub/a.yaml");
        assert_eq!(bench.read("sub/a.yaml"), text);
    }
}

#[test]
fn folders_that_are_not_searched_are_named() {
    let bench = Bench::trusting();
    bench.write("a.yaml", manifest("a"));
    bench.write("node_modules/chart/a.yaml", manifest("a"));
    bench.write("target/debug/a.yaml", manifest("a"));
    bench.write(
        "target/CACHEDIR.TAG",
        "Signature: 8a477f597d28d172789f06886806bc55",
    );
    bench.write(".git/a.yaml", manifest("a"));
    let words = "folders of packages and build output: `node_modules`, `target`";

    let text = bench.run(&["lint"], "");
    assert!(
        text.text().contains(&format!("not checked: {words}\n")),
        "{}",
        text.text()
    );
    let json = bench.run(&["lint", "--output", "json"], "").json();
    let not_checked = json["notChecked"].as_array().unwrap();
    assert!(
        not_checked.iter().any(|line| line == words),
        "{not_checked:?}"
    );

    let seal = [
        "seal",
        "-i",
        "--dry-run",
        "--key",
        "payments.card.json",
        ".",
    ];
    let ended = bench.run(&seal, "").succeeded();
    assert!(
        ended
            .stderr
            .contains(&format!("note: not searched: {words}\n")),
        "{}",
        ended.stderr
    );
    let json = bench
        .run(&[&seal[..], &["--output", "json"]].concat(), "")
        .succeeded()
        .json();
    assert_eq!(
        json["notSearched"],
        serde_json::json!(["node_modules", "target"])
    );
    let schema: serde_json::Value =
        serde_json::from_str(include_str!("../../../schemas/cli/seal.schema.json")).unwrap();
    let schema = jsonschema::validator_for(&schema).unwrap();
    assert!(schema.is_valid(&json), "{json:#}");
    let rewrite = bench
        .run(&["seal", "--rewrite", "--dry-run", "."], "")
        .succeeded();
    assert!(rewrite.stderr.contains(words), "{}", rewrite.stderr);
}

#[cfg(unix)]
#[test]
fn a_folder_behind_a_link_is_governed_where_it_really_is() {
    let bench = Bench::trusting();
    bench.generate("other");
    bench.trust("other.card.json");
    let rule = |key: &str| {
        format!(
            "version: 1\nrules:\n  - {{paths: [\"**\"], key: {key}.card.json, namespace: payments}}\n"
        )
    };
    bench.write("app/.privy.yaml", rule("payments"));
    bench.write("app/payments.card.json", bench.read("payments.card.json"));
    bench.write("repository/.privy.yaml", rule("other"));
    bench.write("repository/other.card.json", bench.read("other.card.json"));
    bench.write("app/deploy/a.yaml", manifest("a"));
    std::os::unix::fs::symlink("../app/deploy", bench.path("repository/deploy")).unwrap();

    let sealed = bench
        .run_in("repository", &["seal", "-i", "deploy"], "")
        .succeeded();
    assert!(sealed.stderr.contains("\"payments\""), "{}", sealed.stderr);
    for (folder, path) in [
        ("repository", "deploy"),
        ("app", "deploy"),
        ("app/deploy", "."),
    ] {
        let ended = bench.run_in(folder, &["lint", path], "");
        assert_eq!(ended.code, 0, "{folder}: {}", ended.text());
    }
}

const HEAD: &str = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: db\n  namespace: payments\n";

/// Each is a file in which people see a Secret and a machine might not.
#[test]
fn what_people_take_for_a_secret_is_never_passed_over_in_silence() {
    let listed = "apiVersion: v1\nkind: ConfigMapList\nitems:\n- apiVersion: v1\n  kind: Secret\n  \
                metadata: {name: db, namespace: payments}\n  stringData: {a: hunter2}\n";
    let value = "stringData:\n  a: hunter2\n";
    for (case, name, text, finding, refusal) in [
        (
            "kind in lower case",
            "a.yaml",
            format!("{HEAD}{value}").replace("Secret", "secret"),
            "invalid-yaml",
            "did you mean `Secret`?",
        ),
        (
            "kind in the plural",
            "a.yaml",
            format!("{HEAD}{value}").replace("Secret", "Secrets"),
            "invalid-yaml",
            "did you mean `Secret`?",
        ),
        (
            "section in lower case",
            "a.yaml",
            format!("{HEAD}{value}").replace("stringData", "stringdata"),
            "invalid-yaml",
            "did you mean `stringData`?",
        ),
        (
            "section with a letter too many",
            "a.yaml",
            format!("{HEAD}datas: {{}}\n"),
            "invalid-yaml",
            "did you mean `data`?",
        ),
        (
            "apiVersion twice",
            "a.yaml",
            format!("apiVersion: x/v1\n{HEAD}{value}"),
            "invalid-yaml",
            "the key \"apiVersion\" twice",
        ),
        (
            "kind with a tag",
            "a.yaml",
            format!("{HEAD}{value}").replace("kind: Secret", "kind: !!binary U2VjcmV0"),
            "invalid-yaml",
            "remove the tag",
        ),
        (
            "a list of another kind",
            "a.yaml",
            listed.to_owned(),
            "plaintext",
            "",
        ),
        (
            "an extension in capitals",
            "A.YAML",
            format!("{HEAD}{value}"),
            "plaintext",
            "",
        ),
    ] {
        let bench = Bench::new();
        bench.write(&format!("m/{name}"), &text);
        let rules = |output: &Ended| -> Vec<String> {
            let findings = output.json()["findings"].as_array().unwrap().clone();
            findings
                .iter()
                .map(|one| one["rule"].as_str().unwrap().to_owned())
                .collect()
        };
        let lint = [
            "lint",
            "--key",
            "payments.card.json",
            "--output",
            "json",
            "m",
        ];
        assert_eq!(rules(&bench.run(&lint, "")), [finding], "{case}");
        let sealed = bench.run(&["seal", "-i", "--key", "payments.card.json", "m"], "");
        if refusal.is_empty() {
            sealed.succeeded();
            assert_eq!(rules(&bench.run(&lint, "")), [""; 0], "{case}");
        } else {
            assert!(sealed.stderr.contains(refusal), "{case}: {}", sealed.stderr);
            assert_eq!(sealed.code, 1, "{case}");
        }
    }
}

#[test]
fn ciphertext_of_other_tools_is_neither_sealed_over_nor_called_plain() {
    let sops = "ENC[AES256_GCM,data:7ew99FdoYQ==,iv:LSUj=,tag:caRi==,type:str]";
    for (section, value, tool, next) in [
        ("stringData", sops, "SOPS", "sops --decrypt"),
        ("data", sops, "SOPS", "sops --decrypt"),
        (
            "stringData",
            "\"$ANSIBLE_VAULT;1.1;AES256\\n6638\"",
            "Ansible Vault",
            "ansible-vault decrypt",
        ),
        (
            "stringData",
            "\"-----BEGIN AGE ENCRYPTED FILE-----\\n\"",
            "age",
            "age --decrypt",
        ),
    ] {
        let bench = Bench::new();
        let text = format!("{HEAD}{section}:\n  password: {value}\n");
        bench.write("m/db.yaml", &text);
        let seal = ["seal", "-i", "--key", "payments.card.json", "m"];
        bench
            .run(&seal, "")
            .failed(1, &format!("encrypted with {tool}"))
            .hints(next);
        assert_eq!(bench.text("m/db.yaml"), text);
        let lint = bench.run(
            &[
                "lint",
                "--key",
                "payments.card.json",
                "--output",
                "json",
                "m",
            ],
            "",
        );
        let finding = &lint.json()["findings"][0];
        assert_eq!(finding["rule"], "other-tool");
        assert!(
            finding["next"].as_str().unwrap().contains(next),
            "{finding}"
        );
        assert!(!lint.text().contains("privy seal"), "{}", lint.text());
    }
}

#[test]
fn an_annotation_that_repeats_the_secret_is_refused_whichever_tool_wrote_it() {
    let object = r#"{"kind":"Secret","stringData":{"password":"hunter2"}}"#;
    for (name, text, repeats) in [
        (
            "kubectl.kubernetes.io/last-applied-configuration",
            object,
            true,
        ),
        ("banzaicloud.com/last-applied", object, true),
        (
            "example.com/config",
            r#"{"kind":"ConfigMap","data":{"a":"hunter2"}}"#,
            false,
        ),
        ("example.com/config", r#"{"data":1}"#, false),
    ] {
        let bench = Bench::new();
        let head = HEAD.replace(
            "metadata:\n",
            &format!("metadata:\n  annotations:\n    {name}: '{text}'\n"),
        );
        bench.write(
            "m/db.yaml",
            format!("{head}stringData:\n  password: hunter2\n"),
        );
        let sealed = bench.run(&["seal", "-i", "--key", "payments.card.json", "m"], "");
        assert_eq!(
            sealed.code == 1,
            repeats,
            "{name} {text}: {}",
            sealed.stderr
        );
        if repeats {
            sealed.failed(1, name).hints("remove the annotation");
            let lint = bench.run(
                &["lint", "m", "--output", "json", "--rule", "plaintext"],
                "",
            );
            assert_eq!(lint.json()["findings"].as_array().unwrap().len(), 2);
        }
    }
}

#[test]
fn what_looks_like_a_mistake_is_warned_about_when_it_is_sealed() {
    for (lines, words) in [
        ("stringData:\n  domain: ${SECRET_DOMAIN}\n", "Flux"),
        ("data:\n  password: hunter22\n", "happens to be base64"),
    ] {
        let bench = Bench::new();
        bench.write("db.yaml", format!("{HEAD}{lines}"));
        let seal = ["seal", "-i", "--key", "payments.card.json", "db.yaml"];
        let ended = bench.run(&seal, "").succeeded();
        assert!(ended.stderr.contains(words), "{}", ended.stderr);
        assert!(!ended.stderr.contains("hunter22"));
    }
}

/// Every refusal of a file names what to do next.
#[test]
fn files_that_cannot_be_read_are_refused_with_a_next_step() {
    for (name, text, words, next) in [
        (
            "a.yaml",
            format!("{HEAD}stringData:\n\ta: b\n"),
            "tabs",
            "indent with spaces",
        ),
        (
            "a.yaml",
            format!("{HEAD}data: []\n"),
            "must be a mapping",
            "key: value",
        ),
        (
            "a.yaml",
            format!("{HEAD}stringData:\n  a: b\n\0"),
            "not YAML",
            "correct this place",
        ),
        (
            "a.yaml",
            format!("{HEAD}stringData:\n  a: b\n\u{feff}---\nx: y\n"),
            "BOM",
            "byte order mark",
        ),
        (
            "a.yaml",
            format!("{HEAD}data:\n  a:\n"),
            "reads as null",
            "for an empty value, or remove the key",
        ),
        (
            "a.yaml",
            format!("{HEAD}data:\n  a: >-\n    LS0t\n    LS0t\n"),
            "it contains spaces",
            "in place of `>`",
        ),
        (
            "a.yaml",
            format!("{HEAD}data:\n<<<<<<< HEAD\n  a: b\n=======\n  a: c\n>>>>>>> x\n"),
            "conflict markers",
            "resolve the merge",
        ),
        (
            "a.json",
            "{\n  // x\n  \"kind\": \"Secret\"}".to_owned(),
            "line 2, column 3: not JSON",
            "neither comments",
        ),
        (
            "a.json",
            "{\"apiVersion\": \"v1\", \"kind\": \"Secret\",}".to_owned(),
            "not JSON",
            "trailing commas",
        ),
    ] {
        let bench = Bench::new();
        bench.write(name, &text);
        let seal = ["seal", "-i", "--key", "payments.card.json", name];
        bench.run(&seal, "").failed(1, words).hints(next);
    }
}

/// In a folder, what is no manifest keeps none from being sealed; a file that is named is meant.
#[test]
fn what_is_no_manifest_is_passed_over_with_a_word() {
    let bench = Bench::trusting();
    let template = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: {{ .Release.Name }}\nstringData:\n{{- range .Values.x }}\n  a: b\n{{- end }}\n";
    bench.write("chart.yaml", template);
    bench.write("data.json", vec![b'x'; 16 * 1024 * 1024 + 1]);
    bench.write("ok.yaml", manifest("ok"));
    let seal = ["seal", "-i", "--key", "payments.card.json"];
    let ended = bench.run(&[&seal[..], &["."]].concat(), "").succeeded();
    for words in [
        "note: chart.yaml: not looked at: it is a template",
        "note: data.json: not looked at: ",
        "ok.yaml: 1 value sealed",
        "5 files checked: 1 value in 1 of them sealed",
    ] {
        assert!(ended.stderr.contains(words), "{words:?}\n{}", ended.stderr);
    }
    let json = bench.run(&[&seal[..], &["--output", "json", "."]].concat(), "");
    let report = json.succeeded().json();
    crate::outputs::fits("seal", &report);
    assert_eq!(report["files"][0]["outcome"], "passed-over", "{report:#}");
    for file in ["chart.yaml", "data.json"] {
        bench
            .run(&[&seal[..], &[file]].concat(), "")
            .failed(if file == "data.json" { 2 } else { 1 }, "error: ");
    }
}

/// Root can read everything, and then nothing is left out.
#[cfg(unix)]
#[test]
fn a_folder_that_cannot_be_read_is_named() {
    use std::os::unix::fs::PermissionsExt as _;

    let bench = Bench::trusting();
    std::fs::create_dir(bench.path("closed")).unwrap();
    bench.write("ok.yaml", manifest("ok"));
    let mode = |mode| std::fs::Permissions::from_mode(mode);
    std::fs::set_permissions(bench.path("closed"), mode(0o000)).unwrap();
    let readable = std::fs::read_dir(bench.path("closed")).is_ok();
    let seal = ["seal", "-i", "--key", "payments.card.json", "."];
    let ended = bench.run(&seal, "").succeeded();
    std::fs::set_permissions(bench.path("closed"), mode(0o700)).unwrap();
    assert!(
        ended.stderr.contains("ok.yaml: 1 value sealed"),
        "{}",
        ended.stderr
    );
    assert_ne!(
        readable,
        ended
            .stderr
            .contains("note: not searched, because it cannot be read: `closed`"),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_dash_is_standard_input() {
    let bench = Bench::trusting();
    let seal = ["seal", "--key", "payments.card.json", "-"];
    let ended = bench.run(&seal, manifest("db")).succeeded();
    assert!(ended.text().contains("eyJlbmMiOi"), "{}", ended.text());
    let several = ["seal", "-i", "--key", "payments.card.json", "-", "a.yaml"];
    bench
        .run(&several, "")
        .failed(2, "`-` is standard input")
        .hints("./-");
}

#[test]
fn a_key_that_kubernetes_does_not_take_is_named_with_its_line() {
    let bench = Bench::trusting();
    bench.write(
        "db.yaml",
        format!("{HEAD}stringData:\n  my key: hunter22\n"),
    );
    let seal = ["seal", "-i", "--key", "payments.card.json", "db.yaml"];
    bench
        .run(&seal, "")
        .failed(1, "on line 7")
        .hints("rename the key");
}
