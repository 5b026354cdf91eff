//! How results and reports are printed.
use clap::ValueEnum;

/// How a report is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ReportFormat {
    /// For people
    Text,
    /// For programs
    Json,
}

/// How an opened value is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ValueFormat {
    /// The value's bytes, and nothing else
    Raw,
    /// One JSON object, on success and refusal
    Json,
}

/// How a key is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum KeyFormat {
    /// For people
    Text,
    /// Id, algorithm and fingerprints for programs
    Json,
    /// The public JWK
    Jwk,
    /// The public key as PEM
    Pem,
    /// A key card
    Card,
}
