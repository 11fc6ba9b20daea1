//! Holds answers back until a standby has what they answer for, for a bounded time.
//!
//! A whole group of jobs waits together, and the writer does not wait at all: it hands the group's answers over and takes
//! the next group. Where the standby is gone or slow, answers go out with one disk until it has caught up.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A standby that lacks no more records than this has caught up: under load it is always a group behind.
const BEHIND_MAX: i64 = 256;

/// Whether answers wait for the standby.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GateState {
    /// They do: what is answered for is on two disks.
    TwoDisks,
    /// They do not, because no standby is there, or it has not caught up yet.
    OneDisk,
}

/// The gate. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct AnswerGate(Arc<Shared>);

struct Shared {
    bound: Duration,
    inner: Mutex<Inner>,
}

struct Inner {
    state: GateState,
    /// The last position of the journal that the standby has.
    standby_has: i64,
    /// The last position that was committed here.
    newest: i64,
    held: VecDeque<Held>,
}

struct Held {
    position: i64,
    since: Instant,
    release: Box<dyn FnOnce() + Send>,
}

impl AnswerGate {
    /// A gate that waits at most so long. It begins with one disk.
    #[must_use]
    pub fn new(bound: Duration) -> Self {
        Self(Arc::new(Shared {
            bound,
            inner: Mutex::new(Inner {
                state: GateState::OneDisk,
                standby_has: 0,
                newest: 0,
                held: VecDeque::new(),
            }),
        }))
    }

    /// How long an answer waits at most.
    #[must_use]
    pub fn bound(&self) -> Duration {
        self.0.bound
    }

    /// Whether answers wait.
    #[must_use]
    pub fn state(&self) -> GateState {
        self.with(|inner| inner.state)
    }

    /// Gives answers out: now, or once the standby has the journal up to `position`.
    pub(super) fn answer(&self, position: i64, release: Box<dyn FnOnce() + Send>) {
        let now = self.with(|inner| {
            inner.newest = inner.newest.max(position);
            if inner.state == GateState::OneDisk || position <= inner.standby_has {
                return Some(release);
            }
            let since = Instant::now();
            inner.held.push_back(Held {
                position,
                since,
                release,
            });
            None
        });
        if let Some(release) = now {
            release();
        }
    }

    /// The standby has the journal up to `position`, or no more than that. True where answers wait for it from now on.
    #[must_use]
    pub fn standby_has(&self, position: i64) -> bool {
        let (ready, begins) = self.with(|inner| {
            inner.standby_has = position;
            let begins = inner.state == GateState::OneDisk && position.saturating_add(BEHIND_MAX) >= inner.newest;
            if begins {
                inner.state = GateState::TwoDisks;
            }
            let count = inner.held.iter().take_while(|held| held.position <= position).count();
            (inner.held.drain(..count).collect::<Vec<_>>(), begins)
        });
        ready.into_iter().for_each(|held| (held.release)());
        begins
    }

    /// Goes on with one disk where an answer has waited for too long. True where that is news.
    #[must_use]
    pub fn look_at_the_clock(&self) -> bool {
        let late = self.with(|inner| {
            inner
                .held
                .front()
                .is_some_and(|held| held.since.elapsed() >= self.0.bound)
        });
        late && self.standby_is_gone()
    }

    /// Goes on with one disk. True where that is news.
    #[must_use]
    pub fn standby_is_gone(&self) -> bool {
        let (all, news) = self.with(|inner| {
            let news = inner.state == GateState::TwoDisks;
            inner.state = GateState::OneDisk;
            (std::mem::take(&mut inner.held), news)
        });
        all.into_iter().for_each(|held| (held.release)());
        news
    }

    fn with<T>(&self, work: impl FnOnce(&mut Inner) -> T) -> T {
        // It is whole after every change, so that a panic elsewhere spoils nothing.
        work(&mut self.0.inner.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl std::fmt::Debug for AnswerGate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "AnswerGate({:?})", self.state())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    fn answers(gate: &AnswerGate, position: i64, given: &Arc<AtomicU32>) {
        let given = Arc::clone(given);
        gate.answer(
            position,
            Box::new(move || {
                given.fetch_add(1, Ordering::Relaxed);
            }),
        );
    }

    #[test]
    fn answers_wait_for_the_standby_once_it_has_caught_up() {
        let (gate, given) = (AnswerGate::new(Duration::from_secs(3600)), Arc::new(AtomicU32::new(0)));
        let count = || given.load(Ordering::Relaxed);
        answers(&gate, 1_005, &given);
        assert_eq!(count(), 1, "there is no standby yet");
        assert!(!gate.standby_has(4), "it has not caught up");
        assert!(gate.standby_has(1_005));
        assert_eq!(gate.state(), GateState::TwoDisks);
        answers(&gate, 1_005, &given);
        assert_eq!(count(), 2, "what it has needs no wait");
        answers(&gate, 1_007, &given);
        answers(&gate, 1_008, &given);
        assert_eq!(count(), 2);
        assert!(!gate.standby_has(1_007));
        assert_eq!(count(), 3, "only what it has");
        assert!(!gate.look_at_the_clock(), "nothing has waited for an hour");
        assert!(gate.standby_is_gone());
        assert!(!gate.standby_is_gone(), "no news");
        assert_eq!(count(), 4, "nobody waits for what is gone");
    }

    #[test]
    fn nobody_waits_beyond_the_bound() {
        let (gate, given) = (AnswerGate::new(Duration::ZERO), Arc::new(AtomicU32::new(0)));
        assert!(gate.standby_has(0));
        answers(&gate, 1, &given);
        assert!(gate.look_at_the_clock());
        assert_eq!(given.load(Ordering::Relaxed), 1);
        assert_eq!(gate.state(), GateState::OneDisk);
        assert!(gate.standby_has(1), "it has caught up and answers wait again");
    }
}
