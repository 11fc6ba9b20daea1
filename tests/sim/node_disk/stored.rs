//! A node's disk with the real store on it: SQLite files over a disk whose power can be cut, and the real operations.
//!
//! The store's writer is run on the simulator's own thread, one group after the other, so that a seed always gives the
//! same run. Nothing here reads a clock or makes a random number.

#[path = "stored_journal.rs"]
mod journal;
#[path = "stored_writes.rs"]
mod writes;

pub use writes::item;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};

use finalmarket::domain::fact::{Entry, Fact, OpenedReason};
use finalmarket::domain::ids::{Incarnation, SiteId};
use finalmarket::domain::journal::{Hash, Head};
use finalmarket::operations;
use finalmarket::store::{
    Faults, IncarnationSeed, NewNode, Now, OpenError, Readers, RestoreOptions, Snapshot, StorageError, StoreOptions,
    WriterCore, back_up, restore,
};
use finalmarket::sync::node::{LoadedBatch, LocalStream};
use finalmarket::sync::wire::FeedCursor;

use super::{Clocks, Death, End, FeedHeld, NewLife, NewRecord, NodeDisk, NotCommitted, Write, Written};
use crate::sim::folder::Folder;
use crate::sim::power_cut::PowerCut;
use crate::sim::promise::{Checked, Promise, Violation};
use crate::sim::requests::{DocId, PRICES, sku};
use journal::Journal;

/// What the database consists of in its folder, as far as a copy needs it.
const FILES: [&str; 2] = ["node.db", "node.db-wal"];

/// A disk with the real store on it.
pub struct StoredDisk {
    node: NewNode,
    /// How many tills are paired when it starts for the first time.
    tills: usize,
    /// What makes its first incarnation unique.
    first: NewLife,
    faults: Faults,
    // Before the folder, so that it is closed before that is gone.
    process: Option<Process>,
    folder: Folder,
    power: PowerCut,
    /// Tells the machine that it runs in from others.
    machine_id: String,
    /// A backup, where this is a disk that one was made of.
    backup: Option<PathBuf>,
    journal: Journal,
    /// True where it died in a group that pruned: what went is seen at its next start.
    pruned_unseen: bool,
    /// What it told last of itself.
    last: Standing,
}

/// A process that has the database open.
struct Process {
    // Closed before the core, which then writes the log back.
    readers: Readers,
    core: WriterCore,
}

#[derive(Debug, Clone, Default)]
struct Standing {
    series: Vec<String>,
    head: Option<Head>,
    pending: u64,
    kept: u64,
    stock: BTreeMap<usize, i64>,
}

impl StoredDisk {
    /// An empty disk for a new node. Its first incarnation is made unique by `first`.
    pub fn new(node: NewNode, tills: usize, first: NewLife, faults: Faults) -> Self {
        Self {
            machine_id: format!("the first machine of {}", node.node),
            node,
            tills,
            first,
            faults,
            folder: Folder::new(),
            power: new_power(),
            backup: None,
            process: None,
            journal: Journal::default(),
            pruned_unseen: false,
            last: Standing::default(),
        }
    }

    fn read<T>(&self, read: impl FnOnce(&Snapshot<'_>) -> Result<T, StorageError>) -> Result<T, Violation> {
        let Some(process) = &self.process else {
            return Err(broken("is read while no process has it open"));
        };
        process
            .readers
            .read(read)
            .map_err(|error| broken(&format!("cannot be read: {error}")))
    }

    fn open(&mut self, seed: IncarnationSeed, now: Now) -> Result<Process, OpenError> {
        let options = StoreOptions {
            directory: self.folder.path().to_owned(),
            vfs: Some(self.power.name().to_owned()),
            create: Some(self.node.clone()),
            machine_id: self.machine_id.clone(),
            seed,
            readers: 1,
            faults: self.faults,
        };
        let (mut core, _) = WriterCore::open(&options, now)?;
        let readers = Readers::open(&options.directory, options.vfs.as_deref(), options.readers)?;
        if core.read(|snapshot| snapshot.devices())?.is_empty() {
            let (tills, salt) = (self.tills, self.first.random);
            core.run(|tx| writes::furnish(tx, now, tills, salt))
                .map_err(StorageError::from)?;
        }
        Ok(Process { readers, core })
    }

    /// Makes a backup, where there is none yet, and restores it in place of what is here.
    fn restore(&mut self, seed: IncarnationSeed, now: Now) -> Result<(), Violation> {
        let directory = self.folder.path().to_owned();
        let backup = match self.backup.take() {
            Some(backup) => backup,
            None => {
                let to = directory.join("backup.db");
                back_up(&directory, &to, |_, _| {}).map_err(|error| broken(&format!("has no backup: {error}")))?;
                to
            }
        };
        let options = RestoreOptions {
            backup,
            directory,
            replace: true,
            machine_id: self.machine_id.clone(),
            seed,
        };
        restore(&options, now).map_err(|error| broken(&format!("cannot be restored: {error}")))?;
        fs::remove_file(&options.backup).map_err(|error| broken(&format!("keeps its backup: {error}")))?;
        self.power.sync_all();
        Ok(())
    }

    /// What became durable since the last look, and where everything stands.
    fn look(&mut self, clocks: Clocks, whole: bool) -> Checked {
        let Some(process) = &self.process else {
            return Ok(());
        };
        let journal = &mut self.journal;
        let looked = process.readers.read(|snapshot| {
            journal.read(snapshot, clocks.now_ms, whole)?;
            let (streams, _) = operations::streams(snapshot)?;
            let behind = |stream: &LocalStream| stream.head.head.seq.saturating_sub(stream.acked.seq);
            let kept = |stream: &LocalStream| (stream.head.head.seq + 1).saturating_sub(stream.head.earliest);
            let item = |sku: &str| sku.trim_start_matches("item-").parse::<usize>().ok();
            let stock = snapshot.stock_page(None, 10 * PRICES.len() as u32)?;
            let tills = snapshot.devices()?.into_iter().filter_map(|device| device.till);
            Ok::<_, StorageError>(Standing {
                series: tills.map(|till| till.series.to_string()).collect(),
                head: streams.last().map(|stream| stream.head.head),
                pending: streams.iter().map(behind).sum(),
                kept: streams.iter().map(kept).sum(),
                stock: stock
                    .into_iter()
                    .filter_map(|(sku, quantity)| Some((item(sku.as_str())?, quantity.on_hand.thousandths())))
                    .collect(),
            })
        });
        self.last = looked.map_err(|error| broken(&format!("cannot be read: {error}")))?;
        Ok(())
    }

    /// Ends the process, which may write no more, and leaves the files as they would be found.
    fn end(&mut self, power: bool, choice: u64) {
        self.power.cut();
        self.process = None;
        if power {
            self.power.settle(choice);
        } else {
            self.power.back_on();
        }
    }
}

impl NodeDisk for StoredDisk {
    fn site(&self) -> &SiteId {
        &self.node.site
    }

    fn start(
        &mut self,
        opens: Option<OpenedReason>,
        next: &NewLife,
        clocks: Clocks,
        power_goes_after: Option<u64>,
    ) -> Result<bool, Violation> {
        let now = now(clocks);
        let first = self.last.head.is_none();
        match opens {
            Some(OpenedReason::Restored) => self.restore(seed(next), now)?,
            Some(OpenedReason::Moved) => self.machine_id = format!("machine {:016x}", next.random),
            _ => {}
        }
        // A disk that runs is no backup's copy any more: whoever restores it later means what it is then.
        if let Some(backup) = self.backup.take() {
            fs::remove_file(backup).map_err(|error| broken(&format!("keeps its backup: {error}")))?;
        }
        if let Some(operations) = power_goes_after {
            self.power.cut_after(operations);
        }
        let started = if first { self.first.clone() } else { next.clone() };
        let opened = self.open(seed(&started), now);
        if self.power.is_cut() {
            drop(opened);
            self.end(true, next.random);
            return Ok(false);
        }
        self.power.cut_after(u64::MAX);
        match opened {
            Ok(process) => self.process = Some(process),
            Err(OpenError::Storage(StorageError::Full(_))) => return Ok(false),
            Err(error) => {
                let what = format!("the disk of {} does not open: {error}", self.node.node);
                return Err(Violation::of(Promise::NothingLost, what));
            }
        }
        self.look(clocks, true)?;
        self.pruned_unseen = false;
        Ok(true)
    }

    fn dies(&mut self, group: &[Write], clocks: Clocks, death: Death) -> Vec<Option<Written>> {
        if death.end != End::Stopped {
            self.power.cut_after(death.operations);
        }
        let answers = match group {
            [] => Vec::new(),
            group => self.run(group, clocks),
        };
        if death.end == End::Stopped {
            self.power.cut_after(death.operations);
            self.process = None;
        }
        if death.end == End::Stopped && !self.power.is_cut() {
            self.power.cut_after(u64::MAX);
        } else {
            self.end(death.end != End::Killed, death.choice);
        }
        let answers: Vec<_> = answers.into_iter().map(|answer| answer?.ok()).collect();
        self.pruned_unseen = answers
            .iter()
            .flatten()
            .any(|answer| matches!(answer, Written::Pruned(_)));
        answers
    }

    fn set_full(&mut self, full: bool) {
        self.power.disk_full(full);
    }

    fn commit(&mut self, group: &[Write], clocks: Clocks) -> Result<Vec<Written>, NotCommitted> {
        let mut results = Vec::with_capacity(group.len());
        for (answer, write) in self.run(group, clocks).into_iter().zip(group) {
            match answer {
                Some(Ok(written)) => results.push(written),
                Some(Err(StorageError::Full(_))) => return Err(NotCommitted::NoRoom),
                Some(Err(error)) => {
                    let what = format!("the store of {} fails: {error}, at {write:?}", self.node.node);
                    return Err(NotCommitted::Broken(Violation::of(Promise::NothingBlocks, what)));
                }
                None => {
                    let what = format!("the store of {} does not answer to {write:?}", self.node.node);
                    return Err(NotCommitted::Broken(Violation::of(Promise::NothingBlocks, what)));
                }
            }
        }
        self.look(clocks, false).map_err(NotCommitted::Broken)?;
        let pruned = |written: &mut Written| {
            if let Written::Pruned(through) = written {
                *through = self.journal.pruned();
            }
        };
        results.iter_mut().for_each(pruned);
        Ok(results)
    }

    fn ahead(&self, _group: &[Write], _clocks: Clocks) -> Option<(Box<dyn NodeDisk>, Vec<Written>)> {
        // The store plants this fault itself.
        None
    }

    fn image(&self) -> Box<dyn NodeDisk> {
        let folder = Folder::new();
        for file in FILES {
            let from = self.folder.path().join(file);
            if from.exists() {
                fs::copy(&from, folder.path().join(file)).expect("a copy of a disk's file");
            }
        }
        let backup = match (&self.process, &self.backup) {
            (Some(_), _) => {
                let to = folder.path().join("backup.db");
                back_up(self.folder.path(), &to, |_, _| {}).ok().map(|()| to)
            }
            (None, Some(backup)) => {
                let to = folder.path().join("backup.db");
                fs::copy(backup, &to).ok().map(|_| to)
            }
            (None, None) => None,
        };
        Box::new(Self {
            node: self.node.clone(),
            tills: self.tills,
            first: self.first.clone(),
            faults: self.faults,
            folder,
            power: new_power(),
            machine_id: self.machine_id.clone(),
            backup,
            process: None,
            journal: self.journal.clone(),
            pruned_unseen: self.pruned_unseen,
            last: self.last.clone(),
        })
    }

    fn take_fresh(&mut self) -> Vec<NewRecord> {
        self.journal.take_fresh()
    }

    fn verify(&self) -> Checked {
        let found = self.read(|snapshot| operations::verify(snapshot, |_, _| {}))?;
        match found.differences.first() {
            None => Ok(()),
            Some(difference) => {
                let (node, count) = (&self.node.node, found.differences_count);
                let what = format!("verify finds {count} differences on the disk of {node}; the first: {difference}");
                Err(Violation::of(Promise::Explains, what))
            }
        }
    }

    fn series(&self, till: usize) -> Option<String> {
        self.last.series.get(till).cloned()
    }

    fn head(&self) -> Option<Head> {
        self.last.head
    }

    fn streams(&self) -> (Vec<LocalStream>, Vec<FeedCursor>) {
        self.read(operations::streams).unwrap_or_default()
    }

    fn batch(&self, incarnation: Incarnation, from: u64, records_max: u32, bytes_max: u32) -> Option<LoadedBatch> {
        let node = &self.node.node;
        let load =
            |snapshot: &Snapshot<'_>| operations::load_batch(snapshot, node, incarnation, from, records_max, bytes_max);
        self.read(load).ok().flatten().map(|packed| packed.batch)
    }

    fn has(&self, doc: &DocId) -> bool {
        self.journal.has(doc)
    }

    fn has_forgotten(&self, doc: &DocId) -> bool {
        self.journal.has_forgotten(doc) || (self.pruned_unseen && self.journal.has(doc))
    }

    fn documents(&self) -> Vec<DocId> {
        self.journal.documents()
    }

    fn stock(&self) -> BTreeMap<usize, i64> {
        self.last.stock.clone()
    }

    fn feed(&self, feed: &str) -> FeedHeld {
        let version = self.read(|snapshot| snapshot.feed_version(feed)).unwrap_or_default();
        if feed != "catalog" {
            return (version, None);
        }
        let skus = (0..PRICES.len()).filter_map(|item| sku(item).parse().ok());
        let held = skus.filter_map(|sku| {
            let item = self.read(|snapshot| snapshot.item(&sku)).ok()??.item;
            Some((sku.to_string(), serde_json::to_string(&item).ok()))
        });
        (version, Some(held.collect()))
    }

    fn repair(&self, incarnation: Incarnation, seq: u64, hash: Hash, withheld: bool) -> Option<Rc<[u8]>> {
        if self.journal.hash_at(incarnation, seq) != Some(hash) {
            return None;
        }
        let record = self.read(|snapshot| {
            let Some(row) = snapshot.incarnation(incarnation)? else {
                return Ok(None);
            };
            let position = row.position(seq);
            let kept = snapshot.record(position)?;
            // What was set aside outlives its place in the journal.
            let aside = snapshot
                .set_asides(u32::MAX)?
                .into_iter()
                .find(|aside| aside.source == "journal" && aside.reference == position.get().to_string());
            Ok(kept.or(aside.map(|aside| aside.bytes)))
        });
        let mut record = record.ok()??;
        // What is exported to repair it is what happened, whatever it came in.
        while !withheld
            && let Ok(Entry {
                fact: Fact::Rehomed(inner),
                ..
            }) = Entry::decode(&record)
        {
            record = inner.record;
        }
        Some(record.into())
    }

    fn pending(&self) -> u64 {
        self.last.pending
    }

    fn records_kept(&self) -> u64 {
        self.last.kept
    }
}

impl std::fmt::Debug for StoredDisk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the disk of {} in {}", self.node.node, self.folder.path().display())
    }
}

/// A disk of its own for each database in this process.
pub fn new_power() -> PowerCut {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    PowerCut::install(&format!("simulated disk {}", NEXT.fetch_add(1, Ordering::Relaxed)))
}

fn now(clocks: Clocks) -> Now {
    Now {
        unix_ms: clocks.wall_ms,
        monotonic_ms: clocks.now_ms,
        utc_offset_minutes: 0,
    }
}

fn seed(life: &NewLife) -> IncarnationSeed {
    IncarnationSeed {
        random: life.random,
        secret_key: life.key,
    }
}

fn broken(what: &str) -> Violation {
    Violation::of(Promise::Explains, format!("a disk {what}"))
}
