//! Lives that are over: operators retire them once their parent has all of them, and say that what they left is there.

use finalmarket::domain::escrow::{ReplicaId, Row};
use finalmarket::domain::fact::Fact;
use finalmarket::domain::ids::Sku;
use finalmarket::domain::stock::{LateMove, Place};
use finalmarket::hq::{RetireAsk, RetireError};
use finalmarket::operations::{Decision, release_left, retire_kiosk};
use finalmarket::sync::rights;

use super::super::facts::{Life, Step};
use super::super::fault::Rule;
use super::node::Inner;
use super::world::{Seat, World};

const BY: &str = "an operator";
const REASON: &str = "it goes on under another incarnation";

impl World {
    /// Operators look after lives that are over.
    pub fn retire_over(&mut self) {
        for life in 0..self.lives.len() {
            let Seat::Node(at) = self.lives[life].seat else {
                continue;
            };
            if !self.lives[life].over {
                continue;
            }
            match self.nodes[at].parent {
                Some(store) => self.store_retires(store, life),
                None => self.hq_retires(life),
            }
        }
    }

    /// Planted: a kiosk that cannot be reached is retired, and what it had is promised again before anybody knows what it
    /// has done with it.
    pub fn retire_living(&mut self, at: usize) {
        let (store, life) = (self.nodes[at].parent, self.nodes[at].life);
        let (Some(store), Some(life), false) = (store, life, self.nodes[at].link.up) else {
            return;
        };
        let replica = &self.lives[life].replica;
        let decision = Decision {
            node: replica.node.clone(),
            incarnation: Some(replica.incarnation),
            by: BY.into(),
            reason: "it cannot be reached".into(),
        };
        let now = self.now_at(store);
        let retired = self.write(store, |tx| retire_kiosk(tx, now, &decision));
        if matches!(retired, Some(Ok(_))) {
            let _ = self.write(store, |tx| release_left(tx, now, &decision, &[]));
        }
    }

    fn store_retires(&mut self, store: usize, life: Life) {
        let replica = self.lives[life].replica.clone();
        let origin = self.reads(store, |snapshot| {
            snapshot.relay_origin(&replica.node, replica.incarnation)
        });
        // What was told of it after its last record here comes late; operators of this world wait for it.
        let Some(origin) = origin.flatten() else { return };
        if origin.acked.seq != self.lives[life].seq {
            return;
        }
        let decision = Decision {
            node: replica.node.clone(),
            incarnation: Some(replica.incarnation),
            by: BY.into(),
            reason: REASON.into(),
        };
        let now = self.now_at(store);
        if !self.model.is_retired(life) {
            let retired = self.write(store, |tx| retire_kiosk(tx, now, &decision));
            if let Some(Err(refusal)) = &retired {
                self.broken(&format!("{replica} is not retired: {refusal}"));
            }
            if !matches!(retired, Some(Ok(_))) {
                return;
            }
            self.forgets_child(store, &replica);
        }
        let released = self.write(store, |tx| release_left(tx, now, &decision, &[]));
        if let Some(Err(refusal)) = released {
            self.broken(&format!("what {replica} left is not released: {refusal}"));
        }
    }

    /// Nothing is handed on any more to a kiosk that is retired, also where its connection seems to stand.
    fn forgets_child(&mut self, store: usize, replica: &ReplicaId) {
        let Some(process) = self.nodes[store].process.as_mut() else {
            return;
        };
        let before = process.children.len();
        process.children.retain(|_, child| child != replica);
        if process.children.len() < before {
            let peer = replica.clone();
            self.tell(store, Inner::Rights(rights::Input::Disconnected { peer }));
        }
    }

    fn hq_retires(&mut self, life: Life) {
        let replica = self.lives[life].replica.clone();
        let Some(process) = self.hq.process.as_ref() else {
            return;
        };
        match process.hq.look_at(&replica.node, Some(replica.incarnation)) {
            Ok(look) if look.seq == self.lives[life].seq => {}
            Ok(_) | Err(RetireError::NotCounted(_) | RetireError::UnknownIncarnation { .. }) => return,
            Err(error) => return self.broken(&format!("headquarters cannot look at {replica}: {error}")),
        }
        let ask = RetireAsk {
            node: replica.node.clone(),
            incarnation: Some(replica.incarnation),
            by: BY.into(),
            reason: REASON.into(),
        };
        let now_ms = self.wall_ms();
        if !self.model.is_retired(life) {
            let retiring = ask.clone();
            match self.hq_does(|hq| hq.retire(retiring, now_ms)) {
                None => return,
                Some(Ok(_)) => self.hear_happenings(),
                Some(Err(error)) => return self.broken(&format!("{replica} is not retired: {error}")),
            }
        }
        if let Some(Err(error)) = self.hq_does(|hq| hq.release_left(ask, Vec::new(), now_ms)) {
            self.broken(&format!("what {replica} left is not released: {error}"));
        }
    }

    /// What a record says of a life that is retired.
    pub fn note_retired(&mut self, parent: Life, fact: &Fact) {
        match fact {
            Fact::Retired(retired) => self.closed.extend(self.known.get(&retired.replica)),
            Fact::LatePosted(posted) => {
                let Some(who) = self.known.get(&posted.of).copied() else {
                    return;
                };
                self.closed.insert(who);
                for line in &posted.lines {
                    let item = self.item_of(&posted.site, &line.sku).unwrap_or(usize::MAX);
                    match &line.moved {
                        LateMove::Came { from, grant } => {
                            let from = self.known.get(from).copied().unwrap_or(usize::MAX);
                            let (before, after) = (grant.before.parts(), grant.after.parts());
                            self.model.came_late(from, who, Step { item, before, after });
                        }
                        late => {
                            let what = format!("life {parent} had all of life {who}, and posts {late:?} late");
                            self.fail(Rule::Works, what);
                        }
                    }
                }
            }
            _ => {}
        }
    }

    /// Reads the rows that a parent writes of lives which it has retired: nothing may be promised or owed by them.
    pub fn read_closed(&mut self, parent: Life) {
        while let Some(life) = self.closed.pop_first() {
            let Seat::Node(at) = self.lives[life].seat else {
                continue;
            };
            if !self.lives[life].over {
                continue;
            }
            for item in self.items_of(self.nodes[at].site) {
                let sku = self.keys[item].sku.clone();
                let Some(row) = self.row_known_to(self.lives[parent].seat, life, item, &sku) else {
                    return;
                };
                let moved = self.model.account(life, item).moved;
                let registers = row.registers();
                let says = i128::from(registers.added.parts()) - i128::from(registers.removed.parts());
                let closed = row.rights() == 0 && row.reserved().is_zero() && row.owed().is_zero();
                if !closed || says != i128::from(moved) || row.check().is_err() {
                    let what = format!("life {life}, item {item}, was retired: its row is {row:?}, it moved {moved}");
                    self.fail(Rule::RowIsTruth, what);
                }
                if !row.covers(&self.lives[life].rows[item]) {
                    let what = format!("life {life}, item {item}, was retired: {row:?} is less than before");
                    self.fail(Rule::NeverFalls, what);
                }
                self.lives[life].rows[item] = row;
            }
        }
    }

    /// A life's row as a node or headquarters knows it.
    fn row_known_to(&mut self, seat: Seat, life: Life, item: usize, sku: &Sku) -> Option<Row> {
        let replica = self.lives[life].replica.clone();
        match seat {
            Seat::Node(at) => {
                let shelf = self.reads(at, |snapshot| snapshot.shelf(Place::Sellable, sku))?;
                Some(shelf.row(&replica).cloned().unwrap_or_default())
            }
            Seat::Headquarters => {
                let process = self.hq.process.as_ref()?;
                let shelf = process.hq.site_shelf(&self.keys[item].site, sku).ok()?;
                let found = shelf.replicas.into_iter().find(|known| known.replica == replica);
                Some(found.map(|known| known.row).unwrap_or_default())
            }
        }
    }
}
