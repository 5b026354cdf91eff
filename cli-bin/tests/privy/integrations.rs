//! The ready-made integrations parse, and name commands and flags that exist.
use std::collections::BTreeSet;

use clap::CommandFactory as _;
use serde_json::Value;

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

/// Every line that runs `privy COMMAND` names flags of that command alone.
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
    assert_eq!(hook["entry"], "privy lint");
    assert_eq!(hook["language"], "system");
    assert!(hook["files"].as_str().unwrap().contains("ya?ml"));
    assert!(text("docs/ci.md").contains("- id: privy-lint"));
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
        .filter(|word| word.starts_with("--"))
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
