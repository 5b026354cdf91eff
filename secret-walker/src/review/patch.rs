//! The JSON Patch that puts opened values into a Secret.
//!
//! [RFC 6902](https://www.rfc-editor.org/rfc/rfc6902#section-4): `replace` for a value that is there, `add` and
//! `remove` for one that comes and goes with its annotation. Nothing but the named fields changes.

use std::collections::BTreeSet;
use std::fmt;

use zeroize::Zeroizing;

use crate::error::WalkError;
use crate::path::{FieldPath, Section, push_pointer_token};
use crate::review::base64::{encode_into, encoded_len};
use crate::wipe::WipingBuffer;

/// Collects changes, in the order in which they are made.
///
/// ```
/// use secret_walker::{FieldPath, PatchBuilder};
///
/// let mut patch = PatchBuilder::new();
/// patch.replace(&FieldPath::data("password"), b"hunter2")?;
/// let patch = patch.finish();
/// assert_eq!(patch.expose(), br#"[{"op":"replace","path":"/data/password","value":"aHVudGVyMg=="}]"#);
/// assert_eq!(format!("{patch:?}"), r#"SecretPatch(["data/password"])"#);
/// # Ok::<(), secret_walker::WalkError>(())
/// ```
#[derive(Default)]
pub struct PatchBuilder {
    paths: Vec<FieldPath>,
    known: BTreeSet<FieldPath>,
    annotations: BTreeSet<String>,
    json: WipingBuffer,
}

impl PatchBuilder {
    /// A patch that changes nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Replaces the value of one field by these bytes: in base64 for `data`, as text for `stringData`.
    ///
    /// The bytes are copied once, into a buffer that is wiped.
    ///
    /// # Errors
    /// [`WalkError::DuplicatePatch`] for a field that is already replaced, [`WalkError::NotText`] for bytes
    /// that `stringData` cannot hold. The patch is as before then.
    pub fn replace(&mut self, path: &FieldPath, plaintext: &[u8]) -> Result<&mut Self, WalkError> {
        self.put("replace", path, plaintext)
    }

    /// Adds one field with these bytes, or replaces its value where it is there; the map that it is in must be
    /// there, see [`PatchBuilder::add_section`].
    ///
    /// # Errors
    /// As [`PatchBuilder::replace`].
    pub fn add(&mut self, path: &FieldPath, plaintext: &[u8]) -> Result<&mut Self, WalkError> {
        self.put("add", path, plaintext)
    }

    /// Takes one field away.
    ///
    /// # Errors
    /// [`WalkError::DuplicatePatch`] for a field that is already changed.
    pub fn remove(&mut self, path: &FieldPath) -> Result<&mut Self, WalkError> {
        self.know(path)?;
        self.begin("remove", &path.json_pointer());
        self.json.push(b"}");
        Ok(self)
    }

    /// Takes one annotation away, which must be there: RFC 6902 refuses the whole patch otherwise.
    ///
    /// ```
    /// use secret_walker::PatchBuilder;
    ///
    /// let mut patch = PatchBuilder::new();
    /// patch.remove_annotation("example.com/seal")?;
    /// let json = br#"[{"op":"remove","path":"/metadata/annotations/example.com~1seal"}]"#;
    /// assert_eq!(patch.finish().expose(), json);
    /// # Ok::<(), secret_walker::WalkError>(())
    /// ```
    ///
    /// # Errors
    /// [`WalkError::DuplicatePatch`] for an annotation that is already taken away.
    pub fn remove_annotation(&mut self, name: &str) -> Result<&mut Self, WalkError> {
        if !self.annotations.insert(name.to_owned()) {
            return Err(WalkError::DuplicatePatch {
                path: crate::text::cut(&format!("metadata/annotations/{name}")),
            });
        }
        let mut pointer = "/metadata/annotations/".to_owned();
        push_pointer_token(&mut pointer, name);
        self.begin("remove", &pointer);
        self.json.push(b"}");
        Ok(self)
    }

    /// Adds an empty map, for a Secret that has none of this name. Comes before the fields in it.
    pub fn add_section(&mut self, section: Section) -> &mut Self {
        self.begin("add", &format!("/{section}"));
        self.json.push(br#","value":{}}"#);
        self
    }

    fn put(
        &mut self,
        operation: &str,
        path: &FieldPath,
        plaintext: &[u8],
    ) -> Result<&mut Self, WalkError> {
        let text = match path.section() {
            Section::Data => None,
            Section::StringData => {
                Some(
                    std::str::from_utf8(plaintext).map_err(|_| WalkError::NotText {
                        path: crate::text::cut(&path.to_string()),
                    })?,
                )
            }
        };
        self.know(path)?;
        self.begin(operation, &path.json_pointer());
        self.json.push(br#","value":""#);
        match text {
            None => encode_into(plaintext, self.json.extend(encoded_len(plaintext.len()))),
            Some(text) => push_escaped(&mut self.json, text),
        }
        self.json.push(br#""}"#);
        Ok(self)
    }

    /// A field is changed once.
    fn know(&mut self, path: &FieldPath) -> Result<(), WalkError> {
        if !self.known.insert(path.clone()) {
            return Err(WalkError::DuplicatePatch {
                path: crate::text::cut(&path.to_string()),
            });
        }
        self.paths.push(path.clone());
        Ok(())
    }

    /// Writes an operation up to the end of its path.
    fn begin(&mut self, operation: &str, pointer: &str) {
        self.json
            .push(if self.json.is_empty() { b"[" } else { b"," });
        self.json.push(br#"{"op":""#);
        self.json.push(operation.as_bytes());
        self.json.push(br#"","path":""#);
        push_escaped(&mut self.json, pointer);
        self.json.push(b"\"");
    }

    /// How many fields are changed.
    pub fn len(&self) -> usize {
        self.paths.len()
    }

    /// Whether no field is changed and no annotation taken away.
    pub fn is_empty(&self) -> bool {
        self.paths.is_empty() && self.annotations.is_empty()
    }

    /// The finished patch; without any change it is `[]`.
    pub fn finish(mut self) -> SecretPatch {
        self.json
            .push(if self.json.is_empty() { b"[]" } else { b"]" });
        SecretPatch {
            is_empty: self.paths.is_empty() && self.annotations.is_empty(),
            paths: self.paths,
            json: self.json.into_inner(),
        }
    }
}

impl fmt::Debug for PatchBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show_paths("PatchBuilder", &self.paths, f)
    }
}

/// The JSON of a patch, wiped on drop. Its `Debug` shows only paths.
pub struct SecretPatch {
    paths: Vec<FieldPath>,
    is_empty: bool,
    json: Zeroizing<Vec<u8>>,
}

impl SecretPatch {
    /// The JSON text. It holds the values.
    pub fn expose(&self) -> &[u8] {
        &self.json
    }

    /// The same as [`SecretPatch::expose`].
    pub fn as_bytes(&self) -> &[u8] {
        self.expose()
    }

    /// The fields that are changed, in order.
    pub fn paths(&self) -> &[FieldPath] {
        &self.paths
    }

    /// Whether nothing is changed; then an answer needs no patch at all.
    pub fn is_empty(&self) -> bool {
        self.is_empty
    }

    /// The JSON text in base64, as `AdmissionResponse.patch` carries it.
    #[allow(
        clippy::missing_panics_doc,
        reason = "base64 is ASCII, whatever the patch is"
    )]
    pub fn to_base64(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(vec![0; self.base64_len()]);
        encode_into(&self.json, &mut text);
        let text = std::mem::take(&mut *text);
        Zeroizing::new(String::from_utf8(text).expect("base64 is ASCII"))
    }

    /// How many bytes [`SecretPatch::write_base64`] writes.
    pub fn base64_len(&self) -> usize {
        encoded_len(self.json.len())
    }

    /// Writes the base64 text into the caller's own buffer, which saves a copy of the values.
    ///
    /// # Panics
    /// If `out` does not hold exactly [`SecretPatch::base64_len`] bytes.
    pub fn write_base64(&self, out: &mut [u8]) {
        assert_eq!(
            out.len(),
            self.base64_len(),
            "the buffer must hold exactly base64_len() bytes"
        );
        encode_into(&self.json, out);
    }
}

impl fmt::Debug for SecretPatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show_paths("SecretPatch", &self.paths, f)
    }
}

fn show_paths(name: &str, paths: &[FieldPath], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let paths: Vec<String> = paths.iter().map(FieldPath::to_string).collect();
    f.debug_tuple(name).field(&paths).finish()
}

/// Writes text between the quotes of a JSON string.
fn push_escaped(json: &mut WipingBuffer, text: &str) {
    let mut rest = text;
    while let Some(at) =
        rest.find(|character: char| matches!(character, '"' | '\\' | '\0'..='\u{1f}'))
    {
        json.push(&rest.as_bytes()[..at]);
        let special = rest.as_bytes()[at];
        match special {
            b'"' => json.push(br#"\""#),
            b'\\' => json.push(br"\\"),
            b'\n' => json.push(br"\n"),
            b'\r' => json.push(br"\r"),
            b'\t' => json.push(br"\t"),
            control => {
                let digit = |nibble: u8| b"0123456789abcdef"[usize::from(nibble)];
                json.push(&[
                    b'\\',
                    b'u',
                    b'0',
                    b'0',
                    digit(control >> 4),
                    digit(control & 15),
                ]);
            }
        }
        rest = &rest[at + 1..];
    }
    json.push(rest.as_bytes());
}
