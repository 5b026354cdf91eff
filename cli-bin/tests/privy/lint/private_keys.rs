//! `private-key`: in a Git work tree, tracked or not, whatever the file is called.
use serde_json::Value;

use crate::support::{Bench, Ended};

/// A work tree with a private key in each form.
fn work_tree() -> Bench {
    let bench = Bench::new();
    bench.write(".git/config", "");
    bench
}

/// Paths and lines of the findings of this rule.
fn found(ended: &Ended) -> Vec<(String, u64)> {
    let report = ended.json();
    let findings = report["findings"].as_array().unwrap().iter();
    findings
        .filter(|one| one["rule"] == "private-key" && one["suppressed"].is_null())
        .map(|one| (path_of(one), one["line"].as_u64().unwrap()))
        .collect()
}

fn path_of(finding: &Value) -> String {
    finding["path"].as_str().unwrap().to_owned()
}

const LINT: [&str; 3] = ["lint", "--output", "json"];

#[test]
fn a_private_key_in_a_work_tree_is_found_tracked_or_not() {
    let bench = work_tree();
    let key = bench.text("payments.pem");
    bench.write(".gitignore", "*.pem\n");
    bench.write("deep/er/no-extension", format!("# mine\n\n{key}"));
    bench.write(
        "config.yaml",
        format!(
            "apiVersion: v1\nkind: ConfigMap\ndata:\n  key: |\n    {}",
            key.replace('\n', "\n    ")
        ),
    );
    bench.write(
        "jwk.json",
        r#"{"kty":"OKP","crv":"X25519","x":"AA","d":"AA","use":"enc"}"#,
    );
    let generate = ["key", "generate", "--kind", "ed25519", "--out", "me.pem"];
    bench.run(&generate, "").succeeded();
    let ended = bench.run(&LINT, "");
    assert_eq!(ended.code, 1, "{}", ended.stderr);
    let expected = [
        ("config.yaml", 5),
        ("deep/er/no-extension", 3),
        ("jwk.json", 1),
        ("me.pem", 1),
        ("payments.pem", 1),
    ];
    assert_eq!(
        found(&ended),
        expected.map(|(path, line)| (path.to_owned(), line))
    );
    let secret: String = key.lines().skip(1).take(1).collect();
    assert!(
        !ended.text().contains(&secret),
        "a report never shows a key"
    );
}

#[test]
fn key_cards_public_keys_and_places_outside_of_git_are_no_finding() {
    let bench = work_tree();
    bench.write("elsewhere", bench.text("payments.pem"));
    let public = bench.run(&["key", "show", "payments.pem", "--output", "pem"], "");
    bench.write("public.pem", public.succeeded().stdout);
    for private in ["payments.pem", "elsewhere"] {
        std::fs::remove_file(bench.path(private)).unwrap();
    }
    assert!(found(&bench.run(&LINT, "").succeeded()).is_empty());
    let outside = Bench::new();
    assert!(found(&outside.run(&LINT, "").succeeded()).is_empty());
}

#[test]
fn a_key_that_is_meant_to_be_there_is_allowed_with_a_reason() {
    let bench = work_tree();
    bench.write(
        ".privy.yaml",
        "version: 1\nrules:\n  - paths: [\"**\"]\n    key: payments.card.json\nlint:\n  allow:\n    \
         - rule: private-key\n      paths: [\"tests/**\"]\n      reason: made for tests, sealed for nothing\n",
    );
    bench.write("tests/key.pem", bench.text("payments.pem"));
    let ended = bench.run(&LINT, "");
    assert_eq!(found(&ended), [("payments.pem".to_owned(), 1)]);
    std::fs::remove_file(bench.path("payments.pem")).unwrap();
    bench.run(&LINT, "").succeeded();
}

#[test]
fn a_private_key_that_is_made_in_a_work_tree_is_warned_about() {
    let bench = work_tree();
    for (kind, out) in [("p256", "a.pem"), ("ed25519", "b.pem")] {
        std::fs::create_dir_all(bench.path("keys")).unwrap();
        for folder in [".", "keys"] {
            let generate = ["key", "generate", "--kind", kind, "--out", out];
            let ended = bench.run_in(folder, &generate, "").succeeded();
            let warning = format!("warning: the private key `{out}` is in the Git work tree `");
            assert!(ended.stderr.starts_with(&warning), "{}", ended.stderr);
        }
    }
    // Ignored files are warned about, too: `.gitignore` keeps nothing out of images and backups.
    bench.write(".gitignore", "*.pem\n");
    let generate = ["key", "generate", "--kind", "p256", "--out", "c.pem"];
    let ended = bench.run(&generate, "").succeeded();
    assert!(ended.stderr.contains("Git work tree"), "{}", ended.stderr);
    let outside = Bench::empty();
    let ended = outside.run(&generate, "").succeeded();
    assert_eq!(ended.stderr, "");
}

/// What our own documents tell people to type puts no private key into a repository.
#[test]
fn no_document_makes_a_private_key_in_a_repository() {
    let root = format!("{}/..", env!("CARGO_MANIFEST_DIR"));
    let mut files = vec![format!("{root}/README.md")];
    for folder in [
        "docs",
        "cli-bin/src/commands/demo",
        "cli-bin/src/commands/demo/steps",
    ] {
        for entry in std::fs::read_dir(format!("{root}/{folder}")).unwrap() {
            files.push(entry.unwrap().path().to_str().unwrap().to_owned());
        }
    }
    for file in [
        "cli/key.rs",
        "cli/mod.rs",
        "cli/sign.rs",
        "commands/key/sign.rs",
        "commands/sign.rs",
        "sealing/signing.rs",
    ] {
        let path = format!("{root}/cli-bin/src/{file}");
        assert!(std::path::Path::new(&path).is_file(), "{path}");
        files.push(path);
    }
    let mut seen = 0;
    for file in files {
        let Ok(text) = std::fs::read_to_string(&file) else {
            continue;
        };
        for line in text.lines() {
            let Some((_, command)) = line.split_once("privy key generate ") else {
                continue;
            };
            let Some((_, out)) = command.split_once("--out ") else {
                continue;
            };
            let out = out.split([' ', '`', '"', '\\']).next().unwrap();
            let outside = ["~/", "../", "/", "{", "<"];
            assert!(
                outside.iter().any(|start| out.starts_with(start)),
                "{file}: {line}"
            );
            seen += 1;
        }
    }
    assert!(
        seen >= 10,
        "{seen}: the documents name the command elsewhere now"
    );
}
