//! What is compared after each step, and what must hold after healing.

use std::rc::Rc;

use finalmarket::domain::escrow::{Refusal, Row};
use finalmarket::sync::rights::Figures;

use super::facts::{Item, Life};
use super::fault::Rule;
use super::machine::{Role, Waiting};
use super::world::{World, covers};

impl World {
    /// After each step.
    pub fn check(&mut self) {
        self.dirty.clear();
        let dirty = std::mem::take(&mut self.moved);
        for at in &dirty {
            self.check_machine(*at);
        }
        if !dirty.is_empty() {
            for item in 0..self.options.items {
                self.check_item(item);
            }
            self.note_spares(&dirty);
        }
    }

    fn check_machine(&mut self, at: usize) {
        let machine = &self.machines[at];
        let Some(memory) = machine.memory.as_ref() else { return };
        let life = machine.life;
        let mut wrong = Vec::new();
        for (item, row) in memory.rows.own.iter().enumerate() {
            let account = self.model.account(life, item);
            let registers = row.registers();
            let moved = i128::from(registers.added.parts()) - i128::from(registers.removed.parts());
            let row_says = (
                row.rights(),
                i128::from(row.reserved().parts()),
                i128::from(row.owed().parts()),
                moved,
            );
            let truth = (
                i128::from(account.free),
                i128::from(account.reserved),
                i128::from(account.iou),
                i128::from(account.moved),
            );
            if row_says != truth {
                let what = format!(
                    "{}, life {life}, item {item}: the row has (rights, reserved, owed, moved) {row_says:?}, the truth is {truth:?}",
                    self.name(at)
                );
                wrong.push((Rule::RowIsTruth, what));
            }
            let held: u64 = memory
                .holds
                .values()
                .flat_map(|hold| &hold.lines)
                .filter(|line| line.0 == item)
                .map(|line| line.1)
                .sum();
            if held != row.reserved().parts() {
                wrong.push((
                    Rule::OpenHolds,
                    format!(
                        "{}, item {item}: held − freed is {}, open holds are {held}",
                        self.name(at),
                        row.reserved()
                    ),
                ));
            }
        }
        if memory.holds.len() != self.model.promises_of(life).count() {
            wrong.push((
                Rule::OpenHolds,
                format!(
                    "{} knows {} holds, and has promised {}",
                    self.name(at),
                    memory.holds.len(),
                    self.model.promises_of(life).count()
                ),
            ));
        }
        for (rule, what) in wrong {
            self.fail(rule, what);
        }
    }

    fn check_item(&mut self, item: Item) {
        let sums = self.sums[item];
        if sums.reserved > sums.quantity + sums.owed {
            self.fail(Rule::Promises, format!("item {item}: the rows have {sums:?}"));
        }
        let promised = self.model.promised(item);
        let there = self.model.units[item] + self.model.unrecorded[item];
        let owed = self.model.owed(item);
        if promised > there + owed {
            self.fail(
                Rule::Promises,
                format!("item {item}: {promised} is promised, {there} is there, {owed} is owed"),
            );
        }
        if self.has_no_debt() && (owed > 0 || promised > there) {
            self.fail(
                Rule::Promises,
                format!("item {item}: without sales in hand {promised} is promised, {there} is there, {owed} is owed"),
            );
        }
        let rights = self.model.rights(item);
        if rights > there {
            self.fail(
                Rule::Rights,
                format!("item {item}: there are {rights} rights, and {there} is there"),
            );
        }
        let late = self.model.late(item);
        if sums.quantity + late != there {
            self.fail(
                Rule::Quantity,
                format!(
                    "item {item}: the rows say {}, late facts {late}, there is {there}",
                    sums.quantity
                ),
            );
        }
    }

    /// Nothing leaves beside the rights in this seed.
    fn has_no_debt(&self) -> bool {
        self.options.in_hand == 0 && self.options.losses == 0 && self.options.counts == 0
    }

    /// A copy of a row says nothing that its writer has not written.
    pub fn check_copy(&mut self, at: usize, life: Life, item: Item) {
        let Some(copy) = self.machines[at].view[item].get(&life) else {
            return;
        };
        if !covers(&self.lives[life].rows[item], copy) {
            let what = format!(
                "{} knows of life {life}, item {item}: {copy:?}; it has written {:?}",
                self.name(at),
                self.lives[life].rows[item]
            );
            self.fail(Rule::CopiesAreBehind, what);
        }
    }

    /// What a machine could give away, by item.
    pub fn spares(&self, at: usize) -> Vec<u64> {
        let machine = &self.machines[at];
        let Some(memory) = machine.memory.as_ref() else {
            return vec![0; self.options.items];
        };
        let floor = match machine.role {
            Role::Headquarters => self.options.headquarters.shelf.floor,
            Role::Store => self.options.store.shelf.floor,
            Role::Kiosk => self.options.kiosk.shelf.floor,
        };
        let spare = |(item, row): (Item, &Rc<Row>)| {
            let figures = Figures::from(&**row);
            let lines = memory.waiting.iter().flat_map(|waiting| &waiting.lines);
            let own: u64 = lines.filter(|line| line.0 == item).map(|line| line.1).sum();
            let kept = floor.parts() + own;
            if figures.owed.is_zero() {
                figures.rights.parts().saturating_sub(kept)
            } else {
                0
            }
        };
        memory.rows.own.iter().enumerate().map(spare).collect()
    }

    /// What a machine can promise, by item.
    pub fn rights_at(&self, at: usize) -> Vec<u64> {
        let rights = |item| {
            self.machines[at]
                .row(item)
                .map_or(0, |row| Figures::from(row).rights.parts())
        };
        (0..self.options.items).map(rights).collect()
    }

    fn note_spares(&mut self, changed: &std::collections::BTreeSet<usize>) {
        let waiting = self
            .machines
            .iter()
            .any(|machine| machine.memory.as_ref().is_some_and(|memory| !memory.waiting.is_empty()));
        if !waiting {
            return;
        }
        for at in changed {
            let (now_ms, rights) = (self.now_ms, self.rights_at(*at));
            for waiting in self.machines[*at]
                .memory
                .iter_mut()
                .flat_map(|memory| &mut memory.waiting)
            {
                waiting.own.push((now_ms, rights.clone()));
            }
            let spares = self.spares(*at);
            for machine in &mut self.machines {
                for waiting in machine.memory.iter_mut().flat_map(|memory| &mut memory.waiting) {
                    if let Some(least) = waiting.spare.get_mut(*at) {
                        least
                            .iter_mut()
                            .zip(&spares)
                            .for_each(|(least, now)| *least = (*least).min(*now));
                    }
                }
            }
        }
    }

    /// Machines that could be reached from this one throughout.
    fn reached_since(&self, at: usize, since_ms: u64) -> Vec<usize> {
        let mut reached = vec![at];
        let mut next = 0;
        while let Some(from) = reached.get(next).copied() {
            next += 1;
            // What other stores have comes over headquarters only as far as time allows; headquarters' own counts.
            if self.options.stores > 1 && self.machines[from].role == Role::Headquarters && from != at {
                continue;
            }
            for other in self.neighbours(from) {
                let link = &self.links[self.link_of(from, other)];
                let through = link.up && link.failed_ms < since_ms && self.machines[other].is_running();
                // Its parent gives a retired replica nothing and asks it for nothing, also where it has not heard of that
                // yet: what it still has is unpromised until a count or an override (design, section 3).
                let through = through && !self.is_parted(from, other);
                if through && !reached.contains(&other) {
                    reached.push(other);
                }
            }
        }
        reached
    }

    /// Of two neighbours one has retired the other.
    fn is_parted(&self, at: usize, other: usize) -> bool {
        let retired = |parent: usize, child: usize| {
            let book = self.machines[parent].books.get(&self.machines[child].life);
            book.is_some_and(|book| book.retired.is_some())
        };
        retired(at, other) || retired(other, at)
    }

    /// A refusal is lawful where own rights, and what all that could be reached throughout could have spared, did not
    /// suffice for some line.
    pub fn check_refusal(&mut self, at: usize, waiting: &Waiting, refusal: Refusal) {
        let lawful = match refusal {
            Refusal::OthersDebt { .. } => !self.has_no_debt(),
            Refusal::NoRights { .. } | Refusal::OwnDebt { .. } => self.did_not_suffice(at, waiting),
            _ => false,
        };
        if !lawful {
            let reached = self.reached_since(at, waiting.since_ms);
            let others = reached.into_iter().filter(|other| *other != at);
            let spared: Vec<_> = others
                .filter_map(|other| Some((self.name(other), waiting.spare.get(other)?)))
                .filter(|(_, spare)| spare.iter().any(|n| *n > 0))
                .collect();
            let what = format!(
                "{} refused hold {} of {:?} after {} ms: {refusal}; others could have spared throughout {spared:?}",
                self.name(at),
                waiting.need,
                waiting.lines,
                self.now_ms - waiting.since_ms
            );
            self.fail(Rule::LawfulRefusal, what);
        }
    }

    fn did_not_suffice(&self, at: usize, waiting: &Waiting) -> bool {
        let reached = self.reached_since(at, waiting.since_ms);
        waiting.lines.iter().any(|(item, wanted)| {
            let own = self.own_in_time(at, waiting, *item);
            // Rights that stand against debt promise nothing: it is settled first, and where others are known to owe, what
            // is there less what is reserved must suffice too (design, section 3).
            let owed = reached.iter().filter_map(|at| self.machines[*at].row(*item));
            let owed: u64 = owed.map(|row| row.owed().parts()).sum();
            let others = reached.iter().filter(|other| **other != at);
            let spare: u64 = others
                .filter_map(|other| waiting.spare.get(*other))
                .map(|spare| spare[*item])
                .sum();
            own + spare < wanted + owed
        })
    }

    /// What a machine could promise, and early enough for the rest to come from the other end of the tree: a kiosk's word
    /// to the store, the store's to another kiosk, and both ways back. No message is faster than its link, so that what
    /// came later than that could not be added to by anybody.
    fn own_in_time(&self, at: usize, waiting: &Waiting, item: Item) -> u64 {
        let now = self.rights_at(at)[item];
        let wait_ms = self.config_of(self.machines[at].role).wait_ms;
        let there_and_back_ms = 4 * self.options.delay_ms.1;
        if self.now_ms + there_and_back_ms < waiting.since_ms + wait_ms {
            return now;
        }
        let until_ms = self.now_ms.saturating_sub(there_and_back_ms);
        let before = waiting.own.iter().rfind(|(ms, _)| *ms <= until_ms);
        let since = waiting.own.iter().filter(|(ms, _)| *ms > until_ms);
        let least = since.chain(before).map(|(_, rights)| rights[item]).min();
        least.unwrap_or(now).min(now)
    }

    /// Holds are open, customers wait, or debt that could be settled.
    pub fn is_awaited(&self) -> bool {
        let waits =
            |machine: &super::machine::Machine| machine.memory.as_ref().is_none_or(|memory| !memory.waiting.is_empty());
        let unsettled = (0..self.options.items).any(|item| self.unsettled(item).is_some());
        unsettled || self.model.promises() > 0 || self.model.transfers() > 0 || self.machines.iter().any(waits)
    }

    /// Machines that owe something that nobody has rights for.
    pub fn debtors(&self) -> u64 {
        let owes = |machine: &&super::machine::Machine| {
            (0..self.options.items).any(|item| self.model.account(machine.life, item).iou > 0)
        };
        self.machines.iter().filter(owes).count() as u64
    }

    /// What is waited for, for people.
    pub fn awaited(&self) -> String {
        let unsettled: Vec<_> = (0..self.options.items).map(|item| self.unsettled(item)).collect();
        format!(
            "{} holds are open, {:?}; owed beside free: {unsettled:?}",
            self.model.promises(),
            self.model.any_promise()
        )
    }

    /// Debt beside rights that would settle it, as (owed, free).
    fn unsettled(&self, item: Item) -> Option<(i64, i64)> {
        let accounts = || {
            self.machines
                .iter()
                .map(|machine| self.model.account(machine.life, item))
        };
        let owed: i64 = accounts().map(|account| account.iou).sum();
        let free: i64 = accounts().map(|account| account.free).sum();
        (owed > 0 && free > 0).then_some((owed, free))
    }

    /// After healing.
    pub fn check_healed(&mut self) {
        if self.violation.is_some() {
            return;
        }
        let mut wrong = Vec::new();
        for (at, machine) in self.machines.iter().enumerate() {
            for item in 0..self.options.items {
                for (life, record) in self.lives.iter().enumerate() {
                    let nothing = Rc::default();
                    let known = machine.view[item].get(&life).unwrap_or(&nothing);
                    if !Rc::ptr_eq(known, &record.rows[item]) && **known != *record.rows[item] {
                        wrong.push(format!(
                            "{} knows of life {life}, item {item}: {known:?}; it is {:?}",
                            self.name(at),
                            record.rows[item]
                        ));
                    }
                }
            }
            let streams = machine
                .streams
                .iter()
                .filter(|stream| machine.parent.is_some() && stream.acked != self.lives[stream.life].journal.len());
            wrong.extend(streams.map(|stream| {
                format!(
                    "{}: life {} is acknowledged up to {} only",
                    self.name(at),
                    stream.life,
                    stream.acked
                )
            }));
            if machine.memory.as_ref().is_none_or(|memory| !memory.waiting.is_empty()) {
                wrong.push(format!("{} does not run, or customers wait there", self.name(at)));
            }
        }
        if self.model.parcels() > 0 {
            wrong.push(format!("{} grants are not taken over", self.model.parcels()));
        }
        if self.model.transfers() > 0 {
            wrong.push(format!("{} transfers have not arrived", self.model.transfers()));
        }
        if self.model.promises() > 0 {
            wrong.push(format!("{} holds have no end", self.model.promises()));
        }
        for item in 0..self.options.items {
            if let Some((owed, free)) = self.unsettled(item) {
                wrong.push(format!("item {item}: {owed} is owed beside {free} free"));
            }
        }
        if let Some(what) = wrong.into_iter().next() {
            self.fail(Rule::Heals, what);
        }
        for at in 0..self.machines.len() {
            let (rows, holds) = self.machines[at].fold(self.options.items, self);
            let differs = self.machines[at]
                .memory
                .as_ref()
                .is_some_and(|memory| memory.rows.own != rows.own || memory.holds != holds);
            if differs {
                self.fail(Rule::RowIsFold, format!("{}: the journal says {rows:?}", self.name(at)));
            }
        }
    }
}
