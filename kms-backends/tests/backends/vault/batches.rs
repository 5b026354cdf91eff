//! What waits for the same key goes in one call.

use super::*;

#[tokio::test]
async fn what_waits_together_goes_together() {
    let vault = FakeVault::start(2).await;
    let connector = connector(&vault, kubernetes(&vault));
    let mut calls = JoinSet::new();
    for round in 0..200 {
        let version = 1 + round % 2;
        let unwrapper = unwrapper(&vault, &connector, version).await;
        let recipient = vault.recipient(version);
        let (text, ciphertext) = wrapped(&recipient);
        calls.spawn(async move {
            let secret = unwrap(&unwrapper, &ciphertext).await.unwrap();
            let envelope = Envelope::parse(text.as_bytes()).unwrap();
            let opening = envelope.open_unchecked(0, &recipient).unwrap();
            let secret = jwe_envelope::SecretBytes::new(secret);
            opening
                .finish(Ok(secret))
                .expect("everybody gets the answer to its own question");
        });
    }
    calls.join_all().await;
    assert!(
        vault.decrypts() < 100,
        "{} calls for 200 unwraps",
        vault.decrypts()
    );
}

#[tokio::test]
async fn a_bad_one_in_a_batch_spoils_no_other() {
    let vault = FakeVault::start(1).await;
    let connector = connector(&vault, kubernetes(&vault));
    let unwrapper = unwrapper(&vault, &connector, 1).await;
    let mut calls = JoinSet::new();
    for round in 0..100 {
        let unwrapper = Arc::clone(&unwrapper);
        let mut ciphertext = wrapped(&vault.recipient(1)).1;
        let bad = round % 10 == 3;
        if bad {
            ciphertext[100] ^= 1;
        }
        calls.spawn(async move { (bad, unwrap(&unwrapper, &ciphertext).await) });
    }
    for (bad, answer) in calls.join_all().await {
        match answer {
            Ok(_) => assert!(!bad),
            Err(error) => {
                assert!(bad, "{error:?}");
                assert_eq!(error.category(), Category::Rejected);
            }
        }
    }
}
