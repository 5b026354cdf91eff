//! The `keys` of the configuration: public key, policy and the holders of the private half.

use jwe_envelope::{KeyCard, KeyError, KeyManagement, RecipientKey};
use kms_backends::{KeyUri, KeyUriError, NamespaceSet};

use super::problem::quoted;
use super::reader::{Setting, SettingMembers};
use super::rules::{KeyRule, Loader, bytes_of};

/// Longer than any key card (64 KiB).
pub(super) const MAX_KEY_FILE: usize = 64 << 10;
/// Far more than one cluster needs.
const MAX_KEYS: usize = 1_000;

const KNOWN: &[&str] = &[
    "name",
    "publicKey",
    "kid",
    "algorithm",
    "aliases",
    "namespaces",
    "allowUnbound",
    "default",
    "submitters",
    "onlyFrom",
    "unwrap",
];

/// What one entry says, as far as it could be read.
pub struct RawKey<'n> {
    name: Option<String>,
    /// The public key.
    pub recipient: Option<RecipientKey>,
    /// Further `kid` values that mean it.
    pub aliases: Vec<String>,
    namespaces: Option<NamespaceSet>,
    allow_unbound: Option<bool>,
    is_default: Option<bool>,
    /// Who holds the private half, each where the file says it.
    pub references: Option<Vec<(Setting<'n>, KeyUri)>>,
}

impl RawKey<'_> {
    /// The rule, where nothing is missing.
    pub fn rule(self) -> Option<KeyRule> {
        self.references?;
        Some(KeyRule {
            name: self.name?,
            recipient: self.recipient?,
            aliases: self.aliases,
            namespaces: self.namespaces?,
            allow_unbound: self.allow_unbound?,
            is_default: self.is_default?,
        })
    }
}

impl Loader<'_> {
    /// The keys as they are described, no one contacted.
    pub fn key_rules(&mut self, members: &SettingMembers<'_>) -> Option<Vec<KeyRule>> {
        let mut rules = Vec::new();
        for field in self.key_fields(members)? {
            if let Some(rule) = self.raw_key(&field).and_then(RawKey::rule) {
                self.contradictions(&field, &rule, &rules);
                rules.push(rule);
            }
        }
        Some(rules)
    }

    /// The entries of `keys`.
    pub fn key_fields<'n>(&mut self, members: &SettingMembers<'n>) -> Option<Vec<Setting<'n>>> {
        let field = members.required(self.problems, "keys", "list at least one key")?;
        let fields = field.list(self.problems)?;
        if fields.is_empty() || fields.len() > MAX_KEYS {
            field.problem(
                self.problems,
                format!("must list from 1 to {MAX_KEYS} keys"),
            );
            return None;
        }
        Some(fields)
    }

    /// Reads one entry.
    pub fn raw_key<'n>(&mut self, field: &Setting<'n>) -> Option<RawKey<'n>> {
        let members = field.members(self.problems, KNOWN)?;
        let name = members
            .required(
                self.problems,
                "name",
                "give the key a name for people, logs and metrics",
            )
            .and_then(|field| self.key_name(&field));
        let flag = |loader: &mut Self, name| {
            members
                .optional(name)
                .map_or(Some(false), |field| field.flag(loader.problems))
        };
        self.key_names.extend(name.clone());
        if let (Some(name), Some(Some(submitters))) = (&name, self.submitters(&members)) {
            self.key_submitters.push((name.clone(), submitters));
        }
        if let (Some(name), Some(Some(only_from))) = (&name, self.only_from(&members)) {
            self.key_only_from.push((name.clone(), only_from));
        }
        Some(RawKey {
            name,
            recipient: self.recipient(&members),
            aliases: self.aliases(&members),
            namespaces: self.namespaces(&members),
            allow_unbound: flag(self, "allowUnbound"),
            is_default: flag(self, "default"),
            references: self.references(&members),
        })
    }

    /// A name of a key or a signer: 1 to 63 characters that fit into a metric's label.
    pub fn key_name(&mut self, field: &Setting<'_>) -> Option<String> {
        let text = field.text(self.problems)?;
        let legal = text.len() <= 63
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b));
        if !legal {
            field.problem(self.problems, "must be 1 to 63 characters of a-z, A-Z, 0-9, `-`, `.` and `_`: it becomes a metric's label");
            return None;
        }
        Some(text.to_owned())
    }

    fn recipient(&mut self, members: &SettingMembers<'_>) -> Option<RecipientKey> {
        let pin = match members.optional("algorithm") {
            Some(field) => {
                let text = field.text(self.problems)?;
                match text.parse::<KeyManagement>() {
                    Ok(algorithm) => Some((field, algorithm)),
                    Err(error) => {
                        field.problem(self.problems, error.to_string());
                        return None;
                    }
                }
            }
            None => None,
        };
        let field = members.required(
            self.problems,
            "publicKey",
            "name the file of the key card, PEM or JWK",
        )?;
        let path = self.path(&field)?;
        let bytes = match bytes_of(self.read, &path, MAX_KEY_FILE) {
            Ok(bytes) => bytes,
            Err(message) => {
                field.problem(self.problems, format!("{} {message}", path.display()));
                return None;
            }
        };
        let kid = match members.optional("kid") {
            Some(field) => Some((field.text(self.problems)?, field)),
            None => None,
        };
        let algorithm = pin.as_ref().map(|(_, algorithm)| *algorithm);
        let recipient = match public_key(&bytes, kid.as_ref().map(|(kid, _)| *kid), algorithm) {
            Ok(Some(recipient)) => recipient,
            Ok(None) => {
                let field = kid.map_or(field, |(_, field)| field);
                field.problem(
                    self.problems,
                    format!("{} holds no such key", path.display()),
                );
                return None;
            }
            Err(error) => {
                let error = anyhow::Error::from(error);
                field.problem(
                    self.problems,
                    format!("{} holds no usable public key: {error:#}", path.display()),
                );
                return None;
            }
        };
        if let Some((field, algorithm)) = pin
            && recipient.algorithm() != algorithm
        {
            field.problem(
                self.problems,
                format!(
                    "{algorithm} contradicts {}, which pins the key to {}",
                    path.display(),
                    recipient.algorithm()
                ),
            );
            return None;
        }
        Some(recipient)
    }

    fn aliases(&mut self, members: &SettingMembers<'_>) -> Vec<String> {
        let Some(field) = members.optional("aliases") else {
            return Vec::new();
        };
        let mut aliases: Vec<String> = Vec::new();
        for (field, alias) in field.texts(self.problems) {
            if alias.chars().count() > 1_024 || alias.chars().any(char::is_control) {
                field.problem(
                    self.problems,
                    "must be at most 1024 characters, none of them a control character",
                );
            } else if aliases.iter().any(|other| other == alias) {
                field.problem(self.problems, format!("{} is listed twice", quoted(alias)));
            } else {
                aliases.push(alias.to_owned());
            }
        }
        aliases
    }

    fn namespaces(&mut self, members: &SettingMembers<'_>) -> Option<NamespaceSet> {
        let field = members.required(
            self.problems,
            "namespaces",
            "list the namespaces that may use the key, as `payments` or `team-*`; `\"*\"` is all of them",
        )?;
        let words: Vec<_> = field.texts(self.problems);
        if words.is_empty() {
            field.problem(
                self.problems,
                "must list at least one namespace; a key that no namespace may use is of no use",
            );
            return None;
        }
        let mut legal = true;
        for (field, word) in &words {
            if let Err(error) = NamespaceSet::parse([word]) {
                field.problem(self.problems, error.to_string());
                legal = false;
            }
        }
        let words = words.iter().map(|(_, word)| word);
        NamespaceSet::parse(words).ok().filter(|_| legal)
    }

    fn references<'n>(
        &mut self,
        members: &SettingMembers<'n>,
    ) -> Option<Vec<(Setting<'n>, KeyUri)>> {
        let field = members.required(
            self.problems,
            "unwrap",
            "list who holds the private key, as `file:` and a path or the reference of a key service; several are asked in turn while one is not available",
        )?;
        let references = field.texts(self.problems);
        if references.is_empty() {
            field.problem(self.problems, "must list at least one reference");
            return None;
        }
        let mut uris = Vec::new();
        for (field, text) in references {
            match text.parse::<KeyUri>() {
                Ok(uri) => uris.push((field, uri.relative_to(self.folder))),
                // Anyone who only checks manifests needs no key service.
                Err(KeyUriError::NotInThisBuild { scheme, feature }) => {
                    if let Some(say) = self.not_in_this_build {
                        field.problem(self.problems, say(scheme, feature));
                    }
                }
                Err(error) => field.problem(self.problems, error.to_string()),
            }
        }
        Some(uris)
    }

    /// What this key and one of `earlier` cannot both say.
    pub fn contradictions(&mut self, field: &Setting<'_>, key: &KeyRule, earlier: &[KeyRule]) {
        let member = |name: &str| format!("{}.{name}", field.path);
        let line = |name: &str| field.line_of(name);
        if key.aliases.iter().any(|alias| alias == key.recipient.kid()) {
            self.problems.add(
                line("aliases"),
                &member("aliases"),
                "the key's own kid needs no alias",
            );
        }
        for other in earlier {
            let name = &other.name;
            if other.name == key.name {
                self.problems.add(
                    line("name"),
                    &member("name"),
                    format!("{name:?} is already the name of another key"),
                );
            }
            if other.recipient.kid() == key.recipient.kid() {
                self.problems.add(
                    line("publicKey"),
                    &member("publicKey"),
                    format!("is the same key as {name:?}; give that one both policies, or make another key"),
                );
            } else if other
                .aliases
                .iter()
                .any(|alias| alias == key.recipient.kid())
            {
                self.problems.add(
                    line("publicKey"),
                    &member("publicKey"),
                    format!("the key's kid is already an alias of key {name:?}"),
                );
            }
            if other.is_default && key.is_default {
                self.problems.add(
                    line("default"),
                    &member("default"),
                    format!("{name:?} is the default key already; there can be one"),
                );
            }
            for alias in &key.aliases {
                if alias == other.recipient.kid() {
                    self.problems.add(
                        line("aliases"),
                        &member("aliases"),
                        format!("{} is already the kid of key {name:?}", quoted(alias)),
                    );
                } else if other.aliases.contains(alias) {
                    self.problems.add(
                        line("aliases"),
                        &member("aliases"),
                        format!("{} is already an alias of key {name:?}", quoted(alias)),
                    );
                }
            }
        }
    }
}

/// The public key of a PEM, JWK or key card; `None` when it does not hold the one that `kid` names.
fn public_key(
    bytes: &[u8],
    kid: Option<&str>,
    algorithm: Option<KeyManagement>,
) -> Result<Option<RecipientKey>, KeyError> {
    let wanted = |recipient: &RecipientKey| kid.is_none_or(|kid| kid == recipient.kid());
    if bytes.trim_ascii_start().first() != Some(&b'{') {
        return RecipientKey::from_pem(bytes, algorithm)
            .map(|recipient| Some(recipient).filter(wanted));
    }
    let is_card = serde_json::from_slice::<serde_json::Value>(bytes)
        .is_ok_and(|value| value.get("keys").is_some());
    if !is_card {
        return RecipientKey::from_jwk(bytes, algorithm)
            .map(|recipient| Some(recipient).filter(wanted));
    }
    let card = KeyCard::parse(bytes)?;
    let key = match kid {
        None => card.active(),
        Some(_) => card.keys().iter().find(|key| wanted(&key.recipient)),
    };
    Ok(key.map(|key| key.recipient.clone()))
}
