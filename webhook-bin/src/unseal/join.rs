//! Several futures at once, in one task: all unwraps of a Secret run together under one deadline.

use std::future::poll_fn;
use std::task::Poll;

use super::BoxFuture;

/// Waits for all of them; results stand in the order of the futures. What is ready at once is never waited for.
pub(crate) async fn join_all<T>(mut futures: Vec<BoxFuture<'_, T>>) -> Vec<T> {
    let mut results: Vec<Option<T>> = Vec::with_capacity(futures.len());
    results.resize_with(futures.len(), || None);
    poll_fn(|context| {
        let mut pending = false;
        for (future, result) in futures.iter_mut().zip(&mut results) {
            if result.is_none() {
                match future.as_mut().poll(context) {
                    Poll::Ready(value) => *result = Some(value),
                    Poll::Pending => pending = true,
                }
            }
        }
        if pending {
            Poll::Pending
        } else {
            Poll::Ready(())
        }
    })
    .await;
    results.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_together_and_keeps_the_order() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let results = runtime.block_on(async {
            // The first ends only after the second has begun, so one after the other would never end.
            let first: BoxFuture<'_, u8> = Box::pin(async { receiver.await.unwrap() });
            let second: BoxFuture<'_, u8> = Box::pin(async {
                sender.send(1).unwrap();
                2
            });
            join_all(vec![first, second]).await
        });
        assert_eq!(results, [1, 2]);
    }

    #[test]
    fn nothing_is_ready_at_once() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        assert!(
            runtime
                .block_on(join_all(Vec::<BoxFuture<'_, u8>>::new()))
                .is_empty()
        );
    }
}
