//! Customers and people: what they ask for, one action at a time.

use std::rc::Rc;

use finalmarket::domain::escrow::Refusal;
use finalmarket::sync::rights::Input;

use super::facts::{Fact, HandedHold, HoldId, Item, Line, Step, amount};
use super::fault::Fault;
use super::machine::{Role, Stop, Waiting};
use super::world::{Event, Transfer, World};

impl World {
    /// The next action of somebody.
    pub fn act(&mut self) {
        let options = self.options.clone();
        let kinds = [
            (options.partitions, Self::change_link as fn(&mut Self)),
            (options.kills, Self::kill_one),
            (options.restores, Self::restore_one),
            (options.retirements, Self::retire_one),
            (options.clock_jumps, Self::clock_jumps),
            (options.in_hand, Self::sell_in_hand),
            (options.losses, Self::lose),
            (options.counts, Self::count),
            (options.movements, Self::move_goods),
            (options.hand_overs, Self::hand_over),
            (if options.items > 1 { options.transfers } else { 0 }, Self::transfer),
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

    /// A machine that runs.
    pub fn any_running(&mut self) -> Option<usize> {
        let at = self.rng.index(self.machines.len())?;
        self.machines[at].is_running().then_some(at)
    }

    fn any_parts(&mut self) -> u64 {
        let units = self.rng.between(1, self.options.line_units_max);
        if self.options.weighed {
            units * 1_000 - self.rng.below(900)
        } else {
            units * 1_000
        }
    }

    fn hold(&mut self) {
        let Some(at) = self.any_running() else { return };
        let lines = self
            .rng
            .between(1, self.options.lines_max.min(self.options.items) as u64);
        let first = self.rng.below(self.options.items as u64) as usize;
        let item = |n: u64| (first + n as usize) % self.options.items;
        let items: Vec<Item> = (0..lines).map(item).collect();
        let lines: Vec<(Item, u64)> = items.into_iter().map(|item| (item, self.any_parts())).collect();
        let lifetime_ms = self.rng.between(1_000, self.options.lifetime_ms_max);
        self.ask_for_hold(at, lines, lifetime_ms);
    }

    /// A customer asks for a hold: it is opened, refused, or waits for rights.
    pub fn ask_for_hold(&mut self, at: usize, lines: Vec<(Item, u64)>, lifetime_ms: u64) {
        let id = self.next_hold;
        self.next_hold += 1;
        self.say(|world| format!("{}: a customer wants hold {id} of {lines:?}", world.name(at)));
        for (item, n) in &lines {
            let shelf = self.keys[*item].clone();
            self.feed(
                at,
                Input::Demand {
                    shelf,
                    amount: amount(*n),
                },
            );
        }
        match self.open_hold(at, id, &lines, lifetime_ms) {
            Ok(()) => {}
            Err(Stop::Crashed) => self.refused += 1,
            Err(Stop::Refused(refusal)) => {
                let spare = (0..self.machines.len()).map(|other| self.spares(other)).collect();
                let waiting = Waiting {
                    need: id,
                    lines: lines.clone(),
                    lifetime_ms,
                    since_ms: self.now_ms,
                    spare,
                    own: vec![(self.now_ms, self.rights_at(at))],
                };
                if matches!(refusal, Refusal::NoRights { .. } | Refusal::OwnDebt { .. }) {
                    let wanted = lines
                        .iter()
                        .map(|(item, n)| (self.keys[*item].clone(), amount(*n)))
                        .collect();
                    if let Some(memory) = self.machines[at].memory.as_mut() {
                        memory.waiting.push(waiting);
                    }
                    self.moved.insert(at);
                    self.feed(
                        at,
                        Input::Wanted {
                            need: id,
                            lines: wanted,
                        },
                    );
                } else {
                    self.refused += 1;
                    self.check_refusal(at, &waiting, refusal);
                }
            }
        }
    }

    /// An open hold of a machine that runs.
    fn any_hold(&mut self) -> Option<(usize, HoldId, Vec<Line>)> {
        for _ in 0..8 {
            let at = self.any_running()?;
            let memory = self.machines[at].memory.as_ref()?;
            let ids: Vec<HoldId> = memory.holds.keys().copied().collect();
            if let Some(id) = self.rng.pick(&ids) {
                let lines = self.machines[at].memory.as_ref()?.holds.get(id)?.lines.clone();
                return Some((at, *id, lines));
            }
        }
        None
    }

    fn extend(&mut self) {
        let Some((at, id, _)) = self.any_hold() else { return };
        let lifetime_ms = self.rng.between(1_000, self.options.lifetime_ms_max);
        if self.commit(at, Fact::HoldExtended { id, lifetime_ms }).is_ok() {
            self.set_expiry(at, id, lifetime_ms);
        }
    }

    fn release(&mut self) {
        let Some((at, id, lines)) = self.any_hold() else { return };
        self.end_hold(at, id, lines.clone(), false);
        // Customers press twice. A hold that is not open is left alone.
        let open = self.machines[at]
            .memory
            .as_ref()
            .is_some_and(|memory| memory.holds.contains_key(&id));
        if self.rng.chance(100) && (open || self.planted == Some(Fault::HoldEndedTwice)) {
            self.end_hold(at, id, lines, false);
        }
    }

    fn sell_held(&mut self) {
        let Some((at, id, lines)) = self.any_hold() else { return };
        if self.machines[at].role == Role::Headquarters {
            return;
        }
        let weighed = self.options.weighed;
        // In seeds without debt nothing comes out heavier than it was held.
        let heavier = if self.options.in_hand > 0 { 300 } else { 0 };
        let mut lines_out = Vec::new();
        for (item, n) in lines {
            let out = if weighed {
                (n + self.rng.below(heavier + 1))
                    .saturating_sub(self.rng.below(300))
                    .max(1)
            } else {
                n
            };
            lines_out.push((item, n, out));
        }
        let items: Vec<Item> = lines_out.iter().map(|line| line.0).collect();
        if self.commit(at, Fact::HoldSold { id, lines: lines_out }).is_ok() {
            items.into_iter().for_each(|item| self.tell_row(at, item));
        }
    }

    pub fn do_simple(&mut self, at: usize, fact: Fact) {
        let items = fact.items();
        if self.commit(at, fact).is_ok() {
            items.into_iter().for_each(|item| self.tell_row(at, item));
        }
    }

    /// What a customer has in hand is sold, whatever the rights say.
    fn sell_in_hand(&mut self) {
        let Some(at) = self.any_running() else { return };
        let item = self.rng.below(self.options.items as u64) as usize;
        let n = self.any_parts();
        if self.machines[at].role != Role::Headquarters && self.model.units[item] >= n as i64 {
            let shelf = self.keys[item].clone();
            self.feed(
                at,
                Input::Demand {
                    shelf,
                    amount: amount(n),
                },
            );
            self.do_simple(at, Fact::Taken { item, n });
        }
    }

    /// Goods are gone; half of the time nobody notices.
    fn lose(&mut self) {
        let Some(at) = self.any_running() else { return };
        let item = self.rng.below(self.options.items as u64) as usize;
        let n = self.any_parts();
        if self.model.units[item] < n as i64 {
            return;
        }
        if self.rng.chance(500) {
            self.model.stolen(item, n as i64);
            self.moved.insert(at);
        } else if self.machines[at].role == Role::Store {
            self.do_simple(at, Fact::Taken { item, n });
        }
    }

    fn move_goods(&mut self) {
        let at = 1 + self.rng.below(self.options.stores as u64) as usize;
        if !self.machines[at].is_running() {
            return;
        }
        let item = self.rng.below(self.options.items as u64) as usize;
        let n = self.any_parts();
        if self.rng.chance(600) {
            self.do_simple(at, Fact::GoodsIn { item, n });
        } else {
            self.do_simple(at, Fact::Dispatched { item, n });
        }
    }

    /// Goods go from a shelf of one site to that of another.
    fn transfer(&mut self) {
        let stores = self.options.stores as u64;
        let [at, to] = [0, 1].map(|_| 1 + self.rng.below(stores) as usize);
        let item = self.rng.below(self.options.items as u64) as usize;
        let to_item = (item + 1) % self.options.items;
        let n = self.any_parts();
        let transfer = self.next_transfer;
        self.next_transfer += 1;
        if self.machines[at].is_running() {
            let sent = Fact::Sent {
                transfer,
                item,
                n,
                to_item,
                to,
            };
            self.do_simple(at, sent);
        }
    }

    /// What was dispatched is under way, whether the process that wrote it lives on or not.
    pub fn send_goods(&mut self, fact: &Fact) {
        if let Fact::Sent {
            transfer,
            n,
            to_item,
            to,
            ..
        } = fact
        {
            let (id, item, to, sent) = (*transfer, *to_item, *to, *n);
            let arrives_ms = self.now_ms + self.rng.between(500, 20_000);
            self.at(arrives_ms, Event::Arrive(Transfer { id, item, to, sent }));
        }
    }

    /// Somebody scans what stands at the door; some scan it twice. The journal knows what has come.
    pub fn arrive(&mut self, transfer: Transfer) {
        let Transfer { id, item, to, sent } = transfer;
        let came = |fact: &Rc<Fact>| matches!(**fact, Fact::Received { transfer, .. } if transfer == id);
        if self.machines[to].journal.iter().any(came) {
            return;
        }
        self.steps += 1;
        // Something broke on the way, or was counted wrongly: the difference between both facts says so.
        let lost = if self.rng.chance(200) {
            self.rng.below(sent / 2)
        } else {
            0
        };
        self.do_simple(
            to,
            Fact::Received {
                transfer: id,
                item,
                n: sent - lost,
            },
        );
        let again_ms = self.now_ms + self.rng.between(500, 3_000);
        self.at(again_ms, Event::Arrive(transfer));
    }

    /// A pickup is accepted by a store, or a kiosk's order paid at a till.
    fn hand_over(&mut self) {
        let Some((at, id, lines)) = self.any_hold() else { return };
        let others = self.neighbours(at);
        let Some(other) = self.rng.pick(&others).copied() else {
            return;
        };
        let stores = [Role::Headquarters, Role::Store];
        let down = self.machines[at].role == Role::Headquarters;
        let up = self.machines[at].role == Role::Kiosk && stores.contains(&self.machines[other].role);
        let known = self.machines[at]
            .memory
            .as_ref()
            .and_then(|memory| memory.connected.get(&other))
            .copied();
        let (Some((life, _)), true) = (known, down || up) else {
            return;
        };
        let Some(memory) = self.machines[at].memory.as_ref() else {
            return;
        };
        let left_ms = memory
            .expires_ms
            .get(&id)
            .copied()
            .unwrap_or(0)
            .saturating_sub(self.wall_ms(at));
        let step = |(item, n): &(Item, u64)| {
            let before = self.machines[at]
                .row(*item)
                .map_or(0, |row| row.given(&self.ids[life]).parts());
            Step {
                item: *item,
                before,
                after: before + n,
            }
        };
        let steps: Vec<Step> = lines.iter().map(step).collect();
        let fact = Fact::Granted {
            to: life,
            steps: steps.clone(),
            request: None,
            hold: Some(HandedHold { id, left_ms }),
        };
        if self.commit(at, fact).is_ok() {
            for step in steps {
                let (to, shelf, figures) = (
                    self.ids[life].clone(),
                    self.keys[step.item].clone(),
                    self.figures(at, step.item),
                );
                self.feed(
                    at,
                    Input::Granted {
                        to,
                        shelf,
                        request: None,
                        total: amount(step.after),
                        figures,
                    },
                );
            }
        }
    }
}
