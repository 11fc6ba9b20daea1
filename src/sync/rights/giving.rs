//! Answering neighbours, and repeating grants until they are taken over.

use super::book::{Answered, Book, Claim, Delivery, Desk, Giving, Missed};
use super::message::{Answer, Purpose, Request, RightsMessage};
use super::outputs::Output;
use super::policy;
use crate::domain::escrow::{Amount, ReplicaId};

/// A claim that somebody's customers or debt wait for.
struct Pressing {
    from: ReplicaId,
    id: u64,
}

impl Book {
    pub(super) fn on_request(&mut self, now_ms: u64, from: &ReplicaId, request: &Request, stamp: u64) {
        let until_ms = now_ms + u64::from(request.wait_ms);
        if let Some(claim) = self
            .claims
            .iter_mut()
            .find(|claim| claim.from == *from && claim.id == request.id)
        {
            claim.until_ms = until_ms;
            claim.needed = request.needed.parts();
            claim.least = request.least.parts();
            return;
        }
        if self
            .giving
            .iter()
            .any(|giving| giving.to == *from && giving.request == Some(request.id))
        {
            return;
        }
        let known = self
            .answered
            .iter_mut()
            .find(|old| old.to == *from && old.id == request.id);
        if let Some(answered) = known {
            // That there is nothing has to be said again. A grant is repeated until it is taken over, at longer and
            // longer pauses; who asks again has not got it, and has a customer who waits.
            if !answered.nothing {
                self.deliver_soon(now_ms, from);
                return;
            }
        }
        // A neighbour waits for one request at a time: an older one is over, also where it was overtaken.
        let newer = |claim: &Claim| claim.from == *from && claim.id.wrapping_sub(request.id) < u64::MAX / 2;
        if self.claims.iter().any(newer) {
            return;
        }
        self.claims.retain(|claim| claim.from != *from);
        self.claims.push(Claim {
            from: from.clone(),
            id: request.id,
            purpose: request.purpose,
            needed: request.needed.parts(),
            least: request.least.parts(),
            extra: request.extra.parts(),
            stamp,
            until_ms,
            elder_ms: now_ms + u64::from(request.wait_ms) / 2,
        });
    }

    pub(super) fn on_granted(&mut self, now_ms: u64, to: &ReplicaId, request: Option<u64>, total: Amount, child: bool) {
        self.giving
            .retain(|giving| giving.to != *to || giving.request != request);
        if !child {
            return;
        }
        match self.deliveries.iter_mut().find(|delivery| delivery.to == *to) {
            Some(delivery) => {
                delivery.given = delivery.given.max(total);
                delivery.next_ms = now_ms;
                delivery.pause_ms = 0;
            }
            None => self.deliveries.push(Delivery {
                to: to.clone(),
                given: total,
                taken: Amount::ZERO,
                next_ms: now_ms,
                pause_ms: 0,
            }),
        }
    }

    pub(super) fn on_not_given(&mut self, to: &ReplicaId, request: Option<u64>) {
        self.giving
            .retain(|giving| giving.to != *to || giving.request != request);
        // It was not answered after all: when it comes again it is looked at afresh.
        self.answered.retain(|answered| answered.to != *to);
    }

    pub(super) fn on_taken_over(&mut self, by: &ReplicaId, total: Amount) {
        if let Some(delivery) = self.deliveries.iter_mut().find(|delivery| delivery.to == *by) {
            delivery.taken = delivery.taken.max(total);
        }
        self.deliveries.retain(|delivery| delivery.given > delivery.taken);
    }

    pub(super) fn on_connected(&mut self, now_ms: u64, peer: &ReplicaId) {
        self.deliver_soon(now_ms, peer);
        self.stock_after_ms = now_ms;
        self.stock_pause_ms = 0;
        self.round_after_ms = now_ms;
        self.round_pause_ms = 0;
    }

    fn deliver_soon(&mut self, now_ms: u64, to: &ReplicaId) {
        for delivery in self.deliveries.iter_mut().filter(|delivery| delivery.to == *to) {
            delivery.next_ms = now_ms;
            delivery.pause_ms = 0;
        }
    }

    /// Answers those whose wish is covered, and those who wish for stock.
    pub(super) fn serve(&mut self, desk: &mut Desk<'_>) {
        let pressing = self.claims.iter().filter(|claim| claim.purpose != Purpose::Stock);
        let waiting: Vec<Pressing> = pressing
            .map(|claim| Pressing {
                from: claim.from.clone(),
                id: claim.id,
            })
            .collect();
        // What comes in little by little would always go to those who want little, and who wants much would see nothing
        // of it: whoever has waited for half of their time goes before all that came later. Debt waits for nobody.
        let mut kept = 0_u64;
        for claim in std::mem::take(&mut self.claims) {
            let elders = if claim.purpose == Purpose::Debt { 0 } else { kept };
            let spare = self.spare(desk, &claim).saturating_sub(elders);
            // While customers of one neighbour wait nobody gets stock.
            let pressing = |other: &Pressing| other.from != claim.from || other.id != claim.id;
            let pressed = waiting.iter().any(pressing);
            let extra = if pressed {
                0
            } else {
                self.spare_for_stock(desk, claim.needed, claim.extra)
            };
            if claim.purpose == Purpose::Stock {
                self.answer(desk, claim, extra);
            } else if spare >= claim.needed {
                let amount = claim.needed + extra;
                self.answer(desk, claim, amount);
            } else {
                if desk.now_ms >= claim.elder_ms {
                    kept = kept.saturating_add(claim.needed);
                }
                self.claims.push(claim);
            }
        }
    }

    /// Answers those that nobody else can be asked for, and those whose time is over, with what there is.
    pub(super) fn serve_the_rest(&mut self, desk: &mut Desk<'_>) {
        for claim in std::mem::take(&mut self.claims) {
            let over = desk.now_ms >= claim.until_ms || self.nobody_left(desk, claim.stamp, Some(&claim.from));
            let spare = self.spare(desk, &claim);
            if !over {
                self.claims.push(claim);
            } else if spare > 0 && spare >= claim.least {
                let amount = spare.min(claim.needed);
                self.answer(desk, claim, amount);
            } else {
                self.answer(desk, claim, 0);
            }
        }
    }

    /// What a neighbour may have now. Own customers that wait go first; while there is debt, nobody gets anything.
    fn spare(&self, desk: &Desk<'_>, claim: &Claim) -> u64 {
        if !self.figures.owed.is_zero() {
            return 0;
        }
        let floor = if claim.purpose == Purpose::Debt {
            0
        } else {
            desk.terms.floor.parts()
        };
        policy::spare_for_customer(self.available().saturating_sub(self.wanted()), floor)
    }

    /// What is left for stock of others once `needed` is given.
    fn spare_for_stock(&self, desk: &Desk<'_>, needed: u64, wanted: u64) -> u64 {
        if !self.figures.owed.is_zero() {
            return 0;
        }
        let terms = desk.terms;
        let left = self.available().saturating_sub(self.wanted()).saturating_sub(needed);
        let (floor, grain) = (terms.floor.parts(), terms.stock.grain.parts());
        let target = self.target(desk.now_ms, terms).saturating_sub(floor);
        policy::spare_for_stock(left.saturating_sub(floor), target, wanted, terms.share_per_mille, grain)
    }

    fn answer(&mut self, desk: &mut Desk<'_>, claim: Claim, parts: u64) {
        let nothing = parts == 0;
        if nothing {
            let answer = Answer {
                shelf: desk.key.clone(),
                id: claim.id,
            };
            if !desk.send(&claim.from, RightsMessage::Nothing(answer)) {
                self.held_back = true;
                self.claims.push(claim);
                return;
            }
        }
        self.answered.retain(|old| old.to != claim.from);
        self.answered.push(Answered {
            to: claim.from.clone(),
            id: claim.id,
            nothing,
            missed: (nothing && claim.purpose != Purpose::Stock).then_some(Missed {
                needed: claim.needed,
                least: claim.least,
                at_ms: desk.now_ms,
            }),
        });
        if !nothing {
            self.give(desk, claim.from, parts, Some(claim.id));
        }
    }

    /// The parent was told a moment ago that there is nothing, because customers here waited for it. Where those have gone
    /// without, it lies idle here while the parent's others are asked first, so it goes up without being asked again.
    pub(super) fn give_what_was_missed(&mut self, desk: &mut Desk<'_>) {
        let Some(parent) = desk.parent().cloned() else { return };
        let Some(last) = self.answered.iter_mut().find(|old| old.to == parent) else {
            return;
        };
        let Some(missed) = last.missed else { return };
        if desk.now_ms > missed.at_ms.saturating_add(desk.config.wait_ms) {
            last.missed = None;
            return;
        }
        let spare = policy::spare_for_customer(self.available(), desk.terms.floor.parts());
        if spare > 0 && spare >= missed.least && self.giving.is_empty() {
            // Asked again, it is looked at afresh.
            self.answered.retain(|old| old.to != parent);
            self.give(desk, parent, spare.min(missed.needed), None);
        }
    }

    /// Has the caller commit a grant.
    pub(super) fn give(&mut self, desk: &mut Desk<'_>, to: ReplicaId, parts: u64, request: Option<u64>) {
        desk.outputs.push_back(Output::Give {
            to: to.clone(),
            shelf: desk.key.clone(),
            amount: Amount::new(parts).unwrap_or(Amount::MAX),
            request,
        });
        self.giving.push(Giving {
            to,
            request,
            amount: parts,
        });
    }

    /// Has grants that were not taken over sent again.
    pub(super) fn deliver(&mut self, desk: &mut Desk<'_>) {
        let now_ms = desk.now_ms;
        for delivery in &mut self.deliveries {
            if now_ms < delivery.next_ms || !desk.is_connected(&delivery.to) || desk.is_parent(&delivery.to) {
                continue;
            }
            if !desk.traffic.take(now_ms) {
                self.held_back = true;
                break;
            }
            let pause_ms = delivery.pause_ms.max(desk.config.grant_repeat_ms);
            delivery.next_ms = now_ms + pause_ms;
            delivery.pause_ms = (pause_ms * 2).min(desk.config.grant_repeat_ms_max);
            desk.outputs.push_back(Output::SendGrants {
                to: delivery.to.clone(),
                shelf: desk.key.clone(),
                after: delivery.taken,
            });
        }
    }
}
