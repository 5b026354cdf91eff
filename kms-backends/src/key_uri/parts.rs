//! The parts that references are made of, as they are checked and shown.

use jwe_envelope::Untrusted;

/// Whether `word` has 1 to `most` characters, each a letter, a digit or one of `others`.
pub(super) fn is_word(word: &str, most: usize, others: &[u8]) -> bool {
    (1..=most).contains(&word.len())
        && word
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || others.contains(&b))
}

/// A positive decimal number without leading zeros, as services count versions.
pub(super) fn version_number(text: &str) -> Option<u64> {
    let legal = text.bytes().all(|b| b.is_ascii_digit()) && !text.starts_with('0');
    text.parse().ok().filter(|_| legal)
}

/// Text from outside, cut short so that a message stays a message; errors escape it when they are displayed.
pub(crate) fn cut(text: &str) -> String {
    const SHOWN: usize = 80;
    Untrusted::new(text).at_most(SHOWN).cut()
}
