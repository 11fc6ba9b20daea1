//! What befalls machines and links, and what operators do about it.

use std::collections::BTreeMap;
use std::rc::Rc;

use finalmarket::domain::escrow::Row;

use super::facts::{Fact, Item, Life, Line, Rows, retire};
use super::fault::Fault;
use super::machine::{Role, Stream};
use super::world::{World, covers};

/// A count that waits until the marks of all nodes are known where it is posted.
#[derive(Debug)]
pub struct CountJob {
    item: Item,
    at: usize,
    counted: i64,
    marks: Vec<(Life, Rc<Row>)>,
    until_ms: u64,
}

/// A count whose marks do not come in by then was provisional, and is not posted.
const COUNT_MS_MAX: u64 = 20_000;

impl World {
    /// A link is cut, or one that is cut is mended.
    pub fn change_link(&mut self) {
        let cut: Vec<usize> = (1..self.links.len()).filter(|link| !self.links[*link].up).collect();
        let mend = self.rng.chance(500);
        match self.rng.pick(&cut).copied() {
            Some(link) if mend => self.mend(link),
            _ => {
                // Whole stores go as often as single kiosks, so that large parts are alone.
                let first = if self.rng.chance(200) {
                    self.options.stores as u64
                } else {
                    self.links.len() as u64 - 1
                };
                let link = 1 + self.rng.below(first) as usize;
                self.cut(link);
            }
        }
    }

    pub fn cut(&mut self, link: usize) {
        if !self.links[link].up {
            return;
        }
        self.say(|world| format!("the link of {} is cut", world.name(link)));
        self.links[link].up = false;
        self.links[link].era += 1;
        self.links[link].failed_ms = self.now_ms;
        if let Some(parent) = self.machines[link].parent {
            self.notice_loss_later(link, parent);
            self.notice_loss_later(parent, link);
        }
    }

    pub fn mend(&mut self, link: usize) {
        self.say(|world| format!("the link of {} is mended", world.name(link)));
        self.links[link].up = true;
        if let Some(parent) = self.machines[link].parent {
            self.connect(link, parent);
        }
    }

    pub fn kill_one(&mut self) {
        if let Some(at) = self.any_running() {
            self.say(|world| format!("{} is killed", world.name(at)));
            self.crash(at);
        }
    }

    pub fn clock_jumps(&mut self) {
        if let Some(at) = self.rng.index(self.machines.len()) {
            let jump_ms = self.rng.between(1_000, 200_000) as i64;
            let jump_ms = if self.rng.chance(500) { -jump_ms } else { jump_ms };
            self.machines[at].wall_off_ms += jump_ms;
            self.say(|world| format!("the wall clock of {} jumps by {jump_ms} ms", world.name(at)));
            // Whoever looks at it acts on it.
            if self.planted == Some(Fault::ExpiryByWallClock)
                && let Some(memory) = self.machines[at].memory.as_ref()
            {
                let ids: Vec<u64> = memory.holds.keys().copied().collect();
                ids.into_iter().for_each(|id| self.expire(at, id));
            }
        }
    }

    fn any_kiosk(&mut self) -> Option<usize> {
        let at = self.rng.index(self.machines.len())?;
        (self.machines[at].role == Role::Kiosk).then_some(at)
    }

    /// A kiosk is backed up, restored, or its disk copied into another machine.
    pub fn restore_one(&mut self) {
        let Some(at) = self.any_kiosk() else { return };
        match self.rng.below(3) {
            0 => self.machines[at].backup = self.machines[at].journal.len(),
            1 => self.restore(at),
            _ => {
                // The copy finds another machine id at its start, and begins a life of its own.
                if self.machines.len() < self.options.replicas + 10 {
                    let parent = self.machines[at].parent;
                    let copy = self.add_machine(Role::Kiosk, parent);
                    self.say(|world| {
                        format!(
                            "a copy of the disk of {} starts as {}",
                            world.name(at),
                            world.name(copy)
                        )
                    });
                    if self.planted == Some(Fault::IncarnationReused) {
                        self.crash(copy);
                        self.machines[copy].life = self.machines[at].life;
                        self.machines[copy].journal = self.machines[at].journal.clone();
                    }
                }
            }
        }
    }

    fn restore(&mut self, at: usize) {
        let backup = self.machines[at].backup.min(self.machines[at].journal.len());
        self.say(|world| format!("{} is restored from a backup with {backup} records", world.name(at)));
        self.crash(at);
        if self.planted == Some(Fault::IncarnationReused) {
            self.machines[at].journal.truncate(backup);
            return;
        }
        let life = self.machines[at].life;
        if self.model.is_retired(life) {
            return;
        }
        let parent = self.machines[at].parent.unwrap_or(0);
        let received = self.machines[parent].books.get(&life).map_or(0, |book| book.received);
        let head = received.max(backup);
        self.lives[life].journal.truncate(head);
        self.model.lost(life, head);
        self.lives[life].over = true;
        // What is known of it anywhere came from its parent, which has no more than this.
        let items = self.options.items;
        let mut rows = Rows::empty(items);
        for fact in &self.lives[life].journal {
            let _ = fact.apply(life, &self.ids, &mut rows);
        }
        for (item, row) in rows.own.into_iter().enumerate() {
            self.set_row(life, item, row);
        }
        self.begin_again(at);
    }

    /// A machine goes on as another incarnation, and offers what is left of the last one.
    fn begin_again(&mut self, at: usize) {
        let items = self.options.items;
        let life = self.machines[at].life;
        for stream in &mut self.machines[at].streams {
            if stream.life == life {
                let acked = stream.acked.min(self.lives[life].journal.len());
                *stream = Stream {
                    life,
                    acked,
                    sent: acked,
                };
            }
        }
        self.machines[at].view = vec![BTreeMap::new(); items];
        self.machines[at].changed.clear();
        self.new_life(at);
        if let Some(parent) = self.machines[at].parent {
            // What the other end has told is not on this disk any more.
            self.machines[parent].told.remove(&at);
            let changes = self.machines[parent].changed.values_mut();
            changes
                .filter(|change| change.from == Some(at))
                .for_each(|change| change.from = None);
        }
    }

    /// A node that cannot be reached is retired by its parent's operator; so is a life whose disk is gone.
    pub fn retire_one(&mut self) {
        let is_cut = |at: &usize| self.machines[*at].role == Role::Kiosk && !self.links[*at].up;
        let cut: Vec<usize> = (0..self.machines.len()).filter(is_cut).collect();
        let Some(at) = self.rng.pick(&cut).copied() else { return };
        let parent = self.machines[at].parent.unwrap_or(0);
        let life = self.machines[at].life;
        let connected = self.machines[parent]
            .memory
            .as_ref()
            .is_none_or(|memory| memory.connected.contains_key(&at));
        if !connected && !self.links[at].up {
            self.retire(parent, life);
        }
    }

    pub fn retire(&mut self, parent: usize, life: Life) {
        let book = self.book_of(parent, life);
        let (retired, head) = (book.retired.is_some(), book.received);
        if retired || !self.machines[parent].is_running() {
            return;
        }
        self.say(|world| format!("life {life} is retired at record {head} by {}", world.name(parent)));
        let before = self.machines[parent].journal.len();
        let owed = self.left_owing(parent, life);
        let items: Vec<Item> = owed.iter().map(|line| line.0).collect();
        let result = self.commit(parent, Fact::Retired { life, head, owed });
        if self.machines[parent].journal.len() > before
            && let Some(book) = self.machines[parent].books.get_mut(&life)
        {
            book.retired = Some(head);
        }
        if result.is_ok() {
            if let Some(other) = self.connected_machine(parent, life) {
                self.disconnect(parent, other);
            }
            items.into_iter().for_each(|item| self.tell_row(parent, item));
            self.post_if_all(parent, life);
            if self.planted == Some(Fault::RetiredRightsReused) {
                self.override_retired(parent, life);
            }
        }
    }

    /// What a life would still owe if it were retired now, by item.
    fn left_owing(&self, parent: usize, life: Life) -> Vec<Line> {
        let (Some(book), Some(memory)) = (
            self.machines[parent].books.get(&life),
            self.machines[parent].memory.as_ref(),
        ) else {
            return Vec::new();
        };
        let me = &self.ids[self.machines[parent].life];
        let owes = |(item, (row, mine)): (Item, (&Rc<Row>, &Rc<Row>))| {
            let mut row = Row::clone(row);
            retire(&mut row, &self.ids[life], (me, mine)).ok()?;
            Some((item, row.owed().parts())).filter(|line| line.1 > 0)
        };
        book.rows
            .own
            .iter()
            .zip(&memory.rows.own)
            .enumerate()
            .filter_map(owes)
            .collect()
    }

    /// What a retired life has left to its parent and nobody may promise yet.
    pub fn left_by(&self, parent: usize, life: Life, item: Item) -> u64 {
        let me = &self.ids[self.machines[parent].life];
        let memory = self.machines[parent].memory.as_ref();
        let left = memory.and_then(|memory| {
            let theirs = &memory.rows.retired.get(&life)?[item];
            Some(
                theirs
                    .given(me)
                    .above(memory.rows.own[item].accepted(&self.ids[life]))
                    .parts(),
            )
        });
        left.unwrap_or(0)
    }

    /// An operator decides that a retired life's rights can be promised again.
    pub fn override_retired(&mut self, parent: usize, life: Life) {
        for item in 0..self.options.items {
            let n = self.left_by(parent, life, item);
            if n > 0 {
                self.do_simple(parent, Fact::Overridden { life, item, n });
            }
        }
    }

    /// A machine hears that the life that it runs is retired: it goes on as another one.
    pub fn on_retired(&mut self, at: usize, life: Life) {
        if self.machines[at].life != life || self.lives[life].over {
            return;
        }
        self.say(|world| format!("{} hears that it is retired", world.name(at)));
        self.crash(at);
        self.lives[life].over = true;
        self.begin_again(at);
    }

    /// Operators look after what is left of lives that are over.
    pub fn tidy_up(&mut self) {
        for life in 0..self.lives.len() {
            let over = self.lives[life].over;
            let Some(parent) = self.machines[self.lives[life].machine].parent else {
                continue;
            };
            if !over && !self.model.is_retired(life) {
                continue;
            }
            // The last record may have come before anybody knew that it was the last.
            self.post_if_all(parent, life);
            let all = self.lives[life].journal.len();
            let book = self.book_of(parent, life);
            let (retired, posted, received) = (book.retired.is_some(), book.posted, book.received);
            if !retired && over && received == all {
                self.retire(parent, life);
            } else if posted {
                self.override_retired(parent, life);
            }
        }
    }

    /// Somebody counts an item. Nodes that have gone silent for good make it provisional.
    pub fn count(&mut self) {
        self.tidy_up();
        let item = self.rng.below(self.options.items as u64) as usize;
        let at = usize::from(self.options.stores == 1);
        let in_doubt = |(life, record): (usize, &super::world::LifeRecord)| {
            let posted = self
                .machines
                .iter()
                .any(|machine| machine.books.get(&life).is_some_and(|book| book.posted));
            (record.over || self.model.is_retired(life)) && !posted
        };
        if self.lives.iter().enumerate().any(in_doubt) || self.counts.iter().any(|job| job.item == item) {
            return;
        }
        let marks = self
            .lives
            .iter()
            .enumerate()
            .map(|(life, record)| (life, record.rows[item].clone()))
            .collect();
        let counted = self.model.units[item];
        self.say(|_| format!("item {item} is counted: {counted}"));
        self.counts.push(CountJob {
            item,
            at,
            counted,
            marks,
            until_ms: self.now_ms + COUNT_MS_MAX,
        });
    }

    /// Posts counts whose marks are all known.
    pub fn post_counts(&mut self) {
        for mut job in std::mem::take(&mut self.counts) {
            let machine = &self.machines[job.at];
            let known = |(life, mark): &(Life, Rc<Row>)| {
                mark.is_empty() || machine.view[job.item].get(life).is_some_and(|row| covers(row, mark))
            };
            if self.now_ms > job.until_ms || !machine.is_running() {
                continue;
            }
            if !job.marks.iter().all(known) {
                self.counts.push(job);
                continue;
            }
            let mut book = finalmarket::domain::escrow::Shelf::default();
            for (life, row) in job.marks.drain(..) {
                book.merge_row(&self.ids[life], &row);
            }
            let missing = i64::try_from(book.quantity()).unwrap_or(0) - job.counted;
            let (missing, surplus) = (missing.max(0).unsigned_abs(), missing.min(0).unsigned_abs());
            if missing + surplus > 0 {
                self.do_simple(
                    job.at,
                    Fact::Counted {
                        item: job.item,
                        missing,
                        surplus,
                    },
                );
            }
        }
    }
}
