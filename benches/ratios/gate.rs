//! What stands between the node and its broker: it counts every byte that passes, and lets none pass until it is
//! opened, so that an outage ends at a known moment.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::Outcome;

/// Far more than a node takes to connect.
const DEADLINE: Duration = Duration::from_secs(60);

/// A gate on a port of its own.
#[derive(Debug)]
pub struct Gate {
    /// Where the node finds its broker.
    pub port: u16,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    up_bytes: AtomicU64,
    down_bytes: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    knocked: bool,
    open: bool,
}

impl Gate {
    /// A closed gate before the broker at a port.
    pub fn new(broker_port: u16) -> Outcome<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        let shared = Arc::new(Shared::default());
        let of_thread = Arc::clone(&shared);
        // It waits for connections until the process ends.
        std::thread::spawn(move || {
            for node in listener.incoming().flatten() {
                let shared = Arc::clone(&of_thread);
                std::thread::spawn(move || shared.carry(node, broker_port));
            }
        });
        Ok(Self { port, shared })
    }

    /// Waits until the node stands before it.
    pub fn wait_for_node(&self) -> Outcome<()> {
        let state = self.shared.state.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self
            .shared
            .changed
            .wait_timeout_while(state, DEADLINE, |state| !state.knocked);
        let (state, _) = waited.map_err(|_| "a thread of the gate broke")?;
        if state.knocked {
            Ok(())
        } else {
            Err("the node does not look for its broker".into())
        }
    }

    /// Opens it.
    pub fn open(&self) {
        self.shared.tell(|state| state.open = true);
    }

    /// How many bytes have passed, towards the broker and back.
    pub fn bytes(&self) -> (u64, u64) {
        let read = |bytes: &AtomicU64| bytes.load(Ordering::Relaxed);
        (read(&self.shared.up_bytes), read(&self.shared.down_bytes))
    }
}

impl Shared {
    fn tell(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.notify_all();
    }

    fn carry(self: Arc<Self>, node: TcpStream, broker_port: u16) -> Outcome<()> {
        self.tell(|state| state.knocked = true);
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.changed.wait_while(state, |state| !state.open);
        drop(waited.map_err(|_| "a thread of the gate broke")?);
        let broker = TcpStream::connect((Ipv4Addr::LOCALHOST, broker_port))?;
        node.set_nodelay(true)?;
        broker.set_nodelay(true)?;
        let (from_broker, to_node) = (broker.try_clone()?, node.try_clone()?);
        let shared = Arc::clone(&self);
        std::thread::spawn(move || pass(from_broker, to_node, &shared.down_bytes));
        pass(node, broker, &self.up_bytes);
        Ok(())
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, count: &AtomicU64) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(bytes @ 1..) = from.read(&mut buffer) {
        count.fetch_add(bytes as u64, Ordering::Relaxed);
        if to.write_all(buffer.get(..bytes).unwrap_or_default()).is_err() {
            break;
        }
    }
    // One side has gone: the other is to hear of it. It may have gone too.
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}
