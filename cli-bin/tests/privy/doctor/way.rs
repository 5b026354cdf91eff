//! The way to the webhook and to the key services, and the clocks.
use super::*;

#[test]
fn a_clock_that_is_wrong_is_found() {
    let cluster = Cluster::healthy();
    assert_eq!(cluster.check("clock", &[]).0, "ok");
    for (stamp, words) in [
        ("2021-01-31T12:00:00Z", "behind this machine's"),
        ("2121-01-31T12:00:00Z", "ahead of this machine's"),
    ] {
        cluster.0.write(
            "clock",
            json!({ "metadata": { "creationTimestamp": stamp } }).to_string(),
        );
        cluster.finds("clock", &[], words);
    }
    cluster.0.write("clock", "{}");
    assert_eq!(cluster.check("clock", &[]).0, "unknown");
}

#[test]
fn a_key_that_is_due_and_older_versions_are_found() {
    let cluster = Cluster::healthy();
    let card = &["--card", "payments.card.json"][..];
    let older = &["--card", "rotated.card.json"][..];
    let read = |name: &str| -> Value { serde_json::from_slice(&cluster.0.read(name)).unwrap() };
    let (state, text) = cluster.check("key versions", card);
    assert_eq!(state, "ok");
    assert!(text.contains("one version"), "{text}");

    // Rotated twice: what was sealed for an older version hangs on the webhook's configuration.
    let mut rotated = read("payments.card.json");
    let mut kids = Vec::new();
    for name in ["second", "third"] {
        cluster.0.generate(name);
        let mut key = read(&format!("{name}.card.json"))["keys"][0].take();
        key["privy"]["status"] = "retired".into();
        kids.push(key["kid"].as_str().unwrap().to_owned());
        rotated["keys"].as_array_mut().unwrap().push(key);
    }
    cluster.0.write("rotated.card.json", rotated.to_string());
    let (state, text) = cluster.check("key versions", older);
    assert_eq!(state, "ok", "{text}");
    assert!(
        kids.iter()
            .all(|kid| text.contains(&format!("{kid}: still opened"))),
        "{text}"
    );
    cluster
        .0
        .write("opens-3.err", "sealed for a key that is not served here");
    let (state, text) = cluster.check("key versions", older);
    assert_eq!(state, "unknown", "{text}");
    assert!(
        text.contains(&format!("{}: still opened", kids[0])),
        "{text}"
    );
    assert!(
        text.contains(&format!("{}: not opened any more", kids[1])),
        "{text}"
    );
    assert!(text.contains("privy lint"), "{text}");
    assert_eq!(cluster.check("opening", older).0, "ok");

    for (not_after, words) in [
        ("2021-01-31T12:00:00Z", "time ended at 2021-01-31"),
        ("in three days", "ends soon"),
    ] {
        let mut due = read("payments.card.json");
        let now = std::time::SystemTime::now();
        let now = now.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        due["keys"][0]["privy"]["notAfter"] = match not_after {
            "in three days" => cli_bin::time::format(now + 3 * 86_400).into(),
            moment => moment.into(),
        };
        cluster.0.write("due.card.json", due.to_string());
        cluster.finds("key versions", &["--card", "due.card.json"], words);
    }
}

#[test]
fn each_break_of_the_way_has_its_words() {
    let cluster = Cluster::healthy();
    for (said, words) in [
        (
            "failed calling webhook: tls: failed to verify certificate: x509: certificate signed by unknown authority",
            "caBundle",
        ),
        (
            "failed calling webhook: remote error: tls: certificate required",
            "client certificate",
        ),
        (
            "failed calling webhook: dial tcp 10.0.0.7:10250: connect: connection refused",
            "firewalls",
        ),
        (
            "failed calling webhook: failed to call webhook: the server is currently unable to handle the request",
            "the APIService's `caBundle`",
        ),
        (
            "field `data/value` would be stored sealed: the webhook did not open it",
            "namespaceSelector",
        ),
    ] {
        cluster.0.write("reaches.err", said);
        cluster.finds("network path", &[], words);
    }
    cluster.0.write(
        "reaches.err",
        "doctor may not `unseal` secrets of privyseal.dev",
    );
    assert_eq!(cluster.check("network path", &[]).0, "unknown");
    cluster.0.write("reaches", "{}");
    cluster.finds("network path", &[], "was accepted");
}

#[test]
fn the_key_service_and_the_clock_are_tried_out() {
    let cluster = Cluster::healthy();
    let card = &["--card", "payments.card.json"][..];
    std::fs::remove_file(cluster.0.path("opens")).unwrap();
    for (said, words) in [
        ("expired: the envelope was valid until", "clock"),
        (
            "sealed for a key that is not served here",
            "webhook's configuration",
        ),
        (
            "the key service does not let the webhook use key `payments`",
            "grant",
        ),
        (
            "the key service of key `payments` did not answer in time",
            "firewall",
        ),
    ] {
        cluster.0.write("opens.err", said);
        cluster.finds("opening", card, words);
    }
    // What was sent is a real envelope, bound to this minute.
    let sent: Value = serde_json::from_slice(&cluster.0.read("sent")).unwrap();
    assert_eq!(sent["metadata"]["name"], "privy-doctor");
}
