//! AWS KMS as others wrote it: local-kms and LocalStack. AWS itself is asked through the programs (e2e/kms/run).

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use e2e_kms::{
    Process, free_port, hex, open, openssl_oaep, openssl_spki_sha256, seal, server, wait_until,
};
use jwe_envelope::{KeyManagement, OaepHash, RecipientKey, UnwrapRequest};
use kms_backends::aws::{AwsIdentity, StaticCredentials};
use kms_backends::{
    Category, Connector, KeyServices, KeyUnwrap, KeyUnwrapExt as _, KeyUri, UnwrapError,
};
use serde_json::{Value, json};
use tokio::time::Instant;

const SECOND: Duration = Duration::from_secs(1);

struct Kms {
    endpoint: String,
    folder: tempfile::TempDir,
    _process: Process,
}

impl Kms {
    fn local_kms() -> Self {
        let (port, folder) = (free_port(), tempfile::tempdir().unwrap());
        let process = Process::start(
            Command::new(server("E2E_LOCAL_KMS"))
                .env("PORT", port.to_string())
                .env("KMS_REGION", "eu-central-1")
                .env("KMS_DATA_PATH", folder.path())
                .env("KMS_SEED_PATH", folder.path().join("none.yaml")),
        );
        Self::ready(port, folder, process)
    }

    fn localstack() -> Self {
        let (port, folder) = (free_port(), tempfile::tempdir().unwrap());
        let process = Process::start(
            Command::new(server("E2E_LOCALSTACK").join("venv/bin/python"))
                .args(["-m", "localstack.runtime.main"])
                .env("SERVICES", "kms")
                .env("GATEWAY_LISTEN", format!("127.0.0.1:{port}"))
                .env("DISABLE_EVENTS", "1")
                .env("SKIP_SSL_CERT_DOWNLOAD", "1")
                .env("DNS_ADDRESS", "0")
                .env("HOME", folder.path())
                .env("TMPDIR", folder.path())
                .current_dir(folder.path()),
        );
        Self::ready(port, folder, process)
    }

    fn ready(port: u16, folder: tempfile::TempDir, process: Process) -> Self {
        let kms = Self {
            endpoint: format!("http://127.0.0.1:{port}"),
            folder,
            _process: process,
        };
        wait_until("the key service", || {
            kms.try_call("ListKeys", &json!({})).is_some()
        });
        kms
    }

    fn try_call(&self, action: &str, body: &Value) -> Option<Value> {
        let answer = reqwest::blocking::Client::new()
            .post(format!("{}/", self.endpoint))
            .header("content-type", "application/x-amz-json-1.1")
            .header("x-amz-target", format!("TrentService.{action}"))
            .header(
                "authorization",
                "AWS4-HMAC-SHA256 Credential=test/20260101/eu-central-1/kms/aws4_request, SignedHeaders=host, Signature=0",
            )
            .body(body.to_string())
            .send()
            .ok()?;
        let good = answer.status().is_success();
        let text = answer.text().ok()?;
        good.then(|| serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    fn call(&self, action: &str, body: &Value) -> Value {
        self.try_call(action, body)
            .unwrap_or_else(|| panic!("{action} {body} failed"))
    }

    fn key(&self, spec: &str, usage: &str) -> String {
        let made = self.call("CreateKey", &json!({"KeySpec": spec, "KeyUsage": usage}));
        made["KeyMetadata"]["Arn"]
            .as_str()
            .expect("an ARN")
            .to_owned()
    }

    fn connector(&self) -> Connector {
        let mut services = KeyServices::default();
        services.aws.endpoint = Some(self.endpoint.clone());
        services.aws.identity =
            AwsIdentity::Static(StaticCredentials::new("test".into(), "test".into(), None));
        services.aws.limits.attempt_timeout = 20 * SECOND;
        Connector::new(services)
    }
}

fn uri(arn: &str) -> KeyUri {
    format!("aws-kms://{arn}").parse().unwrap()
}

async fn key(
    connector: &Connector,
    arn: &str,
    algorithm: Option<KeyManagement>,
) -> (RecipientKey, Arc<dyn KeyUnwrap>) {
    let uri = uri(arn);
    let recipient = connector
        .public_key(&uri, algorithm, Instant::now() + 20 * SECOND)
        .await
        .unwrap_or_else(|error| {
            panic!(
                "{error}: {:?}",
                std::error::Error::source(&error).map(ToString::to_string)
            )
        });
    let holder = connector.connect(&uri, &recipient).await.unwrap();
    (recipient, holder)
}

async fn unwrap(
    holder: &Arc<dyn KeyUnwrap>,
    padding: OaepHash,
    ciphertext: &[u8],
) -> Result<Vec<u8>, UnwrapError> {
    let request = UnwrapRequest::Decrypt {
        padding,
        ciphertext,
    };
    Ok(holder
        .unwrap_within(&request, 20 * SECOND)
        .await?
        .expose()
        .to_vec())
}

async fn blocking<T: Send + 'static>(act: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(act).await.unwrap()
}

/// What every AWS KMS does with RSA keys. `bad` is what it makes of a wrapped key that does not decrypt.
async fn rsa(kms: Arc<Kms>, bad_is: Category) {
    let connector = kms.connector();
    for (spec, length) in [("RSA_2048", 256), ("RSA_4096", 512)] {
        let arn = blocking({
            let kms = Arc::clone(&kms);
            move || kms.key(spec, "ENCRYPT_DECRYPT")
        })
        .await;
        let (recipient, holder) = key(&connector, &arn, None).await;
        assert_eq!(recipient.modulus_len(), Some(length));
        assert_eq!(
            open(
                Arc::clone(&holder),
                &recipient,
                &seal(&recipient, b"hunter2")
            )
            .await,
            b"hunter2"
        );
        let pem = recipient.to_pem();
        let wrapped = openssl_oaep(kms.folder.path(), &pem, "sha256", &[7; 32]);
        assert_eq!(
            unwrap(&holder, OaepHash::Sha256, &wrapped).await.unwrap(),
            [7; 32]
        );
        assert_eq!(
            hex(&recipient.spki_sha256()),
            openssl_spki_sha256(kms.folder.path(), &pem)
        );
        let mut bad = wrapped.clone();
        bad[100] ^= 1;
        let error = unwrap(&holder, OaepHash::Sha256, &bad).await.unwrap_err();
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        assert_eq!(error.category(), bad_is, "{error:?} {cause:?}");
    }
    let arn = blocking({
        let kms = Arc::clone(&kms);
        move || kms.key("RSA_2048", "ENCRYPT_DECRYPT")
    })
    .await;
    let (recipient, holder) = key(&connector, &arn, None).await;
    let wrapped = openssl_oaep(kms.folder.path(), &recipient.to_pem(), "sha256", &[7; 32]);
    let absent = format!("{}00", &arn[..arn.len() - 2]);
    let absent = connector.connect(&uri(&absent), &recipient).await.unwrap();
    let error = unwrap(&absent, OaepHash::Sha256, &wrapped)
        .await
        .unwrap_err();
    assert_eq!(error.category(), Category::UnknownKey, "{error:?}");
    blocking({
        let kms = Arc::clone(&kms);
        move || kms.call("DisableKey", &json!({ "KeyId": arn }))
    })
    .await;
    let error = unwrap(&holder, OaepHash::Sha256, &wrapped)
        .await
        .unwrap_err();
    assert_eq!(error.category(), Category::Denied, "{error:?}");
}

mod local_kms {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn decrypts_and_refuses_as_the_table_says() {
        rsa(Arc::new(blocking(Kms::local_kms).await), Category::Rejected).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn decrypts_with_sha_1_for_keys_pinned_to_it() {
        let kms = Arc::new(blocking(Kms::local_kms).await);
        let arn = blocking({
            let kms = Arc::clone(&kms);
            move || kms.key("RSA_2048", "ENCRYPT_DECRYPT")
        })
        .await;
        let (recipient, holder) = key(&kms.connector(), &arn, Some(KeyManagement::RsaOaep)).await;
        assert_eq!(
            open(
                Arc::clone(&holder),
                &recipient,
                &seal(&recipient, b"hunter2")
            )
            .await,
            b"hunter2"
        );
        let wrapped = openssl_oaep(kms.folder.path(), &recipient.to_pem(), "sha1", &[7; 32]);
        assert_eq!(
            unwrap(&holder, OaepHash::Sha1, &wrapped).await.unwrap(),
            [7; 32]
        );
    }
}

mod localstack {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn decrypts_and_refuses_as_the_table_says() {
        // AWS answers InvalidCiphertextException. LocalStack stumbles over it: 500, InternalError.
        rsa(
            Arc::new(blocking(Kms::localstack).await),
            Category::Unavailable,
        )
        .await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn agrees_on_secrets_for_ecdh_es() {
        let kms = Arc::new(blocking(Kms::localstack).await);
        for spec in ["ECC_NIST_P256", "ECC_NIST_P384"] {
            let arn = blocking({
                let kms = Arc::clone(&kms);
                move || kms.key(spec, "KEY_AGREEMENT")
            })
            .await;
            let (recipient, holder) = key(&kms.connector(), &arn, None).await;
            for _ in 0..4 {
                let text = seal(&recipient, b"hunter2");
                assert_eq!(
                    open(Arc::clone(&holder), &recipient, &text).await,
                    b"hunter2"
                );
            }
        }
    }
}
