//! Key services from the command line are reached as their own tools are: by what the environment says. Each way that works, over
//! fakes that speak each service's protocol, and each way that is refused, in words.

use std::io::Write as _;
use std::process::{Command, Stdio};

use jwe_envelope::{Binding, Curve, KeyKind, LocalKey, Place, RecipientKey, Sealer};

use test_support::fakes::aws::FakeAws;
use test_support::fakes::gcp::FakeGcp;
use test_support::fakes::http::Fault;

const AWS: &str =
    "aws-kms://arn:aws:kms:eu-central-1:111122223333:key/00000000-0000-0000-0000-000000000001";
const AZURE: &str = "azure-kv://acme/payments/00000000000000000000000000000001";
const GOOGLE: &str = "gcp-kms://projects/p/locations/l/keyRings/r/cryptoKeys/k/cryptoKeyVersions/1";
const VAULT: &str = "vault-transit://transit/payments#1";

struct Ended {
    code: i32,
    stdout: Vec<u8>,
    stderr: String,
}

/// With these variables and no other.
async fn privy(arguments: &[&str], variables: &[(&str, &str)], input: &str) -> Ended {
    let home = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_privy"));
    command
        .args(arguments)
        .env_clear()
        .env("HOME", home.path())
        .envs(variables.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let input = input.to_owned();
    let output = tokio::task::spawn_blocking(move || {
        let mut child = command.spawn().unwrap();
        // It may end before it reads.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        child.wait_with_output().unwrap()
    });
    let output = output.await.unwrap();
    Ended {
        code: output.status.code().unwrap(),
        stdout: output.stdout,
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// The card is that of `recipient`, and what is sealed for it opens.
async fn works(reference: &str, variables: &[(&str, &str)], recipient: &RecipientKey) {
    let fetched = privy(&["key", "fetch", reference], variables, "").await;
    assert_eq!(fetched.code, 0, "{}", fetched.stderr);
    let card = String::from_utf8(fetched.stdout).unwrap();
    assert!(card.contains(recipient.kid()), "{card}");
    let place = Place::new("payments", "db", "password").unwrap();
    let text = Sealer::new(std::slice::from_ref(recipient))
        .unwrap()
        .seal(b"hunter2", &Binding::exact(&place))
        .unwrap()
        .to_string();
    let open = ["open", "--key", reference, "--for", "payments/db/password"];
    let opened = privy(&open, variables, &text).await;
    assert_eq!(opened.code, 0, "{}", opened.stderr);
    assert_eq!(opened.stdout, b"hunter2");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn google_is_reached_by_the_machines_identity_and_by_the_endpoint_of_gcloud() {
    let keys = [0, 1].map(|_| LocalKey::generate(KeyKind::Rsa(2048)).unwrap());
    let fake = FakeGcp::new(keys);
    fake.want_tokens(3600);
    let server = fake.start("127.0.0.1:0").await;
    let (address, endpoint) = (
        server.address.to_string(),
        format!("http://{}", server.address),
    );
    let variables = [
        ("GCE_METADATA_HOST", address.as_str()),
        ("CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDKMS", &endpoint),
    ];
    let key = format!("gcp-kms://{}", test_support::fakes::gcp::KEY);
    works(
        &format!("{key}/cryptoKeyVersions/1"),
        &variables,
        &fake.recipient(1),
    )
    .await;
    // Without a version: the newest is sealed for, each one opens.
    works(&key, &variables, &fake.recipient(2)).await;
    fake.control
        .set(Fault::Refuse(403, "PERMISSION_DENIED", ""));
    let refused = privy(&["key", "fetch", &key], &variables, "").await;
    assert_eq!(refused.code, 1, "{}", refused.stderr);
    assert!(
        refused.stderr.contains("ask the key manager"),
        "{}",
        refused.stderr
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn aws_is_reached_by_keys_in_variables_and_by_a_profile() {
    let fake = FakeAws::start().await;
    let url = fake.url();
    let folder = tempfile::tempdir().unwrap();
    let credentials = folder.path().join("credentials");
    std::fs::write(
        &credentials,
        "[privy]\naws_access_key_id = AKIAEXAMPLE\naws_secret_access_key = canary-secret\n",
    )
    .unwrap();
    let by_keys = [
        ("AWS_ENDPOINT_URL_KMS", url.as_str()),
        ("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", "canary-secret"),
    ];
    let by_profile = [
        ("AWS_ENDPOINT_URL_KMS", url.as_str()),
        ("AWS_SHARED_CREDENTIALS_FILE", credentials.to_str().unwrap()),
        ("AWS_PROFILE", "privy"),
    ];
    for variables in [by_keys, by_profile] {
        for kind in [KeyKind::Rsa(2048), KeyKind::Ec(Curve::P256)] {
            let (arn, recipient) = fake.add(kind, None);
            works(&format!("aws-kms://{arn}"), &variables, &recipient).await;
        }
    }
}

/// What the environment says wrongly, or leaves out.
#[allow(clippy::too_many_lines, reason = "a table")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_mistake_has_its_words_and_its_next_step() {
    let secret = [
        ("AZURE_CLIENT_SECRET", "canary-secret"),
        ("AZURE_TENANT_ID", "tenant"),
    ];
    let keys = [
        ("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", "canary-secret"),
    ];
    let address = ("VAULT_ADDR", "https://127.0.0.1:1");
    let token = ("VAULT_TOKEN", "hvs.canary-secret");
    let mut wrong = Vec::new();
    for (reference, variables, words) in [
        (
            GOOGLE,
            vec![("CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDKMS", "cloudkms")],
            "write `https://` and a host",
        ),
        (
            GOOGLE,
            vec![(
                "CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDKMS",
                "http://cloudkms.example",
            )],
            "is not usable",
        ),
        (
            GOOGLE,
            vec![("GOOGLE_CLOUD_RUST_LOGGING", "true")],
            "remove it",
        ),
        (
            GOOGLE,
            vec![("GOOGLE_APPLICATION_CREDENTIALS", "/nonexistent.json")],
            "no credentials are configured",
        ),
        (AZURE, secret.to_vec(), "AZURE_CLIENT_ID is not set"),
        (
            AZURE,
            vec![("AZURE_FEDERATED_TOKEN_FILE", "/nonexistent")],
            "azure",
        ),
        (
            AWS,
            [&keys[..], &[("AWS_ENDPOINT_URL_KMS", "http://kms.example")]].concat(),
            "write `https://`",
        ),
        (
            AWS,
            [&keys[..], &[("AWS_CA_BUNDLE", "/nonexistent.pem")]].concat(),
            "/nonexistent.pem cannot be used",
        ),
        (
            AWS,
            vec![("AWS_WEB_IDENTITY_TOKEN_FILE", "/t")],
            "AWS_ROLE_ARN is not set; check the annotation",
        ),
        (VAULT, vec![token], "VAULT_ADDR"),
        (
            VAULT,
            vec![("VAULT_ADDR", "http://vault.example"), token],
            "write `https://`",
        ),
        (
            VAULT,
            vec![address, token, ("VAULT_SKIP_VERIFY", "true")],
            "VAULT_CACERT",
        ),
        (
            VAULT,
            vec![address, ("VAULT_TOKEN", "two words")],
            "VAULT_TOKEN does not contain a token",
        ),
        (
            VAULT,
            vec![address, token, ("VAULT_CACERT", "/nonexistent.pem")],
            "/nonexistent.pem cannot be used",
        ),
        (
            VAULT,
            vec![address, token, ("VAULT_NAMESPACE", "a b")],
            "the namespace must be",
        ),
        (
            "pkcs11:token=t;object=k",
            vec![],
            "no module is configured; add `?module-path=",
        ),
        (
            "pkcs11:token=t;object=k?module-path=module.so",
            vec![],
            "is not an absolute path",
        ),
        (
            "pkcs11:token=t;object=k?module-path=/nonexistent.so",
            vec![],
            "cannot be read",
        ),
        (
            "pkcs11:token=t;object=k?module-path=/m.so&pin-value=canary-secret",
            vec![],
            "name the file in `pin-source`",
        ),
    ] {
        for arguments in [
            &["key", "fetch", reference][..],
            &["open", "--key", reference, "--for", "a/b/c"],
        ] {
            let refused = privy(arguments, &variables, "x").await;
            let good = refused.code == 2
                && refused.stdout.is_empty()
                && refused.stderr.contains(words)
                && !refused.stderr.contains("canary-secret");
            if !good {
                let (code, said) = (refused.code, refused.stderr);
                wrong.push(format!(
                    "{arguments:?} {variables:?}\nnot {words:?} but {code}: {said}"
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
