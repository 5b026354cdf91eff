//! A request's body: taken in whole, within bounds, without a copy where it came in one piece.

use std::pin::Pin;
use std::task::Poll;

use bytes::Bytes;
use zeroize::Zeroizing;

use crate::net::connection::Watch;
use crate::telemetry::metrics::Overload;

/// Why a body was not taken in.
#[derive(Clone, Copy, Debug)]
pub(crate) enum BodyRefusal {
    Broken,
    Overload(Overload),
    Slow,
    TooLarge,
}

/// A body: as it came when it came in one piece, which is the usual case, else put together and wiped.
pub(crate) enum Taken {
    Nothing,
    Whole(Bytes),
    Gathered(Zeroizing<Vec<u8>>),
}

impl Taken {
    /// What has come.
    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Self::Nothing => &[],
            Self::Whole(bytes) => bytes,
            Self::Gathered(bytes) => bytes,
        }
    }

    /// With `data` behind it. `expected` is how long it will be at least.
    pub(crate) fn and(self, data: Bytes, expected: usize) -> Self {
        let mut gathered = match self {
            Self::Nothing => return Self::Whole(data),
            Self::Whole(first) => {
                let mut gathered = Zeroizing::new(Vec::with_capacity(expected));
                gathered.extend_from_slice(&first);
                gathered
            }
            Self::Gathered(gathered) => gathered,
        };
        // A growing vector would leave its old allocation unwiped.
        if gathered.capacity() - gathered.len() < data.len() {
            let mut wider = Zeroizing::new(Vec::with_capacity((gathered.len() + data.len()) * 2));
            wider.extend_from_slice(&gathered);
            gathered = wider;
        }
        gathered.extend_from_slice(&data);
        Self::Gathered(gathered)
    }
}

/// The next bytes of the body, unless the connection's watch says that it takes too long.
pub(crate) async fn next_data<B>(watch: &Watch, body: &mut B) -> Result<Option<Bytes>, BodyRefusal>
where
    B: hyper::body::Body<Data = Bytes> + Unpin,
{
    loop {
        let frame = std::future::poll_fn(|cx| match Pin::new(&mut *body).poll_frame(cx) {
            Poll::Pending if watch.is_late() => Poll::Ready(Err(BodyRefusal::Slow)),
            Poll::Pending => Poll::Pending,
            Poll::Ready(frame) => Poll::Ready(Ok(frame)),
        });
        match frame.await? {
            None => return Ok(None),
            Some(Err(_)) => return Err(BodyRefusal::Broken),
            // Trailers say nothing to us.
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
        }
    }
}
