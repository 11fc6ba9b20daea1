//! The real headquarters on a database over a disk whose power can be cut.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use finalmarket::domain::fact::Settlement;
use finalmarket::domain::ids::SaleId;
use finalmarket::domain::journal::RecordId;
use finalmarket::domain::time::BusinessDay;
use finalmarket::hq::{
    self, Admission, Headquarters, Incoming, IntroduceError, OpenError, PublishError, RepairError, Replacement,
    SetAsideState, Settings, SettleError, StorageError, TotalsQuery,
};
use finalmarket::sync::wire::{FeedCursor, FeedPage};

use super::state::State;
use super::{Claim, Done, Work};
use crate::sim::folder::Folder;
use crate::sim::ledger::Place;
use crate::sim::node_disk::stored::new_power;
use crate::sim::node_disk::{Death, End};
use crate::sim::power_cut::PowerCut;
use crate::sim::promise::{Checked, Promise, Violation};

/// What the database consists of in its folder, as far as a copy needs it.
const FILES: [&str; 2] = ["hq.db", "hq.db-wal"];
/// Who decides here.
const OPERATOR: &str = "an operator";
/// Why.
const REASON: &str = "simulated";

/// The real headquarters.
#[derive(Debug)]
pub(super) struct StoredHub {
    // Before the folder, so that it is closed before that is gone.
    headquarters: Option<Headquarters>,
    folder: Folder,
    power: PowerCut,
}

impl StoredHub {
    pub(super) fn new() -> Self {
        Self {
            headquarters: None,
            folder: Folder::new(),
            power: new_power(),
        }
    }

    pub(super) fn start(&mut self, now_ms: u64, power_goes_after: Option<u64>, choice: u64) -> Result<bool, Violation> {
        if let Some(operations) = power_goes_after {
            self.power.cut_after(operations);
        }
        let settings = Settings {
            name: "hq".parse().expect("a name"),
            site: "hq".parse().expect("a site"),
            admission: Admission::Anyone,
            vfs: Some(self.power.name().to_owned()),
        };
        let opened = Headquarters::open(&self.folder.path().join("hq.db"), settings, now_ms);
        if self.power.is_cut() {
            drop(opened);
            self.power.settle(choice);
            return Ok(false);
        }
        self.power.cut_after(u64::MAX);
        match opened {
            Ok(headquarters) => self.headquarters = Some(headquarters),
            Err(OpenError::Storage(StorageError::Full)) => return Ok(false),
            Err(error) => {
                let what = format!("headquarters does not open: {error}");
                return Err(Violation::of(Promise::NothingLost, what));
            }
        }
        Ok(true)
    }

    /// Ends the process with a group under way. Gives the work that was answered for, and what may have been done.
    pub(super) fn dies(&mut self, group: &[Work], now_ms: u64, death: Death) -> (Vec<Work>, Vec<Work>) {
        if death.end != End::Stopped {
            self.power.cut_after(death.operations);
        }
        let (mut done, mut uncertain) = (Vec::new(), Vec::new());
        for together in together(group) {
            let results = self.works(together, now_ms).unwrap_or_default();
            let worked = !results.is_empty() && results.iter().all(Option::is_some);
            match worked {
                true => done.extend_from_slice(together),
                false if self.power.is_cut() => {
                    uncertain.extend_from_slice(together);
                    break;
                }
                false => {}
            }
        }
        if death.end == End::Stopped {
            self.power.cut_after(death.operations);
            self.headquarters = None;
        }
        if death.end == End::Stopped && !self.power.is_cut() {
            self.power.cut_after(u64::MAX);
        } else {
            self.power.cut();
            self.headquarters = None;
            if death.end == End::Killed {
                self.power.back_on();
            } else {
                self.power.settle(death.choice);
            }
        }
        (done, uncertain)
    }

    pub(super) fn set_full(&self, full: bool) {
        self.power.disk_full(full);
    }

    pub(super) fn image(&self) -> Folder {
        let to = Folder::new();
        copy(&self.folder, &to);
        to
    }

    pub(super) fn set_back(&mut self, files: &Folder) {
        for file in FILES {
            // It may not be there.
            let _ = fs::remove_file(self.folder.path().join(file));
        }
        copy(files, &self.folder);
        self.power.sync_all();
    }

    /// Commits a group: batches that stand together in one transaction, all else by itself.
    pub(super) fn commit(&mut self, group: &[Work], now_ms: u64) -> Result<Vec<Option<Done>>, Violation> {
        let mut results = Vec::with_capacity(group.len());
        for together in together(group) {
            results.extend(self.works(together, now_ms)?);
        }
        Ok(results)
    }

    /// Brings the figures up to the ledger. False where there is no room for that.
    pub(super) fn project(&mut self) -> Result<bool, Violation> {
        match self.running()?.project() {
            Ok(_) => Ok(true),
            Err(StorageError::Full) => Ok(false),
            Err(error) => Err(failed(&error)),
        }
    }

    /// What its own check finds: each chain, and the figures made again from the ledger.
    pub(super) fn verify(&self) -> Checked {
        let found = hq::verify(self.folder.path());
        let found = found.map_err(|error| broken(&format!("cannot be checked: {error}")))?;
        match found.differences.first() {
            None => Ok(()),
            Some(difference) => Err(broken(&format!("does not explain itself: {difference}"))),
        }
    }

    pub(super) fn page(&self, cursor: &FeedCursor, bytes_max: u32) -> Option<FeedPage> {
        self.running().ok()?.feed_page(cursor, bytes_max).ok()?
    }

    pub(super) fn shows(&self, id: &SaleId) -> Result<bool, Violation> {
        let sale = self.running()?.sale(id).map_err(|error| failed(&error))?;
        Ok(sale.is_some())
    }

    pub(super) fn claims(&self) -> Result<Vec<Claim>, Violation> {
        let nodes = self.running()?.nodes().map_err(|error| failed(&error))?;
        let claim = |node: finalmarket::hq::NodeStatus| Claim {
            node: node.node,
            through_ms: node.complete.through_ms,
            pending: node.complete.pending,
        };
        Ok(nodes.into_iter().map(claim).collect())
    }

    /// What it has other than the model; `level` says whether its figures have followed the ledger.
    pub(super) fn differs(&self, state: &State, level: bool) -> Result<Option<String>, Violation> {
        let headquarters = self.running()?;
        let nodes = headquarters.nodes().map_err(|error| failed(&error))?;
        let mut incarnations = BTreeMap::new();
        for node in nodes {
            for status in node.incarnations {
                let holes: u64 = status.holes.iter().map(|(first, last)| last + 1 - first).sum();
                let standing = (status.state, status.acked, holes);
                incarnations.insert((node.node.clone(), status.incarnation), standing);
            }
        }
        let modelled = state.ledger.streams().map(|(node, incarnation, stream)| {
            let holes = stream.behind(0).filter(|(_, (place, _))| *place == Place::Hole).count() as u64;
            ((node.clone(), incarnation), (stream.state, stream.acked(), holes))
        });
        if let Some(difference) = other("its ledger", &incarnations, &modelled.collect()) {
            return Ok(Some(difference));
        }
        let feeds = headquarters.feeds().map_err(|error| failed(&error))?;
        let modelled = state.feeds.iter().filter(|(_, feed)| feed.version > 0);
        let modelled = modelled.map(|(name, feed)| (name.clone(), feed.version));
        if let Some(difference) = other("its feeds", &feeds.into_iter().collect(), &modelled.collect()) {
            return Ok(Some(difference));
        }
        if level { self.figures_differ(state) } else { Ok(None) }
    }

    fn figures_differ(&self, state: &State) -> Result<Option<String>, Violation> {
        let headquarters = self.running()?;
        let days = [0, 100_000].map(|number| BusinessDay::from_number(number).expect("a day"));
        let query = TotalsQuery {
            from: days[0],
            to: days[1],
            site: None,
            after: None,
            limit: u32::MAX,
        };
        let mut totals: BTreeMap<i32, i64> = BTreeMap::new();
        for day in headquarters.totals(&query).map_err(|error| failed(&error))?.days {
            *totals.entry(day.business_day.number()).or_default() += day.total.total.0 - day.total.refunded.0;
        }
        let mut stock: BTreeMap<String, i64> = BTreeMap::new();
        for line in headquarters.stock(None, None, 10_000).map_err(|error| failed(&error))? {
            *stock.entry(line.sku.to_string()).or_default() += line.quantity.thousandths();
        }
        let listed = headquarters.set_aside(Some(SetAsideState::Open), None, 10_000);
        let listed = listed.map_err(|error| failed(&error))?;
        let set_aside: BTreeSet<RecordId> = listed.into_iter().map(|listed| listed.record).collect();
        let open = state.set_aside.keys().filter(|id| !state.corrected.contains(id));
        let conflicts = headquarters.repeats(true, 10).map_err(|error| failed(&error))?;
        totals.retain(|_, amount| *amount != 0);
        stock.retain(|_, quantity| *quantity != 0);
        let (mut expected_totals, mut expected_stock) = (state.totals.clone(), state.stock.clone());
        expected_totals.retain(|_, amount| *amount != 0);
        expected_stock.retain(|_, quantity| *quantity != 0);
        let set_aside = set_aside.into_iter().map(|id| (id, ())).collect();
        let open = open.map(|id| (id.clone(), ())).collect();
        Ok(other("its totals", &totals, &expected_totals)
            .or_else(|| other("its stock", &stock, &expected_stock))
            .or_else(|| other("what is set aside", &set_aside, &open))
            .or_else(|| {
                let conflict = conflicts.first().filter(|_| state.conflicts.is_empty());
                conflict.map(|repeat| format!("{} is in conflict", repeat.id))
            }))
    }

    fn works(&mut self, together: &[Work], now_ms: u64) -> Result<Vec<Option<Done>>, Violation> {
        let headquarters = self.running()?;
        let cut = self.power.is_cut();
        let [work] = together else {
            return ingest(headquarters, together, now_ms).or_else(|error| excused(&error, together.len()));
        };
        let excused = |error: &StorageError| excused(error, 1);
        let done = match work {
            Work::Introduce(node, hello) => match headquarters.introduce(node, hello.clone(), now_ms) {
                Ok(result) => Done::Introduced(node.clone(), hello.session, result),
                Err(IntroduceError::Storage(error)) => return excused(&error),
                Err(error) => return Err(refused(&error)),
            },
            Work::Ingest(..) => return ingest(headquarters, together, now_ms).or_else(|error| excused(&error)),
            Work::Settle(node, incarnation, decision) => {
                let settlement = Settlement {
                    node: node.clone(),
                    incarnation: *incarnation,
                    decision: *decision,
                    by: OPERATOR.to_owned(),
                    reason: REASON.to_owned(),
                };
                match headquarters.settle(settlement, now_ms) {
                    Ok(_) | Err(SettleError::Counted { .. } | SettleError::Excluded { .. }) => Done::Nothing,
                    Err(SettleError::Storage(error)) => return excused(&error),
                    Err(error) => return Err(refused(&error)),
                }
            }
            Work::Correct(of, record) => {
                // An operator sees what is set aside once the figures have come to it.
                if let Err(error) = headquarters.project() {
                    return excused(&error);
                }
                let replacement = Replacement::Record(record.to_vec());
                match headquarters.repair(of.clone(), replacement, OPERATOR.to_owned(), REASON.to_owned(), now_ms) {
                    Ok(_) | Err(RepairError::Done(_)) => Done::Nothing,
                    Err(RepairError::Storage(error)) => return excused(&error),
                    Err(error) => return Err(refused(&error)),
                }
            }
            Work::Publish(feed, entry) => match headquarters.publish(feed, vec![entry.clone()]) {
                Ok(_) => Done::Published(feed.clone()),
                Err(PublishError::Storage(error)) => return excused(&error),
                Err(error) => return Err(refused(&error)),
            },
        };
        // A read may be answered from memory when the power is gone already.
        Ok(vec![(!cut).then_some(done)])
    }

    fn running(&self) -> Result<&Headquarters, Violation> {
        let running = self.headquarters.as_ref();
        running.ok_or_else(|| Violation::of(Promise::NothingBlocks, "headquarters is asked and does not run"))
    }
}

/// Work that goes into one transaction.
fn together(group: &[Work]) -> impl Iterator<Item = &[Work]> {
    group.chunk_by(|one, next| matches!((one, next), (Work::Ingest(..), Work::Ingest(..))))
}

fn ingest(headquarters: &Headquarters, batches: &[Work], now_ms: u64) -> Result<Vec<Option<Done>>, StorageError> {
    let incoming = batches.iter().filter_map(|work| match work {
        Work::Ingest(node, session, sealed) => Some(Incoming {
            sender: node.clone(),
            relayed: false,
            session: *session,
            sealed: sealed.clone(),
        }),
        _ => None,
    });
    let answers = headquarters.ingest(incoming.collect(), now_ms)?;
    let done = |answer: finalmarket::hq::Ingested| Done::Ingested(answer.sender, answer.session, answer.outcome);
    Ok(answers.into_iter().map(|answer| Some(done(answer))).collect())
}

/// A disk without room, or without power, is no fault of the program's: nobody hears an answer.
fn excused(error: &StorageError, count: usize) -> Result<Vec<Option<Done>>, Violation> {
    match error {
        StorageError::Full => Ok(vec![None; count]),
        error => Err(failed(error)),
    }
}

fn other<K, V>(what: &str, real: &BTreeMap<K, V>, modelled: &BTreeMap<K, V>) -> Option<String>
where
    K: Ord + std::fmt::Debug,
    V: PartialEq + std::fmt::Debug,
{
    let keys: BTreeSet<&K> = real.keys().chain(modelled.keys()).collect();
    let key = keys.into_iter().find(|key| real.get(key) != modelled.get(key))?;
    let (real, modelled) = (real.get(key), modelled.get(key));
    Some(format!("{what}: {key:?} is {real:?} and should be {modelled:?}"))
}

fn copy(from: &Folder, to: &Folder) {
    for file in FILES {
        let path = from.path().join(file);
        if path.exists() {
            fs::copy(&path, to.path().join(file)).expect("a copy of a disk's file");
        }
    }
}

fn failed(error: &StorageError) -> Violation {
    Violation::of(Promise::NothingBlocks, format!("headquarters' storage fails: {error}"))
}

fn refused(error: &dyn std::error::Error) -> Violation {
    Violation::of(
        Promise::NothingBlocks,
        format!("headquarters refuses what it must take: {error}"),
    )
}

fn broken(what: &str) -> Violation {
    Violation::of(Promise::Explains, format!("headquarters {what}"))
}
