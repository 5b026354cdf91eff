//! Whole-process load: the real `privy-webhook` beside a no-op hyper and rustls server, each by itself
//! on one core, the generator on another, in turn, in one run.
#![allow(clippy::print_stdout, reason = "a measurement prints its figures")]

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use aws_lc_rs::rsa::{
    OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey, OaepPublicEncryptingKey, PrivateDecryptingKey,
};
use benches::{load, noop, review, setup::Setup, wrk};
use clap::{Parser, Subcommand};
use jwe_envelope::{Curve, KeyKind};
use rustix::thread::{CpuSet, sched_setaffinity};

#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Sub>,
    /// Seconds per counted run.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Pairs of runs: no-op, webhook, no-op, webhook, …
    #[arg(long, default_value_t = 3)]
    pairs: usize,
    /// Connections that are kept open.
    #[arg(long, default_value_t = 16)]
    connections: usize,
    /// Has `wrk` send the requests of the first table, instead of the generator built in, which is lighter and so moves
    /// the limit up. The webhook then knows its caller by the address.
    #[arg(long)]
    wrk: bool,
    /// The webhook's binary; by default the one beside this program.
    #[arg(long)]
    webhook: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Sub {
    /// Serves the no-op answer (started by this program itself).
    #[command(hide = true)]
    Noop { port: u16, folder: PathBuf },
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    if let Some(Sub::Noop { port, folder }) = arguments.command {
        return noop::serve((Ipv4Addr::LOCALHOST, port).into(), &folder);
    }
    let webhook = match &arguments.webhook {
        Some(path) => path.clone(),
        None => std::env::current_exe()?.with_file_name("privy-webhook"),
    };
    if !webhook.exists() {
        bail!(
            "{} is missing: build it first with `cargo build --release`",
            webhook.display()
        );
    }
    if arguments.wrk && !wrk::is_installed() {
        bail!("wrk is missing: Debian has it as the package `wrk`");
    }
    cached(&arguments, &webhook)?;
    uncached(&arguments, &webhook)
}

/// A cached content key: throughput against the no-op server, latency, memory, start-up.
fn cached(arguments: &Arguments, webhook: &Path) -> Result<()> {
    let setup = Setup::new(KeyKind::Ec(Curve::P256), 18_443)?;
    let body = review::sealed(setup.key.recipient(), b"correct horse battery staple")?;
    if arguments.wrk {
        setup.admit_this_host()?;
        wrk::prepare(&setup, &body)?;
    }
    println!(
        "one review: {} bytes, one envelope (ECDH-ES+A256KW, A256GCM), content key cached",
        body.len()
    );
    println!(
        "{:>8} {:>12} {:>10} {:>10} {:>8}",
        "server", "reviews/s", "p50 ms", "p99 ms", "cpu %"
    );
    let mut ratios = Vec::new();
    for _ in 0..arguments.pairs {
        let mut rates = [0.0; 2];
        for (slot, name) in ["no-op", "webhook"].into_iter().enumerate() {
            let (mut server, port) = start(name, &setup, webhook, slot)?;
            let expect = if slot == 0 {
                r#""allowed":true"#
            } else {
                "JSONPatch"
            };
            let row = measure(arguments, &setup, &body, (port, server.0.id()), expect)?;
            println!(
                "{name:>8} {:>12.0} {:>10.3} {:>10.3} {:>8.0}",
                row.rate,
                milliseconds(row.median),
                milliseconds(row.p99),
                row.cpu
            );
            rates[slot] = row.rate;
            server.stop();
        }
        ratios.push(rates[1] / rates[0]);
    }
    ratios.sort_by(f64::total_cmp);
    println!(
        "webhook / no-op: median {:.2}, from {:.2} to {:.2}\n",
        ratios[(ratios.len() - 1) / 2],
        ratios[0],
        ratios[ratios.len() - 1]
    );
    idle(&setup, webhook)
}

/// What one run says of one server.
struct Row {
    rate: f64,
    median: Duration,
    p99: Duration,
    /// Of one core, in per cent.
    cpu: f64,
}

/// Warms up, looks at the answers, and counts.
fn measure(
    arguments: &Arguments,
    setup: &Setup,
    body: &str,
    (port, pid): (u16, u32),
    expect: &'static str,
) -> Result<Row> {
    let tls = setup.client_config()?;
    let bodies = [body.to_owned()];
    let generate = |warm_up, time| {
        load::run(
            address(port),
            &tls,
            &bodies,
            arguments.connections,
            warm_up,
            time,
            expect,
        )
    };
    let time = Duration::from_secs(arguments.seconds);
    generate(Duration::ZERO, Duration::from_secs(1))?;
    let before = cpu_seconds(pid)?;
    let (rate, median, p99) = if arguments.wrk {
        wrk::run(setup, port, arguments.connections, time)?
    } else {
        let figures = generate(Duration::ZERO, time)?;
        (figures.rate(), figures.latency(500), figures.latency(990))
    };
    Ok(Row {
        rate,
        median,
        p99,
        cpu: (cpu_seconds(pid)? - before) / time.as_secs_f64() * 100.0,
    })
}

/// Start-up time and memory of an idle webhook.
fn idle(setup: &Setup, webhook: &Path) -> Result<()> {
    let mut ready = Vec::new();
    let mut resident = 0.0;
    for _ in 0..5 {
        let begun = Instant::now();
        let (mut server, _) = start("webhook", setup, webhook, 1)?;
        ready.push(milliseconds(begun.elapsed()));
        std::thread::sleep(Duration::from_millis(200));
        resident = resident_mib(server.0.id())?;
        server.stop();
    }
    ready.sort_by(f64::total_cmp);
    println!(
        "ready after {:.0} ms (median of 5), idle RSS {resident:.1} MiB\n",
        ready[2]
    );
    Ok(())
}

/// Local RSA-4096, every envelope new: against the private operations of bare aws-lc on the same core.
fn uncached(arguments: &Arguments, webhook: &Path) -> Result<()> {
    let setup = Setup::new(KeyKind::Rsa(4096), 18_453)?;
    let tls = setup.client_config()?;
    let enough = usize::try_from(arguments.seconds + 2)? * 700;
    let bodies = (0..enough)
        .map(|_| review::sealed(setup.key.recipient(), b"hunter2"))
        .collect::<Result<Vec<_>>>()?;
    println!(
        "RSA-4096, nothing cached, {} different envelopes",
        bodies.len()
    );
    let mut ratios = Vec::new();
    for _ in 0..arguments.pairs {
        let bare = on_core(0, || {
            bare_operations(&setup, Duration::from_secs(arguments.seconds))
        })?;
        let (mut server, port) = start("webhook", &setup, webhook, 1)?;
        let figures = load::run(
            address(port),
            &tls,
            &bodies,
            arguments.connections,
            Duration::from_secs(1),
            Duration::from_secs(arguments.seconds),
            "JSONPatch",
        )?;
        server.stop();
        println!(
            "bare aws-lc {bare:>6.0}/s   webhook {:>6.0}/s   ratio {:.3}",
            figures.rate(),
            figures.rate() / bare
        );
        ratios.push(figures.rate() / bare);
    }
    ratios.sort_by(f64::total_cmp);
    println!(
        "webhook / bare aws-lc: median {:.3}",
        ratios[(ratios.len() - 1) / 2]
    );
    Ok(())
}

fn bare_operations(setup: &Setup, time: Duration) -> Result<f64> {
    use rustls::pki_types::pem::PemObject as _;
    let pkcs8 = rustls::pki_types::PrivatePkcs8KeyDer::from_pem_file(setup.file("payments.pem"))?;
    let key = PrivateDecryptingKey::from_pkcs8(pkcs8.secret_pkcs8_der())?;
    let public = OaepPublicEncryptingKey::new(key.public_key())?;
    let private = OaepPrivateDecryptingKey::new(key)?;
    let mut ciphertext = vec![0; public.ciphertext_size()];
    let ciphertext = public
        .encrypt(&OAEP_SHA256_MGF1SHA256, &[7; 32], &mut ciphertext, None)?
        .to_vec();
    let mut plaintext = vec![0; private.min_output_size()];
    let (begun, mut operations) = (Instant::now(), 0_u32);
    while begun.elapsed() < time {
        private.decrypt(&OAEP_SHA256_MGF1SHA256, &ciphertext, &mut plaintext, None)?;
        operations += 1;
    }
    Ok(f64::from(operations) / begun.elapsed().as_secs_f64())
}

/// A server process that does not outlive its measurement.
struct Server(Child);

impl Server {
    fn stop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Starts a server on core 0, moves this process to the other core, waits until it accepts.
fn start(name: &str, setup: &Setup, webhook: &Path, slot: usize) -> Result<(Server, u16)> {
    let port = if slot == 0 { 18_441 } else { port_of(setup)? };
    let mut command = if name == "no-op" {
        let mut command = Command::new(std::env::current_exe()?);
        command
            .arg("noop")
            .arg(port.to_string())
            .arg(setup.folder());
        command
    } else {
        let mut command = Command::new(webhook);
        command.arg("--config").arg(setup.file("webhook.yaml"));
        command
    };
    // The audit line is written, as in production, to a file.
    let log = std::fs::File::create(setup.file("audit.log"))?;
    let child = on_core(0, || {
        Ok(command
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(Stdio::null())
            .spawn()?)
    })?;
    let mut server = Server(child);
    let deadline = Instant::now() + Duration::from_secs(10);
    while TcpStream::connect(address(port)).is_err() {
        if let Some(status) = server.0.try_wait()? {
            bail!("{name} ended at once with {status}");
        }
        if Instant::now() > deadline {
            bail!("{name} did not listen within 10 s");
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok((server, port))
}

fn port_of(setup: &Setup) -> Result<u16> {
    let text = std::fs::read_to_string(setup.file("webhook.yaml"))?;
    let port = text
        .lines()
        .find_map(|line| line.strip_prefix("listen: 127.0.0.1:"))
        .context("no listen line")?;
    Ok(port.parse()?)
}

fn address(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

/// Runs `act` on one core, and everything after it on the others.
fn on_core<T>(core: usize, act: impl FnOnce() -> Result<T>) -> Result<T> {
    let mut one = CpuSet::new();
    one.set(core);
    sched_setaffinity(None, &one)?;
    let done = act();
    let mut others = CpuSet::new();
    for other in
        (0..std::thread::available_parallelism()?.get().max(2)).filter(|other| *other != core)
    {
        others.set(other);
    }
    sched_setaffinity(None, &others)?;
    done
}

fn cpu_seconds(pid: u32) -> Result<f64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let fields: Vec<&str> = text
        .rsplit(')')
        .next()
        .context("stat")?
        .split_whitespace()
        .collect();
    let ticks: f64 = fields[11].parse::<f64>()? + fields[12].parse::<f64>()?;
    #[allow(clippy::cast_precision_loss, reason = "a hundred")]
    let per_second = rustix::param::clock_ticks_per_second() as f64;
    Ok(ticks / per_second)
}

fn resident_mib(pid: u32) -> Result<f64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .context("VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<f64>()? / 1024.0)
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
