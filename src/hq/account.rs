//! Why a shelf is as it is, by everything that headquarters has: the journals of all nodes of the site, one by one, the
//! rows that they have told, and the holds that are open.
//!
//! Promises: it says up to when each node is in it; what does not add up yet it names. It changes nothing.

use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;

use super::feeds::CATALOG_FEED;
use super::headquarters::Headquarters;
use super::introduce::counts;
use super::nodes::{NodeStatus, statuses};
use super::projection::{Content, innermost, slot_content, unpack};
use super::shelves::{ReplicaRow, SiteShelf};
use super::storage::{Folded, FoldedKind, Origin, OriginId, PlacedStep, Reading, StorageError};
use crate::domain::catalog::Item;
use crate::domain::escrow::ReplicaId;
use crate::domain::ids::{NodeId, SiteId, Sku};
use crate::domain::quantity::Quantity;
use crate::domain::stock::{
    Account, DebtAccount, Growth, HoldAccount, JournalAccount, KindSum, OpenDebts, Part, Particulars, Place,
    PlaceAccount, Reach, ReplicaAccount, Step, StepKind, debts, quantity,
};
use crate::sync::wire::Slot;

/// How many steps that made or repaid debt an account looks for.
const SETTLING_MAX: usize = 200;
/// How many steps it looks through for them.
const LOOKED_THROUGH_MAX: usize = 20_000;

/// How many unpacked batches are kept from one shelf's debts to the next's; each is up to 64 KiB packed.
const BATCHES_KEPT_MAX: usize = 32;

/// A page of a shelf's history, the newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShelfHistory {
    /// The steps.
    pub steps: Vec<Step>,
    /// Whether the site ever had the item there.
    pub known: bool,
}

impl Headquarters {
    /// Explains an item at a site, with its name where the catalog has one. `steps_max` is how many of its newest steps are
    /// told one by one. None where the site never had it.
    ///
    /// # Errors
    /// Where storage fails.
    pub fn account(
        &self,
        site: &SiteId,
        sku: &Sku,
        steps_max: u32,
        now_ms: u64,
    ) -> Result<Option<(Account, String)>, StorageError> {
        let running_ms = self.running_ms();
        self.database.read(|reading| {
            let mut account = Reader::of(reading, self.name())?;
            let found = account.account(site, sku, steps_max, (now_ms, running_ms))?;
            let name = reading.feed_body(CATALOG_FEED, sku.as_str())?.flatten();
            // An entry that is no item is the feed's business.
            let name = name.and_then(|body| serde_json::from_str::<Item>(&body).ok());
            Ok(found.map(|found| (found, name.map(|item| item.name.to_string()).unwrap_or_default())))
        })
    }

    /// Steps of a shelf, the newest first, from before number `before` on; at most `limit`.
    ///
    /// # Errors
    /// Where storage fails.
    pub fn shelf_history(
        &self,
        site: &SiteId,
        place: Place,
        sku: &Sku,
        before: Option<u64>,
        limit: u32,
    ) -> Result<ShelfHistory, StorageError> {
        self.database.read(|reading| {
            let steps = Reader::of(reading, self.name())?.steps((site, place, sku), before, limit)?;
            let known = !reading.all_folded((site, Place::Sellable, sku))?.is_empty()
                || !reading.all_folded((site, Place::Damaged, sku))?.is_empty();
            Ok(ShelfHistory { steps, known })
        })
    }
}

/// Says which documents made open debts. Records that were read for one shelf serve the next ones.
pub(super) struct DebtReader<'r, 'c>(Reader<'r, 'c>);

impl<'r, 'c> DebtReader<'r, 'c> {
    pub fn of(reading: &'r Reading<'c>, headquarters: &'r NodeId) -> Result<Self, StorageError> {
        Reader::of(reading, headquarters).map(Self)
    }

    /// The documents whose debt at a site is open, as far as they are known.
    pub fn open(&mut self, site: &SiteId, sku: &Sku) -> Result<OpenDebts, StorageError> {
        let Self(reader) = self;
        let key = (site, Place::Sellable, sku);
        let folded = reader.reading.all_folded(key)?;
        let (debts, kept) = reader.bare_debts(key, &folded)?;
        let mut open = debts.into_iter().filter(|debt| debt.owed != Quantity::ZERO);
        let mut named = Vec::new();
        for mut debt in open.by_ref().take(OpenDebts::NAMED_MAX) {
            reader.read_particulars(&mut debt.step, &kept)?;
            let (document, node) = (debt.step.particulars.document, debt.step.node);
            named.push(document.unwrap_or_else(|| format!("a record of {node}")));
        }
        let more = open.count();
        if reader.batches.len() > BATCHES_KEPT_MAX {
            reader.batches.clear();
        }
        Ok(OpenDebts { named, more })
    }
}

/// Reads records for steps: a batch that was unpacked serves all of its records.
struct Reader<'r, 'c> {
    reading: &'r Reading<'c>,
    headquarters: &'r NodeId,
    origins: HashMap<OriginId, Origin>,
    nodes: BTreeMap<NodeId, NodeStatus>,
    /// By origin and the number of its first record.
    batches: BTreeMap<(OriginId, u64), Vec<Slot>>,
}

type Key<'a> = (&'a SiteId, Place, &'a Sku);

/// Where the ledger keeps the records of steps, by the steps' numbers.
type KeptRecords = HashMap<i64, (OriginId, u64)>;

impl<'r, 'c> Reader<'r, 'c> {
    fn of(reading: &'r Reading<'c>, headquarters: &'r NodeId) -> Result<Self, StorageError> {
        let origins = reading.origins()?.into_iter().map(|origin| (origin.id, origin));
        let nodes = statuses(reading)?.into_iter().map(|node| (node.node.clone(), node));
        Ok(Self {
            reading,
            headquarters,
            origins: origins.collect(),
            nodes: nodes.collect(),
            batches: BTreeMap::new(),
        })
    }

    fn account(
        &mut self,
        site: &SiteId,
        sku: &Sku,
        steps_max: u32,
        (now_ms, running_ms): (u64, u64),
    ) -> Result<Option<Account>, StorageError> {
        let sellable = (site, Place::Sellable, sku);
        let folded = self.reading.all_folded(sellable)?;
        let mut places = vec![self.place(sellable, &folded, steps_max)?];
        let damaged = (site, Place::Damaged, sku);
        let aside = self.reading.all_folded(damaged)?;
        if !aside.is_empty() {
            places.push(self.place(damaged, &aside, steps_max)?);
        }
        let rows = SiteShelf::of(self.reading, site, sku.clone())?.replicas;
        if rows.is_empty() && places.iter().all(|place| place.journals.is_empty()) {
            return Ok(None);
        }
        let replicas: Vec<ReplicaAccount> = rows
            .iter()
            .map(|row| self.replica(row, &folded))
            .collect::<Result<_, StorageError>>()?;
        let mut unpromised = Vec::new();
        for row in rows.iter().filter(|row| row.replica.node != *self.headquarters) {
            let left = self.reading.unpromised((site, sku), &row.replica)?;
            if !left.is_zero() {
                unpromised.push((row.replica.clone(), quantity(left)));
            }
        }
        Ok(Some(Account {
            sku: sku.clone(),
            debts: self.debts(sellable, &folded)?,
            holds: self.holds(site, sku, now_ms, running_ms)?,
            reach: self.reach(site, &rows, &folded),
            unpromised,
            replicas,
            places,
        }))
    }

    fn place(
        &mut self,
        key: Key<'_>,
        folded: &[(OriginId, Folded)],
        steps_max: u32,
    ) -> Result<PlaceAccount, StorageError> {
        let mut journals: BTreeMap<NodeId, BTreeMap<StepKind, KindSum>> = BTreeMap::new();
        for (origin, folded) in folded {
            let Some(origin) = self.origins.get(origin) else {
                continue;
            };
            let kinds = journals.entry(origin.node.clone()).or_default();
            for sum in folded.kinds.iter().filter_map(kind_sum) {
                kinds
                    .entry(sum.kind)
                    .and_modify(|known| {
                        known.times += sum.times;
                        known.first_ms = known.first_ms.min(sum.first_ms);
                        known.last_ms = known.last_ms.max(sum.last_ms);
                        known.growth = known.growth.and(sum.growth);
                    })
                    .or_insert(sum);
            }
        }
        let mut steps = self.steps(key, None, steps_max.saturating_add(1))?;
        let shown = usize::try_from(steps_max).unwrap_or(usize::MAX);
        let more = steps.len() > shown;
        steps.truncate(shown);
        let journals = journals.into_iter().map(|(node, kinds)| JournalAccount {
            node,
            kinds: kinds.into_values().collect(),
        });
        Ok(PlaceAccount {
            place: key.1,
            journals: journals.collect(),
            steps,
            more,
        })
    }

    fn steps(&mut self, key: Key<'_>, before: Option<u64>, limit: u32) -> Result<Vec<Step>, StorageError> {
        let (mut found, limit) = (Vec::new(), usize::try_from(limit).unwrap_or(usize::MAX));
        self.reading.walk_steps(key, before, |placed| {
            found.push(placed);
            if found.len() < limit {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        })?;
        found.iter().map(|placed| self.step(placed)).collect()
    }

    fn step(&mut self, placed: &PlacedStep) -> Result<Step, StorageError> {
        let (origin, seq) = placed.step.kept;
        let particulars = self.particulars(OriginId(origin), seq)?;
        Ok(Step {
            particulars,
            ..self.bare_step(placed)?
        })
    }

    /// A step without what its record says of itself.
    fn bare_step(&self, placed: &PlacedStep) -> Result<Step, StorageError> {
        let told = &placed.step;
        let origin = self.origins.get(&OriginId(told.origin));
        let node = origin.map(|origin| origin.node.clone());
        Ok(Step {
            number: i64::try_from(placed.number).unwrap_or(i64::MAX),
            node: node.ok_or_else(|| StorageError::Damaged(format!("origin {} is not there", told.origin)))?,
            kind: kind(told.kind)?,
            at_ms: told.at_ms,
            growth: told.growth,
            on_hand: placed.on_hand,
            reserved: placed.reserved,
            particulars: Particulars::default(),
        })
    }

    /// What a record of the ledger says of itself; nothing where it cannot be read any more.
    fn particulars(&mut self, origin: OriginId, seq: u64) -> Result<Particulars, StorageError> {
        let near = self.batches.range(..=(origin, seq)).next_back();
        let has =
            |((of, first), slots): (&(OriginId, u64), &Vec<Slot>)| *of == origin && seq - first < slots.len() as u64;
        if !near.is_some_and(has)
            && let Some(kept) = self.reading.batch_with(origin, seq)?
            && let Ok((header, slots)) = unpack(&kept)
        {
            self.batches.insert((origin, header.first), slots);
        }
        let near = self.batches.range(..=(origin, seq)).next_back();
        let slot = near.and_then(|((of, first), slots)| {
            let index = usize::try_from(seq.checked_sub(*first)?).ok()?;
            slots.get(index).filter(|_| *of == origin)
        });
        let Some(Content::Fact(recorded, fact)) = slot.map(slot_content) else {
            return Ok(Particulars::default());
        };
        Ok(match fact {
            // What replaced a record that was set aside says who and why.
            crate::domain::fact::Fact::Correction(correction) => {
                let replaced = crate::domain::fact::Entry::decode(&correction.replacement);
                let replaced = replaced
                    .ok()
                    .and_then(|entry| innermost(entry.recorded, entry.fact).ok());
                Particulars {
                    why: Some(format!("corrected by {}: {}", correction.by, correction.reason)),
                    ..replaced.map(|(_, fact)| Particulars::of(&fact)).unwrap_or_default()
                }
            }
            fact @ crate::domain::fact::Fact::Rehomed(_) => Particulars::of(&fact),
            fact => innermost(recorded, fact)
                .map(|(_, fact)| Particulars::of(&fact))
                .unwrap_or_default(),
        })
    }

    fn part(&self, replica: &ReplicaId) -> Part {
        let known = self.nodes.get(&replica.node);
        match known.map(|node| node.parent.is_some()) {
            _ if replica.node == *self.headquarters => Part::Headquarters,
            Some(true) => Part::Kiosk,
            Some(false) => Part::Store,
            None => Part::Other,
        }
    }

    fn replica(&self, row: &ReplicaRow, folded: &[(OriginId, Folded)]) -> Result<ReplicaAccount, StorageError> {
        Ok(ReplicaAccount {
            retired: self.reading.retired(&row.replica)?.is_some(),
            replica: row.replica.clone(),
            part: self.part(&row.replica),
            journal: folded.iter().any(|(origin, _)| self.is(*origin, &row.replica)),
            counts: counts(row.state),
            row: row.row.clone(),
        })
    }

    fn is(&self, origin: OriginId, replica: &ReplicaId) -> bool {
        let origin = self.origins.get(&origin);
        origin.is_some_and(|origin| origin.node == replica.node && origin.acked.incarnation == replica.incarnation)
    }

    fn debts(&mut self, key: Key<'_>, folded: &[(OriginId, Folded)]) -> Result<Vec<DebtAccount>, StorageError> {
        let (mut debts, kept) = self.bare_debts(key, folded)?;
        for debt in &mut debts {
            self.read_particulars(&mut debt.step, &kept)?;
            for repayment in &mut debt.repaid {
                self.read_particulars(&mut repayment.step, &kept)?;
            }
        }
        Ok(debts)
    }

    fn read_particulars(&mut self, step: &mut Step, kept: &KeptRecords) -> Result<(), StorageError> {
        if let Some((origin, seq)) = kept.get(&step.number) {
            step.particulars = self.particulars(*origin, *seq)?;
        }
        Ok(())
    }

    /// Debts of which only the history is read, and where the ledger keeps their records.
    fn bare_debts(
        &self,
        key: Key<'_>,
        folded: &[(OriginId, Folded)],
    ) -> Result<(Vec<DebtAccount>, KeptRecords), StorageError> {
        let owing = folded
            .iter()
            .filter(|(_, folded)| !folded.row.registers().debt.is_zero());
        let owing: Vec<_> = owing.collect();
        if owing.is_empty() {
            return Ok((Vec::new(), KeptRecords::new()));
        }
        let (mut found, mut looked): (Vec<PlacedStep>, usize) = (Vec::new(), 0);
        self.reading.walk_steps(key, None, |placed| {
            looked += 1;
            let growth: Growth = placed.step.growth;
            if !growth.debt.is_zero() || !growth.repaid.is_zero() {
                found.push(placed);
            }
            if found.len() >= SETTLING_MAX || looked >= LOOKED_THROUGH_MAX {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        })?;
        let (mut all, mut kept) = (Vec::new(), KeptRecords::new());
        for (origin, folded) in owing {
            let mut steps = Vec::new();
            for placed in found.iter().filter(|placed| placed.step.origin == origin.0) {
                let step = self.bare_step(placed)?;
                let (origin, seq) = placed.step.kept;
                kept.insert(step.number, (OriginId(origin), seq));
                steps.push(step);
            }
            let registers = folded.row.registers();
            all.extend(debts(registers.debt, registers.repaid, &steps));
        }
        all.sort_by_key(|debt| debt.step.number);
        Ok((all, kept))
    }

    /// Headquarters' own holds by its running time, those of nodes as they have told.
    fn holds(&self, site: &SiteId, sku: &Sku, now_ms: u64, running_ms: u64) -> Result<Vec<HoldAccount>, StorageError> {
        let mut holds = Vec::new();
        for told in self.reading.told_holds(site)? {
            let line = told.opened.lines.iter().find(|line| line.sku == *sku);
            let (Some(line), Some(origin)) = (line, self.origins.get(&told.origin)) else {
                continue;
            };
            let own = match origin.node == *self.headquarters {
                true => self.reading.own_hold(told.opened.id)?,
                false => None,
            };
            holds.push(HoldAccount {
                quantity: line.quantity,
                owner: ReplicaId {
                    node: origin.node.clone(),
                    incarnation: origin.acked.incarnation,
                },
                device: None,
                own_clock: own.is_some(),
                remaining_ms: own.map_or(told.expires_ms.saturating_sub(now_ms), |own| {
                    own.remaining_ms(running_ms)
                }),
                opened: told.opened,
            });
        }
        Ok(holds)
    }

    /// Up to when the site's nodes are in it, and headquarters itself where it has a part in it.
    fn reach(&self, site: &SiteId, rows: &[ReplicaRow], folded: &[(OriginId, Folded)]) -> Vec<Reach> {
        let behind = |node: &NodeId| {
            folded.iter().any(|(origin, folded)| {
                let row = rows.iter().find(|row| self.is(*origin, &row.replica));
                let of_node = self.origins.get(origin).is_some_and(|origin| origin.node == *node);
                of_node && !row.is_some_and(|row| row.row.covers(&folded.row))
            })
        };
        let nodes = self.nodes.values().filter(|node| node.site == *site);
        let nodes = nodes.map(|node| Reach {
            node: node.node.clone(),
            through_ms: node.complete.through_ms,
            pending: node.complete.pending,
            set_apart: node.complete.set_apart,
            row_behind: behind(&node.node),
        });
        nodes.collect()
    }
}

fn kind(number: u8) -> Result<StepKind, StorageError> {
    StepKind::from_number(number).ok_or_else(|| StorageError::Damaged(format!("no step has the kind {number}")))
}

/// A kind that this version does not know was written by a newer one, which does not open here.
fn kind_sum(sum: &FoldedKind) -> Option<KindSum> {
    Some(KindSum {
        kind: StepKind::from_number(sum.kind)?,
        times: sum.times,
        pruned: 0,
        first_ms: sum.first_ms,
        last_ms: sum.last_ms,
        growth: sum.growth,
    })
}
