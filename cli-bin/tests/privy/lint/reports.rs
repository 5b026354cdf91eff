//! What is read, and how it is reported.
use super::*;

#[test]
fn what_is_not_there_is_unreadable() {
    let bench = Bench::new();
    bench.write(
        "kustomization.yaml",
        "namespace: a\nsecretGenerator:\n- name: db\n  files: [password=absent.jwe]\n",
    );
    let ended = bench.run(&["lint", "--output", "json"], "");
    assert_eq!(rules(&ended), BTreeSet::from(["unreadable".to_owned()]));
}

#[test]
fn wrong_use_is_said_plainly() {
    let bench = Bench::new();
    bench
        .run(&["lint", "missing"], "")
        .failed(2, "there is no file or folder `missing`")
        .hints("spelling");
    bench
        .run(&["lint", "--key", "payments.pem"], "")
        .failed(2, "is a private key")
        .hints("key card");
    let unknown = bench.run(&["lint", "--rule", "nonsense"], "");
    assert_eq!(unknown.code, 2);
}

#[test]
fn files_come_from_lists_and_streams() {
    let bench = Bench::new();
    let open = secret(
        "db",
        "payments",
        &format!("stringData:\n  password: {CANARY}\n"),
    );
    bench.write("a.txt", &open);
    let ended = bench.run(
        &["lint", "--files-from", "-", "--output", "json"],
        "a.txt\n",
    );
    assert_eq!(rules(&ended), BTreeSet::from(["plaintext".to_owned()]));
    let ended = bench.run(&["lint", "-", "--output", "json"], &open);
    assert_eq!(ended.json()["findings"][0]["path"], "<stdin>");
    // Folders of tools are passed over by what marks them, not by their name only.
    bench.write("target/a.yaml", &open);
    bench.write("node_modules/a.yaml", &open);
    assert_eq!(bench.run(&["lint"], "").code, 1);
    bench.write(
        "target/CACHEDIR.TAG",
        "Signature: 8a477f597d28d172789f06886806bc55",
    );
    bench.run(&["lint"], "").succeeded();
}

#[test]
fn colour_is_for_terminals_and_those_who_force_it() {
    let bench = Bench::new();
    bench.write(
        "a.yaml",
        secret(
            "db",
            "payments",
            &format!("stringData:\n  password: {CANARY}\n"),
        ),
    );
    let run = |variables: &[(&str, &str)]| {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_privy"))
            .args(["lint", "a.yaml"])
            .current_dir(bench.path("."))
            .env_clear()
            .envs(variables.iter().copied())
            .output()
            .unwrap();
        output.stdout.contains(&0x1b)
    };
    assert!(!run(&[]));
    assert!(run(&[("CLICOLOR_FORCE", "1")]));
    assert!(!run(&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]));
    assert!(!run(&[("CLICOLOR_FORCE", "0")]));
}

#[test]
fn json_fits_its_schema() {
    let bench = Bench::new();
    bench.write(
        "a.yaml",
        secret(
            "db",
            "payments",
            &format!("stringData:\n  password: {CANARY}\n"),
        ),
    );
    let ended = bench.run(&["lint", "--output", "json"], "");
    crate::outputs::fits("lint", &ended.json());
    let rules = bench
        .run(&["lint", "--list-rules", "--output", "json"], "")
        .succeeded();
    crate::outputs::fits("lint-rules", &rules.json());
}

#[test]
fn sarif_has_what_code_scanning_reads() {
    let bench = Bench::new();
    bench.write(
        "my a.yaml",
        secret(
            "db",
            "payments",
            &format!("stringData:\n  password: {CANARY}\n"),
        ),
    );
    let ended = bench.run(&["lint", "--output", "sarif"], "");
    assert_eq!(ended.code, 1);
    let log = ended.json();
    crate::outputs::fits_in("sarif-essentials", &log, "tests/privy");
    let run = &log["runs"][0];
    let result = &run["results"][0];
    assert_eq!(result["ruleId"], "plaintext");
    let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
    assert_eq!(run["tool"]["driver"]["rules"][index]["id"], "plaintext");
    let place = &result["locations"][0]["physicalLocation"];
    assert_eq!(place["artifactLocation"]["uri"], "my%20a.yaml");
    assert_eq!(place["region"]["startLine"], 7);
    assert!(!ended.text().contains(CANARY));
}

#[test]
fn the_documents_table_has_every_rule() {
    let document =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/lint.md")).unwrap();
    let rows: Vec<Vec<String>> = document
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| {
            line.trim_matches('|')
                .split('|')
                .map(|cell| cell.trim().to_owned())
                .collect()
        })
        .collect();
    let expected: Vec<Vec<String>> = cli_bin::project::lint::rules::RuleId::ALL
        .iter()
        .map(|rule| rule.rule())
        .map(|rule| {
            vec![
                format!("`{}`", rule.id),
                rule.level.as_str().to_owned(),
                rule.title.to_owned(),
                rule.next.replace('|', "\\|"),
            ]
        })
        .collect();
    assert_eq!(rows.len(), expected.len());
    for (row, rule) in rows.iter().zip(&expected) {
        assert_eq!(row[..3], rule[..3]);
    }
}

#[test]
fn many_files_are_checked_on_all_cores_and_reported_in_order() {
    let bench = Bench::new();
    let sealed = sealed_for(&bench, PLACE, &[]);
    let good = secret(
        "db",
        "payments",
        &format!("stringData:\n  password: {sealed}\n"),
    );
    let open = secret("db", "payments", "stringData:\n  password: x\n");
    for number in 0..300 {
        bench.write(
            &format!("{:02}/{number:03}.yaml", number % 7),
            if number % 50 == 0 { &open } else { &good },
        );
    }
    let ended = bench.run(
        &[
            "lint",
            "--key",
            "payments.card.json",
            "--output",
            "json",
            ".",
        ],
        "",
    );
    let paths: Vec<String> = ended.json()["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|finding| finding["path"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(paths.len(), 6);
    assert!(paths.is_sorted(), "{paths:?}");
    assert_eq!(ended.json()["summary"]["secrets"], 300);
}

/// GitHub refuses a run with more results; what is left out is said, and the gravest stay.
#[test]
fn sarif_has_at_most_what_code_scanning_takes() {
    let bench = Bench::new();
    let mut manifests = String::new();
    for number in 0..510 {
        use std::fmt::Write as _;
        write!(
            manifests,
            "---\napiVersion: v1\nkind: Secret\nmetadata: {{name: s{number}, namespace: b}}\nstringData:\n"
        )
        .unwrap();
        for key in 0..50 {
            writeln!(manifests, "  k{key}: v").unwrap();
        }
    }
    bench.write("many.yaml", manifests);
    let lint = [
        "lint",
        "--output",
        "sarif",
        "--key",
        "payments.card.json",
        ".",
    ];
    let ended = bench.run(&lint, "");
    assert_eq!(ended.code, 1, "{}", ended.stderr);
    let log = ended.json();
    let run = &log["runs"][0];
    assert_eq!(run["results"].as_array().unwrap().len(), 25_000);
    let notes = run["invocations"][0]["toolExecutionNotifications"].to_string();
    assert!(notes.contains("500 findings are left out"), "{notes}");
    for rule in run["tool"]["driver"]["rules"].as_array().unwrap() {
        let severity = rule["properties"]["security-severity"].as_str().unwrap();
        assert!(severity.parse::<f32>().unwrap() <= 10.0);
    }
}

/// The forms of CI systems: nothing that a name holds ends a property, and nothing of a value is in them.
#[test]
fn findings_are_shown_where_people_review() {
    let bench = Bench::new();
    let hostile = secret(
        "db",
        "payments",
        "stringData:\n  password: hunter2\n  \"k\\n::error file=x::y\": hunter2\n",
    );
    bench.write("a,line=9%.yaml", hostile);
    let lint = |format: &str| {
        let lint = [
            "lint",
            "--key",
            "payments.card.json",
            "--output",
            format,
            ".",
        ];
        let ended = bench.run(&lint, "");
        assert_eq!(ended.code, 1, "{}", ended.stderr);
        assert!(!ended.text().contains("hunter2"), "{}", ended.text());
        ended
    };
    let github = lint("github");
    let lines: Vec<_> = github.text().lines().collect();
    assert!(lines.len() >= 2, "{lines:#?}");
    for line in &lines {
        let level = ["::error ", "::warning ", "::notice "];
        assert!(level.iter().any(|level| line.starts_with(level)), "{line}");
        assert_eq!(
            line.matches(" file=").count() - line.matches("error file=x").count(),
            1,
            "{line}"
        );
        assert!(line.contains("file=a%2Cline=9%25.yaml,line="), "{line}");
    }
    assert!(
        lines[0].contains(",title=privy lint%3A plaintext::payments/db"),
        "{}",
        lines[0]
    );

    let gitlab = lint("gitlab").json();
    let issues = gitlab.as_array().unwrap();
    assert_eq!(issues.len(), lines.len());
    let prints: BTreeSet<_> = issues
        .iter()
        .map(|issue| issue["fingerprint"].to_string())
        .collect();
    assert_eq!(prints.len(), issues.len());
    assert_eq!(issues[0]["location"]["path"], "a,line=9%.yaml");
    assert_eq!(issues[0]["severity"], "critical");
}
