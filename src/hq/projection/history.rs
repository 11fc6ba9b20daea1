//! The history of shelves, made with the stock figures: which record of which node moved which shelf by how much, and
//! which holds are open.
//!
//! A replica's row is the fold of its journal, also where a sale came twice and counts once elsewhere: what is told here is
//! what the node did.

use std::collections::{BTreeMap, HashMap};

use super::walk::Place as At;
use crate::domain::escrow::{ReplicaId, Shelf};
use crate::domain::fact::Fact;
use crate::domain::ids::{SiteId, Sku};
use crate::domain::stock::{CountFound, Growth, HoldOpened, Place, StepKind, WorkKind, effects, effects_of_copy};
use crate::hq::storage::{Folded, FoldedKind, OriginId, StorageError, ToldCount, ToldHold, ToldStep, Writing};

/// The shelves that a transaction has touched.
#[derive(Debug, Default)]
pub(super) struct History {
    shelves: HashMap<(SiteId, Place, Sku), Touched>,
    /// The heads at which retired replicas were retired, by origin.
    retired: HashMap<OriginId, Option<u64>>,
}

#[derive(Debug, Default)]
struct Touched {
    journals: BTreeMap<OriginId, Folded>,
    steps: Vec<ToldStep>,
}

impl History {
    /// Takes a fact that counts into the history.
    pub(super) fn take(&mut self, writing: &Writing<'_>, at: &At<'_>, fact: &Fact) -> Result<(), StorageError> {
        let effects = if at.copied {
            effects_of_copy(fact)
        } else {
            holds(writing, at, fact)?;
            effects(fact)
        };
        told(writing, at, fact)?;
        // What a retired node did behind the head that it was retired at is posted on its parent's row.
        let late = self.is_late(writing, at)?;
        let Some(kind) = StepKind::of(fact) else { return Ok(()) };
        let mut grown: BTreeMap<(&SiteId, Place, &Sku), Growth> = BTreeMap::new();
        let there = effects.iter().filter(|effect| !late || effect.place != Place::Sellable);
        for effect in there {
            let (site, place, sku) = (effect.site.unwrap_or(at.site), effect.place, effect.sku);
            let touched = self.shelves.entry((site.clone(), place, sku.clone())).or_default();
            let folded = match touched.journals.entry(at.origin) {
                std::collections::btree_map::Entry::Occupied(known) => known.into_mut(),
                std::collections::btree_map::Entry::Vacant(new) => {
                    new.insert(writing.folded((site, place, sku), at.origin)?)
                }
            };
            let before = Growth::of(&folded.row);
            // What a row refuses moves nothing there either.
            let _refused = effect.verb.apply(&mut folded.row, &Shelf::default());
            let growth = Growth::of(&folded.row).since(before);
            let sum = grown.entry((site, place, sku)).or_default();
            *sum = sum.and(growth);
        }
        let at_ms = at.recorded.milliseconds();
        for ((site, place, sku), growth) in grown {
            if growth == Growth::default() {
                continue;
            }
            let touched = self.shelves.entry((site.clone(), place, sku.clone())).or_default();
            if let Some(folded) = touched.journals.get_mut(&at.origin) {
                folded.add(kind.number(), at_ms, growth);
            }
            touched.steps.push(ToldStep {
                origin: at.origin.0,
                kept: (at.kept.0.0, at.kept.1),
                kind: kind.number(),
                at_ms,
                growth,
            });
        }
        Ok(())
    }

    fn is_late(&mut self, writing: &Writing<'_>, at: &At<'_>) -> Result<bool, StorageError> {
        let head = match self.retired.get(&at.origin) {
            Some(head) => *head,
            None => {
                let replica = ReplicaId {
                    node: at.node.clone(),
                    incarnation: at.incarnation,
                };
                let head = writing.retired(&replica)?.map(|retired| retired.seq);
                self.retired.insert(at.origin, head);
                head
            }
        };
        Ok(head.is_some_and(|head| at.seq > head))
    }

    /// Writes what is still in memory.
    pub(super) fn finish(self, writing: &Writing<'_>) -> Result<(), StorageError> {
        for ((site, place, sku), touched) in &self.shelves {
            let key = (site, *place, sku);
            if touched.steps.is_empty() {
                continue;
            }
            for (origin, folded) in &touched.journals {
                writing.save_folded(key, *origin, folded)?;
            }
            writing.add_steps(key, &touched.steps)?;
            if *place == Place::Sellable {
                writing.put_alert_due(site, sku)?;
            }
        }
        Ok(())
    }
}

impl Folded {
    fn add(&mut self, kind: u8, at_ms: u64, growth: Growth) {
        match self.kinds.binary_search_by_key(&kind, |known| known.kind) {
            Ok(found) => {
                if let Some(known) = self.kinds.get_mut(found) {
                    known.times += 1;
                    known.first_ms = known.first_ms.min(at_ms);
                    known.last_ms = known.last_ms.max(at_ms);
                    known.growth = known.growth.and(growth);
                }
            }
            Err(missing) => self.kinds.insert(
                missing,
                FoldedKind {
                    kind,
                    times: 1,
                    first_ms: at_ms,
                    last_ms: at_ms,
                    growth,
                },
            ),
        }
    }
}

/// Keeps thresholds, and what counts found.
fn told(writing: &Writing<'_>, at: &At<'_>, fact: &Fact) -> Result<(), StorageError> {
    match fact {
        Fact::ThresholdSet(set) => writing.save_site_threshold(&set.site, &set.sku, set.threshold),
        Fact::StockWork(work) => {
            for line in &work.lines {
                match &work.kind {
                    WorkKind::Count { .. } => {
                        let found = CountFound {
                            counted: line.counted.unwrap_or_default(),
                            difference: line.quantity,
                            provisional: work.kind.is_provisional(),
                        };
                        let (work, at_ms) = (work.id, at.recorded.milliseconds());
                        writing.save_count_found(at.site, &line.sku, &ToldCount { work, at_ms, found })?;
                    }
                    WorkKind::CountLate { count, .. } => {
                        writing.add_to_count_found(&work.site, &line.sku, *count, line.quantity)?;
                    }
                    _ => {}
                }
            }
            Ok(())
        }
        Fact::CountSettled(settled) => writing.settle_count(&settled.site, settled.count),
        _ => Ok(()),
    }
}

/// Keeps which holds are open. A copy opens none: what a branch had promised stays its own.
fn holds(writing: &Writing<'_>, at: &At<'_>, fact: &Fact) -> Result<(), StorageError> {
    let open = |opened: HoldOpened| {
        let expires_ms = at.recorded.milliseconds().saturating_add(opened.lifetime_ms);
        writing.save_told_hold(&ToldHold {
            origin: at.origin,
            opened,
            expires_ms,
        })
    };
    match fact {
        Fact::HoldOpened(opened) => open(opened.clone()),
        Fact::HoldExtended(extended) => match writing.told_hold(at.origin, extended.id)? {
            Some(opened) => open(HoldOpened {
                lifetime_ms: extended.lifetime_ms,
                ..opened
            }),
            None => Ok(()),
        },
        Fact::HoldEnded(ended) => writing.remove_told_hold(at.origin, ended.id),
        Fact::Granted(granted) => match &granted.hold {
            Some(hold) => writing.remove_told_hold(at.origin, hold.opened.id),
            None => Ok(()),
        },
        Fact::Accepted(accepted) => match &accepted.hold {
            Some(hold) => open(hold.opened.clone()),
            None => Ok(()),
        },
        _ => Ok(()),
    }
}
