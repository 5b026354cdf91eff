//! Any bytes as a manifest: replacing every field that can be read changes those fields only.
#![no_main]

use libfuzzer_sys::fuzz_target;
use secret_walker::{EditValue, Fault, Manifest, WalkError};

fuzz_target!(|bytes: &[u8]| {
    let Ok(manifest) = Manifest::parse(bytes) else { return };
    let mut edits = manifest.edits();
    assert!(edits.is_empty());
    for field in manifest.secrets().iter().flat_map(|secret| secret.fields()) {
        drop(field.value());
        // A field that cannot be replaced is refused here, with its place, never guessed at.
        let _ = edits.replace(field, EditValue::base64(b"eyJhbGciOiJub25lIn0"));
    }
    // `apply` reads its own result again and compares; a difference would be our mistake.
    match edits.apply() {
        Ok(edited) => {
            let again = Manifest::parse(&edited).expect("an edited manifest is still one");
            assert_eq!(again.secrets().len(), manifest.secrets().len());
        }
        Err(WalkError::Manifest(error)) => assert!(!matches!(error.fault(), Fault::Internal { .. }), "{error}"),
        Err(_) => {}
    }
});
