//! What every key service has to show, whichever it is.

use jwe_envelope::RecipientKey;

use super::bench::{Bench, review};
use test_support::keys::patched;

/// How the service is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Well,
    /// It does not let us.
    Denies,
    /// It is overloaded or gone.
    Away,
}

/// A key service under test.
pub(crate) trait Service {
    /// The key's public half, and its reference.
    fn key(&self) -> (RecipientKey, String);
    /// A reference to a key of the same service that is another one.
    fn other(&self) -> String;
    /// `keyServices`.
    fn settings(&self) -> String;
    /// What the platform puts into the environment.
    fn variables(&self) -> Vec<(&'static str, String)>;
    fn set(&self, state: State);
    /// How often it was asked to unwrap.
    fn unwraps(&self) -> usize;
    /// What `check-config` warns about, if anything.
    fn warning(&self) -> Option<&'static str>;
}

pub(crate) fn bench_of(service: &impl Service) -> Bench {
    let bench = Bench::new(&service.key().0);
    let variables = service.variables();
    variables
        .into_iter()
        .fold(bench, |bench, (name, value)| bench.with(name, value))
}

/// `check-config --probe`: the public key is compared, and each way to fail has its exit code.
pub(crate) async fn probes(service: &impl Service) {
    let bench = bench_of(service);
    let (_, reference) = service.key();
    bench.write(&reference, &service.settings());
    let checked = bench.check(&["--probe"]).await;
    assert_eq!(checked.code, 0, "{}", checked.text);
    let expected = format!("probe        key payments: {reference} holds the configured key");
    assert!(checked.text.contains(&expected), "{}", checked.text);
    match service.warning() {
        None => assert!(!checked.text.contains("warning"), "{}", checked.text),
        Some(words) => assert!(checked.text.contains(words), "{}", checked.text),
    }

    service.set(State::Denies);
    let checked = bench.check(&["--probe"]).await;
    assert_eq!(checked.code, 1, "{}", checked.text);
    assert!(checked.text.contains("DID NOT SAY"), "{}", checked.text);
    service.set(State::Away);
    let checked = bench.check(&["--probe"]).await;
    assert_eq!(checked.code, 3, "{}", checked.text);
    // Without --probe no one is asked.
    let checked = bench.check(&[]).await;
    assert_eq!(checked.code, 0, "{}", checked.text);
    service.set(State::Well);

    bench.write(&service.other(), &service.settings());
    let checked = bench.check(&["--probe"]).await;
    assert_eq!(checked.code, 1, "{}", checked.text);
    assert!(
        checked.text.contains("HOLDS ANOTHER KEY"),
        "{}",
        checked.text
    );
    assert_eq!(service.unwraps(), 0, "a probe unwraps nothing");
}

/// The program opens values by configuration only, and tells how its key can be reached; ready it is throughout.
pub(crate) async fn serves(service: &impl Service) {
    let bench = bench_of(service);
    let (recipient, reference) = service.key();
    bench.write(&reference, &service.settings());
    let running = bench.start().await;
    let health = async |word: &str| {
        let ready = running.get("/readyz?verbose").await;
        assert!(ready.starts_with("200"), "ready all the same: {ready}");
        assert!(
            ready.contains(&format!("[i] key payments: {word}\n")),
            "{word}: {ready}"
        );
        let metrics = running.get("/metrics").await;
        let line = format!("privy_key_health{{key=\"payments\",health=\"{word}\"}} 1");
        assert!(metrics.contains(&line), "{line}: {metrics}");
        metrics
    };
    health("untried").await;

    let mut client = bench.client(&running).await;
    let answer = client
        .review(&review(&recipient, b"hunter2"))
        .await
        .unwrap();
    assert_eq!(patched(&answer.json()), b"hunter2");
    assert_eq!(service.unwraps(), 1);
    let metrics = health("reachable").await;
    let count = "privy_kms_unwrap_seconds_count{key=\"payments\",category=\"ok\"} 1";
    assert!(metrics.contains(count), "{metrics}");

    service.set(State::Away);
    let answer = client
        .review_with_query("timeout=2s", &review(&recipient, b"hunter3"))
        .await
        .unwrap();
    assert!(
        !answer.text().contains("\"allowed\":true"),
        "{}",
        answer.text()
    );
    health("unavailable").await;

    service.set(State::Denies);
    // Whatever the breaker of the outage says, the service is asked again within seconds.
    let start = std::time::Instant::now();
    loop {
        let body = review(&recipient, b"hunter4");
        let answer = client.review_with_query("timeout=2s", &body).await.unwrap();
        assert!(
            !answer.text().contains("\"allowed\":true"),
            "{}",
            answer.text()
        );
        if answer.text().contains("denied") {
            break;
        }
        assert!(
            start.elapsed() < test_support::client::PATIENCE,
            "{}",
            answer.text()
        );
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
    let metrics = health("denied").await;
    assert!(
        metrics.contains("privy_kms_unwrap_seconds_count{key=\"payments\",category=\"denied\"}"),
        "{metrics}"
    );
}
