//! The program itself: command line, exit codes, signals, and what it prints.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use jwe_envelope::{Binding, Place, Sealer};
use test_support::client::Client;
use test_support::client::PATIENCE;
use test_support::keys::patched;
use test_support::requests::{CANARY, plain_review};
use test_support::site::{BASE, SIGNERS, Site};

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
    stdout: Option<BufReader<ChildStdout>>,
    /// What it has logged until it was ready.
    log: Vec<String>,
    rest_of_log: std::sync::mpsc::Receiver<String>,
    addr: SocketAddr,
    health: SocketAddr,
}

impl Serving {
    fn start(site: &Site, arguments: &[&str]) -> Self {
        Self::spawn(program().arg("--config").arg(site.config()).args(arguments))
    }

    #[allow(clippy::zombie_processes, reason = "a test that ends here has failed")]
    fn spawn(command: &mut Command) -> Self {
        let mut child = command.spawn().unwrap();
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
                    stdout: child.stdout.take().map(BufReader::new),
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
        let mut printed = self.stdout.take().unwrap();
        printed.read_to_string(&mut stdout).unwrap();
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

/// Every path that a value takes, at the loudest log level: it is in the answer and nowhere else.
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
    let review =
        |data: &serde_json::Value| test_support::requests::admission_review("payments", "db", data);
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

/// SIGHUP after each change: a good configuration answers the next review, a bad one changes nothing, and the audit log
/// goes on in a new file when the old one was moved away.
#[test]
fn a_hangup_reloads_the_configuration_and_reopens_the_audit_log() {
    let site = Site::new();
    let audit = site.pki.path("audit.log");
    let with_audit = format!("{BASE}audit:\n  file: audit.log\n");
    site.write("webhook.yaml", &with_audit);
    let place = Place::new("payments", "db", "password").unwrap();
    let sealed = Sealer::new(&[site.payments.recipient().clone()])
        .unwrap()
        .seal(CANARY.as_bytes(), &Binding::exact(&place))
        .unwrap();
    let data = serde_json::json!({"password": base64(sealed.to_string().as_bytes())});
    let review = test_support::requests::admission_review("payments", "db", &data);

    let serving = Serving::start(&site, &[]);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let allowed = async || {
            let mut client = Client::connect(serving.addr, &site.pki, Some("kube-apiserver"))
                .await
                .unwrap();
            let answer = client.review(&review).await.unwrap().json();
            (
                answer["response"]["allowed"].as_bool().unwrap(),
                answer.to_string(),
            )
        };
        let reloaded = async |outcome: &str, times: u32| {
            serving.signal("HUP");
            let line = format!("privy_config_reload_total{{outcome=\"{outcome}\"}} {times}\n");
            let begun = Instant::now();
            loop {
                let mut health = Client::plain(serving.health).await.unwrap();
                health
                    .send(b"GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n")
                    .await
                    .unwrap();
                let metrics = health.response().await.unwrap().text();
                if metrics.contains(&line) {
                    return metrics;
                }
                assert!(begun.elapsed() < PATIENCE, "{metrics}");
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        assert!(allowed().await.0);

        let narrower = with_audit.replace("[\"payments\", \"team-*\"]", "[\"team-*\"]");
        site.write("webhook.yaml", &narrower);
        assert!(allowed().await.0, "nothing changes without the signal");
        let begun = Instant::now();
        while std::fs::read_to_string(&audit).unwrap().lines().count() < 2 {
            assert!(
                begun.elapsed() < PATIENCE,
                "lines are written within milliseconds"
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        std::fs::rename(&audit, site.pki.path("audit.log.1")).unwrap();
        reloaded("replaced", 1).await;
        let (opened, answer) = allowed().await;
        assert!(
            !opened && answer.contains("namespace-not-allowed"),
            "{answer}"
        );

        site.write("webhook.yaml", &with_audit.replace("prod-eu", "17"));
        reloaded("kept-old", 1).await;
        assert!(!allowed().await.0, "the previous configuration stays");

        let elsewhere =
            with_audit.replace("listen: 127.0.0.1:0\nhealth", "listen: 127.0.0.1:1\nhealth");
        site.write("webhook.yaml", &elsewhere);
        let metrics = reloaded("replaced", 2).await;
        assert!(metrics.contains("privy_refusals_total{reason=\"namespace-not-allowed\"} 2\n"));
        assert!(
            allowed().await.0,
            "the key's namespaces are the first ones again"
        );
    });
    let (status, _, log) = serving.end("TERM");
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(
        log.contains("cluster: must be a text"),
        "what is wrong: {log}"
    );
    assert!(log.contains("only after a restart"), "{log}");
    assert!(log.contains("\"members\":\"listen\""), "{log}");
    let lines = |path: &std::path::Path| std::fs::read_to_string(path).unwrap().lines().count();
    assert_eq!(
        (lines(&site.pki.path("audit.log.1")), lines(&audit)),
        (2, 3)
    );
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// The container's limit and what the program makes of it: deploy/manifests/40-deployment.yaml, `limits.rs`.
const CONTAINER: u64 = 128 << 20;
const INFLIGHT: &str = "limits:\n  inflightBytes: 24MiB\n";
const LARGEST: usize = 7_500_000;

/// `count` members of `data` or of annotations, the same for each but for its number.
fn members(count: usize, value: impl Fn(usize) -> String) -> String {
    let members: Vec<String> = (0..count)
        .map(|number| format!("\"k{number}\":\"{}\"", value(number)))
        .collect();
    format!("{{{}}}", members.join(","))
}

/// Reviews of the largest size in the shapes that cost most memory for it.
fn large_reviews(site: &Site) -> Vec<(&'static str, Vec<u8>)> {
    const MARKER: &str = "\"MARKER\"";
    let marked =
        test_support::requests::admission_review("payments", "db", &serde_json::json!("MARKER"));
    let marked = String::from_utf8(marked).unwrap();
    let review = |data: &str| marked.replacen(MARKER, data, 1);
    // As many as make the largest body.
    let fill = |make: &dyn Fn(usize) -> String| {
        let mut count = 100;
        for _ in 0..2 {
            count = count * LARGEST / make(count).len();
        }
        make(count).into_bytes()
    };
    let many_kinds =
        |number| base64(format!("{{\"ciphertext\":\"{number}\",\"header\":{number}}}").as_bytes());
    let long = base64(format!("eyJ{}", "x".repeat(40_000)).as_bytes());
    let envelopes: Vec<String> = {
        let binding = Binding::namespace("payments").unwrap();
        let recipients = [site.payments.recipient().clone()];
        let mut envelope_of = Sealer::new(&recipients).unwrap();
        let value = "x".repeat(3_500);
        let all = (0..1_000).map(|_| envelope_of.seal(value.as_bytes(), &binding).unwrap());
        all.map(|envelope| base64(envelope.to_string().as_bytes()))
            .collect()
    };
    let annotated = |count| {
        let annotations = members(count, |_| "eyJhbGciOiJ".to_owned());
        let annotations = annotations.replace("\"k", "\"privyseal.dev/data.k");
        let metadata = format!("\"metadata\":{{\"annotations\":{annotations},");
        review("{}").replacen("\"metadata\":{", &metadata, 1)
    };
    let twice = |count| {
        let whole = review(&members(count, many_kinds));
        // The members of the object are in alphabetical order or in that of the source, as serde_json was built.
        let (_, object) = whole.split_once("\"object\":").unwrap();
        let object = balanced(object);
        whole
            .replacen("\"oldObject\":null", &format!("\"oldObject\":{object}"), 1)
            .replacen("\"CREATE\"", "\"UPDATE\"", 1)
    };
    vec![
        (
            "small plain values",
            fill(&|n| review(&members(n, |_| "YQ==".to_owned()))),
        ),
        ("damaged values", fill(&|n| review(&members(n, many_kinds)))),
        (
            "long damaged values",
            fill(&|n| review(&members(n, |_| long.clone()))),
        ),
        ("sealed annotations", fill(&annotated)),
        ("stored damage", fill(&twice)),
        (
            "sealed values",
            review(&members(1_000, |n| envelopes[n].clone())).into_bytes(),
        ),
    ]
}

/// The object that a text begins with; its strings have no braces.
fn balanced(text: &str) -> &str {
    let mut depth = 0;
    let end = text.bytes().position(|byte| {
        depth += i32::from(byte == b'{') - i32::from(byte == b'}');
        depth == 0
    });
    &text[..=end.unwrap()]
}

/// A line of `/proc/PID/status`, in bytes.
fn memory(child: &Child, name: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let kibibytes = line.unwrap().trim().trim_end_matches(" kB");
    kibibytes.parse::<u64>().unwrap() << 10
}

/// Asks `/livez` again and again until the sender is gone, and returns how often.
fn probe(health: SocketAddr, until: &std::sync::mpsc::Receiver<()>) -> usize {
    use std::io::Write as _;
    let mut answers = 0;
    while until.recv_timeout(Duration::from_millis(20))
        == Err(std::sync::mpsc::RecvTimeoutError::Timeout)
    {
        let mut probe = std::net::TcpStream::connect(health).unwrap();
        probe.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(probe, "GET /livez HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
        let mut answer = String::new();
        probe.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        answers += 1;
    }
    answers
}

/// Sends eight at one time and returns their answers' status codes.
async fn eight_at_once(addr: SocketAddr, site: &Site, body: &[u8]) -> Vec<u16> {
    let mut clients = Vec::new();
    for _ in 0..8 {
        let client = Client::connect(addr, &site.pki, Some("kube-apiserver")).await;
        clients.push(client.unwrap());
    }
    let mut reviews = tokio::task::JoinSet::new();
    for mut client in clients {
        let body = body.to_vec();
        reviews.spawn(async move {
            let answer = client.review_with_query("timeout=30s", &body).await;
            answer.unwrap().status
        });
    }
    reviews.join_all().await
}

#[cfg(target_os = "linux")]
#[test]
fn eight_of_the_largest_reviews_at_once_fit_into_the_container_and_its_probe_is_answered() {
    let site = Site::new();
    site.write("webhook.yaml", &BASE.replace("limits:\n", INFLIGHT));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    for (what, body) in large_reviews(&site) {
        assert!(
            body.len() > LARGEST * 9 / 10 && body.len() < 8 << 20,
            "{what}: {}",
            body.len()
        );
        // More threads than this machine has cores may be at work at one time elsewhere.
        let mut command = program();
        command
            .arg("--config")
            .arg(site.config())
            .env("TOKIO_WORKER_THREADS", "8");
        let mut serving = Serving::spawn(&mut command);
        let mut audit = serving.stdout.take().unwrap();
        std::thread::spawn(move || std::io::copy(&mut audit, &mut std::io::sink()));
        // The pages of the program's file are not the container's to keep.
        let pages_of_files = memory(&serving.child, "RssFile");
        let (done, until) = std::sync::mpsc::channel();
        let health = serving.health;
        let prober = std::thread::spawn(move || probe(health, &until));
        let answers = runtime.block_on(eight_at_once(serving.addr, &site, &body));
        drop(done);
        assert!(prober.join().unwrap() > 0, "{what}");
        assert!(answers.contains(&200), "{what}: {answers:?}");
        assert!(
            answers.iter().all(|status| [200, 429].contains(status)),
            "{what}: {answers:?}"
        );
        let highest = memory(&serving.child, "VmHWM") - pages_of_files;
        assert!(highest <= CONTAINER, "{what}: {highest} bytes, {answers:?}");
    }
}
