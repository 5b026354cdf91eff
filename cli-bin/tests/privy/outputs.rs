//! What commands print with `--output json` fits the schemas in `schemas/cli`.
use serde_json::Value;

use crate::support::Bench;

/// Holds a real output against `schemas/cli/NAME.schema.json`.
#[track_caller]
pub(crate) fn fits(name: &str, value: &Value) {
    fits_in(name, value, "../schemas/cli");
}

#[track_caller]
pub(crate) fn fits_in(name: &str, value: &Value, folder: &str) {
    let path = format!("{}/{folder}/{name}.schema.json", env!("CARGO_MANIFEST_DIR"));
    let schema: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    jsonschema::draft202012::meta::validate(&schema).unwrap();
    let schema = jsonschema::draft202012::new(&schema).unwrap();
    let faults: Vec<String> = schema
        .iter_errors(value)
        .map(|fault| format!("{}: {fault}", fault.instance_path()))
        .collect();
    assert!(faults.is_empty(), "{name}: {faults:#?}\n{value:#}");
}

#[test]
fn every_schema_is_used_and_valid() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../schemas/cli");
    let tests = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/privy");
    let sources = sources(std::path::Path::new(tests));
    let document =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/ci.md")).unwrap();
    for entry in std::fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(
            document.contains(&format!("(../schemas/cli/{name})")),
            "docs/ci.md does not name {name}"
        );
        let name = name.strip_suffix(".schema.json").unwrap().to_owned();
        assert!(
            sources.contains(&format!("fits(\"{name}\"")),
            "no test holds an output against {name}"
        );
    }
}

/// Every source file of a folder and of those below it.
fn sources(folder: &std::path::Path) -> String {
    std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| match path.extension() {
            _ if path.is_dir() => sources(&path),
            Some(end) if end == "rs" => std::fs::read_to_string(path).unwrap(),
            _ => String::new(),
        })
        .collect()
}

#[test]
fn inspect_fits() {
    let bench = Bench::new();
    let sealed = String::from_utf8(bench.sealed("x")).unwrap();
    let manifest = format!(
        "apiVersion: v1\nkind: Secret\nmetadata:\n  name: db\n  namespace: payments\n  annotations:\n    privyseal.dev/data.password: {sealed}    privyseal.dev/data.other: {sealed}stringData: {{a: open, b: 1}}\n"
    );
    bench.write("m.yaml", manifest);
    bench.write("cut.jwe", &sealed[..sealed.len() - 9]);
    bench.write("one.jwe", &sealed);
    let ended = bench.run(
        &[
            "inspect", "--output", "json", "m.yaml", "cut.jwe", "one.jwe",
        ],
        "",
    );
    assert_eq!(ended.code, 1);
    let report = ended.json();
    fits("inspect", &report);
    let states: Vec<_> = report["inputs"][0]["secrets"][0]["fields"]
        .as_array()
        .unwrap()
        .iter()
        .map(|field| field["state"].as_str().unwrap())
        .collect();
    assert_eq!(states, ["plain", "unreadable", "sealed", "misplaced"]);
}

#[test]
fn open_fits() {
    let bench = Bench::new();
    let sealed = bench.sealed("x");
    let run = |place: &str| {
        bench.run(
            &[
                "open",
                "--key",
                "payments.pem",
                "--for",
                place,
                "--output",
                "json",
            ],
            &sealed,
        )
    };
    fits("open", &run("payments/db/password").succeeded().json());
    let refused = run("payments/db/token");
    assert_eq!(refused.code, 1);
    fits("open", &refused.json());
}

#[test]
fn keys_fit() {
    let bench = Bench::new();
    let shown = bench
        .run(
            &["key", "show", "payments.card.json", "--output", "json"],
            "",
        )
        .succeeded();
    fits("key-show", &shown.json());
    let none = bench
        .run(&["key", "trust", "--list", "--output", "json"], "")
        .succeeded();
    fits("key-trust", &none.json());
    bench.trust("payments.card.json");
    let one = bench
        .run(&["key", "trust", "--list", "--output", "json"], "")
        .succeeded();
    fits("key-trust", &one.json());
    assert_eq!(one.json()["keys"][0]["name"], "payments");
}

#[test]
fn seal_and_set_fit() {
    let bench = Bench::new();
    let manifest = "apiVersion: v1\nkind: Secret\nmetadata: {name: db, namespace: payments}\nstringData:\n  password: hunter2\n";
    bench.write("m/a.yaml", manifest);
    bench.write("m/b.yaml", "kind: ConfigMap\n");
    let key = ["--key", "payments.card.json"];
    let run = |arguments: &[&str], stdin: &str| {
        let mut all = arguments.to_vec();
        all.extend(key);
        all.extend(["--output", "json"]);
        bench.run(&all, stdin)
    };
    let dry = run(&["seal", "-i", "--dry-run", "m/a.yaml", "m/b.yaml"], "").succeeded();
    fits("seal", &dry.json());
    assert_eq!(bench.text("m/a.yaml"), manifest);
    let done = run(&["seal", "-i", "m/a.yaml", "m/b.yaml"], "").succeeded();
    fits("seal", &done.json());
    assert_eq!(done.json()["files"][0]["outcome"], "sealed");
    assert_eq!(done.json()["files"][1]["outcome"], "no-secret");
    assert_eq!(done.json()["summary"]["fields"], 1);
    let again = run(&["seal", "-i", "m/a.yaml"], "").succeeded();
    assert_eq!(again.json()["files"][0]["outcome"], "unchanged");
    let out = run(&["seal", "--out", "out.yaml"], manifest).succeeded();
    fits("seal", &out.json());
    assert!(bench.text("out.yaml").contains("eyJlbmMiOi"));
    run(&["seal"], manifest)
        .failed(2, "asks for a report there")
        .hints("--dry-run");
    let one = run(&["seal", "--for", "a/b/c"], "x").succeeded();
    fits("seal-value", &one.json());
    assert!(one.json()["signature"].is_null());

    let new = [
        "set",
        "new.yaml",
        "password",
        "--namespace",
        "payments",
        "--name",
        "db",
    ];
    let dry = run(&[&new[..], &["--dry-run"]].concat(), "hunter2").succeeded();
    fits("set", &dry.json());
    let set = run(&new, "hunter2").succeeded();
    fits("set", &set.json());
    assert_eq!(set.json()["created"], true);
    let set = run(&["set", "new.yaml", "password"], "hunter3").succeeded();
    assert_eq!(set.json()["created"], false);
}
