//! The `keys` of the configuration, connected to who holds the private halves.

use std::sync::Arc;

use kms_backends::{ConnectError, Connector, KeyEntry, Observer, WatchedKey};
use unseal_policy::config::reader::{Setting, SettingMembers};

use super::loader::ServingLoader;
use super::serving::KeyConfig;

impl KeyConfig {
    /// The registry's entry, its backends in their layers.
    pub(super) fn entry(&self, connector: &Connector, observer: &Arc<dyn Observer>) -> KeyEntry {
        let mut builder = KeyEntry::builder(&self.name, self.recipient.clone())
            .namespaces(self.namespaces.clone())
            .allow_unbound(self.allow_unbound)
            .default_key(self.is_default)
            .references(
                self.backends
                    .iter()
                    .map(|(reference, _)| reference.to_string())
                    .collect(),
            );
        for alias in &self.aliases {
            builder = builder.alias(alias);
        }
        for (reference, backend) in &self.backends {
            let backend = Arc::clone(backend);
            builder = builder.backend(connector.layered(reference, backend, &self.name, observer));
        }
        builder.build()
    }

    /// The key whose versions its service lists, where it is one.
    pub(super) fn watched(&self) -> Option<WatchedKey> {
        self.versions_of.as_ref().map(|uri| WatchedKey {
            name: self.name.clone(),
            uri: uri.clone(),
            recipient: self.recipient.clone(),
            namespaces: self.namespaces.clone(),
            allow_unbound: self.allow_unbound,
            default_key: self.is_default,
        })
    }
}

impl ServingLoader<'_> {
    /// The keys, connected.
    pub(super) async fn keys(
        &mut self,
        members: &SettingMembers<'_>,
        connector: &Connector,
    ) -> Option<Vec<KeyConfig>> {
        let (mut rules, mut keys) = (Vec::new(), Vec::new());
        for field in self.rules.key_fields(members)? {
            let Some(raw) = self.rules.raw_key(&field) else {
                continue;
            };
            let mut backends = Vec::new();
            let mut versions_of = None;
            if let (Some(recipient), Some(references)) = (&raw.recipient, &raw.references) {
                for (field, uri) in references {
                    if uri.lacks_version() {
                        self.alone(field, references.len(), &raw.aliases);
                        versions_of = Some(uri.clone());
                        continue;
                    }
                    // A file also tells whether its private key is the public key's other half.
                    match connector.connect(uri, recipient).await {
                        Ok(backend) => backends.push((uri.clone(), backend)),
                        // The fault itself is noted already, where it stands.
                        Err(ConnectError::Settings { .. }) if self.services_at_fault => {}
                        Err(error) => field.problem(
                            self.rules.problems,
                            format!("{:#}", anyhow::Error::from(error)),
                        ),
                    }
                }
            }
            if let Some(rule) = raw.rule() {
                self.rules.contradictions(&field, &rule, &rules);
                rules.push(rule.clone());
                keys.push(KeyConfig {
                    name: rule.name,
                    recipient: rule.recipient,
                    aliases: rule.aliases,
                    namespaces: rule.namespaces,
                    allow_unbound: rule.allow_unbound,
                    is_default: rule.is_default,
                    backends,
                    versions_of,
                });
            }
        }
        Some(keys)
    }

    /// A key of many versions is many public keys: an alias could mean only one of them, and a replica would have to
    /// count versions in the same way.
    fn alone(&mut self, field: &Setting<'_>, references: usize, aliases: &[String]) {
        if references > 1 || !aliases.is_empty() {
            field.problem(
                self.rules.problems,
                "names a key and no version, so every version is served under its own kid; that goes with neither \
                 `aliases` nor a second reference. Add the version, or leave those out",
            );
        }
    }
}
