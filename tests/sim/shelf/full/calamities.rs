//! What befalls machines and links, and what operators do about it.

use finalmarket::domain::stock::Place;

use super::super::facts::{Item, Life};
use super::super::fault::{Fault, Rule};
use super::world::{Event, Seat, World};

/// A count that somebody has begun.
#[derive(Debug, Clone)]
pub struct CountJob {
    pub at: usize,
    pub item: Item,
    pub mark: u64,
    pub counted: u64,
    pub life: Life,
    /// What others had moved then, by life: came in, went out.
    pub others: Vec<(Life, u64, u64)>,
}

/// What others have moved of an item.
#[derive(Debug)]
pub struct MovedByOthers {
    pub moved: Vec<(Life, u64, u64)>,
    /// Whether all of it is known where it is asked for.
    pub known: bool,
}

impl World {
    /// A link is cut, or one that is cut is mended.
    pub fn change_link(&mut self) {
        let cut: Vec<usize> = (0..self.nodes.len())
            .filter(|child| !self.nodes[*child].link.up)
            .collect();
        let mend = self.rng.chance(500);
        match self.rng.pick(&cut).copied() {
            Some(child) if mend => self.mend(child),
            _ => {
                let child = self.rng.below(self.nodes.len() as u64) as usize;
                if self.nodes[child].link.up {
                    self.say(|world| format!("the link of {} is cut", world.name(Seat::Node(child))));
                    self.nodes[child].link.up = false;
                    self.breaks(child);
                }
            }
        }
    }

    pub fn mend(&mut self, child: usize) {
        self.say(|world| format!("the link of {} is mended", world.name(Seat::Node(child))));
        self.nodes[child].link.up = true;
        self.at(self.now_ms, Event::Connect { child });
    }

    pub fn kill_one(&mut self) {
        let at = self.rng.below(self.nodes.len() as u64 + 1) as usize;
        if at < self.nodes.len() {
            self.dies(at);
        } else {
            self.hq_dies();
        }
    }

    pub fn clock_jumps(&mut self) {
        if let Some(at) = self.rng.index(self.nodes.len()) {
            let jump_ms = self.rng.between(1_000, 200_000) as i64;
            let jump_ms = if self.rng.chance(500) { -jump_ms } else { jump_ms };
            self.nodes[at].wall_off_ms += jump_ms;
            self.say(|world| format!("the clock of {} jumps by {jump_ms} ms", world.name(Seat::Node(at))));
        }
    }

    /// A kiosk is backed up or restored, or a disk goes on in another machine.
    pub fn restore_one(&mut self) {
        let Some(at) = self.rng.index(self.nodes.len()) else {
            return;
        };
        if self.planted == Some(Fault::RetiredRightsReused) {
            return self.retire_living(at);
        }
        let is_kiosk = self.nodes[at].parent.is_some();
        match self.rng.below(4) {
            0 | 1 => self.back_up(at),
            2 if is_kiosk && self.nodes[at].disk.has_backup() => self.restore(at),
            3 => self.move_disk(at),
            _ => {}
        }
        // An operator looks after what is set apart since, and after what is over.
        self.settle();
        if self.rng.chance(500) {
            self.retire_over();
        }
    }

    fn back_up(&mut self, at: usize) {
        if self.nodes[at].process.is_none() {
            return;
        }
        let life = self.nodes[at].life;
        self.nodes[at].backup = life.map(|life| (life, self.lives[life].seq));
        if let Err(error) = self.nodes[at].disk.back_up() {
            self.fail(Rule::Durable, format!("there is no backup: {error}"));
        }
    }

    /// Ends a life: what nobody has of it is lost, with the promises that only it knew of.
    fn ends_life(&mut self, life: Life, head: u64) {
        // A disk that moved, was retired and is restored before it is started again ends no life: that one's parent has
        // all of it and has closed its rows.
        if self.model.is_retired(life) {
            return;
        }
        let record = &mut self.lives[life];
        let head = usize::try_from(head).unwrap_or(usize::MAX).min(record.past.len() - 1);
        let (model_seq, rows) = record.past[head].clone();
        record.rows = rows;
        record.over = true;
        record.hashes.truncate(head);
        record.seq = head as u64;
        record.past.truncate(head + 1);
        record.model_seq = model_seq;
        self.model.lost(life, model_seq);
    }

    fn restore(&mut self, at: usize) {
        let Some(life) = self.nodes[at].life else { return };
        // Nobody restores while the store is down: what it has cannot be looked up.
        let store = self.nodes[at].parent;
        if store.is_none_or(|store| self.nodes[store].process.is_none()) {
            return;
        }
        self.dies(at);
        self.say(|world| format!("{} is restored from a backup", world.name(Seat::Node(at))));
        if self.planted == Some(Fault::IncarnationReused) {
            if let Err(error) = self.nodes[at].disk.set_back() {
                self.broken(&format!("a disk cannot be set back: {error}"));
            }
            return;
        }
        let own = self.nodes[at]
            .backup
            .filter(|(of, _)| *of == life)
            .map_or(0, |(_, seq)| seq);
        let head = own.max(self.received(at, life));
        self.ends_life(life, head);
        // Of sales that the backup does not have this node knows nothing: their customers are sent to headquarters.
        self.nodes[at].sold.clear();
        let (seed, now) = (self.new_seed(), self.now_at(at));
        if let Err(error) = self.nodes[at].disk.restore(seed, now) {
            self.fail(Rule::Durable, format!("a backup cannot be restored: {error}"));
        }
    }

    /// A disk goes on in another machine: nothing is lost but what was promised.
    fn move_disk(&mut self, at: usize) {
        let Some(life) = self.nodes[at].life.filter(|_| self.nodes[at].process.is_some()) else {
            return;
        };
        // What a death in a commit has left is seen at a start only, so this is one in order.
        self.dies(at);
        self.say(|world| format!("{} goes on in another machine", world.name(Seat::Node(at))));
        let head = self.lives[life].seq;
        self.ends_life(life, head);
        self.nodes[at].disk.moves();
    }

    /// How many records of a kiosk's life its store has.
    fn received(&mut self, at: usize, life: Life) -> u64 {
        let replica = self.lives[life].replica.clone();
        let Some(store) = self.nodes[at].parent else { return 0 };
        let origin = self.reads(store, |snapshot| {
            snapshot.relay_origin(&replica.node, replica.incarnation)
        });
        origin.flatten().map_or(0, |origin| origin.acked.seq)
    }

    /// What others have moved of an item, and whether a node knows of it.
    pub fn moved_by_others(&mut self, at: usize, item: Item) -> Option<MovedByOthers> {
        let sku = self.keys[item].sku.clone();
        let shelf = self.reads(at, |snapshot| snapshot.shelf(Place::Sellable, &sku))?;
        let own = self.nodes[at].life;
        let (mut moved, mut known) = (Vec::new(), true);
        for (life, record) in self.lives.iter().enumerate().filter(|(life, _)| Some(*life) != own) {
            let row = record.rows[item].registers();
            let copy = shelf.row(&record.replica).cloned().unwrap_or_default();
            known &= (row.added, row.removed) == (copy.registers().added, copy.registers().removed);
            moved.push((life, row.added.parts(), row.removed.parts()));
        }
        Some(MovedByOthers { moved, known })
    }
}
