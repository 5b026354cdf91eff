//! How long content keys are kept, and what never gets in.

use std::num::NonZeroUsize;
use std::time::Duration;

use crate::common::{Bench, edited, flattened, seal, seal_together, with_bad_tag};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jwe_envelope::{Envelope, KeyKind, KeyManagement, LocalKey};
use kms_backends::testing::Reply;
use kms_backends::{CacheEvent, CacheOptions, Category, KeySource, OpenFailure};
use tokio::time::{Instant, sleep, sleep_until};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);

/// The source of a value that must open.
async fn source(bench: &Bench, text: &str) -> KeySource {
    bench.open(text).await.unwrap().source
}

async fn category(bench: &Bench, text: &str) -> Option<Category> {
    bench.open(text).await.unwrap_err().category()
}

#[tokio::test(start_paused = true)]
async fn the_second_opening_costs_no_call() {
    let bench = Bench::new();
    let text = bench.seal(b"value");
    for expected in [KeySource::Unwrapped, KeySource::Cache, KeySource::Cache] {
        let opened = bench.open(&text).await.unwrap();
        assert_eq!(opened.plaintext.expose(), b"value");
        assert_eq!(opened.source, expected);
    }
    assert_eq!(bench.service().calls(), 1);
    assert_eq!(bench.registry.cached_keys(), 1);
    assert_eq!(bench.observer.cached_keys(), Some(1));
    let events = bench.observer.cache_events();
    let expected = [CacheEvent::Miss, CacheEvent::Hit, CacheEvent::Hit];
    assert_eq!(events, expected.map(|event| ("a".to_owned(), event)));
}

#[tokio::test(start_paused = true)]
async fn one_sealing_act_is_one_call_however_many_values() {
    let bench = Bench::new();
    let keys: Vec<_> = (0..20).map(|n| format!("key{n}")).collect();
    let values: Vec<_> = keys
        .iter()
        .map(|key| (key.as_str(), key.as_bytes()))
        .collect();
    for (text, key) in seal_together(&bench.recipients[0], &values)
        .iter()
        .zip(&keys)
    {
        let opened = bench.open(text).await.unwrap();
        assert_eq!(opened.plaintext.expose(), key.as_bytes());
    }
    assert_eq!(bench.service().calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_hit_needs_no_time() {
    let bench = Bench::new();
    let text = bench.seal(b"value");
    bench.open(&text).await.unwrap();
    let opened = bench.open_within(&text, Duration::ZERO).await.unwrap();
    assert_eq!(opened.source, KeySource::Cache);
}

#[tokio::test(start_paused = true)]
async fn ten_minutes_from_the_unwrap_however_often_it_is_used() {
    let bench = Bench::new();
    let text = bench.seal(b"value");
    let start = Instant::now();
    bench.open(&text).await.unwrap();
    while start.elapsed() < 599 * SECOND {
        assert_eq!(source(&bench, &text).await, KeySource::Cache);
        sleep(SECOND).await;
    }
    sleep_until(start + Duration::from_millis(599_999)).await;
    assert_eq!(source(&bench, &text).await, KeySource::Cache);
    sleep(Duration::from_millis(1)).await;
    assert_eq!(source(&bench, &text).await, KeySource::Unwrapped);
    assert_eq!(bench.service().calls(), 2);
    // The new unwrap starts a new lifetime.
    sleep(9 * MINUTE).await;
    assert_eq!(source(&bench, &text).await, KeySource::Cache);
}

#[tokio::test(start_paused = true)]
async fn while_the_key_service_is_unavailable_it_serves_up_to_one_hour() {
    let bench = Bench::new();
    let text = bench.seal(b"value");
    let start = Instant::now();
    bench.open(&text).await.unwrap();
    bench.service().set(Reply::UNAVAILABLE);
    sleep(10 * MINUTE).await;
    while start.elapsed() < 60 * MINUTE {
        let calls = bench.service().calls();
        assert_eq!(source(&bench, &text).await, KeySource::Stale);
        assert_eq!(bench.service().calls(), calls + 1, "served without asking");
        sleep(MINUTE).await;
    }
    assert_eq!(start.elapsed(), 60 * MINUTE);
    assert_eq!(category(&bench, &text).await, Some(Category::Unavailable));
    assert_eq!(bench.observer.count(CacheEvent::Stale), 50);
}

#[tokio::test(start_paused = true)]
async fn serving_in_an_outage_does_not_prolong_a_lifetime() {
    let bench = Bench::new();
    let text = bench.seal(b"value");
    bench.open(&text).await.unwrap();
    sleep(11 * MINUTE).await;
    bench.service().set(Reply::UNAVAILABLE);
    assert_eq!(source(&bench, &text).await, KeySource::Stale);
    bench.service().set(Reply::Right);
    assert_eq!(source(&bench, &text).await, KeySource::Unwrapped);
    assert_eq!(source(&bench, &text).await, KeySource::Cache);
}

#[tokio::test(start_paused = true)]
async fn only_unavailable_lets_an_expired_key_serve() {
    for wrong in [
        Category::Denied,
        Category::Misconfigured,
        Category::UnknownKey,
    ] {
        let bench = Bench::new();
        let text = bench.seal(b"value");
        bench.open(&text).await.unwrap();
        sleep(11 * MINUTE).await;
        bench.service().set(Reply::Fail(wrong));
        assert_eq!(category(&bench, &text).await, Some(wrong));
    }
}

#[tokio::test(start_paused = true)]
async fn a_hanging_key_service_leaves_time_to_serve_an_expired_key() {
    let bench = Bench::new();
    let text = bench.seal(b"value");
    bench.open(&text).await.unwrap();
    bench.service().set(Reply::Hang);
    sleep(11 * MINUTE).await;
    let start = Instant::now();
    let opened = bench.open_within(&text, 10 * SECOND).await.unwrap();
    assert_eq!(opened.source, KeySource::Stale);
    assert_eq!(start.elapsed(), 5 * SECOND);
    // Once the service is known to be away, no one waits long for it.
    sleep(10 * SECOND).await;
    let start = Instant::now();
    let opened = bench.open_within(&text, 10 * SECOND).await.unwrap();
    assert_eq!(opened.source, KeySource::Stale);
    assert_eq!(start.elapsed(), Duration::from_millis(250));
}

#[tokio::test(start_paused = true)]
async fn a_denial_drops_every_key_of_its_entry_and_no_other() {
    let bench = Bench::with(2, CacheOptions::default());
    let [first, second, third] = [(); 3].map(|()| bench.seal(b"value"));
    let other = seal(&bench.recipients[1], b"other");
    for text in [&first, &second, &other] {
        bench.open(text).await.unwrap();
    }
    bench.service().set(Reply::Fail(Category::Denied));
    assert_eq!(category(&bench, &third).await, Some(Category::Denied));
    assert_eq!(bench.registry.cached_keys(), 1);
    for text in [&first, &second] {
        assert_eq!(category(&bench, text).await, Some(Category::Denied));
    }
    assert_eq!(source(&bench, &other).await, KeySource::Cache);
    assert_eq!(bench.observer.count(CacheEvent::Evicted), 2);
    // Nor do they come back in an outage.
    bench.service().set(Reply::UNAVAILABLE);
    assert_eq!(category(&bench, &first).await, Some(Category::Unavailable));
}

#[tokio::test(start_paused = true)]
async fn what_was_asked_before_a_denial_is_not_cached_after_it() {
    let bench = Bench::new();
    let (early, late) = (bench.seal(b"early"), bench.seal(b"late"));
    bench.service().set(Reply::Right.after(2 * SECOND));
    let call = bench.spawn(&early, 10 * SECOND);
    sleep(SECOND).await;
    bench.service().set(Reply::Fail(Category::Denied));
    assert_eq!(category(&bench, &late).await, Some(Category::Denied));
    // It was answered, so it is opened; but no one else profits.
    assert_eq!(call.await.unwrap().unwrap().source, KeySource::Unwrapped);
    assert_eq!(bench.registry.cached_keys(), 0);
    assert_eq!(category(&bench, &early).await, Some(Category::Denied));
}

#[tokio::test(start_paused = true)]
async fn what_was_asked_before_a_denial_is_not_shared_after_it() {
    let bench = Bench::new();
    let (early, late) = (bench.seal(b"early"), bench.seal(b"late"));
    bench.service().set(Reply::Right.after(2 * SECOND));
    let call = bench.spawn(&early, 10 * SECOND);
    sleep(SECOND).await;
    bench.service().set(Reply::Fail(Category::Denied));
    assert_eq!(category(&bench, &late).await, Some(Category::Denied));
    assert_eq!(category(&bench, &early).await, Some(Category::Denied));
    assert_eq!(bench.service().calls(), 3);
    call.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn nothing_is_cached_that_no_tag_accepted() {
    for wrong in [
        Reply::WrongKey,
        Reply::WrongLength(0),
        Reply::WrongLength(31),
        Reply::WrongLength(4096),
        Reply::Fail(Category::Rejected),
    ] {
        let bench = Bench::new();
        let text = bench.seal(b"value");
        bench.service().set(wrong.clone());
        let failure = bench.open(&text).await.unwrap_err();
        assert!(
            matches!(failure, OpenFailure::Open(_)),
            "{wrong:?}: {failure}"
        );
        assert_eq!(failure.to_string(), "could not be opened");
        assert_eq!(bench.registry.cached_keys(), 0, "{wrong:?}");
        // Nor is the failure remembered.
        bench.service().set(Reply::Right);
        assert_eq!(source(&bench, &text).await, KeySource::Unwrapped);
        assert_eq!(bench.service().calls(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn rsa_answers_are_treated_the_same() {
    let key = LocalKey::generate(KeyKind::Rsa(2048)).unwrap();
    let bench = Bench::over([key], CacheOptions::default());
    let text = bench.seal(b"value");
    for wrong in [
        Reply::WrongKey,
        Reply::WrongLength(31),
        Reply::Fail(Category::Rejected),
    ] {
        bench.service().set(wrong);
        let failure = bench.open(&text).await.unwrap_err();
        assert!(matches!(failure, OpenFailure::Open(_)), "{failure}");
    }
    bench.service().set(Reply::Right);
    assert_eq!(source(&bench, &text).await, KeySource::Unwrapped);
    assert_eq!(source(&bench, &text).await, KeySource::Cache);
}

#[tokio::test(start_paused = true)]
async fn a_bad_tag_is_neither_cached_nor_harms_what_is() {
    let bench = Bench::new();
    let text = bench.seal(b"value");
    let bad = with_bad_tag(&text);
    let failure = bench.open(&bad).await.unwrap_err();
    assert!(matches!(failure, OpenFailure::Open(_)), "{failure}");
    assert_eq!(bench.registry.cached_keys(), 0);
    assert_eq!(source(&bench, &text).await, KeySource::Unwrapped);
    // Served from the cache, refused by the tag.
    bench.open(&bad).await.unwrap_err();
    assert_eq!(bench.service().calls(), 2);
    assert_eq!(source(&bench, &text).await, KeySource::Cache);
}

#[tokio::test(start_paused = true)]
async fn a_wrapped_key_that_is_rejected_now_drops_what_it_gave_before() {
    let bench = Bench::new();
    let text = bench.seal(b"value");
    bench.open(&text).await.unwrap();
    sleep(11 * MINUTE).await;
    bench.service().set(Reply::Fail(Category::Rejected));
    bench.open(&text).await.unwrap_err();
    assert_eq!(bench.registry.cached_keys(), 0);
    bench.service().set(Reply::UNAVAILABLE);
    assert_eq!(category(&bench, &text).await, Some(Category::Unavailable));
}

#[tokio::test(start_paused = true)]
async fn the_oldest_makes_room() {
    let options = CacheOptions::default().capacity(NonZeroUsize::new(3).unwrap());
    let bench = Bench::with(1, options);
    let texts: Vec<_> = (0..5).map(|_| bench.seal(b"value")).collect();
    for text in &texts {
        bench.open(text).await.unwrap();
        // Using the oldest does not keep it.
        bench.open(&texts[0]).await.unwrap();
        assert!(bench.registry.cached_keys() <= 3);
        sleep(SECOND).await;
    }
    assert_eq!(bench.registry.cached_keys(), 3);
    assert_eq!(bench.observer.cached_keys(), Some(3));
    assert!(bench.observer.count(CacheEvent::Evicted) >= 2);
    assert_eq!(source(&bench, &texts[4]).await, KeySource::Cache);
    assert_eq!(source(&bench, &texts[1]).await, KeySource::Unwrapped);
}

#[tokio::test(start_paused = true)]
async fn keys_are_wiped_when_they_end_even_if_nobody_asks_any_more() {
    let bench = Bench::new();
    for _ in 0..10 {
        let text = bench.seal(b"value");
        bench.open(&text).await.unwrap();
        sleep(SECOND).await;
    }
    sleep(59 * MINUTE).await;
    assert_eq!(bench.registry.cached_keys(), 10);
    sleep(2 * MINUTE).await;
    assert_eq!(bench.registry.cached_keys(), 0);
    assert_eq!(bench.observer.count(CacheEvent::Expired), 10);
    assert_eq!(bench.observer.cached_keys(), Some(0));
    // And again, after the sweeper had nothing left to do.
    bench.open(&bench.seal(b"value")).await.unwrap();
    sleep(61 * MINUTE).await;
    assert_eq!(bench.registry.cached_keys(), 0);
}

#[tokio::test(start_paused = true)]
async fn switched_off_it_keeps_nothing_and_still_shares_calls() {
    let bench = Bench::with(1, CacheOptions::off());
    let text = bench.seal(b"value");
    for _ in 0..3 {
        assert_eq!(source(&bench, &text).await, KeySource::Unwrapped);
        assert_eq!(bench.registry.cached_keys(), 0);
    }
    bench.service().set(Reply::Right.after(SECOND));
    let calls = [(); 10].map(|()| bench.spawn(&text, 10 * SECOND));
    for call in calls {
        call.await.unwrap().unwrap();
    }
    assert_eq!(bench.service().calls(), 4);
    bench.service().set(Reply::UNAVAILABLE);
    assert_eq!(category(&bench, &text).await, Some(Category::Unavailable));
}

#[tokio::test(start_paused = true)]
async fn the_key_service_sees_the_wrapped_key_and_nothing_else() {
    let key = LocalKey::generate(KeyKind::Rsa(2048)).unwrap();
    let bench = Bench::over([key], CacheOptions::default());
    let text = bench.seal(b"canary-4711");
    bench.open(&text).await.unwrap();
    let requests = bench.service().requests();
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[0].kind, "decrypt");
    let wrapped = text.split('.').nth(1).unwrap();
    assert_eq!(URL_SAFE_NO_PAD.encode(&requests[0].bytes), wrapped);
}

#[tokio::test(start_paused = true)]
async fn debug_of_a_registry_with_cached_keys_shows_none() {
    let bench = Bench::new();
    let text = bench.seal(b"canary-4711");
    let opened = bench.open(&text).await.unwrap();
    let words = format!("{:?} {:#?} {opened:?}", bench.registry, bench.registry);
    assert!(words.contains("<redacted>"));
    assert!(!words.contains("canary-4711"));
}

/// Every unwrap input is part of a cached key's name: a change in one of them is never answered by the key
/// of the other.
#[test]
fn every_unwrap_input_makes_another_entry() {
    use jwe_envelope::{Curve, RecipientKey};

    let key = LocalKey::generate(KeyKind::Ec(Curve::P256)).unwrap();
    let recipient = key.recipient();
    let digest = |text: &str, key: &RecipientKey, entry: &str| {
        let envelope = Envelope::parse(text.as_bytes()).unwrap();
        *envelope
            .open_unchecked(0, key)
            .unwrap()
            .inputs_digest(entry)
            .as_bytes()
    };
    let text = flattened(recipient);
    let same = digest(&text, recipient, "a");
    assert_eq!(same, digest(&text, recipient, "a"));

    let mut seen = vec![("itself", same), ("entry", digest(&text, recipient, "b"))];
    let other = flattened(recipient);
    let take = |member: &'static str| {
        let other: serde_json::Value = serde_json::from_str(&other).unwrap();
        let value = other.pointer(member).unwrap().clone();
        edited(&text, |envelope| {
            *envelope.pointer_mut(member).unwrap() = value;
        })
    };
    for member in ["/header/epk", "/encrypted_key"] {
        seen.push((member, digest(&take(member), recipient, "a")));
    }
    for member in ["apu", "apv"] {
        let changed = edited(&text, |envelope| envelope["header"][member] = "QQ".into());
        seen.push((member, digest(&changed, recipient, "a")));
    }
    let algorithm = KeyManagement::EcdhEsA128Kw;
    let changed = edited(&text, |envelope| {
        envelope["header"]["alg"] = algorithm.as_str().into();
    });
    let pinned = recipient.pinned_to(algorithm).unwrap();
    seen.push(("alg", digest(&changed, &pinned, "a")));
    // Same key length, same IV and tag lengths as far as the parser cares: A128CBC-HS256 needs a longer IV.
    let changed = edited(&text, |envelope| {
        let protected = envelope["protected"].as_str().unwrap();
        let protected = URL_SAFE_NO_PAD.decode(protected).unwrap();
        let protected = String::from_utf8(protected).unwrap();
        let protected = protected.replace("A256GCM", "A128CBC-HS256");
        envelope["protected"] = URL_SAFE_NO_PAD.encode(protected).into();
        envelope["iv"] = URL_SAFE_NO_PAD.encode([0; 16]).into();
        envelope["ciphertext"] = URL_SAFE_NO_PAD.encode([0; 16]).into();
    });
    seen.push(("enc", digest(&changed, recipient, "a")));

    for (index, (what, digest)) in seen.iter().enumerate() {
        for (other, earlier) in &seen[..index] {
            assert_ne!(digest, earlier, "{what} like {other}");
        }
    }
}

/// A changed agreement input is asked again and then fails at the tag: the cached key is not tried on it.
#[tokio::test(start_paused = true)]
async fn a_changed_unwrap_input_is_no_hit() {
    let bench = Bench::new();
    let text = flattened(&bench.recipients[0]);
    bench.open(&text).await.unwrap();
    let changed = edited(&text, |envelope| envelope["header"]["apu"] = "QQ".into());
    bench.open(&changed).await.unwrap_err();
    assert_eq!(bench.service().calls(), 2);
    assert_eq!(bench.observer.count(CacheEvent::Hit), 0);
    assert_eq!(source(&bench, &text).await, KeySource::Cache);
}
