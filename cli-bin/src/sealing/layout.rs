//! Where the envelope of a key is in a manifest: in a field, or in an annotation.
use anyhow::anyhow;
use jwe_envelope::Serialization;
use secret_walker::{ANNOTATION_PREFIX, EditValue, Edits, FieldPath, ManifestSecret, Section};

use crate::cli::groups::Layout;
use crate::failure::{Failure, fault};
use crate::sealing::options::Sealed;
use crate::sealing::signing;
use crate::text::printable;

/// The longest key that an annotation's name has room for: 63 characters without `data.`.
pub const LONGEST_KEY: usize = 58;

/// What Kubernetes takes of names and values of annotations together.
pub const MOST_ANNOTATIONS: usize = 256 * 1024;

const USE_FIELDS: &str = "keep it in a field: --layout field";

/// The annotation of a key.
pub fn annotation_of(key: &str) -> String {
    format!("{ANNOTATION_PREFIX}{key}")
}

/// The layout of a key: as asked for, or as it is sealed already, or as a field.
pub fn of_key(secret: &ManifestSecret<'_>, key: &str, wanted: Option<Layout>) -> Layout {
    wanted.unwrap_or_else(|| {
        if secret.annotation(&annotation_of(key)).is_some() {
            Layout::Annotation
        } else {
            Layout::Field
        }
    })
}

/// Whether an envelope for this key can stand so.
///
/// # Errors
/// Exit 2 for a key that is no part of an annotation's name, and for several recipients, which need JSON.
pub fn check(key: &str, layout: Layout, form: Serialization) -> Result<(), Failure> {
    if layout == Layout::Field {
        return Ok(());
    }
    let refuse = |why: String| Err(Failure::usage(anyhow!("{why}")).hint(USE_FIELDS));
    if form != Serialization::Compact {
        return refuse(
            "an annotation holds a compact envelope, which is for one key; this one would be JSON"
                .to_owned(),
        );
    }
    if key.len() > LONGEST_KEY {
        return refuse(format!(
            "the key `{}` is longer than {LONGEST_KEY} characters, the most that the name of an annotation has room for",
            printable(key, 80)
        ));
    }
    if !key.ends_with(|last: char| last.is_ascii_alphanumeric()) {
        return refuse(format!(
            "the key `{}` does not end in a letter or digit, as the name of an annotation must",
            printable(key, 80)
        ));
    }
    Ok(())
}

/// Puts envelopes into one Secret. In the end there is one envelope of each key, whatever layout it had before.
#[allow(missing_debug_implementations, reason = "edits of a moment")]
pub struct Writer<'w, 'm, 'a> {
    secret: &'w ManifestSecret<'a>,
    form: Serialization,
    edits: &'w mut Edits<'m, 'a>,
    /// Names and values of the annotations as they will be.
    annotations: usize,
    annotated: bool,
    /// The outcome of old signatures.
    warnings: Vec<String>,
}

impl<'w, 'm, 'a> Writer<'w, 'm, 'a> {
    /// For envelopes of this form.
    pub fn new(
        secret: &'w ManifestSecret<'a>,
        form: Serialization,
        edits: &'w mut Edits<'m, 'a>,
    ) -> Self {
        let annotations = secret
            .annotations()
            .map(|(name, value)| name.len() + value.text.len())
            .sum();
        Self {
            secret,
            form,
            edits,
            annotations,
            annotated: false,
            warnings: Vec::new(),
        }
    }

    /// Writes the envelope of a key, and its signature; `section` is where a new field goes.
    ///
    /// # Errors
    /// Exit 1 or 2 when the file cannot be edited so.
    pub fn put(
        &mut self,
        key: &str,
        sealed: &Sealed,
        layout: Layout,
        section: Section,
    ) -> Result<(), Failure> {
        check(key, layout, self.form)?;
        self.sign(key, sealed.signature.as_deref())?;
        let text = &sealed.text;
        let name = annotation_of(key);
        let old = self.secret.annotation(&name);
        let field = [Section::StringData, Section::Data]
            .into_iter()
            .find_map(|section| self.secret.field(&FieldPath::new(section, key)));
        if let Some(old) = old {
            self.annotations -= name.len() + old.text.len();
        }
        match layout {
            Layout::Annotation => {
                self.annotations += name.len() + text.len();
                self.annotated = true;
                let value = EditValue::word(text).map_err(fault)?;
                self.edits
                    .set_annotation(self.secret, &name, value)
                    .map_err(fault)?;
                if let Some(field) = field {
                    self.edits.remove_field(field).map_err(fault)?;
                }
            }
            Layout::Field => {
                if let Some(field) = field {
                    let value = EditValue::envelope(text, field.section()).map_err(fault)?;
                    self.edits.replace(field, value).map_err(fault)?;
                } else {
                    let value = EditValue::envelope(text, section).map_err(fault)?;
                    self.edits
                        .insert_field(self.secret, section, key, value)
                        .map_err(fault)?;
                }
                if old.is_some() {
                    self.edits
                        .remove_annotation(self.secret, &name)
                        .map_err(fault)?;
                }
            }
        }
        Ok(())
    }

    /// Writes the signature of a key, or removes the one of the value before.
    ///
    /// # Errors
    /// Exit 1 or 2 when the file cannot be edited so.
    pub fn sign(&mut self, key: &str, signature: Option<&str>) -> Result<(), Failure> {
        let name = signing::annotation_of(key);
        let old = self.secret.annotation(&name);
        if let Some(old) = old {
            self.annotations -= name.len() + old.text.len();
        }
        let Some(signature) = signature else {
            if old.is_some() {
                self.edits
                    .remove_annotation(self.secret, &name)
                    .map_err(fault)?;
                self.warnings.push(signing::dropped(key));
            }
            return Ok(());
        };
        signing::check_key(key)?;
        self.annotations += name.len() + signature.len();
        self.annotated = true;
        let value = EditValue::word(signature).map_err(fault)?;
        self.edits
            .set_annotation(self.secret, &name, value)
            .map_err(fault)?;
        Ok(())
    }

    /// Looks whether the annotations are not too large now, and says what people should know.
    ///
    /// # Errors
    /// Exit 1 when they are.
    pub fn finish(self) -> Result<Vec<String>, Failure> {
        if !self.annotated || self.annotations <= MOST_ANNOTATIONS {
            return Ok(self.warnings);
        }
        Err(Failure::refused(anyhow!(
            "the annotations of the Secret on line {} would be larger than 256 KiB together, the most that Kubernetes takes",
            self.secret.line()
        ))
        .hint(USE_FIELDS))
    }
}
