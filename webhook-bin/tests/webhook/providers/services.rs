//! The clouds and Vault.

use std::sync::Arc;

use jwe_envelope::{KeyKind, LocalKey, RecipientKey};

use super::journey::{Service, State, bench_of, probes, serves};
use test_support::fakes::aws::FakeAws;
use test_support::fakes::azure::{FakeAzure, HOST};
use test_support::fakes::gcp::FakeGcp;
use test_support::fakes::http::{Fault, Server};
use test_support::fakes::vault::FakeVault;

fn two_keys() -> [LocalKey; 2] {
    [0, 1].map(|_| LocalKey::generate(KeyKind::Rsa(2048)).unwrap())
}

struct Google {
    fake: Arc<FakeGcp>,
    server: Server,
}

impl Google {
    async fn start() -> Self {
        let fake = FakeGcp::new(two_keys());
        // The pod's identity: the metadata server has a token for it.
        fake.want_tokens(3600);
        let server = fake.start("127.0.0.1:0").await;
        Self { fake, server }
    }
}

impl Service for Google {
    fn key(&self) -> (RecipientKey, String) {
        let reference = format!(
            "gcp-kms://{}/cryptoKeyVersions/1",
            test_support::fakes::gcp::KEY
        );
        (self.fake.recipient(1), reference)
    }

    fn other(&self) -> String {
        format!(
            "gcp-kms://{}/cryptoKeyVersions/2",
            test_support::fakes::gcp::KEY
        )
    }

    fn settings(&self) -> String {
        format!(
            "{{gcp: {{endpoint: \"http://{}\", timeout: 1s}}}}",
            self.server.address
        )
    }

    fn variables(&self) -> Vec<(&'static str, String)> {
        vec![("GCE_METADATA_HOST", self.server.address.to_string())]
    }

    fn set(&self, state: State) {
        self.fake.control.set(match state {
            State::Well => Fault::None,
            State::Denies => Fault::Refuse(403, "PERMISSION_DENIED", ""),
            State::Away => Fault::Refuse(503, "UNAVAILABLE", ""),
        });
    }

    fn unwraps(&self) -> usize {
        let requests = self.fake.control.requests();
        requests
            .iter()
            .filter(|request| request.path.ends_with(":asymmetricDecrypt"))
            .count()
    }

    fn warning(&self) -> Option<&'static str> {
        None
    }
}

struct Azure {
    fake: Arc<FakeAzure>,
    server: Server,
    folder: tempfile::TempDir,
}

impl Azure {
    async fn start() -> Self {
        let fake = FakeAzure::new(two_keys());
        let server = fake.start("127.0.0.1:0").await;
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), &fake.authority).unwrap();
        std::fs::write(
            folder.path().join("token"),
            "header.of-the-projected-token.signature",
        )
        .unwrap();
        Self {
            fake,
            server,
            folder,
        }
    }

    fn file(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// The section, with this `auth`.
    fn known_as(&self, auth: &str) -> String {
        format!(
            "{{azure: {{address: \"{}\", caFile: {}, authorityHost: \"https://localhost:{}\", auth: {auth}, timeout: 1s}}}}",
            self.server.address,
            self.file("ca.pem"),
            self.server.address.port()
        )
    }
}

impl Service for Azure {
    fn key(&self) -> (RecipientKey, String) {
        let version = FakeAzure::version(1);
        let reference = format!(
            "azure-kv://{HOST}/{}/{version}",
            test_support::fakes::azure::KEY
        );
        (self.fake.recipient(1), reference)
    }

    fn other(&self) -> String {
        let version = FakeAzure::version(2);
        format!(
            "azure-kv://{HOST}/{}/{version}",
            test_support::fakes::azure::KEY
        )
    }

    fn settings(&self) -> String {
        self.known_as("{platform: {}}")
    }

    fn variables(&self) -> Vec<(&'static str, String)> {
        vec![
            ("AZURE_FEDERATED_TOKEN_FILE", self.file("token")),
            ("AZURE_TENANT_ID", "tenant".to_owned()),
            ("AZURE_CLIENT_ID", "client".to_owned()),
        ]
    }

    fn set(&self, state: State) {
        self.fake.control.set(match state {
            State::Well => Fault::None,
            State::Denies => Fault::Refuse(403, "Forbidden", "ForbiddenByRbac"),
            State::Away => Fault::Refuse(503, "ServiceUnavailable", ""),
        });
    }

    fn unwraps(&self) -> usize {
        let requests = self.fake.control.requests();
        requests
            .iter()
            .filter(|request| request.path.ends_with("/unwrapkey"))
            .count()
    }

    fn warning(&self) -> Option<&'static str> {
        None
    }
}

struct Aws {
    fake: FakeAws,
    arns: [(String, RecipientKey); 2],
}

impl Aws {
    async fn start() -> Self {
        let fake = FakeAws::start().await;
        let arns = [0, 1].map(|_| fake.add(KeyKind::Rsa(2048), None));
        Self { fake, arns }
    }
}

impl Service for Aws {
    fn key(&self) -> (RecipientKey, String) {
        let (arn, recipient) = &self.arns[0];
        (recipient.clone(), format!("aws-kms://{arn}"))
    }

    fn other(&self) -> String {
        format!("aws-kms://{}", self.arns[1].0)
    }

    fn settings(&self) -> String {
        let url = self.fake.url();
        format!("{{aws: {{endpoint: \"{url}\", auth: {{environment: {{}}}}, timeout: 1s}}}}")
    }

    fn variables(&self) -> Vec<(&'static str, String)> {
        vec![
            ("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "canary-secret".to_owned()),
        ]
    }

    fn set(&self, state: State) {
        self.fake.control().set(match state {
            State::Well => Fault::None,
            State::Denies => Fault::Refuse(400, "AccessDeniedException", ""),
            State::Away => Fault::Refuse(500, "KMSInternalException", ""),
        });
    }

    fn unwraps(&self) -> usize {
        let requests = self.fake.control().requests();
        requests
            .iter()
            .filter(|request| request.header("x-amz-target") == Some("TrentService.Decrypt"))
            .count()
    }

    fn warning(&self) -> Option<&'static str> {
        Some("aws: the access key in the environment is a static credential")
    }
}

struct Transit(FakeVault);

impl Service for Transit {
    fn key(&self) -> (RecipientKey, String) {
        (
            self.0.recipient(1),
            "vault-transit://transit/payments#1".to_owned(),
        )
    }

    fn other(&self) -> String {
        "vault-transit://transit/payments#2".to_owned()
    }

    fn settings(&self) -> String {
        format!(
            "{{vault: {{address: \"{}\", auth: {{kubernetes: {{role: privy, tokenFile: {}}}}}, timeout: 1s}}}}",
            self.0.url(),
            self.0.token_file.display()
        )
    }

    fn variables(&self) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    fn set(&self, state: State) {
        self.0.control().set(match state {
            State::Well => Fault::None,
            State::Denies => Fault::Refuse(403, "permission denied", ""),
            State::Away => Fault::status(503),
        });
    }

    fn unwraps(&self) -> usize {
        let requests = self.0.control().requests();
        requests
            .iter()
            .filter(|request| request.path.contains("/transit/decrypt/"))
            .count()
    }

    fn warning(&self) -> Option<&'static str> {
        None
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn aws_is_probed() {
    probes(&Aws::start().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn aws_serves_and_says_how_it_is() {
    serves(&Aws::start().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn azure_is_probed() {
    probes(&Azure::start().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn azure_serves_and_says_how_it_is() {
    serves(&Azure::start().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn google_is_probed() {
    probes(&Google::start().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn google_serves_and_says_how_it_is() {
    serves(&Google::start().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn vault_is_probed() {
    probes(&Transit(FakeVault::start(2).await)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn vault_serves_and_says_how_it_is() {
    serves(&Transit(FakeVault::start(2).await)).await;
}

/// Credentials that someone has to keep work, and are named with what to do instead; none is printed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn static_credentials_are_warned_about() {
    let google = Google::start().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key.json");
    let credentials = serde_json::json!({
        "type": "service_account",
        "client_email": "privy@acme-prod.iam.gserviceaccount.com",
        "private_key_id": "1",
        "private_key": two_keys()[0].to_pkcs8_pem().as_str(),
        "project_id": "acme-prod",
        "universe_domain": "googleapis.com",
    });
    std::fs::write(&file, credentials.to_string()).unwrap();
    let bench =
        bench_of(&google).with("GOOGLE_APPLICATION_CREDENTIALS", file.display().to_string());
    bench.write(&google.key().1, &google.settings());
    let checked = bench.check(&[]).await;
    assert_eq!(checked.code, 0, "{}", checked.text);
    let expected =
        "gcp: GOOGLE_APPLICATION_CREDENTIALS names long-lived credentials (service_account)";
    assert!(checked.text.contains(expected), "{}", checked.text);
    assert!(!checked.text.contains("PRIVATE"), "{}", checked.text);

    let azure = Azure::start().await;
    let bench = super::bench::Bench::new(&azure.key().0)
        .with("AZURE_CLIENT_SECRET", "canary-secret")
        .with("AZURE_TENANT_ID", "tenant")
        .with("AZURE_CLIENT_ID", "client");
    // Unasked, neither the secret nor the machine's identity is used.
    bench.write(&azure.key().1, &azure.settings());
    let checked = bench.check(&[]).await;
    assert_eq!(checked.code, 2, "{}", checked.text);
    let expected = "say `keyServices.azure.auth: { managedIdentity: {} }`";
    assert!(checked.text.contains(expected), "{}", checked.text);
    bench.write(&azure.key().1, &azure.known_as("{managedIdentity: {}}"));
    let checked = bench.check(&[]).await;
    assert_eq!(checked.code, 0, "{}", checked.text);
    let expected = "azure: every pod on the machine can use its managed identity";
    assert!(checked.text.contains(expected), "{}", checked.text);
    bench.write(&azure.key().1, &azure.known_as("{environment: {}}"));
    let checked = bench.check(&[]).await;
    assert_eq!(checked.code, 0, "{}", checked.text);
    let expected = "azure: AZURE_CLIENT_SECRET is a long-lived credential; use workload identity";
    assert!(checked.text.contains(expected), "{}", checked.text);
    assert!(!checked.text.contains("canary-secret"), "{}", checked.text);

    let aws = Aws::start().await;
    let bench = super::bench::Bench::new(&aws.key().0);
    bench.write(&aws.key().1, &aws.settings());
    let checked = bench.check(&[]).await;
    assert_eq!(checked.code, 2, "{}", checked.text);
    let expected = "keyServices.aws.auth.environment: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not both set; set them, or use `platform`";
    assert!(checked.text.contains(expected), "{}", checked.text);
    // Where the platform has none for us either, that is said, and the machine's own role is not used.
    bench.write(&aws.key().1, "{aws: {}}");
    let checked = bench.check(&[]).await;
    assert_eq!(checked.code, 2, "{}", checked.text);
    assert!(
        checked
            .text
            .contains("the platform provides no identity for this process"),
        "{}",
        checked.text
    );
}
