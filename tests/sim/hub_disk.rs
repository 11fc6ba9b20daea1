//! Headquarters' disk and what is asked of it: modelled in the pure level; the real database in the full one, with the
//! model beside it, which must say the same of everything.
//!
//! Modelled, everything changes in [`HubDisk::commit`], as a whole; a crash leaves the state before or after it.

mod state;
mod stored;

use std::collections::BTreeMap;
use std::rc::Rc;

use finalmarket::domain::fact::SettlementDecision;
use finalmarket::domain::ids::{Incarnation, NodeId};
use finalmarket::domain::journal::RecordId;
use finalmarket::sync::hub::{Introduction, Outcome};
use finalmarket::sync::wire::{Batch, FeedCursor, FeedEntry, FeedPage, Hello, StreamState, StreamStatus};

use super::folder::Folder;
use super::ledger::Ledger;
use super::node_disk::Death;
use super::planted::Planted;
use super::promise::{Checked, Promise, Violation};
use super::requests::DocId;
pub use state::Counted;
use state::State;
use stored::StoredHub;

/// Work for one commit.
#[derive(Debug, Clone)]
pub enum Work {
    /// A node introduces itself.
    Introduce(NodeId, Hello),
    /// A batch.
    Ingest(NodeId, u64, Vec<u8>),
    /// An operator settles an incarnation.
    Settle(NodeId, Incarnation, SettlementDecision),
    /// An operator repairs a record.
    Correct(RecordId, Rc<[u8]>),
    /// An operator publishes to a feed.
    Publish(String, FeedEntry),
}

/// What became of it.
#[derive(Debug, Clone)]
pub enum Done {
    /// The answer to an introduction.
    Introduced(NodeId, u64, Introduction),
    /// The answer to a batch.
    Ingested(NodeId, u64, Outcome),
    /// A feed has grown.
    Published(String),
    /// Nothing to say.
    Nothing,
}

/// What headquarters says of how complete its figures are.
#[derive(Debug, Clone)]
pub struct Claim {
    /// Of which node.
    pub node: NodeId,
    /// Everything that it recorded before then is in them, as far as it has told; in milliseconds since 1970.
    pub through_ms: u64,
    /// How many records it has told of are not in them.
    pub pending: u64,
}

/// An image of the disk.
#[derive(Debug, Clone)]
pub struct HubImage {
    state: State,
    files: Option<Rc<Folder>>,
}

/// Headquarters' disk.
#[derive(Debug)]
pub struct HubDisk {
    /// What is on it, or in the full level must be.
    state: State,
    full: bool,
    planted: Option<Planted>,
    stored: Option<StoredHub>,
    /// What may have reached the disk in a crash, or not.
    uncertain: Vec<Work>,
}

impl HubDisk {
    /// An empty disk; a real one where `real`.
    pub fn new(planted: Option<Planted>, real: bool) -> Self {
        Self {
            state: State::default(),
            full: false,
            planted,
            stored: real.then(StoredHub::new),
            uncertain: Vec::new(),
        }
    }

    /// A process starts on it. False where it does not get so far: its power goes after `power_goes_after` writes and
    /// syncs, or there is no room.
    pub fn start(&mut self, now_ms: u64, power_goes_after: Option<u64>, choice: u64) -> Result<bool, Violation> {
        self.state.process = choice;
        let Some(stored) = &mut self.stored else {
            return Ok(true);
        };
        if !stored.start(now_ms, power_goes_after, choice)? || !stored.project()? {
            return Ok(false);
        }
        let before = stored.differs(&self.state, true)?;
        let mut after = self.state.clone();
        for work in std::mem::take(&mut self.uncertain) {
            after.work(&work, now_ms, None);
        }
        match before {
            None => Ok(true),
            Some(before) => match stored.differs(&after, true)? {
                None => {
                    self.state = after;
                    Ok(true)
                }
                Some(after) => {
                    let what =
                        format!("headquarters after its crash is neither as before ({before}) nor as after ({after})");
                    Err(Violation::of(Promise::ExactlyOnce, what))
                }
            },
        }
    }

    /// The process ends with a group under way.
    pub fn dies(&mut self, group: &[Work], now_ms: u64, death: Death) -> Checked {
        let Some(stored) = &mut self.stored else {
            if death.operations > 0 {
                // It may fail for want of room; then nothing of it is there.
                self.commit(group, now_ms, true)?;
            }
            return Ok(());
        };
        let (done, uncertain) = stored.dies(group, now_ms, death);
        for work in done {
            self.state.work(&work, now_ms, None);
        }
        self.uncertain = uncertain;
        Ok(())
    }

    /// While on, no commit succeeds.
    pub fn set_full(&mut self, full: bool) {
        self.full = full;
        if let Some(stored) = &self.stored {
            stored.set_full(full);
        }
    }

    /// A backup.
    pub fn image(&self) -> HubImage {
        HubImage {
            state: self.state.clone(),
            files: self.stored.as_ref().map(|stored| Rc::new(stored.image())),
        }
    }

    /// Restores a backup.
    pub fn set_back(&mut self, image: &HubImage) {
        self.state = image.state.clone();
        self.uncertain.clear();
        if let (Some(stored), Some(files)) = (&mut self.stored, &image.files) {
            stored.set_back(files);
        }
    }

    /// Commits a group and says what became of each piece of work: nothing where the disk failed. Its figures follow
    /// at once where `projects`.
    pub fn commit(&mut self, group: &[Work], now_ms: u64, projects: bool) -> Result<Vec<Option<Done>>, Violation> {
        let planted = self.planted;
        let Some(stored) = &mut self.stored else {
            let work = |work| (!self.full).then(|| self.state.work(work, now_ms, planted));
            return Ok(group.iter().map(work).collect());
        };
        let mut results = stored.commit(group, now_ms)?;
        for (work, done) in group.iter().zip(&mut results) {
            let Some(done) = done else { continue };
            let modelled = self.state.work(work, now_ms, None);
            if modelled.in_words() != done.in_words() {
                let what = format!("headquarters answers {done:?}, and by its ledger it should be {modelled:?}");
                return Err(Violation::of(Promise::Explains, what));
            }
            if planted == Some(Planted::ReusedIncarnation) {
                believe(work, done);
            }
        }
        let level = projects && stored.project()?;
        match stored.differs(&self.state, level)? {
            None => Ok(results),
            Some(difference) => {
                let what = format!("headquarters has something else than what was committed: {difference}");
                Err(Violation::of(Promise::ExactlyOnce, what))
            }
        }
    }

    /// Planted: what a commit of this group would answer.
    pub fn foretell(&self, group: &[Work], now_ms: u64) -> Vec<Done> {
        let mut state = self.state.clone();
        group.iter().map(|work| state.work(work, now_ms, None)).collect()
    }

    /// P4: the figures, made again from the ledger, are the same.
    pub fn verify(&mut self) -> Checked {
        self.stored.as_ref().map_or(Ok(()), StoredHub::verify)
    }

    /// What headquarters says of each node of how complete its figures are.
    pub fn claims(&self) -> Result<Vec<Claim>, Violation> {
        match &self.stored {
            None => Ok(self.state.ledger.claims()),
            Some(stored) => stored.claims(),
        }
    }

    /// Whether a sale is in the figures that people see now.
    pub fn shows(&self, doc: &DocId) -> Result<bool, Violation> {
        match (&self.stored, doc) {
            (Some(stored), DocId::Sale(id)) => stored.shows(id),
            _ => Ok(self.state.counted.contains_key(doc)),
        }
    }

    /// A feed's next page, where there is more.
    pub fn page(&self, cursor: &FeedCursor, bytes_max: u32) -> Option<FeedPage> {
        match &self.stored {
            None => self.state.page(cursor, bytes_max),
            Some(stored) => stored.page(cursor, bytes_max),
        }
    }

    /// The ledger.
    pub fn ledger(&self) -> &Ledger {
        &self.state.ledger
    }

    /// What is counted.
    pub fn counted(&self) -> &BTreeMap<DocId, Counted> {
        &self.state.counted
    }

    /// What was counted since the last call.
    pub fn take_fresh(&mut self) -> Vec<DocId> {
        std::mem::take(&mut self.state.fresh)
    }

    /// The totals by business day, in cents.
    pub fn totals(&self) -> &BTreeMap<i32, i64> {
        &self.state.totals
    }

    /// How stock has moved, by SKU, in thousandths.
    pub fn stock(&self) -> &BTreeMap<String, i64> {
        &self.state.stock
    }

    /// Documents of one identity and two contents.
    pub fn conflicts(&self) -> &[DocId] {
        &self.state.conflicts
    }

    /// Whether a record was set aside, whatever has become of it since.
    pub fn is_set_aside(&self, of: &RecordId) -> bool {
        self.state.set_aside.contains_key(of)
    }

    /// Records set aside that nobody has repaired.
    pub fn set_aside(&self) -> impl Iterator<Item = &RecordId> {
        let state = &self.state;
        state.set_aside.keys().filter(|id| !state.corrected.contains(id))
    }

    /// Incarnations that wait for an operator.
    pub fn set_apart(&self) -> Vec<(NodeId, Incarnation)> {
        let streams = self.state.ledger.streams();
        streams
            .filter(|(_, _, stream)| stream.state == StreamState::SetApart)
            .map(|(node, incarnation, _)| (node.clone(), incarnation))
            .collect()
    }

    /// What a feed holds.
    pub fn feed(&self, feed: &str) -> (u64, BTreeMap<String, Option<String>>) {
        let known = self.state.feeds.get(feed).cloned().unwrap_or_default();
        let entries = known.entries.into_iter().map(|(key, (_, body))| (key, body));
        (known.version, entries.collect())
    }
}

impl Done {
    /// What was answered, without the words for people.
    fn in_words(&self) -> String {
        match self {
            Self::Ingested(
                node,
                session,
                Outcome::Unreadable {
                    incarnation,
                    first,
                    count,
                    ..
                },
            ) => format!("{node} {session} unreadable {incarnation:?} {first} {count}"),
            // What is acknowledged may be told as it was before the group.
            Self::Ingested(node, session, Outcome::Damaged { first, count, .. }) => {
                format!("{node} {session} damaged {first} {count}")
            }
            Self::Ingested(node, session, Outcome::Unwelcome { .. }) => format!("{node} {session} unwelcome"),
            other => format!("{other:?}"),
        }
    }
}

/// Planted: a headquarters that compares no hashes takes every branch for the one that it has.
fn believe(work: &Work, done: &mut Done) {
    match (work, done) {
        (Work::Introduce(_, hello), Done::Introduced(_, _, result @ Introduction::Branched { .. })) => {
            let status = |told: &finalmarket::sync::wire::StreamHead| StreamStatus {
                acked: told.head,
                common: told.head.seq,
                state: StreamState::Counted,
            };
            *result = Introduction::Known(hello.streams.iter().map(status).collect());
        }
        (Work::Ingest(_, _, sealed), Done::Ingested(_, _, outcome @ Outcome::Branched { .. })) => {
            if let (Ok(batch), Outcome::Branched { acked }) = (Batch::open(sealed), &*outcome) {
                let mut acked = *acked;
                acked.seq = batch.header.last();
                acked.hash = batch.header.after;
                *outcome = Outcome::Committed { acked };
            }
        }
        _ => {}
    }
}
