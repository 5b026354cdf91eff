//! `privy-webhook check-config`: what a configuration would serve, for people.

use std::fmt::Write;
use std::time::{Duration, SystemTime};

use jwe_envelope::RecipientKey;

use crate::config::{Config, KeyConfig};
use crate::net::caller::CallerMode;
use crate::net::tls::TlsStore;

/// A certificate that ends sooner than this is pointed out.
const SOON: Duration = Duration::from_hours(7 * 24);

/// The summary of a configuration that is good.
pub(crate) fn summary(config: &Config) -> String {
    let mut out = String::new();
    let _ = write_summary(&mut out, config);
    out.truncate(out.trim_end().len());
    out
}

fn write_summary(out: &mut String, config: &Config) -> std::fmt::Result {
    writeln!(out, "{}: good", config.file.display())?;
    writeln!(out)?;
    writeln!(
        out,
        "reviews      https://{}{}",
        config.listen,
        match config.callers {
            CallerMode::Aggregated(_) => crate::net::discovery::MUTATE,
            CallerMode::Anyone | CallerMode::Loopback | CallerMode::Mtls { .. } =>
                crate::net::app::MUTATE,
        }
    )?;
    writeln!(
        out,
        "health       http://{} (/livez, /readyz, /metrics)",
        config.health
    )?;
    match &config.callers {
        CallerMode::Mtls { allowed_names } => writeln!(
            out,
            "callers      a client certificate named {}",
            allowed_names.join(" or ")
        )?,
        CallerMode::Aggregated(aggregated) => writeln!(
            out,
            "callers      the API server itself, through the APIService {}.{}; its front proxy is described in the cluster ({})",
            crate::net::discovery::VERSION,
            crate::net::discovery::GROUP,
            match &aggregated.kubeconfig {
                Some(path) => format!("read with {}", path.display()),
                None => "read with the pod's service account".to_owned(),
            }
        )?,
        CallerMode::Loopback => writeln!(out, "callers      programs on this host")?,
        CallerMode::Anyone => writeln!(
            out,
            "callers      ANYONE who reaches the port can have values opened"
        )?,
    }
    certificate(out, config)?;
    if let Some(cluster) = &config.policy.cluster {
        writeln!(out, "cluster      {cluster}")?;
    }
    writeln!(
        out,
        "policy       foreign envelopes: {}, expired ones: {}",
        format!("{:?}", config.policy.foreign).to_lowercase(),
        format!("{:?}", config.policy.expired).to_lowercase()
    )?;
    write_rules(out, config)?;
    let limits = &config.limits;
    writeln!(
        out,
        "limits       {} reviews at a time, {} in {} of bodies, {} connections, drain {:?}",
        limits.reviews,
        mebibytes(limits.body_bytes),
        mebibytes(limits.inflight_bytes),
        limits.connections,
        limits.drain
    )?;
    if config.cache.enabled {
        writeln!(
            out,
            "cache        {} content keys for {:?}, {:?} while a key service is not available",
            config.cache.capacity, config.cache.lifetime, config.cache.outage_lifetime
        )?;
    } else {
        writeln!(out, "cache        off")?;
    }
    match &config.audit {
        Some(path) => writeln!(out, "audit        {}", path.display())?,
        None => writeln!(out, "audit        standard output")?,
    }
    for warning in &config.warnings {
        writeln!(out, "warning      {warning}")?;
    }
    for key in &config.keys {
        writeln!(out)?;
        write_key(out, key)?;
        for (name, submitters) in &config.rulebook.keys {
            if *name == key.name {
                writeln!(out, "  submitters   {submitters}")?;
            }
        }
        for (name, only_from) in config.policy.signatures.keys.iter() {
            if *name == key.name {
                writeln!(out, "  only from    {only_from}")?;
            }
        }
    }
    Ok(())
}

/// Who may submit, and what holds where.
fn write_rules(out: &mut String, config: &Config) -> std::fmt::Result {
    if let Some(widest) = config.policy.widest {
        writeln!(out, "widest       {widest}")?;
    }
    if let Some(submitters) = &config.rulebook.submitters {
        writeln!(out, "submitters   {submitters}")?;
    }
    let signatures = &config.policy.signatures;
    for signer in signatures.signers.iter() {
        let (name, kind) = (signer.name(), signer.key().kind());
        writeln!(out, "signer       {name}, {kind}, kid {}", signer.key_id())?;
    }
    for only_from in &signatures.only_from {
        writeln!(out, "only from    {only_from}")?;
    }
    let rules = config.rulebook.namespaces.iter();
    let rules = rules.map(|rule| ("namespaces", rule));
    let owners = config
        .rulebook
        .owners
        .iter()
        .map(|rule| ("owners of", rule));
    for (what, rule) in rules.chain(owners) {
        write!(out, "{what:<12} {}:", rule.namespaces)?;
        if let Some(foreign) = rule.foreign {
            write!(out, " foreign {}", format!("{foreign:?}").to_lowercase())?;
        }
        if let Some(expired) = rule.expired {
            write!(out, " expired {}", format!("{expired:?}").to_lowercase())?;
        }
        if let Some(must) = rule.must_be_sealed {
            write!(out, " mustBeSealed {must}")?;
        }
        if let Some(widest) = rule.widest {
            write!(out, " widest {widest}")?;
        }
        if let Some(keys) = &rule.keys {
            write!(out, " keys {}", keys.0.join(", "))?;
        }
        if let Some(submitters) = &rule.submitters {
            write!(out, " submitters {submitters}")?;
        }
        if let Some(only_from) = &rule.only_from {
            write!(out, " onlyFrom {only_from}")?;
        }
        writeln!(out)?;
    }
    if config.access_reviews.is_some() {
        writeln!(
            out,
            "unseal       the API server is asked whether the user may"
        )?;
    }
    Ok(())
}

fn certificate(out: &mut String, config: &Config) -> std::fmt::Result {
    let Ok(store) = TlsStore::open(config.tls.clone()) else {
        // It was good a moment ago: someone is at work on it.
        return writeln!(
            out,
            "certificate  {} is being replaced",
            config.tls.certificate.display()
        );
    };
    let facts = store.material().facts;
    let names: Vec<&str> = facts
        .dns_names
        .iter()
        .chain(&facts.ip_addresses)
        .map(String::as_str)
        .collect();
    let names = if names.is_empty() {
        "no name, so the API server will refuse it".to_owned()
    } else {
        names.join(", ")
    };
    writeln!(out, "certificate  for {names}")?;
    let now = SystemTime::now();
    let validity = match facts.not_after.duration_since(now) {
        Err(_) => "HAS EXPIRED".to_owned(),
        Ok(_) if facts.not_before > now => "IS NOT VALID YET".to_owned(),
        Ok(left) if left < SOON => format!("valid for {} more hours ONLY", left.as_secs() / 3_600),
        Ok(left) => format!("valid for {} more days", left.as_secs() / 86_400),
    };
    writeln!(out, "             {validity}")
}

fn write_key(out: &mut String, key: &KeyConfig) -> std::fmt::Result {
    let default = if key.is_default { " (default)" } else { "" };
    writeln!(out, "key {}{default}", key.name)?;
    writeln!(out, "  algorithm    {}", key.recipient.algorithm())?;
    writeln!(out, "  kid          {}", key.recipient.kid())?;
    write_fingerprint(out, &key.recipient)?;
    for alias in &key.aliases {
        writeln!(out, "  alias        {alias}")?;
    }
    writeln!(out, "  namespaces   {}", key.namespaces)?;
    if key.allow_unbound {
        writeln!(
            out,
            "  unbound      envelopes that name no place are opened in all of these"
        )?;
    }
    for (reference, _) in &key.backends {
        writeln!(out, "  unwrapped by {reference}")?;
    }
    if let Some(reference) = &key.versions_of {
        writeln!(
            out,
            "  unwrapped by {reference}, every version that decrypts"
        )?;
    }
    Ok(())
}

/// Twelve groups, six to a line: they are read aloud.
fn write_fingerprint(out: &mut String, recipient: &RecipientKey) -> std::fmt::Result {
    let spoken = recipient.spoken_fingerprint();
    for (index, line) in spoken.groups().chunks(6).enumerate() {
        let groups: Vec<String> = line.iter().map(|group| format!("{group:05}")).collect();
        let label = if index == 0 { "fingerprint" } else { "" };
        writeln!(out, "  {label:<12} {}", groups.join(" "))?;
    }
    Ok(())
}

fn mebibytes(bytes: usize) -> String {
    if bytes.is_multiple_of(1 << 20) {
        format!("{} MiB", bytes >> 20)
    } else {
        format!("{bytes} bytes")
    }
}
