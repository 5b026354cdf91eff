//! A cluster, our webhook in front of it, users: started here, or given by a kubeconfig.
mod given;
mod own;
mod reviews;

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
use crate::pki::Authority;
use crate::process::Program;
use crate::runner::Missing;
use crate::sealing::Key;
use crate::tools::Tools;

use self::given::Given;
pub use self::own::Own;

const SERVICE_HOST: &str = "privy-webhook.privy-seal.svc";

/// The label of what the checks make in a cluster.
pub const MARK: &str = "privyseal.dev/e2e";

/// Users and their groups.
const USERS: &[(&str, &[&str])] = &[
    ("admin", &["system:masters"]),
    // A cluster administrator by RBAC, as people are.
    ("cluster-admin", &["e2e:cluster-admins"]),
    ("deployer", &[]),
    ("creator", &[]),
    ("bob", &[]),
    ("impersonator", &[]),
    ("webhook", &[]),
];

/// How the API server calls the webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Callers {
    /// Through the aggregation layer.
    Aggregated,
    /// With a client certificate.
    Mtls,
    /// Over the loopback interface of one host.
    Loopback,
}

impl Callers {
    /// Its name in the webhook's configuration and at `privy render`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Aggregated => "aggregated",
            Self::Mtls => "mtls",
            Self::Loopback => "loopback",
        }
    }
}

/// Whose cluster it is.
enum Cluster {
    Own(Box<Own>),
    Given(Given),
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
    /// A key that no one serves.
    pub dead: Key,
    /// The authority of the webhook's certificate.
    pub webhook_authority: Authority,
    /// Where the webhook answers reviews.
    pub webhook_port: u16,
    /// Health and metrics of the webhook.
    pub health_port: u16,
    /// Under which name the API server reaches this machine.
    pub host: String,
    cluster: Cluster,
    webhook: Mutex<Option<Program>>,
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
        lab.make_roles()?;
        lab.start_webhook()?;
        lab.install()?;
        Ok(lab)
    }

    /// An empty cluster: etcd and an API server, or what a kubeconfig names.
    pub fn start_bare(folder: &Path, tools: &Tools, callers: Callers) -> Result<Self> {
        fs::create_dir_all(folder)?;
        let [webhook_port, health_port] = free_ports()?;
        let webhook_authority = Authority::new(folder, "webhook-ca")?;
        webhook_authority.server(
            "webhook-server",
            &[SERVICE_HOST, "localhost", "127.0.0.1", &tools.host],
        )?;
        let cluster = match &tools.kubeconfig {
            Some(kubeconfig) => Cluster::Given(Given::open(folder, tools, kubeconfig)?),
            None => Cluster::Own(Box::new(Own::start(
                folder,
                tools,
                &webhook_authority,
                webhook_port,
            )?)),
        };
        Ok(Self {
            callers,
            folder: folder.to_owned(),
            tools: tools.clone(),
            key: Key::generate()?,
            dead: Key::generate()?,
            webhook_authority,
            webhook_port,
            health_port,
            host: tools.host.clone(),
            cluster,
            webhook: Mutex::new(None),
            counter: AtomicU32::new(0),
        })
    }

    /// What only he has who started the cluster; `what` of it a check needs.
    pub fn own(&self, what: &str) -> Result<&Own> {
        match &self.cluster {
            Cluster::Own(own) => Ok(own),
            Cluster::Given(_) => {
                Err(Missing(format!("needs {what}, which no kubeconfig gives")).into())
            }
        }
    }

    /// The API server's address.
    pub fn server(&self) -> &str {
        match &self.cluster {
            Cluster::Own(own) => &own.server,
            Cluster::Given(given) => &given.server,
        }
    }

    /// The webhook as RBAC knows it.
    pub fn webhook_subject(&self) -> Value {
        match &self.cluster {
            Cluster::Own(_) => {
                json!({ "kind": "User", "name": "webhook", "apiGroup": "rbac.authorization.k8s.io" })
            }
            Cluster::Given(_) => Given::webhook(),
        }
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
            Callers::Loopback => "{ loopback: {} }".to_owned(),
        };
        let listen = if self.host == "localhost" {
            "127.0.0.1"
        } else {
            "0.0.0.0"
        };
        format!(
            "version: 1\nlisten: {listen}:{}\nhealth: {{ listen: 127.0.0.1:{} }}\ntls: {{ certificate: webhook-server.crt, privateKey: webhook-server.key }}\ncallers: {callers}\ncluster: lab\nkeys:\n  - name: lab\n    publicKey: key.card.json\n    namespaces: [\"*\"]\n    unwrap: [\"file:key.pem\"]\n{further}",
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
        let ready = eventually("the webhook is ready", Duration::from_mins(1), || {
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
        let url = format!("https://127.0.0.1:{port}");
        let mut arguments = vec!["render", "--callers", self.callers.name(), "--ca", &ca];
        arguments.extend(match self.callers {
            Callers::Loopback => ["--url", &url].to_vec(),
            _ => ["--external-name", &self.host, "--port", &port].to_vec(),
        });
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
                .refused("is not called in namespace kube-system")
                .map(drop)
        })
    }

    /// The API server as `user` sees it.
    pub fn api(&self, user: &str) -> Result<Api> {
        match &self.cluster {
            Cluster::Own(own) => own.api(user),
            Cluster::Given(given) => given.api(user),
        }
    }

    /// kubectl as `user` runs it.
    pub fn kubectl(&self, user: &str) -> Kubectl {
        Kubectl::new(&self.tools.kubectl, self.kubeconfig(user), &self.folder)
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
                &json!({ "metadata": { "name": namespace, "labels": { MARK: "yes" } } }),
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
            "metadata": { "name": format!("{user}-{role}"), "labels": { MARK: "yes" } },
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
        let path = self.folder.join("webhook.log");
        fs::read_to_string(&path).with_context(|| format!("failed to read {}", path.display()))
    }

    /// Everything in the API server's audit log so far.
    pub fn audit_log(&self) -> Result<String> {
        self.own("the API server's own audit log")?.audit_log()
    }

    fn make_roles(&self) -> Result<()> {
        let admin = self.api("admin")?;
        let rbac = "/apis/rbac.authorization.k8s.io/v1";
        let label = json!({ MARK: "yes" });
        for (role, group, verb) in [
            // A wildcard on core Secrets, as many have it: it is no right to unseal.
            ("e2e-secrets", "", "*"),
            ("e2e-unseal", "privyseal.dev", "unseal"),
        ] {
            let role = json!({ "metadata": { "name": role, "labels": label },
                "rules": [{ "apiGroups": [group], "resources": ["secrets"], "verbs": [verb] }] });
            admin
                .post(&format!("{rbac}/clusterroles"), &role)?
                .accepted()?;
        }
        let administrators = json!({ "metadata": { "name": "e2e-cluster-admins", "labels": label },
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin" },
            "subjects": [{ "kind": "Group", "name": "e2e:cluster-admins", "apiGroup": "rbac.authorization.k8s.io" }] });
        admin
            .post(&format!("{rbac}/clusterrolebindings"), &administrators)?
            .accepted()
            .map(drop)
    }
}

impl Drop for Lab {
    /// Leaves nothing behind in someone else's cluster.
    fn drop(&mut self) {
        self.stop_webhook();
        if let Cluster::Given(given) = &self.cluster {
            let done = self
                .rendered(&[])
                .and_then(|registered| given.clean(&registered));
            if let Err(error) = done {
                println!(
                    "!!! something of the checks is left in the cluster; look for the label {MARK}: {error:#}"
                );
            }
        }
    }
}
