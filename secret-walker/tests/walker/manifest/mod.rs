//! Manifests: what is found in them, and what an edit leaves behind.

mod moving;
mod reading;
mod replacing;

use secret_walker::{EditValue, FieldPath, Manifest, Section, WalkError};

/// A word such as edits write.
const NEW: &str = "eyJlbmMi.a.b.c-_.d";

const HEAD: &str = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: db\n";

fn word(text: &str) -> EditValue {
    EditValue::word(text).unwrap()
}

fn parse(file: &str) -> Manifest<'_> {
    Manifest::parse(file.as_bytes())
        .unwrap_or_else(|error| panic!("{}\nin\n{file}", error.render()))
}

/// Replaces the first field of the first Secret.
fn replaced(file: &str) -> String {
    replaced_by(file, NEW)
}

fn replaced_by(file: &str, text: &str) -> String {
    let manifest = parse(file);
    let mut edits = manifest.edits();
    edits
        .replace(&manifest.secrets()[0].fields()[0], word(text))
        .unwrap();
    apply(file, edits.apply())
}

/// Inserts one field into the first Secret.
fn inserted(file: &str, section: Section, key: &str) -> String {
    let manifest = parse(file);
    let mut edits = manifest.edits();
    edits
        .insert_field(&manifest.secrets()[0], section, key, word(NEW))
        .unwrap();
    apply(file, edits.apply())
}

/// Removes fields of the first Secret by path.
fn removed(file: &str, paths: &[&str]) -> String {
    let manifest = parse(file);
    let mut edits = manifest.edits();
    for path in paths {
        let path: FieldPath = path.parse().unwrap();
        edits
            .remove_field(manifest.secrets()[0].field(&path).unwrap())
            .unwrap();
    }
    apply(file, edits.apply())
}

fn apply(file: &str, result: Result<Vec<u8>, WalkError>) -> String {
    String::from_utf8(result.unwrap_or_else(|error| panic!("{}\nin\n{file}", error.render())))
        .unwrap()
}

/// The text of the first field of the first Secret.
fn first_text(file: &str) -> String {
    parse(file).secrets()[0].fields()[0]
        .text()
        .unwrap_or_else(|error| panic!("{}", error.render()))
        .to_owned()
}
