//! What people type who know other tools, and what they pipe into.
use std::io::Read as _;

use crate::support::Bench;

const DB: &str = "\
apiVersion: v1
kind: Secret
metadata: {name: db, namespace: payments}
stringData: {password: hunter2}
";

#[test]
fn words_of_other_tools_lead_to_ours() {
    let bench = Bench::new();
    let help = bench.run(&["--help"], "").succeeded().stdout;
    assert_eq!(bench.run(&["help"], "").succeeded().stdout, help);
    let seal = bench.run(&["seal", "--help"], "").succeeded().stdout;
    assert_eq!(bench.run(&["help", "seal"], "").succeeded().stdout, seal);
    let version = bench.run(&["--version"], "").succeeded().stdout;
    assert_eq!(bench.run(&["version"], "").succeeded().stdout, version);

    let sealed = bench.run(
        &[
            "encrypt",
            "--key",
            "payments.card.json",
            "--for",
            "payments/db/password",
        ],
        "hunter2",
    );
    let opened = bench.run(
        &[
            "decrypt",
            "--key",
            "payments.pem",
            "--for",
            "payments/db/password",
        ],
        sealed.succeeded().stdout,
    );
    assert_eq!(opened.succeeded().text(), "hunter2");

    for word in ["unseal", "unwrap", "decode"] {
        let ended = bench.run(&[word], "");
        assert_eq!(ended.code, 2);
        assert!(ended.stderr.contains("'open'"), "{}", ended.stderr);
        assert!(!ended.stderr.contains("'seal'"), "{}", ended.stderr);
    }
}

/// `privy lint | head -n 1` is no failure of the first.
#[cfg(unix)]
#[test]
fn a_reader_who_has_seen_enough_is_no_error() {
    let bench = Bench::new();
    for number in 0..600 {
        bench.write(&format!("bp/{number}.yaml"), DB);
    }
    let mut child = bench.spawn(&["lint", "--key", "payments.card.json", "bp"]);
    let mut stdout = child.stdout.take().unwrap();
    stdout.read_exact(&mut [0; 10]).unwrap();
    drop(stdout);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1), "what was found still counts");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

#[test]
fn a_folder_is_inspected_as_a_whole() {
    let bench = Bench::new();
    bench.write("prod/db.yaml", DB);
    bench.write("prod/config.yaml", "kind: ConfigMap\n");
    bench.write(
        "prod/chart.yaml",
        "apiVersion: v1\nkind: Secret\n{{ if }}\n",
    );
    let seal = ["seal", "-i", "--key", "payments.card.json", "prod/db.yaml"];
    bench.run(&seal, "").succeeded();
    let ended = bench.run(&["inspect", "prod"], "").succeeded();
    assert!(ended.text().contains("prod/db.yaml"), "{}", ended.text());
    assert!(!ended.text().contains("config.yaml"), "{}", ended.text());
    assert!(
        ended
            .stderr
            .contains("note: prod/chart.yaml: not looked at"),
        "{}",
        ended.stderr
    );
    std::fs::create_dir(bench.path("empty")).unwrap();
    bench
        .run(&["inspect", "empty"], "")
        .failed(1, "no Secret is in it");
}
