//! Between customers: stock for those who are expected, and surplus back to where it belongs.

use super::book::{Ask, Book, Desk};
use super::config::{RightsConfig, ShelfTerms, Surplus};
use super::message::Purpose;
use super::policy;
use crate::domain::escrow::ReplicaId;

impl Book {
    pub(super) fn keep_stock(&mut self, desk: &mut Desk<'_>) {
        if self.is_pressed() {
            self.surplus_since_ms = None;
            return;
        }
        self.give_what_was_missed(desk);
        let target = self.target(desk.now_ms, desk.terms);
        let available = self.available();
        if self.lacks_stock(desk.now_ms, desk.config, desk.terms) {
            self.surplus_since_ms = None;
            let wanted = self.stock_wanted(desk.now_ms, desk.config, desk.terms);
            self.ask_for_stock(desk, wanted.saturating_sub(available));
        } else if available > policy::high(target) && desk.config.surplus != Surplus::Keep {
            self.send_home(desk, available - target);
        } else {
            self.surplus_since_ms = None;
        }
    }

    /// There was no stock to be had: it is asked for again, ever more rarely.
    pub(super) fn no_stock(&mut self, now_ms: u64, config: &RightsConfig) {
        let pause_ms = self.stock_pause_ms.max(config.stock_retry_ms);
        self.stock_after_ms = now_ms + pause_ms;
        self.stock_pause_ms = (pause_ms * 2).min(config.stock_retry_ms_max);
    }

    /// Debt, customers or neighbours wait: that goes before stock.
    fn is_pressed(&self) -> bool {
        !self.figures.owed.is_zero() || !self.claims.is_empty() || self.needs.iter().any(|line| !line.ready)
    }

    pub(super) fn lacks_stock(&self, now_ms: u64, config: &RightsConfig, terms: &ShelfTerms) -> bool {
        self.available() < policy::low(self.stock_wanted(now_ms, config, terms))
    }

    pub(super) fn may_ask_for_stock(&self) -> bool {
        self.asks.is_empty() && !self.is_pressed()
    }

    fn ask_for_stock(&mut self, desk: &mut Desk<'_>, missing: u64) {
        if !self.may_ask_for_stock() || desk.now_ms < self.stock_after_ms {
            return;
        }
        let parent = desk.parent().cloned();
        let Some(peer) = parent.or_else(|| self.richest_child(desk)) else {
            return;
        };
        let stamp = desk.next_stamp();
        let mut ask = Ask {
            to: peer,
            id: *desk.next_request,
            purpose: Purpose::Stock,
            needed: 0,
            least: 0,
            least_at_first: 0,
            extra: policy::whole_grains(missing, desk.terms.stock.grain.parts()).max(1),
            believed: 0,
            stamp,
            covers: stamp,
            repeat_ms: desk.now_ms,
            until_ms: desk.now_ms + desk.config.wait_ms,
            answer_ms: desk.now_ms + desk.config.wait_ms,
            risen: self.risen,
        };
        if self.say(desk, &mut ask) {
            *desk.next_request = desk.next_request.wrapping_add(1);
            self.asks.push(ask);
        }
    }

    /// The child that is known to have most. Where it is long ago that anybody looked, looks first.
    fn richest_child(&mut self, desk: &mut Desk<'_>) -> Option<ReplicaId> {
        desk.children().next()?;
        let looked_ms = self.looked.map(|(_, at_ms)| at_ms);
        if looked_ms.is_none_or(|at_ms| at_ms + desk.config.stock_retry_ms <= desk.now_ms) {
            self.look_up(desk);
            return None;
        }
        let connected = self
            .known
            .iter()
            .filter(|(of, rights)| *rights > 0 && desk.is_connected(of));
        let richest = connected.max_by_key(|(_, rights)| *rights).map(|(of, _)| of.clone());
        // What a look is answered with comes at once; after that there was nobody who has any.
        if richest.is_none() && looked_ms.is_some_and(|at_ms| at_ms < desk.now_ms) {
            self.no_stock(desk.now_ms, desk.config);
        }
        richest
    }

    /// Rights that have lain idle for long enough go home, down to what is kept.
    fn send_home(&mut self, desk: &mut Desk<'_>, idle: u64) {
        let idle = policy::whole_grains(idle, desk.terms.stock.grain.parts());
        let home = match desk.config.surplus {
            Surplus::Keep => None,
            Surplus::ToParent => desk.parent().cloned(),
            Surplus::ToChildren => self.poorest_child(desk),
        };
        // Less than a grain is none, and without a way home nothing waits to go there.
        let Some(home) = home.filter(|_| idle > 0) else {
            self.surplus_since_ms = None;
            return;
        };
        let since_ms = *self.surplus_since_ms.get_or_insert(desk.now_ms);
        let waited = desk.now_ms >= since_ms.saturating_add(desk.config.return_after_ms);
        if waited && self.giving.is_empty() {
            self.surplus_since_ms = None;
            self.give(desk, home, idle, None);
        }
    }

    /// The child that is known to have least.
    fn poorest_child(&self, desk: &Desk<'_>) -> Option<ReplicaId> {
        let known = |of: &ReplicaId| {
            self.known
                .iter()
                .find(|(id, _)| id == of)
                .map_or(0, |(_, parts)| *parts)
        };
        desk.children().min_by_key(|id| known(id)).cloned()
    }
}
