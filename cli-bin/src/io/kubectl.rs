//! The user's own `kubectl`, asked for one Secret.
use std::process::{Command, Stdio};

use anyhow::anyhow;
use zeroize::Zeroizing;

use super::read_bounded;
use crate::failure::Failure;
use crate::text::printable;

/// A Secret with everything that clients and controllers add to it.
const LIMIT: usize = 8 * 1024 * 1024;

/// The Secret as JSON, in memory that is wiped; `None` when there is none.
///
/// # Errors
/// Exit 2 without `kubectl` and for what is no name, exit 3 when the cluster does not answer.
pub fn secret(
    namespace: &str,
    name: &str,
    context: Option<&str>,
) -> Result<Option<Zeroizing<Vec<u8>>>, Failure> {
    // Names come from a file: nothing that kubectl would take for a flag or another resource.
    let legal = |word: &str| {
        let plain =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte);
        !word.is_empty() && word.len() <= 253 && !word.starts_with('-') && word.bytes().all(plain)
    };
    if !legal(namespace) || !legal(name) {
        return Err(Failure::usage(anyhow!(
            "{:?} is no name of a Secret that a cluster could have",
            printable(&format!("{namespace}/{name}"), 200)
        ))
        .hint("correct the manifest's metadata"));
    }
    let mut command = Command::new("kubectl");
    if let Some(context) = context {
        command.arg(format!("--context={context}"));
    }
    command
        .args([
            "get",
            "secret",
            name,
            "--namespace",
            namespace,
            "--ignore-not-found",
            "--output",
            "json",
        ])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| {
        Failure::usage(anyhow::Error::new(error).context("the program `kubectl` cannot be run"))
            .hint("install kubectl; files are compared and imported without it")
    })?;
    let stderr = child.stderr.take();
    let words = std::thread::spawn(move || {
        let words = read_bounded(&mut stderr?, 64 * 1024);
        words
            .ok()
            .flatten()
            .map(|words| String::from_utf8_lossy(&words).into_owned())
    });
    let stdout = child.stdout.take();
    let text = stdout.map_or(Ok(None), |mut stdout| read_bounded(&mut stdout, LIMIT));
    let ended = child.wait();
    let words = words.join().ok().flatten().unwrap_or_default();
    let ok = ended.is_ok_and(|status| status.success());
    match text {
        Ok(Some(text)) if ok && text.trim_ascii().is_empty() => Ok(None),
        Ok(Some(text)) if ok => Ok(Some(text)),
        Ok(None) => Err(Failure::unavailable(anyhow!(
            "kubectl's answer is larger than any Secret"
        ))),
        _ => {
            let words = printable(words.lines().next().unwrap_or("it said nothing"), 300);
            Err(Failure::unavailable(anyhow!("kubectl failed: {words}"))
                .hint("try it by hand: kubectl auth can-i get secrets"))
        }
    }
}
