//! Files that the real sops 3.13 made. A double of `sops` decrypts them: `e2e/import` has the real one.
use crate::outputs::fits;
use crate::support::{Bench, CANARY, Ended};

const REGEX: &str = include_str!("../../imports/sops/regex.yaml");
const ALL: &str = include_str!("../../imports/sops/all.yaml");
const DOTENV: &str = include_str!("../../imports/sops/enc.env");
const PLAIN: &str = include_str!("../../imports/sops/plain.yaml");

/// With a `sops` of these lines, which writes down how it was called.
fn bench(script: &str) -> Bench {
    use std::os::unix::fs::PermissionsExt as _;
    let bench = Bench::trusting();
    bench.write(
        "bin/sops",
        format!("#!/bin/sh\necho \"$@\" >> bin/calls\n{script}\n"),
    );
    let mode = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(bench.path("bin/sops"), mode).unwrap();
    bench.write("bin/plain", PLAIN);
    bench.write("db.yaml", REGEX);
    bench
}

fn import(bench: &Bench, more: &[&str]) -> Ended {
    let flags = ["import", "--key", "payments.card.json"];
    bench.run_with_path(&[&flags, more].concat(), "")
}

#[test]
fn values_are_sealed_and_the_rest_is_what_sops_gives_back() {
    let bench = bench("cat bin/plain");
    import(&bench, &["--write", "db.yaml"])
        .failed(1, "encrypted comments")
        .hints("--plain-comments");
    assert!(!bench.path("bin/calls").exists(), "nothing was decrypted");
    assert_eq!(bench.text("db.yaml"), REGEX);

    let flags = ["--plain-comments", "--output", "json", "db.yaml"];
    let report = import(&bench, &flags).succeeded().json();
    fits("import", &report);
    assert_eq!(
        report["files"][0]["secrets"][0]["from"], "sops",
        "{report:#}"
    );
    assert_eq!(report["files"][0]["secrets"][0]["name"], "payments/db");
    assert_eq!(report["summary"]["values"], 6);
    assert_eq!(bench.text("db.yaml"), REGEX, "a dry run");

    let ended = import(&bench, &["--plain-comments", "--write", "db.yaml"]).succeeded();
    assert!(!ended.stderr.contains(CANARY) && !ended.stderr.contains("kubectl"));
    let text = bench.text("db.yaml");
    assert!(!text.contains(CANARY) && !text.contains("sops:"), "{text}");
    let same = text.lines().zip(PLAIN.lines());
    let changed = same.filter(|(new, old)| new != old).count();
    // The value of two lines is one line now, so what follows is moved.
    assert!(
        text.contains("    # changed in May\n") && changed >= 4,
        "{text}"
    );
    let password = text
        .lines()
        .find_map(|line| line.trim().strip_prefix("password: "));
    let opened = bench.open("payments/db/password", password.unwrap());
    assert_eq!(opened.succeeded().text(), CANARY);
    assert_eq!(
        bench.text("bin/calls").lines().next().unwrap(),
        "--decrypt --input-type yaml --output-type yaml ./db.yaml"
    );
    import(&bench, &["--write", "db.yaml"]).succeeded();
    assert_eq!(
        bench.text("db.yaml"),
        text,
        "the same again changes nothing"
    );
}

#[test]
fn a_refusal_of_sops_leaves_every_file_and_its_words_are_escaped() {
    let bench = bench(
        "case \"$*\" in *good*) cat bin/plain;; *) printf 'MAC \\033[31mmismatch\\n::error::' >&2; exit 51;; esac",
    );
    bench.write("tree/good.yaml", REGEX);
    bench.write("tree/wrong.yaml", REGEX);
    let before = bench.text("tree/good.yaml");
    let ended = import(&bench, &["--plain-comments", "--write", "tree"]).failed(1, "mismatch");
    assert!(
        !ended.stderr.contains('\u{1b}') && !ended.stderr.contains("\n::"),
        "{}",
        ended.stderr
    );
    assert_eq!(bench.text("tree/good.yaml"), before);
}

#[test]
fn what_would_be_plain_afterwards_is_refused() {
    let config_map =
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {a: canary-5kQ9-hunter2}\n";
    let both = format!("{PLAIN}---\n{config_map}");
    for (plain, words) in [
        (config_map, "not one Secret"),
        (&*both, "not one Secret"),
        ("", "not one Secret"),
        ("a: [", "YAML"),
        ("\0\u{1}", ""),
    ] {
        let bench = bench("cat bin/plain");
        bench.write("bin/plain", plain);
        bench.write("db.yaml", ALL);
        import(&bench, &["--plain-comments", "--write", "db.yaml"]).failed(1, words);
        assert_eq!(bench.text("db.yaml"), ALL);
    }
    let encrypted = "ENC[AES256_GCM,data:AA==,iv:AA==,tag:AA==,type:str]";
    for (text, words) in [
        (
            format!("{REGEX}spec: {{a: \"{encrypted}\"}}\n"),
            "`spec` is encrypted",
        ),
        (format!("\"{encrypted}\": a\n{REGEX}"), "a key is encrypted"),
        (format!("{REGEX}kind: Secret\n"), "`kind` occurs twice"),
        (REGEX.replace("metadata:", "metadata: &a"), "anchor"),
    ] {
        let bench = bench("cat bin/plain");
        bench.write("db.yaml", &text);
        import(&bench, &["--plain-comments", "--write", "db.yaml"]).failed(1, words);
        assert!(!bench.path("bin/calls").exists(), "nothing was decrypted");
    }
}

#[test]
fn too_much_and_no_program_are_refused() {
    let bench = bench("exec cat /dev/zero");
    import(&bench, &["--plain-comments", "db.yaml"]).failed(1, "more than any manifest");
    let flags = ["--plain-comments", "--sops", "./bin/none", "db.yaml"];
    import(&bench, &flags)
        .failed(2, "cannot run `./bin/none`")
        .hints("--sops");
}

#[test]
fn other_files_of_sops_are_named_and_left() {
    let bench = bench("cat bin/plain");
    let values = REGEX.replace("kind: Secret\n", "");
    bench.write("tree/values.yaml", &values);
    bench.write("a.env", DOTENV);
    let ended = import(&bench, &["--write", "tree", "a.env"]).succeeded();
    for file in ["tree/values.yaml", "a.env"] {
        let note = format!("note: {file}: left as it is: SOPS encrypted it");
        assert!(ended.stderr.contains(&note), "{}", ended.stderr);
    }
    assert_eq!(bench.text("tree/values.yaml"), values);
    assert!(!bench.path("bin/calls").exists(), "nothing was decrypted");
}

#[test]
fn no_file_name_is_a_flag() {
    let bench = bench("cat bin/plain");
    bench.write("--ignore-mac.yaml", REGEX);
    import(
        &bench,
        &["--plain-comments", "--write", "--", "--ignore-mac.yaml"],
    )
    .succeeded();
    let calls = bench.text("bin/calls");
    assert!(calls.contains(" ./--ignore-mac.yaml"), "{calls}");
}
