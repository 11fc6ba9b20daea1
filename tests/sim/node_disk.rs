//! A node's disk and what is asked of it. The pure level models it; the full level has the real store on one.

pub mod modelled;
pub mod stored;

use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;

use finalmarket::domain::fact::OpenedReason;
use finalmarket::domain::ids::{Incarnation, SiteId};
use finalmarket::domain::journal::{Hash, Head};
use finalmarket::sync::node::{LoadedBatch, LocalStream};
use finalmarket::sync::wire::{FeedCursor, FeedPage};

use super::promise::{Checked, Violation};
use super::requests::{DocId, Request};

/// What is asked of the writer.
#[derive(Debug, Clone)]
pub enum Write {
    /// A till's request.
    Request(Rc<Request>),
    /// The parent's acknowledgement.
    SaveAck(Head),
    /// A record that nobody can take.
    SetAside {
        /// The incarnation.
        incarnation: Incarnation,
        /// The record.
        seq: u64,
        /// Why.
        reason: String,
    },
    /// A branch is to be kept under an incarnation of its own.
    Rehome {
        /// The incarnation with two branches.
        incarnation: Incarnation,
        /// Up to here both are the same.
        common: u64,
        /// Whether the disk was simply set back.
        set_back: bool,
        /// What the new incarnation is to be, where one is needed.
        next: NewLife,
    },
    /// A feed's page.
    ApplyFeed(FeedPage),
    /// Forget acknowledged records, all but so many.
    Prune {
        /// How many are kept.
        keep: u64,
        /// Planted: whether it was acknowledged is not asked.
        unacknowledged_too: bool,
    },
    /// A broken record of a document, as a bug would leave it.
    Garbage(Rc<Request>),
}

/// What became of a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Written {
    /// The request's answer.
    Answered(Result<(), String>),
    /// The record is set aside.
    SetAside(Incarnation, u64),
    /// The branch is kept.
    Rehomed,
    /// The page is on disk.
    FeedApplied(FeedCursor),
    /// Pruned up to here, by incarnation.
    Pruned(Vec<(Incarnation, u64)>),
    /// Nothing to say.
    Done,
    /// A rule of the store said no, or it asked for what is not there: whoever asked begins again.
    NotDone(String),
}

/// What makes an incarnation unique.
#[derive(Debug, Clone)]
pub struct NewLife {
    /// Its random bits.
    pub random: u64,
    /// Its key's seed.
    pub key: [u8; 32],
}

/// Nothing of a group was done.
#[derive(Debug, Clone)]
pub enum NotCommitted {
    /// There was no room.
    NoRoom,
    /// The store failed though nothing was wrong with the disk.
    Broken(Violation),
}

/// What a machine's clocks show.
#[derive(Debug, Clone, Copy)]
pub struct Clocks {
    /// Milliseconds since 1970, as far as the machine knows.
    pub wall_ms: u64,
    /// Simulated milliseconds since the beginning.
    pub now_ms: u64,
}

/// How a process ends.
#[derive(Debug, Clone, Copy)]
pub struct Death {
    /// Why.
    pub end: End,
    /// How many writes and syncs it still does: into the group that is under way, or while it closes.
    pub operations: u64,
    /// Any number: what becomes of what was not synced.
    pub choice: u64,
}

/// Why a process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Killed: what it wrote is there.
    Killed,
    /// Its machine's power went: what was not synced may be gone.
    PowerCut,
    /// Told to stop; it closes its disk, unless it is killed meanwhile.
    Stopped,
}

/// A record that became durable: who wrote it, where, and which document it holds.
#[derive(Debug, Clone)]
pub struct NewRecord {
    /// Its incarnation.
    pub incarnation: Incarnation,
    /// Its number.
    pub seq: u64,
    /// The chain's hash before it.
    pub before: Hash,
    /// The chain's hash after it.
    pub hash: Hash,
    /// When its node says that it recorded it, in milliseconds since 1970.
    pub recorded_ms: u64,
    /// The document in it, where there is one.
    pub doc: Option<DocId>,
}

/// A feed as a disk has it: its version and, where the disk can tell, what it holds.
pub type FeedHeld = (u64, Option<BTreeMap<String, Option<String>>>);

/// A node's disk with the store on it.
///
/// Between [`dies`](NodeDisk::dies) and [`start`](NodeDisk::start) nobody reads or writes it; what it tells then is
/// what it told last.
pub trait NodeDisk: fmt::Debug {
    /// The site that it belongs to.
    fn site(&self) -> &SiteId;

    /// A process starts on it and opens an incarnation if there is a reason. False where it does not get so far: its
    /// power goes after `power_goes_after` writes and syncs, or there is no room.
    fn start(
        &mut self,
        opens: Option<OpenedReason>,
        next: &NewLife,
        clocks: Clocks,
        power_goes_after: Option<u64>,
    ) -> Result<bool, Violation>;

    /// The process ends with a group under way. Gives the answers that it still gave.
    fn dies(&mut self, group: &[Write], clocks: Clocks, death: Death) -> Vec<Option<Written>>;

    /// While on, no write succeeds.
    fn set_full(&mut self, full: bool);

    /// Commits a group: all of it or, where the disk fails, nothing.
    fn commit(&mut self, group: &[Write], clocks: Clocks) -> Result<Vec<Written>, NotCommitted>;

    /// Planted: the disk as it would be after a group, with its answers.
    fn ahead(&self, group: &[Write], clocks: Clocks) -> Option<(Box<dyn NodeDisk>, Vec<Written>)>;

    /// A copy of it as it is now, for a machine that does not run.
    fn image(&self) -> Box<dyn NodeDisk>;

    /// Records that became durable since the last call.
    fn take_fresh(&mut self) -> Vec<NewRecord>;

    /// P4: whether everything on it follows from its journal.
    fn verify(&self) -> Checked;

    /// The series that its node gave to one of its paired tills, counted from 0; none before it has started once, and
    /// none where tills bring their own.
    fn series(&self, till: usize) -> Option<String>;

    /// The head of the incarnation that is being written; none before it has started once.
    fn head(&self) -> Option<Head>;

    /// Every incarnation that has something to offer, and how far the feeds are.
    fn streams(&self) -> (Vec<LocalStream>, Vec<FeedCursor>);

    /// Packs records for the parent; nothing where they are not there.
    fn batch(&self, incarnation: Incarnation, from: u64, records_max: u32, bytes_max: u32) -> Option<LoadedBatch>;

    /// Whether it holds a document.
    fn has(&self, doc: &DocId) -> bool;

    /// Whether it has let a document's record go, so that nothing more can be done about it.
    fn has_forgotten(&self, doc: &DocId) -> bool;

    /// Every document on it.
    fn documents(&self) -> Vec<DocId>;

    /// The stock by item, in thousandths; items that were moved to nothing may be left out.
    fn stock(&self) -> BTreeMap<usize, i64>;

    /// What it has of a feed.
    fn feed(&self, feed: &str) -> FeedHeld;

    /// A record as it should have been written: what a person would export to repair it. Another branch of this disk
    /// may have another one in that place. `withheld` says whether headquarters never saw it: then it must still learn
    /// where the record comes from.
    fn repair(&self, incarnation: Incarnation, seq: u64, hash: Hash, withheld: bool) -> Option<Rc<[u8]>>;

    /// How many records are kept that the parent has not acknowledged.
    fn pending(&self) -> u64;

    /// How many records are kept in all.
    fn records_kept(&self) -> u64;
}
