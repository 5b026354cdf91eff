//! The ready-made integrations parse, and name commands and flags that exist.
use std::collections::BTreeSet;

use clap::CommandFactory as _;
use serde_json::Value;

use crate::support::Bench;

fn text(file: &str) -> String {
    std::fs::read_to_string(format!("{}/../{file}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn yaml(file: &str) -> Value {
    serde_saphyr::from_str(&text(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// The long flags of a command of ours.
fn flags(command: &str) -> BTreeSet<String> {
    let cli = cli_bin::cli::Cli::command();
    let command = cli
        .find_subcommand(command)
        .unwrap_or_else(|| panic!("there is no command {command}"));
    command
        .get_arguments()
        .filter_map(|argument| argument.get_long().map(|long| format!("--{long}")))
        .collect()
}

/// Every line that runs `privy COMMAND` names flags of that command only.
fn check_lines(file: &str) -> usize {
    let mut checked = 0;
    for line in text(file).lines() {
        let line = line.split('#').next().unwrap_or_default();
        let Some(rest) = ["privy ", "\"$PRIVY\" "]
            .iter()
            .find_map(|name| line.split_once(name).map(|(_, rest)| rest))
        else {
            continue;
        };
        let Some(command) = rest
            .split_whitespace()
            .next()
            .filter(|word| ["lint", "diff"].contains(word))
        else {
            continue;
        };
        let known = flags(command);
        for word in rest
            .split(['|', ';', '>'])
            .next()
            .unwrap()
            .split_whitespace()
        {
            // Behind `--` there are paths only.
            if word
                .strip_prefix("--")
                .is_some_and(|flag| !flag.starts_with(char::is_alphabetic))
            {
                break;
            }
            if word.starts_with("--") {
                assert!(
                    known.contains(word),
                    "{file}: `{word}` is no flag of `privy {command}`"
                );
            }
        }
        checked += 1;
    }
    checked
}

#[test]
fn the_pre_commit_hook_runs_lint_on_manifests() {
    let hooks = yaml(".pre-commit-hooks.yaml");
    let hook = &hooks[0];
    assert_eq!(hook["id"], "privy-lint");
    assert_eq!(hook["entry"], "privy lint --");
    assert_eq!(hook["language"], "system");
    assert!(hook["files"].as_str().unwrap().contains("ya?ml"));
    assert!(text("docs/ci.md").contains("- id: privy-lint"));
}

/// A repository with an envelope for a key that it does not name, and files that are called as flags are.
fn repository_with_flags_for_names() -> (Bench, [&'static str; 5]) {
    let bench = Bench::new();
    bench.generate("evil");
    bench.write(
        "db.yaml",
        "apiVersion: v1\nkind: Secret\nmetadata: {name: db, namespace: payments}\nstringData:\n  password: x\n",
    );
    bench
        .run(&["seal", "-i", "--key", "evil.card.json", "db.yaml"], "")
        .succeeded();
    // The rule comes last: with it, privy would not have sealed for another key.
    bench.write(
        ".privy.yaml",
        "version: 1\nrules:\n  - paths: [\"**\"]\n    key: payments.card.json\n",
    );
    let names = [
        "db.yaml",
        "--key=evil.card.json",
        "--allow=unknown-key.yaml",
        "--rule=unsigned",
        "--list-rules",
    ];
    for name in &names[1..] {
        bench.write(name, "{}\n");
    }
    (bench, names)
}

#[test]
fn the_hook_reads_no_file_name_as_a_flag() {
    let (bench, names) = repository_with_flags_for_names();
    let hooks = yaml(".pre-commit-hooks.yaml");
    let entry = hooks[0]["entry"].as_str().unwrap();
    let mut arguments: Vec<&str> = entry.split(' ').skip(1).collect();
    arguments.extend(names);
    let ended = bench.run(&arguments, "");
    assert_eq!(ended.code, 1, "{}", ended.stderr);
    assert!(ended.text().contains("[unknown-key]"), "{}", ended.text());
}

#[cfg(unix)]
#[test]
fn the_action_reads_no_path_as_a_flag() {
    let (bench, names) = repository_with_flags_for_names();
    let action = yaml("action.yml");
    let script = action["runs"]["steps"][0]["run"].as_str().unwrap();
    let output = std::process::Command::new("bash")
        .args(["-c", script])
        .current_dir(bench.path("."))
        .env("PATHS", names.join(" "))
        .env("KEY", "")
        .env("POLICY", "")
        .env("SARIF", "privy.sarif")
        .env("PRIVY", env!("CARGO_BIN_EXE_privy"))
        .env("PRIVY_CONFIG_DIR", bench.path(".configuration"))
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("[unknown-key]"), "{text}");
    assert!(bench.text("privy.sarif").contains("\"unknown-key\""));
}

#[test]
fn the_action_names_flags_and_inputs_that_exist() {
    let action = yaml("action.yml");
    assert_eq!(action["runs"]["using"], "composite");
    let inputs: BTreeSet<&str> = action["inputs"]
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    let whole = text("action.yml");
    for part in whole.split("inputs.").skip(1) {
        let name: String = part.chars().take_while(char::is_ascii_lowercase).collect();
        assert!(inputs.contains(name.as_str()), "{name}");
    }
    assert!(check_lines("action.yml") >= 2);
    let known = flags("lint");
    for word in whole
        .split(|c: char| c.is_whitespace() || c == '(')
        .filter(|word| word.len() > 2 && word.starts_with("--"))
    {
        assert!(known.contains(word), "{word}");
    }
    // Inputs are data: none is pasted into the script.
    let script = action["runs"]["steps"][0]["run"].as_str().unwrap();
    assert!(!script.contains("${{"), "{script}");
}

#[test]
fn snippets_of_the_documents_are_yaml() {
    for file in ["docs/ci.md", "docs/lint.md"] {
        let text = text(file);
        let mut blocks = 0;
        for block in text.split("```yaml\n").skip(1) {
            let block = block.split("```").next().unwrap();
            let value: Value = serde_saphyr::from_str(block)
                .unwrap_or_else(|error| panic!("{file}: {error}\n{block}"));
            assert!(value.is_object(), "{block}");
            blocks += 1;
        }
        assert!(blocks > 0, "{file}");
    }
}

#[test]
fn the_documents_name_flags_that_exist() {
    assert!(check_lines("docs/ci.md") >= 5);
    assert!(check_lines("docs/lint.md") >= 4);
}

#[cfg(unix)]
#[test]
fn the_actions_script_passes_paths_and_exit_code_on() {
    use crate::support::Bench;
    let bench = Bench::new();
    bench.write(
        "a.yaml",
        "apiVersion: v1\nkind: Secret\nmetadata: {name: a, namespace: b}\nstringData: {x: open}\n",
    );
    let action = yaml("action.yml");
    let script = action["runs"]["steps"][0]["run"].as_str().unwrap();
    let run = |paths: &str, key: &str| {
        std::process::Command::new("bash")
            .args(["-e", "-c", script])
            .current_dir(bench.path("."))
            .env("PATHS", paths)
            .env("KEY", key)
            .env("POLICY", "")
            .env("SARIF", "out.sarif")
            .env("PRIVY", env!("CARGO_BIN_EXE_privy"))
            .output()
            .unwrap()
    };
    let output = run("a.yaml", "payments.card.json");
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stdout).contains("error[plaintext]"));
    let log: Value = serde_json::from_slice(&bench.read("out.sarif")).unwrap();
    assert_eq!(log["version"], "2.1.0");
    bench.write("a.yaml", "kind: ConfigMap\n");
    assert_eq!(run("a.yaml", "").status.code(), Some(0));
}

/// A pull request brings a link with the report's name, or arguments with which there is no report.
#[cfg(unix)]
#[test]
fn the_action_writes_through_no_link_and_uploads_no_empty_report() {
    use crate::support::Bench;
    let bench = Bench::new();
    let outside = tempfile::tempdir().unwrap();
    let victim = outside.path().join("victim");
    std::fs::write(&victim, "mine").unwrap();
    let action = yaml("action.yml");
    let script = action["runs"]["steps"][0]["run"].as_str().unwrap();
    let outputs = outside.path().join("outputs");
    let run = |privy: &str, policy: &str| {
        std::fs::write(&outputs, "").unwrap();
        let _ = std::fs::remove_file(bench.path("privy.sarif"));
        std::os::unix::fs::symlink(&victim, bench.path("privy.sarif")).unwrap();
        let ended = std::process::Command::new("bash")
            .args(["-e", "-c", script])
            .current_dir(bench.path("."))
            .env("PATHS", ".")
            .env("KEY", "")
            .env("POLICY", policy)
            .env("SARIF", "privy.sarif")
            .env("PRIVY", privy)
            .env("GITHUB_OUTPUT", &outputs)
            .output()
            .unwrap();
        assert_eq!(std::fs::read_to_string(&victim).unwrap(), "mine");
        (ended, std::fs::read_to_string(&outputs).unwrap())
    };
    let (ended, output) = run(env!("CARGO_BIN_EXE_privy"), "");
    assert_eq!(ended.status.code(), Some(0));
    assert_eq!(output, "sarif=privy.sarif\n");
    let written = std::fs::symlink_metadata(bench.path("privy.sarif")).unwrap();
    assert!(written.is_file(), "a file of its own");

    let (ended, output) = run(env!("CARGO_BIN_EXE_privy"), "absent.yaml");
    assert_eq!((ended.status.code(), output.as_str()), (Some(2), ""));
    let (ended, output) = run("/nowhere/privy", "");
    assert_eq!((ended.status.code(), output.as_str()), (Some(2), ""));
    let told = String::from_utf8(ended.stdout).unwrap();
    assert!(told.starts_with("::error::privy was not found"), "{told}");
}
