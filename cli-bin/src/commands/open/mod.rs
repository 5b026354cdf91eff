//! `privy open`: one envelope, or one value of a manifest, opened with local keys or key services by the code that the webhook runs.

mod manifest;
mod place;

use std::time::Duration;

use anyhow::anyhow;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jwe_envelope::Plaintext;
use serde::Serialize;
use tokio::time::Instant;
use unseal_policy::decide::{Admission, Change, Code, OpeningContext, Policy, Site};
use unseal_policy::open::OpenRefusal;
use zeroize::Zeroizing;

use self::place::Place;
use crate::cli::{OpenArgs, ValueFormat};
use crate::failure::{Exit, Failure};
use crate::io::files::{self, Audience, Existing};
use crate::io::{Io, read_bounded};
use crate::keys::services;
use crate::opening::{self, Keyring, Usage, open_value};

/// No envelope is longer (1.5 MiB), spaces around it apart.
const ENVELOPE_LIMIT: usize = 3 * 512 * 1024;

/// A local key answers in milliseconds; the deadline is there because the seam wants one.
const DEADLINE: Duration = Duration::from_mins(1);

/// Opens the envelope on standard input, or that of a manifest's field.
///
/// # Errors
/// Exit 1 when it is refused, 2 for wrong usage, 3 when the key is not available. With `--output json` the
/// refusal is the result, and only wrong usage is an error.
pub fn run(args: &OpenArgs, io: &mut Io<'_>) -> Result<Exit, Failure> {
    if args.out.is_some() && args.output == ValueFormat::Json {
        return Err(Failure::usage(anyhow!(
            "--out takes the value's bytes, and --output json asks for something else"
        ))
        .hint("leave one of them out"));
    }
    let ended = attempt(args, io);
    match args.output {
        ValueFormat::Raw => {
            let (plaintext, _) = ended.map_err(Refused::into_failure)?;
            deliver(&plaintext, args, io)
        }
        ValueFormat::Json => report(ended, io),
    }
}

/// Why nothing was opened, and how many private-key operations it took to find out.
struct Refused {
    code: &'static str,
    message: String,
    failure: Failure,
    unwraps: u64,
}

impl Refused {
    fn before_any_key(code: Code, failure: Failure) -> Self {
        Self {
            code: code.as_str(),
            message: failure.message(),
            failure,
            unwraps: 0,
        }
    }

    fn misconfigured(failure: Failure) -> Self {
        Self::before_any_key(Code::Misconfigured, failure)
    }

    fn by_the_webhooks_code(refusal: &OpenRefusal, unwraps: u64) -> Self {
        let message = refusal.to_string();
        let (code, next_step) = (refusal.code(), refusal.refusal.next_step.clone());
        let next_step = match code {
            // The administrator of the library's words is anyone who runs this command.
            Code::Unbound => {
                "add --allow-unbound if you know where the envelope comes from".to_owned()
            }
            // What the webhook advises is for its administrator and anyone who applies the Secret; here someone has the
            // key.
            Code::UnknownKey => {
                "give the private key that it is sealed for with --key FILE; `privy inspect` shows the key's id".to_owned()
            }
            Code::WrongPlace => {
                "give the place that it is sealed for with --for NAMESPACE/NAME/FIELD; `privy inspect` shows it".to_owned()
            }
            Code::NotAnEnvelope => {
                "give an envelope as it is in a manifest; `privy open FILE FIELD` finds it there".to_owned()
            }
            _ => next_step,
        };
        Self {
            code: code.as_str(),
            message,
            failure: opening::failure(refusal).hint(next_step),
            unwraps,
        }
    }

    fn into_failure(self) -> Failure {
        self.failure
    }
}

fn attempt(args: &OpenArgs, io: &mut Io<'_>) -> Result<(Plaintext, u64), Refused> {
    let runtime = services::runtime().map_err(Refused::misconfigured)?;
    let usage = Usage {
        allow_unbound: args.allow_unbound,
        calls_per_second: None,
    };
    let keyring = runtime
        .block_on(Keyring::read(&args.key, usage, io))
        .map_err(Refused::misconfigured)?;
    let from_manifest = match &args.file {
        Some(file) => Some(manifest::read(file, args).map_err(Refused::misconfigured)?),
        None => None,
    };
    let (envelope, place) = if let Some(found) = &from_manifest {
        (found.envelope.clone(), found.place())
    } else {
        if io.can_ask() {
            io.say(
                "reading an envelope from the terminal; end it with Ctrl-D on a line of its own",
            );
        }
        let envelope = read(io)?;
        let place = Place::of(args).map_err(Refused::misconfigured)?;
        let place = place
            .for_envelope(&envelope)
            .map_err(Refused::misconfigured)?;
        (envelope, place)
    };
    let site = Site {
        namespace: place.namespace,
        name: place.name,
        key: place.field,
        signature: None,
        caller: match &args.sa {
            Some(service_account) => OpeningContext::RunTime { service_account },
            None => OpeningContext::Admission(Admission::new(Change::Created)),
        },
    };
    let policy = Policy {
        cluster: args.cluster.clone(),
        ..Policy::default()
    };
    let now = io.now;
    let opened = runtime.block_on(async {
        let deadline = Instant::now() + DEADLINE;
        open_value(&envelope, &site, &policy, keyring.registry(), now, deadline).await
    });
    match opened {
        Ok(plaintext) => Ok((plaintext, keyring.unwraps())),
        Err(refusal) => Err(Refused::by_the_webhooks_code(&refusal, keyring.unwraps())),
    }
}

fn read(io: &mut Io<'_>) -> Result<Zeroizing<Vec<u8>>, Refused> {
    // Twice the limit leaves room for spaces around the envelope.
    let bytes = read_bounded(io.stdin, 2 * ENVELOPE_LIMIT).map_err(|error| {
        Refused::misconfigured(Failure::usage(
            anyhow::Error::new(error).context("cannot read the envelope from standard input"),
        ))
    })?;
    bytes
        .filter(|bytes| bytes.trim_ascii().len() <= ENVELOPE_LIMIT)
        .ok_or_else(|| {
            let failure = Failure::refused(anyhow!(
                "standard input is larger than any envelope (1.5 MiB)"
            ));
            Refused::before_any_key(
                Code::TooLarge,
                failure.hint("give one envelope; for a manifest, see `privy inspect`"),
            )
        })
}

fn deliver(plaintext: &Plaintext, args: &OpenArgs, io: &mut Io<'_>) -> Result<Exit, Failure> {
    let bytes = plaintext.expose();
    if let Some(path) = &args.out {
        files::create(path, bytes, Audience::Owner, Existing::Replace)?;
        return Ok(Exit::Done);
    }
    if io.terminal.stdout && !is_text(bytes) {
        return Err(Failure::refused(anyhow!(
            "the value is binary, and a terminal may take its bytes for commands"
        ))
        .hint("write it to a file with --out FILE"));
    }
    io.answer(bytes)?;
    Ok(Exit::Done)
}

/// Whether a terminal shows the bytes and does nothing else.
fn is_text(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok_and(|text| {
        text.chars()
            .all(|letter| !letter.is_control() || "\n\r\t".contains(letter))
    })
}

/// A refusal, for programs; members in this order.
#[derive(Serialize)]
struct Answer<'a> {
    ok: bool,
    code: &'a str,
    message: &'a str,
    unwraps: u64,
}

fn report(ended: Result<(Plaintext, u64), Refused>, io: &mut Io<'_>) -> Result<Exit, Failure> {
    match ended {
        Ok((plaintext, unwraps)) => {
            let bytes = plaintext.expose();
            let tail = format!("\",\"unwraps\":{unwraps}}}\n");
            // Room for everything at once: a text that grows leaves copies of the value behind.
            let mut text = Zeroizing::new(String::with_capacity(
                64 + bytes.len().div_ceil(3) * 4 + tail.len(),
            ));
            text.push_str("{\"ok\":true,\"plaintext\":\"");
            STANDARD.encode_string(bytes, &mut text);
            text.push_str(&tail);
            io.answer(text.as_bytes())?;
            Ok(Exit::Done)
        }
        Err(refused) => {
            let answer = Answer {
                ok: false,
                code: refused.code,
                message: &refused.message,
                unwraps: refused.unwraps,
            };
            let mut text = serde_json::to_vec(&answer).map_err(Failure::usage)?;
            text.push(b'\n');
            io.answer(&text)?;
            Ok(refused.failure.exit())
        }
    }
}

#[cfg(test)]
mod tests;
