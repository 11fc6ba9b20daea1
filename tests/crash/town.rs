//! Where tills and whoever ends the node meet: which life of the node is on, how many answers were heard, who waits.

use std::net::SocketAddr;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::sim::promise::{Checked, Promise, Violation};
use crate::sim::rng::Rng;
use crate::till::Till;

/// Far more than any step takes on a busy machine; reaching it is a failure.
const DEADLINE: Duration = Duration::from_secs(120);

/// What tills say of a node that answers nothing, or only faults, while nobody has ended it.
pub const SILENT: &str = "the node lives and does not answer";

/// One start of the node, as its tills know it.
#[derive(Debug, Clone)]
pub struct Life {
    pub number: u64,
    pub address: SocketAddr,
    /// A token with every right.
    pub operator: String,
}

/// The tills of a store, each on a thread of its own, and what they have in common.
pub struct Town {
    square: Arc<Square>,
    tills: Vec<JoinHandle<Till>>,
}

/// What tills and the town share.
pub struct Square {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    life: Option<Life>,
    /// Sales that were answered, in all lives.
    answers: u64,
    /// Tills that have sold something.
    at_work: usize,
    /// Tills that have nobody to ask until the next life begins.
    waiting: usize,
    closing: bool,
    broken: Option<Violation>,
}

impl Town {
    /// Opens a store with so many tills, two to a register.
    pub fn open(tills: usize, rng: &mut Rng) -> Self {
        let square = Arc::new(Square {
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        let tills = (1..=tills).map(|number| {
            let (square, till) = (Arc::clone(&square), Till::new(number, rng.next()));
            let work = move || till.work(&square);
            std::thread::Builder::new()
                .name(format!("till {number}"))
                .spawn(work)
                .expect("a thread")
        });
        Self {
            tills: tills.collect(),
            square,
        }
    }

    /// The node lives: the tills go to work.
    pub fn begins(&self, address: SocketAddr, operator: String) -> Life {
        let mut state = self.square.state();
        let life = Life {
            number: state.life.as_ref().map_or(1, |life| life.number + 1),
            address,
            operator,
        };
        state.life = Some(life.clone());
        state.waiting = 0;
        self.square.changed.notify_all();
        life
    }

    /// Waits until so many more sales were answered.
    ///
    /// # Errors
    /// What a till found broken meanwhile, or that the node answers none of them.
    pub fn hears(&self, answers: u64) -> Checked {
        let enough = self.square.state().answers + answers;
        self.wait_unless_silent(|state| state.answers >= enough)
    }

    /// Waits until every till has sold something.
    ///
    /// # Errors
    /// What a till found broken meanwhile, or that the node answers none of them.
    pub fn is_at_work(&self) -> Checked {
        let tills = self.tills.len();
        self.wait_unless_silent(|state| state.at_work == tills)
    }

    /// Waits until every till waits for the next life.
    ///
    /// # Errors
    /// What a till found broken meanwhile.
    pub fn is_silent(&self) -> Checked {
        let tills = self.tills.len();
        self.wait(|state| state.waiting == tills)
    }

    /// Lets the tills finish what they have begun, and gives them back. The node must live on meanwhile.
    ///
    /// # Errors
    /// What a till found broken.
    pub fn close(self) -> Result<Vec<Till>, Violation> {
        self.square.state().closing = true;
        self.square.changed.notify_all();
        let tills = self
            .tills
            .into_iter()
            .map(|till| till.join().expect("a till that works"))
            .collect();
        match self.square.state().broken.take() {
            None => Ok(tills),
            Some(violation) => Err(violation),
        }
    }

    fn wait_unless_silent(&self, enough: impl Fn(&State) -> bool) -> Checked {
        let tills = self.tills.len();
        self.wait(|state| enough(state) || state.waiting == tills)?;
        if enough(&self.square.state()) {
            Ok(())
        } else {
            Err(Violation::of(Promise::NothingLost, SILENT))
        }
    }

    fn wait(&self, enough: impl Fn(&State) -> bool) -> Checked {
        let until = Instant::now() + DEADLINE;
        let mut state = self.square.state();
        loop {
            if let Some(violation) = &state.broken {
                return Err(violation.clone());
            }
            if enough(&state) {
                return Ok(());
            }
            let left = until.saturating_duration_since(Instant::now());
            let (waited, timeout) = self.square.changed.wait_timeout(state, left).expect("the square");
            state = waited;
            assert!(!timeout.timed_out(), "the tills are stuck: {} wait", state.waiting);
        }
    }
}

impl Square {
    /// Waits for a life after the one with that number; none where the store is given up.
    pub fn next_life(&self, after: u64) -> Option<Life> {
        let mut state = self.state();
        let mut counted = false;
        loop {
            if state.broken.is_some() {
                return None;
            }
            if let Some(life) = state.life.clone().filter(|life| life.number > after) {
                return Some(life);
            }
            if !counted {
                counted = true;
                state.waiting += 1;
                self.changed.notify_all();
            }
            state = self.changed.wait(state).expect("the square");
        }
    }

    /// A sale was answered, the till's first or another.
    pub fn heard(&self, first: bool) {
        let mut state = self.state();
        state.answers += 1;
        state.at_work += usize::from(first);
        self.changed.notify_all();
    }

    /// Whether tills begin nothing new.
    pub fn closing(&self) -> bool {
        self.state().closing
    }

    /// A promise was broken: everybody stops. The first one counts.
    pub fn breaks(&self, violation: Violation) {
        self.state().broken.get_or_insert(violation);
        self.changed.notify_all();
    }

    /// Whether everybody is to stop.
    pub fn broken(&self) -> bool {
        self.state().broken.is_some()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Whole after every change, so that a panic elsewhere spoils nothing.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
