//! A Secret as the API server sends it in a review.

use std::fmt;

use super::base64;
use crate::error::WalkError;
use crate::json::cursor::Cursor;
use crate::json::object::{TextMap, flag_member, text_member, walk_object};
use crate::text::Text;

/// The parts of a Secret that a review is about, borrowed from its JSON.
///
/// Members that are not named here are checked for their grammar and passed over.
/// `null` is the same as absent, but for an entry of `data` or `stringData`, which keeps it.
///
/// ```
/// use secret_walker::AdmittedSecret;
///
/// let secret = AdmittedSecret::from_json(
///     r#"{"kind":"Secret","metadata":{"name":"db"},"data":{"password":"aHVudGVyMg==","token":null},"later":[1]}"#,
/// )?;
/// assert_eq!(secret.name(), Some("db"));
/// let keys: Vec<&str> = secret.data().map(|entry| entry.key).collect();
/// assert_eq!(keys, ["password", "token"]);
/// assert_eq!(secret.get("password").and_then(|entry| entry.value), Some("aHVudGVyMg=="));
/// # Ok::<(), secret_walker::WalkError>(())
/// ```
pub struct AdmittedSecret<'a> {
    api_version: Option<Text<'a>>,
    kind: Option<Text<'a>>,
    secret_type: Option<Text<'a>>,
    immutable: bool,
    metadata: Metadata<'a>,
    data: TextMap<'a>,
    string_data: TextMap<'a>,
}

/// One entry of `data` or `stringData`. Its `Debug` leaves the value out.
#[derive(Clone, Copy, Eq, PartialEq)]
pub struct Entry<'s> {
    /// The key, as it reads after unescaping.
    pub key: &'s str,
    /// The text of the value, base64 in `data`; `None` where the JSON says `null`.
    pub value: Option<&'s str>,
}

impl<'s> From<(&'s str, Option<&'s str>)> for Entry<'s> {
    fn from((key, value): (&'s str, Option<&'s str>)) -> Self {
        Self { key, value }
    }
}

impl Entry<'_> {
    /// Decodes a value of `data`; `null` is no bytes, as the API server reads it.
    ///
    /// # Errors
    /// [`WalkError::Base64`] when the API server would not accept the text either.
    pub fn decode(&self) -> Result<Vec<u8>, WalkError> {
        self.value.map_or(Ok(Vec::new()), base64::decode)
    }

    /// How many bytes a value of `data` decodes to, without decoding it.
    pub fn decoded_len(&self) -> usize {
        self.value.map_or(0, base64::decoded_len)
    }

    /// Whether a value of `data` decodes to something that begins with `prefix`.
    pub fn starts_with(&self, prefix: &[u8]) -> bool {
        self.value.map_or(prefix.is_empty(), |text| {
            base64::starts_with_base64(text, prefix)
        })
    }

    /// Decodes the first bytes of a value of `data` into `head` and says how many there are.
    pub fn decode_head(&self, head: &mut [u8]) -> usize {
        self.value.map_or(0, |text| base64::decode_head(text, head))
    }
}

impl fmt::Debug for Entry<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry")
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

impl<'a> AdmittedSecret<'a> {
    /// Reads the JSON of one Secret, which the caller has bounded in length.
    ///
    /// # Errors
    /// For text that is not JSON or nested deeper than [`MAX_JSON_DEPTH`](crate::MAX_JSON_DEPTH), for a member
    /// that occurs twice in the object, its `metadata`, annotations, `data` or `stringData`,
    /// for more entries there than an API server stores, and for a type that the API server would not have sent.
    pub fn from_json(json: &'a str) -> Result<Self, WalkError> {
        let mut secret = Self {
            api_version: None,
            kind: None,
            secret_type: None,
            immutable: false,
            metadata: Metadata::default(),
            data: TextMap::default(),
            string_data: TextMap::default(),
        };
        let mut cursor = Cursor::new(json);
        let is_object = walk_object(&mut cursor, "the object", |member, cursor| match member {
            "apiVersion" => text_member(cursor, "apiVersion", &mut secret.api_version),
            "kind" => text_member(cursor, "kind", &mut secret.kind),
            "type" => text_member(cursor, "type", &mut secret.secret_type),
            "immutable" => {
                secret.immutable = flag_member(cursor, "immutable")?;
                Ok(())
            }
            "metadata" => Metadata::read(cursor).map(|metadata| secret.metadata = metadata),
            "data" => TextMap::read(cursor, "data").map(|map| secret.data = map),
            "stringData" => TextMap::read(cursor, "stringData").map(|map| secret.string_data = map),
            _ => Ok(cursor.skip_value()?),
        })?;
        if !is_object {
            return Err(WalkError::WrongType {
                member: "a Secret",
                expected: "an object",
            });
        }
        cursor.expect_end()?;
        Ok(secret)
    }

    /// `apiVersion`; `v1` for a Secret.
    pub fn api_version(&self) -> Option<&str> {
        self.api_version.as_ref().map(Text::as_str)
    }

    /// `kind`; `Secret` for a Secret.
    pub fn kind(&self) -> Option<&str> {
        self.kind.as_ref().map(Text::as_str)
    }

    /// `metadata.name`. Absent while the API server has yet to make one up, see [`AdmittedSecret::generate_name`].
    pub fn name(&self) -> Option<&str> {
        self.metadata.name.as_ref().map(Text::as_str)
    }

    /// `metadata.generateName`: what a name that is made up will begin with.
    pub fn generate_name(&self) -> Option<&str> {
        self.metadata.generate_name.as_ref().map(Text::as_str)
    }

    /// `metadata.namespace`.
    pub fn namespace(&self) -> Option<&str> {
        self.metadata.namespace.as_ref().map(Text::as_str)
    }

    /// `type`, such as `kubernetes.io/tls`.
    pub fn secret_type(&self) -> Option<&str> {
        self.secret_type.as_ref().map(Text::as_str)
    }

    /// Whether the Secret says that its values never change.
    pub fn immutable(&self) -> bool {
        self.immutable
    }

    /// One annotation; `null` reads as empty, as the API server reads it.
    pub fn annotation(&self, key: &str) -> Option<&str> {
        self.metadata
            .annotations
            .get(key)
            .map(|(_, value)| value.unwrap_or_default())
    }

    /// All annotations in document order.
    pub fn annotations(&self) -> impl Iterator<Item = (&str, &str)> {
        self.metadata
            .annotations
            .iter()
            .map(|(name, value)| (name, value.unwrap_or_default()))
    }

    /// The entries of `data` in document order.
    pub fn data(&self) -> impl ExactSizeIterator<Item = Entry<'_>> {
        self.data.iter().map(Entry::from)
    }

    /// The entries of `stringData` in document order; a review has none, because the API server has folded them in.
    pub fn string_data(&self) -> impl ExactSizeIterator<Item = Entry<'_>> {
        self.string_data.iter().map(Entry::from)
    }

    /// The entry of `data` with this key.
    pub fn get(&self, key: &str) -> Option<Entry<'_>> {
        self.data.get(key).map(Entry::from)
    }
}

impl fmt::Debug for AdmittedSecret<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdmittedSecret")
            .field("namespace", &self.namespace())
            .field("name", &self.name())
            .field("type", &self.secret_type())
            .field(
                "data",
                &self.data().map(|entry| entry.key).collect::<Vec<_>>(),
            )
            .finish_non_exhaustive()
    }
}

#[derive(Default)]
struct Metadata<'a> {
    name: Option<Text<'a>>,
    generate_name: Option<Text<'a>>,
    namespace: Option<Text<'a>>,
    annotations: TextMap<'a>,
}

impl<'a> Metadata<'a> {
    fn read(cursor: &mut Cursor<'a>) -> Result<Self, WalkError> {
        let mut metadata = Self::default();
        walk_object(cursor, "metadata", |member, cursor| match member {
            "name" => text_member(cursor, "metadata.name", &mut metadata.name),
            "generateName" => {
                text_member(cursor, "metadata.generateName", &mut metadata.generate_name)
            }
            "namespace" => text_member(cursor, "metadata.namespace", &mut metadata.namespace),
            "annotations" => {
                metadata.annotations = TextMap::read(cursor, "metadata.annotations")?;
                Ok(())
            }
            _ => Ok(cursor.skip_value()?),
        })?;
        Ok(metadata)
    }
}
