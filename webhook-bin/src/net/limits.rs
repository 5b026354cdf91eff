//! How much one process takes on: bytes, reviews, connections, and how long each may last.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// What the server does when the caller names no `timeout` that we understand.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);
/// The longest that the Kubernetes API lets a webhook take.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(30);
/// Kept back from the caller's timeout, so that our answer arrives before it gives up.
const RESERVE: Duration = Duration::from_millis(500);

/// Bounds of the server. Every field has a default that suits a small cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The longest request body.
    pub body_bytes: usize,
    /// The sum of the bodies (and of their answers) held at one time.
    pub inflight_bytes: usize,
    /// Reviews under way at one time.
    pub reviews: usize,
    /// Open connections, handshakes included.
    pub connections: usize,
    /// From the accepted connection to the end of the TLS handshake.
    pub handshake: Duration,
    /// From the first byte of a request to the end of its headers.
    pub headers: Duration,
    /// From the end of the headers to the end of the body.
    pub body: Duration,
    /// From the answer to the moment when the client has taken it.
    pub answer: Duration,
    /// How long a connection may rest between requests. The API server closes after 90 seconds; were
    /// we the first to close, a request sent at that moment would fail.
    pub idle: Duration,
    /// The age after which a connection is ended with `Connection: close`, so that replicas share the
    /// load again after a rollout. Spread by a tenth.
    pub age: Duration,
    /// How long to keep serving after SIGTERM, while the cluster takes us out of its endpoints.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 8 << 20,
            inflight_bytes: default_inflight_bytes(memory_ceiling()),
            reviews: 512,
            connections: 1_024,
            handshake: Duration::from_secs(5),
            headers: Duration::from_secs(5),
            body: Duration::from_secs(10),
            answer: Duration::from_secs(30),
            idle: Duration::from_mins(3),
            age: Duration::from_mins(5),
            drain: Duration::from_secs(15),
        }
    }
}

/// A quarter of what the memory ceiling leaves beside the process itself: a review holds its body, the
/// decoded values and the answer at one time. Never less than one body of the default size.
fn default_inflight_bytes(ceiling: Option<u64>) -> usize {
    const PROCESS: u64 = 32 << 20;
    const LEAST: u64 = 8 << 20;
    const MOST: u64 = 256 << 20;
    let bytes = ceiling.map_or(64 << 20, |ceiling| {
        (ceiling.saturating_sub(PROCESS) / 4).clamp(LEAST, MOST)
    });
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

/// The memory limit of our control group, version 2 or 1; `None` where there is none.
fn memory_ceiling() -> Option<u64> {
    [
        "/sys/fs/cgroup/memory.max",
        "/sys/fs/cgroup/memory/memory.limit_in_bytes",
    ]
    .iter()
    .find_map(|path| {
        std::fs::read_to_string(path)
            .ok()?
            .trim()
            .parse::<u64>()
            .ok()
    })
    // Version 1 says "no limit" with a number close to 2⁶³.
    .filter(|bytes| *bytes < 1 << 50)
}

/// When the review must be answered: the caller's `timeout` less a reserve.
///
/// `query` is the request's query string. The API server writes Go durations (`10s`, `1m0s`).
pub fn answer_within(query: Option<&str>) -> Duration {
    let timeout = query
        .into_iter()
        .flat_map(|query| query.split('&'))
        .find_map(|pair| parse_go_duration(pair.strip_prefix("timeout=")?))
        .filter(|timeout| !timeout.is_zero())
        .unwrap_or(DEFAULT_TIMEOUT)
        .min(LONGEST_TIMEOUT);
    let reserve = RESERVE.max(timeout / 10).min(timeout / 2);
    timeout.saturating_sub(reserve)
}

/// Whole and fractional numbers with units, as Go's `time.Duration` prints them; `None` for the rest.
fn parse_go_duration(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut sum = Duration::ZERO;
    // Three units is what Go prints at most; the bound keeps hostile input short.
    for _ in 0..4 {
        let number_len = rest
            .bytes()
            .take_while(|b| b.is_ascii_digit() || *b == b'.')
            .count();
        let (number, tail) = rest.split_at(number_len);
        let number: f64 = number.parse().ok()?;
        let unit_len = tail.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (unit, tail) = tail.split_at(unit_len);
        let seconds = match unit {
            "h" => 3_600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 1e-3,
            _ => return None,
        };
        sum = sum.checked_add(Duration::try_from_secs_f64(number * seconds).ok()?)?;
        if tail.is_empty() {
            return Some(sum);
        }
        rest = tail;
    }
    None
}

/// A bound on a sum, shared by all connections. No one waits for it: what does not fit is shed.
#[derive(Debug)]
pub struct Budget {
    used: AtomicUsize,
    limit: usize,
}

impl Budget {
    /// A budget of `limit` units, all free.
    pub fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self {
            used: AtomicUsize::new(0),
            limit,
        })
    }

    /// Units taken at this moment.
    pub fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// Whether so much can ever be had.
    pub fn could_hold(&self, amount: usize) -> bool {
        amount <= self.limit
    }

    /// Takes `amount` units until the share is dropped; `None` when they are not there.
    pub fn take(self: &Arc<Self>, amount: usize) -> Option<Share> {
        self.reserve(amount).then(|| Share {
            budget: Arc::clone(self),
            amount,
        })
    }

    fn reserve(&self, amount: usize) -> bool {
        self.used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
                used.checked_add(amount).filter(|sum| *sum <= self.limit)
            })
            .is_ok()
    }
}

/// Units of a [`Budget`], given back when dropped.
#[derive(Debug)]
pub struct Share {
    budget: Arc<Budget>,
    amount: usize,
}

impl Share {
    /// Takes `more` units; `false`, and nothing changed, when they are not there.
    pub fn grow(&mut self, more: usize) -> bool {
        let granted = self.budget.reserve(more);
        if granted {
            self.amount += more;
        }
        granted
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(self.amount, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_half_a_second_or_a_tenth_back() {
        let within = |query| answer_within(Some(query)).as_millis();
        assert_eq!(within("timeout=1s"), 500);
        assert_eq!(within("timeout=3s"), 2_500);
        assert_eq!(within("timeout=10s"), 9_000);
        assert_eq!(within("dryRun=All&timeout=30s"), 27_000);
        assert_eq!(within("timeout=1m0s"), 27_000);
        assert_eq!(within("timeout=250ms"), 125);
    }

    #[test]
    fn answers_within_the_default_when_the_timeout_says_nothing() {
        for query in [
            None,
            Some(""),
            Some("timeout="),
            Some("timeout=s"),
            Some("timeout=0s"),
            Some("timeout=-5s"),
            Some("timeout=10"),
            Some("timeout=1e9999s"),
            Some("timeout=1s1s1s1s1s"),
            Some("timeout=99999999999999999999999999h"),
            Some("xtimeout=1s"),
        ] {
            assert_eq!(answer_within(query), Duration::from_secs(9), "{query:?}");
        }
    }

    #[test]
    fn gives_units_back_when_the_share_is_dropped() {
        let budget = Budget::new(10);
        let mut share = budget.take(6).expect("six of ten");
        assert!(budget.take(5).is_none());
        assert!(share.grow(4));
        assert!(!share.grow(1));
        assert_eq!(budget.used(), 10);
        drop(share);
        assert_eq!(budget.used(), 0);
        assert!(budget.take(usize::MAX).is_none());
    }

    #[test]
    fn sizes_the_byte_budget_by_the_memory_ceiling() {
        assert_eq!(default_inflight_bytes(None), 64 << 20);
        assert_eq!(default_inflight_bytes(Some(128 << 20)), 24 << 20);
        assert_eq!(default_inflight_bytes(Some(16 << 20)), 8 << 20);
        assert_eq!(default_inflight_bytes(Some(64 << 30)), 256 << 20);
    }
}
