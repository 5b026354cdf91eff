//! What `e2e/kms` runs of this crate: its fakes as servers, for other people's clients; its backends as clients, of other
//! people's servers. Ends with status 0 only if everything held.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a failed step is a failed test"
)]

mod pkcs11;
mod plugin;

use std::path::Path;

use jwe_envelope::{KeyKind, LocalKey};
use test_support::fakes::{azure, gcp};
use tokio::io::AsyncReadExt as _;

#[tokio::main]
async fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["fake-gcp"] => serve_gcp().await,
        ["fake-azure", folder] => serve_azure(Path::new(folder)).await,
        ["kms-plugin", socket, folder] => plugin::check(Path::new(socket), Path::new(folder)).await,
        ["pkcs11", "rsa-and-ec", module, folder] => {
            pkcs11::check(Path::new(module), Path::new(folder), true).await;
        }
        ["pkcs11", "ec", module, folder] => {
            pkcs11::check(Path::new(module), Path::new(folder), false).await;
        }
        _ => panic!("see e2e/kms/run"),
    }
}

fn rsa() -> LocalKey {
    LocalKey::generate(KeyKind::Rsa(3072)).unwrap()
}

/// Two versions, the older one disabled, so that a client can see both states.
async fn serve_gcp() {
    let fake = gcp::FakeGcp::new([rsa(), rsa()]);
    fake.set_state(1, "DISABLED");
    let server = fake.start("127.0.0.1:0").await;
    println!("http://{} {}", server.address, gcp::KEY);
    until_stdin_ends().await;
}

async fn serve_azure(folder: &Path) {
    let fake = azure::FakeAzure::new([rsa(), rsa()]);
    fake.set_enabled(1, false);
    fake.accept_token("the-token-of-the-test");
    let server = fake.start("127.0.0.1:0").await;
    std::fs::write(folder.join("ca.pem"), &fake.authority).unwrap();
    println!(
        "https://localhost:{} {} {}",
        server.address.port(),
        azure::KEY,
        azure::FakeAzure::version(2)
    );
    until_stdin_ends().await;
}

async fn until_stdin_ends() {
    let mut rest = Vec::new();
    let _ = tokio::io::stdin().read_to_end(&mut rest).await;
}
