//! Any text as a Secret's JSON: what is read out can be patched, and the patch is JSON.
#![no_main]

use libfuzzer_sys::fuzz_target;
use secret_walker::{AdmittedSecret, FieldPath, PatchBuilder};

fuzz_target!(|text: &str| {
    let Ok(secret) = AdmittedSecret::from_json(text) else { return };
    let mut patch = PatchBuilder::new();
    for entry in secret.data() {
        let mut head = [0; 8];
        let filled = entry.decode_head(&mut head);
        if let Ok(value) = entry.decode() {
            assert!(value.len() <= entry.decoded_len(), "the length is promised before decoding");
            assert!(value.starts_with(&head[..filled]), "the head is the value's beginning");
            patch.replace(&FieldPath::data(entry.key), &value).expect("a key that was read can be written");
        }
    }
    let operations = patch.len();
    let patch = patch.finish();
    let json: serde_json::Value = serde_json::from_slice(patch.expose()).expect("a patch is JSON");
    assert_eq!(json.as_array().map(Vec::len), Some(operations));
});
