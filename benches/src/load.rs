//! A closed-loop load generator: keep-alive TLS connections, each sending its next review when the
//! last answer has come. No HTTP library, so that the generator is never the slower side.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// What one run gave.
#[derive(Debug, Default)]
pub struct Figures {
    /// Answers received in the counted time.
    pub answers: u64,
    /// The counted time.
    pub elapsed: Duration,
    /// Every latency in nanoseconds, sorted.
    latencies: Vec<u64>,
}

impl Figures {
    /// Answers per second.
    pub fn rate(&self) -> f64 {
        #[allow(
            clippy::cast_precision_loss,
            reason = "a count of answers in some seconds"
        )]
        let answers = self.answers as f64;
        answers / self.elapsed.as_secs_f64()
    }

    /// The latency that `per_mille` of a thousand answers stay under.
    pub fn latency(&self, per_mille: usize) -> Duration {
        let index =
            (self.latencies.len() * per_mille / 1000).min(self.latencies.len().saturating_sub(1));
        Duration::from_nanos(self.latencies.get(index).copied().unwrap_or_default())
    }
}

/// Sends `bodies` in turn over `connections` connections for `time`, after `warm_up`, and insists
/// that every answer is a 200 that contains `expect`.
pub fn run(
    address: SocketAddr,
    tls: &Arc<rustls::ClientConfig>,
    bodies: &[String],
    connections: usize,
    warm_up: Duration,
    time: Duration,
    expect: &'static str,
) -> Result<Figures> {
    let requests: Arc<[Vec<u8>]> = bodies.iter().map(|body| request(body)).collect();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let start = Instant::now() + warm_up;
        let mut tasks = JoinSet::new();
        for index in 0..connections {
            let (requests, tls) = (Arc::clone(&requests), Arc::clone(tls));
            tasks.spawn(connection(
                address,
                tls,
                requests,
                index,
                connections,
                start,
                start + time,
                expect,
            ));
        }
        let mut figures = Figures {
            elapsed: time,
            ..Figures::default()
        };
        while let Some(latencies) = tasks.join_next().await {
            figures.latencies.extend(latencies??);
        }
        figures.answers = figures.latencies.len() as u64;
        figures.latencies.sort_unstable();
        ensure!(figures.answers > 0, "no answer came");
        Ok(figures)
    })
}

fn request(body: &str) -> Vec<u8> {
    format!(
        "POST /mutate?timeout=10s HTTP/1.1\r\nHost: localhost\r\nUser-Agent: kube-apiserver-admission\r\n\
         Content-Length: {}\r\nAccept: application/json, */*\r\nContent-Type: application/json\r\nAccept-Encoding: gzip\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

#[allow(clippy::too_many_arguments, reason = "one call, above")]
async fn connection(
    address: SocketAddr,
    tls: Arc<rustls::ClientConfig>,
    requests: Arc<[Vec<u8>]>,
    first: usize,
    step: usize,
    start: Instant,
    end: Instant,
    expect: &'static str,
) -> Result<Vec<u64>> {
    let stream = TcpStream::connect(address)
        .await
        .context("cannot connect")?;
    stream.set_nodelay(true)?;
    let name = ServerName::try_from("localhost").context("server name")?;
    let mut stream = tokio_rustls::TlsConnector::from(tls)
        .connect(name, stream)
        .await?;
    let mut buffer = vec![0; 64 * 1024];
    let mut latencies = Vec::with_capacity(1 << 20);
    let mut next = first;
    loop {
        let sent = Instant::now();
        if sent >= end {
            return Ok(latencies);
        }
        stream.write_all(&requests[next % requests.len()]).await?;
        next += step;
        let answer = read_answer(&mut stream, &mut buffer).await?;
        if sent >= start {
            latencies.push(u64::try_from(sent.elapsed().as_nanos()).unwrap_or(u64::MAX));
        }
        // Looking for the word in every answer would cost the generator; one in 64 is enough to notice.
        if latencies.len() % 64 == 0 {
            let text = String::from_utf8_lossy(answer);
            ensure!(
                text.starts_with("HTTP/1.1 200") && text.contains(expect),
                "unexpected answer: {text}"
            );
        }
    }
}

async fn read_answer<'b>(
    stream: &mut tokio_rustls::client::TlsStream<TcpStream>,
    buffer: &'b mut [u8],
) -> Result<&'b [u8]> {
    let mut filled = 0;
    loop {
        let read = stream.read(&mut buffer[filled..]).await?;
        if read == 0 {
            bail!(
                "the server closed the connection: {}",
                String::from_utf8_lossy(&buffer[..filled])
            );
        }
        filled += read;
        if let Some(length) = answer_length(&buffer[..filled])
            && filled >= length
        {
            return Ok(&buffer[..length]);
        }
    }
}

/// Head and body together, once the head is complete.
fn answer_length(bytes: &[u8]) -> Option<usize> {
    let head = bytes.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let text = std::str::from_utf8(&bytes[..head]).ok()?;
    let length = text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim().parse::<usize>().ok())?
    })?;
    Some(head + length)
}
