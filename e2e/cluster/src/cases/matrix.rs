//! Form × trigger × layout × way of writing × user: who may not have values opened stores no openable text, a stored text is
//! never opened by someone else's change, and a live value never becomes ciphertext.
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Map, Value, json};

use super::forms::{self, Form};
use super::leaving::unregistered;
use crate::api::{Answer, Api, cut};
use crate::lab::{Lab, eventually};
use crate::sealing::{Parts, annotated, assert_value, b64, secret};

const NO_RIGHT: &str = "may not have values opened";
const NO_CHANGE: &str = "may not change it";
const BINDING: &str = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings/no-sealed-values.privyseal.dev";

/// The ways of writing a Secret that is there already.
const WAYS: [&str; 4] = ["client-side apply", "server-side apply", "replace", "patch"];

fn object(namespace: &str, name: &str, form: &Form) -> Value {
    json!({ "apiVersion": "v1", "kind": "Secret", "type": "Opaque",
        "metadata": { "namespace": namespace, "name": name }, "data": { "password": form.data() } })
}

fn strategic(api: &Api, object: &Value) -> Result<Answer> {
    let (namespace, name) = names(object);
    let path = format!("/api/v1/namespaces/{namespace}/secrets/{name}");
    api.send(
        "PATCH",
        &path,
        "application/strategic-merge-patch+json",
        Some(object),
    )
}

fn names(object: &Value) -> (&str, &str) {
    let metadata = &object["metadata"];
    (
        metadata["namespace"].as_str().unwrap_or_default(),
        metadata["name"].as_str().unwrap_or_default(),
    )
}

/// Writes over a stored Secret in one of the [ways](WAYS).
fn write(api: &Api, way: &str, object: &Value) -> Result<Answer> {
    let (namespace, name) = names(object);
    match way {
        "client-side apply" => {
            let mut patch = object.clone();
            patch["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"] =
                json!(object.to_string());
            strategic(api, &patch)
        }
        "server-side apply" => api.apply(object, "matrix", "&force=true"),
        "replace" => api.replace(object),
        _ => api.patch(
            namespace,
            name,
            &json!({ "data": object["data"], "metadata": { "annotations": object["metadata"]["annotations"] } }),
        ),
    }
}

/// Who may not unseal stores nothing openable: by no form, in no layout, in no way, over nothing and over a live value.
/// Who may has exactly the openable forms opened, and never loses a live value.
pub fn every_form_is_opened_or_refused_by_the_right_of_its_writer(lab: &Lab) -> Result<()> {
    let ns = lab.namespace("forms")?;
    let (creator, deployer) = (lab.api("creator")?, lab.api("deployer")?);
    for (n, _) in forms::some(&lab.key, [&ns, "x", "password"], b"x")
        .iter()
        .enumerate()
    {
        let name = format!("s{n}");
        let form = forms::some(&lab.key, [&ns, &name, "password"], b"tiger").swap_remove(n);
        let new = object(&ns, &name, &form);
        let mut left = new.clone();
        left["metadata"]["annotations"] = json!({ "privyseal.dev/leave": "password" });
        for (what, object) in [("plain", &new), ("left", &left)] {
            let answer = creator.create_dry(object)?;
            if form.is_openable() {
                answer.refused(NO_RIGHT).context(what)?;
            }
        }
        // `leave` speaks only of what the webhook would not open: this is opened although it is named, with a warning.
        if form.is_openable() {
            let answer = deployer.create_dry(&left)?;
            ensure!(
                answer.warnings.iter().any(|said| said.contains("leave")),
                "{}: {:?}",
                form.name,
                answer.warnings
            );
            assert_value(&answer.accepted()?, "password", "tiger")?;
        }
        // Over a live value, which stays whatever comes of it.
        let live = secret(&ns, &name, &[("password", "live"), ("user", "sa")]);
        creator.create(&live)?.accepted()?;
        for way in WAYS {
            let context = || format!("{} by {way}", form.name);
            let answer = write(&creator, way, &new)?;
            ensure!(answer.status == 403, "{}: {}", context(), answer.status);
            if form.is_openable() {
                answer.refused(NO_RIGHT).with_context(context)?;
            }
            assert_value(&creator.secret(&ns, &name)?, "password", "live").with_context(context)?;
        }
        for way in WAYS {
            let context = || format!("{} by {way} of the deployer", form.name);
            let answer = write(&deployer, way, &new)?;
            let expected = if form.is_openable() { "tiger" } else { "live" };
            ensure!(
                answer.status == if form.is_openable() { 200 } else { 403 },
                "{}: {} {}",
                context(),
                answer.status,
                answer.message()
            );
            let stored = deployer.secret(&ns, &name)?;
            assert_value(&stored, "password", expected).with_context(context)?;
            write(&creator, "replace", &live)?.accepted()?;
        }
        if form.is_openable() && form.name.starts_with("compact") {
            annotations(lab, &ns, &format!("a{n}"), n)?;
        }
    }
    Ok(())
}

/// The annotation layout: neither planted nor changed beside its value by who may not unseal; removing it is allowed.
fn annotations(lab: &Lab, ns: &str, name: &str, form: usize) -> Result<()> {
    let (creator, deployer) = (lab.api("creator")?, lab.api("deployer")?);
    let form = forms::some(&lab.key, [ns, name, "password"], b"tiger").swap_remove(form);
    let text = String::from_utf8(form.bytes)?;
    let manifest = annotated(ns, name, &[("password", &text)]);
    creator.create(&manifest)?.refused(NO_RIGHT)?;
    creator
        .create(&secret(ns, name, &[("password", "live")]))?
        .accepted()?;
    for way in WAYS {
        write(&creator, way, &manifest)?.refused(NO_RIGHT)?;
    }
    deployer.delete(ns, name)?.accepted()?;
    assert_value(
        &deployer.create(&manifest)?.accepted()?,
        "password",
        "tiger",
    )?;
    for value in [json!(b64("evil")), json!(""), Value::Null] {
        for (way, answer) in [
            ("merge patch", creator.patch(ns, name, &json!({ "data": { "password": value } }))?),
            (
                "server-side apply",
                creator.apply(
                    &json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "namespace": ns, "name": name }, "data": { "password": value } }),
                    "evil",
                    "&force=true",
                )?,
            ),
        ] {
            answer.refused(NO_CHANGE).context(way)?;
        }
    }
    creator
        .json_patch(ns, name, &json!([{ "op": "remove", "path": "/data" }]))?
        .refused(NO_CHANGE)?;
    // With the right: the stored value is put back.
    let stored = deployer
        .patch(ns, name, &json!({ "data": { "password": b64("evil") } }))?
        .accepted()?;
    assert_value(&stored, "password", "tiger")?;
    creator
        .patch(
            ns,
            name,
            &json!({ "metadata": { "annotations": { "privyseal.dev/data.password": null } } }),
        )?
        .accepted()?;
    deployer.delete(ns, name)?.accepted()?;
    Ok(())
}

/// Stores these as they are: without webhook and backstop, as before an upgrade or in the wrong order.
fn planted(lab: &Lab, objects: &[Value]) -> Result<()> {
    let admin = lab.api("admin")?;
    let result = unregistered(lab, || {
        admin.send("DELETE", BINDING, "", None)?.accepted()?;
        let first = &objects[0];
        eventually("the backstop is gone", Duration::from_mins(1), || {
            admin.create_dry(first)?.accepted().map(drop)
        })?;
        for object in objects {
            admin.create(object)?.accepted()?;
        }
        Ok(())
    });
    lab.kubectl("admin")
        .apply_text(&lab.rendered(&["--only", "backstop"])?, &[])?;
    lab.wait_for_backstop()?;
    result
}

/// Changes that others make to a Secret without touching the planted field.
const TRIGGERS: [&str; 9] = [
    "label",
    "annotation",
    "finalizer",
    "finalizer removed",
    "another field",
    "another field by server-side apply",
    "replace with what is stored",
    "re-sync by client-side apply",
    "re-sync by server-side apply",
];

fn trigger(api: &Api, trigger: &str, manifest: &Value) -> Result<Answer> {
    let (ns, name) = names(manifest);
    let metadata = |member: Value| api.patch(ns, name, &json!({ "metadata": member }));
    match trigger {
        "label" => metadata(json!({ "labels": { "a": "b" } })),
        "annotation" => metadata(json!({ "annotations": { "a": "b" } })),
        "finalizer" => metadata(json!({ "finalizers": ["example.com/x"] })),
        "finalizer removed" => metadata(json!({ "finalizers": null })),
        "another field" => api.patch(ns, name, &json!({ "data": { "user": b64("sa") } })),
        "another field by server-side apply" => api.apply(
            &json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "namespace": ns, "name": name }, "data": { "port": b64("1") } }),
            "other",
            "",
        ),
        "replace with what is stored" => {
            let mut stored = api.secret(ns, name)?;
            stored["metadata"]["labels"] = json!({ "a": "c" });
            api.replace(&stored)
        }
        "re-sync by client-side apply" => write(api, "client-side apply", manifest),
        _ => write(api, "server-side apply", manifest),
    }
}

/// Whatever was planted, in whatever form: no one's change opens it, and it is in no one's way. Nor does a list of
/// fields to leave that someone changes, forges or lets go of.
pub fn what_is_stored_is_opened_by_nobody_s_change(lab: &Lab) -> Result<()> {
    let ns = lab.namespace("stored")?;
    let mut objects = Vec::new();
    for (n, form) in forms::some(&lab.key, [&ns, "x", "password"], b"x")
        .iter()
        .enumerate()
    {
        let name = format!("s{n}");
        let place = [ns.as_str(), &name, "password"];
        let same = forms::some(&lab.key, place, b"tiger").swap_remove(n);
        objects.push(object(&ns, &name, &same));
        if form.is_openable() && form.name.starts_with("compact") {
            let name = format!("n{n}");
            let same = forms::some(&lab.key, [&ns, &name, "password"], b"tiger").swap_remove(n);
            objects.push(annotated(
                &ns,
                &name,
                &[("password", &String::from_utf8(same.bytes)?)],
            ));
        }
    }
    let left = |name: &str| {
        let text = lab.key.seal(&format!("{ns}/{name}/password"), b"tiger");
        let mut object = secret(&ns, name, &[("password", &text)]);
        object["metadata"]["annotations"] = json!({ "privyseal.dev/leave": "password" });
        object
    };
    let (forged, shared) = (left("forged"), left("shared"));
    let many = many(lab, &ns);
    let all: Vec<Value> = objects
        .iter()
        .chain([&forged, &shared, &many])
        .cloned()
        .collect();
    planted(lab, &all)?;

    let (creator, deployer) = (lab.api("creator")?, lab.api("deployer")?);
    for object in &objects {
        let (_, name) = names(object);
        for by in TRIGGERS {
            for (who, api) in [("creator", &creator), ("deployer", &deployer)] {
                let answer = trigger(api, by, object)?;
                ensure!(
                    answer.status == 200,
                    "{name}, {by} of {who}: {} {}",
                    answer.status,
                    answer.message()
                );
                let stored = deployer.secret(&ns, name)?;
                ensure!(
                    stored["data"]["password"] == object["data"]["password"]
                        && !stored.to_string().contains(&b64("tiger")),
                    "{name}, {by} of {who}: {}",
                    cut(&stored.to_string())
                );
            }
        }
        deployer.delete(&ns, name)?.accepted()?;
    }
    leave_is_no_way_in(&creator, &deployer, &forged, &shared)?;
    // So many fields, so long a list: a finalizer, a label and the deletion do not wait.
    for api in [&creator, &deployer] {
        trigger(api, "label", &many)?.accepted()?;
        trigger(api, "finalizer", &many)?.accepted()?;
        trigger(api, "finalizer removed", &many)?.accepted()?;
    }
    deployer.delete(&ns, "many")?.accepted()?;
    healed(lab, &ns)
}

/// 362 fields under a list of names that is as long as it may be.
fn many(lab: &Lab, ns: &str) -> Value {
    let text = lab.key.seal(&format!("{ns}/many/k0"), b"tiger");
    let data: Map<String, Value> = (0..362)
        .map(|n| (format!("k{n}"), json!(b64(&text))))
        .collect();
    let leave: Vec<String> = (0..200).map(|n| format!("k{n}")).collect();
    json!({ "apiVersion": "v1", "kind": "Secret", "data": data, "metadata": { "namespace": ns, "name": "many",
        "annotations": { "privyseal.dev/leave": leave.join(",").chars().take(1024).collect::<String>() } } })
}

/// The three ways in which a list of fields to leave was changed so that a later sync opened the value.
fn leave_is_no_way_in(creator: &Api, deployer: &Api, forged: &Value, shared: &Value) -> Result<()> {
    let (ns, _) = names(forged);
    let stays = |manifest: &Value| -> Result<()> {
        let stored = deployer.secret(ns, names(manifest).1)?;
        ensure!(
            stored["data"]["password"] == manifest["data"]["password"],
            "{}",
            cut(&stored.to_string())
        );
        Ok(())
    };
    // Put on a live Secret, for the next sync of an unchanged manifest to take off.
    for (name, way) in [
        ("live-csa", "client-side apply"),
        ("live-ssa", "server-side apply"),
    ] {
        let live = secret(ns, name, &[("password", "live")]);
        write(deployer, "server-side apply", &live)?.accepted()?;
        let mut named = live.clone();
        named["metadata"]["annotations"] = json!({ "privyseal.dev/leave": "password" });
        for by in WAYS {
            write(creator, by, &named)?
                .refused(NO_CHANGE)
                .with_context(|| format!("{by} for {way}"))?;
        }
        assert_value(
            &write(deployer, way, &live)?.accepted()?,
            "password",
            "live",
        )?;
    }
    // Taken off by the sync itself, for the last configuration says that the sync once put it there.
    let forgery = json!({ "metadata": { "annotations": {
        "kubectl.kubernetes.io/last-applied-configuration": forged.to_string() } } });
    let (_, name) = names(forged);
    creator.patch(ns, name, &forgery)?.accepted()?;
    let mut without = forged.clone();
    without["metadata"]["annotations"] = json!({ "privyseal.dev/leave": null });
    strategic(deployer, &without)?.accepted()?;
    stays(forged)?;
    for by in TRIGGERS {
        trigger(deployer, by, &{
            let mut plain = forged.clone();
            plain["metadata"]
                .as_object_mut()
                .context("it is a map")?
                .remove("annotations");
            plain
        })?
        .accepted()
        .context(by)?;
        stays(forged)?;
    }
    // Owned by two managers, and let go by one after the other.
    let (_, name) = names(shared);
    let mine = |leave: Option<&str>| {
        let mut object = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "namespace": ns, "name": name } });
        if let Some(leave) = leave {
            object["metadata"]["annotations"] = json!({ "privyseal.dev/leave": leave });
        }
        object
    };
    deployer
        .apply(shared, "deployer", "&force=true")?
        .accepted()?;
    creator
        .apply(&mine(Some("password")), "creator", "&force=true")?
        .accepted()?;
    let mut without = shared.clone();
    without["metadata"]
        .as_object_mut()
        .context("it is a map")?
        .remove("annotations");
    deployer
        .apply(&without, "deployer", "&force=true")?
        .accepted()?;
    stays(shared)?;
    let released = creator.apply(&mine(None), "creator", "&force=true")?;
    // The manager that created it may still own it; if no one does, its removal is refused.
    ensure!(
        released.status == 200 || released.message().contains(NO_CHANGE),
        "{}",
        released.message()
    );
    stays(shared)?;
    deployer
        .patch(
            ns,
            name,
            &json!({ "metadata": { "annotations": { "privyseal.dev/leave": null } } }),
        )?
        .accepted()?;
    trigger(deployer, "label", &without)?.accepted()?;
    stays(shared)
}

/// Ciphertext that is stored is healed by an explicit act: the Secret is deleted and applied again.
fn healed(lab: &Lab, ns: &str) -> Result<()> {
    let deployer = lab.api("deployer")?;
    let manifest = secret(
        ns,
        "heal",
        &[(
            "password",
            &lab.key.seal(&format!("{ns}/heal/password"), b"tiger"),
        )],
    );
    planted(lab, std::slice::from_ref(&manifest))?;
    write(&deployer, "server-side apply", &manifest)?.accepted()?;
    ensure!(
        deployer.secret(ns, "heal")?["data"] == manifest["data"],
        "it was opened"
    );
    deployer.delete(ns, "heal")?.accepted()?;
    assert_value(
        &write(&deployer, "server-side apply", &manifest)?.accepted()?,
        "password",
        "tiger",
    )
}

/// A type opens no door: no Secret of any type stores openable text, and a Secret that was deleted and created again as
/// something else gets its value opened or refused.
pub fn a_type_is_no_way_past(lab: &Lab) -> Result<()> {
    let ns = lab.namespace("types")?;
    let (creator, deployer) = (lab.api("creator")?, lab.api("deployer")?);
    for (n, kind) in [
        "helm.sh/release.v1",
        "bootstrap.kubernetes.io/token",
        "example.com/x",
    ]
    .iter()
    .enumerate()
    {
        let name = format!("t{n}");
        let sealed = secret(
            &ns,
            &name,
            &[(
                "password",
                &lab.key.seal(&format!("{ns}/{name}/password"), b"tiger"),
            )],
        );
        let mut typed = sealed.clone();
        typed["type"] = json!(kind);
        creator.create(&typed)?.refused(NO_RIGHT)?;
        assert_value(&deployer.create(&typed)?.accepted()?, "password", "tiger")?;
        // Deleted, and created again with the type; the manifest names none.
        creator.delete(&ns, &name)?.accepted()?;
        let mut other = secret(&ns, &name, &[("password", "live")]);
        other["type"] = json!(kind);
        creator.create(&other)?.accepted()?;
        let mut manifest = sealed.clone();
        manifest
            .as_object_mut()
            .context("it is a map")?
            .remove("type");
        for way in ["client-side apply", "server-side apply"] {
            assert_value(
                &write(&deployer, way, &manifest)?.accepted()?,
                "password",
                "tiger",
            )?;
            write(&creator, "patch", &other)?.accepted()?;
        }
    }
    // Tokens of service accounts are filled by anyone who runs the cluster.
    let account = json!({ "metadata": { "name": "robot" } });
    lab.api("admin")?
        .post(
            &format!("/api/v1/namespaces/{ns}/serviceaccounts"),
            &account,
        )?
        .accepted()?;
    let token = json!({ "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/service-account-token",
        "metadata": { "namespace": ns, "name": "robot", "annotations": { "kubernetes.io/service-account.name": "robot" } } });
    creator.create(&token)?.accepted()?;
    let filled = super::filter::token(
        r#"{"alg":"RS256","kid":"uGmV2cVDpyp1zSpjWZxJ1WyKCEPQNmiWLOGoILcMzIA"}"#,
    );
    creator
        .patch(
            &ns,
            "robot",
            &json!({ "data": { "token": b64(filled), "namespace": b64(&ns) } }),
        )?
        .accepted()?;
    Ok(())
}

/// The envelope that `jose-util encrypt --full` writes, applied again over the value that was opened from it, when its key has
/// left the configuration and when the registration is gone: the live value stays.
pub fn json_of_other_tools_never_replaces_a_live_value(lab: &Lab) -> Result<()> {
    let ns = lab.namespace("full")?;
    let deployer = lab.api("deployer")?;
    let full = |key: &crate::sealing::Key, name: &str| {
        let header = format!(
            r#"{{"alg":"RSA-OAEP-256","enc":"A256GCM","kid":{:?},"bind":{{"v":1,"ns":{ns:?},"name":{name:?},"key":"password"}}}}"#,
            key.kid()
        );
        let text = key.seal_under(&header, b"tiger").json(Parts::ORDER);
        assert!(text.starts_with(r#"{"protected":"eyJhbGciOi"#));
        secret(&ns, name, &[("password", &text)])
    };
    let (served, dead) = (full(&lab.key, "served"), full(&lab.dead, "dead"));
    assert_value(&deployer.create(&served)?.accepted()?, "password", "tiger")?;
    deployer
        .create(&secret(&ns, "dead", &[("password", "live")]))?
        .accepted()?;
    for way in WAYS {
        let answer = write(&deployer, way, &dead)?;
        ensure!(
            answer.status == 403,
            "{way}: {} {}",
            answer.status,
            answer.message()
        );
        assert_value(&deployer.secret(&ns, "dead")?, "password", "live")?;
    }
    unregistered(lab, || {
        for way in WAYS {
            for (manifest, value) in [(&served, "tiger"), (&dead, "live")] {
                write(&deployer, way, manifest)?
                    .refused("was not called for it")
                    .context(way)?;
                assert_value(&deployer.secret(&ns, names(manifest).1)?, "password", value)?;
            }
        }
        Ok(())
    })
}

/// The reasons that the backstop gives are the true ones.
pub fn refusals_say_why_and_what_to_do(lab: &Lab) -> Result<()> {
    let ns = lab.namespace("why")?;
    let (creator, deployer) = (lab.api("creator")?, lab.api("deployer")?);
    let sealed = secret(
        &ns,
        "db",
        &[(
            "password",
            &lab.key.seal(&format!("{ns}/db/password"), b"tiger"),
        )],
    );
    creator.create(&sealed)?.refused(&format!(
        "nothing was stored: `password` is sealed, and creator may not have values opened in namespace {ns}; \
         ask for the verb `unseal` on `secrets` of API group `privyseal.dev`"
    ))?;
    lab.api("admin")?
        .create(&secret(
            "kube-system",
            "why",
            &[("password", &lab.key.seal("kube-system/why/password", b"x"))],
        ))?
        .refused("the Privy Seal webhook is not called in namespace kube-system")?;
    // A Secret that is being deleted.
    let mut live = secret(&ns, "db", &[("password", "live")]);
    live["metadata"]["finalizers"] = json!(["example.com/x"]);
    deployer.create(&live)?.accepted()?;
    deployer.delete(&ns, "db")?.accepted()?;
    deployer
        .patch(&ns, "db", &json!({ "data": sealed["data"] }))?
        .refused("nothing is opened in a Secret that is being deleted; wait until it is gone, then apply again")?;
    deployer
        .patch(&ns, "db", &json!({ "metadata": { "finalizers": null } }))?
        .accepted()?;
    unregistered(lab, || {
        let note = annotated(
            &ns,
            "note",
            &[(
                "password",
                &lab.key.seal(&format!("{ns}/note/password"), b"x"),
            )],
        );
        deployer.create(&note)?.refused(
            "`data` has no `password`, and the Privy Seal webhook was not called for it",
        )?;
        Ok(())
    })
}
