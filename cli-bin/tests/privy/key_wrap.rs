//! `privy key wrap`: a private key that only a KMS plugin opens, from the file to an opened value; and each mistake.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use jwe_envelope::{Curve, KeyKind, LocalKey};

use test_support::fakes::http::Fault;
use test_support::fakes::plugin::FakePlugin;

struct Bench {
    folder: tempfile::TempDir,
    plugin: FakePlugin,
}

struct Ended {
    code: i32,
    stdout: Vec<u8>,
    stderr: String,
}

impl Bench {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            plugin: FakePlugin::start(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn private(&self, name: &str, content: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path
    }

    /// What a reference to the wrapped key in `file` looks like.
    fn reference(&self, file: &str) -> String {
        format!("kms-plugin:{}?key={file}", self.plugin.socket.display())
    }

    async fn wrap(&self, key: &str, out: &str) -> Ended {
        let socket = self.plugin.socket.to_str().unwrap().to_owned();
        self.privy(
            &["key", "wrap", key, "--plugin", &socket, "--out", out],
            b"",
        )
        .await
    }

    async fn privy(&self, arguments: &[&str], input: &[u8]) -> Ended {
        let mut command = Command::new(env!("CARGO_BIN_EXE_privy"));
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env("PRIVY_CONFIG_DIR", self.path("config"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let input = input.to_vec();
        let output = tokio::task::spawn_blocking(move || {
            let mut child = command.spawn().unwrap();
            child.stdin.take().unwrap().write_all(&input).unwrap();
            child.wait_with_output().unwrap()
        });
        let output = output.await.unwrap();
        Ended {
            code: output.status.code().unwrap(),
            stdout: output.stdout,
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// Neither the private key nor its PEM is in the file.
fn holds_nothing_of(file: &Path, key: &LocalKey) {
    let text = fs::read_to_string(file).unwrap();
    let pem = key.to_pkcs8_pem();
    for line in pem.lines().filter(|line| line.len() > 20) {
        assert!(!text.contains(line), "{text}");
    }
    assert!(!text.contains("PRIVATE KEY"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrapped_key_opens_what_is_sealed_for_it() {
    let bench = Bench::new();
    let jwk = "../examples/foreign/THROW-AWAY-private-key.jwk.json";
    let jwk = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(jwk)).unwrap();
    let pem = |kind| LocalKey::generate(kind).unwrap().to_pkcs8_pem().to_string();
    for (name, text) in [
        ("rsa", pem(KeyKind::Rsa(2048))),
        ("ec", pem(KeyKind::Ec(Curve::P256))),
        ("x25519", pem(KeyKind::Ec(Curve::X25519))),
        ("jwk", jwk),
    ] {
        let key = LocalKey::from_bytes(text.as_bytes(), None).unwrap();
        bench.private(&format!("{name}.key"), &text);
        let out = format!("{name}.wrapped");
        let before = bench.plugin.calls().len();
        let ended = bench.wrap(&format!("{name}.key"), &out).await;
        assert_eq!(ended.code, 0, "{name}: {}", ended.stderr);
        let said = String::from_utf8(ended.stdout).unwrap();
        assert!(said.contains(&bench.reference(&out)), "{said}");
        assert!(
            said.contains("destroy") && said.contains(&format!("{name}.key")),
            "{said}"
        );
        holds_nothing_of(&bench.path(&out), &key);

        // The plugin wrapped a key-encryption key of 32 bytes, and never saw the private key.
        let calls = bench.plugin.calls().split_off(before);
        let methods: Vec<_> = calls.iter().map(|call| call.method.as_str()).collect();
        assert_eq!(methods, ["Status", "Encrypt"]);
        assert_eq!(calls[1].bytes.len(), 32);

        let reference = bench.reference(&out);
        let card = format!("{name}.card.json");
        let ended = bench
            .privy(
                &["key", "fetch", &reference, "--name", name, "--out", &card],
                b"",
            )
            .await;
        assert_eq!(ended.code, 0, "{}", ended.stderr);
        let card_text = fs::read_to_string(bench.path(&card)).unwrap();
        assert!(card_text.contains(key.recipient().kid()), "{card_text}");
        let sealed = bench
            .privy(
                &["seal", "--key", &card, "--for", "payments/db/password"],
                b"hunter2",
            )
            .await;
        assert_eq!(sealed.code, 0, "{}", sealed.stderr);
        let opened = bench
            .privy(
                &["open", "--key", &reference, "--for", "payments/db/password"],
                &sealed.stdout,
            )
            .await;
        assert_eq!(
            (opened.code, &opened.stdout[..]),
            (0, &b"hunter2"[..]),
            "{}",
            opened.stderr
        );
    }
}

/// What cannot be wrapped is refused before the plugin is asked, and nothing is written.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_mistake_about_files_has_its_words() {
    let bench = Bench::new();
    let key = LocalKey::generate(KeyKind::Ec(Curve::P256)).unwrap();
    bench.private("good.pem", &key.to_pkcs8_pem());
    bench.private("public.pem", &key.recipient().to_pem());
    bench.private("words.pem", "no key at all\n");
    bench.private("empty.pem", "");
    let shared = bench.private("shared.pem", &key.to_pkcs8_pem());
    fs::set_permissions(&shared, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(bench.path("there.wrapped"), "somebody else's").unwrap();
    for (private, out, words) in [
        ("missing.pem", "out.wrapped", "missing.pem"),
        ("shared.pem", "out.wrapped", "chmod"),
        ("public.pem", "out.wrapped", "public.pem"),
        ("words.pem", "out.wrapped", "words.pem"),
        ("empty.pem", "out.wrapped", "empty.pem"),
        ("good.pem", "nowhere/out.wrapped", "nowhere"),
        ("good.pem", "there.wrapped", "there.wrapped"),
    ] {
        let ended = bench.wrap(private, out).await;
        assert_eq!(ended.code, 2, "{private} {out}: {}", ended.stderr);
        assert!(ended.stderr.starts_with("error: "), "{}", ended.stderr);
        assert!(ended.stderr.contains(words), "{words} in {}", ended.stderr);
        assert!(
            ended.stderr.contains("hint: "),
            "no next step: {}",
            ended.stderr
        );
        assert!(ended.stdout.is_empty());
        assert!(!bench.path("out.wrapped").exists());
    }
    assert_eq!(
        fs::read_to_string(bench.path("there.wrapped")).unwrap(),
        "somebody else's"
    );
    let asked = bench.plugin.calls();
    assert!(asked.is_empty(), "{asked:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_answer_of_the_plugin_has_its_exit_code() {
    let bench = Bench::new();
    let key = LocalKey::generate(KeyKind::Ec(Curve::P256)).unwrap();
    bench.private("good.pem", &key.to_pkcs8_pem());
    for (mood, code, words) in [
        (Fault::Refuse(7, "", ""), 1, "PermissionDenied"),
        (Fault::Refuse(16, "", ""), 1, "Unauthenticated"),
        (Fault::Refuse(5, "", ""), 1, "NotFound"),
        (Fault::Refuse(9, "", ""), 2, "FailedPrecondition"),
        (Fault::Refuse(12, "", ""), 2, "Unimplemented"),
        (Fault::Refuse(14, "", ""), 3, "Unavailable"),
        (Fault::Refuse(2, "", ""), 3, "Unknown"),
        (Fault::Lie("unwell"), 3, "not healthy"),
        (
            Fault::Lie("v1beta1"),
            2,
            "version \"v1beta1\" of the protocol, not v2",
        ),
    ] {
        bench.plugin.set(mood.clone());
        let ended = bench.wrap("good.pem", "out.wrapped").await;
        assert_eq!(ended.code, code, "{mood:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(words), "{mood:?}: {}", ended.stderr);
        assert!(
            ended.stderr.contains("hint: "),
            "no next step: {}",
            ended.stderr
        );
        assert!(!bench.path("out.wrapped").exists());
    }
    // The older name of the same protocol.
    bench.plugin.set(Fault::Lie("v2beta1"));
    assert_eq!(bench.wrap("good.pem", "out.wrapped").await.code, 0);

    let nobody = bench.path("nobody");
    let nobody = nobody.to_str().unwrap();
    let ended = bench
        .privy(
            &[
                "key",
                "wrap",
                "good.pem",
                "--plugin",
                nobody,
                "--out",
                "b.wrapped",
            ],
            b"",
        )
        .await;
    assert_eq!(ended.code, 3, "{}", ended.stderr);
}

/// A key that another plugin wrapped, or a file that changed, opens nothing; the words say which file.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrapped_key_is_of_no_use_to_others() {
    let bench = Bench::new();
    let key = LocalKey::generate(KeyKind::Ec(Curve::P256)).unwrap();
    bench.private("good.pem", &key.to_pkcs8_pem());
    assert_eq!(bench.wrap("good.pem", "good.wrapped").await.code, 0);
    let text = fs::read_to_string(bench.path("good.wrapped")).unwrap();
    for (changed, code) in [
        (
            text.replacen("the-plugins-key-1", "the-plugins-key-2", 1),
            2,
        ),
        (
            text.replacen("\"privateKey\": \"", "\"privateKey\": \"AAAA", 1),
            2,
        ),
        (
            text.replacen("privy-wrapped-key/1", "privy-wrapped-key/2", 1),
            2,
        ),
        (String::new(), 2),
    ] {
        assert_ne!(changed, text);
        fs::write(bench.path("bad.wrapped"), changed).unwrap();
        let reference = bench.reference("bad.wrapped");
        let ended = bench.privy(&["key", "fetch", &reference], b"").await;
        assert_eq!(ended.code, code, "{}", ended.stderr);
        assert!(ended.stderr.contains("bad.wrapped"), "{}", ended.stderr);
        assert!(!ended.stderr.contains("PRIVATE"), "{}", ended.stderr);
    }
    bench.plugin.set(Fault::Refuse(7, "", ""));
    let ended = bench
        .privy(&["key", "fetch", &bench.reference("good.wrapped")], b"")
        .await;
    assert_eq!(ended.code, 1, "{}", ended.stderr);
    assert!(ended.stderr.contains("key manager"), "{}", ended.stderr);
}
