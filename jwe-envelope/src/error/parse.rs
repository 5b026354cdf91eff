//! Damage: what can be wrong with a text that claims to be an envelope.

/// A text that claims to be an envelope and is not a well-formed one: *damage*.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseError {
    /// The header lacks `enc`.
    #[error("header lacks `enc`, which says how the value is encrypted")]
    NoContentEncryption,
}
