//! What the store tells after each commit, for whoever waits for it: event streams, and people who look at the clock.

use tokio::sync::watch;

use crate::store::{Change, ClockJump};

/// Passes on what was committed. Cheap to clone; [`tell`](Self::tell) is what the store is opened with.
#[derive(Debug, Clone, Default)]
pub struct Commits(watch::Sender<Committed>);

/// What has been committed so far.
#[derive(Debug, Clone, Copy, Default)]
pub struct Committed {
    /// How many groups.
    pub groups: u64,
    /// How many sales, refunds and movements were in them.
    pub documents: u64,
    /// How many times the catalog or its prices became others.
    pub catalogs: u64,
    /// The machine's clock's last jump in this run.
    pub clock_jump: Option<ClockJump>,
}

impl Commits {
    /// Tells what a group changed. Quick, and waits for nobody: the writer calls it.
    pub fn tell(&self, changes: &[Change]) {
        self.0.send_modify(|committed| {
            committed.groups = committed.groups.wrapping_add(1);
            for change in changes {
                match change {
                    Change::Sale(_) | Change::Refund(_) | Change::Movement(_) => {
                        committed.documents = committed.documents.wrapping_add(1);
                    }
                    Change::Catalog => committed.catalogs = committed.catalogs.wrapping_add(1),
                    Change::ClockJumped(jump) => committed.clock_jump = Some(*jump),
                    _ => {}
                }
            }
        });
    }

    /// What has been committed so far, and word of what follows.
    #[must_use]
    pub fn follow(&self) -> watch::Receiver<Committed> {
        self.0.subscribe()
    }
}
