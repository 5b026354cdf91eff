//! A private key that a real KMS v2 plugin wraps and unwraps.

use std::path::Path;
use std::time::Duration;

use jwe_envelope::{Curve, KeyKind, LocalKey};
use kms_backends::{Category, Connector, KeyUnwrapExt as _, KeyUri, conformance, kms_plugin};
use tokio::time::Instant;

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(10)
}

pub(crate) async fn check(socket: &Path, folder: &Path) {
    for kind in [KeyKind::Rsa(2048), KeyKind::Ec(Curve::P256)] {
        let key = LocalKey::generate(kind).unwrap();
        let text = kms_plugin::wrap(socket, key.to_pkcs8_pem().as_bytes(), soon())
            .await
            .unwrap();
        let file = folder.join("payments.wrapped");
        std::fs::write(&file, &text).unwrap();
        let uri: KeyUri = format!("kms-plugin:{}?key={}", socket.display(), file.display())
            .parse()
            .unwrap();
        let connector = Connector::default();
        let held = connector.public_key(&uri, None, soon()).await.unwrap();
        assert_eq!(held, *key.recipient());
        let unwrapper = async || connector.connect(&uri, key.recipient()).await.unwrap();
        conformance::check(unwrapper, key.recipient()).await;

        // A file that someone changed, or another plugin's.
        let request = wrapped_for(&key);
        for (what, changed) in [
            (
                "another ciphertext",
                text.replacen("\"wrappedKey\": \"", "\"wrappedKey\": \"AAAA", 1),
            ),
            (
                "another key_id",
                text.replacen("\"pluginKeyId\": \"", "\"pluginKeyId\": \"0", 1),
            ),
            (
                "another private key",
                text.replacen("\"privateKey\": \"", "\"privateKey\": \"AAAA", 1),
            ),
        ] {
            assert_ne!(changed, text, "{what}");
            std::fs::write(&file, changed).unwrap();
            let error = unwrapper()
                .await
                .unwrap_within(&request.as_request(), Duration::from_secs(5))
                .await
                .unwrap_err();
            assert_ne!(error.category(), Category::Rejected, "{what}: {error:?}");
        }

        // The private key of another public key than the configured one.
        std::fs::write(&file, &text).unwrap();
        let other = LocalKey::generate(kind).unwrap();
        let unwrapper = connector.connect(&uri, other.recipient()).await.unwrap();
        let request = wrapped_for(&other);
        let error = unwrapper
            .unwrap_within(&request.as_request(), Duration::from_secs(5))
            .await
            .unwrap_err();
        assert_eq!(error.category(), Category::Misconfigured, "{error:?}");
    }
    let nowhere: KeyUri = format!(
        "kms-plugin:/nonexistent/socket?key={}/payments.wrapped",
        folder.display()
    )
    .parse()
    .unwrap();
    let error = Connector::default()
        .public_key(&nowhere, None, soon())
        .await
        .unwrap_err();
    assert_eq!(error.category(), Category::Unavailable, "{error:?}");
    println!("kms-plugin: a real plugin wraps and unwraps; changed files open nothing");
}

/// A good request for `key`.
fn wrapped_for(key: &LocalKey) -> kms_backends::OwnedRequest {
    use jwe_envelope::{Binding, Envelope, Place, Sealer};
    let place = Place::new("payments", "db", "password").unwrap();
    let text = Sealer::new(std::slice::from_ref(key.recipient()))
        .unwrap()
        .seal(b"value", &Binding::exact(&place))
        .unwrap()
        .to_string();
    let envelope = Envelope::parse(text.as_bytes()).unwrap();
    let opening = envelope.open_unchecked(0, key.recipient()).unwrap();
    kms_backends::OwnedRequest::try_from(&opening.request()).unwrap()
}
