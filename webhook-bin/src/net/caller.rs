//! Who may ask. The webhook opens values for anyone who can reach it, so it serves known callers only.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustls_pki_types::{CertificateDer, UnixTime};

use crate::net::certificate::CertificateFacts;
use crate::net::tls::Trust;
use crate::telemetry::rejected::CallerRejected;

/// How a caller proves itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallerMode {
    /// By a client certificate from the configured authority that carries one of these names, as its
    /// common name or one of its DNS names. Compared byte for byte.
    Mtls {
        /// The names.
        allowed_names: Vec<String>,
    },
    /// By coming from this host over the loopback interface.
    Loopback,
    /// Through the API aggregation layer: by the front proxy's certificate, and as the API server itself in the
    /// headers behind it.
    Aggregated(Aggregated),
    /// Not at all: `--allow-unauthenticated-callers`.
    Anyone,
}

/// How the webhook asks the API server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Aggregated {
    /// How to reach the API server; without it as a pod does.
    pub kubeconfig: Option<PathBuf>,
}

/// The peer of one connection, as its handshake left it.
#[derive(Debug)]
pub struct Caller {
    name: Option<String>,
    watch_health: Result<(), CallerRejected>,
    certificate: Option<Presented>,
}

#[derive(Debug)]
struct Presented {
    chain: Vec<CertificateDer<'static>>,
    /// The generation of the client authority that vouched for the chain.
    generation: AtomicU64,
}

impl Caller {
    /// Judges the peer of a connection whose handshake succeeded under `trust`.
    pub fn identify(
        mode: &CallerMode,
        peer: SocketAddr,
        chain: Option<&[CertificateDer<'_>]>,
        trust: &Trust,
    ) -> Self {
        let identified = match mode {
            CallerMode::Mtls { allowed_names } => allowed_name(chain, allowed_names).map(Some),
            CallerMode::Aggregated(_) => common_name(chain),
            CallerMode::Loopback if peer.ip().to_canonical().is_loopback() => Ok(None),
            CallerMode::Loopback => Err(CallerRejected::NotLoopback),
            CallerMode::Anyone => Ok(None),
        };
        let watch_health = identified.as_ref().map(|_| ()).map_err(|why| *why);
        let certificate = chain
            .filter(|_| watch_health.is_ok())
            .map(|chain| Presented {
                chain: chain.iter().map(|der| der.clone().into_owned()).collect(),
                generation: AtomicU64::new(trust.generation),
            });
        Self {
            name: identified.ok().flatten(),
            watch_health,
            certificate,
        }
    }

    /// The allowed name that its certificate carries; the common name of a front proxy.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// A peer of whom nothing is asked.
    pub(crate) fn anyone() -> Self {
        Self {
            name: None,
            watch_health: Ok(()),
            certificate: None,
        }
    }

    /// Whether the caller may be served now. A client authority that was replaced since the handshake
    /// is asked again, so that taking an authority away takes effect on open connections too.
    ///
    /// # Errors
    /// Why it may not.
    pub fn check(
        &self,
        trust: impl FnOnce() -> Arc<Trust>,
        generation: u64,
    ) -> Result<(), CallerRejected> {
        self.watch_health?;
        let Some(presented) = &self.certificate else {
            return Ok(());
        };
        if presented.generation.load(Ordering::Relaxed) == generation {
            return Ok(());
        }
        let trust = trust();
        let (leaf, intermediates) = presented
            .chain
            .split_first()
            .ok_or(CallerRejected::Distrusted)?;
        trust
            .verifier
            .verify_client_cert(leaf, intermediates, UnixTime::now())
            .map_err(|_| CallerRejected::Distrusted)?;
        presented
            .generation
            .store(trust.generation, Ordering::Relaxed);
        Ok(())
    }
}

/// The name of a front proxy, or none. Which names are allowed is judged with each request, because the list may
/// change.
fn common_name(chain: Option<&[CertificateDer<'_>]>) -> Result<Option<String>, CallerRejected> {
    let leaf = chain
        .and_then(<[_]>::first)
        .ok_or(CallerRejected::Handshake)?;
    let facts = CertificateFacts::read(leaf).map_err(|_| CallerRejected::Name)?;
    Ok(facts.common_name)
}

fn allowed_name(
    chain: Option<&[CertificateDer<'_>]>,
    allowed_names: &[String],
) -> Result<String, CallerRejected> {
    let leaf = chain
        .and_then(<[_]>::first)
        .ok_or(CallerRejected::Handshake)?;
    let facts = CertificateFacts::read(leaf).map_err(|_| CallerRejected::Name)?;
    let known = facts
        .names()
        .find(|name| allowed_names.iter().any(|allowed| allowed == name));
    known.map(ToOwned::to_owned).ok_or(CallerRejected::Name)
}

#[cfg(test)]
mod tests {
    use rustls::server::WebPkiClientVerifier;

    use super::*;

    #[test]
    fn loopback_is_this_host_alone() {
        let trust = Trust {
            verifier: WebPkiClientVerifier::no_client_auth(),
            generation: 0,
        };
        for (peer, expected) in [
            ("127.0.0.1:1", Ok(())),
            ("127.8.9.1:1", Ok(())),
            ("[::1]:1", Ok(())),
            ("[::ffff:127.0.0.1]:1", Ok(())),
            ("10.0.0.1:1", Err(CallerRejected::NotLoopback)),
            ("[::ffff:10.0.0.1]:1", Err(CallerRejected::NotLoopback)),
            ("[fe80::1]:1", Err(CallerRejected::NotLoopback)),
        ] {
            let caller =
                Caller::identify(&CallerMode::Loopback, peer.parse().unwrap(), None, &trust);
            let watch_health =
                caller.check(|| unreachable!("there is no certificate to ask about"), 1);
            assert_eq!(watch_health, expected, "{peer}");
        }
    }

    #[test]
    fn no_certificate_is_no_name() {
        let trust = Trust {
            verifier: WebPkiClientVerifier::no_client_auth(),
            generation: 0,
        };
        let mode = CallerMode::Mtls {
            allowed_names: vec![String::new()],
        };
        for chain in [
            None,
            Some(&[][..]),
            Some(&[CertificateDer::from(vec![1, 2, 3])][..]),
        ] {
            let caller = Caller::identify(&mode, "127.0.0.1:1".parse().unwrap(), chain, &trust);
            assert!(caller.check(|| unreachable!("refused before"), 0).is_err());
            assert_eq!(caller.name(), None);
        }
    }
}
