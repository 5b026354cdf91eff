//! The annotation that names, with commas between, the fields which the application opens itself.

use std::collections::HashSet;

use secret_walker::AdmittedSecret;

/// The name of the annotation.
pub const ANNOTATION: &str = "privyseal.dev/leave";

/// Characters of the longest list that is read. The API server's policies read no longer one, and a longer one names
/// nothing.
const LONGEST: usize = 1024;

/// The fields that a Secret asks to leave sealed.
#[derive(Debug, Default)]
pub struct Left<'r> {
    keys: HashSet<&'r str>,
    /// Whether the list is longer than what is read.
    pub too_long: bool,
}

impl<'r> Left<'r> {
    /// Reads the annotation, once for all fields of the Secret.
    pub fn of(secret: &'r AdmittedSecret<'r>) -> Self {
        let Some(list) = secret.annotation(ANNOTATION) else {
            return Self::default();
        };
        if list.chars().nth(LONGEST).is_some() {
            return Self {
                too_long: true,
                ..Self::default()
            };
        }
        Self {
            keys: list.split(',').map(str::trim).collect(),
            too_long: false,
        }
    }

    /// Whether it names this field.
    pub fn names(&self, key: &str) -> bool {
        self.keys.contains(key)
    }
}

/// A warning for anyone who wrote it.
pub fn too_long() -> String {
    format!(
        "the annotation `{ANNOTATION}` is longer than {LONGEST} characters, so it names no field"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(list: &str, key: &str) -> bool {
        let json = serde_json::json!({"metadata": {"annotations": {ANNOTATION: list}}}).to_string();
        let secret = AdmittedSecret::from_json(&json).unwrap();
        Left::of(&secret).names(key)
    }

    #[test]
    fn fields_are_named_whole_with_spaces_around_them() {
        for list in ["a", "b,a", " a ,b", "b,\ta\n"] {
            assert!(names(list, "a"), "{list:?}");
        }
        for list in ["", "ab", "a b", "a;b", "A", "*", "data/a"] {
            assert!(!names(list, "a"), "{list:?}");
        }
    }

    #[test]
    fn a_list_that_the_policies_do_not_read_names_nothing() {
        let long = |len: usize| format!("a,{}", "é".repeat(len - 2));
        assert!(names(&long(1024), "a"));
        assert!(!names(&long(1025), "a"));
        let json = r#"{"metadata":{"annotations":{"privyseal.dev/leave":null}}}"#;
        let secret = AdmittedSecret::from_json(json).unwrap();
        assert!(!Left::of(&secret).names("a"));
    }
}
