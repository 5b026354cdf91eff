//! `privy-webhook check-config` tells what an operator has to know of a configuration that is good: who may call, and
//! whether certificate and clock agree.

use std::process::{Command, Stdio};

use test_support::site::{BASE, Site};

const MTLS: &str = "  mtls:\n    clientCa: ca.crt\n    allowedNames: [\"kube-apiserver\"]\n";

/// What it prints of a good configuration.
fn check(site: &Site, flags: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_privy-webhook"))
        .arg("check-config")
        .arg(site.config())
        .args(flags)
        .stdin(Stdio::null())
        .env_remove("PRIVY_WEBHOOK_ALLOW_UNAUTHENTICATED_CALLERS")
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The line of the summary that begins with the word.
fn line<'t>(text: &'t str, word: &str) -> &'t str {
    text.lines()
        .find(|line| line.starts_with(word))
        .unwrap_or_else(|| panic!("no {word} in {text}"))
}

#[test]
fn who_may_call_is_said_in_words() {
    let site = Site::new();
    for (callers, flags, words, path) in [
        (
            MTLS,
            &[][..],
            "a client certificate named kube-apiserver",
            "/mutate",
        ),
        (
            "  mtls: { clientCa: ca.crt, allowedNames: [a, b] }\n",
            &[],
            "a client certificate named a or b",
            "/mutate",
        ),
        ("  loopback: {}\n", &[], "programs on this host", "/mutate"),
        (
            "  aggregated: {}\n",
            &[],
            "the API server itself, through the APIService v1.admission.privyseal.dev; its front proxy is described in the cluster (read with the pod's service account)",
            "/apis/admission.privyseal.dev/v1/secretreviews",
        ),
    ] {
        site.write("webhook.yaml", &BASE.replace(MTLS, callers));
        let text = check(&site, flags);
        assert!(line(&text, "callers ").contains(words), "{text}");
        assert!(line(&text, "reviews ").ends_with(path), "{text}");
    }
    let anybody = BASE.replace(&format!("callers:\n{MTLS}"), "");
    site.write("webhook.yaml", &anybody);
    let text = check(&site, &["--allow-unauthenticated-callers"]);
    assert!(
        line(&text, "callers ").contains("ANYONE who reaches the port"),
        "{text}"
    );
}

#[test]
fn a_certificate_that_does_not_fit_the_clock_is_pointed_out() {
    let site = Site::new();
    for (from, to, words) in [
        (2020, 2021, "HAS EXPIRED"),
        // Made in advance, or the clock is behind.
        (2090, 2091, "IS NOT VALID YET"),
        (2020, 2090, "more days"),
    ] {
        site.pki.install(&site.pki.server_pair_of_years(from, to));
        let text = check(&site, &[]);
        let certificate = text
            .lines()
            .skip_while(|line| !line.starts_with("certificate "))
            .nth(1);
        assert!(certificate.unwrap().contains(words), "{from} {to}: {text}");
    }
}
