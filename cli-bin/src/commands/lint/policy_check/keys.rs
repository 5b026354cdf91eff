//! What the keys of an envelope give cause to say.
use jwe_envelope::{Envelope, KeyManagement};

use super::{Issue, PolicyCheck};
use crate::project::lint::rules::RuleId;
use crate::text::printable;

impl PolicyCheck<'_, '_> {
    /// What the keys of an envelope give cause to say, wherever it stands.
    pub fn keys(&self, envelope: &Envelope<'_>) -> Vec<Issue> {
        let mut found = Vec::new();
        let setup = self.subject.setup;
        let kids = || {
            envelope
                .recipients()
                .iter()
                .filter_map(|recipient| recipient.key_id())
        };
        let cards: Vec<_> = kids().filter_map(|kid| setup.cards.get(kid)).collect();
        if let Some(card) = cards
            .first()
            .filter(|_| cards.iter().all(|card| card.retired))
        {
            found.push((
                RuleId::RetiredKey,
                format!(
                    "sealed for the key {:?}, which its card calls retired",
                    printable(&card.name, 64)
                ),
                None,
            ));
        }
        for card in cards.iter().filter(|card| !card.retired) {
            if let Some(end) = card.not_after.filter(|end| setup.now > *end) {
                found.push((
                    RuleId::ExpiredKey,
                    format!(
                        "sealed for the key {:?}, which its card says not to use after {}",
                        printable(&card.name, 64),
                        crate::time::format(end)
                    ),
                    None,
                ));
            }
        }
        if let Some((rule, allowed)) = self.subject.path_rules.rule
            && let Some(card) = cards.first()
            && allowed.iter().any(|known| !known.is_empty())
            && !kids().any(|kid| allowed.iter().any(|known| known.contains(kid)))
        {
            found.push((
                RuleId::OtherKey,
                format!(
                    "sealed for the key {:?}, and `.privy.yaml` has {} for this path",
                    printable(&card.name, 64),
                    rule.keys.join(", ")
                ),
                None,
            ));
        }
        for recipient in envelope.recipients() {
            if recipient.algorithm() == KeyManagement::RsaOaep.as_str() {
                found.push((
                    RuleId::WeakAlgorithm,
                    "sealed with RSA-OAEP, which rests on SHA-1".to_owned(),
                    None,
                ));
                break;
            }
        }
        if let Err(error) = envelope.content_encryption() {
            found.push((
                RuleId::Unsupported,
                printable(&error.to_string(), 200),
                None,
            ));
        } else if !setup.knows_keys() {
            let strange = envelope
                .recipients()
                .iter()
                .all(|recipient| recipient.algorithm().parse::<KeyManagement>().is_err());
            if strange && let Some(recipient) = envelope.recipients().first() {
                let algorithm = printable(recipient.algorithm(), 64);
                let message = format!("key management {algorithm:?} is not opened by any key");
                found.push((RuleId::Unsupported, message, None));
            }
        }
        found
    }
}
