//! What the engine remembers of one shelf while it is in use. All of it may be lost.

use super::config::{RightsConfig, ShelfTerms, Surplus};
use super::demand::Demand;
use super::inputs::{Figures, Place};
use super::message::{Purpose, RightsMessage, ShelfKey};
use super::outputs::Output;
use super::policy;
use super::traffic::Traffic;
use crate::domain::escrow::{Amount, ReplicaId};

/// A line of a need of the own customers. Amounts here and below are in smallest parts.
#[derive(Debug, Clone, Copy)]
pub(super) struct NeedLine {
    pub need: u64,
    pub wanted: u64,
    /// When it came, in the engine's order of things.
    pub stamp: u64,
    pub until_ms: u64,
    /// The rights are here and kept for it.
    pub ready: bool,
}

impl NeedLine {
    /// When half of its time is over.
    pub fn half_ms(&self, config: &RightsConfig) -> u64 {
        self.until_ms.saturating_sub(config.wait_ms / 2)
    }
}

/// A neighbour waits for rights.
#[derive(Debug, Clone)]
pub(super) struct Claim {
    pub from: ReplicaId,
    pub id: u64,
    pub purpose: Purpose,
    pub needed: u64,
    pub least: u64,
    pub extra: u64,
    pub stamp: u64,
    pub until_ms: u64,
    /// From then on, half of its time, whoever came later waits for it.
    pub elder_ms: u64,
}

/// A neighbour was asked.
#[derive(Debug, Clone)]
pub(super) struct Ask {
    pub to: ReplicaId,
    pub id: u64,
    pub purpose: Purpose,
    pub needed: u64,
    pub least: u64,
    /// What `least` was when it was asked first: an answer may be to that.
    pub least_at_first: u64,
    pub extra: u64,
    /// How much of it is believed to come.
    pub believed: u64,
    pub stamp: u64,
    /// Up to which stamp an answer that comes at its end is a word about: those that it was asked for and that have more
    /// time may ask again.
    pub covers: u64,
    pub repeat_ms: u64,
    pub until_ms: u64,
    /// By when the neighbour is to answer.
    pub answer_ms: u64,
    /// What [`Book::risen`] was.
    pub risen: u64,
}

/// A neighbour's last word to us: it could not give what was asked by the ask of this stamp.
#[derive(Debug, Clone)]
pub(super) struct Word {
    pub of: ReplicaId,
    pub stamp: u64,
    /// What it was known to have then, in vain: its own customers wait for that.
    pub had: u64,
}

/// Our last word to a neighbour.
#[derive(Debug, Clone)]
pub(super) struct Answered {
    pub to: ReplicaId,
    pub id: u64,
    pub nothing: bool,
    /// What customers or debt wanted and did not get; none where they got it or only stock was wanted.
    pub missed: Option<Missed>,
}

/// What a neighbour wanted in vain.
#[derive(Debug, Clone, Copy)]
pub(super) struct Missed {
    pub needed: u64,
    /// Less is of no use to it.
    pub least: u64,
    /// When it was told that there is nothing.
    pub at_ms: u64,
}

/// A grant that the caller is to commit.
#[derive(Debug, Clone)]
pub(super) struct Giving {
    pub to: ReplicaId,
    pub request: Option<u64>,
    pub amount: u64,
}

/// Grants that a child has not taken over yet.
#[derive(Debug, Clone)]
pub(super) struct Delivery {
    pub to: ReplicaId,
    pub given: Amount,
    pub taken: Amount,
    pub next_ms: u64,
    pub pause_ms: u64,
}

/// A round of asking for rights to settle debt.
#[derive(Debug, Clone, Copy)]
pub(super) struct Round {
    pub stamp: u64,
    pub until_ms: u64,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Book {
    pub figures: Figures,
    /// By how much rights have grown here, and debt fallen, in all.
    pub risen: u64,
    /// The figures are those of the row: a shelf that was forgotten has to be read before anything is said of it.
    pub is_read: bool,
    pub demand: Demand,
    pub needs: Vec<NeedLine>,
    pub claims: Vec<Claim>,
    pub asks: Vec<Ask>,
    pub words: Vec<Word>,
    pub answered: Vec<Answered>,
    pub giving: Vec<Giving>,
    pub deliveries: Vec<Delivery>,
    /// What is known of children's rights, and when it was asked for.
    pub known: Vec<(ReplicaId, u64)>,
    pub looked: Option<(u64, u64)>,
    pub round: Option<Round>,
    pub round_after_ms: u64,
    pub round_pause_ms: u64,
    pub stock_after_ms: u64,
    pub stock_pause_ms: u64,
    pub surplus_since_ms: Option<u64>,
    /// Something was not said for want of room.
    pub held_back: bool,
    /// What stands for it in the engine's calendar.
    pub due_ms: Option<u64>,
}

/// What a shelf's book needs of the engine while it works.
pub(super) struct Desk<'a> {
    pub now_ms: u64,
    pub key: &'a ShelfKey,
    pub config: &'a RightsConfig,
    /// What holds for this shelf.
    pub terms: &'a ShelfTerms,
    pub peers: &'a [(ReplicaId, Place)],
    pub traffic: &'a mut Traffic,
    pub outputs: &'a mut std::collections::VecDeque<Output>,
    pub stamp: &'a mut u64,
    pub next_request: &'a mut u64,
}

impl Desk<'_> {
    pub fn is_connected(&self, peer: &ReplicaId) -> bool {
        self.peers.iter().any(|(id, _)| id == peer)
    }

    pub fn parent(&self) -> Option<&ReplicaId> {
        let parent = self.peers.iter().find(|(_, place)| *place == Place::Parent);
        parent.map(|(id, _)| id)
    }

    pub fn children(&self) -> impl Iterator<Item = &ReplicaId> {
        let children = self.peers.iter().filter(|(_, place)| *place == Place::Child);
        children.map(|(id, _)| id)
    }

    pub fn next_stamp(&mut self) -> u64 {
        *self.stamp += 1;
        *self.stamp
    }

    /// Says something, where there is room for it.
    pub fn send(&mut self, to: &ReplicaId, message: RightsMessage) -> bool {
        let may = match message {
            RightsMessage::Request(_) => self.traffic.take_what_is_left(self.now_ms),
            RightsMessage::Nothing(_) => self.traffic.take(self.now_ms),
        };
        if may {
            self.outputs.push_back(Output::Send {
                to: to.clone(),
                message,
            });
        }
        may
    }
}

impl Book {
    /// Does what there is to do. Gives the needs that are to be refused.
    pub fn work(&mut self, desk: &mut Desk<'_>) -> Vec<u64> {
        self.held_back = false;
        if !self.is_read {
            if self.looked.is_none() {
                self.look_up(desk);
            }
            return Vec::new();
        }
        self.expire(desk);
        self.serve(desk);
        self.start_round(desk);
        self.ask(desk);
        // What was kept for own customers who go without now is there for others: those are answered after them.
        let hopeless = self.hopeless_needs(desk);
        if hopeless.is_empty() {
            self.serve_the_rest(desk);
            self.keep_stock(desk);
        }
        self.deliver(desk);
        hopeless
    }

    /// Has the caller read what stands in rows.
    pub fn look_up(&mut self, desk: &mut Desk<'_>) {
        self.looked = Some((desk.next_stamp(), desk.now_ms));
        self.known.clear();
        desk.outputs.push_back(Output::LookUp {
            shelf: desk.key.clone(),
        });
    }

    /// By how much rights have grown, and debt fallen, once the row says so.
    pub fn rises(&self, figures: Figures) -> u64 {
        let gained = figures.rights.above(self.figures.rights).parts();
        // What settled debt came too, but does not show in the rights.
        gained + self.figures.owed.above(figures.owed).parts()
    }

    /// What may be promised or given and is not meant for anybody yet.
    pub fn available(&self) -> u64 {
        let giving: u64 = self.giving.iter().map(|giving| giving.amount).sum();
        let ready: u64 = self
            .needs
            .iter()
            .filter(|line| line.ready)
            .map(|line| line.wanted)
            .sum();
        self.figures.rights.parts().saturating_sub(giving).saturating_sub(ready)
    }

    /// What own customers wait for.
    pub fn wanted(&self) -> u64 {
        let waiting = self.needs.iter().filter(|line| !line.ready);
        waiting.map(|line| line.wanted).fold(0, u64::saturating_add)
    }

    /// What is kept for customers that are expected, and in any case.
    pub fn target(&self, now_ms: u64, terms: &ShelfTerms) -> u64 {
        let stock = &terms.stock;
        let expected = self.demand.expected(now_ms, stock.half_life_ms, stock.horizon_ms);
        policy::target(expected, stock).max(terms.floor.parts())
    }

    /// What there is to be in stock here. A home has what others leave it, and asks them for no more than its floor: else,
    /// where there is too little for both, both would ask each other in turns.
    pub fn stock_wanted(&self, now_ms: u64, config: &RightsConfig, terms: &ShelfTerms) -> u64 {
        match config.surplus {
            Surplus::Keep => terms.floor.parts(),
            Surplus::ToParent | Surplus::ToChildren => self.target(now_ms, terms),
        }
    }

    /// Nothing is under way that anybody waits for.
    pub fn is_quiet(&self) -> bool {
        self.needs.is_empty()
            && self.claims.is_empty()
            && self.asks.is_empty()
            && self.giving.is_empty()
            && self.deliveries.is_empty()
            && self.figures.owed.is_zero()
    }

    /// Nothing is lost by forgetting it.
    pub fn is_idle(&self, now_ms: u64, config: &RightsConfig, terms: &ShelfTerms) -> bool {
        let stock = &terms.stock;
        self.is_quiet()
            && self.surplus_since_ms.is_none()
            && !self.lacks_stock(now_ms, config, terms)
            && self.demand.expected(now_ms, stock.half_life_ms, stock.half_life_ms) == 0
    }

    /// When something is to be done here, if nothing happens before.
    pub fn next_due(&self, desk: &Desk<'_>) -> u64 {
        let config = desk.config;
        let connected = !desk.peers.is_empty();
        let mut due_ms = desk.now_ms + desk.terms.stock.half_life_ms.max(1_000);
        // What is due and could not be done now waits for something to happen: looking again at once would do nothing
        // else, a thousand times a second.
        let again_ms = desk.now_ms + config.repeat_ms.max(1);
        let mut at = |ms: u64| due_ms = due_ms.min(if ms > desk.now_ms { ms } else { again_ms });
        self.needs
            .iter()
            .filter(|line| !line.ready)
            .for_each(|line| at(line.until_ms));
        self.claims.iter().for_each(|claim| at(claim.until_ms));
        let needs = self.needs.iter().filter(|line| !line.ready);
        let halves = needs.map(|line| line.half_ms(config));
        let halves = halves.chain(self.claims.iter().map(|claim| claim.elder_ms));
        halves.filter(|ms| *ms > desk.now_ms).for_each(&mut at);
        self.asks.iter().for_each(|ask| at(ask.repeat_ms.min(ask.until_ms)));
        let waiting = self
            .deliveries
            .iter()
            .filter(|delivery| desk.is_connected(&delivery.to));
        waiting.for_each(|delivery| at(delivery.next_ms));
        match self.round {
            Some(round) => at(round.until_ms),
            None if connected && !self.figures.owed.is_zero() => at(self.round_after_ms),
            None => {}
        }
        if let Some(since_ms) = self.surplus_since_ms.filter(|_| connected && self.giving.is_empty()) {
            at(since_ms + config.return_after_ms);
        }
        if connected && self.may_ask_for_stock() && self.lacks_stock(desk.now_ms, config, desk.terms) {
            at(self.stock_after_ms);
        }
        if self.held_back {
            at(desk.now_ms + desk.traffic.pause_ms());
        }
        due_ms
    }
}
