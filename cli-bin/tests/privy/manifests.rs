//! `privy seal` with whole manifests.
use crate::support::{Bench, CANARY};

const MANIFEST: &str = "\
# kept: comments, order,   odd   blanks
apiVersion: v1
kind: Secret
metadata:
  name: db      # the name
  namespace: payments
data:
  bin: AAEC/w==
  \"empty\": ''
stringData:
  password: \"canary-5kQ9-hunter2\"
  pem: |
    -----BEGIN X-----
    abc
    -----END X-----
  # a comment between
  number: '007'
---
kind: ConfigMap
apiVersion: v1
data: {a: b}
";

const FIELDS: [(&str, &[u8]); 5] = [
    ("bin", b"\0\x01\x02\xff"),
    ("empty", b""),
    ("password", CANARY.as_bytes()),
    ("pem", b"-----BEGIN X-----\nabc\n-----END X-----\n"),
    ("number", b"007"),
];

/// The envelope of a field, as text.
fn envelope(bench: &Bench, file: &str, key: &str) -> String {
    use base64::Engine as _;
    let text = bench.text(file);
    let line = text
        .lines()
        .find(|line| {
            line.trim()
                .trim_matches('"')
                .starts_with(&format!("{key}:"))
                || line.trim().starts_with(&format!("\"{key}\":"))
        })
        .unwrap();
    let word = line
        .split_once(':')
        .unwrap()
        .1
        .trim()
        .trim_matches(['"', '\'']);
    if word.starts_with("eyJ") && word.contains('.') {
        return word.to_owned();
    }
    let bytes = base64::engine::general_purpose::STANDARD
        .decode(word)
        .unwrap();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn every_value_is_sealed_for_its_own_place() {
    let bench = Bench::trusting();
    bench.write("db.yaml", MANIFEST);
    let ended = bench
        .run(
            &["seal", "-i", "--key", "payments.card.json", "db.yaml"],
            "",
        )
        .succeeded();
    assert_eq!(ended.stdout, b"");
    let label = bench.label("payments.card.json");
    assert_eq!(
        ended.stderr,
        format!("db.yaml: 5 values sealed for the key {label}\n")
    );
    for (key, value) in FIELDS {
        let sealed = envelope(&bench, "db.yaml", key);
        assert_eq!(
            bench
                .open(&format!("payments/db/{key}"), &sealed)
                .succeeded()
                .stdout,
            value,
            "{key}"
        );
        bench
            .open("payments/db/other", &sealed)
            .failed(1, "sealed for");
    }
}

#[test]
fn every_byte_outside_the_values_stays() {
    let bench = Bench::new();
    for manifest in [
        MANIFEST.to_owned(),
        MANIFEST.replace('\n', "\r\n"),
        format!("\u{feff}{MANIFEST}"),
    ] {
        bench.write("db.yaml", &manifest);
        bench
            .run(
                &["seal", "-i", "--key", "payments.card.json", "db.yaml"],
                "",
            )
            .succeeded();
        let after = bench.text("db.yaml");
        let kept = |text: &str, until: &str| text.split(until).next().unwrap().to_owned();
        assert_eq!(kept(&after, "  bin: "), kept(&manifest, "  bin: "));
        let tail = manifest.find("---").unwrap();
        assert!(
            after.ends_with(&manifest[manifest.rfind("---").unwrap().max(tail)..]),
            "{after}"
        );
        for kept in [
            "  # a comment between",
            "  name: db      # the name",
            "  \"empty\": ",
            "  number: '",
        ] {
            assert!(after.contains(kept), "{kept} is lost in\n{after}");
        }
        assert!(!after.contains(CANARY));
    }
}

#[test]
fn sealing_again_changes_nothing() {
    let bench = Bench::trusting();
    bench.write("db.yaml", MANIFEST);
    bench
        .run(
            &["seal", "-i", "--key", "payments.card.json", "db.yaml"],
            "",
        )
        .succeeded();
    let once = bench.read("db.yaml");
    let ended = bench
        .run(
            &["seal", "-i", "--key", "payments.card.json", "db.yaml"],
            "",
        )
        .succeeded();
    assert_eq!(ended.stderr, "db.yaml: nothing to seal, left as it is\n");
    assert_eq!(bench.read("db.yaml"), once);
}

#[test]
fn one_act_wraps_one_key() {
    let bench = Bench::empty();
    bench
        .run(
            &[
                "key", "generate", "--kind", "rsa-2048", "--out", "k.pem", "--card", "k.json",
            ],
            "",
        )
        .succeeded();
    bench.write("db.yaml", MANIFEST);
    bench
        .run(&["seal", "-i", "--key", "k.json", "db.yaml"], "")
        .succeeded();
    let part = |key: &str, number: usize| {
        envelope(&bench, "db.yaml", key)
            .split('.')
            .nth(number)
            .unwrap()
            .to_owned()
    };
    for (key, _) in FIELDS {
        assert_eq!(
            part(key, 1),
            part("bin", 1),
            "one wrapped key for the Secret"
        );
        assert!(
            key == "bin" || part(key, 2) != part("bin", 2),
            "an IV of its own"
        );
    }
}

#[test]
fn an_envelope_for_a_service_account_shares_nothing() {
    let bench = Bench::empty();
    bench
        .run(
            &[
                "key", "generate", "--kind", "rsa-2048", "--out", "k.pem", "--card", "k.json",
            ],
            "",
        )
        .succeeded();
    bench.write("db.yaml", MANIFEST);
    bench
        .run(
            &[
                "seal", "-i", "--key", "k.json", "--sa", "billing", "db.yaml",
            ],
            "",
        )
        .succeeded();
    let wrapped = |key: &str| {
        envelope(&bench, "db.yaml", key)
            .split('.')
            .nth(1)
            .unwrap()
            .to_owned()
    };
    assert_ne!(wrapped("bin"), wrapped("password"));
}

#[test]
fn standard_input_goes_to_standard_output() {
    let bench = Bench::new();
    let ended = bench
        .run(&["seal", "--key", "payments.card.json"], MANIFEST)
        .succeeded();
    bench.write("sealed.yaml", &ended.stdout);
    for (key, value) in FIELDS {
        let sealed = envelope(&bench, "sealed.yaml", key);
        assert_eq!(
            bench
                .open(&format!("payments/db/{key}"), sealed)
                .succeeded()
                .stdout,
            value,
            "{key}"
        );
    }
    bench.write("db.yaml", MANIFEST);
    let named = bench
        .run(&["seal", "--key", "payments.card.json", "db.yaml"], "")
        .succeeded();
    assert_eq!(named.text().lines().next(), MANIFEST.lines().next());
    assert_eq!(bench.text("db.yaml"), MANIFEST, "without -i the file stays");
}

#[test]
fn json_lists_are_manifests() {
    let bench = Bench::new();
    let list = r#"{"apiVersion":"v1","kind":"List","items":[{"apiVersion":"v1","kind":"Secret","metadata":{"name":"a","namespace":"n"},"stringData":{"k":"canary-5kQ9-hunter2"}}]}"#;
    let ended = bench
        .run(&["seal", "--key", "payments.card.json"], list)
        .succeeded();
    let sealed = ended.json()["items"][0]["stringData"]["k"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(
        bench.open("n/a/k", sealed).succeeded().stdout,
        CANARY.as_bytes()
    );
}

#[test]
fn generated_names_become_patterns() {
    let bench = Bench::new();
    let manifest = MANIFEST.replace("name: db      # the name", "generateName: db-");
    bench.write("db.yaml", &manifest);
    bench
        .run(
            &["seal", "-i", "--key", "payments.card.json", "db.yaml"],
            "",
        )
        .succeeded();
    let sealed = envelope(&bench, "db.yaml", "number");
    assert_eq!(
        bench
            .open("payments/db-x7/number", &sealed)
            .succeeded()
            .stdout,
        b"007"
    );
    bench
        .open("payments/other/number", &sealed)
        .failed(1, "sealed for");
    bench.write("bad.yaml", manifest.replace("db-", "db"));
    bench
        .run(
            &["seal", "-i", "--key", "payments.card.json", "bad.yaml"],
            "",
        )
        .failed(2, "generateName")
        .hints("end it in `-`");
}

#[test]
fn flags_widen_the_place() {
    let bench = Bench::new();
    bench.write("db.yaml", MANIFEST.replace("  namespace: payments\n", ""));
    let before = bench.files();
    bench
        .run(
            &["seal", "-i", "--key", "payments.card.json", "db.yaml"],
            "",
        )
        .failed(2, "does not name its namespace")
        .hints("--namespace");
    assert_eq!(bench.files(), before);
    bench
        .run(
            &[
                "seal",
                "-i",
                "--key",
                "payments.card.json",
                "--namespace",
                "team-*",
                "--name",
                "db-*",
                "db.yaml",
            ],
            "",
        )
        .succeeded();
    let sealed = envelope(&bench, "db.yaml", "number");
    assert_eq!(
        bench.open("team-a/db-1/number", &sealed).succeeded().stdout,
        b"007"
    );
    bench.write("any.yaml", MANIFEST);
    bench
        .run(
            &[
                "seal",
                "-i",
                "--key",
                "payments.card.json",
                "--anywhere",
                "any.yaml",
            ],
            "",
        )
        .succeeded();
    assert_eq!(
        bench
            .open("x/db/number", envelope(&bench, "any.yaml", "number"))
            .succeeded()
            .stdout,
        b"007"
    );
}

#[test]
fn a_namespace_that_contradicts_the_manifest_is_refused() {
    let bench = Bench::new();
    bench.write("db.yaml", MANIFEST);
    bench
        .run(
            &[
                "seal",
                "-i",
                "--key",
                "payments.card.json",
                "--namespace",
                "other",
                "db.yaml",
            ],
            "",
        )
        .failed(2, "is for the namespace \"payments\"");
}

/// All or nothing: the good file of a bad pair stays as it was, and nothing is left beside it.
#[test]
fn one_bad_file_leaves_all_as_they_were() {
    let bench = Bench::new();
    bench.write("good.yaml", MANIFEST);
    for (name, bad) in [
        (
            "anchor.yaml",
            MANIFEST.replace("password: \"", "password: &a \""),
        ),
        ("number.yaml", MANIFEST.replace("'007'", "007")),
        ("base64.yaml", MANIFEST.replace("AAEC/w==", "not base64!")),
        ("syntax.yaml", format!("{MANIFEST}  : : [\n")),
        (
            "nameless.yaml",
            MANIFEST.replace("  name: db      # the name\n", ""),
        ),
        (
            "envelope.yaml",
            MANIFEST.replace("AAEC/w==", "eyJlbmMiOiJBMjU2R0NNIn0.a.b.c.d"),
        ),
        (
            "damaged.yaml",
            MANIFEST.replace("'007'", "'eyJlbmMiOiJBMjU2R0NNIn0.a.b.c.d'"),
        ),
    ] {
        bench.write(name, bad);
        let before = bench.files();
        let ended = bench.run(
            &[
                "seal",
                "-i",
                "--key",
                "payments.card.json",
                "good.yaml",
                name,
            ],
            "",
        );
        assert!(
            ended.code == 1 || ended.code == 2,
            "{name}: {}",
            ended.stderr
        );
        assert!(
            ended.stderr.contains(name) && !ended.stderr.contains(CANARY),
            "{name}: {}",
            ended.stderr
        );
        assert_eq!(bench.files(), before, "{name}");
        std::fs::remove_file(bench.path(name)).unwrap();
    }
}

#[test]
fn a_bare_envelope_under_data_is_explained() {
    let bench = Bench::new();
    let sealed = String::from_utf8(bench.sealed("x")).unwrap();
    bench.write("db.yaml", MANIFEST.replace("AAEC/w==", sealed.trim()));
    bench
        .run(
            &["seal", "-i", "--key", "payments.card.json", "db.yaml"],
            "",
        )
        .failed(1, "`data` wants base64")
        .hints("stringData");
}

#[test]
fn text_without_a_secret_is_not_passed_on() {
    let bench = Bench::new();
    bench
        .run(&["seal", "--key", "payments.card.json"], CANARY)
        .failed(2, "no Secret")
        .hints("--for");
    bench
        .run(&["seal", "--key", "payments.card.json"], "")
        .failed(1, "empty");
    bench.write("map.yaml", "kind: ConfigMap\n");
    let ended = bench
        .run(
            &["seal", "-i", "--key", "payments.card.json", "map.yaml"],
            "",
        )
        .succeeded();
    assert_eq!(ended.stderr, "map.yaml: no Secret, left as it is\n");
}

#[test]
fn a_secret_larger_than_kubernetes_takes_is_refused_early() {
    let bench = Bench::new();
    let half = "x".repeat(600 * 1024);
    let manifest = |second: &str| {
        format!(
            "apiVersion: v1\nkind: Secret\nmetadata: {{name: db, namespace: payments}}\nstringData:\n  a: {half}\n  b: {second}\n"
        )
    };
    bench.write("db.yaml", manifest(&half));
    bench
        .run(
            &["seal", "-i", "--key", "payments.card.json", "db.yaml"],
            "",
        )
        .failed(1, "larger than 1 MiB together")
        .hints("split");
    bench.write("db.yaml", manifest("x"));
    bench
        .run(
            &["seal", "-i", "--key", "payments.card.json", "db.yaml"],
            "",
        )
        .succeeded();
}

#[test]
fn a_dry_run_writes_nothing() {
    let bench = Bench::trusting();
    bench.write("db.yaml", MANIFEST);
    let before = bench.files();
    let ended = bench
        .run(
            &[
                "seal",
                "-i",
                "--dry-run",
                "--key",
                "payments.card.json",
                "db.yaml",
            ],
            "",
        )
        .succeeded();
    let label = bench.label("payments.card.json");
    assert_eq!(
        ended.stderr,
        format!("db.yaml: 5 values would be sealed for the key {label}\n")
    );
    assert_eq!(bench.files(), before);
}

#[cfg(unix)]
#[test]
fn mode_and_links_stay() {
    use std::os::unix::fs::PermissionsExt as _;
    let bench = Bench::new();
    bench.write("real.yaml", MANIFEST);
    std::fs::set_permissions(
        bench.path("real.yaml"),
        std::fs::Permissions::from_mode(0o640),
    )
    .unwrap();
    std::os::unix::fs::symlink("real.yaml", bench.path("link.yaml")).unwrap();
    bench
        .run(
            &["seal", "-i", "--key", "payments.card.json", "link.yaml"],
            "",
        )
        .succeeded();
    assert!(
        std::fs::symlink_metadata(bench.path("link.yaml"))
            .unwrap()
            .is_symlink()
    );
    assert_eq!(
        std::fs::metadata(bench.path("real.yaml"))
            .unwrap()
            .permissions()
            .mode()
            & 0o777,
        0o640
    );
    assert!(!bench.text("real.yaml").contains(CANARY));
}

/// A folder that cannot be written to is found out before anything is replaced.
#[test]
fn many_files_are_sealed_together() {
    let bench = Bench::new();
    let names: Vec<String> = (0..40)
        .map(|number| format!("many/{number}.yaml"))
        .collect();
    for name in &names {
        bench.write(name, MANIFEST);
    }
    let mut arguments = vec!["seal", "-i", "--key", "payments.card.json"];
    arguments.extend(names.iter().map(String::as_str));
    bench.run(&arguments, "").succeeded();
    for name in &names {
        assert!(!bench.text(name).contains(CANARY));
    }
    assert_eq!(
        std::fs::read_dir(bench.path("many")).unwrap().count(),
        names.len(),
        "no temporary file stays"
    );
}

/// Whenever the process ends, each file is the old one or the new one, whole.
#[cfg(unix)]
#[test]
fn a_killed_run_leaves_no_file_torn() {
    let bench = Bench::new();
    let names: Vec<String> = (0..60).map(|number| format!("{number}.yaml")).collect();
    for milliseconds in [1, 4, 16, 64, 256] {
        for name in &names {
            bench.write(name, MANIFEST);
        }
        let mut child = bench.spawn(
            &[
                &["seal", "-i", "--key", "payments.card.json"],
                &refs(&names)[..],
            ]
            .concat(),
        );
        std::thread::sleep(std::time::Duration::from_millis(milliseconds));
        let _ = child.kill();
        child.wait().unwrap();
        for name in &names {
            let text = bench.text(name);
            assert!(
                text == MANIFEST || (text.ends_with("data: {a: b}\n") && !text.contains(CANARY)),
                "{name}:\n{text}"
            );
        }
    }
}

fn refs(names: &[String]) -> Vec<&str> {
    names.iter().map(String::as_str).collect()
}
