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
    cluster.0.write("opens-3.err", refused("unknown-key"));
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

/// As kubectl prints a call that failed.
fn call_failed(why: &str) -> String {
    format!(
        "Error from server (InternalError): error when creating \"STDIN\": Internal error occurred: failed calling webhook \"unseal.privyseal.dev\": failed to call webhook: {why}"
    )
}

#[test]
fn each_break_of_the_way_is_told_by_its_fixed_parts() {
    let cluster = Cluster::healthy();
    let policy = |name: &str| {
        format!(
            "Error from server (Forbidden): error when creating \"STDIN\": secrets \"privy-doctor\" is forbidden: ValidatingAdmissionPolicy '{name}' with binding '{name}' denied request: some words"
        )
    };
    for (output, words) in [
        (
            call_failed(
                "Post \"https://x\": tls: failed to verify certificate: x509: certificate signed by unknown authority",
            ),
            "caBundle",
        ),
        (
            call_failed("remote error: tls: certificate required"),
            "kubectl said: ",
        ),
        (
            call_failed(
                "forbidden: this caller is not allowed to ask [caller-not-allowed]; the webhook's log says why",
            ),
            "client certificate",
        ),
        (
            call_failed("dial tcp 10.0.0.7:10250: connect: connection refused"),
            "firewalls",
        ),
        (
            call_failed("the server is currently unable to handle the request"),
            "the APIService's `caBundle`",
        ),
        (
            policy("no-sealed-values.privyseal.dev"),
            "namespaceSelector",
        ),
    ] {
        cluster.0.write("reaches.err", output);
        cluster.finds("network path", &[], words);
    }
    for output in [
        policy("another.example.org"),
        // The words of others prove nothing.
        refused("damaged").replace("unseal.privyseal.dev", "other.example.org"),
        "Error from server (Forbidden): denied: field `data/value` [damaged]".to_owned(),
        policy("another.example.org")
            + " admission webhook \"unseal.privyseal.dev\" denied the request: field `data/value` [damaged]:",
        refused("no-such-code"),
        refused("unknown-key"),
    ] {
        cluster.0.write("reaches.err", &output);
        assert_eq!(cluster.check("network path", &[]).0, "unknown", "{output}");
    }
    cluster.0.write("reaches", "{}");
    cluster.finds("network path", &[], "was accepted");
}

#[test]
fn nothing_is_concluded_from_the_words_of_a_failed_call() {
    let cluster = Cluster::healthy();
    let next = |why: &str| {
        cluster.0.write("reaches.err", call_failed(why));
        let (state, text) = cluster.check("network path", &[]);
        assert_eq!(state, "problem", "{text}");
        assert!(text.contains("kubectl said: "), "{text}");
        text.replace(why, "")
    };
    let unknown = next("some words");
    for why in [
        "x509: certificate has expired",
        "remote error: tls: bad certificate",
        "denied",
    ] {
        assert_eq!(next(why), unknown, "{why}");
    }
}

#[test]
fn someone_who_may_not_unseal_learns_that_first() {
    let cluster = Cluster::healthy();
    cluster
        .0
        .write("lacking", "unseal secrets in privyseal.dev\n");
    for check in ["network path", "opening"] {
        let (state, text) = cluster.check(check, &["--card", "payments.card.json"]);
        assert_eq!(state, "unknown", "{text}");
        assert!(
            text.contains("you may not unseal in namespace default"),
            "{text}"
        );
    }
}

#[test]
fn the_key_service_and_the_clock_are_told_by_the_codes_of_refusals() {
    let cluster = Cluster::healthy();
    let card = &["--card", "payments.card.json"][..];
    std::fs::remove_file(cluster.0.path("opens")).unwrap();
    for (code, words) in [
        ("expired", "clock"),
        ("not-yet-valid", "clock"),
        ("unknown-key", "webhook's configuration"),
        ("denied", "grant"),
        ("misconfigured", "check-config"),
        ("unavailable", "firewall"),
        ("namespace-not-allowed", "--test-namespace"),
        ("wrong-place", "webhook's log"),
    ] {
        cluster.0.write("opens.err", refused(code));
        cluster.finds("opening", card, words);
    }
    cluster.0.write(
        "opens.err",
        call_failed("an error: field `data/value` [unavailable]: the key service"),
    );
    cluster.finds("opening", card, "firewall");
    cluster.0.write(
        "opens.err",
        "Error from server: denied, expired, unavailable",
    );
    let (_, text) = cluster.check("opening", card);
    assert!(text.contains("the value was not opened"), "{text}");
    // What was sent is a real envelope, bound to this minute.
    let sent: Value = serde_json::from_slice(&cluster.0.read("sent")).unwrap();
    assert_eq!(sent["metadata"]["name"], "privy-doctor");
}
