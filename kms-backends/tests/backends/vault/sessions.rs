//! Logins, leases, denials.

use super::*;

#[tokio::test]
async fn a_revoked_token_is_replaced_with_a_freshly_read_projected_one() {
    let Bench {
        vault,
        unwrapper,
        ciphertext,
        ..
    } = Bench::new().await;
    unwrap(&unwrapper, &ciphertext).await.unwrap();
    vault.revoke_all();
    vault.new_projected_token("projected-2");
    unwrap(&unwrapper, &ciphertext).await.unwrap();
    assert_eq!(vault.logins(), 2);
    let logins: Vec<_> = vault
        .control()
        .requests()
        .into_iter()
        .filter(|r| r.path.ends_with("/login"))
        .collect();
    assert_eq!(logins[1].json()["jwt"], "projected-2");
}

#[tokio::test]
async fn a_denial_is_final_after_one_fresh_login_and_logins_are_not_repeated_for_it() {
    let Bench {
        vault,
        unwrapper,
        ciphertext,
        ..
    } = Bench::new().await;
    vault.deny(true);
    for _ in 0..10 {
        let error = unwrap(&unwrapper, &ciphertext).await.unwrap_err();
        assert_eq!(error.category(), Category::Denied);
    }
    assert_eq!(vault.logins(), 2);
    assert_eq!(vault.decrypts(), 11);
}

#[tokio::test]
async fn a_crowd_that_sees_the_same_403_logs_in_once() {
    let Bench {
        vault,
        unwrapper,
        ciphertext,
        ..
    } = Bench::new().await;
    unwrap(&unwrapper, &ciphertext).await.unwrap();
    vault.revoke_all();
    let mut calls = JoinSet::new();
    for _ in 0..50 {
        let (unwrapper, ciphertext) = (Arc::clone(&unwrapper), ciphertext.clone());
        calls.spawn(async move { unwrap(&unwrapper, &ciphertext).await.unwrap() });
    }
    calls.join_all().await;
    assert_eq!(vault.logins(), 2);
}

#[tokio::test]
async fn a_refused_login_is_a_denial_and_a_wrong_role_a_mistake() {
    let vault = FakeVault::start(1).await;
    let (_, ciphertext) = wrapped(&vault.recipient(1));
    std::fs::write(&vault.token_file, "somebody-else").unwrap();
    let stranger = connector(&vault, kubernetes(&vault));
    let error = unwrap(&unwrapper(&vault, &stranger, 1).await, &ciphertext)
        .await
        .unwrap_err();
    assert_eq!(error.category(), Category::Denied);
    let misspelt = connector(
        &vault,
        VaultAuth::Kubernetes {
            mount: "kubernetes".to_owned(),
            role: "prvy".to_owned(),
            token_file: vault.token_file.clone(),
        },
    );
    let error = unwrap(&unwrapper(&vault, &misspelt, 1).await, &ciphertext)
        .await
        .unwrap_err();
    assert_eq!(error.category(), Category::Misconfigured);
    std::fs::remove_file(&vault.token_file).unwrap();
    let error = unwrap(&unwrapper(&vault, &stranger, 1).await, &ciphertext)
        .await
        .unwrap_err();
    assert_eq!(error.category(), Category::Misconfigured);
    assert!(error.to_string().contains("token file"), "{error}");
}

/// A lease of three seconds, under load for seven: renewed at two thirds, so no one sees an expired token.
#[tokio::test]
async fn a_lease_is_renewed_at_two_thirds_while_calls_go_on() {
    let Bench {
        vault,
        unwrapper,
        ciphertext,
        ..
    } = Bench::new().await;
    vault.set_lease(3 * SECOND, true);
    let start = Instant::now();
    while start.elapsed() < 7 * SECOND {
        unwrap(&unwrapper, &ciphertext).await.unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(vault.logins(), 1);
    assert!((2..=4).contains(&vault.renewals()), "{}", vault.renewals());
}

/// Sixteen clients, leases of two seconds that cannot be renewed, and all tokens revoked in the middle.
#[tokio::test]
async fn tokens_that_end_under_load_are_no_error() {
    let Bench {
        vault,
        unwrapper,
        ciphertext,
        ..
    } = Bench::new().await;
    vault.set_lease(2 * SECOND, false);
    let mut clients = JoinSet::new();
    for _ in 0..16 {
        let (unwrapper, ciphertext) = (Arc::clone(&unwrapper), ciphertext.clone());
        clients.spawn(async move {
            let (start, mut done) = (Instant::now(), 0);
            while start.elapsed() < 6 * SECOND {
                unwrap(&unwrapper, &ciphertext).await.unwrap();
                done += 1;
                tokio::time::sleep(Duration::from_millis(40)).await;
            }
            done
        });
    }
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    vault.revoke_all();
    let done: usize = clients.join_all().await.into_iter().sum();
    println!(
        "tokens that end: {done} unwraps without an error over {} logins",
        vault.logins()
    );
    assert!((3..=8).contains(&vault.logins()), "{}", vault.logins());
}

/// The same with a token that cannot be renewed: a new login each time, before the old token ends.
#[tokio::test]
async fn a_lease_that_cannot_be_renewed_ends_in_a_new_login_in_time() {
    let Bench {
        vault,
        unwrapper,
        ciphertext,
        ..
    } = Bench::new().await;
    vault.set_lease(3 * SECOND, false);
    let start = Instant::now();
    while start.elapsed() < 5 * SECOND {
        unwrap(&unwrapper, &ciphertext).await.unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!((2..=4).contains(&vault.logins()), "{}", vault.logins());
    // None of them was sent with a token that had ended.
    assert_eq!(vault.renewals(), 0);
}
