//! The whole configuration, as the server needs it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jwe_envelope::RecipientKey;
use kms_backends::{
    CacheOptions, Connector, KeyUnwrap, KeyUri, NamespaceSet, Observer, Registry, RegistryError,
    VersionWatcher, read_file_bounded,
};

use super::loader::{Overrides, ServingLoader};
use crate::kube::Access;
use crate::net::caller::{Aggregated, CallerMode};
use crate::net::limits::Limits;
use crate::net::tls::{TlsFiles, TlsStore};
use unseal_policy::config::reader::{Setting, SettingMembers};
use unseal_policy::config::{Problems, ROOT, document_of, quoted, unasked};
use unseal_policy::decide::Policy;
use unseal_policy::rulebook::Rulebook;

/// A configuration that can be served: files read, keys paired, nothing contradictory.
#[derive(Clone, Debug)]
pub struct Config {
    /// The file that it comes from.
    pub file: PathBuf,
    /// Where reviews are answered.
    pub listen: SocketAddr,
    /// Where health and metrics are answered, in plain HTTP.
    pub health: SocketAddr,
    /// The server's certificate and the clients' authorities.
    pub tls: TlsFiles,
    /// How often those files are looked at.
    pub tls_poll: Duration,
    /// How callers prove themselves.
    pub callers: CallerMode,
    /// The keys served, in the order of the file.
    pub keys: Vec<KeyConfig>,
    /// What the administrator wants beyond that.
    pub policy: Policy,
    /// What holds of namespaces, keys and those who submit.
    pub rulebook: Rulebook,
    /// How the API server is asked who may `unseal`, where it is.
    pub access_reviews: Option<Aggregated>,
    /// Bounds of the server.
    pub limits: Limits,
    /// How content keys are cached.
    pub cache: CacheOptions,
    /// The audit log's file; standard output when there is none.
    pub audit: Option<PathBuf>,
    /// The way to the key services.
    pub connector: Arc<Connector>,
    /// How often the versions of keys are listed.
    pub refresh: Duration,
    /// What is allowed and better avoided, in sentences.
    pub warnings: Vec<String>,
}

/// One key entry.
#[derive(Clone, Debug)]
pub struct KeyConfig {
    /// For people, logs and metrics.
    pub name: String,
    /// The public key, pinned to one algorithm.
    pub recipient: RecipientKey,
    /// Further `kid` values that mean this key.
    pub aliases: Vec<String>,
    /// Which namespaces may use it.
    pub namespaces: NamespaceSet,
    /// Whether envelopes without `bind` are opened.
    pub allow_unbound: bool,
    /// Whether envelopes without `kid` are tried with this key.
    pub is_default: bool,
    /// Who holds the private half: reference and connection, in the order in which they are asked.
    pub backends: Vec<(KeyUri, Arc<dyn KeyUnwrap>)>,
    /// A reference without version: every version that its service lists is served.
    pub versions_of: Option<KeyUri>,
}

impl Config {
    /// Reads and checks `file`, together with every file that it names. Relative paths start at the
    /// folder of `file`.
    ///
    /// # Errors
    /// Everything that is wrong, with its line.
    pub async fn load(file: &Path, overrides: Overrides) -> Result<Self, Problems> {
        let mut problems = Problems::new(file);
        let config = match document_of(file, &read_file_bounded, &mut problems) {
            Some(root) => {
                ServingLoader::new(file, overrides, &mut problems)
                    .load(&Setting::root(&root))
                    .await
            }
            None => None,
        };
        config
            .filter(|_| problems.is_empty())
            .ok_or_else(|| problems.sorted())
    }

    /// The registry of the keys, reporting to `observer`, and what keeps it up to date.
    ///
    /// # Errors
    /// When the keys contradict each other, which [`Config::load`] has ruled out.
    pub fn keyring(&self, observer: &Arc<dyn Observer>) -> Result<VersionWatcher, RegistryError> {
        let builder = Registry::builder()
            .cache(self.cache)
            .observer(Arc::clone(observer));
        let registry = self
            .keys
            .iter()
            .filter(|key| key.versions_of.is_none())
            .fold(builder, |builder, key| {
                builder.key(key.entry(&self.connector, observer))
            })
            .build()?;
        let watched = self.keys.iter().filter_map(KeyConfig::watched).collect();
        VersionWatcher::new(
            &registry,
            watched,
            Arc::clone(&self.connector),
            Arc::clone(observer),
        )
    }
}

impl ServingLoader<'_> {
    async fn load(mut self, root: &Setting<'_>) -> Option<Config> {
        let members = root.members(self.rules.problems, ROOT)?;
        self.rules.version(&members);
        let listen = self.address(
            members.optional("listen"),
            SocketAddr::from(([0, 0, 0, 0], 10_250)),
        );
        let health = self.health(&members);
        if listen.is_some() && listen == health && listen.is_some_and(|listen| listen.port() != 0) {
            let field = members
                .optional("health")
                .or_else(|| members.optional("listen"));
            let line = field.map_or(root.line, |field| field.line);
            self.rules.problems.add(
                line,
                "health.listen",
                "must differ from `listen`; health is answered on a port of its own",
            );
        }
        let callers = self.callers(root, &members, listen);
        let client_ca = callers
            .as_ref()
            .and_then(|(_, client_ca)| client_ca.clone());
        let tls = self.tls(&members, client_ca);
        self.rules.signers(&members);
        let policy = self.rules.policy(&members);
        let limits = self.limits(&members);
        let cache = self.cache(&members);
        let audit = self.audit(&members);
        let services = self.services(&members);
        let connector = Arc::new(Connector::new(services.options));
        let keys = self.keys(&members, &connector).await;
        let rulebook = self.rules.rulebook(&members);
        let policy = policy.map(|policy| self.rules.signed_policy(policy));
        let access_reviews = self.access_reviews(&members, callers.as_ref().map(|(mode, _)| mode));
        let (tls, tls_poll) = tls?;
        let (policy, rulebook) = (policy?, rulebook?);
        let mut warnings = services.warnings;
        warnings.extend(unasked(&policy, &rulebook));
        Some(Config {
            file: self.rules.file.to_owned(),
            listen: listen?,
            health: health?,
            tls,
            tls_poll,
            callers: callers?.0,
            keys: keys?,
            policy,
            rulebook,
            access_reviews: access_reviews?,
            limits,
            cache,
            audit,
            connector,
            refresh: services.refresh,
            warnings,
        })
    }

    fn address(&mut self, field: Option<Setting<'_>>, default: SocketAddr) -> Option<SocketAddr> {
        let Some(field) = field else {
            return Some(default);
        };
        let text = field.text(self.rules.problems)?;
        let parsed = text.parse().ok();
        if parsed.is_none() {
            field.problem(
                self.rules.problems,
                format!("must be an address and a port such as `0.0.0.0:10250` or `[::1]:10250`, not {}", quoted(text)),
            );
        }
        parsed
    }

    fn health(&mut self, members: &SettingMembers<'_>) -> Option<SocketAddr> {
        let default = SocketAddr::from(([0, 0, 0, 0], 10_251));
        let Some(field) = members.optional("health") else {
            return Some(default);
        };
        let members = field.members(self.rules.problems, &["listen"])?;
        self.address(members.optional("listen"), default)
    }

    fn callers(
        &mut self,
        root: &Setting<'_>,
        members: &SettingMembers<'_>,
        listen: Option<SocketAddr>,
    ) -> Option<(CallerMode, Option<PathBuf>)> {
        let hint = "say how callers prove themselves: `mtls` with the API server's client certificate, `aggregated` through its aggregation layer, or `loopback`";
        let Some(field) = members.optional("callers") else {
            if self.overrides.allow_unauthenticated_callers {
                return Some((CallerMode::Anyone, None));
            }
            self.rules.problems.add(
                root.line,
                "",
                format!("`callers` is missing; {hint}. Anyone who reaches this webhook could have values opened, so it does not start without (or, at your own risk, with --allow-unauthenticated-callers)"),
            );
            return None;
        };
        let modes = field.members(self.rules.problems, &["aggregated", "loopback", "mtls"])?;
        let found = (
            modes.optional("mtls"),
            modes.optional("loopback"),
            modes.optional("aggregated"),
        );
        match found {
            (Some(mtls), None, None) => self.mtls(&mtls),
            (None, None, Some(aggregated)) => {
                let kubeconfig = self.kubeconfig(&aggregated)?;
                let mode = CallerMode::Aggregated(Aggregated { kubeconfig });
                Some((mode, None))
            }
            (None, Some(loopback), None) => {
                loopback.members(self.rules.problems, &[])?;
                if listen.is_some_and(|listen| !listen.ip().to_canonical().is_loopback()) {
                    loopback.problem(
                        self.rules.problems,
                        "needs `listen` on a loopback address such as `127.0.0.1:10250`",
                    );
                    return None;
                }
                Some((CallerMode::Loopback, None))
            }
            (None, None, None) => {
                field.problem(self.rules.problems, format!("names no way; {hint}"));
                None
            }
            _ => {
                field.problem(
                    self.rules.problems,
                    "must name one way, `aggregated`, `loopback` or `mtls`, not several",
                );
                None
            }
        }
    }

    /// Whether the API server is asked who may `unseal`, and how it is reached.
    #[allow(
        clippy::option_option,
        reason = "the outer one is about faults, the inner one about the member"
    )]
    fn access_reviews(
        &mut self,
        members: &SettingMembers<'_>,
        callers: Option<&CallerMode>,
    ) -> Option<Option<Aggregated>> {
        let path = match members.optional("kubeconfig") {
            None => None,
            Some(field) => {
                let path = self.rules.path(&field)?;
                if let Err(error) = Access::from_kubeconfig(&path) {
                    field.problem(
                        self.rules.problems,
                        format!("{:#}", anyhow::Error::from(error)),
                    );
                    return None;
                }
                Some(path)
            }
        };
        let Some(field) = members.optional("subjectAccessReview") else {
            return Some(None);
        };
        let required = field.word(self.rules.problems, &[("required", true), ("off", false)])?;
        let kubeconfig = path.or_else(|| match callers {
            Some(CallerMode::Aggregated(aggregated)) => aggregated.kubeconfig.clone(),
            _ => None,
        });
        Some(required.then_some(Aggregated { kubeconfig }))
    }

    /// The way to the API server: none named is the pod's own.
    #[allow(
        clippy::option_option,
        reason = "the outer one is about faults, the inner one about the file"
    )]
    fn kubeconfig(&mut self, field: &Setting<'_>) -> Option<Option<PathBuf>> {
        let members = field.members(self.rules.problems, &["kubeconfig"])?;
        let Some(field) = members.optional("kubeconfig") else {
            return Some(None);
        };
        let path = self.rules.path(&field)?;
        if let Err(error) = Access::from_kubeconfig(&path) {
            field.problem(
                self.rules.problems,
                format!("{:#}", anyhow::Error::from(error)),
            );
            return None;
        }
        Some(Some(path))
    }

    fn mtls(&mut self, field: &Setting<'_>) -> Option<(CallerMode, Option<PathBuf>)> {
        let members = field.members(self.rules.problems, &["clientCa", "allowedNames"])?;
        let client_ca = members
            .required(
                self.rules.problems,
                "clientCa",
                "name the PEM file of the authority that signs the API server's client certificate",
            )
            .and_then(|field| self.rules.path(&field));
        let names = members.required(
            self.rules.problems,
            "allowedNames",
            "list the names that the API server's client certificate carries; without it, everyone with a certificate of that authority could ask",
        )?;
        let allowed_names: Vec<String> = names
            .texts(self.rules.problems)
            .into_iter()
            .map(|(_, name)| name.to_owned())
            .collect();
        if allowed_names.is_empty() {
            names.problem(self.rules.problems, "must list at least one name");
            return None;
        }
        Some((CallerMode::Mtls { allowed_names }, Some(client_ca?)))
    }

    fn tls(
        &mut self,
        members: &SettingMembers<'_>,
        client_ca: Option<PathBuf>,
    ) -> Option<(TlsFiles, Duration)> {
        let field = members.required(
            self.rules.problems,
            "tls",
            "name the certificate and the private key that the webhook serves with",
        )?;
        let tls = field.members(self.rules.problems, &["certificate", "privateKey", "poll"])?;
        let poll = tls.optional("poll").and_then(|field| {
            field.duration(
                self.rules.problems,
                Duration::from_millis(100)..=Duration::from_hours(1),
            )
        });
        let certificate = tls.required(
            self.rules.problems,
            "certificate",
            "name the PEM file of the certificate chain",
        );
        let private_key = tls.required(
            self.rules.problems,
            "privateKey",
            "name the PEM file of the certificate's private key",
        );
        let files = TlsFiles {
            certificate: self.rules.path(certificate.as_ref()?)?,
            private_key: self.rules.path(private_key.as_ref()?)?,
            client_ca,
        };
        // Opened once to say here and now what is wrong with them.
        if let Err(error) = TlsStore::open(files.clone()) {
            let at_fault = if error.path() == files.certificate {
                &certificate
            } else if error.path() == files.private_key {
                &private_key
            } else {
                &None
            };
            let message = format!("{:#}", anyhow::Error::from(error));
            if let Some(field) = at_fault {
                field.problem(self.rules.problems, message);
            } else {
                let callers = members.optional("callers");
                let line = callers.map_or(field.line, |callers| callers.line);
                self.rules
                    .problems
                    .add(line, "callers.mtls.clientCa", message);
            }
            return None;
        }
        Some((files, poll.unwrap_or(Duration::from_secs(10))))
    }

    fn audit(&mut self, members: &SettingMembers<'_>) -> Option<PathBuf> {
        let field = members.optional("audit")?;
        let members = field.members(self.rules.problems, &["file"])?;
        let field = members.optional("file")?;
        self.rules.path(&field)
    }
}
