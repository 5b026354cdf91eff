//! The ConfigMap: the configuration, cards and signers.
use super::*;

#[test]
fn configuration_and_cards_arrive_byte_for_byte() {
    let bench = bench();
    bench
        .run(
            &[
                "key",
                "generate",
                "--kind",
                "p256",
                "--name",
                "pay",
                "--namespace",
                "payments",
                "--out",
                "pay.pem",
                "--card",
                "pay.card.json",
            ],
            "",
        )
        .succeeded();
    let flags = ["--ca", "ca.crt", "--card", "pay.card.json"];
    let rendered = documents(&render(&bench, &flags).succeeded().stdout);
    let data = &find(&rendered, "ConfigMap")["data"];
    assert_eq!(data["pay.card.json"], bench.text("pay.card.json"));
    let made: Value = serde_saphyr::from_str(data["webhook.yaml"].as_str().unwrap()).unwrap();
    assert_eq!(
        made["keys"][0]["namespaces"],
        serde_json::json!(["payments"])
    );
    assert_eq!(
        made["keys"][0]["unwrap"],
        serde_json::json!(["file:/etc/privy/keys/pay.pem"])
    );

    assert!(made["subjectAccessReview"].is_null());
    let checksum = |rendered: &[Value]| {
        let pods = &find(rendered, "Deployment")["spec"]["template"]["metadata"];
        pods["annotations"]["privyseal.dev/config-sha256"].clone()
    };
    let (first, again) = (
        checksum(&rendered),
        checksum(&documents(&render(&bench, &flags).succeeded().stdout)),
    );
    assert_eq!(first.as_str().unwrap().len(), 64, "{first}");
    assert_eq!(first, again, "the same configuration starts no new pods");
    let flags = [
        "--ca",
        "ca.crt",
        "--card",
        "pay.card.json",
        "--subject-access-review",
    ];
    let rendered = documents(&render(&bench, &flags).succeeded().stdout);
    let text = find(&rendered, "ConfigMap")["data"]["webhook.yaml"]
        .as_str()
        .unwrap();
    let made: Value = serde_saphyr::from_str(text).unwrap();
    assert_eq!(made["subjectAccessReview"], "required");
    assert_ne!(checksum(&rendered), first, "a changed one does");

    for (before, after) in [
        ("", ""),
        (" # leading\n", ""),
        ("", "# no end"),
        ("", "# two ends\n\n"),
        ("", "# tab\there\r\n"),
        ("", "# \u{feff}mark\n"),
        ("#\n\n\n# late\n", ""),
    ] {
        let odd = format!("{before}{}{after}", configuration("aggregated"));
        bench.write("odd.yaml", &odd);
        let flags = [
            "--ca",
            "ca.crt",
            "--config",
            "odd.yaml",
            "--card",
            "pay.card.json",
        ];
        let rendered = documents(&render(&bench, &flags).succeeded().stdout);
        assert_eq!(find(&rendered, "ConfigMap")["data"]["webhook.yaml"], odd);
    }
}

#[test]
fn public_keys_of_signers_stand_beside_the_configuration() {
    let bench = bench();
    bench.generate("pay");
    bench.write(
        "webhook.yaml",
        format!(
            "{}signers:\n  - {{ name: dba, publicKey: dba.pub.pem }}\n",
            configuration("aggregated")
        ),
    );
    let generate = ["key", "generate", "--kind", "ed25519", "--out", "dba.pem"];
    bench.run(&generate, "").succeeded();
    let show = ["key", "show", "dba.pem", "--output", "pem"];
    let public = bench.run(&show, "").succeeded().stdout;
    bench.write("dba.pub.pem", public);
    let flags = [
        "--ca",
        "ca.crt",
        "--config",
        "webhook.yaml",
        "--card",
        "pay.card.json",
        "--signer",
    ];
    let ended = render(&bench, &[&flags[..], &["dba.pub.pem"]].concat()).succeeded();
    assert!(ended.text().contains("  dba.pub.pem: |\n"));
    for line in bench.text("dba.pub.pem").lines() {
        assert!(ended.text().contains(&format!("    {line}\n")), "{line}");
    }
    // A private key would be everyone's who may read ConfigMaps.
    render(&bench, &[&flags[..], &["dba.pem"]].concat())
        .failed(2, "cannot use the signer's key `dba.pem`")
        .hints("keep the private key away");
}

#[test]
fn a_configuration_that_the_webhook_would_not_start_with_is_refused() {
    let bench = bench();
    bench.generate("pay");
    let sound = configuration("aggregated");
    let listen = |address: &str| format!("{sound}listen: {address}\n");
    for (text, flags, expected) in [
        (sound.clone(), &[][..], "pay.card.json"),
        (
            sound.replace("version: 1", "version: 2"),
            &["--card", "pay.card.json"],
            "version",
        ),
        (
            sound.replace("namespaces: [payments]", "namespaces: [\"?\"]"),
            &["--card", "pay.card.json"],
            "keys[0].namespaces",
        ),
        (
            format!("{sound}misspelt: 1\n"),
            &["--card", "pay.card.json"],
            "misspelt",
        ),
        (
            configuration("mtls"),
            &["--card", "pay.card.json"],
            "`callers` is `mtls`",
        ),
        (
            sound.replace("callers:", "#"),
            &["--card", "pay.card.json"],
            "`callers` is missing",
        ),
        (
            sound.replace("privateKey", "certificate2"),
            &["--card", "pay.card.json"],
            "tls.privateKey",
        ),
        (
            listen("127.0.0.1:10250"),
            &["--card", "pay.card.json"],
            "`listen` is",
        ),
        (
            listen("0.0.0.0:8443"),
            &["--card", "pay.card.json"],
            "need port 10250",
        ),
        (
            format!("{sound}health: {{ listen: 127.0.0.1:10251 }}\n"),
            &["--card", "pay.card.json"],
            "`health.listen` is",
        ),
        (
            format!("{sound}subjectAccessReview: required\n"),
            &["--card", "pay.card.json"],
            "do not grant the right",
        ),
        (
            sound.clone(),
            &["--card", "pay.card.json", "--subject-access-review"],
            "is not required",
        ),
        (
            "a: [".to_owned(),
            &["--card", "pay.card.json"],
            "webhook.yaml",
        ),
    ] {
        bench.write("webhook.yaml", &text);
        let flags = [&["--ca", "ca.crt", "--config", "webhook.yaml"], flags].concat();
        let ended = render(&bench, &flags);
        assert_eq!(ended.code, 2, "{text}");
        assert!(
            ended.stderr.contains(expected),
            "{expected}: {}",
            ended.stderr
        );
        assert!(!ended.stderr.contains("/tmp"), "{}", ended.stderr);
        assert!(ended.stdout.is_empty());
    }
    // Owners' files are beside the configuration, absolute paths where the ConfigMap is mounted.
    bench.write("owners/payments.yaml", "version: 1\n");
    let text = sound.replace("publicKey: ", "publicKey: /etc/privy/config/")
        + "policy: { owners: [{ match: [payments], file: owners/payments.yaml }] }\nlisten: 0.0.0.0:10250\n";
    bench.write("webhook.yaml", text);
    let flags = [
        "--ca",
        "ca.crt",
        "--config",
        "webhook.yaml",
        "--card",
        "pay.card.json",
    ];
    render(&bench, &flags).succeeded();
}

#[test]
fn a_webhook_without_its_configuration_is_not_rendered_in_silence() {
    let bench = bench();
    let ended = render(&bench, &["--ca", "ca.crt"]).succeeded();
    assert!(ended.stderr.contains("--card FILE"), "{}", ended.stderr);
    for elsewhere in [
        &["--only", "backstop"][..],
        &[
            "--callers",
            "mtls",
            "--ca",
            "ca.crt",
            "--url",
            "https://10.0.0.7:10250",
        ],
    ] {
        assert_eq!(render(&bench, elsewhere).succeeded().stderr, "");
    }
}
