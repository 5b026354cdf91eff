//! A bounded number of places, shared out between tenants.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use crate::sync::lock;
use crate::tenant::Tenant;

/// Places for work that is under way. A tenant may have as many as are left for all others: by itself it gets half of them,
/// two get a third each, and however many some have, there is a place for one more.
#[derive(Debug)]
pub struct FairShare {
    most: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    count: usize,
    by_tenant: HashMap<Tenant, usize>,
}

impl FairShare {
    /// So many places.
    pub fn new(most: usize) -> Arc<Self> {
        Arc::new(Self {
            most,
            taken: Mutex::default(),
        })
    }

    /// Takes a place until it is dropped; `None` where the tenant has its share.
    pub fn take(self: &Arc<Self>, tenant: &Tenant) -> Option<TenantSlot> {
        self.take_if(tenant, 1, |own, left| own < left)
    }

    /// Takes so many places at one time; `None` where the tenant has its share.
    ///
    /// A tenant that has none gets them however many they are and however few are left, so that
    /// pieces may have very different sizes. The caller bounds their sum elsewhere; no tenant is refused its first because of others.
    pub fn take_many(self: &Arc<Self>, tenant: &Tenant, places: usize) -> Option<TenantSlot> {
        self.take_if(tenant, places, |own, left| {
            own == 0 || own.saturating_add(places) <= left
        })
    }

    fn take_if(
        self: &Arc<Self>,
        tenant: &Tenant,
        places: usize,
        may: impl FnOnce(usize, usize) -> bool,
    ) -> Option<TenantSlot> {
        let mut taken = lock(&self.taken);
        let left = self.most.saturating_sub(taken.count);
        let own = taken.by_tenant.get(tenant).copied().unwrap_or_default();
        if !may(own, left) {
            return None;
        }
        let count = taken.count.checked_add(places)?;
        taken.by_tenant.insert(tenant.clone(), own + places);
        taken.count = count;
        drop(taken);
        Some(TenantSlot {
            share: Arc::clone(self),
            tenant: tenant.clone(),
            places,
        })
    }

    /// How many places a tenant has.
    pub fn taken_by(&self, tenant: &Tenant) -> usize {
        let taken = lock(&self.taken);
        taken.by_tenant.get(tenant).copied().unwrap_or_default()
    }
}

/// One or more places of a tenant's, given back when dropped.
#[derive(Debug)]
pub struct TenantSlot {
    share: Arc<FairShare>,
    tenant: Tenant,
    places: usize,
}

impl Drop for TenantSlot {
    fn drop(&mut self) {
        let mut taken = lock(&self.share.taken);
        taken.count -= self.places;
        if let Some(own) = taken.by_tenant.get_mut(&self.tenant) {
            *own -= self.places;
            // A tenant without work takes no memory.
            if *own == 0 {
                taken.by_tenant.remove(&self.tenant);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_has_nothing_gets_the_first_however_large_and_no_more_than_a_share_after_it() {
        let share = FairShare::new(24);
        let (greedy, modest) = (Tenant::new("greedy"), Tenant::new("modest"));
        let first = share.take_many(&greedy, 7).expect("the first");
        let second = share.take_many(&greedy, 7).expect("within half");
        assert!(share.take_many(&greedy, 7).is_none());
        assert_eq!(share.taken_by(&greedy), 14);
        let large = share.take_many(&modest, 100).expect("the first");
        assert!(share.take_many(&modest, 1).is_none());
        assert!(share.take(&greedy).is_none());
        drop((first, second, large));
        assert!(lock(&share.taken).by_tenant.is_empty());
        assert_eq!(lock(&share.taken).count, 0);
    }

    #[test]
    fn however_many_places_some_tenants_have_there_is_one_for_another() {
        let share = FairShare::new(1_000);
        let all_of = |tenant: &Tenant| -> Vec<TenantSlot> {
            std::iter::from_fn(|| share.take(tenant)).collect()
        };
        let mut held = Vec::new();
        for number in 0..6 {
            let tenant = Tenant::new(&number.to_string());
            let places = all_of(&tenant);
            assert!(!places.is_empty(), "tenant {number}");
            assert_eq!(places.len(), share.taken_by(&tenant));
            assert!(number > 0 || places.len() == 500);
            held.push(places);
        }
        drop(held);
        let late = Tenant::new("late");
        assert_eq!(all_of(&late).len(), 500);
        assert_eq!(share.taken_by(&late), 0);
        assert!(lock(&share.taken).by_tenant.is_empty());
    }
}
