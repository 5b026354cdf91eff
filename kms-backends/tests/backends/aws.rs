//! AWS KMS, spoken to over a socket.

use std::sync::Arc;
use std::time::Duration;

use crate::client::{self, Client, all_words, request_of, seal, unwrap_by};
use jwe_envelope::{Curve, KeyKind, KeyManagement, RecipientKey, UnwrapRequest};
use kms_backends::aws::{AwsIdentity, AwsOptions, StaticCredentials};
use kms_backends::{
    Category, Connector, KeyServices, KeyUnwrap, KeyUnwrapExt as _, KeyUri, UnwrapError,
    conformance,
};
use test_support::fakes::aws::FakeAws;
use test_support::fakes::http::{Answer, Fault, answering};
use tokio::time::Instant;

const SECOND: Duration = Duration::from_secs(1);

fn services(aws: &FakeAws) -> KeyServices {
    let mut services = KeyServices::default();
    services.aws.endpoint = Some(aws.url());
    services.aws.identity = AwsIdentity::Static(StaticCredentials::new(
        "AKIAEXAMPLE".into(),
        "canary-secret".into(),
        None,
    ));
    services.aws.limits.attempt_timeout = SECOND;
    services
}

fn connector(aws: &FakeAws) -> Connector {
    Connector::new(services(aws))
}

/// A client of a new key.
fn client(aws: &FakeAws, kind: KeyKind) -> Client {
    let (arn, recipient) = aws.add(kind, None);
    Client::new(services(aws), &format!("aws-kms://{arn}"), recipient)
}

async fn unwrapper(
    connector: &Connector,
    arn: &str,
    recipient: &RecipientKey,
) -> Arc<dyn KeyUnwrap> {
    let uri: KeyUri = format!("aws-kms://{arn}").parse().unwrap();
    connector.connect(&uri, recipient).await.unwrap()
}

async fn unwrap(
    unwrapper: &Arc<dyn KeyUnwrap>,
    recipient: &RecipientKey,
) -> Result<Vec<u8>, UnwrapError> {
    unwrap_by(&**unwrapper, recipient, 10 * SECOND).await
}

const KINDS: [(KeyKind, Option<KeyManagement>); 5] = [
    (KeyKind::Rsa(2048), None),
    (KeyKind::Rsa(2048), Some(KeyManagement::RsaOaep)),
    (KeyKind::Ec(Curve::P256), None),
    (KeyKind::Ec(Curve::P384), None),
    (KeyKind::Ec(Curve::P521), None),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keeps_the_contract_of_every_backend() {
    let aws = FakeAws::start().await;
    for (kind, algorithm) in KINDS {
        let (arn, recipient) = aws.add(kind, algorithm);
        let connector = connector(&aws);
        conformance::check(
            async || unwrapper(&connector, &arn, &recipient).await,
            &recipient,
        )
        .await;
    }
}

#[tokio::test]
async fn aws_sees_the_wrapped_key_and_nothing_else() {
    use base64::Engine as _;
    let base64 = |bytes: &[u8]| base64::engine::general_purpose::STANDARD.encode(bytes);
    let aws = FakeAws::start().await;
    for kind in [KeyKind::Rsa(2048), KeyKind::Ec(Curve::P256)] {
        let (arn, recipient) = aws.add(kind, None);
        let unwrapper = unwrapper(&connector(&aws), &arn, &recipient).await;
        let request = request_of(&seal(&recipient, b"hunter2"), &recipient);
        unwrapper
            .unwrap_within(&request.as_request(), 10 * SECOND)
            .await
            .unwrap();
        let requests = aws.control().requests();
        let [sent] = &requests[..] else {
            panic!("{} requests", requests.len());
        };
        let expected = match request.as_request() {
            UnwrapRequest::Decrypt { ciphertext, .. } => serde_json::json!({
                "KeyId": arn, "CiphertextBlob": base64(ciphertext), "EncryptionAlgorithm": "RSAES_OAEP_SHA_256"}),
            UnwrapRequest::Agree { ephemeral } => serde_json::json!({
                "KeyId": arn, "PublicKey": base64(&ephemeral.to_spki_der()), "KeyAgreementAlgorithm": "ECDH"}),
            _ => panic!("a new kind"),
        };
        assert_eq!(sent.json(), expected);
        assert_eq!(sent.path, "/");
        assert!(
            sent.header("authorization")
                .unwrap()
                .contains("/eu-central-1/kms/")
        );
        aws.control().forget();
    }
}

#[tokio::test]
async fn gives_the_public_key() {
    let aws = FakeAws::start().await;
    for (kind, algorithm) in KINDS {
        let (arn, recipient) = aws.add(kind, algorithm);
        let uri: KeyUri = format!("aws-kms://{arn}").parse().unwrap();
        let deadline = Instant::now() + 10 * SECOND;
        let found = connector(&aws)
            .public_key(&uri, algorithm, deadline)
            .await
            .unwrap();
        assert_eq!(found, recipient);
        let versions = connector(&aws)
            .versions(&uri, algorithm, deadline)
            .await
            .unwrap();
        assert_eq!(versions.len(), 1);
    }
}

#[tokio::test]
async fn other_algorithms_are_refused_before_any_call() {
    let aws = FakeAws::start().await;
    for (kind, algorithm) in [
        (KeyKind::Rsa(2048), Some(KeyManagement::RsaOaep512)),
        (KeyKind::Ec(Curve::X25519), None),
    ] {
        let (arn, recipient) = aws.add(kind, algorithm);
        let uri: KeyUri = format!("aws-kms://{arn}").parse().unwrap();
        let error = connector(&aws).connect(&uri, &recipient).await.unwrap_err();
        assert!(error.to_string().contains("RSA-OAEP-256"), "{error}");
    }
    assert!(aws.control().requests().is_empty());
}

/// The rows of docs/key-services.md; `agree` asks a key on a curve.
#[tokio::test]
async fn no_lie_is_believed() {
    let aws = FakeAws::start().await;
    let rsa = client(&aws, KeyKind::Rsa(2048));
    let ec = client(&aws, KeyKind::Ec(Curve::P256));
    let outcome = async |asked: &str| match asked {
        "agree" => ec.outcome("unwrap").await,
        other => rsa.outcome(other).await,
    };
    client::no_lie_is_believed("aws", aws.control(), outcome).await;
}

#[tokio::test]
async fn what_does_not_fit_the_key_costs_no_call() {
    let aws = FakeAws::start().await;
    for kind in [KeyKind::Rsa(2048), KeyKind::Ec(Curve::P256)] {
        client::misfits_cost_no_call(&client(&aws, kind), aws.control()).await;
    }
}

mod trouble {
    use super::*;

    /// As `docs/key-services.md` has it: code, category, retried? Throttling comes as HTTP 400.
    #[tokio::test]
    async fn every_row_of_the_table() {
        let aws = FakeAws::start().await;
        let (arn, recipient) = aws.add(KeyKind::Rsa(2048), None);
        let unwrapper = unwrapper(&connector(&aws), &arn, &recipient).await;
        for row in test_support::tables::rows("aws") {
            let fault = match row.code.parse::<u16>() {
                Ok(status) => Fault::status(status),
                Err(_) => Fault::Refuse(400, row.code.clone().leak(), ""),
            };
            aws.control().then([fault]);
            let before = aws.control().requests().len();
            let error = unwrap(&unwrapper, &recipient).await.unwrap_err();
            assert_eq!(error.category().as_str(), row.category, "{}", row.code);
            assert_eq!(
                error.category() == Category::Unavailable,
                row.retried,
                "{}",
                row.code
            );
            assert!(!error.to_string().contains("words of the server"));
            // The SDK's own retries are off.
            assert_eq!(aws.control().requests().len(), before + 1, "{}", row.code);
        }
    }

    #[tokio::test]
    async fn cut_stalled_and_foreign_answers_are_an_outage() {
        let aws = FakeAws::start().await;
        let (arn, recipient) = aws.add(KeyKind::Rsa(2048), None);
        let unwrapper = unwrapper(&connector(&aws), &arn, &recipient).await;
        for fault in [
            Fault::Cut,
            Fault::Half,
            Fault::Stall,
            Fault::json(200, "<html>"),
        ] {
            aws.control().then([fault.clone()]);
            let error = unwrap(&unwrapper, &recipient).await.unwrap_err();
            assert_eq!(error.category(), Category::Unavailable, "{fault:?}");
        }
        unwrap(&unwrapper, &recipient).await.unwrap();
    }

    #[tokio::test]
    async fn credentials_and_secrets_are_in_no_words() {
        let aws = FakeAws::start().await;
        let (arn, recipient) = aws.add(KeyKind::Rsa(2048), None);
        let connector = connector(&aws);
        let unwrapper = unwrapper(&connector, &arn, &recipient).await;
        aws.control().then([
            Fault::json(200, "{\"Plaintext\":\"Y2FuYXJ5\""),
            Fault::Refuse(400, "AccessDeniedException", ""),
        ]);
        let mut words = vec![format!("{connector:?} {connector:#?} {unwrapper:?}")];
        for _ in 0..2 {
            let error = unwrap(&unwrapper, &recipient).await.unwrap_err();
            words.push(all_words(&error));
        }
        let words = words.join("\n");
        for needle in [
            "canary-secret",
            "AKIAEXAMPLE",
            "Y2FuYXJ5",
            "words of the server",
        ] {
            assert!(!words.contains(needle), "{needle} in {words}");
        }
        assert!(words.contains("AccessDeniedException"), "{words}");
    }

    #[tokio::test]
    async fn settings_that_cannot_be_used_are_named() {
        let aws = FakeAws::start().await;
        let (arn, recipient) = aws.add(KeyKind::Rsa(2048), None);
        let uri: KeyUri = format!("aws-kms://{arn}").parse().unwrap();
        let refused = async |options: AwsOptions| {
            let mut services = KeyServices::default();
            services.aws = options;
            let error = Connector::new(services)
                .connect(&uri, &recipient)
                .await
                .unwrap_err();
            error.to_string()
        };
        let mut options = AwsOptions::default();
        options.endpoint = Some("http://kms.example".to_owned());
        assert!(refused(options.clone()).await.contains("https://"));
        options.endpoint = None;
        options.ca_file = Some("/nowhere/ca.pem".into());
        assert!(refused(options).await.contains("/nowhere/ca.pem"));
    }
}

/// Identities that the platform injects through the environment, in a process of their own.
mod identities {
    use super::*;

    const CHILD: &str = "PRIVY_TEST_AWS_CHILD";

    /// Runs `test` again with these variables; there it finds `CHILD` set.
    async fn again(
        test: impl Fn(),
        variables: Vec<(&'static str, String)>,
    ) -> std::process::Output {
        let mut command = std::process::Command::new(std::env::current_exe().unwrap());
        command
            .args(["--exact", client::name_of(&test), "--nocapture"])
            .env_clear()
            .env(CHILD, "1");
        command.envs(variables);
        tokio::task::spawn_blocking(move || command.output().unwrap())
            .await
            .unwrap()
    }

    async fn as_the_platform_says(endpoint: &str) {
        let (arn, recipient) = (std::env::var("ARN").unwrap(), std::env::var("PEM").unwrap());
        let recipient = RecipientKey::from_pem(recipient.as_bytes(), None).unwrap();
        let mut services = KeyServices::default();
        services.aws.endpoint = Some(endpoint.to_owned());
        let unwrapper = unwrapper(&Connector::new(services), &arn, &recipient).await;
        unwrap(&unwrapper, &recipient).await.unwrap();
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn eks_pod_identity() {
        if std::env::var(CHILD).is_ok() {
            return as_the_platform_says(&std::env::var("KMS").unwrap()).await;
        }
        let aws = FakeAws::start().await;
        let (arn, recipient) = aws.add(KeyKind::Rsa(2048), None);
        let folder = tempfile::tempdir().unwrap();
        let token = folder.path().join("token");
        std::fs::write(&token, "projected").unwrap();
        let agent = answering(|request| {
            assert_eq!(request.header("authorization"), Some("projected"));
            Answer::json(
                200,
                &serde_json::json!({"AccessKeyId": "ASIAPOD", "SecretAccessKey": "s", "Token": "t", "Expiration": "2099-01-01T00:00:00Z"}),
            )
        })
        .await;
        let output = again(
            eks_pod_identity,
            vec![
                ("ARN", arn),
                ("PEM", recipient.to_pem()),
                ("KMS", aws.url()),
                (
                    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
                    format!("{}/v1/credentials", agent.url()),
                ),
                (
                    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
                    token.display().to_string(),
                ),
            ],
        )
        .await;
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stdout)
        );
        let sent = aws.control().requests();
        assert!(sent[0].header("authorization").unwrap().contains("ASIAPOD"));
        assert_eq!(sent[0].header("x-amz-security-token"), Some("t"));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn iam_roles_for_service_accounts() {
        if std::env::var(CHILD).is_ok() {
            return as_the_platform_says(&std::env::var("KMS").unwrap()).await;
        }
        let aws = FakeAws::start().await;
        let (arn, recipient) = aws.add(KeyKind::Rsa(2048), None);
        let folder = tempfile::tempdir().unwrap();
        let token = folder.path().join("token");
        std::fs::write(&token, "projected").unwrap();
        let sts = answering(|request| {
            let form = String::from_utf8(request.body.clone()).unwrap();
            assert!(form.contains("Action=AssumeRoleWithWebIdentity"), "{form}");
            assert!(form.contains("WebIdentityToken=projected"), "{form}");
            Answer::new(200, "text/xml", r#"<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>ASIAIRSA</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"#)
        })
        .await;
        let output = again(
            iam_roles_for_service_accounts,
            vec![
                ("ARN", arn),
                ("PEM", recipient.to_pem()),
                ("KMS", aws.url()),
                ("AWS_ENDPOINT_URL_STS", sts.url()),
                ("AWS_WEB_IDENTITY_TOKEN_FILE", token.display().to_string()),
                (
                    "AWS_ROLE_ARN",
                    "arn:aws:iam::111122223333:role/privy".to_owned(),
                ),
            ],
        )
        .await;
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stdout)
        );
        assert!(
            aws.control().requests()[0]
                .header("authorization")
                .unwrap()
                .contains("ASIAIRSA")
        );
    }
}
