//! What commands print with `--output json` fits the schemas in `schemas/cli`.
use serde_json::Value;

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
