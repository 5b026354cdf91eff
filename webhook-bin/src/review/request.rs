//! The AdmissionReview as the API server sends it, borrowed from its bytes.

use std::borrow::Cow;
use std::fmt;

use secret_walker::{JsonReader, WalkError};

use crate::audit::{AuditRecord, Operation, User};
use crate::kube::access_review::AccessQuestion;

/// No API server sends a longer one: `uid` is a UUID.
const LONGEST_UID: usize = 128;

/// Groups of one user. Rules are held against every one, so none is left out: a longer list is refused.
const MOST_GROUPS: usize = 16 << 10;
/// Keys and values of `extra` together.
const MOST_EXTRA: usize = 4096;

/// A review that can be answered: its version is ours and its `uid` is there.
#[derive(Debug)]
pub(super) struct Request<'b> {
    pub(super) uid: ReviewText<'b>,
    pub(super) operation: Operation,
    /// Group, version and kind of the object.
    pub(super) kind: RequestKind<'b>,
    pub(super) sub_resource: Option<ReviewText<'b>>,
    pub(super) namespace: ReviewText<'b>,
    pub(super) name: Option<ReviewText<'b>>,
    pub(super) object: Option<&'b str>,
    pub(super) old_object: Option<&'b str>,
    dry_run: bool,
    pub(super) user: UserInfo<'b>,
}

/// Why a body is no review that can be answered. Holds none of its values.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unreadable(pub(super) String);

impl<'b> Request<'b> {
    /// Reads a body, which the caller has bounded in length.
    pub(super) fn parse(body: &'b [u8]) -> Result<Self, Unreadable> {
        let text = std::str::from_utf8(body).map_err(|error| {
            Unreadable(format!(
                "the body is not UTF-8 from byte {}",
                error.valid_up_to()
            ))
        })?;
        let mut review = Review::default();
        JsonReader::read_object(text, |name, value| review.member(name, value))
            .map_err(|error| Unreadable(format!("the body is not an AdmissionReview: {error}")))?;
        review.check()
    }

    /// Whether it stores an object, with values that may have to be opened.
    pub(super) fn stores(&self) -> bool {
        match self.operation {
            Operation::Create | Operation::Update => self.sub_resource.is_none(),
            // What goes away holds nothing to open, and must be able to go.
            Operation::Connect | Operation::Delete => false,
        }
    }

    /// Says in the audit record who asks for what.
    pub(super) fn describe(&self, record: &mut AuditRecord) {
        self.uid.as_str().clone_into(&mut record.uid);
        record.operation = Some(self.operation);
        record.dry_run = self.dry_run;
        record.namespace = within(self.namespace.as_str(), 253);
        record.name = self
            .name
            .as_ref()
            .map_or_else(String::new, |name| within(name.as_str(), 253));
        record.user = self.user.to_record();
    }
}

#[derive(Default)]
struct Review<'b> {
    api_version: Option<ReviewText<'b>>,
    kind: Option<ReviewText<'b>>,
    request: Option<RawRequest<'b>>,
}

#[derive(Default)]
struct RawRequest<'b> {
    uid: Option<ReviewText<'b>>,
    kind: Option<RequestKind<'b>>,
    sub_resource: Option<ReviewText<'b>>,
    namespace: Option<ReviewText<'b>>,
    name: Option<ReviewText<'b>>,
    operation: Option<ReviewText<'b>>,
    user: UserInfo<'b>,
    object: Option<&'b str>,
    old_object: Option<&'b str>,
    dry_run: Option<bool>,
}

/// A string or nothing for `null`.
fn text<'b>(
    member: &'static str,
    value: &mut JsonReader<'_, 'b>,
) -> Result<Option<ReviewText<'b>>, WalkError> {
    Ok(value.string(member)?.map(ReviewText))
}

impl<'b> RawRequest<'b> {
    fn member(&mut self, name: &str, value: &mut JsonReader<'_, 'b>) -> Result<(), WalkError> {
        match name {
            "uid" => self.uid = text("request.uid", value)?,
            "kind" => {
                let mut kind = RequestKind::default();
                if value.object("request.kind", |name, value| kind.member(name, value))? {
                    self.kind = Some(kind);
                }
            }
            "subResource" => self.sub_resource = text("request.subResource", value)?,
            "namespace" => self.namespace = text("request.namespace", value)?,
            "name" => self.name = text("request.name", value)?,
            "operation" => self.operation = text("request.operation", value)?,
            "userInfo" => {
                value.object("request.userInfo", |name, value| {
                    self.user.member(name, value)
                })?;
            }
            "object" => self.object = value.raw()?,
            "oldObject" => self.old_object = value.raw()?,
            "dryRun" => self.dry_run = value.flag("request.dryRun")?,
            _ => value.skip()?,
        }
        Ok(())
    }
}

impl<'b> Review<'b> {
    fn member(&mut self, name: &str, value: &mut JsonReader<'_, 'b>) -> Result<(), WalkError> {
        match name {
            "apiVersion" => self.api_version = text("apiVersion", value)?,
            "kind" => self.kind = text("kind", value)?,
            "request" => {
                let mut request = RawRequest::default();
                if value.object("request", |name, value| request.member(name, value))? {
                    self.request = Some(request);
                }
            }
            _ => value.skip()?,
        }
        Ok(())
    }

    fn check(self) -> Result<Request<'b>, Unreadable> {
        let missing = |member: &str| Unreadable(format!("the review has no {member}"));
        let found = |text: Option<ReviewText<'_>>| {
            text.map_or_else(
                || "none".to_owned(),
                |text| format!("{:?}", unseal_policy::refusal::cut(text.as_str())),
            )
        };
        if !is(self.api_version.as_ref(), "admission.k8s.io/v1") {
            return Err(Unreadable(format!(
                "apiVersion must be admission.k8s.io/v1, found {}; list only v1 in admissionReviewVersions",
                found(self.api_version)
            )));
        }
        if !is(self.kind.as_ref(), "AdmissionReview") {
            return Err(Unreadable(format!(
                "kind must be AdmissionReview, found {}",
                found(self.kind)
            )));
        }
        let request = self.request.ok_or_else(|| missing("request"))?;
        let uid = request
            .uid
            .filter(|uid| !uid.as_str().is_empty())
            .ok_or_else(|| missing("request.uid"))?;
        if uid.as_str().len() > LONGEST_UID {
            return Err(Unreadable(format!(
                "request.uid is longer than {LONGEST_UID} bytes"
            )));
        }
        let operation = request
            .operation
            .ok_or_else(|| missing("request.operation"))?;
        let operation = Operation::from_name(operation.as_str()).ok_or_else(|| {
            Unreadable(format!(
                "request.operation must be CREATE, UPDATE, DELETE or CONNECT, found {}",
                found(Some(operation))
            ))
        })?;
        Ok(Request {
            uid,
            operation,
            kind: request.kind.ok_or_else(|| missing("request.kind"))?,
            sub_resource: request
                .sub_resource
                .filter(|name| !name.as_str().is_empty()),
            namespace: request.namespace.unwrap_or_default(),
            name: request.name.filter(|name| !name.as_str().is_empty()),
            object: request.object,
            old_object: request.old_object,
            dry_run: request.dry_run.unwrap_or_default(),
            user: request.user,
        })
    }
}

fn is(found: Option<&ReviewText<'_>>, expected: &str) -> bool {
    found.is_some_and(|found| found.as_str() == expected)
}

/// `request.kind`.
#[derive(Debug, Default)]
pub(super) struct RequestKind<'b> {
    group: ReviewText<'b>,
    version: ReviewText<'b>,
    name: ReviewText<'b>,
}

impl<'b> RequestKind<'b> {
    fn member(&mut self, name: &str, value: &mut JsonReader<'_, 'b>) -> Result<(), WalkError> {
        match name {
            "group" => self.group = text("request.kind.group", value)?.unwrap_or_default(),
            "version" => self.version = text("request.kind.version", value)?.unwrap_or_default(),
            "kind" => self.name = text("request.kind.kind", value)?.unwrap_or_default(),
            _ => value.skip()?,
        }
        Ok(())
    }
}

impl RequestKind<'_> {
    /// Whether this is the core/v1 Secret that version 1 of `bind` is about.
    pub(super) fn is_secret(&self) -> bool {
        self.name.as_str() == "Secret"
            && self.version.as_str() == "v1"
            && self.group.as_str().is_empty()
    }
}

impl fmt::Display for RequestKind<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(unseal_policy::refusal::cut(self.name.as_str()))?;
        if !self.group.as_str().is_empty() {
            write!(f, ".{}", unseal_policy::refusal::cut(self.group.as_str()))?;
        }
        Ok(())
    }
}

#[derive(Debug, Default)]
pub(super) struct UserInfo<'b> {
    username: Option<ReviewText<'b>>,
    uid: Option<ReviewText<'b>>,
    groups: Vec<ReviewText<'b>>,
    /// In the order of the review, because an audit line has no use for a map.
    extra: Vec<(String, Vec<ReviewText<'b>>)>,
}

impl<'b> UserInfo<'b> {
    fn member(&mut self, name: &str, value: &mut JsonReader<'_, 'b>) -> Result<(), WalkError> {
        match name {
            "username" => self.username = text("request.userInfo.username", value)?,
            "uid" => self.uid = text("request.userInfo.uid", value)?,
            "groups" => {
                self.groups = texts("request.userInfo.groups", (MOST_GROUPS, MOST_GROUPS), value)?;
            }
            "extra" => {
                const MEMBER: &str = "request.userInfo.extra";
                // A member that stands twice is refused when the object ends, and must not add up until then.
                self.extra.clear();
                let mut left = MOST_EXTRA;
                value.object(MEMBER, |name, value| {
                    let values = texts(MEMBER, (left, MOST_EXTRA), value)?;
                    let too_many = WalkError::TooMany {
                        member: MEMBER,
                        most: MOST_EXTRA,
                    };
                    left = left.checked_sub(values.len() + 1).ok_or(too_many)?;
                    self.extra.push((name.to_owned(), values));
                    Ok(())
                })?;
            }
            _ => value.skip()?,
        }
        Ok(())
    }
}

/// `left` texts at most, of `most` that may are there in all.
fn texts<'b>(
    member: &'static str,
    (left, most): (usize, usize),
    value: &mut JsonReader<'_, 'b>,
) -> Result<Vec<ReviewText<'b>>, WalkError> {
    let mut texts = Vec::new();
    value.array(member, |element| {
        if texts.len() == left {
            return Err(WalkError::TooMany { member, most });
        }
        texts.extend(text(member, element)?);
        Ok(())
    })?;
    Ok(texts)
}

impl UserInfo<'_> {
    pub(super) fn groups(&self) -> impl Iterator<Item = &str> + Clone {
        self.groups.iter().map(ReviewText::as_str)
    }

    /// All of it, as the API server has to hear it again.
    pub(super) fn question(&self, namespace: &str) -> AccessQuestion {
        let texts =
            |texts: &[ReviewText<'_>]| texts.iter().map(|text| text.as_str().into()).collect();
        AccessQuestion {
            user: self.name().to_owned(),
            uid: self
                .uid
                .as_ref()
                .map_or_else(String::new, |uid| uid.as_str().to_owned()),
            groups: texts(&self.groups),
            extra: self
                .extra
                .iter()
                .map(|(key, values)| (key.clone(), texts(values)))
                .collect(),
            namespace: namespace.to_owned(),
        }
    }

    pub(super) fn name(&self) -> &str {
        self.username.as_ref().map_or("", ReviewText::as_str)
    }

    /// Cut to sane lengths: anyone who signs in chooses some of it.
    fn to_record(&self) -> User {
        const LONGEST: usize = 256;
        const MOST: usize = 64;
        let text = |text: &ReviewText<'_>| within(text.as_str(), LONGEST);
        let mut left = MOST;
        let mut values = |values: &[ReviewText<'_>]| {
            let taken = values.len().min(left);
            left -= taken;
            values[..taken].iter().map(text).collect()
        };
        User {
            name: self.username.as_ref().map_or_else(String::new, text),
            uid: self.uid.as_ref().map_or_else(String::new, text),
            groups: self.groups.iter().take(MOST).map(text).collect(),
            extra: self
                .extra
                .iter()
                .take(MOST)
                .map(|(key, texts)| (within(key, LONGEST), values(texts)))
                .collect(),
        }
    }
}

fn within(text: &str, longest: usize) -> String {
    if text.len() <= longest {
        return text.to_owned();
    }
    let mut end = longest;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}…", &text[..end])
}

/// A string of the review: borrowed where no escape is in it. No value of a Secret is ever read into one.
#[derive(Debug, Default)]
pub(super) struct ReviewText<'b>(Cow<'b, str>);

impl ReviewText<'_> {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn review(request: &str) -> String {
        format!(
            r#"{{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{request}}}"#
        )
    }

    fn fault(body: &str) -> String {
        Request::parse(body.as_bytes()).unwrap_err().0
    }

    #[test]
    fn says_what_a_review_lacks() {
        for (request, expected) in [
            ("null", "the review has no request"),
            ("{}", "the review has no request.uid"),
            (r#"{"uid":""}"#, "the review has no request.uid"),
            (r#"{"uid":"u"}"#, "the review has no request.operation"),
            (
                r#"{"uid":"u","operation":"CREATE"}"#,
                "the review has no request.kind",
            ),
            (
                r#"{"uid":"u","operation":"PATCH"}"#,
                "request.operation must be CREATE, UPDATE, DELETE or CONNECT, found \"PATCH\"",
            ),
        ] {
            assert_eq!(fault(&review(request)), expected);
        }
        let long = format!(r#"{{"uid":"{}"}}"#, "u".repeat(LONGEST_UID + 1));
        assert_eq!(
            fault(&review(&long)),
            "request.uid is longer than 128 bytes"
        );
    }

    #[test]
    fn another_version_is_named_with_the_way_out() {
        assert_eq!(
            fault(
                r#"{"apiVersion":"admission.k8s.io/v1beta1","kind":"AdmissionReview","request":{"uid":"u"}}"#
            ),
            "apiVersion must be admission.k8s.io/v1, found \"admission.k8s.io/v1beta1\"; list only v1 in admissionReviewVersions"
        );
        assert_eq!(
            fault(r#"{"apiVersion":"admission.k8s.io/v1","kind":"Secret"}"#),
            "kind must be AdmissionReview, found \"Secret\""
        );
        assert_eq!(
            fault("{}"),
            "apiVersion must be admission.k8s.io/v1, found none; list only v1 in admissionReviewVersions"
        );
    }

    #[test]
    fn faults_never_quote_the_body() {
        for body in [
            r#"{"apiVersion":"hunter2""#,
            r#"{"request":{"uid":{"a":"hunter2"}}}"#,
            r#"{"request":{"dryRun":"hunter2"}}"#,
            r#"{"request":"hunter2"}"#,
            r#"{"request":{"uid":"hunter2","uid":"hunter2"}}"#,
            r#""hunter2""#,
            "hunter2",
        ] {
            assert!(!fault(body).contains("hunter2"), "{body}");
        }
        assert_eq!(
            Request::parse(b"{\"a\":\"\xff\"}").unwrap_err().0,
            "the body is not UTF-8 from byte 6"
        );
    }

    #[test]
    fn unknown_members_and_nulls_are_passed_over() {
        let body = review(
            r#"{"uid":"u","kind":{"group":"","version":"v1","kind":"Secret","more":1},"requestKind":{},"options":{"a":[1]},
               "resource":null,"subResource":null,"name":null,"namespace":"n","operation":"DELETE",
               "userInfo":{"username":"a\u0062","groups":null,"extra":{"k":["v"],"n":null}},"object":null,"dryRun":null}"#,
        );
        let request = Request::parse(body.as_bytes()).unwrap();
        assert!(request.kind.is_secret());
        assert!(
            request.object.is_none() && request.name.is_none() && request.sub_resource.is_none()
        );
        let mut record = AuditRecord::new(std::time::UNIX_EPOCH);
        request.describe(&mut record);
        assert_eq!(record.user.name, "ab");
        assert_eq!(
            record.user.extra,
            [
                ("k".to_owned(), vec!["v".to_owned()]),
                ("n".to_owned(), Vec::new())
            ]
        );
    }

    #[test]
    fn what_users_choose_is_cut() {
        let body = review(&format!(
            r#"{{"uid":"u","kind":{{}},"operation":"CREATE","userInfo":{{"username":"{}","groups":[{}]}}}}"#,
            "é".repeat(300),
            vec![r#""g""#; 100].join(",")
        ));
        let mut record = AuditRecord::new(std::time::UNIX_EPOCH);
        Request::parse(body.as_bytes())
            .unwrap()
            .describe(&mut record);
        assert_eq!(record.user.name, format!("{}…", "é".repeat(128)));
        assert_eq!(record.user.groups.len(), 64);
    }

    #[test]
    fn an_audit_line_says_no_more_of_a_user_than_a_few_values() {
        let values = vec![format!("\"{}\"", "v".repeat(500)); 30].join(",");
        let extra: Vec<String> = (0..100)
            .map(|key| format!("\"{key}\":[{values}]"))
            .collect();
        let body = review(&format!(
            r#"{{"uid":"u","kind":{{}},"operation":"CREATE","userInfo":{{"extra":{{{}}}}}}}"#,
            extra.join(",")
        ));
        let mut record = AuditRecord::new(std::time::UNIX_EPOCH);
        Request::parse(body.as_bytes())
            .unwrap()
            .describe(&mut record);
        let values = record.user.extra.iter().map(|(_, values)| values.len());
        assert_eq!((record.user.extra.len(), values.sum::<usize>()), (64, 64));
    }

    #[test]
    fn nobody_has_more_groups_and_extras_than_are_read() {
        let user = |member: &str, text: &str| {
            review(&format!(
                r#"{{"uid":"u","kind":{{}},"operation":"CREATE","userInfo":{{"{member}":{text}}}}}"#
            ))
        };
        let list = |count: usize| format!("[{}]", vec![r#""g""#; count].join(","));
        assert!(Request::parse(user("groups", &list(MOST_GROUPS)).as_bytes()).is_ok());
        assert_eq!(
            fault(&user("groups", &list(MOST_GROUPS + 1))),
            "the body is not an AdmissionReview: request.userInfo.groups has more than 16384 entries"
        );
        let extra = |count: usize| format!(r#"{{"a":{0},"b":{0}}}"#, list(count));
        let half = MOST_EXTRA / 2 - 1;
        assert!(Request::parse(user("extra", &extra(half)).as_bytes()).is_ok());
        assert_eq!(
            fault(&user("extra", &extra(half + 1))),
            "the body is not an AdmissionReview: request.userInfo.extra has more than 4096 entries"
        );
    }
}
