//! The application: from a request's head to its answer, without a socket.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::routing::post;
use bytes::Bytes;
use http::header::{ALLOW, CONNECTION, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use kms_backends::TenantSlot;
use tokio::time::Instant;

use crate::audit::log::AuditLog;
use crate::audit::{AuditRecord, Operation, ReviewOutcome};
use crate::net::body::{BodyRefusal, Taken, next_data};
use crate::net::connection::Watch;
use crate::net::discovery;
use crate::net::limits::{Budget, Limits, Share, answer_within};
use crate::review::weight::{BESIDE_BODIES, beside_body};
use crate::review::{Answer, Reviewer, WipingBody};
use crate::telemetry::metrics::{Metrics, Overload};
use unseal_policy::decide::Code;

/// The path that reviews are sent to.
pub const MUTATE: &str = "/mutate";
/// The path of the second webhook, which refuses values that are not sealed.
pub const MUST_BE_SEALED: &str = "/must-be-sealed";

/// How long the server itself waits beyond the deadline that it gave the review.
const GRACE: Duration = Duration::from_millis(150);

/// Answers reviews. [`Reviewer`] does; tests put faults in its place.
pub trait ReviewService: Send + Sync + 'static {
    /// Answers the `AdmissionReview` in `body` before `deadline`.
    fn review<'a>(
        &'a self,
        body: &'a [u8],
        deadline: Instant,
    ) -> impl Future<Output = Answer> + Send + 'a;

    /// What the audit says of a review that got no answer.
    fn unanswered(&self, body: &[u8], outcome: ReviewOutcome) -> AuditRecord;

    /// Answers the second webhook's `AdmissionReview`: nothing is opened, what is not sealed is refused.
    fn must_be_sealed(&self, body: &[u8]) -> Answer;
}

impl ReviewService for Reviewer {
    fn review<'a>(
        &'a self,
        body: &'a [u8],
        deadline: Instant,
    ) -> impl Future<Output = Answer> + Send + 'a {
        Reviewer::review(self, body, deadline)
    }

    fn must_be_sealed(&self, body: &[u8]) -> Answer {
        Reviewer::must_be_sealed(self, body)
    }

    fn unanswered(&self, body: &[u8], outcome: ReviewOutcome) -> AuditRecord {
        Reviewer::unanswered(self, body, outcome)
    }
}

/// How a request reached us, which says what its paths are called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entrance {
    /// Through the API server, under our API group.
    Aggregated,
    /// From the API server itself.
    Direct,
}

/// What a request asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ReviewKind {
    MustBeSealed,
    Mutate,
}

impl Entrance {
    fn question(self, path: &str) -> Option<ReviewKind> {
        match (self, path) {
            (Self::Direct, MUTATE) | (Self::Aggregated, discovery::MUTATE) => {
                Some(ReviewKind::Mutate)
            }
            (Self::Direct, MUST_BE_SEALED) | (Self::Aggregated, discovery::MUST_BE_SEALED) => {
                Some(ReviewKind::MustBeSealed)
            }
            _ => None,
        }
    }
}

/// Everything that a request needs, shared by all connections.
#[derive(Debug)]
pub struct App<R> {
    reviewer: R,
    audit: AuditLog,
    metrics: Metrics,
    limits: Arc<Limits>,
    reviews: Arc<Budget>,
    bytes: Arc<Budget>,
    beside: Arc<Budget>,
    draining: AtomicBool,
}

impl<R> App<R> {
    /// Puts the parts together.
    pub fn new(reviewer: R, audit: AuditLog, metrics: Metrics, limits: Arc<Limits>) -> Arc<Self> {
        Arc::new(Self {
            reviewer,
            audit,
            metrics,
            reviews: Budget::new(limits.reviews),
            bytes: Budget::new(limits.inflight_bytes),
            beside: Budget::new(limits.inflight_bytes.saturating_mul(BESIDE_BODIES)),
            limits,
            draining: AtomicBool::new(false),
        })
    }

    /// What is counted.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// The audit log.
    pub fn audit(&self) -> &AuditLog {
        &self.audit
    }

    /// Who reviews.
    pub fn reviewer(&self) -> &R {
        &self.reviewer
    }

    /// The bounds.
    pub fn limits(&self) -> &Arc<Limits> {
        &self.limits
    }

    /// Reviews under way.
    pub fn inflight(&self) -> usize {
        self.reviews.used()
    }

    /// Bytes of bodies and answers held.
    pub fn inflight_bytes(&self) -> usize {
        self.bytes.used()
    }

    /// From now on every answer ends its connection.
    pub fn begin_drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Whether the process is on its way out.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }
}

/// The routes over `app`, for anyone who serves them otherwise than through [`Server`](crate::net::server::Server).
///
/// They authenticate no one, and bodies may take any time: both are the server's work.
pub fn router<R: ReviewService>(app: Arc<App<R>>) -> Router {
    async fn mutate<R: ReviewService>(
        State(app): State<Arc<App<R>>>,
        request: Request<Body>,
    ) -> Response<Body> {
        let watch = Watch::unwatched(app.limits());
        let path = request.uri().path();
        match Entrance::Direct.question(path) {
            Some(question) => app.review(&watch, question, Instant::now(), request).await,
            None => text(StatusCode::NOT_FOUND, NO_SUCH_PATH),
        }
    }
    Router::new()
        .route(MUTATE, post(mutate::<R>))
        .route(MUST_BE_SEALED, post(mutate::<R>))
        .with_state(app)
}

impl<R: ReviewService> App<R> {
    /// Answers one request of a connection whose caller may ask.
    pub(crate) async fn answer<B>(
        &self,
        watch: &Watch,
        door: Entrance,
        request: Request<B>,
    ) -> Response<Body>
    where
        B: hyper::body::Body<Data = Bytes> + Unpin,
    {
        let received = watch.head_complete();
        let mut response = match door.question(request.uri().path()) {
            Some(question) if request.method() == Method::POST => {
                self.review(watch, question, received, request).await
            }
            Some(_) => {
                let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "reviews are sent by POST");
                let headers = response.headers_mut();
                headers.insert(ALLOW, HeaderValue::from_static("POST"));
                response
            }
            None if door == Entrance::Aggregated => discovered(&request),
            None => text(StatusCode::NOT_FOUND, NO_SUCH_PATH),
        };
        if self.is_draining() || watch.is_aged(received) {
            close_after(&mut response);
        }
        watch.answer_ready();
        yield_to_ready_connections().await;
        response
    }

    async fn review<B>(
        &self,
        watch: &Watch,
        question: ReviewKind,
        received: Instant,
        request: Request<B>,
    ) -> Response<Body>
    where
        B: hyper::body::Body<Data = Bytes> + Unpin,
    {
        let (head, mut body) = request.into_parts();
        if !is_json(&head.headers) {
            return text(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "a review is application/json",
            );
        }
        let deadline = received + answer_within(head.uri.query());
        let (whole, share) = match self.read_body(watch, &mut body).await {
            Ok(both) => both,
            Err(refusal) => return self.reject(watch, refusal, &mut body).await,
        };
        tracing::trace!(bytes = whole.bytes().len(), ?deadline, "a review begins");
        watch.review_begins(deadline + GRACE);
        let under_way = UnderWay {
            app: self,
            watch,
            body: whole.bytes(),
        };
        let review = pin!(async {
            let mut answer = match question {
                ReviewKind::Mutate => self.reviewer.review(whole.bytes(), deadline).await,
                ReviewKind::MustBeSealed => self.reviewer.must_be_sealed(whole.bytes()),
            };
            answer.record.caller = watch.caller.name().map(ToOwned::to_owned);
            self.audit.append(&answer.record).await;
            answer
        });
        let outcome = Contained { review, watch }.await;
        let under_way = under_way.ended();
        let response = match outcome {
            Outcome::Answered(answer) => {
                self.metrics.count(&answer.record);
                log(&answer.record);
                response(answer, share)
            }
            Outcome::Late => {
                under_way.unanswered(ReviewOutcome::Late);
                retry(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "the review took longer than the caller waits; try again",
                )
            }
            Outcome::Panicked => {
                self.metrics.panics.inc();
                under_way.unanswered(ReviewOutcome::Panicked);
                retry(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "the review failed inside the webhook; its log says where",
                )
            }
        };
        self.metrics.answered_after(received.elapsed());
        response
    }

    /// Reads the body whole, within the bounds, and takes room for what will be made of it.
    async fn read_body<B>(&self, watch: &Watch, body: &mut B) -> Result<(Taken, Held), BodyRefusal>
    where
        B: hyper::body::Body<Data = Bytes> + Unpin,
    {
        let announced = body.size_hint().exact();
        if announced.is_some_and(|len| len > self.limits.body_bytes as u64) {
            return Err(BodyRefusal::TooLarge);
        }
        let slot = self
            .reviews
            .take(1)
            .ok_or(BodyRefusal::Overload(Overload::Reviews))?;
        let len = announced
            .and_then(|len| usize::try_from(len).ok())
            .unwrap_or(0);
        let mut bytes = self
            .bytes
            .take(len)
            .ok_or(BodyRefusal::Overload(Overload::Bytes))?;
        let mut paid = len;
        let mut taken = Taken::Nothing;
        while let Some(data) = next_data(watch, body).await? {
            let so_far = taken.bytes().len() + data.len();
            if so_far > self.limits.body_bytes {
                return Err(BodyRefusal::TooLarge);
            }
            if so_far > paid {
                if !bytes.grow(so_far - paid) {
                    return Err(BodyRefusal::Overload(Overload::Bytes));
                }
                paid = so_far;
            }
            taken = taken.and(data, paid);
        }
        // Of a budget of its own: bodies that only wait for it cannot keep all of them from being reviewed.
        let beside = beside_body(taken.bytes());
        if !self.beside.could_hold(beside) {
            return Err(BodyRefusal::TooLarge);
        }
        let beside = self.beside.take(beside);
        let held = Held {
            _bytes: bytes,
            _beside: beside.ok_or(BodyRefusal::Overload(Overload::Bytes))?,
            _slot: slot,
        };
        Ok((taken, held))
    }

    /// Turns a request away so that its sender learns why: what is left of the body is read and thrown
    /// away, since a connection that closes over unread bytes takes the answer with it.
    async fn reject<B>(&self, watch: &Watch, refusal: BodyRefusal, body: &mut B) -> Response<Body>
    where
        B: hyper::body::Body<Data = Bytes> + Unpin,
    {
        let enough = self.limits.body_bytes.saturating_mul(4);
        let mut thrown_away = 0_usize;
        while thrown_away < enough {
            match next_data(watch, body).await {
                Ok(Some(data)) => thrown_away += data.len(),
                Ok(None) | Err(_) => break,
            }
        }
        match refusal {
            BodyRefusal::Broken => text(StatusCode::BAD_REQUEST, "the body ended early"),
            BodyRefusal::Overload(why) => {
                self.metrics.shed(why);
                retry(
                    StatusCode::TOO_MANY_REQUESTS,
                    "the webhook is busy; try again",
                )
            }
            BodyRefusal::Slow => {
                self.metrics.shed(Overload::Slow);
                let mut response = text(StatusCode::REQUEST_TIMEOUT, "the body took too long");
                close_after(&mut response);
                response
            }
            BodyRefusal::TooLarge => {
                self.metrics.shed(Overload::TooLarge);
                let mut response = text(
                    StatusCode::PAYLOAD_TOO_LARGE,
                    "the review is longer than the webhook accepts",
                );
                close_after(&mut response);
                response
            }
        }
    }
}

/// What a request holds of the budgets. Part of its answer's bytes, so it is given back when those are
/// written.
#[derive(Debug)]
struct Held {
    _bytes: Share,
    _beside: Share,
    _slot: Share,
}

/// A review whose panic ends itself only, and which ends when its connection's watch says so. The timer
/// is the connection's: a review that is answered at once costs none.
struct Contained<'a, F> {
    review: Pin<&'a mut F>,
    watch: &'a Watch,
}

#[allow(
    clippy::large_enum_variant,
    reason = "made once per review and taken apart at once"
)]
enum Outcome {
    Answered(Answer),
    Late,
    Panicked,
}

impl<F: Future<Output = Answer>> Future for Contained<'_, F> {
    type Output = Outcome;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome> {
        match catch_unwind(AssertUnwindSafe(|| self.review.as_mut().poll(cx))) {
            Ok(Poll::Ready(answer)) => Poll::Ready(Outcome::Answered(answer)),
            Ok(Poll::Pending) if self.watch.is_late() => Poll::Ready(Outcome::Late),
            Ok(Poll::Pending) => Poll::Pending,
            Err(payload) => {
                // It may quote anything. What is safe to say, the panic hook has said.
                drop(payload);
                Poll::Ready(Outcome::Panicked)
            }
        }
    }
}

/// Lets the connections that are ready as well be served before this answer is written. Answers then leave
/// together, and the caller's machine is woken once for all of them rather than once for each: under load that
/// is worth more than all parsing.
async fn yield_to_ready_connections() {
    let mut yielded = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// A review that has not been answered yet. Dropped with its connection, it has been hung up on.
struct UnderWay<'a, R: ReviewService> {
    app: &'a App<R>,
    watch: &'a Watch,
    body: &'a [u8],
}

impl<R: ReviewService> UnderWay<'_, R> {
    /// The caller is still there.
    fn ended(self) -> std::mem::ManuallyDrop<Self> {
        std::mem::ManuallyDrop::new(self)
    }

    /// Counts a review that gets no answer, and leaves a line that says who asked for what.
    fn unanswered(&self, outcome: ReviewOutcome) {
        let mut record = self.app.reviewer.unanswered(self.body, outcome);
        record.caller = self.watch.caller.name().map(ToOwned::to_owned);
        self.app.metrics.count_unanswered(outcome.as_str());
        self.app.audit.offer(&record);
    }
}

impl<R: ReviewService> Drop for UnderWay<'_, R> {
    fn drop(&mut self) {
        self.unanswered(ReviewOutcome::HungUp);
    }
}

/// The answer's bytes and what they hold of the budgets, until they are written.
struct AnswerBytes {
    bytes: WipingBody,
    _held: Held,
    _share: Option<TenantSlot>,
}

impl AsRef<[u8]> for AnswerBytes {
    fn as_ref(&self) -> &[u8] {
        self.bytes.as_ref()
    }
}

fn response(answer: Answer, held: Held) -> Response<Body> {
    let bytes = Bytes::from_owner(AnswerBytes {
        bytes: answer.body,
        _held: held,
        _share: answer.share,
    });
    let mut response = Response::new(Body::from(bytes));
    *response.status_mut() =
        StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(answer.content_type));
    if let Some(seconds) = answer.retry_after {
        headers.insert(RETRY_AFTER, seconds.into());
    }
    response
}

/// What the audit line says in full, for anyone who follows the log.
fn log(record: &AuditRecord) {
    tracing::debug!(
        uid = record.uid,
        namespace = record.namespace,
        name = record.name,
        operation = record.operation.map(Operation::as_str),
        outcome = record.outcome.as_str(),
        code = record.code.map(Code::as_str),
        unwraps = record.unwraps(),
        took = ?record.took,
        "a review ends"
    );
}

const NO_SUCH_PATH: &str = "reviews are answered on /mutate and /must-be-sealed";

/// What the API server asks about us.
fn discovered<B>(request: &Request<B>) -> Response<Body> {
    let Some((kind, body)) = discovery::answer(request.method(), request.uri().path()) else {
        return text(
            StatusCode::NOT_FOUND,
            "the webhook has no such resource; it answers reviews of the API server",
        );
    };
    let mut response = Response::new(Body::from(body));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

/// An answer of the server itself. The texts are ours: nothing of the request is repeated.
pub(crate) fn text(status: StatusCode, text: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::from(Bytes::from_static(text.as_bytes())));
    *response.status_mut() = status;
    response.headers_mut().insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    response
}

/// An answer that the API server's own client retries after a second.
fn retry(status: StatusCode, message: &'static str) -> Response<Body> {
    let mut response = text(status, message);
    response
        .headers_mut()
        .insert(RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

pub(crate) fn close_after(response: &mut Response<Body>) {
    response
        .headers_mut()
        .insert(CONNECTION, HeaderValue::from_static("close"));
}

fn is_json(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(|value| {
        let essence = value
            .as_bytes()
            .split(|b| *b == b';')
            .next()
            .unwrap_or_default();
        essence
            .trim_ascii()
            .eq_ignore_ascii_case(b"application/json")
    })
}
