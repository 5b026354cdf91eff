//! A fingerprint to read over the telephone: twelve groups of five digits.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest::{Context, SHA512};

/// Separates this hash from every other use of SHA-512 over a thumbprint.
const LABEL: &[u8] = b"Privy Seal fingerprint v1";

const GROUPS: usize = 12;

/// Twelve groups of five digits from SHA-512("Privy Seal fingerprint v1" ‖ thumbprint), about 199 bits.
///
/// Each group is five bytes of the hash, big-endian, modulo 100000. Digits carry across every language and need no
/// spelling alphabet; always say and compare all twelve.
///
/// ```
/// use jwe_envelope::SpokenFingerprint;
///
/// let heard: SpokenFingerprint =
///     "90016-92053 12345,67890 11111 22222 33333 44444 55555 66666 77777 00008".parse()?;
/// assert_eq!(heard.groups()[11], 8);
/// # Ok::<(), jwe_envelope::fingerprint::ParseFingerprintError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SpokenFingerprint([u32; GROUPS]);

impl SpokenFingerprint {
    pub(crate) fn of_thumbprint(thumbprint: &[u8; 32]) -> Self {
        let mut context = Context::new(&SHA512);
        context.update(LABEL);
        context.update(thumbprint);
        let hash = context.finish();
        let mut groups = [0; GROUPS];
        for (group, bytes) in groups.iter_mut().zip(hash.as_ref().chunks_exact(5)) {
            let number = bytes
                .iter()
                .fold(0, |number: u64, byte| number << 8 | u64::from(*byte));
            *group = u32::try_from(number % 100_000).expect("below 100000");
        }
        Self(groups)
    }

    /// The groups, each below 100000.
    pub fn groups(&self) -> &[u32; GROUPS] {
        &self.0
    }
}

/// The groups on one line, leading zeros kept, one space between them.
impl fmt::Display for SpokenFingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, group) in self.0.iter().enumerate() {
            if number > 0 {
                f.write_str(" ")?;
            }
            write!(f, "{group:05}")?;
        }
        Ok(())
    }
}

/// Sixty digits; spaces, newlines, commas, dots and dashes between them are ignored.
impl FromStr for SpokenFingerprint {
    type Err = ParseFingerprintError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut groups = [0; GROUPS];
        let mut digits = 0;
        for character in text.chars() {
            if let Some(digit) = character.to_digit(10) {
                if let Some(group) = groups.get_mut(digits / 5) {
                    *group = *group * 10 + digit;
                }
                digits += 1;
            } else if !character.is_whitespace() && !",.;:-–_/".contains(character) {
                return Err(ParseFingerprintError::Character(character));
            }
        }
        if digits != GROUPS * 5 {
            return Err(ParseFingerprintError::Digits(digits));
        }
        Ok(Self(groups))
    }
}

/// What was typed is no fingerprint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseFingerprintError {
    /// Neither a digit nor something to separate digits with.
    #[error("{0:?} is not allowed in a fingerprint, which contains only digits")]
    Character(char),
    /// Not sixty digits.
    #[error("a fingerprint has 12 groups of 5 digits, 60 in all; found {0}")]
    Digits(usize),
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Golden: a change of this breaks every fingerprint that was ever read aloud.
    #[test]
    fn the_form_never_changes() {
        let mut thumbprint = [0; 32];
        for (number, byte) in thumbprint.iter_mut().enumerate() {
            *byte = u8::try_from(number).unwrap();
        }
        assert_eq!(
            SpokenFingerprint::of_thumbprint(&thumbprint).to_string(),
            "40455 42010 75803 29394 69288 71435 77287 85987 45908 75480 49893 38397"
        );
    }

    #[test]
    fn reads_back_what_it_prints_however_it_is_separated() {
        let fingerprint = SpokenFingerprint::of_thumbprint(&[7; 32]);
        let printed = fingerprint.to_string();
        assert_eq!(printed.len(), 12 * 5 + 11);
        for text in [
            printed.clone(),
            printed.replace(' ', ""),
            printed.replace(' ', "-"),
            printed.replace(' ', ", "),
            format!("  {}\r\n", printed.replace(' ', "\n")),
        ] {
            assert_eq!(text.parse(), Ok(fingerprint), "{text:?}");
        }
    }

    #[test]
    fn another_thumbprint_another_fingerprint() {
        let a = SpokenFingerprint::of_thumbprint(&[7; 32]);
        let mut other = [7; 32];
        other[31] ^= 1;
        let b = SpokenFingerprint::of_thumbprint(&other);
        assert!(a.groups().iter().zip(b.groups()).all(|(a, b)| a != b));
    }

    #[test]
    fn too_few_too_many_and_letters_are_refused() {
        let printed = SpokenFingerprint::of_thumbprint(&[7; 32]).to_string();
        assert_eq!(
            printed[..70].parse::<SpokenFingerprint>(),
            Err(ParseFingerprintError::Digits(59))
        );
        assert_eq!(
            format!("{printed}0").parse::<SpokenFingerprint>(),
            Err(ParseFingerprintError::Digits(61))
        );
        assert_eq!(
            format!("{printed}O").parse::<SpokenFingerprint>(),
            Err(ParseFingerprintError::Character('O'))
        );
        assert_eq!(
            "".parse::<SpokenFingerprint>(),
            Err(ParseFingerprintError::Digits(0))
        );
    }
}
