//! Edits that cannot be made safely.
use super::*;

#[test]
fn refuses_edits_that_contradict_each_other() {
    let file = format!("{HEAD}data:\n  a: eA==\n");
    let manifest = Manifest::parse(file.as_bytes()).unwrap();
    let secret = &manifest.secrets()[0];
    let word = || EditValue::word("w").unwrap();
    let mut edits = manifest.edits();
    edits.replace(&secret.fields()[0], word()).unwrap();
    for error in [
        edits.replace(&secret.fields()[0], word()).unwrap_err(),
        edits.remove_field(&secret.fields()[0]).unwrap_err(),
    ] {
        assert_eq!(
            error.to_string(),
            "line 6, column 6: field `data/a` is edited twice"
        );
    }
    let error = edits
        .insert_field(secret, Section::Data, "a", word())
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "line 6, column 6: field `data/a` is there already"
    );
    edits
        .insert_field(secret, Section::StringData, "a", word())
        .unwrap();
    let error = edits
        .insert_field(secret, Section::StringData, "a", word())
        .unwrap_err();
    assert_eq!(error.to_string(), "field `stringData/a` is edited twice");
    let error = edits
        .insert_field(secret, Section::Data, "a/b", word())
        .unwrap_err();
    assert!(matches!(error, WalkError::InvalidKey { .. }));
}

#[test]
fn refuses_fields_of_another_manifest() {
    let (one, other) = (
        format!("{HEAD}data: {{a: eA==}}\n"),
        format!("{HEAD}data: {{a: eA==}}\n"),
    );
    let one = Manifest::parse(one.as_bytes()).unwrap();
    let other = Manifest::parse(other.as_bytes()).unwrap();
    let mut edits = one.edits();
    let secret = &other.secrets()[0];
    let word = || EditValue::word("w").unwrap();
    for error in [
        edits
            .replace(secret.field(&FieldPath::data("a")).unwrap(), word())
            .unwrap_err(),
        edits.remove_field(&secret.fields()[0]).unwrap_err(),
        edits
            .insert_field(secret, Section::Data, "b", word())
            .unwrap_err(),
    ] {
        assert_eq!(error.to_string(), "the field belongs to another manifest");
    }
}

#[test]
fn refuses_texts_that_are_not_one_word() {
    for text in [
        "a b", "a\n", "a: b", "{a}", "'", "\"", "#", "é", "a,b", "*a", "&a", "%",
    ] {
        let error = EditValue::word(text).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the new text must be one word of letters, digits and `-_.+/=`"
        );
    }
}

#[test]
fn refuses_to_remove_what_shares_its_line() {
    let file = "apiVersion: v1\nkind: Secret\nstringData:\n  ? a\n  : canary\n  b: x\n";
    let manifest = Manifest::parse(file.as_bytes()).unwrap();
    let mut edits = manifest.edits();
    edits
        .remove_field(&manifest.secrets()[0].fields()[0])
        .unwrap();
    assert_eq!(
        edits.apply().unwrap_err().to_string(),
        "line 4, column 5: this place cannot be edited in place: other text precedes it on its line"
    );
}
