//! Writing a key card: the public key, and what the key manager says of it.
use jwe_envelope::key_card::CardPlaces;
use jwe_envelope::{CardKey, KeyCard, RecipientKey};

use crate::failure::Failure;

/// What a new card says beside the key itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct Note<'a> {
    /// What people call the key.
    pub name: &'a str,
    /// Namespaces that it is meant for.
    pub namespaces: &'a [String],
    /// Clusters that it serves.
    pub clusters: &'a [String],
}

/// The text of a card with this one key.
///
/// # Errors
/// Exit 2 when the result would be no valid card: a name that is too long, say.
pub fn write(key: &RecipientKey, note: Note<'_>) -> Result<String, Failure> {
    let places = CardPlaces {
        clusters: note.clusters.to_vec(),
        namespaces: note.namespaces.to_vec(),
    };
    let key = CardKey {
        name: Some(note.name.to_owned()),
        places,
        ..CardKey::new(key.clone())
    };
    let card = KeyCard::new(vec![key]).map_err(|error| {
        Failure::usage(anyhow::Error::new(error).context("the key card would not be valid"))
            .hint("a name is of letters, digits, `-`, `_` and `.`, such as --name payments")
    })?;
    Ok(card.to_json_pretty())
}

/// A name for a card, made of the name of a file.
pub fn name_from(file: &str) -> String {
    let legal = |letter: char| {
        letter.is_ascii_lowercase() || letter.is_ascii_digit() || "-.".contains(letter)
    };
    let name: String = file
        .to_lowercase()
        .chars()
        .map(|letter| if legal(letter) { letter } else { '-' })
        .take(63)
        .collect();
    let name = name.trim_matches(['-', '.']);
    if name.is_empty() {
        "key".to_owned()
    } else {
        name.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::name_from;

    #[test]
    fn any_file_gives_a_name() {
        for (file, name) in [
            ("payments", "payments"),
            ("My Key", "my-key"),
            ("", "key"),
            ("ключ", "key"),
            ("a_b.c", "a-b.c"),
        ] {
            assert_eq!(name_from(file), name);
        }
    }
}
