//! What can be wrong with `sealed`.

/// What can be wrong with `sealed`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProvenanceError {
    /// `at` is missing, or no whole second from 0 to 2⁵³−1.
    #[error("`sealed`: `at` must be whole seconds since 1970, from 0 to 2^53-1")]
    At,
    /// A character that moves the cursor, ends the line or turns the direction of writing.
    #[error("`sealed`: `{member}` holds the control character U+{:04X}", u32::from(*.found))]
    Control {
        /// `by` or `why`.
        member: &'static str,
        /// The character.
        found: char,
    },
    /// Too long.
    #[error("`sealed` takes more than {limit} bytes; shorten who or why")]
    TooLong {
        /// Bytes allowed.
        limit: usize,
    },
    /// A member that we do not know.
    #[error("`sealed` has the member {name:?}, which is unknown")]
    UnknownMember {
        /// The member.
        name: String,
    },
    /// A member of another JSON type than it must have.
    #[error("`sealed`: `{member}` must be {expected}")]
    WrongType {
        /// Which member.
        member: &'static str,
        /// What it must be.
        expected: &'static str,
    },
}
