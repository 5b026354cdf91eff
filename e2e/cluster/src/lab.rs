//! A cluster of one host: etcd, kube-apiserver, our webhook, users.
use std::fmt::Write as _;
use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};

use crate::api::{Answer, Api};
use crate::kubectl::Kubectl;
use crate::pki::{Authority, Pair};
use crate::process::Program;
use crate::sealing::Key;
use crate::tools::Tools;

const SERVICE_HOST: &str = "privy-webhook.privy-seal.svc";

/// How the API server calls the webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Callers {
    /// Through the aggregation layer.
    Aggregated,
    /// With a client certificate.
    Mtls,
}

/// A running cluster.
pub struct Lab {
    /// How the webhook is called.
    pub callers: Callers,
    /// Everything that the lab writes.
    pub folder: PathBuf,
    /// Programs.
    pub tools: Tools,
    /// The key that the webhook serves.
    pub key: Key,
    /// A key that nobody serves.
    pub dead: Key,
    /// The cluster's authority: it signs clients.
    pub authority: Authority,
    /// The authority of the webhook's certificate.
    pub webhook_authority: Authority,
    /// The certificate with which the API server calls webhooks.
    pub caller: Pair,
    /// The front proxy's certificate.
    pub front_proxy: Pair,
    /// The API server's address.
    pub server: String,
    /// Where the webhook answers reviews, and health.
    pub webhook_port: u16,
    /// Health and metrics of the webhook.
    pub health_port: u16,
    webhook: Mutex<Option<Program>>,
    _api_server: Program,
    _etcd: Program,
    counter: AtomicU32,
}

/// Ports that were free a moment ago.
pub fn free_ports<const N: usize>() -> Result<[u16; N]> {
    let held: Vec<TcpListener> = (0..N)
        .map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))
        .collect::<Result<_, _>>()?;
    let mut ports = [0; N];
    for (port, listener) in ports.iter_mut().zip(&held) {
        *port = listener.local_addr()?.port();
    }
    Ok(ports)
}

/// Asks until the answer is there; says what it waited for when it never comes.
pub fn eventually<T>(
    what: &str,
    within: Duration,
    mut ask: impl FnMut() -> Result<T>,
) -> Result<T> {
    let start = Instant::now();
    loop {
        match ask() {
            Ok(found) => return Ok(found),
            Err(error) if start.elapsed() > within => {
                return Err(error.context(format!("{what}: not within {} s", within.as_secs())));
            }
            Err(_) => std::thread::sleep(Duration::from_millis(100)),
        }
    }
}

impl Lab {
    /// Starts everything in `folder` and registers the webhook.
    pub fn start(folder: &Path, tools: &Tools, callers: Callers) -> Result<Self> {
        let lab = Self::start_bare(folder, tools, callers)?;
        lab.start_webhook()?;
        lab.install()?;
        Ok(lab)
    }

    /// Starts etcd and the API server: an empty cluster.
    pub fn start_bare(folder: &Path, tools: &Tools, callers: Callers) -> Result<Self> {
        fs::create_dir_all(folder)?;
        let [etcd_port, peer_port, port, webhook_port, health_port] = free_ports()?;
        let etcd = Program::start(
            &tools.etcd,
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
        let webhook_authority = Authority::new(folder, "webhook-ca")?;
        let serving = authority.server(
            "kube-apiserver",
            &["127.0.0.1", "localhost", "kubernetes.default.svc"],
        )?;
        let front_proxy = front_authority.client("front-proxy-client", &[])?;
        let caller = webhook_authority.client("kube-apiserver-webhooks", &[])?;
        webhook_authority.server("webhook-server", &[SERVICE_HOST, "localhost", "127.0.0.1"])?;
        let tokens = authority.client("service-account-tokens", &[])?;
        fs::write(folder.join("audit-policy.yaml"), AUDIT_POLICY)?;
        write_admission(folder, webhook_port, &caller)?;

        let file = |path: &Path| path.display().to_string();
        let api_server = Program::start(
            &tools.kube_apiserver,
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
        let lab = Self {
            callers,
            folder: folder.to_owned(),
            tools: tools.clone(),
            key: Key::generate()?,
            dead: Key::generate()?,
            authority,
            webhook_authority,
            caller,
            front_proxy,
            server: format!("https://127.0.0.1:{port}"),
            webhook_port,
            health_port,
            webhook: Mutex::new(None),
            _api_server: api_server,
            _etcd: etcd,
            counter: AtomicU32::new(0),
        };
        lab.make_users()?;
        let admin = lab.api("admin")?;
        eventually("the API server is ready", Duration::from_secs(120), || {
            let answer = admin.get("/readyz")?;
            ensure!(answer.status == 200, "{:?}", answer.body);
            Ok(())
        })
        .with_context(|| lab._api_server.last_words())?;
        lab.make_roles()?;
        Ok(lab)
    }

    /// Key, card and configuration of the webhook, and the process.
    pub fn start_webhook(&self) -> Result<()> {
        let folder = &self.folder;
        let configuration = folder.join("webhook.yaml");
        if !configuration.exists() {
            self.key.write(
                &folder.join("key.pem"),
                &folder.join("key.card.json"),
                "lab",
                &[],
            )?;
            fs::write(&configuration, self.configuration(""))?;
        }
        self.start_webhook_process()
    }

    /// The webhook's configuration, with further lines at its end.
    pub fn configuration(&self, further: &str) -> String {
        let callers = match self.callers {
            Callers::Aggregated => format!(
                "{{ aggregated: {{ kubeconfig: {} }} }}",
                self.kubeconfig("webhook").display()
            ),
            Callers::Mtls => {
                "{ mtls: { clientCa: webhook-ca.crt, allowedNames: [kube-apiserver-webhooks] } }"
                    .to_owned()
            }
        };
        format!(
            "version: 1\nlisten: 127.0.0.1:{}\nhealth: {{ listen: 127.0.0.1:{} }}\ntls: {{ certificate: webhook-server.crt, privateKey: webhook-server.key }}\ncallers: {callers}\ncluster: lab\nkeys:\n  - name: lab\n    publicKey: key.card.json\n    namespaces: [\"*\"]\n    unwrap: [\"file:key.pem\"]\n{further}",
            self.webhook_port, self.health_port
        )
    }

    /// Starts the webhook again with further lines in its configuration.
    pub fn reconfigure(&self, further: &str) -> Result<()> {
        self.stop_webhook();
        fs::write(
            self.folder.join("webhook.yaml"),
            self.configuration(further),
        )?;
        self.start_webhook_process()?;
        self.wait_until_called()
    }

    fn start_webhook_process(&self) -> Result<()> {
        let mut running = self.webhook.lock().expect("nobody panics with it");
        ensure!(running.is_none(), "the webhook runs already");
        let mut program = Program::start(
            &self.tools.privy_webhook,
            &["--config".to_owned(), "webhook.yaml".to_owned()],
            &self.folder,
            "webhook.log",
        )?;
        let client = reqwest::blocking::Client::builder().no_proxy().build()?;
        let ready = eventually("the webhook is ready", Duration::from_secs(60), || {
            if !program.is_running() {
                bail!("the webhook ended");
            }
            let answer = client
                .get(format!("http://127.0.0.1:{}/readyz", self.health_port))
                .send()?;
            ensure!(answer.status().is_success(), "not ready");
            Ok(())
        });
        ready.with_context(|| program.last_words())?;
        *running = Some(program);
        Ok(())
    }

    /// Ends the webhook.
    pub fn stop_webhook(&self) {
        if let Some(mut program) = self.webhook.lock().expect("nobody panics with it").take() {
            program.stop();
        }
    }

    /// Ends the webhook while `work` runs, and has it called again afterwards.
    pub fn without_webhook<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        self.stop_webhook();
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
        self.start_webhook_process()?;
        self.wait_until_called()?;
        result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    /// What `privy render` prints for this lab.
    pub fn rendered(&self, further: &[&str]) -> Result<String> {
        let port = self.webhook_port.to_string();
        let ca = self.webhook_authority.file.display().to_string();
        let callers = match self.callers {
            Callers::Aggregated => "aggregated",
            Callers::Mtls => "mtls",
        };
        let mut arguments = vec![
            "render",
            "--callers",
            callers,
            "--ca",
            &ca,
            "--external-name",
            "localhost",
            "--port",
            &port,
        ];
        arguments.extend(further);
        self.tools.privy(&arguments)
    }

    /// Applies what `privy render` prints, backstop first, and waits until both work.
    pub fn install(&self) -> Result<()> {
        let backstop = self.rendered(&["--only", "backstop"])?;
        self.kubectl("admin").apply_text(&backstop, &[])?;
        let webhook = self.rendered(&["--only", "webhook"])?;
        self.kubectl("admin").apply_text(&webhook, &[])?;
        self.wait_until_called()?;
        self.wait_for_backstop()
    }

    /// Waits until a sealed Secret is opened: registrations and APIServices take a moment.
    pub fn wait_until_called(&self) -> Result<()> {
        let admin = self.api("admin")?;
        let sealed = self.key.seal("default/wait/field", b"open");
        let secret = crate::sealing::secret("default", "wait", &[("field", &sealed)]);
        eventually(
            "the webhook opens a Secret",
            Duration::from_secs(90),
            || {
                let stored = admin.create_dry(&secret)?.accepted()?;
                crate::sealing::assert_value(&stored, "field", "open")
            },
        )
    }

    /// Waits until the backstop refuses a sealed value.
    pub fn wait_for_backstop(&self) -> Result<()> {
        let admin = self.api("admin")?;
        let sealed = self.key.seal("kube-system/wait/field", b"open");
        // The webhook is never called for kube-system.
        let secret = crate::sealing::secret("kube-system", "wait", &[("field", &sealed)]);
        eventually("the backstop refuses", Duration::from_secs(30), || {
            admin
                .create_dry(&secret)?
                .refused("would be stored sealed")
                .map(drop)
        })
    }

    /// The API server as `user` sees it.
    pub fn api(&self, user: &str) -> Result<Api> {
        let pair = self.pair(user);
        Api::new(&self.server, &fs::read(&self.authority.file)?, Some(&pair))
    }

    /// kubectl as `user` runs it.
    pub fn kubectl(&self, user: &str) -> Kubectl {
        Kubectl::new(&self.tools.kubectl, self.kubeconfig(user), &self.folder)
    }

    fn pair(&self, user: &str) -> Pair {
        let name = format!("user-{user}");
        Pair {
            certificate: self.folder.join(format!("{name}.crt")),
            key: self.folder.join(format!("{name}.key")),
        }
    }

    /// The user's kubeconfig.
    pub fn kubeconfig(&self, user: &str) -> PathBuf {
        self.folder.join(format!("{user}.kubeconfig"))
    }

    /// A namespace of its own for one test, in which `deployer` may do everything and unseal, `creator` everything with
    /// Secrets but unseal.
    pub fn namespace(&self, name: &str) -> Result<String> {
        let namespace = format!("{name}-{}", self.counter.fetch_add(1, Ordering::Relaxed));
        let admin = self.api("admin")?;
        admin
            .post(
                "/api/v1/namespaces",
                &json!({ "metadata": { "name": namespace } }),
            )?
            .accepted()?;
        for (user, role) in [
            ("deployer", "e2e-secrets"),
            ("deployer", "e2e-unseal"),
            ("creator", "e2e-secrets"),
        ] {
            self.bind(&namespace, user, role)?;
        }
        // What RBAC knows comes to the authorizer through a watch.
        let deployer = self.api("deployer")?;
        eventually("the rights are known", Duration::from_secs(30), || {
            for (group, verb) in [("privyseal.dev", "unseal"), ("", "create")] {
                let review = deployer.post(
                    "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
                    &json!({ "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": {
                        "resourceAttributes": { "group": group, "resource": "secrets", "verb": verb, "namespace": namespace } } }),
                )?;
                ensure!(review.body["status"]["allowed"] == true, "{}", review.body);
            }
            let creator = self
                .api("creator")?
                .get(&format!("/api/v1/namespaces/{namespace}/secrets"))?;
            ensure!(creator.status == 200, "{}", creator.message());
            Ok(())
        })?;
        Ok(namespace)
    }

    /// Binds a cluster role to a user in one namespace.
    pub fn bind(&self, namespace: &str, user: &str, role: &str) -> Result<()> {
        let binding = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
            "metadata": { "name": format!("{user}-{role}") },
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role },
            "subjects": [{ "kind": "User", "name": user, "apiGroup": "rbac.authorization.k8s.io" }],
        });
        let path =
            format!("/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/rolebindings");
        self.api("admin")?
            .post(&path, &binding)?
            .accepted()
            .map(drop)
    }

    /// Accepts: the deployer creates it; the stored Secret comes back.
    pub fn accepts(&self, secret: &Value) -> Result<Value> {
        self.api("deployer")?.create(secret)?.accepted()
    }

    /// Rejects: the deployer is refused with 403 and these words, and nothing is stored.
    pub fn rejects(&self, secret: &Value, reason: &str) -> Result<Answer> {
        let api = self.api("deployer")?;
        let answer = api.create(secret)?.refused(reason)?;
        if let (Some(namespace), Some(name)) = (
            secret["metadata"]["namespace"].as_str(),
            secret["metadata"]["name"].as_str(),
        ) {
            ensure!(
                api.secret(namespace, name).is_err(),
                "refused, and stored nevertheless"
            );
        }
        Ok(answer)
    }

    /// Everything that the webhook wrote so far.
    pub fn webhook_log(&self) -> Result<String> {
        Ok(fs::read_to_string(self.folder.join("webhook.log")).unwrap_or_default())
    }

    /// Everything in the API server's audit log so far.
    pub fn audit_log(&self) -> Result<String> {
        Ok(fs::read_to_string(self.folder.join("audit.log"))?)
    }

    fn make_users(&self) -> Result<()> {
        for (user, groups) in [
            ("admin", &["system:masters"][..]),
            // A cluster administrator by RBAC, as people are.
            ("cluster-admin", &["e2e:cluster-admins"][..]),
            ("deployer", &[][..]),
            ("creator", &[][..]),
            ("bob", &[][..]),
            ("impersonator", &[][..]),
            ("webhook", &[][..]),
        ] {
            let mut params = groups.to_vec();
            params.sort_unstable();
            let pair = self.authority.client(&format!("user-{user}"), &params)?;
            // The file is `user-NAME`; the name within the certificate is what RBAC sees.
            let named = self.authority.client(user, &params)?;
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
            crate::pki::private(&self.kubeconfig(user), &text)?;
        }
        Ok(())
    }

    fn make_roles(&self) -> Result<()> {
        let admin = self.api("admin")?;
        let roles = "/apis/rbac.authorization.k8s.io/v1/clusterroles";
        let bindings = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings";
        let role = |name: &str, rules: Value| json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": { "name": name }, "rules": rules });
        let bind = |role: &str, kind: &str, subject: &str| {
            json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": { "name": format!("{role}-{subject}").replace(':', "-") },
                "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role },
                "subjects": [{ "kind": kind, "name": subject, "apiGroup": "rbac.authorization.k8s.io" }] })
        };
        // A wildcard on core Secrets, as many have it: it is no right to unseal.
        admin
            .post(
                roles,
                &role(
                    "e2e-secrets",
                    json!([{ "apiGroups": [""], "resources": ["secrets"], "verbs": ["*"] }]),
                ),
            )?
            .accepted()?;
        admin.post(roles, &role("e2e-unseal", json!([{ "apiGroups": ["privyseal.dev"], "resources": ["secrets"], "verbs": ["unseal"] }])))?.accepted()?;
        admin
            .post(
                roles,
                &role("e2e-impersonate", json!([
                    { "apiGroups": [""], "resources": ["users"], "verbs": ["impersonate"], "resourceNames": ["system:apiserver"] },
                    { "apiGroups": [""], "resources": ["groups"], "verbs": ["impersonate"], "resourceNames": ["system:masters"] },
                ])),
            )?
            .accepted()?;
        admin
            .post(
                bindings,
                &bind("cluster-admin", "Group", "e2e:cluster-admins"),
            )?
            .accepted()?;
        admin
            .post(bindings, &bind("e2e-impersonate", "User", "impersonator"))?
            .accepted()?;
        // What the built-in role and its binding in kube-system give a service account of ours.
        admin
            .post(
                "/apis/rbac.authorization.k8s.io/v1/namespaces/kube-system/rolebindings",
                &json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": { "name": "e2e-webhook" },
                    "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "extension-apiserver-authentication-reader" },
                    "subjects": [{ "kind": "User", "name": "webhook", "apiGroup": "rbac.authorization.k8s.io" }] }),
            )?
            .accepted()?;
        Ok(())
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

/// Reviews as the webhook's audit log tells of them.
impl Lab {
    /// The lines about `namespace` that the webhook wrote so far. First a review of its own goes through, so that no
    /// earlier line is still on its way.
    pub fn reviews(&self, namespace: &str) -> Result<Vec<Value>> {
        let mark = format!("mark-{}", self.counter.fetch_add(1, Ordering::Relaxed));
        let sealed = self.key.seal(&format!("{namespace}/{mark}/field"), b"mark");
        let secret = crate::sealing::secret(namespace, &mark, &[("field", &sealed)]);
        self.api("admin")?.create_dry(&secret)?.accepted()?;
        eventually("the audit line is written", Duration::from_secs(30), || {
            let lines: Vec<Value> = self
                .webhook_log()?
                .lines()
                .filter(|line| line.contains(namespace))
                .filter_map(|line| serde_json::from_str(line).ok())
                .filter(|line: &Value| line["namespace"] == namespace)
                .collect();
            ensure!(
                lines.iter().any(|line| line["name"] == mark.as_str()),
                "not yet"
            );
            Ok(lines
                .into_iter()
                .filter(|line| {
                    !line["name"]
                        .as_str()
                        .is_some_and(|name| name.starts_with("mark-"))
                })
                .collect())
        })
    }

    /// How often the webhook asked its key service on behalf of `namespace`.
    pub fn unwraps(&self, namespace: &str) -> Result<u64> {
        Ok(self
            .reviews(namespace)?
            .iter()
            .filter_map(|line| line["unwraps"].as_u64())
            .sum())
    }
}
