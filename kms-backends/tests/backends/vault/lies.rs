//! A Vault that lies. Its answers do not say which key was used, so the tag of the value has the last word.

use super::*;
use crate::client::{no_lie_is_believed, opened};

/// The rows of docs/key-services.md; `batch` asks for twenty at once, so that some of them travel together.
#[tokio::test]
async fn none_is_believed() {
    let vault = FakeVault::start(1).await;
    let client = client(&vault);
    let outcome = async |asked: &str| match asked {
        "batch" => batch(&client).await,
        other => client.outcome(other).await,
    };
    no_lie_is_believed("vault", vault.control(), outcome).await;
}

/// What happens to those that do not open; that of all where each opens.
async fn batch(client: &Client) -> String {
    let unwrapper = client.unwrapper().await;
    let mut calls = JoinSet::new();
    for _ in 0..20 {
        let (unwrapper, recipient) = (Arc::clone(&unwrapper), client.recipient.clone());
        let (text, ciphertext) = wrapped(&recipient);
        calls.spawn(async move {
            match unwrap(&unwrapper, &ciphertext).await {
                Ok(secret) => opened(&text, &recipient, jwe_envelope::SecretBytes::new(secret)),
                Err(error) => error.category().as_str().to_owned(),
            }
        });
    }
    let mut outcomes = calls.join_all().await;
    outcomes.retain(|outcome| outcome != "believed");
    outcomes.dedup();
    match &outcomes[..] {
        [] => "believed".to_owned(),
        [one] => one.clone(),
        several => panic!("{several:?}"),
    }
}
