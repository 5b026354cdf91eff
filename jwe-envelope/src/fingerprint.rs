//! A fingerprint to read over the telephone: twelve groups of five digits.

/// Twelve groups of five digits from SHA-512("Privy Seal fingerprint v1" ‖ thumbprint), about 199 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SpokenFingerprint([u32; 12]);

impl SpokenFingerprint {
    /// The groups.
    pub fn groups(&self) -> &[u32; 12] {
        &self.0
    }
}
// Display: "12345 67890 …" on one line; FromStr: digits with any blanks, commas or dashes between.
