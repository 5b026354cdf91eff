//! One client connection: its phases, how long each may last, and the one timer that sees to it.
//!
//! hyper's own header timeout also counts while a connection rests between requests, and a timer per
//! request would be a good part of the cost of a cached review. So the connection's single task
//! watches itself: a byte that arrives, a head that is complete and an answer that is flushed move the
//! phase, and one lazily armed timer looks at it.

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::body::{Body, Incoming};
use hyper::server::conn::http1::Connection;
use hyper::service::HttpService;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};

use crate::net::caller::Caller;
use crate::net::limits::Limits;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// How long a request that ran out of time may take to say so.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// What a connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Phase {
    /// Between requests.
    Idle = 0,
    /// Some of a request's head has arrived.
    Head = 1,
    /// The head is complete, the body is arriving.
    Body = 2,
    /// The review is under way.
    ReviewService = 3,
    /// The answer is on its way to the client.
    Answer = 4,
}

impl Phase {
    fn from_u8(value: u8) -> Self {
        match value {
            1 => Self::Head,
            2 => Self::Body,
            3 => Self::ReviewService,
            4 => Self::Answer,
            _ => Self::Idle,
        }
    }
}

/// Why the watch ended a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// The client or the protocol did.
    ByPeer,
    /// It rested for too long.
    Idle,
    /// A phase took too long.
    Slow(Phase),
}

/// What the connection's task, its stream and its requests share.
#[derive(Debug)]
pub(crate) struct Watch {
    opened: Instant,
    phase: AtomicU8,
    /// When the phase must be over, in milliseconds since `opened`.
    due: AtomicU64,
    late: AtomicBool,
    served_one: AtomicBool,
    close_after: Instant,
    limits: Arc<Limits>,
    pub(crate) caller: Caller,
}

impl Watch {
    pub(crate) fn new(limits: Arc<Limits>, caller: Caller, age: Duration) -> Self {
        let opened = Instant::now();
        let watch = Self {
            opened,
            phase: AtomicU8::new(Phase::Idle as u8),
            due: AtomicU64::new(0),
            late: AtomicBool::new(false),
            served_one: AtomicBool::new(false),
            close_after: opened + age,
            limits,
            caller,
        };
        watch.enter(Phase::Idle, opened + watch.limits.idle);
        watch
    }

    /// For requests that come without a connection of ours: nothing is ever late.
    pub(crate) fn unwatched(limits: &Arc<Limits>) -> Self {
        Self::new(
            Arc::clone(limits),
            Caller::anyone(),
            Duration::from_secs(u64::from(u32::MAX)),
        )
    }

    /// The head of a request is complete. Returns the moment.
    pub(crate) fn head_complete(&self) -> Instant {
        let now = Instant::now();
        self.late.store(false, Ordering::Relaxed);
        self.served_one.store(true, Ordering::Relaxed);
        self.enter(Phase::Body, now + self.limits.body);
        now
    }

    /// The body is complete; the review has until `deadline`.
    pub(crate) fn review_begins(&self, deadline: Instant) {
        self.enter(Phase::ReviewService, deadline);
    }

    /// The answer is ready to be written.
    pub(crate) fn answer_ready(&self) {
        self.enter(Phase::Answer, Instant::now() + self.limits.answer);
    }

    /// Whether the phase that the request is in ran out of time.
    pub(crate) fn is_late(&self) -> bool {
        self.late.load(Ordering::Relaxed)
    }

    /// Whether the connection is old enough to be ended.
    pub(crate) fn is_aged(&self, now: Instant) -> bool {
        now >= self.close_after
    }

    /// Whether a request has come in on this connection.
    pub(crate) fn served_one(&self) -> bool {
        self.served_one.load(Ordering::Relaxed)
    }

    fn phase(&self) -> Phase {
        Phase::from_u8(self.phase.load(Ordering::Relaxed))
    }

    fn due(&self) -> Instant {
        self.opened + Duration::from_millis(self.due.load(Ordering::Relaxed))
    }

    fn enter(&self, phase: Phase, due: Instant) {
        // Rounded up: a deadline is never watched too early.
        let due = due.saturating_duration_since(self.opened).as_millis() + 1;
        self.due
            .store(u64::try_from(due).unwrap_or(u64::MAX), Ordering::Relaxed);
        self.phase.store(phase as u8, Ordering::Relaxed);
    }

    fn bytes_arrived(&self) {
        if self.phase() == Phase::Idle {
            self.enter(Phase::Head, Instant::now() + self.limits.headers);
        }
    }

    fn flushed(&self) {
        if self.phase() == Phase::Answer {
            self.enter(Phase::Idle, Instant::now() + self.limits.idle);
        }
    }
}

/// Serves `connection` until it ends, by itself or by its watch.
///
/// `stop` asks for the graceful end: the request under way is answered, then the connection closes.
pub(crate) async fn drive<I, S, B>(
    connection: Connection<I, S>,
    watch: &Watch,
    stop: oneshot::Receiver<()>,
) -> Ended
where
    I: hyper::rt::Read + hyper::rt::Write + Unpin,
    S: HttpService<Incoming, ResBody = B>,
    S::Error: Into<BoxError>,
    B: Body + 'static,
    B::Error: Into<BoxError>,
{
    let mut connection = pin!(connection);
    let mut stop = pin!(stop);
    let mut armed = watch.due();
    let mut timer = pin!(sleep_until(armed));
    let mut closing = None;
    poll_fn(|cx| {
        loop {
            if connection.as_mut().poll(cx).is_ready() {
                return Poll::Ready(closing.unwrap_or(Ended::ByPeer));
            }
            if closing.is_none() && stop.as_mut().poll(cx).is_ready() {
                closing = Some(Ended::ByPeer);
                connection.as_mut().graceful_shutdown();
                continue;
            }
            let due = watch.due();
            // A later end is left to the timer that is armed already: it will look again. So a
            // request that is answered at once never touches the timer.
            if due < armed {
                armed = due;
                timer.as_mut().reset(armed);
            }
            if timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            if armed < due {
                armed = due;
                timer.as_mut().reset(armed);
                continue;
            }
            match watch.phase() {
                Phase::Idle if closing.is_none() => {
                    closing = Some(Ended::Idle);
                    connection.as_mut().graceful_shutdown();
                    watch.enter(Phase::Idle, Instant::now() + LAST_WORDS);
                }
                // The request sees that it is late when it is polled next, and answers.
                phase @ (Phase::Body | Phase::ReviewService) if !watch.is_late() => {
                    watch.late.store(true, Ordering::Relaxed);
                    watch.enter(phase, Instant::now() + LAST_WORDS);
                }
                Phase::Idle => return Poll::Ready(Ended::Idle),
                phase => return Poll::Ready(Ended::Slow(phase)),
            }
        }
    })
    .await
}

/// A stream that tells the connection's watch of bytes that arrived and answers that are gone.
#[derive(Debug)]
pub(crate) struct Watched<S> {
    stream: S,
    watch: Arc<Watch>,
}

impl<S> Watched<S> {
    pub(crate) fn new(stream: S, watch: Arc<Watch>) -> Self {
        Self { stream, watch }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        if buf.filled().len() > before {
            self.watch.bytes_arrived();
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_flush(cx);
        if polled.is_ready() {
            self.watch.flushed();
        }
        polled
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
