//! `privy set`: one field, nothing else.
use std::io::Write as _;

use crate::support::{Bench, CANARY};

const MANIFEST: &str = "\
apiVersion: v1
kind: Secret
metadata:
  name: db
  namespace: payments
stringData:
  user: app   # not touched
  password: old
";

fn envelope(text: &str, key: &str) -> String {
    let line = text
        .lines()
        .find(|line| line.trim().starts_with(&format!("{key}:")))
        .unwrap();
    line.split_once(':')
        .unwrap()
        .1
        .trim()
        .trim_matches('"')
        .to_owned()
}

#[test]
fn replaces_one_value_and_no_other_byte() {
    let bench = Bench::trusting();
    bench.write("db.yaml", MANIFEST);
    let ended = bench
        .run(
            &["set", "db.yaml", "password", "--key", "payments.card.json"],
            CANARY,
        )
        .succeeded();
    let label = bench.label("payments.card.json");
    assert_eq!(
        ended.stderr,
        format!("db.yaml: `password` replaced, sealed for the key {label}\n")
    );
    let text = bench.text("db.yaml");
    let sealed = envelope(&text, "password");
    assert_eq!(text.replace(&sealed, "old"), MANIFEST);
    assert_eq!(
        bench
            .open("payments/db/password", sealed)
            .succeeded()
            .stdout,
        CANARY.as_bytes()
    );
}

#[test]
fn adds_a_field_and_no_other_byte() {
    let bench = Bench::new();
    bench.write("db.yaml", MANIFEST);
    bench
        .run(
            &["set", "db.yaml", "token", "--key", "payments.card.json"],
            "x",
        )
        .succeeded();
    let text = bench.text("db.yaml");
    assert!(text.starts_with(MANIFEST), "{text}");
    assert_eq!(
        bench
            .open("payments/db/token", envelope(&text, "token"))
            .succeeded()
            .stdout,
        b"x"
    );
}

#[test]
fn makes_a_file_that_does_not_exist() {
    let bench = Bench::new();
    let arguments = [
        "set",
        "new.yaml",
        "password",
        "--key",
        "payments.card.json",
        "--namespace",
        "payments",
        "--name",
        "123",
    ];
    bench.run(&arguments, "x").succeeded();
    let text = bench.text("new.yaml");
    assert!(
        text.starts_with(
            "apiVersion: v1\nkind: Secret\nmetadata:\n  name: \"123\"\n  namespace: payments\n"
        ),
        "{text}"
    );
    assert_eq!(
        bench
            .open("payments/123/password", envelope(&text, "password"))
            .succeeded()
            .stdout,
        b"x"
    );
}

#[test]
fn a_new_file_needs_a_place() {
    let bench = Bench::new();
    let set = |more: &[&str]| {
        bench.run(
            &[
                &["set", "new.yaml", "password", "--key", "payments.card.json"],
                more,
            ]
            .concat(),
            CANARY,
        )
    };
    set(&[])
        .failed(2, "the namespace and the name of the Secret are needed")
        .hints("--namespace");
    set(&["--namespace", "payments"])
        .failed(2, "name of the Secret is needed")
        .hints("--name");
    set(&["--namespace", "payments", "--name", "Db"]).failed(2, "no name for a new Secret");
    assert!(!bench.path("new.yaml").exists());
}

#[test]
fn chooses_among_several_secrets() {
    let bench = Bench::new();
    let two = format!(
        "{MANIFEST}---\n{}",
        MANIFEST.replace("name: db", "name: api")
    );
    bench.write("two.yaml", &two);
    bench
        .run(
            &["set", "two.yaml", "password", "--key", "payments.card.json"],
            CANARY,
        )
        .failed(2, "2 Secrets")
        .hints("payments/db, payments/api");
    bench
        .run(
            &[
                "set",
                "two.yaml",
                "password",
                "--key",
                "payments.card.json",
                "--name",
                "other",
            ],
            CANARY,
        )
        .failed(2, "no Secret in it has this name");
    assert_eq!(bench.text("two.yaml"), two);
    bench
        .run(
            &[
                "set",
                "two.yaml",
                "password",
                "--key",
                "payments.card.json",
                "--name",
                "api",
            ],
            "x",
        )
        .succeeded();
    let text = bench.text("two.yaml");
    assert!(text.starts_with(MANIFEST), "the other Secret is untouched");
    let sealed = envelope(&text[MANIFEST.len()..], "password");
    assert_eq!(
        bench
            .open("payments/api/password", sealed)
            .succeeded()
            .stdout,
        b"x"
    );
}

#[test]
fn new_fields_of_a_secret_with_data_join_it() {
    let bench = Bench::new();
    bench.write("db.yaml", "apiVersion: v1\nkind: Secret\nmetadata:\n  name: db\n  namespace: payments\ndata:\n  a: YQ==\n");
    bench
        .run(&["set", "db.yaml", "b", "--key", "payments.card.json"], "x")
        .succeeded();
    assert!(
        bench.text("db.yaml").contains("\n  b: ZXlK"),
        "{}",
        bench.text("db.yaml")
    );
    bench
        .run(
            &[
                "set",
                "db.yaml",
                "stringData/c",
                "--key",
                "payments.card.json",
            ],
            "x",
        )
        .succeeded();
    assert!(
        bench.text("db.yaml").contains("stringData:\n  c: eyJ"),
        "{}",
        bench.text("db.yaml")
    );
}

#[test]
fn a_value_on_the_command_line_is_refused_and_not_repeated() {
    let bench = Bench::new();
    bench.write("db.yaml", MANIFEST);
    for arguments in [
        &["set", "db.yaml", "password", CANARY][..],
        &["set", "db.yaml", "password", "--value", CANARY],
        &["set", "db.yaml", "password", "--value=canary-5kQ9-hunter2"],
    ] {
        bench
            .run(arguments, "")
            .failed(2, "never taken from the command line")
            .hints("--value-file");
    }
    assert_eq!(bench.text("db.yaml"), MANIFEST);
}

#[test]
fn what_cannot_be_edited_safely_is_refused() {
    let bench = Bench::new();
    for (text, field) in [
        (
            MANIFEST.replace("password: old", "password: &a old"),
            "password",
        ),
        (MANIFEST.to_owned(), "pass word"),
        ("kind: ConfigMap\n".to_owned(), "password"),
        ("no: [manifest".to_owned(), "password"),
    ] {
        bench.write("db.yaml", &text);
        let ended = bench.run(
            &["set", "db.yaml", field, "--key", "payments.card.json"],
            CANARY,
        );
        assert!(
            ended.code == 1 || ended.code == 2,
            "{text}\n{}",
            ended.stderr
        );
        assert!(!ended.stderr.contains(CANARY));
        assert_eq!(bench.text("db.yaml"), text);
    }
}

#[test]
fn an_empty_value_leaves_the_file_alone() {
    let bench = Bench::new();
    bench.write("db.yaml", MANIFEST);
    bench
        .run(
            &["set", "db.yaml", "password", "--key", "payments.card.json"],
            "",
        )
        .failed(1, "empty");
    bench
        .run(
            &[
                "set",
                "db.yaml",
                "password",
                "--key",
                "payments.card.json",
                "--dry-run",
            ],
            "x",
        )
        .succeeded();
    assert_eq!(bench.text("db.yaml"), MANIFEST);
}

/// Each writes the file that the others write, too.
#[test]
fn no_value_is_lost_when_several_are_set_at_once() {
    let bench = Bench::trusting();
    for existing in [true, false] {
        let _ = std::fs::remove_file(bench.path("db.yaml"));
        if existing {
            bench.write("db.yaml", MANIFEST);
        }
        let keys: Vec<_> = (0..12).map(|index| format!("key-{index}")).collect();
        let children: Vec<_> = keys
            .iter()
            .map(|key| {
                let mut child = bench.spawn(&[
                    "set",
                    "--key",
                    "payments.card.json",
                    "db.yaml",
                    key,
                    "--name",
                    "db",
                    "--namespace",
                    "payments",
                ]);
                drop(
                    child
                        .stdin
                        .take()
                        .map(|mut stdin| stdin.write_all(key.as_bytes())),
                );
                child
            })
            .collect();
        for child in children {
            let ended = child.wait_with_output().unwrap();
            assert!(
                ended.status.success(),
                "{}",
                String::from_utf8_lossy(&ended.stderr)
            );
        }
        let text = bench.text("db.yaml");
        for key in &keys {
            assert_eq!(
                text.matches(&format!("  {key}: ")).count(),
                1,
                "{key} in:\n{text}"
            );
        }
    }
}

#[test]
fn a_value_that_is_sealed_already_is_not_sealed_over() {
    let bench = Bench::trusting();
    bench.write("db.yaml", MANIFEST);
    let set = ["set", "--key", "payments.card.json", "db.yaml", "password"];
    bench
        .run(&set, bench.sealed("x"))
        .failed(1, "it is sealed already")
        .hints("put it into the manifest as it is");
    bench
        .run(
            &set,
            "ENC[AES256_GCM,data:7ew99FdoYQ==,iv:LSUj=,tag:caRi==,type:str]",
        )
        .failed(1, "SOPS")
        .hints("sops --decrypt");
    assert_eq!(bench.text("db.yaml"), MANIFEST);
    bench
        .run(&[&set[..], &["--raw"]].concat(), bench.sealed("x"))
        .succeeded();
}

#[test]
fn a_new_json_file_is_json() {
    let bench = Bench::trusting();
    for key in ["password", "token"] {
        let set = [
            "set",
            "db.json",
            key,
            "--name",
            "db",
            "--namespace",
            "payments",
            "--key",
            "payments.card.json",
        ];
        bench.run(&set, "hunter2").succeeded();
    }
    let secret: serde_json::Value = serde_json::from_slice(&bench.read("db.json")).unwrap();
    assert_eq!(secret["metadata"]["namespace"], "payments");
    for key in ["password", "token"] {
        let envelope = secret["stringData"][key].as_str().unwrap();
        let opened = bench.open(&format!("payments/db/{key}"), envelope);
        assert_eq!(opened.succeeded().text(), "hunter2");
    }
}

/// An application would go on with the old value.
#[test]
fn a_slip_in_the_name_of_a_field_is_pointed_out() {
    let bench = Bench::trusting();
    bench.write("db.yaml", MANIFEST);
    let set = |key: &str| {
        let set = ["set", "db.yaml", key, "--key", "payments.card.json"];
        bench.run(&set, "hunter2").succeeded().stderr
    };
    let said = set("pasword");
    assert!(
        said.contains("warning: `pasword` is a new field; `password` is there already"),
        "{said}"
    );
    assert!(said.contains("`pasword` added"), "{said}");
    let said = set("password");
    assert!(
        !said.contains("warning") && said.contains("`password` replaced"),
        "{said}"
    );
    // An envelope in an annotation is the field's value, too.
    let seal = [
        "seal",
        "-i",
        "db.yaml",
        "--key",
        "payments.card.json",
        "--layout",
        "annotation",
    ];
    bench.run(&seal, "").succeeded();
    assert!(set("user").contains("`user` replaced"));
}

#[test]
fn standard_input_can_be_named() {
    let bench = Bench::trusting();
    bench.write("db.yaml", MANIFEST);
    let set = [
        "set",
        "db.yaml",
        "password",
        "--key",
        "payments.card.json",
        "--value-file",
        "-",
        "--output",
        "json",
    ];
    let report = bench.run(&set, CANARY).succeeded().json();
    crate::outputs::fits("set", &report);
    assert_eq!(report["change"], "replaced");
    let sealed = envelope(&bench.text("db.yaml"), "password");
    let opened = bench.open("payments/db/password", sealed).succeeded();
    assert_eq!(opened.stdout, CANARY.as_bytes());
}

#[test]
fn what_a_new_file_lacks_is_said_at_once() {
    let bench = Bench::trusting();
    let set = ["set", "new.yaml", "password", "--key", "payments.card.json"];
    bench
        .run(&set, "x")
        .failed(2, "the namespace and the name of the Secret are needed")
        .hints("--namespace NAME --name NAME");
}
