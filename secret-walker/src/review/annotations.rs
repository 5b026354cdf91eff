//! The annotation layout: an envelope is in an annotation whose name ends in the key of `data` that it is for.

use crate::review::admitted::AdmittedSecret;
use crate::{ANNOTATION_PREFIX, SIGNATURE_PREFIX};

/// An annotation that holds a sealed value.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SealedAnnotation<'s> {
    /// The key of `data` that the value belongs to: what follows [`ANNOTATION_PREFIX`].
    pub key: &'s str,
    /// The text of the annotation: the envelope, if it is one.
    pub text: &'s str,
}

impl AdmittedSecret<'_> {
    /// The annotations of the annotation layout in document order, whatever they contain.
    ///
    /// ```
    /// use secret_walker::AdmittedSecret;
    ///
    /// let secret = AdmittedSecret::from_json(
    ///     r#"{"metadata":{"annotations":{"privyseal.dev/data.password":"eyJl…","team":"payments"}}}"#,
    /// )?;
    /// let sealed: Vec<_> = secret.sealed_annotations().map(|found| (found.key, found.text)).collect();
    /// assert_eq!(sealed, [("password", "eyJl…")]);
    /// # Ok::<(), secret_walker::WalkError>(())
    /// ```
    pub fn sealed_annotations(&self) -> impl Iterator<Item = SealedAnnotation<'_>> {
        self.annotations().filter_map(|(name, text)| {
            let key = name.strip_prefix(ANNOTATION_PREFIX)?;
            Some(SealedAnnotation { key, text })
        })
    }

    /// The text of the annotation that holds the value of this key.
    pub fn sealed_annotation(&self, key: &str) -> Option<&str> {
        self.annotation_of(ANNOTATION_PREFIX, key)
    }

    /// The text of the annotation that holds the signature of the value of this key.
    pub fn signature(&self, key: &str) -> Option<&str> {
        self.annotation_of(SIGNATURE_PREFIX, key)
    }

    fn annotation_of(&self, prefix: &str, key: &str) -> Option<&str> {
        let mut name = String::with_capacity(prefix.len() + key.len());
        name.push_str(prefix);
        name.push_str(key);
        self.annotation(&name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_all_that_follows_the_prefix() {
        let secret = AdmittedSecret::from_json(
            r#"{"metadata":{"annotations":{
                "privyseal.dev/data..dockerconfigjson":"a","privyseal.dev/data.":"b","privyseal.dev/data.a.b":null,
                "privyseal.dev/sig.a.b":"s","privyseal.dev/leave":"x","data.password":"y","PRIVYSEAL.dev/data.z":"z"}}}"#,
        )
        .unwrap();
        let found: Vec<_> = secret
            .sealed_annotations()
            .map(|found| (found.key, found.text))
            .collect();
        assert_eq!(found, [(".dockerconfigjson", "a"), ("", "b"), ("a.b", "")]);
        assert_eq!(secret.sealed_annotation("a.b"), Some(""));
        assert_eq!(secret.sealed_annotation("leave"), None);
        assert_eq!(secret.signature("a.b"), Some("s"));
        assert_eq!(secret.signature(".dockerconfigjson"), None);
    }
}
