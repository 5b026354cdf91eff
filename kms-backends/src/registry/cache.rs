//! Content keys that a tag has verified, for a bounded time.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, RwLock};
use std::time::Duration;

use jwe_envelope::{ContentKey, InputsDigest};
use tokio::time::{Instant, sleep_until};

use crate::observer::{CacheEvent, Observer};
use crate::registry::entry::EntryShared;
use crate::sync::{read, write};
use crate::tenant::Tenant;

/// How content keys are cached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CacheOptions {
    /// Whether content keys are kept at all. Equal requests at the same moment share one call either way.
    pub enabled: bool,
    /// How many content keys are kept at most. Of the tenant that has the most, the one that was unwrapped longest ago
    /// makes room: it would have ended first anyway, and no tenant drives out the keys of one that has fewer.
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

    /// How many content keys are kept at most.
    #[must_use]
    pub const fn capacity(mut self, capacity: NonZeroUsize) -> Self {
        self.capacity = capacity;
        self
    }

    /// How long a content key serves, from its unwrap.
    #[must_use]
    pub const fn lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = lifetime;
        self
    }

    /// How long it serves while its key service is unavailable.
    #[must_use]
    pub const fn outage_lifetime(mut self, outage_lifetime: Duration) -> Self {
        self.outage_lifetime = outage_lifetime;
        self
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
    by_age: BTreeMap<Age, InputsDigest>,
    by_tenant: HashMap<Tenant, BTreeSet<Age>>,
    /// Tenants by the number of their keys.
    by_count: BTreeSet<(usize, Tenant)>,
    inserted: u64,
}

type Age = (Instant, u64);

#[derive(Debug)]
struct Cached {
    key: Arc<ContentKey>,
    entry: Arc<EntryShared>,
    tenant: Tenant,
    age: Age,
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

    /// Keeps `key`, which must have passed a tag; unless it was asked for before `entry` was last denied.
    pub(crate) fn insert(
        self: &Arc<Self>,
        entry: &Arc<EntryShared>,
        (generation, tenant): (u64, &Tenant),
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
            if entry.state.generation() != generation || entry.state.is_retired() {
                return;
            }
            store.remove(&inputs);
            if store.keys.len() >= self.options.capacity.get() {
                evicted = store.make_room_for(tenant);
            }
            store.insert(inputs, key, Arc::clone(entry), tenant.clone(), unwrapped_at);
            store.keys.len()
        };
        if let Some(evicted) = evicted {
            self.observer
                .cache(&evicted.entry.name, CacheEvent::Evicted);
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
                .cache(&removed.entry.name, CacheEvent::Evicted);
            self.observer.cached_keys(count);
        }
    }

    /// Drops every content key of `entry`, those that are on their way included.
    pub(crate) fn forget(&self, entry: &EntryShared) {
        let (dropped, count) = {
            let mut store = write(&self.store);
            entry.state.next_generation();
            let before = store.keys.len();
            let of_entry: Vec<InputsDigest> = store
                .keys
                .iter()
                .filter(|(_, cached)| std::ptr::eq(Arc::as_ptr(&cached.entry), entry))
                .map(|(inputs, _)| *inputs)
                .collect();
            for inputs in &of_entry {
                store.remove(inputs);
            }
            (before - store.keys.len(), store.keys.len())
        };
        for _ in 0..dropped {
            self.observer.cache(&entry.name, CacheEvent::Evicted);
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
            self.observer.cache(&cached.entry.name, CacheEvent::Expired);
        }
        if !expired.is_empty() {
            self.observer.cached_keys(count);
        }
        due
    }

    /// A task wipes keys when they end, even if no one asks for anything any more. It ends with the last key.
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
        entry: Arc<EntryShared>,
        tenant: Tenant,
        unwrapped_at: Instant,
    ) {
        self.inserted += 1;
        let age = (unwrapped_at, self.inserted);
        self.by_age.insert(age, inputs);
        self.change(&tenant, |ages| ages.insert(age));
        let cached = Cached {
            key,
            entry,
            tenant,
            age,
        };
        self.keys.insert(inputs, cached);
    }

    fn remove(&mut self, inputs: &InputsDigest) -> Option<Cached> {
        let cached = self.keys.remove(inputs)?;
        self.by_age.remove(&cached.age);
        self.change(&cached.tenant, |ages| ages.remove(&cached.age));
        Some(cached)
    }

    fn remove_oldest(&mut self) -> Option<Cached> {
        let (_, inputs) = self.by_age.first_key_value()?;
        self.remove(&inputs.clone())
    }

    /// Removes the oldest key of the tenant that has the most; of `tenant` itself when none has more.
    fn make_room_for(&mut self, tenant: &Tenant) -> Option<Cached> {
        let own = self.by_tenant.get(tenant).map_or(0, BTreeSet::len);
        let (most, greediest) = self.by_count.last()?;
        let loser = if own >= *most { tenant } else { greediest };
        let age = self.by_tenant.get(loser)?.first()?;
        let inputs = *self.by_age.get(age)?;
        self.remove(&inputs)
    }

    fn change(&mut self, tenant: &Tenant, change: impl FnOnce(&mut BTreeSet<Age>) -> bool) {
        let ages = self.by_tenant.entry(tenant.clone()).or_default();
        let before = ages.len();
        change(ages);
        let after = ages.len();
        if after == 0 {
            self.by_tenant.remove(tenant);
        } else {
            self.by_count.insert((after, tenant.clone()));
        }
        if before != after {
            self.by_count.remove(&(before, tenant.clone()));
        }
    }
}
