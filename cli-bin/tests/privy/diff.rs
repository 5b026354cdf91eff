//! `privy diff`: between commits, files and folders, and against a cluster; never a value.
use std::process::Command;

use serde_json::Value;

use crate::support::{Bench, CANARY, Ended};

fn manifest(name: &str, fields: &[(&str, &str)]) -> String {
    let head = format!(
        "apiVersion: v1\nkind: Secret\nmetadata:\n  name: {name}\n  namespace: payments\nstringData:\n"
    );
    let lines: Vec<String> = fields
        .iter()
        .map(|(key, value)| format!("  {key}: {value}\n"))
        .collect();
    head + &lines.concat()
}

fn seal(bench: &Bench, card: &str, place: &str, by: &str) -> String {
    let sealed = bench
        .run(&["seal", "--key", card, "--for", place, "--by", by], CANARY)
        .succeeded();
    sealed.text().trim().to_owned()
}

fn changes(ended: &Ended) -> Vec<String> {
    let report = ended.json();
    crate::outputs::fits("diff", &report);
    assert!(!ended.text().contains(CANARY));
    let mut words: Vec<String> = report["changes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|change| {
            format!(
                "{} {}",
                change["field"].as_str().unwrap(),
                change["change"].as_str().unwrap()
            )
        })
        .collect();
    words.sort();
    words
}

fn git(bench: &Bench, arguments: &[&str]) {
    let output = Command::new("git")
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
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// The binary with a search path, which finds `git` and what the test puts in front of it.
fn privy(bench: &Bench, folder: &str, arguments: &[&str], path: &str) -> Ended {
    let output = Command::new(env!("CARGO_BIN_EXE_privy"))
        .args(arguments)
        .current_dir(bench.path(folder))
        .env_clear()
        .env("PATH", path)
        .env("PRIVY_CONFIG_DIR", bench.path(".configuration"))
        .output()
        .unwrap();
    Ended {
        code: output.status.code().unwrap(),
        stdout: output.stdout,
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

fn search_path() -> String {
    std::env::var("PATH").unwrap()
}

#[test]
fn two_files_value_by_value() {
    let bench = Bench::new();
    bench.generate("other");
    let place = "payments/db/a";
    let first = seal(&bench, "payments.card.json", place, "dba");
    let again = seal(&bench, "payments.card.json", place, "somebody else");
    let moved = seal(&bench, "other.card.json", place, "third");
    bench.write(
        "old.yaml",
        manifest(
            "db",
            &[
                ("a", &first),
                ("b", &first),
                ("c", &first),
                ("d", CANARY),
                ("e", &first),
                ("f", "one"),
            ],
        ),
    );
    bench.write(
        "new.yaml",
        manifest(
            "db",
            &[
                ("a", &again),
                ("b", &moved),
                ("c", "open"),
                ("d", &first),
                ("g", &first),
                ("f", "two"),
            ],
        ),
    );
    let ended = bench
        .run(&["diff", "--output", "json", "old.yaml", "new.yaml"], "")
        .succeeded();
    assert_eq!(
        changes(&ended),
        [
            "stringData/a changed",
            "stringData/b changed",
            "stringData/c opened",
            "stringData/d sealed",
            "stringData/f plain-changed",
            "stringData/g moved-file",
        ]
    );
    let text = bench.run(&["diff", "old.yaml", "new.yaml"], "").succeeded();
    for words in [
        "from old.yaml to new.yaml",
        "it was sealed and is open now",
        "for another key",
        "by dba (claimed)",
        "cannot be determined",
    ] {
        assert!(text.text().contains(words), "{words}\n{}", text.text());
    }
    assert!(!text.text().contains(CANARY));
    assert_eq!(
        bench
            .run(&["diff", "--exit-code", "old.yaml", "new.yaml"], "")
            .code,
        1
    );
    let same = bench
        .run(&["diff", "--exit-code", "old.yaml", "old.yaml"], "")
        .succeeded();
    assert!(same.text().contains("no value differs"));
}

#[test]
fn two_folders_file_by_file() {
    let bench = Bench::new();
    let sealed = seal(&bench, "payments.card.json", "payments/db/a", "dba");
    bench.write("old/x/db.yaml", manifest("db", &[("a", &sealed)]));
    bench.write(
        "old/gone.yaml",
        manifest("gone", &[("a", &sealed), ("b", CANARY)]),
    );
    bench.write("old/lone.jwe", &sealed);
    bench.write("new/y/db.yaml", manifest("db", &[("a", &sealed)]));
    bench.write(
        "new/broken.yaml",
        "kind: Secret\napiVersion: v1\nstringData: [",
    );
    let ended = bench
        .run(&["diff", "--output", "json", "old", "new"], "")
        .succeeded();
    assert_eq!(
        changes(&ended),
        [
            " removed",
            "stringData/a moved-file",
            "stringData/a removed",
            "stringData/b removed"
        ]
    );
    assert_eq!(ended.json()["notCompared"][0]["path"], "broken.yaml");
}

#[test]
fn commits_and_the_working_tree() {
    let bench = Bench::new();
    let first = seal(&bench, "payments.card.json", "payments/db/a", "dba");
    bench.write("prod/db.yaml", manifest("db", &[("a", &first)]));
    git(&bench, &["init", "-q"]);
    git(&bench, &["add", "prod"]);
    git(&bench, &["commit", "-qm", "one"]);
    git(&bench, &["tag", "one"]);
    let second = seal(&bench, "payments.card.json", "payments/db/a", "dba-2");
    bench.write(
        "prod/db.yaml",
        manifest("db", &[("a", &second), ("b", CANARY)]),
    );
    git(&bench, &["commit", "-qam", "two"]);
    let path = search_path();
    let run = |folder: &str, arguments: &[&str]| {
        let mut all = vec!["diff", "--output", "json"];
        all.extend(arguments);
        privy(&bench, folder, &all, &path)
    };
    let expected = ["stringData/a changed", "stringData/b new-plain"];
    assert_eq!(changes(&run(".", &["one", "HEAD"])), expected);
    assert_eq!(changes(&run(".", &["one..HEAD"])), expected);
    assert_eq!(changes(&run("prod", &["one"])), expected);
    assert_eq!(changes(&run(".", &["one", "HEAD", "--", "prod"])), expected);
    assert_eq!(changes(&run(".", &["one", "prod/db.yaml"])), expected);
    assert_eq!(
        changes(&run(".", &["one", "HEAD", "--", "elsewhere"])),
        [""; 0]
    );
    assert_eq!(changes(&run(".", &[])), [""; 0]);
    bench.write("prod/new.yaml", manifest("new", &[("a", CANARY)]));
    std::fs::remove_file(bench.path("prod/db.yaml")).unwrap();
    let ended = run(".", &[]);
    assert_eq!(
        changes(&ended),
        [
            "stringData/a new-plain",
            "stringData/a removed",
            "stringData/b removed"
        ],
        "{}",
        ended.text()
    );
    assert_eq!(ended.json()["to"], "the working tree");
    run(".", &["no-such-commit"])
        .failed(2, "is neither a commit nor a file here")
        .hints("after `--`");
}

#[test]
fn without_git_it_says_so() {
    let bench = Bench::new();
    privy(&bench, ".", &["diff"], "/nonexistent")
        .failed(2, "the program `git` cannot be run")
        .hints("install git");
    let outside = privy(&bench, ".", &["diff"], &search_path());
    // A temporary folder may be within someone's repository; mostly it does not.
    if outside.code != 0 {
        outside.failed(2, "git failed").hints("in a Git repository");
    }
}

#[cfg(unix)]
mod live {
    use super::*;

    /// A `kubectl` that answers from files, and notes what it was asked.
    fn kubectl(bench: &Bench) -> String {
        use std::os::unix::fs::PermissionsExt as _;
        let script = "#!/bin/sh\necho \"$@\" >> \"$(dirname \"$0\")/asked\"\nfor word; do [ \"$word\" = broken ] && { echo 'Error from server (Forbidden): no' >&2; exit 1; }; done\nname=\"$3\"\ncase \"$1\" in --context=*) name=\"$4\";; esac\nfile=\"$(dirname \"$0\")/$name.json\"\nif [ -f \"$file\" ]; then cat \"$file\"; fi\n";
        bench.write("bin/kubectl", script);
        std::fs::set_permissions(
            bench.path("bin/kubectl"),
            std::fs::Permissions::from_mode(0o755),
        )
        .unwrap();
        format!("{}:{}", bench.path("bin").display(), search_path())
    }

    fn base64(text: &str) -> String {
        use base64::Engine as _;
        base64::engine::general_purpose::STANDARD.encode(text)
    }

    fn standings(ended: &Ended) -> Vec<String> {
        let report = ended.json();
        crate::outputs::fits("diff-live", &report);
        assert!(!ended.text().contains(CANARY));
        report["fields"]
            .as_array()
            .unwrap()
            .iter()
            .map(|field| {
                format!(
                    "{} {}",
                    field["field"].as_str().unwrap(),
                    field["standing"].as_str().unwrap()
                )
            })
            .collect()
    }

    #[test]
    fn fields_are_compared_and_values_never_shown() {
        let bench = Bench::new();
        let path = kubectl(&bench);
        let sealed = seal(&bench, "payments.card.json", "payments/db/*", "dba");
        let other = seal(&bench, "payments.card.json", "payments/db/*", "dba");
        let annotations = format!(
            "  annotations:\n    privyseal.dev/data.k: {sealed}\n    privyseal.dev/data.l: {sealed}\n    \
             privyseal.dev/data.removed: {sealed}\n    privyseal.dev/data.unopened: {sealed}\n    \
             privyseal.dev/data.gone: {sealed}\n"
        );
        let text = manifest(
            "db",
            &[
                ("careless", &sealed),
                ("opened", &sealed),
                ("missing", &sealed),
                ("stored", &sealed),
                ("same", "one"),
                ("other", "two"),
            ],
        )
        .replace(
            "stringData",
            &format!("{annotations}stringData").trim_start().replacen(
                "annotations",
                "  annotations",
                1,
            ),
        );
        bench.write("m/db.yaml", text);
        bench.write("m/absent.yaml", manifest("absent", &[("a", &sealed)]));
        let stored = serde_json::json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": { "name": "db", "annotations": { "privyseal.dev/data.k": sealed, "privyseal.dev/data.l": other,
                "privyseal.dev/data.unopened": sealed, "privyseal.dev/data.gone": sealed,
            } },
            "data": {
                "careless": base64(&base64(&sealed)), "removed": base64(CANARY), "unopened": base64(&sealed),
                "opened": base64(CANARY), "stored": base64(&sealed), "same": base64("one"), "other": base64(CANARY),
                "k": base64(CANARY), "l": base64(CANARY), "extra": base64(CANARY),
            },
        });
        bench.write("bin/db.json", stored.to_string());
        let ended = privy(
            &bench,
            ".",
            &["diff", "--live", "--output", "json", "m"],
            &path,
        )
        .succeeded();
        assert_eq!(
            standings(&ended),
            [
                " secret-missing",
                "stringData/careless stored-sealed",
                "stringData/opened present",
                "stringData/missing missing",
                "stringData/stored stored-sealed",
                "stringData/same same",
                "stringData/other differs",
                "privyseal.dev/data.k same-envelope",
                "privyseal.dev/data.l other-envelope",
                "privyseal.dev/data.removed annotation-missing",
                "privyseal.dev/data.unopened stored-sealed",
                "privyseal.dev/data.gone missing",
                "data/extra extra",
            ]
        );
        let text = privy(&bench, ".", &["diff", "--live", "--exit-code", "m"], &path);
        assert_eq!(text.code, 1);
        assert!(
            text.text().contains("the webhook did not open it")
                && text
                    .text()
                    .contains("whether the value beside it is the sealed one cannot be determined")
                && !text.text().contains(CANARY),
            "{}",
            text.text()
        );
    }

    #[test]
    fn kubectl_is_asked_for_names_and_nothing_else() {
        let bench = Bench::new();
        let path = kubectl(&bench);
        bench.write("db.yaml", manifest("db", &[("a", "x")]));
        privy(
            &bench,
            ".",
            &["diff", "--live", "--context", "eu", "db.yaml"],
            &path,
        )
        .succeeded();
        assert_eq!(
            bench.text("bin/asked").trim(),
            "--context=eu get secret db --namespace payments --ignore-not-found --output json"
        );
        bench.write("evil.yaml", manifest("'--kubeconfig=x'", &[("a", "x")]));
        privy(&bench, ".", &["diff", "--live", "evil.yaml"], &path)
            .failed(2, "is no name of a Secret");
        bench.write("broken.yaml", manifest("broken", &[("a", "x")]));
        privy(&bench, ".", &["diff", "--live", "broken.yaml"], &path)
            .failed(3, "kubectl failed: Error from server (Forbidden)")
            .hints("kubectl auth can-i");
        privy(&bench, ".", &["diff", "--live", "db.yaml"], "/nonexistent")
            .failed(2, "`kubectl` cannot be run");
    }
}

#[test]
fn words_of_the_schema_are_those_of_the_code() {
    let read = |name: &str| -> Value {
        let path = format!(
            "{}/../schemas/cli/{name}.schema.json",
            env!("CARGO_MANIFEST_DIR")
        );
        serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
    };
    let words = |value: &Value| -> Vec<String> {
        value
            .as_array()
            .unwrap()
            .iter()
            .map(|word| word.as_str().unwrap().to_owned())
            .collect()
    };
    let changes: Vec<_> = cli_bin::commands::diff::compare::ValueChange::ALL
        .iter()
        .map(|change| change.as_str().to_owned())
        .collect();
    assert_eq!(words(&read("diff")["$defs"]["change"]["enum"]), changes);
    let standings: Vec<_> = cli_bin::commands::diff::live::LiveState::ALL
        .iter()
        .map(|standing| standing.as_str().to_owned())
        .collect();
    assert_eq!(
        words(&read("diff-live")["$defs"]["standing"]["enum"]),
        standings
    );
}

#[test]
fn three_dots_compare_with_the_commit_at_which_the_branches_parted() {
    let bench = Bench::new();
    git(&bench, &["init", "-q"]);
    let commit = |name: &str| {
        let sealed = seal(&bench, "payments.card.json", "payments/db/password", name);
        bench.write(&format!("{name}.yaml"), manifest(name, &[(name, &sealed)]));
        git(&bench, &["add", "."]);
        git(&bench, &["commit", "-qm", name]);
    };
    commit("old");
    git(&bench, &["checkout", "-qb", "branch"]);
    commit("ours");
    git(&bench, &["checkout", "-q", "main"]);
    commit("theirs");
    let run = |range: &str| {
        changes(
            &bench
                .run(&["diff", "--output", "json", range], "")
                .succeeded(),
        )
    };
    assert_eq!(run("main...branch"), ["stringData/ours new"]);
    assert_eq!(run("...branch"), ["stringData/ours new"]);
    assert_eq!(
        run("main..branch"),
        ["stringData/ours new", "stringData/theirs removed"]
    );
    git(&bench, &["checkout", "-q", "--orphan", "other"]);
    git(&bench, &["commit", "-qm", "other"]);
    bench
        .run(&["diff", "main...other"], "")
        .failed(2, "no common history")
        .hints("git fetch --unshallow");
}

#[test]
fn before_the_first_commit_everything_is_new_and_cached_is_what_is_staged() {
    let bench = Bench::new();
    let sealed = seal(&bench, "payments.card.json", "payments/db/password", "a");
    git(&bench, &["init", "-q"]);
    bench.write("db.yaml", manifest("db", &[("staged", &sealed)]));
    git(&bench, &["add", "db.yaml"]);
    let both = manifest("db", &[("staged", &sealed), ("later", &sealed)]);
    bench.write("db.yaml", both);
    let run = |arguments: &[&str]| {
        let arguments = [&["diff", "--output", "json"], arguments].concat();
        changes(&bench.run(&arguments, "").succeeded())
    };
    assert_eq!(run(&[]), ["stringData/later new", "stringData/staged new"]);
    assert_eq!(run(&["--cached"]), ["stringData/staged new"]);
    git(&bench, &["commit", "-qm", "first"]);
    assert_eq!(run(&["--cached"]), [""; 0]);
    assert_eq!(run(&["--staged", "HEAD"]), [""; 0]);
    assert_eq!(run(&[]), ["stringData/later new"]);
    bench
        .run(&["diff", "--cached", "HEAD", "HEAD"], "")
        .failed(2, "--cached compares one commit");
}
