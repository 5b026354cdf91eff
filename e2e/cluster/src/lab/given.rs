//! A cluster that is someone else's: everything goes by an administrator's kubeconfig, users are impersonated, and what
//! was made there is taken away at the end.
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};

use super::{MARK, USERS, eventually};
use crate::api::Api;
use crate::kubectl::Kubectl;
use crate::process::Program;
use crate::tools::Tools;

/// Where the webhook's service account lives.
const HOME: &str = "privy-e2e";

/// A cluster from a kubeconfig.
#[derive(Debug)]
pub struct Given {
    admin: Kubectl,
    socket: PathBuf,
    /// The API server's address.
    pub server: String,
    /// kubectl signs in for us, however its user does, and listens at a socket in our own folder.
    _proxy: Program,
}

impl Given {
    /// Looks at the cluster, refuses one in which Privy Seal works already, and makes what the checks need in it.
    pub fn open(folder: &Path, tools: &Tools, kubeconfig: &Path) -> Result<Self> {
        let from = Kubectl::new(&tools.kubectl, kubeconfig.to_owned(), folder);
        let raw = [
            "config",
            "view",
            "--minify",
            "--flatten",
            "--raw",
            "--output=json",
        ];
        let config: Value = serde_json::from_str(&from.ok(&raw, "")?)
            .context("the kubeconfig cannot be understood")?;
        for (user, groups) in USERS {
            let mut own = config.clone();
            if *user != "admin" {
                own["users"][0]["user"]["as"] = json!(user);
                own["users"][0]["user"]["as-groups"] = json!(groups);
            }
            let path = folder.join(format!("{user}.kubeconfig"));
            crate::pki::private(&path, &own.to_string())?;
        }
        let admin = Kubectl::new(&tools.kubectl, folder.join("admin.kubeconfig"), folder);
        for installed in [
            "mutatingwebhookconfiguration/privy-webhook",
            "validatingadmissionpolicy/no-sealed-values.privyseal.dev",
            "namespace/privy-seal",
        ] {
            let found = admin.ok(
                &["get", installed, "--ignore-not-found", "--output=name"],
                "",
            )?;
            ensure!(
                found.trim().is_empty(),
                "there is {installed} in this cluster, and the checks would take it away; give them a cluster of their own"
            );
        }
        let socket = folder.join("kubectl.socket");
        let proxy = Program::start(
            &tools.kubectl,
            &[
                "--kubeconfig=admin.kubeconfig".to_owned(),
                "proxy".to_owned(),
                format!("--unix-socket={}", socket.display()),
            ],
            folder,
            "kubectl-proxy.log",
        )?;
        let given = Self {
            admin,
            socket,
            server: config["clusters"][0]["cluster"]["server"]
                .as_str()
                .context("the kubeconfig names no server")?
                .to_owned(),
            _proxy: proxy,
        };
        let api = given.api("admin")?;
        eventually("kubectl passes on", Duration::from_mins(1), || {
            api.get("/version")?.accepted().map(drop)
        })?;
        given.welcome_webhook(folder, &config)?;
        Ok(given)
    }

    /// The API server as `user` sees it.
    pub fn api(&self, user: &str) -> Result<Api> {
        let api = Api::through(&self.socket)?;
        let Some((_, groups)) = USERS.iter().find(|(name, _)| *name == user) else {
            bail!("there is no user {user}");
        };
        Ok(if user == "admin" {
            api
        } else {
            api.acting_as(user, groups)
        })
    }

    /// A service account for the webhook, its right to read who the front proxy is, and a kubeconfig with its token.
    fn welcome_webhook(&self, folder: &Path, config: &Value) -> Result<()> {
        let label = json!({ MARK: "yes" });
        let objects = json!({ "apiVersion": "v1", "kind": "List", "items": [
            { "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": HOME, "labels": label } },
            { "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": "webhook", "namespace": HOME } },
            { "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
                "metadata": { "name": "privy-e2e-webhook", "namespace": "kube-system", "labels": label },
                "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "extension-apiserver-authentication-reader" },
                "subjects": [Self::webhook()] },
        ] });
        self.admin.apply_text(&objects.to_string(), &[])?;
        let token = self.admin.ok(
            &[
                "--namespace",
                HOME,
                "create",
                "token",
                "webhook",
                "--duration=8h",
            ],
            "",
        )?;
        let mut own = config.clone();
        own["users"][0]["user"] = json!({ "token": token.trim() });
        crate::pki::private(&folder.join("webhook.kubeconfig"), &own.to_string())?;
        Ok(())
    }

    /// The webhook as RBAC knows it.
    pub fn webhook() -> Value {
        json!({ "kind": "ServiceAccount", "name": "webhook", "namespace": HOME })
    }

    /// Takes away what the checks made: `registered` first, so that nothing is refused any more.
    pub fn clean(&self, registered: &str) -> Result<()> {
        let marked = format!("--selector={MARK}");
        let bindings = "rolebindings.rbac.authorization.k8s.io";
        let rest = "clusterrolebindings.rbac.authorization.k8s.io,clusterroles.rbac.authorization.k8s.io,namespaces";
        for (which, input) in [
            (&["-f", "-"][..], registered),
            (&[bindings, &marked, "--namespace=kube-system"], ""),
            (&[rest, &marked], ""),
        ] {
            let arguments = [&["delete", "--ignore-not-found", "--wait=false"], which].concat();
            self.admin.ok(&arguments, input)?;
        }
        Ok(())
    }
}
