//! The second webhook: in the namespaces that it is registered for, a value comes sealed or not at all.
//!
//! It runs before the first one and opens nothing. What is stored already may stay, so that labels, finalizers and
//! the annotation layout are not in its way; and so may what the cluster itself writes.

use jwe_envelope::{Envelope, Recognized, is_openable_form, recognize};
use secret_walker::{AdmittedSecret, Entry};
use zeroize::Zeroizing;

use super::answer::{Answer, ReviewResponse};
use super::request::{Request, UserInfo};
use super::{Reviewer, deny_unreadable, message};
use crate::audit::{AuditRecord, FieldOutcome, FieldRecord, Operation, ReviewOutcome};
use unseal_policy::decide::{Code, Refusal};
use unseal_policy::filter;
use unseal_policy::leave::Left;
use unseal_policy::name_pattern;

/// Who writes Secrets because it is the cluster: a name, or the beginning of names.
const CLUSTER: [&str; 5] = [
    "system:apiserver",
    "system:kube-controller-manager",
    "system:serviceaccount:kube-node-lease:*",
    "system:serviceaccount:kube-public:*",
    "system:serviceaccount:kube-system:*",
];

/// Plain values after which a review is refused without a look at the rest.
const MOST_REFUSED: usize = 1024;

impl Reviewer {
    /// Answers a review of the second webhook.
    pub fn must_be_sealed(&self, body: &[u8]) -> Answer {
        let mut record = AuditRecord::new((self.clock)());
        let begun = tokio::time::Instant::now();
        let reply = match Request::parse(body) {
            Ok(request) => {
                request.describe(&mut record);
                self.refuse_plain(&request, &mut record)
            }
            Err(unreadable) => {
                record.outcome = ReviewOutcome::Invalid;
                ReviewResponse::Http(400, None, unreadable.0)
            }
        };
        record.took = begun.elapsed();
        reply.into_answer(record, &[])
    }

    fn refuse_plain(&self, request: &Request<'_>, record: &mut AuditRecord) -> ReviewResponse {
        record.outcome = ReviewOutcome::Untouched;
        let writes = matches!(request.operation, Operation::Create | Operation::Update)
            && request.sub_resource.is_none();
        if !writes
            || !request.kind.is_secret()
            || is_cluster(&request.user)
            || !self.rulebook.must_be_sealed(request.namespace.as_str())
        {
            return ReviewResponse::Allowed(None);
        }
        let secret = match request.object.map(AdmittedSecret::from_json) {
            Some(Ok(secret)) => secret,
            Some(Err(error)) => {
                return deny_unreadable(record, &format!("request.object: {error}"));
            }
            None => return deny_unreadable(record, "request.object is missing"),
        };
        let stored = match request.old_object.map(AdmittedSecret::from_json) {
            None => None,
            Some(Ok(stored)) => Some(stored),
            Some(Err(error)) => {
                return deny_unreadable(record, &format!("request.oldObject: {error}"));
            }
        };
        if is_release(&secret) {
            return ReviewResponse::Allowed(None);
        }
        let refusal = Refusal::new(
            Code::NotSealed,
            "the value is not sealed, and in this namespace every value must be",
            "seal it with `privy seal`, and apply that",
        );
        let left = Left::of(&secret);
        let data = secret.data().filter(|entry| {
            let kept = stored.as_ref().and_then(|stored| stored.get(entry.key));
            entry.decoded_len() > 0
                && kept != Some(*entry)
                && !is_sealed(entry, left.names(entry.key))
        });
        let given = secret
            .string_data()
            .filter(|entry| entry.value.is_some_and(|text| !text.is_empty()));
        let plain: Vec<String> = data
            .map(|entry| format!("data/{}", entry.key))
            .chain(given.map(|entry| format!("stringData/{}", entry.key)))
            .take(MOST_REFUSED)
            .collect();
        if plain.is_empty() {
            return ReviewResponse::Allowed(None);
        }
        record.outcome = ReviewOutcome::Denied;
        record.code = Some(Code::NotSealed);
        record.fields = plain
            .iter()
            .map(|field| FieldRecord {
                code: Some(Code::NotSealed),
                ..FieldRecord::new(
                    field.split_once('/').map_or("", |(_, key)| key),
                    FieldOutcome::Refused,
                )
            })
            .collect();
        let parts = plain.iter().map(|field| (field.as_str(), &refusal));
        ReviewResponse::Denied(403, message(parts))
    }
}

fn is_cluster(user: &UserInfo<'_>) -> bool {
    CLUSTER
        .iter()
        .any(|pattern| name_pattern::fits(pattern, user.name()))
}

/// Whether the other webhook opens a value or refuses it; or whether it is an envelope to leave sealed.
///
/// What only looks like an envelope would be stored as it is, so it is plain here.
fn is_sealed(entry: &Entry<'_>, left: bool) -> bool {
    let Ok(value) = entry.decode().map(Zeroizing::new) else {
        return false;
    };
    // What a user without the right to unseal sends is seen only by the backstop, which passes tokens of others, damaged ones too.
    let is_opened_or_refused =
        || is_openable_form(&value) && !filter::begins_as_token_of_others(&value);
    match recognize(&value) {
        Recognized::Sealed(envelope) => {
            (left || is_opened_or_refused()) && is_for_a_public_key(&envelope)
        }
        // Refused as damaged, unless it is left.
        Recognized::Malformed(_) => !left && is_opened_or_refused(),
        Recognized::Plain => false,
    }
}

/// Not so the encrypted tokens of others, which the webhook always leaves as they are.
fn is_for_a_public_key(envelope: &Envelope<'_>) -> bool {
    envelope.recipients().iter().any(|recipient| {
        let algorithm = recipient.algorithm();
        algorithm.starts_with("RSA-OAEP") || algorithm.starts_with("ECDH-ES")
    })
}

/// What Helm keeps of a release, by all that it is: type, name, the one field, and the first bytes of the compressed text.
/// Anyone may write a type, so the type by itself exempts nothing. The registration has the same condition.
fn is_release(secret: &AdmittedSecret<'_>) -> bool {
    const OPENING: &[u8] = b"H4sIAAAAAAAC/";
    secret.secret_type() == Some("helm.sh/release.v1")
        && secret
            .name()
            .is_some_and(|name| name.starts_with("sh.helm.release.v1."))
        && secret.data().len() == 1
        && secret.get("release").is_some_and(|entry| {
            let mut head = [0; OPENING.len()];
            entry.decode_head(&mut head) == head.len() && head == OPENING
        })
}
