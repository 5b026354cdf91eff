//! `name*`: a name, or the beginning of names.

/// Whether `name` is the one that `pattern` says, or begins as one that ends in `*` says. Compared byte for byte; the `*`
/// stands for any number of characters, none too.
pub fn fits(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(beginning) => name.starts_with(beginning),
        None => name == pattern,
    }
}
