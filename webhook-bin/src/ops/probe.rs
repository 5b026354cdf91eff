//! `check-config --probe`: is what each key service holds the key that the configuration names?

use std::fmt::Write as _;
use std::time::Duration;

use kms_backends::{Category, KeyUri, UnwrapError};
use tokio::time::Instant;

use crate::config::{Config, KeyConfig};

/// For one key service to answer.
const LIMIT: Duration = Duration::from_secs(10);

/// Something is wrong: another key, a denial, a reference that leads nowhere.
const FOUND: u8 = 1;
/// A key service did not answer, and nothing else is wrong.
const NOT_AVAILABLE: u8 = 3;

/// What came of it.
pub(crate) struct Probed {
    pub(crate) text: String,
    pub(crate) exit: u8,
}

/// Asks for every public key, one after the other.
pub(crate) async fn probe(config: &Config) -> Probed {
    let mut probed = Probed {
        text: String::new(),
        exit: 0,
    };
    for key in &config.keys {
        for (uri, _) in &key.backends {
            let asked = config.connector.public_key(
                uri,
                Some(key.recipient.algorithm()),
                Instant::now() + LIMIT,
            );
            let answer = asked.await.map(|held| vec![held.kid().to_owned()]);
            probed.note(key, uri, answer);
        }
        if let Some(uri) = &key.versions_of {
            let asked = config.connector.versions(
                uri,
                Some(key.recipient.algorithm()),
                Instant::now() + LIMIT,
            );
            let answer = asked.await.map(|versions| {
                let kids = versions
                    .iter()
                    .map(|version| version.recipient.kid().to_owned());
                kids.collect()
            });
            probed.note(key, uri, answer);
        }
    }
    probed.text.truncate(probed.text.trim_end().len());
    probed
}

impl Probed {
    fn note(&mut self, key: &KeyConfig, uri: &KeyUri, answer: Result<Vec<String>, UnwrapError>) {
        let name = &key.name;
        let expected = key.recipient.kid();
        let (words, exit) = match answer {
            Ok(kids) if kids.iter().any(|kid| kid == expected) => match kids.len() {
                1 => ("holds the configured key".to_owned(), 0),
                count => (
                    format!("holds the configured key and {} more versions", count - 1),
                    0,
                ),
            },
            Ok(kids) => (
                format!(
                    "HOLDS ANOTHER KEY: {}, not {expected}; check which public key and which reference belong together",
                    kids.join(", ")
                ),
                FOUND,
            ),
            Err(error) => {
                let exit = match error.category() {
                    Category::Unavailable => NOT_AVAILABLE,
                    Category::Denied
                    | Category::Misconfigured
                    | Category::Rejected
                    | Category::UnknownKey => FOUND,
                };
                let error = anyhow::Error::from(error);
                (format!("DID NOT SAY: {error:#}"), exit)
            }
        };
        let _ = writeln!(self.text, "probe        key {name}: {uri} {words}");
        self.exit = match (self.exit, exit) {
            (FOUND, _) | (_, FOUND) => FOUND,
            (before, now) => before.max(now),
        };
    }
}
