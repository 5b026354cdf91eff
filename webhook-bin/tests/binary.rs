//! The program itself: command line, exit codes, signals, and what it prints.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use common::client::Client;
use common::keys::patched;
use common::site::{BASE, SIGNERS, Site};
use common::{CANARY, PATIENCE, plain_review};
use jwe_envelope::{Binding, Place, Sealer};

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_privy-webhook"));
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    // What the machine sets must not decide.
    for name in [
        "CONFIG",
        "ALLOW_UNAUTHENTICATED_CALLERS",
        "LOG",
        "LOG_FORMAT",
    ] {
        command.env_remove(format!("PRIVY_WEBHOOK_{name}"));
    }
    command
}

struct Ended {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

fn run(command: &mut Command) -> Ended {
    let output = command.output().unwrap();
    Ended {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// The program at work. Ended by force when the test is over.
struct Serving {
    child: Child,
    stdout: BufReader<ChildStdout>,
    /// What it has logged until it was ready.
    log: Vec<String>,
    rest_of_log: std::sync::mpsc::Receiver<String>,
    addr: SocketAddr,
    health: SocketAddr,
}

impl Serving {
    #[allow(clippy::zombie_processes, reason = "a test that ends here has failed")]
    fn start(site: &Site, arguments: &[&str]) -> Self {
        let mut child = program()
            .arg("--config")
            .arg(site.config())
            .args(arguments)
            .spawn()
            .unwrap();
        let (send, lines) = std::sync::mpsc::channel();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                let _ = send.send(line);
            }
        });
        let mut log = Vec::new();
        loop {
            let line = lines
                .recv_timeout(PATIENCE)
                .unwrap_or_else(|_| panic!("never ready: {log:#?}"));
            let event: serde_json::Value = serde_json::from_str(&line).unwrap();
            log.push(line);
            if let (Some(listen), Some(health)) =
                (event["listen"].as_str(), event["health"].as_str())
            {
                return Self {
                    stdout: BufReader::new(child.stdout.take().unwrap()),
                    child,
                    addr: listen.parse().unwrap(),
                    health: health.parse().unwrap(),
                    log,
                    rest_of_log: lines,
                };
            }
        }
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .arg(format!("-{name}"))
            .arg(self.child.id().to_string())
            .status()
            .unwrap();
        assert!(sent.success());
    }

    /// Asks it to end and returns what it did, printed and logged.
    fn end(mut self, signal: &str) -> (ExitStatus, String, String) {
        self.signal(signal);
        let mut stdout = String::new();
        self.stdout.read_to_string(&mut stdout).unwrap();
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(begun.elapsed() < PATIENCE, "it does not end");
            std::thread::sleep(Duration::from_millis(5));
        };
        let mut log = std::mem::take(&mut self.log);
        while let Ok(line) = self.rest_of_log.recv_timeout(PATIENCE) {
            log.push(line);
        }
        (status, stdout, log.join("\n"))
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn tells_its_version_and_its_usage() {
    let version = run(program().arg("--version"));
    assert_eq!(version.code, Some(0));
    assert_eq!(
        version.stdout,
        concat!("privy-webhook ", env!("CARGO_PKG_VERSION"), "\n")
    );
    let help = run(program().arg("--help"));
    assert_eq!(help.code, Some(0));
    for word in [
        "--config",
        "--allow-unauthenticated-callers",
        "PRIVY_WEBHOOK_CONFIG",
        "check-config",
        "Exit codes",
    ] {
        assert!(help.stdout.contains(word), "{word}");
    }
}

#[test]
fn wrong_usage_is_exit_code_2_and_prints_nothing() {
    for arguments in [
        &[][..],
        &["--confg", "x"],
        &["serve"],
        &["check-config"],
        &["--config"],
        &["--config", "x", "--log", "a=b=c"],
    ] {
        let ended = run(program().args(arguments));
        assert_eq!(ended.code, Some(2), "{arguments:?}");
        assert_eq!(ended.stdout, "", "{arguments:?}");
        assert!(!ended.stderr.is_empty(), "{arguments:?}");
    }
}

#[test]
fn refuses_to_start_without_a_way_for_callers_to_prove_themselves() {
    let site = Site::new();
    let (before, _) = BASE.split_once("callers:").unwrap();
    let (_, after) = BASE.split_once("[\"kube-apiserver\"]\n").unwrap();
    site.write("webhook.yaml", &format!("{before}{after}"));
    let ended = run(program().arg("--config").arg(site.config()));
    assert_eq!(ended.code, Some(2));
    assert_eq!(ended.stdout, "");
    assert!(
        ended.stderr.contains("--allow-unauthenticated-callers"),
        "{}",
        ended.stderr
    );

    let serving = Serving::start(&site, &["--allow-unauthenticated-callers"]);
    assert!(
        serving
            .log
            .join("\n")
            .contains("callers need not prove themselves"),
        "{:#?}",
        serving.log
    );
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut client = Client::connect(serving.addr, &site.pki, None)
            .await
            .unwrap();
        assert_eq!(client.review(&plain_review("")).await.unwrap().status, 200);
        let mut health = Client::plain(serving.health).await.unwrap();
        health
            .send(b"GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n")
            .await
            .unwrap();
        assert!(
            health
                .response()
                .await
                .unwrap()
                .text()
                .contains("\nprivy_callers_unauthenticated 1\n")
        );
    });
}

#[test]
fn check_config_says_whose_signatures_are_asked_for() {
    let site = Site::new();
    let text = BASE
        .replace("keys:", SIGNERS)
        .replace("cluster: prod-eu", "policy:\n  onlyFrom: [dba]\n  namespaces:\n    - { match: [\"team-*\"], onlyFrom: [\"*\"] }")
        .replace("    unwrap: [\"file:payments", "    onlyFrom: [dba]\n    unwrap: [\"file:payments");
    std::fs::write(site.config(), text).unwrap();
    let done = run(program().arg("check-config").arg(site.config()));
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    for line in [
        "signer       dba, Ed25519, kid ",
        "only from    dba\n",
        "namespaces   team-*: onlyFrom *\n",
        "  only from    dba\n",
        "warning      no `onlyFrom` names signer `ops`",
    ] {
        assert!(done.stdout.contains(line), "{line}\n{}", done.stdout);
    }
}

#[test]
fn check_config_says_what_would_be_served() {
    let site = Site::new();
    let by_flag = run(program()
        .arg("check-config")
        .arg("--config")
        .arg(site.config()));
    assert_eq!((by_flag.code, by_flag.stderr.as_str()), (Some(0), ""));
    let by_name = run(program().arg("check-config").arg(site.config()));
    assert_eq!(by_name.stdout, by_flag.stdout);
    let by_environment = run(program()
        .arg("check-config")
        .env("PRIVY_WEBHOOK_CONFIG", site.config()));
    assert_eq!(by_environment.stdout, by_flag.stdout);

    let recipient = site.payments.recipient();
    let mut text = by_flag
        .stdout
        .replace(&format!("{}/", site.pki.folder().display()), "")
        .replace(recipient.kid(), "KID");
    for group in recipient.spoken_fingerprint().groups() {
        text = text.replace(&format!("{group:05}"), "00000");
    }
    let lines = text.lines().map(|line| {
        let line = if line.contains("more days") {
            "             valid for N more days"
        } else {
            line
        };
        // It depends on the machine's memory.
        line.split(" in ").next().unwrap().to_owned()
    });
    insta::assert_snapshot!(lines.collect::<Vec<_>>().join("\n"));
}

#[test]
fn check_config_tells_every_problem_and_exits_2() {
    let site = Site::new();
    site.write(
        "webhook.yaml",
        &BASE
            .replace("prod-eu", "17")
            .replace("drain: 0s", "drain: soon"),
    );
    let ended = run(program().arg("check-config").arg(site.config()));
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""));
    let lines: Vec<&str> = ended.stderr.lines().collect();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(
        lines[0]
            .ends_with("webhook.yaml:12: cluster: must be a text (put it in quotes), not a number"),
        "{lines:?}"
    );
    // And it does not start with it.
    assert_eq!(
        run(program().arg("--config").arg(site.config())).code,
        Some(2)
    );
}

#[test]
fn a_port_in_use_is_exit_code_1() {
    let site = Site::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = format!("listen: {}\nhealth", taken.local_addr().unwrap());
    site.write(
        "webhook.yaml",
        &BASE.replace("listen: 127.0.0.1:0\nhealth", &listen),
    );
    let ended = run(program().arg("--config").arg(site.config()));
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("cannot be listened on"),
        "{}",
        ended.stderr
    );
}

#[test]
fn sigterm_and_sigint_end_it_with_exit_code_0() {
    let site = Site::new();
    for signal in ["TERM", "INT"] {
        let (status, stdout, log) = Serving::start(&site, &[]).end(signal);
        assert_eq!(status.code(), Some(0), "{log}");
        assert_eq!(stdout, "");
        assert!(log.contains("\"stopped\""), "{log}");
    }
}

/// Every path that a value takes, at the loudest log level: it stands in the answer and nowhere else.
#[test]
fn nothing_secret_is_logged_even_at_trace() {
    let site = Site::new();
    let recipients = [site.payments.recipient().clone()];
    let sealed = |key: &str| {
        let place = Place::new("payments", "db", key).unwrap();
        let mut sealer = Sealer::new(&recipients).unwrap();
        let envelope = sealer
            .seal(CANARY.as_bytes(), &Binding::exact(&place))
            .unwrap();
        base64(envelope.to_string().as_bytes())
    };
    let (good, elsewhere) = (sealed("password"), sealed("other"));
    let review = |data: &serde_json::Value| common::admission_review("payments", "db", data);
    let plain = base64(CANARY.as_bytes());

    let serving = Serving::start(&site, &["--log", "trace"]);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let metrics = runtime.block_on(async {
        let mut client = Client::connect(serving.addr, &site.pki, Some("kube-apiserver"))
            .await
            .unwrap();
        for _ in 0..2 {
            let answer = client
                .review(&review(
                    &serde_json::json!({"password": good, "plain": plain}),
                ))
                .await
                .unwrap();
            assert_eq!(patched(&answer.json()), CANARY.as_bytes());
        }
        let mut damaged = good.clone();
        damaged.replace_range(200..204, "AAAA");
        for value in [elsewhere.as_str(), damaged.as_str()] {
            let answer = client
                .review(&review(
                    &serde_json::json!({"password": value, "plain": plain}),
                ))
                .await
                .unwrap();
            assert_eq!(answer.json()["response"]["allowed"], false);
            assert!(!answer.text().contains(CANARY) && !answer.text().contains(&plain));
        }
        let broken = format!("{{\"request\": {{\"object\": \"{CANARY}");
        assert_eq!(client.review(broken.as_bytes()).await.unwrap().status, 400);
        let mut health = Client::plain(serving.health).await.unwrap();
        health
            .send(b"GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n")
            .await
            .unwrap();
        health.response().await.unwrap().text()
    });
    let (status, audit, log) = serving.end("TERM");
    assert_eq!(status.code(), Some(0));
    assert_eq!(audit.lines().count(), 5, "{audit}");
    assert!(log.contains("TRACE"), "the level is in force");
    for (what, text) in [("audit", &audit), ("log", &log), ("metrics", &metrics)] {
        for secret in [CANARY, plain.as_str(), good.as_str(), elsewhere.as_str()] {
            assert!(!text.contains(secret), "{what} holds {secret}:\n{text}");
        }
        // Byte lists are how `Debug` prints what is no text.
        assert!(
            !text.contains("99, 97, 110, 97, 114, 121"),
            "{what}:\n{text}"
        );
    }
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}
