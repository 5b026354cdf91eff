//! The templates and what is put into them.

use std::fmt::Write as _;

use aws_lc_rs::digest::{SHA256, digest};

use super::checks::Files;
use crate::cli::render::{MustBeSealed, UnsealGrant};

/// One file of `deploy/manifests/`, with what was put into it so far.
#[derive(Clone, Debug)]
pub(super) struct Template {
    name: &'static str,
    text: std::borrow::Cow<'static, str>,
}

macro_rules! template {
    ($name:literal) => {
        Template {
            name: $name,
            text: std::borrow::Cow::Borrowed(include_str!(concat!(
                "../../../../deploy/manifests/",
                $name
            ))),
        }
    };
}

/// The two webhooks by the end of their path: directly, and through the API server.
const PATHS: [(&str, &str); 2] = [
    ("mutate", "secretreviews"),
    ("must-be-sealed", "mustbesealed"),
];

fn in_cluster(path: &str) -> String {
    format!(
        "      service: {{ namespace: privy-seal, name: privy-webhook, port: 443, path: /{path} }}\n      caBundle: {AUTHORITY}\n"
    )
}

const AUTHORITY: &str = "UmVwbGFjZSBtZQ==";

impl Template {
    pub(super) const NAMESPACE: Self = template!("00-namespace.yaml");
    pub(super) const BACKSTOP: Self = template!("10-backstop.yaml");
    pub(super) const LEGACY_TOKENS: Self = template!("15-legacy-tokens.yaml");
    pub(super) const IDENTITY: Self = template!("20-identity.yaml");
    pub(super) const AGGREGATED_IDENTITY: Self = template!("21-aggregated-identity.yaml");
    pub(super) const SUBJECT_ACCESS_REVIEW: Self = template!("22-subject-access-review.yaml");
    pub(super) const DEPLOYMENT: Self = template!("40-deployment.yaml");
    pub(super) const SERVICE: Self = template!("50-service.yaml");
    pub(super) const EXTERNAL_SERVICE: Self = template!("51-service-external.yaml");
    pub(super) const NETWORK_POLICY: Self = template!("52-network-policy.yaml");
    pub(super) const API_SERVICE: Self = template!("60-apiservice.yaml");
    pub(super) const REGISTRATION: Self = template!("70-webhook.yaml");
    pub(super) const MUST_BE_SEALED: Self = template!("75-must-be-sealed.yaml");
    pub(super) const RIGHTS: Self = template!("80-example-rights.yaml");

    /// The finished manifest.
    pub(super) fn render(self) -> (&'static str, String) {
        (self.name, self.text.into_owned())
    }

    /// Puts `new` wherever `old` stands. The tests render every template, so a default that is gone is found there.
    fn replace(mut self, old: &str, new: &str) -> Self {
        assert!(self.text.contains(old), "{} holds no `{old}`", self.name);
        self.text = self.text.replace(old, new).into();
        self
    }

    pub(super) fn namespace(self, namespace: &str) -> Self {
        match self.name {
            "00-namespace.yaml" => self.replace("name: privy-seal", &format!("name: {namespace}")),
            _ => self.replace("namespace: privy-seal", &format!("namespace: {namespace}")),
        }
    }

    /// The image, or the one of this version.
    pub(super) fn image(self, image: Option<&str>) -> Self {
        let image = image.unwrap_or(concat!("privy-webhook:", env!("CARGO_PKG_VERSION")));
        self.replace("image: privy-webhook:0.1.0", &format!("image: {image}"))
    }

    /// Takes the API server's token away from a webhook that has nothing to ask.
    pub(super) fn token(mut self, wanted: bool) -> Self {
        if !wanted {
            let mount = self
                .text
                .find("            - { name: token,")
                .expect("the template mounts it");
            let end = mount
                + self.text[mount..]
                    .find('\n')
                    .expect("lines end with a newline")
                + 1;
            self.text.to_mut().replace_range(mount..end, "");
            let volume = self
                .text
                .find("        # A token that lives")
                .expect("the template has the volume");
            let end = volume
                + self.text[volume..]
                    .find("---\n")
                    .expect("a document follows");
            self.text.to_mut().replace_range(volume..end, "");
        }
        self
    }

    /// New pods when the configuration changes: the webhook reads it when it starts, and on SIGHUP, which no one sends
    /// to a pod.
    pub(super) fn checksum(self, configuration: Option<&str>) -> Self {
        let Some(configuration) = configuration else {
            return self;
        };
        let labels = "      labels:\n        app.kubernetes.io/name: privy-webhook\n    spec:\n";
        let mut sum = String::new();
        for byte in digest(&SHA256, configuration.as_bytes()).as_ref() {
            let _ = write!(sum, "{byte:02x}");
        }
        let annotation =
            format!("      annotations:\n        privyseal.dev/config-sha256: {sum}\n");
        self.replace(labels, &format!("{annotation}{labels}"))
    }

    pub(super) fn host(self, host: &str) -> Self {
        self.replace("webhook.example", host)
    }

    pub(super) fn port(self, port: u16) -> Self {
        self.replace("port: 443", &format!("port: {port}"))
    }

    pub(super) fn authority(self, bundle: &str) -> Self {
        self.replace(AUTHORITY, bundle)
    }

    /// The API server calls itself, and its aggregation layer calls the webhook.
    pub(super) fn through_the_api_server(self) -> Self {
        self.called(|_, resource| {
            format!("      service: {{ namespace: default, name: kubernetes, port: 443, path: /apis/admission.privyseal.dev/v1/{resource} }}\n")
        })
    }

    pub(super) fn at(self, url: &str) -> Self {
        self.called(|path, _| format!("      url: {url}/{path}\n      caBundle: {AUTHORITY}\n"))
    }

    fn called(mut self, how: impl Fn(&str, &str) -> String) -> Self {
        for (path, resource) in PATHS {
            let default = in_cluster(path);
            if self.text.contains(&default) {
                self = self.replace(&default, &how(path, resource));
            }
        }
        self
    }

    pub(super) fn exempt(self, own: &str, further: &[String]) -> Self {
        let mut names = vec!["kube-system", own];
        for name in further {
            if !names.contains(&name.as_str()) {
                names.push(name);
            }
        }
        self.replace(
            "values: [kube-system, privy-seal]",
            &format!("values: [{}]", names.join(", ")),
        )
    }

    pub(super) fn grant(self, grant: &UnsealGrant) -> Self {
        // Several grants of one namespace are beside each other. No namespace contains a dot.
        let name = format!(
            "name: privy-unseal-{}.{}",
            grant.account_namespace, grant.service_account
        );
        self.replace(
            "name: deployer\n    namespace: payments-ci",
            &format!(
                "name: {}\n    namespace: {}",
                grant.service_account, grant.account_namespace
            ),
        )
        .replace(
            "\n  namespace: payments\n",
            &format!("\n  namespace: {}\n", grant.namespace),
        )
        .replace("name: privy-unseal", &name)
    }

    /// Puts the webhook that refuses plain values before the one that opens. Call it before [`exempt`](Self::exempt).
    pub(super) fn must_be_sealed(self, must: &MustBeSealed) -> Self {
        let mut entry = String::new();
        for line in Self::MUST_BE_SEALED.text.lines() {
            let _ = writeln!(entry, "  {line}");
        }
        if let MustBeSealed::In(names) = must {
            let chosen = format!("operator: In, values: [{}]", names.join(", "));
            entry = entry.replace(
                "operator: NotIn, values: [kube-system, privy-seal]",
                &chosen,
            );
        }
        self.replace("\nwebhooks:\n", &format!("\nwebhooks:\n{entry}"))
    }
}

/// The ConfigMap with the webhook's configuration and key cards.
pub(super) fn configuration(namespace: &str, files: &Files) -> String {
    let mut text = format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: privy-webhook\n  namespace: {namespace}\n  labels:\n    app.kubernetes.io/name: privy-webhook\ndata:\n"
    );
    for (name, content) in files {
        let readable = content.ends_with('\n')
            && !content.ends_with("\n\n")
            && !content.starts_with([' ', '\n'])
            && content.chars().all(|c| {
                c == '\n'
                    || (c >= ' '
                        && c != '\u{7f}'
                        && c != '\u{feff}'
                        && c != '\u{85}'
                        && c != '\u{2028}'
                        && c != '\u{2029}')
            });
        if readable {
            let _ = writeln!(text, "  {name}: |");
            for line in content.lines() {
                let _ = if line.is_empty() {
                    writeln!(text)
                } else {
                    writeln!(text, "    {line}")
                };
            }
        } else {
            // What a block cannot hold unharmed, a quoted string can: JSON is YAML.
            let _ = writeln!(
                text,
                "  {name}: {}",
                serde_json::Value::from(content.as_str())
            );
        }
    }
    text
}
