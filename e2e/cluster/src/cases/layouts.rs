//! Both layouts under everything that people and tools do to Secrets.
use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::lab::Lab;
use crate::sealing::{annotated, assert_value, b64, secret, value};

/// How a value is sealed into a manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layout {
    Field,
    Annotation,
}

const BOTH: [Layout; 2] = [Layout::Field, Layout::Annotation];

impl Layout {
    fn manifest(self, lab: &Lab, ns: &str, name: &str, fields: &[(&str, &str)]) -> Value {
        let sealed: Vec<(&str, String)> = fields
            .iter()
            .map(|(field, value)| {
                (
                    *field,
                    lab.key
                        .seal(&format!("{ns}/{name}/{field}"), value.as_bytes()),
                )
            })
            .collect();
        let sealed: Vec<(&str, &str)> = sealed
            .iter()
            .map(|(field, text)| (*field, text.as_str()))
            .collect();
        match self {
            Self::Field => secret(ns, name, &sealed),
            Self::Annotation => annotated(ns, name, &sealed),
        }
    }
}

fn version(secret: &Value) -> String {
    secret["metadata"]["resourceVersion"].to_string()
}

/// CREATE and UPDATE, client-side and server-side apply, dry runs.
pub fn open_on_every_way_in(lab: &Lab) -> Result<()> {
    let ns = lab.namespace("ways")?;
    let api = lab.api("deployer")?;
    let kubectl = lab.kubectl("deployer");
    for layout in BOTH {
        let fields = [("user", "scott"), ("password", "tiger\n")];
        let check = |stored: &Value| -> Result<()> {
            assert_value(stored, "user", "scott")?;
            assert_value(stored, "password", "tiger\n")
        };
        let name = |way: &str| format!("{way}-{layout:?}").to_ascii_lowercase();
        let one = layout.manifest(lab, &ns, &name("post"), &fields);
        check(&api.create_dry(&one)?.accepted()?)?;
        ensure!(
            api.secret(&ns, &name("post")).is_err(),
            "a dry run stored something"
        );
        check(&api.create(&one)?.accepted()?)?;
        let two = layout.manifest(lab, &ns, &name("csa"), &fields);
        kubectl.apply_text(&two.to_string(), &["--dry-run=server"])?;
        kubectl.apply_text(&two.to_string(), &[])?;
        check(&api.secret(&ns, &name("csa"))?)?;
        let three = layout.manifest(lab, &ns, &name("ssa"), &fields);
        kubectl.apply_text(&three.to_string(), &["--server-side"])?;
        check(&api.secret(&ns, &name("ssa"))?)?;
        // A new value over the old one.
        for (way, flags) in [("csa", &[][..]), ("ssa", &["--server-side"][..])] {
            let changed = layout.manifest(
                lab,
                &ns,
                &name(way),
                &[("user", "scott"), ("password", "lion")],
            );
            kubectl.apply_text(&changed.to_string(), flags)?;
            assert_value(&api.secret(&ns, &name(way))?, "password", "lion")?;
        }
        let replaced = layout.manifest(
            lab,
            &ns,
            &name("post"),
            &[("user", "scott"), ("password", "lion")],
        );
        assert_value(&api.replace(&replaced)?.accepted()?, "password", "lion")?;
    }
    let text = lab.key.seal(&format!("{ns}/string/password"), b"tiger");
    let string_data = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "namespace": ns, "name": "string" }, "stringData": { "password": text, "plain": "p" } });
    kubectl.apply_text(&string_data.to_string(), &[])?;
    let stored = api.secret(&ns, "string")?;
    assert_value(&stored, "password", "tiger")?;
    assert_value(&stored, "plain", "p")
}

/// The same manifest again changes no resourceVersion, and the key service is not asked while the content key is cached.
pub fn applying_again_changes_nothing_and_asks_no_key(lab: &Lab) -> Result<()> {
    for layout in BOTH {
        let ns = lab.namespace("again")?;
        let api = lab.api("deployer")?;
        let kubectl = lab.kubectl("deployer");
        for (name, flags) in [("csa", &[][..]), ("ssa", &["--server-side"][..])] {
            let manifest =
                layout.manifest(lab, &ns, name, &[("password", "tiger"), ("user", "scott")]);
            kubectl.apply_text(&manifest.to_string(), flags)?;
            let before = api.secret(&ns, name)?;
            let asked = lab.unwraps(&ns)?;
            ensure!(asked >= 1, "{layout:?} {name}: no key was asked at first");
            for _ in 0..3 {
                kubectl.apply_text(&manifest.to_string(), flags)?;
                let dry = [flags, &["--dry-run=server"]].concat();
                kubectl.apply_text(&manifest.to_string(), &dry)?;
            }
            let diff_flags = [&["diff"], flags, &["-f", "-"]].concat();
            kubectl.ok(&diff_flags, &manifest.to_string())?;
            ensure!(
                version(&api.secret(&ns, name)?) == version(&before),
                "{layout:?} {name}: the resourceVersion changed"
            );
            // A mark of `reviews` asks once for itself; lines of marks are left out.
            ensure!(
                lab.unwraps(&ns)? == asked,
                "{layout:?} {name}: the key service was asked again"
            );
        }
    }
    Ok(())
}

/// A key that leaves the manifest leaves the Secret.
pub fn removed_keys_go(lab: &Lab) -> Result<()> {
    let ns = lab.namespace("removed")?;
    let api = lab.api("deployer")?;
    for layout in BOTH {
        for (name, flags) in [("csa", &[][..]), ("ssa", &["--server-side"][..])] {
            let name = format!("{name}-{layout:?}").to_ascii_lowercase();
            let both =
                layout.manifest(lab, &ns, &name, &[("user", "scott"), ("password", "tiger")]);
            let one = layout.manifest(lab, &ns, &name, &[("password", "tiger")]);
            lab.kubectl("deployer")
                .apply_text(&both.to_string(), flags)?;
            assert_value(&api.secret(&ns, &name)?, "user", "scott")?;
            lab.kubectl("deployer")
                .apply_text(&one.to_string(), flags)?;
            let stored = api.secret(&ns, &name)?;
            ensure!(
                value(&stored, "user").is_none(),
                "{layout:?} {flags:?}: the key stayed"
            );
            assert_value(&stored, "password", "tiger")?;
        }
    }
    Ok(())
}

/// Immutable Secrets: the same value again passes, another does not, and neither is answered with 409 or 422.
pub fn immutable_secrets_stay_as_they_are(lab: &Lab) -> Result<()> {
    let ns = lab.namespace("immutable")?;
    let api = lab.api("deployer")?;
    for layout in BOTH {
        let name = format!("fixed-{layout:?}").to_ascii_lowercase();
        let with = |text: &str| {
            let mut manifest = layout.manifest(lab, &ns, &name, &[("password", text)]);
            manifest["immutable"] = json!(true);
            manifest
        };
        lab.accepts(&with("tiger"))?;
        let again = api
            .apply(&with("tiger"), "e2e", "&force=true")?
            .accepted()?;
        assert_value(&again, "password", "tiger")?;
        let refused = api.apply(&with("lion"), "e2e", "&force=true")?;
        ensure!(
            refused.status == 403,
            "{layout:?}: {} {}",
            refused.status,
            refused.message()
        );
        ensure!(
            !refused.message().contains("is immutable"),
            "{}",
            refused.message()
        );
        assert_value(&api.secret(&ns, &name)?, "password", "tiger")?;
    }
    Ok(())
}

type Fields<'t> = &'t [(&'t str, &'t str)];

/// All eight types, with what fits them; what does not fit is refused by us, with 403, never by the API server's 422.
pub fn every_type_is_served_and_checked(lab: &Lab) -> Result<()> {
    let ns = lab.namespace("types")?;
    let key = "-----BEGIN RSA PRIVATE KEY-----\nMIIB\n-----END RSA PRIVATE KEY-----\n";
    let table: [(&str, Fields, Fields); 6] = [
        ("Opaque", &[("a", "b")], &[]),
        (
            "kubernetes.io/dockercfg",
            &[(".dockercfg", "{}")],
            &[(".dockercfg", "no JSON")],
        ),
        (
            "kubernetes.io/dockerconfigjson",
            &[(".dockerconfigjson", r#"{"auths":{}}"#)],
            &[(".dockerconfigjson", "no JSON")],
        ),
        (
            "kubernetes.io/basic-auth",
            &[("username", "scott"), ("password", "tiger")],
            &[],
        ),
        ("kubernetes.io/ssh-auth", &[("ssh-privatekey", key)], &[]),
        (
            "kubernetes.io/tls",
            &[("tls.crt", "c"), ("tls.key", "k")],
            &[],
        ),
    ];
    for layout in BOTH {
        for (index, (kind, good, bad)) in table.iter().enumerate() {
            // Names of annotations cannot begin with a dot after the slash; ours begin with `data.`.
            let name = format!("t{index}-{layout:?}").to_ascii_lowercase();
            let with = |fields: &[(&str, &str)]| {
                let mut manifest = layout.manifest(lab, &ns, &name, fields);
                manifest["type"] = json!(kind);
                manifest
            };
            if !bad.is_empty() {
                lab.rejects(&with(bad), "type-check")
                    .or_else(|_| lab.rejects(&with(bad), "data/."))?;
            }
            let stored = lab.accepts(&with(good))?;
            for (field, text) in *good {
                assert_value(&stored, field, text)?;
            }
        }
    }
    // A type exempts nothing: anyone may write one.
    for kind in ["bootstrap.kubernetes.io/token", "helm.sh/release.v1"] {
        let text = lab.key.seal(&format!("{ns}/system/field"), b"x");
        let mut system = secret(&ns, "system", &[("field", &text)]);
        system["type"] = json!(kind);
        assert_value(&lab.accepts(&system)?, "field", "x")?;
        lab.api("deployer")?.delete(&ns, "system")?.accepted()?;
    }
    // What the cluster itself fills passes by its opening.
    let token = json!({ "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/service-account-token",
        "metadata": { "namespace": ns, "name": "sa", "annotations": { "kubernetes.io/service-account.name": "app" } },
        "data": { "token": b64(super::filter::token(r#"{"alg":"RS256","kid":"a"}"#)) } });
    lab.api("admin")?.create(&token)?.accepted()?;
    Ok(())
}

/// A dead key keeps no one from labels, finalizers or deletion, no matter who changes them.
pub fn a_dead_key_wedges_nothing(lab: &Lab) -> Result<()> {
    let ns = lab.namespace("dead")?;
    let api = lab.api("deployer")?;
    // Stored sealed, as after a restore of etcd: by way of the list of those to leave.
    let text = lab.dead.seal(&format!("{ns}/db/password"), b"tiger");
    let mut left = secret(&ns, "db", &[("password", &text)]);
    left["metadata"]["annotations"] = json!({ "privyseal.dev/leave": "password" });
    lab.accepts(&left)?;
    let unmarked = api.patch(
        &ns,
        "db",
        &json!({ "metadata": { "annotations": { "privyseal.dev/leave": null } } }),
    )?;
    assert_value(&unmarked.accepted()?, "password", &text)?;
    for user in ["deployer", "creator"] {
        let kubectl = lab.kubectl(user);
        kubectl.ok(
            &[
                "-n",
                &ns,
                "label",
                "--overwrite",
                "secret",
                "db",
                &format!("by={user}"),
            ],
            "",
        )?;
        kubectl.ok(
            &[
                "-n",
                &ns,
                "patch",
                "secret",
                "db",
                "-p",
                r#"{"metadata":{"finalizers":["e2e.privyseal.dev/x"]}}"#,
            ],
            "",
        )?;
        kubectl.ok(
            &[
                "-n",
                &ns,
                "patch",
                "secret",
                "db",
                "--type=merge",
                "-p",
                r#"{"metadata":{"finalizers":null}}"#,
            ],
            "",
        )?;
    }
    assert_value(&api.secret(&ns, "db")?, "password", &text)?;
    api.delete(&ns, "db")?.accepted()?;
    Ok(())
}

/// A backup brings annotation and value: what opens is opened, what does not is kept, with a warning.
pub fn a_restored_backup_is_accepted(lab: &Lab) -> Result<()> {
    let ns = lab.namespace("restored")?;
    let living = Layout::Annotation.manifest(lab, &ns, "living", &[("password", "tiger")]);
    let mut backup = lab.accepts(&living)?;
    lab.api("deployer")?.delete(&ns, "living")?.accepted()?;
    for member in [
        "resourceVersion",
        "uid",
        "creationTimestamp",
        "managedFields",
    ] {
        backup["metadata"]
            .as_object_mut()
            .expect("it is an object")
            .remove(member);
    }
    assert_value(&lab.accepts(&backup)?, "password", "tiger")?;

    let text = lab.dead.seal(&format!("{ns}/dead/password"), b"tiger");
    let mut dead = annotated(&ns, "dead", &[("password", &text)]);
    dead["data"] = json!({ "password": b64("as it was") });
    let answer = lab.api("deployer")?.create(&dead)?;
    assert_value(&answer.accepted()?, "password", "as it was")?;
    // And anyone who may not unseal restores no sealed annotation.
    dead["metadata"]["name"] = json!("dead2");
    lab.api("creator")?
        .create(&dead)?
        .refused("may not have values opened")?;
    Ok(())
}

/// All fields or none; every bad one is named, with the reason and the next step.
pub fn one_bad_field_keeps_all_closed(lab: &Lab) -> Result<()> {
    let ns = lab.namespace("all-or-none")?;
    for layout in BOTH {
        let good = lab.key.seal(&format!("{ns}/db/good"), b"x");
        let elsewhere = lab.key.seal("elsewhere/db/moved", b"x");
        let foreign = lab.dead.seal(&format!("{ns}/db/dead"), b"x");
        let fields = [
            ("good", good.as_str()),
            ("moved", elsewhere.as_str()),
            ("dead", foreign.as_str()),
        ];
        let manifest = match layout {
            Layout::Field => secret(&ns, "db", &fields),
            Layout::Annotation => annotated(&ns, "db", &fields),
        };
        let answer = lab.rejects(&manifest, "moved")?;
        for words in ["dead", "seal the value", lab.dead.kid()] {
            ensure!(
                answer.message().contains(words),
                "{layout:?}: no {words:?} in {}",
                answer.message()
            );
        }
        ensure!(
            !answer.message().contains(&good),
            "the refusal repeats an envelope"
        );
    }
    Ok(())
}

/// ConfigMaps and other kinds are not forwarded, and not opened.
pub fn other_kinds_are_not_opened(lab: &Lab) -> Result<()> {
    let ns = lab.namespace("kinds")?;
    let text = lab.key.seal(&format!("{ns}/conf/field"), b"x");
    let map = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "conf" }, "data": { "field": text } });
    let stored = lab
        .api("admin")?
        .post(&format!("/api/v1/namespaces/{ns}/configmaps"), &map)?
        .accepted()?;
    ensure!(stored["data"]["field"] == text.as_str(), "{stored}");
    Ok(())
}
