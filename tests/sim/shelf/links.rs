//! What goes over links: connections and their loss, journals up, grants taken over, rows both ways.

use std::rc::Rc;

use finalmarket::domain::escrow::{Amount, Grant, GrantStep, Row};
use finalmarket::sync::rights::Input;

use super::facts::{Fact, Item, Life, Step, amount};
use super::machine::{ChildBook, Stop};
use super::network::Message;
use super::world::{Event, World};

/// Records in a message: few enough that a journal goes up in several, and so many that one that was cut off for long has
/// caught up within a customer's wait, as the product's batches of 64 KiB have.
const RECORDS_MAX: usize = 200;
/// After so long records are sent again.
const RESEND_MS: u64 = 400;

impl World {
    /// Both ends of a link that is up find each other.
    pub fn connect(&mut self, at: usize, other: usize) {
        let link = self.link_of(at, other);
        if !self.links[link].up || !self.machines[at].is_running() || !self.machines[other].is_running() {
            return;
        }
        self.links[link].failed_ms = self.now_ms;
        let era = self.links[link].era;
        for (at, other) in [(at, other), (other, at)] {
            let life = self.machines[other].life;
            self.disconnect(at, other);
            let retired = |book: &ChildBook| book.retired.is_some();
            if self.machines[at].books.get(&life).is_some_and(retired) {
                self.send(at, other, Message::YouAreRetired { life });
                continue;
            }
            if let Some(memory) = self.machines[at].memory.as_mut() {
                memory.connected.insert(other, (life, era));
            }
            let (peer, place) = (self.ids[life].clone(), self.place_of(at, other));
            self.feed(at, Input::Connected { peer, place });
        }
        let child = link;
        for stream in &mut self.machines[child].streams {
            stream.sent = stream.acked;
        }
        self.flush(child);
    }

    pub fn disconnect(&mut self, at: usize, other: usize) {
        let Some(memory) = self.machines[at].memory.as_mut() else {
            return;
        };
        if let Some((life, _)) = memory.connected.remove(&other) {
            let peer = self.ids[life].clone();
            self.feed(at, Input::Disconnected { peer });
        }
    }

    /// The other end is gone; this one notices in its time.
    pub fn notice_loss_later(&mut self, at: usize, other: usize) {
        let connected = self.machines[at]
            .memory
            .as_ref()
            .and_then(|memory| memory.connected.get(&other));
        if let Some((_, era)) = connected.copied() {
            let delay_ms = self.rng.between(1, self.options.notice_ms_max);
            self.at(self.now_ms + delay_ms, Event::Notice { at, other, era });
        }
    }

    pub fn notice(&mut self, at: usize, other: usize, era: u64) {
        let connected = self.machines[at]
            .memory
            .as_ref()
            .and_then(|memory| memory.connected.get(&other));
        if connected.is_some_and(|(_, known)| *known == era) {
            self.disconnect(at, other);
        }
    }

    pub fn taken_by_child(&self, at: usize, child: Life, item: Item) -> Amount {
        let me = &self.ids[self.machines[at].life];
        let book = self.machines[at].books.get(&child);
        book.map_or(Amount::ZERO, |book| book.rows.own[item].accepted(me))
    }

    pub fn flush_soon(&mut self, at: usize) {
        self.dirty.insert(at);
    }

    /// Sends what the parent has not got.
    pub fn flush(&mut self, at: usize) {
        let Some(parent) = self.machines[at].parent else { return };
        let connected = |memory: &super::machine::Memory| memory.connected.contains_key(&parent);
        if !self.machines[at].memory.as_ref().is_some_and(connected) {
            return;
        }
        for n in 0..self.machines[at].streams.len() {
            let stream = self.machines[at].streams[n].clone();
            let all = self.lives[stream.life].journal.len();
            if stream.sent < all && stream.sent < stream.acked + 3 * RECORDS_MAX {
                let end = all.min(stream.sent + RECORDS_MAX);
                let facts = self.lives[stream.life].journal[stream.sent..end].to_vec();
                self.machines[at].streams[n].sent = end;
                self.send(
                    at,
                    parent,
                    Message::Records {
                        life: stream.life,
                        first: stream.sent + 1,
                        facts,
                    },
                );
            }
            let resend_ms = self.now_ms + RESEND_MS;
            let behind = stream.acked < all;
            if let Some(memory) = self.machines[at].memory.as_mut()
                && behind
                && !memory.resends
            {
                memory.resends = true;
                self.at(resend_ms, Event::Resend { at });
            }
        }
    }

    pub fn resend(&mut self, at: usize) {
        if let Some(memory) = self.machines[at].memory.as_mut() {
            memory.resends = false;
            for stream in &mut self.machines[at].streams {
                stream.sent = stream.acked;
            }
            self.flush(at);
        }
    }

    /// What a parent has of a child.
    pub fn book_of(&mut self, at: usize, life: Life) -> &ChildBook {
        let rows = super::facts::Rows::empty(self.options.items);
        self.machines[at].books.entry(life).or_insert(ChildBook {
            rows,
            ..ChildBook::default()
        })
    }

    /// Records of a child reach its parent: each is taken in once, in order, with what it means here.
    pub fn on_records(&mut self, from: usize, to: usize, life: Life, first: usize, facts: Vec<Rc<Fact>>) {
        self.book_of(to, life);
        for (n, fact) in facts.iter().enumerate() {
            let received = self.machines[to].books[&life].received;
            let lost = first + n > self.lives[life].journal.len();
            if first + n != received + 1 || lost {
                continue;
            }
            if self.take_record(to, life, fact) == Err(Stop::Crashed) {
                return;
            }
        }
        let seq = self.machines[to].books[&life].received;
        self.send(to, from, Message::Acknowledged { life, seq });
        self.post_if_all(to, life);
    }

    /// A retired life of which everything is here, and that nobody runs any more, is done with.
    pub fn post_if_all(&mut self, at: usize, life: Life) {
        let all = self.lives[life].journal.len();
        let over = self.lives[life].over;
        let Some(book) = self.machines[at].books.get_mut(&life) else {
            return;
        };
        if book.retired.is_some() && over && book.received == all && !book.posted {
            book.posted = true;
            self.model.returned(life);
        }
    }

    fn take_record(&mut self, to: usize, life: Life, fact: &Rc<Fact>) -> Result<(), Stop> {
        let me = self.machines[to].life;
        let late = self.machines[to].books[&life].retired.is_some();
        let before = self.machines[to].journal.len();
        let result = if late {
            self.post_late(to, life, fact)
        } else {
            self.take_child_fact(to, life, fact)
        };
        // A crash after the commit has taken the record in; one before has not.
        if result == Err(Stop::Crashed) && self.machines[to].journal.len() == before {
            return result;
        }
        let ids = &self.ids;
        if let Some(book) = self.machines[to].books.get_mut(&life) {
            book.received += 1;
            if !late {
                let _ = fact.apply(life, ids, &mut book.rows);
            }
        }
        if late {
            return result;
        }
        let rows: Vec<(Item, Rc<Row>)> = fact
            .items()
            .into_iter()
            .map(|item| (item, self.machines[to].books[&life].rows.own[item].clone()))
            .collect();
        for (item, row) in rows {
            self.take_in_row(to, life, item, &row, Some(self.lives[life].machine));
        }
        if let Fact::Accepted { from, steps, .. } = &**fact
            && *from == me
        {
            for step in steps {
                let (by, shelf) = (self.ids[life].clone(), self.keys[step.item].clone());
                self.feed(
                    to,
                    Input::TakenOver {
                        by,
                        shelf,
                        total: amount(step.after),
                    },
                );
            }
        }
        result
    }

    fn take_child_fact(&mut self, to: usize, life: Life, fact: &Fact) -> Result<(), Stop> {
        match fact {
            Fact::Granted { to: receiver, .. } if *receiver == self.machines[to].life => self.accept(to, life, fact),
            _ => Ok(()),
        }
    }

    fn post_late(&mut self, to: usize, life: Life, fact: &Fact) -> Result<(), Stop> {
        let outs: Vec<(Item, u64)> = match fact {
            Fact::Taken { item, n } | Fact::Dispatched { item, n } => vec![(*item, *n)],
            Fact::HoldSold { lines, .. } => lines.iter().map(|(item, _, out)| (*item, *out)).collect(),
            _ => Vec::new(),
        };
        let mut facts = Vec::new();
        for (item, n) in outs {
            let drawn = self.left_by(to, life, item).min(n);
            facts.push(Fact::LateTaken { life, item, n, drawn });
        }
        if let Fact::GoodsIn { item, n } = fact {
            facts.push(Fact::LateAdded {
                life,
                item: *item,
                n: *n,
            });
        }
        // One record is one transaction: nobody dies in its middle.
        let falls = std::mem::take(&mut self.options.falls);
        for fact in facts {
            let items = fact.items();
            let _ = self.commit(to, fact);
            items.into_iter().for_each(|item| self.tell_row(to, item));
        }
        self.options.falls = falls;
        Ok(())
    }

    /// Takes over what a neighbour has granted, where it is next.
    pub fn accept(&mut self, at: usize, from: Life, fact: &Fact) -> Result<(), Stop> {
        let Fact::Granted {
            steps, request, hold, ..
        } = fact
        else {
            return Ok(());
        };
        let next = |step: &Step| {
            let grant = Grant {
                before: amount(step.before),
                after: amount(step.after),
            };
            let row = self.machines[at].row(step.item);
            row.is_some_and(|row| matches!(grant.step(row, &self.ids[from]), GrantStep::Take(_)))
        };
        if !steps.iter().all(next) {
            return Ok(());
        }
        self.commit(
            at,
            Fact::Accepted {
                from,
                steps: steps.clone(),
                request: *request,
                hold: *hold,
            },
        )?;
        if let Some(hold) = hold {
            self.set_expiry(at, hold.id, hold.left_ms);
        }
        for step in steps {
            let (from, shelf, figures) = (
                self.ids[from].clone(),
                self.keys[step.item].clone(),
                self.figures(at, step.item),
            );
            self.feed(
                at,
                Input::Accepted {
                    from,
                    shelf,
                    request: *request,
                    figures,
                },
            );
        }
        Ok(())
    }

    /// Rows go round: both ways over a link, what the other has not said that it has.
    pub fn gossip(&mut self, link: usize) {
        self.at(self.now_ms + self.options.gossip_ms, Event::Gossip { link });
        let Some(parent) = self.machines[link].parent else {
            return;
        };
        self.post_counts();
        let life = self.machines[link].life;
        let retired = self.machines[parent]
            .books
            .get(&life)
            .is_some_and(|book| book.retired.is_some());
        if retired && self.machines[parent].is_running() {
            self.send(parent, link, Message::YouAreRetired { life });
        }
        for (from, to) in [(link, parent), (parent, link)] {
            let machine = &self.machines[from];
            if !machine
                .memory
                .as_ref()
                .is_some_and(|memory| memory.connected.contains_key(&to))
            {
                continue;
            }
            let told = machine.told.get(&to).copied().unwrap_or(0);
            if told >= machine.version {
                continue;
            }
            // What a child wrote its parent folds from its journal.
            let news = machine.changed.iter().filter(|((life, _), change)| {
                change.version > told && change.from != Some(to) && !(to == parent && *life == machine.life)
            });
            let rows = news.filter_map(|((life, item), _)| {
                let row = machine.view[*item].get(life)?;
                Some((*life, *item, Rc::clone(row)))
            });
            let rows: Vec<_> = rows.collect();
            let version = machine.version;
            if rows.is_empty() {
                self.machines[from].told.insert(to, version);
            } else {
                self.send(from, to, Message::Rows { rows, version });
            }
        }
    }
}
