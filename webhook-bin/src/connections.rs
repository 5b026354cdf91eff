//! The open connections of one port: how many, which may make room for others, and their graceful end.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, oneshot};
use tokio::task::AbortHandle;

use crate::connection::Watch;

/// The connections of one listener.
#[derive(Debug)]
pub(crate) struct Connections {
    limit: usize,
    open: Mutex<Open>,
    emptied: Notify,
}

#[derive(Debug, Default)]
struct Open {
    next: u64,
    entries: BTreeMap<u64, Entry>,
    closing: bool,
}

#[derive(Debug)]
struct Entry {
    task: Option<AbortHandle>,
    stop: Option<oneshot::Sender<()>>,
    /// Known from the end of the handshake on.
    watch: Option<Arc<Watch>>,
}

/// A place among the open connections, given back when dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    connections: Arc<Connections>,
    number: u64,
}

/// What became of a new connection.
#[derive(Debug)]
pub(crate) enum Admission {
    /// It has a seat.
    Seated(Seat, oneshot::Receiver<()>),
    /// It has a seat that another connection, which never sent a request, had to leave.
    SeatedForAnother(Seat, oneshot::Receiver<()>),
    /// There is no room.
    Full,
}

impl Connections {
    pub(crate) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self {
            limit,
            open: Mutex::default(),
            emptied: Notify::new(),
        })
    }

    /// How many are open.
    pub(crate) fn len(&self) -> usize {
        self.lock().entries.len()
    }

    /// Finds a seat. When all are taken, the oldest connection that has never sent a whole request leaves:
    /// a flood of stalled handshakes then throws out itself, and callers at work stay.
    pub(crate) fn admit(self: &Arc<Self>) -> Admission {
        let mut open = self.lock();
        let full = open.entries.len() >= self.limit;
        if full {
            let idler = open
                .entries
                .iter()
                .find(|(_, entry)| entry.never_served())
                .map(|(number, _)| *number);
            let Some(entry) = idler.and_then(|number| open.entries.remove(&number)) else {
                return Admission::Full;
            };
            if let Some(task) = entry.task {
                task.abort();
            }
        }
        let number = open.next;
        open.next += 1;
        let (stop, stopped) = oneshot::channel();
        let entry = Entry {
            task: None,
            stop: Some(stop),
            watch: None,
        };
        open.entries.insert(number, entry);
        let seat = Seat {
            connections: Arc::clone(self),
            number,
        };
        if full {
            Admission::SeatedForAnother(seat, stopped)
        } else {
            Admission::Seated(seat, stopped)
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

impl Entry {
    fn never_served(&self) -> bool {
        self.watch.as_ref().is_none_or(|watch| !watch.served_one())
    }
}

impl Seat {
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

impl Drop for Seat {
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

    fn seat(admission: Admission) -> Seat {
        match admission {
            Admission::Seated(seat, _) | Admission::SeatedForAnother(seat, _) => seat,
            Admission::Full => panic!("no seat"),
        }
    }

    fn watch() -> Arc<Watch> {
        Arc::new(Watch::unwatched(&Arc::default()))
    }

    #[tokio::test]
    async fn makes_room_by_sending_off_the_oldest_that_never_asked() {
        let connections = Connections::new(2);
        let worker = seat(connections.admit());
        let busy = watch();
        worker.established(&busy);
        busy.head_complete();
        let stalled = seat(connections.admit());
        let admission = connections.admit();
        assert!(matches!(admission, Admission::SeatedForAnother(..)));
        assert_eq!(connections.len(), 2);
        let newcomer = seat(admission);
        let asking = watch();
        newcomer.established(&asking);
        asking.head_complete();
        assert!(matches!(connections.admit(), Admission::Full));
        // The one that left gives its seat back late; nobody else loses theirs by it.
        drop(stalled);
        assert_eq!(connections.len(), 2);
    }

    #[tokio::test]
    async fn tells_when_the_last_one_has_left() {
        let connections = Connections::new(2);
        let first = seat(connections.admit());
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
