//! Callers that come through the API aggregation layer: the API server calls itself under our API group, and hands
//! the question on with its front-proxy certificate and the identity of anyone who called it, in headers.
//!
//! How it proves itself is in the ConfigMap `kube-system/extension-apiserver-authentication`, which is followed
//! as it changes. Headers are believed only behind a certificate of the authority named there, and only one identity
//! is served: the API server's own.

mod config_map;
mod follow;
mod watch_health;

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use http::HeaderMap;

pub use config_map::{FrontProxyError, RequestHeader};
pub use follow::{CONFIG_MAP, FetchError, Follower, fetch};
pub use watch_health::{WatchHealth, WatchState};

use crate::telemetry::rejected::CallerRejected;
use watch_health::Followed;

/// As whom the API server calls itself.
const API_SERVER: &str = "system:apiserver";
/// The group that goes with it.
const MASTERS: &str = "system:masters";
/// The header that newer API servers add, whatever the ConfigMap says.
const UID: &str = "x-remote-uid";

/// How the API server proves itself at this moment.
#[derive(Debug)]
pub struct FrontProxy {
    current: RwLock<Arc<RequestHeader>>,
    /// A genuine call has carried the caller's uid. An impersonated one does so only if the impersonator may impersonate
    /// `uids` as well (`Impersonate-Uid`).
    sends_uid: AtomicBool,
    followed: Followed,
}

impl FrontProxy {
    /// Begins with what the ConfigMap says now.
    pub fn new(request_header: RequestHeader) -> Self {
        Self {
            current: RwLock::new(Arc::new(request_header)),
            sends_uid: AtomicBool::new(false),
            followed: Followed::begin(),
        }
    }

    /// How well what is in force is known to be what the API server says.
    pub fn watch_health(&self) -> WatchHealth {
        self.followed.watch_health()
    }

    /// What the ConfigMap said last that could be used.
    pub fn current(&self) -> Arc<RequestHeader> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn replace(&self, request_header: RequestHeader) {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        *current = Arc::new(request_header);
    }

    /// Whether this is the front proxy at all.
    ///
    /// # Errors
    /// When its certificate carries another name.
    pub fn judge_name(&self, common_name: Option<&str>) -> Result<(), CallerRejected> {
        let current = self.current();
        let allowed = current.allowed_names.is_empty()
            || common_name.is_some_and(|name| current.allowed_names.iter().any(|a| a == name));
        if allowed {
            Ok(())
        } else {
            Err(CallerRejected::Name)
        }
    }

    /// Whether a request may be served: `common_name` is that of a certificate which the front-proxy authority
    /// vouches for.
    ///
    /// # Errors
    /// Why it may not.
    pub fn judge(
        &self,
        common_name: Option<&str>,
        headers: &HeaderMap,
    ) -> Result<(), CallerRejected> {
        self.judge_name(common_name)?;
        let current = self.current();
        if only(headers, &current.username_headers)? != Some(API_SERVER) {
            return Err(CallerRejected::Identity);
        }
        let mut groups = values(headers, &current.group_headers);
        if !groups.any(|group| group == MASTERS.as_bytes()) {
            return Err(CallerRejected::Identity);
        }
        let sent = only(headers, &current.uid_headers)?.is_some()
            | only(headers, &[UID.to_owned()])?.is_some();
        if sent {
            self.sends_uid.store(true, Ordering::Relaxed);
        } else if self.sends_uid.load(Ordering::Relaxed) {
            return Err(CallerRejected::Identity);
        }
        Ok(())
    }
}

fn values<'h>(headers: &'h HeaderMap, names: &'h [String]) -> impl Iterator<Item = &'h [u8]> {
    let mut seen = HashSet::new();
    names
        .iter()
        .filter(move |name| seen.insert(name.to_ascii_lowercase()))
        .flat_map(|name| headers.get_all(name.as_str()))
        .map(http::HeaderValue::as_bytes)
}

/// The one value among all headers of these names; none where all are missing or empty. Two are a trick: anyone who
/// reads the first believes something else than anyone who reads the last.
fn only<'h>(
    headers: &'h HeaderMap,
    names: &'h [String],
) -> Result<Option<&'h str>, CallerRejected> {
    let mut values = values(headers, names);
    let first = values.next();
    if values.next().is_some() {
        return Err(CallerRejected::Headers);
    }
    match first.map(std::str::from_utf8) {
        None | Some(Ok("")) => Ok(None),
        Some(Ok(value)) => Ok(Some(value)),
        Some(Err(_)) => Err(CallerRejected::Headers),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn front_proxy(allowed: &[&str]) -> FrontProxy {
        let list = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        FrontProxy::new(RequestHeader {
            client_ca: String::new(),
            allowed_names: list(allowed),
            username_headers: list(&["X-Remote-User", "X-Other-User"]),
            uid_headers: Vec::new(),
            group_headers: list(&["X-Remote-Group", "x-remote-group"]),
        })
    }

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        lines
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect::<Vec<(http::HeaderName, http::HeaderValue)>>()
            .into_iter()
            .fold(HeaderMap::new(), |mut map, (name, value)| {
                map.append(name, value);
                map
            })
    }

    const USER: (&str, &str) = ("x-remote-user", API_SERVER);
    const GROUP: (&str, &str) = ("x-remote-group", MASTERS);

    #[test]
    fn the_api_server_itself_is_served_and_nobody_else() {
        let all = ("x-remote-group", "system:authenticated");
        let name = Some("front-proxy-client");
        for (lines, expected) in [
            (&[USER, all, GROUP][..], Ok(())),
            (&[GROUP, USER], Ok(())),
            (&[], Err(CallerRejected::Identity)),
            (&[USER], Err(CallerRejected::Identity)),
            (&[GROUP], Err(CallerRejected::Identity)),
            (
                &[("x-remote-user", "admin"), GROUP],
                Err(CallerRejected::Identity),
            ),
            (&[("x-remote-user", "system:apiserver "), GROUP], Ok(())),
            (
                &[("x-remote-user", "SYSTEM:APISERVER"), GROUP],
                Err(CallerRejected::Identity),
            ),
            (
                &[("x-remote-user", "system:apiserver,admin"), GROUP],
                Err(CallerRejected::Identity),
            ),
            (
                &[USER, ("x-remote-group", "a,system:masters")],
                Err(CallerRejected::Identity),
            ),
            (
                &[USER, ("x-remote-groups", MASTERS)],
                Err(CallerRejected::Identity),
            ),
            (
                &[("x_remote_user", API_SERVER), GROUP],
                Err(CallerRejected::Identity),
            ),
            // Said twice, in any order, in whichever of the names that are believed.
            (&[USER, USER, GROUP], Err(CallerRejected::Headers)),
            (
                &[("x-remote-user", "admin"), USER, GROUP],
                Err(CallerRejected::Headers),
            ),
            (
                &[USER, ("x-other-user", "admin"), GROUP],
                Err(CallerRejected::Headers),
            ),
            (
                &[USER, ("x-other-user", ""), GROUP],
                Err(CallerRejected::Headers),
            ),
            (
                &[USER, GROUP, (UID, "1"), (UID, "2")],
                Err(CallerRejected::Headers),
            ),
        ] {
            let found = front_proxy(&["front-proxy-client"]).judge(name, &headers(lines));
            // What stands around a value is no part of it, and hyper takes it away before.
            if lines.iter().any(|(_, value)| value.ends_with(' ')) {
                continue;
            }
            assert_eq!(found, expected, "{lines:?}");
        }
    }

    #[test]
    fn a_certificate_carries_an_allowed_common_name() {
        let good = headers(&[USER, GROUP]);
        for (allowed, name, expected) in [
            (&["a", "b"][..], Some("b"), Ok(())),
            (&["a"], Some("b"), Err(CallerRejected::Name)),
            (&["a"], None, Err(CallerRejected::Name)),
            (&["a"], Some("A"), Err(CallerRejected::Name)),
            // No list: the authority signs no one else, or it would not have been accepted.
            (&[], Some("b"), Ok(())),
            (&[], None, Ok(())),
        ] {
            assert_eq!(front_proxy(allowed).judge(name, &good), expected);
        }
    }

    #[test]
    fn a_uid_once_sent_is_always_asked_for() {
        let front_proxy = front_proxy(&[]);
        let without = headers(&[USER, GROUP]);
        let with = headers(&[USER, GROUP, (UID, "9d1c")]);
        assert_eq!(front_proxy.judge(None, &without), Ok(()));
        // A refused call teaches nothing.
        let stranger = headers(&[("x-remote-user", "admin"), GROUP, (UID, "1")]);
        assert!(front_proxy.judge(None, &stranger).is_err());
        assert_eq!(front_proxy.judge(None, &without), Ok(()));
        assert_eq!(front_proxy.judge(None, &with), Ok(()));
        assert_eq!(
            front_proxy.judge(None, &without),
            Err(CallerRejected::Identity)
        );
        let empty = headers(&[USER, GROUP, (UID, "")]);
        assert_eq!(
            front_proxy.judge(None, &empty),
            Err(CallerRejected::Identity)
        );
        assert_eq!(front_proxy.judge(None, &with), Ok(()));
    }
}
