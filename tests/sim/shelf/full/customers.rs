//! Customers: holds and sales, one action at a time.

use finalmarket::domain::quantity::Quantity;
use finalmarket::domain::sale::TenderKind;
use finalmarket::domain::stock::{Hold, HoldId, HoldLine, HoldOpened, HoldPurpose};
use finalmarket::hq::RightsError;
use finalmarket::operations::{
    self, HoldCommand, HoldRefusal, HoldSettings, ItemRef, OpenHoldRefusal, Request, SellCommand, SellLine, Settings,
    StatedTender,
};
use finalmarket::store::{Failure, Fingerprint, StorageError};
use finalmarket::sync::rights::Input;
use rust_decimal::Decimal;

use super::super::super::requests::rules;
use super::super::facts::{Item, amount};
use super::super::fault::Fault;
use super::hq;
use super::node::{Inner, Waiting};
use super::world::{Event, Seat, World};

impl World {
    /// The next action of somebody.
    pub fn act(&mut self) {
        let options = &self.options;
        let kinds = [
            (options.partitions, Self::change_link as fn(&mut Self)),
            (options.kills, Self::kill_one),
            (options.restores, Self::restore_one),
            (options.clock_jumps, Self::clock_jumps),
            (options.in_hand, Self::sell_in_hand),
            (options.losses, Self::lose),
            (options.counts, Self::count),
            (options.goods_in, Self::take_goods_in),
            (options.refunds, Self::bring_back),
            (60, Self::extend),
            (200, Self::release),
            (250, Self::sell_held),
            (500, Self::hold),
        ];
        let all = kinds.iter().map(|(weight, _)| weight).sum();
        let mut at = self.rng.below(all);
        for (weight, act) in kinds {
            if at < weight {
                act(self);
                return;
            }
            at -= weight;
        }
    }

    /// A node that runs.
    pub fn any_node(&mut self) -> Option<usize> {
        let at = self.rng.index(self.nodes.len())?;
        self.nodes[at].process.is_some().then_some(at)
    }

    pub fn any_parts(&mut self) -> u64 {
        let units = self.rng.between(1, self.options.line_units_max);
        if self.options.weighed {
            units * 1_000 - self.rng.below(900)
        } else {
            units * 1_000
        }
    }

    pub fn any_item(&mut self, site: usize) -> Item {
        self.items_of(site).start + self.rng.below(self.options.skus as u64) as usize
    }

    fn hold(&mut self) {
        // The web shop, or somebody at a store or a kiosk.
        let at = self.rng.below(self.nodes.len() as u64 + 1) as usize;
        let site = match self.nodes.get(at) {
            Some(node) => node.site,
            None => self.rng.below(self.options.sites as u64) as usize,
        };
        let lines = self
            .rng
            .between(1, self.options.lines_max.min(self.options.skus) as u64);
        let first = self.rng.below(self.options.skus as u64);
        let start = self.items_of(site).start;
        let item = |n: u64| start + ((first + n) % self.options.skus as u64) as usize;
        let items: Vec<Item> = (0..lines).map(item).collect();
        let lines: Vec<(Item, u64)> = items.into_iter().map(|item| (item, self.any_parts())).collect();
        let lifetime_ms = self.rng.between(1_000, self.options.lifetime_ms_max);
        self.next_name += 1;
        let (need, key) = (self.next_name, format!("hold-{}", self.next_name));
        let opened = match self.nodes.get(at) {
            Some(node) if node.process.is_none() => return,
            None if self.hq.process.is_none() => return,
            Some(_) => self.open_hold(at, &key, &lines, lifetime_ms),
            None => self.hq_opens_hold(&key, &lines, lifetime_ms),
        };
        let waits = Waiting {
            need,
            key,
            lines: lines.clone(),
            lifetime_ms,
            since_ms: self.now_ms,
            spare: (0..=self.nodes.len()).map(|other| self.spares(other)).collect(),
        };
        let of_shelves = lines.iter().map(|(item, n)| (self.keys[*item].clone(), amount(*n)));
        let of_shelves: Vec<_> = of_shelves.collect();
        let mut inputs: Vec<Input> = Vec::new();
        for (shelf, amount) in &of_shelves {
            let (shelf, amount) = (shelf.clone(), *amount);
            inputs.push(Input::Demand { shelf, amount });
        }
        match opened {
            None => {
                self.refused += 1;
                return;
            }
            Some(true) => {}
            Some(false) => {
                self.moved.insert(at);
                inputs.push(Input::Wanted {
                    need,
                    lines: of_shelves,
                });
                let waiting = match self.nodes.get_mut(at) {
                    Some(node) => node.process.as_mut().map(|process| &mut process.waiting),
                    None => self.hq.process.as_mut().map(|process| &mut process.waiting),
                };
                waiting.into_iter().for_each(|waiting| waiting.push(waits.clone()));
            }
        }
        for input in inputs {
            if at < self.nodes.len() {
                self.tell(at, Inner::Rights(input));
            } else {
                self.tell_hq(hq::Inner::Rights(self.sites[site].clone(), input));
            }
        }
    }

    /// Opens a hold at a node. None where the process dies, false where rights lack.
    pub fn open_hold(&mut self, at: usize, key: &str, lines: &[(Item, u64)], lifetime_ms: u64) -> Option<bool> {
        let (now, device) = (self.now_at(at), self.nodes[at].process.as_ref()?.till.clone());
        let command = HoldCommand {
            purpose: HoldPurpose::Cart,
            channel: "store".parse().expect("a channel"),
            customer: None,
            staff: None,
            lifetime_ms: Some(lifetime_ms),
            lines: self.hold_lines(lines),
        };
        let key = key.parse().expect("a key");
        let held = self.write(at, |tx| operations::hold(tx, &settings(), now, &device, &key, &command));
        match held? {
            Ok(_) => {
                self.held += 1;
                Some(true)
            }
            Err(HoldRefusal::NotEnough(_)) => Some(false),
            // One that was committed as the process died, and is asked for again.
            Err(refusal) => {
                self.broken(&format!("{} refuses a hold: {refusal}", self.name(Seat::Node(at))));
                Some(false)
            }
        }
    }

    /// The same for the web shop.
    pub fn hq_opens_hold(&mut self, key: &str, lines: &[(Item, u64)], lifetime_ms: u64) -> Option<bool> {
        let opened = HoldOpened {
            id: HoldId::of(b"the web shop", key),
            site: self.keys[lines.first()?.0].site.clone(),
            purpose: HoldPurpose::Pickup,
            channel: "web".parse().expect("a channel"),
            customer: None,
            staff: None,
            lifetime_ms,
            lines: self.hold_lines(lines),
        };
        let now_ms = self.wall_ms();
        match self.hq_does(|hq| hq.hold(opened, now_ms))? {
            Ok(_) => {
                self.held += 1;
                Some(true)
            }
            Err(RightsError::Refused { .. }) => Some(false),
            Err(error) => {
                self.broken(&format!("headquarters refuses a hold: {error}"));
                Some(false)
            }
        }
    }

    fn hold_lines(&self, lines: &[(Item, u64)]) -> Vec<HoldLine> {
        let line = |(item, n): &(Item, u64)| HoldLine {
            sku: self.keys[*item].sku.clone(),
            quantity: quantity(*n),
        };
        lines.iter().map(line).collect()
    }

    /// An open hold of a node that runs.
    fn any_hold(&mut self) -> Option<(usize, Hold)> {
        for _ in 0..8 {
            let at = self.rng.index(self.nodes.len())?;
            let holds = self
                .reads(at, |snapshot| snapshot.holds(None, u32::MAX))
                .unwrap_or_default();
            if let Some(row) = self.rng.pick(&holds) {
                return Some((at, row.hold.clone()));
            }
        }
        None
    }

    fn extend(&mut self) {
        let Some((at, hold)) = self.any_hold() else { return };
        let (id, now) = (hold.opened.id, self.now_at(at));
        let lifetime_ms = Some(self.rng.between(1_000, self.options.lifetime_ms_max));
        let Some(device) = self.nodes[at].process.as_ref().map(|process| process.till.clone()) else {
            return;
        };
        let extended = self.write(at, |tx| {
            operations::extend_hold(tx, &settings(), now, &device, id, lifetime_ms)
        });
        if let Some(Err(refusal)) = extended {
            self.broken(&format!(
                "{} does not extend a hold: {refusal}",
                self.name(Seat::Node(at))
            ));
        }
    }

    fn release(&mut self) {
        // The web shop's customers change their minds too.
        if self.rng.chance(150) {
            return self.release_web_order();
        }
        let Some((at, hold)) = self.any_hold() else { return };
        let id = hold.opened.id;
        self.release_at(at, id);
        // Customers press twice.
        if self.rng.chance(100) {
            if self.planted == Some(Fault::HoldEndedTwice) {
                return self.end_again(at, &hold);
            }
            self.release_at(at, id);
        }
    }

    fn release_at(&mut self, at: usize, id: HoldId) {
        let now = self.now_at(at);
        let Some(device) = self.nodes[at].process.as_ref().map(|process| process.till.clone()) else {
            return;
        };
        let released = self.write(at, |tx| operations::release_hold(tx, now, &device, id));
        if let Some(Err(refusal)) = released
            && !matches!(refusal, OpenHoldRefusal::NotOpen(_))
        {
            self.broken(&format!(
                "{} does not release a hold: {refusal}",
                self.name(Seat::Node(at))
            ));
        }
    }

    /// Planted: a hold is ended again, by whoever asks again.
    fn end_again(&mut self, at: usize, hold: &Hold) {
        use finalmarket::domain::fact::{Entry, Fact};
        use finalmarket::domain::stock::{HoldEnd, HoldEnded};
        let now = self.now_at(at);
        let fact = Fact::HoldEnded(HoldEnded {
            id: hold.opened.id,
            site: hold.opened.site.clone(),
            end: HoldEnd::Released,
            lines: hold.opened.lines.clone(),
        });
        let _ = self.write(at, |tx| {
            let recorded = tx.stamp(now);
            tx.append(&Entry { recorded, fact })
                .map_err(Failure::<StorageError>::Storage)
        });
    }

    fn release_web_order(&mut self) {
        let Some(process) = self.hq.process.as_ref() else {
            return;
        };
        let holds = process.hq.holds(None, u32::MAX).unwrap_or_default();
        let Some(id) = self.rng.pick(&holds).map(|hold| hold.opened.id) else {
            return;
        };
        let now_ms = self.wall_ms();
        if let Some(Err(error)) = self.hq_does(|hq| hq.release_hold(id, now_ms)) {
            self.broken(&format!("headquarters does not release a hold: {error}"));
        }
    }

    fn sell_held(&mut self) {
        let Some((at, hold)) = self.any_hold() else { return };
        // In seeds without debt nothing comes out heavier than it was held.
        let heavier = if self.options.weighed && self.options.in_hand > 0 {
            300
        } else {
            0
        };
        let mut lines = Vec::new();
        for line in &hold.opened.lines {
            let n = line.quantity.thousandths().unsigned_abs();
            let out = if self.options.weighed {
                (n + self.rng.below(heavier + 1))
                    .saturating_sub(self.rng.below(300))
                    .max(1)
            } else {
                n
            };
            if let Some(item) = self.item_of(&hold.opened.site, &line.sku) {
                lines.push((item, out));
            }
        }
        self.sell(at, Some(hold.opened.id), &lines);
    }

    /// What a customer has in hand is sold, whatever the rights say.
    fn sell_in_hand(&mut self) {
        let Some(at) = self.any_node() else { return };
        let item = self.any_item(self.nodes[at].site);
        let n = self.any_parts();
        if self.model.units[item] >= n as i64 {
            self.sell(at, None, &[(item, n)]);
        }
    }

    fn sell(&mut self, at: usize, hold: Option<HoldId>, lines: &[(Item, u64)]) {
        let Some(device) = self.nodes[at].process.as_ref().map(|process| process.till.clone()) else {
            return;
        };
        self.nodes[at].counter += 1;
        let counter = self.nodes[at].counter;
        let line = |(item, n): &(Item, u64)| SellLine {
            item: ItemRef::Sku(self.keys[*item].sku.clone()),
            quantity: quantity(*n),
            unit_price: None,
            discount: None,
        };
        let cash = StatedTender {
            kind: TenderKind::Cash,
            amount: Decimal::from(lines.iter().map(|(_, n)| n / 1_000 + 1).sum::<u64>()),
            reference: None,
        };
        let command = SellCommand {
            counter,
            at: None,
            channel: "store".parse().expect("a channel"),
            customer: None,
            staff: None,
            hold,
            lines: lines.iter().map(line).collect(),
            basket_discount: None,
            tenders: vec![cash],
            tip: None,
        };
        let request = Request {
            device: device.ix,
            key: Some(format!("sale-{counter}").parse().expect("a key")),
            fingerprint: Fingerprint::of("simulated", format!("{command:?}").as_bytes()),
        };
        let now = self.now_at(at);
        let sold = self.write(at, |tx| {
            operations::sell(tx, &settings(), now, &device, &request, &command)
        });
        match sold {
            // Nobody heard of it; the till counts on.
            None => {}
            Some(Ok(_)) => {
                let sold = lines.iter().map(|(item, n)| (counter, *item, *n));
                self.nodes[at].sold.extend(sold.filter(|_| lines.len() == 1));
                for (item, n) in lines {
                    let (shelf, amount) = (self.keys[*item].clone(), amount(*n));
                    self.tell(at, Inner::Rights(Input::Demand { shelf, amount }));
                }
            }
            Some(Err(refusal)) => {
                self.broken(&format!(
                    "{} refuses a finished sale: {refusal}",
                    self.name(Seat::Node(at))
                ));
            }
        }
    }

    /// A process looks every second for holds that have run out, while any are open.
    pub fn hold_tick(&mut self, at: usize) {
        let starts = self.nodes[at].starts;
        if let Some(process) = self.nodes[at].process.as_mut()
            && !std::mem::replace(&mut process.looks_for_holds, true)
        {
            self.at(self.now_ms + 1_000, Event::Holds { at, starts });
        }
    }

    pub fn look_for_holds(&mut self, at: usize, starts: u64) {
        if self.nodes[at].starts != starts {
            return;
        }
        let Some(process) = self.nodes[at].process.as_mut() else {
            return;
        };
        process.looks_for_holds = false;
        let now = super::world::World::now_at(self, at);
        let Some(next) = self.reads(at, |snapshot| snapshot.next_hold_runs_out_ms()) else {
            return;
        };
        let Some(due_ms) = next else { return };
        self.hold_tick(at);
        let Some(process) = self.nodes[at].process.as_ref() else {
            return;
        };
        let noted = self.now_ms.is_multiple_of(10);
        if due_ms <= process.core.running().at(now) || noted {
            let _ = self.write(at, |tx| {
                operations::expire_holds(tx, now).map_err(Failure::<StorageError>::Storage)
            });
        }
    }
}

pub fn quantity(parts: u64) -> Quantity {
    Quantity::from_thousandths(i64::try_from(parts).unwrap_or(i64::MAX))
}

pub fn settings() -> Settings {
    Settings {
        sale: rules(),
        unlisted_tax_class: "standard".parse().expect("a tax class"),
        day_starts_at: chrono::NaiveTime::MIN,
        backdate_days: 7,
        holds: HoldSettings::default(),
        low_stock: Settings::LOW_STOCK,
        in_store_codes: Vec::new(),
    }
}
