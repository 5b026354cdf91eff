//! Keys that are named without a version: their versions are listed at the start and again and again.

use std::time::Duration;

use kms_backends::VersionWatcher;

/// How long one round of listing may take.
const LIMIT: Duration = Duration::from_secs(10);
/// After a round in which a service did not answer.
const SOON: Duration = Duration::from_secs(5);

/// Lists versions every `period` and serves what is found. Ends at once when no key needs it.
pub(crate) async fn keep_listed(keyring: VersionWatcher, period: Duration) {
    if !keyring.watches() {
        return;
    }
    loop {
        let mut pause = period;
        for listing in keyring.refresh(LIMIT).await {
            let key = &listing.name;
            match listing.outcome {
                Ok(versions) => {
                    tracing::debug!(%key, versions, "listed the versions of a key");
                    if listing.lacks_known {
                        tracing::warn!(
                            %key,
                            "the configured public key is none of the versions that the key service decrypts with"
                        );
                    }
                }
                Err(error) => {
                    pause = period.min(SOON);
                    let cause = std::error::Error::source(&error).map(ToString::to_string);
                    tracing::warn!(%key, %error, cause, "the versions of a key could not be listed");
                }
            }
        }
        keyring.pause(pause).await;
    }
}
