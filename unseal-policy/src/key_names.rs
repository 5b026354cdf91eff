//! Names of keys in the configuration, and of their versions.

/// Whether a key of this name is meant, or a version of it.
pub fn is_key(name: &str, key: &str) -> bool {
    key.strip_prefix(name)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('#'))
}
