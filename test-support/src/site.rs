//! A folder with a configuration and everything that it names.

use std::path::PathBuf;

use jwe_envelope::{Curve, KeyKind, LocalKey, LocalSigner};

use crate::pki::Pki;

/// The configuration that the tests vary. Its health port differs from its first; both are free to choose.
pub const BASE: &str = r#"version: 1
listen: 127.0.0.1:0
health:
  listen: 127.0.0.1:0
tls:
  certificate: tls.crt
  privateKey: tls.key
callers:
  mtls:
    clientCa: ca.crt
    allowedNames: ["kube-apiserver"]
cluster: prod-eu
keys:
  - name: payments
    publicKey: payments.pub.pem
    namespaces: ["payments", "team-*"]
    unwrap: ["file:payments.pem"]
limits:
  drain: 0s
"#;

/// A second key for [`BASE`].
pub const SECOND_KEY: &str = r#"  - name: shipping
    publicKey: shipping.pub.pem
    namespaces: ["*"]
    unwrap: ["file:shipping.pem"]
limits:"#;

/// A list of signers, to stand before [`BASE`]'s keys.
pub const SIGNERS: &str = "signers:\n  - { name: dba, publicKey: dba.pub.pem }\n  - { name: ops, publicKey: ops.pub.pem }\nkeys:";

/// The folder.
pub struct Site {
    pub pki: Pki,
    pub payments: LocalKey,
    pub shipping: LocalKey,
}

impl Site {
    pub fn new() -> Self {
        let site = Self {
            pki: Pki::new(),
            payments: LocalKey::generate(KeyKind::Ec(Curve::P256)).unwrap(),
            shipping: LocalKey::generate(KeyKind::Ec(Curve::P384)).unwrap(),
        };
        for (name, key) in [("payments", &site.payments), ("shipping", &site.shipping)] {
            site.write(&format!("{name}.pub.pem"), &key.recipient().to_pem());
            let jwk = serde_json::to_string(&key.recipient().to_jwk()).unwrap();
            site.write(&format!("{name}.jwk.json"), &jwk);
            let private = site.write(&format!("{name}.pem"), &key.to_pkcs8_pem());
            close_to_others(&private);
        }
        for name in ["dba", "ops"] {
            let signer = LocalSigner::generate().unwrap();
            site.write(&format!("{name}.pub.pem"), &signer.public().to_pem());
        }
        site.write("long.pem", &"x".repeat(70_000));
        site.write("webhook.yaml", BASE);
        site
    }

    /// Writes a file into the folder.
    pub fn write(&self, name: &str, content: &str) -> PathBuf {
        let path = self.pki.path(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    pub fn config(&self) -> PathBuf {
        self.pki.path("webhook.yaml")
    }
}

#[cfg(unix)]
fn close_to_others(path: &std::path::Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

#[cfg(not(unix))]
fn close_to_others(_: &std::path::Path) {}
