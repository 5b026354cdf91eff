//! A total outage of the webhook, with the cluster's own controllers at work: what waits, and for how long. The figures
//! that are printed here are in docs/operators.md.
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::lab::{Callers, Lab, eventually};
use crate::process::Program;
use crate::runner::Missing;
use crate::sealing::secret;

/// The controllers that delete namespaces and collect garbage.
fn controllers(lab: &Lab) -> Result<Program> {
    lab.own("controllers of its own")?;
    let program = std::env::var_os("E2E_CONTROLLER_MANAGER")
        .map(PathBuf::from)
        .filter(|path| path.is_file())
        .ok_or_else(|| {
            Missing("kube-controller-manager was not built (E2E_CONTROLLER_MANAGER)".to_owned())
        })?;
    Program::start(
        &program,
        &[
            format!("--kubeconfig={}", lab.kubeconfig("admin").display()),
            "--controllers=namespace-controller,garbage-collector-controller".to_owned(),
            "--leader-elect=false".to_owned(),
            "--secure-port=0".to_owned(),
        ],
        &lab.folder,
        "kube-controller-manager.log",
    )
}

/// A namespace with a Secret, and a ConfigMap that another one owns.
struct Tenant<'l> {
    lab: &'l Lab,
    name: String,
}

impl<'l> Tenant<'l> {
    fn new(lab: &'l Lab, name: &str) -> Result<Self> {
        let tenant = Self {
            lab,
            name: lab.namespace(name)?,
        };
        let admin = lab.api("admin")?;
        admin
            .create(&secret(&tenant.name, "plain", &[("a", "b")]))?
            .accepted()?;
        let maps = format!("/api/v1/namespaces/{}/configmaps", tenant.name);
        let owner = admin
            .post(&maps, &json!({ "metadata": { "name": "owner" } }))?
            .accepted()?;
        let reference = json!([{ "apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner["metadata"]["uid"] }]);
        admin
            .post(
                &maps,
                &json!({ "metadata": { "name": "owned", "ownerReferences": reference } }),
            )?
            .accepted()?;
        Ok(tenant)
    }

    fn status(&self, path: &str) -> Result<u16> {
        let path = format!("/api/v1/namespaces/{}{path}", self.name);
        Ok(self.lab.api("admin")?.get(&path)?.status)
    }

    fn delete(&self, path: &str) -> Result<Instant> {
        let path = format!("/api/v1/namespaces/{}{path}", self.name);
        let admin = self.lab.api("admin")?;
        admin.send("DELETE", &path, "", None)?.accepted()?;
        Ok(Instant::now())
    }

    /// How long it took until `path` was gone.
    fn gone(&self, path: &str, since: Instant, within: u64) -> Result<f32> {
        eventually(
            &format!("{}{path} is gone", self.name),
            Duration::from_secs(within),
            || {
                ensure!(self.status(path)? == 404, "still there");
                Ok(since.elapsed().as_secs_f32())
            },
        )
    }

    /// A condition of the namespace.
    fn condition(&self, kind: &str) -> Result<Value> {
        let path = format!("/api/v1/namespaces/{}", self.name);
        let namespace = self.lab.api("admin")?.get(&path)?.accepted()?;
        Ok(namespace["status"]["conditions"]
            .as_array()
            .into_iter()
            .flatten()
            .find(|condition| condition["type"] == kind)
            .cloned()
            .unwrap_or_default())
    }
}

/// With `aggregated`, an outage holds the deletion of every namespace up: what is in them goes, they themselves wait until
/// the webhook is back, and then go by themselves. Garbage collection and plain Secrets go on.
pub fn namespaces_wait_for_the_webhook_and_go_by_themselves(lab: &Lab) -> Result<()> {
    outage(lab, Duration::from_secs(5))
}

/// The same for longer outages: how long a namespace waits afterwards.
pub fn namespaces_go_after_long_outages_too(lab: &Lab) -> Result<()> {
    [60, 300]
        .into_iter()
        .try_for_each(|seconds| outage(lab, Duration::from_secs(seconds)))
}

fn outage(lab: &Lab, lasting: Duration) -> Result<()> {
    let mut manager = controllers(lab)?;
    ensure!(lab.callers == Callers::Aggregated, "another mode");
    let healthy = Tenant::new(lab, "healthy")?;
    let before = healthy
        .gone("", healthy.delete("")?, 120)
        .with_context(|| manager.last_words())?;
    let waiting = Tenant::new(lab, "waiting")?;
    let collected = Tenant::new(lab, "collected")?;
    lab.stop_webhook();
    let stopped = Instant::now();
    let result = (|| -> Result<()> {
        // The API server remembers the group for a while.
        eventually("discovery misses the group", Duration::from_mins(3), || {
            discovery(lab, false)
        })?;
        let noticed = stopped.elapsed().as_secs_f32();
        let deleted = waiting.delete("")?;
        // What is in it goes; the namespace itself says why it does not.
        let emptied = waiting.gone("/secrets/plain", deleted, 120)?;
        eventually("the namespace says why", Duration::from_mins(1), || {
            let condition = waiting.condition("NamespaceDeletionDiscoveryFailure")?;
            ensure!(
                condition["status"] == "True"
                    && condition["message"]
                        .as_str()
                        .is_some_and(|text| text.contains("admission.privyseal.dev")),
                "{condition}"
            );
            Ok(())
        })?;
        let owner = collected.delete("/configmaps/owner")?;
        let swept = collected.gone("/configmaps/owned", owner, 120)?;
        let kubectl = lab.kubectl("admin");
        kubectl.ok(&["get", "secrets,configmaps", "--all-namespaces"], "")?;
        let more = secret(&collected.name, "more", &[("a", "b")]);
        kubectl.apply_text(&more.to_string(), &[])?;
        std::thread::sleep(lasting.saturating_sub(stopped.elapsed()));
        ensure!(waiting.status("")? == 200, "it did not wait");
        println!(
            "    a namespace is gone in {before:.1} s while all is well\n    \
             discovery misses the group after {noticed:.1} s\n    \
             from then on a namespace is empty in {emptied:.1} s and stays, garbage is collected in {swept:.1} s"
        );
        Ok(())
    })();
    let lasted = stopped.elapsed().as_secs();
    lab.start_webhook()?;
    let back = Instant::now();
    lab.wait_until_called()?;
    let opens = back.elapsed().as_secs_f32();
    result?;
    eventually("discovery is whole", Duration::from_mins(5), || {
        discovery(lab, true)
    })?;
    let whole = back.elapsed().as_secs_f32();
    let gone = waiting.gone("", back, 300)?;
    println!(
        "    after an outage of {lasted} s: Secrets open again in {opens:.1} s, discovery is whole in {whole:.1} s, the namespace is gone in {gone:.1} s"
    );
    ensure!(manager.is_running(), "{}", manager.last_words());
    Ok(())
}

/// What `kubectl api-resources` tells someone who remembers nothing: all that there is, but our group only while the
/// API server reaches it; it ends well in either case.
fn discovery(lab: &Lab, whole: bool) -> Result<()> {
    let fresh = tempfile::tempdir()?;
    let fresh = fresh.path().display().to_string();
    let listed = lab
        .kubectl("admin")
        .ok(&["--cache-dir", &fresh, "api-resources"], "")?;
    ensure!(
        listed.contains("secrets ") && listed.contains("secretreviews") == whole,
        "{listed}"
    );
    Ok(())
}

/// With client certificates, the same outage holds nothing of this up.
pub fn namespaces_do_not_notice_without_the_aggregation_layer(lab: &Lab) -> Result<()> {
    let mut manager = controllers(lab)?;
    ensure!(lab.callers == Callers::Mtls, "another mode");
    let healthy = Tenant::new(lab, "healthy")?;
    let before = healthy
        .gone("", healthy.delete("")?, 120)
        .with_context(|| manager.last_words())?;
    let tenant = Tenant::new(lab, "unhindered")?;
    let collected = Tenant::new(lab, "collected")?;
    lab.without_webhook(|| {
        let gone = tenant.gone("", tenant.delete("")?, 120)?;
        let swept = collected.gone("/configmaps/owned", collected.delete("/configmaps/owner")?, 120)?;
        lab.kubectl("admin").ok(&["api-resources"], "")?;
        println!(
            "    a namespace is gone in {before:.1} s; in the outage in {gone:.1} s, garbage is collected in {swept:.1} s"
        );
        Ok(())
    })?;
    ensure!(manager.is_running(), "{}", manager.last_words());
    Ok(())
}
