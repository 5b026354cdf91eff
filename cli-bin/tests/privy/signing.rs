//! Signed values: `--sign`, `privy sign`, and what the other verbs say of signatures.
use crate::outputs::fits;
use crate::support::{Bench, Ended};

const MANIFEST: &str = "\
apiVersion: v1
kind: Secret
metadata:
  name: db # the shop's
  namespace: payments
stringData:
  password: canary-5kQ9-hunter2
  token: canary-5kQ9-hunter2-too
";

/// A key to seal for, and two people with a key to sign with.
fn bench() -> Bench {
    let bench = Bench::trusting();
    for name in ["dba", "ops"] {
        let private = format!("{name}.pem");
        let generate = ["key", "generate", "--kind", "ed25519", "--out", &private];
        bench.run(&generate, "").succeeded();
        let show = ["key", "show", &private, "--output", "pem"];
        let public = bench.run(&show, "").succeeded().stdout;
        bench.write(&format!("{name}.pub.pem"), public);
    }
    bench.write("db.yaml", MANIFEST);
    bench
}

fn trust(bench: &Bench, name: &str) {
    let public = format!("{name}.pub.pem");
    let fingerprint = bench.fingerprint(&public);
    let trust = [
        "key",
        "trust",
        "--value-signer",
        &public,
        "--fingerprint",
        &fingerprint,
    ];
    bench.run(&trust, "").succeeded();
}

fn seal(bench: &Bench, more: &[&str]) -> Ended {
    let seal = ["seal", "-i", "db.yaml", "--key", "payments.card.json"];
    bench.run(&[&seal, more].concat(), "")
}

fn set(bench: &Bench, more: &[&str]) -> Ended {
    let set = ["set", "db.yaml", "password", "--key", "payments.card.json"];
    bench.run(&[&set, more].concat(), "canary-5kQ9-hunter2-new")
}

fn sign(bench: &Bench, who: &str, more: &[&str]) -> Ended {
    let key = format!("{who}.pem");
    bench.run(&[&["sign", "db.yaml", "--key", &key], more].concat(), "")
}

/// The text behind a name in `db.yaml`.
fn entry(bench: &Bench, name: &str) -> Option<String> {
    let text = bench.text("db.yaml");
    text.lines().find_map(|line| {
        let rest = line.trim().strip_prefix(name)?;
        rest.strip_prefix(": ").map(str::to_owned)
    })
}

fn signature(bench: &Bench, key: &str) -> Option<String> {
    entry(bench, &format!("privyseal.dev/sig.{key}"))
}

/// The lines that do not contain this.
fn without(text: &str, part: &str) -> String {
    let lines = text.split_inclusive('\n');
    lines.filter(|line| !line.contains(part)).collect()
}

fn inspected(bench: &Bench) -> Ended {
    bench.run(&["inspect", "db.yaml"], "")
}

fn webhook(bench: &Bench, policy: &str) -> String {
    bench.write(
        "webhook.yaml",
        format!(
            "version: 1\ntls: {{certificate: c, privateKey: k}}\n\
             keys:\n  - name: payments\n    publicKey: payments.card.json\n    namespaces: [payments]\n    unwrap: [\"file:payments.pem\"]\n\
             signers:\n  - {{name: dba, publicKey: dba.pub.pem}}\n  - {{name: ops, publicKey: ops.pub.pem}}\n{policy}\n"
        ),
    );
    "webhook.yaml".to_owned()
}

/// The rules of all findings, in order.
fn lint(bench: &Bench, more: &[&str]) -> Vec<String> {
    let lint = ["lint", "db.yaml", "--output", "json"];
    let ended = bench.run(&[&lint, more].concat(), "");
    assert!(ended.code < 2, "{}", ended.stderr);
    let report = ended.json();
    let findings = report["findings"].as_array().unwrap();
    let rule = |finding: &serde_json::Value| finding["rule"].as_str().unwrap().to_owned();
    findings.iter().map(rule).collect()
}

#[test]
fn seal_and_set_sign_what_they_seal_in_both_layouts() {
    for layout in ["field", "annotation"] {
        let bench = bench();
        trust(&bench, "dba");
        seal(&bench, &["--sign", "dba.pem", "--layout", layout]).succeeded();
        let before = (signature(&bench, "password"), signature(&bench, "token"));
        assert!(before.0.is_some() && before.1.is_some(), "{layout}");
        let text = inspected(&bench).succeeded();
        assert_eq!(text.text().matches("signed by \"dba\"").count(), 2);
        // A changed value gets a new signature; its neighbor keeps its own, byte for byte.
        set(&bench, &["--sign", "dba.pem"]).succeeded();
        assert_ne!(signature(&bench, "password"), before.0);
        assert_eq!(signature(&bench, "token"), before.1);
        let text = inspected(&bench).succeeded();
        assert_eq!(text.text().matches("signed by \"dba\"").count(), 2);
        // What is sealed already is left as it is.
        let file = bench.read("db.yaml");
        seal(&bench, &["--sign", "ops.pem"]).succeeded();
        assert_eq!(bench.read("db.yaml"), file);
        assert!(bench.text("db.yaml").contains("name: db # the shop's"));
    }
}

#[test]
fn many_files_are_signed_at_once() {
    let bench = bench();
    for number in 0..5 {
        bench.write(&format!("many/{number}.yaml"), MANIFEST);
    }
    let seal = [
        "seal",
        "-i",
        "many",
        "--key",
        "payments.card.json",
        "--sign",
        "dba.pem",
    ];
    bench.run(&seal, "").succeeded();
    for number in 0..5 {
        let text = bench.text(&format!("many/{number}.yaml"));
        assert_eq!(text.matches("privyseal.dev/sig.").count(), 2, "{text}");
    }
}

#[test]
fn a_value_that_changes_without_a_signer_loses_its_signature_and_says_so() {
    let bench = bench();
    seal(&bench, &["--sign", "dba.pem"]).succeeded();
    let ended = set(&bench, &[]).succeeded();
    assert!(
        ended
            .stderr
            .contains("warning: the signature of `password` is gone"),
        "{}",
        ended.stderr
    );
    assert_eq!(signature(&bench, "password"), None);
    assert!(signature(&bench, "token").is_some());
}

#[test]
fn the_users_own_configuration_names_the_key_to_sign_with() {
    let bench = bench();
    bench.write(".configuration/sign-with", "../dba.pem\n");
    seal(&bench, &[]).succeeded();
    assert!(signature(&bench, "password").is_some());
    // The flag comes first.
    let kept = sign(&bench, "ops", &[]).succeeded();
    assert!(kept.stderr.contains("2 values signed"), "{}", kept.stderr);
    bench.write(".configuration/sign-with", "a\nb\n");
    set(&bench, &[])
        .failed(2, "does not name a file")
        .hints("rm ");
    bench.write(".configuration/sign-with", "missing.pem");
    set(&bench, &[]).failed(2, "missing.pem");
}

#[test]
fn a_rule_may_demand_signatures() {
    let bench = bench();
    bench.trust("payments.card.json");
    bench.write(
        ".privy.yaml",
        "version: 1\nrules:\n  - paths: [\"*.yaml\"]\n    key: payments.card.json\n    signed: true\n",
    );
    let before = bench.read("db.yaml");
    for arguments in [
        &["seal", "-i", "db.yaml"][..],
        &["set", "db.yaml", "password"],
        &["seal", "-i", "db.yaml", "--key", "payments.card.json"],
    ] {
        bench
            .run(arguments, "canary-5kQ9-hunter2")
            .failed(2, "wants the values of this path signed")
            .hints("--sign ~/me.pem");
        assert_eq!(bench.read("db.yaml"), before);
    }
    bench
        .run(&["seal", "-i", "db.yaml", "--sign", "dba.pem"], "")
        .succeeded();
    assert_eq!(lint(&bench, &[]), Vec::<String>::new());
    let text = bench.text("db.yaml");
    bench.write("db.yaml", without(&text, "/sig.token"));
    assert_eq!(lint(&bench, &[]), ["unsigned"]);
}

#[test]
fn one_value_brings_its_signature_along() {
    let bench = bench();
    let seal = |more: &[&str]| {
        let seal = ["seal", "--key", "payments.card.json", "--sign", "dba.pem"];
        bench.run(&[&seal, more].concat(), "canary-5kQ9-hunter2")
    };
    let ended = seal(&["--for", "payments/db/password"]).succeeded();
    let line = ended.stderr.lines().last().unwrap();
    assert!(
        line.starts_with("privyseal.dev/sig.password: eyJ"),
        "{line}"
    );
    assert_eq!(ended.text().lines().count(), 1);
    let ended = seal(&["--for", "payments/db/password", "--output", "json"]).succeeded();
    let report = ended.json();
    fits("seal-value", &report);
    assert_eq!(
        report["signature"]["annotation"],
        "privyseal.dev/sig.password"
    );
    assert!(ended.stderr.is_empty(), "{}", ended.stderr);
    let open = seal(&["--for", "payments/db/*", "--output", "json"]).succeeded();
    fits("seal-value", &open.json());
    assert!(open.json()["signature"]["annotation"].is_null());
    let dry = seal(&[
        "--for",
        "payments/db/password",
        "--output",
        "json",
        "--dry-run",
    ])
    .succeeded();
    fits("seal-value", &dry.json());
    // Put together by hand, it is what `inspect` takes for signed.
    trust(&bench, "dba");
    bench.write(
        "db.yaml",
        format!(
            "apiVersion: v1\nkind: Secret\nmetadata:\n  name: db\n  namespace: payments\n  annotations:\n    {}: {}\nstringData:\n  password: {}\n",
            report["signature"]["annotation"].as_str().unwrap(),
            report["signature"]["value"].as_str().unwrap(),
            report["envelope"].as_str().unwrap(),
        ),
    );
    let text = inspected(&bench).succeeded();
    assert!(text.text().contains("signed by \"dba\""), "{}", text.text());
}

#[test]
fn sign_adopts_what_is_sealed_already() {
    for layout in ["field", "annotation"] {
        let bench = bench();
        trust(&bench, "dba");
        seal(&bench, &["--layout", layout]).succeeded();
        let sealed = bench.text("db.yaml");
        let ended = sign(&bench, "dba", &["--dry-run"]).succeeded();
        assert!(
            ended.stderr.contains("2 values would be signed"),
            "{}",
            ended.stderr
        );
        assert_eq!(bench.text("db.yaml"), sealed);
        let ended = sign(&bench, "dba", &["--field", "password"]).succeeded();
        assert!(ended.stderr.contains("1 value signed"), "{}", ended.stderr);
        assert!(signature(&bench, "token").is_none());
        let ended = sign(&bench, "dba", &["--output", "json"]).succeeded();
        fits("sign", &ended.json());
        assert_eq!(ended.json()["files"][0]["signed"], 1);
        assert_eq!(ended.json()["files"][0]["kept"], 1);
        // Nothing but annotations was added.
        let signed = bench.text("db.yaml");
        let others = |text: &str| -> Vec<String> {
            let lines = text
                .lines()
                .filter(|line| !line.contains("/sig.") && line.trim() != "annotations:");
            lines.map(str::to_owned).collect()
        };
        assert_eq!(others(&signed), others(&sealed), "{layout}");
        // What this key signed is left as it is; another key's signature takes its place.
        let ended = sign(&bench, "dba", &[]).succeeded();
        assert!(ended.stderr.contains("left as it is"), "{}", ended.stderr);
        assert_eq!(bench.text("db.yaml"), signed);
        sign(&bench, "ops", &["--field", "token"]).succeeded();
        let text = inspected(&bench).succeeded();
        assert!(
            text.text().contains("signed by \"dba\"") && text.text().contains("by an unknown key")
        );
    }
}

#[test]
fn nobody_signs_what_opens_elsewhere_or_anywhere_or_not_at_all() {
    let bench = bench();
    seal(&bench, &[]).succeeded();
    let good = bench.text("db.yaml");
    let token = entry(&bench, "token").unwrap();
    for (text, words) in [
        (
            good.replace("name: db", "name: other"),
            "cannot be opened in this place",
        ),
        (
            good.replace("namespace: payments", "namespace: ledger"),
            "cannot be opened in this place",
        ),
        (good.replace(&token, &token[..token.len() - 3]), "damaged"),
        (
            MANIFEST.replace("kind: Secret", "kind: ConfigMap"),
            "no Secret",
        ),
    ] {
        bench.write("db.yaml", &text);
        let ended = sign(&bench, "dba", &[]);
        assert!(ended.stderr.contains(words), "{words}: {}", ended.stderr);
        assert!(ended.code > 0 && ended.stderr.lines().last().unwrap().starts_with("hint: "));
        assert_eq!(bench.text("db.yaml"), text);
    }
    bench.write("db.yaml", &good);
    sign(&bench, "dba", &["--field", "pasword"])
        .failed(2, "no sealed value in these files is called pasword")
        .hints("privy inspect");
    bench
        .run(&["sign", "db.yaml"], "")
        .failed(2, "no key to sign with")
        .hints("--key FILE");
    sign(&bench, "payments", &[]).succeeded();
}

#[test]
fn a_public_key_signs_nothing() {
    let bench = bench();
    seal(&bench, &["--sign", "dba.pub.pem"])
        .failed(2, "cannot sign with `dba.pub.pem`")
        .hints("--kind ed25519");
}

#[test]
fn keys_too_long_for_an_annotation_cannot_be_signed() {
    let bench = bench();
    for (key, words) in [
        ("a".repeat(60), "longer than 59 characters"),
        ("tls.".to_owned(), "would not end in a letter or digit"),
    ] {
        let manifest = MANIFEST.replace("token", &key);
        bench.write("db.yaml", &manifest);
        seal(&bench, &["--sign", "dba.pem"]).failed(2, words);
        assert_eq!(bench.text("db.yaml"), manifest);
    }
    bench.write("db.yaml", MANIFEST.replace("token", &"a".repeat(59)));
    seal(&bench, &["--sign", "dba.pem"]).succeeded();
}

#[cfg(unix)]
#[test]
fn a_signing_key_that_others_may_read_is_warned_about() {
    use std::os::unix::fs::PermissionsExt as _;
    let bench = bench();
    let open = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(bench.path("dba.pem"), open).unwrap();
    let ended = seal(&bench, &["--sign", "dba.pem"]).succeeded();
    assert!(
        ended.stderr.contains("chmod 600 dba.pem"),
        "{}",
        ended.stderr
    );
}

#[test]
fn inspect_is_loud_about_a_signature_that_does_not_fit() {
    let bench = bench();
    trust(&bench, "dba");
    seal(&bench, &["--sign", "dba.pem"]).succeeded();
    let (first, second) = (
        signature(&bench, "password").unwrap(),
        signature(&bench, "token").unwrap(),
    );
    let text = bench.text("db.yaml");
    bench.write("db.yaml", text.replace(&first, &second));
    let ended = inspected(&bench);
    assert_eq!(ended.code, 1);
    assert!(
        ended.text().contains("missigned") && ended.text().contains("THE SIGNATURE DOES NOT FIT"),
        "{}",
        ended.text()
    );
    let ended = bench.run(&["inspect", "--output", "json", "db.yaml"], "");
    fits("inspect", &ended.json());
    let fields = &ended.json()["inputs"][0]["secrets"][0]["fields"];
    assert_eq!(fields[0]["signature"]["state"], "wrong");
    assert_eq!(fields[1]["signature"]["state"], "good");
    assert_eq!(fields[1]["signature"]["signer"], "dba");
}

#[test]
fn what_a_signature_claims_is_escaped() {
    use base64::Engine as _;
    let b64 = |text: &str| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text);
    let bench = bench();
    seal(&bench, &["--sign", "dba.pem"]).succeeded();
    let header = r#"{"alg":"EdDSA","typ":"privy-envelope","kid":"\u001b[31mdba\u202e","iat":1}"#;
    let text = bench.text("db.yaml");
    let old = signature(&bench, "password").unwrap();
    bench.write(
        "db.yaml",
        text.replace(&old, &format!("{}..AAAA", b64(header))),
    );
    let ended = inspected(&bench).succeeded();
    assert!(
        ended.text().contains("signed by an unknown key"),
        "{}",
        ended.text()
    );
    assert!(!ended.text().contains(['\u{1b}', '\u{202e}']));
}

#[cfg(unix)]
#[test]
fn edit_signs_what_is_new() {
    let bench = bench();
    trust(&bench, "dba");
    bench.write(".configuration/sign-with", "../dba.pem");
    seal(&bench, &[]).succeeded();
    let before = signature(&bench, "token");
    bench.write(
        "editor.sh",
        "sed -i 's/SEALED.password[^ ]*/canary-5kQ9-hunter2-edited/' \"$1\"\n",
    );
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_privy"))
        .args(["edit", "db.yaml", "--key", "payments.card.json"])
        .current_dir(bench.path("."))
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("PRIVY_CONFIG_DIR", bench.path(".configuration"))
        .env("EDITOR", "sh editor.sh")
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(signature(&bench, "token"), before);
    let text = inspected(&bench).succeeded();
    assert_eq!(
        text.text().matches("signed by \"dba\"").count(),
        2,
        "{}",
        text.text()
    );
}

#[test]
fn lint_finds_signatures_that_are_damaged_stale_or_of_nothing() {
    let bench = bench();
    seal(&bench, &["--sign", "dba.pem"]).succeeded();
    let key = ["--key", "payments.card.json"];
    assert_eq!(lint(&bench, &key), Vec::<String>::new());
    let good = bench.text("db.yaml");
    let (first, second) = (
        signature(&bench, "password").unwrap(),
        signature(&bench, "token").unwrap(),
    );
    // A signer whom no one knows cannot be held to anything.
    bench.write("db.yaml", good.replace(&first, &second));
    assert_eq!(lint(&bench, &key), Vec::<String>::new());
    trust(&bench, "dba");
    assert_eq!(lint(&bench, &key), ["wrong-signature"]);
    // And none of that takes a key to open with.
    assert_eq!(lint(&bench, &[]), ["wrong-signature"]);
    bench.write("db.yaml", good.replace(&first, "rubbish"));
    assert_eq!(lint(&bench, &key), ["wrong-signature"]);
    let nothing = good.replace("privyseal.dev/sig.token", "privyseal.dev/sig.tokens");
    bench.write("db.yaml", nothing);
    assert_eq!(lint(&bench, &key), ["wrong-signature"]);
}

#[test]
fn lint_decides_by_the_webhooks_policy() {
    let bench = bench();
    seal(&bench, &["--sign", "dba.pem"]).succeeded();
    let signed = bench.text("db.yaml");
    for (policy, by_dba, unsigned) in [
        (
            "policy: {onlyFrom: [dba]}",
            &[][..],
            &["unsigned", "unsigned"][..],
        ),
        (
            "policy: {onlyFrom: [ops]}",
            &["signer-not-allowed", "signer-not-allowed"],
            &["unsigned", "unsigned"],
        ),
        (
            "policy: {onlyFrom: [ops], namespaces: [{match: [payments], onlyFrom: [\"*\"]}]}",
            &[],
            &[],
        ),
        ("policy: {}", &[], &[]),
    ] {
        let file = webhook(&bench, policy);
        for (expected, signed_by) in [(by_dba, Some(())), (unsigned, None)] {
            let text = match signed_by {
                Some(()) => signed.clone(),
                None => without(&signed, "/sig."),
            };
            bench.write(
                "db.yaml",
                text.replace("  annotations:\nstringData", "stringData"),
            );
            assert_eq!(lint(&bench, &["--policy", &file]), expected, "{policy}");
        }
    }
}

#[test]
fn diff_says_that_a_changed_value_lost_its_signature() {
    let bench = bench();
    seal(&bench, &["--sign", "dba.pem"]).succeeded();
    std::fs::copy(bench.path("db.yaml"), bench.path("before.yaml")).unwrap();
    let told = |bench: &Bench| {
        let ended = bench.run(&["diff", "before.yaml", "db.yaml"], "");
        ended.text().contains("its signature is gone")
    };
    set(&bench, &["--sign", "dba.pem"]).succeeded();
    assert!(!told(&bench));
    set(&bench, &[]).succeeded();
    assert!(told(&bench));
}
