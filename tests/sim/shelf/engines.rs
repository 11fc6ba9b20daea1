//! The process around an engine: what it hears and what it wants done.

use std::rc::Rc;

use finalmarket::domain::escrow::{Amount, Refusal, ReplicaId, Row};
use finalmarket::sync::rights::{Figures, Input, Output, Resolution, RightsMessage, ShelfKey};

use super::facts::{Fact, HoldId, Item, Life, Step, amount};
use super::fault::{Fault, Rule};
use super::machine::{Stop, Waiting};
use super::network::Message;
use super::world::{Event, World, covers};

impl World {
    pub fn life_of(&self, id: &ReplicaId) -> Life {
        // The random part of an incarnation is its number here.
        usize::try_from(id.incarnation.random).unwrap_or(usize::MAX)
    }

    pub fn item_of(&self, key: &ShelfKey) -> Item {
        self.keys
            .iter()
            .position(|known| known == key)
            .expect("a shelf of this world")
    }

    pub fn figures(&self, at: usize, item: Item) -> Figures {
        self.machines[at].row(item).map(Figures::from).unwrap_or_default()
    }

    pub fn feed(&mut self, at: usize, input: Input) {
        let now_ms = self.now_ms;
        if let Some(memory) = self.machines[at].memory.as_mut() {
            memory.engine.handle(now_ms, input);
            self.dirty.insert(at);
        }
    }

    pub fn tell_row(&mut self, at: usize, item: Item) {
        let (shelf, figures) = (self.keys[item].clone(), self.figures(at, item));
        self.feed(at, Input::Row { shelf, figures });
    }

    /// At the start the engine is shown what it must know.
    pub fn introduce(&mut self, at: usize) {
        for item in 0..self.options.items {
            self.tell_row(at, item);
            let children = self.machines[at].children.clone();
            for child in children {
                let (to, figures) = (self.ids[self.machines[child].life].clone(), self.figures(at, item));
                let total = self.machines[at].row(item).map_or(Amount::ZERO, |row| row.given(&to));
                let taken = self.taken_by_child(at, self.machines[child].life, item);
                if total > taken {
                    let shelf = self.keys[item].clone();
                    self.feed(
                        at,
                        Input::Granted {
                            to: to.clone(),
                            shelf: shelf.clone(),
                            request: None,
                            total,
                            figures,
                        },
                    );
                    self.feed(
                        at,
                        Input::TakenOver {
                            by: to,
                            shelf,
                            total: taken,
                        },
                    );
                }
            }
        }
    }

    pub fn on_rights(&mut self, from: usize, sender: Life, to: usize, message: RightsMessage) {
        let connected = self.machines[to]
            .memory
            .as_ref()
            .and_then(|memory| memory.connected.get(&from));
        if connected.is_some_and(|(life, _)| *life == sender) {
            self.feed(
                to,
                Input::Received {
                    from: self.ids[sender].clone(),
                    message,
                },
            );
        }
    }

    pub fn wake(&mut self, at: usize) {
        let now_ms = self.now_ms;
        let Some(memory) = self.machines[at].memory.as_mut() else {
            return;
        };
        if memory.wake_ms.is_some_and(|due_ms| due_ms <= now_ms) {
            memory.wake_ms = None;
            self.wakes += 1;
            self.feed(at, Input::Timeout);
        }
    }

    /// Does what the engines want, until they want nothing.
    pub fn work(&mut self) {
        let mut todo = self.dirty.clone();
        while let Some(at) = todo.pop_first() {
            while let Some(output) = self.machines[at]
                .memory
                .as_mut()
                .and_then(|memory| memory.engine.poll())
            {
                self.do_output(at, output);
            }
            self.flush(at);
            let deadline = self.machines[at]
                .memory
                .as_ref()
                .and_then(|memory| memory.engine.deadline());
            if let Some(due_ms) = deadline
                && let Some(memory) = self.machines[at].memory.as_mut()
                && memory.wake_ms.is_none_or(|wake_ms| wake_ms > due_ms)
            {
                memory.wake_ms = Some(due_ms);
                self.at(due_ms, Event::Wake { at });
            }
        }
    }

    pub fn connected_machine(&self, at: usize, life: Life) -> Option<usize> {
        let connected = &self.machines[at].memory.as_ref()?.connected;
        connected
            .iter()
            .find(|(_, (known, _))| *known == life)
            .map(|(machine, _)| *machine)
    }

    fn do_output(&mut self, at: usize, output: Output) {
        match output {
            Output::Send { to, message } => {
                if let Some(other) = self.connected_machine(at, self.life_of(&to)) {
                    self.send(at, other, Message::Rights(message));
                }
            }
            Output::Give {
                to,
                shelf,
                amount,
                request,
            } => self.give(at, &to, shelf, amount, request),
            Output::SendGrants { to, shelf, after } => {
                let (id, to, item) = (to.clone(), self.life_of(&to), self.item_of(&shelf));
                let taken = self.taken_by_child(at, to, item);
                if self.machines[at].row(item).is_some_and(|row| row.given(&id) <= taken) {
                    self.feed(
                        at,
                        Input::TakenOver {
                            by: id,
                            shelf,
                            total: taken,
                        },
                    );
                    return;
                }
                let after = after.max(taken);
                let behind = |step: &Step| step.item == item && step.after > after.parts();
                let wanted = |fact: &&Rc<Fact>| matches!(&***fact, Fact::Granted { to: life, steps, .. } if *life == to && steps.iter().any(behind));
                let facts: Vec<Rc<Fact>> = self.machines[at].journal.iter().filter(wanted).cloned().collect();
                if let Some(other) = self.connected_machine(at, to) {
                    self.send(at, other, Message::Grants { to, facts });
                }
            }
            Output::LookUp { shelf } => {
                let item = self.item_of(&shelf);
                let children = self.machines[at].children.clone();
                let rights = |child: usize| {
                    let life = self.machines[child].life;
                    let row = self.machines[at].books.get(&life).map(|book| &book.rows.own[item])?;
                    let given = self.machines[at].row(item)?.given(&self.ids[life]);
                    let under_way = given.above(self.taken_by_child(at, life, item));
                    let rights = Figures::from(&**row).rights.checked_add(under_way)?;
                    Some((self.ids[life].clone(), rights))
                };
                let rights = children.into_iter().filter_map(rights).collect();
                let figures = self.figures(at, item);
                self.feed(at, Input::Known { shelf, figures, rights });
            }
            Output::Resolved { need, resolution } => self.resolved(at, need, resolution),
        }
    }

    fn give(&mut self, at: usize, to: &ReplicaId, shelf: ShelfKey, n: Amount, request: Option<u64>) {
        let (life, item) = (self.life_of(to), self.item_of(&shelf));
        let before = self.machines[at].row(item).map_or(0, |row| row.given(to).parts());
        let done = request.is_some_and(|request| self.requests_done.contains(&(at, life, request)));
        let step = Step {
            item,
            before,
            after: before + n.parts(),
        };
        let fact = Fact::Granted {
            to: life,
            steps: vec![step],
            request,
            hold: None,
        };
        if self.planted == Some(Fault::GrantBeforeCommit)
            && let Some(other) = self.connected_machine(at, life)
        {
            self.send(
                at,
                other,
                Message::Grants {
                    to: life,
                    facts: vec![Rc::new(fact.clone())],
                },
            );
            if self.faults_on && self.rng.chance(50) {
                self.crash(at);
                return;
            }
        }
        let retired = self.machines[at]
            .books
            .get(&life)
            .is_some_and(|book| book.retired.is_some());
        let result = match (done, retired) {
            (true, _) => Ok(()),
            (false, true) => Err(None),
            (false, false) => self.commit(at, fact).map_err(Some),
        };
        let to = to.clone();
        let figures = self.figures(at, item);
        match result {
            Ok(()) => {
                if let Some(request) = request {
                    self.requests_done.insert((at, life, request));
                }
                let total = self.machines[at].row(item).map_or(Amount::ZERO, |row| row.given(&to));
                self.feed(
                    at,
                    Input::Granted {
                        to,
                        shelf,
                        request,
                        total,
                        figures,
                    },
                );
            }
            // The store says no, also to whom was retired while its wish was waiting.
            Err(None | Some(Stop::Refused(_))) => self.feed(
                at,
                Input::NotGiven {
                    to,
                    shelf,
                    request,
                    figures,
                },
            ),
            Err(Some(Stop::Crashed)) => {}
        }
    }

    fn resolved(&mut self, at: usize, need: u64, resolution: Resolution) {
        let Some(memory) = self.machines[at].memory.as_mut() else {
            return;
        };
        let Some(n) = memory.waiting.iter().position(|waiting| waiting.need == need) else {
            return;
        };
        let waiting = memory.waiting.remove(n);
        let result = self.open_hold(at, need, &waiting.lines, waiting.lifetime_ms);
        if resolution == Resolution::Ready {
            self.feed(at, Input::Closed { need });
        }
        match result {
            Ok(()) => {}
            Err(Stop::Refused(refusal)) => self.on_refused(at, &waiting, refusal),
            Err(Stop::Crashed) => self.refused += 1,
        }
    }

    fn on_refused(&mut self, at: usize, waiting: &Waiting, refusal: Refusal) {
        self.refused += 1;
        if self.visits.contains_key(&waiting.need) {
            self.note_refusal(at, waiting.lines.iter().map(|line| line.1).sum());
        }
        self.say(|world| format!("{} refuses hold {}: {refusal}", world.name(at), waiting.need));
        self.check_refusal(at, waiting, refusal);
    }

    /// Opens a hold, where the rows allow it.
    pub fn open_hold(&mut self, at: usize, id: HoldId, lines: &[(Item, u64)], lifetime_ms: u64) -> Result<(), Stop> {
        let machine = &self.machines[at];
        for (item, n) in lines {
            let Some(row) = machine.row(*item) else {
                return Err(Stop::Crashed);
            };
            row.clone()
                .hold(amount(*n), &self.shelf(at, *item))
                .map_err(Stop::Refused)?;
        }
        self.commit(
            at,
            Fact::HoldOpened {
                id,
                lines: lines.to_vec(),
                lifetime_ms,
            },
        )?;
        self.held += 1;
        self.set_expiry(at, id, lifetime_ms);
        lines.iter().for_each(|(item, _)| self.tell_row(at, *item));
        Ok(())
    }

    pub fn set_expiry(&mut self, at: usize, id: HoldId, left_ms: u64) {
        let expires_ms = self.wall_ms(at) + left_ms;
        if let Some(memory) = self.machines[at].memory.as_mut() {
            memory.expires_ms.insert(id, expires_ms);
            self.at(self.now_ms + left_ms, Event::Expire { at, id });
        }
    }

    /// A machine checks whether a hold's time is over.
    pub fn expire(&mut self, at: usize, id: HoldId) {
        let now_ms = self.wall_ms(at);
        let Some(memory) = self.machines[at].memory.as_ref() else {
            return;
        };
        let (Some(expires_ms), Some(hold)) = (memory.expires_ms.get(&id), memory.holds.get(&id)) else {
            return;
        };
        if *expires_ms > now_ms {
            return;
        }
        self.steps += 1;
        let lines = hold.lines.clone();
        self.end_hold(at, id, lines, true);
    }

    pub fn end_hold(&mut self, at: usize, id: HoldId, lines: Vec<(Item, u64)>, expired: bool) {
        let items: Vec<Item> = lines.iter().map(|line| line.0).collect();
        if self.commit(at, Fact::HoldEnded { id, lines, expired }).is_ok() {
            items.into_iter().for_each(|item| self.tell_row(at, item));
        }
    }

    /// What a fault does to the rows of a commit.
    pub fn plant_in_rows(&self, fact: &Fact, before: &super::facts::Rows, rows: &mut super::facts::Rows) {
        let Fact::HoldEnded { lines, .. } = fact else { return };
        if self.planted == Some(Fault::ReleaseLowersRegister) {
            for (item, n) in lines {
                let mut registers = before.own[*item].registers().clone();
                registers.held = registers.held.above(amount(*n));
                rows.own[*item] = Rc::new(Row::from(registers));
            }
        }
    }

    /// A row never falls, and can be one.
    pub fn check_row(&mut self, life: Life, item: Item, row: &Rc<Row>) {
        if !covers(row, &self.lives[life].own_rows[item]) {
            let what = format!(
                "life {life}, item {item}: {row:?} after {:?}",
                self.lives[life].own_rows[item]
            );
            self.fail(Rule::NeverFalls, what);
        }
        if let Err(broken) = row.check() {
            self.fail(Rule::RowIsSound, format!("life {life}, item {item}: {broken}"));
        }
    }
}
