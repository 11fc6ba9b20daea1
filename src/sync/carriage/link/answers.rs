//! What a neighbour says it has: the answers to an offer and to parcels.

use std::collections::VecDeque;

use super::{CarrierLimits, LinkState, Phase, Progress, State};
use crate::sync::carriage::carrier::Output;
use crate::sync::shelves::{DocumentId, Heads};
use crate::sync::wire::{Standing, StandingGroup};

/// So often a document may stumble before it is repaired by the sync protocol.
const STUMBLES_BEFORE_REPAIR: u32 = 3;

impl LinkState {
    /// The offer is answered: the link is open.
    pub(in crate::sync::carriage) fn on_holds(
        &mut self,
        now_ms: u64,
        limits: &CarrierLimits,
        groups: Vec<StandingGroup>,
        outputs: &mut VecDeque<Output>,
    ) {
        if !matches!(self.phase, Phase::Offering { .. }) {
            return;
        }
        for (id, held) in groups.iter().flat_map(held) {
            // What is held and not known here is found out by the sync protocol.
            self.documents.entry(id).or_insert(Progress {
                have: Heads::default(),
                acked: held,
                state: State::Idle,
                stumbles: 0,
            });
        }
        self.tries = 0;
        self.phase = Phase::Open;
        for group in groups {
            self.on_group(now_ms, limits, group, outputs);
        }
    }

    /// A parcel is answered.
    pub(in crate::sync::carriage) fn on_taken(
        &mut self,
        now_ms: u64,
        limits: &CarrierLimits,
        number: u64,
        group: StandingGroup,
        outputs: &mut VecDeque<Output>,
    ) {
        self.tries = 0;
        self.on_group(now_ms, limits, group, outputs);
        if self.flights.remove(&number).is_some() {
            self.land(number);
        }
    }

    /// What was in a parcel and was not answered for is due again.
    pub(super) fn land(&mut self, number: u64) {
        for progress in self.documents.values_mut() {
            if progress.state == State::Flying(number) {
                progress.state = State::Idle;
            }
        }
    }

    fn on_group(&mut self, now_ms: u64, limits: &CarrierLimits, group: StandingGroup, outputs: &mut VecDeque<Output>) {
        let StandingGroup {
            site,
            writer,
            documents,
        } = group;
        let mut acked = Vec::new();
        for (bucket, generation, standing) in documents {
            let id = DocumentId {
                site: site.clone(),
                writer: writer.clone(),
                bucket,
                generation,
            };
            let Some(progress) = self.documents.get_mut(&id) else {
                continue;
            };
            match standing {
                Standing::Holds(heads) => {
                    progress.acked = heads.into_iter().collect();
                    progress.stumbles = 0;
                    if !matches!(progress.state, State::Repairing) {
                        progress.state = State::Idle;
                    }
                    acked.push((id, progress.acked.clone()));
                }
                Standing::Newer(_) => {
                    progress.acked = progress.have.clone();
                    progress.state = State::Idle;
                    acked.push((id, progress.acked.clone()));
                }
                Standing::Lacks(heads) => {
                    progress.acked = heads.into_iter().collect();
                    progress.stumbles += 1;
                    progress.state = State::Idle;
                    acked.push((id.clone(), progress.acked.clone()));
                    if progress.stumbles >= STUMBLES_BEFORE_REPAIR {
                        self.begin_repair(now_ms, limits, id, outputs);
                    }
                }
                Standing::Refused(reason) => {
                    self.stumble(now_ms, limits, &id);
                    self.report(Some(id), format!("the neighbour refuses it: {reason}"), outputs);
                }
            }
        }
        self.save_acked(acked, outputs);
    }
}

/// The documents of a group that a neighbour has something of.
fn held(group: &StandingGroup) -> impl Iterator<Item = (DocumentId, Heads)> {
    group.documents.iter().filter_map(|(bucket, generation, standing)| {
        let Standing::Holds(heads) = standing else { return None };
        let id = DocumentId {
            site: group.site.clone(),
            writer: group.writer.clone(),
            bucket: *bucket,
            generation: *generation,
        };
        (!heads.is_empty()).then(|| (id, heads.iter().copied().collect()))
    })
}
