//! Reads the published examples beside this file.

use serde::Deserialize;
use serde_json::value::RawValue;

/// One example.
#[derive(Deserialize)]
#[allow(dead_code, reason = "no test file uses all of it")]
pub(crate) struct Vector {
    pub(crate) compact: Option<String>,
    pub(crate) flattened: Option<Box<RawValue>>,
    pub(crate) general: Option<Box<RawValue>>,
    pub(crate) key: Box<RawValue>,
    pub(crate) content_key: String,
    pub(crate) plaintext: String,
}

#[allow(dead_code, reason = "no test file uses all of it")]
impl Vector {
    /// Reads `tests/vectors/<name>.json`.
    pub(crate) fn read(name: &str) -> Self {
        let path = format!("{}/tests/vectors/{name}.json", env!("CARGO_MANIFEST_DIR"));
        let json = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        serde_json::from_str(&json).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// The texts of all serializations that the RFC prints.
    pub(crate) fn texts(&self) -> Vec<&str> {
        let json = [&self.flattened, &self.general];
        self.compact
            .as_deref()
            .into_iter()
            .chain(json.into_iter().flatten().map(|json| json.get()))
            .collect()
    }
}
