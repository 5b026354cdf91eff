//! Counts and times what reaches the key service.

use std::sync::Arc;

use async_trait::async_trait;
use jwe_envelope::{RecipientKey, SecretBytes, UnwrapRequest};
use tokio::time::Instant;

use crate::error::{Category, UnwrapError};
use crate::key_unwrap::KeyUnwrap;
use crate::observer::Observer;

/// Tells an [`Observer`] how each call ended and how long it took. A call that is given up counts as
/// unavailable, so that no call goes missing.
#[derive(Debug)]
pub struct Observe {
    inner: Arc<dyn KeyUnwrap>,
    name: String,
    observer: Arc<dyn Observer>,
}

impl Observe {
    /// Reports calls of `inner` as calls for the key entry `name`.
    pub fn new(
        inner: Arc<dyn KeyUnwrap>,
        name: impl Into<String>,
        observer: Arc<dyn Observer>,
    ) -> Self {
        Self {
            inner,
            name: name.into(),
            observer,
        }
    }
}

#[async_trait]
impl KeyUnwrap for Observe {
    async fn unwrap_key(
        &self,
        request: &UnwrapRequest<'_>,
        deadline: Instant,
    ) -> Result<SecretBytes, UnwrapError> {
        let mut call = Call {
            layer: self,
            start: Instant::now(),
            outcome: Some(Err(Category::Unavailable)),
        };
        let answer = self.inner.unwrap_key(request, deadline).await;
        call.outcome = match &answer {
            Ok(_) => Some(Ok(())),
            Err(error) => error.was_sent().then(|| Err(error.category())),
        };
        answer
    }

    fn public_key(&self) -> Option<&RecipientKey> {
        self.inner.public_key()
    }
}

/// Reports when dropped, so that a cancelled call is reported too.
struct Call<'a> {
    layer: &'a Observe,
    start: Instant,
    outcome: Option<Result<(), Category>>,
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        if let Some(outcome) = self.outcome {
            let took = self.start.elapsed();
            self.layer
                .observer
                .unwrapped(&self.layer.name, outcome, took);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::key_unwrap::KeyUnwrapExt as _;
    use crate::testing::{RecordingObserver, Reply, ScriptedBackend, a_request};

    fn observed(reply: Reply) -> (Observe, Arc<RecordingObserver>) {
        let observer = Arc::new(RecordingObserver::default());
        let fake = Arc::new(ScriptedBackend::always(reply));
        (Observe::new(fake, "payments", observer.clone()), observer)
    }

    #[tokio::test(start_paused = true)]
    async fn reports_outcome_and_duration() {
        let wait = Duration::from_millis(70);
        let (layer, observer) = observed(Reply::Right.after(wait));
        layer
            .unwrap_within(&a_request(), Duration::from_secs(1))
            .await
            .unwrap();
        assert_eq!(observer.unwraps(), [("payments".to_owned(), Ok(()), wait)]);
    }

    #[tokio::test(start_paused = true)]
    async fn reports_every_category() {
        for category in Category::ALL {
            let (layer, observer) = observed(Reply::Fail(category));
            layer
                .unwrap_within(&a_request(), Duration::from_secs(1))
                .await
                .unwrap_err();
            assert_eq!(observer.unwraps()[0].1, Err(category));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_cancelled_call_is_reported_as_unavailable() {
        let (layer, observer) = observed(Reply::Hang);
        let request = a_request();
        let call = layer.unwrap_within(&request, Duration::from_mins(1));
        tokio::time::timeout(Duration::from_secs(1), call)
            .await
            .unwrap_err();
        assert_eq!(
            observer.unwraps(),
            [(
                "payments".to_owned(),
                Err(Category::Unavailable),
                Duration::from_secs(1)
            )]
        );
    }
}
