//! What was committed, read from the files: each new record is told to the model, and the rows are compared.

use std::collections::BTreeMap;

use finalmarket::domain::escrow::{ReplicaId, Row, Shelf};
use finalmarket::domain::fact::{Entry, Fact};
use finalmarket::domain::ids::{SiteId, Sku};
use finalmarket::domain::journal::Hash;
use finalmarket::domain::quantity::Quantity;
use finalmarket::domain::sale::Fulfilment;
use finalmarket::domain::stock::{
    Effect, GrantLine, Hold, HoldEnd, HoldId, HoldLine, Place, StockWork, WorkKind, effects,
};
use finalmarket::operations::own_row;
use finalmarket::sync::{carriage, node, rights};

use super::super::facts::{Fact as Told, HoldId as Named, Item, Life, Line, Step};
use super::super::fault::Rule;
use super::hq;
use super::node::Inner;
use super::world::{LifeRecord, Seat, World};

impl World {
    /// Reads what is new on a node's disk. What is found after a death happened when it died.
    pub fn observe_node(&mut self, at: usize, when_ms: u64) {
        let skus: Vec<Sku> = self
            .items_of(self.nodes[at].site)
            .map(|item| self.keys[item].sku.clone())
            .collect();
        let (known, name) = (&self.known, self.nodes[at].disk.node.node.clone());
        let lives = &self.lives;
        let Some(process) = self.nodes[at].process.as_ref() else {
            return;
        };
        let read = process.core.read(|snapshot| {
            let Some(newest) = snapshot.incarnations()?.pop() else {
                return Ok(None);
            };
            let replica = ReplicaId {
                node: name,
                incarnation: newest.incarnation,
            };
            let seen = known.get(&replica).map_or(0, |life| lives[*life].seq);
            let mut records = Vec::new();
            for seq in seen + 1..=newest.head.seq {
                records.push(snapshot.record(newest.position(seq))?.unwrap_or_default());
            }
            let rows = skus
                .iter()
                .map(|sku| own_row(snapshot, sku))
                .collect::<Result<Vec<_>, _>>()?;
            let holds: Vec<Hold> = snapshot
                .holds(None, u32::MAX)?
                .into_iter()
                .map(|row| row.hold)
                .collect();
            Ok::<_, finalmarket::store::StorageError>(Some((replica, newest.head, records, rows, holds)))
        });
        let (replica, head, records, rows, holds) = match read {
            Ok(Some(read)) => read,
            Ok(None) => return,
            Err(error) => return self.broken(&format!("{} cannot be read: {error}", self.name(Seat::Node(at)))),
        };
        let life = self.life_of(Seat::Node(at), &replica);
        self.nodes[at].life = Some(life);
        let record = &self.lives[life];
        let written = head.seq.min(record.seq);
        if head.seq <= record.seq && written > 0 && record.hashes[written as usize - 1] != head.hash {
            let what = format!("life {life} wrote record {written} after {}", record.seq);
            return self.fail(Rule::OneWriter, what);
        }
        if head.seq < record.seq {
            return;
        }
        let before = record.rows.clone();
        let grew = !records.is_empty();
        for record in records {
            self.take_record(life, when_ms, &record);
        }
        self.read_closed(life);
        let items: Vec<Item> = self.items_of(self.nodes[at].site).collect();
        for (item, row) in items.into_iter().zip(rows) {
            self.check_row(life, item, &row, &holds);
            if before[item] != row {
                let input = self.row_input(at, &self.keys[item].sku.clone(), &row);
                self.tell(at, Inner::Rights(input));
            }
        }
        self.check_holds(life, &holds);
        if grew {
            self.moved.insert(at);
            self.committed_ms = self.now_ms;
            self.tell(at, Inner::Engine(None, node::Input::Appended(head)));
            self.tell(at, Inner::Carriage(carriage::Input::Touched));
            if !holds.is_empty() {
                self.hold_tick(at);
            }
        }
    }

    /// The same for headquarters' own journal.
    pub fn observe_hq(&mut self, when_ms: u64) {
        let Some(process) = self.hq.process.as_ref() else {
            return;
        };
        let replica = process.own.clone();
        let seen = self.known.get(&replica).map_or(0, |life| self.lives[*life].seq);
        let read = || -> Result<_, String> {
            let records = process.reader.records(&replica, seen)?;
            let rows = process.hq.own_rows().map_err(|error| error.to_string())?;
            let holds = process.hq.holds(None, u32::MAX).map_err(|error| error.to_string())?;
            Ok((records, rows, holds))
        };
        let (records, rows, holds) = match read() {
            Ok(read) => read,
            Err(error) => return self.broken(&format!("headquarters cannot be read: {error}")),
        };
        let life = self.life_of(Seat::Headquarters, &replica);
        self.hq.life = Some(life);
        if records.is_empty() {
            return;
        }
        let before = self.lives[life].rows.clone();
        for record in records {
            self.take_record(life, when_ms, &record);
        }
        self.read_closed(life);
        let mut own = vec![Row::default(); self.keys.len()];
        for (site, sku, row) in rows {
            if let Some(item) = self.item_of(&site, &sku) {
                own[item] = row;
            }
        }
        for (item, row) in own.into_iter().enumerate() {
            self.check_row(life, item, &row, &holds);
            if before[item] != row {
                let shelf = self.keys[item].clone();
                let (site, figures) = (shelf.site.clone(), (&row).into());
                self.tell_hq(hq::Inner::Rights(site, rights::Input::Row { shelf, figures }));
            }
        }
        self.check_holds(life, &holds);
        self.moved.insert(self.nodes.len());
        self.committed_ms = self.now_ms;
        self.tell_hq(hq::Inner::Carriage(carriage::Input::Touched));
    }

    /// Which life a replica is; a new one where nobody has seen it.
    fn life_of(&mut self, seat: Seat, replica: &ReplicaId) -> Life {
        if let Some(life) = self.known.get(replica) {
            return *life;
        }
        let life = self.lives.len();
        let rows = vec![Row::default(); self.keys.len()];
        self.say(|world| format!("{} begins life {life}", world.name(seat)));
        self.lives.push(LifeRecord {
            seat,
            replica: replica.clone(),
            hashes: Vec::new(),
            seq: 0,
            model_seq: 0,
            past: vec![(0, rows.clone())],
            rows,
            over: false,
        });
        self.known.insert(replica.clone(), life);
        self.model.born();
        life
    }

    fn take_record(&mut self, life: Life, when_ms: u64, record: &[u8]) {
        let entry = match Entry::decode(record) {
            Ok(entry) => entry,
            Err(error) => return self.fail(Rule::Works, format!("a record of life {life} cannot be read: {error}")),
        };
        self.say(|world| format!("{} commits {:?}", world.name(world.lives[life].seat), entry.fact));
        let site = match self.lives[life].seat {
            Seat::Node(at) => Some(self.sites[self.nodes[at].site].clone()),
            Seat::Headquarters => None,
        };
        let debts = debts_of(&entry.fact);
        self.note_retired(life, &entry.fact);
        for (n, told) in self.told(site.as_ref(), &entry.fact).into_iter().enumerate() {
            let owed = |world: &Self| match &told {
                Told::Taken { item, .. } => world.model.account(life, *item).iou,
                _ => 0,
            };
            let before = owed(self);
            let seq = self.lives[life].model_seq + 1;
            self.lives[life].model_seq = seq;
            if let Err(violation) = self.model.commit(when_ms, life, seq, &told) {
                self.violate(violation);
            }
            let debt = owed(self) - before;
            if debts.get(n).is_some_and(|told| *told != debt) {
                let what = format!("life {life}: the sale says {debts:?} is owed, and it is {debt}");
                self.fail(Rule::RowIsTruth, what);
            }
        }
        if let Fact::Retired(retired) = &entry.fact
            && let Some(who) = self.known.get(&retired.replica)
            && self.lives[*who].over
        {
            // All that it ever did was here.
            self.model.returned(*who);
        }
        self.fold(life, site.as_ref(), &entry.fact);
        let known = &mut self.lives[life];
        let genesis = Hash::genesis(&known.replica.node, known.replica.incarnation);
        let before = known.hashes.last().copied().unwrap_or(genesis);
        known.hashes.push(before.after(record));
        known.seq += 1;
        known.past.push((known.model_seq, known.rows.clone()));
    }

    /// Folds a record into the rows of its life.
    fn fold(&mut self, life: Life, home: Option<&SiteId>, fact: &Fact) {
        for Effect { site, place, sku, verb } in effects(fact) {
            let item = site.or(home).and_then(|site| self.item_of(site, sku));
            let Some(item) = item.filter(|_| place == Place::Sellable) else {
                continue;
            };
            if let Err(refusal) = verb.apply(&mut self.lives[life].rows[item], &Shelf::default()) {
                let what = format!("life {life}, item {item}: what it recorded cannot be: {refusal}");
                self.fail(Rule::RowIsFold, what);
            }
        }
    }

    /// A record in the model's words.
    fn told(&self, home: Option<&SiteId>, fact: &Fact) -> Vec<Told> {
        let item = |site: &SiteId, sku: &Sku| self.item_of(site, sku).unwrap_or(usize::MAX);
        let at_home = |sku: &Sku| home.map_or(usize::MAX, |home| item(home, sku));
        let lines = |site: &SiteId, lines: &[HoldLine]| -> Vec<Line> {
            lines
                .iter()
                .map(|line| (item(site, &line.sku), parts(line.quantity)))
                .collect()
        };
        let steps = |site: &SiteId, lines: &[GrantLine]| -> Vec<Step> {
            let step = |line: &GrantLine| Step {
                item: item(site, &line.sku),
                before: line.grant.before.parts(),
                after: line.grant.after.parts(),
            };
            lines.iter().map(step).collect()
        };
        let life = |replica: &ReplicaId| self.known.get(replica).copied().unwrap_or(usize::MAX);
        match fact {
            Fact::Sale(sale) => {
                let in_hand = sale
                    .lines
                    .iter()
                    .filter(|line| matches!(line.fulfilment, Fulfilment::InHand { .. }));
                let taken = |(item, n)| Told::Taken { item, n };
                in_hand
                    .map(|line| taken((at_home(&line.sku), parts(line.quantity))))
                    .collect()
            }
            Fact::Refund(refund) => {
                let lines = refund.lines.iter();
                lines
                    .map(|line| Told::GoodsIn {
                        item: at_home(&line.sku),
                        n: parts(line.quantity),
                    })
                    .collect()
            }
            Fact::StockWork(work) => self.worked(work),
            Fact::HoldOpened(opened) => vec![Told::HoldOpened {
                id: named(opened.id),
                lines: lines(&opened.site, &opened.lines),
                lifetime_ms: opened.lifetime_ms,
            }],
            Fact::HoldExtended(extended) => vec![Told::HoldExtended {
                id: named(extended.id),
                lifetime_ms: extended.lifetime_ms,
            }],
            Fact::HoldEnded(ended) => {
                let (id, held) = (named(ended.id), lines(&ended.site, &ended.lines));
                vec![match &ended.end {
                    HoldEnd::Collected => Told::HoldSold {
                        id,
                        lines: held.into_iter().map(|(item, n)| (item, n, n)).collect(),
                    },
                    HoldEnd::Sold { sold, .. } | HoldEnd::Dispatched { sent: sold, .. } => Told::HoldSold {
                        id,
                        lines: held
                            .into_iter()
                            .zip(sold)
                            .map(|((item, n), sold)| (item, n, parts(*sold)))
                            .collect(),
                    },
                    HoldEnd::Released => Told::HoldEnded {
                        id,
                        lines: held,
                        expired: false,
                    },
                    HoldEnd::Expired => Told::HoldEnded {
                        id,
                        lines: held,
                        expired: true,
                    },
                }]
            }
            Fact::Granted(granted) => vec![Told::Granted {
                to: life(&granted.to),
                steps: steps(&granted.site, &granted.lines),
                request: granted.request,
                hold: None,
            }],
            Fact::Accepted(accepted) => vec![Told::Accepted {
                from: life(&accepted.from),
                steps: steps(&accepted.site, &accepted.lines),
                request: None,
                hold: None,
            }],
            Fact::Retired(retired) => {
                let who = life(&retired.replica);
                let past = self.lives.get(who).map(|record| &record.past);
                let head = past.and_then(|past| past.get(usize::try_from(retired.seq).ok()?));
                vec![Told::Retired {
                    life: who,
                    head: head.map_or(usize::MAX, |head| head.0),
                    owed: Vec::new(),
                }]
            }
            Fact::RightsReleased(released) => {
                let of = life(&released.of);
                let lines = released.lines.iter();
                lines
                    .map(|line| Told::Overridden {
                        life: of,
                        item: item(&released.site, &line.sku),
                        n: line.grant.amount().parts(),
                    })
                    .collect()
            }
            _ => Vec::new(),
        }
    }

    fn worked(&self, work: &StockWork) -> Vec<Told> {
        let mut told = Vec::new();
        for line in &work.lines {
            let item = self.item_of(&work.site, &line.sku).unwrap_or(usize::MAX);
            let n = parts(line.quantity);
            told.extend(match &work.kind {
                WorkKind::GoodsIn { .. } => Some(Told::GoodsIn { item, n }),
                WorkKind::Loss { .. } => Some(Told::Taken { item, n }),
                WorkKind::Count { .. } | WorkKind::CountLate { .. } => {
                    let missing = line.quantity < Quantity::ZERO;
                    let (missing, surplus) = if missing { (parts(-line.quantity), 0) } else { (0, n) };
                    Some(Told::Counted { item, missing, surplus })
                }
                WorkKind::Correction { .. } | WorkKind::Move { .. } => None,
            });
        }
        told
    }

    fn check_holds(&mut self, life: Life, holds: &[Hold]) {
        let open: BTreeMap<Named, Vec<(Item, i64)>> = holds
            .iter()
            .map(|hold| {
                let site = &hold.opened.site;
                let line = |line: &HoldLine| {
                    let item = self.item_of(site, &line.sku).unwrap_or(usize::MAX);
                    (item, line.quantity.thousandths())
                };
                (named(hold.opened.id), hold.opened.lines.iter().map(line).collect())
            })
            .collect();
        let promised = self
            .model
            .promises_of(life)
            .map(|(id, promise)| (id, promise.lines.clone()));
        let promised: BTreeMap<Named, Vec<(Item, i64)>> = promised.collect();
        if open != promised {
            let what = format!(
                "{}, life {life}, knows the holds {open:?}, and has promised {promised:?}",
                self.name(self.lives[life].seat)
            );
            self.fail(Rule::OpenHolds, what);
        }
    }
}

/// What a sale says that each of its lines in hand owes; nothing of other facts.
fn debts_of(fact: &Fact) -> Vec<i64> {
    let Fact::Sale(sale) = fact else { return Vec::new() };
    let debts = sale.lines.iter().filter_map(|line| match line.fulfilment {
        Fulfilment::InHand { debt } => Some(debt.thousandths()),
        Fulfilment::Promised { .. } => None,
    });
    debts.collect()
}

fn parts(quantity: Quantity) -> u64 {
    quantity.thousandths().max(0).unsigned_abs()
}

/// A hold's identity as a number.
pub fn named(id: HoldId) -> Named {
    u64::from_be_bytes(id.0)
}
