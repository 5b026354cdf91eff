//! Placeholders in place of sealed values, so that no one has to look at envelopes while they edit.
use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher as _, RandomState};

use anyhow::anyhow;
use jwe_envelope::{Recognized, recognize};
use secret_walker::{ANNOTATION_PREFIX, Manifest, decode, validate_key};
use zeroize::Zeroizing;

use crate::failure::Failure;

/// How every placeholder begins.
const BEGIN: &str = "SEALED.";

/// A text with its sealed values covered, and what is under the covers.
pub(super) struct Placeholders {
    /// Tells the placeholders of this edit from any other text.
    mark: String,
    /// Envelopes, as they are written, by placeholder.
    envelopes: Vec<(String, String)>,
}

impl Placeholders {
    /// Covers the envelopes of a manifest whose text this is.
    pub(super) fn over(manifest: &Manifest<'_>, source: &str) -> (Self, Zeroizing<String>) {
        let mark = loop {
            let mark = format!("{:08x}", RandomState::new().hash_one(0) >> 32);
            if !source.contains(&mark) {
                break mark;
            }
        };
        let written: HashSet<&str> = words(source)
            .filter(|(_, is_word)| *is_word)
            .map(|(text, _)| text)
            .collect();
        let mut envelopes = Vec::new();
        let mut covers: HashMap<String, String> = HashMap::new();
        for (key, word) in sealed(manifest) {
            if validate_key(&key).is_err()
                || covers.contains_key(&word)
                || !written.contains(word.as_str())
            {
                continue;
            }
            let placeholder = format!("{BEGIN}{key}.{mark}-{:04}", envelopes.len());
            covers.insert(word.clone(), placeholder.clone());
            envelopes.push((placeholder, word));
        }
        let text = replaced(source, &covers);
        (Self { mark, envelopes }, text)
    }

    /// The text with the envelopes back in their places.
    ///
    /// # Errors
    /// Exit 1 when a placeholder was changed and so is none any more.
    pub(super) fn lift(&self, text: &str) -> Result<Zeroizing<String>, Failure> {
        let covered = self.envelopes.iter().cloned().collect();
        let text = replaced(text, &covered);
        match text.find(&self.mark) {
            None => Ok(text),
            Some(at) => Err(altered(1 + text[..at].matches('\n').count())),
        }
    }

    /// Whether a value that is about to be sealed is what was left of a placeholder.
    pub(super) fn is_remnant(&self, value: &[u8]) -> bool {
        !self.envelopes.is_empty() && value.starts_with(BEGIN.as_bytes())
    }
}

/// The parts of a text, in their order: words as envelopes, base64 and placeholders are, and what separates them.
fn words(text: &str) -> impl Iterator<Item = (&str, bool)> {
    let is_letter = |byte: u8| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'+' | b'/' | b'=')
    };
    let mut rest = text;
    std::iter::from_fn(move || {
        let is_word = is_letter(*rest.as_bytes().first()?);
        let end = rest
            .bytes()
            .position(|byte| is_letter(byte) != is_word)
            .unwrap_or(rest.len());
        let (part, behind) = rest.split_at(end);
        rest = behind;
        Some((part, is_word))
    })
}

/// The text with whole words replaced, in one pass.
fn replaced(text: &str, by: &HashMap<String, String>) -> Zeroizing<String> {
    let parts = || words(text).map(|(part, _)| by.get(part).map_or(part, String::as_str));
    // In one piece, so that no copy of a value is left behind.
    let mut replaced = Zeroizing::new(String::with_capacity(parts().map(str::len).sum()));
    for part in parts() {
        replaced.push_str(part);
    }
    replaced
}

/// The answer to a placeholder that was changed.
pub(super) fn altered(line: usize) -> Failure {
    Failure::refused(anyhow!(
        "the placeholder of a sealed value was changed on line {line}"
    ))
    .hint("put a new value in place of the whole placeholder, or leave it as it was")
}

/// Key and text of each envelope that is written as one word.
fn sealed(manifest: &Manifest<'_>) -> Vec<(String, String)> {
    let is_envelope = |bytes: &[u8]| !matches!(recognize(bytes), Recognized::Plain);
    let mut found = Vec::new();
    for secret in manifest.secrets() {
        for field in secret.fields() {
            if let (Ok(text), Ok(value)) = (field.text(), field.value())
                && is_envelope(&value)
            {
                found.push((field.key().to_owned(), text.to_owned()));
            }
        }
        for (name, value) in secret.annotations() {
            if let Some(key) = name.strip_prefix(ANNOTATION_PREFIX)
                && is_envelope(value.text.as_bytes())
            {
                found.push((key.to_owned(), value.text.to_owned()));
            }
        }
    }
    debug_assert!(
        found
            .iter()
            .all(|(_, word)| is_envelope(word.as_bytes()) || decode(word).is_ok())
    );
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "\
kind: Secret
apiVersion: v1
metadata:
  name: db
  annotations:
    privyseal.dev/data.token: eyJhbGciOiJkaXIiLCJlbmMiOiJBMTI4R0NNIn0..YQ.YQ.YQ
data:
  # eyJ
  a: ZXlKaGJHY2lPaUprYVhJaUxDSmxibU1pT2lKQk1USTRSME5OSW4wLi5ZUS5ZUS5ZUQ== # kept
stringData:
  b: |-
    eyJhbGciOiJkaXIiLCJlbmMiOiJBMTI4R0NNIn0..YQ.YQ.Yg
  c: hunter2
";

    #[test]
    fn what_was_covered_comes_back_byte_by_byte() {
        let manifest = Manifest::parse(FILE.as_bytes()).unwrap();
        let (placeholders, text) = Placeholders::over(&manifest, FILE);
        assert_eq!(text.matches(BEGIN).count(), 3, "{}", *text);
        assert!(!text.contains("eyJhb") && !text.contains("ZXlK") && text.contains("c: hunter2"));
        assert_eq!(*placeholders.lift(&text).unwrap(), FILE);
    }

    #[test]
    fn a_changed_placeholder_is_no_value() {
        let manifest = Manifest::parse(FILE.as_bytes()).unwrap();
        let (placeholders, text) = Placeholders::over(&manifest, FILE);
        let broken = text.replacen("-0000", "-000", 1);
        assert!(placeholders.lift(&broken).is_err());
        assert!(placeholders.is_remnant(b"SEALED.pass"));
        assert!(!placeholders.is_remnant(b"hunter2"));
    }
}
