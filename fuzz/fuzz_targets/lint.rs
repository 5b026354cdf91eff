//! Any bytes as a repository that `privy lint` checks: manifest, `.privy.yaml`, webhook configuration and kustomization.
//! No panic, no endless work, reports that programs can read, and no failure but "this configuration is not valid".
#![no_main]

use std::path::PathBuf;
use std::sync::LazyLock;

use cli_bin::cli::lint::{LintArgs, LintFormat};
use cli_bin::commands::lint::{lint, report};
use cli_bin::io::{Io, Terminals};
use cli_bin::failure::Exit;
use jwe_envelope::{Binding, CardKey, Curve, KeyCard, KeyKind, LocalKey, Place, Sealer};
use libfuzzer_sys::fuzz_target;

/// What the parts of the input are, in their order. One that is only spaces or missing is not there.
const FILES: [&str; 4] = ["db.yaml", ".privy.yaml", "webhook.yaml", "kustomization.yaml"];
const NOW: u64 = 1_800_000_000;

/// A folder of this process, and an envelope for payments/db/password.
static SETUP: LazyLock<(PathBuf, String)> = LazyLock::new(|| {
    let folder = std::env::temp_dir().join(format!("privy-fuzz-lint-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a new folder");
    let key = LocalKey::generate(KeyKind::Ec(Curve::P256)).expect("a new key");
    let card = CardKey { name: Some("payments".to_owned()), ..CardKey::new(key.recipient().clone()) };
    let card = KeyCard::new(vec![card]).expect("a good card").to_json_pretty();
    std::fs::write(folder.join("payments.card.json"), card).expect("a writable folder");
    let place = Place::new("payments", "db", "password").expect("a legal place");
    let mut sealer = Sealer::new(std::slice::from_ref(key.recipient())).expect("a usable key");
    let text = sealer.seal(b"hunter2", &Binding::exact(&place)).expect("a small value").to_string();
    (folder, text)
});

// `%%` on a line of its own ends a file; `@@` stands for the envelope.
fuzz_target!(|bytes: &[u8]| {
    let (folder, envelope) = &*SETUP;
    let mut parts = split(bytes);
    parts.resize(FILES.len(), None);
    for (name, part) in FILES.iter().zip(&parts) {
        let path = folder.join(name);
        match part {
            None => drop(std::fs::remove_file(path)),
            Some(part) => {
                let text = match std::str::from_utf8(part) {
                    Ok(text) if text.contains("@@") => text.replacen("@@", envelope, 4).into_bytes(),
                    _ => part.to_vec(),
                };
                std::fs::write(path, text).expect("a writable folder");
            }
        }
    }
    let args = LintArgs {
        paths: vec![folder.clone()],
        key: if parts[1].is_none() { vec![folder.join("payments.card.json")] } else { Vec::new() },
        policy: parts[2].map(|_| folder.join("webhook.yaml")),
        output: LintFormat::Json,
        ..LintArgs::default()
    };
    let (mut stdin, mut stdout, mut stderr) = (std::io::empty(), std::io::sink(), std::io::sink());
    let mut io = Io {
        stdin: &mut stdin,
        stdout: &mut stdout,
        stderr: &mut stderr,
        terminal: Terminals::default(),
        hidden: &mut |_| Err(std::io::ErrorKind::Unsupported.into()),
        discard_typed: &mut || (),
        environment: &|_| None,
        now: NOW,
    };
    match lint(&args, &mut io) {
        Ok(outcome) => {
            drop(report::text::print(&outcome, report::Paint::for_stdout(&io)));
            for text in [report::json::print(&outcome), report::sarif::print(&outcome)] {
                serde_json::from_str::<serde_json::Value>(&text).expect("a report is JSON");
            }
        }
        Err(failure) => assert_eq!(failure.exit(), Exit::Usage, "{}", failure.message()),
    }
});

fn split(bytes: &[u8]) -> Vec<Option<&[u8]>> {
    let mut parts = Vec::new();
    let mut rest = bytes;
    while parts.len() + 1 < FILES.len() {
        let Some(at) = rest.windows(4).position(|window| window == b"\n%%\n") else { break };
        parts.push(&rest[..=at]);
        rest = &rest[at + 4..];
    }
    parts.push(rest);
    // What is only spaces is not there.
    parts.into_iter().map(|part| Some(part).filter(|part| !part.trim_ascii().is_empty())).collect()
}
