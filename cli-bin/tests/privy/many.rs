//! `privy seal -i` over many files: all of them, or none.
use crate::support::{Bench, CANARY};

fn manifest(name: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Secret\nmetadata: {{name: {name}, namespace: payments}}\nstringData:\n  a: {CANARY}\n  b: 'other' # kept\n"
    )
}

const SEAL: [&str; 4] = ["seal", "-i", "--key", "payments.card.json"];

fn seal(bench: &Bench, more: &[&str]) -> crate::support::Ended {
    bench.run(&[&SEAL, more].concat(), "")
}

/// With manifests in folders, more than one batch and more than there are cores.
fn tree(count: usize) -> Bench {
    let bench = Bench::trusting();
    for number in 0..count {
        let name = format!("s{number}");
        bench.write(&format!("tree/{}/{name}.yaml", number % 7), manifest(&name));
    }
    bench.write("tree/values.yaml", "replicas: 3\n");
    bench.write("tree/.hg/s.yaml", manifest("hidden"));
    bench
}

#[test]
fn every_file_of_a_folder_is_sealed_for_its_own_place() {
    let bench = tree(600);
    let ended = seal(&bench, &["tree"]).succeeded();
    let last = ended.stderr.lines().last().unwrap();
    assert_eq!(last, "601 files checked: 1200 values in 600 of them sealed");
    assert_eq!(ended.stderr.lines().count(), 601, "{}", ended.stderr);
    for number in 0..600 {
        let text = bench.text(&format!("tree/{}/s{number}.yaml", number % 7));
        assert!(!text.contains(CANARY) && text.ends_with(" # kept\n"));
    }
    assert_eq!(bench.text("tree/values.yaml"), "replicas: 3\n");
    assert!(bench.text("tree/.hg/s.yaml").contains(CANARY));
    let text = bench.text("tree/5/s250.yaml");
    let sealed = text
        .lines()
        .find_map(|line| line.strip_prefix("  a: "))
        .unwrap();
    assert_eq!(
        bench.open("payments/s250/a", sealed).succeeded().stdout,
        CANARY.as_bytes()
    );
    let again = seal(&bench, &["tree"]).succeeded();
    assert_eq!(
        again.stderr,
        "601 files checked: 0 values in 0 of them sealed\n"
    );
}

#[test]
fn one_refusal_leaves_every_file_as_it_was() {
    let bench = tree(20);
    bench.write(
        "tree/6/broken.yaml",
        "kind: Secret\napiVersion: v1\n  bad: [\n",
    );
    bench.write(
        "tree/0/nameless.yaml",
        manifest("x").replace("name: x, ", ""),
    );
    let before = bench.files();
    let ended = seal(&bench, &["tree"]);
    assert_eq!((ended.code, ended.stdout.as_slice()), (2, b"".as_slice()));
    for words in [
        "cannot seal `tree/6/broken.yaml`",
        "cannot seal `tree/0/nameless.yaml`",
        "2 of 23 files cannot be sealed, and none was changed",
    ] {
        assert!(ended.stderr.contains(words), "{words}: {}", ended.stderr);
    }
    assert!(ended.stderr.lines().last().unwrap().starts_with("hint: "));
    assert!(!ended.stderr.contains(CANARY));
    assert!(
        bench.files() == before,
        "a file changed, or one is left over"
    );
}

#[test]
fn files_folders_and_patterns_together_come_once() {
    let bench = tree(14);
    let ended = seal(
        &bench,
        &[
            "tree/1/s1.yaml",
            "tree/**/s?.yaml",
            "tree/1",
            "tree/1/../1/s8.yaml",
        ],
    )
    .succeeded();
    let last = ended.stderr.lines().last().unwrap();
    assert_eq!(last, "10 files checked: 20 values in 10 of them sealed");
    assert!(bench.text("tree/3/s10.yaml").contains(CANARY), "not named");
}

#[test]
fn the_number_of_jobs_changes_nothing_but_time() {
    for jobs in ["1", "3", "64"] {
        let bench = tree(9);
        let ended = seal(&bench, &["--jobs", jobs, "tree"]).succeeded();
        let names: Vec<_> = ended
            .stderr
            .lines()
            .map(|line| line.split(':').next().unwrap().to_owned())
            .collect();
        let mut sorted = names[..9].to_vec();
        sorted.sort();
        assert_eq!(names[..9], sorted, "reported in order");
    }
}

#[test]
fn rules_apply_to_each_file_of_a_folder() {
    let bench = Bench::new();
    bench.generate("other");
    bench.write(
        ".privy.yaml",
        "version: 1\nrules:\n  - paths: [\"tree/a/**\"]\n    key: payments.card.json\n    cluster: eu\n  - paths: [\"tree/**\"]\n    key: other.card.json\n    layout: annotation\n",
    );
    bench.trust("payments.card.json");
    bench.trust("other.card.json");
    bench.write("tree/a/db.yaml", manifest("db"));
    bench.write("tree/b/api.yaml", manifest("api"));
    bench.run(&["seal", "-i", "tree"], "").succeeded();
    let seen = bench
        .run(
            &[
                "inspect",
                "--output",
                "json",
                "tree/a/db.yaml",
                "tree/b/api.yaml",
            ],
            "",
        )
        .succeeded()
        .json();
    let field = |input: usize| &seen["inputs"][input]["secrets"][0]["fields"][0];
    let trusted = |input| &field(input)["envelope"]["recipients"][0]["trusted"];
    assert_eq!(
        (trusted(0), trusted(1)),
        (&"payments".into(), &"other".into())
    );
    assert_eq!(field(0)["layout"], "field");
    assert_eq!(field(0)["envelope"]["bind"]["clusters"][0], "eu");
    assert_eq!(field(1)["layout"], "annotation");
}

#[test]
fn a_file_without_a_rule_stops_all_of_them() {
    let bench = tree(3);
    bench.write(
        ".privy.yaml",
        "version: 1\nrules:\n  - paths: [\"tree/0/**\"]\n    key: payments.card.json\n",
    );
    bench.trust("payments.card.json");
    let before = bench.files();
    bench
        .run(&["seal", "-i", "tree"], "")
        .failed(2, "no rule of");
    assert!(bench.files() == before);
}

#[test]
fn a_file_in_utf_16_is_reported_by_seal_and_by_lint_alike() {
    for mark in ["\u{feff}", ""] {
        let bench = tree(3);
        let text = format!("{mark}{}", manifest("wide"));
        let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        bench.write("tree/1/wide.yaml", wide);
        let sealed = seal(&bench, &["tree"]);
        assert_eq!(sealed.code, 1, "{}", sealed.stderr);
        let linted = bench.run(&["lint", "--key", "payments.card.json", "tree"], "");
        assert_eq!(linted.code, 1, "{}", linted.stderr);
        for report in [&*sealed.stderr, linted.text()] {
            assert!(report.contains("tree/1/wide.yaml"), "{report}");
            assert!(report.contains("UTF-16"), "{report}");
        }
    }
}
