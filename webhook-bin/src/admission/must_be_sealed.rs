//! The second webhook: in the namespaces that it is registered for, a value comes sealed or not at all.
//!
//! It runs before the first one and opens nothing. What is stored already may stay, so that labels, finalizers and
//! the annotation layout are not in its way; and so may what the cluster itself writes.

use secret_walker::AdmittedSecret;

use super::answer::{Answer, Reply};
use super::request::{Request, UserInfo};
use super::{Reviewer, deny_unreadable, message};
use crate::audit::{AuditRecord, FieldOutcome, FieldRecord, Operation, ReviewOutcome};
use crate::decide::{Code, Refusal};
use crate::unseal::secret::is_sealed_entry;

/// Who writes Secrets because it is the cluster: a name, or the beginning of names.
const CLUSTER: [&str; 5] = [
    "system:apiserver",
    "system:kube-controller-manager",
    "system:serviceaccount:kube-node-lease:*",
    "system:serviceaccount:kube-public:*",
    "system:serviceaccount:kube-system:*",
];

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
                Reply::Http(400, None, unreadable.0)
            }
        };
        record.took = begun.elapsed();
        reply.into_answer(record, &[])
    }

    fn refuse_plain(&self, request: &Request<'_>, record: &mut AuditRecord) -> Reply {
        record.outcome = ReviewOutcome::Untouched;
        let writes = matches!(request.operation, Operation::Create | Operation::Update)
            && request.sub_resource.is_none();
        if !writes
            || !request.kind.is_secret()
            || is_cluster(&request.user)
            || !self.rulebook.must_be_sealed(request.namespace.as_str())
        {
            return Reply::Allowed(None);
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
            return Reply::Allowed(None);
        }
        let refusal = Refusal::new(
            Code::NotSealed,
            "the value is not sealed, and in this namespace every value must be",
            "seal it with `privy seal`, and apply that",
        );
        let data = secret.data().filter(|entry| {
            let kept = stored.as_ref().and_then(|stored| stored.get(entry.key));
            entry.decoded_len() > 0
                && kept != Some(*entry)
                && !is_sealed_entry(entry, &self.formats)
        });
        let given = secret
            .string_data()
            .filter(|entry| entry.value.is_some_and(|text| !text.is_empty()));
        let plain: Vec<String> = data
            .map(|entry| format!("data/{}", entry.key))
            .chain(given.map(|entry| format!("stringData/{}", entry.key)))
            .collect();
        if plain.is_empty() {
            return Reply::Allowed(None);
        }
        record.outcome = ReviewOutcome::Denied;
        record.code = Some(Code::NotSealed);
        record.fields = plain
            .iter()
            .map(|field| FieldRecord {
                field: field.split_once('/').map_or("", |(_, key)| key).to_owned(),
                kid: None,
                key: None,
                envelope: None,
                outcome: FieldOutcome::Refused,
                code: Some(Code::NotSealed),
                source: None,
                signer: None,
            })
            .collect();
        let parts = plain.iter().map(|field| (field.as_str(), &refusal));
        Reply::Denied(403, message(parts))
    }
}

fn is_cluster(user: &UserInfo<'_>) -> bool {
    CLUSTER
        .iter()
        .any(|pattern| match pattern.strip_suffix('*') {
            Some(beginning) => user.name().starts_with(beginning),
            None => user.name() == *pattern,
        })
}

/// What Helm keeps of a release: manifests, in one value under one name. Narrow, because anybody may write a type.
fn is_release(secret: &AdmittedSecret<'_>) -> bool {
    secret.secret_type() == Some("helm.sh/release.v1")
        && secret
            .name()
            .is_some_and(|name| name.starts_with("sh.helm.release.v1."))
        && secret.data().all(|entry| entry.key == "release")
}
