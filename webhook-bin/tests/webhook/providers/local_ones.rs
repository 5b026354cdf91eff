//! Keys near at hand: behind a plugin's socket, behind a module. Both are asked in a way of their own.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use jwe_envelope::{Curve, KeyKind, LocalKey};
use tokio::time::Instant;

use super::bench::{Bench, review};
use test_support::fakes::http::Fault;
use test_support::fakes::plugin::FakePlugin;
use test_support::keys::patched;

async fn wrapped(plugin: &FakePlugin, bench: &Bench, key: &LocalKey, name: &str) {
    let deadline = Instant::now() + Duration::from_secs(10);
    let pem = key.to_pkcs8_pem();
    let text = kms_backends::kms_plugin::wrap(&plugin.socket, pem.as_bytes(), deadline);
    fs::write(bench.pki.path(name), text.await.unwrap()).unwrap();
}

fn ec() -> LocalKey {
    LocalKey::generate(KeyKind::Ec(Curve::P256)).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kms_plugin_is_probed() {
    let (plugin, key, other) = (FakePlugin::start(), ec(), ec());
    let bench = Bench::new(key.recipient());
    wrapped(&plugin, &bench, &key, "payments.wrapped").await;
    wrapped(&plugin, &bench, &other, "other.wrapped").await;
    let socket = plugin.socket.display();
    // A relative path starts at the folder of the configuration.
    bench.write(
        &format!("kms-plugin:{socket}?key=payments.wrapped"),
        "{kmsPlugin: {timeout: 1s}}",
    );
    let checked = bench.check(&["--probe"]).await;
    assert_eq!(checked.code, 0, "{}", checked.text);
    assert!(
        checked.text.contains("holds the configured key"),
        "{}",
        checked.text
    );
    for (mood, code) in [
        (Fault::Refuse(7, "", ""), 1),
        (Fault::Refuse(14, "", ""), 3),
        (Fault::Lie("unwell"), 3),
    ] {
        plugin.set(mood.clone());
        let checked = bench.check(&["--probe"]).await;
        assert_eq!(checked.code, code, "{mood:?}: {}", checked.text);
        assert!(checked.text.contains("DID NOT SAY"), "{}", checked.text);
    }
    plugin.set(Fault::None);
    bench.write(&format!("kms-plugin:{socket}?key=other.wrapped"), "{}");
    let checked = bench.check(&["--probe"]).await;
    assert_eq!(checked.code, 1, "{}", checked.text);
    assert!(
        checked.text.contains("HOLDS ANOTHER KEY"),
        "{}",
        checked.text
    );
    bench.write("kms-plugin:/nonexistent/socket?key=payments.wrapped", "{}");
    assert_eq!(bench.check(&["--probe"]).await.code, 3);
}

/// The plugin is asked once; from then on the private key serves from memory, whatever happens to the plugin.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kms_plugin_is_asked_once() {
    let (plugin, key) = (FakePlugin::start(), ec());
    let bench = Bench::new(key.recipient());
    wrapped(&plugin, &bench, &key, "payments.wrapped").await;
    let reference = format!(
        "kms-plugin:{}?key=payments.wrapped",
        plugin.socket.display()
    );
    bench.write(&reference, "{kmsPlugin: {timeout: 1s}}");
    let running = bench.start().await;
    let mut client = bench.client(&running).await;
    let says = async |word: &str| {
        let ready = running.get("/readyz?verbose").await;
        assert!(ready.starts_with("200"), "{ready}");
        assert!(
            ready.contains(&format!("key payments: {word}\n")),
            "{word}: {ready}"
        );
        let line = format!("privy_key_health{{key=\"payments\",health=\"{word}\"}} 1");
        assert!(running.get("/metrics").await.contains(&line), "{line}");
    };
    says("untried").await;
    plugin.set(Fault::Refuse(7, "", ""));
    let answer = client
        .review(&review(key.recipient(), b"hunter1"))
        .await
        .unwrap();
    assert!(
        !answer.text().contains("\"allowed\":true"),
        "{}",
        answer.text()
    );
    says("denied").await;

    plugin.set(Fault::None);
    let answer = client
        .review(&review(key.recipient(), b"hunter2"))
        .await
        .unwrap();
    assert_eq!(patched(&answer.json()), b"hunter2");
    says("reachable").await;
    let asked = plugin.calls().len();
    plugin.set(Fault::Refuse(14, "", ""));
    let answer = client
        .review(&review(key.recipient(), b"hunter3"))
        .await
        .unwrap();
    assert_eq!(patched(&answer.json()), b"hunter3");
    assert_eq!(plugin.calls().len(), asked);
}

/// What is wrong with a module is said at the key that needs it, before the program serves.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_module_that_cannot_be_used_is_refused_at_the_start() {
    let bench = Bench::new(ec().recipient());
    let module = bench.pki.path("module.so");
    fs::write(&module, "no library").unwrap();
    fs::set_permissions(&module, fs::Permissions::from_mode(0o755)).unwrap();
    let good = module.display().to_string();
    let open = bench.pki.path("open.so");
    fs::write(&open, "no library").unwrap();
    fs::set_permissions(&open, fs::Permissions::from_mode(0o777)).unwrap();
    let open = open.display().to_string();
    let named =
        |path: &str| format!("pkcs11:token=t;object=k?module-path={path}&pin-source=file:pin");
    for (reference, settings, words) in [
        (
            named(&good),
            format!("{{pkcs11: {{modules: [{good}]}}}}"),
            "cannot be used",
        ),
        (
            named(&good),
            format!("{{pkcs11: {{modules: [{open}]}}}}"),
            "is not in the list of modules that may be loaded; add it",
        ),
        (
            named(&open),
            "{}".to_owned(),
            "can be written by others; restrict it with `chmod go-w`",
        ),
        (
            named("/nonexistent/module.so"),
            "{}".to_owned(),
            "cannot be read",
        ),
        (
            "pkcs11:token=t;object=k".to_owned(),
            "{}".to_owned(),
            "no module is configured; add `?module-path=",
        ),
        (
            "pkcs11:token=t".to_owned(),
            "{}".to_owned(),
            "write `pkcs11:token=T;object=O",
        ),
        (
            format!("{}&pin-value=1234", named(&good)),
            "{}".to_owned(),
            "put it into a file and name the file in `pin-source`",
        ),
    ] {
        bench.write(&reference, &settings);
        let checked = bench.check(&[]).await;
        assert_eq!(checked.code, 2, "{}", checked.text);
        assert!(
            checked.text.contains("keys[0].unwrap[0]: "),
            "{}",
            checked.text
        );
        assert!(checked.text.contains(words), "{words}: {}", checked.text);
        assert!(!checked.text.contains("1234"), "{}", checked.text);
    }
}
