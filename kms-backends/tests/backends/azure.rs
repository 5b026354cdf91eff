//! Azure Key Vault, over a fake that speaks its REST protocol on a TLS socket, token service included.

use std::sync::Arc;
use std::time::Duration;

use crate::client::{self, Client, again_with, chain, is_child, seal};
use jwe_envelope::{KeyKind, KeyManagement, LocalKey};
use kms_backends::azure::{AzureIdentity, AzureOptions};
use kms_backends::{Category, KeyServices, conformance};
use tempfile::NamedTempFile;
use test_support::fakes::azure::{FakeAzure, HOST, KEY};
use test_support::fakes::http::{Answer, Fault, Server, answering};

/// A fake, a client of it, and the files that they need.
struct Bench {
    fake: Arc<FakeAzure>,
    client: Client,
    server: Server,
    authority: NamedTempFile,
}

impl Bench {
    async fn new() -> Self {
        Self::over(FakeAzure::generated(2048)).await
    }

    async fn over(fake: Arc<FakeAzure>) -> Self {
        Self::known_as(AzureIdentity::Platform, fake).await
    }

    async fn known_as(identity: AzureIdentity, fake: Arc<FakeAzure>) -> Self {
        let server = fake.start("127.0.0.1:0").await;
        let authority = NamedTempFile::new().unwrap();
        std::fs::write(authority.path(), &fake.authority).unwrap();
        let mut services = KeyServices::default();
        services.azure.identity = identity;
        services.azure.address = Some(server.address);
        services.azure.ca_file = Some(authority.path().to_owned());
        services.azure.authority_host =
            Some(format!("https://localhost:{}", server.address.port()));
        let uri = format!("azure-kv://{HOST}/{KEY}/{}", FakeAzure::version(1));
        Self {
            client: Client::new(services, &uri, fake.recipient(1)),
            fake,
            server,
            authority,
        }
    }
}

/// Variables come from the outside, so each test that needs some runs in a process of its own.
fn in_a_process_with(this: impl Fn(), variables: &[(&str, &str)], test: impl Future<Output = ()>) {
    if !is_child() {
        return again_with(this, variables);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(test);
}

/// With what workload identity puts into a pod.
fn as_a_pod(this: impl Fn(), test: impl Future<Output = ()>) {
    let token = NamedTempFile::new().unwrap();
    std::fs::write(token.path(), "header.of-the-projected-token.signature").unwrap();
    let variables = [
        ("AZURE_FEDERATED_TOKEN_FILE", token.path().to_str().unwrap()),
        ("AZURE_TENANT_ID", "tenant"),
        ("AZURE_CLIENT_ID", "client"),
    ];
    in_a_process_with(this, &variables, test);
}

async fn conforms(algorithm: Option<KeyManagement>) {
    let pem = LocalKey::generate(KeyKind::Rsa(2048))
        .unwrap()
        .to_pkcs8_pem();
    let key = LocalKey::from_bytes(pem.as_bytes(), algorithm).unwrap();
    let bench = Bench::over(FakeAzure::new([key])).await;
    conformance::check(
        async || bench.client.unwrapper().await,
        &bench.client.recipient,
    )
    .await;
}

#[test]
fn conforms_with_sha_256() {
    as_a_pod(conforms_with_sha_256, conforms(None));
}

#[test]
fn conforms_with_sha_1() {
    as_a_pod(conforms_with_sha_1, conforms(Some(KeyManagement::RsaOaep)));
}

#[test]
fn the_service_sees_the_wrapped_key_alone() {
    as_a_pod(the_service_sees_the_wrapped_key_alone, async {
        let Bench { fake, client, .. } = &Bench::new().await;
        let text = seal(&client.recipient, b"a-value-that-nobody-sees");
        let opened = client.open(&text).await.unwrap();
        assert_eq!(opened.plaintext.expose(), b"a-value-that-nobody-sees");

        let requests = fake.control.requests();
        assert_eq!(requests.len(), 1);
        let request = &requests[0];
        // The version is in the path, always: none would be the newest one.
        assert_eq!(
            request.path,
            format!("/keys/{KEY}/{}/unwrapkey", FakeAzure::version(1))
        );
        let parts: Vec<_> = text.split('.').collect();
        let expected = serde_json::json!({"alg": "RSA-OAEP-256", "value": parts[1]});
        assert_eq!(request.json(), expected, "and nothing else");
        let sent =
            String::from_utf8(request.body.clone()).unwrap() + &format!("{:?}", request.headers);
        for kept in [
            parts[0],
            parts[2],
            parts[3],
            parts[4],
            client.recipient.kid(),
        ] {
            assert!(!sent.contains(kept), "{kept}");
        }
        // The token came for the pod's own, and the key service never saw that one.
        assert_eq!(
            fake.assertions(),
            ["header.of-the-projected-token.signature"]
        );
        assert!(!sent.contains("projected"));
    });
}

/// The rows of docs/key-services.md.
#[test]
fn no_lie_is_believed() {
    as_a_pod(no_lie_is_believed, async {
        let key = || LocalKey::generate(KeyKind::Rsa(2048)).unwrap();
        let bench = Bench::over(FakeAzure::new([key(), key(), key()])).await;
        let Bench { fake, client, .. } = &bench;
        let outcome = async |asked: &str| client.outcome(asked).await;
        client::no_lie_is_believed("azure", &fake.control, outcome).await;
        fake.control.set(Fault::Lie("unreadable"));
        let error = client.unwrap().await.unwrap_err();
        let words = format!("{} {error:?}", chain(&error));
        assert!(words.contains("integrity"), "{words}");
        assert!(!words.contains("odd place"), "quotes the answer: {words}");
    });
}

#[test]
fn what_does_not_fit_the_key_costs_no_call() {
    as_a_pod(what_does_not_fit_the_key_costs_no_call, async {
        let Bench { fake, client, .. } = &Bench::new().await;
        client::misfits_cost_no_call(client, &fake.control).await;
    });
}

/// Not even to the same host: anyone who can make it redirect could have a wrapped key shown to another key.
#[test]
fn a_redirect_is_not_followed() {
    as_a_pod(a_redirect_is_not_followed, async {
        let bench = Bench::new().await;
        let Bench { fake, client, .. } = &bench;
        let port = bench.server.address.port();
        let there = format!("https://{HOST}:{port}/keys/other/1/unwrapkey?api-version=7.6");
        for status in [307, 308] {
            let answer = Answer::new(status, "text/plain", "").with("location", &*there);
            fake.control.then([Fault::Answer(answer)]);
            let before = fake.control.calls();
            assert_eq!(client.category().await, Category::Misconfigured, "{status}");
            assert_eq!(fake.control.calls(), before + 1, "{status}");
        }
    });
}

/// The rows of docs/key-services.md.
#[test]
fn each_answer_has_its_category() {
    as_a_pod(each_answer_has_its_category, async {
        let Bench { fake, client, .. } = &Bench::new().await;
        client::each_answer_has_its_category("azure", &fake.control, client).await;
        fake.set_operations(1, &["wrapKey"]);
        assert_eq!(client.category().await, Category::Misconfigured);
        assert_eq!(
            client.public_key().await.unwrap_err().category(),
            Category::Misconfigured
        );
        fake.set_operations(1, &["unwrapKey"]);
        fake.set_enabled(1, false);
        assert_eq!(client.category().await, Category::Denied);
    });
}

/// The library's own retries would add calls that no quota of ours knows of, and outlast every deadline.
#[test]
fn one_unwrap_is_one_call_and_a_throttled_one_says_how_long_to_wait() {
    as_a_pod(
        one_unwrap_is_one_call_and_a_throttled_one_says_how_long_to_wait,
        async {
            let Bench { fake, client, .. } = &Bench::new().await;
            for fault in [
                Fault::Throttle(7),
                Fault::Refuse(503, "ServiceUnavailable", ""),
                Fault::Refuse(500, "x", ""),
            ] {
                let before = fake.control.calls();
                fake.control.set(fault.clone());
                let error = client.unwrap().await.unwrap_err();
                assert_eq!(fake.control.calls(), before + 1, "{fault:?}");
                let wait = (fault == Fault::Throttle(7)).then(|| Duration::from_secs(7));
                assert_eq!(error.retry_after(), wait, "{fault:?}");
            }
            fake.control.set(Fault::None);
            fake.control.then([
                Fault::Throttle(0),
                Fault::Half,
                Fault::Lie("another version"),
            ]);
            client
                .open(&seal(&client.recipient, b"value"))
                .await
                .unwrap();
        },
    );
}

#[test]
fn a_silent_service_costs_no_more_than_the_deadline() {
    as_a_pod(a_silent_service_costs_no_more_than_the_deadline, async {
        let Bench { fake, client, .. } = &Bench::new().await;
        fake.control.set(Fault::Stall);
        let error = client
            .unwrap_within(Duration::from_millis(500))
            .await
            .unwrap_err();
        assert_eq!(error.category(), Category::Unavailable);
        fake.control.set(Fault::None);
        client.unwrap().await.unwrap();
    });
}

#[test]
fn a_token_that_the_vault_no_longer_takes_is_no_denial() {
    as_a_pod(a_token_that_the_vault_no_longer_takes_is_no_denial, async {
        let Bench { fake, client, .. } = &Bench::new().await;
        client.unwrap().await.unwrap();
        fake.expire_tokens();
        let error = client.unwrap().await.unwrap_err();
        assert_eq!(error.category(), Category::Unavailable, "{}", chain(&error));
    });
}

#[test]
fn an_identity_that_is_unknown_is_said_so() {
    as_a_pod(an_identity_that_is_unknown_is_said_so, async {
        let Bench { fake, client, .. } = &Bench::new().await;
        fake.refuse_tokens();
        let error = client.unwrap().await.unwrap_err();
        assert_eq!(
            error.category(),
            Category::Misconfigured,
            "{}",
            chain(&error)
        );
        assert!(error.to_string().contains("no credentials"), "{error}");
        assert_eq!(fake.control.calls(), 0);
    });
}

/// A vault that asks for a token for something else gets none.
#[test]
fn a_challenge_for_another_domain_gets_no_token() {
    as_a_pod(a_challenge_for_another_domain_gets_no_token, async {
        let Bench { fake, client, .. } = &Bench::new().await;
        fake.set_challenge("https://graph.microsoft.com");
        let error = client.unwrap().await.unwrap_err();
        assert_eq!(
            error.category(),
            Category::Misconfigured,
            "{}",
            chain(&error)
        );
        assert!(fake.assertions().is_empty());
        assert_eq!(fake.control.calls(), 0);
    });
}

#[test]
fn a_server_that_nobody_vouches_for_sees_nothing() {
    as_a_pod(a_server_that_nobody_vouches_for_sees_nothing, async {
        let bench = Bench::new().await;
        let other = FakeAzure::generated(2048);
        std::fs::write(bench.authority.path(), &other.authority).unwrap();
        let error = bench.client.unwrap().await.unwrap_err();
        assert_eq!(error.category(), Category::Unavailable, "{}", chain(&error));
        assert!(bench.fake.assertions().is_empty());
        assert_eq!(bench.fake.control.calls(), 0);
    });
}

#[test]
fn the_versions_that_can_unwrap_are_listed_newest_first() {
    as_a_pod(
        the_versions_that_can_unwrap_are_listed_newest_first,
        async {
            let key = || LocalKey::generate(KeyKind::Rsa(2048)).unwrap();
            let fake = FakeAzure::new([key(), key(), key(), key(), key()]);
            fake.set_enabled(2, false);
            fake.set_enabled(4, false);
            let Bench { fake, client, .. } = &Bench::over(fake).await;
            let uri = format!("azure-kv://{HOST}/{KEY}");
            let versions = client.versions(&uri).await.unwrap();
            let found: Vec<_> = versions
                .iter()
                .map(|v| (v.uri.version().unwrap(), v.recipient.clone()))
                .collect();
            let expected = [5, 3, 1].map(|at| (FakeAzure::version(at), fake.recipient(at)));
            assert_eq!(found, expected);
        },
    );
}

#[test]
fn a_secret_in_the_environment_is_used_where_it_is_asked_for_and_warned_about() {
    let variables = [
        ("AZURE_CLIENT_SECRET", "long-lived-secret-value"),
        ("AZURE_TENANT_ID", "tenant"),
        ("AZURE_CLIENT_ID", "client"),
    ];
    in_a_process_with(
        a_secret_in_the_environment_is_used_where_it_is_asked_for_and_warned_about,
        &variables,
        async {
            let fake = FakeAzure::generated(2048);
            let Bench { client, .. } = &Bench::over(fake.clone()).await;
            let error = client.connect().await.unwrap_err().to_string();
            assert!(error.contains("workload identity"), "{error}");

            // The token service of this fake gives tokens for assertions only; that it was asked is what counts.
            let fake = FakeAzure::generated(2048);
            let Bench { client, .. } = &Bench::known_as(AzureIdentity::Environment, fake).await;
            let error = client.unwrap().await.unwrap_err();
            assert!(error.to_string().contains("no credentials"), "{error}");
            let options = AzureOptions::from_env().unwrap();
            assert_eq!(options.identity, AzureIdentity::Environment);
            let warnings = options.warnings();
            assert!(warnings[0].contains("AZURE_CLIENT_SECRET"), "{warnings:?}");
            assert!(!warnings[0].contains("long-lived-secret-value"));
        },
    );
}

/// The machine has an identity; anyone who does not ask for it does not get it, and is told how to have one.
#[test]
fn the_machines_identity_is_used_only_where_it_is_asked_for() {
    let used = async {
        let fake = FakeAzure::generated(2048);
        let Bench { client, .. } = &Bench::over(fake).await;
        let error = client.connect().await.unwrap_err().to_string();
        assert!(error.contains("keyServices.azure.auth"), "{error}");

        let fake = FakeAzure::generated(2048);
        fake.accept_token("the-token-of-the-machine");
        let machine = AzureIdentity::ManagedIdentity(None);
        let Bench { client, .. } = &Bench::known_as(machine, fake).await;
        client.unwrap().await.unwrap();
    };
    if is_child() {
        return in_a_process_with(
            the_machines_identity_is_used_only_where_it_is_asked_for,
            &[],
            used,
        );
    }
    drop(used);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let asked = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let count = asked.clone();
    let machine = runtime.block_on(answering(move |_| {
        count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let token = serde_json::json!({"access_token": "the-token-of-the-machine", "expires_on": "4102444800",
            "resource": "https://vault.fake.test", "token_type": "Bearer"});
        Answer::json(200, &token)
    }));
    let endpoint = machine.url();
    again_with(
        the_machines_identity_is_used_only_where_it_is_asked_for,
        &[("IDENTITY_ENDPOINT", &endpoint), ("IDENTITY_HEADER", "x")],
    );
    assert_eq!(asked.load(std::sync::atomic::Ordering::Relaxed), 1);
}

#[test]
fn a_key_pinned_to_what_the_service_does_not_know_is_refused_at_start() {
    as_a_pod(
        a_key_pinned_to_what_the_service_does_not_know_is_refused_at_start,
        async {
            let Bench { fake, client, .. } = &Bench::new().await;
            for algorithm in [KeyManagement::RsaOaep384, KeyManagement::RsaOaep512] {
                let recipient = client.recipient.pinned_to(algorithm).unwrap();
                let error = client
                    .connector
                    .connect(&client.uri, &recipient)
                    .await
                    .unwrap_err();
                assert!(error.to_string().contains("RSA-OAEP"), "{error}");
            }
            assert_eq!(fake.control.calls(), 0);
        },
    );
}
