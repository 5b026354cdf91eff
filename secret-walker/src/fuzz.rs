//! Entry points for fuzzers and property tests: any bytes go in, and a broken promise is a panic.

use crate::{AdmittedSecret, FieldPath, PatchBuilder};

/// Walks the JSON of a Secret as the webhook does and patches every field of `data`.
///
/// # Panics
/// When the walker breaks a promise.
pub fn walk_secret(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let Ok(secret) = AdmittedSecret::from_json(text) else {
        return;
    };
    let mut patch = PatchBuilder::new();
    for entry in secret.data() {
        assert!(
            secret.get(entry.key) == Some(entry),
            "an entry is found by its key"
        );
        let mut head = [0; 4];
        let filled = entry.decode_head(&mut head);
        if let Ok(decoded) = entry.decode() {
            assert_eq!(
                decoded.len(),
                entry.decoded_len(),
                "the length is known before decoding"
            );
            assert!(
                decoded.starts_with(&head[..filled]) && entry.starts_with(&decoded),
                "the head is that of the value"
            );
        }
        patch
            .replace(&FieldPath::data(entry.key), b"plaintext")
            .expect("keys are distinct");
    }
    let patch = patch.finish();
    assert_eq!(patch.paths().len(), secret.data().len());
    let decoded = crate::decode(&patch.to_base64()).expect("base64 of our own making");
    assert_eq!(decoded, patch.expose());
}

/// Reads a manifest, then replaces, removes and inserts fields wherever that is not refused.
///
/// # Panics
/// When the walker breaks a promise.
#[cfg(feature = "manifest")]
pub fn edit_manifest(bytes: &[u8]) {
    use crate::{EditValue, Manifest, Section};

    let manifest = match Manifest::parse(bytes) {
        Ok(manifest) => manifest,
        Err(error) => {
            assert!(!error.render().is_empty());
            return;
        }
    };
    assert_eq!(
        manifest.edits().apply().as_deref(),
        Ok(bytes),
        "no edits, no change"
    );
    let word = || EditValue::word("eyJlbmMi.a.b.c.d").expect("one word");
    let mut all = manifest.edits();
    for secret in manifest.secrets() {
        for field in secret.fields() {
            let _ = field.value().map_err(|error| error.render());
            let _ = all.replace(field, word());
            let mut one = manifest.edits();
            if one.remove_field(field).is_ok() {
                check(bytes, secret.fields().len(), one.apply().as_deref());
            }
        }
        for section in [Section::Data, Section::StringData] {
            let mut one = manifest.edits();
            if one
                .insert_field(secret, section, "inserted-key", word())
                .is_ok()
            {
                check(bytes, secret.fields().len(), one.apply().as_deref());
            }
        }
    }
    check(bytes, 0, all.apply().as_deref());
}

/// An edit that was made gives a manifest again; one that was not made says why.
#[cfg(feature = "manifest")]
fn check(before: &[u8], fields: usize, after: Result<&[u8], &crate::WalkError>) {
    match after {
        Ok(after) => assert!(
            fields == 0 || after != before,
            "an insertion or removal changes the file"
        ),
        Err(error) => assert!(error.manifest().is_some()),
    }
}
