//! Published examples of JWE: RFC 7516 and RFC 7520.

use serde::Deserialize;
use serde_json::value::RawValue;

/// One example.
#[derive(Deserialize)]
pub struct Vector {
    pub compact: Option<String>,
    pub flattened: Option<Box<RawValue>>,
    pub general: Option<Box<RawValue>>,
    pub key: Box<RawValue>,
    pub content_key: String,
    pub plaintext: String,
}

impl Vector {
    /// Reads `jwe-envelope/tests/vectors/<name>.json`.
    pub fn read(name: &str) -> Self {
        let path = format!(
            "{}/../jwe-envelope/tests/vectors/{name}.json",
            env!("CARGO_MANIFEST_DIR")
        );
        let json = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        serde_json::from_str(&json).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// The texts of all serializations that the RFC prints.
    pub fn texts(&self) -> Vec<&str> {
        let json = [&self.flattened, &self.general];
        self.compact
            .as_deref()
            .into_iter()
            .chain(json.into_iter().flatten().map(|json| json.get()))
            .collect()
    }
}
