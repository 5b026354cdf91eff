//! The sealed values of a Secret, wherever its layout keeps them.
use std::borrow::Cow;
use std::collections::HashSet;

use anyhow::anyhow;
use jwe_envelope::{Envelope, ParseError, Recognized, recognize};
use secret_walker::{ANNOTATION_PREFIX, ManifestSecret, Section};

use crate::cli::groups::Layout;
use crate::failure::{Failure, fault};
use crate::text::printable;

/// One sealed value.
#[derive(Debug)]
pub struct SealedValue<'s> {
    /// The key within the Secret's data.
    pub key: &'s str,
    /// Where it is: a field of this section, or an annotation.
    pub section: Option<Section>,
    /// The line of the manifest.
    pub line: usize,
    text: Cow<'s, [u8]>,
}

impl SealedValue<'_> {
    /// The envelope.
    ///
    /// # Errors
    /// Exit 1 for one that is damaged; [`sealed_values`] returns none that is.
    pub fn envelope(&self) -> Result<Envelope<'_>, Failure> {
        Envelope::parse(&self.text).map_err(|error| self.at(Failure::refused(error)))
    }

    /// As the webhook reads it.
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// Where its envelope is.
    pub fn layout(&self) -> Layout {
        match self.section {
            Some(_) => Layout::Field,
            None => Layout::Annotation,
        }
    }

    /// Names the value in a failure.
    pub fn at(&self, failure: Failure) -> Failure {
        failure.context(format!(
            "`{}` on line {}",
            printable(self.key, 80),
            self.line
        ))
    }
}

/// Every sealed value, first those in fields, then those in annotations.
///
/// # Errors
/// Exit 1 for a damaged envelope, and for a key that is sealed in both layouts.
pub fn sealed_values<'s>(secret: &'s ManifestSecret<'_>) -> Result<Vec<SealedValue<'s>>, Failure> {
    let mut found = Vec::new();
    let mut known = HashSet::new();
    for field in secret.fields() {
        let value = field.value().map_err(fault)?;
        match recognize(&value) {
            Recognized::Plain => {}
            Recognized::Sealed(_) => {
                known.insert(field.key());
                found.push(SealedValue {
                    key: field.key(),
                    section: Some(field.section()),
                    line: field.line(),
                    text: Cow::Owned(value.to_vec()),
                });
            }
            Recognized::Malformed(error) => {
                return Err(damaged(error, field.key(), field.line()));
            }
        }
    }
    for (name, value) in secret.annotations() {
        let Some(key) = name.strip_prefix(ANNOTATION_PREFIX) else {
            continue;
        };
        match recognize(value.text.as_bytes()) {
            Recognized::Plain => {}
            Recognized::Malformed(error) => return Err(damaged(error, key, value.line)),
            Recognized::Sealed(_) if !known.insert(key) => {
                return Err(Failure::refused(anyhow!(
                    "`{}` is sealed twice, in its annotation on line {} and in a field",
                    printable(key, 80),
                    value.line
                ))
                .hint("keep one of the two"));
            }
            Recognized::Sealed(_) => found.push(SealedValue {
                key,
                section: None,
                line: value.line,
                text: Cow::Borrowed(value.text.as_bytes()),
            }),
        }
    }
    Ok(found)
}

fn damaged(error: ParseError, key: &str, line: usize) -> Failure {
    Failure::refused(anyhow::Error::new(error).context(format!(
        "`{}` on line {line} is a damaged envelope",
        printable(key, 80)
    )))
    .hint("take the envelope from version control again, or give the field its value again with `privy set`")
}
