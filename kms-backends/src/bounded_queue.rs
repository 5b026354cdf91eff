//! A queue in which tenants take turns and share a bounded number of places.

use std::sync::Arc;

use crate::fair_queue::FairQueue;
use crate::fair_share::{FairShare, TenantSlot};
use crate::tenant::Tenant;

/// A [`FairQueue`] with a bounded number of places, which tenants share: one tenant cannot fill it.
#[derive(Debug)]
pub(crate) struct BoundedFairQueue<T> {
    items: FairQueue<(TenantSlot, T)>,
    places: Arc<FairShare>,
}

impl<T> BoundedFairQueue<T> {
    pub(crate) fn new(places: usize) -> Self {
        Self {
            items: FairQueue::default(),
            places: FairShare::new(places),
        }
    }

    /// Adds an item; `false` when the tenant has its share of the places.
    pub(crate) fn push(&mut self, tenant: Tenant, item: T) -> bool {
        let Some(place) = self.places.take(&tenant) else {
            return false;
        };
        self.items.push(tenant, (place, item));
        true
    }

    pub(crate) fn pop(&mut self) -> Option<T> {
        self.items.pop().map(|(_place, item)| item)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_that_fills_a_bounded_queue_leaves_places_for_others() {
        let mut queue = BoundedFairQueue::new(100);
        let (greedy, modest) = (Tenant::new("greedy"), Tenant::new("modest"));
        let queued = (0..1_000)
            .filter(|n| queue.push(greedy.clone(), *n))
            .count();
        assert_eq!(queued, 50);
        assert!(queue.push(modest.clone(), 7));
        assert_eq!((queue.pop(), queue.pop()), (Some(0), Some(7)));
        // What was taken out gave its place back.
        assert_eq!(queue.pop(), Some(1));
        assert!(queue.push(greedy.clone(), 1_000));
        assert!(queue.push(greedy, 1_001));
        assert!(queue.push(modest, 8));
    }
}
