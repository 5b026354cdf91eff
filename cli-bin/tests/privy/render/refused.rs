//! Flags that would print manifests which do not work.
use super::*;

#[test]
fn what_would_not_work_is_refused_with_the_next_step() {
    let bench = bench();
    bench.write(
        "key.pem",
        "-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\n",
    );
    bench.write("text", "hello\n");
    for (flags, expected) in [
        (&["--ca", "key.pem"][..], "holds a private key"),
        (&["--ca", "text"], "holds no certificate"),
        (&["--ca", "missing"], "missing"),
        (&["--only", "webhook"], "--ca is missing"),
        (
            &["--ca", "ca.crt", "--url", "https://10.0.0.1"],
            "--external-name",
        ),
        (
            &["--ca", "ca.crt", "--callers", "loopback"],
            "--url https://127.0.0.1:10250",
        ),
        (&["--ca", "ca.crt", "-n", "a b"], "DNS name"),
        (
            &["--ca", "ca.crt", "--image", "a\nb: c"],
            "name of an image",
        ),
        (
            &["--ca", "ca.crt", "--callers", "mtls", "--url", "http://x"],
            "https://",
        ),
        (
            &["--ca", "ca.crt", "--unseal", "shop/default"],
            "service account of its own",
        ),
        (&["--ca", "ca.crt", "--card", "text"], "is no key card"),
    ] {
        let ended = render(&bench, flags);
        assert_eq!(ended.code, 2, "{flags:?}: {}", ended.stderr);
        assert!(
            ended.stderr.contains(expected),
            "{flags:?}: {}",
            ended.stderr
        );
        assert!(ended.stdout.is_empty());
    }
}

/// Flags that would do harm, or nothing.
#[test]
#[allow(clippy::too_many_lines, reason = "one journey, told in order")]
fn flags_that_contradict_each_other_are_refused() {
    let bench = bench();
    bench.generate("pay");
    bench.generate("other");
    std::fs::create_dir(bench.path("folder")).unwrap();
    std::fs::copy(
        bench.path("other.card.json"),
        bench.path("folder/pay.card.json"),
    )
    .unwrap();
    let outside = &["--callers", "mtls", "--url", "https://10.0.0.7:10250"][..];
    let named = &["--external-name", "farm.example"][..];
    for (mode, flags, expected) in [
        (
            &[][..],
            &["-n", "kube-system"][..],
            "a namespace of Kubernetes itself",
        ),
        (&[], &["-n", "default"], "a namespace of Kubernetes itself"),
        (
            &[],
            &["-n", "kube-public"],
            "a namespace of Kubernetes itself",
        ),
        (
            &[],
            &["--must-be-sealed", "shop,kube-system"],
            "`kube-system` is exempt",
        ),
        (
            &[],
            &["--must-be-sealed", "privy-seal"],
            "`privy-seal` is exempt",
        ),
        (
            &[],
            &["--must-be-sealed", "shop", "--exempt", "shop"],
            "`shop` is exempt",
        ),
        (
            &[],
            &["--callers", "loopback", "--url", "https://10.0.0.7:10250"],
            "is none",
        ),
        (
            &[],
            &[
                "--callers",
                "loopback",
                "--url",
                "https://127.0.0.1.example.org",
            ],
            "is none",
        ),
        (&[], &["--external-name", "10.0.0.7"], "must be a DNS name"),
        (outside, &["--image", "x"], "`--image` has no effect"),
        (
            outside,
            &["--card", "pay.card.json"],
            "`--card` has no effect",
        ),
        (
            outside,
            &["--subject-access-review"],
            "`--subject-access-review` has no effect",
        ),
        (outside, &["--port", "8443"], "`--port` has no effect"),
        (named, &["--config", "ca.crt"], "`--config` has no effect"),
        (
            &[],
            &[
                "--config",
                "ca.crt",
                "--card",
                "pay.card.json",
                "--card",
                "folder/pay.card.json",
            ],
            "two files are called `pay.card.json`",
        ),
        (
            &[],
            &["--unseal", "payments"],
            "payments=payments-ci/deployer",
        ),
        (
            &[],
            &["--unseal", "a.b=c/d"],
            "payments=payments-ci/deployer",
        ),
    ] {
        let ended = render(&bench, &[&["--ca", "ca.crt"], mode, flags].concat());
        assert_eq!(ended.code, 2, "{flags:?}: {}", ended.stderr);
        assert!(
            ended.stderr.contains(expected),
            "{flags:?}: {}",
            ended.stderr
        );
        assert!(ended.stdout.is_empty());
    }
    for url in [
        "https://127.0.0.1:10250",
        "https://[::1]:10250",
        "https://localhost:10250",
    ] {
        let flags = ["--ca", "ca.crt", "--callers", "loopback", "--url", url];
        render(&bench, &flags).succeeded();
    }
}
