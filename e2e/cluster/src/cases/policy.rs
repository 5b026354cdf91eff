//! What the webhook's own configuration adds: who may submit, rules of namespaces, the second check of the right.
use std::time::Duration;

use anyhow::{Result, ensure};
use jwe_envelope::{Envelope, LocalSigner};
use serde_json::{Value, json};

use crate::lab::{Lab, eventually};
use crate::sealing::{annotated, assert_value, b64, secret};

/// Runs `work` with further lines in the webhook's configuration.
fn configured(lab: &Lab, further: &str, work: impl FnOnce() -> Result<()>) -> Result<()> {
    let result = lab.reconfigure(further).and_then(|()| work());
    lab.reconfigure("")?;
    result
}

/// Users, by the name under which the API server knows them.
pub fn only_those_who_may_submit_are_served(lab: &Lab) -> Result<()> {
    let (ours, other) = (lab.namespace("submit")?, lab.namespace("submit")?);
    lab.bind(&ours, "creator", "e2e-unseal")?;
    lab.bind(&other, "creator", "e2e-unseal")?;
    let rules = format!(
        "policy:\n  namespaces:\n    - match: [{ours}]\n      submitters: [\"user:deployer\"]\n"
    );
    let sealed = |ns: &str, name: &str| {
        secret(
            ns,
            name,
            &[("f", &lab.key.seal(&format!("{ns}/{name}/f"), b"x"))],
        )
    };
    configured(lab, &rules, || {
        let creator = lab.api("creator")?;
        eventually("creator's right arrives", Duration::from_secs(30), || {
            creator
                .create_dry(&sealed(&other, "a"))?
                .accepted()
                .map(drop)
        })?;
        let refused = eventually(
            "and is there in our namespace",
            Duration::from_secs(30),
            || {
                creator
                    .create(&sealed(&ours, "a"))?
                    .refused("submitter-not-allowed")
            },
        )?;
        ensure!(
            refused.message().contains("creator"),
            "{}",
            refused.message()
        );
        assert_value(&creator.create(&sealed(&other, "a"))?.accepted()?, "f", "x")?;
        assert_value(&lab.accepts(&sealed(&ours, "a"))?, "f", "x")
    })
}

/// Without the condition in the registration, the webhook asks the API server itself.
pub fn the_right_is_checked_a_second_time(lab: &Lab) -> Result<()> {
    let ns = lab.namespace("second")?;
    let admin = lab.api("admin")?;
    let base = "/apis/rbac.authorization.k8s.io/v1";
    admin
        .post(
            &format!("{base}/clusterroles"),
            &json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": { "name": "e2e-reviews", "labels": { crate::lab::MARK: "yes" } },
                "rules": [{ "apiGroups": ["authorization.k8s.io"], "resources": ["subjectaccessreviews"], "verbs": ["create"] }] }),
        )?
        .accepted()?;
    admin
        .post(
            &format!("{base}/clusterrolebindings"),
            &json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": { "name": "e2e-reviews", "labels": { crate::lab::MARK: "yes" } },
                "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "e2e-reviews" },
                "subjects": [lab.webhook_subject()] }),
        )?
        .accepted()?;
    let registration = lab.rendered(&["--only", "registration"])?;
    let condition = "authorizer.group('privyseal.dev').resource('secrets').namespace(request.namespace).check('unseal').allowed()";
    let open_to_all = registration.replace(condition, "true");
    ensure!(open_to_all != registration, "the condition is not there");
    let further = format!(
        "kubeconfig: {}\nsubjectAccessReview: required\n",
        lab.kubeconfig("webhook").display()
    );
    let sealed = secret(
        &ns,
        "db",
        &[("f", &lab.key.seal(&format!("{ns}/db/f"), b"canary-second"))],
    );
    let creator = lab.api("creator")?;
    let result = configured(lab, &further, || {
        lab.kubectl("admin").apply_text(&open_to_all, &[])?;
        let refused = eventually("the webhook refuses", Duration::from_mins(1), || {
            creator.create_dry(&sealed)?.refused("denied the request: ")
        })
        .and_then(|answer| {
            ensure!(
                answer.message().contains("admission webhook"),
                "{}",
                answer.message()
            );
            Ok(answer)
        });
        let answer = match refused {
            Ok(answer) => answer,
            Err(error) => return Err(error),
        };
        ensure!(answer.message().contains("unseal"), "{}", answer.message());
        ensure!(
            !answer.body.to_string().contains("canary-second"),
            "the refusal holds the value"
        );
        assert_value(&lab.accepts(&sealed)?, "f", "canary-second")
    });
    lab.kubectl("admin").apply_text(&registration, &[])?;
    lab.wait_until_called()?;
    result
}

/// Anyone with the public key proposes a value; what a custodian signed is opened.
pub fn only_what_custodians_signed_is_opened(lab: &Lab) -> Result<()> {
    let (ours, other) = (lab.namespace("signed")?, lab.namespace("signed")?);
    let dba = LocalSigner::generate()?;
    std::fs::write(lab.folder.join("dba.pub.pem"), dba.public().to_pem())?;
    let rules = format!(
        "signers:\n  - name: dba\n    publicKey: dba.pub.pem\npolicy:\n  namespaces:\n    - match: [{ours}]\n      onlyFrom: [dba]\n"
    );
    let by_dba = |text: &str| -> Result<String> {
        let digest = Envelope::parse(text.as_bytes())?.digest();
        Ok(dba.sign_envelope(&digest, 1_800_000_000)?)
    };
    let with = |mut secret: Value, signature: &str| {
        secret["metadata"]["annotations"]["privyseal.dev/sig.f"] = json!(signature);
        secret
    };
    // A review elsewhere goes through last, so that no earlier line is still on its way.
    let asked = || -> Result<usize> {
        lab.reviews(&other)?;
        Ok(lab.webhook_log()?.matches(&format!("\"{ours}\"")).count())
    };
    configured(lab, &rules, || {
        let sealed = |name: &str| lab.key.seal(&format!("{ours}/{name}/f"), b"x");
        let (first, second) = (sealed("first"), sealed("second"));
        let in_field = secret(&ours, "first", &[("f", &first)]);
        let in_annotation = annotated(&ours, "second", &[("f", &second)]);
        lab.rejects(&in_field, "unsigned")?;
        lab.rejects(&in_annotation, "unsigned")?;
        lab.rejects(
            &with(in_field.clone(), &by_dba(&second)?),
            "wrong-signature",
        )?;
        let stored = lab.accepts(&with(in_field, &by_dba(&first)?))?;
        assert_value(&stored, "f", "x")?;
        let stored = lab.accepts(&with(in_annotation, &by_dba(&second)?))?;
        assert_value(&stored, "f", "x")?;
        // A signature that goes by itself changes nothing, and no one is asked.
        let before = asked()?;
        lab.kubectl("admin").ok(
            &[
                "-n",
                &ours,
                "annotate",
                "secret",
                "first",
                "second",
                "privyseal.dev/sig.f-",
            ],
            "",
        )?;
        ensure!(asked()? == before, "the webhook was asked");
        // No one's signature is asked for elsewhere.
        let elsewhere = lab.key.seal(&format!("{other}/db/f"), b"x");
        assert_value(
            &lab.accepts(&secret(&other, "db", &[("f", &elsewhere)]))?,
            "f",
            "x",
        )
    })
}

/// The sample in `examples/policies`: the API server itself asks for an annotation beside every field.
pub fn a_policy_of_the_api_server_can_ask_for_annotations(lab: &Lab) -> Result<()> {
    const SAMPLE: &str = include_str!("../../../../examples/policies/sealed-annotations.yaml");
    let (asked, other) = (lab.namespace("sample")?, lab.namespace("sample")?);
    let kubectl = lab.kubectl("admin");
    let admin = lab.api("admin")?;
    let plain = |ns: &str, name: &str| secret(ns, name, &[("f", "plain")]);
    admin.create(&plain(&asked, "before"))?.accepted()?;
    kubectl.apply_text(SAMPLE, &[])?;
    kubectl.ok(
        &["label", "namespace", &asked, "privyseal.dev/sealed=true"],
        "",
    )?;
    let result = (|| {
        let refused = eventually("the sample is in force", Duration::from_mins(1), || {
            admin
                .create_dry(&plain(&asked, "a"))?
                .refused("not sealed: f")
        })?;
        ensure!(
            refused.message().contains("privy seal"),
            "{}",
            refused.message()
        );
        admin.create(&plain(&other, "a"))?.accepted()?;
        let sealed = annotated(
            &asked,
            "a",
            &[("f", &lab.key.seal(&format!("{asked}/a/f"), b"x"))],
        );
        assert_value(&lab.accepts(&sealed)?, "f", "x")?;
        // What is stored stays usable, and may not be changed to something else that is plain.
        kubectl.ok(&["-n", &asked, "label", "secret", "before", "a=b"], "")?;
        let mut changed = admin.secret(&asked, "before")?;
        changed["data"]["f"] = json!(b64("another"));
        admin.replace(&changed)?.refused("not sealed: f")?;
        // Without any field there is nothing to ask for.
        admin.create(&secret(&asked, "empty", &[]))?.accepted()?;
        Ok(())
    })();
    kubectl.ok(&["delete", "-f", "-"], SAMPLE)?;
    result
}
