//! The process around an engine: connections, journals up, grants down, and what the engine wants done.

use std::rc::Rc;

use finalmarket::domain::escrow::{Amount, Grant, GrantStep, Refusal, ReplicaId, Row};
use finalmarket::sync::rights::{Figures, Input, Output, Resolution, RightsMessage, ShelfKey};

use super::facts::{Fact, HoldId, Item, Life, Step, amount};
use super::fault::{Fault, Rule};
use super::machine::{ChildBook, Stop, Waiting};
use super::network::Message;
use super::world::{Event, World};

/// Records in a message.
const RECORDS_MAX: usize = 20;
/// After so long records are sent again.
const RESEND_MS: u64 = 400;

impl World {
    pub fn life_of(&self, id: &ReplicaId) -> Life {
        // The random part of an incarnation is its number here.
        usize::try_from(id.incarnation.random).unwrap_or(usize::MAX)
    }

    pub fn item_of(&self, key: &ShelfKey) -> Item {
        self.keys.iter().position(|known| known == key).expect("a shelf of this world")
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

    fn disconnect(&mut self, at: usize, other: usize) {
        let Some(memory) = self.machines[at].memory.as_mut() else { return };
        if let Some((life, _)) = memory.connected.remove(&other) {
            let peer = self.ids[life].clone();
            self.feed(at, Input::Disconnected { peer });
        }
    }

    /// The other end is gone; this one notices in its time.
    pub fn notice_loss_later(&mut self, at: usize, other: usize) {
        let connected = self.machines[at].memory.as_ref().and_then(|memory| memory.connected.get(&other));
        if let Some((_, era)) = connected.copied() {
            let delay_ms = self.rng.between(1, self.options.notice_ms_max);
            self.at(self.now_ms + delay_ms, Event::Notice { at, other, era });
        }
    }

    pub fn notice(&mut self, at: usize, other: usize, era: u64) {
        let connected = self.machines[at].memory.as_ref().and_then(|memory| memory.connected.get(&other));
        if connected.is_some_and(|(_, known)| *known == era) {
            self.disconnect(at, other);
        }
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
                    self.feed(at, Input::Granted { to: to.clone(), shelf: shelf.clone(), request: None, total, figures });
                    self.feed(at, Input::TakenOver { by: to, shelf, total: taken });
                }
            }
        }
    }

    fn taken_by_child(&self, at: usize, child: Life, item: Item) -> Amount {
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
                self.send(at, parent, Message::Records { life: stream.life, first: stream.sent + 1, facts });
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
        let own = vec![Row::default(); self.options.items];
        let rows = super::facts::Rows { own, ..Default::default() };
        self.machines[at].books.entry(life).or_insert(ChildBook { rows, ..ChildBook::default() })
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
        let Some(book) = self.machines[at].books.get_mut(&life) else { return };
        if book.retired.is_some() && over && book.received == all && !book.posted {
            book.posted = true;
            self.model.returned(life);
        }
    }

    fn take_record(&mut self, to: usize, life: Life, fact: &Rc<Fact>) -> Result<(), Stop> {
        let me = self.machines[to].life;
        let late = self.machines[to].books[&life].retired.is_some();
        let before = self.machines[to].journal.len();
        let result = if late { self.post_late(to, life, fact) } else { self.take_child_fact(to, life, fact) };
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
        let rows: Vec<(Item, Row)> = fact.items().into_iter().map(|item| (item, self.machines[to].books[&life].rows.own[item].clone())).collect();
        for (item, row) in rows {
            self.take_in_row(to, life, item, &row, Some(self.lives[life].machine));
        }
        if let Fact::Accepted { from, steps, .. } = &**fact
            && *from == me
        {
            for step in steps {
                let (by, shelf) = (self.ids[life].clone(), self.keys[step.item].clone());
                self.feed(to, Input::TakenOver { by, shelf, total: amount(step.after) });
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
            facts.push(Fact::LateAdded { life, item: *item, n: *n });
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
        let Fact::Granted { steps, request, hold, .. } = fact else { return Ok(()) };
        let next = |step: &Step| {
            let grant = Grant { before: amount(step.before), after: amount(step.after) };
            let row = self.machines[at].row(step.item);
            row.is_some_and(|row| matches!(grant.step(row, &self.ids[from]), GrantStep::Take(_)))
        };
        if !steps.iter().all(next) {
            return Ok(());
        }
        self.commit(at, Fact::Accepted { from, steps: steps.clone(), request: *request, hold: *hold })?;
        if let Some(hold) = hold {
            self.set_expiry(at, hold.id, hold.left_ms);
        }
        for step in steps {
            let (from, shelf, figures) = (self.ids[from].clone(), self.keys[step.item].clone(), self.figures(at, step.item));
            self.feed(at, Input::Accepted { from, shelf, request: *request, figures });
        }
        Ok(())
    }

    pub fn on_rights(&mut self, from: usize, sender: Life, to: usize, message: RightsMessage) {
        let connected = self.machines[to].memory.as_ref().and_then(|memory| memory.connected.get(&from));
        if connected.is_some_and(|(life, _)| *life == sender) {
            self.feed(to, Input::Received { from: self.ids[sender].clone(), message });
        }
    }

    pub fn wake(&mut self, at: usize) {
        let now_ms = self.now_ms;
        let Some(memory) = self.machines[at].memory.as_mut() else { return };
        if memory.wake_ms.is_some_and(|due_ms| due_ms <= now_ms) {
            memory.wake_ms = None;
            self.feed(at, Input::Timeout);
        }
    }

    /// Does what the engines want, until they want nothing.
    pub fn work(&mut self) {
        let mut todo = self.dirty.clone();
        while let Some(at) = todo.pop_first() {
            while let Some(output) = self.machines[at].memory.as_mut().and_then(|memory| memory.engine.poll()) {
                self.do_output(at, output);
            }
            self.flush(at);
            let deadline = self.machines[at].memory.as_ref().and_then(|memory| memory.engine.deadline());
            if let Some(due_ms) = deadline
                && let Some(memory) = self.machines[at].memory.as_mut()
                && memory.wake_ms.is_none_or(|wake_ms| wake_ms > due_ms)
            {
                memory.wake_ms = Some(due_ms);
                self.at(due_ms, Event::Wake { at });
            }
        }
    }

    fn connected_machine(&self, at: usize, life: Life) -> Option<usize> {
        let connected = &self.machines[at].memory.as_ref()?.connected;
        connected.iter().find(|(_, (known, _))| *known == life).map(|(machine, _)| *machine)
    }

    fn do_output(&mut self, at: usize, output: Output) {
        match output {
            Output::Send { to, message } => {
                if let Some(other) = self.connected_machine(at, self.life_of(&to)) {
                    self.send(at, other, Message::Rights(message));
                }
            }
            Output::Give { to, shelf, amount, request } => self.give(at, &to, shelf, amount, request),
            Output::SendGrants { to, shelf, after } => {
                let (id, to, item) = (to.clone(), self.life_of(&to), self.item_of(&shelf));
                let taken = self.taken_by_child(at, to, item);
                if self.machines[at].row(item).is_some_and(|row| row.given(&id) <= taken) {
                    self.feed(at, Input::TakenOver { by: id, shelf, total: taken });
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
                    let rights = Figures::from(row).rights.checked_add(under_way)?;
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
        let step = Step { item, before, after: before + n.parts() };
        let fact = Fact::Granted { to: life, steps: vec![step], request, hold: None };
        if self.planted == Some(Fault::GrantBeforeCommit)
            && let Some(other) = self.connected_machine(at, life)
        {
            self.send(at, other, Message::Grants { to: life, facts: vec![Rc::new(fact.clone())] });
            if self.faults_on && self.rng.chance(50) {
                self.crash(at);
                return;
            }
        }
        let result = if done { Ok(()) } else { self.commit(at, fact) };
        let to = to.clone();
        let figures = self.figures(at, item);
        match result {
            Ok(()) => {
                if let Some(request) = request {
                    self.requests_done.insert((at, life, request));
                }
                let total = self.machines[at].row(item).map_or(Amount::ZERO, |row| row.given(&to));
                self.feed(at, Input::Granted { to, shelf, request, total, figures });
            }
            Err(Stop::Refused(_)) => self.feed(at, Input::NotGiven { to, shelf, request, figures }),
            Err(Stop::Crashed) => {}
        }
    }

    fn resolved(&mut self, at: usize, need: u64, resolution: Resolution) {
        let Some(memory) = self.machines[at].memory.as_mut() else { return };
        let Some(n) = memory.waiting.iter().position(|waiting| waiting.need == need) else { return };
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
            let Some(row) = machine.row(*item) else { return Err(Stop::Crashed) };
            row.clone().hold(amount(*n), &machine.view[*item]).map_err(Stop::Refused)?;
        }
        self.commit(at, Fact::HoldOpened { id, lines: lines.to_vec(), lifetime_ms })?;
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
        let Some(memory) = self.machines[at].memory.as_ref() else { return };
        let (Some(expires_ms), Some(hold)) = (memory.expires_ms.get(&id), memory.holds.get(&id)) else { return };
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

    /// Rows go round: both ways over a link, what the other has not said that it has.
    pub fn gossip(&mut self, link: usize) {
        self.at(self.now_ms + self.options.gossip_ms, Event::Gossip { link });
        let Some(parent) = self.machines[link].parent else { return };
        self.post_counts();
        for (from, to) in [(link, parent), (parent, link)] {
            let machine = &self.machines[from];
            if !machine.memory.as_ref().is_some_and(|memory| memory.connected.contains_key(&to)) {
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
                let row = machine.view[*item].row(&self.ids[*life])?;
                Some((*life, *item, Rc::new(row.clone())))
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

    /// What a fault does to the rows of a commit.
    pub fn plant_in_rows(&self, fact: &Fact, before: &super::facts::Rows, rows: &mut super::facts::Rows) {
        let Fact::HoldEnded { lines, .. } = fact else { return };
        if self.planted == Some(Fault::ReleaseLowersRegister) {
            for (item, n) in lines {
                let mut registers = before.own[*item].registers().clone();
                registers.held = registers.held.above(amount(*n));
                rows.own[*item] = Row::from(registers);
            }
        }
    }

    /// A row never falls, and can be one.
    pub fn check_row(&mut self, life: Life, item: Item, row: &Row) {
        if !row.covers(&self.lives[life].own_rows[item]) {
            let what = format!("life {life}, item {item}: {row:?} after {:?}", self.lives[life].own_rows[item]);
            self.fail(Rule::NeverFalls, what);
        }
        if let Err(broken) = row.check() {
            self.fail(Rule::RowIsSound, format!("life {life}, item {item}: {broken}"));
        }
    }
}
