//! What every key service has: a time limit and a quota.
#![allow(
    dead_code,
    reason = "each service uses a part of it, and a build may have none"
)]

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use kms_backends::CallLimits;
use kms_backends::layer::Quota;
use kms_backends::read_file_bounded;

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

use crate::config::loader::ServingLoader;
use unseal_policy::config::reader::{Setting, SettingMembers};
use unseal_policy::config::{bytes_of, quoted};

/// The system's own bundle has a quarter of this.
const MOST_AUTHORITIES: usize = 1 << 20;

impl ServingLoader<'_> {
    /// `timeout` of one attempt and `callsPerSecond` over all keys.
    pub(super) fn call_limits(&mut self, members: &SettingMembers<'_>, limits: &mut CallLimits) {
        if let Some(field) = members.optional("timeout") {
            let range = Duration::from_millis(100)..=Duration::from_secs(20);
            if let Some(timeout) = field.duration(self.rules.problems, range) {
                limits.attempt_timeout = timeout;
            }
        }
        if let Some(field) = members.optional("callsPerSecond") {
            let calls = field.integer(self.rules.problems, 1..=100_000);
            let calls = calls.and_then(|calls| NonZeroU32::new(u32::try_from(calls).ok()?));
            if let Some(calls) = calls {
                limits.quota = Some(Quota::per_second(calls));
            }
        }
    }

    /// Where a service is: `https://` and a host; plain `http://` to this machine only. `example` is what to write.
    ///
    /// The clients check it again when they are made; here the fault has its line, whether or not a key needs the service.
    pub(super) fn endpoint(&mut self, field: Option<Setting<'_>>, example: &str) -> Option<String> {
        let field = field?;
        let text = field.text(self.rules.problems)?;
        let fault = match endpoint_fault(text) {
            None => return Some(text.to_owned()),
            Some(Fault::NoAddress) => format!("is no address: {}; write `{example}`", quoted(text)),
            Some(Fault::Plain) => format!(
                "plain http would show content keys and tokens to the network; write `{example}`"
            ),
        };
        field.problem(self.rules.problems, fault);
        None
    }

    /// A file of authorities, looked into here and now.
    pub(super) fn authorities(&mut self, field: Option<Setting<'_>>) -> Option<PathBuf> {
        let field = field?;
        let path = self.rules.path(&field)?;
        let fault = match bytes_of(&read_file_bounded, &path, MOST_AUTHORITIES) {
            Err(fault) => fault,
            Ok(pem) => {
                let mut found = CertificateDer::pem_slice_iter(&pem).peekable();
                if found.peek().is_some() && found.all(|one| one.is_ok()) {
                    return Some(path);
                }
                "holds no certificates in PEM; name the file of the authorities that the service's certificate comes from"
                    .to_owned()
            }
        };
        field.problem(self.rules.problems, format!("{} {fault}", path.display()));
        None
    }

    /// A text that is `legal`, or else what it `must` be.
    pub(super) fn word_like(
        &mut self,
        field: Option<Setting<'_>>,
        legal: impl Fn(&str) -> bool,
        must: &str,
    ) -> Option<String> {
        let field = field?;
        let text = field.text(self.rules.problems)?;
        if legal(text) {
            return Some(text.to_owned());
        }
        field.problem(
            self.rules.problems,
            format!("must be {must}, not {}", quoted(text)),
        );
        None
    }

    /// A text, where it stands.
    pub(super) fn optional_text(&mut self, field: Option<Setting<'_>>) -> Option<String> {
        field.and_then(|field| field.text(self.rules.problems).map(str::to_owned))
    }
}

enum Fault {
    NoAddress,
    Plain,
}

fn endpoint_fault(text: &str) -> Option<Fault> {
    let parts = text.split_once("://").filter(|(_, rest)| {
        let host = rest.split('/').next().unwrap_or_default();
        let plain = |c: char| c.is_ascii_alphanumeric() || "-._:/[]%~".contains(c);
        !host.is_empty() && !host.starts_with(':') && rest.chars().all(plain)
    });
    match parts {
        Some(("https", _)) => None,
        Some(("http", rest)) if is_this_machine(rest) => None,
        Some(("http", _)) => Some(Fault::Plain),
        _ => Some(Fault::NoAddress),
    }
}

/// Where plain HTTP is not taken even on this machine.
pub(super) fn is_https(text: &str) -> bool {
    text.starts_with("https://") && endpoint_fault(text).is_none()
}

fn is_this_machine(rest: &str) -> bool {
    let host = rest.split('/').next().unwrap_or_default();
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next(),
        None => host.split(':').next(),
    };
    let name = name.unwrap_or_default();
    name == "localhost" || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}
