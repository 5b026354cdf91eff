//! Content keys that a tag has verified, for a bounded time.

use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, RwLock};
use std::time::Duration;

use jwe_envelope::{ContentKey, InputsDigest};
use tokio::time::{Instant, sleep_until};

use crate::key_entry::Holder;
use crate::observer::{CacheEvent, Observer};
use crate::sync::{read, write};

/// How content keys are cached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheOptions {
    /// Whether content keys are kept at all. Equal requests at the same moment share one call either way.
    pub enabled: bool,
    /// How many content keys are kept at most. The one that was unwrapped longest ago makes room: it would
    /// have ended first anyway.
    pub capacity: NonZeroUsize,
    /// How long a content key serves, from its unwrap; using it does not prolong that.
    pub lifetime: Duration,
    /// How long it serves, from its unwrap, while its key service is unavailable.
    pub outage_lifetime: Duration,
}

impl CacheOptions {
    /// Keeps nothing.
    pub fn off() -> Self {
        Self {
            enabled: false,
            ..Self::default()
        }
    }
}

impl Default for CacheOptions {
    /// 10,000 keys, ten minutes, one hour in an outage.
    fn default() -> Self {
        Self {
            enabled: true,
            capacity: NonZeroUsize::new(10_000).expect("not zero"),
            lifetime: Duration::from_mins(10),
            outage_lifetime: Duration::from_hours(1),
        }
    }
}

/// The cached content keys of a registry. Content keys wipe themselves when the last user drops them.
#[derive(Debug)]
pub(crate) struct Cache {
    options: CacheOptions,
    observer: Arc<dyn Observer>,
    store: RwLock<Store>,
    swept: AtomicBool,
}

#[derive(Debug, Default)]
struct Store {
    keys: HashMap<InputsDigest, Cached>,
    /// By age, oldest first. The number tells apart what was unwrapped in the same instant.
    by_age: BTreeMap<(Instant, u64), InputsDigest>,
    inserted: u64,
}

#[derive(Debug)]
struct Cached {
    key: Arc<ContentKey>,
    holder: Arc<Holder>,
    age: (Instant, u64),
}

impl Cache {
    pub(crate) fn new(options: CacheOptions, observer: Arc<dyn Observer>) -> Self {
        Self {
            options,
            observer,
            store: RwLock::default(),
            swept: AtomicBool::new(false),
        }
    }

    /// The content key for these inputs, within its lifetime.
    pub(crate) fn fresh(&self, inputs: &InputsDigest) -> Option<Arc<ContentKey>> {
        self.younger_than(self.options.lifetime, inputs)
    }

    /// The content key for these inputs, as it serves while the key service is unavailable.
    pub(crate) fn stale(&self, inputs: &InputsDigest) -> Option<Arc<ContentKey>> {
        self.younger_than(self.options.outage_lifetime, inputs)
    }

    fn younger_than(&self, limit: Duration, inputs: &InputsDigest) -> Option<Arc<ContentKey>> {
        let store = read(&self.store);
        let cached = store.keys.get(inputs)?;
        let (unwrapped_at, _) = cached.age;
        (unwrapped_at.elapsed() < limit).then(|| Arc::clone(&cached.key))
    }

    /// Keeps `key`, which must have passed a tag; unless it was asked for before `holder` was last denied.
    pub(crate) fn insert(
        self: &Arc<Self>,
        holder: &Arc<Holder>,
        generation: u64,
        inputs: InputsDigest,
        key: Arc<ContentKey>,
        unwrapped_at: Instant,
    ) {
        if !self.options.enabled {
            return;
        }
        let mut evicted = None;
        let count = {
            let mut store = write(&self.store);
            // Under the lock that `forget` takes as well: a denial is either seen here or clears what we insert.
            if holder.state.generation() != generation || holder.state.is_retired() {
                return;
            }
            store.remove(&inputs);
            if store.keys.len() >= self.options.capacity.get() {
                evicted = store.remove_oldest();
            }
            store.insert(inputs, key, Arc::clone(holder), unwrapped_at);
            store.keys.len()
        };
        if let Some(evicted) = evicted {
            self.observer
                .cache(&evicted.holder.name, CacheEvent::Evicted);
        }
        self.observer.cached_keys(count);
        self.sweep_from_now_on();
    }

    /// Drops one content key.
    pub(crate) fn remove(&self, inputs: &InputsDigest) {
        let (removed, count) = {
            let mut store = write(&self.store);
            (store.remove(inputs), store.keys.len())
        };
        if let Some(removed) = removed {
            self.observer
                .cache(&removed.holder.name, CacheEvent::Evicted);
            self.observer.cached_keys(count);
        }
    }

    /// Drops every content key of `holder`, those that are on their way included.
    pub(crate) fn forget(&self, holder: &Holder) {
        let (dropped, count) = {
            let mut store = write(&self.store);
            holder.state.next_generation();
            let before = store.keys.len();
            let Store { keys, by_age, .. } = &mut *store;
            keys.retain(|_, cached| {
                let keep = !std::ptr::eq(Arc::as_ptr(&cached.holder), holder);
                if !keep {
                    by_age.remove(&cached.age);
                }
                keep
            });
            (before - store.keys.len(), store.keys.len())
        };
        for _ in 0..dropped {
            self.observer.cache(&holder.name, CacheEvent::Evicted);
        }
        if dropped > 0 {
            self.observer.cached_keys(count);
        }
    }

    pub(crate) fn len(&self) -> usize {
        read(&self.store).keys.len()
    }

    /// How long a key stays in memory: past its lifetime it may still serve in an outage.
    fn longest(&self) -> Duration {
        self.options.lifetime.max(self.options.outage_lifetime)
    }

    /// Wipes what serves no more; says when the next key is due.
    fn sweep(&self) -> Option<Instant> {
        let now = Instant::now();
        let mut expired = Vec::new();
        let (due, count) = {
            let mut store = write(&self.store);
            let due = loop {
                let Some((&(unwrapped_at, _), _)) = store.by_age.first_key_value() else {
                    break None;
                };
                let Some(end) = unwrapped_at.checked_add(self.longest()) else {
                    break None;
                };
                if end > now {
                    break Some(end);
                }
                expired.extend(store.remove_oldest());
            };
            (due, store.keys.len())
        };
        for cached in &expired {
            self.observer
                .cache(&cached.holder.name, CacheEvent::Expired);
        }
        if !expired.is_empty() {
            self.observer.cached_keys(count);
        }
        due
    }

    /// A task wipes keys when they end, even if nobody asks for anything any more. It ends with the last key.
    fn sweep_from_now_on(self: &Arc<Self>) {
        if self.swept.swap(true, Ordering::AcqRel) {
            return;
        }
        let sweeper = Sweeper(Arc::downgrade(self));
        tokio::spawn(async move {
            while let Some(due) = sweeper.0.upgrade().and_then(|cache| cache.sweep()) {
                sleep_until(due.max(Instant::now() + SWEEP_PAUSE)).await;
            }
        });
    }
}

/// Between two sweeps, so that keys that end one by one do not wake us one by one.
const SWEEP_PAUSE: Duration = Duration::from_secs(1);

struct Sweeper(std::sync::Weak<Cache>);

impl Drop for Sweeper {
    fn drop(&mut self) {
        // Also when the runtime ends; the next insert starts a new one.
        if let Some(cache) = self.0.upgrade() {
            cache.swept.store(false, Ordering::Release);
        }
    }
}

impl Store {
    fn insert(
        &mut self,
        inputs: InputsDigest,
        key: Arc<ContentKey>,
        holder: Arc<Holder>,
        unwrapped_at: Instant,
    ) {
        self.inserted += 1;
        let age = (unwrapped_at, self.inserted);
        self.by_age.insert(age, inputs);
        self.keys.insert(inputs, Cached { key, holder, age });
    }

    fn remove(&mut self, inputs: &InputsDigest) -> Option<Cached> {
        let cached = self.keys.remove(inputs)?;
        self.by_age.remove(&cached.age);
        Some(cached)
    }

    fn remove_oldest(&mut self) -> Option<Cached> {
        let (_, inputs) = self.by_age.pop_first()?;
        self.keys.remove(&inputs)
    }
}
