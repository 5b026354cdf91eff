//! Who may call the webhook: the API server, and no one else.
use std::time::Duration;

use anyhow::{Result, ensure};
use reqwest::blocking::Client;
use serde_json::{Value, json};

use crate::api;
use crate::lab::{Callers, Lab, eventually};
use crate::pki::Pair;
use crate::sealing::{assert_value, b64, secret};

const CANARY: &str = "canary-caller";
const THROUGH: &str = "/apis/admission.privyseal.dev/v1/secretreviews";

/// The review that the API server would send, for a sealed Secret of `namespace`.
fn review(lab: &Lab, namespace: &str) -> Value {
    let sealed = lab
        .key
        .seal(&format!("{namespace}/db/password"), CANARY.as_bytes());
    json!({ "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
        "uid": "11111111-2222-3333-4444-555555555555",
        "kind": { "group": "", "version": "v1", "kind": "Secret" },
        "resource": { "group": "", "version": "v1", "resource": "secrets" },
        "namespace": namespace, "name": "db", "operation": "CREATE",
        "userInfo": { "username": "system:apiserver", "groups": ["system:masters"] },
        "object": secret(namespace, "db", &[("password", &sealed)]), "oldObject": null, "dryRun": false } })
}

pub fn holds_the_value(text: &str) -> bool {
    text.contains(CANARY) || text.contains(&b64(CANARY)) || text.contains("\"patch\"")
}

/// Sends the review straight to the webhook. What comes back, or why nothing does.
pub fn direct(
    lab: &Lab,
    identity: Option<&Pair>,
    path: &str,
    headers: &[(&str, &str)],
) -> Result<(u16, String)> {
    direct_review(lab, identity, path, headers, &review(lab, "default"))
}

/// The same with another review.
pub fn direct_review(
    lab: &Lab,
    identity: Option<&Pair>,
    path: &str,
    headers: &[(&str, &str)],
    review: &Value,
) -> Result<(u16, String)> {
    let base = format!("https://localhost:{}", lab.webhook_port);
    let client: Client = api::client(
        &std::fs::read(&lab.webhook_authority.file)?,
        identity,
        &base,
    )?;
    let mut request = client
        .post(format!("{base}{path}?timeout=5s"))
        .header("Content-Type", "application/json");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    match request.body(review.to_string()).send() {
        Ok(response) => Ok((response.status().as_u16(), response.text()?)),
        // The handshake was refused.
        Err(error) => Ok((0, format!("{error:?}"))),
    }
}

fn gets_nothing(who: &str, answer: &(u16, String)) -> Result<()> {
    ensure!(
        answer.0 != 200 && !holds_the_value(&answer.1),
        "{who} got {}: {}",
        answer.0,
        api::cut(&answer.1)
    );
    Ok(())
}

/// With client certificates: that of the API server opens, no other does.
pub fn only_the_api_server_s_certificate_opens(lab: &Lab) -> Result<()> {
    let own = lab.own("a client certificate in the API server's configuration")?;
    let stranger = lab.webhook_authority.client("stranger", &[])?;
    let cluster_admin = own.authority.client("direct-admin", &["system:masters"])?;
    let impostor = own
        .authority
        .client_in("impostor", "kube-apiserver-webhooks")?;
    for (who, identity) in [
        ("somebody without a certificate", None),
        ("a name that is not allowed", Some(&stranger)),
        (
            "a cluster administrator's certificate",
            Some(&cluster_admin),
        ),
        ("the right name of another authority", Some(&impostor)),
        ("the front proxy", Some(&own.front_proxy)),
    ] {
        for path in ["/mutate", THROUGH, "/must-be-sealed"] {
            gets_nothing(
                who,
                &direct(
                    lab,
                    identity,
                    path,
                    &[
                        ("X-Remote-User", "system:apiserver"),
                        ("X-Remote-Group", "system:masters"),
                    ],
                )?,
            )?;
        }
    }
    // The same request with the right certificate: it was not the request that was wrong.
    let answer = direct(lab, Some(&own.caller), "/mutate", &[])?;
    ensure!(answer.0 == 200 && holds_the_value(&answer.1), "{answer:?}");
    Ok(())
}

/// Through the aggregation layer: the front proxy in the API server's own name opens, no one else does.
pub fn only_the_api_server_s_own_call_opens(lab: &Lab) -> Result<()> {
    let own = lab.own("the front proxy's private key")?;
    let cluster_admin = own.authority.client("direct-admin", &["system:masters"])?;
    let as_server: &[(&str, &str)] = &[
        ("X-Remote-User", "system:apiserver"),
        ("X-Remote-Group", "system:masters"),
        ("X-Remote-Uid", "u"),
    ];
    for (who, identity) in [
        ("a cluster administrator's certificate", &cluster_admin),
        ("the certificate for webhooks", &own.caller),
    ] {
        for path in ["/mutate", THROUGH] {
            gets_nothing(who, &direct(lab, Some(identity), path, as_server)?)?;
        }
    }
    for headers in [
        &[][..],
        &[("X-Remote-User", "bob")],
        &[
            ("X-Remote-User", "admin"),
            ("X-Remote-Group", "system:masters"),
        ],
        &[("X-Remote-User", "system:apiserver")],
        &[
            ("X-Remote-User", "system:apiserver"),
            ("X-Remote-Group", "system:authenticated"),
        ],
        &[
            ("X-Remote-User", "system:apiserver"),
            ("X-Remote-User", "bob"),
            ("X-Remote-Group", "system:masters"),
            ("X-Remote-Uid", "u"),
        ],
    ] {
        gets_nothing(
            "another identity",
            &direct(lab, Some(&own.front_proxy), THROUGH, headers)?,
        )?;
    }
    let answer = direct(lab, Some(&own.front_proxy), THROUGH, as_server)?;
    ensure!(answer.0 == 200 && holds_the_value(&answer.1), "{answer:?}");
    Ok(())
}

/// Without the front proxy's certificate, its headers are worth nothing. And people with their rights, cluster administrators
/// among them, get nothing through the API server.
pub fn people_get_nothing_directly_or_through_the_api_server(lab: &Lab) -> Result<()> {
    let stranger = lab.webhook_authority.client("stranger", &[])?;
    for (who, identity) in [
        ("somebody without a certificate", None),
        ("another authority's client", Some(&stranger)),
    ] {
        for path in ["/mutate", THROUGH] {
            let headers = [
                ("X-Remote-User", "system:apiserver"),
                ("X-Remote-Group", "system:masters"),
                ("X-Remote-Uid", "u"),
            ];
            gets_nothing(who, &direct(lab, identity, path, &headers)?)?;
        }
    }
    let review = review(lab, "default");
    for user in ["bob", "deployer", "creator", "cluster-admin", "admin"] {
        let answer = lab.api(user)?.post(THROUGH, &review)?;
        ensure!(
            answer.status >= 400 && !holds_the_value(&answer.body.to_string()),
            "{user}: {} {}",
            answer.status,
            answer.body
        );
    }
    Ok(())
}

/// Anyone who may impersonate the API server is root and gets through. The API server's audit log shows it, and so does
/// `privy doctor`.
pub fn who_may_act_as_the_api_server_gets_through_and_is_seen(lab: &Lab) -> Result<()> {
    lab.own("the API server's own audit log")?;
    let review = review(lab, "default");
    let half = lab.api("impersonator")?.acting_as("system:apiserver", &[]);
    let answer = half.post(THROUGH, &review)?;
    ensure!(
        answer.status >= 400 && !holds_the_value(&answer.body.to_string()),
        "without the group: {}",
        answer.body
    );
    // With a uid beside user and group, nothing tells it from the API server's own call.
    let acting = lab
        .api("admin")?
        .acting_as("system:apiserver", &["system:masters"])
        .with_header("Impersonate-Uid", "u");
    let answer = acting.post(THROUGH, &review)?;
    ensure!(
        answer.status == 200 || answer.status == 201,
        "{}: {}",
        answer.status,
        answer.body
    );
    ensure!(holds_the_value(&answer.body.to_string()), "{}", answer.body);
    let event = lab
        .audit_log()?
        .lines()
        .filter(|line| line.contains(THROUGH) && line.contains("impersonatedUser"))
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .find(|event| {
            event["impersonatedUser"]["username"] == "system:apiserver"
                && event["user"]["username"] == "admin"
        })
        .unwrap_or_default();
    ensure!(
        event["responseStatus"]["code"]
            .as_u64()
            .is_some_and(|code| code < 300),
        "{event}"
    );
    // Without a uid, as soon as the API server itself has shown that it sends one, it is told apart.
    let plain = lab
        .api("impersonator")?
        .acting_as("system:apiserver", &["system:masters"]);
    let answer = plain.post(THROUGH, &review)?;
    println!(
        "    impersonation without a uid is answered with {}",
        answer.status
    );
    Ok(())
}

/// The group's discovery and OpenAPI are healthy: nothing that walks over all resources stumbles.
pub fn discovery_is_healthy(lab: &Lab) -> Result<()> {
    let kubectl = lab.kubectl("admin");
    let resources = kubectl.ok(
        &[
            "api-resources",
            "--api-group=admission.privyseal.dev",
            "--no-headers",
        ],
        "",
    )?;
    ensure!(resources.contains("secretreviews"), "{resources}");
    // The namespace controller asks for whatever can be listed or deleted: there is nothing of ours.
    for verbs in ["list", "delete", "deletecollection", "watch"] {
        let listed = kubectl.ok(&["api-resources", "--verbs", verbs, "-o", "name"], "")?;
        ensure!(!listed.contains("privyseal"), "{verbs}: {listed}");
    }
    let service = lab
        .api("admin")?
        .get("/apis/apiregistration.k8s.io/v1/apiservices/v1.admission.privyseal.dev")?
        .accepted()?;
    ensure!(
        service["status"]["conditions"][0]["status"] == "True",
        "{service}"
    );
    for path in [
        "/openapi/v2",
        "/openapi/v3",
        "/apis/admission.privyseal.dev/v1",
        "/apis/admission.privyseal.dev",
    ] {
        let answer = lab.api("admin")?.get(path)?;
        ensure!(answer.status == 200, "{path}: {}", answer.status);
    }
    Ok(())
}

/// A total outage in this mode: discovery of this one group fails, what stores plain Secrets does not, and all is
/// well again by itself. How long that took is printed, for docs/operators.md.
pub fn a_total_outage_passes(lab: &Lab) -> Result<()> {
    let admin = lab.api("admin")?;
    let available = || -> Result<()> {
        let service = admin
            .get("/apis/apiregistration.k8s.io/v1/apiservices/v1.admission.privyseal.dev")?
            .accepted()?;
        ensure!(
            service["status"]["conditions"][0]["status"] == "True",
            "not available"
        );
        Ok(())
    };
    lab.stop_webhook();
    let down = eventually(
        "the APIService is seen to be down",
        Duration::from_mins(2),
        || {
            ensure!(available().is_err(), "still available");
            Ok(())
        },
    );
    // Without what kubectl remembers of better days.
    let fresh = lab.folder.join("cache-total").display().to_string();
    let printed = lab
        .kubectl("admin")
        .run(&["--cache-dir", &fresh, "api-resources"], "")?;
    let plain = lab.namespace("total").and_then(|ns| {
        admin
            .create(&secret(&ns, "plain", &[("a", "b")]))?
            .accepted()
    });
    let begun = std::time::Instant::now();
    lab.start_webhook()?;
    eventually("the APIService is back", Duration::from_mins(2), available)?;
    lab.wait_until_called()?;
    println!(
        "    discovery while down: exit {}, {}",
        printed.code,
        printed.err.trim().lines().last().unwrap_or("no error")
    );
    println!(
        "    back {:.1} s after the webhook",
        begun.elapsed().as_secs_f32()
    );
    down?;
    plain.map(drop)
}

/// Plain values are refused where everything must be sealed; what is stored, and what the cluster writes, is not.
pub fn plain_values_are_refused_where_all_must_be_sealed(lab: &Lab) -> Result<()> {
    let ns = lab.namespace("must")?;
    let api = lab.api("deployer")?;
    let stored = secret(&ns, "before", &[("a", "b")]);
    api.create(&stored)?.accepted()?;
    let words = match lab.callers {
        Callers::Aggregated => "every value must be",
        Callers::Mtls | Callers::Loopback => "not sealed",
    };
    lab.kubectl("admin").apply_text(
        &lab.rendered(&["--only", "registration", "--must-be-sealed", &ns])?,
        &[],
    )?;
    let check = || -> Result<()> {
        let plain = secret(&ns, "plain", &[("a", "b")]);
        eventually("plain values are refused", Duration::from_mins(1), || {
            api.create_dry(&plain)?.refused(words).map(drop)
        })?;
        api.create(&plain)?.refused("data/a")?;
        api.create(&secret(
            &ns,
            "token",
            &[("a", "eyJhbGciOiJSUzI1NiJ9.e30.c2ln")],
        ))?
        .refused(words)?;
        let sealed = secret(
            &ns,
            "sealed",
            &[("a", &lab.key.seal(&format!("{ns}/sealed/a"), b"x"))],
        );
        assert_value(&api.create(&sealed)?.accepted()?, "a", "x")?;
        api.apply(&sealed, "e2e", "&force=true")?.accepted()?;
        let note = crate::sealing::annotated(
            &ns,
            "note",
            &[("a", &lab.key.seal(&format!("{ns}/note/a"), b"x"))],
        );
        assert_value(&api.create(&note)?.accepted()?, "a", "x")?;
        api.patch(
            &ns,
            "before",
            &json!({ "metadata": { "labels": { "x": "y" } } }),
        )?
        .accepted()?;
        api.patch(&ns, "before", &json!({ "stringData": { "a": "c" } }))?
            .refused(words)?;
        // A type is anyone's to write, and so is a text that looks sealed.
        for kind in [
            "kubernetes.io/service-account-token",
            "bootstrap.kubernetes.io/token",
            "helm.sh/release.v1",
        ] {
            let typed = json!({ "apiVersion": "v1", "kind": "Secret", "type": kind,
                "metadata": { "namespace": ns, "name": "typed", "annotations": { "kubernetes.io/service-account.name": "app" } },
                "data": { "token": b64("x") } });
            api.create(&typed)?.refused(words)?;
        }
        for plain in [
            "eyJraWQiOiJhIiwiZW5jIjoiQTI1NkdDTSJ9.a2V5.aXY.aHVudGVyMg.dGFn",
            r#"{"ciphertext":"aHVudGVyMg","protected":"e30"}"#,
        ] {
            api.create(&secret(&ns, "typed", &[("token", plain)]))?
                .refused(words)?;
        }
        // Helm's own record, by all that it is.
        let release = json!({ "apiVersion": "v1", "kind": "Secret", "type": "helm.sh/release.v1",
            "metadata": { "namespace": ns, "name": "sh.helm.release.v1.shop.v1" },
            "data": { "release": b64("H4sIAAAAAAAC/6tWKkpNTFaqBQBGWDb9CwAAAA==") } });
        api.create(&release)?.accepted()?;
        // What the cluster itself writes: a token that it fills in.
        let token = json!({ "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/service-account-token",
            "metadata": { "namespace": ns, "name": "sa", "annotations": { "kubernetes.io/service-account.name": "app" } } });
        lab.api("admin")?.create(&token)?.accepted()?;
        let controller = lab.api("admin")?.acting_as(
            "system:serviceaccount:kube-system:some-controller",
            &["system:masters"],
        );
        controller
            .create(&secret(&ns, "made", &[("a", "b")]))?
            .accepted()?;
        controller
            .patch(
                &ns,
                "sa",
                &json!({ "data": { "token": b64("eyJhbGciOiJSUzI1NiJ9.e30.c2ln") } }),
            )?
            .accepted()?;
        // Other namespaces are as they were.
        let other = lab.namespace("free")?;
        api.create(&secret(&other, "plain", &[("a", "b")]))?
            .accepted()?;
        Ok(())
    };
    let result = check();
    lab.kubectl("admin")
        .apply_text(&lab.rendered(&["--only", "registration"])?, &[])?;
    eventually(
        "plain values are accepted again",
        Duration::from_mins(1),
        || {
            api.create_dry(&secret(&ns, "after", &[("a", "b")]))?
                .accepted()
                .map(drop)
        },
    )?;
    result
}

/// A second mutating webhook after ours changes the Secret, and ours is asked again: what it opened stays opened.
pub fn another_webhook_beside_ours_changes_nothing(lab: &Lab) -> Result<()> {
    let ns = lab.namespace("beside")?;
    let policy = json!({ "apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingAdmissionPolicy", "metadata": { "name": "e2e-label" },
        "spec": { "failurePolicy": "Fail", "reinvocationPolicy": "IfNeeded",
            "matchConstraints": { "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": ns } },
                "resourceRules": [{ "apiGroups": [""], "apiVersions": ["v1"], "resources": ["secrets"], "operations": ["CREATE", "UPDATE"] }] },
            "mutations": [{ "patchType": "ApplyConfiguration", "applyConfiguration": { "expression": "Object{metadata: Object.metadata{labels: Object.metadata.labels{touched: 'yes'}}}" } }] } });
    let binding = json!({ "apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingAdmissionPolicyBinding", "metadata": { "name": "e2e-label" }, "spec": { "policyName": "e2e-label" } });
    let admin = lab.api("admin")?;
    let base = "/apis/admissionregistration.k8s.io/v1";
    let made = admin.post(&format!("{base}/mutatingadmissionpolicies"), &policy)?;
    if made.status == 404 {
        return Err(crate::runner::Missing(
            "this API server has no MutatingAdmissionPolicy in v1 to stand beside ours".to_owned(),
        )
        .into());
    }
    made.accepted()?;
    admin
        .post(&format!("{base}/mutatingadmissionpolicybindings"), &binding)?
        .accepted()?;
    let result = eventually("the policy mutates", Duration::from_mins(1), || {
        let stored = lab
            .api("deployer")?
            .create_dry(&secret(&ns, "probe", &[("a", "b")]))?
            .accepted()?;
        ensure!(stored["metadata"]["labels"]["touched"] == "yes", "not yet");
        Ok(())
    })
    .and_then(|()| {
        let sealed = secret(
            &ns,
            "db",
            &[(
                "password",
                &lab.key.seal(&format!("{ns}/db/password"), b"tiger"),
            )],
        );
        let stored = lab.accepts(&sealed)?;
        ensure!(stored["metadata"]["labels"]["touched"] == "yes", "{stored}");
        assert_value(&stored, "password", "tiger")
    });
    admin.send(
        "DELETE",
        &format!("{base}/mutatingadmissionpolicybindings/e2e-label"),
        "",
        None,
    )?;
    admin.send(
        "DELETE",
        &format!("{base}/mutatingadmissionpolicies/e2e-label"),
        "",
        None,
    )?;
    result
}
