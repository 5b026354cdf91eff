//! Length, depth and number are bounded, and so is the harm of one bad value.
use super::*;

#[test]
fn bounds_length_depth_and_number() {
    let long = vec![b'#'; MAX_MANIFEST_BYTES + 1];
    assert_eq!(
        Manifest::parse(&long).unwrap_err().to_string(),
        "line 1, column 1: the file is longer than 8388608 bytes"
    );
    for (file, reason) in [
        ("[".repeat(100_000), "recursion limit exceeded"),
        ("{\"a\":".repeat(100_000), "nested too deeply"),
        ("- ".repeat(100_000), "recursion limit exceeded"),
        (
            "---\n".repeat(20_000),
            "more than 10000 documents in one file",
        ),
        (
            "- a\n".repeat(600_000),
            "more than 500000 values in one document",
        ),
    ] {
        let error = Manifest::parse(file.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
}

#[test]
fn follows_no_alias_however_many_there_are() {
    let mut file = String::from("a: &a [x, x]\n");
    for (outer, inner) in ('b'..='z').zip('a'..='y') {
        file.push_str(
            &[
                "",
                &outer.to_string(),
                ": &",
                &outer.to_string(),
                " [",
                &format!("*{inner},").repeat(20),
                "]\n",
            ]
            .concat(),
        );
    }
    assert!(
        Manifest::parse(file.as_bytes())
            .unwrap()
            .secrets()
            .is_empty()
    );
}

#[test]
fn a_refused_value_leaves_its_neighbors_alone() {
    let file = format!("{HEAD}stringData:\n  a: &x canary\n  b: *x\n  c: fine\n");
    let manifest = Manifest::parse(file.as_bytes()).unwrap();
    let [a, b, c] = manifest.secrets()[0].fields() else {
        panic!()
    };
    let mut edits = manifest.edits();
    let word = EditValue::word("w").unwrap();
    assert!(matches!(
        edits
            .replace(a, word.clone())
            .unwrap_err()
            .manifest()
            .unwrap()
            .fault(),
        Fault::Anchor { .. }
    ));
    assert!(matches!(
        edits
            .replace(b, word.clone())
            .unwrap_err()
            .manifest()
            .unwrap()
            .fault(),
        Fault::Alias { .. }
    ));
    assert!(edits.is_empty());
    edits.replace(c, word).unwrap();
    assert_eq!(edits.apply().unwrap(), file.replace("fine", "w").as_bytes());
}

#[test]
fn reports_thousands_of_refused_values() {
    let members = (0..5000)
        .map(|index| format!("\"k{index}\":1,"))
        .collect::<Vec<_>>()
        .concat();
    let file = format!(
        "{{\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"stringData\":{{{members}\"last\":\"\"}}}}"
    );
    let manifest = Manifest::parse(file.as_bytes()).unwrap();
    let errors: Vec<_> = manifest.secrets()[0]
        .fields()
        .iter()
        .filter_map(|field| field.value().err())
        .collect();
    assert_eq!(errors.len(), 5000);
    // The first ones show their place, all of them name it.
    assert!(errors[0].render().contains('^') && !errors[4999].render().contains('^'));
    assert!(
        errors[4999]
            .to_string()
            .ends_with("field `stringData/k4999` must be a string, but reads as a number")
    );
}
