//! A cluster of one host that the lab starts itself: etcd, kube-apiserver, users with certificates.
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::{SERVICE_HOST, USERS, eventually, free_ports};
use crate::api::Api;
use crate::pki::{Authority, Pair};
use crate::process::Program;
use crate::tools::Tools;

/// What only he has who started the cluster: its authorities, its keys, its files.
pub struct Own {
    folder: PathBuf,
    /// The cluster's authority: it signs clients.
    pub authority: Authority,
    /// The certificate with which the API server calls webhooks.
    pub caller: Pair,
    /// The front proxy's certificate.
    pub front_proxy: Pair,
    /// The API server's address.
    pub server: String,
    api_server: Program,
    _etcd: Program,
}

impl Own {
    /// Starts etcd and the API server, and waits until it answers. `callers_authority` signs the certificate with which it
    /// calls the webhook at `webhook_port`.
    pub fn start(
        folder: &Path,
        tools: &Tools,
        callers_authority: &Authority,
        webhook_port: u16,
    ) -> Result<Self> {
        let (etcd_program, server_program) = tools.servers()?;
        let [etcd_port, peer_port, port] = free_ports()?;
        let etcd = Program::start(
            etcd_program,
            &[
                "--data-dir=etcd".to_owned(),
                format!("--listen-client-urls=http://127.0.0.1:{etcd_port}"),
                format!("--advertise-client-urls=http://127.0.0.1:{etcd_port}"),
                format!("--listen-peer-urls=http://127.0.0.1:{peer_port}"),
                format!("--initial-advertise-peer-urls=http://127.0.0.1:{peer_port}"),
                format!("--initial-cluster=default=http://127.0.0.1:{peer_port}"),
                "--unsafe-no-fsync".to_owned(),
                "--log-level=error".to_owned(),
            ],
            folder,
            "etcd.log",
        )?;
        let authority = Authority::new(folder, "cluster-ca")?;
        let front_authority = Authority::new(folder, "front-proxy-ca")?;
        let serving = authority.server(
            "kube-apiserver",
            &["127.0.0.1", "localhost", "kubernetes.default.svc"],
        )?;
        let front_proxy = front_authority.client("front-proxy-client", &[])?;
        let caller = callers_authority.client("kube-apiserver-webhooks", &[])?;
        let tokens = authority.client("service-account-tokens", &[])?;
        fs::write(folder.join("audit-policy.yaml"), AUDIT_POLICY)?;
        write_admission(folder, webhook_port, &caller)?;

        let file = |path: &Path| path.display().to_string();
        let api_server = Program::start(
            server_program,
            &[
                format!("--etcd-servers=http://127.0.0.1:{etcd_port}"),
                "--bind-address=127.0.0.1".to_owned(),
                "--advertise-address=192.0.2.1".to_owned(),
                "--endpoint-reconciler-type=none".to_owned(),
                format!("--secure-port={port}"),
                "--service-cluster-ip-range=10.96.0.0/16".to_owned(),
                format!("--tls-cert-file={}", file(&serving.certificate)),
                format!("--tls-private-key-file={}", file(&serving.key)),
                format!("--client-ca-file={}", file(&authority.file)),
                "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
                format!("--service-account-key-file={}", file(&tokens.certificate)),
                format!("--service-account-signing-key-file={}", file(&tokens.key)),
                "--authorization-mode=RBAC".to_owned(),
                format!(
                    "--requestheader-client-ca-file={}",
                    file(&front_authority.file)
                ),
                "--requestheader-allowed-names=front-proxy-client".to_owned(),
                "--requestheader-username-headers=X-Remote-User".to_owned(),
                "--requestheader-uid-headers=X-Remote-Uid".to_owned(),
                "--requestheader-group-headers=X-Remote-Group".to_owned(),
                "--requestheader-extra-headers-prefix=X-Remote-Extra-".to_owned(),
                format!(
                    "--proxy-client-cert-file={}",
                    file(&front_proxy.certificate)
                ),
                format!("--proxy-client-key-file={}", file(&front_proxy.key)),
                "--admission-control-config-file=admission.yaml".to_owned(),
                "--audit-policy-file=audit-policy.yaml".to_owned(),
                "--audit-log-path=audit.log".to_owned(),
                "--audit-log-mode=blocking".to_owned(),
                "--profiling=false".to_owned(),
            ],
            folder,
            "kube-apiserver.log",
        )?;
        let own = Self {
            folder: folder.to_owned(),
            authority,
            caller,
            front_proxy,
            server: format!("https://127.0.0.1:{port}"),
            api_server,
            _etcd: etcd,
        };
        own.make_users()?;
        let admin = own.api("admin")?;
        eventually("the API server is ready", Duration::from_mins(2), || {
            let answer = admin.get("/readyz")?;
            ensure!(answer.status == 200, "{:?}", answer.body);
            Ok(())
        })
        .with_context(|| own.api_server.last_words())?;
        Self::make_roles(&admin)?;
        Ok(own)
    }

    /// The API server as `user` sees it.
    pub fn api(&self, user: &str) -> Result<Api> {
        let name = format!("user-{user}");
        let pair = Pair {
            certificate: self.folder.join(format!("{name}.crt")),
            key: self.folder.join(format!("{name}.key")),
        };
        Api::new(&self.server, &fs::read(&self.authority.file)?, Some(&pair))
    }

    /// Everything in the API server's audit log so far.
    pub fn audit_log(&self) -> Result<String> {
        Ok(fs::read_to_string(self.folder.join("audit.log"))?)
    }

    fn make_users(&self) -> Result<()> {
        for (user, groups) in USERS {
            let pair = self.authority.client(&format!("user-{user}"), groups)?;
            // The file is `user-NAME`; the name within the certificate is what RBAC sees.
            let named = self.authority.client(user, groups)?;
            fs::rename(&named.certificate, &pair.certificate)?;
            fs::rename(&named.key, &pair.key)?;
            let mut text = String::new();
            let _ = write!(
                text,
                "apiVersion: v1\nkind: Config\ncurrent-context: lab\nclusters:\n  - name: lab\n    cluster: {{ server: \"{}\", certificate-authority: {} }}\nusers:\n  - name: {user}\n    user: {{ client-certificate: {}, client-key: {} }}\ncontexts:\n  - name: lab\n    context: {{ cluster: lab, user: {user} }}\n",
                self.server,
                self.authority.file.display(),
                pair.certificate.display(),
                pair.key.display()
            );
            crate::pki::private(&self.folder.join(format!("{user}.kubeconfig")), &text)?;
        }
        Ok(())
    }

    /// Who may act as the API server; and what the built-in role and its binding in kube-system give to the webhook.
    fn make_roles(admin: &Api) -> Result<()> {
        let rbac = "/apis/rbac.authorization.k8s.io/v1";
        let user = |name: &str| json!([{ "kind": "User", "name": name, "apiGroup": "rbac.authorization.k8s.io" }]);
        let role: Value = json!({ "metadata": { "name": "e2e-impersonate" }, "rules": [
            { "apiGroups": [""], "resources": ["users"], "verbs": ["impersonate"], "resourceNames": ["system:apiserver"] },
            { "apiGroups": [""], "resources": ["groups"], "verbs": ["impersonate"], "resourceNames": ["system:masters"] },
        ] });
        admin
            .post(&format!("{rbac}/clusterroles"), &role)?
            .accepted()?;
        let binding = json!({ "metadata": { "name": "e2e-impersonate" }, "subjects": user("impersonator"),
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "e2e-impersonate" } });
        admin
            .post(&format!("{rbac}/clusterrolebindings"), &binding)?
            .accepted()?;
        let reader = json!({ "metadata": { "name": "e2e-webhook" }, "subjects": user("webhook"),
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "extension-apiserver-authentication-reader" } });
        admin
            .post(
                &format!("{rbac}/namespaces/kube-system/rolebindings"),
                &reader,
            )?
            .accepted()
            .map(drop)
    }
}

fn write_admission(folder: &Path, port: u16, caller: &Pair) -> Result<()> {
    fs::write(
        folder.join("admission.yaml"),
        format!(
            "apiVersion: apiserver.config.k8s.io/v1\nkind: AdmissionConfiguration\nplugins:\n  - name: MutatingAdmissionWebhook\n    configuration:\n      apiVersion: apiserver.config.k8s.io/v1\n      kind: WebhookAdmissionConfiguration\n      kubeConfigFile: {}\n",
            folder.join("admission.kubeconfig").display()
        ),
    )?;
    let mut users = String::new();
    for host in [SERVICE_HOST, "127.0.0.1"] {
        let _ = write!(
            users,
            "  - name: \"{host}:{port}\"\n    user: {{ client-certificate: {}, client-key: {} }}\n",
            caller.certificate.display(),
            caller.key.display()
        );
    }
    fs::write(
        folder.join("admission.kubeconfig"),
        format!("apiVersion: v1\nkind: Config\nusers:\n{users}"),
    )?;
    Ok(())
}

/// Levels by namespace, so that one server shows what each of them logs.
const AUDIT_POLICY: &str = "\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
  - { level: Request, namespaces: [audit-request], resources: [{ group: '', resources: [secrets] }] }
  - { level: RequestResponse, namespaces: [audit-request-response], resources: [{ group: '', resources: [secrets] }] }
  - { level: Metadata }
";
