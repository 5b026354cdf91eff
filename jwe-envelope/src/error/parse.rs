//! Damage: what can be wrong with a text that claims to be an envelope.

use super::BindingError;
use super::provenance::ProvenanceError;
use crate::algorithm::ContentEncryption;

/// A text that claims to be an envelope and is not a well-formed one: *damage*.
///
/// Parsing looks at public bytes only, so each fault has a name of its own. Untrusted text is
/// quoted and cut short.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseError {
    /// JSON with `recipients` and, beside it, a member that belongs inside of it (RFC 7516 §7.2.2).
    #[error("`recipients` and a top-level `{member}` exclude each other; keep one")]
    AmbiguousRecipients {
        /// `header` or `encrypted_key`.
        member: &'static str,
    },
    /// A part holds a character that is not in the base64url alphabet.
    #[error("{part} contains {found:?} at byte {at}, which is not a base64url character")]
    Base64Character {
        /// Which part.
        part: &'static str,
        /// The first such character.
        found: char,
        /// Where in the part.
        at: usize,
    },
    /// No byte string is encoded in this many characters.
    #[error(
        "{part} is {len} characters long, an impossible length for base64url; it may be truncated"
    )]
    Base64Length {
        /// Which part.
        part: &'static str,
        /// Its length.
        len: usize,
    },
    /// The last character carries bits that belong to no byte (RFC 4648 §3.5).
    #[error("{part} ends in a base64url character with stray bits; it was truncated or changed")]
    Base64TrailingBits {
        /// Which part.
        part: &'static str,
    },
    /// The `bind` member breaks its grammar.
    #[error(transparent)]
    Binding(#[from] BindingError),
    /// A compact envelope with spaces or line breaks in it.
    #[error("compact envelope contains spaces or newlines; join it into one line")]
    Broken,
    /// The protected header begins with a byte order mark.
    #[error("protected header begins with a byte order mark")]
    ByteOrderMark,
    /// A name is listed in `crit` twice.
    #[error("`crit` lists {name:?} twice")]
    CritDuplicate {
        /// The name.
        name: String,
    },
    /// `crit` is not an array of one or more names (RFC 7515 §4.1.11).
    #[error("`crit` must be an array of one or more names")]
    CritMalformed,
    /// A name is listed in `crit` but not in the header.
    #[error("`crit` lists {name:?}, which is not in the header")]
    CritMissing {
        /// The name.
        name: String,
    },
    /// `crit` lists a name that JWE itself defines.
    #[error("`crit` lists {name:?}, which JWE itself defines")]
    CritRegistered {
        /// The name.
        name: String,
    },
    /// Two recipients have the same `kid`.
    #[error("two recipients have the `kid` {kid:?}")]
    DuplicateKeyId {
        /// The `kid`.
        kid: String,
    },
    /// A JSON object has a member twice.
    #[error("{part} has the member {name:?} twice")]
    DuplicateMember {
        /// Which JSON text.
        part: &'static str,
        /// The name, after unescaping.
        name: String,
    },
    /// A member is there and empty; RFC 7516 §7.2.1 wants it absent.
    #[error("`{member}` is empty; it must be left out when it has no value")]
    Empty {
        /// Which member.
        member: &'static str,
    },
    /// The protected header is too long.
    #[error("protected header is longer than {limit} bytes")]
    HeaderTooLong {
        /// Bytes allowed, decoded.
        limit: usize,
    },
    /// The initialization vector does not have the length that `enc` asks for.
    #[error("initialization vector is {found} bytes; {encryption} takes {}", encryption.iv_len())]
    IvLength {
        /// `enc`.
        encryption: ContentEncryption,
        /// Bytes found.
        found: usize,
    },
    /// A part is not there.
    #[error("{part} is missing; the envelope may be truncated")]
    Missing {
        /// Which part.
        part: &'static str,
    },
    /// A header member that only the protected header may hold is outside of it.
    #[error("`{name}` is outside the protected header")]
    MustBeProtected {
        /// Which member.
        name: &'static str,
    },
    /// No `alg` for a recipient.
    #[error("header lacks `alg`, which says how the content key is wrapped")]
    NoAlgorithm,
    /// No `enc`.
    #[error("header lacks `enc`, which says how the value is encrypted")]
    NoContentEncryption,
    /// `recipients` is an empty array.
    #[error("`recipients` is empty")]
    NoRecipients,
    /// Nothing in the text claims to be an envelope.
    #[error(
        "not an envelope: neither five base64url parts joined by dots nor JSON with `ciphertext`"
    )]
    NotAnEnvelope,
    /// The `sealed` member breaks its grammar.
    #[error(transparent)]
    Provenance(#[from] ProvenanceError),
    /// A compact envelope has not five parts.
    #[error("compact envelope has {found} parts joined by dots; it takes five")]
    Segments {
        /// How many; counting stops at six.
        found: usize,
    },
    /// A header name occurs in more than one of the three headers (RFC 7516 §7.2.1).
    #[error("{name:?} appears in more than one header")]
    SharedName {
        /// The name.
        name: String,
    },
    /// Not JSON.
    #[error("{part} is not valid JSON (line {line}, column {column})")]
    Syntax {
        /// Which JSON text.
        part: &'static str,
        /// From 1.
        line: usize,
        /// In bytes, from 1.
        column: usize,
    },
    /// The authentication tag does not have the length that `enc` asks for.
    #[error("authentication tag is {found} bytes; {encryption} takes {}", encryption.tag_len())]
    TagLength {
        /// `enc`.
        encryption: ContentEncryption,
        /// Bytes found.
        found: usize,
    },
    /// JSON nested too deeply.
    #[error("{part} is nested more than {limit} levels deep")]
    TooDeep {
        /// Which JSON text.
        part: &'static str,
        /// Levels allowed.
        limit: usize,
    },
    /// The text is larger than any envelope we accept.
    #[error("envelope is {len} bytes, the limit is {limit}")]
    TooLarge {
        /// Bytes found.
        len: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// A header member is too long.
    #[error("`{name}` is {len} bytes, the limit is {limit}")]
    TooLong {
        /// Which member.
        name: &'static str,
        /// Bytes found, decoded where it is base64url.
        len: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// Too many recipients.
    #[error("envelope has more than {limit} recipients")]
    TooManyRecipients {
        /// How many are allowed.
        limit: usize,
    },
    /// A JSON text of too many values.
    #[error("{part} contains more than {limit} values")]
    TooManyValues {
        /// Which JSON text.
        part: &'static str,
        /// How many are allowed.
        limit: u32,
    },
    /// Something follows the JSON text.
    #[error("{part} is followed by unexpected text (line {line}, column {column})")]
    TrailingText {
        /// Which JSON text.
        part: &'static str,
        /// From 1.
        line: usize,
        /// In bytes, from 1.
        column: usize,
    },
    /// Not UTF-8.
    #[error("{part} is not UTF-8")]
    Utf8 {
        /// Which text.
        part: &'static str,
    },
    /// A member of another JSON type than it must have.
    #[error("`{name}` must be {expected}")]
    WrongType {
        /// Which member or part.
        name: &'static str,
        /// What it must be.
        expected: &'static str,
    },
}
