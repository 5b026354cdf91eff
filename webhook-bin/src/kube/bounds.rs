//! What every request carries, and the bounds of every answer: an API server that lies, floods or sleeps costs no
//! more than one that answers.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, USER_AGENT};
use http::{HeaderValue, Request, Response, Uri};
use hyper::body::{Body as HttpBody, Frame, Incoming};
use kube_client::client::Body;
use tokio::time::{Instant, Sleep, sleep_until, timeout_at};
use tower::{BoxError, Service};

use super::access::Access;
use super::error::ApiError;

/// Longest answer, and longest line of a watch: a ConfigMap is at most 1 MiB.
const LONGEST: usize = 2 << 20;
/// The longest for an answer to begin and to end. A watch must begin in that time; its end is the watcher's matter.
const ANSWER: Duration = Duration::from_secs(10);

/// Told whenever a watch begins, and of every event of it, bookmarks included, before anyone has read it.
#[derive(Clone)]
pub struct Heard(Arc<dyn Fn() + Send + Sync>);

impl Heard {
    /// Calls `told`.
    pub fn new(told: impl Fn() + Send + Sync + 'static) -> Self {
        Self(Arc::new(told))
    }
}

impl fmt::Debug for Heard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Heard")
    }
}

/// Signs requests and bounds their answers.
#[derive(Clone)]
pub(super) struct Bounded<S> {
    pub(super) inner: S,
    pub(super) access: Arc<Access>,
    pub(super) heard: Option<Heard>,
}

impl<S> Service<Request<Body>> for Bounded<S>
where
    S: Service<Request<Body>, Response = Response<Incoming>>,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
{
    type Response = Response<BoundedBody>;
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, ApiError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ApiError>> {
        self.inner.poll_ready(cx).map_err(ours)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let authorization = match self.access.authorization() {
            Ok(authorization) => authorization,
            Err(error) => return Box::pin(std::future::ready(Err(error.into()))),
        };
        let headers = request.headers_mut();
        headers.insert(USER_AGENT, HeaderValue::from_static("privy-webhook"));
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        if let Some(authorization) = authorization {
            headers.insert(AUTHORIZATION, authorization);
        }
        let watches = watches(request.uri());
        let heard = self.heard.clone();
        let ends = Instant::now() + ANSWER;
        let answering = self.inner.call(request);
        Box::pin(async move {
            let response = timeout_at(ends, answering)
                .await
                .map_err(|_| ApiError::Timeout)?
                .map_err(ours)?;
            if !response.status().is_success() {
                // What it says beside that is not read: it may be anything, and of any server on the way.
                return Err(ApiError::Status(response.status()));
            }
            let bound = if watches {
                if let Some(Heard(heard)) = &heard {
                    heard();
                }
                Bound::Line(heard)
            } else {
                Bound::Whole(Box::pin(sleep_until(ends)))
            };
            Ok(response.map(|incoming| BoundedBody {
                incoming: Some(incoming),
                len: 0,
                bound,
            }))
        })
    }
}

fn ours(error: impl Into<BoxError>) -> ApiError {
    let error: BoxError = error.into();
    let error: &(dyn Error + 'static) = &*error;
    ApiError::beneath(error)
}

fn watches(uri: &Uri) -> bool {
    let query = uri.query().unwrap_or_default();
    query.split('&').any(|member| member == "watch=true")
}

/// A body that is cut off where it passes its bounds.
pub(super) struct BoundedBody {
    /// None after an error: nothing more is read.
    incoming: Option<Incoming>,
    /// Of the answer, or of the line that has not ended.
    len: usize,
    bound: Bound,
}

enum Bound {
    /// The whole answer, in time.
    Whole(Pin<Box<Sleep>>),
    /// Each line of a watch.
    Line(Option<Heard>),
}

impl BoundedBody {
    fn take(&mut self, data: &[u8]) -> Result<(), ApiError> {
        match &self.bound {
            Bound::Whole(_) => {
                self.len += data.len();
                is_short(self.len)
            }
            Bound::Line(heard) => {
                let mut lines = data.split(|byte| *byte == b'\n');
                self.len += lines.next().map_or(0, <[u8]>::len);
                is_short(self.len)?;
                for line in lines {
                    if let Some(Heard(heard)) = heard {
                        heard();
                    }
                    self.len = line.len();
                    is_short(self.len)?;
                }
                Ok(())
            }
        }
    }
}

fn is_short(len: usize) -> Result<(), ApiError> {
    if len > LONGEST {
        return Err(ApiError::TooLong);
    }
    Ok(())
}

impl HttpBody for BoundedBody {
    type Data = Bytes;
    type Error = ApiError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ApiError>>> {
        let this = &mut *self;
        let Some(incoming) = &mut this.incoming else {
            return Poll::Ready(None);
        };
        let late = match &mut this.bound {
            Bound::Whole(ends) => ends.as_mut().poll(cx).is_ready(),
            Bound::Line(_) => false,
        };
        let frame = if late {
            Some(Err(ApiError::Timeout))
        } else {
            ready!(Pin::new(incoming).poll_frame(cx)).map(|frame| frame.map_err(ours))
        };
        let frame = frame.map(|frame| {
            let frame = frame?;
            this.take(frame.data_ref().map_or(&[], |data| &**data))?;
            Ok(frame)
        });
        if !matches!(frame, Some(Ok(_))) {
            this.incoming = None;
        }
        Poll::Ready(frame)
    }
}
