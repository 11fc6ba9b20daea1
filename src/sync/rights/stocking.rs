//! Between customers: stock for those who are expected, and surplus back to where it belongs.

use super::book::{Ask, Book, Desk};
use super::config::{RightsConfig, Surplus};
use super::message::Purpose;
use super::policy;
use crate::domain::escrow::ReplicaId;

impl Book {
    pub(super) fn keep_stock(&mut self, desk: &mut Desk<'_>) {
        if self.is_pressed() {
            self.surplus_since_ms = None;
            return;
        }
        let target = self.target(desk.now_ms, desk.config);
        let available = self.available();
        if available < policy::low(target) {
            self.surplus_since_ms = None;
            self.ask_for_stock(desk, target - available);
        } else if available > policy::high(target) && desk.config.surplus != Surplus::Keep {
            self.send_home(desk, available - target);
        } else {
            self.surplus_since_ms = None;
        }
    }

    /// Somebody waits: stock for customers who are only expected has to wait too.
    fn is_pressed(&self) -> bool {
        let waits = self.needs.iter().any(|line| !line.ready);
        waits || !self.figures.owed.is_zero() || !self.claims.is_empty()
    }

    /// When stock is to be asked for; none where it is not wanted, or where what is in the way ends by itself.
    pub(super) fn stock_due_ms(&self, now_ms: u64, config: &RightsConfig) -> Option<u64> {
        let waits = self.is_pressed() || !self.asks.is_empty();
        let wanted = !waits && self.available() < policy::low(self.target(now_ms, config));
        wanted.then_some(self.stock_after_ms)
    }

    /// There was no stock to be had: it is asked for again, ever more rarely.
    pub(super) fn no_stock(&mut self, now_ms: u64, config: &RightsConfig) {
        let pause_ms = self.stock_pause_ms.max(config.stock_retry_ms);
        self.stock_after_ms = now_ms + pause_ms;
        self.stock_pause_ms = (pause_ms * 2).min(config.stock_retry_ms_max);
    }

    fn ask_for_stock(&mut self, desk: &mut Desk<'_>, missing: u64) {
        let asked = !self.asks.is_empty() || desk.config.stock.horizon_ms == 0;
        if asked || desk.now_ms < self.stock_after_ms {
            return;
        }
        let peer = match desk.parent().cloned() {
            Some(parent) => Some(parent),
            None if self.has_looked(desk) => self.richest_child(desk),
            None => return self.look_at_children(desk),
        };
        let Some(peer) = peer else {
            // Nobody there has any: to look at them every millisecond would not change it.
            return self.no_stock(desk.now_ms, desk.config);
        };
        let mut ask = Ask {
            to: peer,
            id: *desk.next_request,
            purpose: Purpose::Stock,
            needed: 0,
            least: 0,
            extra: policy::whole_grains(missing, desk.config.stock.grain.parts()).max(1),
            believed: 0,
            stamp: desk.next_stamp(),
            repeat_ms: desk.now_ms,
            until_ms: desk.now_ms + desk.config.wait_ms,
            answer_ms: desk.now_ms + desk.config.wait_ms,
        };
        if self.say(desk, &mut ask) {
            *desk.next_request = desk.next_request.wrapping_add(1);
            self.asks.push(ask);
        }
    }

    /// Whether it is known, and from not long ago, what children have.
    fn has_looked(&self, desk: &Desk<'_>) -> bool {
        let looked_ms = self.looked.map(|(_, at_ms)| at_ms);
        looked_ms.is_some_and(|at_ms| at_ms + desk.config.stock_retry_ms > desk.now_ms)
    }

    fn look_at_children(&mut self, desk: &mut Desk<'_>) {
        if desk.children().next().is_some() {
            self.look_up(desk);
        } else {
            self.no_stock(desk.now_ms, desk.config);
        }
    }

    /// The child that is known to have most; none where none has any.
    fn richest_child(&self, desk: &Desk<'_>) -> Option<ReplicaId> {
        let connected = self
            .known
            .iter()
            .filter(|(of, rights)| *rights > 0 && desk.is_connected(of));
        connected.max_by_key(|(_, rights)| *rights).map(|(of, _)| of.clone())
    }

    /// Rights that have lain idle for long enough go home, down to what is kept.
    fn send_home(&mut self, desk: &mut Desk<'_>, idle: u64) {
        let idle = policy::whole_grains(idle, desk.config.stock.grain.parts());
        if idle == 0 {
            // Part of a unit, of weighed goods: it stays.
            self.surplus_since_ms = None;
            return;
        }
        let since_ms = *self.surplus_since_ms.get_or_insert(desk.now_ms);
        let waited = desk.now_ms >= since_ms + desk.config.return_after_ms;
        if !waited || !self.giving.is_empty() {
            return;
        }
        let home = match desk.config.surplus {
            Surplus::Keep => None,
            Surplus::ToParent => desk.parent().cloned(),
            Surplus::ToChildren => self.poorest_child(desk),
        };
        self.surplus_since_ms = None;
        if let Some(home) = home {
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
