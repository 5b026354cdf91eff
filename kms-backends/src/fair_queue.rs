//! A queue in which tenants take turns.

use std::collections::{HashMap, VecDeque};

use crate::tenant::Tenant;

/// First in, first out for each tenant, and one item of each tenant in turn: anyone who brings one item waits for one
/// item of each other tenant at most, however many these have brought.
#[derive(Debug)]
pub(crate) struct FairQueue<T> {
    lanes: HashMap<Tenant, VecDeque<T>>,
    /// Who has items, in the order of their turns.
    turns: VecDeque<Tenant>,
}

impl<T> Default for FairQueue<T> {
    fn default() -> Self {
        Self {
            lanes: HashMap::new(),
            turns: VecDeque::new(),
        }
    }
}

impl<T> FairQueue<T> {
    pub(crate) fn push(&mut self, tenant: Tenant, item: T) {
        let lane = self.lanes.entry(tenant.clone()).or_default();
        if lane.is_empty() {
            self.turns.push_back(tenant);
        }
        lane.push_back(item);
    }

    pub(crate) fn pop(&mut self) -> Option<T> {
        let tenant = self.turns.pop_front()?;
        let lane = self.lanes.get_mut(&tenant)?;
        let item = lane.pop_front();
        if lane.is_empty() {
            // A tenant that has nothing queued takes no memory.
            self.lanes.remove(&tenant);
        } else {
            self.turns.push_back(tenant);
        }
        item
    }

    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.turns.is_empty() && self.lanes.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_single_item_waits_for_one_of_each_other_tenant_at_most() {
        let (greedy, other, modest) = ("greedy", "other", "modest");
        let mut queue = FairQueue::default();
        for number in 0..1_000 {
            queue.push(Tenant::new(greedy), (greedy, number));
        }
        queue.push(Tenant::new(other), (other, 0));
        queue.push(Tenant::new(other), (other, 1));
        queue.push(Tenant::new(modest), (modest, 0));
        let first: Vec<_> = std::iter::from_fn(|| queue.pop()).take(6).collect();
        assert_eq!(
            first,
            [
                (greedy, 0),
                (other, 0),
                (modest, 0),
                (greedy, 1),
                (other, 1),
                (greedy, 2)
            ]
        );
        // Anyone who comes back waits no longer than anyone who comes first.
        queue.push(Tenant::new(modest), (modest, 1));
        assert_eq!(queue.pop(), Some((greedy, 3)));
        assert_eq!(queue.pop(), Some((modest, 1)));
        assert_eq!(std::iter::from_fn(|| queue.pop()).count(), 996);
        assert!(queue.is_empty());
    }
}
