//! Path patterns of `.privy.yaml`: `*` and `?` within one name, `**` across folders.

/// Whether `path`, written with `/`, fits `pattern` as a whole.
///
/// Works in time proportional to the product of the lengths, whatever the pattern.
pub fn matches(pattern: &str, path: &str) -> bool {
    let pattern: Vec<&str> = pattern.split('/').collect();
    let path: Vec<&str> = path.split('/').collect();
    fits(
        &pattern,
        &path,
        |part| *part == "**",
        |part, name| name_fits(part, name),
    )
}

fn name_fits(pattern: &str, name: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let name: Vec<char> = name.chars().collect();
    fits(
        &pattern,
        &name,
        |part| *part == '*',
        |part, letter| *part == '?' || part == letter,
    )
}

/// Matches items one by one; a wildcard takes any number of them.
fn fits<T>(
    pattern: &[T],
    items: &[T],
    is_wildcard: impl Fn(&T) -> bool,
    equal: impl Fn(&T, &T) -> bool,
) -> bool {
    // reached[i]: the pattern so far can end before items[i].
    let mut reached = vec![false; items.len() + 1];
    reached[0] = true;
    for part in pattern {
        if is_wildcard(part) {
            let first = reached
                .iter()
                .position(|reached| *reached)
                .unwrap_or(reached.len());
            reached[first..].fill(true);
        } else {
            for i in (0..items.len()).rev() {
                reached[i + 1] = reached[i] && equal(part, &items[i]);
            }
            reached[0] = false;
        }
    }
    reached[items.len()]
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn fits_as_a_whole() {
        for (pattern, path) in [
            ("prod/**", "prod/db.yaml"),
            ("prod/**", "prod/eu/db.yaml"),
            ("**/db.yaml", "db.yaml"),
            ("**/db.yaml", "a/b/db.yaml"),
            ("**", "anything/at/all"),
            ("*.yaml", "db.yaml"),
            ("a/*/c-?.yaml", "a/b/c-1.yaml"),
            ("a/**/z/**/end", "a/b/z/z/c/end"),
        ] {
            assert!(matches(pattern, path), "{pattern} {path}");
        }
        for (pattern, path) in [
            ("prod/**", "production/db.yaml"),
            ("prod/*", "prod/eu/db.yaml"),
            ("*.yaml", "prod/db.yaml"),
            ("*.yaml", "db.yml"),
            ("db", "db.yaml"),
            ("", "db.yaml"),
            ("c-?.yaml", "c-.yaml"),
        ] {
            assert!(!matches(pattern, path), "{pattern} {path}");
        }
    }

    #[test]
    fn hostile_patterns_end_soon() {
        let pattern = format!("{}b", "*a".repeat(200));
        assert!(!matches(&pattern, &"a".repeat(2000)));
        let pattern = format!("{}b", "**/a/".repeat(200));
        assert!(!matches(&pattern, &"a/".repeat(2000)));
    }
}
