//! `privy rewrap`: to another key, with everything else as it was.
use serde_json::Value;

use crate::outputs::fits;
use crate::support::{Bench, CANARY, Ended};

const DB: &str = "\
apiVersion: v1
kind: Secret
metadata:
  name: db # the shop's
  namespace: payments
type: Opaque
stringData:
  password: canary-5kQ9-hunter2
  token: \"canary-5kQ9-two\\n\"
data:
  binary: AAH/
  empty: \"\"
";

const REWRAP: [&str; 5] = [
    "rewrap",
    "--open-with",
    "payments.pem",
    "--key",
    "next.card.json",
];

/// With `db.yaml` sealed for `payments`, and the key `next`.
fn bench() -> Bench {
    let bench = Bench::trusting();
    bench.generate("next");
    bench.trust("next.card.json");
    bench.write("db.yaml", DB);
    let seal = [
        "seal",
        "-i",
        "db.yaml",
        "--key",
        "payments.card.json",
        "--by",
        "dba",
        "--why",
        "TICKET-1",
        "--expires",
        "2999-01-01",
    ];
    bench.run(&seal, "").succeeded();
    bench
}

fn rewrap(bench: &Bench, more: &[&str]) -> Ended {
    bench.run(&[&REWRAP, more].concat(), "")
}

/// The fields of a file, by key.
fn fields(bench: &Bench, file: &str) -> Vec<Value> {
    let inspect = ["inspect", file, "--output", "json"];
    let shown = bench.run(&inspect, "").succeeded().json();
    let secrets = shown["inputs"][0]["secrets"].as_array().unwrap();
    secrets
        .iter()
        .flat_map(|secret| secret["fields"].as_array().unwrap().clone())
        .collect()
}

fn value_of(bench: &Bench, file: &str, key: &str) -> String {
    let text = bench.text(file);
    let line = text
        .lines()
        .find_map(|line| line.trim().strip_prefix(key)?.strip_prefix(": "))
        .unwrap();
    line.trim_matches(['"', '\'']).to_owned()
}

fn kid(bench: &Bench, card: &str) -> String {
    let show = ["key", "show", card, "--output", "json"];
    let shown = bench.run(&show, "").succeeded().json();
    shown["kid"].as_str().unwrap().to_owned()
}

/// Opens a value of `db.yaml` under `stringData`.
fn open(bench: &Bench, private: &str, key: &str) -> Ended {
    let place = format!("payments/db/{key}");
    let envelope = value_of(bench, "db.yaml", key);
    bench.run(&["open", "--key", private, "--for", &place], envelope)
}

#[test]
fn only_the_key_changes() {
    let bench = bench();
    let before = bench.text("db.yaml");
    let sealed_before = fields(&bench, "db.yaml");
    let ended = rewrap(&bench, &["db.yaml"]).succeeded();
    assert!(!ended.stderr.contains(CANARY), "{}", ended.stderr);
    assert!(
        ended
            .stderr
            .contains("db.yaml: 4 values sealed again for the key \"next\""),
        "{}",
        ended.stderr
    );
    let after = bench.text("db.yaml");
    let lines = before.lines().zip(after.lines());
    let changed: Vec<_> = lines.filter(|(old, new)| old != new).collect();
    assert_eq!(before.lines().count(), after.lines().count());
    assert_eq!(changed.len(), 4, "{after}");
    for (old, new) in changed {
        let name = |line: &str| line.split_once(": ").unwrap().0.to_owned();
        assert_eq!(name(old), name(new));
    }

    assert_eq!(
        open(&bench, "next.pem", "password").succeeded().text(),
        "canary-5kQ9-hunter2"
    );
    assert_eq!(
        open(&bench, "next.pem", "token").succeeded().text(),
        "canary-5kQ9-two\n"
    );
    open(&bench, "payments.pem", "password").failed(1, "key");

    // Place, limits and claim are those of before.
    let sealed_after = fields(&bench, "db.yaml");
    let next = kid(&bench, "next.card.json");
    assert_eq!(sealed_after.len(), 4);
    for (old, new) in sealed_before.iter().zip(&sealed_after) {
        assert_eq!(old["field"], new["field"]);
        for member in ["bind", "sealed"] {
            assert!(new["envelope"][member].is_object(), "{new:#}");
            assert_eq!(old["envelope"][member], new["envelope"][member]);
        }
        assert!(new.to_string().contains(&next), "{new:#}");
    }
}

#[test]
fn what_is_done_is_left_as_it_is() {
    let bench = bench();
    rewrap(&bench, &["db.yaml"]).succeeded();
    let done = bench.text("db.yaml");
    let again = rewrap(&bench, &["db.yaml", "--output", "json"])
        .succeeded()
        .json();
    fits("rewrap", &again);
    assert_eq!(again["files"][0]["outcome"], "unchanged");
    assert_eq!(again["files"][0]["kept"], 4);
    assert_eq!(bench.text("db.yaml"), done);

    // A value that was added for the old key is due; the others are not.
    let set = ["set", "db.yaml", "password", "--key", "payments.card.json"];
    bench.run(&set, "canary-5kQ9-new").succeeded();
    let token = value_of(&bench, "db.yaml", "token");
    let report = rewrap(&bench, &["db.yaml", "--output", "json"])
        .succeeded()
        .json();
    fits("rewrap", &report);
    assert_eq!(report["files"][0]["rewrapped"], 1);
    assert_eq!(value_of(&bench, "db.yaml", "token"), token);
    assert_eq!(
        open(&bench, "next.pem", "password").succeeded().text(),
        "canary-5kQ9-new"
    );
}

/// Values of several acts share one content key afterwards: one question to the key service for the whole Secret.
#[test]
fn a_manifest_becomes_one_act() {
    let bench = bench();
    let set = [
        "set",
        "db.yaml",
        "password",
        "--key",
        "payments.card.json",
        "--expires",
        "2999-01-01",
    ];
    bench.run(&set, "canary-5kQ9-new").succeeded();
    let wrapped = |key: &str| {
        let envelope = value_of(&bench, "db.yaml", key);
        envelope.split('.').nth(1).unwrap().to_owned()
    };
    assert_ne!(wrapped("password"), wrapped("token"));
    rewrap(&bench, &["db.yaml"]).succeeded();
    assert_eq!(wrapped("password"), wrapped("token"));
}

#[test]
fn a_dry_run_opens_everything_and_writes_nothing() {
    let bench = bench();
    let before = bench.files();
    let ended = rewrap(&bench, &["db.yaml", "--dry-run"]).succeeded();
    assert!(
        ended.stderr.contains("4 values would be sealed again"),
        "{}",
        ended.stderr
    );
    assert_eq!(bench.files(), before);
    bench.generate("other");
    let wrong = [
        "rewrap",
        "--open-with",
        "other.pem",
        "--key",
        "next.card.json",
        "--dry-run",
        "db.yaml",
    ];
    bench.run(&wrong, "").failed(1, "1 file was not rewrapped");
}

/// One file that cannot be done does not keep the others from it, and nothing of it is half done.
#[test]
fn each_file_stands_for_itself() {
    let bench = bench();
    bench.write("other.yaml", DB.replace("name: db", "name: other"));
    bench.generate("lost");
    bench.trust("lost.card.json");
    bench
        .run(&["seal", "-i", "other.yaml", "--key", "lost.card.json"], "")
        .succeeded();
    let other = bench.text("other.yaml");
    let ended = rewrap(&bench, &["."]);
    assert_eq!(ended.code, 1, "{}", ended.stderr);
    for words in [
        "db.yaml: 4 values sealed again",
        "cannot rewrap `other.yaml`",
        "--open-with",
        "1 file was not rewrapped",
    ] {
        assert!(
            ended.stderr.contains(words),
            "{words:?} is not in:\n{}",
            ended.stderr
        );
    }
    assert_eq!(bench.text("other.yaml"), other);

    // With both keys the rest follows.
    let both = [
        "rewrap",
        "--open-with",
        "payments.pem",
        "--open-with",
        "lost.pem",
        "--key",
        "next.card.json",
        "--output",
        "json",
        ".",
    ];
    let report = bench.run(&both, "").succeeded().json();
    fits("rewrap", &report);
    assert_eq!(report["summary"]["changed"], 1);
    assert_eq!(report["summary"]["failed"], 0);
}

#[test]
fn a_misplaced_value_is_not_made_good() {
    let bench = bench();
    let moved = bench
        .text("db.yaml")
        .replace("name: db #", "name: elsewhere #");
    bench.write("db.yaml", &moved);
    let ended = rewrap(&bench, &["db.yaml"]);
    assert_eq!(ended.code, 1, "{}", ended.stderr);
    assert!(
        ended.stderr.contains("put the value back"),
        "{}",
        ended.stderr
    );
    assert_eq!(bench.text("db.yaml"), moved);
}

/// A value for a service account, under a key of its own, keeps no other value from being sealed again.
#[test]
fn what_is_left_to_the_application_may_be_for_another_key() {
    let bench = bench();
    bench.generate("runtime");
    let seal = [
        "seal",
        "--key",
        "runtime.card.json",
        "--for",
        "payments/db/own",
        "--sa",
        "payments-api",
    ];
    let own = bench.run(&seal, "canary-5kQ9-own").succeeded();
    let text = bench
        .text("db.yaml")
        .replace(
            "  namespace: payments\n",
            "  namespace: payments\n  annotations:\n    privyseal.dev/leave: own\n",
        )
        .replace(
            "stringData:\n",
            &format!("stringData:\n  own: {}\n", own.text().trim()),
        );
    bench.write("db.yaml", text);
    let ended = rewrap(&bench, &["db.yaml"]).succeeded();
    assert!(
        ended.stderr.contains("`own` is left to the application"),
        "{}",
        ended.stderr
    );
    assert_eq!(value_of(&bench, "db.yaml", "own"), own.text().trim());
    // With its key it is done, too, and for the same service account.
    let both = [
        "rewrap",
        "--open-with",
        "runtime.pem",
        "--key",
        "next.card.json",
        "db.yaml",
    ];
    bench.run(&both, "").succeeded();
    let open = [
        "open",
        "--key",
        "next.pem",
        "--for",
        "payments/db/own",
        "--sa",
        "payments-api",
    ];
    let opened = bench.run(&open, value_of(&bench, "db.yaml", "own"));
    assert_eq!(opened.succeeded().text(), "canary-5kQ9-own");
}

#[test]
fn annotations_and_several_keys() {
    let bench = Bench::trusting();
    for name in ["next", "offline"] {
        bench.generate(name);
        bench.trust(&format!("{name}.card.json"));
    }
    bench.write("db.yaml", DB);
    let seal = [
        "seal",
        "-i",
        "db.yaml",
        "--key",
        "payments.card.json",
        "--layout",
        "annotation",
    ];
    bench.run(&seal, "").succeeded();
    rewrap(&bench, &["db.yaml"]).succeeded();
    let text = bench.text("db.yaml");
    assert_eq!(text.matches("privyseal.dev/data.").count(), 4, "{text}");
    let envelope = value_of(&bench, "db.yaml", "privyseal.dev/data.token");
    let open = ["open", "--key", "next.pem", "--for", "payments/db/token"];
    assert_eq!(
        bench.run(&open, envelope).succeeded().text(),
        "canary-5kQ9-two\n"
    );

    // An annotation holds only a compact envelope, which is for one key.
    let two = [
        "rewrap",
        "--open-with",
        "next.pem",
        "--key",
        "next.card.json",
        "--key",
        "offline.card.json",
        "db.yaml",
    ];
    let ended = bench.run(&two, "");
    assert_eq!(ended.code, 1, "{}", ended.stderr);
    assert!(ended.stderr.contains("compact"), "{}", ended.stderr);
    assert_eq!(bench.text("db.yaml"), text);
}

#[test]
fn a_second_recipient_joins_and_goes() {
    let bench = bench();
    bench.generate("offline");
    bench.trust("offline.card.json");
    let both = [
        "rewrap",
        "--open-with",
        "payments.pem",
        "--key",
        "next.card.json",
        "--key",
        "offline.card.json",
        "db.yaml",
    ];
    bench.run(&both, "").succeeded();
    for private in ["next.pem", "offline.pem"] {
        let manifest = bench.text("db.yaml");
        let line = manifest
            .lines()
            .find(|line| line.trim().starts_with("password:"))
            .unwrap();
        let envelope = line.split_once(": ").unwrap().1.trim_matches('\'');
        let open = ["open", "--key", private, "--for", "payments/db/password"];
        assert_eq!(
            bench.run(&open, envelope).succeeded().text(),
            "canary-5kQ9-hunter2"
        );
    }
    let back = [
        "rewrap",
        "--open-with",
        "offline.pem",
        "--key",
        "next.card.json",
        "db.yaml",
    ];
    bench.run(&back, "").succeeded();
    assert_eq!(
        open(&bench, "next.pem", "password").succeeded().text(),
        "canary-5kQ9-hunter2"
    );
    open(&bench, "offline.pem", "password").failed(1, "key");
}

/// No signature is made for what the signer cannot check.
#[test]
fn signatures_are_made_again_only_where_they_were_good() {
    let bench = bench();
    for name in ["dba", "ops"] {
        let private = format!("{name}.pem");
        let generate = ["key", "generate", "--kind", "ed25519", "--out", &private];
        bench.run(&generate, "").succeeded();
        let show = ["key", "show", &private, "--output", "pem"];
        let public = bench.run(&show, "").succeeded().stdout;
        bench.write(&format!("{name}.pub.pem"), public);
    }
    bench
        .run(
            &["sign", "db.yaml", "--key", "dba.pem", "--field", "password"],
            "",
        )
        .succeeded();
    let signed = bench.text("db.yaml");

    // Someone else's signature, of whom this user has never heard.
    let ended = rewrap(&bench, &["--sign", "ops.pem", "db.yaml"]);
    assert_eq!(ended.code, 1, "{}", ended.stderr);
    assert!(ended.stderr.contains("--value-signer"), "{}", ended.stderr);
    assert_eq!(bench.text("db.yaml"), signed);

    // One's own is made again, and nothing else is signed.
    rewrap(&bench, &["--sign", "dba.pem", "db.yaml"]).succeeded();
    let text = bench.text("db.yaml");
    assert_eq!(text.matches("privyseal.dev/sig.").count(), 1, "{text}");
    let checked = [
        "sign", "db.yaml", "--key", "dba.pem", "--field", "password", "--output", "json",
    ];
    let report = bench.run(&checked, "").succeeded().json();
    assert_eq!(report["files"][0]["kept"], 1, "{report:#}");

    // Without --sign it goes, with a word.
    let back = [
        "rewrap",
        "--open-with",
        "next.pem",
        "--key",
        "payments.card.json",
        "db.yaml",
    ];
    let ended = bench.run(&back, "").succeeded();
    assert!(
        ended.stderr.contains("the signature of `password` is gone"),
        "{}",
        ended.stderr
    );
    assert!(!bench.text("db.yaml").contains("privyseal.dev/sig."));
}

#[test]
fn a_rule_that_demands_signatures_is_kept() {
    let bench = bench();
    bench.write(
        ".privy.yaml",
        "version: 1\nrules:\n  - paths: ['**']\n    key: next.card.json\n    signed: true\n",
    );
    let before = bench.text("db.yaml");
    let demanded = [
        "rewrap",
        "--open-with",
        "payments.pem",
        "--key",
        "next.card.json",
        "db.yaml",
    ];
    bench
        .run(&demanded, "")
        .failed(2, "wants the values of this path signed");
    assert_eq!(bench.text("db.yaml"), before);
}

/// Who changes `.privy.yaml` must not have every value handed to their key.
#[test]
fn another_key_in_the_rule_is_asked_about() {
    let bench = bench();
    bench.write(
        ".privy.yaml",
        "version: 1\nrules:\n  - paths: ['**']\n    key: next.card.json\n",
    );
    let before = bench.text("db.yaml");
    let by_rule = ["rewrap", "--open-with", "payments.pem", "db.yaml"];
    let ended = bench.run(&by_rule, "");
    assert_eq!(ended.code, 2, "{}", ended.stderr);
    assert_eq!(bench.text("db.yaml"), before);
}

/// Killed at any moment, each file is as before or done, and the same command goes on.
#[cfg(unix)]
#[test]
fn a_kill_leaves_whole_files_and_the_rest_follows() {
    const FILES: usize = 60;
    let bench = bench();
    let sealed = bench.text("db.yaml");
    let names: Vec<_> = (0..FILES)
        .map(|number| format!("tree/{number:03}.yaml"))
        .collect();
    std::fs::create_dir(bench.path("tree")).unwrap();
    for name in &names {
        bench.write(name, &sealed);
    }
    let next = kid(&bench, "next.card.json");
    let done = || {
        let kids = |name: &String| {
            let fields = fields(&bench, name);
            assert_eq!(fields.len(), 4, "{name} is not whole");
            let new = fields
                .iter()
                .filter(|field| field.to_string().contains(&next))
                .count();
            assert!(new == 0 || new == 4, "{name} is half done");
            usize::from(new == 4)
        };
        names.iter().map(kids).sum::<usize>()
    };
    let arguments = [&REWRAP[..], &["--jobs", "1", "tree"]].concat();
    let mut before = 0;
    for millis in [1, 4, 8, 12, 20] {
        let mut child = bench.spawn(&arguments);
        std::thread::sleep(std::time::Duration::from_millis(millis));
        child.kill().unwrap();
        child.wait().unwrap();
        let now = done();
        assert!(now >= before);
        before = now;
    }
    bench.run(&arguments, "").succeeded();
    assert_eq!(done(), FILES);
    let left: Vec<_> = std::fs::read_dir(bench.path("tree")).unwrap().collect();
    assert!(left.len() >= FILES);
}
