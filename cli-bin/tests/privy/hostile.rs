//! Names, keys, cards, paths and answers of a cluster that were written to deceive anyone who reads what privy prints.
#![allow(clippy::too_many_lines, reason = "tables are long")]
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use cli_bin::text::is_deceptive;
use serde_json::json;

use crate::support::{Bench, Ended};

/// Clears the screen, begins a line with a workflow command, turns the direction of writing, and hides a letter.
const EVIL: &str =
    "x\u{1b}[2J\r\n::error::pwned\n##[error]x ##vso[task]x\u{202e}\u{200b}\u{9b}2Ky\u{e0041}";

/// Nothing raw reached the streams.
#[track_caller]
fn is_safe(what: &[&str], ended: &Ended) {
    let stdout = std::str::from_utf8(&ended.stdout)
        .unwrap_or_else(|_| panic!("{what:?} printed what is not UTF-8"));
    for text in [stdout, &ended.stderr] {
        for line in text.split('\n') {
            let found = line.chars().find(|letter| is_deceptive(*letter));
            assert_eq!(found, None, "{what:?}: {line:?}");
            assert!(!line.trim_start().starts_with("::"), "{what:?}: {line:?}");
            assert!(!line.contains("##["), "{what:?}: {line:?}");
            assert!(!line.contains("##vso["), "{what:?}: {line:?}");
        }
    }
}

/// Sentences for people stay safe when a program takes them out of JSON and prints them. Names and paths are data, and exact.
#[track_caller]
fn sentences_are_safe(what: &[&str], value: &serde_json::Value) {
    const SENTENCES: [&str; 7] = [
        "message", "text", "next", "nextStep", "details", "problem", "warnings",
    ];
    fn texts<'v>(value: &'v serde_json::Value, sentence: bool, found: &mut Vec<&'v str>) {
        match value {
            serde_json::Value::String(text) if sentence => found.push(text),
            serde_json::Value::Array(items) => {
                for item in items {
                    texts(item, sentence, found);
                }
            }
            serde_json::Value::Object(members) => {
                for (name, value) in members {
                    texts(value, sentence || SENTENCES.contains(&name.as_str()), found);
                }
            }
            _ => {}
        }
    }
    let mut found = Vec::new();
    texts(value, false, &mut found);
    for text in found {
        // A rule's own explanation has paragraphs.
        let raw = text
            .chars()
            .find(|letter| *letter != '\n' && is_deceptive(*letter));
        assert_eq!(raw, None, "{what:?}: {text:?}");
        assert!(
            !text.contains("pwned\n") && !text.contains("##["),
            "{what:?}: {text:?}"
        );
    }
}

/// A workflow command or a made-up line needs a line of its own: words of others begin none.
#[track_caller]
fn begins_no_line(what: &[&str], ended: &Ended) {
    let stdout = String::from_utf8_lossy(&ended.stdout);
    for line in stdout.lines().chain(ended.stderr.lines()) {
        let line = line.trim_start();
        assert!(
            !line.starts_with("::") && !line.starts_with("pwned"),
            "{what:?}: {line:?}"
        );
    }
}

fn quoted(text: &str) -> String {
    // YAML's double quotes read JSON's escapes.
    serde_json::to_string(text).unwrap()
}

/// A folder where everything that can have a name has a bad one.
fn hostile() -> Bench {
    let bench = Bench::new();
    let evil = |end: &str| format!("{EVIL}{end}");
    for (file, copy) in [
        ("payments.card.json", ".card.json"),
        ("payments.pem", ".pem"),
    ] {
        std::fs::copy(bench.path(file), bench.path(&evil(copy))).unwrap();
    }
    // A card whose key has the name, and private and damaged ones.
    let mut card: serde_json::Value =
        serde_json::from_slice(&bench.read("payments.card.json")).unwrap();
    for member in ["name", "uri"] {
        card["keys"][0]["privy"][member] = json!(EVIL);
    }
    bench.write("named.card.json", card.to_string());
    card["keys"][0]["privy"]["status"] = json!(EVIL);
    bench.write("status.card.json", card.to_string());
    card["keys"][0]["kid"] = json!(EVIL);
    bench.write("kid.card.json", card.to_string());
    card["keys"][0]["kty"] = json!(EVIL);
    bench.write("kty.card.json", card.to_string());
    card[EVIL] = json!(1);
    bench.write("member.card.json", card.to_string());

    let envelope = String::from_utf8(bench.sealed("hunter2")).unwrap();
    let envelope = envelope.trim();
    let manifest = |name: &str, namespace: &str, key: &str, value: &str| {
        format!(
            "apiVersion: v1\nkind: Secret\nmetadata:\n  name: {}\n  namespace: {}\n  annotations:\n    {}: x\n    {}: {}\ntype: {}\nstringData:\n  {}: {}\n",
            quoted(name),
            quoted(namespace),
            quoted(EVIL),
            quoted(&format!("privyseal.dev/data.{key}")),
            quoted(value),
            quoted(EVIL),
            quoted(key),
            quoted(value),
        )
    };
    let file = evil(".yaml");
    bench.write(&file, manifest("db", "payments", "password", "plain"));
    bench.write(
        "name.yaml",
        manifest(EVIL, "payments", "password", envelope),
    );
    bench.write("namespace.yaml", manifest("db", EVIL, "password", envelope));
    bench.write("key.yaml", manifest("db", "payments", EVIL, envelope));
    bench.write("plain.yaml", manifest(EVIL, EVIL, EVIL, EVIL));
    bench.write(
        "damaged.yaml",
        manifest("db", "payments", EVIL, &envelope[..envelope.len() - 40]),
    );
    bench.write(
        "broken.yaml",
        format!("kind: Secret\napiVersion: v1\n{}: [\n", quoted(EVIL)),
    );
    bench.write(
        "raw.yaml",
        format!(
            "kind: Secret\napiVersion: v1\nstringData: {{ \u{202e}\u{200b}::error:: : [ \n{EVIL}"
        ),
    );
    bench.write("duplicate.yaml", format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: db}}\nstringData:\n  {0}: a\n  {0}: b\n", quoted(EVIL)));
    // An envelope whose header says bad things: base64url of a header of ours.
    for (file, header) in [
        (
            "kid.jwe",
            json!({"alg": "RSA-OAEP-256", "enc": "A256GCM", "kid": EVIL}),
        ),
        ("alg.jwe", json!({"alg": EVIL, "enc": "A256GCM"})),
        ("enc.jwe", json!({"alg": "RSA-OAEP-256", "enc": EVIL})),
        (
            "zip.jwe",
            json!({"alg": "RSA-OAEP-256", "enc": "A256GCM", "zip": EVIL}),
        ),
        (
            "crit.jwe",
            json!({"alg": "RSA-OAEP-256", "enc": "A256GCM", "crit": [EVIL], EVIL: 1}),
        ),
        (
            "bind.jwe",
            json!({"alg": "RSA-OAEP-256", "enc": "A256GCM", "bind": {"v": 1, "ns": EVIL, EVIL: 1}}),
        ),
        (
            "sealed.jwe",
            json!({"alg": "RSA-OAEP-256", "enc": "A256GCM", "bind": {"v": 1, "any": true}, "sealed": {"at": 1, "by": "\u{202e}::x\u{200b}", "why": "##[error]\u{e0041}"}}),
        ),
    ] {
        use base64::Engine as _;
        let header = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(header.to_string());
        let parts: Vec<_> = envelope.split('.').collect();
        let text = format!("{header}.{}", parts[1..].join("."));
        bench.write(file, &text);
        bench.write(
            &format!("{file}.yaml"),
            manifest("db", "payments", "password", &text),
        );
    }
    // A repository whose configuration says bad things.
    bench.write(
        "repository/.privy.yaml",
        format!(
            "version: 1\nrules:\n  - paths: [\"**\"]\n    key: {}\n    signer: {}\nlint:\n  allow:\n    - {{rule: plaintext, paths: [{}], reason: {}}}\n",
            quoted(EVIL), quoted(EVIL), quoted(EVIL), quoted(EVIL)
        ),
    );
    bench.write("repository/db.yaml", manifest(EVIL, EVIL, EVIL, EVIL));
    bench.write(
        &format!("repository/{EVIL}/db.yaml"),
        manifest("db", "payments", "a", "b"),
    );
    bench.write(&format!("repository/{EVIL}/kustomization.yaml"), format!("resources: [db.yaml, {0}]\nnamespace: {0}\nnamePrefix: {0}\nsecretGenerator: [{{name: {0}, literals: [{0}]}}]\n", quoted(EVIL)));
    bench.write(
        "unknown/.privy.yaml",
        format!("version: 1\n{}: 1\n", quoted(EVIL)),
    );
    bench.write("unknown/db.yaml", manifest("db", "payments", "a", "b"));
    bench.write(
        "policy.yaml",
        format!("version: 1\n{}: {{}}\n", quoted(EVIL)),
    );
    bench
}

/// kubectl that answers everything with this and fails.
fn kubectl(bench: &Bench, answer: &str, code: i32) {
    bench.write("answer", answer);
    bench.write(
        "bin/kubectl",
        format!("#!/bin/sh\ncat \"$(dirname \"$0\")/../answer\"\ncat \"$(dirname \"$0\")/../answer\" >&2\nexit {code}\n"),
    );
    let mode = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(bench.path("bin/kubectl"), mode).unwrap();
}

#[test]
fn no_command_prints_what_others_wrote_raw() {
    let bench = hostile();
    let evil = |end: &str| format!("{EVIL}{end}");
    let (file, card, pem, missing) = (
        evil(".yaml"),
        evil(".card.json"),
        evil(".pem"),
        evil(".missing"),
    );
    let (file, card, pem, missing) = (file.as_str(), card.as_str(), pem.as_str(), missing.as_str());
    let kubectl_path = bench.path("bin/kubectl").display().to_string();
    let kubectl_path = kubectl_path.as_str();
    let manifests: Vec<String> = bench
        .files()
        .iter()
        .filter_map(|(path, _)| {
            path.strip_prefix(bench.path("."))
                .ok()?
                .to_str()
                .map(str::to_owned)
        })
        .filter(|name| {
            let end = Path::new(name).extension();
            end.is_some_and(|end| end == "yaml" || end == "jwe")
        })
        .collect();
    assert!(manifests.len() > 20, "{manifests:?}");
    let cards = [
        card,
        "named.card.json",
        "status.card.json",
        "kid.card.json",
        "kty.card.json",
        "member.card.json",
        missing,
    ];

    let mut commands: Vec<Vec<&str>> = vec![
        vec![EVIL],
        vec!["seal", EVIL],
        vec!["lint", &missing],
        vec!["lint", "--key", missing, "plain.yaml"],
        vec!["lint", "--policy", "policy.yaml", "plain.yaml"],
        vec!["lint", "--policy", missing, "plain.yaml"],
        vec!["lint", "--rule", EVIL],
        vec!["lint", "--files-from", missing],
        vec!["open", "--key", pem, "--for", EVIL],
        vec!["open", "--key", missing, "--for", "payments/db/password"],
        vec!["open", "--key", card, "--for", "payments/db/password"],
        vec!["key", "generate", "--out", pem],
        vec![
            "key", "generate", "--kind", "p256", "--out", "evil.pem", "--name", EVIL,
        ],
        vec![
            "key",
            "generate",
            "--kind",
            "ed25519",
            "--out",
            "x;::error::.pem",
        ],
        vec!["key", "generate", "--kind", "ed25519", "--out", pem],
        vec![
            "key",
            "generate",
            "--kind",
            "p256",
            "--out",
            "missing\u{1b}/a.pem",
        ],
        vec!["key", "fetch", EVIL],
        vec!["key", "sign", card, "--with", pem],
        vec!["key", "sign", missing, "--with", missing],
        vec!["key", "trust", "--list"],
        vec!["key", "trust", "--list", "--output", "json"],
        vec!["key", "wrap", pem, "--plugin", missing, "--out", missing],
        vec!["man", missing],
        vec!["completions", EVIL],
        vec!["render", "--namespace", EVIL],
        vec!["render", "--config", missing, "--ca", missing],
        vec!["render", "--ca", file],
        vec!["doctor", "--kubectl", missing],
        vec!["doctor", "--kubectl", kubectl_path, "--kubeconfig", missing],
        vec!["diff", EVIL, missing],
        vec!["diff", "--live", file],
    ];
    for output in ["text", "json"] {
        commands.push(vec!["diff", "--output", output, "plain.yaml", file]);
        commands.push(vec!["diff", "--output", output, "repository", "unknown"]);
        commands.push(vec![
            "doctor",
            "--output",
            output,
            "--kubectl",
            kubectl_path,
        ]);
    }
    for output in ["text", "json", "sarif"] {
        commands.push(vec!["lint", "--output", output]);
        commands.push(vec!["lint", "--output", output, "--key", card]);
        commands.push(vec!["lint", "--output", output, "--key", "named.card.json"]);
        commands.push(vec!["lint", "--output", output, "repository"]);
        commands.push(vec!["lint", "--output", output, "unknown"]);
    }
    for card in cards {
        for output in ["text", "json", "jwk", "pem", "card"] {
            commands.push(vec!["key", "show", card, "--output", output]);
        }
        commands.push(vec!["key", "trust", card]);
        commands.push(vec!["key", "trust", card, "--fingerprint", EVIL]);
        commands.push(vec!["key", "trust", "--signer", card]);
        commands.push(vec!["seal", "--key", card, "--for", "payments/db/password"]);
        commands.push(vec!["seal", "--key", card, "--for", EVIL]);
        commands.push(vec![
            "seal",
            "-i",
            "--dry-run",
            "--key",
            card,
            "key.yaml",
            "plain.yaml",
            file,
        ]);
    }
    for manifest in &manifests {
        for output in ["text", "json"] {
            commands.push(vec!["inspect", "--output", output, manifest]);
            commands.push(vec![
                "seal",
                "--output",
                output,
                "-i",
                "--dry-run",
                "--key",
                card,
                manifest,
            ]);
            commands.push(vec![
                "set",
                "--output",
                output,
                manifest,
                EVIL,
                "--key",
                card,
                "--dry-run",
            ]);
        }
        commands.push(vec!["seal", "-i", "--dry-run", manifest]);
        commands.push(vec!["set", manifest, "password", "--dry-run"]);
        commands.push(vec!["sign", manifest, "--with", pem]);
        commands.push(vec!["edit", manifest, "--key", card]);
        commands.push(vec![
            "open",
            "--key",
            pem,
            "--for",
            "payments/db/password",
            "--value-file",
            manifest,
        ]);
    }
    let version = json!({ "gitVersion": EVIL, "major": "1", "minor": "36" });
    let object = json!({ "items": [{ "metadata": { "name": EVIL, "namespace": EVIL }, "roleRef": { "name": EVIL }, "subjects": [{ "kind": EVIL, "name": EVIL }], "webhooks": [{ "name": EVIL }] }], "gitVersion": "v1.36.0", "major": "1", "minor": "36" });
    let mut escaped = 0;
    for (answer, code) in [
        (EVIL.to_owned(), 1),
        (EVIL.to_owned(), 0),
        (version.to_string(), 0),
        (object.to_string(), 0),
    ] {
        kubectl(&bench, &answer, code);
        for command in &commands {
            if code == 0 && !["doctor", "diff"].contains(&command[0]) {
                continue;
            }
            let stdin = if command[0] == "open" {
                bench.read("kid.jwe")
            } else {
                b"value".to_vec()
            };
            let ended = bench.run_with_path(command, stdin);
            is_safe(command, &ended);
            begins_no_line(command, &ended);
            if let Ok(report) = serde_json::from_slice(&ended.stdout) {
                sentences_are_safe(command, &report);
            }
            let text = String::from_utf8_lossy(&ended.stdout) + ended.stderr.as_str();
            escaped += usize::from(text.contains(r"\u{1b}") || text.contains(r"\u001b"));
        }
    }
    assert!(
        escaped > 100,
        "only {escaped} outputs had anything to escape"
    );
}

#[test]
fn printed_commands_can_be_pasted_whatever_files_are_called() {
    let bench = Bench::new();
    for name in [
        "--key=evil.card.json",
        "a b;touch pwned",
        "$(touch pwned)",
        EVIL,
        "-i",
        "it's",
    ] {
        std::fs::copy(bench.path("payments.card.json"), bench.path(name)).unwrap();
        let ended = bench.run(&["key", "trust", "--", name], "");
        assert_eq!(ended.code, 2, "{}", ended.stderr);
        let hint = ended.stderr.lines().last().unwrap();
        let command = hint.split_once("then: ").unwrap().1;
        let command = command.split(" --fingerprint").next().unwrap();
        // What a shell makes of the printed command is the very name, and no flag.
        let output = std::process::Command::new("bash")
            .args([
                "-c",
                &format!("privy() {{ printf '%s\\0' \"$@\"; }}; {command}"),
            ])
            .current_dir(bench.path("."))
            .output()
            .unwrap();
        let words: Vec<_> = output.stdout.split(|byte| *byte == 0).collect();
        let path = std::str::from_utf8(words[2]).unwrap();
        assert!(!path.starts_with('-'), "{command}");
        assert_eq!(path.strip_prefix("./").unwrap_or(path), name, "{command}");
        assert!(!bench.path("pwned").exists(), "{command}");
    }
}
