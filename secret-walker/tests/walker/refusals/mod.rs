//! What is refused, with the exact text that people see. A value is `canary` throughout and is never shown.

mod bounds;
mod edits;
mod guesses;
mod syntax;

use secret_walker::{
    EditValue, Fault, FieldPath, MAX_MANIFEST_BYTES, Manifest, ManifestSecret, Section, WalkError,
};

const HEAD: &str = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: db\n";

/// The error of the file, or else of its first field that has one.
fn refusal(file: &str) -> WalkError {
    match Manifest::parse(file.as_bytes()) {
        Err(error) => error,
        Ok(manifest) => {
            let mut fields = manifest.secrets().iter().flat_map(ManifestSecret::fields);
            fields
                .find_map(|field| field.value().err())
                .expect("something is refused")
        }
    }
}

fn assert_refused(tail: &str, rendered: &str) {
    assert_file_refused(&format!("{HEAD}{tail}"), rendered);
}

fn assert_file_refused(file: &str, rendered: &str) {
    let error = refusal(file);
    assert_eq!(error.render(), rendered, "{file:?}");
    let shown = format!("{error} {error:?} {}", error.render());
    assert!(!shown.contains("canary"), "{shown}");
}
