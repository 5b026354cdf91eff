//! The open connections of one port: how many, which may make room for others, and their graceful end.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, oneshot};
use tokio::task::AbortHandle;

use crate::net::connection::Watch;

/// The connections of one listener.
#[derive(Debug)]
pub(crate) struct Connections {
    limit: usize,
    when_full: WhenFull,
    open: Mutex<Open>,
    emptied: Notify,
}

/// Which connection makes room for a new one when all are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum WhenFull {
    /// The oldest that has never sent a whole request. Connections at work stay.
    NeverServed,
    /// The oldest of the address that holds the most.
    Greediest,
}

#[derive(Debug, Default)]
struct Open {
    next: u64,
    entries: BTreeMap<u64, Entry>,
    closing: bool,
}

#[derive(Debug)]
struct Entry {
    peer: IpAddr,
    task: Option<AbortHandle>,
    stop: Option<oneshot::Sender<()>>,
    /// Known from the end of the handshake on.
    watch: Option<Arc<Watch>>,
}

/// A place among the open connections, given back when dropped.
#[derive(Debug)]
pub(crate) struct ConnectionSlot {
    connections: Arc<Connections>,
    number: u64,
}

/// The outcome of a new connection.
#[derive(Debug)]
pub(crate) enum SlotOutcome {
    /// It has a place.
    Admitted(ConnectionSlot, oneshot::Receiver<()>),
    /// It has a place that another connection, which never sent a request, had to leave.
    AdmittedForAnother(ConnectionSlot, oneshot::Receiver<()>),
    /// There is no room.
    Full,
}

impl Connections {
    /// For callers that keep their connections: anyone who is at work stays.
    pub(crate) fn new(limit: usize) -> Arc<Self> {
        Self::with(limit, WhenFull::NeverServed)
    }

    /// For many short connections of strangers. When all are taken, the address that holds the most loses its oldest
    /// connection, so one address can never take the places of another that holds fewer: a probe gets through however
    /// many connections someone else opens.
    pub(crate) fn shared_by_address(limit: usize) -> Arc<Self> {
        Self::with(limit, WhenFull::Greediest)
    }

    fn with(limit: usize, when_full: WhenFull) -> Arc<Self> {
        Arc::new(Self {
            limit,
            when_full,
            open: Mutex::default(),
            emptied: Notify::new(),
        })
    }

    /// How many are open.
    pub(crate) fn len(&self) -> usize {
        self.lock().entries.len()
    }

    /// Finds a place for a connection from `peer`. When all are taken, another connection leaves: where callers keep
    /// theirs, the oldest that has never sent a whole request (a flood of stalled handshakes then ends itself, and
    /// callers at work stay); else the oldest of the address that holds the most.
    pub(crate) fn admit(self: &Arc<Self>, peer: IpAddr) -> SlotOutcome {
        let mut open = self.lock();
        let full = open.entries.len() >= self.limit;
        if full {
            let leaves = match self.when_full {
                WhenFull::NeverServed => open.oldest(Entry::never_served),
                WhenFull::Greediest => open.oldest_of_greediest(source(peer)),
            };
            let Some(entry) = leaves.and_then(|number| open.entries.remove(&number)) else {
                return SlotOutcome::Full;
            };
            if let Some(task) = entry.task {
                task.abort();
            }
        }
        let number = open.next;
        open.next += 1;
        let (stop, stopped) = oneshot::channel();
        let entry = Entry {
            peer,
            task: None,
            stop: Some(stop),
            watch: None,
        };
        open.entries.insert(number, entry);
        let seat = ConnectionSlot {
            connections: Arc::clone(self),
            number,
        };
        if full {
            SlotOutcome::AdmittedForAnother(seat, stopped)
        } else {
            SlotOutcome::Admitted(seat, stopped)
        }
    }

    /// Names the task of the connection `number`, so that it can be made to leave.
    pub(crate) fn runs_as(&self, number: u64, task: AbortHandle) {
        if let Some(entry) = self.lock().entries.get_mut(&number) {
            entry.task = Some(task);
        }
    }

    /// Asks every connection to end after the request that it is answering, and those in a handshake at once.
    pub(crate) fn close(&self) {
        let mut open = self.lock();
        open.closing = true;
        for entry in open.entries.values_mut() {
            match (&entry.watch, &entry.task) {
                (None, Some(task)) => task.abort(),
                _ => drop(entry.stop.take()),
            }
        }
    }

    /// Ends what is still open.
    pub(crate) fn abort(&self) {
        for entry in self.lock().entries.values() {
            if let Some(task) = &entry.task {
                task.abort();
            }
        }
    }

    /// Waits until no connection is open.
    pub(crate) async fn emptied(&self) {
        loop {
            let emptied = self.emptied.notified();
            if self.lock().entries.is_empty() {
                return;
            }
            emptied.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    fn oldest(&self, may_leave: impl Fn(&Entry) -> bool) -> Option<u64> {
        let mut entries = self.entries.iter();
        entries
            .find(|(_, entry)| may_leave(entry))
            .map(|(number, _)| *number)
    }

    /// The oldest of the address that has the most: of `newcomer` itself where no other has more.
    fn oldest_of_greediest(&self, newcomer: IpAddr) -> Option<u64> {
        let mut held: HashMap<IpAddr, usize> = HashMap::new();
        for entry in self.entries.values() {
            *held.entry(source(entry.peer)).or_default() += 1;
        }
        let most = held.values().copied().max()?;
        if held.get(&newcomer) == Some(&most) {
            return self.oldest(|entry| source(entry.peer) == newcomer);
        }
        self.oldest(|entry| held.get(&source(entry.peer)) == Some(&most))
    }
}

/// The peer's address; of IPv6 the network, because one host may have all of its addresses.
fn source(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            let network = u128::from(address) >> 64 << 64;
            IpAddr::V6(network.into())
        }
    }
}

impl Entry {
    fn never_served(&self) -> bool {
        self.watch.as_ref().is_none_or(|watch| !watch.served_one())
    }
}

impl ConnectionSlot {
    /// The connection's number on its port.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// The handshake is over and `watch` sees to the rest.
    pub(crate) fn established(&self, watch: &Arc<Watch>) {
        let mut open = self.connections.lock();
        let closing = open.closing;
        if let Some(entry) = open.entries.get_mut(&self.number) {
            entry.watch = Some(Arc::clone(watch));
            if closing {
                drop(entry.stop.take());
            }
        }
    }
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        let mut open = self.connections.lock();
        open.entries.remove(&self.number);
        if open.entries.is_empty() {
            self.connections.emptied.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn seat(admission: SlotOutcome) -> ConnectionSlot {
        match admission {
            SlotOutcome::Admitted(seat, _) | SlotOutcome::AdmittedForAnother(seat, _) => seat,
            SlotOutcome::Full => panic!("no seat"),
        }
    }

    fn watch() -> Arc<Watch> {
        Arc::new(Watch::unwatched(&Arc::default()))
    }

    #[tokio::test]
    async fn makes_room_by_sending_off_the_oldest_that_never_asked() {
        let connections = Connections::new(2);
        let worker = seat(connections.admit(HOST));
        let busy = watch();
        worker.established(&busy);
        busy.head_complete();
        let stalled = seat(connections.admit(HOST));
        let admission = connections.admit(HOST);
        assert!(matches!(admission, SlotOutcome::AdmittedForAnother(..)));
        assert_eq!(connections.len(), 2);
        let newcomer = seat(admission);
        let asking = watch();
        newcomer.established(&asking);
        asking.head_complete();
        assert!(matches!(connections.admit(HOST), SlotOutcome::Full));
        // The one that left gives its place back late; no one else loses one by it.
        drop(stalled);
        assert_eq!(connections.len(), 2);
    }

    #[tokio::test]
    async fn one_address_never_takes_the_place_of_another_that_holds_fewer() {
        let host = |last: u8| IpAddr::from([10, 0, 0, last]);
        let connections = Connections::shared_by_address(4);
        let probe = seat(connections.admit(host(1)));
        let mut flood: Vec<ConnectionSlot> =
            (0..20).map(|_| seat(connections.admit(host(2)))).collect();
        assert_eq!(connections.len(), 4);
        let open = |connection: &ConnectionSlot| {
            connections.lock().entries.contains_key(&connection.number)
        };
        assert!(open(&probe));
        // The oldest left, so the flood ends itself.
        assert!(flood[..17].iter().all(|connection| !open(connection)));
        assert!(flood[17..].iter().all(open));
        // Another prober takes a place of the flood's, and so does the flood of many addresses of one network.
        let other = seat(connections.admit(host(3)));
        let network = |last: u16| IpAddr::from([0xfd00, 0, 0, 1, 0, 0, 0, last]);
        flood.extend((0..20).map(|last| seat(connections.admit(network(last)))));
        assert!(open(&probe) && open(&other));
    }

    #[tokio::test]
    async fn tells_when_the_last_one_has_left() {
        let connections = Connections::new(2);
        let first = seat(connections.admit(HOST));
        let emptied = tokio::spawn({
            let connections = Arc::clone(&connections);
            async move { connections.emptied().await }
        });
        tokio::task::yield_now().await;
        assert!(!emptied.is_finished());
        drop(first);
        emptied.await.expect("emptied");
    }
}
