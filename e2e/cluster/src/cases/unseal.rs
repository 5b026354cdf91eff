//! Who may have values opened: a right of its own. `creator` has every verb on core Secrets and not this one.
use anyhow::{Result, ensure};
use serde_json::json;

use crate::lab::{Lab, eventually};
use crate::sealing::{annotated, assert_value, b64, secret};

const REASON: &str = "may not have values opened";

/// Neither the plaintext in an answer nor the ciphertext in a store, whichever way it is sent.
pub fn who_may_not_gets_neither_plaintext_nor_ciphertext_stored(lab: &Lab) -> Result<()> {
    let ns = lab.namespace("guard")?;
    let text = lab.key.seal(&format!("{ns}/db/password"), b"canary-tiger");
    let creator = lab.api("creator")?;
    let field = secret(&ns, "db", &[("password", &text)]);
    let annotation = annotated(&ns, "db", &[("password", &text)]);
    let mut answers = Vec::new();
    for sealed in [&field, &annotation] {
        answers.push(creator.create(sealed)?.refused(REASON)?);
        answers.push(creator.create_dry(sealed)?.refused(REASON)?);
        answers.push(creator.apply(sealed, "e2e", "")?.refused(REASON)?);
        answers.push(
            creator
                .apply(sealed, "e2e", "&dryRun=All")?
                .refused(REASON)?,
        );
        lab.kubectl("creator")
            .fails(&["apply", "-f", "-"], &sealed.to_string(), REASON)?;
        lab.kubectl("creator").fails(
            &["apply", "--server-side", "-f", "-"],
            &sealed.to_string(),
            REASON,
        )?;
        ensure!(creator.secret(&ns, "db").is_err(), "something was stored");
    }
    // stringData is data by the time anyone is asked.
    let string_data = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "namespace": ns, "name": "db" }, "stringData": { "password": text } });
    answers.push(creator.create(&string_data)?.refused(REASON)?);
    // A name that the server makes, for an envelope that allows it.
    let pattern = jwe_envelope::Binding::namespace(&ns)?
        .with_name("db-*")?
        .with_key("password")?;
    let open_name = lab.key.seal_bound(&pattern, b"canary-tiger");
    let generated = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "namespace": ns, "generateName": "db-" }, "data": { "password": b64(&open_name) } });
    answers.push(creator.create(&generated)?.refused(REASON)?);
    let made = lab.api("deployer")?.create(&generated)?.accepted()?;
    assert_value(&made, "password", "canary-tiger")?;

    // Into a Secret that is there already.
    creator
        .create(&secret(&ns, "db", &[("password", "plain")]))?
        .accepted()?;
    answers.push(
        creator
            .patch(&ns, "db", &json!({ "data": { "password": b64(&text) } }))?
            .refused(REASON)?,
    );
    answers.push(
        creator
            .patch(&ns, "db", &json!({ "stringData": { "password": text } }))?
            .refused(REASON)?,
    );
    answers.push(
        creator
            .json_patch(
                &ns,
                "db",
                &json!([{ "op": "add", "path": "/data/more", "value": b64(&text) }]),
            )?
            .refused(REASON)?,
    );
    answers.push(creator.replace(&field)?.refused(REASON)?);
    answers.push(
        creator
            .patch(
                &ns,
                "db",
                &json!({ "metadata": { "annotations": { "privyseal.dev/data.password": text } } }),
            )?
            .refused(REASON)?,
    );
    for answer in answers {
        let body = answer.body.to_string();
        ensure!(
            !body.contains("canary-tiger") && !body.contains(&b64("canary-tiger")),
            "the answer holds the value: {body}"
        );
    }
    assert_value(&creator.secret(&ns, "db")?, "password", "plain")?;
    // The right itself is what is missing, nothing else.
    lab.bind(&ns, "creator", "e2e-unseal")?;
    eventually(
        "the right arrives",
        std::time::Duration::from_secs(30),
        || {
            assert_value(
                &creator.replace(&field)?.accepted()?,
                "password",
                "canary-tiger",
            )
        },
    )
}

/// The right is asked for by namespace: here is not there.
pub fn the_right_holds_in_its_namespace_alone(lab: &Lab) -> Result<()> {
    let (mine, other) = (lab.namespace("mine")?, lab.namespace("other")?);
    // A stranger with the right in one namespace and all other rights in both.
    lab.bind(&mine, "bob", "e2e-secrets")?;
    lab.bind(&mine, "bob", "e2e-unseal")?;
    lab.bind(&other, "bob", "e2e-secrets")?;
    let bob = lab.api("bob")?;
    let sealed = |ns: &str| {
        secret(
            ns,
            "db",
            &[(
                "password",
                &lab.key.seal(&format!("{ns}/db/password"), b"x"),
            )],
        )
    };
    eventually(
        "bob's rights arrive",
        std::time::Duration::from_secs(30),
        || {
            bob.get(&format!("/api/v1/namespaces/{other}/secrets"))?
                .accepted()?;
            bob.create_dry(&sealed(&mine))?.accepted().map(drop)
        },
    )?;
    bob.create(&sealed(&other))?.refused(REASON)?;
    Ok(())
}

/// Anyone who plants a sealed value for someone else's change to open, is refused at the planting.
pub fn planted_values_are_refused(lab: &Lab) -> Result<()> {
    let ns = lab.namespace("plant")?;
    let creator = lab.api("creator")?;
    let text = lab.key.seal(&format!("{ns}/db/password"), b"tiger");

    // By the list of fields to leave: an administrator's restore or copy would open it. Nor may the list of a live Secret be
    // changed in any way; matrix.rs has the attacks that need more than one step, and the other forms.
    let mut left = secret(&ns, "db", &[("password", &text)]);
    left["metadata"]["annotations"] = json!({ "privyseal.dev/leave": "password" });
    creator.create(&left)?.refused(REASON)?;
    let dead = lab.dead.seal(&format!("{ns}/db/password"), b"tiger");
    left["data"]["password"] = json!(b64(&dead));
    creator.create(&left)?.refused(REASON)?;
    lab.api("deployer")?.create(&left)?.accepted()?;
    for patch in [
        json!({ "metadata": { "annotations": { "privyseal.dev/leave": null } } }),
        json!({ "metadata": { "annotations": { "privyseal.dev/leave": "other" } } }),
        json!({ "metadata": { "annotations": { "privyseal.dev/leave": "password,other" } } }),
        json!({ "metadata": { "annotations": { "privyseal.dev/leave": " password" } } }),
        json!({ "metadata": { "annotations": null } }),
    ] {
        creator
            .patch(&ns, "db", &patch)?
            .refused("may not change it")?;
    }
    // Its labels remain anyone's who may change Secrets, and no one's change opens it.
    for (user, value) in [("creator", "b"), ("deployer", "c")] {
        let stored = lab
            .api(user)?
            .patch(
                &ns,
                "db",
                &json!({ "metadata": { "labels": { "a": value } } }),
            )?
            .accepted()?;
        assert_value(&stored, "password", &dead)?;
    }

    // By an annotation, with and without a value beside it.
    creator
        .create(&annotated(&ns, "db2", &[("password", &text)]))?
        .refused(REASON)?;
    let mut both = annotated(&ns, "db2", &[("password", &text)]);
    both["data"] = json!({ "password": b64("x") });
    creator.create(&both)?.refused(REASON)?;
    creator
        .create(&secret(&ns, "db2", &[("password", "x")]))?
        .accepted()?;
    let plant = json!({ "metadata": { "annotations": { "privyseal.dev/data.password": text } } });
    creator.patch(&ns, "db2", &plant)?.refused(REASON)?;
    let stored = lab
        .api("deployer")?
        .patch(
            &ns,
            "db2",
            &json!({ "metadata": { "labels": { "a": "c" } } }),
        )?
        .accepted()?;
    assert_value(&stored, "password", "x")?;

    // By so many fields or annotations that no one would search them.
    let mut many = secret(&ns, "db3", &[("password", &text)]);
    for n in 0..2000 {
        many["data"][format!("k{n}")] = json!("");
    }
    creator.create(&many)?.refused("more than 2,000 fields")?;
    let mut many = annotated(&ns, "db3", &[("password", &text)]);
    for n in 0..1000 {
        many["metadata"]["annotations"][format!("k{n}")] = json!("");
    }
    creator
        .create(&many)?
        .refused("more than 1,000 annotations")?;

    // In a namespace that the webhook is never called for.
    lab.bind("kube-system", "creator", "e2e-secrets")?;
    eventually(
        "the right arrives",
        std::time::Duration::from_secs(30),
        || {
            creator
                .get("/api/v1/namespaces/kube-system/secrets")?
                .accepted()
                .map(drop)
        },
    )?;
    creator
        .create(&secret("kube-system", "db", &[("password", &text)]))?
        .refused(REASON)?;
    lab.api("admin")?
        .create(&secret("kube-system", "db", &[("password", &text)]))?
        .refused("is not called in namespace kube-system")?;
    Ok(())
}

/// A cluster administrator as himself holds the right by `*` on everything; what he opens, he opens by name.
pub fn a_wildcard_over_all_groups_holds_the_right(lab: &Lab) -> Result<()> {
    let ns = lab.namespace("wildcard")?;
    let sealed = secret(
        &ns,
        "db",
        &[(
            "password",
            &lab.key.seal(&format!("{ns}/db/password"), b"x"),
        )],
    );
    let stored = lab.api("cluster-admin")?.create(&sealed)?.accepted()?;
    assert_value(&stored, "password", "x")?;
    let line = lab.reviews(&ns)?.pop().unwrap_or_default();
    ensure!(line["user"] == "cluster-admin", "{line}");
    Ok(())
}
