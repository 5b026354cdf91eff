//! The seam of the format: a second one goes all the way through it, by itself and beside JWE.

use std::time::Instant;

use test_support::reviews::*;
use unseal_policy::decide::{Admission, Code, Decision, OpeningContext, Refusal, Site, Untouched};
use unseal_policy::format::{
    BoxFuture, Context, Facts, KeySource, OpenRefusal, Opened, OpenedBy, Opener, Plaintext,
    SealedFormat, SealedValue,
};
use unseal_policy::signatures::Signed;
use webhook_bin::review::Reviewer;
use webhook_bin::unseal::Jwe;

/// `mirror:NAMESPACE:txet`: opens to its text backwards, in that namespace only.
#[derive(Debug)]
struct Mirror;

struct Mirrored<'v> {
    namespace: &'v str,
    text: &'v str,
}

impl SealedFormat for Mirror {
    fn may_begin(&self, head: &[u8]) -> bool {
        head == b"mirr"
    }

    fn is_openable(&self, head: &[u8]) -> bool {
        head.starts_with(b"mirror:")
    }

    fn recognize<'v>(&self, value: &'v [u8]) -> Option<Box<dyn SealedValue + 'v>> {
        let text = std::str::from_utf8(value).ok()?.strip_prefix("mirror:")?;
        let (namespace, text) = text.split_once(':')?;
        Some(Box::new(Mirrored { namespace, text }))
    }
}

impl SealedValue for Mirrored<'_> {
    fn facts(&self) -> Facts {
        Facts {
            kid: Some("mirror".to_owned()),
            digest: None,
        }
    }

    fn decide<'o>(&'o self, site: &Site<'_>, _: &Context<'o>) -> Decision<Box<dyn Opener + 'o>> {
        if let OpeningContext::Admission(Admission { leave: true, .. }) = site.caller {
            return Decision::Leave(Untouched::Asked);
        }
        if self.namespace != site.namespace {
            return Decision::Refuse(Refusal {
                code: Code::WrongPlace,
                message: format!("mirrored for {:?}", self.namespace),
                next_step: "mirror it again".to_owned(),
                kid: None,
                may_be_new: false,
            });
        }
        Decision::Unwrap {
            opening: Box::new(Mirrored { ..*self }),
            objection: None,
            signed: Signed::default(),
        }
    }
}

impl Opener for Mirrored<'_> {
    fn key(&self) -> &'static str {
        "mirror"
    }

    fn open(&self, _: Instant) -> BoxFuture<'_, Result<OpenedBy, OpenRefusal>> {
        Box::pin(async {
            // As a key service would: not ready at once.
            tokio::task::yield_now().await;
            let text: String = self.text.chars().rev().collect();
            Ok(OpenedBy {
                opened: Opened {
                    plaintext: Plaintext::new(text.into_bytes()),
                    source: KeySource::Unwrapped,
                },
                key: "mirror".to_owned(),
                kid: Some("mirror".to_owned()),
            })
        })
    }
}

fn with_formats(formats: Vec<Box<dyn SealedFormat>>) -> Bench {
    let Bench { backend, reviewer } = Bench::new();
    let reviewer: Reviewer = reviewer.with_formats(formats);
    Bench { backend, reviewer }
}

#[tokio::test]
async fn a_second_format_opens_beside_the_first() {
    let bench = with_formats(vec![Box::new(Jwe), Box::new(Mirror)]);
    let review = Review::create(&[
        ("jwe", &sealed("hunter2", "jwe")),
        ("mirror", "mirror:payments:2retnuh"),
        ("plain", "mirrored?"),
    ]);
    let reply = bench.review(&review).await;
    assert_eq!(
        reply.opened(),
        [
            ("jwe".to_owned(), b"hunter2".to_vec()),
            ("mirror".to_owned(), b"hunter2".to_vec())
        ]
    );
    assert_eq!(reply.record.fields[1].key.as_deref(), Some("mirror"));
}

#[tokio::test]
async fn a_format_can_be_swapped_for_another() {
    let bench = with_formats(vec![Box::new(Mirror)]);
    let envelope = sealed("hunter2", "jwe");
    let review = Review::create(&[("jwe", &envelope), ("mirror", "mirror:payments:abc")]);
    let reply = bench.review(&review).await;
    assert_eq!(reply.opened(), [("mirror".to_owned(), b"cba".to_vec())]);
    assert_eq!(bench.calls(), 0, "without its format an envelope is a text");
}

#[tokio::test]
async fn all_or_none_holds_across_formats() {
    let bench = with_formats(vec![Box::new(Jwe), Box::new(Mirror)]);
    let review = Review::create(&[
        ("jwe", &sealed("hunter2", "jwe")),
        ("mirror", "mirror:elsewhere:abc"),
    ]);
    let reply = bench.review(&review).await;
    assert_eq!(reply.refusal(), Some("wrong-place"));
    assert_eq!(
        reply.message(),
        "nothing was stored: field `data/mirror` [wrong-place]: mirrored for \"elsewhere\"; mirror it again"
    );
    assert_eq!(bench.calls(), 0);
}

#[tokio::test]
async fn one_format_within_another_is_refused() {
    let bench = with_formats(vec![Box::new(Jwe), Box::new(Mirror)]);
    let review = Review::create(&[("jwe", &sealed("mirror:payments:abc", "jwe"))]);
    assert_eq!(bench.review(&review).await.refusal(), Some("nested"));
}
