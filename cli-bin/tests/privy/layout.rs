//! Envelopes in annotations: `--layout annotation`, and the way back.
use crate::support::{Bench, CANARY, Ended};

const MANIFEST: &str = "\
# kept
apiVersion: v1
kind: Secret
metadata:
  name: db      # the name
  namespace: payments
data:
  bin: AAEC/w==
stringData:
  password: \"canary-5kQ9-hunter2\"
  # between
  user: app
";

const SEALED: &str = "\
# kept
apiVersion: v1
kind: Secret
metadata:
  name: db      # the name
  namespace: payments
  annotations:
    privyseal.dev/data.bin: ENVELOPE
    privyseal.dev/data.password: ENVELOPE
    privyseal.dev/data.user: ENVELOPE
  # between
";

fn seal(bench: &Bench, more: &[&str]) -> Ended {
    let seal = ["seal", "-i", "--key", "payments.card.json", "db.yaml"];
    bench.run(&[&seal, more].concat(), "")
}

fn set(bench: &Bench, field: &str, value: &str, more: &[&str]) -> Ended {
    let set = ["set", "db.yaml", field, "--key", "payments.card.json"];
    bench.run(&[&set, more].concat(), value)
}

/// The text with its envelopes replaced by a word, and the envelopes.
fn covered(text: &str) -> (String, Vec<String>) {
    let mut envelopes = Vec::new();
    let lines: Vec<_> = text
        .lines()
        .map(|line| match line.find("eyJlbmMiOi") {
            Some(at) => {
                let end = line[at..]
                    .find(['"', '\'', ' '])
                    .map_or(line.len(), |end| at + end);
                envelopes.push(line[at..end].to_owned());
                format!("{}ENVELOPE{}", &line[..at], &line[end..])
            }
            None => line.to_owned(),
        })
        .collect();
    (lines.join("\n") + "\n", envelopes)
}

#[test]
fn values_move_into_annotations_and_nothing_else_changes() {
    let bench = Bench::new();
    bench.write("db.yaml", MANIFEST);
    seal(&bench, &["--layout", "annotation"]).succeeded();
    let (text, envelopes) = covered(&bench.text("db.yaml"));
    assert_eq!(text, SEALED);
    for (key, envelope, value) in [
        ("bin", &envelopes[0], b"\0\x01\x02\xff".as_slice()),
        ("password", &envelopes[1], CANARY.as_bytes()),
        ("user", &envelopes[2], b"app"),
    ] {
        let place = format!("payments/db/{key}");
        assert_eq!(bench.open(&place, envelope).succeeded().stdout, value);
    }
    let once = bench.read("db.yaml");
    seal(&bench, &["--layout", "annotation"]).succeeded();
    assert_eq!(bench.read("db.yaml"), once, "sealing again changes nothing");
}

#[test]
fn a_value_that_stands_in_an_annotation_is_changed_there() {
    let bench = Bench::new();
    bench.write("db.yaml", MANIFEST);
    seal(&bench, &["--layout", "annotation"]).succeeded();
    let before = covered(&bench.text("db.yaml")).1;
    set(&bench, "password", "new", &[]).succeeded();
    let (text, after) = covered(&bench.text("db.yaml"));
    assert_eq!(text, SEALED);
    assert_eq!((&after[0], &after[2]), (&before[0], &before[2]));
    assert_eq!(
        bench
            .open("payments/db/password", &after[1])
            .succeeded()
            .stdout,
        b"new"
    );
    set(&bench, "token", "fresh", &[]).succeeded();
    let text = bench.text("db.yaml");
    assert!(
        text.contains("    privyseal.dev/data.token: eyJ"),
        "a new one joins the others:\n{text}"
    );
}

#[test]
fn a_plain_value_beside_its_annotation_takes_its_place() {
    let bench = Bench::new();
    bench.write("db.yaml", MANIFEST);
    seal(&bench, &["--layout", "annotation"]).succeeded();
    let sealed = bench.text("db.yaml");
    bench.write(
        "db.yaml",
        format!("{sealed}stringData:\n  password: {CANARY}\n"),
    );
    seal(&bench, &[]).succeeded();
    let (text, after) = covered(&bench.text("db.yaml"));
    assert_eq!(text, SEALED, "one envelope for one key");
    assert_eq!(
        bench
            .open("payments/db/password", &after[1])
            .succeeded()
            .stdout,
        CANARY.as_bytes()
    );
}

#[test]
fn the_way_back_is_a_flag() {
    let bench = Bench::new();
    bench.write("db.yaml", MANIFEST);
    seal(&bench, &["--layout", "annotation"]).succeeded();
    for key in ["bin", "password", "user"] {
        set(&bench, key, "v", &["--layout", "field"]).succeeded();
    }
    let (text, _) = covered(&bench.text("db.yaml"));
    assert!(
        !text.contains("annotations") && text.contains("stringData:\n  bin: ENVELOPE\n"),
        "{text}"
    );
    set(&bench, "bin", "v", &["--layout", "annotation"]).succeeded();
    let (text, _) = covered(&bench.text("db.yaml"));
    assert!(
        !text.contains("  bin: ") && text.contains("data.bin: ENVELOPE"),
        "{text}"
    );
}

#[test]
fn a_new_file_can_begin_with_an_annotation() {
    let bench = Bench::new();
    let place = [
        "--namespace",
        "payments",
        "--name",
        "db",
        "--layout",
        "annotation",
    ];
    set(&bench, "password", "x", &place).succeeded();
    let (text, envelopes) = covered(&bench.text("db.yaml"));
    assert_eq!(
        text,
        "apiVersion: v1\nkind: Secret\nmetadata:\n  name: db\n  namespace: payments\n  annotations:\n    privyseal.dev/data.password: ENVELOPE\ntype: Opaque\n"
    );
    assert_eq!(
        bench
            .open("payments/db/password", &envelopes[0])
            .succeeded()
            .stdout,
        b"x"
    );
}

#[test]
fn inspect_shows_annotations_too() {
    let bench = Bench::new();
    bench.write("db.yaml", MANIFEST);
    seal(&bench, &["--layout", "annotation"]).succeeded();
    let seen = bench.run(&["inspect", "db.yaml"], "").succeeded();
    assert!(
        seen.text().contains("data/password (annotation)  sealed"),
        "{}",
        seen.text()
    );
    let moved = bench.text("db.yaml").replace("data.user:", "data.admin:");
    bench.write("db.yaml", &moved);
    let seen = bench.run(&["inspect", "db.yaml"], "");
    assert_eq!(seen.code, 1);
    assert!(
        seen.text()
            .contains("data/admin (annotation)     misplaced"),
        "{}",
        seen.text()
    );
    bench.write(
        "db.yaml",
        moved.replace("data.admin: eyJ", "data.admin: eyX"),
    );
    let seen = bench.run(&["inspect", "--output", "json", "db.yaml"], "");
    let field = &seen.json()["inputs"][0]["secrets"][0]["fields"][2];
    assert_eq!(
        (field["state"].as_str(), field["layout"].as_str()),
        (Some("damaged"), Some("annotation"))
    );
}

#[test]
fn what_no_annotation_can_hold_is_refused() {
    let bench = Bench::new();
    let value = "x".repeat(200 * 1024);
    let manifest = MANIFEST.replace("app", &value);
    bench.write("db.yaml", &manifest);
    seal(&bench, &["--layout", "annotation"])
        .failed(1, "larger than 256 KiB together")
        .hints("--layout field");
    assert_eq!(bench.text("db.yaml"), manifest);
    seal(&bench, &["--layout", "field"]).succeeded();
}

#[test]
fn what_no_secret_can_hold_is_refused() {
    let bench = Bench::new();
    let half = "x".repeat(600 * 1024);
    bench.write("db.yaml", MANIFEST.replace("app", &half));
    seal(&bench, &[]).succeeded();
    // Sealed values count as well: their ciphertext is as long as they are.
    let before = bench.read("db.yaml");
    set(&bench, "other", &half, &[])
        .failed(1, "larger than 1 MiB together")
        .hints("split the Secret");
    set(&bench, "user", &half, &[]).succeeded();
    bench.write("db.yaml", &before);
    let text = bench
        .text("db.yaml")
        .replace("  # between\n", &format!("  more: {half}\n"));
    bench.write("db.yaml", &text);
    seal(&bench, &[]).failed(1, "larger than 1 MiB together");
}

#[test]
fn several_keys_stand_in_fields_as_json() {
    let bench = Bench::new();
    bench.generate("glass");
    bench.write("db.yaml", MANIFEST);
    seal(&bench, &["--key", "glass.card.json"]).succeeded();
    let seen = bench
        .run(&["inspect", "--output", "json", "db.yaml"], "")
        .succeeded()
        .json();
    for field in seen["inputs"][0]["secrets"][0]["fields"]
        .as_array()
        .unwrap()
    {
        assert_eq!(field["envelope"]["serialization"], "general");
        assert_eq!(field["envelope"]["recipients"].as_array().unwrap().len(), 2);
    }
    let text = bench.text("db.yaml");
    let json = text
        .lines()
        .find_map(|line| line.trim().strip_prefix("user: '")?.strip_suffix('\''))
        .unwrap();
    for key in ["payments.pem", "glass.pem"] {
        let opened = bench.run(&["open", "--key", key, "--for", "payments/db/user"], json);
        assert_eq!(opened.succeeded().stdout, b"app", "{key} opens it, too");
    }
    set(&bench, "user", "new", &["--key", "glass.card.json"]).succeeded();
    assert!(bench.text("db.yaml").contains("  user: '{\""));
}
