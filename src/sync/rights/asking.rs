//! Asking neighbours: the parent first, then the children that are known to have rights, then all others.

use super::book::{Ask, Book, Desk, Round, Word};
use super::config::RightsConfig;
use super::inputs::{Figures, Place};
use super::message::{Purpose, Request, RightsMessage};
use crate::domain::escrow::{Amount, ReplicaId};

impl Book {
    pub(super) fn on_nothing(&mut self, now_ms: u64, from: &ReplicaId, id: u64, config: &RightsConfig) {
        let answers = |ask: &Ask| ask.to == *from && ask.id == id;
        if let Some(at) = self.asks.iter().position(answers) {
            let ask = self.asks.remove(at);
            if ask.purpose == Purpose::Stock {
                self.no_stock(now_ms, config);
            } else if self.least_that_helps(ask.least) >= ask.least_at_first {
                self.note_word(from, ask.word_at(now_ms));
            }
            // Else rights have come from elsewhere since it was asked: it had too little for the whole, and may have the
            // rest. It is asked again, for less each time; also where it was told of that, because its answer may have
            // crossed that word.
        }
    }

    pub(super) fn on_accepted(
        &mut self,
        now_ms: u64,
        from: &ReplicaId,
        request: Option<u64>,
        figures: Figures,
        stock_retry_ms: u64,
    ) {
        let answers = |ask: &Ask| ask.to == *from && Some(ask.id) == request;
        if let Some(at) = self.asks.iter().position(answers) {
            let ask = self.asks.remove(at);
            // Whoever gave a part gave what is fair: more is not asked for at once.
            self.stock_pause_ms = 0;
            self.stock_after_ms = now_ms + stock_retry_ms;
            // The row may have been told before this word of it, and customers here may have taken of it since.
            let gained = (self.risen + self.rises(figures)).saturating_sub(ask.risen);
            if let Some((_, rights)) = self.known.iter_mut().find(|(of, _)| of == from) {
                // Whoever gave all that it was asked for may have more.
                *rights = if gained < ask.needed {
                    rights.saturating_sub(gained)
                } else {
                    (*rights).max(gained.saturating_mul(4))
                };
            }
            if gained < ask.needed {
                self.note_word(from, ask.word_at(now_ms));
            } else if let Some(word) = self.words.iter_mut().find(|word| word.of == *from) {
                word.had = 0;
            }
        }
    }

    pub(super) fn on_disconnected(&mut self, peer: &ReplicaId) {
        self.asks.retain(|ask| ask.to != *peer);
        self.claims.retain(|claim| claim.from != *peer);
        self.words.retain(|word| word.of != *peer);
    }

    fn note_word(&mut self, of: &ReplicaId, stamp: u64) {
        let stamp = stamp.max(self.word_of(of));
        let had = self.known_of(of);
        self.words.retain(|word| word.of != *of);
        self.words.push(Word {
            of: of.clone(),
            stamp,
            had,
        });
    }

    /// What a child is known to have.
    fn known_of(&self, child: &ReplicaId) -> u64 {
        let known = self.known.iter().find(|(id, _)| id == child);
        known.map_or(0, |(_, parts)| *parts)
    }

    /// What a child may be asked for with some hope: what it had when it gave nothing is spoken for.
    fn hoped_of(&self, child: &ReplicaId) -> u64 {
        let word = self.words.iter().find(|word| word.of == *child);
        self.known_of(child).saturating_sub(word.map_or(0, |word| word.had))
    }

    /// Repeats what was not answered, and gives up what was not answered in time.
    pub(super) fn expire(&mut self, desk: &mut Desk<'_>) {
        let now_ms = desk.now_ms;
        let late: Vec<Ask> = self.asks.extract_if(.., |ask| now_ms >= ask.until_ms).collect();
        for ask in late {
            self.note_word(&ask.to, ask.covers);
            if ask.purpose == Purpose::Stock {
                self.no_stock(now_ms, desk.config);
            }
        }
        let mut asks = std::mem::take(&mut self.asks);
        for ask in &mut asks {
            // Rights may have become free here since, and others who want less have come: then less helps, and the
            // neighbour that has so much is told at once.
            let missing = self.missing(desk, Some(&ask.to));
            let mut less_helps = false;
            if ask.purpose != Purpose::Stock && missing > 0 {
                let needed = ask.needed.min(missing);
                let least = ask.least.min(self.least_that_helps(needed));
                less_helps = least < ask.least;
                if less_helps || now_ms >= ask.repeat_ms {
                    (ask.needed, ask.least) = (needed, least);
                }
            }
            if !less_helps && now_ms < ask.repeat_ms {
                continue;
            }
            // It may be gone, and its link not known to be cut: while it is silent others are asked beside it.
            if now_ms >= ask.repeat_ms {
                ask.believed = 0;
            }
            self.say(desk, ask);
        }
        self.asks = asks;
        if self
            .round
            .is_some_and(|round| now_ms >= round.until_ms || self.figures.owed.is_zero())
        {
            self.end_round(desk);
        }
    }

    /// Debt asks for rights by itself.
    pub(super) fn start_round(&mut self, desk: &mut Desk<'_>) {
        let pressing = !self.figures.owed.is_zero() && desk.now_ms >= self.round_after_ms;
        if self.round.is_none() && pressing && !desk.peers.is_empty() {
            self.round = Some(Round {
                stamp: desk.next_stamp(),
                until_ms: desk.now_ms + desk.config.wait_ms,
            });
        }
    }

    fn end_round(&mut self, desk: &Desk<'_>) {
        self.round = None;
        let pause_ms = self.round_pause_ms.max(desk.config.debt_retry_ms);
        self.round_after_ms = desk.now_ms + pause_ms;
        self.round_pause_ms = (pause_ms * 2).min(desk.config.debt_retry_ms_max);
    }

    /// Asks for what is missing: for the own customers, for debt, and for what neighbours wait for.
    pub(super) fn ask(&mut self, desk: &mut Desk<'_>) {
        if self.missing(desk, None) == 0 {
            return;
        }
        if let Some(parent) = desk.parent().cloned() {
            self.ask_one(desk, &parent, u64::MAX);
        }
        if desk.children().next().is_some() && self.missing(desk, None) > self.believed(desk) {
            self.ask_children(desk);
        }
        if let Some(round) = self.round
            && self.nobody_left(desk, round.stamp, None)
        {
            self.end_round(desk);
        }
    }

    fn ask_children(&mut self, desk: &mut Desk<'_>) {
        let newest = self.newest_stamp();
        if self.looked.is_none_or(|(stamp, _)| stamp < newest) {
            self.look_up(desk);
            return;
        }
        // Among equals whoever was not asked for the longest time: where there is little room for words, all get their turn.
        let mut children: Vec<(u64, ReplicaId)> = desk.children().map(|id| (self.hoped_of(id), id.clone())).collect();
        children.sort_by_key(|(rights, id)| (std::cmp::Reverse(*rights), self.word_of(id)));
        for (rights, child) in children.iter().filter(|(rights, _)| *rights > 0) {
            self.ask_one(desk, child, *rights);
        }
        // What is known may be old: for what those have not, all the others are asked too, at once.
        for (_, child) in children.iter().filter(|(rights, _)| *rights == 0) {
            self.ask_one(desk, child, 0);
        }
    }

    /// Asks one neighbour for what is still missing, where it has not said since that it has nothing. It is believed to
    /// have so much.
    fn ask_one(&mut self, desk: &mut Desk<'_>, peer: &ReplicaId, has: u64) {
        let missing = self.missing(desk, Some(peer)).saturating_sub(self.believed(desk));
        if missing == 0 || !self.may_ask(peer) {
            return;
        }
        let sole = desk.peers.len() <= 1 + usize::from(!self.claims.is_empty());
        let needed = if has == 0 { missing } else { missing.min(has) };
        let least = if sole { self.least_that_helps(needed) } else { 1 };
        let (until_ms, covers) = self.first_to_give_up(desk.now_ms, peer);
        let left_ms = until_ms.saturating_sub(desk.now_ms);
        let is_parent = desk.parent() == Some(peer);
        // Where there are children to be asked too, the parent gets half of the time.
        let share_ms = if is_parent && !sole { left_ms / 2 } else { left_ms };
        let stamp = desk.next_stamp();
        let mut ask = Ask {
            to: peer.clone(),
            id: *desk.next_request,
            purpose: self.purpose(),
            needed,
            least,
            least_at_first: least,
            extra: self.stock_wanted(desk.now_ms, desk.config, desk.terms),
            believed: needed.min(has),
            stamp,
            covers: covers.unwrap_or(stamp),
            repeat_ms: desk.now_ms,
            until_ms: desk.now_ms + share_ms,
            answer_ms: desk.now_ms + share_ms.saturating_sub(desk.config.answer_margin_ms).max(share_ms / 2),
            risen: self.risen,
        };
        if self.say(desk, &mut ask) {
            *desk.next_request = desk.next_request.wrapping_add(1);
            // One request waits at a neighbour: one for stock gives way.
            self.asks.retain(|old| old.to != *peer);
            self.asks.push(ask);
        }
    }

    /// Sends a request, for the first time or again.
    pub(super) fn say(&mut self, desk: &mut Desk<'_>, ask: &mut Ask) -> bool {
        let amount = |parts| Amount::new(parts).unwrap_or(Amount::MAX);
        let request = Request {
            shelf: desk.key.clone(),
            id: ask.id,
            purpose: ask.purpose,
            needed: amount(ask.needed),
            least: amount(ask.least),
            extra: amount(ask.extra),
            wait_ms: u32::try_from(ask.answer_ms.saturating_sub(desk.now_ms)).unwrap_or(u32::MAX),
        };
        let said = desk.send(&ask.to, RightsMessage::Request(request));
        if said {
            ask.repeat_ms = desk.now_ms + desk.config.repeat_ms;
        }
        self.held_back |= !said;
        said
    }

    /// Nobody can be asked, or is being asked, for something that came at `stamp`, but the one who wants it.
    pub(super) fn nobody_left(&self, desk: &Desk<'_>, stamp: u64, from: Option<&ReplicaId>) -> bool {
        let others = desk.peers.iter().filter(|(id, _)| Some(id) != from);
        let mut others = others.map(|(id, _)| id);
        !others.any(|id| {
            let asked = self
                .asks
                .iter()
                .any(|ask| ask.to == *id && ask.purpose != Purpose::Stock);
            asked || self.word_of(id) < stamp
        })
    }

    fn word_of(&self, peer: &ReplicaId) -> u64 {
        let word = self.words.iter().find(|word| word.of == *peer);
        word.map_or(0, |word| word.stamp)
    }

    /// Nothing else waits there, and something has come up since its last word.
    fn may_ask(&self, peer: &ReplicaId) -> bool {
        let waits = self
            .asks
            .iter()
            .any(|ask| ask.to == *peer && ask.purpose != Purpose::Stock);
        let word = self.word_of(peer);
        let own = self.needs.iter().any(|line| !line.ready && line.stamp > word);
        let debt = self.round.is_some_and(|round| round.stamp > word);
        let theirs = self
            .claims
            .iter()
            .any(|claim| claim.from != *peer && claim.stamp > word);
        !waits && (own || debt || theirs)
    }

    fn newest_stamp(&self) -> u64 {
        let own = self.needs.iter().map(|line| line.stamp);
        let theirs = self.claims.iter().map(|claim| claim.stamp);
        own.chain(theirs)
            .chain(self.round.map(|round| round.stamp))
            .max()
            .unwrap_or(0)
    }

    /// What cannot be covered here, of all that is wanted by others than `from`.
    fn missing(&self, desk: &Desk<'_>, from: Option<&ReplicaId>) -> u64 {
        let own = self.own();
        let pressing = |claim: &&super::book::Claim| claim.purpose != Purpose::Stock && Some(&claim.from) != from;
        let theirs = self.claims.iter().filter(pressing).map(|claim| claim.needed);
        let theirs = theirs.fold(0, u64::saturating_add);
        let left = self.available().saturating_sub(own);
        let floor = if self.purpose() == Purpose::Debt {
            0
        } else {
            desk.terms.floor.parts()
        };
        let spare = left.saturating_sub(floor);
        own.saturating_sub(self.available()) + theirs.saturating_sub(spare)
    }

    /// What the own customers and the own debt want.
    fn own(&self) -> u64 {
        let wanted = self.wanted();
        let debt = if wanted > 0 || self.round.is_some() {
            self.figures.owed.parts()
        } else {
            0
        };
        wanted.saturating_add(debt)
    }

    /// What is believed to come. Where somebody has waited for half of their time nobody is counted on any more who has
    /// not given: all are asked, since those who are asked one after the other may be asked too late.
    fn believed(&self, desk: &Desk<'_>) -> u64 {
        if self.is_late(desk) {
            return 0;
        }
        let pressing = self.asks.iter().filter(|ask| ask.purpose != Purpose::Stock);
        pressing.map(|ask| ask.believed).fold(0, u64::saturating_add)
    }

    /// Somebody has waited for half of their time.
    fn is_late(&self, desk: &Desk<'_>) -> bool {
        let mut claims = self.claims.iter().filter(|claim| claim.purpose != Purpose::Stock);
        let mut needs = self.needs.iter().filter(|line| !line.ready);
        claims.any(|claim| desk.now_ms >= claim.elder_ms) || needs.any(|line| desk.now_ms >= line.half_ms(desk.config))
    }

    fn least_that_helps(&self, needed: u64) -> u64 {
        if !self.figures.owed.is_zero() {
            return 1;
        }
        let short = |wanted: u64| wanted.saturating_sub(self.available()).max(1);
        let own = self
            .needs
            .iter()
            .filter(|line| !line.ready)
            .map(|line| short(line.wanted));
        let theirs = self.claims.iter().map(|claim| short(claim.least.max(1)));
        own.chain(theirs).min().unwrap_or(1).min(needed)
    }

    fn purpose(&self) -> Purpose {
        let customer = self.claims.iter().any(|claim| claim.purpose == Purpose::Customer);
        let own_customer = self.wanted() > 0 && self.figures.owed.is_zero();
        if own_customer || customer && self.figures.owed.is_zero() {
            Purpose::Customer
        } else {
            Purpose::Debt
        }
    }

    /// Until when the first gives up of those that a neighbour has not given its word about, and up to which stamp nobody
    /// has more time. A request that waited for the last of them would be answered too late for the first.
    fn first_to_give_up(&self, now_ms: u64, peer: &ReplicaId) -> (u64, Option<u64>) {
        let own = self.needs.iter().filter(|line| !line.ready);
        let own = own.map(|line| (line.until_ms, line.stamp));
        let theirs = self.claims.iter().filter(|claim| claim.from != *peer);
        let theirs = theirs.map(|claim| (claim.until_ms, claim.stamp));
        let debt = self.round.map(|round| (round.until_ms, round.stamp));
        let word = self.word_of(peer);
        let open = |(until_ms, stamp): &(u64, u64)| *until_ms > now_ms && *stamp > word;
        let open: Vec<(u64, u64)> = own.chain(theirs).chain(debt).filter(open).collect();
        let first_ms = open.iter().map(|(until_ms, _)| *until_ms).min().unwrap_or(now_ms);
        let later = open.iter().filter(|(until_ms, _)| *until_ms > first_ms);
        let later = later.map(|(_, stamp)| stamp.saturating_sub(1)).min();
        (first_ms, later)
    }
}

impl Ask {
    /// What an answer that comes now is an answer about. One that comes at the end of the wait was given for whoever
    /// gives up then; the others may ask again.
    fn word_at(&self, now_ms: u64) -> u64 {
        if now_ms < self.answer_ms {
            self.stamp
        } else {
            self.covers
        }
    }
}

impl Desk<'_> {
    /// Whether a neighbour stands above.
    pub(super) fn is_parent(&self, peer: &ReplicaId) -> bool {
        self.peers
            .iter()
            .any(|(id, place)| id == peer && *place == Place::Parent)
    }
}
