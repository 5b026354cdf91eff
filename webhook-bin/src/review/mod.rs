//! AdmissionReview in, AdmissionReview out: what the webhook answers, without the server that carries it.

use std::fmt;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use jwe_envelope::{ObjectName, Untrusted};
use kms_backends::{FairShare, SharedRegistry, Tenant};
use secret_walker::AdmittedSecret;
use tokio::time::Instant;

use crate::audit::{AuditRecord, FieldOutcome, FieldRecord, Operation, ReviewOutcome};
use crate::kube::access_review::MayUnseal;
use crate::unseal::Jwe;
use crate::unseal::outcome::{FieldRefusal, SecretOutcome};
use crate::unseal::recent::Recent;
use crate::unseal::right::UnsealRight;
use crate::unseal::secret::unseal;
use crate::unseal::subject::Subject;
use unseal_policy::decide::{Code, Policy, Refusal, SubmitterCheck};
use unseal_policy::format::{Context, SealedFormat};
use unseal_policy::refusal::cut;
use unseal_policy::rulebook::Rulebook;
use weight::beside_body;

mod answer;
mod must_be_sealed;
mod other_kind;
mod request;
mod retry;
mod submission;
pub(crate) mod weight;

pub use answer::{Answer, WipingBody};

use answer::ReviewResponse;
use request::Request;
use retry::FirstTries;

/// Answers reviews: the keys, the policy, the formats and a clock.
pub struct Reviewer {
    /// The keys that are served; each review takes those of its moment.
    pub registry: Arc<SharedRegistry>,
    /// What the administrator wants.
    pub policy: Policy,
    formats: Vec<Box<dyn SealedFormat>>,
    clock: Box<dyn Fn() -> SystemTime + Send + Sync>,
    first_tries: FirstTries,
    recent: Recent,
    rulebook: Rulebook,
    access: Option<Arc<dyn MayUnseal>>,
    places: Arc<FairShare>,
    memory: Arc<FairShare>,
}

/// Secrets that are opened at one time, for all namespaces: as many as the server takes on by default.
const PLACES: usize = 512;

/// Said to a namespace that waits for more key-service calls than its share.
const BUSY: &str = "too many reviews of this namespace are under way; try again";

impl fmt::Debug for Reviewer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reviewer")
            .field("registry", &self.registry)
            .field("policy", &self.policy)
            .field("formats", &self.formats)
            .finish_non_exhaustive()
    }
}

impl Reviewer {
    /// Serves these keys under this policy: JWE, by the system's clock.
    pub fn new(registry: impl Into<Arc<SharedRegistry>>, policy: Policy) -> Self {
        Self {
            registry: registry.into(),
            policy,
            formats: vec![Box::new(Jwe)],
            clock: Box::new(SystemTime::now),
            first_tries: FirstTries::default(),
            recent: Recent::default(),
            rulebook: Rulebook::default(),
            access: None,
            places: FairShare::new(PLACES),
            memory: FairShare::new(usize::MAX),
        }
    }

    /// Shares out so many bytes between namespaces, of which each review takes what it needs beside its body until it is
    /// answered.
    #[must_use]
    pub fn with_memory(mut self, bytes: usize) -> Self {
        self.memory = FairShare::new(bytes);
        self
    }

    /// Holds these rules, too.
    #[must_use]
    pub fn with_rulebook(mut self, rulebook: Rulebook) -> Self {
        self.rulebook = rulebook;
        self
    }

    /// Asks for the right to `unseal` before anything is opened.
    #[must_use]
    pub fn with_access_reviews(mut self, access: Arc<dyn MayUnseal>) -> Self {
        self.access = Some(access);
        self
    }

    /// Takes the time from `clock` instead.
    #[must_use]
    pub fn with_clock(mut self, clock: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        self.clock = Box::new(clock);
        self
    }

    /// Reads these formats instead, the first that recognizes a value wins.
    #[must_use]
    pub fn with_formats(mut self, formats: Vec<Box<dyn SealedFormat>>) -> Self {
        self.formats = formats;
        self
    }

    /// Answers one review before `deadline`, whatever the body is.
    ///
    /// Nothing awaits unless a content key has to be unwrapped. The answer holds plaintext in its body only.
    pub async fn review(&self, body: &[u8], deadline: Instant) -> Answer {
        let begun = Instant::now();
        let mut record = AuditRecord::new((self.clock)());
        let mut warnings = Vec::new();
        let mut share = None;
        let reply = match Request::parse(body) {
            Ok(request) => {
                request.describe(&mut record);
                let tenant = Tenant::new(cut(request.namespace.as_str()));
                share = self.memory.take_many(&tenant, beside_body(body));
                if share.is_some() || !request.stores() {
                    self.answer(&request, deadline, &mut record, &mut warnings)
                        .await
                } else {
                    busy(&mut record)
                }
            }
            Err(unreadable) => {
                record.outcome = ReviewOutcome::Invalid;
                ReviewResponse::Http(400, None, unreadable.0)
            }
        };
        record.took = begun.elapsed();
        let mut answer = reply.into_answer(record, &warnings);
        answer.share = share;
        answer
    }

    /// What the audit says of a review that got no answer: who asked for what, as far as that can be read.
    pub fn unanswered(&self, body: &[u8], outcome: ReviewOutcome) -> AuditRecord {
        let mut record = AuditRecord::new((self.clock)());
        record.outcome = outcome;
        // What failed may be the reading itself.
        let described = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let mut described = record.clone();
            Request::parse(body).ok()?.describe(&mut described);
            Some(described)
        }));
        described.ok().flatten().unwrap_or(record)
    }

    async fn answer(
        &self,
        request: &Request<'_>,
        deadline: Instant,
        record: &mut AuditRecord,
        warnings: &mut Vec<String>,
    ) -> ReviewResponse {
        record.outcome = ReviewOutcome::Untouched;
        if !request.kind.is_secret() {
            record.other_kind = Some(request.kind.to_string());
        }
        if !request.stores() {
            return ReviewResponse::Allowed(None);
        }
        let Some(object) = request.object else {
            return deny_unreadable(record, "request.object is missing");
        };
        let registry = self.registry.current();
        let policy = self
            .rulebook
            .policy(&self.policy, request.namespace.as_str());
        let context = Context {
            registry: &registry,
            policy: &policy,
            now: record
                .time
                .duration_since(UNIX_EPOCH)
                .map_or(0, |since| since.as_secs()),
        };
        if request.kind.is_secret() {
            self.secret(request, object, &context, deadline, record, warnings)
                .await
        } else {
            self.other_kind(request, object, &context, record, warnings)
        }
    }

    async fn secret(
        &self,
        request: &Request<'_>,
        object: &str,
        context: &Context<'_>,
        deadline: Instant,
        record: &mut AuditRecord,
        warnings: &mut Vec<String>,
    ) -> ReviewResponse {
        let secret = match AdmittedSecret::from_json(object) {
            Ok(secret) => secret,
            Err(error) => return deny_unreadable(record, &format!("request.object: {error}")),
        };
        let stored = match (request.operation, request.old_object) {
            (Operation::Update, Some(stored)) => match AdmittedSecret::from_json(stored) {
                Ok(stored) => Some(stored),
                Err(error) => {
                    return deny_unreadable(record, &format!("request.oldObject: {error}"));
                }
            },
            (Operation::Update, None) => {
                return deny_unreadable(record, "request.oldObject is missing");
            }
            _ => None,
        };
        let name = match object_name(request, &secret) {
            Ok(name) => name,
            Err(message) => return deny_unreadable(record, message),
        };
        match name {
            ObjectName::Named(name) if record.name.is_empty() => name.clone_into(&mut record.name),
            ObjectName::Generated(prefix) => record.name = format!("{}*", cut(prefix)),
            ObjectName::Named(_) => {}
        }
        let submission =
            submission::Submission::new(self.access.as_deref(), &self.rulebook, request);
        let subject = Subject {
            right: submission
                .as_ref()
                .map(|submission| submission as &dyn UnsealRight),
            submitter: submission
                .as_ref()
                .map(|submission| submission as &dyn SubmitterCheck),
            uid: request.uid.as_str(),
            secret: &secret,
            stored: stored.as_ref(),
            namespace: request.namespace.as_str(),
            name,
        };
        let tenant = Tenant::new(cut(request.namespace.as_str()));
        let Some(_place) = self.places.take(&tenant) else {
            return busy(record);
        };
        let unsealing = unseal(&subject, &self.formats, &self.recent, context, deadline);
        let unsealed = tenant.scope(unsealing).await;
        record.fields = unsealed.fields;
        *warnings = unsealed.warnings;
        match unsealed.outcome {
            SecretOutcome::Allowed(patch) => {
                let opened = |field: &FieldRecord| field.outcome == FieldOutcome::Opened;
                record.outcome = match (&patch, record.fields.is_empty()) {
                    (Some(_), _) => ReviewOutcome::Opened,
                    (None, false) if record.fields.iter().any(opened) => ReviewOutcome::Opened,
                    (None, false) => ReviewOutcome::Left,
                    (None, true) => ReviewOutcome::Untouched,
                };
                ReviewResponse::Allowed(patch)
            }
            SecretOutcome::Denied(refusals) => {
                record.outcome = ReviewOutcome::Denied;
                deny(record, &refusals)
            }
            SecretOutcome::Unavailable(refusals) => {
                record.outcome = ReviewOutcome::Unavailable;
                self.try_again(request, deadline, record, &refusals)
            }
        }
    }

    /// 429 or 503 with `Retry-After`, on which the API server itself comes back, while its deadline allows;
    /// then a denial that says so.
    fn try_again(
        &self,
        request: &Request<'_>,
        deadline: Instant,
        record: &mut AuditRecord,
        refusals: &[FieldRefusal],
    ) -> ReviewResponse {
        record.code = Some(Code::Unavailable);
        let wait = refusals
            .iter()
            .filter_map(|refused| refused.refusal.retry_after)
            .max();
        let message = message(refusals.iter().map(FieldRefusal::parts));
        let uid = request.uid.as_str();
        match self.first_tries.retry_after(uid, deadline, wait) {
            // A wait that the key service asks for is its way to say that we ask too often.
            Some(seconds) if wait.is_some() => ReviewResponse::Http(429, Some(seconds), message),
            Some(seconds) => ReviewResponse::Http(503, Some(seconds), message),
            None => ReviewResponse::Denied(503, message),
        }
    }

    fn other_kind(
        &self,
        request: &Request<'_>,
        object: &str,
        context: &Context<'_>,
        record: &mut AuditRecord,
        warnings: &mut Vec<String>,
    ) -> ReviewResponse {
        let subject = other_kind::ObjectUnderReview {
            namespace: request.namespace.as_str(),
            name: ObjectName::Named(
                request
                    .name
                    .as_ref()
                    .map_or("", request::ReviewText::as_str),
            ),
            object,
            stored: request.old_object,
        };
        let Some(findings) = other_kind::examine(&subject, &self.formats, context) else {
            return deny_unreadable(record, "the object is nested too deeply to be examined");
        };
        *warnings = findings.warnings;
        record.fields = findings.fields;
        if findings.refused.is_empty() {
            if !record.fields.is_empty() {
                record.outcome = ReviewOutcome::Left;
            }
            return ReviewResponse::Allowed(None);
        }
        record.outcome = ReviewOutcome::Denied;
        let refusals = findings.refused.iter();
        denial(
            record,
            refusals.map(|(path, refusal)| (path.as_str(), refusal)),
        )
    }
}

/// To be asked again when other reviews of the namespace are answered.
fn busy(record: &mut AuditRecord) -> ReviewResponse {
    record.outcome = ReviewOutcome::Unavailable;
    record.code = Some(Code::Unavailable);
    ReviewResponse::Http(429, Some(1), BUSY.to_owned())
}

/// Denied as a whole, because the object is not what an API server sends.
fn deny_unreadable(record: &mut AuditRecord, message: &str) -> ReviewResponse {
    record.outcome = ReviewOutcome::Denied;
    record.code = Some(Code::Damaged);
    ReviewResponse::Denied(400, message.to_owned())
}

/// Bytes of `generateName` that the API server keeps: a name has 63, the last five are random.
const LONGEST_PREFIX: usize = 63 - 5;

/// The name that the object will be stored under, or the beginning of the one that the API server makes up.
fn object_name<'r>(
    request: &'r Request<'_>,
    secret: &'r AdmittedSecret<'_>,
) -> Result<ObjectName<'r>, &'static str> {
    let requested = request.name.as_ref().map(request::ReviewText::as_str);
    let named = secret.name().filter(|name| !name.is_empty());
    let generated = secret.generate_name().filter(|name| !name.is_empty());
    match (requested, named, generated) {
        (Some(requested), Some(named), _) if requested != named => {
            Err("request.name and request.object.metadata.name differ")
        }
        (Some(name), _, _) | (None, Some(name), _) => Ok(ObjectName::Named(name)),
        (None, None, Some(prefix)) => {
            let kept = prefix.floor_char_boundary(LONGEST_PREFIX);
            Ok(ObjectName::Generated(&prefix[..kept]))
        }
        (None, None, None) => Err("the object has neither name nor generateName"),
    }
}

fn deny(record: &mut AuditRecord, refusals: &[FieldRefusal]) -> ReviewResponse {
    denial(record, refusals.iter().map(FieldRefusal::parts))
}

/// 400 when all that is wrong is damage, else 403. Never 409 nor 422.
fn denial<'r>(
    record: &mut AuditRecord,
    refusals: impl Iterator<Item = (&'r str, &'r Refusal)> + Clone,
) -> ReviewResponse {
    record.code = refusals.clone().next().map(|(_, refusal)| refusal.code);
    let malformed = refusals
        .clone()
        .all(|(_, refusal)| refusal.code.is_malformed());
    ReviewResponse::Denied(if malformed { 400 } else { 403 }, message(refusals))
}

/// A key of a Secret has 253 characters; `data/` or the name of an annotation stands before it.
const LONGEST_FIELD: usize = 320;

/// Fields of one reason, and reasons, that a denial names.
const MOST_NAMED: usize = 64;

/// Names the fields that are in the way. Fields with the same reason share a line.
fn message<'r>(refusals: impl Iterator<Item = (&'r str, &'r Refusal)>) -> String {
    let mut groups: Vec<(Vec<&str>, &Refusal)> = Vec::new();
    let mut count = 0_usize;
    let mut beyond = 0_usize;
    for (field, refusal) in refusals {
        count += 1;
        match groups.iter().position(|(_, other)| *other == refusal) {
            Some(known) => groups[known].0.push(field),
            None if groups.len() < MOST_NAMED => groups.push((vec![field], refusal)),
            None => beyond += 1,
        }
    }
    let mut text = String::from("nothing was stored");
    if groups.len() > 1 {
        let _ = write!(text, "; {count} fields were refused:");
    } else {
        text.push_str(": ");
    }
    for (fields, refusal) in &groups {
        if groups.len() > 1 {
            text.push_str("\n- ");
        }
        text.push_str(if fields.len() > 1 { "fields" } else { "field" });
        for (index, field) in fields.iter().take(MOST_NAMED).enumerate() {
            text.push_str(if index == 0 { " `" } else { ", `" });
            let _ = write!(text, "{}`", Untrusted::new(field).at_most(LONGEST_FIELD));
        }
        if let more @ 1.. = fields.len().saturating_sub(MOST_NAMED) {
            let _ = write!(text, " and {more} more");
        }
        let _ = write!(text, " [{}]: {refusal}", refusal.code);
    }
    if beyond > 0 {
        let _ = write!(text, "\n- {beyond} more, each for a reason of its own");
    }
    text
}
