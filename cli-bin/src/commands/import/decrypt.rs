//! The user's own `sops`, called as a child.
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::anyhow;
use zeroize::Zeroizing;

use crate::failure::Failure;
use crate::io::files::MANIFEST_LIMIT;
use crate::io::read_bounded;
use crate::text::{Shown as _, printable};

/// What is repeated of the words of a program.
const MOST_WORDS: usize = 2000;

/// Decrypts a file in memory. `sops` finds its keys by itself: in its environment, its agents, its clouds.
///
/// # Errors
/// Exit 2 when the program is not there; exit 1 when it refuses, which it does when a MAC does not fit.
pub(super) fn sops(program: &Path, path: &Path, form: &str) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let missing = |error| {
        Failure::usage(
            anyhow::Error::new(error).context(format!("cannot run `{}`", program.shown())),
        )
        .hint(
            "install sops, or name it with --sops PROGRAM; privy has files of SOPS decrypted by it",
        )
    };
    let mut child = Command::new(program)
        .args(["--decrypt", "--input-type", form, "--output-type", form])
        .arg(not_a_flag(path))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(missing)?;
    let words = child.stderr.take().map(|mut stderr| {
        std::thread::spawn(move || {
            let mut words = Vec::new();
            let mut kept = std::io::Read::take(&mut stderr, 64 * 1024);
            let _ = std::io::Read::read_to_end(&mut kept, &mut words);
            // The rest, so that the program does not wait for someone to read it.
            let _ = std::io::copy(&mut stderr, &mut std::io::sink());
            words
        })
    });
    let plain = match child.stdout.take() {
        Some(mut stdout) => read_bounded(&mut stdout, MANIFEST_LIMIT),
        None => Ok(None),
    };
    if !matches!(plain, Ok(Some(_))) {
        let _ = child.kill();
    }
    let status = child.wait().map_err(missing)?;
    let words = words
        .and_then(|words| words.join().ok())
        .unwrap_or_default();
    let plain = plain
        .map_err(missing)?
        .ok_or_else(|| Failure::refused(anyhow!("it decrypts to more than any manifest has")))?;
    if status.success() {
        return Ok(plain);
    }
    let words = String::from_utf8_lossy(&words);
    let words = words.split_whitespace().collect::<Vec<_>>().join(" ");
    Err(
        Failure::refused(anyhow!("sops: {}", printable(&words, MOST_WORDS)))
            .hint("`sops --decrypt FILE` must work where you call privy; nothing was written"),
    )
}

/// A path that no program reads as a flag.
fn not_a_flag(path: &Path) -> PathBuf {
    if path.is_absolute() {
        path.to_owned()
    } else {
        Path::new(".").join(path)
    }
}
