//! What is compared after each step, and what must hold after healing.

use std::collections::BTreeSet;

use finalmarket::domain::escrow::{Amount, Row};
use finalmarket::domain::ids::Sku;
use finalmarket::domain::stock::{Hold, Place};
use finalmarket::operations::own_row;
use finalmarket::sync::node::{LinkState, NodeLimits, WakeReason};
use finalmarket::sync::rights::Figures;
use finalmarket::sync::wire::StreamState;

use super::super::facts::{Item, Life, Step};
use super::super::fault::Rule;
use super::node::Waiting;
use super::world::{Seat, World};

/// A link that takes longer than this from end to end cannot be counted on within a wait.
const DELAY_MS_MAX: u64 = 100;

impl World {
    /// A row as the file has it, after a commit: what the journal folds to, what the model says, sound and not fallen.
    pub fn check_row(&mut self, life: Life, item: Item, row: &Row, holds: &[Hold]) {
        let who = format!("{}, life {life}, item {item}", self.name(self.lives[life].seat));
        if *row != self.lives[life].rows[item] {
            let fold = &self.lives[life].rows[item];
            let what = format!("{who}: the file has {row:?}, the journal comes to {fold:?}");
            self.fail(Rule::RowIsFold, what);
        }
        let past = self.lives[life].past.iter().rev().nth(1);
        if past.is_some_and(|(_, rows)| !row.covers(&rows[item])) {
            self.fail(Rule::NeverFalls, format!("{who}: {row:?} is less than before"));
        }
        if let Err(broken) = row.check() {
            self.fail(Rule::RowIsSound, format!("{who}: {broken}"));
        }
        let account = self.model.account(life, item);
        let registers = row.registers();
        let says = (
            row.rights(),
            i128::from(row.reserved().parts()),
            i128::from(row.owed().parts()),
            i128::from(registers.added.parts()) - i128::from(registers.removed.parts()),
        );
        let truth = (
            i128::from(account.free),
            i128::from(account.reserved),
            i128::from(account.iou),
            i128::from(account.moved),
        );
        if says != truth {
            let what = format!("{who}: the row has (rights, reserved, owed, moved) {says:?}, the truth is {truth:?}");
            self.fail(Rule::RowIsTruth, what);
        }
        let key = &self.keys[item];
        let of_item = holds.iter().filter(|hold| hold.opened.site == key.site);
        let held: i64 = of_item.map(|hold| hold.quantity_of(&key.sku).thousandths()).sum();
        if i128::from(held) != i128::from(row.reserved().parts()) {
            let what = format!("{who}: held − freed is {}, open holds are {held}", row.reserved());
            self.fail(Rule::OpenHolds, what);
        }
    }

    /// After each step.
    pub fn check(&mut self) {
        let moved = std::mem::take(&mut self.moved);
        if !moved.is_empty() {
            for item in 0..self.keys.len() {
                self.check_item(item);
            }
            self.note_spares(&moved);
        }
    }

    fn check_item(&mut self, item: Item) {
        let signed = |amount: Amount| i64::try_from(amount.parts()).unwrap_or(i64::MAX);
        let (mut quantity, mut reserved, mut owed_here) = (0, 0, 0);
        for life in &self.lives {
            let registers = life.rows[item].registers();
            quantity += signed(registers.added) - signed(registers.removed);
            reserved += signed(registers.held) - signed(registers.freed);
            owed_here += signed(registers.debt) - signed(registers.repaid);
        }
        if reserved > quantity + owed_here {
            let what = format!("item {item}: the rows have {reserved} reserved of {quantity}, {owed_here} is owed");
            self.fail(Rule::Promises, what);
        }
        let (promised, owed) = (self.model.promised(item), self.model.owed(item));
        let there = self.model.units[item] + self.model.unrecorded[item];
        if promised > there + owed {
            let what = format!("item {item}: {promised} is promised, {there} is there, {owed} is owed");
            self.fail(Rule::Promises, what);
        }
        if self.has_no_debt() && (owed > 0 || promised > there) {
            let what =
                format!("item {item}: without sales in hand {promised} is promised, {there} is there, {owed} is owed");
            self.fail(Rule::Promises, what);
        }
        let rights = self.model.rights(item);
        if rights > there {
            self.fail(
                Rule::Rights,
                format!("item {item}: there are {rights} rights, and {there} is there"),
            );
        }
        if quantity != there {
            self.fail(
                Rule::Quantity,
                format!("item {item}: the rows say {quantity}, there is {there}"),
            );
        }
    }

    /// Nothing leaves beside the rights in this seed.
    pub const fn has_no_debt(&self) -> bool {
        self.options.in_hand == 0 && self.options.losses == 0 && self.options.counts == 0
    }

    /// What is known of others' rows on a node's file: nothing that they have not written.
    pub fn check_copies(&mut self, at: usize) {
        for item in self.items_of(self.nodes[at].site) {
            let sku = self.keys[item].sku.clone();
            let Some(shelf) = self.reads(at, |snapshot| snapshot.shelf(Place::Sellable, &sku)) else {
                return;
            };
            let ahead = shelf.rows().find(|(replica, row)| {
                let life = self.known.get(*replica);
                !life.is_some_and(|life| self.lives[*life].rows[item].covers(row))
            });
            if let Some((replica, row)) = ahead {
                let what = format!(
                    "{} knows of {replica:?}, item {item}: {row:?}, which it has not written",
                    self.name(Seat::Node(at))
                );
                self.fail(Rule::CopiesAreBehind, what);
            }
        }
    }

    /// What a process could give away, by item. Headquarters stands behind the nodes.
    pub fn spares(&self, at: usize) -> Vec<u64> {
        let nothing = vec![0; self.keys.len()];
        let (life, floor, waiting) = match self.nodes.get(at) {
            Some(node) => {
                let config = if node.parent.is_none() {
                    &self.options.store
                } else {
                    &self.options.kiosk
                };
                let Some(process) = node.process.as_ref() else {
                    return nothing;
                };
                (node.life, config.shelf.floor, &process.waiting)
            }
            None => {
                let Some(process) = self.hq.process.as_ref() else {
                    return nothing;
                };
                (self.hq.life, self.options.headquarters.shelf.floor, &process.waiting)
            }
        };
        let Some(life) = life else { return nothing };
        let spare = |(item, row): (Item, &Row)| {
            let figures = Figures::from(row);
            let lines = waiting.iter().flat_map(|waiting| &waiting.lines);
            let own: u64 = lines.filter(|line| line.0 == item).map(|line| line.1).sum();
            if figures.owed.is_zero() {
                figures.rights.parts().saturating_sub(floor.parts() + own)
            } else {
                0
            }
        };
        self.lives[life].rows.iter().enumerate().map(spare).collect()
    }

    fn note_spares(&mut self, changed: &BTreeSet<usize>) {
        let nodes = self.nodes.iter().filter_map(|node| node.process.as_ref());
        let hq = self
            .hq
            .process
            .as_ref()
            .is_some_and(|process| !process.waiting.is_empty());
        if !hq && nodes.into_iter().all(|process| process.waiting.is_empty()) {
            return;
        }
        for at in changed {
            let spares = self.spares(*at);
            let nodes = self.nodes.iter_mut().filter_map(|node| node.process.as_mut());
            let of_nodes = nodes.flat_map(|process| &mut process.waiting);
            let of_hq = self.hq.process.iter_mut().flat_map(|process| &mut process.waiting);
            for waiting in of_nodes.chain(of_hq) {
                if let Some(least) = waiting.spare.get_mut(*at) {
                    let both = least.iter_mut().zip(&spares);
                    both.for_each(|(least, now)| *least = (*least).min(*now));
                }
            }
        }
    }

    /// Whom a process could reach throughout.
    fn reached_since(&self, at: usize, since_ms: u64) -> Vec<usize> {
        let headquarters = self.nodes.len();
        let (mut reached, mut next) = (vec![at], 0);
        while let Some(from) = reached.get(next).copied() {
            next += 1;
            for (child, node) in self.nodes.iter().enumerate() {
                let parent = node.parent.unwrap_or(headquarters);
                let other = match from {
                    _ if from == child => parent,
                    _ if from == parent => child,
                    _ => continue,
                };
                let through = node.link.failed_ms < since_ms && self.is_linked(child) && self.moves_up(child, since_ms);
                if through && !reached.contains(&other) {
                    reached.push(other);
                }
            }
        }
        reached
    }

    /// Whether a child's journal, in which what it gives goes up, has not waited for an answer since before then: one
    /// that was lost is waited for longer than a customer waits.
    fn moves_up(&self, child: usize, since_ms: u64) -> bool {
        let Some(process) = self.nodes[child].process.as_ref() else {
            return false;
        };
        let timeout_ms = NodeLimits::default().answer_timeout_ms;
        let stands = match process.engine.deadline() {
            Some((due_ms, WakeReason::BatchUnacknowledged)) => due_ms < since_ms + timeout_ms,
            _ => false,
        };
        process.engine.link_state() == LinkState::Online && !stands
    }

    /// Whether a child and its parent know each other as givers of rights.
    fn is_linked(&self, child: usize) -> bool {
        let node = &self.nodes[child];
        let Some(process) = node.process.as_ref() else {
            return false;
        };
        let Some(session) = process.session else { return false };
        let parent_knows = match node.parent.map(|parent| &self.nodes[parent].process) {
            Some(parent) => parent
                .as_ref()
                .is_some_and(|process| process.children.contains_key(&session)),
            None => {
                let hq = self.hq.process.as_ref();
                hq.is_some_and(|process| process.peers.contains_key(&session))
            }
        };
        let stands = node.link.up && process.connected_era == Some(node.link.era);
        stands && process.parent.is_some() && parent_knows
    }

    /// A customer is refused: lawful where own rights, and what all that could be reached throughout could have spared,
    /// did not suffice for some line.
    pub fn is_refused(&mut self, seat: Seat, waiting: &Waiting) {
        self.refused += 1;
        self.say(|world| format!("{} refuses {} of {:?}", world.name(seat), waiting.key, waiting.lines));
        let at = match seat {
            Seat::Headquarters => self.nodes.len(),
            Seat::Node(at) => at,
        };
        let life = match seat {
            Seat::Headquarters => self.hq.life,
            Seat::Node(at) => self.nodes[at].life,
        };
        let Some(life) = life else { return };
        let reached = self.reached_since(at, waiting.since_ms);
        let lacks = waiting.lines.iter().any(|(item, wanted)| {
            let row = &self.lives[life].rows[*item];
            let others = reached.iter().filter(|other| **other != at);
            let spare: u64 = others
                .filter_map(|other| waiting.spare.get(*other))
                .map(|spare| spare[*item])
                .sum();
            Figures::from(row).rights.parts() + spare < wanted + row.owed().parts()
        });
        // What others owe may be a reason too.
        let lawful = lacks || self.options.delay_ms.1 > DELAY_MS_MAX || !self.has_no_debt();
        if !lawful {
            let what = format!(
                "{} refused {} of {:?} after {} ms; it could reach {reached:?}",
                self.name(seat),
                waiting.key,
                waiting.lines,
                self.now_ms - waiting.since_ms
            );
            self.fail(Rule::LawfulRefusal, what);
        }
    }

    /// What keeps the world from being healed, if anything.
    pub fn is_unwell(&mut self) -> Option<String> {
        let under_way: Vec<String> = self.model.under_way().map(|parcel| self.parcel_text(parcel)).collect();
        if !under_way.is_empty() {
            return Some(format!("grants are not taken over: {}", under_way.join("; ")));
        }
        // Of a life that ended before anybody had heard of it there is nothing to retire.
        let over = |life: &Life| {
            let of = &self.lives[*life];
            of.over && of.seq > 0 && !self.model.is_retired(*life)
        };
        if let Some(life) = (0..self.lives.len()).find(over) {
            return Some(format!("life {life} is over, and its parent has not all of it"));
        }
        if self.model.promises() > 0 {
            return Some(format!("holds have no end: {:?}", self.model.any_promise()));
        }
        for item in 0..self.keys.len() {
            let accounts = || {
                let running = self.lives.iter().enumerate().filter(|(_, record)| !record.over);
                running.map(|(life, _)| self.model.account(life, item))
            };
            let owed: i64 = accounts().map(|account| account.iou).sum();
            let free: i64 = accounts().map(|account| account.free).sum();
            if owed > 0 && free > 0 {
                return Some(format!("item {item}: {owed} is owed beside {free} free"));
            }
        }
        for at in 0..self.nodes.len() {
            if let Some(what) = self.node_is_unwell(at) {
                return Some(what);
            }
        }
        self.hq_is_unwell()
    }

    fn parcel_text(&self, (from, to, step): (Life, Life, &Step)) -> String {
        let who = |life: Life| {
            let record = &self.lives[life];
            let over = if record.over { ", which is over" } else { "" };
            format!("life {life} of {}{over}", self.name(record.seat))
        };
        format!("{} to {}: {step:?}", who(from), who(to))
    }

    fn node_is_unwell(&mut self, at: usize) -> Option<String> {
        let name = self.name(Seat::Node(at));
        let process = self.nodes[at].process.as_ref();
        if process.is_none_or(|process| !process.waiting.is_empty()) {
            return Some(format!("{name} does not run, or customers wait there"));
        }
        let behind = self.reads(at, |snapshot| {
            let rows = snapshot.incarnations()?;
            let newest = rows.last().map(|row| row.incarnation);
            // An earlier life may have gone on elsewhere, so that more of it is known than this disk has.
            let behind = |row: &finalmarket::store::IncarnationRow| {
                row.acked.seq < row.offered() || Some(row.incarnation) == newest && row.acked.seq != row.offered()
            };
            let row = rows.into_iter().find(behind);
            Ok(row.map(|row| (row.incarnation, row.acked.seq, row.offered())))
        });
        if let Some((incarnation, seq, offered)) = behind? {
            return Some(format!(
                "{name}: {incarnation} is acknowledged up to {seq} of {offered}"
            ));
        }
        for item in self.items_of(self.nodes[at].site) {
            let sku: Sku = self.keys[item].sku.clone();
            let shelf = self.reads(at, |snapshot| snapshot.shelf(Place::Sellable, &sku))?;
            let own = self.reads(at, |snapshot| own_row(snapshot, &sku))?;
            for (life, record) in self.lives.iter().enumerate() {
                let known = match record.seat {
                    Seat::Node(other) if other == at && !record.over => own.clone(),
                    _ => shelf.row(&record.replica).cloned().unwrap_or_default(),
                };
                if known != record.rows[item] {
                    return Some(format!(
                        "{name} knows of life {life}, item {item}: {known:?}; it is {:?}",
                        record.rows[item]
                    ));
                }
            }
        }
        None
    }

    fn hq_is_unwell(&mut self) -> Option<String> {
        let Some(process) = self.hq.process.as_ref() else {
            return Some("headquarters does not run".into());
        };
        if !process.waiting.is_empty() {
            return Some("customers wait at headquarters".into());
        }
        for (item, key) in self.keys.iter().enumerate() {
            let shelf = process.hq.site_shelf(&key.site, &key.sku).ok()?;
            for (life, record) in self.lives.iter().enumerate() {
                let of_life = |row: &&finalmarket::hq::ReplicaRow| row.replica == record.replica;
                let known = shelf.replicas.iter().find(of_life);
                let row = known.map(|known| known.row.clone()).unwrap_or_default();
                let counts = known.is_none_or(|known| known.state == StreamState::Counted);
                if row != record.rows[item] || !counts {
                    return Some(format!(
                        "headquarters knows of life {life}, item {item}: {row:?} (counted: {counts}); it is {:?}",
                        record.rows[item]
                    ));
                }
            }
        }
        None
    }
}
