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
    let sources: String = std::fs::read_dir(tests)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "rs"))
        .map(|path| std::fs::read_to_string(path).unwrap())
        .collect();
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
